//! The names of sheets in the document.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a path of the document leaves unencoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns a name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Gives each sheet a name that is valid for components: letters, digits, `.`, `-` and `_`.
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Returns a set with only these names, which no sheet gets.
    pub(super) fn reserving(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Returns the name of a sheet, or a similar one if another sheet has it already.
    pub(super) fn of(&mut self, sheet: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let mut name: String = sheet.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_keeps_its_name_where_it_can() {
        let mut names = Names::reserving(["Problem".to_owned()]);
        let sheets = ["blog-posts", "a b", "a_b", "ü", "a/b", "Problem"];
        let named = sheets.map(|sheet| names.of(sheet));
        assert_eq!(named, ["blog-posts", "a_b", "a_b_", "_", "a_b__", "Problem_"]);
    }

    #[test]
    fn a_segment_is_encoded_whole() {
        assert_eq!(segment("a b/{c}"), "a%20b%2F%7Bc%7D");
        assert_eq!(segment("blog-posts"), "blog-posts");
    }
}
