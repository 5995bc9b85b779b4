//! How large the schemas of a commit may be.
//!
//! Each part of a schema is compiled into a few hundred bytes, and each pattern into some thousands,
//! or a million. One definition can be that of many sheets, so the schemas of all sheets count
//! together. A pattern that several have is compiled once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};

use jsonschema::PatternCache;
use serde_json::Value;

use super::keywords::NAMED;
use super::looks::Prices;
use super::pattern_size::size_of_pattern;
use super::{PATTERN_BYTES, SchemaError, sub_schemas};

/// The most parts that all schemas may have together, and the most patterns.
const PARTS: usize = 500_000;
const PATTERNS: usize = 20_000;

/// The most patterns of one schema.
const PATTERNS_EACH: usize = 1_000;

/// About how many bytes a part takes, compiled.
const PART: usize = 400;

/// The most bytes that the patterns of all schemas may take, compiled.
const COMPILED: usize = 64 << 20;

/// The most characters of a pattern that a problem repeats.
const TOLD: usize = 60;

/// The parts and patterns that schemas may still have.
#[derive(Debug)]
pub(in crate::layout) struct Room {
    parts: Cell<usize>,
    patterns: Cell<usize>,
    /// The bytes of compiled patterns.
    compiled: Cell<usize>,
    /// The patterns that have their room.
    known: RefCell<HashSet<String>>,
    cache: PatternCache,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            parts: Cell::new(PARTS),
            patterns: Cell::new(PATTERNS),
            compiled: Cell::new(COMPILED),
            known: RefCell::default(),
            cache: PatternCache::new(),
        }
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
        size.texts.iter().try_for_each(|pattern| self.take_pattern(pattern))?;
        Ok(size.prices)
    }

    /// Returns about how many bytes the schemas take that have room.
    pub(in crate::layout) fn taken(&self) -> usize {
        PART * (PARTS - self.parts.get()) + (COMPILED - self.compiled.get())
    }

    /// Returns the patterns that are compiled already.
    pub(super) fn cache(&self) -> PatternCache {
        self.cache.clone()
    }

    /// Takes room for a pattern, once. Costs as much as compiling it.
    fn take_pattern(&self, pattern: &str) -> Result<(), SchemaError> {
        if self.known.borrow().contains(pattern) {
            return Ok(());
        }
        let left = self.compiled.get();
        let size = size_of_pattern(pattern, PATTERN_BYTES.min(left)).ok();
        let Some(rest) = size.and_then(|size| left.checked_sub(size)) else {
            let most = match size {
                None if left >= PATTERN_BYTES => "is one of more than 1 MiB".to_owned(),
                _ => {
                    format!("is too large: up to it, all patterns take more than {COMPILED} bytes")
                }
            };
            let told: String = pattern.chars().take(TOLD).collect();
            return Err(SchemaError(format!("the pattern {told:?}, compiled, {most}")));
        };
        self.compiled.set(rest);
        self.known.borrow_mut().insert(pattern.to_owned());
        Ok(())
    }
}

#[derive(Default)]
struct Size<'a> {
    parts: usize,
    patterns: usize,
    texts: BTreeSet<&'a str>,
    prices: Prices,
}

impl<'a> Size<'a> {
    /// Counts a schema and those in it. Their depth was checked.
    fn add(&mut self, schema: &'a Value) {
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

    fn pattern(&mut self, pattern: &'a str) {
        self.patterns += 1;
        self.texts.insert(pattern);
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
    #[test]
    fn the_patterns_of_all_schemas_take_so_much_once_they_are_compiled() {
        let named = |patterns: &[String]| {
            let named = patterns.iter().map(|pattern| (pattern.clone(), json!({})));
            [json!({"patternProperties": named.collect::<serde_json::Map<_, _>>()})]
        };
        // Some kilobytes of definitions; without a limit, more than a gigabyte.
        let room = Room::default();
        let large = |sheet: usize| -> Vec<String> {
            (0..100).map(|n| format!(r"^\p{{L}}{{1,22}}$|N{sheet}-{n}")).collect()
        };
        let error = room.take(&named(&large(0))).unwrap_err().to_string();
        assert!(error.contains("{1,22}$|N0-") && error.contains("67108864"), "{error}");
        assert!((1..10).all(|sheet| room.take(&named(&large(sheet))).is_err()));
        let one = [r"(?:\p{L}{60}x){20}y".to_owned()];
        let error = Room::default().take(&named(&one)).unwrap_err().to_string();
        assert!(error.contains("1 MiB") && error.contains("{60}"), "{error}");
        // Usual patterns have room, and the same ones in each of many sheets take it once.
        let room = Room::default();
        let usual: Vec<String> = (0..50).map(|n| format!(r"^[a-z{n}]+(?:-\d+)*$")).collect();
        assert!((0..400).all(|_| room.take(&named(&usual)).is_ok()));
        assert!(room.compiled.get() > COMPILED - (2 << 20), "{}", room.compiled.get());
    }
}
