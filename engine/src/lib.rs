//! Headwater's engine: a git branch of records as an immutable, searchable snapshot.

pub mod id;
