//! What differs between two commits, record by record.

use std::collections::{BTreeMap, BTreeSet};

use headwater_engine::delta::{Delta, FieldChange, PublicChange, Withheld, changed_fields};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::query::ListQuery;
use headwater_engine::record::Record;
use headwater_engine::value::Json;

use super::quoted::quoted;

/// The most records that are told at once; who is further behind reads everything anew.
const MOST: usize = 10_000;

/// How long a text may be that tells them, in bytes.
const LONGEST: usize = 16 << 20;

/// The part of all records that somebody follows.
#[derive(Debug, Default)]
pub struct Watched {
    sheets: Vec<String>,
    filter: Option<ListQuery>,
    name: String,
}

impl Watched {
    /// Returns the records of `sheets`, or of all if there is none; where it is one sheet, those that
    /// `filter` admits, which was read from `conditions`.
    pub fn new(
        sheets: Vec<String>,
        conditions: &[(String, String)],
        filter: Option<ListQuery>,
    ) -> Self {
        let sheets: BTreeSet<_> = sheets.into_iter().collect();
        // All of them have to hold, so their order means nothing.
        let conditions: BTreeSet<_> = conditions.iter().collect();
        let name = format!("{sheets:?}{conditions:?}");
        Self { sheets: sheets.into_iter().collect(), filter, name }
    }

    /// Returns what is the same for all who follow the same part, whatever they call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn follows(&self, change: &PublicChange) -> bool {
        is_of(&change.sheet, &self.sheets)
    }

    /// Says whether all is followed that there is.
    pub fn is_all(&self) -> bool {
        self.sheets.is_empty()
    }
}

fn is_of(sheet: &SheetName, sheets: &[String]) -> bool {
    sheets.is_empty() || sheets.iter().any(|name| *name == sheet.as_str())
}

/// Appends what of `delta` concerns `watched` to `text`, on one line: what enters it, changes in it
/// and leaves it. Returns how many records that are; `None` where they are more than are told at
/// once, and `text` is of no use.
pub fn changes(text: &mut String, delta: &Delta, watched: &Watched) -> Option<usize> {
    let start = text.len();
    text.push_str(&format!(
        "{{\"from\":\"{}\",\"to\":\"{}\",\"resync\":false,\"items\":[",
        delta.from, delta.to
    ));
    let followed = delta.changes.iter().filter(|change| watched.follows(change));
    let mut told = 0;
    let items = followed.filter_map(|change| followed_item(change, watched.filter.as_ref()));
    // What is shown in another file now enters, which is all that is told of it.
    let enters = |Withheld { sheet, key }: &Withheld| {
        let order = |change: &PublicChange| (&change.sheet, &change.key).cmp(&(sheet, key));
        let change = delta.changes.binary_search_by(order).ok().map(|at| &delta.changes[at]);
        change.is_some_and(|change| followed_item(change, watched.filter.as_ref()).is_some())
    };
    // Which of these the filter admitted would tell what they say.
    let withheld = delta.withheld.iter().filter(|left| is_of(&left.sheet, &watched.sheets));
    let left = withheld
        .filter(|left| !enters(left))
        .map(|Withheld { sheet, key }| item(sheet, key, "leave", "null", ""));
    for item in items.chain(left) {
        if told > 0 {
            text.push(',');
        }
        text.push_str(&item);
        told += 1;
        if told > MOST || text.len() - start > LONGEST {
            return None;
        }
    }
    text.push_str("]}");
    Some(told)
}

/// Writes that what differs is not told: whoever follows begins anew at `to`.
pub fn resync(from: CommitId, to: CommitId) -> String {
    format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"resync\":true,\"items\":[]}}")
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
    Some(item(&change.sheet, &change.key, kind, value, &fields))
}

fn item(sheet: &SheetName, key: &Key, kind: &str, value: &str, fields: &str) -> String {
    let (sheet, key) = (quoted(sheet.as_str()), quoted(key.as_str()));
    format!("{{\"sheet\":{sheet},\"key\":{key},\"change\":\"{kind}\",\"value\":{value}{fields}}}")
}

/// Writes the answer to a comparison of two commits: at most `limit` records of `sheets`, or of all
/// of them.
pub fn diff(delta: &Delta, sheets: &[String], limit: usize) -> String {
    let changes: Vec<_> =
        delta.changes.iter().filter(|change| is_of(&change.sheet, sheets)).collect();
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
