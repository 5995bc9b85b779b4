//! The actors' shares of the write queue. An actor may use as much as it leaves for others, so
//! nobody fills the queue: neither one that sends a lot, nor a few together.

use std::collections::HashMap;

/// A number of waiting batches, and about how many bytes they take and write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) batches: usize,
    pub(super) bytes: usize,
}

/// What waits, in total and by actor.
pub(super) struct Shares {
    most: Load,
    all: Load,
    of: HashMap<String, Load>,
}

impl Shares {
    /// Returns the shares of a queue for `most`.
    pub(super) fn new(most: Load) -> Self {
        Self { most, all: Load::default(), of: HashMap::new() }
    }

    /// Counts a batch of this many bytes for `actor`. Returns `false` if there is no room for it.
    #[must_use]
    pub(super) fn enter(&mut self, actor: &str, bytes: usize) -> bool {
        let own = self.of.get(actor).copied().unwrap_or_default();
        let may = may_enter(own, self.all, Load { batches: 1, bytes }, self.most);
        if may {
            for load in [&mut self.all, self.of.entry(actor.to_owned()).or_default()] {
                load.batches += 1;
                load.bytes += bytes;
            }
        }
        may
    }

    /// Makes room: a batch of this many bytes of `actor` is done.
    pub(super) fn leave(&mut self, actor: &str, bytes: usize) {
        let Some(own) = self.of.get_mut(actor) else { return };
        for load in [&mut self.all, &mut *own] {
            load.batches -= 1;
            load.bytes -= bytes;
        }
        if own.batches == 0 {
            self.of.remove(actor);
        }
    }
}

/// Returns whether an actor that has `own` of `all` may add `more`. An actor that has nothing may
/// add one batch of any size, so that a large batch of another shuts nobody out.
fn may_enter(own: Load, all: Load, more: Load, most: Load) -> bool {
    let leaves_as_much = |of: fn(&Load) -> usize| {
        of(&own) + of(&more) <= of(&most).saturating_sub(of(&all) + of(&more))
    };
    match own.batches {
        0 => all.batches < most.batches,
        _ => leaves_as_much(|load| load.batches) && leaves_as_much(|load| load.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_as_much_as_is_left_for_others_and_everybody_one_batch() {
        let load = |batches, bytes| Load { batches, bytes };
        let most = load(100, 1000);
        for (own, all, bytes, expected) in [
            (load(49, 0), load(49, 0), 1, true),
            (load(50, 0), load(50, 0), 1, false),
            (load(24, 0), load(74, 0), 1, true),
            (load(25, 0), load(75, 0), 1, false),
            (load(1, 499), load(1, 499), 1, true),
            (load(1, 499), load(1, 499), 2, false),
            (load(1, 100), load(2, 900), 1, false),
            (load(0, 0), load(2, 1200), 9000, true),
            (load(0, 0), load(99, 0), 1, true),
            (load(0, 0), load(100, 0), 1, false),
        ] {
            let may = may_enter(own, all, load(1, bytes), most);
            assert_eq!(may, expected, "{own:?} of {all:?}, and {bytes} bytes more");
        }
    }

    #[test]
    fn who_goes_makes_room() {
        let mut shares = Shares::new(Load { batches: 4, bytes: 1000 });
        assert!(shares.enter("a", 10) && shares.enter("a", 10) && !shares.enter("a", 10));
        assert!(shares.enter("b", 10) && !shares.enter("b", 10), "one is left for others");
        assert!(shares.enter("c", 10) && !shares.enter("d", 10));
        shares.leave("a", 10);
        assert!(shares.enter("d", 10));
        for actor in ["a", "b", "c", "d"] {
            shares.leave(actor, 10);
        }
        assert!(shares.all == Load::default() && shares.of.is_empty());
    }
}
