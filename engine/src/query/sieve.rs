//! All conditions of a list at once, for records whose values must be read.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::query::filter::Filter;
use crate::query::parse::MAX_FILTERS;
use crate::query::ranges::Ranges;
use crate::scalar::{Scalar, Stored};
use crate::value::{FieldPath, Paths, Value};

/// A bit for each condition.
type Conditions = u64;

const _: () = assert!(MAX_FILTERS <= Conditions::BITS as usize);

/// Conditions that a value is tested for in one pass over its text.
///
/// The values of a field fall into bands between the places where some condition begins or ends to
/// hold; so one search tells of a value which of any number of conditions and alternatives it
/// fulfils.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sieve {
    paths: Paths,
    /// For each of the paths.
    bands: Vec<Bands>,
    /// The conditions that a value must fulfil. It must not fulfil any other.
    wanted: Conditions,
}

/// The values of a field, cut into bands in each of which the same conditions hold.
#[derive(Debug, Clone)]
struct Bands {
    cuts: Vec<Cut>,
    /// What holds before each of the cuts, and behind the last.
    held: Vec<Conditions>,
}

/// A place in the order of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    value: Scalar,
    /// Whether it is behind the value, and not before it.
    is_behind: bool,
}

impl Sieve {
    /// Returns the sieve that lets pass what all of `filters` do: at most 64.
    ///
    /// Costs a sort of the alternatives of all of them.
    pub(crate) fn new<'f>(filters: impl IntoIterator<Item = &'f Filter>) -> Self {
        let mut by_field: BTreeMap<&FieldPath, Vec<(Conditions, Ranges)>> = BTreeMap::new();
        let mut wanted = 0;
        for (at, filter) in filters.into_iter().enumerate() {
            let condition = 1 << at;
            if !filter.is_negated() {
                wanted |= condition;
            }
            by_field.entry(&filter.field).or_default().push((condition, filter.values()));
        }
        let paths = Paths::new(by_field.keys().copied());
        let bands = by_field.into_values().map(|ranges| Bands::new(&ranges)).collect();
        Self { paths, bands, wanted }
    }

    /// Says whether a value fulfils all conditions. A field with several values fulfils one if any
    /// of them does. Linear in the text.
    pub(crate) fn passes(&self, value: &Value) -> bool {
        let mut held = 0;
        self.paths.visit(value, &mut |place, json| {
            if let Some(stored) = Stored::read(json) {
                held |= self.bands[place].held_by(&stored);
            }
        });
        held == self.wanted
    }
}

impl Bands {
    fn new(conditions: &[(Conditions, Ranges)]) -> Self {
        let (mut first, mut changes) = (0, BTreeMap::<Cut, Conditions>::new());
        // The ranges of a condition are apart from each other, so at each of their ends it changes
        // whether it holds, and at an end that is a beginning, too, it does not.
        for (condition, ranges) in conditions {
            for (begin, end) in ranges.bounds() {
                match Cut::at(begin, true) {
                    Some(cut) => *changes.entry(cut).or_default() ^= condition,
                    None => first ^= condition,
                }
                if let Some(cut) = Cut::at(end, false) {
                    *changes.entry(cut).or_default() ^= condition;
                }
            }
        }
        let mut held = vec![first];
        held.extend(changes.values().scan(first, |held, change| {
            *held ^= change;
            Some(*held)
        }));
        Self { cuts: changes.into_keys().collect(), held }
    }

    fn held_by(&self, value: &Stored<'_>) -> Conditions {
        let before = self.cuts.partition_point(|cut| {
            let order = Stored::from(&cut.value).cmp(value);
            order.is_lt() || order.is_eq() && !cut.is_behind
        });
        self.held[before]
    }
}

impl Cut {
    /// Returns where a range begins or ends; `None` where it has no bound.
    fn at(bound: &Bound<Scalar>, is_begin: bool) -> Option<Self> {
        let (value, is_included) = match bound {
            Bound::Included(value) => (value, true),
            Bound::Excluded(value) => (value, false),
            Bound::Unbounded => return None,
        };
        Some(Self { value: value.clone(), is_behind: is_begin != is_included })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::filter::{Literal, Side, Test};
    use proptest::prelude::*;
    use serde_json::json;

    const TEXTS: &[&str] = &[
        "",
        "1",
        "1.0",
        "2",
        "true",
        "a",
        "b",
        "2024",
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2025-02-01",
    ];

    fn any_filter() -> impl Strategy<Value = Filter> {
        let literal = || prop::sample::select(TEXTS).prop_map(Literal::new);
        let side = prop::sample::select(vec![Side::Above, Side::From, Side::Below, Side::UpTo]);
        let test = prop_oneof![
            prop::collection::vec(literal(), 1..5).prop_map(Test::Any),
            literal().prop_map(Test::Not),
            (side, literal()).prop_map(|(side, literal)| Test::Side(side, literal)),
            any::<bool>().prop_map(Test::Exists),
        ];
        let field = prop::sample::select(vec!["a", "b", "a.b"]).prop_map(FieldPath::new);
        (field, test).prop_map(|(field, test)| Filter { field, test })
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            prop::sample::select(TEXTS).prop_map(|text| json!(text)),
            prop::sample::select(vec![json!(1), json!(2), json!(1.5), json!(true), json!(null)]),
        ];
        let list = prop::collection::vec(leaf.clone(), 0..4).prop_map(|list| json!(list));
        let below = leaf.clone().prop_map(|leaf| json!({"b": leaf}));
        (prop_oneof![leaf, list.clone(), below], list).prop_map(|(a, b)| json!({"a": a, "b": b}))
    }

    /// Looks at each condition and each range by itself.
    fn passes(filter: &Filter, value: &Value) -> bool {
        let mut holds = false;
        value.visit(&filter.field, &mut |json| {
            let Some(scalar) = Scalar::read(json) else { return };
            let is_in = |(begin, end): &(Bound<Scalar>, Bound<Scalar>)| {
                std::ops::RangeBounds::contains(&(begin.as_ref(), end.as_ref()), &scalar)
            };
            holds |= filter.values().bounds().any(is_in);
        });
        holds != filter.is_negated()
    }

    proptest! {
        #[test]
        fn all_conditions_at_once_are_each_of_them(
            filters in prop::collection::vec(any_filter(), 0..8),
            values in prop::collection::vec(any_value(), 1..8),
        ) {
            let sieve = Sieve::new(&filters);
            for value in values {
                let value = Value::new(&value);
                let each = filters.iter().all(|filter| passes(filter, &value));
                prop_assert_eq!(sieve.passes(&value), each, "{:?}", value);
            }
        }
    }
}
