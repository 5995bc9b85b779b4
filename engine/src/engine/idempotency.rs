//! Repeated requests: the keys of the last requests and their outcomes.

use std::collections::{HashMap, VecDeque};

use crate::id::CommitId;
use crate::mirror::{ObjectError, Objects};
use crate::write::{Repeat, WriteError, request_of};

/// How far back in the history a request is recognized, and how many keys of one actor are kept.
const KNOWN: usize = 10_000;

/// How many actors have keys. Whoever pushes names as many as they like.
const ACTORS: usize = 1_000;

/// How many keys there are of all actors. Each takes less than a kilobyte.
const KEYS: usize = 50_000;

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
    /// Of more than 10,000, it reads the last.
    pub(super) fn read(&mut self, objects: &Objects, head: CommitId) -> Result<(), ObjectError> {
        let (mut keys, unread) = match self.made.take() {
            Some(made) if made.head == head => (made.keys, Vec::new()),
            Some(made) if !made.head.is_zero() => {
                let unread = objects.between(made.head, head)?;
                let is_long = unread.len() > KNOWN;
                (made.keys, if is_long { objects.history(head, KNOWN)? } else { unread })
            }
            _ if head.is_zero() => (Keys::default(), Vec::new()),
            _ => (Keys::default(), objects.history(head, KNOWN)?),
        };
        for commit in unread.into_iter().rev() {
            if let Some(repeat) = request_of(objects, commit)? {
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
struct Keys {
    actors: HashMap<String, OfActor>,
    /// How many keys they have.
    count: usize,
    /// How many keys were noted so far.
    noted: u64,
}

/// The keys of one actor, which can evict only its own keys, unless there are too many of all.
#[derive(Default)]
struct OfActor {
    known: HashMap<String, Known>,
    /// The keys, oldest first.
    order: VecDeque<String>,
    /// When its last key was noted.
    last: u64,
}

impl OfActor {
    fn forget_oldest(&mut self) -> bool {
        let oldest = self.order.pop_front();
        oldest.is_some_and(|oldest| self.known.remove(&oldest).is_some())
    }
}

/// A known request.
struct Known {
    digest: String,
    outcome: RepeatedWrite,
}

impl Keys {
    /// Notes the outcome of a request. Without room for it, forgets the keys of the actor that was
    /// silent for the longest, or the oldest key of the one that has the most.
    fn note(&mut self, Repeat { actor, key, digest }: Repeat, outcome: RepeatedWrite) {
        if self.actors.len() == ACTORS && !self.actors.contains_key(&actor) {
            let silent = self.actors.iter().min_by_key(|(_, of)| of.last);
            if let Some(silent) = silent.map(|(actor, _)| actor.clone()) {
                let gone = self.actors.remove(&silent);
                self.count -= gone.map_or(0, |of| of.order.len());
            }
        }
        self.noted += 1;
        let of = self.actors.entry(actor).or_default();
        of.last = self.noted;
        if of.known.insert(key.clone(), Known { digest, outcome }).is_none() {
            of.order.push_back(key);
            self.count += 1;
        }
        let largest = if of.order.len() > KNOWN {
            Some(of)
        } else if self.count > KEYS {
            self.actors.values_mut().max_by_key(|of| of.order.len())
        } else {
            None
        };
        if largest.is_some_and(OfActor::forget_oldest) {
            self.count -= 1;
        }
    }

    fn find(&self, repeat: &Repeat) -> Option<&Known> {
        self.actors.get(&repeat.actor)?.known.get(&repeat.key)
    }

    /// Substitutes the commits that replaced others, and forgets those without a replacement.
    fn moved(&mut self, moves: &HashMap<CommitId, Option<CommitId>>) {
        for OfActor { known, order, .. } in self.actors.values_mut() {
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
        self.actors.retain(|_, of| !of.order.is_empty());
        self.count = self.actors.values().map(|of| of.order.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

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
    fn the_keys_of_any_number_of_actors_are_bounded_and_those_of_the_latest_stay() {
        let mut keys = Keys::default();
        for n in 0..3 * ACTORS {
            keys.note(repeat(&format!("actor{n}"), "k", "a"), outcome(1, true));
            keys.note(repeat("site", &n.to_string(), "a"), outcome(2, true));
        }
        assert_eq!(keys.actors.len(), ACTORS);
        let find =
            |keys: &Keys, actor: &str, key: &str| keys.find(&repeat(actor, key, "a")).is_some();
        assert!(!find(&keys, "actor0", "k") && find(&keys, "actor2999", "k"));
        assert!(find(&keys, "site", "0") && find(&keys, "site", "2999"));
        for n in 0..KEYS {
            keys.note(
                repeat(&format!("actor{}", 2_994 + n % 6), &n.to_string(), "a"),
                outcome(1, true),
            );
        }
        assert_eq!(keys.count, KEYS);
        assert_eq!(keys.actors.values().map(|of| of.known.len()).sum::<usize>(), KEYS);
        assert!(find(&keys, "site", "0"), "those with the most keys lose theirs first");
        let last = (KEYS - 1).to_string();
        assert!(find(&keys, &format!("actor{}", 2_994 + (KEYS - 1) % 6), &last));
    }

    #[test]
    fn a_commit_that_no_request_can_have_made_is_not_read_for_its_key() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let (tree, who) = (repository.tree_of("main"), "A <a@example.org> 1700000000 +0000");
        let commit = |parent: Option<CommitId>, key: &str, body: &str| {
            let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
            let text = format!(
                "tree {tree}\n{parent}author {who}\ncommitter {who}\n\nsubject{body}\n\n\
                 Actor-Slug: site\nIdempotency-Key: {key}\nRequest-Digest: a\n"
            );
            CommitId::from_bytes(repository.write_raw("commit", text.as_bytes()))
        };
        let usual = commit(None, "k", "");
        let long = commit(Some(usual), &"k".repeat(1 << 20), "");
        let large = commit(Some(long), "large", &"x".repeat(1 << 20));
        let mut repeats = Repeats::default();
        repeats.read(&repository.objects(), large).unwrap();
        assert!(repeats.find(&repeat("site", "k", "a")).unwrap().is_some());
        assert!(repeats.find(&repeat("site", "large", "a")).unwrap().is_none());
        assert_eq!(repeats.made.unwrap().keys.count, 1);
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
