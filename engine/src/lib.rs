//! Headwater's engine: a git branch of records as an immutable, searchable snapshot.

pub mod id;
pub mod index;
pub mod mirror;
pub mod problem;
pub mod record;
pub mod scalar;
pub mod search;
pub mod value;
