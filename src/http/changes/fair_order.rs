//! The order in which groups are told: no address has its second turn before another one's first.

use std::collections::{BTreeSet, HashMap};

use crate::http::source::Source;

/// Sorts groups so that the addresses take turns. A group has its turn with that of its addresses which
/// is in the fewest groups; otherwise the order stays. Linear in the addresses of all groups, and a sort.
pub(super) fn in_fair_order<G>(groups: Vec<G>, sources: impl Fn(&G) -> BTreeSet<Source>) -> Vec<G> {
    let of_groups: Vec<BTreeSet<Source>> = groups.iter().map(sources).collect();
    let mut counts: HashMap<Source, usize> = HashMap::new();
    for source in of_groups.iter().flatten() {
        *counts.entry(*source).or_default() += 1;
    }
    let mut turns: HashMap<Source, usize> = HashMap::new();
    let turn = |sources: BTreeSet<Source>| {
        let fewest = sources.into_iter().min_by_key(|source| counts.get(source).copied());
        fewest.map_or(0, |source| {
            let turn = turns.entry(source).or_default();
            *turn += 1;
            *turn
        })
    };
    let turns: Vec<usize> = of_groups.into_iter().map(turn).collect();
    let mut in_order: Vec<(usize, G)> = turns.into_iter().zip(groups).collect();
    in_order.sort_by_key(|(turn, _)| *turn);
    in_order.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_and_a_shared_group_comes_with_who_is_in_the_fewest() {
        // A group is named by the addresses of its followers.
        for (groups, expected) in [
            ("", ""),
            ("a1 a2 a3", "a1 a2 a3"),
            ("a1 a2 a3 b1", "a1 b1 a2 a3"),
            ("a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3"),
            ("a1 a2 a3 ab4", "a1 ab4 a2 a3"),
            ("a1 a2 b1 b2 b3 ab4", "a1 b1 a2 b2 b3 ab4"),
        ] {
            let sources = |group: &&str| -> BTreeSet<Source> {
                let letters = group.bytes().filter(u8::is_ascii_lowercase);
                letters.map(|letter| Source::at([10, 0, 0, letter].into())).collect()
            };
            let groups = groups.split_whitespace().collect();
            assert_eq!(in_fair_order(groups, sources).join(" "), expected);
        }
    }
}
