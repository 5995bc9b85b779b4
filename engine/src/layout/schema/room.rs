//! How large the schemas of a commit may be.
//!
//! Each part of a schema is compiled into a few hundred bytes, and each pattern into some thousands.
//! One definition can be that of many sheets, so the schemas of all sheets count together.

use std::cell::Cell;

use serde_json::Value;

use super::keywords::NAMED;
use super::looks::Prices;
use super::{SchemaError, sub_schemas};

/// The most parts that all schemas may have together, and the most patterns.
const PARTS: usize = 500_000;
const PATTERNS: usize = 20_000;

/// The most patterns of one schema.
const PATTERNS_EACH: usize = 1_000;

/// The parts and patterns that schemas may still have.
#[derive(Debug)]
pub(in crate::layout) struct Room {
    parts: Cell<usize>,
    patterns: Cell<usize>,
}

impl Default for Room {
    fn default() -> Self {
        Self { parts: Cell::new(PARTS), patterns: Cell::new(PATTERNS) }
    }
}

impl Room {
    /// Takes room for a schema of these parts, and returns what texts cost under it.
    pub(super) fn take(&self, schemas: &[Value]) -> Result<Prices, SchemaError> {
        let mut size = Size::default();
        for schema in schemas {
            size.add(schema);
        }
        if size.patterns > PATTERNS_EACH {
            let message = format!("it has {} patterns, more than {PATTERNS_EACH}", size.patterns);
            return Err(SchemaError(message));
        }
        for (left, taken, what) in
            [(&self.parts, size.parts, "parts"), (&self.patterns, size.patterns, "patterns")]
        {
            let rest = left.get().checked_sub(taken);
            left.set(rest.ok_or_else(|| {
                let most = if what == "parts" { PARTS } else { PATTERNS };
                SchemaError(format!("up to it, the schemas have more than {most} {what}"))
            })?);
        }
        Ok(size.prices)
    }
}

#[derive(Default)]
struct Size {
    parts: usize,
    patterns: usize,
    prices: Prices,
}

impl Size {
    /// Counts a schema and those in it. Their depth was checked.
    fn add(&mut self, schema: &Value) {
        self.parts += 1;
        let Value::Object(members) = schema else { return };
        for (keyword, inside) in members {
            if let ("pattern", Value::String(pattern)) = (keyword.as_str(), inside) {
                self.pattern(pattern);
            }
            if let ("patternProperties", Value::Object(patterns)) = (keyword.as_str(), inside) {
                self.prices.names += patterns.len();
                patterns.keys().for_each(|pattern| self.pattern(pattern));
            }
            match inside {
                // What is not an object is a part as well, in a list or a table.
                Value::Array(schemas) => self.parts += schemas.len() / 8,
                Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                    self.parts += named.len() / 8;
                }
                _ => {}
            }
            for (_, schema) in sub_schemas(keyword, inside) {
                self.add(schema);
            }
        }
    }

    fn pattern(&mut self, pattern: &str) {
        self.patterns += 1;
        self.prices.around = self.prices.around.max(nesting(pattern));
    }
}

/// Returns how deep a pattern nests look-arounds, or `None` if it can be matched in one pass. A
/// reference to a group, and whatever else only backtracking can match, counts as one.
fn nesting(pattern: &str) -> Option<u32> {
    let (mut groups, mut deepest) = (Vec::new(), 0_u32);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let is_special = match first {
            '\\' => after.starts_with(|c: char| matches!(c, '1'..='9' | 'k' | 'g' | 'G' | 'K')),
            '(' => {
                let around = ["?=", "?!", "?<=", "?<!", "?>", "?("];
                let around = around.iter().any(|start| after.starts_with(start));
                groups.push(around);
                around
            }
            ')' => {
                groups.pop();
                false
            }
            '+' => ["++", "*+", "?+", "}+"]
                .iter()
                .any(|end| pattern[..pattern.len() - after.len()].ends_with(end)),
            _ => false,
        };
        if is_special {
            let around = groups.iter().filter(|around| **around).count();
            deepest = deepest.max(u32::try_from(around.max(1)).unwrap_or(u32::MAX));
        }
        // An escaped character opens and closes nothing.
        let skipped =
            if first == '\\' { after.chars().next().map_or(0, char::len_utf8) } else { 0 };
        rest = &after[skipped..];
    }
    (deepest > 0).then_some(deepest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_is_matched_in_one_pass_or_looks_around_so_deep() {
        for (pattern, expected) in [
            ("^[a-z]+$", None),
            (r"^\(?=a\)+$", None),
            ("(?:a|(?<name>b))*", None),
            ("^(?!-)a", Some(1)),
            ("^(?=a)(?=b)", Some(1)),
            ("^(?:(?=(?:(?=[^z]*$)a)*)a)*$", Some(2)),
            (r"(a)\1", Some(1)),
            ("a++b", Some(1)),
            ("(?<=a)b", Some(1)),
        ] {
            assert_eq!(nesting(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn the_schemas_of_a_commit_have_so_many_parts_and_patterns_together() {
        let parts = |count: usize| [json!({"allOf": vec![json!({"type": "integer"}); count]})];
        let room = Room::default();
        assert!(room.take(&parts(300_000)).is_ok());
        let error = room.take(&parts(300_000)).unwrap_err().to_string();
        assert!(error.contains("500000 parts"), "{error}");
        let patterns = |count: usize| {
            let named = |n: usize| (format!("^a{n}"), json!({}));
            [json!({"patternProperties": (0..count).map(named).collect::<serde_json::Map<_, _>>()})]
        };
        let error = room.take(&patterns(1_001)).unwrap_err().to_string();
        assert!(error.contains("1001 patterns"), "{error}");
        for _ in 0..20 {
            assert_eq!(room.take(&patterns(1_000)).unwrap().names, 1_000);
        }
        let error = room.take(&patterns(1)).unwrap_err().to_string();
        assert!(error.contains("20000 patterns"), "{error}");
    }
}
