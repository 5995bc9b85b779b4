//! The kinds of scalars that a schema allows in a field.

use serde_json::Value;

/// A set of kinds of scalars; for a list, those of its elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::layout) struct Kinds(u8);

impl Kinds {
    /// Every kind.
    pub(in crate::layout) const ALL: Self = Self(0b1111);
    /// Strings.
    pub(in crate::layout) const STRING: Self = Self(0b0100);

    /// Reads the kinds of a property from its schema; without a restriction, all are allowed.
    pub(super) fn of(property: &Value) -> Self {
        match &property["type"] {
            Value::String(name) => Self::named(name, property),
            Value::Array(names) => {
                let mut all = Self::default();
                names.iter().for_each(|name| {
                    all.extend(Self::named(name.as_str().unwrap_or(""), property))
                });
                all
            }
            _ => Self::ALL,
        }
    }

    fn named(name: &str, property: &Value) -> Self {
        match name {
            "null" => Self(0),
            "boolean" => Self(0b0001),
            "integer" | "number" => Self(0b0010),
            "string" => Self::STRING,
            "object" => Self(0b1000),
            "array" if property["items"].is_object() => Self::of(&property["items"]),
            _ => Self::ALL,
        }
    }

    /// Adds the kinds from another place where the schema names the field.
    pub(super) fn extend(&mut self, more: Self) {
        self.0 |= more.0;
    }

    /// Returns whether both sets have a kind in common.
    pub(in crate::layout) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_kinds_of_a_list_are_those_of_its_elements_and_what_is_not_said_is_any() {
        let of = |schema: Value| Kinds::of(&schema);
        assert_eq!(of(json!({"type": "string"})), Kinds::STRING);
        assert_eq!(of(json!({"type": ["string", "null"]})), Kinds::STRING);
        assert_eq!(of(json!({"type": "array", "items": {"type": "string"}})), Kinds::STRING);
        assert_eq!(of(json!({"type": "integer"})), of(json!({"type": "number"})));
        for any in [json!({}), json!({"type": "array"}), json!({"enum": ["a"]})] {
            assert_eq!(of(any.clone()), Kinds::ALL, "{any}");
        }
        assert!(!of(json!({"type": "integer"})).intersects(Kinds::STRING));
        assert!(of(json!({"type": ["integer", "string"]})).intersects(Kinds::STRING));
    }
}
