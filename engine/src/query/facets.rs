//! Counts of the values of a field.

use std::collections::HashSet;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use crate::budget::{Budget, STEP};
use crate::id::Key;
use crate::index::{FieldIndex, Postings};
use crate::query::columns::{Columns, ItemRef};
use crate::query::grouping::{Facet, Grouping, LongValue, ReportedCounts};
use crate::query::index_ranges::IndexEntry;
use crate::scalar::{Scalar, Stored};

/// Counts several fields by reading each item once. An item counts once for a value that it holds
/// twice.
pub(crate) fn of_items<'a>(
    groupings: &[&Grouping],
    columns: &Columns,
    items: impl Iterator<Item = ItemRef<'a>>,
    budget: &Budget,
    told: ReportedCounts,
) -> Result<Vec<Facet>, LongValue> {
    let mut counts: Vec<_> = groupings.iter().map(|_| HashMap::new()).collect();
    let mut held: Vec<SmallVec<[Stored<'a>; 1]>> = vec![SmallVec::new(); groupings.len()];
    for item in items.take_while(|item| budget.spend(item.reading())) {
        columns.visit(item, &mut |place, value| held[place].push(groupings[place].by.group(value)));
        for (counts, held) in counts.iter_mut().zip(&mut held) {
            held.sort_unstable();
            held.dedup();
            for group in held.drain(..) {
                *counts.entry(group).or_default() += 1;
            }
        }
    }
    let counted = groupings.iter().zip(counts);
    counted.map(|(grouping, counts)| grouping.facet_of_groups(counts, told)).collect()
}

/// Takes the counts of all records from these entries of an index.
pub(crate) fn of_entries<'a>(
    grouping: &Grouping,
    entries: impl Iterator<Item = IndexEntry<'a>>,
    budget: &Budget,
    told: ReportedCounts,
) -> Result<Facet, LongValue> {
    let entries = entries.take_while(|_| budget.spend(STEP));
    grouping.facet(entries.map(|(scalar, keys)| (Stored::from(scalar), keys.len())), told)
}

/// Counts the `total` records of a list in an index whose every record holds one value: a record
/// without any of the other values holds `commonest`.
pub(crate) fn of_rest<'a>(
    grouping: &Grouping,
    index: &'a FieldIndex,
    (commonest, total): (&'a Scalar, usize),
    admits: impl Fn(&Key) -> bool,
    told: ReportedCounts,
) -> Result<Facet, LongValue> {
    let mut rest = total;
    let others = index.values().filter(|(scalar, _)| *scalar != commonest);
    let counts = others.map(|(scalar, keys)| {
        let count = keys.iter().filter(|key| admits(key)).count();
        rest = rest.saturating_sub(count);
        (Stored::from(scalar), count)
    });
    let mut counts: Vec<_> = counts.collect();
    counts.push((Stored::from(commonest), rest));
    grouping.facet(counts, told)
}

/// Counts the keys that `index` and `keys` have in common.
pub(crate) fn of_keys(
    grouping: &Grouping,
    index: &FieldIndex,
    keys: &HashSet<&Key>,
    budget: &Budget,
    told: ReportedCounts,
) -> Result<Facet, LongValue> {
    let common = |holders: &Postings| {
        let holders = holders.iter().take_while(|_| budget.spend(STEP));
        holders.filter(|key| keys.contains(key)).count()
    };
    let values = index.values();
    grouping.facet(values.map(|(scalar, held)| (Stored::from(scalar), common(held))), told)
}
