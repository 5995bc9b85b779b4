//! Which records are visited because a value that they hold begins or ceases to dangle.
//!
//! Very many records may refer to one. Whether a write is refused depends on whether there is such a
//! record, so a few of them are visited first.

use std::collections::BTreeSet;

use crate::id::Key;

/// What happens to a value that records hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flip {
    /// No record is called so any more.
    Dangles,
    /// A record is called so now.
    IsNamed,
}

/// A choice of the records that hold such values.
#[derive(Debug)]
pub(crate) struct VisitedHolders {
    /// The most for each reference, of each kind; `None` for all.
    most: Option<usize>,
    left: Left,
    are_all: bool,
}

/// How many more are chosen for a reference. Hidden records count by themselves, so that what is
/// reported of the others does not depend on them.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    shown_dangling: usize,
    hidden_dangling: usize,
    named: usize,
}

impl VisitedHolders {
    /// Chooses all.
    pub(crate) fn all() -> Self {
        Self { most: None, left: Left::default(), are_all: true }
    }

    /// Chooses at most so many for each reference of a sheet: of those whose value dangles now, for
    /// each of the shown and the hidden ones, and of the others.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { most: Some(most), ..Self::all() }
    }

    /// Returns whether some may be left out.
    pub(super) fn are_limited(&self) -> bool {
        self.most.is_some()
    }

    /// Returns whether all were chosen.
    pub(crate) fn are_all(&self) -> bool {
        self.are_all
    }

    /// Goes on to the next reference of a sheet.
    pub(super) fn begin_reference(&mut self, has_hidden: bool) {
        let most = self.most.unwrap_or_default();
        let hidden_dangling = if has_hidden { most } else { 0 };
        self.left = Left { shown_dangling: most, hidden_dangling, named: most };
    }

    /// Adds those of `holders`, the records that hold a value, that are visited to `chosen`.
    pub(super) fn choose<'k>(
        &mut self,
        flip: Flip,
        holders: impl Iterator<Item = &'k Key>,
        is_hidden: impl Fn(&Key) -> bool,
        chosen: &mut BTreeSet<Key>,
    ) {
        if self.most.is_none() {
            return chosen.extend(holders.cloned());
        }
        for key in holders {
            let left = &mut self.left;
            let is_done = match flip {
                Flip::Dangles => left.shown_dangling + left.hidden_dangling == 0,
                Flip::IsNamed => left.named == 0,
            };
            if is_done {
                self.are_all = false;
                return;
            }
            let left = match flip {
                Flip::IsNamed => &mut left.named,
                Flip::Dangles if is_hidden(key) => &mut left.hidden_dangling,
                Flip::Dangles => &mut left.shown_dangling,
            };
            match left.checked_sub(1) {
                Some(less) => {
                    *left = less;
                    chosen.insert(key.clone());
                }
                None => self.are_all = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_each_kind_are_visited_and_it_is_known_whether_they_are_all() {
        let keys = |text: &str| -> Vec<Key> { text.split(' ').map(Key::new).collect() };
        // Keys that begin with `h` are of hidden records.
        for (most, flip, holders, expected, are_all) in [
            (None, Flip::Dangles, "a b c h1 h2 h3", "a b c h1 h2 h3", true),
            (Some(2), Flip::Dangles, "a b", "a b", true),
            (Some(2), Flip::Dangles, "a b c", "a b", false),
            (Some(2), Flip::Dangles, "a b c d e h1 h2 h3", "a b h1 h2", false),
            (Some(2), Flip::Dangles, "a b h1 h2", "a b h1 h2", true),
            (Some(2), Flip::Dangles, "a b h1", "a b h1", true),
            (Some(2), Flip::IsNamed, "a h1", "a h1", true),
            (Some(2), Flip::IsNamed, "a h1 h2", "a h1", false),
        ] {
            let mut visited = most.map_or_else(VisitedHolders::all, VisitedHolders::at_most);
            visited.begin_reference(true);
            let mut chosen = BTreeSet::new();
            let is_hidden = |key: &Key| key.as_str().starts_with('h');
            visited.choose(flip, keys(holders).iter(), is_hidden, &mut chosen);
            let chosen: Vec<Key> = chosen.into_iter().collect();
            assert_eq!((chosen, visited.are_all()), (keys(expected), are_all), "{holders}");
        }
    }

    #[test]
    fn each_reference_has_its_own_and_where_nothing_is_hidden_no_more_are_looked_at() {
        let mut visited = VisitedHolders::at_most(1);
        let keys = [Key::new("a"), Key::new("b"), Key::new("c")];
        for _ in 0..2 {
            visited.begin_reference(false);
            let (mut chosen, mut seen) = (BTreeSet::new(), 0);
            let holders = keys.iter().inspect(|_| seen += 1);
            visited.choose(Flip::Dangles, holders, |_| false, &mut chosen);
            assert_eq!((chosen.len(), seen), (1, 2));
        }
    }
}
