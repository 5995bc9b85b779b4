//! Tracks which operation of a batch wrote which record.

use std::collections::HashMap;

use crate::id::{Key, SheetName};
use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// The operations that wrote each file, by its path: the place of the last one in the batch, from 0,
/// by the record that it wrote.
#[derive(Debug, Default)]
pub(super) struct Writers(HashMap<String, HashMap<Key, usize>>);

/// The first record of each line of a file of many.
type Lines<'s> = HashMap<u32, &'s Key>;

impl Writers {
    /// Records that the operation wrote the record `key`, which is the file at `path` or in it.
    pub(super) fn note(&mut self, path: &str, key: &Key, operation: usize) {
        self.0.entry(path.to_owned()).or_default().insert(key.clone(), operation);
    }

    /// Returns, for each problem of `state`, the operation that wrote its record. In a file of many
    /// records, the line of the problem identifies the record, if it is known. Linear in
    /// the problems, and in the records of their files.
    pub(super) fn of_each<'p>(
        &self,
        problems: &'p [Problem],
        state: &Snapshot,
    ) -> Vec<Option<usize>> {
        let mut files: HashMap<(Option<&SheetName>, &'p str), Lines<'_>> = HashMap::new();
        let operation = |problem: &'p Problem| -> Option<usize> {
            let Problem { sheet, path, line, .. } = problem;
            let writers = self.0.get(path)?;
            let lines =
                files.entry((sheet.as_ref(), path)).or_insert_with(|| lines(problem, state));
            match line.and_then(|line| lines.get(&line)) {
                Some(key) => writers.get(*key).copied(),
                None if writers.len() == 1 => writers.values().next().copied(),
                None => None,
            }
        };
        problems.iter().map(operation).collect()
    }
}

/// Reads off where the records of the file of a problem begin.
fn lines<'s>(problem: &Problem, state: &'s Snapshot) -> Lines<'s> {
    let sheet = problem.sheet.as_ref().and_then(|sheet| state.sheet(sheet.as_str()));
    let table = sheet.and_then(|sheet| sheet.table(&problem.path));
    let mut lines = Lines::new();
    for (key, line) in table.iter().flat_map(|table| table.lines()) {
        lines.entry(line).or_insert(key);
    }
    lines
}
