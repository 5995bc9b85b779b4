//! The order of the records in a file, and of the members in a record.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value as Json};

/// The orders in which people keep files: by number, by bytes, and by letters regardless of case.
const ORDERS: [fn(&str, &str) -> Option<Ordering>; 3] = [
    |a, b| Some(a.parse::<i64>().ok()?.cmp(&b.parse().ok()?)),
    |a, b| Some(a.cmp(b)),
    |a, b| Some(a.to_lowercase().cmp(&b.to_lowercase())),
];

/// Where a new record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its index among the new records.
    pub(super) new: usize,
    /// The index of the existing record that it is inserted before.
    pub(super) at: usize,
}

/// Returns where new records with the names `new` go among records with these names, in the order of
/// the result. The order of the file decides; if it has none, they go to the end in the given order.
/// A record without a name is `None`.
pub(super) fn places<S: AsRef<str>>(names: &[Option<S>], new: &[&str]) -> Vec<Placed> {
    let named = names.iter().enumerate().filter_map(|(at, name)| Some((at, name.as_ref()?)));
    let named: Vec<(usize, &str)> = named.map(|(at, name)| (at, name.as_ref())).collect();
    let is_kept = |order: &&fn(&str, &str) -> Option<Ordering>| {
        let mut all = named.iter().map(|(_, name)| *name).chain(new.iter().copied());
        all.all(|name| order(name, name).is_some())
            && named.is_sorted_by(|(_, a), (_, b)| order(a, b).is_some_and(Ordering::is_le))
    };
    let order = ORDERS.iter().find(is_kept);
    let place = |(at, name): (usize, &&str)| {
        let place = order.and_then(|order| {
            let before = |(_, next): &(usize, &str)| order(name, next) != Some(Ordering::Less);
            named.get(named.partition_point(before)).map(|(at, _)| *at)
        });
        Placed { new: at, at: place.unwrap_or(names.len()) }
    };
    let mut placed: Vec<Placed> = new.iter().enumerate().map(place).collect();
    if let Some(order) = order {
        let between = |a: &Placed, b: &Placed| order(new[a.new], new[b.new]);
        placed
            .sort_by(|a, b| a.at.cmp(&b.at).then_with(|| between(a, b).unwrap_or(Ordering::Equal)));
    }
    placed
}

/// Returns the members of a new record: first those of the neighbouring record, in its `order`, then
/// the others. Linear.
pub(super) fn members<'m>(
    members: &'m Map<String, Json>,
    order: &'m [String],
) -> impl Iterator<Item = (&'m String, &'m Json)> {
    let named: HashSet<&String> = order.iter().collect();
    let known = order.iter().filter_map(|key| members.get_key_value(key));
    known.chain(members.iter().filter(move |(key, _)| !named.contains(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_record_goes_where_the_order_of_the_file_puts_it() {
        for (names, name, expected) in [
            ("", "a", 0),
            ("a c", "b", 1),
            ("a c", "d", 2),
            ("b c", "a", 0),
            ("c a b", "b", 3),
            ("1 2 10", "3", 2),
            ("1 2 10", "11", 3),
            ("1 2 3 4", "10", 4),
            ("1 10 2", "11", 2),
            ("1 2", "a", 2),
            ("a B c", "b", 2),
            ("a ? c", "b", 2),
            ("? ? c", "b", 2),
        ] {
            let names = names.split(' ').filter(|name| !name.is_empty());
            let names: Vec<_> = names.map(|name| Some(name).filter(|name| *name != "?")).collect();
            let placed = places(&names, &[name]);
            assert_eq!(placed, [Placed { new: 0, at: expected }], "{names:?} {name}");
        }
    }

    #[test]
    fn new_records_are_in_the_order_of_the_file_among_themselves() {
        for (names, new, expected) in [
            ("b d", "e a c b2", "1:0 3:1 2:1 0:2"),
            ("1 2 10", "12 11 3 0", "3:0 2:2 1:3 0:3"),
            ("c a", "z y", "0:2 1:2"),
            ("a b", "B c", "0:0 1:2"),
            ("1 2", "x 10", "1:1 0:2"),
            ("", "b a", "1:0 0:0"),
        ] {
            let split = |names: &'static str| names.split(' ').filter(|name| !name.is_empty());
            let names: Vec<_> = split(names).map(Some).collect();
            let new: Vec<_> = split(new).collect();
            let placed = places(&names, &new);
            let placed: Vec<_> = placed.iter().map(|p| format!("{}:{}", p.new, p.at)).collect();
            assert_eq!(placed.join(" "), expected, "{names:?} {new:?}");
        }
    }

    #[test]
    fn a_new_record_has_its_members_as_the_one_beside_it_and_each_of_them_once() {
        let record = serde_json::json!({"a": 1, "b": 2, "c": 3, "d": 4});
        let order = ["d", "x", "b"].map(str::to_owned);
        let found: Vec<_> = members(record.as_object().unwrap(), &order).collect();
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["d", "b", "a", "c"]);
    }
}
