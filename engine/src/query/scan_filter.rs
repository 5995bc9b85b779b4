//! Tests all conditions of a list in one pass over a record's text.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::Key;
use crate::query::case_folding::folded;
use crate::query::columns::is_key;
use crate::query::filter::{Filter, Test, TextPart};
use crate::query::index_ranges::Ranges;
use crate::query::limits::MAX_FILTERS;
use crate::scalar::{Number, Scalar, Stored};
use crate::value::{Beginning, FieldPath, Json, Kind, Paths, Value};

/// One bit for each condition.
type Conditions = u64;

const _: () = assert!(MAX_FILTERS <= Conditions::BITS as usize);

/// Conditions that are tested in one pass over the text of a value.
///
/// Several conditions on the same list of tables must hold for one and the same table; a single
/// condition holds for a field if any of its values meets it. So `releases.lts=true` and
/// `releases.eol[gt]=now` find a release that is both, and `releases.lts[ne]=true` alone finds the
/// records without any such release.
///
/// The points where some condition begins or ceases to hold divide the values of a field into
/// bands. So one search determines which of any number of conditions and alternatives a value
/// meets.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanFilter {
    paths: Paths,
    /// The tests for each of the paths.
    tests: Vec<Tests>,
    /// For each prefix of a path, the conditions that tables of a list there must meet together:
    /// those that continue from there, if there are several.
    joint: Vec<Conditions>,
    /// The tests of the key.
    keys: Vec<(Conditions, Test)>,
    /// The conditions that hold if no value matches.
    negated: Conditions,
    all: Conditions,
}

/// The results of the conditions for a value, or for a part of it.
#[derive(Debug, Clone, Copy, Default)]
struct ConditionResults {
    /// Some value meets these; for joint conditions, one table meets all.
    yes: Conditions,
    /// Some value is excluded by these; for joint conditions, no table meets all.
    no: Conditions,
}

impl ConditionResults {
    /// Adds conditions that a value matches, some of which are negated.
    fn add(&mut self, conditions: Conditions, negated: Conditions) {
        self.yes |= conditions & !negated;
        self.no |= conditions & negated;
    }

    /// Returns whether all of `conditions` hold, some of which are negated.
    fn fulfils(self, conditions: Conditions, negated: Conditions) -> bool {
        let holds = self.yes | negated & !self.no;
        holds & conditions == conditions
    }
}

/// The tests of the values of a field.
#[derive(Debug, Clone, Default)]
struct Tests {
    bands: Bands,
    parts: Vec<(Conditions, TextPart)>,
    /// By the number of elements.
    sizes: Bands,
}

impl Tests {
    /// Returns the tests for the conditions, each with its bit.
    fn new(conditions: &[(Conditions, &Filter)]) -> Self {
        let ranges = conditions.iter().filter_map(|(one, filter)| Some((*one, filter.values()?)));
        let part = |(one, filter): &(Conditions, &Filter)| match &filter.test {
            Test::Text(part) => Some((*one, part.clone())),
            _ => None,
        };
        let parts = conditions.iter().filter_map(part).collect();
        let size = |(one, filter): &(Conditions, &Filter)| match &filter.test {
            Test::Size(size) => Some((*one, size.numbers.clone())),
            _ => None,
        };
        let sizes: Vec<_> = conditions.iter().filter_map(size).collect();
        Self { bands: Bands::new(&ranges.collect::<Vec<_>>()), parts, sizes: Bands::new(&sizes) }
    }

    /// Returns the conditions on the size of a list that this list meets.
    fn fulfilled_by_size(&self, list: Json<'_>) -> Conditions {
        if self.sizes.cuts.is_empty() {
            return 0;
        }
        let size = list.elements().count() as u64;
        self.sizes.held_by(&Stored::Number(Number::Natural(size)))
    }

    fn fulfilled_by(&self, json: Json<'_>) -> Conditions {
        let in_band = Stored::read(json).map_or(0, |stored| self.bands.held_by(&stored));
        if self.parts.is_empty() {
            return in_band;
        }
        let Some(text) = json.as_string().map(|text| folded(&text)) else { return in_band };
        let parts = self.parts.iter().filter(|(_, part)| part.is_in(&text));
        parts.fold(in_band, |fulfilled, (one, _)| fulfilled | one)
    }
}

/// The values of a field, divided into bands in which the same conditions hold.
#[derive(Debug, Clone, Default)]
struct Bands {
    cuts: Vec<Cut>,
    /// The conditions that hold before each of the cuts, and after the last.
    held: Vec<Conditions>,
}

/// A point in the order of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    value: Scalar,
    /// Whether it is after the value rather than before it.
    is_behind: bool,
}

impl ScanFilter {
    /// Returns a sieve that passes what all of `filters` pass; there are at most 64.
    ///
    /// Sorts the alternatives of all of them.
    pub(crate) fn new<'f>(filters: impl IntoIterator<Item = &'f Filter>) -> Self {
        Self::of(filters, |fields| Paths::new(fields.iter().copied()))
    }

    /// Returns the sieve of `filters` on fields within `outer`, for the values of that field.
    pub(crate) fn within<'f>(
        outer: &FieldPath,
        filters: impl IntoIterator<Item = &'f Filter>,
    ) -> Self {
        Self::of(filters, |fields| Paths::within(outer, fields.iter().copied()))
    }

    fn of<'f>(
        filters: impl IntoIterator<Item = &'f Filter>,
        paths: impl FnOnce(&[&'f FieldPath]) -> Paths,
    ) -> Self {
        let mut keys = Vec::new();
        let mut by_field: BTreeMap<&FieldPath, Vec<(Conditions, &Filter)>> = BTreeMap::new();
        let (mut negated, mut all) = (0, 0);
        for (at, filter) in filters.into_iter().enumerate() {
            let condition = 1 << at;
            all |= condition;
            if filter.is_negated() {
                negated |= condition;
            }
            if is_key(&filter.field) {
                keys.push((condition, filter.test.clone()));
            } else {
                by_field.entry(&filter.field).or_default().push((condition, filter));
            }
        }
        let paths = paths(&by_field.keys().copied().collect::<Vec<_>>());
        let of_field = by_field.values().map(|tests| tests.iter().map(|(one, _)| one).sum());
        let of_field: Vec<Conditions> = of_field.collect();
        let joint = paths.beginnings().map(|beginning| {
            let onward = beginning.onward().into_iter().map(|place| of_field[place]).sum();
            if Conditions::count_ones(onward) > 1 { onward } else { 0 }
        });
        let joint = joint.collect();
        let tests = by_field.into_values().map(|conditions| Tests::new(&conditions)).collect();
        Self { paths, tests, joint, keys, negated, all }
    }

    /// Returns whether a record meets all conditions. Linear in the text.
    pub(crate) fn passes(&self, key: &Key, value: &Value) -> bool {
        let mut held = ConditionResults::default();
        for part in value.parts() {
            let inside = self.held(self.paths.start(), part);
            held = ConditionResults { yes: held.yes | inside.yes, no: held.no | inside.no };
        }
        for (condition, test) in &self.keys {
            if test.is_about(key.as_str()) {
                held.add(*condition, self.negated);
            }
        }
        held.fulfils(self.all, self.negated)
    }

    /// Returns whether a value meets all conditions [within](Self::within) its field.
    pub(crate) fn passes_element(&self, element: Json<'_>) -> bool {
        self.held(self.paths.start(), element).fulfils(self.all, self.negated)
    }

    fn held(&self, at: Beginning<'_>, json: Json<'_>) -> ConditionResults {
        let mut held = ConditionResults::default();
        if json.kind() == Kind::Array {
            for place in at.fields() {
                held.add(self.tests[*place].fulfilled_by_size(json), self.negated);
            }
            at.for_each_position(json, |at, element| {
                let inside = self.held(at, element);
                held.yes |= inside.yes;
                held.no |= inside.no;
            });
            let opened = self.held_by_elements(at, json);
            return ConditionResults { yes: held.yes | opened.yes, no: held.no | opened.no };
        }
        for place in at.fields() {
            held.add(self.tests[*place].fulfilled_by(json), self.negated);
        }
        at.for_each_member(json, |at, member| {
            let inside = self.held(at, member);
            held.yes |= inside.yes;
            held.no |= inside.no;
        });
        held
    }

    fn held_by_elements(&self, at: Beginning<'_>, list: Json<'_>) -> ConditionResults {
        let joint = self.joint[at.number()];
        let (mut held, mut together) = (ConditionResults::default(), ConditionResults::default());
        for element in list.elements() {
            let mut inside = match element.kind() {
                Kind::Array => self.held_by_elements(at, element),
                _ => self.held(at, element),
            };
            if element.kind() == Kind::Object {
                let fulfils = inside.fulfils(joint, self.negated);
                let of_table = if fulfils { &mut together.yes } else { &mut together.no };
                *of_table |= joint;
            } else {
                // A list within the list contributes the results of its own tables; no other value
                // has any.
                together.yes |= inside.yes & joint;
                together.no |= inside.no & joint;
            }
            inside = ConditionResults { yes: inside.yes & !joint, no: inside.no & !joint };
            held = ConditionResults { yes: held.yes | inside.yes, no: held.no | inside.no };
        }
        let no = together.no & !together.yes;
        ConditionResults { yes: held.yes | together.yes, no: held.no | no }
    }
}

impl Bands {
    fn new(conditions: &[(Conditions, Ranges)]) -> Self {
        let (mut first, mut changes) = (0, BTreeMap::<Cut, Conditions>::new());
        // The ranges of a condition are disjoint, so it changes at each of their ends. Where one
        // range ends and another begins, it does not.
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
    /// Returns where a range begins or ends, or `None` if it is unbounded there.
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
    use crate::query::filter::{Literal, PartPlace, Side};
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

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
        let places = prop::sample::select(vec![PartPlace::Beginning, PartPlace::Anywhere]);
        let text = ("[A12-]{0,2}", places).prop_map(|(text, place)| TextPart::new(&text, place));
        let side = prop::sample::select(vec![Side::Above, Side::From, Side::Below, Side::UpTo]);
        let test = prop_oneof![
            prop::collection::vec(literal(), 1..5).prop_map(Test::Any),
            prop::collection::vec(literal(), 1..3).prop_map(Test::Not),
            text.prop_map(Test::Text),
            (side, literal()).prop_map(|(side, literal)| Test::Side(side, literal)),
            any::<bool>().prop_map(Test::Exists),
        ];
        let fields = vec!["a", "b", "a.b", "a.c", "a.b.c", "a.b.d", "b.c"];
        let field = prop::sample::select(fields).prop_map(FieldPath::new);
        (field, test).prop_map(|(field, test)| Filter { field, test })
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            prop::sample::select(TEXTS).prop_map(|text| json!(text)),
            prop::sample::select(vec![json!(1), json!(2), json!(1.5), json!(true), json!(null)]),
        ];
        let inside = leaf.prop_recursive(4, 40, 4, |inner| {
            let names = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
                prop::collection::btree_map(names, inner, 0..4).prop_map(|table| json!(table)),
            ]
        });
        (inside.clone(), inside).prop_map(|(a, b)| json!({"a": a, "b": b}))
    }

    /// A condition and the names still to be found.
    type Ahead<'f> = (&'f Filter, &'f [String]);

    /// Checks each condition and each range separately, and each table of a list for joint
    /// conditions.
    fn passes(conditions: &[Ahead<'_>], json: &serde_json::Value) -> bool {
        if json.is_object() {
            let is_here = |ahead: &Ahead<'_>| ahead.1.is_empty();
            let (here, ahead): (Vec<_>, Vec<_>) = conditions.iter().copied().partition(is_here);
            let names: BTreeSet<&String> = ahead.iter().map(|(_, names)| &names[0]).collect();
            let inside = |name: &&String| {
                let of_name = ahead.iter().filter(|(_, names)| names[0] == **name);
                let of_name: Vec<_> = of_name.map(|(f, names)| (*f, &names[1..])).collect();
                passes(&of_name, &json[*name])
            };
            return here.iter().all(|(f, _)| holds(f, json)) && names.iter().all(inside);
        }
        let ahead: Vec<_> = conditions.iter().filter(|(_, n)| !n.is_empty()).copied().collect();
        let tables = tables(json);
        if ahead.len() > 1 && !tables.is_empty() {
            let here = conditions.iter().filter(|(_, names)| names.is_empty());
            return here.map(|(f, _)| *f).all(|f| holds(f, json))
                && tables.iter().any(|table| passes(&ahead, table));
        }
        let alone = |(filter, names): &Ahead<'_>| {
            if names.is_empty() {
                return holds(filter, json);
            }
            let one = |table| passes(&[(*filter, *names)], table);
            if filter.is_negated() {
                tables.iter().all(|table| one(table))
            } else {
                tables.iter().any(|table| one(table))
            }
        };
        conditions.iter().all(alone)
    }

    /// Returns the tables of a list, and of the lists in it.
    fn tables(json: &serde_json::Value) -> Vec<&serde_json::Value> {
        let elements = json.as_array().into_iter().flatten();
        elements.flat_map(|e| if e.is_object() { vec![e] } else { tables(e) }).collect()
    }

    fn holds(filter: &Filter, json: &serde_json::Value) -> bool {
        let value = Value::new(&json!({ "it": json }));
        let mut holds = false;
        value.visit(&FieldPath::new("it"), &mut |json| {
            let Some(scalar) = Scalar::read(json) else { return };
            let is_in = |(begin, end): &(Bound<Scalar>, Bound<Scalar>)| {
                std::ops::RangeBounds::contains(&(begin.as_ref(), end.as_ref()), &scalar)
            };
            holds |= match (&filter.test, filter.values()) {
                (Test::Text(part), _) => {
                    json.as_string().is_some_and(|text| part.is_in(&folded(&text)))
                }
                (_, values) => values.unwrap().bounds().any(is_in),
            };
        });
        holds != filter.is_negated()
    }

    #[test]
    fn several_conditions_on_a_list_of_tables_hold_for_one_table() {
        let releases = json!({"releases": [
            {"name": "1", "lts": true, "eol": "2020-01-01", "tags": [{"n": 1, "m": 1}]},
            {"name": "2", "lts": false, "eol": "2030-01-01", "tags": [{"n": 1, "m": 2}]},
            {"name": "3", "eol": "2031-01-01"},
        ], "name": "x"});
        let any = |field: &str, text: &str| (field.to_owned(), Test::Any(vec![Literal::new(text)]));
        let not = |field: &str, text: &str| (field.to_owned(), Test::Not(vec![Literal::new(text)]));
        let from = |field: &str, text: &str| {
            (field.to_owned(), Test::Side(Side::From, Literal::new(text)))
        };
        let exists = |field: &str, is| (field.to_owned(), Test::Exists(is));
        let passes = |tests: Vec<(String, Test)>| {
            let filter = |(field, test)| Filter { field: FieldPath::new(field), test };
            let filters: Vec<_> = tests.into_iter().map(filter).collect();
            ScanFilter::new(&filters).passes(&Key::new("k"), &Value::new(&releases))
        };
        let (lts, eol) = ("releases.lts", "releases.eol");
        assert!(passes(vec![any(lts, "true")]) && passes(vec![from(eol, "2025-01-01")]));
        assert!(!passes(vec![any(lts, "true"), from(eol, "2025-01-01")]));
        assert!(passes(vec![any(lts, "false"), from(eol, "2025-01-01"), any("name", "x")]));
        assert!(!passes(vec![any(lts, "false"), from(eol, "2025-01-01"), any("name", "y")]));
        // Alone it concerns the whole record, with others a single table.
        assert!(!passes(vec![not(lts, "true")]));
        assert!(passes(vec![not(lts, "true"), from(eol, "2025-01-01")]));
        assert!(!passes(vec![exists(lts, false)]));
        assert!(passes(vec![exists(lts, false), any("releases.name", "3")]));
        assert!(!passes(vec![exists(lts, false), any("releases.name", "1")]));
        // Lists within a table are checked within it.
        let (n, m) = ("releases.tags.n", "releases.tags.m");
        assert!(passes(vec![any(n, "1"), any(m, "2"), any(lts, "false")]));
        assert!(!passes(vec![any(n, "1"), any(m, "2"), any(lts, "true")]));
        assert!(!passes(vec![any(n, "2"), any(m, "2")]));
        // If there is no list, it has no matching tables.
        assert!(passes(vec![not("other.a", "1"), exists("other.b", false)]));
    }

    proptest! {
        #[test]
        fn all_conditions_at_once_are_each_of_them(
            filters in prop::collection::vec(any_filter(), 0..8),
            values in prop::collection::vec(any_value(), 1..8),
        ) {
            let sieve = ScanFilter::new(&filters);
            for value in values {
                let names = filters.iter().map(|f| f.field.segments().map(str::to_owned).collect());
                let names: Vec<Vec<String>> = names.collect();
                let ahead = filters.iter().zip(&names).map(|(f, names)| (f, &names[..]));
                let each = passes(&ahead.collect::<Vec<_>>(), &value);
                prop_assert_eq!(sieve.passes(&Key::new("k"), &Value::new(&value)), each, "{}", value);
            }
        }
    }
}
