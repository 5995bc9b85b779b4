//! Names that some file system takes for one another: they differ in case alone, or in how an accent
//! is put together. Git tells them apart, and a clone on such a system has only one of the two.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

/// The new names of one folder, to be compared with those that are there.
pub(super) struct Twins<'a> {
    names: HashMap<String, &'a [u8]>,
    /// The lengths of the names as they are compared: a quick no for most others.
    lengths: Vec<usize>,
}

impl<'a> Twins<'a> {
    /// Takes in the new names, of which no two may be twins.
    ///
    /// # Errors
    ///
    /// A name and the one before it that it is a twin of.
    pub(super) fn of(new: impl Iterator<Item = &'a [u8]>) -> Result<Self, (&'a [u8], &'a [u8])> {
        let mut twins = Self { names: HashMap::new(), lengths: Vec::new() };
        for name in new {
            let folded = folded(name);
            twins.lengths.push(folded.len());
            if let Some(other) = twins.names.insert(folded, name) {
                return Err((name, other));
            }
        }
        twins.lengths.sort_unstable();
        twins.lengths.dedup();
        Ok(twins)
    }

    /// Returns the new name that is a twin of `name`, which is there.
    ///
    /// Costs next to nothing for a name of ASCII whose length no new name has.
    pub(super) fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        if self.names.is_empty()
            || name.is_ascii() && self.lengths.binary_search(&name.len()).is_err()
        {
            return None;
        }
        self.names.get(&folded(name)).copied()
    }
}

/// Returns what twins have in common.
fn folded(name: &[u8]) -> String {
    if name.is_ascii() {
        return String::from_utf8_lossy(name).to_ascii_lowercase();
    }
    // Case folding takes a name apart that was put together, and the other way round.
    String::from_utf8_lossy(name).nfc().collect::<String>().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_or_in_how_an_accent_is_made_are_twins() {
        for (one, other, expected) in [
            ("a.toml", "A.toml", true),
            ("é", "e\u{301}", true),
            ("É", "e\u{301}", true),
            ("ß", "ẞ", true),
            ("a", "b", false),
            ("a", "ä", false),
            ("ab", "a", false),
        ] {
            let twins = Twins::of([one.as_bytes()].into_iter()).unwrap_or_else(|_| panic!());
            assert_eq!(twins.find(other.as_bytes()).is_some(), expected, "{one} {other}");
            let both = Twins::of([one, other].map(str::as_bytes).into_iter());
            assert_eq!(both.is_err(), expected, "{one} {other}");
        }
    }
}
