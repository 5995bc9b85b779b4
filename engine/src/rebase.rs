//! Puts local commits on top of the remote's head, as `git rebase` does for files, with records
//! merged field by field.
//!
//! Nothing is stored here: the commits are made in a [`Stage`]. They keep their authors, messages
//! and trailers, so that a repeated request finds its commit. A commit without an idempotency key of which
//! nothing is left, because the remote has the same change, is dropped. So is one whose request the remote
//! has, by its key: its author sent it twice and meant it once. One that does not fit is left out, with all
//! that share files or rows with it.

mod incoming;
mod commit_merge;
mod error;
mod layouts;
mod left_out;
mod lists;
mod lost_records;
mod merge;
mod orphaned_files;
mod rename_detection;
mod record_edit;
mod repeated_changes;
mod requests;
mod sheet_coverage;
mod touched;

use std::collections::BTreeSet;

use crate::id::{CommitId, TreeId};
use crate::mirror::{ObjectError, PathChange, Signature, Stage};
use crate::report::LostField;
use crate::write::{Repeat, request_of};
use commit_merge::Merge;
use error::RebaseError;
use incoming::Brought;
pub use layouts::Layouts;
pub(crate) use left_out::LeftOut;
use lists::Lists;
pub(crate) use lost_records::{Differences, ReplayedStates};
use requests::Requests;
pub(crate) use touched::TouchedPaths;
use touched::{Connected, TouchedFiles, paths_of};

/// The result of a rebase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// The last new commit, or the new base if nothing was left of any.
    pub head: CommitId,
    /// Each commit that is not left out, oldest first, and the one that now has its change, or that the
    /// same request made on the other side.
    pub moves: Vec<(CommitId, CommitId)>,
    /// Those that the same request made on the other side.
    pub repeated: Vec<CommitId>,
    /// The number of commits made.
    pub made: u64,
}

impl Rebased {
    /// Returns each commit that was put, oldest first, with the last new commit after it.
    pub(crate) fn put(&self) -> impl Iterator<Item = (CommitId, CommitId)> {
        self.moves.iter().filter(|(commit, _)| !self.repeated.contains(commit)).copied()
    }
}

/// Commits that are put on top of another one by one. What was read for one of them serves the next:
/// of a file of many records that both sides changed, only what our commit changed in it is merged.
#[derive(Debug)]
pub struct Rebase {
    stage: Stage,
    layouts: Layouts,
    committer: Signature,
    /// The tree of the last new commit, and its time.
    tree: Option<TreeId>,
    seconds: i64,
    rebased: Rebased,
    upstream: CommitId,
    /// The requests of the other side, once the first commit with a key is put.
    requests: Option<Requests>,
    lists: Lists,
    /// The tree on top of which the first commit was made; `None` before one is put.
    base: Option<Option<TreeId>>,
    /// The tree of the other side.
    their_tree: Option<TreeId>,
    /// What the other side brought, once it is read.
    brought: Option<Brought>,
    /// The files that the commits are about.
    touched: TouchedPaths,
    left_out: LeftOut,
    /// Whether a commit was put that is left out now.
    is_outdated: bool,
}

impl Rebase {
    /// Begins on top of `upstream`. The new commits are made in `stage`, by `committer`.
    ///
    /// # Errors
    ///
    /// When the commit cannot be read.
    pub fn onto(
        upstream: CommitId,
        stage: Stage,
        layouts: Layouts,
        committer: Signature,
    ) -> Result<Self, ObjectError> {
        let facts = stage.objects().commit(upstream)?;
        let (tree, seconds) = (Some(facts.tree), facts.committer_time);
        let rebased = Rebased { head: upstream, moves: Vec::new(), repeated: Vec::new(), made: 0 };
        Ok(Self {
            stage,
            layouts,
            committer,
            tree,
            seconds,
            rebased,
            upstream,
            requests: None,
            lists: Lists::default(),
            base: None,
            their_tree: tree,
            brought: None,
            touched: TouchedPaths::default(),
            left_out: LeftOut::default(),
            is_outdated: false,
        })
    }

    /// Puts a commit, whose change is that to its first parent, on top of those before it. One that does not
    /// fit is left out, as is one that shares a file, or the rows of one, with one that is left out.
    ///
    /// A local file on which the layouts do not agree is a conflict: it would be in the branch, but
    /// what was written with it would not be served. Costs a difference, and reads three files for
    /// each one that both sides changed. A file of many records that the commit before also changed
    /// is read once, and written once. The first commit with an idempotency key reads all commits that
    /// only the other side has.
    ///
    /// # Errors
    ///
    /// When the repository cannot be read. No further commit can be put then.
    pub fn put(&mut self, commit: CommitId) -> Result<(), ObjectError> {
        let request = request_of(self.stage.objects(), commit)?;
        let has_request = request.is_some();
        let same = self.requested(commit, request)?;
        let (parent, changes) = self.change_of(commit)?;
        self.base.get_or_insert(parent);
        if let Some(same) = same {
            tracing::info!(%commit, theirs = %same, "dropping a commit: the remote has the same request");
            self.touched.again(&changes);
            self.rebased.moves.push((commit, same));
            self.rebased.repeated.push(commit);
            return Ok(());
        }
        let mut files = TouchedFiles::whole(paths_of(&changes));
        // Whether it may fit. Of other files than those that are left out, it must be found which rows it changes.
        // A commit that changes nothing, whose request counts, is on top of none that is left out.
        let is_apart = changes.is_empty()
            || !changes.iter().all(|change| self.left_out.has_file(&change.path));
        let lost = match is_apart.then(|| self.apply(commit, &changes, has_request, &mut files)) {
            None => Some(vec![]),
            Some(Ok(())) => None,
            Some(Err(RebaseError::Conflict { mut lost })) => {
                // What only lacks a commit that is left out is told with that one.
                lost.retain(|lost| !self.left_out.has_file(lost.path.as_bytes()));
                Some(lost)
            }
            Some(Err(RebaseError::Repository(error))) => return Err(error),
        };
        self.touched.otherwise(commit, files.clone());
        if let Some(lost) = lost {
            self.leave_out(files, lost);
        }
        Ok(())
    }

    /// Puts the changes of a commit on top, and notes in `files` of which rows they are.
    fn apply(
        &mut self,
        commit: CommitId,
        changes: &[PathChange],
        has_request: bool,
        files: &mut TouchedFiles,
    ) -> Result<(), RebaseError> {
        let Self {
            stage,
            layouts,
            committer,
            tree,
            seconds,
            rebased,
            lists,
            base,
            their_tree,
            brought,
            left_out,
            ..
        } = self;
        let (base, their_tree, tree_now) = (base.flatten(), *their_tree, *tree);
        let left_out = left_out.files();
        let mut merge = Merge {
            stage,
            tree: tree_now,
            layouts,
            lists,
            base,
            their_tree,
            brought,
            changes,
            moved: None,
            files,
            left_out,
        };
        let next = merge.apply()?;
        if files.overlaps(left_out) {
            return Err(RebaseError::Conflict { lost: vec![] });
        }
        // One with a request stays, although it changes nothing: its key must be found again.
        if next == *tree && !has_request {
            tracing::info!(%commit, "dropping an empty commit: the remote has the same change");
        } else {
            *tree = next;
            let committer = committer.on_top_of(*seconds);
            *seconds = committer.seconds;
            rebased.head = stage.commit_again(commit, next, rebased.head, &committer)?;
            rebased.made += 1;
        }
        rebased.moves.push((commit, rebased.head));
        Ok(())
    }

    /// Leaves out the commits that changed a part of `files`, and those that share parts with them.
    fn leave_out(&mut self, files: TouchedFiles, lost: impl IntoIterator<Item = LostField>) {
        // Whoever shares the others is left out already.
        let new = files.without(self.left_out.files());
        let Connected { commits, files } = self.touched.connected(new);
        let was_put = |(commit, _): &(CommitId, CommitId)| commits.contains(commit);
        self.is_outdated = self.is_outdated || self.rebased.moves.iter().any(was_put);
        self.left_out.add(files, lost);
    }

    /// Leaves out the commits that changed the files of `lost`, or its rows of files of many records, and those that
    /// share files or rows with them. Returns false if no commit that is put did.
    pub(crate) fn leave_out_lost(&mut self, lost: &[LostField]) -> bool {
        let parts = self.touched.parts_of(lost);
        let known = parts.clone().without(self.left_out.files()).is_empty();
        // Where another sheet still misses a row that is left out, the rest of its file is in the way.
        let files = match known {
            true => TouchedFiles::whole(lost.iter().map(|lost| lost.path.clone().into_bytes())),
            false => parts,
        };
        self.leave_out(files, lost.iter().cloned());
        self.is_outdated
    }

    /// Leaves out commits for what is `wrong` with them, and those that share files or rows with them. Returns
    /// false if none was put.
    pub(crate) fn leave_out_commits(&mut self, commits: &[CommitId], wrong: &[LostField]) -> bool {
        let mut files = TouchedFiles::default();
        for commit in commits {
            self.touched.files_of(*commit).cloned().into_iter().for_each(|of| files.extend(of));
        }
        // Of a file of many records, what is wrong with them does not say which they are.
        let wrong: BTreeSet<&LostField> = wrong.iter().collect();
        let told = wrong.into_iter().flat_map(|wrong| match files.keys(wrong.path.as_bytes()) {
            Some(keys) => keys.map(|key| wrong.at_key(key)).collect(),
            None => vec![wrong.clone()],
        });
        let told: Vec<LostField> = told.collect();
        self.leave_out(files, told);
        self.is_outdated
    }

    /// Leaves out all commits that changed files in the folders of those that are left out, and of what is `lost`.
    /// Returns false if none was put.
    pub(crate) fn leave_out_folders(&mut self, lost: &[LostField]) -> bool {
        let paths = self.left_out.files().paths().map(<[u8]>::to_vec);
        let paths = paths.chain(lost.iter().map(|lost| lost.path.clone().into_bytes()));
        let files = self.touched.in_folders_of(paths);
        self.leave_out(files, lost.iter().cloned());
        self.is_outdated
    }

    /// Returns whether a commit was put that is left out now, so that all have to be put again.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// Begins again, in an empty stage. What is left out stays left out.
    ///
    /// # Errors
    ///
    /// When the commit cannot be read.
    pub(crate) fn begun_again(self, stage: Stage) -> Result<Self, ObjectError> {
        let Self { upstream, layouts, committer, left_out, lists, brought, requests, base, .. } =
            self;
        let again = Self::onto(upstream, stage, layouts, committer)?;
        // What was read of both sides serves again.
        Ok(Self { left_out, lists, brought, requests, base, ..again })
    }

    /// Returns what is left out.
    pub(crate) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Returns the tree of the first parent of a commit, and what the commit changes in it.
    fn change_of(
        &self,
        commit: CommitId,
    ) -> Result<(Option<TreeId>, Vec<PathChange>), ObjectError> {
        let objects = self.stage.objects();
        let facts = objects.commit(commit)?;
        let parent = facts.parents.first().map(|parent| objects.commit(*parent)).transpose()?;
        let parent = parent.map(|parent| parent.tree);
        Ok((parent, objects.diff(parent, Some(facts.tree))?))
    }

    /// Returns the commit of the other side that the same request made.
    fn requested(
        &mut self,
        commit: CommitId,
        request: Option<Repeat>,
    ) -> Result<Option<CommitId>, ObjectError> {
        let Some(request) = request else { return Ok(None) };
        let objects = self.stage.objects();
        let requests = match self.requests.take() {
            Some(known) => known,
            // What both sides have is in the history of the parent, and so are commits of ours that were put
            // before: the other side has none of those.
            None => {
                let parent = objects.commit(commit)?.parents.first().copied();
                Requests::of(objects, self.upstream, parent)?
            }
        };
        Ok(self.requests.insert(requests).find(&request))
    }

    /// Returns what has come of the commits that were put.
    pub fn rebased(&self) -> &Rebased {
        &self.rebased
    }

    /// Returns the layouts of both sides.
    pub fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// Returns the new objects.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Goes on in an empty stage, once the objects of the other one are stored.
    pub fn restage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Returns the paths that the commits are about.
    pub(crate) fn touched(&self) -> &TouchedPaths {
        &self.touched
    }

    /// Returns the new objects, and what has come of the commits.
    pub fn into_parts(self) -> (Stage, Rebased) {
        (self.stage, self.rebased)
    }
}

#[cfg(test)]
mod tests;
