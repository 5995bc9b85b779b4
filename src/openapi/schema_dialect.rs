//! Translates the schemas of sheets from JSON Schema Draft 7 to the dialect of OpenAPI 3.1.
//!
//! Keywords that the server does not check are left out. References are rewritten, so that the
//! schema has the same meaning inside the larger document.

use std::collections::BTreeMap;

use headwater_engine::pointer::Pointer;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

/// The characters that must be encoded in a fragment.
const FRAGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Keywords that mean the same in both and hold no schema.
pub(super) const PLAIN: &[&str] = &[
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "format",
    "contentMediaType",
    "contentEncoding",
];

/// Keywords that check nothing, so that they may be next to a reference.
const NOTES: &[&str] = &["$comment", "title", "description", "default", "examples", "deprecated"];

/// Keywords whose value is one schema, a list of them, or a table of them.
const ONE: &[&str] =
    &["additionalProperties", "propertyNames", "contains", "if", "then", "else", "not"];
const LIST: &[&str] = &["allOf", "anyOf", "oneOf"];
const TABLE: &[&str] = &["properties", "patternProperties"];

/// Returns `schema` for `place`, its position in the document, such as
/// `/components/schemas/people`. A reference with no target allows everything.
pub(super) fn translated(schema: &Value, place: &str) -> Value {
    let mut walk = Walk::default();
    let at = At { root: 0, old: Pointer::whole(), new: Pointer::whole() };
    let mut translated = walk.schema(schema, &at);
    for Reference { at, root, document, target } in walk.references {
        let Some(Value::Object(schema)) = translated.pointer_mut(&at) else { continue };
        let root = match document {
            None => Some(root),
            Some(id) => walk.ids.iter().position(|known| *known == id).map(|at| at + 1),
        };
        match root.and_then(|root| walk.places.get(&(root, target))) {
            Some(found) => {
                let fragment = format!("{place}{found}");
                let fragment = utf8_percent_encode(&fragment, FRAGMENT);
                schema.insert("$ref".into(), format!("#{fragment}").into());
            }
            None => drop(schema.remove("$ref")),
        }
    }
    translated
}

/// A place in the schema: the root above it, its position below that root, and its position in the
/// result.
struct At {
    root: usize,
    old: Pointer,
    new: Pointer,
}

impl At {
    fn below(&self, old: &str, new: &str) -> Self {
        Self { root: self.root, old: self.old.member(old), new: self.new.member(new) }
    }

    fn inside(&self, keyword: &str, name: &str) -> Self {
        self.below(keyword, keyword).below(name, name)
    }
}

/// Returns the `$id` that `id` stands for in a document whose own is `base`.
fn joined(base: &str, id: &str) -> String {
    let id = id.trim_end_matches('#');
    let is_absolute = id.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    match base.rfind('/') {
        Some(slash) if !is_absolute => format!("{}{id}", &base[..=slash]),
        _ => id.to_owned(),
    }
}

/// A `$ref` at a place of the result, with a target below a root.
struct Reference {
    at: Pointer,
    root: usize,
    /// The `$id` of the root that it names, if any.
    document: Option<String>,
    target: String,
}

#[derive(Default)]
struct Walk {
    /// The last root; an `$id` starts another one.
    root: usize,
    /// The `$id` of each root except the first, which has none.
    ids: Vec<String>,
    /// The targets that a reference below a root may name, and their positions in the result.
    places: BTreeMap<(usize, String), Pointer>,
    references: Vec<Reference>,
}

impl Walk {
    /// Returns the `$id` that references below a root are relative to.
    fn id(&self, root: usize) -> &str {
        root.checked_sub(1).and_then(|at| self.ids.get(at)).map_or("", String::as_str)
    }

    fn schema(&mut self, schema: &Value, at: &At) -> Value {
        self.places.insert((at.root, at.old.to_string()), at.new.clone());
        let Value::Object(members) = schema else { return schema.clone() };
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            return self.reference(members, target, at);
        }
        let own;
        let at = match members.get("$id").and_then(Value::as_str) {
            None => at,
            Some(id) => match id.strip_prefix('#') {
                Some(anchor) => {
                    self.places.insert((at.root, format!("#{anchor}")), at.new.clone());
                    at
                }
                None => {
                    self.root += 1;
                    self.ids.push(joined(self.id(at.root), id));
                    own = At { root: self.root, old: Pointer::whole(), new: at.new.clone() };
                    self.places.insert((own.root, String::new()), own.new.clone());
                    &own
                }
            },
        };
        let mut out = Map::new();
        for (keyword, inside) in members {
            self.keyword(members, keyword, inside, at, &mut out);
        }
        Value::Object(out)
    }

    /// A reference is alone in Draft 7: the keywords next to it are ignored, but may be referred
    /// to.
    fn reference(&mut self, members: &Map<String, Value>, target: &str, at: &At) -> Value {
        let (document, fragment) = target.split_once('#').unwrap_or((target, ""));
        let document = (!document.is_empty()).then(|| joined(self.id(at.root), document));
        let fragment = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
        let is_anchor = !fragment.is_empty() && !fragment.starts_with('/');
        let target = if is_anchor { format!("#{fragment}") } else { fragment };
        self.references.push(Reference { at: at.new.clone(), root: at.root, document, target });
        let mut out = Map::from_iter([("$ref".to_owned(), Value::Null)]);
        let noted = members.iter().filter(|(keyword, _)| NOTES.contains(&keyword.as_str()));
        out.extend(noted.map(|(keyword, note)| (keyword.clone(), note.clone())));
        for keyword in ["definitions", "$defs"] {
            if let Some(inside) = members.get(keyword) {
                self.keyword(members, keyword, inside, at, &mut out);
            }
        }
        Value::Object(out)
    }

    fn keyword(
        &mut self,
        members: &Map<String, Value>,
        keyword: &str,
        inside: &Value,
        at: &At,
        out: &mut Map<String, Value>,
    ) {
        match (keyword, inside) {
            (plain, _) if PLAIN.contains(&plain) => {
                out.insert(plain.to_owned(), inside.clone());
            }
            (one, _) if ONE.contains(&one) => {
                out.insert(one.to_owned(), self.schema(inside, &at.below(one, one)));
            }
            (list, Value::Array(schemas)) if LIST.contains(&list) => {
                out.insert(list.to_owned(), self.list(schemas, list, list, at));
            }
            (table, Value::Object(schemas)) if TABLE.contains(&table) => {
                let schemas = schemas.iter().map(|(name, schema)| {
                    (name.clone(), self.schema(schema, &at.inside(table, name)))
                });
                let schemas: Map<String, Value> = schemas.collect();
                out.insert(table.to_owned(), schemas.into());
            }
            ("definitions" | "$defs", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    let new = free(out, "$defs", name);
                    let at = at.below(keyword, "$defs").below(name, &new);
                    let schema = self.schema(schema, &at);
                    table_of(out, "$defs").insert(new, schema);
                }
            }
            ("items", Value::Array(schemas)) if !schemas.is_empty() => {
                let schemas = self.list(schemas, "items", "prefixItems", at);
                out.insert("prefixItems".into(), schemas);
            }
            ("items", Value::Object(_) | Value::Bool(_)) => {
                out.insert("items".into(), self.schema(inside, &at.below("items", "items")));
            }
            ("additionalItems", _) if members.get("items").is_some_and(Value::is_array) => {
                let at = at.below("additionalItems", "items");
                out.insert("items".into(), self.schema(inside, &at));
            }
            ("dependencies", Value::Object(dependencies)) => {
                for (name, dependency) in dependencies {
                    if dependency.is_array() {
                        table_of(out, "dependentRequired").insert(name.clone(), dependency.clone());
                    } else {
                        let at = at.below(keyword, "dependentSchemas").below(name, name);
                        let schema = self.schema(dependency, &at);
                        table_of(out, "dependentSchemas").insert(name.clone(), schema);
                    }
                }
            }
            // Names of the document, and keywords that Draft 7 does not know and the server does
            // not check.
            _ => {}
        }
    }

    fn list(&mut self, schemas: &[Value], old: &str, new: &str, at: &At) -> Value {
        let schemas = schemas.iter().enumerate().map(|(number, schema)| {
            let number = number.to_string();
            self.schema(schema, &at.below(old, new).below(&number, &number))
        });
        Value::Array(schemas.collect())
    }
}

/// Returns the table under `keyword`, and creates it if necessary.
fn table_of<'o>(out: &'o mut Map<String, Value>, keyword: &str) -> &'o mut Map<String, Value> {
    let table = out.entry(keyword).or_insert_with(|| Map::new().into());
    table.as_object_mut().expect("the value of this keyword is a table")
}

/// Returns `name`, changed if the table under `keyword` has it already.
fn free(out: &Map<String, Value>, keyword: &str, name: &str) -> String {
    let mut name = name.to_owned();
    while out.get(keyword).is_some_and(|table| table.get(&name).is_some()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(draft_7: Value, expected: Value) {
        assert_eq!(translated(&draft_7, "/at"), expected, "{draft_7}");
    }

    #[test]
    fn what_means_the_same_stays_and_what_is_not_checked_goes() {
        check(
            json!({
                "$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://a.org/b",
                "type": "object", "required": ["a"], "minContains": 2, "readOnly": true,
                "dependentRequired": {"a": ["b"]},
                "properties": {"a": {"type": "string", "pattern": "^a", "$anchor": "x"}},
                "if": {"const": {"$ref": "#/data"}}, "then": false
            }),
            json!({
                "type": "object", "required": ["a"],
                "properties": {"a": {"type": "string", "pattern": "^a"}},
                "if": {"const": {"$ref": "#/data"}}, "then": false
            }),
        );
    }

    #[test]
    fn what_is_called_otherwise_is_called_otherwise() {
        check(
            json!({"items": [{"type": "string"}, true], "additionalItems": {"type": "number"}}),
            json!({"prefixItems": [{"type": "string"}, true], "items": {"type": "number"}}),
        );
        check(json!({"items": {}, "additionalItems": false}), json!({"items": {}}));
        check(json!({"items": [], "additionalItems": false}), json!({"items": false}));
        check(
            json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}),
        );
        check(
            json!({"definitions": {"a": true}, "$defs": {"a": false}}),
            json!({"$defs": {"a": false, "a_": true}}),
        );
    }

    #[test]
    fn references_lead_to_the_same_schemas() {
        check(
            json!({
                "definitions": {"a b": {"type": "string"}, "named": {"$id": "#name", "type": "null"}},
                "items": [{"$ref": "#/definitions/a%20b"}],
                "properties": {
                    "list": {"$ref": "#/items/0"}, "self": {"$ref": "#"},
                    "name": {"$ref": "#name"}, "lost": {"$ref": "#/nowhere"}
                }
            }),
            json!({
                "$defs": {"a b": {"type": "string"}, "named": {"type": "null"}},
                "prefixItems": [{"$ref": "#/at/$defs/a%20b"}],
                "properties": {
                    "list": {"$ref": "#/at/prefixItems/0"}, "self": {"$ref": "#/at"},
                    "name": {"$ref": "#/at/$defs/named"}, "lost": {}
                }
            }),
        );
    }

    #[test]
    fn a_reference_leads_to_what_has_the_id() {
        check(
            json!({
                "$id": "https://a.org/root.json",
                "definitions": {
                    "b": {"$id": "b.json", "type": "string", "definitions": {"x": true}},
                    "u": {"$id": "urn:example:u", "type": "null"}
                },
                "properties": {
                    "near": {"$ref": "b.json"}, "far": {"$ref": "https://a.org/b.json#"},
                    "inside": {"$ref": "b.json#/definitions/x"}, "urn": {"$ref": "urn:example:u"},
                    "self": {"$ref": "root.json"}, "lost": {"$ref": "c.json"}
                }
            }),
            json!({
                "$defs": {"b": {"type": "string", "$defs": {"x": true}}, "u": {"type": "null"}},
                "properties": {
                    "near": {"$ref": "#/at/$defs/b"}, "far": {"$ref": "#/at/$defs/b"},
                    "inside": {"$ref": "#/at/$defs/b/$defs/x"}, "urn": {"$ref": "#/at/$defs/u"},
                    "self": {"$ref": "#/at"}, "lost": {}
                }
            }),
        );
    }

    #[test]
    fn a_reference_is_read_below_the_id_that_it_stands_in() {
        check(
            json!({"allOf": [
                {"$id": "https://a.org/b", "definitions": {"x": true}, "not": {"$ref": "#/definitions/x"}},
                {"$ref": "#/allOf/0/definitions/x"}
            ]}),
            json!({"allOf": [
                {"$defs": {"x": true}, "not": {"$ref": "#/at/allOf/0/$defs/x"}},
                {}
            ]}),
        );
    }

    #[test]
    fn what_stands_beside_a_reference_counts_for_nothing() {
        check(
            json!({
                "$ref": "#/definitions/a", "title": "T", "type": "null",
                "definitions": {"a": {"type": "string"}}
            }),
            json!({"$ref": "#/at/$defs/a", "title": "T", "$defs": {"a": {"type": "string"}}}),
        );
    }
}
