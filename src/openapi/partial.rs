//! Schemas of parts of records: those that `fields` selects, and those that `PATCH` changes.

use serde_json::{Map, Value, json};

use super::schema_dialect::PLAIN;

/// Plain keywords that a value may meet without each of its parts.
const OF_THE_WHOLE: &[&str] =
    &["default", "enum", "const", "uniqueItems", "minProperties", "required"];

/// Keywords whose value is one schema, a list of them, or a table of them.
const ONE: &[&str] = &["items", "additionalProperties"];
const LIST: &[&str] = &["allOf", "anyOf", "prefixItems"];
const TABLE: &[&str] = &["properties", "patternProperties"];

/// Returns a schema that allows every part of a value that `schema` allows: nothing is required. It
/// has no union where `schema` has none, so that generators make plain types of it.
pub(super) fn part(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    // Its target may require members.
    if members.contains_key("$ref") {
        return json!({});
    }
    let mut part = Map::new();
    for (keyword, inside) in members {
        let kept = match (keyword.as_str(), inside) {
            (plain, _) if PLAIN.contains(&plain) && !OF_THE_WHOLE.contains(&plain) => {
                inside.clone()
            }
            (one, _) if ONE.contains(&one) => self::part(inside),
            (list, Value::Array(all)) if LIST.contains(&list) => {
                all.iter().map(self::part).collect()
            }
            // Several may allow the same part.
            ("oneOf", Value::Array(all)) if !members.contains_key("anyOf") => {
                part.insert("anyOf".into(), all.iter().map(self::part).collect());
                continue;
            }
            (table, Value::Object(all)) if TABLE.contains(&table) => {
                let all = all.iter().map(|(name, inside)| (name.clone(), self::part(inside)));
                Value::Object(all.collect())
            }
            ("enum", Value::Array(values)) if values.iter().all(is_scalar) => inside.clone(),
            // Generators read an optional constant as one that is always there.
            ("const", value) if is_scalar(value) => {
                part.insert("enum".into(), json!([value]));
                continue;
            }
            _ => continue,
        };
        part.insert(keyword.clone(), kept);
    }
    Value::Object(part)
}

/// Returns the schema of a change of values that `schema` allows (RFC 7396): null removes a member.
pub(super) fn patch(schema: &Value) -> Value {
    nullable_members(part(schema))
}

fn nullable_members(mut schema: Value) -> Value {
    let tables = ["properties", "patternProperties"];
    for table in tables {
        let Some(Value::Object(members)) = schema.get_mut(table) else { continue };
        for member in members.values_mut() {
            let inside = nullable_members(member.take());
            *member = match inside.as_object() {
                // It allows null already.
                Some(members) if members.is_empty() => inside,
                _ => json!({ "anyOf": [inside, { "type": "null" }] }),
            };
        }
    }
    schema
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_needs_nothing_and_is_as_exact_as_it_can_be() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "minProperties": 2,
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "stage": { "enum": ["a", "b"] },
                "place": { "type": "object", "required": ["city"], "properties": { "city": true } },
                "releases": { "type": "array", "uniqueItems": true, "items": { "required": ["eol"] } },
                "either": { "oneOf": [{ "type": "string" }, { "required": ["x"] }] },
                "slug": { "$ref": "#/components/schemas/people/$defs/slug" },
                "one": { "const": { "a": 1 } },
                "kind": { "const": "person" },
            },
            "additionalProperties": false,
            "if": { "required": ["stage"] },
            "then": { "required": ["place"] },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "stage": { "enum": ["a", "b"] },
                "place": { "type": "object", "properties": { "city": true } },
                "releases": { "type": "array", "items": {} },
                "either": { "anyOf": [{ "type": "string" }, {}] },
                "slug": {},
                "one": {},
                "kind": { "enum": ["person"] },
            },
            "additionalProperties": false,
        });
        assert_eq!(part(&schema), expected);
    }

    #[test]
    fn a_change_may_remove_any_member() {
        let schema = json!({
            "required": ["name"],
            "properties": {
                "name": { "type": "string" },
                "place": { "properties": { "city": { "type": "string" } } },
                "any": {},
            },
        });
        let nothing = json!({ "type": "null" });
        let city = json!({ "anyOf": [{ "type": "string" }, nothing] });
        let expected = json!({ "properties": {
            "name": { "anyOf": [{ "type": "string" }, nothing] },
            "place": { "anyOf": [{ "properties": { "city": city } }, nothing] },
            "any": {},
        } });
        assert_eq!(patch(&schema), expected);
    }
}
