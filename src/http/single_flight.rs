//! Answers that many wait for and that are found out once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::lane::Turn;
use crate::wire::{ApiError, Code};

/// How many answers are remembered.
const REMEMBERED: usize = 32;

/// A question, until its answer is there.
struct Cell<T> {
    answer: watch::Sender<Option<Result<T, ApiError>>>,
    /// Held by whoever finds the answer out.
    finding: tokio::sync::Mutex<()>,
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { answer: watch::Sender::new(None), finding: tokio::sync::Mutex::default() }
    }
}

/// The answers to the last questions, each found out by the first of those who ask that has a place
/// for it.
pub(super) struct SingleFlight<K, T> {
    /// The newest last.
    cells: Mutex<VecDeque<(K, Arc<Cell<T>>)>>,
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self { cells: Mutex::default() }
    }
}

impl<K: PartialEq + Clone, T: Clone + Send + 'static> SingleFlight<K, T> {
    /// Returns the answer to `question`: the one that is known, the one that somebody finds out
    /// meanwhile, or that of `find`. Everybody waits for a turn of their own, so that nobody's answer
    /// comes as late as somebody else's turn. One that may be another one later, or for which `keeps`
    /// is false, is for those alone who wait for it.
    ///
    /// # Errors
    /// What `find` returns, and 503 where it is not this one's turn in time.
    pub(super) async fn get(
        &self,
        question: K,
        turn: Turn<'_>,
        find: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
        keeps: impl Fn(&T) -> bool,
    ) -> Result<T, ApiError> {
        let cell = self.cell(&question);
        let mut known = cell.answer.subscribe();
        loop {
            let place = tokio::select! {
                biased;
                answer = known.wait_for(Option::is_some) => {
                    // The sender is in the cell, which is kept here.
                    if let Ok(Some(answer)) = answer.as_deref() {
                        return answer.clone();
                    }
                    continue;
                }
                place = turn.comes() => place?,
            };
            let Ok(_finding) = cell.finding.try_lock() else {
                // Somebody has begun: the place is for others, and either the answer comes or he goes.
                drop(place);
                tokio::select! {
                    _ = known.wait_for(Option::is_some) => {}
                    _ = cell.finding.lock() => {}
                }
                continue;
            };
            if known.borrow().is_some() {
                continue;
            }
            let answer = place.run(find).await;
            let lasts = match &answer {
                Ok(answer) => keeps(answer),
                Err(error) => error.code() == Code::UnknownCommit,
            };
            if !lasts {
                self.lock().retain(|(_, other)| !Arc::ptr_eq(other, &cell));
            }
            cell.answer.send_replace(Some(answer.clone()));
            return answer;
        }
    }

    /// Forgets the answers to questions that are `stale`; who waits for one gets it.
    pub(super) fn forget(&self, stale: impl Fn(&K) -> bool) {
        self.lock().retain(|(question, _)| !stale(question));
    }

    fn cell(&self, question: &K) -> Arc<Cell<T>> {
        let mut cells = self.lock();
        if let Some((_, cell)) = cells.iter().find(|(asked, _)| asked == question) {
            return cell.clone();
        }
        if cells.len() == REMEMBERED {
            cells.pop_front();
        }
        let cell = Arc::new(Cell::default());
        cells.push_back((question.clone(), cell.clone()));
        cell
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(K, Arc<Cell<T>>)>> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::time::Instant;

    use super::super::lane::Lane;
    use super::super::source::Source;
    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    /// Asks in the lane; an answer of 7 is not kept.
    async fn ask<K: PartialEq + Clone>(
        (shared, lane): (&SingleFlight<K, usize>, &Lane),
        question: K,
        find: impl FnOnce() -> Result<usize, Code> + Send + 'static,
    ) -> Result<usize, Code> {
        let turn = Turn { lane, source: source(1), until: None };
        let asked = shared.get(question, turn, || find().map_err(ApiError::from), |a| *a != 7);
        asked.await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn nine_hundred_who_ask_the_same_get_one_answer_that_is_found_out_once() {
        let (shared, found) = (Arc::new(SingleFlight::default()), Arc::new(AtomicUsize::new(0)));
        let lane = Arc::new(Lane::new(2));
        let asked: Vec<_> = (0..900)
            .map(|_| {
                let (shared, lane, found) = (shared.clone(), lane.clone(), found.clone());
                let find = move || Ok(found.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(async move { ask((&shared, &lane), "a", find).await })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Ok(0));
        }
        assert_eq!(found.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn nobody_waits_for_the_turn_of_who_asked_first() {
        let (shared, lane) = (SingleFlight::default(), Lane::new(2));
        let _held = lane.place(source(1), None).await.unwrap();
        // One place is left, and none of it is for who has one.
        let first = ask((&shared, &lane), "a", || Ok(1));
        let asked = |last, until| {
            let turn = Turn { lane: &lane, source: source(last), until };
            shared.get("a", turn, move || Ok(usize::from(last)), |_| true)
        };
        let hasty = async {
            let refused = asked(1, Some(Instant::now())).await;
            assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
            asked(3, None).await.ok()
        };
        assert_eq!(tokio::join!(first, hasty), (Ok(3), Some(3)));
    }

    #[tokio::test]
    async fn what_somebody_begins_to_find_out_and_leaves_is_found_out_by_the_next() {
        let (shared, lane) = (SingleFlight::default(), Lane::new(3));
        let (release, is_released) = mpsc::channel::<()>();
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        let begun = ask((&shared, &lane), "a", move || {
            begins.send(()).ok();
            is_released.recv().ok();
            Ok(1)
        });
        let mut begun = Box::pin(begun);
        tokio::select! {
            _ = &mut begun => panic!("it waits"),
            begun = has_begun => begun.unwrap(),
        }
        let mut next = Box::pin(ask((&shared, &lane), "a", || Ok(2)));
        tokio::select! {
            biased;
            _ = &mut next => panic!("somebody finds it out"),
            () = std::future::ready(()) => {}
        }
        drop(begun);
        assert_eq!(next.await, Ok(2));
        drop(release);
    }

    #[tokio::test]
    async fn what_may_be_another_answer_later_is_not_remembered() {
        let (shared, lane) = (SingleFlight::default(), Lane::new(1));
        let ask = |question, answer| ask((&shared, &lane), question, move || answer);
        assert_eq!(ask(1, Err(Code::MemoryShort)).await, Err(Code::MemoryShort));
        assert_eq!(ask(1, Ok(7)).await, Ok(7));
        assert_eq!(ask(1, Err(Code::UnknownCommit)).await, Err(Code::UnknownCommit));
        assert!(ask(1, Ok(8)).await.is_err(), "it stays unknown");
        shared.forget(|question| *question == 1);
        assert_eq!(ask(1, Ok(8)).await, Ok(8));
        for question in 2..=REMEMBERED + 2 {
            assert!(ask(question, Ok(question + 7)).await.is_ok());
        }
        assert_eq!(ask(1, Ok(9)).await, Ok(9));
    }
}
