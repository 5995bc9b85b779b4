//! Which part of its files a sheet reads.

use super::spec::SheetSpec;
use crate::split::Records;

/// A part of a file: what is at these names, or the whole file if there are none.
///
/// A path alone does not tell what two sheets have in common: each may read another part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a>(&'a [String]);

impl<'a> Part<'a> {
    /// The whole file.
    pub(crate) const WHOLE: Part<'static> = Part(&[]);

    /// Returns the part at these names.
    pub(crate) fn at(names: &'a [String]) -> Self {
        Self(names)
    }

    /// Returns whether this part has everything that `other` has, whatever the file is. Where that
    /// depends on the file, it does not.
    pub(crate) fn covers(self, other: Part<'_>) -> bool {
        other.0.starts_with(self.0)
    }

    /// Returns whether there is a file in which the parts have something in common.
    pub(crate) fn meets(self, other: Part<'_>) -> bool {
        self.0.iter().zip(other.0).all(|(one, other)| one == other || is_same_place(one, other))
    }
}

/// Returns whether two names lead to the same element of a list, as `1` and `01` do.
fn is_same_place(one: &str, other: &str) -> bool {
    one.parse::<usize>().is_ok_and(|place| other.parse() == Ok(place))
}

impl SheetSpec {
    /// Returns the names that lead to the part of its files that it reads; none if it reads them
    /// whole.
    pub(crate) fn part_names(&self) -> &[String] {
        match &self.listing.records {
            Records::At(names) => names,
            Records::One | Records::Found | Records::Each | Records::Map => &[],
        }
    }

    /// Returns the part of its files that it reads.
    pub(crate) fn part(&self) -> Part<'_> {
        Part::at(self.part_names())
    }

    /// Returns whether it has the place of `then`, its definition at another commit: it has the same
    /// folder, and the same part of the same files at least.
    pub(crate) fn is_in_place_of(&self, then: &Self) -> bool {
        let file = &self.listing.file;
        self.root == then.root
            && (file.is_none() || *file == then.listing.file)
            && self.part().covers(then.part())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_covers_what_is_below_its_names_and_meets_what_is_above_or_below_them() {
        let names = |pointer: &str| -> Vec<String> {
            pointer.split('/').skip(1).map(str::to_owned).collect()
        };
        // Each row: two parts, whether the first covers the second, and whether they meet.
        for (one, other, covers, meets) in [
            ("", "", true, true),
            ("", "/staff", true, true),
            ("/staff", "", false, true),
            ("/staff", "/staff", true, true),
            ("/staff", "/staff/now", true, true),
            ("/staff", "/staffing", false, false),
            ("/staff", "/items", false, false),
            ("/a/b", "/a/c", false, false),
            ("/a/b", "/b", false, false),
            // In a list these are one place, and in a table they are two.
            ("/a/1", "/a/01", false, true),
            ("/a/1", "/a/+1/b", false, true),
            ("/a/1", "/a/2", false, false),
            ("/a/b", "/a/0", false, false),
        ] {
            let (first, second) = (names(one), names(other));
            let (first, second) = (Part::at(&first), Part::at(&second));
            assert_eq!(first.covers(second), covers, "{one} {other}");
            assert_eq!((first.meets(second), second.meets(first)), (meets, meets), "{one} {other}");
        }
        assert!(Part::WHOLE.covers(Part::at(&names("/staff"))));
    }
}
