//! Which records are in a list.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::budget::{Budget, STEP};
use crate::id::Key;
use crate::index::{FieldIndex, Postings};
use crate::query::columns::is_key;
use crate::query::expression::{Expression, Narrowing, Verdict};
use crate::query::filter::{Filter, Test};
use crate::query::index_ranges::Ranges;
pub(crate) use crate::query::limits::READING;
use crate::query::scan_filter::ScanFilter;
use crate::query::{ListQuery, first};
use crate::record::Record;
use crate::sheet::Sheet;
use crate::value::FieldPath;

/// The maximum number of postings that are checked one by one for a key.
const FEW: usize = 4;

/// The records of a list.
pub(crate) enum MatchSet<'q, 'a> {
    /// All records that are shown.
    All,
    /// Those that are shown and meet one condition. They are counted, not collected.
    ByCondition(Condition<'q, 'a>, usize),
    /// These, each with its score, in no particular order.
    These(Vec<(&'a Key, f32)>),
}

/// The records of a list, and the number of skipped ones.
pub(crate) struct Selection<'q, 'a> {
    pub(crate) found: MatchSet<'q, 'a>,
    /// For how many records the expression had no value, if there is one. The number depends on the
    /// records that are shown alone, and not on the plan.
    pub(crate) skipped: Option<usize>,
}

/// The filters over one indexed field: a value must be in these ranges.
pub(crate) struct Condition<'q, 'a> {
    filters: Vec<&'q Filter>,
    /// The same condition for reading records, built on first use.
    sieve: OnceCell<ScanFilter>,
    index: &'a FieldIndex,
    pub(crate) ranges: Ranges,
}

/// A test of whether a record is in the list, given that its key is in the sheet.
pub(crate) enum Membership<'a> {
    /// Every record that is shown.
    Shown,
    /// Those in one of these postings.
    Postings(SmallVec<[&'a Postings; FEW]>),
    /// Those whose values pass.
    Reading(ScanFilter),
    /// These.
    Set(HashSet<&'a Key>),
}

impl<'q, 'a> MatchSet<'q, 'a> {
    /// Finds the records that pass everything. Starts with the text, whose matches are in
    /// `matched`, and the narrowest indexes, and then reads the remaining records.
    pub(crate) fn by(
        query: &'q ListQuery,
        sheet: &'a Sheet,
        matched: Option<Vec<(&'a Key, f32)>>,
        budget: &Budget,
    ) -> Selection<'q, 'a> {
        let mut found = Self::by_conditions(query, sheet, matched, budget);
        let expression = query.expression.as_ref();
        let skipped = expression.map(|expression| found.judge(expression, sheet, budget));
        Selection { found, skipped }
    }

    /// Finds the records that pass everything but the expression.
    fn by_conditions(
        query: &'q ListQuery,
        sheet: &'a Sheet,
        matched: Option<Vec<(&'a Key, f32)>>,
        budget: &Budget,
    ) -> Self {
        if sheet.shown() == 0 {
            return Self::These(Vec::new());
        }
        let (mut conditions, mut read) = conditions(query, sheet);
        conditions.extend(narrowed(query, sheet, budget));
        if matched.is_none()
            && read.is_empty()
            && query.expression.is_none()
            && conditions.len() == 1
            && let Some(total) = conditions[0].count(budget)
        {
            return Self::ByCondition(conditions.remove(0), total);
        }
        if conditions.len() > 1 {
            conditions.sort_by_cached_key(|condition| condition.size(budget));
        }
        let mut conditions = conditions.into_iter();
        let mut found: Vec<(&Key, f32)> = if let Some(matched) = matched {
            // Only shown records are in the text index.
            matched
        } else if let Some(narrowest) = conditions.next() {
            narrowest.keys(budget).into_iter().map(|key| (key, 0.0)).collect()
        } else if let Some(named) = named(&read, sheet) {
            named
        } else if read.is_empty() {
            return Self::All;
        } else {
            let sieve = ScanFilter::new(read);
            let shown =
                sheet.shown_records(None).take_while(|record| budget.spend(reading(record)));
            let passing = shown.filter(|record| sieve.passes(&record.key, &record.value));
            return Self::These(passing.map(|record| (&record.key, 0.0)).collect());
        };
        for condition in conditions {
            if let Some(postings) = condition.few_postings() {
                found.retain(|(key, _)| {
                    budget.spend(STEP * READING) && postings.iter().any(|keys| keys.contains(key))
                });
            } else if condition.size(budget) < found.len() * READING {
                let keys: HashSet<&Key> = condition.keys(budget).into_iter().collect();
                found.retain(|(key, _)| budget.spend(STEP) && keys.contains(key));
            } else {
                condition.filters.into_iter().for_each(|filter| add(&mut read, filter));
            }
        }
        if !read.is_empty() {
            let sieve = ScanFilter::new(read);
            found.retain(|(key, _)| {
                let record = sheet.record(key.as_str());
                record.is_some_and(|record| {
                    budget.spend(reading(record)) && sieve.passes(&record.key, &record.value)
                })
            });
        }
        Self::These(found)
    }

    /// Keeps the records for which an expression holds. Returns for how many it has no value although
    /// no index rules them out. Each record is read once.
    fn judge(&mut self, expression: &Expression, sheet: &'a Sheet, budget: &Budget) -> usize {
        let (mut left, mut skipped) = (Vec::new(), 0);
        let narrowings = expression.narrowings().iter();
        let indexed: Vec<&Narrowing> =
            narrowings.filter(|it| sheet.shown_index(&it.field).is_some()).collect();
        let is_counted = |record: &Record| {
            indexed.iter().all(|narrowing| {
                budget.spend(reading(record) + STEP * narrowing.ranges.len())
                    && narrowing.admits(record)
            })
        };
        let mut judge = |record: &'a Arc<Record>, score: f32| {
            if budget.spend(reading(record)) {
                match expression.judge(record, budget) {
                    Verdict::Holds => left.push((&record.key, score)),
                    Verdict::Fails => {}
                    Verdict::Undecided => skipped += usize::from(is_counted(record)),
                }
            }
        };
        match &*self {
            Self::These(found) => {
                let records = found.iter();
                let records =
                    records.filter_map(|(key, score)| Some((sheet.record(key.as_str())?, score)));
                records.for_each(|(record, score)| judge(record, *score));
            }
            others => others.records(sheet, budget).for_each(|record| judge(record, 0.0)),
        }
        *self = Self::These(left);
        skipped
    }

    /// Returns the number of records.
    pub(crate) fn len(&self, sheet: &Sheet) -> usize {
        match self {
            Self::All => sheet.shown(),
            Self::ByCondition(_, total) => *total,
            Self::These(found) => found.len(),
        }
    }

    /// Returns the records in no particular order.
    pub(crate) fn records<'s>(
        &'s self,
        sheet: &'a Sheet,
        budget: &'s Budget,
    ) -> Box<dyn Iterator<Item = &'a Arc<Record>> + 's> {
        match self {
            Self::All => sheet.shown_records(None),
            _ => Box::new(self.keys(sheet, budget).filter_map(|key| sheet.record(key.as_str()))),
        }
    }

    /// Returns their keys in no particular order.
    pub(crate) fn keys<'s>(
        &'s self,
        sheet: &'a Sheet,
        budget: &'s Budget,
    ) -> Box<dyn Iterator<Item = &'a Key> + 's> {
        match self {
            Self::All => Box::new(sheet.shown_records(None).map(|record| &record.key)),
            Self::ByCondition(condition, _) => Box::new(condition.keys(budget).into_iter()),
            Self::These(found) => Box::new(found.iter().map(|(key, _)| *key)),
        }
    }

    /// Returns the records after `after` in key order: those from `offset` on, at most `limit`.
    pub(crate) fn in_key_order(
        &self,
        sheet: &'a Sheet,
        after: Option<&Key>,
        offset: usize,
        limit: usize,
        budget: &Budget,
    ) -> Vec<&'a Arc<Record>> {
        let wanted = offset.saturating_add(limit);
        let record = |key: &Key| sheet.record(key.as_str());
        match self {
            Self::All => {
                let shown = sheet.shown_records(after.map(Key::as_str));
                let shown = shown.take_while(|_| budget.spend(STEP));
                shown.skip(offset).take(limit).collect()
            }
            Self::ByCondition(condition, total) => {
                let mut entries = condition.ranges.entries(condition.index);
                let (first, second) = (entries.next(), entries.next());
                if let (Some((_, keys)), None) = (first, second) {
                    let keys = keys.behind(after).take_while(|_| budget.spend(STEP));
                    return keys.skip(offset).take(limit).filter_map(record).collect();
                }
                // Of the records on the way, one in `shown / total` is wanted.
                let steps = wanted as u128 * sheet.shown() as u128 / (*total).max(1) as u128;
                if steps * (READING as u128) < *total as u128 {
                    let shown = sheet.shown_records(after.map(Key::as_str));
                    let shown = shown.take_while(|record| budget.spend(reading(record)));
                    let passing = shown.filter(|record| condition.admits(record));
                    return passing.skip(offset).take(limit).collect();
                }
                part(condition.keys(budget).into_iter(), after, offset, wanted)
                    .filter_map(record)
                    .collect()
            }
            Self::These(found) => {
                let keys = found.iter().map(|(key, _)| *key);
                part(keys, after, offset, wanted).filter_map(record).collect()
            }
        }
    }

    /// Returns a test for records that hold `walked`, a field whose own filters they are known to
    /// pass.
    pub(crate) fn membership(&self, query: &'q ListQuery, walked: &FieldPath) -> Membership<'a> {
        match self {
            Self::All => Membership::Shown,
            Self::ByCondition(condition, _) if condition.is_over(walked) => Membership::Shown,
            Self::ByCondition(condition, _) => match condition.few_postings() {
                Some(postings) => Membership::Postings(postings),
                None => Membership::Reading(ScanFilter::new(condition.filters.iter().copied())),
            },
            Self::These(_) if query.text.is_none() && query.expression.is_none() => {
                Membership::Reading(ScanFilter::new(&query.filters))
            }
            Self::These(found) => Membership::Set(found.iter().map(|(key, _)| *key).collect()),
        }
    }
}

impl Membership<'_> {
    /// Returns whether the record is in the list. If the budget is used up, it is not.
    pub(crate) fn admits(&self, sheet: &Sheet, key: &Key, budget: &Budget) -> bool {
        budget.spend(STEP)
            && match self {
                Self::Shown => true,
                Self::Postings(postings) => postings.iter().any(|keys| keys.contains(key)),
                Self::Reading(sieve) => sheet.record(key.as_str()).is_some_and(|record| {
                    budget.spend(reading(record)) && sieve.passes(&record.key, &record.value)
                }),
                Self::Set(keys) => keys.contains(key),
            }
    }
}

/// Splits the filters into conditions on indexes and filters for which records must be read.
fn conditions<'q, 'a>(
    query: &'q ListQuery,
    sheet: &'a Sheet,
) -> (Vec<Condition<'q, 'a>>, Vec<&'q Filter>) {
    let (mut conditions, mut read) = (Vec::<Condition<'q, 'a>>::new(), Vec::new());
    for filter in &query.filters {
        // An index narrows what is read, but does not show which table of a list holds a value.
        if query.filters.iter().any(|other| share_tables(filter, other, sheet)) {
            add(&mut read, filter);
        }
        let index = sheet.shown_index(&filter.field).filter(|_| !filter.is_negated());
        let (Some(index), Some(ranges)) = (index, filter.values()) else {
            add(&mut read, filter);
            continue;
        };
        let same = conditions.iter_mut().find(|other| other.is_over(&filter.field));
        match same {
            // A single value must pass both. With several values, each may pass one.
            Some(other) if index.multi_valued() == 0 => {
                other.ranges = other.ranges.intersection(&ranges);
                other.filters.push(filter);
            }
            _ => {
                let filters = vec![filter];
                let sieve = OnceCell::new();
                conditions.push(Condition { filters, sieve, index, ranges });
            }
        }
    }
    (conditions, read)
}

/// Returns the records whose keys a condition lists, if one does.
fn named<'a>(read: &[&Filter], sheet: &'a Sheet) -> Option<Vec<(&'a Key, f32)>> {
    let keys = read.iter().find_map(|filter| match &filter.test {
        Test::Any(keys) if is_key(&filter.field) => Some(keys),
        _ => None,
    })?;
    let records = keys.iter().filter_map(|key| sheet.record(key.text()));
    let shown = records.filter(|record| sheet.shows(record));
    let mut named: Vec<&Key> = shown.map(|record| &record.key).collect();
    named.sort_unstable();
    named.dedup();
    Some(named.into_iter().map(|key| (key, 0.0)).collect())
}

/// Returns the conditions on indexes that follow from the expression of a query, where they leave
/// few records. They only narrow the candidates: the expression decides.
fn narrowed<'q, 'a>(
    query: &'q ListQuery,
    sheet: &'a Sheet,
    budget: &Budget,
) -> Vec<Condition<'q, 'a>> {
    let narrowings = query.expression.iter().flat_map(|expression| expression.narrowings());
    let conditions = narrowings.filter_map(|Narrowing { field, ranges }| {
        let index = sheet.shown_index(field)?;
        let (ranges, sieve) = (ranges.clone(), OnceCell::new());
        Some(Condition { filters: Vec::new(), sieve, index, ranges })
    });
    // If most records remain, collecting their keys is wasted work.
    conditions.filter(|condition| condition.size(budget) < sheet.shown() / 2).collect()
}

/// Adds a condition to those that are read, unless it is already there.
fn add<'q>(read: &mut Vec<&'q Filter>, filter: &'q Filter) {
    if !read.iter().any(|other| std::ptr::eq(*other, filter)) {
        read.push(filter);
    }
}

/// Returns whether two conditions concern the same list of tables in some record, so that one table
/// must meet both. If every record holds at most one value of a field, that value must meet
/// everything.
fn share_tables(one: &Filter, other: &Filter, sheet: &Sheet) -> bool {
    let is_single = || {
        let index = sheet.shown_index(&one.field);
        one.field == other.field && index.is_some_and(|index| index.multi_valued() == 0)
    };
    let fields = sheet.fields();
    let other_names = || other.field.outermost().take_while(|name| *name != other.field.as_str());
    let common = one.field.outermost().zip(other_names()).take_while(|(one, other)| one == other);
    let mut common = common.map(|(name, _)| name).filter(|name| *name != one.field.as_str());
    !std::ptr::eq(one, other)
        && (fields.is_list_of_tables("") || common.any(|name| fields.is_list_of_tables(name)))
        && !(is_single() && !one.is_negated() && !other.is_negated())
}

impl<'a> Condition<'_, 'a> {
    /// Returns whether the condition is on `field`.
    pub(crate) fn is_over(&self, field: &FieldPath) -> bool {
        self.filters.iter().all(|filter| filter.field == *field)
    }

    /// Returns whether a record meets it, by reading the record.
    fn admits(&self, record: &Record) -> bool {
        let sieve = self.sieve.get_or_init(|| ScanFilter::new(self.filters.iter().copied()));
        sieve.passes(&record.key, &record.value)
    }

    /// Returns the number of records that hold one of the values; a record with several counts for
    /// each.
    fn size(&self, budget: &Budget) -> usize {
        let entries = self.ranges.entries(self.index).take_while(|_| budget.spend(STEP));
        entries.map(|(_, keys)| keys.len()).sum()
    }

    /// Returns the number of records that meet it, if that can be computed without collecting them.
    fn count(&self, budget: &Budget) -> Option<usize> {
        let several = self.ranges.entries(self.index).nth(1).is_some();
        if several && self.index.multi_valued() > 0 {
            return None;
        }
        Some(self.size(budget))
    }

    /// Returns the postings of its values, if they are few.
    fn few_postings(&self) -> Option<SmallVec<[&'a Postings; FEW]>> {
        let postings = self.ranges.entries(self.index).map(|(_, keys)| keys).take(FEW + 1);
        let postings: SmallVec<[&Postings; FEW]> = postings.collect();
        (postings.len() <= FEW).then_some(postings)
    }

    /// Returns the keys of the records that hold one of the values, each once.
    fn keys(&self, budget: &Budget) -> Vec<&'a Key> {
        let keys = self.ranges.entries(self.index).flat_map(|(_, keys)| keys);
        let mut keys: Vec<&Key> = keys.take_while(|_| budget.spend(STEP)).collect();
        if self.index.multi_valued() > 0 {
            keys.sort_unstable();
            keys.dedup();
        }
        keys
    }
}

/// Returns the cost of reading a record.
pub(crate) fn reading(record: &Record) -> usize {
    STEP * READING + record.value.as_str().len()
}

/// Returns the keys after `after` in order, from index `offset` to index `wanted`.
fn part<'a>(
    keys: impl Iterator<Item = &'a Key>,
    after: Option<&Key>,
    offset: usize,
    wanted: usize,
) -> impl Iterator<Item = &'a Key> {
    let keys = keys.filter(|key| after.is_none_or(|after| *key > after));
    first(keys, wanted, Ord::cmp).into_iter().skip(offset)
}
