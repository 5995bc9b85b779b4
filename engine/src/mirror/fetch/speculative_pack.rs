//! The pack of the commit that the remote is expected to be at, requested together with the
//! references.
//!
//! The caller of the webhook usually reports which commit was pushed. Asking for its pack and for
//! the references at once saves a round trip: over http each on its own connection, and over a pipe
//! one behind the other, before the greeting is read. The caller's report decides nothing: the
//! references do, and a pack of any other commit is thrown away.

use super::{Attempt, FetchError, Known, OneRound, ReceivedPack, SentAhead};
use crate::id::CommitId;
use crate::mirror::Objects;
use crate::mirror::conversation::Conversation;
use crate::mirror::quarantine::Quarantine;

impl Attempt<'_> {
    /// Returns the expected commit if it is worth asking for: it is not in the mirror, and the
    /// remote can be asked for it without a greeting and is not known to refuse that.
    pub(super) fn to_expect(&self, known: &Objects) -> Option<CommitId> {
        self.expected.filter(|commit| {
            self.known == Known::Everything
                && self.remote.sends_unnamed_commits()
                && !known.contains(commit.as_bytes())
                && !self.is_given_up(*commit)
        })
    }

    /// Returns the requests for the references and for the pack of `commit`, as they are going to be
    /// made over a pipe.
    pub(super) fn to_send_ahead(&self, known: &Objects, commit: CommitId) -> Option<SentAhead> {
        let haves = self.haves(known);
        let mut round = OneRound { tip: commit, haves: haves.clone() };
        let said = Conversation::said(self.remote, |talk| {
            self.list(talk)?;
            talk.fetch(&mut round, self.shallow_file(), |_, _, _| Ok(true))
        })?;
        Some(SentAhead { commit, haves, said })
    }

    /// Asks for the pack of `commit`, under its own budget.
    pub(super) fn receive_early(&self, commit: CommitId) -> Result<ReceivedPack, FetchError> {
        let known = self.mirror.objects()?;
        Conversation::hold_once(self.remote, &self.budget, Vec::new(), &mut |talk| {
            let quarantine = Quarantine::new(self.mirror).map_err(FetchError::ours)?;
            let round = OneRound { tip: commit, haves: self.haves(&known) };
            let written = self.receive(talk, &known, &quarantine, round)?;
            Ok(ReceivedPack { quarantine, written, early_bytes: self.budget.received() })
        })
    }

    /// Returns the pack of `tip`, which the references name, or `None` if the remote sends it only
    /// in reply to a usual request.
    ///
    /// # Errors
    ///
    /// Errors with which a usual request would fail as well.
    pub(super) fn take_early(
        &self,
        early: Result<ReceivedPack, FetchError>,
    ) -> Result<Option<ReceivedPack>, FetchError> {
        match early {
            Ok(pack) => Ok(Some(pack)),
            Err(FetchError::Unreachable { .. } | FetchError::Auth { .. }) => {
                // It has the commit, because its references name it.
                self.remote.refused_unnamed_commit();
                Ok(None)
            }
            // A large push is requested as usual.
            Err(FetchError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
