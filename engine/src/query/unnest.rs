//! The elements of a list in each record, as separate items.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::budget::{Budget, STEP};
use crate::query::columns::ItemRef;
use crate::query::matches::{MatchSet, READING, reading};
use crate::query::scan_filter::ScanFilter;
use crate::query::sort_order::{AfterCursor, Order, StoredValues};
use crate::query::{Item, ListQuery, first};
use crate::record::Record;
use crate::sheet::Sheet;
use crate::value::{FieldPath, Json, Kind};

/// An element in place, and its sort values.
pub(crate) struct Row<'a> {
    pub(crate) record: &'a Arc<Record>,
    pub(crate) element: Json<'a>,
    /// Its JSON Pointer in the record.
    at: Box<str>,
    /// Its index in the record.
    pub(crate) number: usize,
    pub(crate) values: StoredValues<'a>,
}

/// The elements of a list in some records that meet their conditions.
pub(crate) struct Rows<'a>(Vec<Row<'a>>);

impl<'a> Rows<'a> {
    /// Returns the elements of the lists at `unnest` in the records that were found. Null has no
    /// elements, and a value that is not a list is a single element. Reads each record once.
    pub(crate) fn of(
        query: &ListQuery,
        unnest: &FieldPath,
        found: &MatchSet<'_, 'a>,
        sheet: &'a Sheet,
        budget: &Budget,
    ) -> Self {
        let sieve = ScanFilter::within(unnest, &query.of_elements);
        let mut rows = Vec::new();
        for record in found.records(sheet, budget).take_while(|it| budget.spend(reading(it))) {
            let mut number = 0;
            record.value.locate(unnest, &mut |at, element| {
                let is_value = element.kind() != Kind::Null;
                let weight = STEP * READING + element.text().len();
                if is_value && budget.spend(weight) && sieve.passes_element(element) {
                    let values = StoredValues::new();
                    rows.push(Row { record, element, at: at.as_str().into(), number, values });
                }
                number += 1;
            });
        }
        if let Order::Fields(fields) = &query.order {
            for row in &mut rows {
                if !budget.spend(row.seen().reading()) {
                    break;
                }
                row.values = fields.values(row.seen());
            }
        }
        Self(rows)
    }

    /// Returns the number of elements.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns them in no particular order.
    pub(crate) fn seen(&self) -> impl Iterator<Item = ItemRef<'a>> {
        self.0.iter().map(Row::seen)
    }

    /// Returns the elements after the cursor in order, from `offset` on, at most `limit`.
    pub(crate) fn part(
        &self,
        order: &Order,
        after: Option<&AfterCursor<'_>>,
        (offset, limit): (usize, usize),
    ) -> Vec<&Row<'a>> {
        let behind = |row: &&Row<'a>| {
            after.is_none_or(|after| {
                let after = (&*after.values, after.key, after.row);
                compare(order, (&row.values, &row.record.key, row.number), after).is_gt()
            })
        };
        let part = first(self.0.iter().filter(behind), offset.saturating_add(limit), |a, b| {
            let b = (&*b.values, &b.record.key, b.number);
            compare(order, (&a.values, &a.record.key, a.number), b)
        });
        part.into_iter().skip(offset).collect()
    }
}

/// What a row is sorted by.
type Ordered<'r> = (&'r [Option<crate::scalar::Stored<'r>>], &'r crate::id::Key, usize);

fn compare(order: &Order, a: Ordered<'_>, b: Ordered<'_>) -> Ordering {
    let by_fields = match order {
        Order::Fields(fields) => fields.compare((a.0, a.1), (b.0, b.1)),
        Order::Key | Order::Score => a.1.cmp(b.1),
    };
    by_fields.then(a.2.cmp(&b.2))
}

impl<'a> Row<'a> {
    /// Returns it for reading.
    pub(crate) fn seen(&self) -> ItemRef<'a> {
        ItemRef { key: &self.record.key, value: &self.record.value, element: Some(self.element) }
    }

    /// Returns it as an item.
    pub(crate) fn item(&self) -> Item {
        Item::element(self.record, &self.at, self.element)
    }
}
