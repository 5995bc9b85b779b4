//! The positions of the records in a file, and the name of a new one.

use super::naming::{Naming, choose};
use super::source::Source;
use super::table::Table;
use crate::id::Key;
use crate::layout::SheetSpec;
use crate::split::{Records, Splitter};
use crate::value::Value;

/// Returns the name of a record that is the first of a list; `None` if its fields do not determine it:
/// in a map, and if records are named by their position.
///
/// # Errors
///
/// Fails if it would have no name; the message gives the reason.
pub(crate) fn first_name(spec: &SheetSpec, value: &Value) -> Result<Option<String>, &'static str> {
    let listing = &spec.listing;
    let naming = match listing.key.is_some() || listing.records == Records::Map {
        true => Naming::Declared,
        false => choose(&[value]),
    };
    if naming.is_position() || naming == Naming::Declared && listing.key.is_none() {
        return Ok(None);
    }
    naming.name(spec, None, value).map(|name| Some(name.into_owned()))
}

impl Table {
    /// Returns the key of each piece, in the order of the file, or of the names in a map; `None` for a
    /// piece that is not a record.
    pub(crate) fn pieces(
        &self,
    ) -> impl DoubleEndedIterator<Item = Option<&Key>> + ExactSizeIterator {
        self.pieces.iter().map(|piece| piece.key.as_ref())
    }

    /// Returns how the file is cut, if a scan cuts it.
    pub(crate) fn splitter(&self) -> Option<&Splitter> {
        self.splitter.as_ref()
    }

    /// Returns where each piece begins and where the last one ends, in bytes after any byte order
    /// mark. This is known if a scan cuts the file.
    pub(crate) fn begins(&self) -> Vec<usize> {
        let mut at = self.begin;
        let ends = self.pieces.iter().map(|piece| {
            at += piece.length as usize;
            at
        });
        [self.begin].into_iter().chain(ends).collect()
    }

    /// Returns whether the keys of the records are their positions.
    pub(crate) fn is_by_position(&self) -> bool {
        self.naming.is_position() && !self.pieces.is_empty()
    }

    /// Returns whether both files name their records in the same way, so that a key means the same
    /// record in both. A file without records is like any other.
    pub(crate) fn names_like(&self, other: &Self) -> bool {
        let is_none = |table: &Self| table.keys().next().is_none();
        is_none(self) || is_none(other) || self.naming.is_like(&other.naming)
    }

    /// Returns the key that a further record would have after `count` pieces; `None` if its fields do
    /// not determine it, as in a map.
    ///
    /// # Errors
    ///
    /// Returns a message if it would have no key.
    pub(crate) fn key_of(
        &self,
        source: &Source<'_>,
        value: &Value,
        count: usize,
    ) -> Result<Option<Key>, &'static str> {
        let found;
        let naming = match &self.naming {
            Naming::Found { .. } if self.keys().next().is_none() => {
                found = choose(&[value]);
                &found
            }
            naming => naming,
        };
        let key = |name: &str| Key::new(source.spec.element_key(source.list.as_str(), name));
        match naming {
            Naming::Declared if source.spec.listing.key.is_none() => Ok(None),
            naming if naming.is_position() => Ok(Some(key(&(count + 1).to_string()))),
            naming => naming.name(source.spec, None, value).map(|name| Some(key(&name))),
        }
    }
}
