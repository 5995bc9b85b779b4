//! YAML that keeps the order of the file, its comments, and the exact bytes of unchanged parts.

pub(in crate::encode) mod edit;
pub(in crate::encode) mod style;

use serde_json::Value as Json;

use crate::decode;
use style::Style;

/// Returns `record` as YAML.
///
/// In an existing file, members are changed one by one. The result is read again; if it is not
/// exactly the record (say, because an anchor used elsewhere is gone), the file is rewritten from
/// scratch. A new file has sorted keys.
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
