//! Records that both sides seem to have deleted, and that one of them may have elsewhere.

use serde_json::Value as Json;

use super::commit_merge::Merge;
use super::incoming::{Brought, NewContent};
use super::lists::Side;
use crate::id::BlobId;
use crate::layout::{PathClaim, Shape};
use crate::mirror::{FileEntry, ObjectError, PathChange};
use crate::split::ParsedFile;
use crate::tables::Source;

/// A file that they changed, parsed once for all sheets that read it.
struct BeforeAndNow {
    before: ParsedFile,
    now: ParsedFile,
}

impl Merge<'_> {
    /// Returns whether the file at `path`, which was `old` and which both sides seem to have deleted, may
    /// be among what they brought, other than by our own change, or among what our change brings: one side moved
    /// what the other one deleted.
    pub(super) fn may_be_moved(&mut self, path: &str, old: FileEntry) -> Result<bool, ObjectError> {
        let changes = self.changes;
        let is_ours = |path: &[u8], blob: BlobId| {
            let at = changes.binary_search_by(|change| change.path.as_slice().cmp(path));
            at.is_ok_and(|at| changes[at].new.is_some_and(|new| new.id == blob))
        };
        let mut records = Vec::new();
        for claim in self.layouts.theirs.claims(path.as_bytes()) {
            records.extend(self.record(&claim.sheet, path, Some(old))?.flatten());
        }
        let brought = self.brought()?;
        let may_have = |(record, _): &(Json, Vec<u8>)| {
            brought.may_have(record, |it| it.key.is_none() && is_ours(&it.path, it.blob))
        };
        if brought.has_file(old.id, is_ours) || records.iter().any(may_have) {
            return Ok(true);
        }
        let moved = self.moved()?;
        let may_have = |(record, _): &(Json, Vec<u8>)| moved.may_have(record, |_| false);
        Ok(moved.has_file(old.id, |_, _| false) || records.iter().any(may_have))
    }

    /// Returns what our change brings and they do not have in the same place, which is read the first time.
    pub(super) fn moved(&mut self) -> Result<&Brought, ObjectError> {
        if self.moved.is_none() {
            let mut brought = Brought::default();
            for change in self.changes {
                if change.new.is_some() && self.entry(&change.path)? != change.new {
                    self.read_change(&mut brought, change)?;
                }
            }
            self.moved = Some(brought);
        }
        Ok(self.moved.get_or_insert_default())
    }

    /// Returns what they brought, which is read the first time: their files that differ from those on
    /// which our first commit was made.
    pub(super) fn brought(&mut self) -> Result<&Brought, ObjectError> {
        if self.brought.is_none() {
            *self.brought = Some(self.read_brought()?);
        }
        Ok(self.brought.get_or_insert_default())
    }

    fn read_brought(&self) -> Result<Brought, ObjectError> {
        let mut brought = Brought::default();
        for change in self.stage.objects().diff(self.base, self.their_tree)? {
            self.read_change(&mut brought, &change)?;
        }
        tracing::debug!("read what the other side brought");
        Ok(brought)
    }

    /// Adds what a changed file has now and had not before.
    fn read_change(
        &self,
        brought: &mut Brought,
        PathChange { path, old, new }: &PathChange,
    ) -> Result<(), ObjectError> {
        let Some(new) = new.filter(|new| old.is_none_or(|old| old.id != new.id)) else {
            return Ok(());
        };
        brought.add_file(path, new.id);
        let claims = self.layouts.theirs.claims(path);
        let file = || ParsedFile::for_readers(claims.len());
        let files = BeforeAndNow { before: file(), now: file() };
        for claim in &claims {
            if claim.fault.is_none() && !brought.is_more() {
                self.read_new(brought, claim, path, (*old, new), &files)?;
            }
        }
        Ok(())
    }

    /// Adds what a file has now and had not before, as the sheet of a claim reads it.
    fn read_new(
        &self,
        brought: &mut Brought,
        PathClaim { sheet: spec, key: list, .. }: &PathClaim,
        path: &[u8],
        (old, new): (Option<FileEntry>, FileEntry),
        files: &BeforeAndNow,
    ) -> Result<(), ObjectError> {
        let name = String::from_utf8_lossy(path);
        let content =
            |key, now, before| NewContent { path: path.to_owned(), blob: new.id, key, now, before };
        let shape = spec.shape_of(&name);
        if shape != Shape::Record {
            let source = Source { spec, path: &name, list, record_limit: u64::MAX };
            let side = |entry: FileEntry, file| -> Result<Option<Side>, ObjectError> {
                let text = self.text(entry)?;
                Ok(text.and_then(|text| Side::read_shared(&source, entry.id, text, file)))
            };
            if let Some(now) = side(new, &files.now)? {
                let before = old.map(|old| side(old, &files.before)).transpose()?.flatten();
                if now.has_unread() {
                    brought.has_more();
                }
                for (key, now, before) in now.differing_from(before.as_ref()) {
                    brought.add(content(Some(key), now, before));
                }
                return Ok(());
            }
            if shape == Shape::List {
                brought.has_more();
                return Ok(());
            }
        }
        if let Some(Some((now, _))) = self.record(spec, &name, Some(new))? {
            let before = self.record(spec, &name, old)?.flatten().map(|(before, _)| before);
            brought.add(content(None, now, before));
        }
        Ok(())
    }
}
