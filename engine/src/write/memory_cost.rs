//! The memory that a value takes while it is written: a text of one megabyte may take a hundred.

use serde_json::Value as Json;

use super::error::HEAVIEST;
use super::{Action, Batch, WriteError};
use crate::snapshot::Snapshot;

/// The maximum number of bytes of files that one batch may write, including those that a later
/// operation replaces. A patch of a few bytes rewrites a file of a megabyte.
pub const MOST_WRITTEN: usize = 32 << 20;

/// The bytes of a value, including its entry in a list.
const VALUE: usize = 32;
/// The bytes of an object, however few members it has: it allocates a block with spare room.
const OBJECT: usize = 632;

/// Returns the approximate number of bytes that `value` takes in memory.
pub fn weight(value: &Json) -> usize {
    VALUE
        + match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(values) => values.iter().map(weight).sum(),
            Json::Object(members) => {
                let member = |(name, value): (&String, &Json)| name.len() + weight(value);
                OBJECT + members.iter().map(member).sum::<usize>()
            }
        }
}

/// Returns the approximate number of bytes that a JSON text takes as a value, without parsing it.
/// Text that is not JSON has a weight too.
pub fn weight_of_text(text: &[u8]) -> usize {
    let (mut weight, mut in_string, mut is_escaped) = (VALUE, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => weight += 1,
            b',' | b'[' => weight += VALUE,
            b'{' => weight += VALUE + OBJECT,
            _ => {}
        }
    }
    weight
}

/// Returns the weight of a record, or an error if it is too heavy.
pub(super) fn weighed(record: &Json) -> Result<usize, WriteError> {
    let weight = weight(record);
    if weight <= HEAVIEST { Ok(weight) } else { Err(WriteError::TooHeavy) }
}

impl Batch {
    /// Returns the approximate number of bytes that the batch takes while it waits, plus what it
    /// rewrites of `records`: a patch of a few bytes rewrites a file of a megabyte.
    ///
    /// # Errors
    ///
    /// Fails if a record in it is too heavy to be written.
    pub(crate) fn weighed(&self, records: &Snapshot) -> Result<usize, WriteError> {
        let mut sum = size_of::<Self>() + self.message.len();
        let mut rewritten = 0;
        for operation in &self.operations {
            sum += size_of_val(operation);
            sum += match &operation.action {
                Action::Put(_, record) | Action::Create(record) | Action::Patch(_, record) => {
                    weighed(record)?
                }
                Action::Attach(_, _, content) => content.len(),
                Action::Delete(_) | Action::Detach(..) => 0,
            };
            if let Action::Patch(key, _) = &operation.action {
                let sheet = records.sheet(operation.sheet.as_str());
                let record = sheet.and_then(|sheet| sheet.record(key.as_str()));
                rewritten += record.map_or(0, |record| record.value.as_str().len());
            }
        }
        // A batch that exceeds its limit is aborted there.
        Ok(sum + rewritten.min(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_weighs_about_what_its_value_does() {
        for text in [
            r#"{"slug":"ada","x":[0,0,0]}"#,
            r#"{"a":{"":{}},"b":"a, {[\\\" \"","c":[[],{},"",null,true,1.5]}"#,
            "[]",
            "7",
        ] {
            let value: Json = serde_json::from_str(text).unwrap();
            let (text, value) = (weight_of_text(text.as_bytes()), weight(&value));
            assert!(text >= value * 9 / 10 && text <= value * 3 / 2 + VALUE, "{text} for {value}");
        }
    }

    #[test]
    fn small_objects_weigh_what_they_take_and_not_what_they_are_written_with() {
        let text = |element: &str, count: usize| format!("[{}]", vec![element; count].join(","));
        let is_heavy = |text: String| weight_of_text(text.as_bytes()) > HEAVIEST;
        assert!(is_heavy(text("{\"\":0}", 145_000)) && is_heavy(text("{}", 26_000)));
        assert!(!is_heavy(text("{\"\":0}", 20_000)) && !is_heavy(text("0", 400_000)));
        assert!(!is_heavy(format!("\"{}\"", "{".repeat(1 << 20))));
    }
}
