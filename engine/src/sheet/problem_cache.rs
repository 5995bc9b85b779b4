//! A cache of results about the problems and the hidden records of one state of a sheet.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::digest::LtHash;
use crate::problem::Problem;

/// Results that are computed on first use. A clone starts empty, since it is made to be changed.
#[derive(Debug, Default)]
pub(super) struct ProblemCache {
    pub(super) count: OnceLock<usize>,
    pub(super) public: OnceLock<PublicProblems>,
    pub(super) public_list: OnceLock<Arc<[Problem]>>,
    pub(super) veiled_lists: OnceLock<BTreeSet<Box<str>>>,
}

/// What the public can see of the problems.
#[derive(Debug)]
pub(super) struct PublicProblems {
    pub(super) count: usize,
    /// The sum over the problems of files and references.
    pub(super) sum: LtHash,
    /// The sum over the problems of duplicate values.
    pub(super) duplicates: LtHash,
}

impl Clone for ProblemCache {
    fn clone(&self) -> Self {
        Self::default()
    }
}
