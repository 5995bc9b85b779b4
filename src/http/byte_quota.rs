//! A budget for the bytes that callers make the server hold, in total and per caller.
//!
//! A budget may be *shared*: once it is full, the caller that holds the most loses everything, so that one
//! who asks for no more than its fair share always gets it, whoever came first. Where bytes cannot be taken
//! back, one caller may have half as much as it leaves to the others, so it is never full.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// A budget of bytes. Cheap to clone.
#[derive(Debug)]
pub(super) struct ByteQuota<K: Eq + Hash + Clone>(Arc<Quota<K>>);

#[derive(Debug)]
struct Quota<K> {
    limits: Limits,
    taken: Mutex<Taken<K>>,
}

/// How many bytes there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For all callers.
    all: usize,
    each: Each,
}

/// How many bytes one caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Each {
    /// Half as many as it leaves to others.
    HalfOfTheRest,
    /// So many. If there is no room, one within its fair share gets it from who holds the most.
    Shared(usize),
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    /// Those who hold bytes.
    of: HashMap<K, Holding>,
}

/// What one caller holds.
#[derive(Debug)]
struct Holding {
    bytes: usize,
    /// Cancelled once the caller has lost them.
    lost: CancellationToken,
}

/// What becomes of a request for bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<K> {
    /// There is room for it.
    Granted,
    /// There is no room for it.
    Refused,
    /// It is granted, and this caller loses all that it holds.
    GrantedFrom(K),
}

/// The bytes that one caller holds, until this is dropped or it loses them.
#[derive(Debug)]
pub(super) struct QuotaShare<K: Eq + Hash + Clone> {
    room: ByteQuota<K>,
    caller: K,
    bytes: usize,
    /// That of the holding in which the bytes are; `None` if there are none yet.
    lost: Option<CancellationToken>,
}

impl Limits {
    /// Returns those of a budget of `all` bytes, of which one caller may have `each`. A caller within its fair
    /// share gets what it asks for.
    pub(super) const fn shared(all: usize, each: usize) -> Self {
        Self { all, each: Each::Shared(each) }
    }

    /// Decides on a request of `caller` for `bytes` more, when these callers hold so many bytes.
    ///
    /// The fair share is an equal part of everything. Whoever holds the most holds more than that, if there
    /// is no room for a request within it. So what it loses is enough.
    ///
    /// A caller that leaves twice as much as it takes leaves a part of it to each one that does the same.
    pub(super) fn verdict<'k, K: Eq + 'k>(
        &self,
        holders: impl Iterator<Item = (&'k K, usize)> + Clone,
        caller: &K,
        bytes: usize,
    ) -> Verdict<&'k K> {
        let own = holders.clone().find(|(holder, _)| *holder == caller);
        let own = own.map_or(0, |(_, held)| held).saturating_add(bytes);
        let others = holders.clone().filter(|(holder, _)| *holder != caller);
        let all = others.clone().map(|(_, held)| held).sum::<usize>().saturating_add(own);
        let fair = self.all / (others.clone().count() + 1);
        let most = others.max_by_key(|(_, held)| *held);
        match (self.each, most) {
            (Each::HalfOfTheRest, _) => match own.saturating_mul(2).saturating_add(all) {
                needed if needed <= self.all => Verdict::Granted,
                _ => Verdict::Refused,
            },
            (Each::Shared(each), _) if own > each => Verdict::Refused,
            (Each::Shared(_), _) if all <= self.all => Verdict::Granted,
            (Each::Shared(_), Some((most, _))) if own <= fair => Verdict::GrantedFrom(most),
            (Each::Shared(_), _) => Verdict::Refused,
        }
    }
}

impl<K: Eq + Hash + Clone> Clone for ByteQuota<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> ByteQuota<K> {
    /// Returns room for `all` bytes, of which one caller may have half as many as it leaves to others: the
    /// first a third of all.
    pub(super) fn halving(all: usize) -> Self {
        Self::of(Limits { all, each: Each::HalfOfTheRest })
    }

    /// Returns room for `all` bytes, of which one caller may have `each`. A caller within its fair share
    /// always gets what it asks for.
    pub(super) fn shared(all: usize, each: usize) -> Self {
        Self::of(Limits::shared(all, each))
    }

    fn of(limits: Limits) -> Self {
        let taken = Mutex::new(Taken { all: 0, of: HashMap::new() });
        Self(Arc::new(Quota { limits, taken }))
    }

    /// Returns the share of `caller`, which is empty at first.
    pub(super) fn enter(&self, caller: K) -> QuotaShare<K> {
        QuotaShare { room: self.clone(), caller, bytes: 0, lost: None }
    }

    /// Returns how many bytes are taken.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        // The numbers are consistent after every statement, so a poisoned lock holds usable ones.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Taken<K> {
    /// Takes everything from a caller.
    fn take_back(&mut self, caller: &K) {
        if let Some(Holding { bytes, lost }) = self.of.remove(caller) {
            self.all -= bytes;
            lost.cancel();
        }
    }

    /// Gives `bytes` to a caller, and returns the mark of its holding.
    fn give(&mut self, caller: &K, bytes: usize) -> CancellationToken {
        let new = || Holding { bytes: 0, lost: CancellationToken::new() };
        let holding = self.of.entry(caller.clone()).or_insert_with(new);
        holding.bytes += bytes;
        self.all += bytes;
        holding.lost.clone()
    }
}

impl<K: Eq + Hash + Clone> QuotaShare<K> {
    /// Takes `bytes` more, or none if there is no room for all of them or the share is lost. Returns
    /// whether it did. Linear in the callers that hold some.
    #[must_use]
    pub(super) fn grows(&mut self, bytes: usize) -> bool {
        let mut taken = self.room.taken();
        if self.is_lost() {
            return false;
        }
        let holders = taken.of.iter().map(|(caller, holding)| (caller, holding.bytes));
        match self.room.0.limits.verdict(holders, &self.caller, bytes) {
            Verdict::Refused => return false,
            Verdict::Granted => {}
            Verdict::GrantedFrom(other) => {
                let other = other.clone();
                taken.take_back(&other);
            }
        }
        let lost = taken.give(&self.caller, bytes);
        drop(taken);
        self.bytes += bytes;
        self.lost = Some(lost);
        true
    }

    /// Waits until the bytes are taken back. What holds them must be dropped at once then.
    pub(super) async fn lost(&self) {
        match &self.lost {
            Some(lost) => lost.cancelled().await,
            None => std::future::pending().await,
        }
    }

    fn is_lost(&self) -> bool {
        self.lost.as_ref().is_some_and(CancellationToken::is_cancelled)
    }
}

impl<K: Eq + Hash + Clone> Drop for QuotaShare<K> {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        // They are taken back under the same lock.
        if self.is_lost() {
            return;
        }
        taken.all -= self.bytes;
        if let Some(of) = taken.of.get_mut(&self.caller) {
            of.bytes -= self.bytes;
            if of.bytes == 0 {
                taken.of.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_all_that_it_gets_leaves_room_for_one_who_holds_nothing() {
        let room = ByteQuota::halving(90);
        let (mut one, mut again) = (room.enter(1), room.enter(1));
        assert!(one.grows(20) && !again.grows(11), "both are one caller");
        assert!(again.grows(10) && !one.grows(1), "a third of all");
        let mut others = Vec::new();
        for (caller, most) in [(2, 20), (3, 13), (4, 9), (5, 6)] {
            let mut other = room.enter(caller);
            assert!(!other.grows(most + 1) && other.grows(most) && !other.grows(1), "{caller}");
            others.push(other);
        }
        drop(one);
        assert!(again.grows(1), "who goes makes room");
        drop((again, others));
        assert!(room.taken().all == 0 && room.taken().of.is_empty());
    }

    #[test]
    fn who_asks_for_its_fair_share_gets_it_from_who_holds_the_most() {
        let sharing = Limits { all: 96, each: Each::Shared(32) };
        let full: &[(char, usize)] = &[('a', 32), ('b', 31), ('c', 33)];
        for (limits, holders, bytes, expected) in [
            (sharing, &[][..], 32, Verdict::Granted),
            (sharing, &[], 33, Verdict::Refused),
            (sharing, &[('a', 32), ('b', 32)], 32, Verdict::Granted),
            (sharing, full, 1, Verdict::GrantedFrom('c')),
            (sharing, full, 24, Verdict::GrantedFrom('c')),
            (sharing, full, 25, Verdict::Refused),
            (sharing, &[('a', 41), ('b', 40), ('x', 10)], 22, Verdict::GrantedFrom('a')),
            (sharing, &[('a', 41), ('b', 40), ('x', 10)], 6, Verdict::GrantedFrom('a')),
            // Who asks is never the one who loses.
            (
                sharing,
                &[('a', 20), ('b', 20), ('c', 20), ('d', 20), ('x', 16)],
                1,
                Verdict::GrantedFrom('d'),
            ),
            (sharing, &[('a', 20), ('b', 20), ('c', 20), ('x', 30)], 10, Verdict::Refused),
            (sharing, &[('x', 32)], 1, Verdict::Refused),
        ] {
            let held = holders.iter().map(|(caller, bytes)| (caller, *bytes));
            let verdict = limits.verdict(held.clone(), &'x', bytes);
            assert_eq!(verdict, of_ref(&expected), "{bytes} of {limits:?} behind {holders:?}");
            if let Verdict::GrantedFrom(from) = verdict {
                let lost = held.clone().find(|(caller, _)| *caller == from).unwrap().1;
                let all: usize = held.map(|(_, bytes)| bytes).sum();
                assert!(all - lost + bytes <= limits.all, "what is lost is enough");
            }
        }
    }

    fn of_ref(verdict: &Verdict<char>) -> Verdict<&char> {
        match verdict {
            Verdict::Granted => Verdict::Granted,
            Verdict::Refused => Verdict::Refused,
            Verdict::GrantedFrom(from) => Verdict::GrantedFrom(from),
        }
    }

    #[tokio::test]
    async fn all_shares_of_who_loses_are_lost_and_it_may_come_again() {
        let room = ByteQuota::shared(90, 60);
        let mut greedy = [room.enter(1), room.enter(1)];
        assert!(greedy.iter_mut().all(|share| share.grows(30)));
        let (mut second, mut new) = (room.enter(2), room.enter(3));
        assert!(second.grows(30) && new.grows(10));
        for share in &mut greedy {
            share.lost().await;
            assert!(!share.grows(1));
        }
        assert_eq!(room.used(), 40);
        let mut again = room.enter(1);
        assert!(again.grows(20) && !second.is_lost());
        drop(greedy);
        assert_eq!(room.used(), 60, "what is lost is given back once");
        drop((second, new, again));
        assert!(room.taken().all == 0 && room.taken().of.is_empty());
    }
}
