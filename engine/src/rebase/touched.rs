//! Which files the commits of a replay are about, and which rows of them. They are noted while the commits are
//! put on top: afterwards writers wait, and the commits are not looked at one by one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::sheet_coverage::FilePart;
use crate::id::{CommitId, Key, SheetName};
use crate::layout::SheetSpec;
use crate::mirror::PathChange;
use crate::report::LostField;

/// What commits changed in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TouchedPart {
    /// Perhaps all of it.
    Whole,
    /// These records of a file of many, by the sheets as which they were changed.
    Rows(BTreeMap<SheetName, SheetRows>),
}
use TouchedPart::{Rows, Whole};

/// Records of a file of many, as one sheet reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SheetRows {
    /// The part of the file that the sheet reads, if it is known.
    part: Option<FilePart>,
    keys: BTreeSet<Key>,
}

/// Parts of files, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TouchedFiles(BTreeMap<Vec<u8>, TouchedPart>);

/// What some commits changed.
#[derive(Debug, Default)]
pub(crate) struct TouchedPaths {
    /// The changes of commits whose requests the remote has, too, oldest first, by their paths.
    again: BTreeMap<Vec<u8>, Vec<PathChange>>,
    /// The parts of files of each other commit.
    otherwise: Vec<TouchedBy>,
    /// Where the commits that changed a file are in `otherwise`.
    by_path: HashMap<Vec<u8>, Vec<usize>>,
}

#[derive(Debug)]
struct TouchedBy {
    commit: CommitId,
    files: TouchedFiles,
}

/// Commits of which each shares a part of a file with another one of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Connected {
    pub(super) commits: BTreeSet<CommitId>,
    /// All that they changed.
    pub(super) files: TouchedFiles,
}

impl TouchedPart {
    /// Returns the records with `keys` of a file, as the sheet `spec` reads it.
    pub(super) fn rows(spec: &SheetSpec, path: &str, keys: BTreeSet<Key>) -> Self {
        let part = FilePart::of(spec, path);
        Rows(BTreeMap::from([(spec.name.clone(), SheetRows { part, keys })]))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Rows(one), Rows(other)) = (self, other) else { return true };
        let overlaps = |(sheet, rows): (&SheetName, &SheetRows)| {
            other.iter().any(|(other, others)| match sheet == other {
                true => !rows.keys.is_disjoint(&others.keys),
                // What is one row for a sheet may be another one, or several, for the next.
                false => !rows.is_apart_from(others),
            })
        };
        one.iter().any(overlaps)
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Whole, _) => true,
            (Rows(_), Whole) => false,
            (Rows(one), Rows(other)) => other.iter().all(|(sheet, rows)| {
                one.get(sheet).is_some_and(|known| rows.keys.is_subset(&known.keys))
            }),
        }
    }

    /// Returns both together.
    fn joined(self, other: Self) -> Self {
        let (Rows(mut one), Rows(other)) = (self, other) else { return Whole };
        for (sheet, rows) in other {
            match one.entry(sheet) {
                Entry::Occupied(known) => known.into_mut().keys.extend(rows.keys),
                Entry::Vacant(place) => drop(place.insert(rows)),
            }
        }
        Rows(one)
    }

    /// Returns whether it has the record of a sheet.
    pub(super) fn has_record(&self, sheet: &SheetName, key: &Key) -> bool {
        match self {
            Whole => true,
            Rows(rows) => rows.get(sheet).is_some_and(|rows| rows.keys.contains(key)),
        }
    }

    /// Returns its records, unless it is perhaps all of the file.
    pub(super) fn records(&self) -> impl Iterator<Item = (&SheetName, &Key)> {
        let rows = match self {
            Whole => None,
            Rows(rows) => Some(rows),
        };
        let rows = rows.into_iter().flatten();
        rows.flat_map(|(sheet, rows)| rows.keys.iter().map(move |key| (sheet, key)))
    }
}

impl SheetRows {
    /// Returns whether both sheets read separate parts of the file.
    fn is_apart_from(&self, other: &Self) -> bool {
        match (&self.part, &other.part) {
            (Some(one), Some(other)) => one.is_apart_from(other),
            (None, _) | (_, None) => false,
        }
    }
}

impl TouchedFiles {
    /// Returns the whole files of `paths`.
    pub(super) fn whole(paths: impl Iterator<Item = Vec<u8>>) -> Self {
        Self(paths.map(|path| (path, Whole)).collect())
    }

    /// Notes of which part of a file a change is.
    pub(super) fn set(&mut self, path: &[u8], part: TouchedPart) {
        self.0.insert(path.to_vec(), part);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns their paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(Vec::as_slice)
    }

    pub(super) fn part(&self, path: &[u8]) -> Option<&TouchedPart> {
        self.0.get(path)
    }

    /// Returns the keys of the records at `path` if that is a file of many.
    pub(super) fn keys(&self, path: &[u8]) -> Option<impl Iterator<Item = &Key>> {
        let part = self.part(path).filter(|part| **part != Whole)?;
        Some(part.records().map(|(_, key)| key))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let overlaps = |(path, part): (&Vec<u8>, &TouchedPart)| {
            other.part(path).is_some_and(|other| other.overlaps(part))
        };
        self.0.iter().any(overlaps)
    }

    /// Returns what `other` does not cover.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.retain(|path, part| !other.part(path).is_some_and(|other| other.covers(part)));
        self
    }

    /// Adds a part. Returns what there is of its file now, if that is more than before.
    fn add(&mut self, path: &[u8], part: TouchedPart) -> Option<TouchedPart> {
        let joined = match self.0.get(path) {
            Some(known) if known.covers(&part) => return None,
            Some(known) => known.clone().joined(part),
            None => part,
        };
        self.0.insert(path.to_vec(), joined.clone());
        Some(joined)
    }

    pub(super) fn extend(&mut self, more: Self) {
        for (path, part) in more.0 {
            self.add(&path, part);
        }
    }
}

/// The files that requests changed which the remote has, too.
#[derive(Debug, Default)]
pub(crate) struct RepeatedFiles<'a>(BTreeMap<&'a [u8], RepeatedFile<'a>>);

#[derive(Debug)]
struct RepeatedFile<'a> {
    /// What these requests changed, oldest first.
    changes: &'a [PathChange],
    /// Whether other commits changed it, too.
    is_shared: bool,
}

impl<'a> RepeatedFiles<'a> {
    /// Returns whether no other commit changed the file at `path`.
    pub(super) fn have_only(&self, path: &[u8]) -> bool {
        self.0.get(path).is_some_and(|file| !file.is_shared)
    }

    /// Returns what these requests changed of the file at `path`, oldest first.
    pub(super) fn changes(&self, path: &[u8]) -> &'a [PathChange] {
        self.0.get(path).map_or(&[], |file| file.changes)
    }
}

impl TouchedPaths {
    /// Adds the changes of a commit whose request the remote has, too.
    pub(super) fn again(&mut self, changes: &[PathChange]) {
        for change in changes {
            self.again.entry(change.path.clone()).or_default().push(change.clone());
        }
    }

    /// Adds what any other commit changed.
    pub(super) fn otherwise(&mut self, commit: CommitId, files: TouchedFiles) {
        for path in files.0.keys() {
            self.by_path.entry(path.clone()).or_default().push(self.otherwise.len());
        }
        self.otherwise.push(TouchedBy { commit, files });
    }

    /// Returns whether a commit changed the file at `path` whose request the remote does not have.
    pub(super) fn has_file(&self, path: &[u8]) -> bool {
        self.by_path.contains_key(path)
    }

    /// Returns whether such a commit changed a record of the file at `path`, or perhaps all of it.
    pub(super) fn has_record(&self, path: &[u8], sheet: &SheetName, key: &Key) -> bool {
        self.parts(path).any(|part| part.has_record(sheet, key))
    }

    /// Returns what a commit changed whose request the remote does not have.
    pub(super) fn files_of(&self, commit: CommitId) -> Option<&TouchedFiles> {
        self.otherwise.iter().find(|by| by.commit == commit).map(|by| &by.files)
    }

    /// Returns the files that requests changed which the remote has, too.
    pub(crate) fn repeated(&self) -> RepeatedFiles<'_> {
        let files = self.again.iter().map(|(path, changes)| {
            let is_shared = self.by_path.contains_key(path);
            (path.as_slice(), RepeatedFile { changes, is_shared })
        });
        RepeatedFiles(files.collect())
    }

    /// Returns the rows that `lost` names, where commits changed them, or else the whole files. Costs as much as
    /// the commits changed in these files.
    pub(super) fn parts_of(&self, lost: &[LostField]) -> TouchedFiles {
        let mut files = TouchedFiles::default();
        let mut by_path: BTreeMap<&str, Vec<&LostField>> = BTreeMap::new();
        for lost in lost {
            by_path.entry(&lost.path).or_default().push(lost);
        }
        for (path, lost) in by_path {
            let mut sheets: HashMap<&Key, (&SheetName, &SheetRows)> = HashMap::new();
            for part in self.parts(path.as_bytes()) {
                if let Rows(rows) = part {
                    for (of, rows) in rows {
                        sheets.extend(rows.keys.iter().map(|key| (key, (of, rows))));
                    }
                }
            }
            for lost in lost {
                let key = lost.pointer.names().next().map(Key::new);
                let row = key.and_then(|key| {
                    let (of, SheetRows { part, .. }) = sheets.get(&key)?;
                    let rows = SheetRows { part: part.clone(), keys: BTreeSet::from([key]) };
                    Some(Rows(BTreeMap::from([((*of).clone(), rows)])))
                });
                files.add(path.as_bytes(), row.unwrap_or(Whole));
            }
        }
        files
    }

    /// Returns all files that commits changed in the folders of `paths`.
    pub(super) fn in_folders_of(&self, paths: impl Iterator<Item = Vec<u8>>) -> TouchedFiles {
        let folders: BTreeSet<Vec<u8>> = paths.map(|path| folder(&path).to_vec()).collect();
        let changed = self.by_path.keys().filter(|path| folders.contains(folder(path)));
        TouchedFiles::whole(changed.cloned())
    }

    /// Returns what commits changed of the file at `path`.
    fn parts(&self, path: &[u8]) -> impl Iterator<Item = &TouchedPart> {
        let commits = self.by_path.get(path).into_iter().flatten();
        commits.filter_map(move |by| self.otherwise.get(*by)?.files.part(path))
    }

    /// Returns the commits that changed a part of `files`, those that share one with these, and so on. Costs as
    /// much as there are commits of the files that are found.
    pub(super) fn connected(&self, files: TouchedFiles) -> Connected {
        let mut left: Vec<_> = files.0.clone().into_iter().collect();
        let mut found = Connected { commits: BTreeSet::new(), files };
        while let Some((path, part)) = left.pop() {
            for by in self.by_path.get(&path).into_iter().flatten() {
                let Some(TouchedBy { commit, files }) = self.otherwise.get(*by) else { continue };
                let shares = files.part(&path).is_some_and(|other| other.overlaps(&part));
                if !shares || !found.commits.insert(*commit) {
                    continue;
                }
                for (path, part) in &files.0 {
                    let more = found.files.add(path, part.clone());
                    left.extend(more.map(|part| (path.clone(), part)));
                }
            }
        }
        found
    }
}

/// Returns the folder in which a file is.
fn folder(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/');
    &path[..end.unwrap_or(0)]
}

/// Returns the paths of changes.
pub(super) fn paths_of(changes: &[PathChange]) -> impl Iterator<Item = Vec<u8>> {
    changes.iter().map(|change| change.path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str) -> PathChange {
        PathChange { path: path.into(), old: None, new: None }
    }

    fn commit(n: u8) -> CommitId {
        CommitId::from_bytes([n; 20])
    }

    /// Reads `a b:x,y c:s/x d:s@p/x`: a file, two rows of another one, a row as the sheet `s` reads it, and one in the
    /// part `p` that this sheet reads.
    fn files(text: &str) -> TouchedFiles {
        let mut files = TouchedFiles::default();
        for word in text.split(' ') {
            let (path, rows) = word.split_once(':').unwrap_or((word, ""));
            let (sheet, rows) = rows.split_once('/').unwrap_or(("d", rows));
            let (sheet, below) = sheet.split_once('@').unwrap_or((sheet, ""));
            let part = match rows {
                "" => Whole,
                rows => {
                    let part = Some(below).filter(|below| !below.is_empty()).map(FilePart::at);
                    let rows = SheetRows { part, keys: rows.split(',').map(Key::new).collect() };
                    Rows(BTreeMap::from([(SheetName::new(sheet), rows)]))
                }
            };
            files.add(path.as_bytes(), part);
        }
        files
    }

    #[test]
    fn what_another_commit_changed_is_not_only_of_repeated_requests() {
        let mut touched = TouchedPaths::default();
        touched.again(&["a", "b", "l"].map(change));
        touched.again(&["b"].map(change));
        touched.otherwise(commit(1), files("b c l:x"));
        let repeated = touched.repeated();
        // Each row: the path, whether no other commit changed it, and how often such a request did.
        for (path, only, times) in
            [("a", true, 1), ("b", false, 2), ("c", false, 0), ("l", false, 1)]
        {
            let path = path.as_bytes();
            let found = (repeated.have_only(path), repeated.changes(path).len());
            assert_eq!(found, (only, times), "{path:?}");
        }
    }

    #[test]
    fn commits_are_connected_by_what_they_share_also_through_others() {
        let commits = ["a", "b c", "d", "c e", "f d", "e", "g"];
        let rows = ["l:x", "l:y", "l:x,z", "a l:z", "l:v", "l:s/x", "a"];
        let whole = ["l:x", "l", "l:y", "b"];
        let apart = ["l:s@p/x", "l:t@q/x", "l:u@p.r/x", "l:t@q/y", "l:u@p.r/y"];
        for (commits, from, expected, all) in [
            (&commits[..], "a", &[1][..], "a"),
            (&commits, "b", &[2, 4, 6], "b c e"),
            (&commits, "e", &[2, 4, 6], "b c e"),
            (&commits, "f", &[3, 5], "d f"),
            (&commits, "g", &[7], "g"),
            (&commits, "h", &[], "h"),
            // One sheet has separate rows; another one may read the same.
            (&rows[..2], "l:x", &[1], "l:x"),
            (&rows[..5], "l:x", &[1, 3, 4], "a l:x,z"),
            (&rows[..5], "l:y", &[2], "l:y"),
            (&rows, "l:y", &[1, 2, 3, 4, 5, 6, 7], "a l:v,x,y,z l:s/x"),
            (&whole, "l:x", &[1, 2, 3], "l"),
            (&whole, "b", &[4], "b"),
            // Two sheets read separate parts of the file; a third one a part of the first.
            (&apart, "l:t@q/x", &[2], "l:t@q/x"),
            (&apart[..4], "l:t@q/z", &[], "l:t@q/z"),
            (&apart[..1], "l:v/z", &[1], "l:v/z l:s@p/x"),
        ] {
            let mut touched = TouchedPaths::default();
            for (at, text) in (1..).zip(commits) {
                touched.otherwise(commit(at), files(text));
            }
            let commits = expected.iter().map(|at| commit(*at)).collect();
            let expected = Connected { commits, files: files(all) };
            assert_eq!(touched.connected(files(from)), expected, "{from} of {touched:?}");
        }
    }

    #[test]
    fn what_is_lost_is_the_row_that_it_names_if_a_commit_changed_it() {
        let mut touched = TouchedPaths::default();
        touched.otherwise(commit(1), files("a l:x m:x"));
        touched.otherwise(commit(2), files("l:y m"));
        for (path, pointer, expected) in [
            ("l", "/x", "l:x"),
            ("l", "/y/name", "l:y"),
            ("l", "/z", "l"),
            ("l", "", "l"),
            ("a", "/x", "a"),
            ("m", "/x", "m:x"),
            ("other", "/x", "other"),
        ] {
            let pointer = crate::pointer::Pointer::parse(pointer).unwrap();
            let lost = LostField { path: path.to_owned(), pointer };
            assert_eq!(touched.parts_of(std::slice::from_ref(&lost)), files(expected), "{lost:?}");
        }
    }

    #[test]
    fn what_is_in_the_same_folder_is_found() {
        let mut touched = TouchedPaths::default();
        touched.otherwise(commit(1), files("a/x a/b/y z c/l:x"));
        for (paths, expected) in [("a/other", "a/x"), ("top", "z"), ("a/b/y c/l", "a/b/y c/l")] {
            let paths = paths.split(' ').map(|path| path.as_bytes().to_vec());
            assert_eq!(touched.in_folders_of(paths), files(expected), "{expected}");
        }
    }

    #[test]
    fn what_is_known_is_not_looked_for_again() {
        for (one, known, expected) in [
            ("a b", "b", "a"),
            ("l:x,y", "l:x", "l:x,y"),
            ("a l:x", "l:x,y", "a"),
            ("a l:x", "l", "a"),
            ("l", "l:x", "l"),
            ("l:s/x", "l:x", "l:s/x"),
        ] {
            assert_eq!(files(one).without(&files(known)), files(expected), "{one} {known}");
        }
    }
}
