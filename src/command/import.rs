//! `headwater import`: writes the records of a file as one commit.

mod plan;
mod rows;
mod unique;

use std::io::Write;
use std::path::Path;

use headwater_engine::write::{Committed, WriteError};
use serde_json::{Map, Value};

use super::input::Input;
use super::messages::{count, sheet_of};
use super::progress::Bar;
use super::record_flaw::refusal;
use super::writer::Writer;
use crate::cli::{ImportArgs, TableFormat};
use crate::config::Environment;
use crate::exit::{Exit, Failure};
use plan::{Bad, Plan};

/// Writes every row of a file as a record, all in one commit. If one is bad, nothing is written
/// unless the caller wants the others. Each bad row is reported with its line.
///
/// # Errors
/// Fails if the file does not have its format, or if the repository cannot be written to.
pub fn import(
    arguments: &ImportArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let format = format_of(arguments)?;
    let input = Input::read(&arguments.file)?;
    let writer = Writer::open(&arguments.write, environment)?;
    let snapshot = writer.snapshot();
    let sheet = sheet_of(&snapshot, &arguments.sheet)?;
    let rows = rows::read(format, &input.bytes, sheet.spec()).map_err(|(line, flaw)| {
        Failure::new(Exit::Data, flaw.line(&format!("{}:{line}", input.name)))
    })?;
    let total = rows.len();
    let bar = Bar::new(total);
    let mut plan = Plan::of(&snapshot, sheet, rows, arguments.key.as_deref(), &bar);
    bar.commit();
    let done = loop {
        if !plan.bad.is_empty() && !arguments.skip_bad {
            break None;
        }
        let message = format!("{}: import {}", arguments.sheet, count(plan.len(), "record"));
        match writer.commit(plan.operations(), &message) {
            Ok(done) => break Some(done),
            // Conflicts between records are known only when all of them are there.
            Err(WriteError::Invalid { broken }) if plan.blame(&broken) => {}
            Err(error) if plan.refuse(&error) => {}
            Err(error) => return Err(refusal(&error, &input.name)),
        }
    };
    drop(bar);
    let Plan { bad, .. } = &plan;
    if !writer.is_json() {
        for Bad { line, flaw } in bad {
            writeln!(out, "{}", flaw.line(&format!("{}:{line}", input.name)))?;
        }
    }
    let Some(done) = done else {
        let commit = snapshot.commit();
        let rows = plan.bad_rows();
        let summary = format!("{}: {rows} bad of {}", arguments.sheet, count(total, "row"));
        writer.tell(
            commit,
            false,
            &summary,
            told(&arguments.sheet, Counts::default(), bad),
            out,
        )?;
        return Ok(Exit::Data);
    };
    let counts = Counts::of(&done, |key| Some(sheet.record(key)?.value.as_str()));
    let Counts { added, modified, same } = counts;
    let skipped = match plan.bad_rows() {
        0 => String::new(),
        rows => format!(", {rows} skipped"),
    };
    let summary = format!(
        "{}: {added} added, {modified} modified, {same} unchanged{skipped}",
        arguments.sheet
    );
    let facts = told(&arguments.sheet, counts, bad);
    writer.tell(done.commit, done.changed, &summary, facts, out)?;
    Ok(if bad.is_empty() { Exit::Success } else { Exit::Found })
}

/// Returns the given format, or the one that the name of the file implies.
fn format_of(arguments: &ImportArgs) -> Result<TableFormat, Failure> {
    let extension = Path::new(&arguments.file).extension().and_then(|text| text.to_str());
    let told = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("ndjson" | "jsonl") => Some(TableFormat::Ndjson),
        Some("json") => Some(TableFormat::Json),
        Some("csv") => Some(TableFormat::Csv),
        _ => None,
    };
    arguments.format.or(told).ok_or_else(|| {
        let file = arguments.file.display();
        let message =
            format!("the name {file} implies no format: give --format ndjson, json or csv");
        Failure::new(Exit::Usage, message)
    })
}

/// The results for the records.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    added: usize,
    modified: usize,
    same: usize,
}

impl Counts {
    /// Compares the written records with those that were there before.
    fn of<'s>(done: &Committed, before: impl Fn(&str) -> Option<&'s str>) -> Self {
        let mut counts = Self::default();
        for written in &done.written {
            let value = written.value.as_ref().map(headwater_engine::value::Value::as_str);
            let counted = match before(written.key.as_str()) {
                None => &mut counts.added,
                before if before == value => &mut counts.same,
                Some(_) => &mut counts.modified,
            };
            *counted += 1;
        }
        counts
    }
}

fn told(sheet: &str, counts: Counts, bad: &[Bad]) -> Map<String, Value> {
    let Counts { added, modified, same } = counts;
    let bad: Vec<Value> = bad.iter().map(Bad::json).collect();
    let facts = serde_json::json!({
        "sheet": sheet, "added": added, "modified": modified, "same": same, "bad": bad,
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}
