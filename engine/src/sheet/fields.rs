//! Which fields occur in a sheet, and in how many records.

use std::sync::Arc;

use foldhash::HashMap;
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

    /// Takes what `tally` counted into account.
    pub(super) fn settle(&mut self, tally: Tally) {
        for (name, Count { change, .. }) in tally.counts {
            if change == 0 {
                continue;
            }
            let count = self.0.get(name.as_str()).copied().unwrap_or(0);
            match count.saturating_add_signed(change) {
                0 => self.0.remove(name.as_str()),
                count => self.0.insert(name.into(), count),
            };
        }
    }
}

/// By how much the counts change, field by field.
///
/// A name is copied once for all records that have it.
#[derive(Default)]
pub(super) struct Tally {
    counts: HashMap<String, Count>,
    values: u64,
}

#[derive(Default)]
struct Count {
    change: i64,
    /// The last value that was counted here: a field is in a value once, however often it is.
    last: u64,
}

impl Tally {
    /// Counts the fields of `value` by so much.
    pub(super) fn add(&mut self, value: &Value, by: i64) {
        self.values += 1;
        self.collect(value.json(), &mut String::new(), "", by);
    }

    /// Counts what is inside of `json`, whose name is `prefix`, with a `dot` behind that.
    fn collect(&mut self, json: Json<'_>, prefix: &mut String, dot: &str, by: i64) {
        match json.kind() {
            Kind::Array => {
                json.elements().for_each(|element| self.collect(element, prefix, dot, by));
            }
            Kind::Object => {
                let outer = prefix.len();
                for (name, member) in json.members() {
                    prefix.push_str(dot);
                    prefix.push_str(&name);
                    self.count(prefix, by);
                    self.collect(member, prefix, ".", by);
                    prefix.truncate(outer);
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, name: &str, by: i64) {
        if !self.counts.contains_key(name) {
            self.counts.insert(name.to_owned(), Count::default());
        }
        if let Some(count) = self.counts.get_mut(name)
            && count.last != self.values
        {
            (count.change, count.last) = (count.change + by, self.values);
        }
    }
}
