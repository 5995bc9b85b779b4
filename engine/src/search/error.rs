//! The errors of changing or searching the text index.

use crate::budget::TooCostly;
use crate::search::query::QueryError;

/// An error in changing or searching the text index.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query cannot be answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The query costs more than its budget allows.
    #[error(transparent)]
    TooCostly(#[from] TooCostly),
    /// A segment could not be built.
    #[error("cannot build a segment of the text index")]
    Build(#[source] tantivy::TantivyError),
    /// A segment could not be read.
    #[error("cannot read a segment of the text index")]
    Read(#[from] std::io::Error),
    /// The texts given to a compaction are not the texts that were indexed.
    #[error("the text index does not match the records")]
    OutOfStep,
}
