//! What writes cost the writer. It is known before the work is done, from the formats and sizes of the
//! files alone; only what lies beside records is counted as it is found.

use std::collections::BTreeSet;

use super::{Action, Batch, Operation, WriteError};
use crate::decode::Format;
use crate::mirror::TreeFiles;
use crate::sheet::Sheet;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// The cost of a batch by itself, however little it changes.
const BATCH: usize = 16 << 10;

/// The least cost of a look at a file or a folder beside a record: it is found in its tree, and the sheets
/// are found that hold it. The length of its path is added.
pub(super) const BESIDE: usize = 256;

/// How many times the cost of all others the costliest file of a batch may have. All other writes, and
/// reloads, wait for it: YAML takes a second or two at this cost.
const COSTLIEST: usize = 4;

/// Returns the cost of writing into a list of `bytes` that so many sheets read: as many bytes as are scanned
/// in the time that it takes to cut the file and to read it again. It does not depend on how many records
/// change.
pub(super) fn of_list(
    format: Option<Format>,
    is_scanned: bool,
    bytes: usize,
    sheets: usize,
) -> usize {
    let weight = match format {
        _ if is_scanned => 1,
        Some(Format::Json) => 8,
        Some(Format::Yaml) => 24,
        _ => 32,
    };
    bytes.saturating_mul(weight).saturating_mul(sheets.max(1))
}

/// Returns the cost of a list, if one request may cause it; `limit` is that of the whole batch.
pub(super) fn affordable(cost: usize, limit: usize) -> Result<usize, WriteError> {
    match cost <= limit.saturating_mul(COSTLIEST) {
        true => Ok(cost),
        false => Err(WriteError::ListTooLarge),
    }
}

/// Returns the cost of writing a record of `bytes` in a file of its own that so many sheets read.
pub(super) fn of_record(format: Option<Format>, bytes: usize, sheets: usize) -> usize {
    let weight = match format {
        Some(Format::Yaml | Format::Toml10 | Format::Toml11) => 8,
        _ => 2,
    };
    bytes.saturating_mul(weight).saturating_mul(sheets.max(1))
}

/// Returns the cost of a look at all files of a folder.
pub(super) fn of_folder(files: &TreeFiles) -> usize {
    files.entries.saturating_mul(BESIDE).saturating_add(files.path_bytes)
}

/// What the files of a batch cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Costs {
    all: usize,
    /// That of the costliest one.
    most: usize,
}

impl Costs {
    /// Adds a file, if the others do not cost more than `limit`. The costliest one does not count: a
    /// large file can be written too, by itself, as far as it is [`affordable`].
    pub(super) fn add(&mut self, cost: usize, limit: usize) -> Result<(), WriteError> {
        self.grow(cost, self.most.max(cost), limit)
    }

    /// Adds a folder of a record, which counts whatever else does: a few trees that refer to each other many
    /// times have any number of files.
    pub(super) fn add_folder(&mut self, cost: usize, limit: usize) -> Result<(), WriteError> {
        self.grow(cost, self.most, limit)
    }

    /// Returns what a folder may cost.
    pub(super) fn left(&self, limit: usize) -> usize {
        limit.saturating_sub(self.all.saturating_sub(self.most))
    }

    fn grow(&mut self, cost: usize, most: usize, limit: usize) -> Result<(), WriteError> {
        let all = self.all.saturating_add(cost);
        if all.saturating_sub(most) > limit {
            return Err(WriteError::BatchTooLarge);
        }
        (self.all, self.most) = (all, most);
        Ok(())
    }
}

/// The file that an operation writes.
enum Target<'a> {
    List { path: String, table: &'a Table },
    Record { path: String, bytes: usize },
}

impl Batch {
    /// Returns the cost of the batch for the writer, judged by the files of `records`: about the bytes
    /// that could be scanned in the same time.
    ///
    /// # Errors
    ///
    /// Fails if its files cost more than the limit.
    pub(crate) fn cost(&self, records: &Snapshot) -> Result<usize, WriteError> {
        let mut costs = Costs::default();
        let mut lists = BTreeSet::new();
        for (index, Operation { sheet, action, .. }) in self.operations.iter().enumerate() {
            let Some(sheet) = records.sheet(sheet.as_str()) else { continue };
            let format = |path: &str| sheet.spec().format_of(path);
            let cost = match target(sheet, action) {
                Some(Target::List { path, .. }) if lists.contains(&path) => 0,
                Some(Target::List { path, table }) => {
                    let sheets = records.layout().claims(path.as_bytes()).len();
                    let is_scanned = table.splitter().is_some();
                    let cost = of_list(format(&path), is_scanned, table.size(), sheets);
                    lists.insert(path);
                    affordable(cost, self.limit).map_err(|error| self.at_operation(index, error))?
                }
                Some(Target::Record { path, bytes }) => {
                    let sheets = records.layout().claims(path.as_bytes()).len();
                    of_record(format(&path), bytes, sheets)
                }
                None => 0,
            };
            costs.add(cost, self.limit).map_err(|error| self.at_operation(index, error))?;
        }
        Ok(BATCH.saturating_add(costs.all))
    }

    /// Returns an error of the operation at `index`, which is named if there are several.
    pub(super) fn at_operation(&self, index: usize, error: WriteError) -> WriteError {
        match self.operations.len() {
            0 | 1 => error,
            _ => WriteError::Operation { index, source: Box::new(error) },
        }
    }
}

/// Returns the file that an operation writes, if it is there.
fn target<'a>(sheet: &'a Sheet, action: &Action) -> Option<Target<'a>> {
    let list = |path: String| Some(Target::List { table: sheet.table(&path)?, path });
    match action {
        Action::Put(key, _) | Action::Patch(key, _) | Action::Delete(key) => {
            match sheet.record(key.as_str()) {
                Some(record) if record.is_in_list() => list(record.path()),
                Some(record) => {
                    let bytes = record.value.as_str().len();
                    Some(Target::Record { path: record.path(), bytes })
                }
                None => sheet.spec().lists_of(key.as_str()).into_iter().find_map(list),
            }
        }
        Action::Create(_) => {
            let mut tables = sheet.tables();
            let (path, _) = tables.next().filter(|_| tables.next().is_none())?;
            list(path.to_owned())
        }
        Action::Attach(..) | Action::Detach(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_but_the_costliest_one_are_bounded() {
        let yaml = |bytes| of_list(Some(Format::Yaml), false, bytes, 1);
        let list = of_list(Some(Format::Json), true, 1_000, 1);
        assert!(list < of_list(Some(Format::Json), false, 1_000, 1) && list < yaml(1_000));
        for (files, limit, expected) in [
            (&[yaml(1_000_000)][..], 0, None),
            (&[yaml(100), yaml(1_000_000)], yaml(100), None),
            (&[yaml(1_000_000), yaml(100), list], yaml(100), Some(2)),
            (&[list, list, list], 2 * list, None),
            (&[list, list, list, list], 2 * list, Some(3)),
            (&[usize::MAX, usize::MAX], 100, None),
        ] {
            let mut costs = Costs::default();
            let refused = files.iter().position(|cost| costs.add(*cost, limit).is_err());
            assert_eq!(refused, expected, "{files:?} of {limit}");
        }
        let mut costs = Costs::default();
        (0..1_000).for_each(|_| costs.add(usize::MAX / 2, usize::MAX).unwrap());
    }

    #[test]
    fn a_list_may_cost_four_times_as_much_as_all_other_files() {
        let limit = 32 << 20;
        let is_refused = |format, is_scanned, bytes| {
            affordable(of_list(Some(format), is_scanned, bytes, 1), limit).is_err()
        };
        for (format, is_scanned, most) in [
            (Format::Csv, true, 128 << 20),
            (Format::Json, true, 128 << 20),
            (Format::Json, false, 16 << 20),
            (Format::Yaml, false, (128 << 20) / 24),
            (Format::Toml11, false, 4 << 20),
        ] {
            assert!(!is_refused(format, is_scanned, most), "{format:?}");
            assert!(is_refused(format, is_scanned, most + 1), "{format:?}");
        }
        assert!(affordable(usize::MAX, usize::MAX).is_ok());
        let of_two = of_list(Some(Format::Yaml), false, 100, 2);
        assert_eq!(of_two, of_list(Some(Format::Yaml), false, 200, 1), "each sheet reads it");
    }

    #[test]
    fn all_folders_are_bounded_whatever_the_files_cost() {
        let mut costs = Costs::default();
        costs.add(1_000, 100).unwrap();
        assert_eq!(costs.left(100), 100);
        costs.add_folder(60, 100).unwrap();
        costs.add_folder(40, 100).unwrap();
        assert!(costs.left(100) == 0 && costs.add_folder(1, 100).is_err());
        assert!(costs.add(2_000, 1_100).is_ok() && costs.add(1, 1_100).is_err());
        assert!(Costs::default().add_folder(101, 100).is_err(), "also the only one");
    }
}
