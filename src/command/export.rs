//! `headwater export`: prints every record of a sheet.

use std::collections::BTreeSet;
use std::io::Write;

use headwater_engine::record::Record;
use headwater_engine::sheet::Sheet;
use headwater_engine::value::{Kind, Value as Text};
use serde_json::Value;

use super::csv_cell;
use super::messages::sheet_of;
use super::query::lines;
use super::repository::Repository;
use crate::cli::{ExportArgs, TableFormat};
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// Writes every record of a sheet in the order of the keys, hidden ones included.
///
/// # Errors
/// Fails if there is no such sheet, or if the commit cannot be read. Also fails for a record that
/// is a list, which has neither a field for its key nor columns, unless the format is JSON without
/// keys.
pub fn export(
    arguments: &ExportArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(&arguments.read, environment)?;
    let snapshot = repository.load(&rev)?;
    let sheet = sheet_of(&snapshot, &arguments.sheet)?;
    let key = arguments.key.as_deref();
    if let Some(field) = key
        && sheet.records().any(|record| record.value.json().member(field).is_some())
    {
        let message = format!("records of {} already have a field {field}", arguments.sheet);
        return Err(Failure::new(Exit::Data, message));
    }
    let is_table = |record: &Record| record.value.json().kind() == Kind::Object;
    if (key.is_some() || matches!(arguments.format, TableFormat::Csv))
        && let Some(other) = sheet.records().find(|record| !is_table(record))
    {
        let what = if key.is_some() { "field for the key" } else { "columns" };
        let message = format!("the record {} is a list, which has no {what}", other.key);
        return Err(Failure::new(Exit::Data, message));
    }
    let texts = sheet.records().map(|record| text(record, key));
    match arguments.format {
        TableFormat::Ndjson => lines(texts, false, out)?,
        TableFormat::Json => lines(texts, true, out)?,
        TableFormat::Csv => table(sheet, key, out).map_err(unwritten)?,
    }
    Ok(Exit::Success)
}

/// Only the output can fail: rows have as many cells as the first line, and cells accept any text.
fn unwritten(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        kind => Failure::new(Exit::Software, format!("cannot write a table: {kind:?}")),
    }
}

/// Returns the JSON of a record, with its key in front if a field takes it.
fn text(record: &Record, key: Option<&str>) -> String {
    let value = record.value.as_str();
    let Some(field) = key else { return value.to_owned() };
    let (field, key) = (Value::from(field), Value::from(record.key.as_str()));
    let members = value.strip_prefix('{').unwrap_or(value);
    let comma = if members.starts_with('}') { "" } else { "," };
    format!("{{{field}:{key}{comma}{members}")
}

/// Writes a table with a column for each field that occurs.
fn table(sheet: &Sheet, key: Option<&str>, out: &mut (dyn Write + Send)) -> csv::Result<()> {
    let mut fields = BTreeSet::new();
    for record in sheet.records() {
        for (name, _) in record.value.json().members() {
            if !fields.contains(&*name) {
                fields.insert(name.into_owned());
            }
        }
    }
    let mut table = csv::Writer::from_writer(out);
    table.write_record(key.into_iter().chain(fields.iter().map(String::as_str)))?;
    for record in sheet.records() {
        let own = key.map(|_| csv_cell::write(Text::new(&record.key.as_str().into()).json()));
        let json = record.value.json();
        let cells = fields.iter().map(|name| json.member(name).map(csv_cell::write));
        table.write_record(own.into_iter().chain(cells.map(Option::unwrap_or_default)))?;
    }
    table.flush()?;
    Ok(())
}
