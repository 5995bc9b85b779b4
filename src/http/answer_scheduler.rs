//! Computes expensive answers off the threads that take requests.
//!
//! An answer has a limit on its processor time. The time is measured on the thread that computes
//! the answer, so it does not depend on the load of the machine. Every answer starts in one of the
//! places for quick answers. An answer that is not quick gives its place up, and waits for one of
//! the few places for long ones. So a cheap answer always gets a place soon. In both lines the
//! addresses take turns, and no address has all places if there are several. An answer that
//! nobody waits for any more stops.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use axum::http::header;
use headwater_engine::budget::Budget;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::permits::{Permit, Permits};
use super::source::Source;
use super::waiter_limit::WaiterLimit;
use crate::wire::{ApiError, Code};

/// How long a request waits for a place.
const TURN: Duration = Duration::from_secs(2);

/// The most processor time that a quick answer costs.
const AT_ONCE: Duration = Duration::from_millis(5);

/// The most memory that a quick answer takes, in bytes. An answer that waits to become a long one
/// keeps this much.
const TAKEN_AT_ONCE: usize = 1 << 20;

/// Computes answers, a bounded number at once.
pub struct Answers {
    at_once: Permits,
    long: Permits,
    /// The processor time that one answer may cost; `None` is no limit.
    limit: Option<Duration>,
    turn: Duration,
}

impl Answers {
    /// Returns the places for answers that cost at most `limit` of processor time each; `None` is
    /// no limit. Long answers have half of the cores. `waiters` bounds those who wait, also for other places.
    pub fn new(limit: Option<Duration>, waiters: WaiterLimit) -> Self {
        let at_once = cores() * 2;
        let at_once = Permits::new(at_once, all_but_one(at_once), waiters);
        Self::with_places(limit, at_once, long())
    }

    /// Returns the places for answers that may walk the history of the repository and end by
    /// themselves. Another program does the walk, so our processor time does not measure it.
    /// Therefore one address has a quarter of the places.
    pub(super) fn of_walks(waiters: WaiterLimit) -> Self {
        let at_once = cores() * 2;
        let places = Permits::new(at_once, at_once.div_ceil(4), waiters);
        Self::with_places(None, places, long())
    }

    fn with_places(limit: Option<Duration>, at_once: Permits, long: usize) -> Self {
        // Each waiting answer keeps a thread meanwhile, and there are only some hundreds.
        let long = Permits::new(long, all_but_one(long), WaiterLimit::new(64, 16));
        Self { at_once, long, limit, turn: TURN }
    }

    /// Returns the processor time that one answer may cost; `None` is no limit.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Runs `work` to compute an answer for a caller at `source`, when there is a place. `work`
    /// must spend from its budget; that is the only way to stop it.
    ///
    /// # Errors
    /// 503 if no place gets free in time; 422 `too_costly` if `work` returns it; 500 if it panics;
    /// what it returns.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        source: Source,
        work: impl FnOnce(&Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.at_once.take_within(source, self.turn).await.ok_or_else(busy)?;
        // This is dropped with the future when the caller hangs up.
        let (_caller, caller) = oneshot::channel();
        let (long, limit, turn) = (self.long.clone(), self.limit, self.turn);
        let made = tokio::task::spawn_blocking(move || {
            let making = Rc::new(Making {
                source,
                begun: processor_time(),
                limit,
                turn,
                place: Cell::new(Some(place)),
                is_long: Cell::new(false),
                long,
                is_refused: Cell::new(false),
                caller: Cell::new(Some(caller)),
            });
            let asked = making.clone();
            let made = work(&Budget::while_it_may(move |taken| asked.may_go_on(taken)));
            if making.is_refused.get() { Err(busy()) } else { made }
        });
        made.await.unwrap_or_else(|panic| Err(ApiError::caused_by(Code::Internal, &panic)))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Returns the number of long answers that are computed at once.
fn long() -> usize {
    cores().div_ceil(2)
}

/// Returns the number of places that one address may have: all but one if there are several.
fn all_but_one(places: usize) -> usize {
    places.saturating_sub(1).max(places.min(1))
}

fn busy() -> ApiError {
    ApiError::from(Code::Busy).header(header::RETRY_AFTER, 1)
}

/// An answer in progress, seen from the thread that computes it.
struct Making {
    source: Source,
    begun: Duration,
    limit: Option<Duration>,
    turn: Duration,
    place: Cell<Option<Permit>>,
    is_long: Cell<bool>,
    long: Permits,
    /// Whether there was no place for a long answer.
    is_refused: Cell<bool>,
    /// Closed when the caller has gone.
    caller: Cell<Option<oneshot::Receiver<()>>>,
}

impl Making {
    /// Returns whether the answer may continue, which has taken this many bytes. Waits for another
    /// place if it is about to become a long one.
    fn may_go_on(&self, taken: usize) -> bool {
        let spent = processor_time().saturating_sub(self.begun);
        let mut caller = self.caller.replace(None);
        let is_awaited = caller.as_mut().is_some_and(|caller| {
            // Nothing is ever sent: the channel is empty until the other end is dropped.
            caller.try_recv() == Err(oneshot::error::TryRecvError::Empty)
        });
        if !is_awaited || self.limit.is_some_and(|limit| spent > limit) {
            return false;
        }
        let is_long = spent > AT_ONCE || taken > TAKEN_AT_ONCE;
        if is_long && !self.is_long.replace(true) {
            self.place.set(None);
            let place = Handle::current().block_on(async {
                tokio::select! {
                    place = self.long.take_within(self.source, self.turn) => place,
                    _ = async { caller.as_mut()?.await.ok() } => None,
                }
            });
            self.is_refused.set(place.is_none());
            self.place.set(place);
        }
        self.caller.set(caller);
        !self.is_refused.get()
    }
}

/// Returns a budget for what this thread does from now on, with this limit on its processor time;
/// `None` is no limit.
pub(super) fn budget(limit: Option<Duration>) -> Budget {
    let begun = processor_time();
    Budget::while_true(move || {
        limit.is_none_or(|limit| processor_time().saturating_sub(begun) <= limit)
    })
}

/// Returns the processor time that this thread has used.
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The clock counts up from zero, so neither part is negative.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::budget::TooCostly;
    use std::sync::{Arc, Mutex, mpsc};

    const HERE: [u8; 4] = [192, 0, 2, 1];

    fn source() -> Source {
        Source::at(HERE.into())
    }

    fn places(at_once: usize, long: usize) -> Answers {
        Answers::with_places(None, Permits::new(at_once, at_once, WaiterLimit::default()), long)
    }

    fn too_costly(_: TooCostly) -> ApiError {
        Code::TooCostly.into()
    }

    /// Spends until the budget is used up.
    fn endless(budget: &Budget) -> Result<(), ApiError> {
        while budget.spend(1) {}
        budget.check().map_err(too_costly)
    }

    #[tokio::test]
    async fn what_costs_more_than_its_limit_is_refused() {
        let answers = Answers::new(Some(Duration::from_millis(20)), WaiterLimit::default());
        let refused = answers.make(source(), endless).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::TooCostly));
        assert_eq!(
            answers.make(source(), |budget| Ok(budget.spend(1 << 20))).await.ok(),
            Some(true)
        );
    }

    #[tokio::test]
    async fn work_ends_and_leaves_its_place_when_its_caller_hangs_up() {
        let answers = places(1, 1);
        let (started, has_started) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let mut caller = Box::pin(answers.make(source(), move |budget| {
            started.send(()).ok();
            let done = endless(budget);
            ended.send(()).ok();
            done
        }));
        tokio::select! {
            _ = &mut caller => panic!("it never ends"),
            _ = has_started => {}
        }
        drop(caller);
        has_ended.await.unwrap();
        assert!(answers.make(source(), |_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_cheap_is_made_while_all_places_for_long_answers_are_taken() {
        let answers = places(1, 1);
        let (release, is_released) = mpsc::channel::<()>();
        let (spent, has_spent) = oneshot::channel();
        let long = move |budget: &Budget| {
            let begun = processor_time();
            // Long enough to move to the other places.
            while processor_time() - begun < AT_ONCE * 2 {
                budget.spend(1 << 10);
            }
            budget.spend(1 << 20);
            spent.send(()).ok();
            is_released.recv().ok();
            budget.check().map_err(too_costly)
        };
        let mut costly = Box::pin(answers.make(source(), long));
        tokio::select! {
            _ = &mut costly => panic!("it waits"),
            _ = has_spent => {}
        }
        assert!(answers.make(source(), |_| Ok(())).await.is_ok());
        // Another one starts first, and has to give up the only place.
        let mut another = Box::pin(answers.make(source(), endless));
        tokio::select! {
            biased;
            _ = &mut another => panic!("it waits for the place of the first"),
            cheap = answers.make(source(), |_| Ok(())) => assert!(cheap.is_ok()),
        }
        drop(another);
        release.send(()).unwrap();
        assert!(costly.await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_takes_much_memory_is_a_long_one() {
        let answers = Answers { turn: Duration::from_millis(20), ..places(1, 0) };
        let takes = async |bytes: usize| {
            let work = move |budget: &Budget| {
                budget.take(bytes);
                budget.check().map_err(too_costly)
            };
            answers.make(source(), work).await.map_err(|error| error.code())
        };
        assert_eq!(takes(TAKEN_AT_ONCE).await, Ok(()));
        assert_eq!(takes(TAKEN_AT_ONCE + 1).await, Err(Code::Busy), "no place for it");
    }

    #[tokio::test]
    async fn one_address_never_has_all_places_whatever_its_answers_do() {
        let turn = Duration::from_millis(20);
        let answers = Arc::new(Answers { turn, ..Answers::new(None, WaiterLimit::default()) });
        let (release, is_released) = mpsc::channel::<()>();
        let is_released = Arc::new(Mutex::new(is_released));
        let mut stuck = Vec::new();
        for _ in 1..cores() * 2 {
            let (started, has_started) = oneshot::channel();
            let (answers, is_released) = (answers.clone(), is_released.clone());
            // It asks its budget nothing.
            let work = move |_: &Budget| {
                started.send(()).ok();
                is_released.lock().unwrap().recv().ok();
                Ok(())
            };
            stuck.push(tokio::spawn(async move { answers.make(source(), work).await.is_ok() }));
            has_started.await.unwrap();
        }
        let refused = answers.make(source(), |_| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
        let other = Source::at([192, 0, 2, 2].into());
        assert!(answers.make(other, |_| Ok(())).await.is_ok());
        drop(release);
        for answer in stuck {
            assert!(answer.await.unwrap());
        }
        for (places, one) in [(0, 0), (1, 1), (2, 1), (3, 2), (8, 7)] {
            assert_eq!(all_but_one(places), one);
        }
    }

    #[tokio::test]
    async fn of_answers_that_walk_one_address_has_a_quarter_of_the_places() {
        let walks = Arc::new(Answers {
            turn: Duration::from_millis(20),
            ..Answers::of_walks(WaiterLimit::default())
        });
        let (release, is_released) = mpsc::channel::<()>();
        let is_released = Arc::new(Mutex::new(is_released));
        let quarter = (cores() * 2).div_ceil(4);
        let mut walking = Vec::new();
        for _ in 0..quarter {
            let (started, has_started) = oneshot::channel();
            let (walks, is_released) = (walks.clone(), is_released.clone());
            let walk = move |_: &Budget| {
                started.send(()).ok();
                is_released.lock().unwrap().recv().ok();
                Ok(())
            };
            walking.push(tokio::spawn(async move { walks.make(source(), walk).await.is_ok() }));
            has_started.await.unwrap();
        }
        let refused = walks.make(source(), |_| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
        let other = Source::at([192, 0, 2, 2].into());
        assert!(walks.make(other, |_| Ok(())).await.is_ok());
        drop(release);
        for walk in walking {
            assert!(walk.await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_request_without_a_turn_is_told_to_come_back() {
        for (at_once, long) in [(0, 1), (1, 0)] {
            let turn = Duration::from_millis(20);
            let answers = Answers { turn, ..places(at_once, long) };
            let refused = answers.make(source(), endless).await;
            assert_eq!(refused.map_err(|error| error.code()), Err(Code::Busy));
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let work = |_: &Budget| -> Result<(), ApiError> { panic!("broken") };
        let failed = Answers::new(None, WaiterLimit::default()).make(source(), work).await;
        assert_eq!(failed.map_err(|error| error.code()), Err(Code::Internal));
    }
}
