//! Lists in the order of an index, which is walked only as far as the part goes.

use std::sync::Arc;

use crate::budget::STEP;
use crate::id::Key;
use crate::index::FieldIndex;
use crate::query::execute::{List, SortedRecord};
use crate::query::filter::Filter;
use crate::query::first;
use crate::query::index_ranges::{IndexEntry, Ranges};
use crate::query::matches::{MatchSet, Membership, reading};
use crate::query::sort_order::{AfterCursor, SortFields};
use crate::record::Record;
use crate::scalar::Scalar;
use crate::value::{Kind, Paths};

/// A walk over the values of the first sort field, in the order of the list.
pub(crate) struct Walk<'a> {
    index: &'a FieldIndex,
    ranges: Ranges,
    descending: bool,
    membership: Membership<'a>,
    /// Whether records without a value follow.
    missing: bool,
}

impl<'q, 'a> List<'q, 'a> {
    /// Returns the walk to the first `wanted` records of the list, if it is likely to be cheaper
    /// than sorting the whole list.
    pub(crate) fn walk_to(&self, fields: &SortFields, wanted: usize) -> Option<Walk<'a>> {
        let field = fields.first()?;
        let index = self.sheet.shown_index(&field.field)?;
        if index.multi_valued() > 0 {
            return None;
        }
        // Filters on the same field restrict the walk.
        let filters = self.query.filters.iter().filter(|filter| filter.field == field.field);
        let filtered = filters.filter(|filter| !filter.is_negated()).filter_map(Filter::values);
        let filtered = filtered.reduce(|all, ranges| all.intersection(&ranges));
        let found = self.found.len(self.sheet);
        let all = match (self.found, &filtered) {
            (MatchSet::ByCondition(condition, _), _) if condition.is_over(&field.field) => found,
            (_, Some(ranges)) => {
                let entries = ranges.entries(index).take_while(|_| self.budget.spend(STEP));
                entries.map(|(_, keys)| keys.len()).sum()
            }
            (_, None) => self.sheet.shown(),
        };
        // Of the records on the way, one in `all / found` is wanted.
        let steps = wanted as u128 * all as u128 / found.max(1) as u128;
        if steps >= found as u128 {
            return None;
        }
        let missing = filtered.is_none() && index.present() < self.sheet.shown();
        let mut ranges = filtered.unwrap_or_else(Ranges::all);
        match self.after.as_ref().and_then(AfterCursor::first_value) {
            None => {}
            Some(Some(from)) => {
                ranges = ranges.intersection(&onward(&from.to_scalar(), field.descending))
            }
            // The cursor is after everything that has a value.
            Some(None) => ranges = Ranges::points([]),
        }
        let membership = self.found.membership(self.query, &field.field);
        Some(Walk { index, ranges, descending: field.descending, membership, missing })
    }

    /// Returns the records after the cursor from `offset` on, at most `limit`.
    pub(crate) fn walk(
        &self,
        fields: &SortFields,
        walk: &Walk<'a>,
        offset: usize,
        limit: usize,
    ) -> Vec<&'a Arc<Record>> {
        let mut part = ScanPage { list: self, fields, skip: offset, limit, records: Vec::new() };
        let skips_whole = matches!(walk.membership, Membership::Shown) && self.after.is_none();
        let entries = walk.ranges.entries(walk.index);
        let entries: Box<dyn Iterator<Item = IndexEntry<'a>>> =
            if walk.descending { Box::new(entries.rev()) } else { Box::new(entries) };
        for (_, keys) in entries.take_while(|_| self.budget.spend(STEP)) {
            if skips_whole && keys.len() <= part.skip {
                part.skip -= keys.len();
                continue;
            }
            let admits = |key: &&Key| walk.membership.admits(self.sheet, key, self.budget);
            part.extend(keys.iter().filter(admits));
            if part.is_full() {
                return part.records;
            }
        }
        if walk.missing {
            let first = Paths::new(fields.first().map(|sort| &sort.field));
            let records = self.found.records(self.sheet, self.budget);
            let records = records.take_while(|record| self.budget.spend(reading(record)));
            let without = records.filter(|record| {
                let mut is_without = true;
                first.visit(&record.value, &mut |_, json| is_without &= json.kind() == Kind::Null);
                is_without
            });
            let mut keys: Vec<&Key> = without.map(|record| &record.key).collect();
            keys.sort_unstable();
            part.extend(keys.into_iter());
        }
        part.records
    }
}

/// Returns the values that are not before `from` in the order of the list.
fn onward(from: &Scalar, descending: bool) -> Ranges {
    use std::ops::Bound::{Included, Unbounded};
    let from = Included(from.clone());
    Ranges::from_iter([if descending { (Unbounded, from) } else { (from, Unbounded) }])
}

/// The part of a list that a walk collects.
struct ScanPage<'l, 'q, 'a> {
    list: &'l List<'q, 'a>,
    fields: &'l SortFields,
    /// How many positions are still to be skipped.
    skip: usize,
    limit: usize,
    records: Vec<&'a Arc<Record>>,
}

impl<'a> ScanPage<'_, '_, 'a> {
    fn is_full(&self) -> bool {
        self.records.len() >= self.limit
    }

    /// Takes what the part needs from a group with equal first values, given in key order.
    fn extend(&mut self, mut group: impl Iterator<Item = &'a Key>) {
        let list = self.list;
        let left = self.limit - self.records.len();
        if self.fields.len() > 1 {
            let group: Vec<&Key> = group.collect();
            if group.len() <= self.skip {
                self.skip -= group.len();
                return;
            }
            let places = group.into_iter().filter_map(|key| list.sheet.record(key.as_str()));
            let places = places.take_while(|record| list.budget.spend(reading(record)));
            let places = places.map(|record| SortedRecord::new(self.fields, record));
            let places = places.filter(|place| list.is_behind_cursor(self.fields, place));
            let wanted = self.skip.saturating_add(left);
            let places = first(places, wanted, |a, b| a.compare(self.fields, b));
            let taken = places.into_iter().skip(self.skip);
            self.records.extend(taken.map(|place| place.record));
            self.skip = 0;
            return;
        }
        while self.skip > 0 && group.next().is_some() {
            self.skip -= 1;
        }
        let records = group.filter_map(|key| list.sheet.record(key.as_str()));
        let behind = records.filter(|record| {
            list.after.is_none()
                || list.budget.spend(reading(record))
                    && list.is_behind_cursor(self.fields, &SortedRecord::new(self.fields, record))
        });
        self.records.extend(behind.take(left));
    }
}
