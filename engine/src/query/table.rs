//! Lists as tables: their columns and cells.

use std::borrow::Cow;
use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::query::columns::KEY;
use crate::query::{Item, ListQuery};
use crate::sheet::Sheet;
use crate::value::{FieldPath, Json, Kind, Paths};

/// The columns of a table of items, after those of their places.
pub struct TableColumns {
    fields: Vec<FieldPath>,
    paths: Paths,
}

impl ListQuery {
    /// Returns the columns of the items as a table, in addition to their keys: the requested
    /// fields, or else all known ones that are not inside another. Elements have the fields within
    /// them; if there are none, `None` stands for the element itself.
    ///
    /// Linear in the fields of the sheet.
    pub fn columns(&self, sheet: &Sheet) -> Option<TableColumns> {
        let shown = self.fields.as_ref();
        if let Some(fields) = shown.and_then(|projection| projection.fields()) {
            return Some(TableColumns::of(fields.to_vec()));
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
        let has_columns = self.unnest.is_none() || !columns.is_empty();
        has_columns.then(|| TableColumns::of(columns))
    }
}

impl TableColumns {
    fn of(fields: Vec<FieldPath>) -> Self {
        Self { paths: Paths::new(&fields), fields }
    }

    /// Returns the names of the columns.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(FieldPath::as_str)
    }

    /// Returns the cells of an item: a string as is, anything else as JSON, and nothing for what is
    /// null or missing. Several values form a list.
    ///
    /// Linear in the text of the item and in the number of columns.
    pub fn cells<'i>(&self, item: &'i Item) -> Vec<Cow<'i, str>> {
        let mut values: Vec<SmallVec<[Json<'i>; 1]>> = vec![SmallVec::new(); self.fields.len()];
        self.paths.visit_whole(item.value(), &mut |at, json| values[at].push(json));
        if item.element.is_none()
            && let Some(path_fields) = item.record.value.path_fields()
        {
            // What the path has counts where the file has nothing.
            let is_missing: Vec<bool> = values.iter().map(SmallVec::is_empty).collect();
            self.paths.visit_whole(path_fields, &mut |at, json| {
                if is_missing[at] {
                    values[at].push(json);
                }
            });
        }
        values.iter().map(|values| cell(values)).collect()
    }
}

fn cell<'a>(values: &[Json<'a>]) -> Cow<'a, str> {
    match values {
        [] => Cow::Borrowed(""),
        [one] if one.kind() == Kind::String => one.as_string().unwrap_or_default(),
        [one] => Cow::Borrowed(one.text()),
        several => {
            let texts: Vec<_> = several.iter().map(|json| json.text()).collect();
            Cow::Owned(format!("[{}]", texts.join(",")))
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
        let cells = [
            ("s", "=1+1"),
            ("n", "1.5"),
            ("t", "[\"a\",2]"),
            ("o", "{\"x\":null,\"y\":\"z\"}"),
            ("o.x", ""),
            ("o.y", "z"),
            ("l.x", "[1,\"b\"]"),
            ("nothing", ""),
        ];
        let columns = TableColumns::of(cells.map(|(name, _)| FieldPath::new(name)).to_vec());
        assert_eq!(columns.cells(&item), cells.map(|(_, cell)| cell));
    }
}
