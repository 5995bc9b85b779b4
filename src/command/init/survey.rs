//! The values that the records of a sheet have in their fields.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use headwater_engine::record::Record;
use headwater_engine::value::{Json, Kind};

/// The most records of a sheet that are examined.
pub(super) const MOST: usize = 200_000;

/// The longest value, in bytes of JSON, that may be one of few, or name a record.
const LONGEST: usize = 255;

/// The most values that count as few.
const FEW: usize = 100;

/// The findings in the records of a sheet.
pub(super) struct Survey<'r> {
    /// The fields of the outermost table, by name.
    pub(super) fields: BTreeMap<String, Field<'r>>,
    /// The number of examined records.
    pub(super) records: usize,
    /// Whether these are all records.
    pub(super) is_whole: bool,
}

/// The findings in one field.
#[derive(Default)]
pub(super) struct Field<'r> {
    /// The number of records that have it with a value other than null.
    pub(super) present: usize,
    /// The number of records with each of its values; `None` if some are tables, or too long.
    pub(super) values: Option<HashMap<&'r str, usize>>,
    /// The kinds of its values, including those in lists.
    kinds: BTreeSet<&'static str>,
    has_lists: bool,
}

impl<'r> Survey<'r> {
    /// Examines these records. Linear in their text.
    pub(super) fn of(records: &[&'r Arc<Record>]) -> Self {
        let mut fields: BTreeMap<String, Field<'r>> = BTreeMap::new();
        for record in records.iter().take(MOST) {
            for (name, json) in record.value.json().members() {
                if !fields.contains_key(&*name) {
                    let values = Some(HashMap::new());
                    fields.insert(name.clone().into_owned(), Field { values, ..Field::default() });
                }
                if let Some(field) = fields.get_mut(&*name) {
                    field.add(json);
                }
            }
        }
        let looked_at = records.len().min(MOST);
        Self { fields, records: looked_at, is_whole: looked_at == records.len() }
    }

    /// Lists the fields with few values in many records, which people filter and count by.
    pub(super) fn indexable(&self) -> Vec<&str> {
        let is_few = |field: &Field<'_>| {
            let values = field.values.as_ref().map_or(0, HashMap::len);
            (2..=FEW).contains(&values) && values * 2 <= field.present && field.present >= 4
        };
        let fields = self.fields.iter().filter(|(_, field)| is_few(field));
        fields.map(|(name, _)| name.as_str()).collect()
    }

    /// Lists the fields in which every record has one value, and no two have the same. Empty unless
    /// all records were examined.
    pub(super) fn unique(&self) -> Vec<&str> {
        let is_unique = |field: &Field<'_>| {
            let values = field.values.as_ref().map_or(0, HashMap::len);
            let is_name = field.kinds.iter().all(|kind| matches!(*kind, "string" | "number"));
            !field.has_lists && is_name && values == self.records && field.present == self.records
        };
        let fields = self.fields.iter().filter(|(_, field)| is_unique(field));
        let fields = fields.filter(|_| self.is_whole && self.records > 1);
        fields.map(|(name, _)| name.as_str()).collect()
    }
}

impl<'r> Field<'r> {
    fn add(&mut self, json: Json<'r>) {
        let mut held = Vec::new();
        self.collect(json, &mut held);
        held.sort_unstable();
        held.dedup();
        self.present += usize::from(!held.is_empty());
        let Some(values) = &mut self.values else { return };
        for text in held {
            *values.entry(text).or_default() += 1;
        }
    }

    fn collect(&mut self, json: Json<'r>, held: &mut Vec<&'r str>) {
        let kind = match json.kind() {
            Kind::Null => return,
            Kind::Array => {
                self.has_lists = true;
                return json.elements().for_each(|element| self.collect(element, held));
            }
            Kind::Object => "object",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
        };
        self.kinds.insert(kind);
        if kind == "object" || json.text().len() > LONGEST {
            self.values = None;
        }
        held.push(json.text());
    }
}
