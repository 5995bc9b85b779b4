//! Unique values, among the rows of an import and the records that stay.
//!
//! The engine decides. This module finds the row to blame, which the engine cannot know.

use headwater_engine::id::Key;
use headwater_engine::index::{FieldIndex, Scalars, scalars};
use headwater_engine::sheet::Sheet;
use headwater_engine::value::{FieldPath, Value};

/// The fields whose values are unique, with the keys that have each value.
pub(super) struct Unique<'s> {
    sheet: &'s Sheet,
    indexes: Vec<(&'s FieldPath, FieldIndex)>,
}

/// A value that another record has.
pub(super) struct Clash<'s> {
    pub(super) field: &'s FieldPath,
    pub(super) holder: Key,
}

impl<'s> Unique<'s> {
    /// Starts with the records of `sheet`, except those that rows replace.
    pub(super) fn new<'k>(sheet: &'s Sheet, replaced: impl Iterator<Item = &'k Key>) -> Self {
        let unique = sheet.spec().unique.iter();
        let indexes =
            unique.filter_map(|field| Some((field, sheet.index(field.as_str())?.clone())));
        let mut indexes: Vec<_> = indexes.collect();
        if !indexes.is_empty() {
            for key in replaced {
                for (field, index) in &mut indexes {
                    index.remove(key, &held(sheet, key, field));
                }
            }
        }
        Self { sheet, indexes }
    }

    /// Gives the record `key` the values of a row, unless others have them, and returns the
    /// clashes. A value that the record has already is not a clash.
    pub(super) fn take(&mut self, key: &Key, values: &[Scalars]) -> Vec<Clash<'s>> {
        let mut clashes = Vec::new();
        for ((field, index), values) in self.indexes.iter().zip(values) {
            if *values == held(self.sheet, key, field) {
                continue;
            }
            let holder = values.iter().find_map(|value| index.get(value)?.iter().next());
            clashes.extend(holder.map(|holder| Clash { field, holder: holder.clone() }));
        }
        for ((field, index), values) in self.indexes.iter_mut().zip(values) {
            if clashes.is_empty() {
                index.insert(key, values);
            } else {
                index.insert(key, &held(self.sheet, key, field));
            }
        }
        clashes
    }
}

/// Returns the values of a record in each unique field of its sheet.
pub(super) fn values(sheet: &Sheet, value: &Value) -> Vec<Scalars> {
    sheet.spec().unique.iter().map(|field| scalars(value, field)).collect()
}

/// Returns the values of the existing record `key` in a field.
fn held(sheet: &Sheet, key: &Key, field: &FieldPath) -> Scalars {
    sheet.record(key.as_str()).map(|record| scalars(&record.value, field)).unwrap_or_default()
}
