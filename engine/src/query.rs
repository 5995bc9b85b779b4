//! Lists: filters, sorts, full text and facets over one sheet of a snapshot.
//!
//! A list is parsed against the fields that the sheet knows, and then answered from the sheet and
//! the text index of one snapshot. Filters over indexed fields narrow the candidates, or are only
//! counted where there is one; sorts over indexed fields walk the index as far as the part of the
//! list goes; facets are counted in the indexes. Everything else reads the records' texts: once for
//! all conditions, once for all sorts and once for all facets. Hidden records and sheets that are
//! not public are never in a list.

mod across;
mod clock;
mod columns;
mod counts;
mod each;
mod expression;
mod facets;
mod filter;
mod filter_across;
mod fold;
mod found;
mod grouping;
mod groups;
mod include;
mod item;
mod limits;
mod meant;
mod order;
mod parameter;
mod parse;
mod position;
mod projection;
mod ranges;
mod rows;
mod run;
mod sieve;
mod stats;
mod table;
mod types;
mod walk;
mod within;

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

pub use crate::query::across::{Across, unsearched};
pub use crate::query::each::Each;
pub use crate::query::filter_across::{FilterAcross, FilterError};
pub use crate::query::grouping::{Facet, LongValue, MAX_FACET_VALUE};
pub use crate::query::groups::Group;
pub use crate::query::include::Included;
pub use crate::query::item::{Element, Item};
pub use crate::query::parameter::ListParameter;
pub use crate::query::projection::Projection;
pub use crate::query::stats::{Stats, Sum};
pub use crate::query::within::Within;

use crate::budget::Budget;
use crate::layout::Reference;
use crate::query::columns::is_key;
use crate::query::expression::{Expression, Verdict};
use crate::query::filter::Filter;

use crate::cursor::Cursor;
use crate::query::counts::Counts;
use crate::query::order::{Order, Position};
use crate::query::sieve::Sieve;
use crate::record::Record;
use crate::scalar::Moment;
use crate::search;
use crate::sheet::Sheet;
use crate::value::FieldPath;

/// The page size where none is given.
pub const DEFAULT_PAGE: usize = 30;
/// The largest page.
pub const MAX_PAGE: usize = 100;
/// What stands before the moment that now is in the kind of a list.
const NOW: &str = "\u{1f}now=";
/// The most values of one facet.
pub const MAX_FACET_LIMIT: usize = 1_000;

/// Why a list is not answered.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Its words cannot be searched, or it costs more work than it may.
    #[error(transparent)]
    Search(#[from] search::SearchError),
    /// A facet would name a value that is too long for one.
    #[error(transparent)]
    Facet(#[from] LongValue),
}

/// What to list: parsed, and checked against the fields of a sheet.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// What the records fulfil.
    filters: Vec<Filter>,
    /// What their elements fulfil, where these are the items.
    of_elements: Vec<Filter>,
    /// All conditions on records at once, when they are first needed.
    sieve: OnceLock<Sieve>,
    expression: Option<Arc<Expression>>,
    text: Option<search::Query>,
    order: Order,
    counts: Counts,
    /// The list whose elements are the items.
    unnest: Option<FieldPath>,
    paging: Paging,
    fields: Option<Projection>,
    include: Vec<Reference>,
    /// What now is, if some condition is counted from it.
    now: Option<Moment>,
    /// Whether the parameters say what it is.
    is_now_given: bool,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone)]
pub enum Paging {
    /// The part by number, from 1.
    Page {
        /// The number.
        page: usize,
        /// The size of every page.
        per_page: usize,
    },
    /// What comes behind a place that an earlier answer named.
    Cursor {
        /// The most items.
        limit: usize,
        /// The place; `None` is the beginning.
        after: Option<After>,
    },
}

/// The place in the list of a commit that a cursor names.
#[derive(Debug, Clone)]
pub struct After(Mark);

#[derive(Debug, Clone)]
enum Mark {
    /// Behind an item.
    Item(Position),
    /// Behind so many groups.
    Groups(usize),
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The items, in the order that was asked for.
    pub items: Vec<Item>,
    /// The groups, where they are asked for instead.
    pub groups: Option<Vec<Group>>,
    /// How many there are in all.
    pub total: usize,
    /// For how many records, of those that the other conditions leave, `filter` had no value; they
    /// are not in the list. `None` where there is no `filter`.
    pub skipped: Option<usize>,
    /// The counts of the fields that were asked for, in that order.
    pub facets: Vec<Facet>,
    /// The figures of the fields that were asked for, in that order; with groups it is they that have
    /// them.
    pub stats: Vec<Stats>,
    /// Where a list with a cursor goes on; `None` at its end and in numbered pages.
    pub next: Option<String>,
    /// Whether records with only some of the words of `q` are in it, for lack of such with all.
    pub relaxed: bool,
    /// What stood for the words of `q` that occur nowhere in the sheet.
    pub corrections: Vec<search::Correction>,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryProblem {
    /// The parameter as it was given.
    pub parameter: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

impl ListQuery {
    /// Returns which part is wanted.
    pub fn paging(&self) -> &Paging {
        &self.paging
    }

    /// Asks for all of the list in one part, whatever its parameters say.
    pub fn whole(mut self, sheet: &Sheet) -> Self {
        // There may be more elements than records, and more groups.
        let is_of_records = self.unnest.is_none() && self.counts.group_by.is_empty();
        let per_page = if is_of_records { sheet.len().max(1) } else { usize::MAX };
        self.paging = Paging::Page { page: 1, per_page };
        self
    }

    /// Asks for the first `rows` of the list in one part, whatever its parameters say.
    pub fn first_rows(mut self, rows: usize) -> Self {
        self.paging = Paging::Page { page: 1, per_page: rows };
        self
    }

    /// Says whether a list of this query has a record, the words of `q` aside. Where `budget` is
    /// used up by `filter`, it has not.
    ///
    /// Linear in the text of the record, whatever the number of conditions, and in what `filter`
    /// costs.
    pub fn admits(&self, record: &Record, budget: &Budget) -> bool {
        let judge = |it: &Arc<Expression>| it.judge(record, budget) == Verdict::Holds;
        self.sieve.get_or_init(|| Sieve::new(&self.filters)).passes(&record.key, &record.value)
            && self.expression.as_ref().is_none_or(judge)
    }

    /// Returns the other sheets whose records `filter` looks at.
    pub fn related(&self) -> &[Arc<Sheet>] {
        self.expression.as_ref().map_or(&[], |expression| expression.related())
    }

    /// Returns about how many bytes its conditions take while they are kept to admit values.
    pub fn weight(&self) -> usize {
        let expression = self.expression.as_ref().map_or(0, |expression| expression.weight());
        size_of::<Self>() + expression + self.filters.iter().map(Filter::weight).sum::<usize>()
    }

    /// Returns the fields that the list filters, sorts or counts by and that no index of `sheet`
    /// tells, each once: it reads them record by record.
    pub fn unindexed(&self, sheet: &Sheet) -> Vec<&FieldPath> {
        let is_read = |field: &FieldPath| sheet.index(field.as_str()).is_none();
        let filtered = self.filters.iter().filter(|filter| !is_key(&filter.field));
        let filtered = filtered.filter(|filter| {
            filter.is_negated() || filter.values().is_none() || is_read(&filter.field)
        });
        let sorted = match &self.order {
            Order::Fields(fields) => Some(fields.iter().map(|sort| &sort.field)),
            Order::Key | Order::Score => None,
        };
        let Counts { facets, stats, group_by, .. } = &self.counts;
        let counted = facets.iter().chain(group_by).map(|grouping| &grouping.field).chain(stats);
        let narrowed = self.expression.iter().flat_map(|expression| expression.narrowings());
        let narrowed = narrowed.map(|narrowing| &narrowing.field);
        let others = sorted.into_iter().flatten().chain(counted).chain(&self.unnest);
        let others = others.chain(narrowed);
        let others = others.filter(|field| is_read(field) && !is_key(field));
        let mut fields: Vec<_> = filtered.map(|filter| &filter.field).chain(others).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Says whether `filter` is one of the conditions.
    pub fn has_expression(&self) -> bool {
        self.expression.is_some()
    }

    /// Says whether it is full text that finds the records.
    pub fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// Returns the fields that the items are grouped by, as they were asked for.
    pub fn grouped_by(&self) -> impl ExactSizeIterator<Item = &str> {
        self.counts.group_by.iter().map(|grouping| &*grouping.name)
    }

    /// Returns the fields whose figures are told.
    pub fn figured(&self) -> impl Iterator<Item = &str> {
        self.counts.stats.iter().map(FieldPath::as_str)
    }

    /// Says whether the items are elements of a list in each record.
    pub fn has_elements(&self) -> bool {
        self.unnest.is_some()
    }

    /// Returns the kind of list that a cursor of this one is for.
    fn kind(&self) -> String {
        let mut kind = self.order.to_string();
        if let Some(unnest) = &self.unnest {
            kind.push_str(&format!("\u{1f}{unnest}"));
        }
        for name in self.grouped_by() {
            kind.push_str(&format!("\u{1f}\u{1f}{name}"));
        }
        if let Some(now) = self.now {
            kind.push_str(&format!("{NOW}{}", now.text()));
        }
        kind
    }

    /// Returns what now was for the list that a cursor is for.
    fn now_of(cursor: &Cursor) -> Option<Moment> {
        let kind = cursor.place.get(0)?.as_str()?;
        Moment::parse(kind.rsplit_once(NOW)?.1)
    }

    /// Returns the moment that `now` stands for, if a condition names it.
    pub fn now(&self) -> Option<Moment> {
        self.now
    }

    /// Says whether the same parameters mean something else at another time.
    pub fn depends_on_clock(&self) -> bool {
        self.now.is_some() && !self.is_now_given
    }

    /// Returns the place that a cursor of a list like this one names.
    fn after(&self, cursor: &Cursor) -> Option<After> {
        let kind = self.kind();
        let mark = if self.counts.group_by.is_empty() {
            position::read(&kind, &self.order, cursor).map(Mark::Item)
        } else {
            position::read_groups(&kind, cursor).map(Mark::Groups)
        };
        mark.map(After)
    }

    /// Returns the references whose records are wanted beside the list.
    pub fn include(&self) -> &[Reference] {
        &self.include
    }

    /// Returns the fields to show of each record; `None` shows all.
    pub fn fields(&self) -> Option<&Projection> {
        self.fields.as_ref()
    }
}

/// Returns the first `wanted` of `items` in order.
///
/// Keeps at most twice as many, or a few. Most items of a long list are compared with one other
/// only, the last that is wanted so far, instead of with items that lie all over the memory.
fn first<T>(
    items: impl Iterator<Item = T>,
    wanted: usize,
    order: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    const FEW: usize = 64;
    let Some(last) = wanted.checked_sub(1) else { return Vec::new() };
    let most = wanted.saturating_mul(2).max(FEW);
    let mut kept: Vec<T> = Vec::new();
    let mut is_cut = false;
    for item in items {
        if is_cut && order(&item, &kept[last]).is_ge() {
            continue;
        }
        kept.push(item);
        if kept.len() == most {
            kept.select_nth_unstable_by(last, &order);
            kept.truncate(wanted);
            is_cut = true;
        }
    }
    kept.sort_unstable_by(order);
    kept.truncate(wanted);
    kept
}

#[cfg(test)]
mod tests;
