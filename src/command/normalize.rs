//! `headwater normalize`: rewrites records in canonical form, as one commit.

use std::io::Write;

use headwater_engine::encode::{encode, path_of};
use headwater_engine::id::BlobId;
use headwater_engine::mirror::{BlobContent, Objects};
use headwater_engine::record::Record;
use headwater_engine::sheet::Sheet;
use headwater_engine::write::{Action, Operation};
use serde_json::{Map, Value, json};

use super::messages::{count, line, sheet_of};
use super::progress::Bar;
use super::record_flaw::{Flaw, refusal};
use super::writer::{Writer, operation};
use crate::cli::NormalizeArgs;
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// Rewrites every record whose file is not in canonical form. Files that are not records, and
/// records that cannot be written, are reported and left as they are.
///
/// # Errors
/// Fails if there is no such sheet, or if the repository cannot be written to.
pub fn normalize(
    arguments: &NormalizeArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let writer = Writer::open(&arguments.write, environment)?;
    let snapshot = writer.snapshot();
    let sheets: Vec<&Sheet> = match &arguments.names[..] {
        [] => snapshot.sheets().map(|sheet| &**sheet).collect(),
        names => {
            let sheets = names.iter().map(|name| sheet_of(&snapshot, name).map(|sheet| &**sheet));
            sheets.collect::<Result<_, _>>()?
        }
    };
    let objects = writer.objects()?;
    let bar = Bar::new(sheets.iter().map(|sheet| sheet.len()).sum());
    let mut found = Found::default();
    for sheet in &sheets {
        found.look(sheet, &objects, &bar)?;
    }
    bar.commit();
    let Found { operations, same, left } = found;
    let rewritten = operations.len();
    let message = format!("normalize {}", count(rewritten, "record"));
    let done = writer.commit(operations, &message);
    let done = done.map_err(|error| refusal(&error, "the records"))?;
    drop(bar);
    if !writer.is_json() {
        for line in &left {
            writeln!(out, "{line}")?;
        }
    }
    let summary = format!("{rewritten} rewritten, {same} unchanged, {} skipped", left.len());
    let is_sound = left.is_empty();
    let facts = [("rewritten", json!(rewritten)), ("same", json!(same)), ("left", json!(left))];
    let facts: Map<String, Value> =
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    writer.tell(done.commit, done.changed, &summary, facts, out)?;
    Ok(if is_sound { Exit::Success } else { Exit::Found })
}

/// What is to be done, and what cannot be.
#[derive(Default)]
struct Found {
    operations: Vec<Operation>,
    same: usize,
    /// One line for each problem.
    left: Vec<String>,
}

impl Found {
    /// Inspects every file of a sheet.
    fn look(&mut self, sheet: &Sheet, objects: &Objects, bar: &Bar) -> Result<(), Failure> {
        self.left.extend(sheet.problems().iter().map(line));
        let records = sheet.records().map(|record| &**record);
        // Records in a file of many have no canonical form of their own.
        let records: Vec<&Record> = records.filter(|record| !record.is_in_list()).collect();
        let blobs: Vec<BlobId> = records.iter().map(|record| record.blob).collect();
        let read = objects.read_each(&blobs, &|_| u64::MAX, |at, content| {
            bar.add(1);
            match content {
                BlobContent::Bytes(bytes) => rewritten(sheet, records[at], bytes),
                BlobContent::TooLarge(_) => Ok(None),
            }
        });
        let read = read.map_err(|error| Failure::caused_by(Exit::Data, &error))?;
        for (record, rewritten) in records.into_iter().zip(read) {
            match rewritten {
                Ok(None) => self.same += 1,
                Ok(Some(value)) => {
                    let action = Action::Put(record.key.clone(), value);
                    self.operations.push(operation(&sheet.spec().name, action));
                }
                Err(flaws) => {
                    self.left.extend(flaws.iter().map(|flaw| flaw.line(&record.path())));
                }
            }
        }
        Ok(())
    }
}

/// Returns the value to write if the file is not in canonical form.
fn rewritten(sheet: &Sheet, record: &Record, bytes: &[u8]) -> Result<Option<Value>, Vec<Flaw>> {
    let spec = sheet.spec();
    // The text of a value is JSON.
    let value: Value = serde_json::from_str(record.value.as_str()).unwrap_or(Value::Null);
    let path = match spec.template.is_every_file() {
        true => record.path(),
        false => path_of(spec, &value, None).map_err(|error| vec![Flaw::unplaced(&error)])?,
    };
    let encoded = encode(spec, &path, &value, Some(bytes));
    let encoded = encoded.map_err(|error| Flaw::unwritable(&error))?;
    let is_same = record.is_at(&path) && encoded.bytes == bytes;
    Ok((!is_same).then_some(value))
}
