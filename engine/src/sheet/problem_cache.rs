//! What was found out about the problems of one state of a sheet, so that it is found out once.

use std::sync::{Arc, OnceLock};

use crate::digest::LtHash;
use crate::problem::Problem;

/// What was found out when it was first asked for. A copy knows nothing yet: it is made to be
/// changed.
#[derive(Debug, Default)]
pub(super) struct ProblemCache {
    pub(super) count: OnceLock<usize>,
    pub(super) public: OnceLock<PublicProblems>,
    pub(super) public_list: OnceLock<Arc<[Problem]>>,
}

/// What the public can tell apart.
#[derive(Debug)]
pub(super) struct PublicProblems {
    pub(super) count: usize,
    /// The sum over the problems of files and of references.
    pub(super) sum: LtHash,
    /// The sum over those of values that are held twice.
    pub(super) duplicates: LtHash,
}

impl Clone for ProblemCache {
    fn clone(&self) -> Self {
        Self::default()
    }
}
