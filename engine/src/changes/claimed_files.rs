//! What the files that differ claim, as far as their paths tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::change::{Change, PathState};
use super::changed_files::{Difference, Differing};
use super::file_contents::ChangedList;
use super::file_counts::{ClaimedFileCounts, FileCountChanges};
use super::recall::WantedFile;
use crate::id::SheetName;
use crate::layout::{Layout, SheetSpec};
use crate::mirror::{EntryMode, ObjectError};
use crate::sheet::{Sheet, SlotUpdate};
use crate::skipped_files::Shift;
use crate::workers;

/// How many files one thread looks at before it takes more.
const CHUNK: usize = 8_192;

/// How many files the sheets of a commit may claim together: a file counts for each sheet that claims it. A few
/// kilobytes can be millions of files, and each claim takes memory.
const MOST: usize = 5_000_000;

/// The state that is changed.
#[derive(Clone, Copy)]
pub struct Base<'b> {
    /// Returns the sheet of this name, if there is one.
    pub(crate) sheet: &'b (dyn Fn(&SheetName) -> Option<&'b Sheet> + Sync),
    /// How many files each sheet claims there.
    pub(crate) files: Option<&'b ClaimedFileCounts>,
}

impl Base<'_> {
    /// The state of the empty tree.
    pub const NOTHING: Self = Self { sheet: &|_| None, files: None };
}

/// The claims of files, and what is still to be read of them.
#[derive(Default)]
pub(super) struct ClaimedFiles<'b> {
    pub(super) changes: Vec<Change>,
    /// The files to read, in the order of their changes.
    pub(super) wanted: Vec<WantedFile>,
    /// The changed files of many records.
    pub(super) lists: Vec<ChangedList<'b>>,
    /// The changes of the ignored files, if nothing is declared.
    pub(super) passed: Shift,
    /// By how much the number of files changes that each sheet claims.
    pub(super) files: FileCountChanges,
}

impl<'b> ClaimedFiles<'b> {
    /// Returns what the files of `difference` claim, in their order. Many are looked at on all cores.
    ///
    /// # Errors
    ///
    /// [`ObjectError::TooManyClaims`] if the sheets would then claim more than [`MOST`] files together. That
    /// depends on the commit alone, not on the state from which the difference begins.
    pub(super) fn of(
        layout: &Layout,
        difference: &Difference,
        base: Base<'b>,
    ) -> Result<Self, ObjectError> {
        Self::at_most(MOST, layout, difference, base)
    }

    fn at_most(
        limit: usize,
        layout: &Layout,
        difference: &Difference,
        base: Base<'b>,
    ) -> Result<Self, ObjectError> {
        let files: Vec<Differing<'_>> = difference.files().collect();
        // Shared by all threads, so that none goes on when there are too many.
        let added = AtomicUsize::new(0);
        let claimed = |files: &[Differing<'_>]| {
            let mut claimed = Self::default();
            for file in files {
                if added.load(Ordering::Relaxed) > limit {
                    break;
                }
                let before = claimed.changes.len() + claimed.lists.len();
                claimed.add(layout, difference, base, file);
                let after = claimed.changes.len() + claimed.lists.len();
                if file.change.old.is_none() {
                    added.fetch_add(after - before, Ordering::Relaxed);
                }
            }
            claimed
        };
        let chunks: Vec<_> = files.chunks(CHUNK).collect();
        let found = workers::map(&chunks, |files| claimed(files));
        let found = found.into_iter().reduce(Self::followed_by).unwrap_or_default();
        let kept = layout.sheets().filter(|spec| !difference.redefined.contains(&spec.name));
        let held = |spec: &Arc<SheetSpec>| base.files.map_or(0, |files| files.of(&spec.name));
        let kept = kept.map(held).sum::<usize>();
        let total = found.files.total(kept);
        if added.into_inner() > limit || total > limit {
            return Err(ObjectError::TooManyClaims { limit });
        }
        Ok(found)
    }

    /// Adds the claims of a file.
    fn add(
        &mut self,
        layout: &Layout,
        difference: &Difference,
        base: Base<'b>,
        file: &Differing<'_>,
    ) {
        let Differing { change, is_of_redefined } = *file;
        let claims = layout.claims(&change.path);
        let sides = [change.old, change.new].into_iter().flatten();
        if layout.is_inferred()
            && (claims.is_empty() || !sides.map(|entry| entry.mode).all(is_file))
        {
            self.passed.add(layout, change);
        }
        let new = change.new.filter(|entry| is_file(entry.mode));
        let old = change.old.filter(|entry| is_file(entry.mode));
        if new.map(|entry| entry.id) == old.map(|entry| entry.id) {
            // The executable bit is not part of a record, and what never was a file is not a
            // record.
            return;
        }
        for claim in claims {
            let sheet = claim.sheet;
            if difference.redefined.contains(&sheet.name) != is_of_redefined {
                continue;
            }
            self.files.add(&sheet.name, i64::from(new.is_some()) - i64::from(old.is_some()));
            // A name that is not UTF-8 is a fault, so nothing is lost here.
            let path = String::from_utf8_lossy(&change.path);
            if let Some(fault) = claim.fault {
                let problem = new.map(|_| fault);
                let now = PathState::Misnamed { path: (*change.path).into(), problem };
                self.changes.push(Change { sheet, now });
                continue;
            }
            let before = (base.sheet)(&sheet.name).filter(|_| !is_of_redefined);
            let before = before.and_then(|before| Some((before, before.table(&path)?)));
            let update = SlotUpdate { key: claim.key, path: path.into(), content: None };
            let change = Change { sheet, now: PathState::Claims(update) };
            let new = new.map(|new| new.id);
            match before {
                Some((sheet, table)) => self.lists.push(ChangedList { change, sheet, table, new }),
                None => {
                    let at = self.changes.len();
                    self.wanted.extend(new.map(|blob| WantedFile { at, blob }));
                    self.changes.push(change);
                }
            }
        }
    }

    /// Returns the claims of these files and of those that follow.
    fn followed_by(mut self, mut next: Self) -> Self {
        let before = self.changes.len();
        let wanted = next.wanted.into_iter();
        self.wanted.extend(wanted.map(|file| WantedFile { at: before + file.at, ..file }));
        self.changes.append(&mut next.changes);
        self.lists.append(&mut next.lists);
        self.passed.merge(next.passed);
        self.files.merge(next.files);
        self
    }
}

/// Returns whether an entry can be a record: a symlink or a submodule never is.
pub(super) fn is_file(mode: EntryMode) -> bool {
    matches!(mode, EntryMode::Regular | EntryMode::Executable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BlobId;
    use crate::layout::{DefinitionFile, DefinitionFiles};
    use crate::mirror::{FileEntry, PathChange};

    #[test]
    fn the_claims_of_many_files_are_those_of_each() {
        let file = DefinitionFile {
            path: "headwater.toml".into(),
            bytes: b"[sheets.a]\nformat = 'json'\npath = '${{ id }}'\n"[..].into(),
        };
        let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
        let layout = Layout::read(&files);
        let blob = |number: usize| {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&number.to_be_bytes());
            BlobId::from_bytes(id)
        };
        let added = |number: usize| PathChange {
            // Every third is no record.
            path: format!("{}/{number:06}.json", if number.is_multiple_of(3) { "b" } else { "a" })
                .into(),
            old: None,
            new: Some(FileEntry { mode: EntryMode::Regular, id: blob(number) }),
        };
        for count in [0, 5, CHUNK, 3 * CHUNK + 1] {
            let difference = Difference::from((0..count).map(added).collect::<Vec<_>>());
            let claimed = ClaimedFiles::of(&layout, &difference, Base::NOTHING).unwrap();
            let wanted = claimed.wanted.iter().map(|file| match &claimed.changes[file.at].now {
                PathState::Claims(update) => (update.path.to_string(), file.blob),
                other => panic!("{other:?}"),
            });
            let numbers = (0..count).filter(|number| !number.is_multiple_of(3));
            let expected = numbers.map(|number| (format!("a/{number:06}.json"), blob(number)));
            let (wanted, expected): (Vec<_>, Vec<_>) = (wanted.collect(), expected.collect());
            assert_eq!(wanted, expected);
            assert_eq!(claimed.changes.len(), claimed.wanted.len());
        }
    }

    #[test]
    fn sheets_may_claim_so_many_files_together_and_not_more() {
        let sheets: String = (0..200)
            .map(|n| {
                format!("[sheets.s{n}]\nroot = 'a'\nformat = 'json'\npath = '${{{{ id }}}}'\n")
            })
            .collect();
        let file =
            DefinitionFile { path: "headwater.toml".into(), bytes: sheets.as_bytes().into() };
        let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
        let layout = Layout::read(&files);
        let entry = FileEntry { mode: EntryMode::Regular, id: BlobId::from_bytes([7; 20]) };
        let path = |number: usize| format!("a/{number:06}.json").into();
        let added = |number| PathChange { path: path(number), old: None, new: Some(entry) };
        let removed = |number| PathChange { path: path(number), old: Some(entry), new: None };
        // Ten files are held already.
        let mut held = FileCountChanges::default();
        held.add(&SheetName::new("s0"), 10);
        let held = ClaimedFileCounts::default().after(&Default::default(), &held);
        for (limit, adds, removes, is_based, expected) in [
            (2_000, 10, 0, false, true),
            (2_000, 11, 0, false, false),
            (2_010, 10, 0, true, true),
            (2_009, 10, 0, true, false),
            (2_000, 10, 1, true, true),
            (2_000, 18, 8, true, false),
        ] {
            let changes = (0..adds).map(added).chain((100..100 + removes).map(removed));
            let difference = Difference::from(changes.collect::<Vec<_>>());
            let base = Base { files: is_based.then_some(&held), ..Base::NOTHING };
            let claimed = ClaimedFiles::at_most(limit, &layout, &difference, base);
            let error = claimed.map(drop).err();
            assert_eq!(error.is_none(), expected, "{adds} and {removes} of {limit}: {error:?}");
            assert!(error.is_none_or(|error| error.is_too_many_paths()));
        }
    }
}
