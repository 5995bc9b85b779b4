//! Which fields occur in a sheet, and in how many records; which of them are lists of tables, and of
//! which types their values are.

use std::sync::Arc;

use foldhash::HashMap;
use im::OrdMap;

use crate::scalar::{Types, ValueType};
use crate::value::{Json, Kind, Value};

/// Counts the records that have each field. Names are dotted, and arrays are opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldCounts {
    fields: OrdMap<Arc<str>, u64>,
    /// For each field, the number of records where it is a list with tables; the name of the record
    /// itself is empty.
    lists: OrdMap<Arc<str>, u64>,
    /// For each field, the number of records where it is a list of any kind.
    arrays: OrdMap<Arc<str>, u64>,
    /// How many values of each type each field has.
    types: OrdMap<Arc<str>, TypeCounts>,
}

/// How many values there are of each type, in the order of [`ValueType::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TypeCounts([u64; ValueType::ALL.len()]);

impl FieldCounts {
    /// Returns the fields by name with the number of records that have them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.fields.iter().map(|(name, count)| (&**name, *count))
    }

    /// Returns whether some record has `field`.
    pub fn contains(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Returns whether `field` is a list of tables in some record. The empty name means the record
    /// itself.
    pub fn is_list_of_tables(&self, field: &str) -> bool {
        self.lists.contains_key(field)
    }

    /// Returns whether `field` is a list in some record.
    pub fn is_list(&self, field: &str) -> bool {
        self.arrays.contains_key(field)
    }

    /// Returns the types of the values that `field` has in the records; none where it has no value.
    pub fn types(&self, field: &str) -> Types {
        let TypeCounts(counts) = self.types.get(field).copied().unwrap_or_default();
        let there = ValueType::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        there.map(|(one, _)| one).collect()
    }

    /// Adds the counts of `other`. Linear in its fields.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, other) in [
            (&mut self.fields, &other.fields),
            (&mut self.lists, &other.lists),
            (&mut self.arrays, &other.arrays),
        ] {
            for (name, count) in other {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
        for (name, TypeCounts(counts)) in &other.types {
            let TypeCounts(mine) = self.types.entry(name.clone()).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, count)| *mine += count);
        }
    }

    /// Takes what `tally` counted into account.
    pub(super) fn settle(&mut self, tally: Tally) {
        settle(&mut self.fields, tally.fields);
        settle(&mut self.lists, tally.lists);
        settle(&mut self.arrays, tally.arrays);
        for (name, changes) in tally.types {
            let TypeCounts(mut counts) = self.types.get(&*name).copied().unwrap_or_default();
            for (count, change) in counts.iter_mut().zip(changes) {
                *count = count.saturating_add_signed(change);
            }
            match TypeCounts(counts) {
                none if none == TypeCounts::default() => self.types.remove(&*name),
                some => self.types.insert(name.into(), some),
            };
        }
    }
}

fn settle(counts: &mut OrdMap<Arc<str>, u64>, changes: Changes) {
    for (name, Count { change, .. }) in changes {
        if change == 0 {
            continue;
        }
        let count = counts.get(name.as_str()).copied().unwrap_or(0);
        match count.saturating_add_signed(change) {
            0 => counts.remove(name.as_str()),
            count => counts.insert(name.into(), count),
        };
    }
}

/// The changes to the counts, field by field.
///
/// A name is copied once for all records that have it.
#[derive(Default)]
pub(super) struct Tally {
    fields: Changes,
    lists: Changes,
    arrays: Changes,
    types: HashMap<String, [i64; ValueType::ALL.len()]>,
    values: u64,
}

type Changes = HashMap<String, Count>;

#[derive(Default)]
struct Count {
    change: i64,
    /// The last value that was counted here: a field counts once for each value, however often it
    /// occurs.
    last: u64,
}

impl Tally {
    /// Counts the fields of `value`, adding `by` to each.
    pub(super) fn add(&mut self, value: &Value, by: i64) {
        self.values += 1;
        value.parts().for_each(|part| self.collect(part, &mut String::new(), "", by));
    }

    /// Counts the fields inside `json`, whose name is `prefix`, with `dot` after it.
    fn collect(&mut self, json: Json<'_>, prefix: &mut String, dot: &str, by: i64) {
        if let Some(one) = ValueType::of(json) {
            match self.types.get_mut(prefix.as_str()) {
                Some(changes) => changes[one as usize] += by,
                None => {
                    let mut changes = [0; ValueType::ALL.len()];
                    changes[one as usize] = by;
                    self.types.insert(prefix.clone(), changes);
                }
            }
        }
        match json.kind() {
            Kind::Array => {
                let mut has_tables = false;
                count(&mut self.arrays, prefix, self.values, by);
                for element in json.elements() {
                    has_tables |= element.kind() == Kind::Object;
                    self.collect(element, prefix, dot, by);
                }
                if has_tables {
                    count(&mut self.lists, prefix, self.values, by);
                }
            }
            Kind::Object => {
                let outer = prefix.len();
                for (name, member) in json.members() {
                    prefix.push_str(dot);
                    prefix.push_str(&name);
                    count(&mut self.fields, prefix, self.values, by);
                    self.collect(member, prefix, ".", by);
                    prefix.truncate(outer);
                }
            }
            _ => {}
        }
    }
}

/// Adds `by` to the count of `name`, unless it was already counted for this value.
fn count(changes: &mut Changes, name: &str, value: u64, by: i64) {
    if !changes.contains_key(name) {
        changes.insert(name.to_owned(), Count::default());
    }
    if let Some(count) = changes.get_mut(name)
        && count.last != value
    {
        (count.change, count.last) = (count.change + by, value);
    }
}
