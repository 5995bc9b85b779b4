//! Dry runs: what a write would do to the published state, decided by the code that writes.

use std::sync::Arc;

use super::publish_turn::Writer;
use super::refs::seconds_now;
use super::repository::Repository;
use super::role::CurrentRole;
use super::states::States;
use super::write_gate::WriteGate;
use crate::mirror::Signature;
use crate::options::LoadOptions;
use crate::write::{
    self, Batch, BatchResult, CommitState, DryRun, StoreError, WriteError, WritesClosed,
};

/// Makes commits in memory, and drops them.
pub(super) struct DryRuns {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) writer: Arc<Writer>,
    pub(super) role: Arc<CurrentRole>,
    pub(super) gate: Arc<WriteGate>,
    pub(super) load: LoadOptions,
}

impl DryRuns {
    /// Returns what `batch` would do. Takes no lock, so it delays no write.
    pub(super) fn run(&self, batch: &Batch) -> Result<DryRun, WriteError> {
        let Some(identity) = self.writer.committer() else {
            return Err(WritesClosed::ReadOnly.into());
        };
        self.gate.check(self.role.get())?;
        let published = self.states.published();
        batch.weighed(&published)?;
        batch.cost(&published)?;
        let unread = |error| WriteError::Store(Arc::new(error));
        let stage = self.repository.mirror.stage();
        let mut stage = stage.map_err(|error| unread(StoreError::Open(error)))?;
        let state = CommitState::of(&published, stage.objects())?;
        let identity = identity.clone();
        let committer = Signature { identity, seconds: seconds_now(), offset_minutes: 0 };
        let made = write::commit(&mut stage, &state, batch, &committer, &self.load)?;
        let BatchResult { next, written } = made;
        Ok(DryRun { commit: state.commit, changes: next.is_some(), written })
    }
}
