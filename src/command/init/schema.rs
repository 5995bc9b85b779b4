//! A schema of types that all records of a sheet satisfy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_engine::record::Record;
use headwater_engine::value::{Json, Kind};

use super::toml::{key, list, text};

/// The most fields of a table; a table with more has names as keys.
const MOST: usize = 100;

/// The depth to which tables are described.
const DEEPEST: usize = 4;

/// The values found at one place.
#[derive(Default)]
struct ObservedValues {
    kinds: BTreeSet<&'static str>,
    /// The number of tables.
    tables: usize,
    /// The members of the tables, with the number of tables that have each.
    members: BTreeMap<String, (usize, ObservedValues)>,
    elements: Option<Box<ObservedValues>>,
}

/// Returns the schema of these records as the tables of the sheet called `sheet`. Returns `None` if
/// some record is a list, or if the records have too many fields. Linear in their text.
pub(super) fn schema(sheet: &str, records: &[&Arc<Record>]) -> Option<String> {
    let mut root = ObservedValues::default();
    records.iter().for_each(|record| root.add(record.value.json(), 0));
    if root.kinds.contains("array") || root.members.len() > MOST {
        return None;
    }
    let sheet = key(sheet);
    let mut told = format!("[sheets.{sheet}.schema]\ntype = \"object\"\n");
    let required = root.required();
    if !required.is_empty() {
        told.push_str(&format!("required = {}\n", list(required)));
    }
    told.push_str(&format!("[sheets.{sheet}.schema.properties]\n"));
    for (name, (_, place)) in &root.members {
        told.push_str(&format!("{} = {}\n", key(name), place.inline()));
    }
    Some(told)
}

impl ObservedValues {
    fn add(&mut self, json: Json<'_>, depth: usize) {
        let kind = match json.kind() {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Number if json.text().contains(['.', 'e', 'E']) => "number",
            Kind::Number => "integer",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        };
        self.kinds.insert(kind);
        if depth == DEEPEST {
            return;
        }
        if kind == "array" {
            let elements = self.elements.get_or_insert_default();
            json.elements().for_each(|element| elements.add(element, depth + 1));
        }
        self.tables += usize::from(kind == "object");
        for (name, member) in json.members() {
            if self.members.len() > MOST {
                return;
            }
            let (count, place) = self.members.entry(name.into_owned()).or_default();
            *count += 1;
            place.add(member, depth + 1);
        }
    }

    /// Lists the members that every table has.
    fn required(&self) -> Vec<&str> {
        let all = self.members.iter().filter(|(_, (count, _))| *count == self.tables);
        all.map(|(name, _)| name.as_str()).collect()
    }

    fn inline(&self) -> String {
        let mut kinds = self.kinds.clone();
        if kinds.contains("number") {
            kinds.remove("integer");
        }
        let mut parts = Vec::new();
        match kinds.iter().copied().collect::<Vec<_>>()[..] {
            [] => {}
            [one] => parts.push(format!("type = {}", text(one))),
            ref several => parts.push(format!("type = {}", list(several.iter().copied()))),
        }
        if let Some(elements) = self.elements.as_ref().filter(|it| !it.kinds.is_empty()) {
            parts.push(format!("items = {}", elements.inline()));
        }
        if !self.members.is_empty() && self.members.len() <= MOST {
            let members = self.members.iter();
            let members = members.map(|(name, (_, it))| format!("{} = {}", key(name), it.inline()));
            let members = members.collect::<Vec<_>>().join(", ");
            parts.push(format!("properties = {{ {members} }}"));
        }
        if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
    }
}
