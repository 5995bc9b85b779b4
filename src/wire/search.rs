//! Searches: the matches, and where they match in the text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::layout::SheetSpec;
use headwater_engine::query::Across;
use headwater_engine::record::Record;
use headwater_engine::scalar::Timestamp;
use headwater_engine::search::{Correction, Highlighter, Hits};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::value::{Json, Kind};
use serde_json::{Map, Value};

use super::included::beside;
use super::json_string::quoted;

/// The most fields of one match that are highlighted.
const HIGHLIGHTED: usize = 8;

/// The texts of a field end with the one that brings them to so many bytes together.
const HIGHLIGHT_BYTES: usize = 4_096;

/// The cost to search a text for matches, per byte.
const LOOKING: usize = 32;

/// What a condition on the matches came to.
#[derive(Debug, Clone, Copy)]
pub struct Filtered {
    /// For how many matches it had no value; they are left out.
    pub skipped: usize,
    /// What now was, if it was named.
    pub now: Option<Timestamp>,
}

/// Writes the answer to a search.
///
/// # Errors
/// [`TooCostly`] if `budget` is used up.
pub fn hits(
    snapshot: &Snapshot,
    hits: &Hits,
    across: &Across,
    filtered: Option<Filtered>,
    budget: &Budget,
) -> Result<String, TooCostly> {
    let (mut out, mut highlighters) = ("{\"items\":[".to_owned(), BTreeMap::new());
    let found = hits.hits.iter().filter_map(|hit| {
        let sheet = snapshot.sheet(hit.name.sheet.as_str())?;
        Some((hit, sheet.spec(), sheet.record(hit.name.key.as_str())?))
    });
    let affordable =
        |(_, _, record): &(_, _, &Arc<Record>)| budget.spend(LOOKING * record.value.as_str().len());
    for (at, (hit, spec, record)) in found.take_while(affordable).enumerate() {
        let new = || Highlighter::new(&hits.readings, spec.language);
        let highlighter = highlighters.entry(spec.language).or_insert_with(new);
        let highlights = Value::Object(highlights(spec, record, highlighter));
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&format!(
            "{{\"sheet\":{},\"key\":{},\"score\":{},\"value\":",
            quoted(hit.name.sheet.as_str()),
            quoted(hit.name.key.as_str()),
            hit.score
        ));
        out.push_str(&across.value(&record.value));
        out.push_str(&format!(",\"highlights\":{highlights}}}"));
    }
    budget.check()?;
    let relaxed = relaxed(hits.relaxed);
    let corrected = corrected(snapshot, hits.readings.corrections());
    out.push_str(&format!("],\"total\":{}{relaxed}{corrected}", hits.total));
    if let Some(Filtered { skipped, now }) = filtered {
        out.push_str(&format!(",\"skipped\":{skipped}"));
        let now = now.map(|now| format!(",\"now\":{}", quoted(&now.text())));
        out.push_str(&now.unwrap_or_default());
    }
    if let Some(included) = across.included(snapshot, &hits.hits, budget)? {
        beside(&included, &mut out, budget);
    }
    out.push('}');
    budget.check().map(|()| out)
}

/// Returns the member of an answer that is set if it includes records with only some of the words,
/// with a comma before it. Returns nothing if not.
pub(super) fn relaxed(relaxed: bool) -> &'static str {
    if relaxed { ",\"relaxed\":true" } else { "" }
}

/// Returns the member of an answer with the words that replaced those that occur nowhere, with a
/// comma before it. Returns nothing if there are none.
pub(super) fn corrected(snapshot: &Snapshot, corrections: &[Correction]) -> String {
    if corrections.is_empty() {
        return String::new();
    }
    let told = corrections.iter().map(|Correction { typed, used }| {
        let mut words: Vec<String> = Vec::new();
        for word in used.iter().map(|spelling| snapshot.spelled(spelling)) {
            // Words of two languages may be spelled alike.
            if !words.contains(&word) {
                words.push(word);
            }
        }
        (typed.to_string(), Value::from(words))
    });
    format!(",\"corrected\":{}", Value::Object(told.collect()))
}

/// Returns the parts of the searched fields that match, as lists by the dotted name of the field.
fn highlights(
    spec: &SheetSpec,
    record: &Record,
    highlighter: &mut Highlighter<'_>,
) -> Map<String, Value> {
    let mut highlights = Highlights { highlighter, fields: BTreeMap::new() };
    highlights.mark_text("_key", || record.key.as_str().into());
    match &spec.search {
        Some(fields) => {
            for (field, _) in fields {
                let mut name = field.as_str().to_owned();
                record.value.visit(field, &mut |json| highlights.mark(&mut name, json));
            }
        }
        None => highlights.mark(&mut String::new(), record.value.json()),
    }
    highlights.fields.into_iter().map(|(name, marked)| (name, marked.texts.into())).collect()
}

/// What is shown of a match.
struct Highlights<'h, 'q> {
    highlighter: &'h mut Highlighter<'q>,
    fields: BTreeMap<String, Marked>,
}

/// What is shown of one field.
#[derive(Default)]
struct Marked {
    texts: Vec<Value>,
    /// The length of the texts together.
    bytes: usize,
}

impl Highlights<'_, '_> {
    /// Marks the matches in every string and number of `json`, as the text index reads them.
    fn mark(&mut self, name: &mut String, json: Json<'_>) {
        match json.kind() {
            Kind::String | Kind::Number => {
                self.mark_text(name, || json.as_string().unwrap_or_else(|| json.text().into()));
            }
            Kind::Array => json.elements().for_each(|element| self.mark(name, element)),
            Kind::Object => json.members().for_each(|(member, json)| {
                let end = name.len();
                name.push_str(if end > 0 { "." } else { "" });
                name.push_str(&member);
                self.mark(name, json);
                name.truncate(end);
            }),
            Kind::Null | Kind::Bool => {}
        }
    }

    /// Marks the matches in a text of this field, if there is room for it.
    fn mark_text<'t>(&mut self, name: &str, text: impl FnOnce() -> Cow<'t, str>) {
        let is_full = match self.fields.get(name) {
            Some(marked) => marked.bytes >= HIGHLIGHT_BYTES,
            None => self.fields.len() >= HIGHLIGHTED,
        };
        if !is_full && let Some(html) = self.highlighter.excerpt_of(name, &text()) {
            let marked = self.fields.entry(name.to_owned()).or_default();
            marked.bytes += html.len();
            marked.texts.push(html.into());
        }
    }
}
