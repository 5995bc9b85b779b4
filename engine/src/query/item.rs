//! The items of a list: records, or the elements of a list in each of them.

use std::ops::Range;
use std::sync::Arc;

use crate::query::projection::Projection;
use crate::record::Record;
use crate::value::Json;

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The record.
    pub record: Arc<Record>,
    /// The element of it that is the item, or `None` if the record itself is.
    pub element: Option<Element>,
}

/// A position in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its JSON Pointer.
    pub at: Box<str>,
    /// The range of its text in that of the record.
    place: Range<usize>,
}

impl Item {
    /// Returns the element `json` of `record`.
    pub(crate) fn element(record: &Arc<Record>, at: &str, json: Json<'_>) -> Self {
        let element = Element { at: at.into(), place: record.value.place_of(json) };
        Self { record: record.clone(), element: Some(element) }
    }

    /// Returns its value.
    pub fn value(&self) -> Json<'_> {
        match &self.element {
            Some(element) => self.record.value.at_place(element.place.clone()),
            None => self.record.value.json(),
        }
    }

    /// Returns the JSON text of the shown fields; for a record, this includes the fields from its
    /// path.
    pub fn shown(&self, fields: &Projection) -> String {
        match &self.element {
            Some(_) => fields.apply_to(self.value()),
            None => fields.apply(&self.record.value),
        }
    }
}

impl From<Arc<Record>> for Item {
    fn from(record: Arc<Record>) -> Self {
        Self { record, element: None }
    }
}
