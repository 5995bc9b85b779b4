//! The path of the file in which a sheet stores a record.

use serde_json::Value as Json;

use crate::id::Key;
use crate::layout::{RenderError, SheetSpec};
use crate::value::Value;

/// Returns the full path where the sheet stores the record: root, rendered template, extension.
///
/// The fields are used as given. Lists have no text form, and, as in gitsheets, a title that is
/// derived from a body cannot be part of a path unless it is given too. A sheet without a template
/// stores a record under its `key`, in its first format, or in TOML if the sheet is inferred and
/// accepts any. In other sheets `key` supplies the fields that the record lacks, though not in
/// gitsheets. [`Sheet::path_for`](crate::sheet::Sheet::path_for) also takes the format of the
/// sheet's other files into account.
///
/// # Errors
///
/// See [`RenderError`]. Every returned path is one that the sheet reads: names that could do harm,
/// or that define sheets, are rejected.
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
