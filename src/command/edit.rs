//! `headwater put`, `patch` and `delete`: one record, one commit.

use std::io::Write;

use headwater_engine::encode::path_of;
use headwater_engine::id::{Key, SheetName};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::suggestion::did_you_mean;
use headwater_engine::write::{Action, WriteError, Written};
use serde_json::{Map, Value};

use super::input::Input;
use super::messages::sheet_of;
use super::record_flaw::{Flaw, refusal};
use super::writer::{Writer, operation};
use crate::cli::{DeleteArgs, PatchArgs, PutArgs};
use crate::config::Environment;
use crate::exit::{Exit, Failure};

/// Writes a value as a record, and replaces any old value.
///
/// # Errors
/// Fails if the value is not a record of the sheet, or if the repository cannot be written to.
pub fn put(
    arguments: &PutArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let input = Input::read(&arguments.value.file)?;
    let value = input.json()?;
    let writer = Writer::open(&arguments.write, environment)?;
    let place = &arguments.place;
    let key = match &place.key {
        Some(key) => Key::new(key.as_str()),
        None => key_of(&writer.snapshot(), &place.sheet, &value, &input.name)?,
    };
    let change = Change { verb: "put", sheet: &place.sheet, key, source: &input.name };
    change.make(&writer, |key| Action::Put(key, value), out)
}

/// Changes a record by a JSON merge patch.
///
/// # Errors
/// Fails if there is no such record, or if the result is not a record.
pub fn patch(
    arguments: &PatchArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let input = Input::read(&arguments.value.file)?;
    let value = input.json()?;
    let writer = Writer::open(&arguments.write, environment)?;
    let key = Key::new(arguments.place.key.as_str());
    let sheet = &arguments.place.sheet;
    let change = Change { verb: "patch", sheet, key, source: &input.name };
    change.make(&writer, |key| Action::Patch(key, value), out)
}

/// Deletes a record with its attachments.
///
/// # Errors
/// Fails if there is no such record.
pub fn delete(
    arguments: &DeleteArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let writer = Writer::open(&arguments.write, environment)?;
    let key = Key::new(arguments.place.key.as_str());
    let sheet = &arguments.place.sheet;
    let source = format!("{sheet}/{key}");
    let change = Change { verb: "delete", sheet, key, source: &source };
    change.make(&writer, Action::Delete, out)
}

/// Returns the key that the fields of a record determine.
fn key_of(snapshot: &Snapshot, sheet: &str, value: &Value, source: &str) -> Result<Key, Failure> {
    let spec = sheet_of(snapshot, sheet)?.spec();
    let path = path_of(spec, value, None).map_err(|error| Flaw::unplaced(&error));
    let key = path.and_then(|path| placed(snapshot, &spec.name, &path));
    key.map_err(|flaw| Failure::new(Exit::Data, flaw.line(source)))
}

/// Returns the key that a path claims in a sheet.
pub(super) fn placed(snapshot: &Snapshot, sheet: &SheetName, path: &str) -> Result<Key, Flaw> {
    let claims = snapshot.layout().claims(path.as_bytes());
    let claim = claims.into_iter().find(|claim| claim.sheet.name == *sheet);
    let none = || Flaw::new("path", format!("{path} cannot be a record of {sheet}"));
    let claim = claim.ok_or_else(none)?;
    match claim.fault {
        Some(fault) => Err(Flaw::new(fault.rule.as_str(), fault.message)),
        None => Ok(claim.key),
    }
}

/// One change of one record.
struct Change<'a> {
    verb: &'static str,
    sheet: &'a str,
    key: Key,
    /// Where the value came from.
    source: &'a str,
}

impl Change<'_> {
    fn make(
        self,
        writer: &Writer,
        action: impl FnOnce(Key) -> Action,
        out: &mut (dyn Write + Send),
    ) -> Result<Exit, Failure> {
        let Self { verb, sheet, key, source } = self;
        let snapshot = writer.snapshot();
        let found = sheet_of(&snapshot, sheet)?;
        let message = format!("{sheet}: {verb} {key}");
        let operations = vec![operation(&SheetName::new(sheet), action(key))];
        let done = writer.commit(operations, &message);
        let done = done.map_err(|error| match &error {
            WriteError::NotFound { key, .. } => {
                let meant = found.nearest(key.as_str());
                let meant = did_you_mean(meant.map(|record| record.key.as_str()));
                Failure::new(Exit::Data, format!("{error}{meant}"))
            }
            _ => refusal(&error, source),
        })?;
        let [written] = &done.written[..] else {
            return Err(Failure::new(Exit::Software, "a change has no record"));
        };
        let summary = summary(verb, written);
        writer.tell(done.commit, done.changed, &summary, facts(written), out)?;
        Ok(Exit::Success)
    }
}

fn summary(verb: &str, written: &Written) -> String {
    let Written { sheet, key, moved_from, .. } = written;
    let moved = moved_from.as_ref().map(|from| format!(", which was {from}")).unwrap_or_default();
    format!("{verb} {sheet}/{key}{moved}")
}

/// Returns the record as the API shows it.
fn facts(written: &Written) -> Map<String, Value> {
    let Written { sheet, key, moved_from, value, .. } = written;
    let mut facts = Map::new();
    facts.insert("sheet".into(), sheet.as_str().into());
    facts.insert("key".into(), key.as_str().into());
    facts.extend(moved_from.as_ref().map(|from| ("movedFrom".into(), from.as_str().into())));
    // The text of a value is JSON.
    let json = |text| serde_json::from_str(text).unwrap_or(Value::Null);
    facts.extend(value.as_ref().map(|value| ("value".into(), json(value.as_str()))));
    facts
}
