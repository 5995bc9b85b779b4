//! Answers that many wait for and that are computed once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::concurrency_limit::Turn;
use crate::wire::{ApiError, Code};

/// The number of remembered answers.
const REMEMBERED: usize = 32;

/// A question, until its answer is there.
struct Cell<T> {
    answer: watch::Sender<Option<Result<T, ApiError>>>,
    /// Held by the task that computes the answer.
    finding: Arc<tokio::sync::Mutex<()>>,
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { answer: watch::Sender::new(None), finding: Arc::default() }
    }
}

/// The answers to the last questions. Each is computed by the first of its askers that gets a
/// place.
pub(super) struct SingleFlight<K, T>(Arc<Questions<K, T>>);

struct Questions<K, T> {
    /// The newest is last.
    questions: Mutex<VecDeque<Question<K, T>>>,
    /// The most that the remembered answers may weigh together.
    room: u64,
}

/// A question.
struct Question<K, T> {
    asked: K,
    cell: Arc<Cell<T>>,
    /// The weight of its answer, once it is there.
    weight: u64,
}

impl<K, T> SingleFlight<K, T> {
    /// Returns a memory for answers of this total weight.
    pub(super) fn within(room: u64) -> Self {
        Self(Arc::new(Questions { questions: Mutex::default(), room }))
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: PartialEq + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Returns the answer to `question`: the known one, the one that somebody else computes
    /// meanwhile, or that of `find`. Every caller waits for its own turn, so that no answer is as
    /// late as somebody else's turn. An answer that may change later, or that `weigh` finds heavier
    /// than the room, goes only to those who wait for it now. A 503 of `find` goes only to its own
    /// caller. What has begun goes on when its caller hangs up: others may wait for it.
    ///
    /// # Errors
    /// What `find` returns, and 503 if the turn does not come in time.
    pub(super) async fn get(
        &self,
        question: K,
        turn: Turn<'_>,
        find: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
        weigh: impl Fn(&T) -> u64 + Send + 'static,
    ) -> Result<T, ApiError> {
        let cell = self.0.cell(&question);
        let mut known = cell.answer.subscribe();
        let mut finding = None;
        let (place, finding) = loop {
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
            if let Some(finding) = finding.or_else(|| cell.finding.clone().try_lock_owned().ok()) {
                break (place, finding);
            }
            // Somebody else has started: the place is for others. Either the answer comes, or that caller is
            // refused. Who is next then stays the next while it waits for its turn.
            drop(place);
            finding = tokio::select! {
                biased;
                _ = known.wait_for(Option::is_some) => None,
                finding = cell.finding.clone().lock_owned() => Some(finding),
            };
        };
        if let Some(answer) = known.borrow().as_ref() {
            return answer.clone();
        }
        let questions = self.0.clone();
        let found = tokio::spawn(async move {
            let answer = place.run(find).await;
            // There is no room for this caller, but there may be for the next one.
            if answer.as_ref().is_err_and(|error| error.code() == Code::Busy) {
                return answer;
            }
            let weight = match &answer {
                Ok(answer) => Some(weigh(answer)),
                Err(error) => (error.code() == Code::UnknownCommit).then_some(0),
            };
            questions.remember(&cell, weight.filter(|weight| *weight <= questions.room));
            cell.answer.send_replace(Some(answer.clone()));
            drop(finding);
            answer
        });
        found.await.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }

    /// Returns whether the answer to `question` is remembered.
    pub(super) fn has_answer(&self, question: &K) -> bool {
        let questions = self.0.lock();
        let known = questions.iter().find(|known| known.asked == *question);
        known.is_some_and(|known| known.cell.answer.borrow().is_some())
    }

    /// Forgets the answers to questions that are `stale`; those who wait for one still get it.
    pub(super) fn forget(&self, stale: impl Fn(&K) -> bool) {
        self.0.lock().retain(|question| !stale(&question.asked));
    }
}

impl<K: PartialEq + Clone, T> Questions<K, T> {
    /// Keeps an answer of this weight, and as many of the newest others as there is room for. An
    /// answer with `None` is not kept.
    fn remember(&self, cell: &Arc<Cell<T>>, weight: Option<u64>) {
        let mut questions = self.lock();
        let Some(weight) = weight else {
            return questions.retain(|question| !Arc::ptr_eq(&question.cell, cell));
        };
        for question in questions.iter_mut().filter(|it| Arc::ptr_eq(&it.cell, cell)) {
            question.weight = weight;
        }
        let all: u64 = questions.iter().map(|question| question.weight).sum();
        let mut excess = all.saturating_sub(self.room);
        questions.retain(|question| {
            let goes = excess > 0 && question.weight > 0 && !Arc::ptr_eq(&question.cell, cell);
            excess = excess.saturating_sub(if goes { question.weight } else { 0 });
            !goes
        });
    }

    fn cell(&self, question: &K) -> Arc<Cell<T>> {
        let mut questions = self.lock();
        if let Some(known) = questions.iter().find(|known| known.asked == *question) {
            return known.cell.clone();
        }
        if questions.len() == REMEMBERED {
            questions.pop_front();
        }
        let cell = Arc::new(Cell::default());
        questions.push_back(Question { asked: question.clone(), cell: cell.clone(), weight: 0 });
        cell
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Question<K, T>>> {
        // The queue is consistent after every statement, so a poisoned lock holds a usable one.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::time::Instant;

    use super::super::concurrency_limit::ConcurrencyLimit;
    use super::super::source::Source;
    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    /// Asks in the lane; an answer of 7 is not kept.
    async fn ask<K: PartialEq + Clone + Send + 'static>(
        (shared, lane): (&SingleFlight<K, usize>, &ConcurrencyLimit),
        question: K,
        find: impl FnOnce() -> Result<usize, Code> + Send + 'static,
    ) -> Result<usize, Code> {
        let turn = Turn { lane, source: source(1), until: None };
        let asked =
            shared.get(question, turn, || find().map_err(ApiError::from), |a| u64::from(*a == 7));
        asked.await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn nine_hundred_who_ask_the_same_get_one_answer_that_is_found_out_once() {
        let (shared, found) = (Arc::new(SingleFlight::within(0)), Arc::new(AtomicUsize::new(0)));
        let lane = Arc::new(ConcurrencyLimit::new(2));
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
    async fn those_who_wait_get_the_answer_of_a_caller_that_hangs_up() {
        let (shared, lane) =
            (Arc::new(SingleFlight::within(0)), Arc::new(ConcurrencyLimit::new(2)));
        let (release, is_released) = mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let find = move || {
            started.send(()).ok();
            is_released.recv().ok();
            Ok(1)
        };
        let (first, of) = (shared.clone(), lane.clone());
        let first = tokio::spawn(async move { ask((&first, &of), "a", find).await });
        has_started.await.unwrap();
        let others: Vec<_> = (0..9)
            .map(|_| {
                let (shared, lane) = (shared.clone(), lane.clone());
                tokio::spawn(async move { ask((&shared, &lane), "a", || Ok(2)).await })
            })
            .collect();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        drop(release);
        for other in others {
            assert_eq!(other.await.unwrap(), Ok(1));
        }
    }

    #[tokio::test]
    async fn when_one_is_refused_the_next_finds_the_answer() {
        let (shared, lane) =
            (Arc::new(SingleFlight::within(0)), Arc::new(ConcurrencyLimit::new(9)));
        let refusals = Arc::new(AtomicUsize::new(0));
        let asked: Vec<_> = (0..40)
            .map(|_| {
                let (shared, lane, refusals) = (shared.clone(), lane.clone(), refusals.clone());
                let find = move || match refusals.fetch_add(1, Ordering::Relaxed) {
                    ..5 => Err(Code::Busy),
                    _ => Ok(1),
                };
                tokio::spawn(async move { ask((&shared, &lane), "a", find).await })
            })
            .collect();
        let mut refused = 0;
        for answer in asked {
            match answer.await.unwrap() {
                Ok(answer) => assert_eq!(answer, 1),
                Err(code) => {
                    assert_eq!(code, Code::Busy);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 5);
    }

    #[tokio::test]
    async fn an_answer_is_there_once_it_was_found_and_while_it_is_kept() {
        let (shared, lane) = (SingleFlight::within(1), ConcurrencyLimit::new(2));
        assert!(!shared.has_answer(&"a"));
        for (question, answer, is_kept) in [("a", 1, true), ("b", 7, true), ("c", 1, true)] {
            assert_eq!(ask((&shared, &lane), question, move || Ok(answer)).await, Ok(answer));
            assert_eq!(shared.has_answer(&question), is_kept, "{question}");
        }
        shared.forget(|question| *question == "a");
        assert!(!shared.has_answer(&"a") && shared.has_answer(&"c"));
    }

    #[tokio::test]
    async fn nobody_waits_for_the_turn_of_who_asked_first() {
        let (shared, lane) = (SingleFlight::within(0), ConcurrencyLimit::new(2));
        let _held = lane.place(source(1), None).await.unwrap();
        // One place is left, but not for a source that has one.
        let first = ask((&shared, &lane), "a", || Ok(1));
        let asked = |last, until| {
            let turn = Turn { lane: &lane, source: source(last), until };
            shared.get("a", turn, move || Ok(usize::from(last)), |_| 0)
        };
        let hasty = async {
            let refused = asked(1, Some(Instant::now())).await;
            assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
            asked(3, None).await.ok()
        };
        assert_eq!(tokio::join!(first, hasty), (Ok(3), Some(3)));
    }

    #[tokio::test]
    async fn who_has_no_room_for_an_answer_keeps_it_from_nobody() {
        let (shared, lane) = (SingleFlight::within(0), ConcurrencyLimit::new(3));
        let (release, is_released) = mpsc::channel::<()>();
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        let without_room = ask((&shared, &lane), "a", move || {
            begins.send(()).unwrap();
            is_released.recv().unwrap();
            Err(Code::Busy)
        });
        let other = async {
            has_begun.await.unwrap();
            let asked = ask((&shared, &lane), "a", || Ok(2));
            let released = async { release.send(()).unwrap() };
            tokio::join!(asked, released).0
        };
        let (without_room, other) = tokio::join!(without_room, other);
        assert_eq!((without_room, other), (Err(Code::Busy), Ok(2)));
    }

    #[tokio::test]
    async fn what_may_be_another_answer_later_is_not_remembered() {
        let (shared, lane) = (SingleFlight::within(0), ConcurrencyLimit::new(1));
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

    #[tokio::test]
    async fn the_newest_answers_are_remembered_that_there_is_room_for() {
        let (shared, lane) = (SingleFlight::within(10), ConcurrencyLimit::new(1));
        let weighing = async |question: usize, weight: u64| {
            let turn = Turn { lane: &lane, source: source(1), until: None };
            shared.get(question, turn, move || Ok(weight), |weight| *weight).await.unwrap()
        };
        let known = || -> Vec<usize> { shared.0.lock().iter().map(|it| it.asked).collect() };
        for (question, weight, expected) in [
            (1, 4, vec![1]),
            (2, 0, vec![1, 2]),
            (3, 6, vec![1, 2, 3]),
            (4, 11, vec![1, 2, 3]),
            (5, 1, vec![2, 3, 5]),
            (6, 10, vec![2, 6]),
        ] {
            assert_eq!(weighing(question, weight).await, weight);
            assert_eq!(known(), expected, "behind {question}");
        }
        assert_eq!(weighing(6, 7).await, 10, "it is not computed again");
    }
}
