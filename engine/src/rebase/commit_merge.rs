//! Merges the change of one commit into a tree, file by file.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::error::RebaseError;
use super::incoming::{Brought, NewContent};
use super::layouts::Layouts;
use super::lists::{self, LARGEST_LIST, Lists, Merged, Ours, Side};
use super::merge;
use super::sheet_coverage::{Coverage, ParsedChange, is_divided};
use super::touched::{TouchedFiles, TouchedPart};
use crate::encode::encode;
use crate::id::{BlobId, TreeId};
use crate::layout::{PathClaim, Shape, SheetSpec};
use crate::mirror::{
    BlobContent, Edit, EditError, Edits, EntryMode, FileEntry, ObjectError, PathChange, Stage,
};
use crate::pointer::Pointer;
use crate::report::LostField;
use crate::split::ParsedFile;
use crate::tables::Source;
use crate::value::Kind;

/// The largest file that is merged; a larger one counts as one field.
const LARGEST: u64 = 4 << 20;

/// The change of one commit, being applied to a tree.
pub(super) struct Merge<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) tree: Option<TreeId>,
    pub(super) layouts: &'a Layouts,
    pub(super) lists: &'a mut Lists,
    pub(super) base: Option<TreeId>,
    pub(super) their_tree: Option<TreeId>,
    pub(super) brought: &'a mut Option<Brought>,
    pub(super) changes: &'a [PathChange],
    /// What the change brings that they do not have, once that is read.
    pub(super) moved: Option<Brought>,
    /// The files of the change, and of which rows it is, once they are merged.
    pub(super) files: &'a mut TouchedFiles,
    /// What the commits that are left out changed.
    pub(super) left_out: &'a TouchedFiles,
}

impl Merge<'_> {
    /// Applies the change.
    pub(super) fn apply(&mut self) -> Result<Option<TreeId>, RebaseError> {
        let mut edits = Edits::new();
        let mut lost = BTreeSet::new();
        let mut fits = true;
        for PathChange { path, old, new } in self.changes {
            let name = String::from_utf8_lossy(path).into_owned();
            if !self.layouts.agree_on(path) {
                lost.insert(whole(&name));
                continue;
            }
            let theirs = self.entry(path)?;
            if theirs == *new {
                if let (Some(old), None) = (*old, theirs)
                    && self.may_be_moved(&name, old)?
                {
                    lost.insert(whole(&name));
                }
                continue;
            }
            let edit = if theirs == *old {
                Ok(new.map_or(Edit::Remove, |new| put_entry(&new)))
            } else {
                self.merged(&name, *old, *new, theirs)?
            };
            match edit {
                Ok(edit) if name.as_bytes() == path => drop(edits.insert(name, edit)),
                Ok(_) => drop(lost.insert(whole(&name))),
                Err(pointers) => {
                    fits = false;
                    lost.extend(
                        pointers
                            .into_iter()
                            .map(|pointer| LostField { path: name.clone(), pointer }),
                    );
                }
            }
        }
        if !fits || !lost.is_empty() {
            return Err(RebaseError::Conflict { lost: lost.into_iter().collect() });
        }
        self.stage.edit(self.tree, &edits).map_err(|error| match error {
            EditError::Object(source) => RebaseError::Repository(source),
            // A local file where the remote has a folder, or the other way round.
            EditError::NotAFolder { path }
            | EditError::IsAFolder { path }
            | EditError::Twin { path, .. }
            | EditError::NoPath { path } => RebaseError::Conflict { lost: vec![whole(&path)] },
        })
    }

    /// Returns the file at `path` in the current tree.
    pub(super) fn entry(&self, path: &[u8]) -> Result<Option<FileEntry>, ObjectError> {
        let Some(tree) = self.tree else { return Ok(None) };
        let found = self.stage.objects().entry_at(tree, path)?;
        let file = found.filter(|found| found.mode != EntryMode::Folder);
        Ok(file.map(|file| FileEntry { mode: file.mode, id: BlobId::from_bytes(file.id) }))
    }

    /// Merges a record that both sides changed, or returns the fields that they changed
    /// differently.
    fn merged(
        &mut self,
        path: &str,
        old: Option<FileEntry>,
        ours: Option<FileEntry>,
        theirs: Option<FileEntry>,
    ) -> Result<Result<Edit, Vec<Pointer>>, ObjectError> {
        let claims = self.layouts.theirs.claims(path.as_bytes()).into_iter();
        let mut claims: Vec<_> = claims.filter(|claim| claim.fault.is_none()).collect();
        // A sheet that reads the file as one record sees all of it, but merges a list in it as one field.
        claims.sort_by_key(|claim| {
            let is_last = self.lists.merged_last(&claim.sheet.name, path);
            (claim.sheet.shape_of(path) == Shape::Record, !is_last)
        });
        let change = is_divided(&claims, path).then(|| self.parsed(old, ours)).transpose()?;
        let mut readers = Readers { claims: &claims, change: change.flatten() };
        for claim in &claims {
            if readers.coverage_of(claim, path) == Coverage::Partial {
                continue;
            }
            let entries = [old, ours, theirs];
            if let Some(merged) = self.merged_by(claim, path, entries, &mut readers)? {
                return Ok(merged);
            }
        }
        Ok(Err(vec![Pointer::whole()]))
    }

    /// Returns our change of a file of which several sheets read a part.
    fn parsed(
        &mut self,
        old: Option<FileEntry>,
        ours: Option<FileEntry>,
    ) -> Result<Option<ParsedChange>, ObjectError> {
        let (Some(old), Some(ours)) = (old, ours) else { return Ok(None) };
        let (Some(before), Some(after)) = (self.text(old)?, self.text(ours)?) else {
            return Ok(None);
        };
        let [old, ours] = [(old, before), (ours, after)]
            .map(|(entry, bytes)| self.lists.parsed(entry.id, &bytes));
        self.lists.keep_parsed(&ours);
        Ok(Some(ParsedChange::of(old, ours)))
    }

    /// Merges it as the sheet of a claim reads it; `None` if that sheet cannot read a side, or does not
    /// see all that we changed.
    fn merged_by(
        &mut self,
        claim: &PathClaim,
        path: &str,
        [old, ours, theirs]: [Option<FileEntry>; 3],
        readers: &mut Readers<'_>,
    ) -> Result<Option<Result<Edit, Vec<Pointer>>>, ObjectError> {
        let spec = &*claim.sheet;
        let shape = spec.shape_of(path);
        if shape != Shape::Record {
            let merged = self.list(claim, path, [old, ours, theirs], readers)?;
            if merged.is_some() || shape == Shape::List {
                return Ok(merged);
            }
        }
        let mut sides = Vec::new();
        for side in [old, ours, theirs] {
            match self.record(spec, path, side)? {
                Some(record) => sides.push(record),
                None => return Ok(None),
            }
        }
        let [old, ours, theirs] = &sides[..] else { return Ok(None) };
        let value = |side: &One| side.as_ref().map(|(value, _)| value.clone());
        let merged =
            merge::merge(value(old).as_ref(), value(ours).as_ref(), value(theirs).as_ref());
        Ok(Some(match merged {
            Err(pointers) => Err(pointers),
            Ok(None) => Ok(Edit::Remove),
            Ok(Some(merged)) => {
                let before = theirs.as_ref().or(ours.as_ref()).map(|(_, bytes)| &bytes[..]);
                match encode(spec, path, &merged, before) {
                    Ok(encoded) => {
                        let id = *self.stage.blob(&encoded.bytes)?.as_bytes();
                        Ok(Edit::Put { mode: EntryMode::Regular, id })
                    }
                    // The merged value may no longer be a valid record.
                    Err(_) => Err(vec![Pointer::whole()]),
                }
            }
        }))
    }

    /// Merges, record by record, a file of many records that both sides changed; `None` if a side
    /// is not such a file, or we changed more than these records. There are no pointers where nothing but a
    /// commit that is left out is in the way.
    fn list(
        &mut self,
        claim: &PathClaim,
        path: &str,
        [old, ours, theirs]: [Option<FileEntry>; 3],
        readers: &mut Readers<'_>,
    ) -> Result<Option<Result<Edit, Vec<Pointer>>>, ObjectError> {
        let PathClaim { sheet: spec, key: list, .. } = claim;
        let source = &Source { spec, path, list, record_limit: u64::MAX };
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return Ok(None) };
        let known = self.lists.take(source);
        let (known_ours, known_theirs) = known.map(|known| (known.ours, known.theirs)).unzip();
        let old = match old {
            Some(old) => match self.side(source, old, known_ours)? {
                Some(old) => Some(old),
                None => return Ok(None),
            },
            None => None,
        };
        let Some(theirs) = self.side(source, theirs, known_theirs)? else { return Ok(None) };
        let Some(text) = self.text(ours)? else { return Ok(None) };
        let coverage = readers.coverage_of(claim, path);
        let near = theirs.blob();
        let left_out = self.left_out.part(path.as_bytes());
        let is_left_out = |rows: &TouchedPart| left_out.is_some_and(|part| part.overlaps(rows));
        let mut is_elsewhere = |record: &Json, ours: &Side| -> Result<bool, ObjectError> {
            let is_here = |it: &NewContent| it.path == source.path.as_bytes();
            let brought = self.brought()?.may_have(record, |it| {
                is_here(it) && it.key.as_ref().is_some_and(|key| ours.has(key, &it.now))
            });
            Ok(brought || self.changes.len() > 1 && self.moved()?.may_have(record, is_here))
        };
        let file = readers.our_file();
        let ours = Ours { blob: ours.id, bytes: text, file: &file, coverage };
        let merged = lists::merged(source, old, ours, theirs, &is_left_out, &mut is_elsewhere)?;
        let Some(Merged { sides: mut merged, rows, result }) = merged else { return Ok(None) };
        self.files.set(path.as_bytes(), rows);
        if let Err(pointers) = result {
            // The next commit begins where this one ended, on our side.
            self.lists.put(source, merged);
            return Ok(Some(Err(pointers)));
        }
        let blob = self.stage.blob_near(merged.theirs.bytes(), near)?;
        merged.theirs.is_stored(blob);
        if let Some(change) = &mut readers.change {
            let specs = readers.claims.iter().map(|claim| &*claim.sheet);
            self.lists.follow(path, specs, &merged, near, change);
        }
        self.lists.put(source, merged);
        Ok(Some(Ok(Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() })))
    }

    /// Returns one side of a file of many records: the one that is `known`, if it is the same.
    fn side(
        &mut self,
        source: &Source<'_>,
        entry: FileEntry,
        known: Option<Side>,
    ) -> Result<Option<Side>, ObjectError> {
        let is_file = entry.mode == EntryMode::Regular;
        if let Some(known) = known.filter(|known| is_file && known.blob() == entry.id) {
            return Ok(Some(known));
        }
        let text = self.text(entry)?;
        Ok(text.and_then(|text| self.lists.read(source, entry.id, text)))
    }

    /// Reads a file of many records; `None` if it is not a file, or is too large.
    pub(super) fn text(&self, entry: FileEntry) -> Result<Option<Vec<u8>>, ObjectError> {
        if entry.mode != EntryMode::Regular {
            return Ok(None);
        }
        self.stage.objects().read_blob(entry.id, LARGEST_LIST as u64, |content| match content {
            BlobContent::Bytes(bytes) => Some(bytes.to_vec()),
            BlobContent::TooLarge(_) => None,
        })
    }

    /// Reads one side of a record: `Some(None)` if it does not exist, `None` if it is not a record.
    pub(super) fn record(
        &self,
        spec: &SheetSpec,
        path: &str,
        side: Option<FileEntry>,
    ) -> Result<Option<One>, ObjectError> {
        let Some(side) = side else { return Ok(Some(None)) };
        if !matches!(side.mode, EntryMode::Regular | EntryMode::Executable) {
            return Ok(None);
        }
        self.stage.objects().read_blob(side.id, LARGEST, |content| match content {
            BlobContent::Bytes(bytes) => {
                let value = spec.decode(path, bytes).ok()?;
                // Nothing identifies the elements of a list.
                if value.json().kind() == Kind::Array {
                    return None;
                }
                // The canonical text of a value is JSON.
                let json = serde_json::from_str(value.as_str()).ok()?;
                Some(Some((json, bytes.to_vec())))
            }
            BlobContent::TooLarge(_) => None,
        })
    }
}

/// The sheets that read a file which both sides changed.
struct Readers<'c> {
    claims: &'c [PathClaim],
    /// Our change, if several of them read a part each.
    change: Option<ParsedChange>,
}

impl Readers<'_> {
    /// Returns what the sheet of a claim sees of our change.
    fn coverage_of(&mut self, claim: &PathClaim, path: &str) -> Coverage {
        let change = self.change.as_mut();
        change.map_or(Coverage::Unknown, |change| change.covered_by(&claim.sheet, path))
    }

    /// Returns our content, which is parsed once for all of them.
    fn our_file(&self) -> Arc<ParsedFile> {
        let one = || Arc::new(ParsedFile::for_readers(1));
        self.change.as_ref().map_or_else(one, |change| change.ours().file.clone())
    }
}

/// A record and its file; `None` if it does not exist.
type One = Option<(Json, Vec<u8>)>;

fn put_entry(entry: &FileEntry) -> Edit {
    Edit::Put { mode: entry.mode, id: *entry.id.as_bytes() }
}

fn whole(path: &str) -> LostField {
    LostField { path: path.to_owned(), pointer: Pointer::whole() }
}
