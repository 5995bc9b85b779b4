//! A sheet in the document: its name there, and its fields.

use std::sync::Arc;

use headwater_engine::budget::STEP;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use serde_json::{Value, json};

use super::name::Names;
use super::shared_refs::schema;

/// The most fields of a sheet that are listed. A sheet without a schema has as many as its records
/// have.
const MAX_LISTED: usize = 64;

/// A sheet in the document.
pub(super) struct Described {
    pub(super) sheet: Arc<Sheet>,
    /// The name of its components, its operations and its tag.
    pub(super) name: String,
    /// The fields that a list may ask for by name.
    pub(super) fields: Vec<String>,
}

/// Returns the sheets that have paths. A sheet whose name begins with `_` cannot be requested. No
/// sheet gets a name in `taken`.
pub(super) fn described(
    snapshot: &Snapshot,
    taken: impl IntoIterator<Item = String>,
) -> Vec<Described> {
    let mut names = Names::reserving(taken);
    let public = snapshot.sheets().filter(|sheet| {
        let name = sheet.spec().name.as_str();
        sheet.spec().public && !name.is_empty() && !name.starts_with('_')
    });
    let described = public.map(|sheet| Described {
        name: names.of(sheet.spec().name.as_str()),
        fields: fields(sheet),
        sheet: sheet.clone(),
    });
    described.collect()
}

/// Returns the fields that a list may name, as far as a comma-separated list can name them.
fn fields(sheet: &Sheet) -> Vec<String> {
    let mut fields = sheet.spec().known_fields();
    if sheet.spec().is_open() {
        let room = MAX_LISTED.saturating_sub(fields.len());
        fields.extend(sheet.fields().iter().take(room).map(|(field, _)| field.to_owned()));
    }
    let is_name = |field: &String| !field.contains([',', '[', ']']) && !field.starts_with('-');
    fields.into_iter().filter(is_name).collect()
}

/// Returns the parameter that narrows a read of all sheets to some of them.
pub(super) fn narrowing(sheets: &[Described]) -> Value {
    let mut items = json!({ "type": "string" });
    if !sheets.is_empty() {
        items["enum"] = sheets.iter().map(Described::sheet_name).collect();
    }
    json!({
        "name": "sheet", "in": "query", "description": "Only in these sheets.",
        "schema": { "type": "array", "items": items },
    })
}

impl Described {
    /// Returns the name of the sheet itself.
    pub(super) fn sheet_name(&self) -> &str {
        self.sheet.spec().name.as_str()
    }

    /// Returns the cost of the description, in units of a budget: a step for each mention of a
    /// field, and the text of the schema.
    pub(super) fn weight(&self) -> usize {
        let schema = self.sheet.spec().schema.as_ref();
        STEP * (1 + 8 * self.fields.len())
            + schema.map_or(0, |schema| schema.source().to_string().len())
    }

    /// Returns whether a record may have files next to it.
    pub(super) fn has_attachments(&self) -> bool {
        let template = &self.sheet.spec().template;
        !template.is_every_file() && !template.is_recursive()
    }

    /// Returns the name of the schema of its records.
    pub(super) fn record(&self) -> Value {
        schema(&self.name)
    }

    /// Returns the tag of its operations.
    pub(super) fn tag(&self) -> Value {
        let spec = self.sheet.spec();
        let place = match spec.root.as_str() {
            "" => "the root of the repository".to_owned(),
            root => format!("`{root}/`"),
        };
        json!({ "name": self.name, "description": format!("Records in {place}.") })
    }
}
