//! Runs work that is split into tasks on all cores.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// One task. Tasks may run in any order and at the same time.
pub(crate) type Task<'t> = Box<dyn FnOnce() + Send + 't>;

/// Runs all of `tasks` and returns when they are done; a panic in one of them is propagated.
///
/// Starts a thread for each core but one, which pays off for a millisecond of work or more.
pub(crate) fn run(tasks: Vec<Task<'_>>) {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(task) = next() {
            task();
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// Returns what `work` makes of each item, in their order. A panic in one of them is propagated.
///
/// One item is worked on by the caller alone; more, on all cores.
pub(crate) fn map<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    if let [only] = items {
        return vec![work(only)];
    }
    let mut found: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let work = &work;
    let tasks = items.iter().zip(&mut found);
    run(tasks.map(|(item, found)| Box::new(|| *found = Some(work(item))) as Task<'_>).collect());
    found.into_iter().flatten().collect()
}

/// Runs `work` on all cores at once, each time until it returns. A panic in one of them is
/// propagated.
pub(crate) fn run_on_all_cores(work: &(dyn Fn() + Sync)) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    run((0..cores).map(|_| Box::new(work) as Task<'_>).collect());
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_runs_once() {
        let done = AtomicUsize::new(0);
        let task = |n: usize| -> Task<'_> {
            let done = &done;
            Box::new(move || {
                let _ = done.fetch_add(n, Ordering::Relaxed);
            })
        };
        run((0..100).map(task).collect());
        run(Vec::new());
        assert_eq!(done.into_inner(), 4_950);
    }

    #[test]
    fn what_is_made_of_items_comes_in_their_order() {
        for count in [0, 1, 100] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|n| n * 2).collect();
            assert_eq!(map(&items, |n| n * 2), doubled);
        }
    }

    #[test]
    #[should_panic(expected = "the seventh")]
    fn a_panic_is_passed_on_with_what_it_says() {
        let task = |n: usize| -> Task<'_> { Box::new(move || assert_ne!(n, 7, "the seventh")) };
        run((0..10).map(task).collect());
    }
}
