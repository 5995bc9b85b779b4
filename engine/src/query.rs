//! Lists: filters, sorts, full text and facets over one sheet of a snapshot.
//!
//! A list is parsed against the fields that the sheet knows, and then answered from the sheet and
//! the text index of one snapshot. Filters over indexed fields narrow the candidates; a single such
//! filter is only counted. Sorts over indexed fields walk the index only as far as the requested
//! part goes, and facets are counted in the indexes. Everything else reads the text of the records:
//! once for all conditions, once for all sorts and once for all facets. Hidden records and sheets
//! that are not public never appear in a list.

mod multi_sheet;
mod relative_time;
mod columns;
mod counts;
mod all_records;
mod expression;
mod facets;
mod filter;
mod multi_sheet_filter;
mod case_folding;
mod matches;
mod grouping;
mod groups;
mod include;
mod item;
mod limits;
mod syntax_hints;
mod sort_order;
mod parameter;
mod parse;
mod position;
mod projection;
mod index_ranges;
mod unnest;
mod execute;
mod scan_filter;
mod stats;
mod table;
mod type_check;
mod index_scan;
mod context;

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

pub use crate::query::all_records::Each;
pub use crate::query::context::Within;
pub use crate::query::grouping::{Facet, LongValue, MAX_FACET_VALUE};
pub use crate::query::groups::Group;
pub use crate::query::include::Included;
pub use crate::query::item::{Element, Item};
pub use crate::query::multi_sheet::{Across, unsearched};
pub use crate::query::multi_sheet_filter::{FilterAcross, FilterError};
pub use crate::query::parameter::ListParameter;
pub use crate::query::parse::elements;
pub use crate::query::projection::Projection;
pub use crate::query::stats::{Stats, Sum};
pub use crate::query::table::TableColumns;

use crate::budget::Budget;
use crate::layout::Reference;
use crate::query::columns::is_key;
use crate::query::expression::{Expression, Verdict};
use crate::query::filter::{Filter, Test};

use crate::cursor::Cursor;
use crate::query::counts::Counts;
use crate::query::scan_filter::ScanFilter;
use crate::query::sort_order::{Order, Position};
use crate::record::Record;
use crate::scalar::Timestamp;
use crate::search;
use crate::sheet::Sheet;
use crate::value::FieldPath;

/// The default page size.
pub const DEFAULT_PAGE: usize = 30;
/// The maximum page size.
pub const MAX_PAGE: usize = 100;
/// Precedes the moment of `now` in the kind of a list.
const NOW: &str = "\u{1f}now=";
/// The maximum number of values of one facet.
pub const MAX_FACET_LIMIT: usize = 1_000;

/// The reason why a list is not answered.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Its words cannot be searched for, or it costs more than its budget allows.
    #[error(transparent)]
    Search(#[from] search::SearchError),
    /// A facet contains a value that is too long.
    #[error(transparent)]
    Facet(#[from] LongValue),
}

/// A list query: parsed, and checked against the fields of a sheet.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// The conditions on records.
    filters: Vec<Filter>,
    /// The conditions on elements, if these are the items.
    of_elements: Vec<Filter>,
    /// All conditions on records together, built on first use.
    sieve: OnceLock<ScanFilter>,
    expression: Option<Arc<Expression>>,
    text: Option<search::Query>,
    order: Order,
    counts: Counts,
    /// The list whose elements are the items.
    unnest: Option<FieldPath>,
    paging: Paging,
    fields: Option<Projection>,
    include: Vec<Reference>,
    /// The moment of `now`, if some condition depends on it.
    now: Option<Timestamp>,
    /// Whether the parameters specify it.
    is_now_given: bool,
}

/// The part of a list that is requested.
#[derive(Debug, Clone)]
pub enum Paging {
    /// A page by number, from 1.
    Page {
        /// The number.
        page: usize,
        /// The size of every page.
        per_page: usize,
    },
    /// The part after a position that an earlier answer returned.
    Cursor {
        /// The maximum number of items.
        limit: usize,
        /// The position; `None` is the beginning.
        after: Option<After>,
    },
}

/// The position in the list of a commit that a cursor denotes.
#[derive(Debug, Clone)]
pub struct After(Mark);

#[derive(Debug, Clone)]
enum Mark {
    /// After an item.
    Item(Position),
    /// After the given number of groups.
    Groups(usize),
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The items, in the requested order.
    pub items: Vec<Item>,
    /// The groups, if they are requested instead of items.
    pub groups: Option<Vec<Group>>,
    /// The total number of items or groups.
    pub total: usize,
    /// The number of records that match the other conditions but for which `filter` has no value;
    /// they are not in the list. `None` if there is no `filter`.
    pub skipped: Option<usize>,
    /// The facets of the requested fields, in that order.
    pub facets: Vec<Facet>,
    /// The statistics of the requested fields, in that order. If there are groups, these contain
    /// them instead.
    pub stats: Vec<Stats>,
    /// The cursor of the next part, or `None` at the end and in numbered pages.
    pub next: Option<String>,
    /// Whether records with only some of the words of `q` are included, because too few have all of
    /// them.
    pub relaxed: bool,
    /// The replacements for words of `q` that occur nowhere in the sheet.
    pub corrections: Vec<search::Correction>,
}

/// A problem with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryProblem {
    /// The parameter as given.
    pub parameter: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

impl ListQuery {
    /// Returns the requested part.
    pub fn paging(&self) -> &Paging {
        &self.paging
    }

    /// Requests the whole list in one part, whatever its parameters specify.
    pub fn whole(mut self, sheet: &Sheet) -> Self {
        // There may be more elements or groups than records.
        let is_of_records = self.unnest.is_none() && self.counts.group_by.is_empty();
        let per_page = if is_of_records { sheet.shown().max(1) } else { usize::MAX };
        self.paging = Paging::Page { page: 1, per_page };
        self
    }

    /// Requests the first `rows` of the list in one part, whatever its parameters specify.
    pub fn first_rows(mut self, rows: usize) -> Self {
        self.paging = Paging::Page { page: 1, per_page: rows };
        self
    }

    /// Returns whether a record is in a list of this query, ignoring the words of `q`. If `filter`
    /// uses up `budget`, it is not.
    ///
    /// Linear in the text of the record, for any number of conditions, plus the cost of `filter`.
    pub fn admits(&self, record: &Record, budget: &Budget) -> bool {
        let judge = |it: &Arc<Expression>| it.judge(record, budget) == Verdict::Holds;
        self.sieve.get_or_init(|| ScanFilter::new(&self.filters)).passes(&record.key, &record.value)
            && self.expression.as_ref().is_none_or(judge)
    }

    /// Returns the other sheets whose records `filter` reads.
    pub fn related(&self) -> &[Arc<Sheet>] {
        self.expression.as_ref().map_or(&[], |expression| expression.related())
    }

    /// Returns the approximate size in bytes of its conditions while they are kept to check values.
    pub fn weight(&self) -> usize {
        let expression = self.expression.as_ref().map_or(0, |expression| expression.weight());
        size_of::<Self>() + expression + self.filters.iter().map(Filter::weight).sum::<usize>()
    }

    /// Returns the fields that the list filters, sorts or counts by without an index of `sheet`,
    /// each once. They are read record by record.
    pub fn unindexed(&self, sheet: &Sheet) -> Vec<&FieldPath> {
        let is_read = |field: &FieldPath| sheet.shown_index(field).is_none();
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

    /// Returns whether `filter` is one of the conditions.
    pub fn has_expression(&self) -> bool {
        self.expression.is_some()
    }

    /// Returns whether its conditions read the texts of a record from end to end, or an expression
    /// reads what it likes: such a condition can cost many times what reading the record costs.
    pub fn reads_texts(&self) -> bool {
        let mut conditions = self.filters.iter().chain(&self.of_elements);
        self.has_expression() || conditions.any(|filter| matches!(filter.test, Test::Text(_)))
    }

    /// Returns whether it is full text that finds the records.
    pub fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// Returns the fields that the items are grouped by, as requested.
    pub fn grouped_by(&self) -> impl ExactSizeIterator<Item = &str> {
        self.counts.group_by.iter().map(|grouping| &*grouping.name)
    }

    /// Returns the fields with statistics.
    pub fn figured(&self) -> impl Iterator<Item = &str> {
        self.counts.stats.iter().map(FieldPath::as_str)
    }

    /// Returns whether the items are elements of a list in each record.
    pub fn has_elements(&self) -> bool {
        self.unnest.is_some()
    }

    /// Returns the kind of list that a cursor of this list belongs to.
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

    /// Returns the moment of `now` in the list that a cursor belongs to.
    fn now_of(cursor: &Cursor) -> Option<Timestamp> {
        let kind = cursor.place.get(0)?.as_str()?;
        Timestamp::parse(kind.rsplit_once(NOW)?.1)
    }

    /// Returns the moment of `now`, if a condition uses it.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// Returns whether the same parameters mean something different at another time.
    pub fn depends_on_clock(&self) -> bool {
        self.now.is_some() && !self.is_now_given
    }

    /// Returns the position that a cursor of a list like this one denotes.
    fn after(&self, cursor: &Cursor) -> Option<After> {
        let kind = self.kind();
        let mark = if self.counts.group_by.is_empty() {
            position::read(&kind, &self.order, cursor).map(Mark::Item)
        } else {
            position::read_groups(&kind, cursor).map(Mark::Groups)
        };
        mark.map(After)
    }

    /// Returns the references whose records are included with the list.
    pub fn include(&self) -> &[Reference] {
        &self.include
    }

    /// Returns the fields to show of each record, or `None` for all.
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
