//! The differences between two commits, record by record.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use headwater_engine::budget::{Budget, STEP, TooCostly};
use headwater_engine::delta::{Delta, FieldChange, PublicChange, Withheld, changed_fields};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::query::ListQuery;
use headwater_engine::record::Record;
use headwater_engine::view::View;

use super::diff_cursor::DiffCursor;
use super::event_id::EventId;
use super::json_string::quoted;

/// The most records that are reported at once; a client that lags further reads everything
/// again.
const MOST: usize = 10_000;

/// The longest text of differences, in bytes.
const LONGEST: usize = 16 << 20;

/// The part of all records that somebody follows.
#[derive(Debug)]
pub struct Watched {
    view: View,
    sheets: Vec<String>,
    filter: Option<ListQuery>,
    name: String,
}

impl Default for Watched {
    /// Returns everything that the public sees.
    fn default() -> Self {
        Self::new(View::PUBLIC, Vec::new(), &[], None)
    }
}

impl Watched {
    /// Returns the records of `sheets` that `view` sees, or of all sheets if that is empty. For a
    /// single sheet, only those that `filter` admits, which was parsed from `conditions`.
    pub fn new(
        view: View,
        sheets: Vec<String>,
        conditions: &[(String, String)],
        filter: Option<ListQuery>,
    ) -> Self {
        let sheets: BTreeSet<_> = sheets.into_iter().collect();
        // All conditions must be met, so their order is irrelevant.
        let conditions: BTreeSet<_> = conditions.iter().collect();
        let of_view = if view.is_public() { String::new() } else { HEXLOWER.encode(&view.id()) };
        let name = format!("{of_view}{sheets:?}{conditions:?}");
        Self { view, sheets: sheets.into_iter().collect(), filter, name }
    }

    /// Returns a name that is the same for all who follow the same part, however they spell it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of an event at `commit` for who follows.
    pub fn id_at(&self, commit: CommitId) -> EventId {
        EventId::of(commit, &self.view)
    }

    /// Returns the view of who follows.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Returns the approximate size in memory, in bytes.
    pub fn weight(&self) -> usize {
        let sheets: usize = self.sheets.iter().map(|sheet| size_of::<String>() + sheet.len()).sum();
        let filter = self.filter.as_ref().map_or(0, ListQuery::weight);
        // The name is a key in two other maps, too.
        size_of::<Self>() + sheets + 3 * self.name.len() + filter
    }

    /// Returns whether an expression or a condition on texts chooses the records, which may cost
    /// much.
    pub fn reads_texts(&self) -> bool {
        self.filter.as_ref().is_some_and(ListQuery::reads_texts)
    }

    fn follows(&self, change: &PublicChange) -> bool {
        is_of(&change.sheet, &self.sheets)
    }

    /// Returns whether everything is followed.
    pub fn is_all(&self) -> bool {
        self.sheets.is_empty()
    }
}

fn is_of(sheet: &SheetName, sheets: &[String]) -> bool {
    sheets.is_empty() || sheets.iter().any(|name| *name == sheet.as_str())
}

/// Appends the part of `delta` that concerns `watched` to `text`, on one line: the records that
/// enter it, change in it and leave it. Returns the number of records. Returns `None` if they are
/// more than are reported at once or cost more than `budget`; `text` is useless then.
pub fn changes(
    text: &mut String,
    delta: &Delta,
    watched: &Watched,
    budget: &Budget,
) -> Option<usize> {
    let start = text.len();
    text.push_str(&format!(
        "{{\"from\":\"{}\",\"to\":\"{}\",\"resync\":false,\"items\":[",
        delta.from, delta.to
    ));
    let followed = delta.changes.iter().filter(|change| watched.follows(change));
    let mut told = 0;
    let filter = watched.filter.as_ref();
    let items = followed.filter_map(|change| followed_item(change, filter, budget));
    // A record that is now shown from another file enters, and that is all that is reported of it.
    let enters = |Withheld { sheet, key }: &Withheld| {
        let order = |change: &PublicChange| (&change.sheet, &change.key).cmp(&(sheet, key));
        let change = delta.changes.binary_search_by(order).ok().map(|at| &delta.changes[at]);
        change.is_some_and(|change| followed_item(change, filter, budget).is_some())
    };
    // The filter is not applied to these, because that would reveal their content.
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
    budget.check().ok().map(|()| told)
}

/// Writes that the differences are not reported: a follower starts over at `to`.
pub fn resync(from: CommitId, to: CommitId) -> String {
    format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"resync\":true,\"items\":[]}}")
}

/// Returns the most bytes to read and to write for a change.
fn weight(change: &PublicChange) -> usize {
    let sides = [&change.before, &change.after].into_iter().flatten();
    STEP + sides.map(|record| record.value.as_str().len()).sum::<usize>()
}

/// Writes what happens to a record in the followed part. Returns `None` if nothing does, or if
/// `budget` is used up.
fn followed_item(
    change: &PublicChange,
    filter: Option<&ListQuery>,
    budget: &Budget,
) -> Option<String> {
    if !budget.spend(weight(change)) {
        return None;
    }
    let inside = |record: &Option<std::sync::Arc<Record>>| {
        let record = record.clone();
        record.filter(|record| filter.is_none_or(|filter| filter.admits(record, budget)))
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

/// The part of a comparison that is listed.
#[derive(Debug, Default)]
pub struct Compared {
    /// Only these sheets, or all if there is none.
    pub sheets: Vec<String>,
    /// Only records after this one.
    pub after: Option<DiffCursor>,
    /// The most records; a page also ends at 16 MiB.
    pub limit: usize,
}

/// Writes the answer to a comparison of two commits: a part of the records that differ, and the
/// number of all.
///
/// # Errors
/// [`TooCostly`] if `budget` is used up.
pub fn diff(delta: &Delta, part: &Compared, budget: &Budget) -> Result<String, TooCostly> {
    let changes = || delta.changes.iter().filter(|change| is_of(&change.sheet, &part.sheets));
    let (mut total, mut counts) = (0, BTreeMap::<&str, [usize; 3]>::new());
    for change in changes() {
        counts.entry(change.sheet.as_str()).or_default()[kind(change)] += 1;
        total += 1;
    }
    let counts = counts.iter().map(|(sheet, [added, modified, removed])| {
        let sheet = quoted(sheet);
        format!("{sheet}:{{\"added\":{added},\"modified\":{modified},\"removed\":{removed}}}")
    });
    let counts: Vec<_> = counts.collect();
    let mut out = format!("{{\"from\":\"{}\",\"to\":\"{}\",\"items\":[", delta.from, delta.to);
    let is_behind = |change: &&PublicChange| {
        let after = part.after.as_ref();
        after.is_none_or(|at| (&change.sheet, &change.key) > (&at.sheet, &at.key))
    };
    let (mut read, mut last, mut next) = (0, None, None);
    for (listed, change) in changes().filter(is_behind).enumerate() {
        read += weight(change);
        // The bytes that are read bound the page, so that it ends at the same place for everybody.
        if listed == part.limit || listed > 0 && read.max(out.len()) > LONGEST {
            next = last.map(|last| DiffCursor::behind(delta, last).to_string());
            break;
        }
        if !budget.spend(weight(change)) {
            break;
        }
        out.push_str(if listed > 0 { "," } else { "" });
        compared(change, &mut out);
        last = Some(change);
    }
    budget.check()?;
    let next = next.as_deref().map_or_else(|| "null".to_owned(), quoted);
    let counts = counts.join(",");
    out.push_str(&format!("],\"counts\":{{{counts}}},\"total\":{total},\"next\":{next}}}"));
    Ok(out)
}

/// The names of what may have happened to a record.
const KINDS: [&str; 3] = ["added", "modified", "removed"];

/// Returns the place in [`KINDS`].
fn kind(change: &PublicChange) -> usize {
    match (&change.before, &change.after) {
        (None, _) => 0,
        (Some(_), Some(_)) => 1,
        (Some(_), None) => 2,
    }
}

fn compared(change: &PublicChange, out: &mut String) {
    let (sheet, key) = (quoted(change.sheet.as_str()), quoted(change.key.as_str()));
    let kind = KINDS[kind(change)];
    out.push_str(&format!("{{\"sheet\":{sheet},\"key\":{key},\"change\":\"{kind}\","));
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            out.push_str("\"fields\":[");
            for (at, changed) in changed_fields(&before.value, &after.value).iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                field(changed, out);
            }
            out.push(']');
        }
        (before, after) => {
            let record = before.as_ref().or(after.as_ref());
            out.push_str("\"value\":");
            out.push_str(record.map_or("null", |record| record.value.as_str()));
        }
    }
    out.push('}');
}

fn field(field: &FieldChange<'_>, out: &mut String) {
    out.push_str(&format!("{{\"pointer\":{}", quoted(&field.pointer)));
    for (name, side) in [("before", field.before), ("after", field.after)] {
        if let Some(json) = side {
            out.push_str(&format!(",\"{name}\":"));
            out.push_str(json.text());
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_engine::id::BlobId;
    use headwater_engine::record::Frame;
    use headwater_engine::value::Value;

    use super::*;

    /// Returns a difference with new records of these sizes, each under its number.
    fn delta(sizes: &[usize]) -> Delta {
        let change = |(number, size): (usize, &usize)| {
            let key = Key::new(format!("{number:03}"));
            let value = Value::new(&serde_json::json!({ "text": "x".repeat(*size) }));
            let frame = Arc::new(Frame::new("people/", ".toml"));
            let record =
                Record { key: key.clone(), frame, blob: BlobId::from_bytes([0; 20]), value };
            let sheet = SheetName::new("people");
            PublicChange { sheet, key, before: None, after: Some(Arc::new(record)) }
        };
        let [from, to] = [1, 2].map(|digit| CommitId::from_bytes([digit; 20]));
        let changes = sizes.iter().enumerate().map(change).collect();
        Delta { from, to, changes, withheld: Vec::new() }
    }

    /// Returns the number of records on each page of a walk.
    fn pages(delta: &Delta, limit: usize) -> Vec<usize> {
        let (mut part, mut pages) = (Compared { limit, ..Compared::default() }, Vec::new());
        let mut keys = Vec::new();
        loop {
            let text = diff(delta, &part, &Budget::unlimited()).unwrap();
            let page: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(page["total"], delta.changes.len());
            let items = page["items"].as_array().unwrap();
            keys.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
            pages.push(items.len());
            let Some(next) = page["next"].as_str() else { break };
            part.after = DiffCursor::parse(next);
        }
        let all: Vec<_> = delta.changes.iter().map(|it| it.key.as_str().to_owned()).collect();
        assert_eq!(keys, all, "each once, and none is missing");
        pages
    }

    #[test]
    fn a_page_of_a_comparison_ends_by_its_number_and_by_its_bytes() {
        const MIB: usize = 1 << 20;
        for (sizes, limit, expected) in [
            (&[][..], 2, &[0][..]),
            (&[1, 1], 2, &[2]),
            (&[1, 1, 1], 2, &[2, 1]),
            (&[7 * MIB, 7 * MIB, 7 * MIB], 100, &[2, 1]),
            // A record that is larger than a page is a page.
            (&[1, 17 * MIB, 1, 1], 100, &[1, 1, 2]),
        ] {
            assert_eq!(pages(&delta(sizes), limit), expected, "{sizes:?}");
        }
    }

    #[test]
    fn comparing_and_following_end_when_their_budget_is_used_up() {
        let delta = delta(&[100_000, 100_000]);
        let used_up = || Budget::while_true(|| false);
        let part = Compared { limit: 10, ..Compared::default() };
        assert_eq!(diff(&delta, &part, &used_up()), Err(TooCostly));
        let mut text = String::new();
        assert_eq!(changes(&mut text, &delta, &Watched::default(), &used_up()), None);
        let told = changes(&mut text, &delta, &Watched::default(), &Budget::unlimited());
        assert_eq!(told, Some(2));
    }
}
