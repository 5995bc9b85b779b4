//! The requests of the other side: who repeats a request on another server gets two commits of it.

use std::collections::HashMap;

use crate::id::CommitId;
use crate::mirror::{ObjectError, Objects};
use crate::write::{Repeat, request_of};

/// The requests with an idempotency key whose commits only the other side has.
#[derive(Debug)]
pub(super) struct Requests(HashMap<Repeat, CommitId>);

impl Requests {
    /// Reads the requests of the commits in the history of `theirs` that `base`, from which both sides went on, does
    /// not have. Reads each of these commits.
    pub(super) fn of(
        objects: &Objects,
        theirs: CommitId,
        base: Option<CommitId>,
    ) -> Result<Self, ObjectError> {
        let commits = match base {
            Some(base) => objects.between(base, theirs)?,
            None => objects.history(theirs, usize::MAX)?,
        };
        let mut requests = HashMap::new();
        for commit in commits {
            if let Some(request) = request_of(objects, commit)? {
                requests.insert(request, commit);
            }
        }
        Ok(Self(requests))
    }

    /// Returns the commit that the same request made there: the same key of the same actor, with the same content and
    /// conditions. A key that was used for another request is another request.
    pub(super) fn find(&self, request: &Repeat) -> Option<CommitId> {
        self.0.get(request).copied()
    }
}
