//! Tracks which operation of a batch wrote which record.

use std::collections::HashMap;

use crate::id::Key;
use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// The operations that wrote each file, by path.
#[derive(Debug, Default)]
pub(super) struct Writers(HashMap<String, Vec<Writer>>);

#[derive(Debug)]
struct Writer {
    /// The record that it wrote.
    key: Key,
    /// Its index in the batch, from 0.
    operation: usize,
}

impl Writers {
    /// Records that the operation wrote the record `key`, which is the file at `path` or in it.
    pub(super) fn note(&mut self, path: &str, key: &Key, operation: usize) {
        let writers = self.0.entry(path.to_owned()).or_default();
        writers.retain(|writer| writer.key != *key);
        writers.push(Writer { key: key.clone(), operation });
    }

    /// Returns the operation that wrote the record of a problem of `state`. In a file of many
    /// records, the line of the problem identifies the record, if the line is known.
    pub(super) fn of(&self, problem: &Problem, state: &Snapshot) -> Option<usize> {
        let writers = self.0.get(&problem.path)?;
        let sheet = problem.sheet.as_ref().and_then(|sheet| state.sheet(sheet.as_str()));
        let table = sheet.and_then(|sheet| sheet.table(&problem.path));
        let mut lines = table.iter().flat_map(|table| table.lines());
        let found = lines.find(|(_, line)| Some(*line) == problem.line);
        let writer = match (found, &writers[..]) {
            (Some((key, _)), writers) => writers.iter().find(|writer| writer.key == *key),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        writer.map(|writer| writer.operation)
    }
}
