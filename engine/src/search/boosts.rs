//! Boosts: how much a match in a field counts.
//!
//! All sheets share one index. Its fields are not those of the sheets but a few *slots*, one for
//! each boost that the layout uses.

/// The maximum number of slots in an index.
pub(crate) const MAX_SLOTS: usize = 8;

/// The distinct boosts of a layout, highest first: at least one, at most eight.
#[derive(Debug, Clone, PartialEq)]
pub struct Slots(Box<[f32]>);

/// One slot of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u8);

impl Slot {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Slots {
    /// Returns the slots for these boosts.
    ///
    /// If there are more than eight distinct boosts, the two closest by ratio are merged into the
    /// higher one until eight are left. Boosts that are not positive numbers are ignored. The
    /// result depends only on the set of boosts.
    pub fn new(boosts: impl IntoIterator<Item = f32>) -> Self {
        let mut distinct: Vec<f32> =
            boosts.into_iter().filter(|boost| boost.is_normal() && *boost > 0.0).collect();
        distinct.sort_by(|a, b| b.total_cmp(a));
        distinct.dedup();
        while distinct.len() > MAX_SLOTS {
            let ratio = |at: &usize| distinct[*at] / distinct[at + 1];
            let closest = (0..distinct.len() - 1).min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
            distinct.remove(closest.map_or(MAX_SLOTS, |at| at + 1));
        }
        if distinct.is_empty() {
            distinct.push(1.0);
        }
        Self(distinct.into())
    }

    /// Returns the slot for fields with this boost, or the nearest one by ratio.
    pub fn slot(&self, boost: f32) -> Slot {
        let distance = |other: &f32| (other / boost).ln().abs();
        let nearest = (0..self.0.len())
            .min_by(|a, b| distance(&self.0[*a]).total_cmp(&distance(&self.0[*b])));
        Slot(nearest.map_or(0, |index| index as u8))
    }

    pub(crate) fn boosts(&self) -> &[f32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distinct_boost_has_a_slot() {
        let slots = Slots::new([1.0, 3.0, 1.0, 2.0]);
        assert_eq!(slots.boosts(), [3.0, 2.0, 1.0]);
        assert_eq!([3.0, 2.0, 1.0].map(|boost| slots.slot(boost).index()), [0, 1, 2]);
    }

    #[test]
    fn the_closest_of_too_many_boosts_are_one() {
        let boosts = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 130.0];
        let slots = Slots::new(boosts);
        assert_eq!(slots, Slots::new(boosts.into_iter().rev()));
        assert_eq!(slots.boosts(), [130.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0]);
        assert_eq!(slots.slot(128.0), slots.slot(130.0));
    }

    #[test]
    fn no_boost_at_all_is_one() {
        for none in [vec![], vec![0.0, -1.0, f32::NAN, f32::INFINITY]] {
            assert_eq!(Slots::new(none).boosts(), [1.0]);
        }
    }
}
