//! Writes records byte for byte as gitsheets does: every step in the same order.

use serde_json::Value as Json;
use toml_v08::{Table, Value};

use super::body::{first_heading, formatted};
use super::validation::validated;
use super::{EncodeError, sort, toml};
use crate::decode::Format;
use crate::decode::markdown::gitsheets_parts;
use crate::decode::toml::{shown, table_1_0};
use crate::layout::SheetSpec;

/// Returns the text of the file, and the value that it represents.
pub(super) fn written(
    spec: &SheetSpec,
    format: Format,
    record: &Json,
    before: Option<&str>,
) -> Result<(String, Json), EncodeError> {
    let before = before.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let before =
        if format.has_body() { before.map(|text| gitsheets_parts(text).front) } else { before };
    let before = before.and_then(|text| table_1_0(text).ok());
    let mut table = toml::native(record, before.as_ref())?;
    if format.has_body() {
        match table.get(&spec.body) {
            Some(Value::String(_)) => {}
            Some(_) => return Err(EncodeError::BodyNotText { field: spec.body.clone() }),
            None => return Err(EncodeError::BodyMissing { field: spec.body.clone() }),
        }
    }
    validated(spec, &shown(table.clone()))?;
    sort::sort_lists(&spec.sorts, &mut table)?;
    match table.remove(&spec.body) {
        Some(Value::String(body)) if format.has_body() => {
            let body = if spec.normalize { formatted(&body)? } else { body };
            derive_title(spec, &mut table, &body)?;
            let text = framed(&table, &body)?;
            table.insert(spec.body.clone(), Value::String(body));
            Ok((text, shown(table)))
        }
        field => {
            table.extend(field.map(|field| (spec.body.clone(), field)));
            Ok((toml::text(&table)?, shown(table)))
        }
    }
}

/// Sets the title to the first heading of the body.
fn derive_title(spec: &SheetSpec, table: &mut Table, body: &str) -> Result<(), EncodeError> {
    let Some(field) = &spec.title else { return Ok(()) };
    let heading = first_heading(body).map(|heading| heading.text);
    let agrees = |given: &Value| given.as_str().is_some_and(|given| Some(given) == heading);
    if table.get(field).is_some_and(|given| !agrees(given)) {
        return Err(EncodeError::TitleDisagrees { field: field.clone() });
    }
    if let Some(heading) = heading {
        table.insert(field.clone(), Value::String(heading.to_owned()));
    }
    Ok(())
}

fn framed(fields: &Table, body: &str) -> Result<String, EncodeError> {
    let front = toml::text(fields)?;
    // gitsheets would write such a file but could not read it.
    toml::unfenced(&front, fields, "+++")?;
    let newline = if body.ends_with('\n') { "" } else { "\n" };
    Ok(format!("+++\n{front}+++\n\n{body}{newline}"))
}
