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

/// A part of a value: the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartPath(Vec<PathStep>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    /// A member of a table. `1` and `01` are two.
    Member(String),
    /// An element of a list, whose position may be written `1` or `01`.
    Position(usize),
}

impl PartPath {
    /// Returns whether it is the part at these names, or inside it.
    pub(crate) fn is_within(&self, names: &[String]) -> bool {
        self.0.len() >= names.len() && self.is_along(names)
    }

    /// Returns whether it has nothing in common with the part at these names.
    pub(crate) fn is_apart_from(&self, names: &[String]) -> bool {
        !self.is_along(names)
    }

    /// Returns whether one of the two is the other one or inside it.
    fn is_along(&self, names: &[String]) -> bool {
        self.0.iter().zip(names).all(|(step, name)| match step {
            PathStep::Member(member) => member == name,
            PathStep::Position(at) => name.parse() == Ok(*at),
        })
    }
}

/// Returns the smallest part that has all differences between two contents, or `None` if one cannot be
/// parsed. Linear in the contents.
pub(crate) fn smallest_differing_part(
    format: Format,
    old: Version<'_>,
    new: Version<'_>,
) -> Option<PartPath> {
    let found = old.file.value(format, parse(format, old.text), |old| {
        new.file.value(format, parse(format, new.text), |new| Ok(common_part(&old, &new)))
    });
    found.ok()
}

/// An entry that differs between two tables or lists.
struct Differing<'a> {
    step: PathStep,
    old: Option<&'a Json>,
    new: Option<&'a Json>,
}

fn common_part<'v>(mut old: &'v Json, mut new: &'v Json) -> PartPath {
    let mut steps = Vec::new();
    loop {
        let mut differing: Vec<Differing<'v>> = match (old, new) {
            (Json::Object(old), Json::Object(new)) => {
                let gone = old.keys().filter(|name| !new.contains_key(*name));
                let all = new.keys().chain(gone).map(|name| (name, old.get(name), new.get(name)));
                let differing = all.filter(|(_, old, new)| old != new).take(2);
                let member = |(name, old, new): (&String, _, _)| Differing {
                    step: PathStep::Member(name.clone()),
                    old,
                    new,
                };
                differing.map(member).collect()
            }
            (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
                let all = old.iter().zip(new).enumerate();
                let differing = all.filter(|(_, (old, new))| old != new).take(2);
                let element = |(at, (old, new))| Differing {
                    step: PathStep::Position(at),
                    old: Some(old),
                    new: Some(new),
                };
                differing.map(element).collect()
            }
            _ => return PartPath(steps),
        };
        let (Some(only), true) = (differing.pop(), differing.is_empty()) else {
            return PartPath(steps);
        };
        steps.push(only.step);
        match (only.old, only.new) {
            (Some(was), Some(is)) => (old, new) = (was, is),
            _ => return PartPath(steps),
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
            let shown = found.0.iter().map(|step| match step {
                PathStep::Member(name) => name.clone(),
                PathStep::Position(at) => at.to_string(),
            });
            assert_eq!(shown.collect::<Vec<_>>().join("/"), *expected, "{old} and {new}");
        }
        let file = ParsedFile::for_readers(2);
        let [broken, whole] = ["{", "{}"].map(|text| Version { file: &file, text });
        assert_eq!(smallest_differing_part(Format::Json, broken, whole), None);
    }

    #[test]
    fn a_part_is_within_itself_and_what_contains_it() {
        let member = |name: &str| PathStep::Member(name.to_owned());
        let (a, one) = (member("a"), member("1"));
        for (steps, names, is_within, is_apart) in [
            (vec![a.clone(), member("b")], "a", true, false),
            (vec![a.clone()], "a", true, false),
            (vec![a.clone()], "a/b", false, false),
            (vec![member("ab")], "a", false, true),
            (vec![a.clone(), PathStep::Position(1)], "a/01", true, false),
            (vec![a.clone(), PathStep::Position(1)], "a/2", false, true),
            (vec![a.clone(), one], "a/01", false, true),
            (vec![a.clone(), member("x")], "a/y", false, true),
            (vec![a], "", true, false),
        ] {
            let path = PartPath(steps);
            let names: Vec<String> =
                names.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let found = (path.is_within(&names), path.is_apart_from(&names));
            assert_eq!(found, (is_within, is_apart), "{path:?} in {names:?}");
        }
    }
}
