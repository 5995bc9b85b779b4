//! What the files of a record held at the commits that touched them, and what may be shown of it.

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use super::effort::Effort;
use super::error::HistoryError;
use super::holders::{Side, Sides};
use super::key_state::KeyState;
use super::own_rules::{FileAt, OwnRules, Shown};
use super::record_state::RecordState;
use super::subject::Subject;
use super::whereabouts::Whereabouts;
use crate::id::BlobId;
use crate::layout::Shape;
use crate::mirror::{BlobContent, File, GitError, Mirror, ObjectError, Objects, ReadLimits, Touch};
use crate::options::LoadOptions;
use crate::sheet::hides;
use crate::tables::{LookupResult, seek};

/// The number of bytes of file versions that one page of a history may read: a tenth of a second of
/// work. The page ends there, at the same commit for every caller.
const MOST_READ: u64 = 4 << 20;

/// The contents of a record's files at the commits that touched them.
pub(super) struct Contents<'a> {
    subject: Subject<'a>,
    own_rules: OwnRules<'a>,
    options: &'a LoadOptions,
    effort: Effort<'a>,
    held: HashMap<File, RecordState>,
    /// The number of bytes that were read.
    pub(super) bytes: u64,
    /// The number of those in files that no commit of the page touched.
    pub(super) beside: u64,
}

/// What a commit made of a record.
#[derive(Debug)]
pub(super) struct Difference<'a> {
    /// What the key had before, and what it has after.
    pub(super) states: [KeyState<'a>; 2],
    /// Whether a file that decided that may hold other records as well.
    pub(super) is_list: bool,
    /// Whether the commit made it. Otherwise it touched another file of the key, or is a merge of
    /// the commit that did it.
    pub(super) is_own: bool,
}

/// What one side of a commit had under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decision<'a> {
    /// The file that decides it, if there is any.
    file: Option<File>,
    state: KeyState<'a>,
}

impl<'a> Contents<'a> {
    pub(super) fn of(
        subject: Subject<'a>,
        own_rules: OwnRules<'a>,
        options: &'a LoadOptions,
        effort: Effort<'a>,
    ) -> Self {
        Self { subject, own_rules, options, effort, held: HashMap::new(), bytes: 0, beside: 0 }
    }

    /// Returns whether the file at a place may hold other records as well.
    pub(super) fn may_be_list(&self, place: usize) -> bool {
        let Subject { spec, paths, .. } = self.subject;
        spec.shape_of(&paths[place].path) != Shape::Record
    }

    pub(super) fn holds(&self, file: File) -> bool {
        self.held.contains_key(&file)
    }

    /// Returns what a commit made of the record, by the present rules and by those of the commit and
    /// its parent. The files must have been read.
    ///
    /// # Errors
    ///
    /// If something that decides it is missing, or nobody waits for the answer any more.
    pub(super) fn difference(&mut self, sides: &Sides) -> Result<Difference<'_>, HistoryError> {
        let mut shown: [SmallVec<[Shown; 1]>; 2] = Default::default();
        for (side, shown) in sides.each().into_iter().zip(&mut shown) {
            for file in &side.files {
                let is_shown = match (side.tree, self.held.get(file)) {
                    (Some(tree), Some(held)) => {
                        let at = FileAt { commit: sides.commit, tree, file: *file };
                        self.own_rules.shown(at, held)?
                    }
                    _ => Shown::Nothing,
                };
                shown.push(is_shown);
            }
        }
        let [before, after] = sides.each();
        let (before, after) = (self.decide(before, &shown[0]), self.decide(after, &shown[1]));
        let files = [before, after].into_iter().filter_map(|side| side.file);
        let is_own = before != after && files.clone().any(|file| sides.touched(file));
        let is_list = files.clone().any(|file| self.may_be_list(file.place));
        Ok(Difference { states: [before.state, after.state], is_list, is_own })
    }

    /// Returns what the files of one side make of the key: the first that is a record is served. Where
    /// records are hidden, the first that has anything under the key decides.
    fn decide(&self, side: &Side, shown: &[Shown]) -> Decision<'_> {
        let files = side.files.iter().zip(shown);
        let mut each = files.filter_map(|(file, shown)| {
            Some(Decision { file: Some(*file), state: self.state(*file, *shown)? })
        });
        let decision = match self.subject.spec.hidden.is_some() {
            true => each.find(|one| one.state.is_something()),
            false => each.min_by_key(|one| one.state.rank()),
        };
        decision.unwrap_or(Decision { file: None, state: KeyState::Nothing })
    }

    /// Returns what is shown of what a file had under the key; `None` if it was not read.
    fn state(&self, file: File, shown: Shown) -> Option<KeyState<'_>> {
        Some(match (self.held.get(&file)?, shown) {
            (RecordState::Nothing, Shown::Whole) if self.is_of_key(file.place) => {
                KeyState::OtherRecords
            }
            (RecordState::Nothing, _) => KeyState::Nothing,
            (RecordState::Withheld, _) | (_, Shown::Nothing) => KeyState::Withheld,
            (RecordState::Record(value), Shown::Whole) => KeyState::Record(value),
            (RecordState::Broken, Shown::Whole) | (_, Shown::Broken) => {
                match self.is_of_key(file.place) {
                    true => KeyState::Broken,
                    false => KeyState::UnreadList,
                }
            }
        })
    }

    /// Returns whether the file at a place has the key itself, and not only records below it.
    fn is_of_key(&self, place: usize) -> bool {
        let Subject { spec, paths, key, .. } = self.subject;
        let at = &paths[place];
        match spec.shape_of(&at.path) {
            Shape::Record => true,
            Shape::Either => at.list.as_str() == key,
            Shape::List => false,
        }
    }

    /// Reads the files that `touches` name, each of which is one record, up to the byte limit. Those
    /// of the first touch of a page are always read.
    pub(super) fn read_all(&mut self, mirror: &Mirror, touches: &[Touch]) -> Result<(), GitError> {
        // In the order in which they are needed.
        let mut known = HashSet::new();
        let files =
            touches.iter().flat_map(|touch| touch.after.iter().chain(&touch.before).copied());
        let is_new = |file: &File| !self.held.contains_key(file) && known.insert(*file);
        let files: Vec<File> = files.filter(is_new).collect();
        let blobs: Vec<BlobId> = files.iter().map(|file| file.blob).collect();
        let (largest, most) = (self.options.record_limit, MOST_READ.saturating_sub(self.bytes));
        let first = touches.iter().find(|touch| !touch.is_of_no_file());
        let first = first.filter(|_| self.held.is_empty());
        let least = first.map_or(0, |touch| touch.before.len() + touch.after.len());
        let contents = mirror.files(&blobs, ReadLimits { largest, most, least })?;
        for (number, (file, bytes)) in files.into_iter().zip(contents).enumerate() {
            if number >= least && self.effort.part.check().is_err() {
                break;
            }
            let held = self.seek(file, bytes.as_deref());
            self.held.insert(file, held);
            self.bytes += bytes.map_or(0, |bytes| bytes.len() as u64);
        }
        Ok(())
    }

    /// Reads a file that may hold many records, or that no commit of the page touched, unless it was
    /// read before.
    ///
    /// # Errors
    ///
    /// If it is missing. What it said is not known then, and it may have been a record.
    pub(super) fn read(&mut self, objects: &Objects, file: File) -> Result<(), ObjectError> {
        if self.held.contains_key(&file) {
            return Ok(());
        }
        let is_list = self.may_be_list(file.place);
        if !is_list && self.subject.paths[file.place].is_withheld {
            self.held.insert(file, RecordState::Withheld);
            return Ok(());
        }
        let limit = match is_list {
            true => self.options.record_limit.max(self.options.file_limit),
            false => self.options.record_limit,
        };
        let read = objects.read_blob(file.blob, limit, |content| match content {
            BlobContent::Bytes(bytes) => (self.seek(file, Some(bytes)), bytes.len() as u64),
            BlobContent::TooLarge(_) => (self.seek(file, None), 0),
        });
        let (held, bytes) = match read {
            Err(error) if error.is_missing() => return Err(error),
            read => read.unwrap_or_else(|_| (self.seek(file, None), 0)),
        };
        self.held.insert(file, held);
        self.bytes += bytes;
        if !is_list {
            self.beside += bytes;
        }
        Ok(())
    }

    /// Finds the record in a version of its file.
    fn seek(&self, file: File, bytes: Option<&[u8]>) -> RecordState {
        let Self { subject: Subject { spec, paths, .. }, options, .. } = self;
        let Whereabouts { path, list, key, is_withheld, .. } = &paths[file.place];
        let Effort { awaited, part } = self.effort;
        // Before the work, so that a long one waits for its turn and is not started for nobody.
        let is_read = |bytes: &&[u8]| {
            part.spend(bytes.len());
            awaited.spend(bytes.len())
        };
        let sought = bytes.filter(is_read);
        let sought =
            sought.map(|bytes| seek((spec, path), (list, key), bytes, options.record_limit));
        match sought.unwrap_or(LookupResult::Unread) {
            // Which key it had then is not known.
            _ if *is_withheld => RecordState::Withheld,
            LookupResult::Nothing => RecordState::Nothing,
            LookupResult::Value(value) if hides(spec, &value) => RecordState::Withheld,
            LookupResult::Value(value) => RecordState::Record(value),
            // If records are hidden, an unreadable one may be among them.
            LookupResult::Unread if spec.hidden.is_some() => RecordState::Withheld,
            LookupResult::Unread => RecordState::Broken,
        }
    }
}
