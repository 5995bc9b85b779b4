//! Answers a list: selects the records, sorts them, and returns a part of them.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use crate::budget::{Budget, STEP};
use crate::document::field_texts;
use crate::id::{CommitId, Key};
use crate::index::{FieldIndex, Postings};
use crate::query::columns::{Columns, ItemRef};
use crate::query::counts::{Counts, FacetMode};
use crate::query::facets;
use crate::query::grouping::{By, Facet, Grouping, LongValue};
use crate::query::groups;
use crate::query::matches::{MatchSet, READING, Selection, reading};
use crate::query::sort_order::{
    AfterCursor, Order, Position, SortFields, SortValues, StoredValues,
};
use crate::query::stats::{Figures, Stats};
use crate::query::unnest::Rows;
use crate::query::{After, Item, ListError, ListQuery, Mark, Page, Paging, first, position};
use crate::record::Record;
use crate::scalar::{Number, Scalar, Stored};
use crate::search::{DocName, Hit, Scope, SearchError, Slot, TextIndex};
use crate::sheet::{FieldCounts, Sheet};
use crate::value::FieldPath;

impl ListQuery {
    /// Returns the requested part of the list, from the sheet that the query was parsed for and the
    /// text index of the same snapshot.
    ///
    /// Walks as much of an index as the part needs, and the values of the filters to count the
    /// matches. With filters over several fields, the records that the narrowest one leaves are
    /// read; filters without an index read the whole sheet. A sort over a field without an index
    /// reads that field of everything found.
    ///
    /// # Errors
    ///
    /// [`SearchError::Query`] if prefixes and typos in `q` match too many words;
    /// [`SearchError::TooCostly`] if `budget` is used up; [`ListError::Facet`] if a facet contains
    /// a value that is too long.
    pub fn run(&self, sheet: &Sheet, text: &TextIndex, budget: &Budget) -> Result<Page, ListError> {
        if let Some(page) = self.best_page(sheet, text, budget)? {
            return Ok(page);
        }
        let (mut matched, mut relaxed, mut corrections) = (None, false, Vec::new());
        if let Some(words) = &self.text {
            let fields = |name: &DocName, field: &str, emit: &mut dyn FnMut(Slot, &str)| {
                if let Some(record) = sheet.record(name.key.as_str()) {
                    field_texts(sheet.spec(), record, field, text.slots(), emit);
                }
            };
            let matches = text.matches(words, &sheet.spec().name, &fields, budget)?;
            matched = Some(matches.documents);
            relaxed = matches.relaxed;
            corrections = matches.readings.into_corrections();
        }
        // Facets that ignore their own conditions reuse what the words matched.
        let again = self.leaves_out().then(|| matched.clone()).flatten();
        let Selection { found, skipped } = MatchSet::by(self, sheet, matched, budget);
        budget.check().map_err(SearchError::from)?;
        let unnest = self.unnest.as_ref();
        let rows = unnest.map(|unnest| Rows::of(self, unnest, &found, sheet, budget));
        let mark = match &self.paging {
            Paging::Cursor { after: Some(After(mark)), .. } => Some(mark),
            _ => None,
        };
        let after = match mark {
            Some(Mark::Item(at)) => {
                Some(AfterCursor { values: at.stored(), key: &at.key, row: at.row })
            }
            _ => None,
        };
        let keys = OnceCell::new();
        let list = List { query: self, sheet, found: &found, rows, after, budget, keys };
        let passed = if let Some(Mark::Groups(passed)) = mark { *passed } else { 0 };
        let part = list.page(passed, text.stamp());
        let facets = list.all_facets(again);
        let stats = if self.counts.group_by.is_empty() { list.stats() } else { Ok(Vec::new()) };
        // Partial counts are meaningless.
        budget.check().map_err(SearchError::from)?;
        Ok(Page { facets: facets?, stats: stats?, skipped, relaxed, corrections, ..part? })
    }

    /// Returns whether a facet is counted without the conditions on its field.
    fn leaves_out(&self) -> bool {
        self.counts.facets.iter().any(|grouping| self.leaves_out_for(grouping))
    }

    fn leaves_out_for(&self, grouping: &Grouping) -> bool {
        let mut filters = self.filters.iter().chain(&self.of_elements);
        self.counts.mode == FacetMode::Or && filters.any(|filter| filter.field == grouping.field)
    }

    /// Returns the query without the conditions on a field.
    fn without(&self, field: &FieldPath) -> Self {
        let mut query = self.clone();
        query.sieve = OnceLock::new();
        query.filters.retain(|filter| filter.field != *field);
        query.of_elements.retain(|filter| filter.field != *field);
        query
    }

    /// Returns a page of best matches if only words are requested: the text index ranks it without
    /// collecting everything that matches.
    fn best_page(
        &self,
        sheet: &Sheet,
        text: &TextIndex,
        budget: &Budget,
    ) -> Result<Option<Page>, SearchError> {
        let (Some(words), Order::Score) = (&self.text, &self.order) else { return Ok(None) };
        let Paging::Page { page, per_page } = self.paging else { return Ok(None) };
        let offset = offset(page, per_page);
        // Far into the list, ranking a part costs more than collecting all of it.
        let is_of_fields = words.fields().next().is_some();
        let Counts { facets, stats, group_by, .. } = &self.counts;
        let is_counted = !(facets.is_empty() && stats.is_empty() && group_by.is_empty());
        let is_filtered = is_of_fields || !self.filters.is_empty() || self.expression.is_some();
        if is_filtered || is_counted || offset > RANKED || per_page == 0 {
            return Ok(None);
        }
        // Only shown records are in the text index.
        let scope = Scope::Sheets(std::slice::from_ref(&sheet.spec().name));
        let hits = text.search(words, scope, offset, per_page, budget)?;
        let record = |hit: Hit| sheet.record(hit.name.key.as_str()).cloned().map(Item::from);
        let items = hits.hits.into_iter().filter_map(record).collect();
        let total = usize::try_from(hits.total).unwrap_or(usize::MAX);
        let (relaxed, corrections) = (hits.relaxed, hits.readings.into_corrections());
        Ok(Some(Page { items, total, relaxed, corrections, ..Page::default() }))
    }
}

/// Returns whether a field is a list in some record, or in one, or may be.
fn is_in_list(fields: &FieldCounts, field: &FieldPath) -> bool {
    let name = field.as_str();
    let above = name.match_indices('.').map(|(dot, _)| &name[..dot]);
    above.chain(["", name]).any(|list| fields.is_list(list))
}

/// The number of matches that are ranked without collecting them.
const RANKED: usize = 1_000;

/// Returns the index of the first item of a page.
fn offset(page: usize, per_page: usize) -> usize {
    (page - 1).saturating_mul(per_page)
}

/// A record and its sort values.
pub(crate) struct SortedRecord<'a> {
    pub(crate) record: &'a Arc<Record>,
    values: StoredValues<'a>,
}

/// A list of which a part is requested.
pub(crate) struct List<'q, 'a> {
    pub(crate) query: &'q ListQuery,
    pub(crate) sheet: &'a Sheet,
    pub(crate) found: &'q MatchSet<'q, 'a>,
    /// Its items, if these are not the records themselves.
    rows: Option<Rows<'a>>,
    pub(crate) after: Option<AfterCursor<'q>>,
    pub(crate) budget: &'q Budget,
    /// The keys of what was found, for facets.
    keys: OnceCell<HashSet<&'a Key>>,
}

impl<'a> List<'_, 'a> {
    /// Returns the requested part, without additional counts. Groups are returned after the first
    /// `passed`.
    fn page(&self, passed: usize, commit: CommitId) -> Result<Page, LongValue> {
        let (offset, limit) = match &self.query.paging {
            Paging::Page { page, per_page } => (offset(*page, *per_page), *per_page),
            Paging::Cursor { limit, .. } => (0, *limit),
        };
        let kind = || self.query.kind();
        let is_by_page = matches!(self.query.paging, Paging::Page { .. });
        if !self.query.counts.group_by.is_empty() {
            let part = (offset.max(passed), limit);
            let groups::GroupPage { groups, total } =
                self.grouping().of_items(self.items(), part, self.budget)?;
            let passed = passed + groups.len();
            let next = (!is_by_page && passed < total)
                .then(|| position::cursor_of_groups(commit, &kind(), passed).to_string());
            return Ok(Page { groups: Some(groups), total, next, ..Page::default() });
        }
        // One more than wanted shows whether there are more.
        let wanted = if is_by_page { limit } else { limit + 1 };
        let (items, last) = match &self.rows {
            Some(rows) => {
                let part = rows.part(&self.query.order, self.after.as_ref(), (offset, wanted));
                let last = part.get(limit.saturating_sub(1)).filter(|_| part.len() > limit);
                let last = last.map(|row| self.position(row.seen(), row.number, 0.0));
                (part.iter().take(limit).map(|row| row.item()).collect(), last)
            }
            None => {
                let part = self.part(offset, wanted);
                let last = part.get(limit.saturating_sub(1)).filter(|_| part.len() > limit);
                let last = last.map(|(it, score)| self.position(ItemRef::record(it), 0, *score));
                let records = part.into_iter().take(limit);
                (records.map(|(record, _)| Item::from(record.clone())).collect(), last)
            }
        };
        let next = last.filter(|_| !is_by_page);
        let next = next.map(|at| position::cursor_of(commit, &kind(), &at).to_string());
        Ok(Page { items, total: self.len(), next, ..Page::default() })
    }

    fn position(&self, item: ItemRef<'_>, row: usize, score: f32) -> Position {
        let values = match &self.query.order {
            Order::Key => SortValues::new(),
            Order::Score => SortValues::from_iter([Some(scalar_of(score))]),
            Order::Fields(fields) => {
                let values = fields.values(item).into_iter();
                values.map(|value| value.map(|stored| stored.to_scalar())).collect()
            }
        };
        Position { values, key: item.key.clone(), row }
    }

    /// Returns how many items there are.
    fn len(&self) -> usize {
        self.rows.as_ref().map_or_else(|| self.found.len(self.sheet), Rows::len)
    }

    /// Returns all items, in no particular order.
    fn items(&self) -> Box<dyn Iterator<Item = ItemRef<'a>> + '_> {
        match &self.rows {
            Some(rows) => Box::new(rows.seen()),
            None => {
                Box::new(self.found.records(self.sheet, self.budget).map(|it| ItemRef::record(it)))
            }
        }
    }

    fn grouping(&self) -> groups::By<'_> {
        let Counts { group_by, stats, told, .. } = &self.query.counts;
        let unnest = self.query.unnest.as_ref();
        groups::By { groupings: group_by, stats, unnest, order: told.order }
    }

    /// Returns the statistics of all items together: of a field with an index from that, where it tells
    /// as much, and of all others by reading the items once.
    fn stats(&self) -> Result<Vec<Stats>, LongValue> {
        let fields = &self.query.counts.stats;
        let indexed = fields.iter().map(|field| self.indexed_stats(field).transpose());
        let mut stats: Vec<Option<Stats>> = indexed.collect::<Result<_, _>>()?;
        let rest = fields.iter().zip(&stats).filter(|(_, stats)| stats.is_none());
        let rest: Vec<FieldPath> = rest.map(|(field, _)| field.clone()).collect();
        if !rest.is_empty() {
            let by = groups::By { groupings: &[], stats: &rest, ..self.grouping() };
            let part = by.of_items(self.items(), (0, 1), self.budget)?;
            let nothing = |field: &FieldPath| Figures::default().told(field.as_str());
            let read = match part.groups.into_iter().next() {
                Some(group) => group.stats,
                None => rest.iter().map(nothing).collect::<Result<_, _>>()?,
            };
            let places = stats.iter_mut().filter(|stats| stats.is_none());
            places.zip(read).for_each(|(place, stats)| *place = Some(stats));
        }
        Ok(stats.into_iter().flatten().collect())
    }

    /// Returns the statistics of a field from its index. Returns `None` if there is none, if reading
    /// the records is cheaper, or if a record may hold a value twice: an index has it once.
    fn indexed_stats(&self, field: &FieldPath) -> Option<Result<Stats, LongValue>> {
        let index = self.sheet.shown_index(field)?;
        if self.rows.is_some() || is_in_list(self.sheet.fields(), field) {
            return None;
        }
        let mut figures = Figures::default();
        let mut count = |scalar: &'a Scalar, count: usize| {
            let value = Stored::from(scalar);
            if self.budget.spend(STEP + value.weight()) && count > 0 {
                self.budget.take(groups::SPACE * value.size());
                figures.add_often(value, count);
            }
        };
        match self.found {
            MatchSet::All => index.values().for_each(|(scalar, keys)| count(scalar, keys.len())),
            MatchSet::ByCondition(condition, _) if condition.is_over(field) => {
                condition
                    .ranges
                    .entries(index)
                    .for_each(|(scalar, keys)| count(scalar, keys.len()));
            }
            found if found.len(self.sheet) * READING >= index.present() => {
                let keys = self.keys.get_or_init(|| found.keys(self.sheet, self.budget).collect());
                let common = |holders: &Postings| {
                    let holders = holders.iter().take_while(|_| self.budget.spend(STEP));
                    holders.filter(|key| keys.contains(key)).count()
                };
                index.values().for_each(|(scalar, holders)| count(scalar, common(holders)));
            }
            _ => return None,
        }
        Some(figures.told(field.as_str()))
    }

    /// Counts all requested fields; `matched` is what the words match, for those that are counted
    /// without the conditions on their field.
    fn all_facets(&self, matched: Option<Vec<(&'a Key, f32)>>) -> Result<Vec<Facet>, LongValue> {
        let groupings = &self.query.counts.facets;
        let (alone, together): (Vec<&Grouping>, Vec<&Grouping>) =
            groupings.iter().partition(|grouping| self.query.leaves_out_for(grouping));
        let mut together = self.facets(&together)?.into_iter();
        let counted = groupings.iter().map(|grouping| {
            if !alone.contains(&grouping) {
                return Ok(together.next());
            }
            let query = self.query.without(&grouping.field);
            let (sheet, budget, unnest) = (self.sheet, self.budget, query.unnest.as_ref());
            let Selection { found, .. } = MatchSet::by(&query, sheet, matched.clone(), budget);
            let rows = unnest.map(|unnest| Rows::of(&query, unnest, &found, sheet, budget));
            let keys = OnceCell::new();
            let list =
                List { query: &query, sheet, found: &found, rows, after: None, budget, keys };
            Ok(list.facets(&[grouping])?.pop())
        });
        Ok(counted.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Returns the records from `offset` on, at most `limit`, after the cursor if there is one;
    /// with their scores if the list is ordered by them.
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

    /// Returns the best matches from `offset` on, after the cursor.
    fn best(&self, offset: usize, limit: usize) -> Vec<(&'a Arc<Record>, f32)> {
        let MatchSet::These(found) = self.found else { return Vec::new() };
        let order = |(a_key, a): &(&Key, f32), (b_key, b): &(&Key, f32)| {
            b.total_cmp(a).then_with(|| a_key.cmp(b_key))
        };
        let after = self.after.as_ref().map(|after| (after.key, score_of(after)));
        let behind = |place: &(&'a Key, f32)| {
            after.is_none_or(|after| order(place, &after) == Ordering::Greater)
        };
        let found = found.iter().take_while(|_| self.budget.spend(STEP));
        let places = found.copied().filter(behind);
        let page = first(places, offset.saturating_add(limit), order).into_iter().skip(offset);
        page.filter_map(|(key, score)| Some((self.sheet.record(key.as_str())?, score))).collect()
    }

    /// Sorts what was found and returns the records after the cursor from `offset` to `wanted`.
    fn sort(&self, fields: &SortFields, offset: usize, wanted: usize) -> Vec<&'a Arc<Record>> {
        let records = self.found.records(self.sheet, self.budget);
        let records = records.take_while(|record| self.budget.spend(reading(record)));
        let places = records.map(|record| SortedRecord::new(fields, record));
        let places = places.filter(|place| self.is_behind_cursor(fields, place));
        let places = first(places, wanted, |a, b| a.compare(fields, b));
        places.into_iter().skip(offset).map(|place| place.record).collect()
    }

    pub(crate) fn is_behind_cursor(&self, fields: &SortFields, place: &SortedRecord<'a>) -> bool {
        self.after.as_ref().is_none_or(|after| {
            let (place, after) = ((&*place.values, &place.record.key), (&*after.values, after.key));
            fields.compare(place, after) == Ordering::Greater
        })
    }

    /// Returns the commonest value of an index in which every record has one value, if all other
    /// values together have at most `most` records.
    fn commonest(&self, index: &'a FieldIndex, most: usize) -> Option<&'a Scalar> {
        if index.multi_valued() > 0 || index.present() < self.sheet.shown() {
            return None;
        }
        let values = index.values().take_while(|_| self.budget.spend(STEP));
        let (scalar, keys) = values.max_by_key(|(_, keys)| keys.len())?;
        (self.sheet.shown().saturating_sub(keys.len()) <= most).then_some(scalar)
    }

    /// Counts fields: in the indexes where that is cheaper, and all others in one pass over the
    /// items.
    fn facets(&self, groupings: &[&Grouping]) -> Result<Vec<Facet>, LongValue> {
        let indexed = groupings.iter().map(|it| self.indexed_facet(it).transpose());
        let mut facets: Vec<Option<Facet>> = indexed.collect::<Result<_, _>>()?;
        let places = facets.iter().enumerate().filter(|(_, facet)| facet.is_none());
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        if !places.is_empty() {
            let read: Vec<&Grouping> = places.iter().map(|place| groupings[*place]).collect();
            let fields = read.iter().map(|grouping| &grouping.field);
            let columns = Columns::new(fields, self.query.unnest.as_ref());
            let told = self.query.counts.told;
            let read = facets::of_items(&read, &columns, self.items(), self.budget, told)?;
            for (place, facet) in places.iter().zip(read) {
                facets[*place] = Some(facet);
            }
        }
        Ok(facets.into_iter().flatten().collect())
    }

    /// Counts a field in its index. Returns `None` if there is no index, or if the records must be
    /// read because that is cheaper or a record may hold two values of one group.
    fn indexed_facet(&self, grouping: &Grouping) -> Option<Result<Facet, LongValue>> {
        let index = self.sheet.shown_index(&grouping.field)?;
        let is_single = index.multi_valued() == 0;
        if self.rows.is_some() || grouping.by != By::Value && !is_single {
            return None;
        }
        let (budget, told) = (self.budget, self.query.counts.told);
        match self.found {
            MatchSet::All => Some(facets::of_entries(grouping, index.values(), budget, told)),
            MatchSet::ByCondition(condition, _)
                if condition.is_over(&grouping.field) && is_single =>
            {
                let entries = condition.ranges.entries(index);
                Some(facets::of_entries(grouping, entries, budget, told))
            }
            found if found.len(self.sheet) * READING >= index.present() => {
                let total = found.len(self.sheet);
                if let Some(commonest) = self.commonest(index, total / READING) {
                    let membership = found.membership(self.query, &grouping.field);
                    let admits = |key: &Key| membership.admits(self.sheet, key, budget);
                    return Some(facets::of_rest(
                        grouping,
                        index,
                        (commonest, total),
                        admits,
                        told,
                    ));
                }
                let keys = self.keys.get_or_init(|| found.keys(self.sheet, budget).collect());
                Some(facets::of_keys(grouping, index, keys, budget, told))
            }
            _ => None,
        }
    }
}

impl<'a> SortedRecord<'a> {
    pub(crate) fn new(fields: &SortFields, record: &'a Arc<Record>) -> Self {
        Self { record, values: fields.values(ItemRef::record(record)) }
    }

    pub(crate) fn compare(&self, fields: &SortFields, other: &Self) -> Ordering {
        fields.compare((&self.values, &self.record.key), (&other.values, &other.record.key))
    }
}

/// Returns a score as a value that a cursor can hold.
fn scalar_of(score: f32) -> Scalar {
    Scalar::Number(Number::Natural(score.to_bits().into()))
}

fn score_of(after: &AfterCursor<'_>) -> f32 {
    match after.first_value() {
        Some(Some(Stored::Number(Number::Natural(bits)))) => {
            f32::from_bits(u32::try_from(*bits).unwrap_or_default())
        }
        _ => 0.0,
    }
}
