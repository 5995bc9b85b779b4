//! Counts of the values of a field.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use crate::budget::{Budget, STEP};
use crate::id::Key;
use crate::index::{FieldIndex, Postings};
use crate::query::found::reading;
use crate::query::ranges::Entry;
use crate::record::Record;
use crate::scalar::{Scalar, Stored};
use crate::value::{FieldPath, Paths};

/// The most values that a facet names.
const MAX_VALUES: usize = 100;

/// How long a value may be that a facet names, in bytes of JSON. With it, all facets of a list have
/// no more than the records beside one.
pub const MAX_FACET_VALUE: usize = 4096;

/// How many of the listed records hold each value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: FieldPath,
    /// The values with their counts: the most frequent hundred, equal counts by value.
    pub values: Vec<(Scalar, usize)>,
    /// How many more values there are.
    pub more: usize,
}

/// A facet would name a value that is longer than [`MAX_FACET_VALUE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has values of more than {MAX_FACET_VALUE} bytes, which are not counted")]
pub struct LongValue {
    /// The field.
    pub field: FieldPath,
}

/// Counts several fields by reading the records, each once.
pub(crate) fn of_records<'a>(
    fields: &[&FieldPath],
    records: impl Iterator<Item = &'a Arc<Record>>,
    budget: &Budget,
) -> Result<Vec<Facet>, LongValue> {
    let counts = count(fields, records, budget);
    let facets = fields.iter().zip(counts).map(|(field, counts)| {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        most_frequent(field, counts, |stored| stored.to_scalar())
    });
    facets.collect()
}

/// Takes the counts of all records from these entries of an index, and those of `hidden` away
/// again.
pub(crate) fn of_entries<'a>(
    field: &FieldPath,
    entries: impl Iterator<Item = Entry<'a>>,
    hidden: impl Iterator<Item = &'a Arc<Record>>,
    budget: &Budget,
) -> Result<Facet, LongValue> {
    let hidden = count(&[field], hidden, budget).pop().unwrap_or_default();
    let hidden = |scalar: &Scalar| hidden.get(&Stored::from(scalar)).copied().unwrap_or_default();
    let entries = entries.take_while(|_| budget.spend(STEP));
    let counts = entries.map(|(scalar, keys)| (scalar, keys.len().saturating_sub(hidden(scalar))));
    most_frequent(field, counts.collect(), |scalar: &&Scalar| (*scalar).clone())
}

/// Counts the `total` records of a list in an index whose every record holds one value: what holds
/// none of the other values holds `commonest`.
pub(crate) fn of_rest(
    field: &FieldPath,
    index: &FieldIndex,
    commonest: &Scalar,
    total: usize,
    admits: impl Fn(&Key) -> bool,
) -> Result<Facet, LongValue> {
    let mut rest = total;
    let counts = index.values().filter(|(scalar, _)| *scalar != commonest).map(|(scalar, keys)| {
        let count = keys.iter().filter(|key| admits(key)).count();
        rest = rest.saturating_sub(count);
        (scalar, count)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.push((commonest, rest));
    counts.sort_unstable();
    most_frequent(field, counts, |scalar| (*scalar).clone())
}

/// Counts what `index` and `keys` have in common.
pub(crate) fn of_keys(
    field: &FieldPath,
    index: &FieldIndex,
    keys: &HashSet<&Key>,
    budget: &Budget,
) -> Result<Facet, LongValue> {
    let common = |holders: &Postings| {
        let holders = holders.iter().take_while(|_| budget.spend(STEP));
        holders.filter(|key| keys.contains(key)).count()
    };
    let counts = index.values().map(|(scalar, holders)| (scalar, common(holders)));
    most_frequent(field, counts.collect(), |scalar: &&Scalar| (*scalar).clone())
}

/// Cuts off what is not among the most frequent. `counts` is in the order of the values.
fn most_frequent<T>(
    field: &FieldPath,
    mut counts: Vec<(T, usize)>,
    told: impl Fn(&T) -> Scalar,
) -> Result<Facet, LongValue> {
    counts.retain(|(_, count)| *count > 0);
    // The sort is stable.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = counts.len().saturating_sub(MAX_VALUES);
    counts.truncate(MAX_VALUES);
    let values = counts.iter().map(|(value, count)| match told(value) {
        scalar if json_len(&scalar) > MAX_FACET_VALUE => Err(LongValue { field: field.clone() }),
        scalar => Ok((scalar, *count)),
    });
    Ok(Facet { field: field.clone(), values: values.collect::<Result<_, _>>()?, more })
}

/// Returns about how many bytes of JSON a value is.
fn json_len(scalar: &Scalar) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    match scalar {
        Scalar::Bool(_) | Scalar::Number(_) => size_of::<Scalar>(),
        Scalar::String(text) | Scalar::Moment(_, text) => text.bytes().map(escaped).sum(),
        Scalar::Other(text) => text.len(),
    }
}

/// Counts the values of each of `fields`. A record counts once for a value that it holds twice.
fn count<'a>(
    fields: &[&FieldPath],
    records: impl Iterator<Item = &'a Arc<Record>>,
    budget: &Budget,
) -> Vec<HashMap<Stored<'a>, usize>> {
    let paths = Paths::new(fields.iter().copied());
    let mut counts: Vec<_> = fields.iter().map(|_| HashMap::new()).collect();
    let mut held: Vec<SmallVec<[Stored<'a>; 1]>> = vec![SmallVec::new(); fields.len()];
    for record in records.take_while(|record| budget.spend(reading(record))) {
        paths.visit(&record.value, &mut |place, json| held[place].extend(Stored::read(json)));
        for (counts, held) in counts.iter_mut().zip(&mut held) {
            held.sort_unstable();
            held.dedup();
            for stored in held.drain(..) {
                *counts.entry(stored).or_default() += 1;
            }
        }
    }
    counts
}
