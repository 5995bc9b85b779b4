//! `headwater check`: prints the problems of one commit, for the CI of a data repository.

use std::io::Write;

use headwater_engine::notice::Notice;
use headwater_engine::problem::Problem;

use super::annotation::{annotation, data};
use super::messages::{count, line};
use super::repository::Repository;
use crate::cli::{ProblemFormat, ReadArgs};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use crate::wire::ProblemView;

/// Loads a commit and writes its problems, one per line, and its notices. Exits with 1 if there are
/// problems.
///
/// # Errors
/// Fails if the commit cannot be read at all.
pub fn check(
    arguments: &ReadArgs,
    format: ProblemFormat,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (repository, rev) = Repository::at(arguments, environment)?;
    let snapshot = repository.load(&rev)?;
    let problems = snapshot.problems();
    for problem in &problems {
        writeln!(out, "{}", written(problem, format))?;
    }
    for notice in repository.notices(&snapshot)? {
        match format {
            ProblemFormat::Text => writeln!(out, "note: {notice}")?,
            ProblemFormat::Json => writeln!(out, "{}", json(&notice))?,
            ProblemFormat::Github => {
                let level = if notice.is_doubtful() { "warning" } else { "notice" };
                writeln!(out, "::{level}::{}", data(&notice.to_string()))?;
            }
        }
    }
    // JSON has one value for each problem and notice, and the totals are neither.
    if format != ProblemFormat::Json {
        let (records, sheets) = (snapshot.records(), snapshot.sheets().count());
        let totals =
            [count(records, "record"), count(sheets, "sheet"), count(problems.len(), "problem")];
        writeln!(out, "{}: {}", snapshot.commit(), totals.join(", "))?;
    }
    Ok(if problems.is_empty() { Exit::Success } else { Exit::Found })
}

/// Returns a notice as JSON: it has the member `notice` instead of `rule`.
fn json(notice: &Notice) -> serde_json::Value {
    let mut json = serde_json::json!({ "notice": notice.as_str(), "message": notice.to_string() });
    for (name, value) in
        [("sheet", notice.sheet().map(|sheet| sheet.as_str())), ("path", notice.path())]
    {
        if let Some(value) = value {
            json[name] = value.into();
        }
    }
    if let Some(count) = notice.count() {
        json["count"] = count.into();
    }
    json
}

fn written(problem: &Problem, format: ProblemFormat) -> String {
    match format {
        ProblemFormat::Text => line(problem),
        ProblemFormat::Json => serde_json::json!(ProblemView::of(problem)).to_string(),
        ProblemFormat::Github => annotation(problem),
    }
}
