//! Answers a list: which records, in which order, which part of them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::id::Key;
use crate::query::facets::{self, Facet};
use crate::query::filter::Entry;
use crate::query::found::Found;
use crate::query::order::{self, Order, Position, SortField, SortValues};
use crate::query::{After, ListQuery, Page, Paging, cursor};
use crate::record::Record;
use crate::scalar::{Number, Scalar};
use crate::search::{SearchError, TextIndex};
use crate::sheet::Sheet;
use crate::value::FieldPath;

impl ListQuery {
    /// Returns the part of the list that was asked for, from the sheet that the query was parsed
    /// for and the text index of the same snapshot.
    ///
    /// Costs what the narrowest indexed filter leaves, or the sheet where none is indexed, and for
    /// a sort over a field without an index that many reads of the field.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] where a prefix in `q` stands for too many words.
    pub fn run(&self, sheet: &Sheet, text: &TextIndex) -> Result<Page, SearchError> {
        let found = Found::by(self, sheet, text)?;
        let (offset, limit, after) = match &self.paging {
            Paging::Page { page, per_page } => {
                ((page - 1).saturating_mul(*per_page), *per_page, None)
            }
            Paging::Cursor { limit, after } => (0, *limit, after.as_ref()),
        };
        let list = List { query: self, sheet, found: &found, after: after.map(|After(at)| at) };
        // One more than wanted tells whether there is more.
        let mut places = list.part(offset, limit.saturating_add(1));
        let next = match self.paging {
            Paging::Cursor { .. } if places.len() > limit => {
                places.get(limit - 1).map(|Place { record, values }| {
                    let position = Position { values: values.clone(), key: record.key.clone() };
                    cursor::encode(&self.order, &position)
                })
            }
            _ => None,
        };
        places.truncate(limit);
        Ok(Page {
            items: places.into_iter().map(|place| place.record.clone()).collect(),
            total: found.len(sheet),
            facets: self.facets.iter().map(|field| list.facet(field)).collect(),
            next,
        })
    }
}

/// A record and what it is ordered by.
struct Place<'a> {
    record: &'a Arc<Record>,
    values: SortValues,
}

struct List<'q, 'a> {
    query: &'q ListQuery,
    sheet: &'a Sheet,
    found: &'q Found<'a>,
    after: Option<&'q Position>,
}

impl<'a> List<'_, 'a> {
    /// Returns the places from `offset` on, at most `limit`, behind the cursor if there is one.
    fn part(&self, offset: usize, limit: usize) -> Vec<Place<'a>> {
        let wanted = offset.saturating_add(limit);
        let mut places = match &self.query.order {
            _ if offset >= self.found.len(self.sheet) => Vec::new(),
            Order::Key => {
                let after = self.after.map(|after| &after.key);
                let records = self.found.records(self.sheet, after).skip(offset).take(limit);
                return records.map(|record| self.place(&[], record)).collect();
            }
            Order::Score => return self.best(offset, limit),
            Order::Fields(fields) => match self.values_to_walk(fields, wanted) {
                Some(values) => self.walk(fields, values, wanted),
                None => self.sort(fields, wanted),
            },
        };
        places.drain(..offset.min(places.len()));
        places
    }

    /// Returns the best matches from `offset` on, behind the cursor.
    fn best(&self, offset: usize, limit: usize) -> Vec<Place<'a>> {
        let Found::These(found) = self.found else { return Vec::new() };
        let order = |(a_key, a): &(&Key, f32), (b_key, b): &(&Key, f32)| {
            b.total_cmp(a).then_with(|| a_key.cmp(b_key))
        };
        let after = self.after.map(|after| (&after.key, score_of(after)));
        let behind = |place: &&(&'a Key, f32)| {
            after.is_none_or(|after| order(place, &after) == Ordering::Greater)
        };
        let mut places: Vec<(&'a Key, f32)> = found.iter().filter(behind).copied().collect();
        first(&mut places, offset.saturating_add(limit), order);
        let page = places.into_iter().skip(offset);
        page.filter_map(|(key, score)| {
            let values = SortValues::from_iter([Some(scalar_of(score))]);
            Some(Place { record: self.sheet.record(key.as_str())?, values })
        })
        .collect()
    }

    /// Sorts what was found and returns the first `wanted` behind the cursor.
    fn sort(&self, fields: &[SortField], wanted: usize) -> Vec<Place<'a>> {
        let places = self.found.records(self.sheet, None).map(|record| self.place(fields, record));
        let mut places: Vec<_> =
            places.filter(|place| self.is_behind_cursor(fields, place)).collect();
        first(&mut places, wanted, |a, b| compare(fields, a, b));
        places
    }

    /// Returns the values of the first field in the order of the list, if a walk over the records
    /// that hold them is likely to end before everything found would be sorted.
    fn values_to_walk(&self, fields: &[SortField], wanted: usize) -> Option<Walk<'a>> {
        let field = fields.first()?;
        let index = self.sheet.index(field.field.as_str())?;
        let mut filters = self.query.filters.iter().filter(|filter| filter.field == field.field);
        // A filter over this very field leaves a part of the walk only.
        let entries = filters.find_map(|filter| filter.entries(index));
        let all = entries
            .as_ref()
            .map_or(self.sheet.len(), |entries| entries.iter().map(|(_, keys)| keys.len()).sum());
        let found = self.found.len(self.sheet);
        // Of the records on the way, one in `all / found` is wanted.
        let steps = wanted as u128 * all as u128 / found.max(1) as u128;
        if index.multi_valued() > 0 || steps >= found as u128 {
            return None;
        }
        let missing = entries.is_none() && index.present() < self.sheet.len();
        let from = self.after.and_then(|after| after.values.first());
        let values: Box<dyn Iterator<Item = Entry<'a>>> = match (entries, from, field.descending) {
            // The cursor stands behind everything that has a value.
            (_, Some(None), _) => Box::new(std::iter::empty()),
            (Some(entries), None, false) => Box::new(entries.into_iter()),
            (Some(entries), None, true) => Box::new(entries.into_iter().rev()),
            (Some(entries), Some(Some(from)), descending) => {
                let from = from.clone();
                if descending {
                    Box::new(entries.into_iter().rev().skip_while(move |(value, _)| **value > from))
                } else {
                    Box::new(entries.into_iter().skip_while(move |(value, _)| **value < from))
                }
            }
            (None, None, false) => Box::new(index.values()),
            (None, None, true) => Box::new(index.values().rev()),
            (None, Some(Some(from)), false) => Box::new(index.range(from.clone()..)),
            (None, Some(Some(from)), true) => Box::new(index.range(..=from.clone()).rev()),
        };
        Some(Walk { values, missing })
    }

    /// Walks until `wanted` places are found.
    fn walk(&self, fields: &[SortField], walk: Walk<'a>, wanted: usize) -> Vec<Place<'a>> {
        let mut places = Vec::new();
        for (_, keys) in walk.values {
            let keys = keys.iter().filter(|key| self.found.contains(self.sheet, key));
            let records = keys.filter_map(|key| self.sheet.record(key.as_str()));
            self.extend(&mut places, fields, records, wanted);
            if places.len() >= wanted {
                return places;
            }
        }
        if walk.missing {
            let records = self.found.records(self.sheet, None);
            let missing = records.filter(|record| {
                fields.first().is_some_and(|field| field.value(&record.value).is_none())
            });
            self.extend(&mut places, fields, missing, wanted);
        }
        places
    }

    /// Appends those of a group with equal first values, given in key order, that are behind the
    /// cursor.
    fn extend(
        &self,
        places: &mut Vec<Place<'a>>,
        fields: &[SortField],
        group: impl Iterator<Item = &'a Arc<Record>>,
        wanted: usize,
    ) {
        let begin = places.len();
        let group = group.map(|record| self.place(fields, record));
        let group = group.filter(|place| self.is_behind_cursor(fields, place));
        if fields.len() == 1 {
            return places.extend(group.take(wanted.saturating_sub(begin)));
        }
        places.extend(group);
        places[begin..].sort_unstable_by(|a, b| compare(fields, a, b));
        places.truncate(wanted);
    }

    fn place(&self, fields: &[SortField], record: &'a Arc<Record>) -> Place<'a> {
        Place { record, values: order::values(fields, &record.value) }
    }

    fn is_behind_cursor(&self, fields: &[SortField], place: &Place<'a>) -> bool {
        self.after.is_none_or(|after| {
            let (place, after) =
                ((&*place.values, &place.record.key), (&*after.values, &after.key));
            order::compare(fields, place, after) == Ordering::Greater
        })
    }

    fn facet(&self, field: &FieldPath) -> Facet {
        match (self.found, self.sheet.index(field.as_str())) {
            (Found::All, Some(index)) => {
                let hidden = self.sheet.hidden().iter();
                let hidden = hidden.filter_map(|key| self.sheet.record(key.as_str()));
                facets::of_index(field, index, hidden)
            }
            _ => facets::of_records(field, self.found.records(self.sheet, None)),
        }
    }
}

/// The values of the first sort field in the order of the list.
struct Walk<'a> {
    values: Box<dyn Iterator<Item = Entry<'a>> + 'a>,
    /// Whether records without a value come behind them.
    missing: bool,
}

fn compare(fields: &[SortField], a: &Place<'_>, b: &Place<'_>) -> Ordering {
    order::compare(fields, (&a.values, &a.record.key), (&b.values, &b.record.key))
}

/// Leaves the first `wanted` in order.
fn first<T>(all: &mut Vec<T>, wanted: usize, order: impl Fn(&T, &T) -> Ordering) {
    if wanted < all.len() {
        all.select_nth_unstable_by(wanted, &order);
        all.truncate(wanted);
    }
    all.sort_unstable_by(order);
}

/// Returns a score as a value that a cursor can hold.
fn scalar_of(score: f32) -> Scalar {
    Scalar::Number(Number::Integer(score.to_bits().into()))
}

fn score_of(position: &Position) -> f32 {
    match position.values.first() {
        Some(Some(Scalar::Number(Number::Integer(bits)))) => {
            f32::from_bits(u32::try_from(*bits).unwrap_or_default())
        }
        _ => 0.0,
    }
}
