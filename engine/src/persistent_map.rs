//! The order of insertion in which a persistent map takes no more room than necessary.

/// Reorders sorted entries so that the nodes of a map built from them are full.
///
/// A B-tree splits a full node into halves. If entries are inserted in order, nothing is ever added
/// to the left half again, so the map is twice as large as its entries. Here every second entry
/// comes first, so that each half has exactly the room for the entries in between.
pub(crate) fn packed<T>(sorted: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (at, entry) in sorted.into_iter().enumerate() {
        if at % 2 == 0 { &mut first } else { &mut second }.push(entry);
    }
    first.into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use super::packed;

    #[test]
    fn every_entry_comes_once_and_every_second_one_first() {
        assert_eq!(packed(0..7).collect::<Vec<_>>(), [0, 2, 4, 6, 1, 3, 5]);
        assert_eq!(packed(0..0).count(), 0);
    }
}
