//! The batches waiting to be written, bounded in number and in bytes. Actors take turns, so that
//! one with many or costly batches does not make others wait for all of them, and each has a share of
//! the room.

use std::collections::VecDeque;
use std::sync::Condvar;

use super::locks::{Lock, LockGuard, Rank};
use super::write_shares::{Load, Shares};
use super::write_turns::{Start, Turns};
use crate::snapshot::Snapshot;
use crate::write::{Batch, Committed, WriteError, WritesClosed};

/// The most that may wait, including what is being written; a single actor may use half of it. The
/// first batch of each actor may be larger.
const WAITING: Load = Load { batches: 2_000, bytes: 64 << 20 };
/// The most batches that become commits at once, which bounds how long a reload waits for the
/// writer.
const GROUP: usize = 64;
/// The most bytes that these may take and write; the first may be larger. Their files are in memory
/// three times until they are stored.
const GROUP_WEIGHT: usize = 8 << 20;
/// The most that these may cost the writer, by [`Batch::cost`]; the first may cost more. Between two
/// groups a waiting reload has its turn.
const GROUP_COST: usize = 4 << 20;

/// A function that is called with the result of a batch on the engine's thread, so it should only
/// pass it on.
pub type Acknowledge = Box<dyn FnOnce(Result<Committed, WriteError>) + Send>;

/// The waiting batches.
pub(super) struct WriteQueue {
    /// Whether writes are accepted at all.
    is_open: bool,
    queue: Lock<Queue>,
    changed: Condvar,
}

struct Queue {
    waiting: VecDeque<Waiting>,
    /// How much of what waits or is being written belongs to each actor.
    shares: Shares,
    turns: Turns,
    closed: bool,
}

pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) weight: usize,
    cost: usize,
    /// When its turn is.
    start: Start,
    pub(super) done: Acknowledge,
}

impl WriteQueue {
    pub(super) fn new(is_open: bool) -> Self {
        let (waiting, shares) = (VecDeque::new(), Shares::new(WAITING));
        let queue = Queue { waiting, shares, turns: Turns::default(), closed: false };
        let queue = Lock::new(Rank::Writes, queue);
        Self { is_open, queue, changed: Condvar::new() }
    }

    /// Returns whether writes are accepted at all.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Accepts no more batches. Waiting ones are still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Queues a batch that changes `records`. Refuses one that would cost too much, before anything of
    /// it is done.
    pub(super) fn join(
        &self,
        batch: Batch,
        records: &Snapshot,
        done: Acknowledge,
    ) -> Result<(), (WriteError, Acknowledge)> {
        let judged = batch.weighed(records).and_then(|weight| Ok((weight, batch.cost(records)?)));
        let (weight, cost) = match judged {
            Ok(judged) => judged,
            Err(error) => return Err((error, done)),
        };
        let mut queue = self.lock();
        let gate = match () {
            () if !self.is_open => Some(WritesClosed::ReadOnly),
            () if queue.closed => Some(WritesClosed::ShutDown),
            () if !queue.shares.enter(&batch.actor, weight) => Some(WritesClosed::Full),
            () => None,
        };
        match gate {
            Some(gate) => Err((gate.into(), done)),
            None => {
                let start = queue.turns.enter(&batch.actor, cost);
                queue.waiting.push_back(Waiting { batch, weight, cost, start, done });
                self.changed.notify_one();
                Ok(())
            }
        }
    }

    /// Waits for batches; `None` once closed and empty.
    pub(super) fn next(&self) -> Option<Vec<Waiting>> {
        let is_due = |queue: &Queue| !queue.waiting.is_empty() || queue.closed;
        let mut queue = self.lock().wait_until(&self.changed, is_due);
        // The batches of one actor start one after the other, and stay in order.
        queue.waiting.make_contiguous().sort_by_key(|waiting| waiting.start);
        let (mut weight, mut cost) = (0, 0_usize);
        let fits = |waiting: &&Waiting| {
            let first = weight == 0;
            weight += waiting.weight;
            cost = cost.saturating_add(waiting.cost);
            first || weight <= GROUP_WEIGHT && cost <= GROUP_COST
        };
        let count = queue.waiting.iter().take(GROUP).take_while(fits).count();
        if let Some(last) = count.checked_sub(1).and_then(|last| queue.waiting.get(last)) {
            let start = last.start;
            queue.turns.take(start);
        }
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }

    /// Requeues batches that were taken but not written, before all others.
    pub(super) fn put_back(&self, batches: Vec<Waiting>) {
        let mut queue = self.lock();
        batches.into_iter().rev().for_each(|waiting| queue.waiting.push_front(waiting));
    }

    /// Makes room for others: a batch of `actor` with this weight has been written.
    pub(super) fn leave(&self, actor: &str, weight: usize) {
        self.lock().shares.leave(actor, weight);
    }

    fn lock(&self) -> LockGuard<'_, Queue> {
        self.queue.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Identity;
    use crate::write::{MOST_WRITTEN, Scope};

    /// Queues a batch of `actor` with a different author each time.
    fn join(queue: &WriteQueue, actor: &str, message: &str) -> bool {
        let batch = Batch {
            operations: Vec::new(),
            actor: actor.to_owned(),
            author: Identity::parse(&format!("{message} <{message}@example.org>")).unwrap(),
            scope: Scope::Every,
            view: crate::view::View::PUBLIC,
            message: message.to_owned(),
            trailers: Vec::new(),
            repeat: None,
            limit: MOST_WRITTEN,
        };
        match queue.join(batch, &Snapshot::empty(), Box::new(|_| ())) {
            Ok(()) => true,
            Err((WriteError::Closed(WritesClosed::Full), _)) => false,
            Err((error, _)) => panic!("{error}"),
        }
    }

    #[test]
    fn those_who_ask_take_turns_whoever_the_authors_are_and_keep_their_own_order() {
        let queue = WriteQueue::new(true);
        for (actor, message) in
            [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("c", "5"), ("b", "6")]
        {
            assert!(join(&queue, actor, message));
        }
        let mut group = queue.next().unwrap();
        let order = |group: &[Waiting]| -> String {
            group.iter().map(|waiting| waiting.batch.message.as_str()).collect()
        };
        assert_eq!(order(&group), "145263");
        queue.put_back(group.split_off(2));
        assert_eq!(order(&queue.next().unwrap()), "5263", "the rest of a group goes first");
    }

    #[test]
    fn one_who_sends_many_leaves_room_for_others_until_they_are_written() {
        let queue = WriteQueue::new(true);
        let joined = (0..WAITING.batches).filter(|n| join(&queue, "a", &n.to_string())).count();
        assert_eq!(joined, WAITING.batches / 2);
        assert!(join(&queue, "b", "other"));
        let group = queue.next().unwrap();
        assert!(group.iter().any(|waiting| waiting.batch.actor == "b"));
        assert!(!join(&queue, "a", "unwritten"), "they are being written");
        for waiting in group {
            queue.leave(&waiting.batch.actor, waiting.weight);
        }
        assert!(join(&queue, "a", "again"));
    }
}
