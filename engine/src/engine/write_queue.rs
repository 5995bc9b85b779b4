//! The batches that wait to be written, bounded in number and in bytes. Authors take turns, so that
//! one who sends many keeps no other waiting for all of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Condvar;

use super::locks::{Held, Lock, Rank};
use crate::mirror::Identity;
use crate::write::{Batch, Committed, Gate, WriteError};

/// How many batches may wait.
const WAITING: usize = 1_000;
/// How many bytes of memory they may take; the one that reaches the limit may be larger by itself.
const WAITING_WEIGHT: usize = 32 << 20;
/// How many become commits in one go, which bounds how long a reload waits for the writer.
const GROUP: usize = 64;
/// How many bytes of memory these may take; the first may be larger by itself. Their files are held
/// three times over until they are stored.
const GROUP_WEIGHT: usize = 8 << 20;

/// Is called with what became of a batch, on the engine's thread, so it should only pass it on.
pub type Acknowledge = Box<dyn FnOnce(Result<Committed, WriteError>) + Send>;

/// The batches that wait.
pub(super) struct WriteQueue {
    /// Whether anything is written here.
    is_open: bool,
    queue: Lock<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// The weight of what waits and of what is being written.
    weight: usize,
    closed: bool,
}

pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) weight: usize,
    pub(super) done: Acknowledge,
}

impl WriteQueue {
    pub(super) fn new(is_open: bool) -> Self {
        let queue = Lock::new(Rank::Writes, Queue::default());
        Self { is_open, queue, changed: Condvar::new() }
    }

    /// Says whether anything is written here.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes no more. What waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Lets a batch wait. What it costs is judged before.
    pub(super) fn join(
        &self,
        batch: Batch,
        done: Acknowledge,
    ) -> Result<(), (WriteError, Acknowledge)> {
        let weight = match batch.weighed() {
            Ok(weight) => weight,
            Err(error) => return Err((error, done)),
        };
        let mut queue = self.lock();
        let gate = match () {
            () if !self.is_open => Some(Gate::ReadOnly),
            () if queue.closed => Some(Gate::ShutDown),
            () if queue.waiting.len() >= WAITING => Some(Gate::Full),
            () if queue.weight >= WAITING_WEIGHT => Some(Gate::Full),
            () => None,
        };
        match gate {
            Some(gate) => Err((gate.into(), done)),
            None => {
                queue.weight += weight;
                queue.waiting.push_back(Waiting { batch, weight, done });
                self.changed.notify_one();
                Ok(())
            }
        }
    }

    /// Waits for batches; `None` once closed and empty.
    pub(super) fn next(&self) -> Option<Vec<Waiting>> {
        let is_due = |queue: &Queue| !queue.waiting.is_empty() || queue.closed;
        let mut queue = self.lock().wait_until(&self.changed, is_due);
        take_turns(&mut queue.waiting);
        let mut weight = 0;
        let fits = |waiting: &&Waiting| {
            let first = weight == 0;
            weight += waiting.weight;
            first || weight <= GROUP_WEIGHT
        };
        let count = queue.waiting.iter().take(GROUP).take_while(fits).count();
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }

    /// Lets batches wait on that were taken and not written: before all others.
    pub(super) fn put_back(&self, batches: Vec<Waiting>) {
        let mut queue = self.lock();
        batches.into_iter().rev().for_each(|waiting| queue.waiting.push_front(waiting));
    }

    /// Makes room for others: what had this weight is written.
    pub(super) fn leave(&self, weight: usize) {
        self.lock().weight -= weight;
    }

    fn lock(&self) -> Held<'_, Queue> {
        self.queue.lock()
    }
}

/// Orders batches so that each author has a first one before any has a second. Those of one author
/// stay in their order.
fn take_turns(waiting: &mut VecDeque<Waiting>) {
    let mut counts: HashMap<Identity, usize> = HashMap::new();
    let mut rounds: Vec<(usize, Waiting)> = Vec::with_capacity(waiting.len());
    for one in waiting.drain(..) {
        let count = counts.entry(one.batch.author.clone()).or_default();
        rounds.push((*count, one));
        *count += 1;
    }
    rounds.sort_by_key(|(round, _)| *round);
    waiting.extend(rounds.into_iter().map(|(_, one)| one));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::{MOST_WRITTEN, Scope};

    #[test]
    fn authors_take_turns_and_keep_their_own_order() {
        let queue = WriteQueue::new(true);
        for (author, message) in
            [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("c", "5"), ("b", "6")]
        {
            let batch = Batch {
                operations: Vec::new(),
                author: Identity::parse(&format!("{author} <{author}@example.org>")).unwrap(),
                scope: Scope::Every,
                message: message.to_owned(),
                trailers: Vec::new(),
                repeat: None,
                limit: MOST_WRITTEN,
            };
            assert!(queue.join(batch, Box::new(|_| ())).is_ok());
        }
        let mut group = queue.next().unwrap();
        let order = |group: &[Waiting]| -> String {
            group.iter().map(|waiting| waiting.batch.message.as_str()).collect()
        };
        assert_eq!(order(&group), "145263");
        queue.put_back(group.split_off(2));
        assert_eq!(order(&queue.next().unwrap()), "5263", "what was left of a group goes first");
    }
}
