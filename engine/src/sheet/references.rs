//! The references of a sheet that match no record.
//!
//! For each declared reference there is a set of dangling values: those in the index over its field
//! that the other sheet lacks. A change on either side affects only the values that came or went
//! there and the records that hold them, so nothing else is checked.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::problem_cache::ProblemCache;
use super::visited_holders::{Flip, VisitedHolders};
use super::{MANY, Sheet, fold_problem};
use crate::digest::LtHash;
use crate::id::Key;
use crate::layout::Reference;
use crate::pointer::Pointer;
use crate::problem::{Problem, Rule};
use crate::record::Record;
use crate::scalar::Scalar;
use crate::value::FieldPath;

/// The most dangling values reported for one reference of one record.
const TOLD: usize = 100;

/// The target sheet of a reference, and the values that came or went on either side.
pub(crate) struct Link<'a> {
    /// The sheet that is referred to.
    pub(crate) to: Arc<Sheet>,
    /// The values.
    pub(crate) moved: Vec<&'a Scalar>,
}

impl Sheet {
    /// Returns the first record by key that `value` refers to and that the public sees: by the
    /// field `target`, or by key. Logarithmic.
    pub fn referred_to(&self, target: Option<&FieldPath>, value: &Scalar) -> Option<&Arc<Record>> {
        let key = match target {
            None => key_in(value)?,
            Some(field) => self.shown_index(field)?.get(value)?.iter().next()?.as_str(),
        };
        self.record(key).filter(|record| self.shows(record))
    }

    /// Returns whether `value` refers to a record, hidden or not.
    fn has(&self, target: Option<&FieldPath>, value: &Scalar) -> bool {
        match target {
            None => key_in(value).is_some_and(|key| self.record(key).is_some()),
            Some(field) => {
                self.index(field.as_str()).is_some_and(|index| index.get(value).is_some())
            }
        }
    }

    /// Updates the dangling references for a change of this sheet, which touched these keys, and
    /// for changes of the sheets that it refers to. There is one link for each reference, in order.
    ///
    /// Costs what the change costs, and a visit to those records that hold a value that dangles now
    /// or did before which `visited` chooses.
    pub(crate) fn relate(
        &mut self,
        touched: &[Key],
        links: &[Link<'_>],
        visited: &mut VisitedHolders,
    ) {
        self.problem_cache = ProblemCache::default();
        let spec = self.spec.clone();
        let mut affected = BTreeSet::new();
        // These are visited anyway.
        let own: HashSet<&Key> =
            if visited.are_limited() { touched.iter().collect() } else { HashSet::new() };
        for (at, (reference, link)) in spec.refs.iter().zip(links).enumerate() {
            let Some((_, index)) = self.indexes.iter().find(|(name, _)| *name == reference.field)
            else {
                continue;
            };
            let Some(values) = self.dangling.values.get_mut(at) else { continue };
            visited.begin_reference(!self.hidden.is_empty());
            for &value in &link.moved {
                let holders = index.get(value);
                let is_named = || link.to.has(reference.target.as_ref(), value);
                let flip = if holders.is_some() && !is_named() {
                    values.insert(value.clone()).is_none().then_some(Flip::Dangles)
                } else {
                    values.remove(value).is_some().then_some(Flip::IsNamed)
                };
                if let Some(flip) = flip {
                    let others = holders.into_iter().flatten().filter(|key| !own.contains(key));
                    visited.choose(flip, others, |key| self.hidden.contains(key), &mut affected);
                }
            }
        }
        if !self.dangling.is_empty() {
            if touched.len() < MANY || visited.are_limited() {
                affected.extend(touched.iter().cloned());
            } else {
                // Among many records, few have dangling references.
                affected.extend(self.dangling.problems.keys().cloned());
                for (reference, values) in spec.refs.iter().zip(&self.dangling.values) {
                    let index = self.index(reference.field.as_str());
                    let holders = values.iter().filter_map(|value| index?.get(value)).flatten();
                    affected.extend(holders.cloned());
                }
            }
        }
        for key in &affected {
            self.replace_dangling(key);
        }
    }

    fn replace_dangling(&mut self, key: &Key) {
        let new = self.record(key.as_str()).map(|record| self.dangling_of(record));
        let new = new.unwrap_or_default();
        if let Some(old) = self.dangling.problems.remove(key) {
            old.iter().for_each(|(_, p)| fold_problem(&mut self.problems_sum, p, LtHash::remove));
        }
        if !new.is_empty() {
            new.iter().for_each(|(_, p)| fold_problem(&mut self.problems_sum, p, LtHash::add));
            self.dangling.problems.insert(key.clone(), new.into());
        }
    }

    /// Lists the dangling values of a record, each with the index of its reference.
    fn dangling_of(&self, record: &Record) -> Vec<(usize, Problem)> {
        let mut found = Vec::new();
        let references = self.spec.refs.iter().zip(&self.dangling.values).enumerate();
        for (at, (reference, values)) in references.filter(|(_, (_, values))| !values.is_empty()) {
            // Each reference has its own limit, so what is reported for one does not depend on what
            // is hidden behind another.
            let before = found.len();
            record.value.locate(&reference.field, &mut |pointer, json| {
                let dangles = Scalar::read(json).is_some_and(|value| values.contains(&value));
                if dangles && found.len() - before < TOLD {
                    found.push((at, self.problem(record, reference, pointer.clone())));
                }
            });
        }
        found
    }

    fn problem(&self, record: &Record, reference: &Reference, pointer: Pointer) -> Problem {
        let Reference { field, sheet, target, .. } = reference;
        let message = match target {
            None => format!("`{field}` is not the key of a record of {sheet}"),
            Some(target) => format!("`{field}` is not the `{target}` of a record of {sheet}"),
        };
        let path = record.path();
        Problem::new(&self.spec.name, path, Rule::DanglingRef, message).pointing_to(pointer)
    }
}

/// Returns the key that a value spells, if it is a text.
fn key_in(value: &Scalar) -> Option<&str> {
    match value {
        Scalar::String(key) => Some(key),
        Scalar::Timestamp(key) => Some(key.as_str()),
        _ => None,
    }
}
