//! `headwater get`: prints one record.

use std::io::Write;

use headwater_engine::suggestion::did_you_mean;

use super::messages::{line, sheet_of};
use super::repository::Repository;
use crate::cli::GetArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// Writes the JSON of a record, hidden or not.
///
/// # Errors
/// Fails if there is no such record, or if the commit cannot be read. The failure reports the
/// problems of its file.
pub fn get(
    arguments: &GetArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (name, key) = (&arguments.place.sheet, &arguments.place.key);
    let (repository, rev) = Repository::at(&arguments.read, environment)?;
    let snapshot = repository.load(&rev)?;
    let sheet = sheet_of(&snapshot, name)?;
    if let Some(record) = sheet.meant(key, |_| true) {
        writeln!(out, "{}", record.value.as_str())?;
        return Ok(Exit::Success);
    }
    let meant = sheet.nearest(key).map(|record| record.key.as_str());
    let mut told = format!("no such record `{key}` in {name}{}", did_you_mean(meant));
    let paths = sheet.spec().paths_of(key);
    for problem in sheet.problems().iter().filter(|problem| paths.contains(&problem.path)) {
        told.push_str(&format!("\n{}", line(problem)));
    }
    Err(Failure::new(Exit::Data, told))
}
