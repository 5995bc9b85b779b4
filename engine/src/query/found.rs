//! Which records are in a list.

use std::sync::Arc;

use crate::id::Key;
use crate::query::ListQuery;
use crate::query::filter::{Entry, Filter};
use crate::record::Record;
use crate::search::{SearchError, TextIndex};
use crate::sheet::Sheet;

/// So many postings are asked one by one whether they hold a key.
const FEW: usize = 4;

/// The records of a list.
pub(crate) enum Found<'a> {
    /// All that are shown.
    All,
    /// These, in key order, each with its score.
    These(Vec<(&'a Key, f32)>),
}

impl<'a> Found<'a> {
    /// Finds the records that pass everything: by the text and the narrowest indexes first, and
    /// then by reading the records that are left.
    pub(crate) fn by(
        query: &ListQuery,
        sheet: &'a Sheet,
        text: &'a TextIndex,
    ) -> Result<Self, SearchError> {
        if sheet.shown() == 0 {
            return Ok(Self::These(Vec::new()));
        }
        let (mut indexed, mut read) = (Vec::new(), Vec::new());
        for filter in &query.filters {
            let index = sheet.index(filter.field.as_str());
            match index.and_then(|index| filter.entries(index)) {
                Some(entries) => {
                    let size: usize = entries.iter().map(|(_, keys)| keys.len()).sum();
                    indexed.push((size, entries, filter));
                }
                None => read.push(filter),
            }
        }
        indexed.sort_by_key(|(size, _, _)| *size);
        let mut indexed = indexed.into_iter();
        let mut found = if let Some(words) = &query.text {
            // Only records that are shown are in the text index.
            text.matches(words, &sheet.spec().name)?
        } else if let Some((_, entries, _)) = indexed.next() {
            let mut found = union(&entries);
            drop_hidden(sheet, &mut found);
            found
        } else if read.is_empty() {
            return Ok(Self::All);
        } else {
            let shown = shown(sheet, None).filter(|record| passes_all(&read, record));
            return Ok(Self::These(shown.map(|record| (&record.key, 0.0)).collect()));
        };
        for (size, entries, filter) in indexed {
            if entries.len() <= FEW {
                found.retain(|(key, _)| entries.iter().any(|(_, keys)| keys.contains(key)));
            } else if size < found.len() {
                let keys = union(&entries);
                found.retain(|(key, _)| keys.binary_search_by_key(key, |(key, _)| *key).is_ok());
            } else {
                read.push(filter);
            }
        }
        if !read.is_empty() {
            let record = |key: &Key| sheet.record(key.as_str());
            found.retain(|(key, _)| record(key).is_some_and(|record| passes_all(&read, record)));
        }
        Ok(Self::These(found))
    }

    /// Returns how many there are.
    pub(crate) fn len(&self, sheet: &Sheet) -> usize {
        match self {
            Self::All => sheet.shown(),
            Self::These(found) => found.len(),
        }
    }

    pub(crate) fn contains(&self, sheet: &Sheet, key: &Key) -> bool {
        match self {
            Self::All => !sheet.hidden().contains(key),
            Self::These(found) => found.binary_search_by_key(&key, |(key, _)| key).is_ok(),
        }
    }

    /// Returns the records behind a key, in key order.
    pub(crate) fn records<'s>(
        &'s self,
        sheet: &'a Sheet,
        after: Option<&'s Key>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Record>> + 's>
    where
        'a: 's,
    {
        match self {
            Self::All => shown(sheet, after),
            Self::These(found) => {
                let from = after.map_or(0, |after| found.partition_point(|(key, _)| *key <= after));
                Box::new(found[from..].iter().filter_map(|(key, _)| sheet.record(key.as_str())))
            }
        }
    }
}

fn passes_all(filters: &[&Filter], record: &Record) -> bool {
    filters.iter().all(|filter| filter.passes(&record.value))
}

/// Returns the keys of all entries in order, each once.
fn union<'a>(entries: &[Entry<'a>]) -> Vec<(&'a Key, f32)> {
    let keys = entries.iter().flat_map(|(_, keys)| keys.iter());
    let mut keys: Vec<_> = keys.map(|key| (key, 0.0)).collect();
    if entries.len() > 1 {
        keys.sort_unstable_by_key(|(key, _)| *key);
        keys.dedup_by_key(|(key, _)| *key);
    }
    keys
}

/// Takes hidden records out of `found`, by the shorter of the two lists.
fn drop_hidden(sheet: &Sheet, found: &mut Vec<(&Key, f32)>) {
    let hidden = sheet.hidden();
    if hidden.len() >= found.len() {
        return found.retain(|(key, _)| !hidden.contains(*key));
    }
    let at = |key: &Key| found.binary_search_by_key(&key, |(key, _)| *key).ok();
    let mut places = hidden.iter().filter_map(at).collect::<Vec<_>>().into_iter().peekable();
    let mut place = 0;
    found.retain(|_| {
        let is_hidden = places.next_if_eq(&place).is_some();
        place += 1;
        !is_hidden
    });
}

/// Returns the records of a public sheet behind a key that are not hidden, in key order.
fn shown<'a: 's, 's>(
    sheet: &'a Sheet,
    after: Option<&'s Key>,
) -> Box<dyn Iterator<Item = &'a Arc<Record>> + 's> {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, Excluded);
    // Both are in key order, so one walk beside the other tells which are hidden.
    let mut hidden = sheet.hidden().range::<_, Key>((from, Unbounded)).peekable();
    let records: Box<dyn Iterator<Item = &'a Arc<Record>> + 's> = match after {
        None => Box::new(sheet.records()),
        Some(after) => Box::new(sheet.records_behind(after.as_str())),
    };
    Box::new(records.filter(move |record| hidden.next_if(|key| **key == record.key).is_none()))
}
