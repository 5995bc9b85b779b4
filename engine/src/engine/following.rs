//! Following: where to go next, and what is known of the leader's commits.

use std::sync::Arc;

use super::config::Observer;
use super::follow_target::{FollowTarget, Stored};
use super::locks::{Lock, Rank};
use crate::digest::Digest;
use crate::id::CommitId;
use crate::layout::DefinitionFile;
use crate::mirror::Remote;
use crate::options::LoadOptions;

/// Where a follower goes.
pub(super) struct Following {
    /// How states are made here.
    made_by: String,
    state: Lock<State>,
    stored: Observer<Stored>,
    sources: Observer<Remote>,
}

#[derive(Default)]
struct State {
    /// The newest target; an older one is forgotten.
    target: Option<FollowTarget>,
    stored: Option<Stored>,
    /// The heads that the replicas gave up, because nobody had them.
    abandoned: Vec<CommitId>,
    refuted: Option<Refuted>,
}

/// A state of the leader that even a rebuild does not lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refuted {
    pub(super) commit: CommitId,
    /// The digest here.
    pub(super) ours: Digest,
    /// The digest at the leader.
    pub(super) theirs: Digest,
}

impl Following {
    pub(super) fn new(
        options: &LoadOptions,
        stored: Observer<Stored>,
        sources: Observer<Remote>,
    ) -> Self {
        let made_by = made_by(options);
        Self { made_by, state: Lock::new(Rank::Following, State::default()), stored, sources }
    }

    /// Returns what decides how a commit becomes a state, besides the commit.
    pub(super) fn made_by(&self) -> &str {
        &self.made_by
    }

    /// Goes to `target` from now on, instead of any other.
    pub(super) fn aim(&self, target: FollowTarget) {
        self.state.lock().target = Some(target);
    }

    /// Returns where to go.
    pub(super) fn target(&self) -> Option<FollowTarget> {
        self.state.lock().target.clone()
    }

    /// Returns the last head of the leader that is on this disk.
    pub(super) fn stored(&self) -> Option<CommitId> {
        self.state.lock().stored.map(|stored| stored.commit)
    }

    /// Records that `head` is on this disk, and tells the observer if that is new.
    pub(super) fn has_stored(&self, head: CommitId) {
        let stored = Stored { commit: head };
        if self.state.lock().stored.replace(stored) != Some(stored) {
            self.stored.see(&Arc::new(stored));
        }
    }

    /// Tells the observer that `source` had what was asked for.
    pub(super) fn got_from(&self, source: &Arc<Remote>) {
        self.sources.see(source);
    }

    /// Records which heads the replicas gave up.
    pub(super) fn learn_abandoned(&self, heads: &[CommitId]) {
        self.state.lock().abandoned = heads.to_vec();
    }

    /// Returns the heads that the replicas gave up, because nobody had them.
    pub(super) fn abandoned(&self) -> Vec<CommitId> {
        self.state.lock().abandoned.clone()
    }

    /// Records that a rebuild does not lead to the leader's state.
    pub(super) fn refute(&self, refuted: Refuted) {
        self.state.lock().refuted = Some(refuted);
    }

    /// Returns what is known to be wrong about `target`, so that it is not built again.
    pub(super) fn refuted(&self, target: &FollowTarget) -> Option<Refuted> {
        let is_it = |known: &Refuted| {
            known.commit == target.served()
                && known.theirs == target.digest
                && self.compares_with(target)
        };
        self.state.lock().refuted.filter(is_it)
    }

    /// Returns whether the digest of `target` must be that of the state here.
    pub(super) fn compares_with(&self, target: &FollowTarget) -> bool {
        self.made_by == target.made_by
    }
}

/// Returns what decides how a commit becomes a state, besides the commit: the program, and its
/// settings for reading.
fn made_by(options: &LoadOptions) -> String {
    let LoadOptions { sheets, record_limit, file_limit, .. } = options;
    let sheets = match sheets {
        Some(DefinitionFile { bytes, .. }) => blake3::hash(bytes).to_hex()[..16].to_owned(),
        None => "-".to_owned(),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}/record-limit={record_limit}/file-limit={file_limit}/sheets={sheets}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_decides_how_records_are_read_is_told() {
        let usual = LoadOptions::default();
        let sheets = |text: &str| {
            let file = DefinitionFile { path: "sheets.toml".into(), bytes: text.into() };
            LoadOptions { sheets: Some(file), ..LoadOptions::default() }
        };
        let others = [
            LoadOptions { record_limit: 1, ..usual.clone() },
            LoadOptions { file_limit: 1, ..usual.clone() },
            sheets("a"),
            sheets("b"),
        ];
        let mut told: Vec<String> = others.iter().chain([&usual]).map(made_by).collect();
        assert_eq!(made_by(&usual), made_by(&LoadOptions { optional: true, ..usual.clone() }));
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 5, "{told:?}");
    }
}
