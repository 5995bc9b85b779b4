//! Lists as tables: their columns and cells.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::query::columns::KEY;
use crate::query::{Item, ListQuery};
use crate::sheet::Sheet;
use crate::value::{FieldPath, Kind};

impl ListQuery {
    /// Returns the columns of the items as a table, in addition to their keys: the requested
    /// fields, or else all known ones that are not inside another. Elements have the fields within
    /// them; if there are none, `None` stands for the element itself.
    ///
    /// Linear in the fields of the sheet.
    pub fn columns(&self, sheet: &Sheet) -> Option<Vec<FieldPath>> {
        let shown = self.fields.as_ref();
        if let Some(fields) = shown.and_then(|projection| projection.fields()) {
            return Some(fields.to_vec());
        }
        let spec = sheet.spec();
        // If all occurring fields are known, the others would be empty columns.
        let mut names: BTreeSet<String> = match spec.is_open() {
            true => sheet.fields().iter().map(|(name, _)| name.to_owned()).collect(),
            false => spec.known_fields(),
        };
        names.remove(KEY);
        let fields = names.into_iter().map(FieldPath::new);
        let fields: BTreeSet<FieldPath> = match &self.unnest {
            None => fields.collect(),
            Some(unnest) => fields.filter_map(|field| field.inside(unnest)).collect(),
        };
        let lies_in_another = |field: &FieldPath| {
            let names = field.outermost().filter(|name| *name != field.as_str());
            names.map(FieldPath::new).any(|name| fields.contains(&name))
        };
        let without = shown.map(|projection| projection.without()).unwrap_or_default();
        let columns = fields.iter().filter(|field| !lies_in_another(field));
        let columns: Vec<_> = columns.filter(|field| !without.contains(field)).cloned().collect();
        (self.unnest.is_none() || !columns.is_empty()).then_some(columns)
    }
}

impl Item {
    /// Returns the value of a field as a cell: a string as is, anything else as JSON, and nothing
    /// if it is null or missing. Several values form a list. Linear in the text.
    pub fn cell(&self, field: &FieldPath) -> Cow<'_, str> {
        let mut values = self.value().all_at(field);
        if values.is_empty() && self.element.is_none() {
            values.extend(
                self.record.value.path_fields().into_iter().flat_map(|it| it.all_at(field)),
            );
        }
        match &values[..] {
            [] => Cow::Borrowed(""),
            [one] if one.kind() == Kind::String => one.as_string().unwrap_or_default(),
            [one] => Cow::Borrowed(one.text()),
            several => {
                let texts: Vec<_> = several.iter().map(|json| json.text()).collect();
                Cow::Owned(format!("[{}]", texts.join(",")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::id::{BlobId, Key};
    use crate::record::{Frame, Record};
    use crate::value::Value;

    #[test]
    fn a_cell_is_a_text_as_it_is_and_anything_else_as_json() {
        let value = json!({
            "s": "=1+1", "n": 1.5, "t": ["a", 2], "o": {"x": null, "y": "z"}, "l": [{"x": 1}, {"x": "b"}],
        });
        let record = Record {
            key: Key::new("k"),
            frame: Arc::new(Frame::around("k", "s/k.json")),
            blob: BlobId::ZERO,
            value: Value::new(&value),
        };
        let item = Item::from(Arc::new(record));
        for (field, cell) in [
            ("s", "=1+1"),
            ("n", "1.5"),
            ("t", "[\"a\",2]"),
            ("o", "{\"x\":null,\"y\":\"z\"}"),
            ("o.x", ""),
            ("o.y", "z"),
            ("l.x", "[1,\"b\"]"),
            ("nothing", ""),
        ] {
            assert_eq!(item.cell(&FieldPath::new(field)), cell, "{field}");
        }
    }
}
