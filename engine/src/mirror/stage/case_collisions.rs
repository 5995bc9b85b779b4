//! Names that some file systems treat as equal: they differ only in case or in how an accent is
//! encoded. Git tells them apart, but a clone on such a system has only one of the two.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

/// The new names of one folder, to be compared with the existing ones.
pub(super) struct Twins<'a> {
    names: HashMap<String, &'a [u8]>,
    /// The lengths of the folded names: a quick rejection for most other names.
    lengths: Vec<usize>,
}

impl<'a> Twins<'a> {
    /// Collects the new names, no two of which may be twins.
    ///
    /// # Errors
    ///
    /// A name and the earlier name of which it is a twin.
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

    /// Returns the new name that is a twin of the existing `name`.
    ///
    /// Costs next to nothing for an ASCII name whose length no new name has.
    pub(super) fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        if self.names.is_empty()
            || name.is_ascii() && self.lengths.binary_search(&name.len()).is_err()
        {
            return None;
        }
        self.names.get(&folded(name)).copied()
    }
}

/// Returns the form that twins have in common.
fn folded(name: &[u8]) -> String {
    if name.is_ascii() {
        return String::from_utf8_lossy(name).to_ascii_lowercase();
    }
    let name = String::from_utf8_lossy(name);
    // Via upper case, since `ß` and `ss` have no other common form, and `ẞ` has none but `ß`.
    let letters = name.nfd().filter(|letter| !is_ignored(*letter)).flat_map(char::to_lowercase);
    let folded = letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // Case folding can compose a letter.
    folded.nfd().collect()
}

/// Returns whether HFS+ compares names as if `letter` were not there.
fn is_ignored(letter: char) -> bool {
    matches!(letter,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
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
            ("straße", "STRASSE", true),
            ("ẞ", "ss", true),
            ("ﬁn", "FIN", true),
            ("ς", "Σ", true),
            ("\u{212a}", "k", true),
            ("ǰ", "J\u{30c}", true),
            ("a\u{200d}", "a", true),
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
