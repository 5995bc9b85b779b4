//! YAML with the order of the file, its comments, and the very bytes of what did not change.

pub(in crate::encode) mod edit;
pub(in crate::encode) mod style;

use serde_json::Value as Json;

use crate::decode;
use style::Style;

/// Returns `record` as YAML.
///
/// Where there is a file, its members are changed one by one. What comes of it is read again; if
/// that gives anything but the record (an anchor is gone that is used elsewhere), the file is
/// written afresh. A new file has its keys sorted.
pub(super) fn written(record: &Json, before: Option<&str>) -> String {
    let reads_well = |text: &String| decode::yaml(text.as_bytes()).as_ref() == Ok(record);
    let edited = before.and_then(|text| edit::edited(text, record)).filter(reads_well);
    let style = Style::default();
    edited
        .or_else(|| Some(style.document(record)).filter(reads_well))
        .unwrap_or_else(|| Style { quoted: true, ..style }.document(record))
}

#[cfg(test)]
mod tests;
