//! The path of the file that a sheet stores a record in.

use serde_json::Value as Json;

use crate::id::Key;
use crate::layout::{RenderError, SheetSpec};
use crate::value::Value;

/// Returns the full path at which the sheet stores the record: root, rendered template, extension.
///
/// The fields are taken as they are given: lists have no text form, and a title that is derived
/// from a body is no part of a path unless it is given too, as in gitsheets. A sheet without a
/// template stores a record under its `key`, in its first format, or in TOML where it is inferred
/// and takes any; in other sheets `key` tells the fields that the record does not say itself, but not
/// in gitsheets. What other files of the sheet say of a new
/// record's format, [`Sheet::path_for`](crate::sheet::Sheet::path_for) knows.
///
/// # Errors
///
/// See [`RenderError`]. Every path that is returned is one that the sheet reads: names that could
/// do harm, or that define sheets, are refused.
pub fn path_of(spec: &SheetSpec, record: &Json, key: Option<&Key>) -> Result<String, RenderError> {
    let below = match (spec.template.is_every_file(), key) {
        (true, None) => return Err(RenderError::NoTemplate),
        (true, Some(key)) => key.as_str().to_owned(),
        (false, None) => spec.template.render(&Value::new(record))?,
        (false, Some(key)) => {
            let record = spec.with_key_fields(key.as_str(), record);
            spec.template.render(&Value::new(&record))?
        }
    };
    spec.file_path(&below, None)
}
