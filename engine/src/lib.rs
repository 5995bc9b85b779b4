//! Headwater's engine: a git branch of records as an immutable, searchable snapshot, moved from
//! commit to commit by its diff.
//!
//! The flow follows the order of the modules. A [`mirror`] fetches and compares trees; a [`layout`]
//! decides which path is which record; [`decode`] turns a blob into a [`value`]; a set of
//! [`changes`] is applied to the persistent maps of a [`sheet`] and to the text index of
//! [`search`], next to the live [`snapshot`]; [`plan`] decides how to get there, and [`admit`]
//! whether the result may go live; the [`engine`] publishes it by storing one pointer. [`query`]
//! answers readers from a snapshot.
//!
//! All of it serves one law: for every pair of commits, a snapshot of the first, moved to the
//! second by its diff, equals one loaded from the second.

pub mod causes;
pub mod fault;
pub mod budget;
mod workers;
mod persistent_map;
pub mod bounded_cache;
pub mod suggestion;
pub mod id;
pub mod digest;
pub mod view;
pub mod language;
pub mod pointer;
pub mod cursor;
pub mod value;
pub mod scalar;
pub mod problem;
pub mod record;
pub mod mirror;
pub mod decode;
pub mod split;
pub mod layout;
pub mod tables;
pub mod encode;
pub mod definitions;
pub mod index;
pub mod search;
mod document;
pub mod sheet;
pub mod cache;
pub mod plan;
pub mod report;
pub mod memory;
pub mod options;
pub mod skipped_files;
pub mod changes;
pub mod snapshot;
pub mod delta;
pub mod disclosure;
pub mod admit;
pub mod load;
pub mod notice;
pub mod replay;
pub mod write;
pub mod rebase;
pub mod history;
pub mod commits;
pub mod engine;
pub mod query;
