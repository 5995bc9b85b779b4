//! All records of a list, one after another.

use std::sync::Arc;

use crate::budget::Budget;
use crate::id::Key;
use crate::query::sort_order::Order;
use crate::query::{Item, ListError, ListQuery, Page};
use crate::search::TextIndex;
use crate::sheet::Sheet;

/// The number of records fetched at a time.
const CHUNK: usize = 256;

/// The records of a list in order, from one state.
///
/// If the whole sheet is walked by key, this holds a few records at a time. If conditions, a text
/// or a sort decide, it holds a pointer to each remaining record; the values belong to the sheet.
#[derive(Debug)]
pub struct Each {
    ready: std::vec::IntoIter<Item>,
    rest: Option<Walk>,
    skipped: Option<usize>,
}

impl Each {
    /// See [`Page::skipped`].
    pub fn skipped(&self) -> Option<usize> {
        self.skipped
    }
}

/// The rest of a walk by key.
#[derive(Debug)]
struct Walk {
    sheet: Arc<Sheet>,
    after: Option<Key>,
}

impl ListQuery {
    /// Returns every record of the list, whatever part its parameters request: in the requested
    /// order or else by key, even if words are searched for.
    ///
    /// The set of records is fixed on return; after that, the only cost is writing them.
    ///
    /// # Errors
    ///
    /// See [`ListQuery::run`].
    pub fn each(
        mut self,
        sheet: Arc<Sheet>,
        text: &TextIndex,
        budget: &Budget,
    ) -> Result<Each, ListError> {
        if self.order == Order::Score {
            self.order = Order::Key;
        }
        let is_filtered = !self.filters.is_empty() || self.expression.is_some();
        let is_whole = !is_filtered && self.text.is_none() && self.unnest.is_none();
        if self.order == Order::Key && is_whole && sheet.shown() > 0 {
            let rest = Some(Walk { sheet, after: None });
            return Ok(Each { ready: Vec::new().into_iter(), rest, skipped: None });
        }
        self.counts.facets.clear();
        self.counts.stats.clear();
        let page = self.whole(&sheet);
        let Page { items, skipped, .. } = page.run(&sheet, text, budget)?;
        Ok(Each { ready: items.into_iter(), rest: None, skipped })
    }
}

impl Iterator for Each {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(item) = self.ready.next() {
            return Some(item);
        }
        let walk = self.rest.as_mut()?;
        let shown = walk.sheet.shown_records(walk.after.as_ref().map(Key::as_str));
        let chunk: Vec<Item> = shown.take(CHUNK).cloned().map(Item::from).collect();
        walk.after = chunk.last().map(|item| item.record.key.clone());
        if chunk.len() < CHUNK {
            self.rest = None;
        }
        self.ready = chunk.into_iter();
        self.ready.next()
    }
}
