//! The plan of an import: each row is checked by itself, and against the other rows.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;

use headwater_engine::encode::{check_listed, encode};
use headwater_engine::id::Key;
use headwater_engine::index::Scalars;
use headwater_engine::layout::RenderError;
use headwater_engine::problem::{Problem, Rule};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::value::Value as Text;
use headwater_engine::write::{Action, Broken, Operation, WriteError};
use serde_json::Value;

use super::rows::Row;
use super::unique::{self, Clash, Unique};
use crate::command::edit::placed;
use crate::command::progress::Bar;
use crate::command::record_flaw::{Flaw, NO_PATH};
use crate::command::writer::operation;

/// The number of rows between two moves of the bar.
const STEP: usize = 64;

/// A flaw of a row.
#[derive(Debug)]
pub(super) struct Bad {
    /// The line where the row begins.
    pub(super) line: usize,
    pub(super) flaw: Flaw,
}

impl Bad {
    pub(super) fn json(&self) -> Value {
        let mut json = self.flaw.json();
        json["line"] = self.line.into();
        json
    }
}

/// A row that can be a record.
struct Good {
    line: usize,
    operation: Operation,
}

/// The rows that are written and those that are not.
pub(super) struct Plan {
    good: Vec<Good>,
    /// In the order of the lines.
    pub(super) bad: Vec<Bad>,
}

impl Plan {
    /// Checks every row, on all cores.
    pub(super) fn of(
        snapshot: &Snapshot,
        sheet: &Sheet,
        rows: Vec<Row>,
        key: Option<&str>,
        bar: &Bar,
    ) -> Self {
        let checked = check_all(&Check { snapshot, sheet, key }, rows, bar);
        let mut plan = Self { good: Vec::new(), bad: Vec::new() };
        let mut lines: HashMap<Key, usize> = HashMap::new();
        let mut placed = Vec::with_capacity(checked.len());
        for (line, checked) in checked {
            match checked {
                Err(flaws) => plan.call_bad(line, flaws),
                Ok(row) => match lines.get(&row.key) {
                    Some(first) => {
                        let message = format!("line {first} already has the record {}", row.key);
                        plan.call_bad(line, vec![Flaw::new(Rule::KeyTaken.as_str(), message)]);
                    }
                    None => {
                        lines.insert(row.key.clone(), line);
                        placed.push((line, row));
                    }
                },
            }
        }
        let mut unique = Unique::new(sheet, lines.keys());
        for (line, Placed { key, record, unique: values }) in placed {
            let clashes = unique.take(&key, &values);
            if clashes.is_empty() {
                let operation = operation(&sheet.spec().name, Action::Put(key, record));
                plan.good.push(Good { line, operation });
            } else {
                plan.call_bad(
                    line,
                    clashes.iter().map(|clash| clashing(clash, &record, &lines)).collect(),
                );
            }
        }
        plan.bad.sort_by_key(|bad| bad.line);
        plan
    }

    fn call_bad(&mut self, line: usize, flaws: Vec<Flaw>) {
        self.bad.extend(flaws.into_iter().map(|flaw| Bad { line, flaw }));
    }

    /// Returns how many records are written.
    pub(super) fn len(&self) -> usize {
        self.good.len()
    }

    /// Returns how many rows are bad.
    pub(super) fn bad_rows(&self) -> usize {
        let mut lines: Vec<usize> = self.bad.iter().map(|bad| bad.line).collect();
        lines.dedup();
        lines.len()
    }

    /// Returns the operations of the commit.
    pub(super) fn operations(&self) -> Vec<Operation> {
        self.good.iter().map(|good| good.operation.clone()).collect()
    }

    /// Marks the row bad that an error is about. Returns whether it is about one: whether a row fits
    /// into a file of many records depends on the rows before it.
    pub(super) fn refuse(&mut self, error: &WriteError) -> bool {
        let (row, error) = match error {
            WriteError::Operation { index, source } => (*index, &**source),
            error => (0, error),
        };
        let Some(flaws) = own_flaws(error).filter(|_| row < self.good.len()) else { return false };
        let Good { line, .. } = self.good.remove(row);
        self.call_bad(line, flaws);
        self.bad.sort_by_key(|bad| bad.line);
        true
    }

    /// Marks the rows bad that broke something. Returns whether a row broke each.
    pub(super) fn blame(&mut self, broken: &[Broken]) -> bool {
        let mut rows: BTreeMap<usize, Vec<&Problem>> = BTreeMap::new();
        for Broken { problem, operation } in broken {
            let Some(row) = operation else { return false };
            rows.entry(*row).or_default().push(problem);
        }
        let good = std::mem::take(&mut self.good);
        for (row, good) in good.into_iter().enumerate() {
            let Some(problems) = rows.get(&row) else {
                self.good.push(good);
                continue;
            };
            let flaw = |problem: &&Problem| Flaw {
                pointer: problem.pointer.clone().unwrap_or_default(),
                ..Flaw::new(problem.rule.as_str(), problem.message.clone())
            };
            self.call_bad(good.line, problems.iter().map(flaw).collect());
        }
        self.bad.sort_by_key(|bad| bad.line);
        true
    }
}

/// Returns the flaws of a record that cannot be written; `None` if the record is not to blame.
fn own_flaws(error: &WriteError) -> Option<Vec<Flaw>> {
    match error {
        WriteError::Encode { source, .. } => Some(Flaw::unwritable(source)),
        WriteError::OtherKey { .. } => Some(vec![Flaw::new(NO_PATH, error.to_string())]),
        _ => None,
    }
}

/// Returns the flaw of a row that has no place in its sheet.
fn unplaced(error: &RenderError) -> Flaw {
    match error {
        RenderError::NoTemplate => Flaw::new(NO_PATH, format!("{error}: use --key")),
        error => Flaw::unplaced(error),
    }
}

/// A row with its place in the sheet.
struct Placed {
    key: Key,
    record: Value,
    /// Its values in each unique field.
    unique: Vec<Scalars>,
}

/// Reports who has a unique value already: another row, or a record that stays.
fn clashing(clash: &Clash<'_>, record: &Value, lines: &HashMap<Key, usize>) -> Flaw {
    let Clash { field, holder } = clash;
    let who = match lines.get(holder) {
        Some(line) => format!("line {line}"),
        None => format!("the record {holder}"),
    };
    let message = format!("the value of `{field}` must be unique, and {who} has it");
    let pointer = Text::new(record).pointer(field);
    Flaw { pointer, ..Flaw::new(Rule::NotUnique.as_str(), message) }
}

/// The context that rows are checked against.
struct Check<'a> {
    snapshot: &'a Snapshot,
    sheet: &'a Sheet,
    /// The field that holds the key.
    key: Option<&'a str>,
}

type Checked = (usize, Result<Placed, Vec<Flaw>>);

fn check_all(check: &Check<'_>, rows: Vec<Row>, bar: &Bar) -> Vec<Checked> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = rows.len().div_ceil(threads).max(STEP);
    let mut rows = rows;
    let mut shares = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off(share.min(rows.len()));
        shares.push(std::mem::replace(&mut rows, rest));
    }
    let work = |rows: Vec<Row>| {
        let mut checked = Vec::with_capacity(rows.len());
        for (at, row) in rows.into_iter().enumerate() {
            if at % STEP == STEP - 1 {
                bar.add(STEP);
            }
            let Row { line, record } = row;
            checked.push((line, check.row(record)));
        }
        checked
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            shares.into_iter().map(|rows| scope.spawn(move || work(rows))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Checked>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    })
}

impl Check<'_> {
    /// Returns where the record of a row goes, or all flaws that keep it from being one.
    fn row(&self, record: Result<Value, Flaw>) -> Result<Placed, Vec<Flaw>> {
        let mut record = record.map_err(|flaw| vec![flaw])?;
        let spec = self.sheet.spec();
        let given = match self.key {
            Some(field) => Some(taken(&mut record, field).map_err(|flaw| vec![flaw])?),
            None => None,
        };
        if let Some(key) = self.in_list(given.as_ref(), &record)? {
            let list = self.sheet.list_of(key.as_str()).map(AsRef::as_ref);
            check_listed(spec, list, &record).map_err(|error| Flaw::unwritable(&error))?;
            let unique = unique::values(self.sheet, &Text::new(&record));
            return Ok(Placed { key, record, unique });
        }
        let existing = given.as_ref().and_then(|key| self.sheet.record(key.as_str()));
        let path = match existing.filter(|_| spec.template.is_every_file()) {
            Some(existing) => existing.path(),
            None => {
                let path = self.sheet.path_for(&record, given.as_ref());
                path.map_err(|error| vec![unplaced(&error)])?
            }
        };
        let encoded = encode(spec, &path, &record, None);
        let encoded = encoded.map_err(|error| Flaw::unwritable(&error))?;
        let key = placed(self.snapshot, &spec.name, &path).map_err(|flaw| vec![flaw])?;
        Ok(Placed { key, record, unique: unique::values(self.sheet, &encoded.value) })
    }
}

impl Check<'_> {
    /// Returns the key of a row whose record is, or will be, in a file of many; `None` for other rows.
    fn in_list(&self, given: Option<&Key>, record: &Value) -> Result<Option<Key>, Vec<Flaw>> {
        let is_listed = || self.sheet.spec().is_listed() || self.sheet.only_list().is_some();
        match given {
            Some(key) => Ok(Some(key.clone()).filter(|key| self.sheet.is_listed(key.as_str()))),
            None if is_listed() => {
                let key = self.sheet.key_in_list(record);
                let unsaid =
                    || vec![Flaw::new(NO_PATH, "its fields do not determine its key: use --key")];
                key.map_err(|error| Flaw::unwritable(&error))?.map(Some).ok_or_else(unsaid)
            }
            None => Ok(None),
        }
    }
}

/// Removes the key from the field that holds it.
fn taken(record: &mut Value, field: &str) -> Result<Key, Flaw> {
    let value = record.as_object_mut().and_then(|record| record.remove(field));
    match value {
        Some(Value::String(key)) if !key.is_empty() => Ok(Key::new(key)),
        Some(Value::Number(number)) => Ok(Key::new(number.to_string())),
        _ => Err(Flaw::new(NO_PATH, format!("the field {field:?} is not a key"))),
    }
}
