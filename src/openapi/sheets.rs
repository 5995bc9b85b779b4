//! The paths of each public sheet: its list and its records.

use headwater_engine::query::{DEFAULT_PAGE, ListParameter, MAX_FACET_LIMIT, MAX_PAGE};
use serde_json::{Map, Value, json};

use super::error_responses::Refusals;
use super::name::segment;
use super::operation::{Answer, Operation};
use super::options::Offer;
use super::shared_refs::{parameter, schema};
use super::sheet_fields::Described;
use super::{parameters, schema_dialect, writes};

impl Described {
    /// Adds the schemas of its records and of its list.
    pub(super) fn add_schemas(&self, schemas: &mut Map<String, Value>) {
        let list = format!("{}.list", self.name);
        let place = format!("/components/schemas/{}", self.name);
        let spec = self.sheet.spec();
        let record = match &spec.schema {
            Some(schema) => schema_dialect::translated(schema.source(), &place),
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
        let element = json!({ "title": "An element, with `unnest`" });
        json!({
            "type": "object",
            "required": ["total"],
            "anyOf": [{ "required": ["items"] }, { "required": ["groups"] }],
            "properties": {
                "items": {
                    "type": "array",
                    "maxItems": MAX_PAGE,
                    "items": {
                        "type": "object",
                        "required": ["key", "value"],
                        "properties": {
                            "key": schema("Key"),
                            "at": {
                                "description": "With `unnest`, the JSON Pointer \
                                                of the element in its record.",
                                "type": "string",
                            },
                            "value": { "anyOf": [self.record(), part, element] },
                        },
                    },
                },
                "groups": schema("Groups"),
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
        let key = "$response.body#/items/0/key";
        let lines = json!({
            "type": "string",
            "description": "The whole list, one item a line. Parameters that ask for a part of \
                            it, or for anything but the records, are refused.",
        });
        let table = json!({
            "type": "string",
            "description": "A table (RFC 4180) of all items or groups, or with `perPage=0` of the \
                            counts; of a part, if one is requested.",
        });
        let answer = Answer::json("A part of the list.", schema(&format!("{}.list", self.name)))
            .content("application/x-ndjson", lines)
            .content("text/csv", table)
            .headers(&["Link"])
            .link("first", &format!("{}.get", self.name), json!({ "key": key }));
        Operation::new(&self.name, "list", format!("Lists {}", self.sheet_name()))
            .described(self.how_to_filter())
            .takes(ListParameter::ALL.into_iter().filter_map(|parameter| self.parameter(parameter)))
            .takes(self.filters())
            .takes(parameters::selector())
            .answers_tagged(answer)
            .refuses(Refusals::List)
    }

    fn how_to_filter(&self) -> String {
        let text = "In key order, unless `sort` or `q` is given. `field=v` is short \
                    for `field[eq]=v`; a parameter may be repeated, and all must be met.";
        let open = " Every field that some record has may be used; `_sheets` lists them.";
        let open = if self.sheet.spec().is_open() { open } else { "" };
        format!("{text}{open}")
    }

    /// Returns a parameter of the list; `None` if the sheet has nothing that it could name.
    fn parameter(&self, list_parameter: ListParameter) -> Option<Value> {
        let list = |description: &str, names: Vec<String>| {
            (!names.is_empty()).then(|| {
                json!({
                    "name": list_parameter.name(), "in": "query", "description": description,
                    "style": "form", "explode": false,
                    "schema": {
                        "type": "array", "minItems": 1,
                        "items": { "type": "string", "enum": names },
                    },
                })
            })
        };
        let names = || self.fields.clone();
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
                names().into_iter().flat_map(|field| [format!("-{field}"), field]).collect(),
            ),
            ListParameter::Facets => list(
                "Fields whose values are counted among the matches. `:year`, `:month` and `:day` \
                 count moments by these, and numbers such as `:0,4,7` count numbers in the ranges \
                 between them.",
                self.counted(),
            ),
            ListParameter::PerPage => one(
                "The size of a page; with 0 it has only counts.",
                json!({
                    "type": "integer", "minimum": 0, "maximum": MAX_PAGE, "default": DEFAULT_PAGE,
                }),
            ),
            ListParameter::FacetLimit => one(
                "How many values of each facet are returned.",
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_FACET_LIMIT, "default": 100 }),
            ),
            ListParameter::FacetSort => one(
                "Whether the values of facets, and groups, are sorted by count, the largest \
                 first, or by value.",
                json!({ "type": "string", "enum": ["count", "value"], "default": "count" }),
            ),
            ListParameter::FacetMode => one(
                "`or` counts each facet without the conditions on its own field.",
                json!({ "type": "string", "enum": ["and", "or"], "default": "and" }),
            ),
            ListParameter::Stats => {
                list("Fields for whose values figures are returned, at most 8.", names())
            }
            ListParameter::GroupBy => list(
                "Answers with groups instead of items: items with equal values in these fields, at \
                 most 4. As in `facets`, moments may be grouped by `:year` and the like. `stats` \
                 then apply to each group.",
                self.counted(),
            ),
            ListParameter::Format => one(
                "The form of the answer, for callers that cannot set `Accept`.",
                json!({ "type": "string", "enum": ["json", "ndjson", "csv"] }),
            ),
            ListParameter::Now => one(
                "The moment of `now` and `today` in conditions, as in `now-90d`. The default is \
                 the time of the request, which the answer returns.",
                json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$" }),
            ),
            ListParameter::Unnest => one(
                "A list whose elements are the items. Conditions, sorts and counts on it and in it \
                 apply to the element, all others to its record.",
                json!({ "type": "string", "enum": names() }),
            )
            .filter(|_| !names().is_empty()),
            ListParameter::Fields => list(
                "Only these fields of each value, or all except those after a `-`.",
                names().into_iter().flat_map(|field| [format!("-{field}"), field]).collect(),
            ),
            ListParameter::Include => self.references(),
        }
    }

    /// Returns the fields and intervals that values can be counted by, except ranges.
    fn counted(&self) -> Vec<String> {
        let by = |field: &String| ["", ":year", ":month", ":day"].map(|by| format!("{field}{by}"));
        self.fields.iter().flat_map(by).collect()
    }

    fn filters(&self) -> impl Iterator<Item = Value> {
        // A field with the name of a parameter is requested as `field[eq]`. It is not a parameter
        // of its own, because no two may have the same name.
        let is_free = |field: &&String| *field != "at" && ListParameter::of(field).is_none();
        let fields = self.fields.iter().filter(is_free);
        fields.map(|field| {
            json!({
                "name": field, "in": "query", "style": "deepObject", "explode": true,
                "description": format!("Conditions on `{field}`."),
                "schema": schema("Filter"),
            })
        })
    }

    /// Returns the parameter that includes the records that these refer to, if they refer to any
    /// that are public.
    fn references(&self) -> Option<Value> {
        let references = self.sheet.spec().refs.iter().filter(|reference| reference.is_public);
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
        let references = self.references();
        let record = match &references {
            None => self.record(),
            Some(_) => json!({ "anyOf": [self.record(), self.record_with_references()] }),
        };
        Operation::new(&self.name, "get", format!("Returns a record of {}", self.sheet_name()))
            .takes([parameter("key")])
            .takes(references)
            .takes(parameters::selector())
            .answers_tagged(Answer::json("The record, as `PUT` accepts it.", record))
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
