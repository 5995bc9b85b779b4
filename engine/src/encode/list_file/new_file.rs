//! A new file of many records: its content before the first record is inserted.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::super::error::EncodeError;
use crate::decode::Format;
use crate::layout::SheetSpec;
use crate::split::{Records, heading};
use crate::tables::Source;

/// The name of the list in a new TOML file.
const LIST: &str = "records";

/// Returns the text of a file of no records, into which `first` can be inserted.
///
/// # Errors
///
/// Fails if the definition does not determine the file, or if no column can have a name.
pub(super) fn begun(source: &Source<'_>, first: &Json) -> Result<String, EncodeError> {
    let spec = source.spec;
    if matches!(spec.listing.records, Records::At(_)) {
        return Err(EncodeError::NoFile {
            what: "the definition does not say what else is in a file whose records are at a pointer",
        });
    }
    let brackets = if spec.listing.records == Records::Map { "{}\n" } else { "[]\n" };
    match (spec.format_of(source.path), &spec.listing.records) {
        (Some(Format::JsonLines), _) | (Some(Format::Toml11), Records::Map) => Ok(String::new()),
        (Some(Format::Json | Format::Yaml), _) => Ok(brackets.to_owned()),
        (Some(Format::Toml11), _) => Ok(format!("{LIST} = {brackets}")),
        (Some(format), _) if format.is_table() => {
            heading(&columns(spec, first), format == Format::Tsv)
                .map_err(|message| EncodeError::NoFile { what: message })
        }
        _ => Err(EncodeError::UnknownFormat { path: source.path.to_owned() }),
    }
}

/// Returns the columns of a new table: the fields of its first record, and those that are declared.
fn columns<'s>(spec: &'s SheetSpec, first: &'s Json) -> BTreeSet<&'s str> {
    let schema = spec.schema.as_ref().and_then(|schema| schema.source()["properties"].as_object());
    let fields = [first.as_object(), schema].into_iter().flatten().flat_map(|fields| fields.keys());
    fields.chain(spec.listing.types.keys()).map(String::as_str).collect()
}
