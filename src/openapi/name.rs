//! The names of sheets in the document.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a path of the document leaves unencoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The endings of the components that a sheet has beside the one of its name.
pub(super) const LIST: &str = "list";
pub(super) const PART: &str = "part";
pub(super) const PATCH: &str = "patch";
pub(super) const INCLUDED: &str = "included";
pub(super) const WRITTEN: &str = "written";

/// The endings of all components of a sheet.
const ENDINGS: [&str; 6] = ["", LIST, PART, PATCH, INCLUDED, WRITTEN];

/// Returns a name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Returns the name of a component of the sheet with this name in the document.
pub(super) fn component(name: &str, ending: &str) -> String {
    format!("{name}.{ending}")
}

/// Gives each sheet a name that is valid for components: letters, digits, `-` and `_`, the first of
/// them a letter. Generators make identifiers of names, so no two differ only in case or in what is
/// neither a letter nor a digit.
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Returns a set with only these names, which no sheet gets.
    pub(super) fn reserving(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| folded(&name)).collect())
    }

    /// Returns the name of a sheet, or one with a number if another sheet has a similar one.
    pub(super) fn of(&mut self, sheet: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let mut name: String = sheet.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "sheet_");
        }
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let is_free = |name: &String| {
            ENDINGS.iter().all(|ending| !self.0.contains(&folded(&component(name, ending))))
        };
        // There are more numbers than sheets.
        let name = candidates.find(is_free).unwrap_or(name);
        self.0.extend(ENDINGS.iter().map(|ending| folded(&component(&name, ending))));
        name
    }
}

/// Returns what generators distinguish of a name.
fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_keeps_its_name_where_it_can() {
        let mut names = Names::reserving(["Problem".to_owned()]);
        let sheets = ["blog-posts", "a b", "a_b", "ü", "a/b", "Problem", "BlogPosts", "2024"];
        let named = sheets.map(|sheet| names.of(sheet));
        let expected = ["blog-posts", "a_b", "a_b2", "sheet__", "a_b3", "Problem2", "BlogPosts2"];
        assert_eq!(named[..7], expected);
        assert_eq!(named[7], "sheet_2024");
    }

    #[test]
    fn no_sheet_has_the_name_of_a_component_of_another_one() {
        let mut names = Names::reserving([]);
        let sheets = ["people", "people-list", "tags.part", "tags"];
        assert_eq!(
            sheets.map(|sheet| names.of(sheet)),
            ["people", "people-list2", "tags_part", "tags2"]
        );
    }

    #[test]
    fn a_segment_is_encoded_whole() {
        assert_eq!(segment("a b/{c}"), "a%20b%2F%7Bc%7D");
        assert_eq!(segment("blog-posts"), "blog-posts");
    }
}
