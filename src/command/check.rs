//! `headwater check`: the problems of one commit, for the CI of a data repository.

use std::io::Write;

use headwater_engine::problem::Problem;

use super::annotation::annotation;
use super::place::{count, line};
use super::repository::Repository;
use crate::cli::{ProblemFormat, RepoArgs};
use crate::exit::{Exit, Failure};
use crate::http::view::ProblemView;

/// Loads a commit and writes its problems, one in a line. Exits with 1 if there are any.
///
/// # Errors
/// When the commit can't be read at all.
pub fn check(
    repo: &RepoArgs,
    rev: &str,
    format: ProblemFormat,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let snapshot = Repository::open(repo)?.load(rev)?;
    let problems = snapshot.problems();
    for problem in &problems {
        writeln!(out, "{}", written(problem, format))?;
    }
    // The totals are no problem, so JSON has none.
    if format != ProblemFormat::Json {
        let (records, sheets) = (snapshot.records(), snapshot.sheets().count());
        let totals =
            [count(records, "record"), count(sheets, "sheet"), count(problems.len(), "problem")];
        writeln!(out, "{}: {}", snapshot.commit(), totals.join(", "))?;
    }
    Ok(if problems.is_empty() { Exit::Success } else { Exit::Found })
}

fn written(problem: &Problem, format: ProblemFormat) -> String {
    match format {
        ProblemFormat::Text => line(problem),
        ProblemFormat::Json => serde_json::json!(ProblemView::of(problem)).to_string(),
        ProblemFormat::Github => annotation(problem),
    }
}
