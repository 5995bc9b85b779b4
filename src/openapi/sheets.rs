//! The paths of each public sheet: its list and its records.

use std::collections::BTreeSet;

use headwater_engine::query::{DEFAULT_PAGE, ListParameter, MAX_FACET_LIMIT, MAX_PAGE};
use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::name::{INCLUDED, LIST, PART, PATCH, WRITTEN, component, segment};
use super::operation::{Answer, Operation, operation_id};
use super::options::Offer;
use super::shared_refs::{parameter, schema};
use super::sheet_fields::Described;
use super::{components, parameters, partial, schema_dialect, writes};

/// The field that is the key of a record.
const KEY: &str = "_key";

impl Described {
    /// Adds the schemas of its records, of parts and changes of them, and of its answers. `sheets` are
    /// all that are described.
    pub(super) fn add_schemas(&self, sheets: &[Self], schemas: &mut Map<String, Value>) {
        let place = format!("/components/schemas/{}", self.name);
        let spec = self.sheet.spec();
        let record = match &spec.schema {
            Some(schema) => schema_dialect::translated(schema.source(), &place),
            None => {
                let is_table = matches!(spec.format_name(), "toml" | "markdown" | "mdx");
                let kind = if is_table { json!("object") } else { json!(["object", "array"]) };
                json!({ "type": kind, "additionalProperties": true })
            }
        };
        let mut add = |ending, schema| schemas.insert(component(&self.name, ending), schema);
        add(PART, partial::part(&record));
        add(PATCH, partial::patch(&record));
        add(WRITTEN, components::written(self.record()));
        add(INCLUDED, self.included(sheets));
        add(LIST, self.list_schema());
        schemas.insert(self.name.clone(), record);
    }

    fn list_schema(&self) -> Value {
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
                            "value": schema(&component(&self.name, PART)),
                        },
                    },
                },
                "total": { "type": "integer", "minimum": 0 },
                "page": { "type": "integer", "minimum": 1 },
                "perPage": { "type": "integer", "minimum": 0, "maximum": MAX_PAGE },
                "limit": { "type": "integer", "minimum": 1, "maximum": MAX_PAGE },
                "next": {
                    "description": "The `cursor` of the next part; null at the end.",
                    "type": ["string", "null"],
                },
                "skipped": {
                    "description": "How many records `filter` has no value for; they are not listed.",
                    "type": "integer", "minimum": 0,
                },
                "facets": schema("Facets"),
                "more": schema("More"),
                "relaxed": schema("Relaxed"),
                "stats": schema("Stats"),
                "now": {
                    "description": "The moment that `now` stands for, if a condition names it.",
                    "type": "string",
                },
                "corrected": schema("Corrected"),
                "included": schema(&component(&self.name, INCLUDED)),
                "includedCut": schema("IncludedCut"),
            },
        })
    }

    /// Returns the schema of the records that its records refer to.
    fn included(&self, sheets: &[Self]) -> Value {
        let references = self.sheet.spec().public_references();
        let referred: BTreeSet<_> = references.map(|reference| &reference.sheet).collect();
        let sheets = sheets.iter().filter(|sheet| referred.contains(&sheet.sheet.spec().name));
        let by_sheet = sheets.map(|sheet| {
            let records = json!({ "type": "object", "additionalProperties": sheet.record() });
            (sheet.sheet_name().to_owned(), records)
        });
        json!({
            "description": "The referenced records, by sheet and key.",
            "type": "object",
            "properties": by_sheet.collect::<Map<_, _>>(),
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
        let key = "$response.body#/items/0/key";
        let answer = Answer::json("A page of the list.", schema(&component(&self.name, LIST)))
            .headers(&["Link"])
            .link("first", operation_id(&self.name, "get"), json!({ "key": key }));
        Operation::new(&self.name, "list", format!("Lists {}", self.sheet_name()))
            .described(self.how_to_list())
            .takes(ListParameter::ALL.into_iter().filter_map(|parameter| self.parameter(parameter)))
            .takes(self.filters())
            .takes(parameters::selector())
            .answers_tagged(answer)
            .refuses(Refusals::List)
    }

    /// Tells also of what has answers of other forms, which would make the answer a union in clients
    /// that are generated.
    fn how_to_list(&self) -> String {
        let text = "In key order, unless `sort` or `q` is given. `field=v` is short \
                    for `field[eq]=v`; a parameter may be repeated, and all must be met. \
                    With `Accept: application/x-ndjson`, or `format=ndjson`, the answer is the whole \
                    list, an item a line; with `text/csv` or `format=csv`, a table. `groupBy` answers \
                    with groups instead of items, and with `unnest` the elements of a list are the items.";
        let open = " Every field that some record has may be used; `_sheets` lists them.";
        let open = if self.sheet.spec().is_open() { open } else { "" };
        format!("{text}{open}")
    }

    /// Returns a parameter of the list; `None` if the sheet has nothing that it could name.
    fn parameter(&self, list_parameter: ListParameter) -> Option<Value> {
        // The names are a pattern: generators make identifiers of the values of an enumeration, and
        // `name` and `-name` are the same one.
        let list = |description: &str, before: &str, after: &str| {
            let names =
                self.fields.iter().map(|field| escaped(field)).collect::<Vec<_>>().join("|");
            (!names.is_empty()).then(|| {
                json!({
                    "name": list_parameter.name(), "in": "query", "description": description,
                    "style": "form", "explode": false,
                    "schema": {
                        "type": "array", "minItems": 1,
                        "items": { "type": "string", "pattern": format!("^{before}(?:{names}){after}$") },
                    },
                })
            })
        };
        let one = |description: &str, schema: Value| {
            Some(json!({
                "name": list_parameter.name(), "in": "query", "description": description,
                "schema": schema,
            }))
        };
        match list_parameter {
            ListParameter::Text
            | ListParameter::Match
            | ListParameter::Prefix
            | ListParameter::Filter
            | ListParameter::Page
            | ListParameter::Cursor
            | ListParameter::Limit => Some(parameter(list_parameter.name())),
            ListParameter::Sort => list(
                "Fields to sort by, at most 32, `-` for descending. Booleans come before numbers before \
                 strings before others, missing values last both ways; the key breaks ties.",
                "-?",
                "",
            ),
            ListParameter::Facets => list(
                "Fields whose values are counted among the matches. `:year`, `:month` and `:day` \
                 count moments by these, and numbers such as `:0,4,7` count numbers in the ranges \
                 between them.",
                "",
                "(?::year|:month|:day)?",
            ),
            ListParameter::PerPage => one(
                &format!(
                    "The size of a page, {DEFAULT_PAGE} by default; with 0 it has only counts."
                ),
                json!({ "type": "integer", "minimum": 0, "maximum": MAX_PAGE }),
            ),
            ListParameter::FacetLimit => one(
                "How many values of each facet are returned; 100 by default.",
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_FACET_LIMIT }),
            ),
            ListParameter::FacetSort => one(
                "Whether the values of facets are sorted by count, the largest first, which is the \
                 default, or by value.",
                json!({ "type": "string", "enum": ["count", "value"] }),
            ),
            ListParameter::FacetMode => one(
                "`or` counts each facet without the conditions on its own field; `and` by default.",
                json!({ "type": "string", "enum": ["and", "or"] }),
            ),
            ListParameter::Stats => {
                list("Fields for whose values figures are returned, at most 8.", "", "")
            }
            // Their answers have other forms.
            ListParameter::GroupBy | ListParameter::Unnest | ListParameter::Format => None,
            ListParameter::Now => one(
                "The moment of `now` and `today` in conditions, as in `now-90d`. The default is \
                 the time of the request, which the answer returns.",
                json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$" }),
            ),
            ListParameter::Fields => {
                list("Only these fields of each value, or all except those after a `-`.", "-?", "")
            }
            ListParameter::Include => self.references(),
        }
    }

    fn filters(&self) -> impl Iterator<Item = Value> {
        // A field with the name of a parameter is requested as `field[eq]`. It is not a parameter
        // of its own, because no two may have the same name.
        let is_free = |field: &&str| *field != "at" && ListParameter::of(field).is_none();
        let fields = self.fields.iter().map(String::as_str).filter(is_free);
        std::iter::once(KEY).chain(fields).map(|field| {
            json!({
                "name": field, "in": "query", "style": "deepObject", "explode": true,
                "description": format!("The value of `{field}`, or conditions on it."),
                "schema": schema("Filter"),
            })
        })
    }

    /// Returns the parameter that includes the records that these refer to, if they refer to any
    /// that are public.
    fn references(&self) -> Option<Value> {
        let references = self.sheet.spec().public_references();
        let fields: Vec<_> = references.map(|reference| reference.field.as_str()).collect();
        (!fields.is_empty()).then(|| {
            json!({
                "name": ListParameter::Include.name(), "in": "query", "style": "form", "explode": false,
                "description": "Fields that refer to records, which `included` shows.",
                "schema": {
                    "type": "array", "minItems": 1, "items": { "type": "string", "enum": fields },
                },
            })
        })
    }

    fn show(&self) -> Operation {
        Operation::new(&self.name, "get", format!("Returns a record of {}", self.sheet_name()))
            .described(
                "A list with `_key=` and `include=` shows it with the records that it refers to.",
            )
            .takes([parameter("key")])
            .takes(parameters::selector())
            .answers_tagged(Answer::json("The record, as `PUT` accepts it.", self.record()))
            .refuses(Refusals::Read)
    }
}

/// Returns a text as a regular expression that matches nothing else.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\^$.*+?()[]{}|/".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
