//! What differs between two commits, record by record.

use std::collections::BTreeMap;

use headwater_engine::delta::{Delta, FieldChange, PublicChange, changed_fields};
use headwater_engine::query::ListQuery;
use headwater_engine::record::Record;
use headwater_engine::value::Json;

use super::list::quoted;

/// The part of all records that somebody follows.
#[derive(Debug, Default)]
pub struct Watched {
    /// The sheets; all of them if there is none.
    pub sheets: Vec<String>,
    /// Which records, where it is one sheet.
    pub filter: Option<ListQuery>,
}

impl Watched {
    fn follows(&self, change: &PublicChange) -> bool {
        self.sheets.is_empty() || self.sheets.iter().any(|sheet| *sheet == change.sheet.as_str())
    }

    /// Says whether all is followed that there is.
    pub fn is_all(&self) -> bool {
        self.sheets.is_empty()
    }
}

/// Writes what of `delta` concerns `watched`: what enters it, changes in it and leaves it. `None`
/// where that is more than `most` records.
pub fn changes(delta: &Delta, watched: &Watched, most: usize) -> Option<ChangesView> {
    let followed = delta.changes.iter().filter(|change| watched.follows(change));
    let mut items = followed.filter_map(|change| followed_item(change, watched.filter.as_ref()));
    let listed: Vec<String> = items.by_ref().take(most).collect();
    if items.next().is_some() {
        return None;
    }
    Some(ChangesView { items: listed })
}

/// The items of an answer, written.
#[derive(Debug, Default)]
pub struct ChangesView {
    items: Vec<String>,
}

impl ChangesView {
    /// Says whether nothing of what is followed differs.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Writes the whole answer, on one line. `resync` says that the changes are not told: whoever
    /// follows begins anew.
    pub fn text(&self, from: &str, to: &str, resync: bool) -> String {
        let items = self.items.join(",");
        format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"resync\":{resync},\"items\":[{items}]}}")
    }
}

fn followed_item(change: &PublicChange, filter: Option<&ListQuery>) -> Option<String> {
    let inside = |record: &Option<std::sync::Arc<Record>>| {
        let record = record.clone();
        record.filter(|record| filter.is_none_or(|filter| filter.admits(&record.value)))
    };
    let (before, after) = (inside(&change.before), inside(&change.after));
    let (kind, value, fields) = match (&before, &after) {
        (None, None) => return None,
        (None, Some(after)) => ("enter", after.value.as_str(), String::new()),
        (Some(_), None) => ("leave", "null", String::new()),
        (Some(before), Some(after)) => {
            let fields = changed_fields(&before.value, &after.value);
            let names: Vec<_> = fields.iter().map(|field| quoted(&field.pointer)).collect();
            ("change", after.value.as_str(), format!(",\"fields\":[{}]", names.join(",")))
        }
    };
    let (sheet, key) = (quoted(change.sheet.as_str()), quoted(change.key.as_str()));
    Some(format!(
        "{{\"sheet\":{sheet},\"key\":{key},\"change\":\"{kind}\",\"value\":{value}{fields}}}"
    ))
}

/// Writes the answer to a comparison of two commits: at most `limit` records of `sheets`, or of all
/// of them.
pub fn diff(delta: &Delta, sheets: &[String], limit: usize) -> String {
    let watched = Watched { sheets: sheets.to_vec(), filter: None };
    let changes: Vec<_> = delta.changes.iter().filter(|change| watched.follows(change)).collect();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for change in &changes {
        let counts = counts.entry(change.sheet.as_str()).or_default();
        counts[kind(change)] += 1;
    }
    let counts = counts.iter().map(|(sheet, [added, modified, removed])| {
        let sheet = quoted(sheet);
        format!("{sheet}:{{\"added\":{added},\"modified\":{modified},\"removed\":{removed}}}")
    });
    let counts: Vec<_> = counts.collect();
    let items: Vec<_> = changes.iter().take(limit).map(|change| compared(change)).collect();
    format!(
        "{{\"from\":\"{}\",\"to\":\"{}\",\"items\":[{}],\"counts\":{{{}}},\"total\":{}}}",
        delta.from,
        delta.to,
        items.join(","),
        counts.join(","),
        changes.len()
    )
}

/// The names of what may have become of a record.
const KINDS: [&str; 3] = ["added", "modified", "removed"];

/// Returns the place in [`KINDS`].
fn kind(change: &PublicChange) -> usize {
    match (&change.before, &change.after) {
        (None, _) => 0,
        (Some(_), Some(_)) => 1,
        (Some(_), None) => 2,
    }
}

fn compared(change: &PublicChange) -> String {
    let (sheet, key) = (quoted(change.sheet.as_str()), quoted(change.key.as_str()));
    let what = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let fields = changed_fields(&before.value, &after.value);
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("\"fields\":[{}]", fields.join(","))
        }
        (before, after) => {
            let record = before.as_ref().or(after.as_ref());
            let value = record.map_or("null", |record| record.value.as_str());
            format!("\"value\":{value}")
        }
    };
    format!("{{\"sheet\":{sheet},\"key\":{key},\"change\":\"{}\",{what}}}", KINDS[kind(change)])
}

fn field(field: &FieldChange<'_>) -> String {
    let side = |name: &str, json: Option<Json<'_>>| match json {
        Some(json) => format!(",\"{name}\":{}", json.text()),
        None => String::new(),
    };
    let (before, after) = (side("before", field.before), side("after", field.after));
    format!("{{\"pointer\":{}{before}{after}}}", quoted(&field.pointer))
}
