//! Counts of the values of a field.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::id::Key;
use crate::index::{self, FieldIndex, Postings};
use crate::query::ranges::Entry;
use crate::record::Record;
use crate::scalar::Scalar;
use crate::value::FieldPath;

/// The most values that a facet names.
const MAX_VALUES: usize = 100;

/// How many of the listed records hold each value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: FieldPath,
    /// The values with their counts: the most frequent hundred, equal counts by value.
    pub values: Vec<(Scalar, usize)>,
}

/// Counts by reading the records.
pub(crate) fn of_records<'a>(
    field: &FieldPath,
    records: impl Iterator<Item = &'a Arc<Record>>,
) -> Facet {
    let counts = count(field, records);
    let mut counts: Vec<_> = counts.iter().map(|(scalar, count)| (scalar, *count)).collect();
    counts.sort_unstable();
    most_frequent(field, counts)
}

/// Takes the counts of all records from these entries of an index, and those of `hidden` away
/// again.
pub(crate) fn of_entries<'a>(
    field: &FieldPath,
    entries: impl Iterator<Item = Entry<'a>>,
    hidden: impl Iterator<Item = &'a Arc<Record>>,
) -> Facet {
    let hidden = count(field, hidden);
    let hidden = |scalar: &Scalar| hidden.get(scalar).copied().unwrap_or_default();
    let counts = entries.map(|(scalar, keys)| (scalar, keys.len().saturating_sub(hidden(scalar))));
    most_frequent(field, counts.collect())
}

/// Counts the `total` records of a list in an index whose every record holds one value: what holds
/// none of the other values holds `commonest`.
pub(crate) fn of_rest(
    field: &FieldPath,
    index: &FieldIndex,
    commonest: &Scalar,
    total: usize,
    admits: impl Fn(&Key) -> bool,
) -> Facet {
    let mut rest = total;
    let counts = index.values().filter(|(scalar, _)| *scalar != commonest).map(|(scalar, keys)| {
        let count = keys.iter().filter(|key| admits(key)).count();
        rest -= count;
        (scalar, count)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.push((commonest, rest));
    counts.sort_unstable();
    most_frequent(field, counts)
}

/// Counts what `index` and `keys` have in common.
pub(crate) fn of_keys(field: &FieldPath, index: &FieldIndex, keys: &HashSet<&Key>) -> Facet {
    let common = |holders: &Postings| holders.iter().filter(|key| keys.contains(key)).count();
    let counts = index.values().map(|(scalar, holders)| (scalar, common(holders)));
    most_frequent(field, counts.collect())
}

/// Cuts off what is not among the most frequent. `counts` is in the order of the values.
fn most_frequent(field: &FieldPath, mut counts: Vec<(&Scalar, usize)>) -> Facet {
    counts.retain(|(_, count)| *count > 0);
    // The sort is stable.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(MAX_VALUES);
    let values = counts.into_iter().map(|(scalar, count)| (scalar.clone(), count)).collect();
    Facet { field: field.clone(), values }
}

fn count<'a>(
    field: &FieldPath,
    records: impl Iterator<Item = &'a Arc<Record>>,
) -> HashMap<Scalar, usize> {
    let mut counts = HashMap::new();
    for record in records {
        for scalar in index::scalars(&record.value, field) {
            *counts.entry(scalar).or_default() += 1;
        }
    }
    counts
}
