//! The states that were served before: kept for a while, to go back to one at once.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::id::CommitId;
use crate::snapshot::Snapshot;

/// How many states are kept beside the published one.
const KEPT: usize = 8;

/// How long a state is kept after another took its place.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// How many states are kept because a reader asked for one, or may come back to it.
const VISITED: usize = 16;

/// How long such a state is kept after it was asked for.
const VISITED_FOR: Duration = Duration::from_secs(300);

/// The last states, and which states are alive because somebody still reads them.
///
/// States that came from each other by their difference share most of what they hold. One that was
/// built anew shares nothing with those before it, so they are let go.
#[derive(Default)]
pub(super) struct Retained {
    /// With the time at which each was superseded, the newest last.
    states: VecDeque<(Arc<Snapshot>, Instant)>,
    /// With the time at which each was last asked for.
    visited: Vec<(Arc<Snapshot>, Instant)>,
    /// What is kept no longer and may still be read. Whoever lets the last pointer go frees what
    /// no other state shares, which can be all of it: that is not left to a reader.
    leaving: Vec<Arc<Snapshot>>,
    alive: Vec<Weak<Snapshot>>,
}

impl Retained {
    /// Notes a state that is published.
    pub(super) fn note(&mut self, published: &Arc<Snapshot>) {
        self.alive.retain(|state| state.strong_count() > 0);
        self.alive.push(Arc::downgrade(published));
    }

    /// Keeps `state`, whose place another has taken at `now`.
    pub(super) fn keep(&mut self, state: Arc<Snapshot>, now: Instant) {
        let same = self.states.iter().position(|(kept, _)| kept.commit() == state.commit());
        if let Some((kept, _)) = same.and_then(|at| self.states.remove(at)) {
            self.pass(kept);
        }
        self.states.push_back((state, now));
        self.expire(now);
    }

    /// Keeps `state`, which a reader asked for at `now` or may come back to.
    pub(super) fn visit(&mut self, state: &Arc<Snapshot>, now: Instant) {
        let same = self.visited.iter().position(|(kept, _)| kept.commit() == state.commit());
        if let Some((kept, _)) = same.map(|at| self.visited.remove(at)) {
            self.pass(kept);
        }
        // The one that was not asked for the longest is in front.
        if self.visited.len() == VISITED {
            let (longest, _) = self.visited.remove(0);
            self.pass(longest);
        }
        self.visited.push((state.clone(), now));
    }

    /// Lets `state` go, whose place another has taken.
    pub(super) fn pass(&mut self, state: Arc<Snapshot>) {
        // Twice in the list, neither pointer would ever be the last one.
        if !self.leaving.iter().any(|leaving| Arc::ptr_eq(leaving, &state)) {
            self.leaving.push(state);
        }
    }

    /// Lets all of them go.
    pub(super) fn clear(&mut self) {
        let visited = std::mem::take(&mut self.visited);
        let states = std::mem::take(&mut self.states);
        states.into_iter().chain(visited).for_each(|(state, _)| self.pass(state));
    }

    /// Lets go what has been kept for long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        let age = |since: Instant| now.saturating_duration_since(since);
        let is_due = |since: Instant| age(since) >= KEPT_FOR;
        while self.states.len() > KEPT || self.states.front().is_some_and(|(_, at)| is_due(*at)) {
            let Some((state, _)) = self.states.pop_front() else { break };
            self.pass(state);
        }
        while self.visited.first().is_some_and(|(_, at)| age(*at) >= VISITED_FOR) {
            let (state, _) = self.visited.remove(0);
            self.pass(state);
        }
    }

    /// Takes out what was let go and nobody reads any more, to be dropped outside of any lock.
    pub(super) fn unread(&mut self) -> Vec<Arc<Snapshot>> {
        // Nobody can get at them but by a pointer that is there already.
        self.leaving.extract_if(.., |state| Arc::strong_count(state) == 1).collect()
    }

    /// Says whether something was let go that is still in memory.
    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Returns the state of `commit`, if it is kept.
    pub(super) fn find(&self, commit: CommitId) -> Option<&Arc<Snapshot>> {
        let kept = self.states.iter().chain(&self.visited).map(|(state, _)| state);
        kept.into_iter().find(|state| state.commit() == commit)
    }

    /// Returns how many states are kept of those that were published last.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Returns how many states are in memory: the published one, those that are kept, and those
    /// that readers have not let go.
    pub(super) fn alive(&self) -> usize {
        let unread = self.leaving.iter().filter(|state| Arc::strong_count(state) == 1).count();
        self.alive.iter().filter(|state| state.strong_count() > 0).count().saturating_sub(unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn state(digit: u8) -> Arc<Snapshot> {
        let commit = CommitId::from_bytes([digit; 20]);
        let changes = crate::changes::ChangeSet::default();
        let draft = Snapshot::empty().apply(commit, Layout::empty(), changes);
        Arc::new(draft.index().unwrap())
    }

    fn commits(retained: &Retained) -> Vec<u8> {
        retained.states.iter().map(|(state, _)| state.commit().as_bytes()[0]).collect()
    }

    #[test]
    fn the_newest_states_are_kept_for_a_while() {
        let (mut retained, start) = (Retained::default(), Instant::now());
        for digit in 0..10 {
            retained.keep(state(digit), start + Duration::from_secs(digit.into()));
        }
        assert_eq!(commits(&retained), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(retained.find(CommitId::from_bytes([2; 20])).is_some());
        retained.expire(start + KEPT_FOR + Duration::from_secs(7));
        assert_eq!(commits(&retained), [8, 9]);
    }

    #[test]
    fn a_commit_that_was_served_twice_is_kept_once() {
        let (mut retained, now) = (Retained::default(), Instant::now());
        [1, 2, 1].into_iter().for_each(|digit| retained.keep(state(digit), now));
        assert_eq!(commits(&retained), [2, 1]);
    }

    #[test]
    fn a_state_that_was_asked_for_is_kept_for_those_who_come_back() {
        let (mut retained, start) = (Retained::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let visited = |retained: &Retained| {
            retained
                .visited
                .iter()
                .map(|(state, _)| state.commit().as_bytes()[0])
                .collect::<Vec<_>>()
        };
        let states: Vec<_> = (0..=16).map(state).collect();
        states[..16].iter().zip(0..).for_each(|(state, second)| retained.visit(state, at(second)));
        retained.visit(&states[0], at(20));
        retained.visit(&states[16], at(21));
        let expected: Vec<u8> = (2..16).chain([0, 16]).collect();
        assert_eq!(visited(&retained), expected, "the one not asked for the longest is let go");
        assert!(retained.find(CommitId::from_bytes([16; 20])).is_some());
        retained.expire(at(320));
        assert_eq!(visited(&retained), [16]);
        drop(states);
        assert_eq!(retained.unread().len(), 16);
        retained.clear();
        assert_eq!((retained.unread().len(), retained.is_leaving()), (1, false));
    }

    #[test]
    fn a_state_that_is_kept_for_two_reasons_is_freed_once_both_are_gone() {
        let (mut retained, now, both) = (Retained::default(), Instant::now(), state(1));
        retained.keep(both.clone(), now);
        retained.visit(&both, now);
        drop(both);
        retained.clear();
        assert_eq!(retained.unread().len(), 1);
    }

    #[test]
    fn a_state_that_somebody_reads_is_alive() {
        let mut retained = Retained::default();
        let (read, dropped) = (state(1), state(2));
        [&read, &dropped].into_iter().for_each(|state| retained.note(state));
        drop(dropped);
        assert_eq!(retained.alive(), 1);
    }

    #[test]
    fn a_state_that_is_let_go_stays_until_its_last_reader_has_done_so() {
        let (mut retained, now) = (Retained::default(), Instant::now());
        let (read, unread) = (state(1), state(2));
        [&read, &unread].into_iter().for_each(|state| retained.note(state));
        retained.keep(read.clone(), now);
        retained.pass(unread);
        retained.clear();
        assert_eq!((retained.len(), retained.alive()), (0, 1));
        let commits = |states: &[Arc<Snapshot>]| {
            states.iter().map(|state| state.commit().as_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!(commits(&retained.unread()), [2]);
        assert!(retained.is_leaving());
        drop(read);
        assert_eq!(commits(&retained.unread()), [1]);
        assert_eq!((retained.is_leaving(), retained.alive()), (false, 0));
    }
}
