//! Which fields occur in a sheet, and in how many records.

use std::collections::BTreeSet;
use std::sync::Arc;

use im::OrdMap;

use crate::value::{Json, Kind, Value};

/// Counts the records that have each field; dotted names, arrays opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldCounts(OrdMap<Arc<str>, u64>);

impl FieldCounts {
    /// Returns the fields by name with the number of records that have them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    /// Says whether some record has `field`.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    pub(super) fn add(&mut self, value: &Value) {
        for name in names(value) {
            match self.0.get_mut(name.as_str()) {
                Some(count) => *count += 1,
                None => {
                    self.0.insert(name.into(), 1);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, value: &Value) {
        for name in names(value) {
            match self.0.get_mut(name.as_str()) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    self.0.remove(name.as_str());
                }
            }
        }
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(value.json(), "", &mut names);
    names
}

fn collect(json: Json<'_>, prefix: &str, names: &mut BTreeSet<String>) {
    match json.kind() {
        Kind::Array => json.elements().for_each(|element| collect(element, prefix, names)),
        Kind::Object => {
            for (name, member) in json.members() {
                let path =
                    if prefix.is_empty() { name.into_owned() } else { format!("{prefix}.{name}") };
                collect(member, &path, names);
                names.insert(path);
            }
        }
        _ => {}
    }
}
