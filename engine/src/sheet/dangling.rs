//! The dangling references of a sheet.

use std::sync::Arc;

use im::{OrdMap, OrdSet};

use crate::id::Key;
use crate::problem::Problem;
use crate::scalar::Scalar;

/// The references of a sheet that match no record.
#[derive(Debug, Clone)]
pub(super) struct Dangling {
    /// For each declared reference, the values that a record holds and that match no record.
    pub(super) values: Vec<OrdSet<Scalar>>,
    /// The records that hold them, each problem with the index of its reference in the definition.
    pub(super) problems: OrdMap<Key, Arc<[(usize, Problem)]>>,
}

impl Dangling {
    /// Returns the initial state, without dangling references.
    pub(super) fn new(references: usize) -> Self {
        Self { values: vec![OrdSet::new(); references], problems: OrdMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.values.iter().all(OrdSet::is_empty)
    }

    /// Returns the problems of the `wanted` records and references, with their keys.
    pub(super) fn problems(
        &self,
        wanted: impl Fn(&Key, usize) -> bool,
    ) -> impl Iterator<Item = (&Key, &Problem)> {
        let all = self.problems.iter().flat_map(|(key, list)| list.iter().map(move |p| (key, p)));
        all.filter(move |(key, (at, _))| wanted(key, *at)).map(|(key, (_, problem))| (key, problem))
    }

    /// Writes everything, so that two states can be compared line by line.
    pub(super) fn dump(&self) -> impl Iterator<Item = String> {
        let values = self.values.iter().map(|values| format!("{values:?}"));
        values.chain(self.problems.iter().map(|(key, list)| format!("{key} {list:?}")))
    }
}
