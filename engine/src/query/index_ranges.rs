//! Parts of an index: the values that let a record pass, as ranges.

use std::cmp::Ordering;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds as _;

use smallvec::SmallVec;

use crate::index::{FieldIndex, Postings};
use crate::scalar::Scalar;

/// A value of a field and the records that hold it.
pub(crate) type IndexEntry<'a> = (&'a Scalar, &'a Postings);

/// The bounds of a range.
pub(crate) type Range = (Bound<Scalar>, Bound<Scalar>);

/// Ranges of values, sorted and disjoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranges(SmallVec<[Range; 1]>);

impl Ranges {
    /// Returns the range of all values.
    pub(crate) fn all() -> Self {
        Self::from_iter([(Unbounded, Unbounded)])
    }

    /// Returns the ranges of exactly these values.
    pub(crate) fn points(values: impl IntoIterator<Item = Scalar>) -> Self {
        let mut values: SmallVec<[Scalar; 3]> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        values.into_iter().map(|value| (Included(value.clone()), Included(value))).collect()
    }

    /// Returns these ranges sorted and without duplicates. Any two of them must be equal or
    /// disjoint.
    pub(crate) fn apart(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut ranges: SmallVec<[Range; 3]> = ranges.into_iter().collect();
        ranges.sort_unstable_by(|a, b| compare_begins(&a.0, &b.0));
        ranges.dedup();
        ranges.into_iter().collect()
    }

    /// Returns the bounds of each range, in order.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether a value is in one of them. Linear in the ranges.
    pub(crate) fn contain(&self, value: &Scalar) -> bool {
        self.0.iter().any(|(begin, end)| (begin.as_ref(), end.as_ref()).contains(value))
    }

    /// Returns the values that are in both. Linear in the ranges of both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = SmallVec::new();
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let begin = if compare_begins(&a.0, &b.0).is_ge() { &a.0 } else { &b.0 };
            let a_ends_first = compare_ends(&a.1, &b.1).is_le();
            let end = if a_ends_first { &a.1 } else { &b.1 };
            if !is_empty(begin, end) {
                both.push((begin.clone(), end.clone()));
            }
            // The range that ends first cannot overlap the next one.
            let behind = if a_ends_first { &mut ours } else { &mut theirs };
            behind.next();
        }
        Self(both)
    }

    /// Returns the values that `index` has in these ranges, in order, each with its records.
    pub(crate) fn entries<'a>(
        &self,
        index: &'a FieldIndex,
    ) -> impl DoubleEndedIterator<Item = IndexEntry<'a>> {
        self.0.iter().flat_map(|(begin, end)| index.range((begin.as_ref(), end.as_ref())))
    }
}

impl FromIterator<Range> for Ranges {
    /// Collects sorted ranges, leaving out those that are empty.
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        Self(ranges.into_iter().filter(|(begin, end)| !is_empty(begin, end)).collect())
    }
}

/// Returns whether no value is within the bounds.
fn is_empty(begin: &Bound<Scalar>, end: &Bound<Scalar>) -> bool {
    match (begin, end) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(begin), Included(end)) => begin > end,
        (Included(begin) | Excluded(begin), Included(end) | Excluded(end)) => begin >= end,
    }
}

fn compare_begins(a: &Bound<Scalar>, b: &Bound<Scalar>) -> Ordering {
    compare(a, b, Ordering::Less)
}

fn compare_ends(a: &Bound<Scalar>, b: &Bound<Scalar>) -> Ordering {
    compare(a, b, Ordering::Greater)
}

/// Compares two bounds. An unbounded one is `outermost`; of two bounds at one value, the inclusive
/// one is.
fn compare(a: &Bound<Scalar>, b: &Bound<Scalar>, outermost: Ordering) -> Ordering {
    let parts = |bound| match bound {
        Unbounded => None,
        Included(value) => Some((value, false)),
        Excluded(value) => Some((value, true)),
    };
    match (parts(a.as_ref()), parts(b.as_ref())) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => outermost,
        (Some(_), None) => outermost.reverse(),
        (Some((a, a_open)), Some((b, b_open))) => {
            let openness = a_open.cmp(&b_open);
            a.cmp(b).then(if outermost.is_lt() { openness } else { openness.reverse() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Key;
    use crate::scalar::Number;
    use proptest::prelude::*;

    fn scalar(value: u64) -> Scalar {
        Scalar::Number(Number::Natural(value))
    }

    fn any_bound() -> impl Strategy<Value = Bound<Scalar>> {
        prop_oneof![
            1 => Just(Unbounded),
            3 => (0..12_u64).prop_map(|value| Included(scalar(value))),
            3 => (0..12_u64).prop_map(|value| Excluded(scalar(value))),
        ]
    }

    fn any_ranges() -> impl Strategy<Value = Ranges> {
        prop_oneof![
            (any_bound(), any_bound()).prop_map(|range| Ranges::from_iter([range])),
            prop::collection::vec(0..12_u64, 0..6)
                .prop_map(|values| Ranges::points(values.into_iter().map(scalar))),
        ]
    }

    fn values(ranges: &Ranges, index: &FieldIndex) -> Vec<Scalar> {
        ranges.entries(index).map(|(value, _)| value.clone()).collect()
    }

    proptest! {
        #[test]
        fn an_intersection_holds_what_both_hold(a in any_ranges(), b in any_ranges()) {
            let mut index = FieldIndex::default();
            (0..12).for_each(|value| index.insert(&Key::new(value.to_string()), &[scalar(value)]));
            let (in_a, in_b) = (values(&a, &index), values(&b, &index));
            let both: Vec<_> = in_a.into_iter().filter(|value| in_b.contains(value)).collect();
            prop_assert_eq!(values(&a.intersection(&b), &index), both);
        }
    }
}
