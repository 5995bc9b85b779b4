//! What an engine answers about other commits than the published one.

use std::sync::Arc;

use super::Engine;
use super::costly_states::{Attempt, is_not_quick};
use super::historical_states::error::PastError;
use crate::commits::{Line, Log};
use crate::delta::Delta;
use crate::history::{Effort, Versions};
use crate::id::{CommitId, SheetName};
use crate::layout::SheetSpec;
use crate::snapshot::Snapshot;
use crate::view::View;

impl Engine {
    /// Returns what `view` sees of the state of `commit` if it is already known, and keeps it for five minutes
    /// from now. Only searches a short list.
    pub fn kept(&self, view: &View, commit: CommitId) -> Option<Arc<Snapshot>> {
        self.past.kept(view, commit)
    }

    /// Returns what `view` sees of the state of `commit`. The state is kept for five minutes after the last
    /// call for it. At most sixteen such states are kept, and of these as many as fit into the
    /// bytes of the published one.
    ///
    /// A kept state costs nothing. Any other state is built, one at a time, by applying the
    /// difference to a kept one with the same definitions, or from scratch if there is none. See
    /// [`Disclosure`](crate::disclosure::Disclosure) for what is removed from it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if the published commit does not descend from `commit`.
    pub fn at(&self, view: &View, commit: CommitId) -> Result<Arc<Snapshot>, PastError> {
        self.past.at(view, commit, Attempt::Full)
    }

    /// Returns what [`Self::at`] returns if that costs little, so that its readers wait for no state that costs much;
    /// otherwise `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::at`].
    pub fn at_if_quick(
        &self,
        view: &View,
        commit: CommitId,
    ) -> Result<Option<Arc<Snapshot>>, PastError> {
        if_quick(self.past.at(view, commit, Attempt::Quick))
    }

    /// Keeps the state of `commit` as if it had just been requested, since its reader may come back
    /// to it. Does nothing if the state is gone.
    pub fn keep(&self, commit: CommitId) {
        self.past.keep(commit)
    }

    /// Returns what changes for `view` between `from` and `to`, without anything that it does not
    /// have now on either side.
    ///
    /// Costs as much as the difference and, if both have the same definitions, builds no text
    /// index.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if one of them is not in the history of the published commit.
    pub fn delta(&self, view: &View, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        self.past.delta(view, from, to, Attempt::Full)
    }

    /// Returns what [`Self::delta`] returns if that costs little; otherwise `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::delta`].
    pub fn delta_if_quick(
        &self,
        view: &View,
        from: CommitId,
        to: CommitId,
    ) -> Result<Option<Delta>, PastError> {
        if_quick(self.past.delta(view, from, to, Attempt::Quick))
    }

    /// Returns what a reader with the state of `from` needs to have the state of `to`. Whatever is
    /// private now is reported as removed.
    ///
    /// # Errors
    ///
    /// As [`Engine::delta`]; and [`PastError::Unknown`] if other definitions showed at `from` what
    /// is private now, so that the reader must start over.
    pub fn caught_up(&self, view: &View, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        self.past.caught_up(view, from, to, Attempt::Full)
    }

    /// Returns what [`Self::caught_up`] returns if that costs little; otherwise `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::caught_up`].
    pub fn caught_up_if_quick(
        &self,
        view: &View,
        from: CommitId,
        to: CommitId,
    ) -> Result<Option<Delta>, PastError> {
        if_quick(self.past.caught_up(view, from, to, Attempt::Quick))
    }

    /// Lists the commits in the history of `from` that touched the record, a key of a sheet of the
    /// published state `now`, newest first. `page` is the number of commits listed before and the most to
    /// list; `effort` limits the cost. See [`history`](crate::history::history). A key that the
    /// sheet cannot have belongs to other files and has no history; neither does a record that is
    /// hidden in `now`, or that cannot be read there and may be hidden. A version is shown if both
    /// `now` and its own commit show it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of `now`.
    pub fn history(
        &self,
        now: &Snapshot,
        record: (&SheetSpec, &str),
        from: CommitId,
        page: (usize, usize),
        effort: Effort<'_>,
    ) -> Result<Versions, PastError> {
        self.past.history(now, record, from, page, effort)
    }

    /// Returns the commits after `since` up to `until`, along first parents. Both are names or times
    /// that a reader gives. Without `since`, the line begins at the first commit of all; without
    /// `until`, it ends at the published commit. A time before all commits names no commit.
    ///
    /// # Errors
    ///
    /// As [`Engine::commit_called`]; [`PastError::Unknown`] for a commit that is not in the history
    /// of what is published.
    pub fn line(&self, since: Option<&str>, until: Option<&str>) -> Result<Line, PastError> {
        self.past.line(since, until)
    }

    /// Lists the commits of `line`, newest first, with what `view` sees that each changed: at
    /// most `limit`, and with `sheets` those that changed one of them. See [`Log::read`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a line that is not in the history of what is published.
    pub fn commits(
        &self,
        view: &View,
        line: Line,
        sheets: &[SheetName],
        limit: usize,
        effort: Effort<'_>,
    ) -> Result<Log, PastError> {
        self.past.commits(view, line, sheets, limit, (effort, Attempt::Full))
    }

    /// Returns what [`Self::commits`] returns if each state on the way costs little; otherwise `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::commits`].
    pub fn commits_if_quick(
        &self,
        view: &View,
        line: Line,
        sheets: &[SheetName],
        limit: usize,
        effort: Effort<'_>,
    ) -> Result<Option<Log>, PastError> {
        if_quick(self.past.commits(view, line, sheets, limit, (effort, Attempt::Quick)))
    }

    /// Returns the commit that a reader means by `name`: a hash or a prefix of one, a tag, or the
    /// branch. [`Engine::at`] decides whether it is visible.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if it names none, or more than one.
    pub fn commit_called(&self, name: &str) -> Result<CommitId, PastError> {
        self.past.commit_called(name)
    }

    /// Returns whether `commit`, which is or was published, is `ancestor` or has it in its history.
    pub fn descends(&self, commit: CommitId, ancestor: CommitId) -> bool {
        self.past.descends(commit, ancestor)
    }

    /// Returns what `view` sees of the state that `branch` would produce, if it may be previewed. It is kept like a
    /// state of [`Engine::at`], and likewise shows nothing that is private now. Files that no sheet
    /// claims now are not shown either.
    ///
    /// Asks the remote for its branches, unless it did so in the last five seconds or the remote
    /// did not answer in the last thirty.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a branch that does not exist or may not be previewed,
    /// [`PastError::Remote`] if the remote does not answer, [`PastError::BranchRefused`] if it does
    /// and the branch cannot be fetched.
    pub fn preview(&self, view: &View, branch: &str) -> Result<Arc<Snapshot>, PastError> {
        self.past.preview(view, branch)
    }
}

/// Returns `None` for what a quick attempt found to cost more.
fn if_quick<T>(result: Result<T, PastError>) -> Result<Option<T>, PastError> {
    match result {
        Err(error) if is_not_quick(&error) => Ok(None),
        result => result.map(Some),
    }
}
