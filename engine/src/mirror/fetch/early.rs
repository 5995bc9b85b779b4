//! The pack of the commit that the remote is expected to be at, asked for beside the references.
//!
//! Whoever calls the webhook mostly says which commit was pushed. To ask for its pack and for the
//! references at once, each on a connection of its own, spares a round trip. What the caller says
//! decides nothing: the references do, and a pack of any other commit than theirs is thrown away.

use super::{Attempt, FetchError, Known, ReceivedPack};
use crate::id::CommitId;
use crate::mirror::Objects;
use crate::mirror::conversation::Conversation;
use crate::mirror::quarantine::Quarantine;

impl Attempt<'_> {
    /// Returns the commit to expect, if it is worth asking for: it is not here, and the remote can be
    /// asked for it without a greeting and is not known to refuse that.
    pub(super) fn to_expect(&self, known: &Objects) -> Option<CommitId> {
        self.expected.filter(|commit| {
            self.known == Known::Everything
                && self.remote.sends_unnamed_commits()
                && !known.contains(commit.as_bytes())
                && *self.given_up() != Some(*commit)
        })
    }

    /// Asks for the pack of `commit`, under a budget of its own.
    pub(super) fn receive_early(&self, commit: CommitId) -> Result<ReceivedPack, FetchError> {
        let known = self.mirror.objects()?;
        Conversation::hold_once(self.remote, &self.budget, &mut |talk| {
            let quarantine = Quarantine::new(self.mirror).map_err(FetchError::ours)?;
            let objects = self.receive(talk, &known, &quarantine, commit)?;
            Ok(ReceivedPack { quarantine, objects, early_bytes: self.budget.received() })
        })
    }

    /// Returns the pack of `tip`, which the references name; `None` where the remote does not send it
    /// unless it is asked as usual.
    ///
    /// # Errors
    ///
    /// What a usual request would fail with as well.
    pub(super) fn take_early(
        &self,
        early: Result<ReceivedPack, FetchError>,
    ) -> Result<Option<ReceivedPack>, FetchError> {
        match early {
            Ok(pack) => Ok(Some(pack)),
            Err(FetchError::Unreachable { .. } | FetchError::Auth { .. }) => {
                // It has the commit, for its references name it.
                self.remote.refused_unnamed_commit();
                Ok(None)
            }
            // A large push is asked for as usual.
            Err(FetchError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
