//! Limits the length of dotted field names.

use serde_json::Value as Json;

use super::Flaw;
use crate::problem::Rule;

/// The maximum length of a dotted name in bytes. Counts of fields, differences and problems repeat
/// the name once for each field inside, although the record contains it only once.
const LONGEST: usize = 1_024;

/// Rejects a value with a field whose dotted name is longer than 1,024 bytes.
///
/// # Errors
///
/// Names the field.
pub(crate) fn check_names(json: &Json) -> Result<(), Flaw> {
    let Some(name) = too_long(json, 0) else { return Ok(()) };
    let name: String = name.chars().take(40).collect();
    let message = format!(
        "the name of the field `{name}`, with the names around it, is longer than {LONGEST} bytes"
    );
    Err(Flaw::new(Rule::TooLarge, message))
}

/// Returns the first name that is too long when it follows `above` bytes. Recurses as deep as the
/// value, which decoding bounds.
fn too_long(json: &Json, above: usize) -> Option<&str> {
    match json {
        Json::Object(members) => members.iter().find_map(|(name, member)| {
            let length = above + name.len();
            if length > LONGEST { Some(name.as_str()) } else { too_long(member, length + 1) }
        }),
        Json::Array(elements) => elements.iter().find_map(|element| too_long(element, above)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_count_with_all_that_is_around_them() {
        let (half, rest) = ("a".repeat(512), "b".repeat(511));
        for (value, is_fine) in [
            (json!({ "a".repeat(LONGEST): 1 }), true),
            (json!({ "a".repeat(LONGEST + 1): 1 }), false),
            (json!({ half.clone(): { rest.clone(): 1 } }), true),
            (json!({ half.clone(): { format!("{rest}b"): 1 } }), false),
            // A list index is not part of the name.
            (json!({ half.clone(): [[{ rest: 1 }], 2] }), true),
            (json!({ half: [1, { "b".repeat(512): 1 }] }), false),
            (json!("a".repeat(5_000)), true),
        ] {
            assert_eq!(check_names(&value).is_ok(), is_fine, "{value:.80}");
        }
        let flaw = check_names(&json!({ "é".repeat(600): 1 })).unwrap_err();
        assert!(flaw.message.len() < 200 && flaw.rule == Rule::TooLarge, "{flaw:?}");
    }
}
