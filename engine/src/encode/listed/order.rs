//! The order of the records in a file.

use std::cmp::Ordering;

/// The orders in which people keep files: by number, by bytes, and by letters regardless of case.
const ORDERS: [fn(&str, &str) -> Option<Ordering>; 3] = [
    |a, b| Some(a.parse::<i64>().ok()?.cmp(&b.parse().ok()?)),
    |a, b| Some(a.cmp(b)),
    |a, b| Some(a.to_lowercase().cmp(&b.to_lowercase())),
];

/// Returns the index, among records with these names, for a new one called `name`: according to the
/// order of the file or, if it has none, at the end. `None` marks an entry without a name.
pub(super) fn place<S: AsRef<str>>(names: &[Option<S>], name: &str) -> usize {
    let named = || names.iter().enumerate().filter_map(|(at, name)| Some((at, name.as_ref()?)));
    let is_kept = |order: &&fn(&str, &str) -> Option<Ordering>| {
        let mut before: Option<&str> = None;
        named().map(|(_, name)| name.as_ref()).all(|next| {
            let last = before.replace(next);
            order(next, name).is_some()
                && last.is_none_or(|last| order(last, next).is_some_and(Ordering::is_le))
        })
    };
    let order = ORDERS.iter().find(is_kept);
    let behind = order.and_then(|order| {
        named().find(|(_, next)| order(name, next.as_ref()) == Some(Ordering::Less))
    });
    behind.map_or(names.len(), |(at, _)| at)
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
            assert_eq!(place(&names, name), expected, "{names:?} {name}");
        }
    }
}
