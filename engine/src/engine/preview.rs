//! Previews: the state that another branch would give.
//!
//! It is the published state with the difference of the branch laid over it. Which branches may be
//! looked at is a setting, since a branch may hold what nobody has looked over yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::past::PastError;
use super::{Engine, Shared};
use crate::id::CommitId;
use crate::load::advance;
use crate::mirror::{FetchError, RemoteHead};
use crate::snapshot::Snapshot;

/// How long what the remote said of a branch is believed: readers are not to make it busy.
const BELIEVED: Duration = Duration::from_secs(5);
/// How many branches are remembered.
const REMEMBERED: usize = 64;

/// The branches that may be looked at, and where they were.
#[derive(Debug, Default)]
pub(super) struct Previews {
    /// Names, or beginnings of names with a `*` behind them.
    allowed: Vec<String>,
    /// With the time at which the remote said so.
    heads: Mutex<HashMap<String, (Option<CommitId>, Instant)>>,
}

impl Previews {
    pub(super) fn new(allowed: Vec<String>) -> Self {
        Self { allowed, heads: Mutex::default() }
    }

    fn allow(&self, branch: &str) -> bool {
        self.allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => branch.starts_with(beginning),
            None => branch == allowed,
        })
    }
}

impl Engine {
    /// Says whether `branch` is the one that is served.
    pub fn serves(&self, branch: &str) -> bool {
        self.shared.branch == branch
    }

    /// Returns the state that `branch` would give, if it may be looked at; it is kept like that of
    /// [`Engine::at`].
    ///
    /// Asks the remote for the branch, unless it did so in the last five seconds.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a branch that is not there or may not be looked at.
    pub fn preview(&self, branch: &str) -> Result<Arc<Snapshot>, PastError> {
        let shared = &self.shared;
        let unknown = || PastError::Unknown { name: branch.to_owned() };
        if !shared.previews.allow(branch) {
            return Err(unknown());
        }
        let _turn = shared.past.lock().unwrap_or_else(PoisonError::into_inner);
        let commit = shared.head_of(branch)?.ok_or_else(unknown)?;
        if let Some(state) = shared.visited(commit) {
            return Ok(state);
        }
        let published = self.snapshot();
        let failed = |source| PastError::Repository { commit, source };
        let objects = shared.mirror.objects().map_err(|error| failed(error.into()))?;
        let (state, _) = advance(&objects, Some(&published), commit, &shared.spare())
            .map_err(|source| PastError::Load { commit, source })?;
        Ok(shared.visit(state))
    }
}

impl Shared {
    /// Returns where `branch` is: on the remote, or here where there is none.
    fn head_of(&self, branch: &str) -> Result<Option<CommitId>, PastError> {
        let commit = self.published.load().commit();
        let Some(remote) = &self.remote else {
            let objects = self.mirror.objects();
            let objects =
                objects.map_err(|error| PastError::Repository { commit, source: error.into() })?;
            let head = objects.reference(&format!("refs/heads/{branch}"));
            return head.map_err(|error| PastError::Repository { commit, source: error.into() });
        };
        let heads = || self.previews.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((head, at)) = heads().get(branch)
            && at.elapsed() < BELIEVED
        {
            return Ok(*head);
        }
        let fetched = {
            let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
            self.mirror.fetch(remote, branch, &self.fetch)
        };
        let head = match fetched {
            Ok(fetched) => match fetched.head {
                RemoteHead::At(head) => Some(head),
                RemoteHead::BranchMissing | RemoteHead::Empty => None,
            },
            Err(FetchError::InvalidBranch { .. }) => None,
            Err(error) => return Err(PastError::Repository { commit, source: error.into() }),
        };
        self.chores.wake();
        let mut heads = heads();
        if heads.len() >= REMEMBERED {
            heads.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        }
        heads.insert(branch.to_owned(), (head, Instant::now()));
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_allowed_by_its_name_or_its_beginning() {
        let previews = Previews::new(vec!["next".into(), "draft/*".into()]);
        for (branch, allowed) in
            [("next", true), ("next2", false), ("draft/a", true), ("draft", false), ("", false)]
        {
            assert_eq!(previews.allow(branch), allowed, "{branch}");
        }
        assert!(Previews::new(vec!["*".into()]).allow("anything"));
        assert!(!Previews::default().allow("anything"));
    }
}
