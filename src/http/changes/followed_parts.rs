//! The parts of all records that callers follow or wait for. Each is kept once, for all who ask for
//! it. All together take a bounded number of bytes, of which one address may have half as many as it
//! leaves to the others. So however many take all that they get, there is room for another one.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::source::Source;
use crate::wire::Watched;

/// The most bytes that they take in all.
const MOST: usize = 64 << 20;

/// The parts that are followed and waited for.
#[derive(Debug)]
pub(super) struct Parts {
    most: usize,
    state: Mutex<PartsState>,
}

#[derive(Debug, Default)]
struct PartsState {
    /// The bytes that all take.
    all: usize,
    /// The bytes that the parts and requests of one address take.
    of: HashMap<Source, usize>,
    /// Parts by name.
    kept: HashMap<String, FollowedPart>,
}

/// A part that somebody follows.
#[derive(Debug)]
struct FollowedPart {
    watched: Arc<Watched>,
    weight: usize,
    /// The number of its followers, by address.
    holders: HashMap<Source, usize>,
}

/// A part that is followed, until this is dropped.
#[derive(Debug)]
pub(super) struct Part {
    parts: Arc<Parts>,
    source: Source,
    /// The bytes that its follower takes in addition.
    own: usize,
    watched: Arc<Watched>,
}

impl Default for Parts {
    fn default() -> Self {
        Self::within(MOST)
    }
}

impl Parts {
    /// Returns room for `most` bytes.
    fn within(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Keeps `watched`, or an equal part that is kept already, for a follower from `source` that
    /// takes `own` bytes in addition. Returns `None` if there is no room for it.
    pub(super) fn keep(
        self: &Arc<Self>,
        watched: Watched,
        source: Source,
        own: usize,
    ) -> Option<Part> {
        let mut state = self.state();
        let kept = state.kept.get(watched.name());
        let weight = kept.map_or_else(|| watched.weight(), |kept| kept.weight);
        let is_first = kept.is_none();
        let is_first_of_source = kept.is_none_or(|kept| !kept.holders.contains_key(&source));
        let more = own + if is_first { weight } else { 0 };
        let more_of_source = own + if is_first_of_source { weight } else { 0 };
        let of_source = state.of.get(&source).copied().unwrap_or(0);
        let (all, of_source) = (state.all + more, of_source + more_of_source);
        if all + 2 * of_source > self.most {
            return None;
        }
        state.all = all;
        state.of.insert(source, of_source);
        let name = watched.name().to_owned();
        let new = || FollowedPart { watched: Arc::new(watched), weight, holders: HashMap::new() };
        let kept = state.kept.entry(name).or_insert_with(new);
        *kept.holders.entry(source).or_default() += 1;
        let watched = kept.watched.clone();
        drop(state);
        Some(Part { parts: self.clone(), source, own, watched })
    }

    fn state(&self) -> MutexGuard<'_, PartsState> {
        // Nothing between the statements that change it can panic, so a poisoned lock holds a
        // consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartsState {
    /// Removes one follower of the part called `name`.
    fn leave(&mut self, name: &str, source: Source, own: usize) {
        let Some(kept) = self.kept.get_mut(name) else { return };
        let (mut less, mut less_of_source) = (own, own);
        let left = kept.holders.get_mut(&source).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            kept.holders.remove(&source);
            less_of_source += kept.weight;
        }
        if kept.holders.is_empty() {
            less += kept.weight;
            self.kept.remove(name);
        }
        self.all -= less;
        if let Some(of) = self.of.get_mut(&source) {
            *of -= less_of_source;
            if *of == 0 {
                self.of.remove(&source);
            }
        }
    }
}

impl Deref for Part {
    type Target = Arc<Watched>;

    fn deref(&self) -> &Self::Target {
        &self.watched
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.parts.state().leave(self.watched.name(), self.source, self.own);
    }
}

#[cfg(test)]
mod tests {
    use super::super::delta_text::tests::watching;
    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    #[test]
    fn what_many_follow_is_kept_once_and_what_each_takes_by_himself_is_counted() {
        let weight = watching(&["people"]).weight();
        let parts = Arc::new(Parts::within(4 * weight + 400));
        let first = parts.keep(watching(&["people"]), source(1), 1).unwrap();
        let many: Vec<_> = (0..100)
            .map(|n| parts.keep(watching(&["people"]), source(n % 3), 1).unwrap())
            .collect();
        assert!(many.iter().all(|part| Arc::ptr_eq(part, &first)));
        assert_eq!(parts.state().all, weight + 101);
        assert!(
            parts.keep(watching(&["people"]), source(9), weight).is_none(),
            "its own bytes exceed the limit"
        );
        drop((first, many));
        let state = parts.state();
        assert!(state.all == 0 && state.of.is_empty() && state.kept.is_empty());
    }

    #[test]
    fn each_address_leaves_something_to_the_next() {
        let weight = watching(&["a"]).weight();
        let parts = Arc::new(Parts::within(9 * weight));
        let keep = |sheet: &str, last| parts.keep(watching(&[sheet]), source(last), 0);
        let mut kept = Vec::new();
        for (last, sheets, too_much) in [
            (1, &["a", "b", "c"][..], "d"),
            (2, &["d", "e"], "f"),
            (3, &["f"], "g"),
            (4, &["g"], "h"),
        ] {
            kept.extend(sheets.iter().map(|sheet| keep(sheet, last).unwrap()));
            assert!(keep(too_much, last).is_none(), "{last}");
        }
        assert!(keep("g", 3).is_none(), "a part of others counts for an address, too");
        kept.drain(..2);
        assert!(keep("a", 9).is_some() && keep("g", 3).is_some());
        drop(kept);
        let state = parts.state();
        assert!(state.all == 0 && state.of.is_empty() && state.kept.is_empty());
    }
}
