//! The paths of each sheet that everybody may read: its list and its records.

use std::sync::Arc;

use headwater_engine::budget::STEP;
use headwater_engine::query::MAX_PAGE;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use serde_json::{Map, Value, json};

use super::name::{Names, segment};
use super::operation::{Answer, Operation, parameter, schema};
use super::problems::Refusals;
use super::{Offer, dialect, parameters, writes};

/// How many fields of a sheet are listed. In a sheet without a schema they are as many as its
/// records have.
const MAX_LISTED: usize = 64;

/// The parameters of a list that are no conditions. A field that is called like one of them can be
/// asked for by `field[eq]`, and is no parameter of its own, for no two have one name.
const TAKEN: [&str; 10] =
    ["page", "perPage", "limit", "cursor", "q", "sort", "facets", "fields", "include", "at"];

/// A sheet in the document.
pub(super) struct Described {
    sheet: Arc<Sheet>,
    /// What its components, its operations and its tag are called.
    pub(super) name: String,
    fields: Vec<String>,
}

/// Returns the sheets that have paths. One whose name begins with `_` cannot be asked for.
/// Nor does it get a name of `taken`.
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

/// Returns the fields that a list may ask for, as far as they can be told in a list of names.
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

    /// Returns what it costs to describe, in units of a budget: a step for each mention of a field,
    /// and the text of the schema.
    pub(super) fn weight(&self) -> usize {
        let schema = self.sheet.spec().schema.as_ref();
        STEP * (1 + 8 * self.fields.len())
            + schema.map_or(0, |schema| schema.source().to_string().len())
    }

    /// Says whether a record may have files beside it.
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

    /// Adds the schemas of its records and of its list.
    pub(super) fn add_schemas(&self, schemas: &mut Map<String, Value>) {
        let list = format!("{}.list", self.name);
        let place = format!("/components/schemas/{}", self.name);
        let spec = self.sheet.spec();
        let record = match &spec.schema {
            Some(schema) => dialect::translated(schema.source(), &place),
            None if matches!(spec.format_name(), "toml" | "markdown" | "mdx") => {
                json!({ "type": "object" })
            }
            None => json!({ "type": ["object", "array"] }),
        };
        schemas.insert(self.name.clone(), record);
        schemas.insert(list, self.list_schema());
    }

    fn list_schema(&self) -> Value {
        let part = json!({
            "title": "Only the fields that `fields` names",
            "type": ["object", "array"],
        });
        json!({
            "type": "object",
            "required": ["items", "total"],
            "properties": {
                "items": {
                    "type": "array",
                    "maxItems": MAX_PAGE,
                    "items": {
                        "type": "object",
                        "required": ["key", "value"],
                        "properties": {
                            "key": schema("Key"),
                            "value": { "anyOf": [self.record(), part] },
                        },
                    },
                },
                "total": { "type": "integer", "minimum": 0 },
                "page": { "type": "integer", "minimum": 1 },
                "perPage": { "type": "integer", "minimum": 1, "maximum": MAX_PAGE },
                "limit": { "type": "integer", "minimum": 1, "maximum": MAX_PAGE },
                "next": {
                    "description": "The `cursor` of the next part; null at the end.",
                    "type": ["string", "null"],
                },
                "facets": schema("Facets"),
                "more": schema("More"),
                "corrected": schema("Corrected"),
                "included": schema("Included"),
                "includedCut": schema("IncludedCut"),
            },
            "oneOf": [{ "required": ["page", "perPage"] }, { "required": ["limit", "next"] }],
        })
    }

    /// Adds its paths.
    pub(super) fn add_paths(&self, offer: &Offer, paths: &mut Map<String, Value>) {
        let base = format!("/api/{}", segment(self.sheet_name()));
        let mut list = json!({ "get": self.list().into_value() });
        let mut record = json!({ "get": self.show().into_value() });
        if offer.writes {
            list["post"] = writes::create(self).into_value();
            record["put"] = writes::put(self).into_value();
            record["patch"] = writes::patch(self).into_value();
            record["delete"] = writes::delete(self).into_value();
        }
        paths.insert(format!("{base}/{{key}}"), record);
        paths.insert(base, list);
    }

    fn list(&self) -> Operation {
        let shared = ["page", "perPage", "limit", "cursor", "q"].map(parameter);
        let key = "$response.body#/items/0/key";
        let lines = json!({
            "type": "string",
            "description": "The whole list, one item a line. Parameters that ask for a part of \
                            it, or for anything beside the records, are refused.",
        });
        let answer = Answer::json("A part of the list.", schema(&format!("{}.list", self.name)))
            .content("application/x-ndjson", lines)
            .headers(&["Link"])
            .link("first", &format!("{}.get", self.name), json!({ "key": key }));
        Operation::new(&self.name, "list", format!("Lists {}", self.sheet_name()))
            .described(self.how_to_filter())
            .takes(shared)
            .takes(self.named_fields())
            .takes(self.filters())
            .takes(self.references())
            .takes(parameters::moment())
            .answers_tagged(answer)
            .refuses(Refusals::List)
    }

    fn how_to_filter(&self) -> String {
        let text = "In key order, unless `sort` or `q` is given. `field=v` is short \
                    for `field[eq]=v`; a parameter may be repeated, and all must hold.";
        let open = " Every field that some record has may be used; `_sheets` lists them.";
        let open = if self.sheet.spec().is_open() { open } else { "" };
        format!("{text}{open}")
    }

    /// Returns the parameters that are lists of fields.
    fn named_fields(&self) -> Vec<Value> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        let list = |name: &str, description: &str, names: Vec<String>| {
            json!({
                "name": name, "in": "query", "description": description,
                "style": "form", "explode": false,
                "schema": {
                    "type": "array", "minItems": 1,
                    "items": { "type": "string", "enum": names },
                },
            })
        };
        let names = || self.fields.clone();
        let directions = names().into_iter().flat_map(|field| [format!("-{field}"), field]);
        vec![
            list(
                "sort",
                "Fields to sort by, at most 32, `-` for descending. Booleans come before numbers before \
                 strings before others, missing values last both ways; the key breaks ties.",
                directions.collect(),
            ),
            list("facets", "Fields whose values are counted among the matches.", names()),
            list("fields", "Only these fields of each value.", names()),
        ]
    }

    fn filters(&self) -> impl Iterator<Item = Value> {
        let fields = self.fields.iter().filter(|field| !TAKEN.contains(&field.as_str()));
        fields.map(|field| {
            json!({
                "name": field, "in": "query", "style": "deepObject", "explode": true,
                "description": format!("Conditions on `{field}`."),
                "schema": schema("Filter"),
            })
        })
    }

    /// Returns the parameter that includes what the records refer to, if they refer to anything that
    /// is public.
    fn references(&self) -> Option<Value> {
        let references = self.sheet.spec().refs.iter().filter(|reference| reference.is_public);
        let fields: Vec<_> = references.map(|reference| reference.field.as_str()).collect();
        (!fields.is_empty()).then(|| {
            json!({
                "name": "include", "in": "query", "style": "form", "explode": false,
                "description": "Fields that refer to records, which `included` shows.",
                "schema": {
                    "type": "array", "minItems": 1, "items": { "type": "string", "enum": fields },
                },
            })
        })
    }

    fn show(&self) -> Operation {
        let references = self.references();
        let record = match &references {
            None => self.record(),
            Some(_) => json!({ "anyOf": [self.record(), self.record_with_references()] }),
        };
        Operation::new(&self.name, "get", format!("Returns a record of {}", self.sheet_name()))
            .takes([parameter("key")])
            .takes(references)
            .takes(parameters::moment())
            .answers_tagged(Answer::json("The record, as a `PUT` takes it.", record))
            .refuses(Refusals::Read)
    }

    fn record_with_references(&self) -> Value {
        json!({
            "title": "With `include`",
            "type": "object",
            "required": ["key", "value", "included"],
            "properties": {
                "key": schema("Key"),
                "value": self.record(),
                "included": schema("Included"),
                "includedCut": schema("IncludedCut"),
            },
        })
    }
}
