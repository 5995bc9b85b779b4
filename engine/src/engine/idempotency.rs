//! Repeated requests: the keys of the last requests and their outcomes.

use std::collections::{HashMap, VecDeque};

use crate::id::CommitId;
use crate::mirror::{ObjectError, Objects};
use crate::write::{Repeat, WriteError, repeat_of};

/// How far back in the history a request is recognized, and how many keys of one actor are kept.
const KNOWN: usize = 10_000;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RepeatedWrite {
    /// The commit that it made or found.
    pub(super) commit: CommitId,
    /// Whether it made a commit.
    pub(super) changed: bool,
}

/// The keys of completed requests.
#[derive(Default)]
pub(super) struct Repeats {
    /// Those that made a commit, from the history of the branch; `None` until they are read.
    made: Option<Made>,
    /// Those that changed nothing. No commit records them, so they end with this process.
    found: Keys,
}

/// The requests that made a commit in the history of `head`.
struct Made {
    keys: Keys,
    head: CommitId,
}

impl Repeats {
    /// Reads the keys from the last commits up to `head`, which is a later commit of the branch than at the last call.
    /// Reads each of these commits that it has not read: those of the remote, where others write, too.
    pub(super) fn read(&mut self, objects: &Objects, head: CommitId) -> Result<(), ObjectError> {
        let (mut keys, unread) = match self.made.take() {
            Some(made) if made.head == head => (made.keys, Vec::new()),
            Some(made) if !made.head.is_zero() => (made.keys, objects.between(made.head, head)?),
            _ if head.is_zero() => (Keys::default(), Vec::new()),
            _ => (Keys::default(), objects.history(head, KNOWN)?),
        };
        for commit in unread.into_iter().rev() {
            if let Some(repeat) = repeat_of(&objects.trailers(commit)?) {
                keys.note(repeat, RepeatedWrite { commit, changed: true });
            }
        }
        self.made = Some(Made { keys, head });
        Ok(())
    }

    /// Records that the branch went from `from` to `to` by commits whose requests are noted.
    pub(super) fn went(&mut self, from: CommitId, to: CommitId) {
        if let Some(made) = self.made.as_mut().filter(|made| made.head == from) {
            made.head = to;
        }
    }

    /// Records the outcome of a request.
    pub(super) fn note(&mut self, repeat: Repeat, outcome: RepeatedWrite) {
        match (&mut self.made, outcome.changed) {
            (Some(made), true) => made.keys.note(repeat, outcome),
            // They will be read from the history, which includes this one.
            (None, true) => {}
            (_, false) => self.found.note(repeat, outcome),
        }
    }

    /// Returns the outcome of the same request before.
    ///
    /// # Errors
    ///
    /// If its actor used the key for a different request.
    pub(super) fn find(&self, repeat: &Repeat) -> Result<Option<RepeatedWrite>, WriteError> {
        let known = self.made.as_ref().and_then(|made| made.keys.find(repeat));
        match known.or_else(|| self.found.find(repeat)) {
            None => Ok(None),
            Some(Known { digest, outcome }) if *digest == repeat.digest => Ok(Some(*outcome)),
            Some(_) => Err(WriteError::KeyReused { key: repeat.key.clone() }),
        }
    }

    /// Forgets everything, because the history was replaced.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Forgets which commits are in the history: these were replaced or removed.
    pub(super) fn moved(&mut self, moves: &[(CommitId, Option<CommitId>)]) {
        self.made = None;
        self.found.moved(&moves.iter().copied().collect());
    }
}

/// Keys with the outcomes of their requests, by actor.
#[derive(Default)]
struct Keys(HashMap<String, OfActor>);

/// The keys of one actor, which can evict only its own keys.
#[derive(Default)]
struct OfActor {
    known: HashMap<String, Known>,
    /// The keys, oldest first.
    order: VecDeque<String>,
}

/// A known request.
struct Known {
    digest: String,
    outcome: RepeatedWrite,
}

impl Keys {
    fn note(&mut self, Repeat { actor, key, digest }: Repeat, outcome: RepeatedWrite) {
        let OfActor { known, order } = self.0.entry(actor).or_default();
        if known.insert(key.clone(), Known { digest, outcome }).is_none() {
            order.push_back(key);
        }
        if order.len() > KNOWN
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    fn find(&self, repeat: &Repeat) -> Option<&Known> {
        self.0.get(&repeat.actor)?.known.get(&repeat.key)
    }

    /// Substitutes the commits that replaced others, and forgets those without a replacement.
    fn moved(&mut self, moves: &HashMap<CommitId, Option<CommitId>>) {
        for OfActor { known, order } in self.0.values_mut() {
            known.retain(|_, Known { outcome, .. }| match moves.get(&outcome.commit) {
                None => true,
                Some(Some(commit)) => {
                    outcome.commit = *commit;
                    true
                }
                Some(None) => false,
            });
            order.retain(|key| known.contains_key(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(actor: &str, key: &str, digest: &str) -> Repeat {
        Repeat { actor: actor.into(), key: key.into(), digest: digest.into() }
    }

    /// Returns what knows that no request has made a commit yet.
    fn empty() -> Repeats {
        let made = Some(Made { keys: Keys::default(), head: CommitId::ZERO });
        Repeats { made, ..Repeats::default() }
    }

    fn outcome(byte: u8, changed: bool) -> RepeatedWrite {
        RepeatedWrite { commit: CommitId::from_bytes([byte; 20]), changed }
    }

    #[test]
    fn each_actor_has_keys_of_its_own() {
        let mut repeats = empty();
        repeats.note(repeat("site", "k", "a"), outcome(1, true));
        assert_eq!(repeats.find(&repeat("bot", "k", "b")).unwrap(), None);
        repeats.note(repeat("bot", "k", "b"), outcome(2, false));
        assert_eq!(repeats.find(&repeat("site", "k", "a")).unwrap(), Some(outcome(1, true)));
        assert_eq!(repeats.find(&repeat("bot", "k", "b")).unwrap(), Some(outcome(2, false)));
        assert!(repeats.find(&repeat("bot", "k", "a")).is_err());
    }

    #[test]
    fn an_actor_pushes_out_its_own_oldest_keys_only() {
        let mut keys = Keys::default();
        keys.note(repeat("site", "k", "a"), outcome(1, true));
        for n in 0..=KNOWN {
            keys.note(repeat("bot", &n.to_string(), "a"), outcome(2, true));
        }
        assert!(keys.find(&repeat("site", "k", "a")).is_some());
        assert!(keys.find(&repeat("bot", "0", "a")).is_none());
        assert!(keys.find(&repeat("bot", "1", "a")).is_some());
    }

    #[test]
    fn what_found_a_commit_names_the_one_that_took_its_place() {
        let mut repeats = empty();
        repeats.note(repeat("site", "stays", "a"), outcome(1, false));
        repeats.note(repeat("site", "moves", "a"), outcome(2, false));
        repeats.note(repeat("site", "goes", "a"), outcome(3, false));
        let id = |byte| outcome(byte, false).commit;
        repeats.moved(&[(id(2), Some(id(9))), (id(3), None)]);
        let commit = |key| repeats.find(&repeat("site", key, "a")).unwrap().map(|o| o.commit);
        assert_eq!(
            (commit("stays"), commit("moves"), commit("goes")),
            (Some(id(1)), Some(id(9)), None)
        );
    }
}
