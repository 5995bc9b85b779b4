//! What the rules of its own commit show of a version of a record.
//!
//! The present rules read every version, and say which of them is one. They know nothing of what was
//! hidden or private at the time. So each version must have been shown by its own commit as well, and
//! the [`Disclosure`](crate::disclosure::Disclosure) decides about that as for any earlier state.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::earlier_rules::{EarlierClaim, EarlierRules, Rival};
use super::effort::Effort;
use super::error::HistoryError;
use super::layouts::Layouts;
use super::record_state::RecordState;
use super::subject::Subject;
use crate::budget::STEP;
use crate::definitions::{self, DefinitionError, DefinitionsId};
use crate::disclosure::Rules;
use crate::id::{BlobId, CommitId, Key, TreeId};
use crate::layout::{PathClaim, Shape, SheetSpec};
use crate::mirror::{BlobContent, EntryMode, File, ObjectError, Objects};
use crate::options::LoadOptions;
use crate::record::{Frame, Record};
use crate::sheet::hides;
use crate::tables::{LookupResult, seek};
use crate::value::Value;

/// The cost of a look for one file in a tree, in units.
const LOOK: usize = 4 << 10;

/// What a commit shows of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    /// Nothing: it is not in a public sheet, or it is hidden or may be.
    Nothing,
    /// That it cannot be read.
    Broken,
    /// All of it.
    Whole,
}

/// A file at a commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileAt {
    /// The commit, for errors: that of the version or its child.
    pub(super) commit: CommitId,
    /// The tree of the commit.
    pub(super) tree: TreeId,
    /// The file.
    pub(super) file: File,
}

/// Decides what the commits of versions show of them.
pub(super) struct OwnRules<'a> {
    objects: &'a Objects,
    subject: Subject<'a>,
    layouts: &'a Layouts,
    options: &'a LoadOptions,
    effort: Effort<'a>,
    known: HashMap<DefinitionsId, Rc<EarlierRules>>,
    judged: HashMap<Judged, Shown>,
}

/// Everything that decides what is shown of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Judged {
    file: File,
    definitions: DefinitionsId,
    /// The tree, if other files in it count.
    tree: Option<TreeId>,
}

impl<'a> OwnRules<'a> {
    pub(super) fn of(
        subject: Subject<'a>,
        (objects, layouts): (&'a Objects, &'a Layouts),
        options: &'a LoadOptions,
        effort: Effort<'a>,
    ) -> Self {
        let (known, judged) = (HashMap::new(), HashMap::new());
        Self { objects, subject, layouts, options, effort, known, judged }
    }

    /// Returns what is shown of the file `at` a commit; `held` is what the present rules read in it.
    ///
    /// Where the definitions were the same, that costs a look at the root of the tree. Otherwise the
    /// file is read again, by the rules of then. In a file of many records that costs the same
    /// whether the record is in it or not.
    ///
    /// # Errors
    ///
    /// If something that decides it is missing, or nobody waits for the answer any more.
    pub(super) fn shown(&mut self, at: FileAt, held: &RecordState) -> Result<Shown, HistoryError> {
        let (definitions, then) = match self.rules(at) {
            // No state can be built of a commit whose definitions are no objects of git.
            Err(source) if !source.is_missing() => return Ok(Shown::Nothing),
            rules => {
                rules.map_err(|source| HistoryError::Definitions { commit: at.commit, source })?
            }
        };
        if then.rules == Rules::Same {
            return Ok(Shown::Whole);
        }
        let FileAt { tree, file, .. } = at;
        let Subject { spec, paths, .. } = self.subject;
        let is_list = spec.shape_of(&paths[file.place].path) != Shape::Record;
        if !is_list && matches!(held, RecordState::Nothing | RecordState::Withheld) {
            return Ok(Shown::Nothing);
        }
        let tree = then.has_rivals(file.place).then_some(tree);
        let judged = Judged { file, definitions, tree };
        if let Some(shown) = self.judged.get(&judged) {
            return Ok(*shown);
        }
        let shown = self.judge(&then, at, held)?;
        self.judged.insert(judged, shown);
        Ok(shown)
    }

    /// Returns the rules of a commit, and the name of its definitions.
    fn rules(&mut self, at: FileAt) -> Result<(DefinitionsId, Rc<EarlierRules>), DefinitionError> {
        let (instead, part) = (self.options.sheets.as_ref(), self.effort.part);
        let definitions = definitions::identify(self.objects, at.tree, instead, part)?;
        if let Some(known) = self.known.get(&definitions) {
            return Ok((definitions, known.clone()));
        }
        let (view, named) = (self.subject.now.view(), (at.tree, definitions));
        let then = self.layouts.get_or_read(self.objects, named, view, self.options, part)?;
        part.spend(STEP * then.sheets().count() * self.subject.paths.len());
        let rules = Rc::new(EarlierRules::of(&then, &self.subject));
        self.known.insert(definitions, rules.clone());
        Ok((definitions, rules))
    }

    /// Returns the most that a sheet shows that was public then.
    fn judge(
        &self,
        then: &EarlierRules,
        at: FileAt,
        held: &RecordState,
    ) -> Result<Shown, HistoryError> {
        let mut most = Shown::Nothing;
        for claim in then.claims(at.file.place) {
            self.effort.awaited.check()?;
            most = most.max(self.judge_claim(then, claim, at, held)?);
            let depends_on_row = claim.is_row && claim.claim.sheet.hidden.is_some();
            // Otherwise the cost would tell which row it is.
            if most == Shown::Whole && !depends_on_row {
                break;
            }
        }
        Ok(most)
    }

    fn judge_claim(
        &self,
        then: &EarlierRules,
        claim: &EarlierClaim,
        at: FileAt,
        held: &RecordState,
    ) -> Result<Shown, HistoryError> {
        let EarlierClaim { claim: PathClaim { sheet, key: list, .. }, key, is_row, .. } = claim;
        let path = &self.subject.paths[at.file.place].path;
        let shows = |record: Option<&Record>, shown: Shown| {
            let is_shown = self.subject.now.shows_version(&then.rules, &sheet.name, path, record);
            if is_shown { shown } else { Shown::Nothing }
        };
        let record = |value: &Value| {
            let frame = match *is_row {
                true => Arc::new(Frame::within(path)),
                false => sheet.frame(list.as_str(), path),
            };
            Record { key: Key::new(key.as_str()), frame, blob: BlobId::ZERO, value: value.clone() }
        };
        let missing = |source| HistoryError::Missing { commit: at.commit, source };
        for rival in &claim.rivals {
            if self.has_taken(rival, key, at.tree).map_err(missing)? {
                return Ok(Shown::Nothing);
            }
        }
        if claim.is_alike {
            return Ok(match held {
                RecordState::Nothing | RecordState::Withheld => Shown::Nothing,
                RecordState::Broken => shows(None, Shown::Whole),
                RecordState::Record(value) => shows(Some(&record(value)), Shown::Whole),
            });
        }
        let found =
            self.seek((sheet.as_ref(), path), (list, key), at.file.blob).map_err(missing)?;
        let hid = sheet.hidden.is_some();
        Ok(match found {
            LookupResult::Value(value) if hides(sheet, &value) => Shown::Nothing,
            // Another key may have been that of another record.
            LookupResult::Value(value) if *is_row && hid && !is_of(held, &value) => Shown::Nothing,
            LookupResult::Value(value) => shows(Some(&record(&value)), Shown::Whole),
            LookupResult::Unread | LookupResult::Nothing if hid => Shown::Nothing,
            LookupResult::Unread if !self.subject.now.tells_of(sheet) => Shown::Nothing,
            LookupResult::Unread => shows(None, Shown::Broken),
            // It had another key in a list that was public as a whole.
            LookupResult::Nothing => shows(None, Shown::Whole),
        })
    }

    /// Returns whether a file that comes first had the key `key`. Where records were hidden, one that
    /// could not be read may have been one of those.
    fn has_taken(&self, rival: &Rival, key: &str, tree: TreeId) -> Result<bool, ObjectError> {
        let Rival { path, claim: PathClaim { sheet, key: list, .. } } = rival;
        self.effort.part.spend(LOOK);
        let entry = self.objects.entry_at(tree, path.as_bytes())?;
        let is_file = |mode| !matches!(mode, EntryMode::Folder | EntryMode::Submodule);
        let Some(entry) = entry.filter(|entry| is_file(entry.mode)) else { return Ok(false) };
        let hid = sheet.hidden.is_some();
        if hid && sheet.shape_of(path) == Shape::Record {
            return Ok(true);
        }
        let blob = BlobId::from_bytes(entry.id);
        Ok(match self.seek((sheet.as_ref(), path), (list, key), blob)? {
            LookupResult::Value(_) => true,
            LookupResult::Unread => hid,
            LookupResult::Nothing => false,
        })
    }

    /// Searches a file for a record by the rules of a sheet.
    fn seek(
        &self,
        (spec, path): (&SheetSpec, &str),
        (list, key): (&Key, &str),
        blob: BlobId,
    ) -> Result<LookupResult, ObjectError> {
        let Effort { awaited, part } = self.effort;
        let LoadOptions { record_limit, file_limit, .. } = *self.options;
        let limit = match spec.shape_of(path) {
            Shape::Record => record_limit,
            Shape::List | Shape::Either => record_limit.max(file_limit),
        };
        let read = self.objects.read_blob(blob, limit, |content| match content {
            BlobContent::Bytes(bytes) => {
                part.spend(bytes.len());
                match awaited.spend(bytes.len()) {
                    true => seek((spec, path), (list, key), bytes, record_limit),
                    false => LookupResult::Unread,
                }
            }
            BlobContent::TooLarge(_) => LookupResult::Unread,
        });
        match read {
            Err(error) if error.is_missing() => Err(error),
            read => Ok(read.unwrap_or(LookupResult::Unread)),
        }
    }
}

/// Returns whether the present rules read this very value.
fn is_of(held: &RecordState, value: &Value) -> bool {
    matches!(held, RecordState::Record(held) if held.as_str() == value.as_str())
}

#[cfg(test)]
mod tests;
