//! The commits of a branch, along first parents, and what each changed in every sheet.

use std::collections::BTreeMap;

use crate::budget::TooCostly;
use crate::changes::TooCostly as DecodeCost;
use crate::delta::Delta;
use crate::disclosure::Disclosure;
use crate::history::{Effort, Note};
use crate::id::{CommitId, SheetName};
use crate::load::{LoadError, prepare};
use crate::mirror::{ObjectError, Objects};
use crate::options::LoadOptions;
use crate::report::Counts;
use crate::snapshot::{ChangedBySheet, Snapshot};

/// The most commits that are read for one page of a log.
const LOOKED_AT: usize = 1_000;

/// The least cost of reading a commit, in units of a budget: enough to check the budget each time.
const A_COMMIT: usize = 64 << 10;

/// A range of commits along first parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its newest commit; all zeros if the range is empty.
    pub from: CommitId,
    /// The commit before the oldest one; `None` if the range begins at the first commit of all.
    pub above: Option<CommitId>,
}

impl Line {
    /// The empty range.
    pub const EMPTY: Self = Self { from: CommitId::ZERO, above: None };
}

/// A commit, and its changes as far as the public sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub commit: CommitId,
    /// What is reported of every commit.
    pub note: Note,
    /// The sheets that it changed, compared with its first parent.
    pub changed: BTreeMap<SheetName, Counts>,
}

/// A page of a range of commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The commits, newest first.
    pub entries: Vec<LogEntry>,
    /// The commit at which the next page begins.
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
        /// The cause.
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
    #[error("nobody waits for the commits any more")]
    Unawaited(#[from] TooCostly),
}

/// A walk back from a state along a range of commits, by their differences.
pub struct Walk<'a> {
    objects: &'a Objects,
    /// The state of the current commit, without texts: those of the state next to which it was built are of
    /// another commit, and the next one would be built from nothing.
    state: Snapshot,
    disclosure: Disclosure<'a>,
    options: &'a LoadOptions,
    /// Whether a commit costs too much that somebody else counts the changes of another one meanwhile.
    is_hurried: bool,
}

impl<'a> Walk<'a> {
    /// Begins at the whole `state`. Changes that the present state does not disclose to the view are
    /// not counted.
    pub fn from(
        objects: &'a Objects,
        state: &Snapshot,
        disclosure: Disclosure<'a>,
        options: &'a LoadOptions,
    ) -> Self {
        Self { objects, state: state.without_texts(), disclosure, options, is_hurried: false }
    }

    /// Returns a walk that does not wait while others count what commits changed.
    #[must_use]
    pub fn hurried(self) -> Self {
        Self { is_hurried: true, ..self }
    }

    /// Goes back to `parent`, or to the state before the first commit, and counts, by sheet, the
    /// changes from there that the view sees. Costs as much as the difference, without a text index.
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
                    (prepared.draft.state().without_texts(), changed)
                }
            },
        };
        let [earlier, later] =
            [&before, after].map(|state| state.records_seen_by(self.disclosure.view()));
        let delta = Delta::of(&later, &earlier, &changed).reversed();
        let [earlier, later] = [earlier, later].map(|state| self.disclosure.rules_of(&state));
        let counts = self.disclosure.mask(delta, &earlier, &later).counts();
        self.state = before;
        Ok(counts)
    }

    /// Returns what the view sees that `commit`, at which the walk is or which is behind it,
    /// changed against `parent`. The deciding state keeps it: the second time costs nothing, and
    /// leaves the walk where it is.
    fn counts_of(
        &mut self,
        commit: CommitId,
        parent: Option<CommitId>,
    ) -> Result<ChangedBySheet, LoadError> {
        let limit = self.options.time.unwrap_or_default();
        let busy = LoadError::TooCostly { commit, source: DecodeCost::Time { limit } };
        let busy = self.is_hurried.then_some(busy);
        self.disclosure.now().commit_counts().get_or_make(commit, busy, || {
            let state = &self.state;
            if let Some(prepared) = prepare(self.objects, Some(state), commit, None, self.options)?
            {
                self.state = prepared.draft.state().without_texts();
            }
            self.back_to(parent)
        })
    }
}

impl Log {
    /// Reads at most `limit` commits of `line`, newest first. With `sheets`, reads only those that
    /// changed one of these sheets, and reports only their changes. `walk` starts at the newest.
    ///
    /// Costs as much as the differences of the commits, each the first time that the deciding state
    /// is asked for it. A page ends early if it has used up `effort`, has read a thousand commits, or comes to
    /// one that costs too much, but never before its first commit.
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
        let commits = walk.objects.first_parent_line(line.from).map_err(unreadable(line.from))?;
        let mut commits = commits.take(most.saturating_add(1)).enumerate().peekable();
        let mut log = Self::default();
        while let Some((at, commit)) = commits.next() {
            let commit = commit.map_err(unreadable(line.from))?;
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
            let parent = commits.peek().and_then(|(_, parent)| parent.as_ref().ok()).copied();
            let mut changed = match walk.counts_of(commit, parent) {
                Ok(changed) => (*changed).clone(),
                // What came before it is an answer. The next page begins with this one.
                Err(LoadError::TooCostly { .. }) if at > 0 => {
                    log.next = Some(commit);
                    break;
                }
                Err(error) => return Err(refused(error)),
            };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use headwater_testkit::Upstream;

    use super::*;
    use crate::budget::Budget;
    use crate::load::load;
    use crate::mirror::{Mirror, MirrorOptions};

    #[test]
    fn what_a_commit_changed_is_found_out_once() {
        let mut upstream = Upstream::new();
        for n in 0..4 {
            let commit = upstream.commit("c").put(format!("people/a{n}.toml"), "n = 1\n");
            commit.put("people/b.toml", format!("n = {n}\n")).push();
        }
        let head: CommitId = upstream.head().unwrap().parse().unwrap();
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let now = load(&objects, head, &LoadOptions::default()).unwrap();
        let any = Budget::unlimited();
        let line = objects.first_parents(head, 9).unwrap();
        // Reads commits from the one at `at` on. Also returns how many files were decoded last.
        let read = |at: usize, limit: usize, now: &Snapshot| {
            let options = LoadOptions { progress: Arc::default(), ..LoadOptions::default() };
            let state = load(&objects, line[at], &LoadOptions::default()).unwrap();
            let walk = Walk::from(&objects, &state, Disclosure::by(now), &options);
            let effort = Effort { awaited: &any, part: &any };
            let part = Line { from: line[at], above: None };
            let log = Log::read(walk, part, &[], limit, effort).unwrap();
            (log.entries, options.progress.decoded().0)
        };
        let (all, decoded) = read(0, 9, &now.clone());
        assert_eq!((all.len(), decoded), (4, 1), "each step reads what it changes");
        let (second, decoded) = read(1, 1, &now);
        assert_eq!((&second[..], decoded), (&all[1..2], 1));
        assert_eq!(read(1, 1, &now), (second, 0), "it is known");
        // A walk goes on behind what is known.
        assert_eq!(read(0, 9, &now).0, all);
        assert_eq!(read(0, 9, &now), (all.clone(), 0));
        // A state that may disclose other things of them begins anew.
        let inferred = now.clone();
        inferred.take_commit_counts(&now);
        assert_ne!(read(0, 9, &inferred).1, 0);
    }

    #[test]
    fn a_page_ends_before_a_commit_that_costs_too_much() {
        let mut upstream = Upstream::new();
        let mut push = |n: usize| {
            let commit = upstream.commit("c").put("people/a.toml", format!("n = {n}\n"));
            commit.push().parse::<CommitId>().unwrap()
        };
        let [first, second, head] = [1, 2, 3].map(&mut push);
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let now = load(&objects, head, &LoadOptions::default()).unwrap();
        let any = Budget::unlimited();
        let read = |from: CommitId, time: Option<Duration>, limit: usize, sheet: Option<&str>| {
            let options = LoadOptions { time, ..LoadOptions::default() };
            let state = load(&objects, from, &LoadOptions::default()).unwrap();
            let walk = Walk::from(&objects, &state, Disclosure::by(&now), &options);
            let effort = Effort { awaited: &any, part: &any };
            let sheets: Vec<SheetName> = sheet.map(SheetName::new).into_iter().collect();
            Log::read(walk, Line { from, above: None }, &sheets, limit, effort)
        };
        let none = Some(Duration::ZERO);
        assert!(
            matches!(read(head, none, 9, None), Err(CommitsError::Load { commit, .. }) if commit == head)
        );
        // What the newest one changed is known from here on.
        assert_eq!(read(head, None, 1, None).unwrap().next, Some(second));
        for (sheet, count) in [(None, 1), (Some("other"), 0)] {
            let page = read(head, none, 9, sheet).unwrap();
            assert_eq!((page.entries.len(), page.next), (count, Some(second)), "{sheet:?}");
        }
        let rest = read(second, None, 9, None).unwrap();
        let rest: Vec<_> = rest.entries.iter().map(|entry| entry.commit).collect();
        assert_eq!(rest, [second, first]);
    }

    #[test]
    fn what_commits_changed_is_known_to_the_next_state_where_nothing_is_hidden() {
        let mut upstream = Upstream::new();
        let shown = "[sheets.people]\nformat = \"toml\"\n";
        let (hiding, private) =
            (format!("{shown}hidden = \"h\"\n"), format!("{shown}public = false\n"));
        let mut commits = Vec::new();
        for (n, definitions) in [shown, shown, &hiding, &hiding, &private].iter().enumerate() {
            let commit = upstream.commit("c").put("headwater.toml", *definitions);
            commits.push(commit.put("people/b.toml", format!("n = {n}\n")).push());
        }
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let any = Budget::unlimited();
        let mut before: Option<Snapshot> = None;
        for (commit, is_known) in commits.iter().zip([false, true, false, false, false]) {
            let now = load(&objects, commit.parse().unwrap(), &LoadOptions::default()).unwrap();
            if let Some(before) = &before {
                now.take_commit_counts(before);
            }
            let options = LoadOptions { progress: Arc::default(), ..LoadOptions::default() };
            let first: CommitId = commits[0].parse().unwrap();
            let state = load(&objects, first, &LoadOptions::default()).unwrap();
            let walk = Walk::from(&objects, &state, Disclosure::by(&now), &options);
            let line = Line { from: first, above: None };
            Log::read(walk, line, &[], 1, Effort { awaited: &any, part: &any }).unwrap();
            let made = now.commit_counts().get_or_make(first, None, || Err(()));
            let is_shared = before.as_ref().is_some_and(|before| {
                let known = before.commit_counts().get_or_make(first, None, || Err(()));
                known.is_ok_and(|known| made.is_ok_and(|made| Arc::ptr_eq(&known, &made)))
            });
            assert_eq!(is_shared, is_known, "{commit}");
            before = Some(now);
        }
    }
}
