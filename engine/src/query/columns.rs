//! Fields that are read together: those of a record, those of an element of one of its lists, and
//! its key.

use std::borrow::Cow;

use crate::budget::STEP;
use crate::id::Key;
use crate::query::limits::READING;
use crate::record::Record;
use crate::scalar::Stored;
use crate::value::{FieldPath, Json, Paths, Value};

/// The field that every record has: its key, as a string.
pub(crate) const KEY: &str = "_key";

/// Returns whether a field is the key.
pub(crate) fn is_key(field: &FieldPath) -> bool {
    field.as_str() == KEY
}

/// An item of a list: a record, or an element of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ItemRef<'a> {
    pub(crate) key: &'a Key,
    pub(crate) value: &'a Value,
    pub(crate) element: Option<Json<'a>>,
}

impl<'a> ItemRef<'a> {
    /// Returns a record.
    pub(crate) fn record(record: &'a Record) -> Self {
        Self { key: &record.key, value: &record.value, element: None }
    }

    /// Returns the cost of reading it.
    pub(crate) fn reading(&self) -> usize {
        STEP * READING + self.value.as_str().len()
    }
}

/// Fields that are found in one pass over an item, each identified by its index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    of_record: FieldLookup,
    of_element: FieldLookup,
    /// The indices that request the key.
    keys: Vec<usize>,
}

/// The fields that are searched for in one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct FieldLookup {
    paths: Paths,
    places: Vec<usize>,
}

impl Columns {
    /// Returns these fields. Those within `unnest` are read from the element, if the items are
    /// elements.
    pub(crate) fn new<'f>(
        fields: impl IntoIterator<Item = &'f FieldPath>,
        unnest: Option<&FieldPath>,
    ) -> Self {
        let mut columns = Self::default();
        let (mut of_record, mut of_element) = (Vec::new(), Vec::new());
        for (place, field) in fields.into_iter().enumerate() {
            if is_key(field) {
                columns.keys.push(place);
            } else if unnest.is_some_and(|unnest| field.is_within(unnest)) {
                of_element.push(field);
                columns.of_element.places.push(place);
            } else {
                of_record.push(field);
                columns.of_record.places.push(place);
            }
        }
        columns.of_record.paths = Paths::new(of_record);
        if let Some(unnest) = unnest {
            columns.of_element.paths = Paths::within(unnest, of_element);
        }
        columns
    }

    /// Calls `found` with each value of each field and its index, as [`Paths::visit`] does. Linear
    /// in the text.
    pub(crate) fn visit<'a>(&self, item: ItemRef<'a>, found: &mut dyn FnMut(usize, Stored<'a>)) {
        for place in &self.keys {
            found(*place, Stored::String(Cow::Borrowed(item.key.as_str())));
        }
        let mut told = |part: &FieldLookup, place: usize, json: Json<'a>| {
            if let Some(value) = Stored::read(json) {
                found(part.places[place], value);
            }
        };
        if !self.of_record.places.is_empty() {
            let part = &self.of_record;
            part.paths.visit(item.value, &mut |place, json| told(part, place, json));
        }
        if let Some(element) = item.element.filter(|_| !self.of_element.places.is_empty()) {
            let part = &self.of_element;
            part.paths.visit_json(element, &mut |place, json| told(part, place, json));
        }
    }
}
