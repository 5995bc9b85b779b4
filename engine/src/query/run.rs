//! Answers a list: which records, in which order, which part of them.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::budget::{Budget, STEP};
use crate::id::Key;
use crate::index::FieldIndex;
use crate::query::facets::{self, Facet, LongValue};
use crate::query::found::{Found, READING, Selection, reading};
use crate::query::order::{Order, Position, SortFields, SortValues, StoredValues};
use crate::query::{After, ListError, ListQuery, Page, Paging, first, position};
use crate::record::Record;
use crate::scalar::{Number, Scalar, Stored};
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
    /// [`SearchError::Query`] where prefixes and typos in `q` stand for too many words;
    /// [`SearchError::TooCostly`] where `budget` is used up; [`ListError::Facet`] where a facet would
    /// name a value that is too long for one.
    pub fn run(&self, sheet: &Sheet, text: &TextIndex, budget: &Budget) -> Result<Page, ListError> {
        if let Some(page) = self.best_page(sheet, text, budget)? {
            return Ok(page);
        }
        let (mut matched, mut corrections) = (None, Vec::new());
        if let Some(words) = &self.text {
            let matches = text.matches(words, &sheet.spec().name, budget)?;
            matched = Some(matches.documents);
            corrections = matches.readings.into_corrections();
        }
        let Selection { found, skipped } = Found::by(self, sheet, matched, budget);
        budget.check().map_err(SearchError::from)?;
        let (offset, limit, after) = match &self.paging {
            Paging::Page { page, per_page } => (offset(*page, *per_page), *per_page, None),
            Paging::Cursor { limit, after } => (0, *limit, after.as_ref()),
        };
        let after = after.map(|After(at)| at);
        let values = after.map(Position::stored).unwrap_or_default();
        let after = after.map(|after| Behind { values, key: &after.key });
        let keys = OnceCell::new();
        let list = List { query: self, sheet, found: &found, after, budget, keys };
        // One more than wanted tells whether there is more.
        let is_by_page = matches!(self.paging, Paging::Page { .. });
        let mut part = list.part(offset, if is_by_page { limit } else { limit + 1 });
        let next = match part.get(limit.saturating_sub(1)) {
            Some((record, score)) if part.len() > limit => {
                let values = match &self.order {
                    Order::Key => SortValues::new(),
                    Order::Score => SortValues::from_iter([Some(scalar_of(*score))]),
                    Order::Fields(fields) => {
                        let values = fields.values(&record.value).into_iter();
                        values.map(|value| value.map(|stored| stored.to_scalar())).collect()
                    }
                };
                let position = Position { values, key: record.key.clone() };
                Some(position::cursor_of(text.stamp(), &self.order, &position).to_string())
            }
            _ => None,
        };
        part.truncate(limit);
        let facets = list.facets();
        // What was counted in part says nothing.
        budget.check().map_err(SearchError::from)?;
        let facets = facets?;
        Ok(Page {
            items: part.into_iter().map(|(record, _)| record.clone()).collect(),
            total: found.len(sheet),
            skipped,
            facets,
            next,
            corrections,
        })
    }

    /// Returns a page of best matches where nothing but words is asked for: the text index ranks
    /// it without gathering everything that matches.
    fn best_page(
        &self,
        sheet: &Sheet,
        text: &TextIndex,
        budget: &Budget,
    ) -> Result<Option<Page>, SearchError> {
        let (Some(words), Order::Score) = (&self.text, &self.order) else { return Ok(None) };
        let Paging::Page { page, per_page } = self.paging else { return Ok(None) };
        let offset = offset(page, per_page);
        // Far into the list, ranking a part costs more than gathering all of it.
        let is_filtered = !self.filters.is_empty() || self.expression.is_some();
        if is_filtered || !self.facets.is_empty() || offset > RANKED {
            return Ok(None);
        }
        // Only records that are shown are in the text index.
        let scope = Scope::Sheets(std::slice::from_ref(&sheet.spec().name));
        let hits = text.search(words, scope, offset, per_page, budget)?;
        let record = |hit: Hit| sheet.record(hit.name.key.as_str()).cloned();
        let items = hits.hits.into_iter().filter_map(record).collect();
        let total = usize::try_from(hits.total).unwrap_or(usize::MAX);
        let corrections = hits.readings.into_corrections();
        let facets = Vec::new();
        Ok(Some(Page { items, total, skipped: None, facets, next: None, corrections }))
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
    values: StoredValues<'a>,
}

/// Where a cursor stands.
pub(crate) struct Behind<'q> {
    values: StoredValues<'q>,
    key: &'q Key,
}

impl<'q> Behind<'q> {
    /// Returns the value of the first field sorted by, if the order has one.
    pub(crate) fn first_value(&self) -> Option<Option<&Stored<'q>>> {
        self.values.first().map(Option::as_ref)
    }
}

/// A list, of which a part is wanted.
pub(crate) struct List<'q, 'a> {
    pub(crate) query: &'q ListQuery,
    pub(crate) sheet: &'a Sheet,
    pub(crate) found: &'q Found<'q, 'a>,
    pub(crate) after: Option<Behind<'q>>,
    pub(crate) budget: &'q Budget,
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
                let after = self.after.as_ref().map(|after| after.key);
                self.found.in_key_order(self.sheet, after, offset, limit, self.budget)
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
        let after = self.after.as_ref().map(|after| (after.key, score_of(after)));
        let behind = |place: &&(&'a Key, f32)| {
            after.is_none_or(|after| order(place, &after) == Ordering::Greater)
        };
        let found = found.iter().take_while(|_| self.budget.spend(STEP));
        let mut places: Vec<(&'a Key, f32)> = found.filter(behind).copied().collect();
        first(&mut places, offset.saturating_add(limit), order);
        let page = places.into_iter().skip(offset);
        page.filter_map(|(key, score)| Some((self.sheet.record(key.as_str())?, score))).collect()
    }

    /// Sorts what was found and returns the records behind the cursor from `offset` to `wanted`.
    fn sort(&self, fields: &SortFields, offset: usize, wanted: usize) -> Vec<&'a Arc<Record>> {
        let records = self.found.records(self.sheet, self.budget);
        let records = records.take_while(|record| self.budget.spend(reading(record)));
        let places = records.map(|record| Place::new(fields, record));
        let mut places: Vec<_> =
            places.filter(|place| self.is_behind_cursor(fields, place)).collect();
        first(&mut places, wanted, |a, b| a.compare(fields, b));
        places.into_iter().skip(offset).map(|place| place.record).collect()
    }

    pub(crate) fn is_behind_cursor(&self, fields: &SortFields, place: &Place<'a>) -> bool {
        self.after.as_ref().is_none_or(|after| {
            let (place, after) = ((&*place.values, &place.record.key), (&*after.values, after.key));
            fields.compare(place, after) == Ordering::Greater
        })
    }

    /// Returns the commonest value of an index in which every record has one value, if all others
    /// together have no more than `most` records.
    fn commonest(&self, index: &'a FieldIndex, most: usize) -> Option<&'a Scalar> {
        if index.multi_valued() > 0 || index.present() < self.sheet.len() {
            return None;
        }
        let values = index.values().take_while(|_| self.budget.spend(STEP));
        let (scalar, keys) = values.max_by_key(|(_, keys)| keys.len())?;
        (self.sheet.len() - keys.len() <= most).then_some(scalar)
    }

    /// Counts the fields that were asked for: in the indexes where that is cheaper, and all others
    /// in one pass over the records.
    fn facets(&self) -> Result<Vec<Facet>, LongValue> {
        let fields = &self.query.facets;
        let indexed = fields.iter().map(|it| self.indexed_facet(it).transpose());
        let mut facets: Vec<Option<Facet>> = indexed.collect::<Result<_, _>>()?;
        let places = facets.iter().enumerate().filter(|(_, facet)| facet.is_none());
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        if !places.is_empty() {
            let records = self.found.records(self.sheet, self.budget);
            let read: Vec<&FieldPath> = places.iter().map(|place| &fields[*place]).collect();
            let read = facets::of_records(&read, records, self.budget)?;
            for (place, facet) in places.iter().zip(read) {
                facets[*place] = Some(facet);
            }
        }
        Ok(facets.into_iter().flatten().collect())
    }

    /// Counts a field in its index; returns `None` where there is none, or reading the records is
    /// cheaper.
    fn indexed_facet(&self, field: &FieldPath) -> Option<Result<Facet, LongValue>> {
        let (index, budget) = (self.sheet.index(field.as_str())?, self.budget);
        let hidden = || {
            let hidden = self.sheet.hidden().iter();
            hidden.filter_map(|key| self.sheet.record(key.as_str()))
        };
        match self.found {
            Found::All => Some(facets::of_entries(field, index.values(), hidden(), budget)),
            Found::Held(condition, _) if condition.is_over(field) && index.multi_valued() == 0 => {
                let entries = condition.ranges.entries(index);
                Some(facets::of_entries(field, entries, hidden(), budget))
            }
            found if found.len(self.sheet) * READING >= index.present() => {
                let total = found.len(self.sheet);
                if let Some(commonest) = self.commonest(index, total / READING) {
                    let membership = found.membership(self.query, field);
                    let admits = |key: &Key| membership.admits(self.sheet, key, budget);
                    return Some(facets::of_rest(field, index, commonest, total, admits));
                }
                let keys = self.keys.get_or_init(|| found.keys(self.sheet, budget).collect());
                Some(facets::of_keys(field, index, keys, budget))
            }
            _ => None,
        }
    }
}

impl<'a> Place<'a> {
    pub(crate) fn new(fields: &SortFields, record: &'a Arc<Record>) -> Self {
        Self { record, values: fields.values(&record.value) }
    }

    pub(crate) fn compare(&self, fields: &SortFields, other: &Self) -> Ordering {
        fields.compare((&self.values, &self.record.key), (&other.values, &other.record.key))
    }
}

/// Returns a score as a value that a cursor can hold.
fn scalar_of(score: f32) -> Scalar {
    Scalar::Number(Number::Natural(score.to_bits().into()))
}

fn score_of(after: &Behind<'_>) -> f32 {
    match after.first_value() {
        Some(Some(Stored::Number(Number::Natural(bits)))) => {
            f32::from_bits(u32::try_from(*bits).unwrap_or_default())
        }
        _ => 0.0,
    }
}
