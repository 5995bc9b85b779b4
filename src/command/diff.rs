//! `headwater diff`: prints what a push would change, record by record, and whether it would go
//! live.

use std::collections::BTreeSet;
use std::io::Write;

use headwater_engine::admit::{Admission, AdmissionLimits, Health, admit};
use headwater_engine::problem::Problem;
use headwater_engine::record::Record;
use headwater_engine::sheet::Served;
use headwater_engine::snapshot::{RecordChange, count as counted};

use super::messages::{count, line};
use super::repository::Repository;
use crate::cli::RepoArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// Writes the records that differ between two commits, and the problems that appear and disappear.
///
/// # Errors
/// Fails if one of the commits cannot be read.
pub fn diff(
    repo: &RepoArgs,
    old: &str,
    new: &str,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let repository = Repository::open(repo, environment)?;
    let (old, new) = (repository.load(old)?, repository.load(new)?);
    let changes = new.differences(&old);
    for change in &changes {
        writeln!(out, "{}", line_of(change))?;
    }
    let (before, after) = (Health::of(&old), Health::of(&new));
    problems("problem", &after.problems, &before.problems, out)?;
    problems("mended", &before.problems, &after.problems, out)?;
    writeln!(out, "{}", summary(&changes))?;
    match admit(
        &before,
        &after,
        &headwater_engine::snapshot::count(&changes),
        &AdmissionLimits::default(),
    ) {
        // The limits of a single push are settings of the server.
        Admission::Admitted | Admission::TooMuch(..) => {}
        Admission::Refused(found) | Admission::OverLimit(found) => {
            writeln!(out, "this push would be refused: {}", count(found.len(), "problem"))?;
        }
    }
    Ok(Exit::Success)
}

fn line_of(change: &RecordChange) -> String {
    let RecordChange { sheet, key, served: Served { before, after } } = change;
    match (before, after) {
        (Some(one), Some(other)) => {
            format!("modified  {sheet}/{key}  {}", fields(one, other).join(", "))
        }
        (Some(_), None) => format!("removed   {sheet}/{key}"),
        (None, _) => format!("added     {sheet}/{key}"),
    }
}

/// Returns the top-level fields in which two records differ.
fn fields(one: &Record, other: &Record) -> Vec<String> {
    let members = |record: &Record| -> BTreeSet<(String, String)> {
        let members = record.value.json().members();
        // The text is copied because the two records have different lifetimes.
        members.map(|(name, value)| (name.into_owned(), value.text().to_owned())).collect()
    };
    let differing: BTreeSet<_> =
        members(one).symmetric_difference(&members(other)).map(|(name, _)| name.clone()).collect();
    differing.into_iter().collect()
}

/// Writes the problems of `some` that `others` does not have, identified by path and rule.
fn problems(
    label: &str,
    some: &[Problem],
    others: &[Problem],
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let known: BTreeSet<_> = others.iter().map(|problem| (&problem.path, problem.rule)).collect();
    for problem in some.iter().filter(|problem| !known.contains(&(&problem.path, problem.rule))) {
        writeln!(out, "{label:<9} {}", line(problem))?;
    }
    Ok(())
}

fn summary(changes: &[RecordChange]) -> String {
    let sheets = counted(changes).into_iter().map(|(sheet, counts)| {
        format!("{sheet} +{} ~{} -{}", counts.added, counts.modified, counts.removed)
    });
    let sheets: Vec<_> = sheets.collect();
    let colon = if sheets.is_empty() { "" } else { ": " };
    format!("{} changed{colon}{}", count(changes.len(), "record"), sheets.join(", "))
}
