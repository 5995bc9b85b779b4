//! The states besides the published one: previously published states, kept for a quick return, and
//! states that readers requested.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::bounded_cache::BoundedCache;
use crate::id::CommitId;
use crate::snapshot::Snapshot;
use crate::view::View;

/// The number of superseded states that are kept.
const KEPT: usize = 8;

/// How long a state is kept after it was superseded.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The number of states that are kept because a reader requested one or may come back to it.
const VISITED: usize = 16;

/// How long such a state is kept after the last request for it.
const VISITED_FOR: Duration = Duration::from_secs(300);

/// The bytes that the visited states may always take, besides those shared with the published one.
/// If the published one takes more, they may take as much.
const ROOM: u64 = 64 << 20;

/// The bytes that the parts of them may take that are shown to views, besides what these share.
const SHOWN: usize = 64 << 20;

/// The last states, and the states that are alive because somebody still reads them.
///
/// States that were derived from each other by a difference share most of their contents. A newly
/// built state shares nothing with earlier ones, so those are dropped.
pub(super) struct Earlier {
    /// With the time at which each was superseded, newest last.
    states: VecDeque<(Arc<Snapshot>, Instant)>,
    /// The least recently requested first.
    visited: Vec<Visit>,
    /// The parts of these states that the rules of the published state show to each view.
    shown: BoundedCache<ShownName, Shown>,
    /// States that are no longer kept but may still be read. Dropping the last pointer frees
    /// whatever no other state shares, which can be all of it: that is not left to a reader.
    leaving: Vec<Arc<Snapshot>>,
    alive: Vec<Weak<Snapshot>>,
    /// The bytes that the visited states may take.
    room: u64,
    /// How often all states were dropped.
    generation: Generation,
}

/// Within one generation, states are dropped only for their age or their size. What a reader built, or
/// learned about the history of the branch, in an earlier generation can no longer be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// How a reader reached a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reachability {
    /// It is in the history of the published commit, so everybody may name it.
    History,
    /// It belongs to another branch, which must be named.
    Preview,
}

/// The state from which others were derived by their differences.
#[derive(Debug, Clone)]
pub(super) enum Root {
    /// The published state, or a previously published one.
    Published,
    /// A state that was built from scratch for a reader, with its size in bytes.
    Anew(Arc<u64>),
}

/// A state that a reader requested.
pub(super) struct Visit {
    pub(super) state: Arc<Snapshot>,
    pub(super) reach: Reachability,
    pub(super) root: Root,
    /// About how many bytes it takes that its root does not hold.
    pub(super) own: u64,
    /// When it was last requested.
    pub(super) at: Instant,
}

/// Which state is shown, and to which view.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ShownName {
    commit: CommitId,
    view: View,
}

/// The part of a state that a view has.
struct Shown {
    reach: Reachability,
    state: Arc<Snapshot>,
}

impl Default for Earlier {
    fn default() -> Self {
        Self {
            states: VecDeque::new(),
            visited: Vec::new(),
            shown: BoundedCache::with_room(SHOWN),
            leaving: Vec::new(),
            alive: Vec::new(),
            room: 0,
            generation: Generation::default(),
        }
    }
}

impl ShownName {
    fn of(commit: CommitId, view: &View) -> Self {
        Self { commit, view: view.clone() }
    }
}

impl Earlier {
    /// Records a published state.
    pub(super) fn note(&mut self, published: &Arc<Snapshot>) {
        self.alive.retain(|state| state.strong_count() > 0);
        self.alive.push(Arc::downgrade(published));
    }

    /// Returns the current generation.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Keeps `state`, which was superseded at `now`.
    pub(super) fn keep(&mut self, state: Arc<Snapshot>, now: Instant) {
        let same = self.states.iter().position(|(kept, _)| kept.commit() == state.commit());
        if let Some((kept, _)) = same.and_then(|at| self.states.remove(at)) {
            self.pass(kept);
        }
        self.states.push_back((state, now));
        self.expire(now);
    }

    /// Keeps a state that a reader requested or may come back to, and that was made in `generation`.
    /// Returns whether it is kept: the commit of a state of an earlier generation may no longer be
    /// visible to anybody.
    pub(super) fn visit(&mut self, visit: Visit, generation: Generation) -> bool {
        if generation != self.generation {
            self.pass(visit.state);
            return false;
        }
        let commit = visit.state.commit();
        if let Some(same) = self.visited.iter().position(|kept| kept.state.commit() == commit) {
            let kept = self.visited.remove(same).state;
            self.pass(kept);
        }
        self.visited.push(visit);
        // The state that was just requested stays, however large it is.
        while self.visited.len() > VISITED
            || self.visited.len() > 1 && self.taken() > self.room.max(ROOM)
        {
            self.leave(0);
        }
        true
    }

    /// Allows the visited states to take `bytes`, or the minimum that they may always take.
    pub(super) fn make_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// Returns about how many bytes the visited states take that the published one does not hold.
    fn taken(&self) -> u64 {
        let mut roots: Vec<&Arc<u64>> = Vec::new();
        for visit in &self.visited {
            if let Root::Anew(root) = &visit.root
                && !roots.iter().any(|known| Arc::ptr_eq(known, root))
            {
                roots.push(root);
            }
        }
        let roots = roots.into_iter().map(|bytes| **bytes);
        roots.chain(self.visited.iter().map(|visit| visit.own)).sum()
    }

    /// Keeps the state of `commit`, if present, as if it had just been requested.
    pub(super) fn touch(&mut self, commit: CommitId, now: Instant) {
        if let Some(at) = self.visited.iter().position(|kept| kept.state.commit() == commit) {
            let visit = self.visited.remove(at);
            self.visited.push(Visit { at: now, ..visit });
        } else if let Some((state, _)) = self.states.iter().find(|(s, _)| s.commit() == commit) {
            let (state, root) = (state.clone(), Root::Published);
            let visit = Visit { state, reach: Reachability::History, root, own: 0, at: now };
            self.visit(visit, self.generation);
        }
    }

    /// Records the part of a state that `view` has, by the rules of the published one.
    pub(super) fn show(&mut self, reach: Reachability, view: &View, state: Arc<Snapshot>) {
        let (name, bytes) = (ShownName::of(state.commit(), view), state.view_bytes());
        let left = self.shown.put(name, Shown { reach, state }, bytes);
        left.into_iter().for_each(|shown| self.pass_shown(shown));
    }

    /// Returns the part of the state of `commit` that `view` has, if it is known and kept.
    pub(super) fn shown(
        &mut self,
        commit: CommitId,
        reach: Reachability,
        view: &View,
    ) -> Option<&Arc<Snapshot>> {
        let shown = self.shown.get(&ShownName::of(commit, view))?;
        (reach == Reachability::Preview || shown.reach == Reachability::History)
            .then_some(&shown.state)
    }

    /// Forgets all public parts: another state now decides.
    pub(super) fn judge_anew(&mut self) {
        self.conceal_from(|_| true);
    }

    /// Drops the public part of a state, which may be the state itself.
    fn pass_shown(&mut self, shown: Shown) {
        let visited = self.visited.iter().map(|visit| &visit.state);
        let mut kept = self.states.iter().map(|(state, _)| state).chain(visited);
        if !kept.any(|kept| Arc::ptr_eq(kept, &shown.state)) {
            self.pass(shown.state);
        }
    }

    fn conceal(&mut self, commit: CommitId) {
        self.conceal_from(|shown| shown.commit == commit);
    }

    fn conceal_from(&mut self, concealed: impl Fn(&ShownName) -> bool) {
        let concealed = self.shown.extract_if(|name, _| concealed(name));
        concealed.into_iter().for_each(|shown| self.pass_shown(shown));
    }

    /// Drops the visited state at this index.
    fn leave(&mut self, at: usize) {
        let left = self.visited.remove(at).state;
        if !self.states.iter().any(|(state, _)| state.commit() == left.commit()) {
            self.conceal(left.commit());
        }
        self.pass(left);
    }

    /// Drops `state`, which was replaced by another.
    pub(super) fn pass(&mut self, state: Arc<Snapshot>) {
        // If it were in the list twice, neither pointer would ever be the last one.
        if !self.leaving.iter().any(|leaving| Arc::ptr_eq(leaving, &state)) {
            self.leaving.push(state);
        }
    }

    /// Drops all states, and begins another generation.
    pub(super) fn clear(&mut self) {
        self.generation.0 += 1;
        self.judge_anew();
        let visited = std::mem::take(&mut self.visited).into_iter().map(|visit| visit.state);
        let states = std::mem::take(&mut self.states).into_iter().map(|(state, _)| state);
        states.chain(visited).for_each(|state| self.pass(state));
    }

    /// Drops the states that have been kept for long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        let age = |since: Instant| now.saturating_duration_since(since);
        let is_due = |since: Instant| age(since) >= KEPT_FOR;
        while self.states.len() > KEPT || self.states.front().is_some_and(|(_, at)| is_due(*at)) {
            let Some((state, _)) = self.states.pop_front() else { break };
            if !self.visited.iter().any(|visit| visit.state.commit() == state.commit()) {
                self.conceal(state.commit());
            }
            self.pass(state);
        }
        while self.visited.first().is_some_and(|visit| age(visit.at) >= VISITED_FOR) {
            self.leave(0);
        }
    }

    /// Removes the dropped states that nobody reads any more, for the caller to free outside of any
    /// lock.
    pub(super) fn unread(&mut self) -> Vec<Arc<Snapshot>> {
        // They can be reached only through existing pointers.
        self.leaving.extract_if(.., |state| Arc::strong_count(state) == 1).collect()
    }

    /// Returns whether a dropped state is still in memory.
    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Returns the state of `commit`, if it is kept for readers that come this way.
    pub(super) fn find(&self, commit: CommitId, reach: Reachability) -> Option<&Arc<Snapshot>> {
        let kept = self.states.iter().map(|(state, _)| state);
        let open =
            |visit: &&Visit| reach == Reachability::Preview || visit.reach == Reachability::History;
        let visited = self.visited.iter().filter(open).map(|visit| &visit.state);
        kept.chain(visited).find(|state| state.commit() == commit)
    }

    /// Returns the kept states with their roots, the most recently requested first.
    pub(super) fn bases(&self) -> impl Iterator<Item = (&Arc<Snapshot>, Root)> {
        let visited = self.visited.iter().rev().map(|visit| (&visit.state, visit.root.clone()));
        visited.chain(self.states.iter().rev().map(|(state, _)| (state, Root::Published)))
    }

    /// Returns the number of kept states that were published.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Returns the number of states in memory: the published one, the kept ones, and those that
    /// readers have not released.
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

    fn commits(earlier: &Earlier) -> Vec<u8> {
        earlier.states.iter().map(|(state, _)| state.commit().as_bytes()[0]).collect()
    }

    #[test]
    fn the_newest_states_are_kept_for_a_while() {
        let (mut earlier, start) = (Earlier::default(), Instant::now());
        for digit in 0..10 {
            earlier.keep(state(digit), start + Duration::from_secs(digit.into()));
        }
        assert_eq!(commits(&earlier), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(earlier.find(CommitId::from_bytes([2; 20]), Reachability::History).is_some());
        earlier.expire(start + KEPT_FOR + Duration::from_secs(7));
        assert_eq!(commits(&earlier), [8, 9]);
    }

    #[test]
    fn a_commit_that_was_served_twice_is_kept_once() {
        let (mut earlier, now) = (Earlier::default(), Instant::now());
        [1, 2, 1].into_iter().for_each(|digit| earlier.keep(state(digit), now));
        assert_eq!(commits(&earlier), [2, 1]);
    }

    fn asked(state: &Arc<Snapshot>, at: Instant) -> Visit {
        let (state, root) = (state.clone(), Root::Published);
        Visit { state, reach: Reachability::History, root, own: 0, at }
    }

    fn visited(earlier: &Earlier) -> Vec<u8> {
        earlier.visited.iter().map(|visit| visit.state.commit().as_bytes()[0]).collect()
    }

    #[test]
    fn a_state_that_was_asked_for_is_kept_for_those_who_come_back() {
        let (mut earlier, start) = (Earlier::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let states: Vec<_> = (0..=16).map(state).collect();
        for (state, second) in states[..16].iter().zip(0..) {
            assert!(earlier.visit(asked(state, at(second)), Generation(0)));
        }
        earlier.touch(states[0].commit(), at(20));
        earlier.visit(asked(&states[16], at(21)), Generation(0));
        let expected: Vec<u8> = (2..16).chain([0, 16]).collect();
        assert_eq!(visited(&earlier), expected, "the least recently requested one is dropped");
        assert!(earlier.find(CommitId::from_bytes([16; 20]), Reachability::History).is_some());
        earlier.expire(at(320));
        assert_eq!(visited(&earlier), [16]);
        drop(states);
        assert_eq!(earlier.unread().len(), 16);
        earlier.clear();
        assert_eq!((earlier.unread().len(), earlier.is_leaving()), (1, false));
    }

    #[test]
    fn visited_states_take_no_more_memory_than_they_may() {
        let (mut earlier, now) = (Earlier::default(), Instant::now());
        let visit = |earlier: &mut Earlier, digit: u8, root: &Root, own: u64| {
            let (state, root) = (state(digit), root.clone());
            earlier.visit(
                Visit { state, reach: Reachability::History, root, own, at: now },
                Generation(0),
            );
            visited(earlier)
        };
        let root = |bytes: u64| Root::Anew(Arc::new(bytes));
        let old = root(ROOM / 2);
        assert_eq!(visit(&mut earlier, 1, &old, 0), [1]);
        assert_eq!(visit(&mut earlier, 2, &old, 9), [1, 2], "what both hold counts once");
        assert_eq!(visit(&mut earlier, 3, &Root::Published, 9), [1, 2, 3]);
        assert_eq!(
            visit(&mut earlier, 4, &root(ROOM / 2), 0),
            [3, 4],
            "the root of two states is held until both are gone"
        );
        assert_eq!(visit(&mut earlier, 5, &root(3 * ROOM), 0), [5], "somebody reads it");
        earlier.make_room(4 * ROOM);
        assert_eq!(visit(&mut earlier, 6, &root(ROOM), 0), [5, 6]);
        assert_eq!(visit(&mut earlier, 7, &Root::Published, ROOM), [6, 7]);
    }

    #[test]
    fn what_was_made_before_all_was_let_go_is_never_kept() {
        let (mut earlier, now, old) = (Earlier::default(), Instant::now(), state(1));
        for _ in 0..1_000 {
            // A reader begins, the state it requests is purged, and it finishes.
            let generation = earlier.generation();
            earlier.clear();
            assert!(!earlier.visit(asked(&old, now), generation));
            earlier.touch(old.commit(), now);
            assert!(earlier.find(old.commit(), Reachability::Preview).is_none());
        }
    }

    #[test]
    fn the_state_of_another_branch_is_found_by_those_who_name_the_branch() {
        let (mut earlier, now, other) = (Earlier::default(), Instant::now(), state(1));
        let generation = earlier.generation();
        earlier.visit(Visit { reach: Reachability::Preview, ..asked(&other, now) }, generation);
        earlier.show(Reachability::Preview, &View::PUBLIC, other.clone());
        let found = |earlier: &mut Earlier, reach: Reachability| {
            let commit = other.commit();
            [
                earlier.find(commit, reach).is_some(),
                earlier.shown(commit, reach, &View::PUBLIC).is_some(),
            ]
        };
        assert_eq!(found(&mut earlier, Reachability::History), [false; 2]);
        assert_eq!(found(&mut earlier, Reachability::Preview), [true; 2]);
        earlier.judge_anew();
        assert_eq!(found(&mut earlier, Reachability::Preview), [true, false]);
    }

    #[test]
    fn a_state_that_is_kept_for_two_reasons_is_freed_once_both_are_gone() {
        let (mut earlier, now, both) = (Earlier::default(), Instant::now(), state(1));
        earlier.keep(both.clone(), now);
        earlier.visit(asked(&both, now), Generation(0));
        earlier.show(Reachability::History, &View::PUBLIC, both.clone());
        drop(both);
        earlier.clear();
        assert_eq!(earlier.unread().len(), 1);
    }

    #[test]
    fn a_state_that_somebody_reads_is_alive() {
        let mut earlier = Earlier::default();
        let (read, dropped) = (state(1), state(2));
        [&read, &dropped].into_iter().for_each(|state| earlier.note(state));
        drop(dropped);
        assert_eq!(earlier.alive(), 1);
    }

    #[test]
    fn a_state_that_is_let_go_stays_until_its_last_reader_has_done_so() {
        let (mut earlier, now) = (Earlier::default(), Instant::now());
        let (read, unread) = (state(1), state(2));
        [&read, &unread].into_iter().for_each(|state| earlier.note(state));
        earlier.keep(read.clone(), now);
        earlier.pass(unread);
        earlier.clear();
        assert_eq!((earlier.len(), earlier.alive()), (0, 1));
        let commits = |states: &[Arc<Snapshot>]| {
            states.iter().map(|state| state.commit().as_bytes()[0]).collect::<Vec<_>>()
        };
        assert_eq!(commits(&earlier.unread()), [2]);
        assert!(earlier.is_leaving());
        drop(read);
        assert_eq!(commits(&earlier.unread()), [1]);
        assert_eq!((earlier.is_leaving(), earlier.alive()), (false, 0));
    }
}
