//! The commits of a branch, by first parents, and what each changed in every sheet.

use std::collections::BTreeMap;

use crate::budget::TooCostly;
use crate::delta::Delta;
use crate::disclosure::Disclosure;
use crate::history::{Effort, Note};
use crate::id::{CommitId, SheetName};
use crate::load::{LoadError, prepare};
use crate::mirror::{ObjectError, Objects};
use crate::options::LoadOptions;
use crate::report::Counts;
use crate::snapshot::Snapshot;

/// How many commits are looked at for one part of a log.
const LOOKED_AT: usize = 1_000;

/// What a look at a commit costs at least, in units of a budget: enough to ask its owner each time.
const A_COMMIT: usize = 64 << 10;

/// A line of first parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its newest commit; zeros stand for a line without commits.
    pub from: CommitId,
    /// The commit above which it ends; `None` where it goes down to the first of all.
    pub above: Option<CommitId>,
}

impl Line {
    /// The line without commits.
    pub const EMPTY: Self = Self { from: CommitId::ZERO, above: None };
}

/// A commit, and what the public sees that it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub commit: CommitId,
    /// What is told of it in any case.
    pub note: Note,
    /// The sheets in which something changed, against the first parent.
    pub changed: BTreeMap<SheetName, Counts>,
}

/// A part of a line of commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The commits, newest first.
    pub entries: Vec<LogEntry>,
    /// The commit at which the next part begins.
    pub next: Option<CommitId>,
}

/// Why commits cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum CommitsError {
    /// A commit cannot be read.
    #[error("commit {commit} cannot be read")]
    Read {
        /// The commit.
        commit: CommitId,
        /// What git says.
        #[source]
        source: ObjectError,
    },
    /// Its records cannot be read, or there is no memory for them.
    #[error("the records of commit {commit} cannot be read")]
    Load {
        /// The commit.
        commit: CommitId,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// Nobody waits for the answer any more.
    #[error("the commits are not awaited any more")]
    Unawaited(#[from] TooCostly),
}

/// A walk from a state back along a line of commits, by their differences.
pub struct Walk<'a> {
    objects: &'a Objects,
    /// The state of the commit that it has come to. Its text index is that of another commit.
    state: Snapshot,
    disclosure: Disclosure<'a>,
    options: &'a LoadOptions,
}

impl<'a> Walk<'a> {
    /// Begins at the whole `state`. What the present state does not disclose to its view is not
    /// counted.
    pub fn from(
        objects: &'a Objects,
        state: &Snapshot,
        disclosure: Disclosure<'a>,
        options: &'a LoadOptions,
    ) -> Self {
        Self { objects, state: state.clone(), disclosure, options }
    }

    /// Goes back to `parent`, or to the state before the first commit, and counts what the view
    /// sees changed from there on, by sheet. Costs what the difference costs, without a text index.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; the walk stays where it is.
    pub fn back_to(
        &mut self,
        parent: Option<CommitId>,
    ) -> Result<BTreeMap<SheetName, Counts>, LoadError> {
        let after = &self.state;
        let (before, changed) = match parent {
            None => {
                let before = Snapshot::empty();
                let changed = before.differences(after);
                (before, changed)
            }
            Some(parent) => match prepare(self.objects, Some(after), parent, None, self.options)? {
                None => return Ok(BTreeMap::new()),
                Some(prepared) => {
                    let changed = prepared.changed_from(after).to_vec();
                    (prepared.draft.state().clone(), changed)
                }
            },
        };
        let [earlier, later] =
            [&before, after].map(|state| state.records_seen_by(self.disclosure.view()));
        let delta = Delta::of(&later, &earlier, &changed).reversed();
        let [earlier, later] = [earlier, later].map(|state| self.disclosure.rules_of(&state));
        let counts = self.disclosure.mask(delta, earlier, later).counts();
        self.state = before;
        Ok(counts)
    }
}

impl Log {
    /// Reads the commits of `line`, newest first, at most `limit`: with `sheets` those that changed
    /// one of these, of which alone it tells then. `walk` is at the newest.
    ///
    /// Costs what the differences of the commits cost. A part ends before its limit where it has
    /// cost what `effort` allows, or has looked at a thousand commits, but not before the first.
    ///
    /// # Errors
    ///
    /// See [`CommitsError`].
    pub fn read(
        mut walk: Walk<'_>,
        line: Line,
        sheets: &[SheetName],
        limit: usize,
        effort: Effort<'_>,
    ) -> Result<Self, CommitsError> {
        let unreadable = |commit| move |source| CommitsError::Read { commit, source };
        let most = if sheets.is_empty() { limit.min(LOOKED_AT) } else { LOOKED_AT };
        let commits = walk.objects.first_parents(line.from, most.saturating_add(1));
        let commits = commits.map_err(unreadable(line.from))?;
        let mut log = Self::default();
        for (at, commit) in commits.iter().copied().enumerate() {
            if line.above == Some(commit) {
                break;
            }
            let is_full = log.entries.len() == limit || at == most;
            if is_full || at > 0 && !effort.part.spend(A_COMMIT) {
                log.next = Some(commit);
                break;
            }
            effort.awaited.spend(A_COMMIT);
            effort.awaited.check()?;
            let refused = |source| CommitsError::Load { commit, source: Box::new(source) };
            let mut changed = walk.back_to(commits.get(at + 1).copied()).map_err(refused)?;
            if !sheets.is_empty() {
                changed.retain(|sheet, _| sheets.contains(sheet));
                if changed.is_empty() {
                    continue;
                }
            }
            let note = Note::of(walk.objects, commit).map_err(unreadable(commit))?;
            log.entries.push(LogEntry { commit, note, changed });
        }
        Ok(log)
    }
}
