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
/// When the file would be rewritten and has a number that the record does not show: it would be lost.
pub(super) fn written(record: &Json, before: Option<&str>) -> Result<String, EncodeError> {
    let reads_well = |text: &String| decode::yaml(text.as_bytes()).as_ref() == Ok(record);
    let edited = before.and_then(|text| edit::edited(text, record)).filter(reads_well);
    if let Some(edited) = edited {
        return Ok(edited);
    }
    if before.is_some_and(has_unshown_number) {
        return Err(EncodeError::NotFinite);
    }
    let style = Style::default();
    let text = Some(style.document(record)).filter(reads_well);
    Ok(text.unwrap_or_else(|| Style { quoted: true, ..style }.document(record)))
}

/// Returns whether a text seems to have `.inf` or `.nan`, which are read as null.
fn has_unshown_number(text: &str) -> bool {
    let is_between = |it: char| it.is_whitespace() || "[]{},".contains(it);
    let mut words = text.split(is_between).map(|word| word.trim_start_matches(['-', '+']));
    words.any(|word| [".inf", ".nan"].iter().any(|it| word.eq_ignore_ascii_case(it)))
}

#[cfg(test)]
mod tests;
