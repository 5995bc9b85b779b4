//! Permits that callers share fairly. The next permit goes to the source with the fewest permits,
//! among equals to the one that has waited longest since it got its last, and then to the first that came. A source is
//! an address, or any other key.
//!
//! A caller that needs several permits gets all of them at once and holds none while it waits, so
//! nobody waits for permits that another holds and cannot use. Nobody after it is served first,
//! however few permits that one needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::source::Source;
use super::waiter_limit::WaiterLimit;

/// A number of permits. Cheap to clone.
pub(super) struct Permits<K: Asks = Source>(Arc<Pool<K>>);

/// A key by which permits can be shared.
pub(super) trait Asks: Clone + Ord + Hash + Send + 'static {}

impl<K: Clone + Ord + Hash + Send + 'static> Asks for K {}

struct Pool<K: Asks> {
    /// The total number.
    permits: usize,
    /// The most that one source may have.
    each: usize,
    /// Those who wait for one.
    waiters: WaiterLimit<K>,
    state: Mutex<Holders<K>>,
}

struct Holders<K: Asks> {
    /// The number of callers so far, which numbers them.
    came: u64,
    /// The number of callers that were served after a wait.
    served: u64,
    /// The number of permits taken.
    taken: usize,
    lines: HashMap<K, SourceLine<K>>,
    /// The lines that may get a permit, in this order.
    open: BTreeSet<TurnInLine<K>>,
}

/// What decides which line is next: where there is one permit, nobody holds any while others wait, so the line that
/// was served last comes last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TurnInLine<K> {
    taken: usize,
    served: u64,
    /// Of the first that waits.
    number: u64,
    source: K,
}

/// The permits that one source has and waits for.
struct SourceLine<K: Asks> {
    taken: usize,
    /// When it was served last after a wait, as a number of all that were; zero before that.
    served: u64,
    /// By order of arrival.
    waiting: BTreeMap<u64, Wanted<K>>,
}

/// A number of permits that a caller waits for, and where they go.
struct Wanted<K: Asks> {
    count: usize,
    /// Since when.
    since: Instant,
    sender: oneshot::Sender<Permit<K>>,
}

/// The one that gets the next permit.
pub(super) struct NextInLine<K> {
    pub(super) source: K,
    /// Since when it waits.
    pub(super) since: Instant,
}

/// A permit, or several in one. Dropping it passes it to those who wait.
pub(super) struct Permit<K: Asks = Source> {
    permits: Arc<Pool<K>>,
    source: K,
    count: usize,
}

/// A waiting caller, which leaves its line when this is dropped.
struct Waiting<'a, K: Asks> {
    permits: &'a Arc<Pool<K>>,
    source: K,
    number: u64,
}

impl<K: Asks> Clone for Permits<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Asks> Permits<K> {
    /// Returns the given number of permits, of which one source may have `each`; `waiters` bounds
    /// those who wait.
    pub(super) fn new(permits: usize, each: usize, waiters: WaiterLimit<K>) -> Self {
        let (lines, open) = (HashMap::new(), BTreeSet::new());
        let state = Holders { came: 0, served: 0, taken: 0, lines, open };
        Self(Arc::new(Pool { permits, each, waiters, state: Mutex::new(state) }))
    }

    /// Waits for a permit. Returns `None` if too many wait already.
    pub(super) async fn take(&self, source: K) -> Option<Permit<K>> {
        self.take_many(source, 1).await
    }

    /// Waits for `count` permits, all at once; `count` must not exceed what one source may have.
    pub(super) async fn take_many(&self, source: K, count: usize) -> Option<Permit<K>> {
        let Self(permits) = self;
        if permits.lock().takes_at_once(&source, count, permits) {
            return Some(Permit { permits: permits.clone(), source, count });
        }
        let member = permits.waiters.join(source.clone())?;
        let (sender, mut granted) = oneshot::channel();
        let number = permits.lock().join(
            &source,
            Wanted { count, since: Instant::now(), sender },
            permits.each,
        );
        // Declared after the channel, and so dropped before it: nobody is given permits that it
        // cannot take.
        let _waiting = Waiting { permits, source, number };
        permits.grant();
        tokio::select! {
            biased;
            permit = &mut granted => permit.ok(),
            () = member.was_sent_away() => None,
        }
    }

    /// Returns who gets the next permit, once its source may have one; `None` if nobody waits. Costs a look at all
    /// sources where none of those that wait may have another one.
    pub(super) fn next_in_line(&self) -> Option<NextInLine<K>> {
        let state = self.0.lock();
        let next = state.open.first().map(|turn| &turn.source);
        let waits = || state.lines.iter().find(|(_, line)| !line.waiting.is_empty());
        let source = next.or_else(|| waits().map(|(source, _)| source))?;
        let (_, Wanted { since, .. }) = state.lines.get(source)?.waiting.first_key_value()?;
        Some(NextInLine { source: source.clone(), since: *since })
    }

    /// Waits for a permit, for `patience` at most.
    pub(super) async fn take_within(&self, source: K, patience: Duration) -> Option<Permit<K>> {
        tokio::time::timeout(patience, self.take(source)).await.ok().flatten()
    }
}

impl<K: Asks> Permit<K> {
    /// Returns whether somebody waits who gets this permit as soon as it is released.
    pub(super) fn is_wanted(&self) -> bool {
        let state = self.permits.lock();
        let own = state.lines.get(&self.source);
        !state.open.is_empty() || own.is_some_and(|line| !line.waiting.is_empty())
    }

    /// Returns the number of permits that its source has, with this one.
    pub(super) fn held(&self) -> usize {
        self.permits.lock().lines.get(&self.source).map_or(0, |line| line.taken)
    }
}

impl<K: Asks> Pool<K> {
    /// Gives free permits to those who wait.
    fn grant(self: &Arc<Self>) {
        loop {
            let next = self.lock().next(self.permits, self.each);
            let Some((source, Wanted { count, sender, .. })) = next else { return };
            // The caller may have gone; then the permit is free again when it is dropped here.
            drop(sender.send(Permit { permits: self.clone(), source, count }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Holders<K>> {
        // The state is consistent after every statement, so a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Asks> Holders<K> {
    /// Takes `count` permits for `source` if they are free and nobody waits for them.
    fn takes_at_once(&mut self, source: &K, count: usize, of: &Pool<K>) -> bool {
        let own = self.lines.get(source);
        let has = own.map_or(0, |line| line.taken);
        let is_first = self.open.is_empty() && own.is_none_or(|line| line.waiting.is_empty());
        let may = self.taken + count <= of.permits && has + count <= of.each && is_first;
        if may {
            self.taken += count;
            self.change(source, of.each, |line| line.taken += count);
        }
        may
    }

    /// Adds a waiting caller, and returns the number by which it leaves.
    fn join(&mut self, source: &K, wanted: Wanted<K>, each: usize) -> u64 {
        self.came += 1;
        let number = self.came;
        self.change(source, each, |line| drop(line.waiting.insert(number, wanted)));
        number
    }

    /// Removes the next waiting caller. Counts the permits that it is to have. Returns `None` if these are not
    /// free yet.
    fn next(&mut self, permits: usize, each: usize) -> Option<(K, Wanted<K>)> {
        let TurnInLine { number, source, .. } = self.open.first()?.clone();
        let count = self.lines.get(&source)?.waiting.get(&number)?.count;
        if self.taken + count > permits {
            return None;
        }
        self.served += 1;
        let served = self.served;
        let wanted = self.change(&source, each, |line| {
            line.taken += count;
            line.served = served;
            line.waiting.remove(&number)
        })?;
        self.taken += count;
        Some((source, wanted))
    }

    /// Changes the line of `source`, and keeps the order of the open lines.
    fn change<T>(
        &mut self,
        source: &K,
        each: usize,
        change: impl FnOnce(&mut SourceLine<K>) -> T,
    ) -> T {
        let empty = SourceLine { taken: 0, served: 0, waiting: BTreeMap::new() };
        let line = self.lines.entry(source.clone()).or_insert(empty);
        let turn = |line: &SourceLine<K>| {
            let (number, wanted) = line.waiting.first_key_value()?;
            let is_open = line.taken + wanted.count <= each;
            let SourceLine { taken, served, .. } = *line;
            is_open.then(|| TurnInLine { taken, served, number: *number, source: source.clone() })
        };
        if let Some(turn) = turn(line) {
            self.open.remove(&turn);
        }
        let changed = change(line);
        match turn(line) {
            Some(turn) => drop(self.open.insert(turn)),
            None if line.taken == 0 && line.waiting.is_empty() => drop(self.lines.remove(source)),
            None => {}
        }
        changed
    }
}

impl<K: Asks> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        let each = self.permits.each;
        // The content of the channel is dropped without the lock, which the drop of a permit takes.
        let permit = self
            .permits
            .lock()
            .change(&self.source, each, |line| line.waiting.remove(&self.number));
        drop(permit);
        // Others may have waited after this one for fewer permits than it needed.
        self.permits.grant();
    }
}

impl<K: Asks> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        state.taken -= self.count;
        state.change(&self.source, self.permits.each, |line| line.taken -= self.count);
        drop(state);
        self.permits.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    /// Returns how many permits the sources have.
    fn taken(permits: &Permits) -> Vec<usize> {
        let state = permits.0.lock();
        (1..=3).map(|last| state.lines.get(&source(last)).map_or(0, |line| line.taken)).collect()
    }

    type Asked<'a> = Pin<Box<dyn Future<Output = Option<Permit>> + 'a>>;

    /// Asks for a permit, and waits for it as long as the returned value is kept.
    fn ask(permits: &Permits, last: u8) -> Asked<'_> {
        let mut asked: Asked<'_> = Box::pin(permits.take(source(last)));
        match poll(&mut asked) {
            Poll::Pending => asked,
            Poll::Ready(permit) => Box::pin(std::future::ready(permit)),
        }
    }

    fn poll(asked: &mut Asked<'_>) -> Poll<Option<Permit>> {
        asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_source_never_has_all_places_and_the_one_with_the_fewest_goes_next() {
        let permits = Permits::new(3, 2, WaiterLimit::default());
        let mut first: Vec<_> = (0..5).map(|_| ask(&permits, 1)).collect();
        assert_eq!(taken(&permits), [2, 0, 0], "the third permit is for others");
        let second = ask(&permits, 2);
        assert_eq!(taken(&permits), [2, 1, 0]);
        let third = ask(&permits, 3);
        drop(first.remove(0));
        assert_eq!(taken(&permits), [1, 1, 1], "a later source without a permit is first");
        drop(second);
        assert_eq!(taken(&permits), [2, 0, 1]);
        drop((first, third));
        assert_eq!(taken(&permits), [0; 3], "a caller that has gone is skipped");
        let state = permits.0.lock();
        assert!(state.lines.is_empty() && state.open.is_empty() && state.taken == 0);
    }

    #[test]
    fn sources_take_turns_where_there_is_one_place_however_many_of_one_wait() {
        let permits = Permits::new(1, 1, WaiterLimit::default());
        let mut busy: Vec<_> = (0..4).map(|_| ask(&permits, 1)).collect();
        let Poll::Ready(Some(first)) = poll(&mut busy[0]) else { panic!("it is free") };
        drop(first);
        let Poll::Ready(Some(second)) = poll(&mut busy[1]) else { panic!("nobody else waits") };
        let mut other = ask(&permits, 2);
        drop(second);
        let Poll::Ready(Some(other)) = poll(&mut other) else { panic!("the busy one had a turn") };
        assert!(poll(&mut busy[2]).is_pending());
        drop(other);
        assert!(poll(&mut busy[2]).is_ready());
    }

    #[test]
    fn who_needs_several_gets_all_of_them_or_waits_without_any_and_is_not_passed_over() {
        let permits = Permits::new(4, 4, WaiterLimit::default());
        let several = |last: u8, count| {
            let mut asked: Asked<'_> = Box::pin(permits.take_many(source(last), count));
            let permit = match poll(&mut asked) {
                Poll::Pending => None,
                Poll::Ready(permit) => permit,
            };
            (permit, asked)
        };
        let (first, _) = several(1, 3);
        assert_eq!(taken(&permits), [3, 0, 0]);
        let (none, mut second) = several(2, 4);
        assert!(none.is_none() && taken(&permits) == [3, 0, 0], "it holds none while it waits");
        let (none, mut third) = several(3, 1);
        assert!(none.is_none(), "the first to come is not skipped");
        drop(first);
        let Poll::Ready(Some(second)) = poll(&mut second) else { panic!("it was granted") };
        assert_eq!(taken(&permits), [0, 4, 0]);
        drop(second);
        assert!(poll(&mut third).is_ready());
        // A caller that waits for many and leaves lets those who need fewer have what is free.
        let (_held, _) = several(1, 3);
        let (none, many) = several(2, 2);
        let (late, mut one) = several(3, 1);
        assert!(none.is_none() && late.is_none());
        drop(many);
        assert!(poll(&mut one).is_ready());
    }

    #[tokio::test]
    async fn a_place_is_wanted_by_who_would_get_it() {
        let permits = Permits::new(3, 1, WaiterLimit::default());
        let first = permits.take(source(1)).await.unwrap();
        let mut again = ask(&permits, 1);
        assert!(poll(&mut again).is_pending(), "it has its share");
        let second = permits.take(source(2)).await.unwrap();
        assert!(first.is_wanted() && !second.is_wanted());
        drop(second);
        assert!(poll(&mut again).is_pending());
        drop(first);
        let Poll::Ready(Some(first)) = poll(&mut again) else { panic!("it was granted") };
        let held = [permits.take(source(2)).await, permits.take(source(3)).await];
        assert_eq!(first.held(), 1);
        let waits = ask(&permits, 4);
        assert!(first.is_wanted(), "all are taken, and another source has none");
        drop((waits, held, first, again));
        let state = permits.0.lock();
        assert!(state.lines.is_empty() && state.open.is_empty() && state.taken == 0);
    }

    #[tokio::test]
    async fn who_waits_is_bounded_in_time_and_in_number() {
        let permits = Permits::new(1, 1, WaiterLimit::new(3, 2));
        let held = ask(&permits, 1);
        assert!(permits.take_within(source(2), Duration::ZERO).await.is_none());
        let [first, mut last] = [ask(&permits, 1), ask(&permits, 1)];
        assert!(permits.take(source(1)).await.is_none(), "two of one address wait");
        let other = ask(&permits, 2);
        assert!(poll(&mut last).is_pending());
        let third = ask(&permits, 3);
        assert!(
            matches!(poll(&mut last), Poll::Ready(None)),
            "it gives its place to an address with none"
        );
        assert!(permits.take(source(4)).await.is_none(), "three wait in all, of one address each");
        drop((first, last, other, third));
        assert!(poll(&mut ask(&permits, 1)).is_pending(), "a caller that has gone is not counted");
        drop(held);
        assert!(permits.take_within(source(2), Duration::ZERO).await.is_some());
    }
}
