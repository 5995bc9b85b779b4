//! States of earlier commits, for readers who ask for one.
//!
//! An earlier state is the published one taken back by the difference, and shares with it whatever
//! both have. Only commits in the history of what is published are shown: what was fetched and is
//! held back is nobody's to read.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::{Engine, Shared};
use crate::delta::Delta;
use crate::history::{HistoryError, Versions, history};
use crate::id::CommitId;
use crate::layout::SheetSpec;
use crate::load::{LoadError, advance, prepare};
use crate::mirror::{Cause, ObjectError, Objects};
use crate::options::LoadOptions;
use crate::snapshot::Snapshot;

/// Why there is no state of a commit to read.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Nothing in the branch's history goes by this name.
    #[error("{name:?} does not name a commit in the history of the branch")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Its records cannot be loaded, or there is no memory for them.
    #[error("the state of commit {commit} cannot be loaded")]
    Load {
        /// The commit.
        commit: CommitId,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// The versions of a record cannot be read.
    #[error(transparent)]
    History(HistoryError),
    /// The repository cannot be read.
    #[error("the history of the branch cannot be read for commit {commit}")]
    Repository {
        /// The commit.
        commit: CommitId,
        /// What git says.
        #[source]
        source: Cause,
    },
}

impl PastError {
    /// Says whether the same request may be answered later: memory is short.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Load { source: LoadError::Memory { .. }, .. })
    }
}

impl Engine {
    /// Returns the state of `commit` if it is there, and keeps it for five minutes from now.
    pub fn kept(&self, commit: CommitId) -> Option<Arc<Snapshot>> {
        self.shared.visited(commit)
    }

    /// Returns the state of `commit`, which is kept for five minutes behind the last call for it;
    /// of sixteen at most.
    ///
    /// Costs nothing for a state that is kept. Another one is built from the published one by the
    /// difference, one at a time; where the definitions of sheets differ, it is built anew.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a commit that the published one does not descend from, and for
    /// one at which a sheet was public that is not public any more.
    pub fn at(&self, commit: CommitId) -> Result<Arc<Snapshot>, PastError> {
        let shared = &self.shared;
        if let Some(state) = shared.visited(commit) {
            return Ok(state);
        }
        let _turn = shared.past.lock().unwrap_or_else(PoisonError::into_inner);
        // Perhaps the one before us asked for the same.
        if let Some(state) = shared.visited(commit) {
            return Ok(state);
        }
        let published = self.snapshot();
        let objects = shared.objects_with(&published, commit)?;
        let (state, _) = advance(&objects, Some(&published), commit, &shared.spare())
            .map_err(|source| PastError::Load { commit, source })?;
        if hides(&published, &state) {
            return Err(PastError::Unknown { name: commit.to_string() });
        }
        Ok(shared.visit(state))
    }

    /// Keeps `state` as if somebody had just asked for it, since he may come back to it.
    pub fn keep(&self, state: &Arc<Snapshot>) {
        self.shared.retained().visit(state, Instant::now());
    }

    /// Returns what the public sees differently at `to` than at `from`.
    ///
    /// Costs what the difference costs, and never a text index.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of what is published.
    pub fn delta(&self, from: CommitId, to: &Snapshot) -> Result<Delta, PastError> {
        if from == to.commit() {
            return Ok(Delta::of(to, to, &[]));
        }
        let shared = &self.shared;
        let _turn = shared.past.lock().unwrap_or_else(PoisonError::into_inner);
        let published = self.snapshot();
        let objects = shared.objects_with(&published, from)?;
        let prepared = prepare(&objects, Some(to), from, None, &shared.spare())
            .map_err(|source| PastError::Load { commit: from, source })?;
        Ok(match prepared {
            Some(prepared) if hides(&published, prepared.draft.state()) => {
                return Err(PastError::Unknown { name: from.to_string() });
            }
            Some(prepared) => {
                let changed = prepared.changed_from(to);
                Delta::of(to, prepared.draft.state(), &changed).reversed()
            }
            None => Delta::of(to, to, &[]),
        })
    }

    /// Lists the commits in the history of `from` that touched the record `key` of `spec`, the
    /// newest first: at most `limit`, behind the first `skip`. See [`history`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of what is published.
    pub fn history(
        &self,
        (spec, key): (&SheetSpec, &str),
        from: CommitId,
        (skip, limit): (usize, usize),
    ) -> Result<Versions, PastError> {
        let objects = self.shared.objects_with(&self.snapshot(), from)?;
        if from.is_zero() {
            return Ok(Versions { items: Vec::new(), looked_at: 0 });
        }
        let record_limit = self.shared.load.record_limit;
        let read = (&self.shared.mirror, &objects);
        let versions = history(read, (spec, key), from, (skip, limit), record_limit);
        versions.map_err(PastError::History)
    }

    /// Returns the commit that a reader means by `name`: the hash of one or the beginning of it, a
    /// tag, or the branch. Whether it may be shown is up to [`Engine::at`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if it names none, or more than one.
    pub fn commit_called(&self, name: &str) -> Result<CommitId, PastError> {
        let unknown = || PastError::Unknown { name: name.to_owned() };
        if let Ok(commit) = name.parse() {
            return Ok(commit);
        }
        let shared = &self.shared;
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        if short == shared.branch || name == "HEAD" {
            return Ok(self.snapshot().commit());
        }
        let is_hash = (7..40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        let tag = name.strip_prefix("refs/tags/").unwrap_or(name);
        let is_tag = !tag.is_empty()
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/+".contains(&b))
            && !tag.contains("..");
        let objects = shared.mirror.objects().map_err(|source| PastError::Repository {
            commit: shared.published.load().commit(),
            source: source.into(),
        })?;
        // Never another expression: some of those walk the whole history.
        let tagged = is_tag.then(|| objects.resolve(&format!("refs/tags/{tag}")).ok()).flatten();
        let hash = || is_hash.then(|| objects.resolve(name).ok()).flatten();
        tagged.or_else(hash).ok_or_else(unknown)
    }

    /// Says whether `commit` has `ancestor` in its history, or is it.
    pub fn descends(&self, commit: CommitId, ancestor: CommitId) -> bool {
        self.shared.contains(commit, ancestor)
    }
}

impl Shared {
    /// Returns the state of `commit` if it is there, and keeps it for those who come back.
    pub(super) fn visited(&self, commit: CommitId) -> Option<Arc<Snapshot>> {
        let published = self.published.load_full();
        if published.commit() == commit {
            return Some(published);
        }
        let mut retained = self.retained();
        let state = retained.find(commit).cloned()?;
        retained.visit(&state, Instant::now());
        Some(state)
    }

    /// Keeps a state that was loaded for a reader, and returns it.
    pub(super) fn visit(&self, state: Snapshot) -> Arc<Snapshot> {
        let state = Arc::new(state);
        let mut retained = self.retained();
        retained.note(&state);
        retained.visit(&state, Instant::now());
        state
    }

    /// Opens the repository to read `commit`, if the published state has it in its history.
    fn objects_with(&self, published: &Snapshot, commit: CommitId) -> Result<Objects, PastError> {
        let failed = |source: Cause| PastError::Repository { commit, source };
        let objects = self.mirror.objects().map_err(|error| failed(error.into()))?;
        let unknown = || PastError::Unknown { name: commit.to_string() };
        if commit.is_zero() || self.retained().find(commit).is_some() {
            return Ok(objects);
        }
        if published.commit().is_zero() || !objects.contains(commit.as_bytes()) {
            return Err(unknown());
        }
        // What goes by this hash may be no commit.
        match objects.descends_from(published.commit(), commit) {
            Ok(true) => Ok(objects),
            Ok(false) | Err(ObjectError::WrongKind { .. }) => Err(unknown()),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Returns how an earlier state is read: nobody needs it so much that memory may run out.
    pub(super) fn spare(&self) -> LoadOptions {
        LoadOptions { optional: true, progress: Arc::default(), ..self.load.clone() }
    }
}

/// Says whether `past` shows a sheet that is not public now.
fn hides(now: &Snapshot, past: &Snapshot) -> bool {
    past.sheets().filter(|sheet| sheet.spec().public).any(|sheet| {
        now.sheet(sheet.spec().name.as_str()).is_some_and(|sheet| !sheet.spec().public)
    })
}
