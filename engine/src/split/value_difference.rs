//! Where two contents of a file that is parsed whole differ.

use serde_json::Value as Json;

use super::parsed_file::ParsedFile;
use super::whole_file::parse;
use crate::decode::Format;

/// One content of a file.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) file: &'a ParsedFile,
    pub(crate) text: &'a str,
}

/// Returns the names that lead to the smallest part that has all differences between two contents,
/// or `None` if one cannot be parsed. Linear in the contents.
pub(crate) fn smallest_differing_part(
    format: Format,
    old: Version<'_>,
    new: Version<'_>,
) -> Option<Vec<String>> {
    let found = old.file.value(format, parse(format, old.text), |old| {
        new.file.value(format, parse(format, new.text), |new| Ok(common_part(&old, &new)))
    });
    found.ok()
}

/// Returns whether the part to which the names `inner` lead is that of `outer`, or inside it.
pub(crate) fn is_within(inner: &[String], outer: &[String]) -> bool {
    // `01` is a position, too.
    let position = |name: &str| name.parse::<usize>().ok();
    let is_same = |(a, b): (&String, &String)| {
        a == b || position(a).is_some_and(|number| position(b) == Some(number))
    };
    inner.len() >= outer.len() && inner.iter().zip(outer).all(is_same)
}

fn common_part(mut old: &Json, mut new: &Json) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let mut differing: Vec<(String, Option<&Json>, Option<&Json>)> = match (old, new) {
            (Json::Object(old), Json::Object(new)) => {
                let gone = old.keys().filter(|name| !new.contains_key(*name));
                let all = new.keys().chain(gone).map(|name| (name, old.get(name), new.get(name)));
                let differing = all.filter(|(_, old, new)| old != new);
                differing.take(2).map(|(name, old, new)| (name.clone(), old, new)).collect()
            }
            (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
                let all = old.iter().zip(new).enumerate();
                let differing = all.filter(|(_, (old, new))| old != new).take(2);
                differing.map(|(at, (old, new))| (at.to_string(), Some(old), Some(new))).collect()
            }
            _ => return names,
        };
        let (Some((name, was, is)), true) = (differing.pop(), differing.is_empty()) else {
            return names;
        };
        names.push(name);
        match (was, is) {
            (Some(was), Some(is)) => (old, new) = (was, is),
            _ => return names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_part_has_all_differences() {
        let table: &[(&str, &str, &str)] = &[
            ("{\"a\": 1, \"b\": {\"c\": [1, 2]}}", "{\"a\": 1, \"b\": {\"c\": [1, 3]}}", "b/c/1"),
            ("{\"a\": [1], \"b\": 2}", "{\"a\": [1, 2], \"b\": 2}", "a"),
            ("{\"a\": 1, \"b\": 2}", "{\"a\": 2, \"b\": 3}", ""),
            ("{\"a\": {\"x\": 1}}", "{\"a\": {\"x\": 1, \"y\": 2}}", "a/y"),
            ("{\"a\": {\"x\": 1, \"y\": 2}}", "{\"a\": {\"x\": 1}}", "a/y"),
            ("{\"a\": {\"x\": 1}}", "{\"a\": [1]}", "a"),
            ("{\"a\": [[1, 2], [3]]}", "{\"a\": [[0, 2], [4]]}", "a"),
            ("[1]", "{\"a\": 1}", ""),
        ];
        for (old, new, expected) in table {
            let files = [ParsedFile::for_readers(2), ParsedFile::for_readers(2)];
            let version = |at: usize, text| Version { file: &files[at], text };
            let found =
                smallest_differing_part(Format::Json, version(0, old), version(1, new)).unwrap();
            assert_eq!(found.join("/"), *expected, "{old} and {new}");
        }
        let file = ParsedFile::for_readers(2);
        let [broken, whole] = ["{", "{}"].map(|text| Version { file: &file, text });
        assert_eq!(smallest_differing_part(Format::Json, broken, whole), None);
    }

    #[test]
    fn a_part_is_within_itself_and_what_contains_it() {
        for (inner, outer, expected) in [
            ("a/b", "a", true),
            ("a", "a", true),
            ("a", "a/b", false),
            ("ab", "a", false),
            ("a/1", "a/01", true),
            ("a/x", "a/y", false),
            ("a", "", true),
        ] {
            let [inner, outer] = [inner, outer].map(|names| {
                let names = names.split('/').filter(|name| !name.is_empty());
                names.map(str::to_owned).collect::<Vec<_>>()
            });
            assert_eq!(is_within(&inner, &outer), expected, "{inner:?} in {outer:?}");
        }
    }
}
