//! `headwater get`: one record.

use std::io::Write;

use super::place::sheet_of;
use super::repository::Repository;
use crate::cli::GetArgs;
use crate::exit::{Exit, Failure};

/// Writes the JSON of a record, hidden or not.
///
/// # Errors
/// When there is no such record, or the commit can't be read.
pub fn get(arguments: &GetArgs, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let (sheet, key) = (&arguments.place.sheet, &arguments.place.key);
    let snapshot = Repository::open(&arguments.read.repo)?.load(&arguments.read.rev())?;
    let record = sheet_of(&snapshot, sheet)?.record(key);
    let none = || Failure::new(Exit::Data, format!("there is no record {key} in {sheet}"));
    writeln!(out, "{}", record.ok_or_else(none)?.value.as_str())?;
    Ok(Exit::Success)
}
