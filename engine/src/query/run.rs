//! Answers a list: which records, in which order, which part of them.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::id::Key;
use crate::index::FieldIndex;
use crate::query::facets::{self, Facet};
use crate::query::found::{Found, READING};
use crate::query::order::{self, Order, Position, SortField, SortValues};
use crate::query::{After, ListQuery, Page, Paging, cursor, first};
use crate::record::Record;
use crate::scalar::{Number, Scalar};
use crate::search::{Hit, Scope, SearchError, TextIndex};
use crate::sheet::Sheet;
use crate::value::FieldPath;

impl ListQuery {
    /// Returns the part of the list that was asked for, from the sheet that the query was parsed
    /// for and the text index of the same snapshot.
    ///
    /// Costs a walk over as much of an index as the part needs, and over the values of the filters
    /// to count what they leave. Filters over several fields are read from what the narrowest of
    /// them leaves, filters without an index from the whole sheet; a sort over a field without an
    /// index reads that field of everything found.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] where prefixes and typos in `q` stand for too many words.
    pub fn run(&self, sheet: &Sheet, text: &TextIndex) -> Result<Page, SearchError> {
        if let Some(page) = self.best_page(sheet, text)? {
            return Ok(page);
        }
        let (mut matched, mut corrections) = (None, Vec::new());
        if let Some(words) = &self.text {
            let matches = text.matches(words, &sheet.spec().name)?;
            matched = Some(matches.documents);
            corrections = matches.readings.into_corrections();
        }
        let found = Found::by(self, sheet, matched);
        let (offset, limit, after) = match &self.paging {
            Paging::Page { page, per_page } => (offset(*page, *per_page), *per_page, None),
            Paging::Cursor { limit, after } => (0, *limit, after.as_ref()),
        };
        let after = after.map(|After(at)| at);
        let list = List { query: self, sheet, found: &found, after, keys: OnceCell::new() };
        // One more than wanted tells whether there is more.
        let is_by_page = matches!(self.paging, Paging::Page { .. });
        let mut part = list.part(offset, if is_by_page { limit } else { limit + 1 });
        let next = match part.get(limit.saturating_sub(1)) {
            Some((record, score)) if part.len() > limit => {
                let values = match &self.order {
                    Order::Key => SortValues::new(),
                    Order::Score => SortValues::from_iter([Some(scalar_of(*score))]),
                    Order::Fields(fields) => order::values(fields, &record.value),
                };
                let position = Position { values, key: record.key.clone() };
                Some(cursor::encode(text.stamp(), &self.order, &position))
            }
            _ => None,
        };
        part.truncate(limit);
        Ok(Page {
            items: part.into_iter().map(|(record, _)| record.clone()).collect(),
            total: found.len(sheet),
            facets: self.facets.iter().map(|field| list.facet(field)).collect(),
            next,
            corrections,
        })
    }

    /// Returns a page of best matches where nothing but words is asked for: the text index ranks
    /// it without gathering everything that matches.
    fn best_page(&self, sheet: &Sheet, text: &TextIndex) -> Result<Option<Page>, SearchError> {
        let (Some(words), Order::Score) = (&self.text, &self.order) else { return Ok(None) };
        let Paging::Page { page, per_page } = self.paging else { return Ok(None) };
        let offset = offset(page, per_page);
        // Far into the list, ranking a part costs more than gathering all of it.
        if !self.filters.is_empty() || !self.facets.is_empty() || offset > RANKED {
            return Ok(None);
        }
        // Only records that are shown are in the text index.
        let scope = Scope::Sheets(std::slice::from_ref(&sheet.spec().name));
        let hits = text.search(words, scope, offset, per_page)?;
        let record = |hit: Hit| sheet.record(hit.name.key.as_str()).cloned();
        let items = hits.hits.into_iter().filter_map(record).collect();
        let total = usize::try_from(hits.total).unwrap_or(usize::MAX);
        let corrections = hits.readings.into_corrections();
        Ok(Some(Page { items, total, facets: Vec::new(), next: None, corrections }))
    }
}

/// How many matches are ranked without gathering them.
const RANKED: usize = 1_000;

/// Returns the place of the first item of a page.
fn offset(page: usize, per_page: usize) -> usize {
    (page - 1).saturating_mul(per_page)
}

/// A record and what it is ordered by.
pub(crate) struct Place<'a> {
    pub(crate) record: &'a Arc<Record>,
    values: SortValues,
}

/// A list, of which a part is wanted.
pub(crate) struct List<'q, 'a> {
    pub(crate) query: &'q ListQuery,
    pub(crate) sheet: &'a Sheet,
    pub(crate) found: &'q Found<'q, 'a>,
    pub(crate) after: Option<&'q Position>,
    /// The keys of what was found, for facets.
    keys: OnceCell<HashSet<&'a Key>>,
}

impl<'a> List<'_, 'a> {
    /// Returns the records from `offset` on, at most `limit`, behind the cursor if there is one;
    /// with their scores where the list is ordered by them.
    fn part(&self, offset: usize, limit: usize) -> Vec<(&'a Arc<Record>, f32)> {
        if offset >= self.found.len(self.sheet) {
            return Vec::new();
        }
        let wanted = offset.saturating_add(limit);
        let records = match &self.query.order {
            Order::Key => {
                let after = self.after.map(|after| &after.key);
                self.found.in_key_order(self.sheet, after, offset, limit)
            }
            Order::Score => return self.best(offset, limit),
            Order::Fields(fields) => match self.walk_to(fields, wanted) {
                Some(walk) => self.walk(fields, &walk, offset, limit),
                None => self.sort(fields, offset, wanted),
            },
        };
        records.into_iter().map(|record| (record, 0.0)).collect()
    }

    /// Returns the best matches from `offset` on, behind the cursor.
    fn best(&self, offset: usize, limit: usize) -> Vec<(&'a Arc<Record>, f32)> {
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
        page.filter_map(|(key, score)| Some((self.sheet.record(key.as_str())?, score))).collect()
    }

    /// Sorts what was found and returns the records behind the cursor from `offset` to `wanted`.
    fn sort(&self, fields: &[SortField], offset: usize, wanted: usize) -> Vec<&'a Arc<Record>> {
        let places = self.found.records(self.sheet);
        let places = places.map(|record| Place::new(fields, record));
        let mut places: Vec<_> =
            places.filter(|place| self.is_behind_cursor(fields, place)).collect();
        first(&mut places, wanted, |a, b| compare(fields, a, b));
        places.into_iter().skip(offset).map(|place| place.record).collect()
    }

    pub(crate) fn is_behind_cursor(&self, fields: &[SortField], place: &Place<'a>) -> bool {
        self.after.is_none_or(|after| {
            let (place, after) =
                ((&*place.values, &place.record.key), (&*after.values, &after.key));
            order::compare(fields, place, after) == Ordering::Greater
        })
    }

    /// Returns the commonest value of an index in which every record has one value, if all others
    /// together have no more than `most` records.
    fn commonest(&self, index: &'a FieldIndex, most: usize) -> Option<&'a Scalar> {
        if index.multi_valued() > 0 || index.present() < self.sheet.len() {
            return None;
        }
        let (scalar, keys) = index.values().max_by_key(|(_, keys)| keys.len())?;
        (self.sheet.len() - keys.len() <= most).then_some(scalar)
    }

    fn facet(&self, field: &FieldPath) -> Facet {
        let hidden = || {
            let hidden = self.sheet.hidden().iter();
            hidden.filter_map(|key| self.sheet.record(key.as_str()))
        };
        match (self.found, self.sheet.index(field.as_str())) {
            (Found::All, Some(index)) => facets::of_entries(field, index.values(), hidden()),
            (Found::Held(condition, _), Some(index))
                if condition.is_over(field) && index.multi_valued() == 0 =>
            {
                facets::of_entries(field, condition.ranges.entries(index), hidden())
            }
            (found, Some(index)) if found.len(self.sheet) * READING >= index.present() => {
                let total = found.len(self.sheet);
                if let Some(commonest) = self.commonest(index, total / READING) {
                    let membership = found.membership(self.query, field);
                    let admits = |key: &Key| membership.admits(self.sheet, key);
                    return facets::of_rest(field, index, commonest, total, admits);
                }
                let keys = self.keys.get_or_init(|| found.keys(self.sheet).collect());
                facets::of_keys(field, index, keys)
            }
            (found, _) => facets::of_records(field, found.records(self.sheet)),
        }
    }
}

impl<'a> Place<'a> {
    pub(crate) fn new(fields: &[SortField], record: &'a Arc<Record>) -> Self {
        Self { record, values: order::values(fields, &record.value) }
    }
}

pub(crate) fn compare(fields: &[SortField], a: &Place<'_>, b: &Place<'_>) -> Ordering {
    order::compare(fields, (&a.values, &a.record.key), (&b.values, &b.record.key))
}

/// Returns a score as a value that a cursor can hold.
fn scalar_of(score: f32) -> Scalar {
    Scalar::Number(Number::Natural(score.to_bits().into()))
}

fn score_of(position: &Position) -> f32 {
    match position.values.first() {
        Some(Some(Scalar::Number(Number::Natural(bits)))) => {
            f32::from_bits(u32::try_from(*bits).unwrap_or_default())
        }
        _ => 0.0,
    }
}
