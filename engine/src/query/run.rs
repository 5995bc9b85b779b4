//! Answers a list: which records, in which order, which part of them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::id::Key;
use crate::index::{FieldIndex, Postings};
use crate::query::order::{self, Order, Position, SortField, SortValues};
use crate::query::{After, ListQuery, Page, Paging, cursor, facets};
use crate::record::Record;
use crate::scalar::{Number, Scalar};
use crate::search::{SearchError, TextIndex};
use crate::sheet::Sheet;

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
        let found = self.find(sheet, text)?;
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
            Paging::Cursor { .. } if places.len() > limit => places
                .get(limit - 1)
                .map(|place| cursor::encode(&self.order, &list.position(place))),
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

    /// Finds the records that pass everything.
    fn find<'a>(&self, sheet: &'a Sheet, text: &'a TextIndex) -> Result<Found<'a>, SearchError> {
        if sheet.shown() == 0 {
            return Ok(Found::Keys(Vec::new()));
        }
        let matches = match &self.text {
            Some(query) => Some(text.matches(query, &sheet.spec().name)?),
            None => None,
        };
        // The filter, among those over indexed fields, that the fewest records pass.
        let narrowest = self
            .filters
            .iter()
            .enumerate()
            .filter_map(|(at, filter)| {
                let postings = filter.postings(sheet.index(filter.field.as_str())?)?;
                let size: usize = postings.iter().map(|keys| keys.len()).sum();
                Some((at, postings, size))
            })
            .min_by_key(|(_, _, size)| *size);
        let passes = |record: &Record, but: Option<usize>| {
            let mut others = self.filters.iter().enumerate().filter(|(at, _)| Some(*at) != but);
            others.all(|(_, filter)| filter.passes(&record.value))
        };
        Ok(match (matches, narrowest) {
            (None, None) if self.filters.is_empty() => Found::All,
            (None, None) => {
                let records = sheet.records().filter(|record| sheet.shows(record));
                let keys = records.filter(|record| passes(record, None));
                Found::Keys(keys.map(|record| &record.key).collect())
            }
            (None, Some((at, postings, _))) => {
                let mut keys = union(&postings);
                // The index is exact, so there may be nothing left to look at a record for.
                if self.filters.len() > 1 || sheet.shown() < sheet.len() {
                    keys.retain(|key| {
                        sheet
                            .record(key.as_str())
                            .is_some_and(|record| sheet.shows(record) && passes(record, Some(at)))
                    });
                }
                Found::Keys(keys)
            }
            // Only records that are shown are in the text index.
            (Some(mut matches), narrowest) => {
                if let Some((_, postings, size)) = &narrowest
                    && *size < matches.len()
                {
                    let keys = union(postings);
                    matches.retain(|(key, _)| keys.binary_search(key).is_ok());
                }
                if !self.filters.is_empty() {
                    matches.retain(|(key, _)| {
                        sheet.record(key.as_str()).is_some_and(|record| passes(record, None))
                    });
                }
                Found::Scored(matches)
            }
        })
    }
}

/// Returns the keys of all postings in order, each once.
fn union<'a>(postings: &[&'a Postings]) -> Vec<&'a Key> {
    let mut keys: Vec<&Key> = postings.iter().flat_map(|keys| keys.iter()).collect();
    if postings.len() > 1 {
        keys.sort_unstable();
        keys.dedup();
    }
    keys
}

/// The records of a list, in key order.
enum Found<'a> {
    /// All that are shown.
    All,
    Keys(Vec<&'a Key>),
    Scored(Vec<(&'a Key, f32)>),
}

impl<'a> Found<'a> {
    fn len(&self, sheet: &Sheet) -> usize {
        match self {
            Self::All => sheet.shown(),
            Self::Keys(keys) => keys.len(),
            Self::Scored(scored) => scored.len(),
        }
    }

    fn contains(&self, sheet: &Sheet, record: &Record) -> bool {
        match self {
            Self::All => sheet.shows(record),
            Self::Keys(keys) => keys.binary_search(&&record.key).is_ok(),
            Self::Scored(scored) => scored.binary_search_by_key(&&record.key, |(k, _)| k).is_ok(),
        }
    }

    /// Returns the records behind a key in key order, each with its score.
    fn records<'s>(
        &'s self,
        sheet: &'a Sheet,
        after: Option<&'s Key>,
    ) -> Box<dyn Iterator<Item = (&'a Arc<Record>, f32)> + 's>
    where
        'a: 's,
    {
        let behind = |key: &Key| after.is_none_or(|after| key > after);
        match self {
            Self::All => match after {
                None => Box::new(shown(sheet, sheet.records())),
                Some(after) => Box::new(shown(sheet, sheet.records_behind(after.as_str()))),
            },
            Self::Keys(keys) => {
                let keys = &keys[keys.partition_point(|key| !behind(key))..];
                Box::new(keys.iter().filter_map(|key| Some((sheet.record(key.as_str())?, 0.0))))
            }
            Self::Scored(scored) => {
                let scored = &scored[scored.partition_point(|(key, _)| !behind(key))..];
                let record =
                    |(key, score): &(&Key, f32)| Some((sheet.record(key.as_str())?, *score));
                Box::new(scored.iter().filter_map(record))
            }
        }
    }
}

fn shown<'a>(
    sheet: &'a Sheet,
    records: impl Iterator<Item = &'a Arc<Record>>,
) -> impl Iterator<Item = (&'a Arc<Record>, f32)> {
    records.filter(|record| sheet.shows(record)).map(|record| (record, 0.0))
}

/// A record and what it is ordered by.
struct Place<'a> {
    record: &'a Arc<Record>,
    values: SortValues,
    score: f32,
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
        let skip = |places: Vec<Place<'a>>| places.into_iter().skip(offset).collect();
        let wanted = offset.saturating_add(limit);
        match &self.query.order {
            _ if offset >= self.found.len(self.sheet) => Vec::new(),
            Order::Key => {
                let after = self.after.map(|after| &after.key);
                let records = self.found.records(self.sheet, after).skip(offset).take(limit);
                records.map(|(record, score)| self.place(&[], record, score)).collect()
            }
            Order::Score => skip(self.best(&[], wanted)),
            Order::Fields(fields) => match self.index_to_walk(fields, wanted) {
                Some(index) => skip(self.walk(fields, index, wanted)),
                None => skip(self.best(fields, wanted)),
            },
        }
    }

    /// Sorts what was found and returns the first `wanted` behind the cursor.
    fn best(&self, fields: &[SortField], wanted: usize) -> Vec<Place<'a>> {
        let records = self.found.records(self.sheet, None);
        let places = records.map(|(record, score)| self.place(fields, record, score));
        let mut places: Vec<_> = places.filter(|place| self.is_behind_cursor(place)).collect();
        if wanted < places.len() {
            places.select_nth_unstable_by(wanted, |a, b| self.compare(a, b));
            places.truncate(wanted);
        }
        places.sort_unstable_by(|a, b| self.compare(a, b));
        places
    }

    /// Returns the index whose order is that of the list, if a walk over it is likely to end
    /// before everything found would be sorted.
    fn index_to_walk(&self, fields: &[SortField], wanted: usize) -> Option<&'a FieldIndex> {
        let index = self.sheet.index(fields.first()?.field.as_str())?;
        let (all, found) = (self.sheet.len() as u128, self.found.len(self.sheet) as u128);
        // Of the records on the way, one in `all / found` is wanted.
        let steps = wanted as u128 * all / found.max(1);
        (index.multi_valued() == 0 && steps < found).then_some(index)
    }

    /// Walks the values of the first field in order until `wanted` places are found, then what has
    /// no value there.
    fn walk(&self, fields: &[SortField], index: &'a FieldIndex, wanted: usize) -> Vec<Place<'a>> {
        use std::ops::Bound::{Included, Unbounded};
        let Some(first) = fields.first() else { return Vec::new() };
        let from = self.after.map(|after| after.values.first().cloned().flatten());
        let values: Box<dyn Iterator<Item = (&Scalar, &Postings)>> = match (from, first.descending)
        {
            (None, false) => Box::new(index.values()),
            (None, true) => Box::new(index.values().rev()),
            (Some(Some(from)), false) => Box::new(index.range((Included(from), Unbounded))),
            (Some(Some(from)), true) => Box::new(index.range((Unbounded, Included(from))).rev()),
            // The cursor stands behind everything that has a value.
            (Some(None), _) => Box::new(std::iter::empty()),
        };
        let mut places = Vec::new();
        for (_, keys) in values {
            let records = keys.iter().filter_map(|key| self.sheet.record(key.as_str()));
            let records = records.filter(|record| self.found.contains(self.sheet, record));
            let group = records.map(|record| self.place(fields, record, 0.0));
            self.extend(&mut places, group, fields.len() > 1, wanted);
            if places.len() >= wanted {
                return places;
            }
        }
        if index.present() < self.sheet.len() {
            let records = self.found.records(self.sheet, None);
            let places_of = records.map(|(record, score)| self.place(fields, record, score));
            let missing = places_of.filter(|place| place.values.first() == Some(&None));
            self.extend(&mut places, missing, fields.len() > 1, wanted);
        }
        places
    }

    /// Appends those of a group with equal first values, given in key order, that are behind the
    /// cursor.
    fn extend(
        &self,
        places: &mut Vec<Place<'a>>,
        group: impl Iterator<Item = Place<'a>>,
        sort: bool,
        wanted: usize,
    ) {
        let begin = places.len();
        let group = group.filter(|place| self.is_behind_cursor(place));
        if sort {
            places.extend(group);
            places[begin..].sort_unstable_by(|a, b| self.compare(a, b));
            places.truncate(wanted);
        } else {
            places.extend(group.take(wanted.saturating_sub(begin)));
        }
    }

    fn place(&self, fields: &[SortField], record: &'a Arc<Record>, score: f32) -> Place<'a> {
        Place { record, values: order::values(fields, &record.value), score }
    }

    fn is_behind_cursor(&self, place: &Place<'a>) -> bool {
        let Some(after) = self.after else { return true };
        let behind = match &self.query.order {
            Order::Key => place.record.key.cmp(&after.key),
            Order::Score => {
                let bits = |values: &SortValues| match values.first() {
                    Some(Some(Scalar::Number(Number::Integer(bits)))) => *bits,
                    _ => 0,
                };
                // The bits of numbers that are not negative are in the order of the numbers.
                bits(&after.values)
                    .cmp(&place.score.to_bits().into())
                    .then_with(|| place.record.key.cmp(&after.key))
            }
            Order::Fields(fields) => order::compare(
                fields,
                (&place.values, &place.record.key),
                (&after.values, &after.key),
            ),
        };
        behind == Ordering::Greater
    }

    fn compare(&self, a: &Place<'_>, b: &Place<'_>) -> Ordering {
        let (a_key, b_key) = (&a.record.key, &b.record.key);
        match &self.query.order {
            Order::Key => a_key.cmp(b_key),
            Order::Score => b.score.total_cmp(&a.score).then_with(|| a_key.cmp(b_key)),
            Order::Fields(fields) => order::compare(fields, (&a.values, a_key), (&b.values, b_key)),
        }
    }

    fn position(&self, place: &Place<'_>) -> Position {
        let values = match self.query.order {
            Order::Score => {
                let bits = Number::Integer(place.score.to_bits().into());
                [Some(Scalar::Number(bits))].into_iter().collect()
            }
            Order::Key | Order::Fields(_) => place.values.clone(),
        };
        Position { values, key: place.record.key.clone() }
    }

    fn facet(&self, field: &crate::value::FieldPath) -> facets::Facet {
        let everything = self.sheet.shown() == self.sheet.len();
        match (self.found, self.sheet.index(field.as_str())) {
            (Found::All, Some(index)) if everything => facets::of_index(field, index),
            _ => {
                let records = self.found.records(self.sheet, None);
                facets::of_records(field, records.map(|(record, _)| record))
            }
        }
    }
}
