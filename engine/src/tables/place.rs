//! The positions of the records in a file, and the name of a new one.

use super::naming::{Naming, choose};
use super::source::Source;
use super::table::Table;
use crate::id::Key;
use crate::split::Splitter;
use crate::value::Value;

impl Table {
    /// Returns the index of a record among the pieces of the file, from 0. Linear.
    pub(crate) fn place_of(&self, key: &Key) -> Option<usize> {
        self.pieces.iter().position(|piece| piece.key.as_ref() == Some(key))
    }

    /// Returns the key of each piece in file order, or by name for a map; `None` for pieces that
    /// are not records.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Option<&Key>> {
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

    /// Returns the key that another record of the file would have, or `None` if its fields do not
    /// determine it, as in a map.
    ///
    /// # Errors
    ///
    /// Returns a message if it would have no key.
    pub(crate) fn key_of(
        &self,
        source: &Source<'_>,
        value: &Value,
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
            naming if naming.is_position() => Ok(Some(key(&(self.pieces.len() + 1).to_string()))),
            naming => naming.name(source, None, value).map(|name| Some(key(&name))),
        }
    }
}
