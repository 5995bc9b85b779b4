//! YAML that keeps the order of the file, its comments, and the exact bytes of unchanged parts.

pub(in crate::encode) mod edit;
pub(in crate::encode) mod style;

use serde_json::Value as Json;

use super::error::EncodeError;
use crate::decode;
use style::Style;

/// Returns `record` as YAML.
///
/// In an existing file, members are changed one by one. The result is read again; if it is not
/// exactly the record (say, because an anchor used elsewhere is gone), the file is rewritten from
/// scratch. A new file has sorted keys.
///
/// # Errors
///
/// When the file has a number that the record does not show and that would be lost.
pub(super) fn written(record: &Json, before: Option<&str>) -> Result<String, EncodeError> {
    let reads_well = |text: &String| decode::yaml(text.as_bytes()).as_ref() == Ok(record);
    let edited = before.and_then(|text| edit::edited(text, record)).filter(reads_well);
    let text = edited.unwrap_or_else(|| {
        let style = Style::default();
        let text = Some(style.document(record)).filter(reads_well);
        text.unwrap_or_else(|| Style { quoted: true, ..style }.document(record))
    });
    match before {
        Some(before) => keeping_numbers(before, text),
        None => Ok(text),
    }
}

/// Returns `after`, which is to replace `before`.
///
/// # Errors
///
/// When a `.inf` or `.nan`, which are read as null, would become a null. Exact, unless an alias refers to another part of the file.
pub(super) fn keeping_numbers(before: &str, after: String) -> Result<String, EncodeError> {
    if numbers(before) == 0 {
        return Ok(after);
    }
    // No file has such a text, unless it is escaped.
    let mark = Json::from("\0.inf");
    let with_mark = |text: &str| decode::yaml_with_unshown(text, &mark);
    let is_lost = match (with_mark(before), with_mark(&after)) {
        (Ok(before), Ok(after)) => is_lost(&before, &after, &mark),
        _ => numbers(&after) < numbers(before),
    };
    if is_lost { Err(EncodeError::NotFinite) } else { Ok(after) }
}

/// Returns how often a text has what may be such a number.
fn numbers(text: &str) -> usize {
    let is_number =
        |it: &[u8]| [".inf", ".nan"].iter().any(|name| it.eq_ignore_ascii_case(name.as_bytes()));
    text.as_bytes().windows(4).filter(|it| is_number(it)).count()
}

/// Returns whether a value that is `mark` became null.
fn is_lost(before: &Json, after: &Json, mark: &Json) -> bool {
    match (before, after) {
        (before, Json::Null) => before == mark,
        (Json::Object(before), Json::Object(after)) => before
            .iter()
            .any(|(name, before)| after.get(name).is_some_and(|it| is_lost(before, it, mark))),
        (Json::Array(before), Json::Array(after)) if before.len() == after.len() => {
            before.iter().zip(after).any(|(before, after)| is_lost(before, after, mark))
        }
        // Nothing tells which element became which.
        (Json::Array(before), Json::Array(after)) => {
            let marks = |list: &[Json]| list.iter().map(|it| count(it, mark)).sum::<usize>();
            let nulls = |list: &[Json]| list.iter().map(|it| count(it, &Json::Null)).sum::<usize>();
            marks(after) < marks(before) && nulls(after) > nulls(before)
        }
        _ => false,
    }
}

/// Returns how often a value has another one.
fn count(value: &Json, other: &Json) -> usize {
    match value {
        value if value == other => 1,
        Json::Object(members) => members.values().map(|it| count(it, other)).sum(),
        Json::Array(elements) => elements.iter().map(|it| count(it, other)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
