//! JSON Schema, Draft 7, as gitsheets reads it: with a strict vocabulary, and no references that
//! leave the document. Anything with an `$id` in the document counts as inside.

mod keywords;
mod kinds;
mod looks;
mod out_of_steps;
mod pattern_size;
mod references;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ReferencingError, ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::pointer::Pointer;
use crate::value::FieldPath;

use keywords::{KEYWORDS, LIST, NAMED, ONE};
pub(super) use kinds::Kinds;
use looks::{Counted, Prices, Seen};
use references::Effort;
pub(super) use room::Room;

/// The maximum nesting depth of a schema, and the maximum number of violations reported for one
/// record.
const DEPTH: usize = 64;
const VIOLATIONS: usize = 100;
/// The maximum number that is searched for. A value that breaks a rule in each of its half a
/// million elements would take hundreds of megabytes to report.
const FOUND: usize = 10_000;
/// The references that are followed to check a value: so many for any value, and so many more for
/// each value in it.
const STEPS: usize = 50_000;
const STEPS_EACH: usize = 100;
/// How often a check may look at a value: so often at any value, and so often more for each value
/// in it. A keyword looks a few times at what it applies to.
const LOOKS: usize = 500_000;
const LOOKS_EACH: usize = 200;
/// How often a pattern that looks around may try again on one text.
const BACKTRACKS: usize = 5_000;
/// The most bytes of the automaton of a pattern.
const PATTERN_BYTES: usize = 1 << 20;
/// The references and alternatives that are tried to say what is wrong with a value. Each may come
/// with a copy of a part of it.
const STEPS_TO_TELL: usize = 10_000;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator<Counted>,
    prices: Prices,
    source: Value,
    fields: BTreeSet<String>,
    containers: BTreeSet<String>,
    texts: BTreeSet<String>,
    kinds: BTreeMap<String, Kinds>,
    /// For each part that allows only the members it names, their names.
    closed: Vec<BTreeSet<String>>,
}

/// A reason why a schema cannot be used, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct SchemaError(String);

/// A value that breaks the schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The JSON Pointer of the value.
    pub pointer: Pointer,
    /// What is wrong with it.
    pub message: String,
    /// The keyword that it breaks: `required`, `pattern`, `format` and the like.
    pub keyword: String,
}

impl Schema {
    /// Compiles `parts`, all of which a value must meet: contracts first, the sheet's own last.
    ///
    /// # Errors
    ///
    /// Fails on an unknown keyword, if there is not enough `room` for the schema, and if the
    /// validator rejects it.
    pub(super) fn compile(parts: &[Value], room: &Room) -> Result<Self, SchemaError> {
        let (mut fields, mut containers) = (BTreeSet::new(), BTreeSet::new());
        let (mut texts, mut kinds) = (BTreeSet::new(), BTreeMap::<_, Kinds>::new());
        for part in parts {
            check_keywords(part, "", DEPTH)?;
            collect_fields(part, "", &mut |path, property| {
                if matches!(property["type"].as_str(), Some("array" | "object")) {
                    containers.insert(path.clone());
                }
                if is_text(property) {
                    texts.insert(path.clone());
                }
                kinds.entry(path.clone()).or_default().extend(Kinds::of(property));
                fields.insert(path);
            });
        }
        let prices = room.take(parts)?;
        let whole = match parts {
            [one] => one.clone(),
            several => json!({ "allOf": several }),
        };
        let patterns =
            PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS).size_limit(PATTERN_BYTES);
        let validator = references::counting(jsonschema::options_for())
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .offline()
            .with_pattern_options(patterns)
            .with_pattern_cache(room.cache())
            .build(&references::counted(&whole))
            .map_err(|error| SchemaError(unusable(&error)))?;
        let closed = parts.iter().filter_map(only_members).collect();
        Ok(Self { validator, prices, source: whole, fields, containers, texts, kinds, closed })
    }

    /// Returns the schema itself, in Draft 7, as one document in which its references resolve.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Returns the fields that the schema names, dotted.
    pub fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// Returns the fields that the schema defines as arrays or objects, dotted.
    pub(super) fn containers(&self) -> &BTreeSet<String> {
        &self.containers
    }

    /// Returns whether the schema allows only strings and null in a dotted field.
    pub fn is_text(&self, field: &str) -> bool {
        self.texts.contains(field)
    }

    /// Returns the kinds of values that a field may hold, as far as the schema restricts them.
    pub(super) fn kinds(&self, field: &FieldPath) -> Kinds {
        self.kinds.get(field.as_str()).copied().unwrap_or(Kinds::ALL)
    }

    /// Returns whether no valid value has the field.
    pub(super) fn forbids(&self, field: &FieldPath) -> bool {
        self.closed.iter().any(|members| !field.outermost().any(|name| members.contains(name)))
    }

    /// Returns what is wrong with `value`, by place and message; at most a hundred.
    ///
    /// Costs at most so many steps, by the number of values in `value` and whatever the schema. A
    /// value that would take more breaks the schema.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let values = count(value);
        let effort = Effort {
            steps: STEPS + STEPS_EACH * values,
            looks: LOOKS + LOOKS_EACH * values,
            prices: self.prices,
        };
        match references::within(effort, || self.validator.is_valid(Seen(value))) {
            Some(true) => return Vec::new(),
            Some(false) => {}
            None => {
                let message = "checking the value under the schema takes too many steps";
                return vec![whole_value(message.into())];
            }
        }
        let all = || self.validator.iter_errors(Seen(value)).take(FOUND).map(violation).collect();
        let effort = Effort { steps: STEPS_TO_TELL, ..effort };
        let Some(mut violations): Option<Vec<_>> = references::within(effort, all) else {
            let message = "the value violates the schema, whose references and \
                           alternatives give too many reasons to list";
            return vec![whole_value(message.into())];
        };
        violations.sort_unstable();
        violations.dedup();
        violations.truncate(VIOLATIONS);
        violations
    }
}

fn violation(error: ValidationError<'_>) -> Violation {
    Violation {
        pointer: Pointer::parse(error.instance_path().as_str()).unwrap_or_default(),
        // Without the value itself, which may be long, or not for everybody's eyes.
        message: one_line(&error.masked().to_string()),
        keyword: keyword(&error.schema_path().to_string()),
    }
}

/// Returns a violation that has no place of its own.
fn whole_value(message: String) -> Violation {
    Violation { pointer: Pointer::whole(), message, keyword: "$ref".into() }
}

/// Returns how many values there are in a value, with itself.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Returns the names of the members that a schema takes, if it takes no others.
fn only_members(schema: &Value) -> Option<BTreeSet<String>> {
    let is_closed =
        schema["additionalProperties"] == false && schema["patternProperties"].is_null();
    let names = || schema["properties"].as_object().into_iter().flatten();
    is_closed.then(|| names().map(|(name, _)| name.clone()).collect())
}

fn is_text(property: &Value) -> bool {
    match &property["type"] {
        Value::Array(types) => {
            let other = |kind: &Value| kind != "string" && kind != "null";
            types.iter().any(|kind| kind == "string") && !types.iter().any(other)
        }
        only => only == "string",
    }
}

/// Returns the reason why a schema cannot be used.
fn unusable(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) => {
            format!("the $ref to {uri:?} leaves the schema, which is not supported")
        }
        _ => format!("the schema cannot be used: {}", one_line(&error.to_string())),
    }
}

/// Returns the last segment of a path into the schema.
fn keyword(schema_path: &str) -> String {
    schema_path.rsplit_once('/').map_or(schema_path, |(_, keyword)| keyword).to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_keywords(schema: &Value, at: &str, depth: usize) -> Result<(), SchemaError> {
    let Value::Object(members) = schema else { return Ok(()) };
    if depth == 0 {
        return Err(SchemaError("the schema is nested too deeply".into()));
    }
    for (keyword, inside) in members {
        let at = format!("{at}{}", Pointer::of([keyword]));
        let known = keyword.as_str();
        if !KEYWORDS.contains(&known) {
            return Err(SchemaError(format!("{at} is not a keyword of JSON Schema Draft 7")));
        }
        for (name, schema) in sub_schemas(known, inside) {
            check_keywords(schema, &format!("{at}{name}"), depth - 1)?;
        }
    }
    Ok(())
}

/// Returns the schemas inside a keyword's value, each with its position.
fn sub_schemas<'v>(keyword: &str, value: &'v Value) -> Vec<(String, &'v Value)> {
    let list = |values: &'v [Value]| -> Vec<(String, &'v Value)> {
        values.iter().enumerate().map(|(at, schema)| (format!("/{at}"), schema)).collect()
    };
    let named = |members: &'v Map<String, Value>| -> Vec<(String, &'v Value)> {
        members.iter().map(|(name, schema)| (Pointer::of([name]).into(), schema)).collect()
    };
    match value {
        Value::Array(values) if LIST.contains(&keyword) || keyword == "items" => list(values),
        Value::Object(members) if NAMED.contains(&keyword) => named(members),
        // A dependency is a schema or a list of names.
        Value::Object(members) if keyword == "dependencies" => named(members),
        Value::Object(_) if ONE.contains(&keyword) || keyword == "items" => {
            vec![(String::new(), value)]
        }
        _ => Vec::new(),
    }
}

/// Reports every property with its dotted name, through arrays and combinations. The depth was
/// checked together with the keywords.
fn collect_fields(schema: &Value, prefix: &str, found: &mut dyn FnMut(String, &Value)) {
    let Value::Object(members) = schema else { return };
    for (keyword, inside) in members {
        match (keyword.as_str(), inside) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let path =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    collect_fields(property, &path, found);
                    found(path, property);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "items" | "if" | "then" | "else", inside) => {
                for (_, schema) in sub_schemas(keyword, inside) {
                    collect_fields(schema, prefix, found);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(parts: &[Value]) -> Result<Schema, SchemaError> {
        Schema::compile(parts, &Room::default())
    }

    #[test]
    fn every_violation_is_told_with_its_place() {
        let schema = json!({
            "type": "object", "required": ["slug", "email"],
            "properties": {
                "slug": { "type": "string", "pattern": "^[a-z]+$" },
                "email": { "type": "string", "format": "email" }
            }
        });
        let schema = compile(&[schema]).unwrap();
        assert_eq!(schema.violations(&json!({"slug": "a", "email": "a@b.org"})), []);
        let found = schema.violations(&json!({"slug": "A", "email": "x"}));
        let places: Vec<_> = found.iter().map(|violation| &*violation.pointer).collect();
        assert_eq!(places, ["/email", "/slug"]);
        let keywords: Vec<_> = found.iter().map(|violation| &*violation.keyword).collect();
        assert_eq!(keywords, ["format", "pattern"]);
        assert!(found[1].message.contains("^[a-z]+$"), "{}", found[1].message);
        let missing = &schema.violations(&json!({"slug": "a"}))[0];
        assert_eq!((&*missing.pointer, &*missing.keyword), ("", "required"));
        assert!(schema.fields().contains("slug"));
    }

    #[test]
    fn comparisons_of_long_values_count_by_their_length() {
        let list = |length: usize, last: usize| {
            let mut list = vec![json!(1); length];
            list.push(json!(last));
            Value::from(list)
        };
        let lists = |count, length| Value::from_iter((0..count).map(|n| list(length, n)));
        let unique = |times| json!({ "allOf": vec![json!({"uniqueItems": true}); times] });
        let choices = |count| json!({ "items": { "enum": lists(count, 50) } });
        let chosen = |last: usize| Value::from(vec![list(50, last); 100]);
        let constants = |count: usize| {
            let no = (1..count).map(|n| json!({"not": {"const": list(1_000, n)}}));
            json!({ "items": { "allOf": Value::from_iter(no) } })
        };
        for (schema, value, costs_too_much) in [
            (unique(1), lists(15, 1_000), false),
            (unique(1_000), lists(15, 1_000), true),
            (unique(1), lists(100, 1_000), false),
            (unique(10_000), lists(16, 1_000), true),
            (choices(2_000), chosen(0), false),
            (choices(2_000), chosen(1_999), true),
            (constants(10), lists(1, 1_000), false),
            (constants(2_000), lists(1, 1_000), true),
        ] {
            let found = compile(&[schema]).unwrap().violations(&value);
            let refused =
                found.first().is_some_and(|first| first.message.contains("too many steps"));
            assert_eq!(refused, costs_too_much, "{found:?}");
        }
    }

    #[test]
    fn a_field_is_a_text_where_it_can_be_nothing_else() {
        let schema = json!({"properties": {
            "a": {"type": "string"}, "b": {"type": ["string", "null"]},
            "c": {"type": ["string", "number"]}, "d": {"type": "integer"}, "e": {},
            "g": {"type": ["string"]}, "h": {"type": ["null"]},
        }});
        let schema = compile(&[schema]).unwrap();
        let texts = ["a", "b", "g", "c", "d", "e", "f", "h"].map(|field| schema.is_text(field));
        assert_eq!(texts, [true, true, true, false, false, false, false, false]);
    }

    #[test]
    fn a_field_is_forbidden_where_others_are_named_and_no_more_are_taken() {
        let forbids = |schema: Value, field: &str| {
            compile(&[json!({}), schema]).unwrap().forbids(&FieldPath::new(field))
        };
        let open = json!({"properties": {"a": {}}});
        let closed = json!({"properties": {"a": {}}, "additionalProperties": false});
        let patterned = json!({"additionalProperties": false, "patternProperties": {"^x": {}}});
        assert!(forbids(closed.clone(), "b") && forbids(closed.clone(), "b.a"));
        assert!(!forbids(closed.clone(), "a") && !forbids(closed, "a.b"));
        let dotted = json!({"properties": {"a.b": {}}, "additionalProperties": false});
        assert!(!forbids(dotted.clone(), "a.b.c") && forbids(dotted, "a.c"));
        assert!(!forbids(open, "b") && !forbids(patterned, "b"));
        assert!(!forbids(json!({"patternProperties": {"^x": {}}}), "b"));
    }

    #[test]
    fn the_source_is_what_all_parts_say_together() {
        let (a, b) = (json!({"title": "a"}), json!({"title": "b"}));
        assert_eq!(*compile(std::slice::from_ref(&a)).unwrap().source(), a);
        let both = compile(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(*both.source(), json!({"allOf": [a, b]}));
    }

    #[test]
    fn the_values_of_a_record_are_not_in_the_message() {
        let schema = compile(&[json!({"properties": {"a": {"const": 1}}})]).unwrap();
        let found = schema.violations(&json!({"a": "hush"}));
        assert!(!found[0].message.contains("hush"), "{}", found[0].message);
    }

    #[test]
    fn formats_of_other_scripts_are_checked() {
        for (format, good, bad) in
            [("idn-email", "ä@bücher.de", "ä"), ("idn-hostname", "bücher.de", "a b")]
        {
            let schema = compile(&[json!({ "format": format })]).unwrap();
            assert_eq!(schema.violations(&json!(good)).len(), 0, "{format}");
            assert_eq!(schema.violations(&json!(bad)).len(), 1, "{format}");
        }
    }

    #[test]
    fn an_unknown_keyword_or_an_outside_reference_is_no_schema() {
        for schema in [
            json!({"bogus": 1}),
            json!({"properties": {"a": {"requird": []}}}),
            json!({"$ref": "https://example.org/x.json"}),
            json!({"items": [{"nope": 1}]}),
            json!({"type": "nothing"}),
        ] {
            assert!(compile(std::slice::from_ref(&schema)).is_err(), "{schema}");
        }
        assert!(compile(&[json!({"properties": {"bogus": {}}})]).is_ok());
    }

    fn compiles(schema: Value) -> bool {
        compile(&[schema]).is_ok()
    }

    #[test]
    fn keywords_are_checked_wherever_a_schema_is_and_nowhere_else() {
        let bogus = json!({"bogus": 1});
        for keyword in ONE.iter().chain(&["items"]) {
            assert!(!compiles(json!({ (*keyword): bogus })), "{keyword}");
            assert!(compiles(json!({ (*keyword): {"title": "bogus"} })), "{keyword}");
        }
        for keyword in LIST.iter().chain(&["items"]) {
            assert!(!compiles(json!({ (*keyword): [{}, bogus] })), "{keyword}");
        }
        for keyword in NAMED.iter().chain(&["dependencies"]) {
            assert!(!compiles(json!({ (*keyword): {"name": bogus} })), "{keyword}");
            assert!(compiles(json!({ (*keyword): {"bogus": {}} })), "{keyword}");
        }
        for data in [
            json!({"const": bogus}),
            json!({"default": bogus}),
            json!({"enum": [bogus]}),
            json!({"examples": [bogus, {"name": bogus}]}),
            json!({"default": {"name": bogus}}),
            json!({"dependencies": {"name": ["bogus"]}}),
        ] {
            assert!(compiles(data.clone()), "{data}");
        }
    }

    #[test]
    fn fields_are_known_through_arrays_and_combinations() {
        let named = |name: &str| json!({"properties": { name: {"type": "string"} }});
        let schema = json!({
            "properties": {"list": {"type": "array", "items": named("inside")}},
            "allOf": [named("all")], "oneOf": [named("one")], "if": named("tested"),
            "not": named("forbidden"), "default": named("data")
        });
        let schema = compile(&[schema, named("second")]).unwrap();
        let fields: Vec<&str> = schema.fields().iter().map(String::as_str).collect();
        assert_eq!(fields, ["all", "list", "list.inside", "one", "second", "tested"]);
        assert_eq!(schema.containers().iter().collect::<Vec<_>>(), ["list"]);
    }

    #[test]
    fn a_reference_stays_inside_the_schema() {
        let with = |target: &str| json!({"definitions": {"a": {}}, "allOf": [{"$ref": target}]});
        assert!(compiles(with("#/definitions/a")));
        let error = compile(&[with("other.json#/definitions/a")]).unwrap_err();
        assert!(error.to_string().contains("leaves the schema"), "{error}");
    }

    #[test]
    fn a_reference_to_an_id_inside_of_the_schema_is_followed() {
        for (base, id, target) in [
            (None, "#place", "#place"),
            (Some("https://example.org/root.json"), "place.json", "place.json"),
            (Some("https://example.org/root.json"), "place.json", "https://example.org/place.json"),
            (Some("https://example.org/root.json"), "place.json", "place.json#/properties/zip"),
            (None, "https://example.org/place.json", "https://example.org/place.json"),
            (None, "urn:example:place", "urn:example:place"),
        ] {
            let is_part = target.ends_with("zip");
            let place =
                json!({"$id": id, "required": ["zip"], "properties": {"zip": {"minLength": 2}}});
            let mut schema = json!({
                "properties": {"at": {"$ref": target}}, "definitions": {"place": place}
            });
            if let Some(base) = base {
                schema["$id"] = json!(base);
            }
            let schema = compile(&[schema]).unwrap();
            let (good, bad) = match is_part {
                true => (json!({"at": "ab"}), json!({"at": "a"})),
                false => (json!({"at": {"zip": "ab"}}), json!({"at": {}})),
            };
            assert_eq!(schema.violations(&good), [], "{target}");
            assert_eq!(schema.violations(&bad).len(), 1, "{target}");
        }
    }

    #[test]
    fn a_schema_is_nested_so_deep_and_no_deeper() {
        let nested = |depth| (1..depth).fold(json!({}), |inside, _| json!({"not": inside}));
        assert!(compiles(nested(DEPTH)));
        assert!(!compiles(nested(DEPTH + 1)));
    }

    /// Returns a schema of trees whose nodes are of one of two kinds.
    fn trees() -> Schema {
        let kind = |name: &str| {
            json!({
                "required": ["op"],
                "properties": {"op": {"enum": [name]}, "of": {"$ref": "#/definitions/node"}}
            })
        };
        let schema = json!({
            "definitions": {"node": {"anyOf": [kind("not"), kind("some")]}},
            "properties": {"rule": {"$ref": "#/definitions/node"}}
        });
        compile(&[schema]).unwrap()
    }

    fn tree(op: &str, depth: usize) -> Value {
        let node = (0..depth).fold(json!({"op": "some"}), |of, _| json!({"op": op, "of": of}));
        json!({ "rule": node })
    }

    #[test]
    fn alternatives_that_refer_to_themselves_are_checked_in_so_many_steps() {
        let schema = trees();
        assert_eq!(schema.violations(&tree("some", 60)), []);
        let few = schema.violations(&tree("nor", 3));
        assert_eq!((few.len(), &*few[0].pointer), (1, "/rule"), "{few:?}");
        let many = schema.violations(&tree("nor", 60));
        assert_eq!((many.len(), &*many[0].pointer), (1, ""), "{many:?}");
        assert!(many[0].message.contains("too many reasons"), "{many:?}");
    }

    #[test]
    fn a_property_with_the_name_of_a_keyword_counts_like_any_other() {
        for name in ["default", "const", "enum", "examples", "anyOf", "of"] {
            let kind = |op: &str| {
                json!({
                    "required": ["op"],
                    "properties": {"op": {"enum": [op]}, name: {"$ref": "#/definitions/enum"}}
                })
            };
            let alternatives = json!({"anyOf": [kind("not"), kind("some")]});
            let schema =
                json!({"definitions": {"enum": alternatives}, "$ref": "#/definitions/enum"});
            let schema = compile(&[schema]).unwrap();
            let node = |depth: usize| {
                let leaf = json!({"op": "nor"});
                (0..depth).fold(leaf, |of, _| json!({"op": "nor", name: of}))
            };
            assert_eq!(schema.violations(&node(2)).len(), 1, "{name}");
            let many = schema.violations(&node(60));
            assert!(many.len() == 1 && many[0].message.contains("too many reasons"), "{name}");
        }
    }

    #[test]
    fn many_values_that_fit_none_of_many_alternatives_give_one_problem_and_few_give_each() {
        let alternatives: Vec<Value> =
            (0..100).map(|n| json!({"required": [n.to_string()]})).collect();
        let schema = compile(&[json!({"items": {"oneOf": alternatives}})]).unwrap();
        let wrong = |count: usize| Value::Array(vec![json!({}); count]);
        let few = schema.violations(&wrong(3));
        let places: Vec<_> = few.iter().map(|violation| &*violation.pointer).collect();
        assert_eq!(places, ["/0", "/1", "/2"]);
        let many = schema.violations(&wrong(20_000));
        assert_eq!((many.len(), &*many[0].pointer), (1, ""), "{many:?}");
    }

    #[test]
    fn definitions_that_each_name_the_next_one_twice_end_by_their_steps_whatever_the_value() {
        let name = |n: usize| json!({"$ref": format!("#/definitions/d{n}")});
        let definition = |n: usize| match n {
            40 => json!({"type": "object"}),
            n => json!({"allOf": [name(n + 1), name(n + 1)]}),
        };
        let definitions: Map<_, _> = (0..=40).map(|n| (format!("d{n}"), definition(n))).collect();
        let schema = json!({"definitions": definitions, "allOf": [name(0)]});
        let schema = compile(&[schema]).unwrap();
        for value in [json!({}), json!([])] {
            let found = schema.violations(&value);
            assert_eq!(found.len(), 1, "{found:?}");
        }
        // Another thread, or the same one later, is not short of steps.
        assert_eq!(trees().violations(&tree("not", 20)), []);
    }

    #[test]
    fn what_stands_beside_a_reference_means_nothing_but_can_be_referred_to() {
        let schema = json!({
            "properties": {
                "a": {
                    "$ref": "#/properties/a/definitions/text", "type": "number",
                    "definitions": {"text": {"type": "string"}}
                },
                "b": {"const": {"$ref": "#/nowhere"}},
            }
        });
        let schema = compile(&[schema]).unwrap();
        assert_eq!(schema.violations(&json!({"a": "x", "b": {"$ref": "#/nowhere"}})), []);
        assert_eq!(schema.violations(&json!({"a": 1, "b": 1})).len(), 2);
    }

    #[test]
    fn a_pattern_that_explodes_is_cut_short() {
        let schema = compile(&[json!({"pattern": "^(a+)+(?=x)$"})]).unwrap();
        assert!(!schema.violations(&json!("a".repeat(60))).is_empty());
    }

    #[test]
    fn a_value_and_a_schema_that_are_large_together_are_one_problem() {
        let part = json!({"type": "integer"});
        let numbers = |count: usize| Value::Array(vec![json!(1); count]);
        let names = |count: usize| {
            let member = |n: usize| (format!("m{n}"), json!(1));
            Value::Object((0..count).map(member).collect())
        };
        let patterns: Map<_, _> = (0..1_000).map(|n| (format!("^x{n}"), json!({}))).collect();
        let mut alternatives = vec![json!({"minimum": 9}); 2_000];
        alternatives.push(json!({"maximum": 9}));
        let numbered: Vec<Value> = (0..5_000).map(|n| json!([n])).collect();
        for (schema, small, large) in [
            (json!({"items": {"allOf": vec![part.clone(); 2_000]}}), numbers(10), numbers(5_000)),
            (json!({"items": {"anyOf": alternatives}}), numbers(3), numbers(5_000)),
            (
                json!({"items": {"$ref": "#/definitions/a"},
                       "definitions": {"a": {"allOf": vec![part; 2_000]}}}),
                numbers(10),
                numbers(5_000),
            ),
            (json!({"patternProperties": patterns}), names(3), names(5_000)),
            (
                json!({"items": {"enum": numbered}}),
                json!([[1]]),
                Value::Array(vec![json!([-1]); 2_000]),
            ),
            (
                json!({"pattern": "^(?:(?=[^z]*$)a)*$"}),
                json!("a".repeat(1_000)),
                json!("a".repeat(100_000)),
            ),
        ] {
            let schema = compile(&[schema]).unwrap();
            assert_eq!(schema.violations(&small), []);
            let found = schema.violations(&large);
            assert_eq!(found.len(), 1, "{:.200}", schema.source.to_string());
            // Of some it is known that they are wrong, before it is known in how many ways.
            assert!(found[0].message.contains("too many"), "{found:?}");
        }
        // A large value under a usual schema, and a usual value under a large schema.
        let wide: Map<_, _> =
            (0..2_000).map(|n| (format!("f{n}"), json!({"maximum": 9}))).collect();
        let wide = compile(&[json!({"properties": wide, "additionalProperties": false})]).unwrap();
        let record: Map<_, _> = (0..500).map(|n| (format!("f{n}"), json!(n % 9))).collect();
        assert_eq!(wide.violations(&Value::Object(record)), []);
        let named = json!({
            "type": "object", "required": ["name", "at"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "pattern": "^(?!-)[a-z-]+$", "maxLength": 50},
                "at": {"type": "array", "items": {"type": "number", "minimum": -180}},
            }
        });
        let points = compile(&[json!({"type": "array", "items": named})]).unwrap();
        let point = json!({"name": "a-name-of-a-place", "at": [1.5, -20, 0]});
        assert_eq!(points.violations(&Value::Array(vec![point; 20_000])), []);
    }
}
