//! Finds which files of a crate use which others: the imports in its source text.
//!
//! Paths are resolved to files, including through re-exports. What only tests use does not count:
//! everything under `#[cfg(test)]` is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The files of a crate, by their paths without extension, and the other files that each uses.
pub struct Imports {
    edges: BTreeMap<String, BTreeSet<String>>,
}

/// The contents of one file.
#[derive(Default)]
struct Source {
    /// Every path that it uses, as written, and whether that is a `pub use`.
    paths: Vec<(Vec<String>, bool)>,
    /// The modules that exist only in tests.
    of_tests: Vec<String>,
}

impl Imports {
    /// Reads every file below `folder`, which is the `src` of a crate, except `main.rs`.
    ///
    /// # Panics
    /// If a file cannot be read.
    pub fn of(folder: &Path) -> Self {
        let mut sources = BTreeMap::new();
        collect(folder, folder, &mut sources);
        for name in ["main", "lib"] {
            sources.remove(name);
        }
        let of_tests: Vec<String> = sources
            .iter()
            .flat_map(|(file, source)| {
                source.of_tests.iter().map(move |child| format!("{file}/{child}"))
            })
            .collect();
        sources.retain(|file, _| {
            !of_tests.iter().any(|test| file == test || file.starts_with(&format!("{test}/")))
        });
        let edges = sources.iter().map(|(file, source)| {
            let used = source.paths.iter().filter_map(|(path, is_reexport)| {
                let used = resolve(&sources, &absolute(&sources, file, path)?, 0)?;
                let is_own = *is_reexport && used.starts_with(&format!("{file}/"));
                (used != *file && !is_own).then_some(used)
            });
            (file.clone(), used.collect())
        });
        let edges = edges.collect();
        Self { edges }
    }

    /// Iterates over the files, each with those that it uses.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.edges.iter().map(|(file, used)| (file.as_str(), used))
    }

    /// Returns the files that use each other in a cycle, one line per pair; ideally none.
    pub fn circles(&self) -> Vec<String> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.edges.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let pairs = self.edges.iter().flat_map(|(file, used)| {
            let back = used.iter().filter(|other| reach[other.as_str()].contains(file.as_str()));
            back.map(move |other| format!("{file} uses {other}, which uses it in turn"))
        });
        pairs.collect()
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut next: Vec<&str> = self.edges[from].iter().map(String::as_str).collect();
        while let Some(file) = next.pop() {
            if found.insert(file) {
                next.extend(self.edges[file].iter().map(String::as_str));
            }
        }
        found
    }
}

fn collect(root: &Path, folder: &Path, sources: &mut BTreeMap<String, Source>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).expect("it is below the root").with_extension("");
            let file = file.to_str().expect("names of files are text").replace('\\', "/");
            let text = fs::read_to_string(&path).expect("the file can be read");
            sources.insert(file, Source::parse(&text));
        }
    }
}

/// Returns the path from the root of the crate; `None` if it leads into another crate.
fn absolute(
    sources: &BTreeMap<String, Source>,
    file: &str,
    path: &[String],
) -> Option<Vec<String>> {
    let mut here: Vec<String> = file.split('/').map(str::to_owned).collect();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => here.clear(),
        "self" => {}
        "super" => {
            while rest.first().is_some_and(|first| first == "super") {
                here.pop();
                rest = &rest[1..];
            }
            here.extend_from_slice(rest);
            return Some(here);
        }
        child if sources.contains_key(&format!("{file}/{child}")) => {
            here.extend_from_slice(rest);
            return Some(here);
        }
        _ => return None,
    }
    here.extend_from_slice(&rest[1..]);
    Some(here)
}

/// Returns the file that defines what `path` names.
fn resolve(sources: &BTreeMap<String, Source>, path: &[String], depth: usize) -> Option<String> {
    let path = path.strip_suffix(&["self".to_owned()]).unwrap_or(path);
    for length in (1..=path.len()).rev() {
        let file = path[..length].join("/");
        let Some(source) = sources.get(&file) else { continue };
        let reexported = path.get(length).filter(|_| depth < 8).and_then(|name| {
            let mut passed_on = source.paths.iter().filter(|(_, is_reexport)| *is_reexport);
            passed_on.find(|(path, _)| path.last() == Some(name))
        });
        if let Some((to, _)) = reexported
            && let Some(mut to) = absolute(sources, &file, to)
        {
            to.extend_from_slice(&path[length + 1..]);
            return resolve(sources, &to, depth + 1);
        }
        return Some(file);
    }
    None
}

impl Source {
    fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let (mut source, mut at) = (Self::default(), 0);
        while at < tokens.len() {
            at = source.item(&tokens, at);
        }
        source
    }

    /// Reads the item at `at`, and returns the start of the next one.
    fn item(&mut self, tokens: &[String], at: usize) -> usize {
        let word = tokens[at].as_str();
        if starts(tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            return self.test_item(tokens, at + 7);
        }
        if starts(tokens, at, &["pub", "(", "in"]) {
            return at + (tokens[at..].iter().position(|token| token == ")").unwrap_or(0)) + 1;
        }
        if word == "use" {
            let end = at + tokens[at..].iter().position(|token| token == ";").unwrap_or(1);
            let is_reexport = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
            let mut paths = Vec::new();
            tree(&tokens[at + 1..end], &[], &mut paths);
            self.paths.extend(paths.into_iter().map(|path| (path, is_reexport)));
            return end;
        }
        if !is_word(word) || !starts(tokens, at + 1, &["::"]) {
            return at + 1;
        }
        let (mut path, mut at) = (vec![word.to_owned()], at + 1);
        while starts(tokens, at, &["::"]) && tokens.get(at + 1).is_some_and(|next| is_word(next)) {
            path.push(tokens[at + 1].clone());
            at += 2;
        }
        self.paths.push((path, false));
        at.max(1)
    }

    /// Skips an item that exists only in tests.
    fn test_item(&mut self, tokens: &[String], from: usize) -> usize {
        let (mut depth, mut at) = (0, from);
        if starts(tokens, at, &["mod"]) && starts(tokens, at + 2, &[";"]) {
            self.of_tests.push(tokens[at + 1].clone());
        }
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                ";" if depth == 0 => return at + 1,
                _ => {}
            }
            at += 1;
        }
        at
    }
}

/// Splits the text after `use` into paths.
fn tree(tokens: &[String], before: &[String], paths: &mut Vec<Vec<String>>) {
    let (mut path, mut at) = (before.to_vec(), 0);
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                let (mut depth, mut start) = (0, at + 1);
                for (place, token) in tokens.iter().enumerate().skip(at) {
                    match token.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || depth == 1 && token == "," {
                        if start < place {
                            tree(&tokens[start..place], &path, paths);
                        }
                        start = place + 1;
                    }
                }
                return;
            }
            // Its local name does not matter.
            "as" => break,
            "::" | "*" => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    paths.push(path);
}

fn starts(tokens: &[String], at: usize, with: &[&str]) -> bool {
    tokens.get(at..at + with.len()).is_some_and(|tokens| tokens == with)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Splits a text into words and punctuation, without comments, string and character literals.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    let has = |at: usize, mark: &str| {
        mark.chars().enumerate().all(|(place, mark)| chars.get(at + place) == Some(&mark))
    };
    let until = |mut at: usize, mark: &str| {
        while at < chars.len() && !has(at, mark) {
            at += 1;
        }
        at + mark.len()
    };
    while at < chars.len() {
        let first = chars[at];
        if has(at, "//") {
            at = until(at, "\n");
        } else if has(at, "/*") {
            at = until(at, "*/");
        } else if has(at, "r\"")
            || has(at, "r#") && chars.get(at + 2).is_some_and(|c| "#\"".contains(*c))
        {
            let marks = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            at = until(at + marks + 2, &format!("\"{}", "#".repeat(marks)));
        } else if first == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if first == '\'' {
            at = match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('\\'), _) => until(at + 3, "'"),
                (_, Some('\'')) => at + 3,
                _ => at + 1,
            };
        } else if first.is_alphanumeric() || first == '_' {
            let length = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_');
            let end = at + length.count();
            tokens.push(chars[at..end].iter().collect());
            at = end;
        } else if has(at, "::") {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            at += 1;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Imports::of(folder.path()).circles()
    }

    #[test]
    fn a_circle_is_found_through_a_reexport_and_a_nested_import() {
        let found = circles(&[
            ("a.rs", "mod inner; pub use inner::Thing;"),
            ("a/inner.rs", "use crate::{b::{Other as Another}, c}; pub struct Thing;"),
            ("b.rs", "pub struct Other(crate::a::Thing);"),
            ("c.rs", "const TEXT: &str = \"crate::a::Thing\"; // crate::a"),
        ]);
        assert_eq!(
            found,
            ["a/inner uses b, which uses it in turn", "b uses a/inner, which uses it in turn"]
        );
    }

    #[test]
    fn what_only_tests_use_is_no_circle() {
        let found = circles(&[
            (
                "a.rs",
                "use crate::b::B; #[cfg(test)] mod tests; #[cfg(test)] mod more { fn f() {} }",
            ),
            ("a/tests.rs", "use super::*;"),
            ("b.rs", "pub struct B; #[cfg(test)]\nmod tests { use crate::a::A; }\nfn f() {}"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
