//! Requests that come again: the keys of the last ones and the commits they made.

use std::collections::{HashMap, VecDeque};

use crate::id::CommitId;
use crate::mirror::{ObjectError, Objects};
use crate::write::{Repeat, WriteError, repeat_of};

/// How far back in the history a request is known again.
const KNOWN: usize = 10_000;

/// The keys of requests that made a commit, from the history of the branch.
pub(super) struct Repeats {
    commits: HashMap<String, (String, CommitId)>,
    /// The keys, the oldest first.
    order: VecDeque<String>,
}

impl Repeats {
    /// Reads the keys out of the last commits up to `head`. Costs a look at each of them.
    pub(super) fn read(objects: &Objects, head: CommitId) -> Result<Self, ObjectError> {
        let mut repeats = Self { commits: HashMap::new(), order: VecDeque::new() };
        if head.is_zero() {
            return Ok(repeats);
        }
        for commit in objects.history(head, KNOWN)?.into_iter().rev() {
            if let Some(repeat) = repeat_of(&objects.trailers(commit)?) {
                repeats.note(repeat, commit);
            }
        }
        Ok(repeats)
    }

    /// Notes which commit a request made.
    pub(super) fn note(&mut self, Repeat { key, digest }: Repeat, commit: CommitId) {
        self.commits.insert(key.clone(), (digest, commit));
        self.order.push_back(key);
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.commits.remove(&oldest);
        }
    }

    /// Returns the commit that the same request made before.
    ///
    /// # Errors
    ///
    /// When the key was used for another request.
    pub(super) fn find(&self, repeat: &Repeat) -> Result<Option<CommitId>, WriteError> {
        match self.commits.get(&repeat.key) {
            None => Ok(None),
            Some((digest, commit)) if *digest == repeat.digest => Ok(Some(*commit)),
            Some(_) => Err(WriteError::KeyReused { key: repeat.key.clone() }),
        }
    }
}
