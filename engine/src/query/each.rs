//! All records of a list, one after the other.

use std::sync::Arc;

use crate::budget::Budget;
use crate::id::Key;
use crate::query::found::shown;
use crate::query::order::Order;
use crate::query::{Item, ListError, ListQuery, Page};
use crate::search::TextIndex;
use crate::sheet::Sheet;

/// So many records are looked for at a time.
const CHUNK: usize = 256;

/// The records of a list in its order, from one state.
///
/// Where the whole sheet is walked by key it holds a few of them at a time. Where conditions, a text
/// or a sort decide, it holds a pointer to each that is left; their values are the sheet's.
#[derive(Debug)]
pub struct Each {
    ready: std::vec::IntoIter<Item>,
    rest: Option<Walk>,
    skipped: Option<usize>,
}

impl Each {
    /// As [`Page::skipped`].
    pub fn skipped(&self) -> Option<usize> {
        self.skipped
    }
}

/// What is left of a walk by key.
#[derive(Debug)]
struct Walk {
    sheet: Arc<Sheet>,
    after: Option<Key>,
}

impl ListQuery {
    /// Returns every record of the list, whatever part its parameters ask for: in the order that
    /// was asked for, else by key, also where words are searched.
    ///
    /// Which records these are is known when it returns: what comes behind costs no more than
    /// writing them.
    ///
    /// # Errors
    ///
    /// As [`ListQuery::run`].
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
        let shown = shown(&walk.sheet, walk.after.as_ref());
        let chunk: Vec<Item> = shown.take(CHUNK).cloned().map(Item::from).collect();
        walk.after = chunk.last().map(|item| item.record.key.clone());
        if chunk.len() < CHUNK {
            self.rest = None;
        }
        self.ready = chunk.into_iter();
        self.ready.next()
    }
}
