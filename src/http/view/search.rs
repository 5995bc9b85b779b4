//! Searches: the matches, and where in their texts they match.

use headwater_engine::layout::SheetSpec;
use headwater_engine::record::Record;
use headwater_engine::search::{Hits, Query, highlight};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::value::{Json, Kind};
use serde_json::{Map, Value};

use super::list::quoted;

/// How many fields of one match are highlighted.
const HIGHLIGHTED: usize = 8;

/// Writes the answer to a search.
pub fn hits(snapshot: &Snapshot, query: &Query, hits: &Hits) -> String {
    let items = hits.hits.iter().filter_map(|hit| {
        let sheet = snapshot.sheet(hit.name.sheet.as_str())?;
        let record = sheet.record(hit.name.key.as_str())?;
        let highlights = Value::Object(highlights(sheet.spec(), record, query));
        Some(format!(
            "{{\"sheet\":{},\"key\":{},\"score\":{},\"value\":{},\"highlights\":{highlights}}}",
            quoted(hit.name.sheet.as_str()),
            quoted(hit.name.key.as_str()),
            hit.score,
            record.value.as_str(),
        ))
    });
    let items: Vec<_> = items.collect();
    format!("{{\"items\":[{}],\"total\":{}}}", items.join(","), hits.total)
}

/// Returns the parts of the searched fields that match, as lists by the dotted name of the field.
fn highlights(spec: &SheetSpec, record: &Record, query: &Query) -> Map<String, Value> {
    let mut found = Map::new();
    match &spec.search {
        Some(fields) => {
            for (field, _) in fields {
                record
                    .value
                    .visit(field, &mut |json| mark(field.as_str(), json, query, &mut found));
            }
        }
        None => mark("", record.value.json(), query, &mut found),
    }
    found
}

/// Marks every string in `json`, as the text index reads them.
fn mark(name: &str, json: Json<'_>, query: &Query, found: &mut Map<String, Value>) {
    match json.kind() {
        Kind::String => {
            let marked = json.as_string().and_then(|text| highlight(query, &text));
            if let Some(marked) = marked
                && (found.len() < HIGHLIGHTED || found.contains_key(name))
            {
                let list = found.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|list| list.push(marked.clone().into()));
            }
        }
        Kind::Array => json.elements().for_each(|element| mark(name, element, query, found)),
        Kind::Object => json.members().for_each(|(member, json)| {
            let dot = if name.is_empty() { "" } else { "." };
            mark(&format!("{name}{dot}{member}"), json, query, found);
        }),
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
}
