//! `headwater check`: the problems of one commit, for the CI of a data repository.

use std::io::Write;

use super::place::{count, line};
use super::repository::Repository;
use crate::cli::RepoArgs;
use crate::exit::{Exit, Failure};

/// Loads a commit and writes its problems, one in a line. Exits with 1 if there are any.
///
/// # Errors
/// When the commit can't be read at all.
pub fn check(repo: &RepoArgs, rev: &str, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let snapshot = Repository::open(repo)?.load(rev)?;
    let problems = snapshot.problems();
    for problem in &problems {
        writeln!(out, "{}", line(problem))?;
    }
    let (records, sheets) = (snapshot.records(), snapshot.sheets().count());
    let totals =
        [count(records, "record"), count(sheets, "sheet"), count(problems.len(), "problem")];
    writeln!(out, "{}: {}", snapshot.commit(), totals.join(", "))?;
    Ok(if problems.is_empty() { Exit::Success } else { Exit::Found })
}
