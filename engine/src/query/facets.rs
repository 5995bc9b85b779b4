//! Counts of the values of a field.

use std::collections::HashMap;
use std::sync::Arc;

use crate::index::{self, FieldIndex};
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
    let mut values: Vec<(Scalar, usize)> = count(field, records).into_iter().collect();
    values.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
    values.truncate(MAX_VALUES);
    Facet { field: field.clone(), values }
}

/// Takes the counts of all records from the index, and those of `hidden` away again.
pub(crate) fn of_index<'a>(
    field: &FieldPath,
    index: &FieldIndex,
    hidden: impl Iterator<Item = &'a Arc<Record>>,
) -> Facet {
    let hidden = count(field, hidden);
    let mut counts: Vec<(&Scalar, usize)> = index
        .values()
        .map(|(scalar, keys)| {
            (scalar, keys.len().saturating_sub(hidden.get(scalar).copied().unwrap_or(0)))
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    // The values are in order and the sort is stable.
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
