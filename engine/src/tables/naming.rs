//! The names of the records in a list.
//!
//! If nothing is declared, records are named by the first of a few fields that every record has as
//! a short string or number and no two share, or else by position. This is a function of the file
//! alone. A change of a few records usually leaves it unchanged, which the counts of [`Naming`]
//! show.

use std::borrow::Cow;
use std::collections::HashSet;

use super::row::Row;
use super::source::Source;
use crate::id::Key;
use crate::layout::SheetSpec;
use crate::problem::Rule;
use crate::split::Records;
use crate::value::{Kind, Value};

/// The fields that may name records, in order of preference.
pub(super) const FIELDS: [&str; 5] = ["id", "slug", "key", "code", "name"];

/// The longest name, in bytes.
const LONGEST: usize = 255;

/// How the records of a file are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Naming {
    /// By the definition, or by the names in a map.
    Declared,
    /// By a field that was found, or by position.
    Found {
        /// The index in [`FIELDS`], or `None` for the position.
        field: Option<usize>,
        /// The number of records that lack each field.
        lacking: [usize; FIELDS.len()],
    },
}

impl Naming {
    /// Returns whether the names of the records are their positions.
    pub(super) fn is_position(&self) -> bool {
        matches!(self, Self::Found { field: None, .. })
    }

    /// Returns whether both name records by the same field, the definition, or the position.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Found { field, .. }, Self::Found { field: other, .. }) => field == other,
            _ => self == other,
        }
    }

    /// Returns the name of a record by one of its fields, or by the definition; `given` is the one by
    /// which a map has it.
    ///
    /// # Errors
    ///
    /// Returns a message if it has no name.
    pub(super) fn name<'v>(
        &self,
        spec: &SheetSpec,
        given: Option<&'v str>,
        value: &'v Value,
    ) -> Result<Cow<'v, str>, &'static str> {
        let name = match (self, given, &spec.listing.key) {
            (Self::Found { field: Some(at), .. }, ..) => field(value, *at),
            (Self::Found { field: None, .. }, ..) => None,
            (Self::Declared, _, Some(template)) => template.text(value).ok().map(Cow::Owned),
            (Self::Declared, name, None) => name.map(Cow::Borrowed),
        };
        match name {
            None => Err("it lacks a field that its key is made of"),
            Some(name) if is_usable(&name) => Ok(name),
            Some(_) => Err("the name in its key is empty, too long or has invalid characters"),
        }
    }

    /// Returns which of [`FIELDS`] the record cannot be named by.
    pub(super) fn lacks(value: &Value) -> [bool; FIELDS.len()] {
        std::array::from_fn(|at| field(value, at).is_none())
    }
}

/// Names the rows, and marks those without a unique name as unread. Returns the naming and the
/// keys.
pub(super) fn name_all(source: &Source<'_>, rows: &mut [Row]) -> (Naming, Vec<Option<Key>>) {
    let is_map = match source.spec.listing.records {
        Records::Map => true,
        Records::At(_) => rows.iter().any(|row| row.name.is_some()),
        _ => false,
    };
    let values = || rows.iter().filter_map(|row| row.value.as_ref().ok());
    let naming = match is_map || source.spec.listing.key.is_some() {
        true => Naming::Declared,
        false => choose(&values().collect::<Vec<_>>()),
    };
    let mut keys = Vec::with_capacity(rows.len());
    let mut taken: HashSet<Key> = HashSet::new();
    for (at, row) in rows.iter_mut().enumerate() {
        let Ok(value) = &row.value else {
            keys.push(None);
            continue;
        };
        let name = match naming.is_position() {
            true => Ok(Cow::Owned((at + 1).to_string())),
            false => naming.name(source.spec, row.name.as_deref(), value),
        };
        let key = name.map(|name| Key::new(source.spec.element_key(source.list.as_str(), &name)));
        // A field that was found is unique in all rows.
        let is_declared = naming == Naming::Declared;
        let wrong = match &key {
            Err(message) => Some((Rule::Malformed, (*message).to_owned())),
            Ok(key) if is_declared && !taken.insert(key.clone()) => {
                let message = format!("the key {:?} is taken by a record above", key.as_str());
                Some((Rule::KeyTaken, message))
            }
            Ok(_) => None,
        };
        if let Some((rule, message)) = wrong {
            row.spoil(source, rule, message);
        }
        keys.push(key.ok().filter(|_| row.value.is_ok()));
    }
    (naming, keys)
}

/// Finds the field that names the records.
pub(super) fn choose(values: &[&Value]) -> Naming {
    let values = || values.iter().copied();
    let mut lacking = [0; FIELDS.len()];
    let mut count = 0;
    for value in values() {
        count += 1;
        for (lacking, lacks) in lacking.iter_mut().zip(Naming::lacks(value)) {
            *lacking += usize::from(lacks);
        }
    }
    let is_unique = |at: &usize| {
        let mut seen: HashSet<Cow<'_, str>> = HashSet::with_capacity(count);
        values().all(|value| field(value, *at).is_some_and(|name| seen.insert(name)))
    };
    let mut complete = (0..FIELDS.len()).filter(|at| count > 0 && lacking[*at] == 0);
    Naming::Found { field: complete.find(is_unique), lacking }
}

/// Returns the value of a record in one of [`FIELDS`], if it may be a name.
fn field(value: &Value, at: usize) -> Option<Cow<'_, str>> {
    let json = value.json().member(FIELDS[at])?;
    let text = match json.kind() {
        Kind::String => json.as_string()?,
        Kind::Number => Cow::Borrowed(json.text()),
        _ => return None,
    };
    is_usable(&text).then_some(text)
}

/// Returns whether a text may be part of a key, so that it can be requested by its address.
fn is_usable(text: &str) -> bool {
    let is_short = !text.is_empty() && text.len() <= LONGEST;
    let is_bare = text.trim() == text && !text.contains(char::is_control);
    is_short && is_bare && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
