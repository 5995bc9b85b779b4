//! The repositories of the folder `fixtures`, made on demand.

use std::path::{Path, PathBuf};

use crate::Upstream;

/// Returns the folder `name` of the fixtures, for example `civic` or `broken/inferred`.
///
/// # Panics
///
/// Panics if there is no such folder.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    folder.canonicalize().unwrap_or_else(|error| panic!("there is no fixture {name}: {error}"))
}

/// Makes an upstream whose branch holds the civic-tech group of twelve sheets.
pub fn civic() -> Upstream {
    upstream("civic")
}

/// Makes an upstream whose branch holds files in all formats and declares nothing.
pub fn mixed() -> Upstream {
    upstream("mixed")
}

/// Makes an upstream whose branch holds files of many records.
pub fn tables() -> Upstream {
    upstream("tables")
}

/// Makes an upstream of broken records without definitions.
pub fn broken_inferred() -> Upstream {
    upstream("broken/inferred")
}

/// Makes an upstream of broken records and definitions in gitsheets, with the entries that a work
/// tree cannot hold: a name that is not UTF-8, hostile names, a file above the default limit of one
/// mebibyte, a symlink and a submodule.
pub fn broken_declared() -> Upstream {
    let mut upstream = upstream("broken/declared");
    let huge = format!("slug = \"huge\"\nemail = \"{}@example.org\"\n", "x".repeat(1 << 20));
    let record = "slug = \"x\"\nyear = 2025\n";
    upstream
        .commit("add what a work tree cannot hold")
        .put(b"people/\xFF.toml", "slug = \"x\"\nemail = \"ff@example.org\"\n")
        .put("people/huge.toml", huge)
        .put_mode("people/link.toml", 0o120_000, "good.toml")
        .put_mode("people/module.toml", 0o160_000, "1".repeat(40))
        .put_hostile(["reports", ".git", "x.toml"], 0o100_644, record)
        .put_hostile(["reports", "..", "x.toml"], 0o100_644, record)
        .push();
    upstream
}

/// The problem that a file of the broken repositories must raise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    /// The path in the tree; a byte that is not UTF-8 is written as `%XX`.
    pub path: String,
    /// The name of the rule.
    pub rule: String,
    /// The line, if it must be reported.
    pub line: Option<u32>,
    /// The JSON Pointer, if it must be reported.
    pub pointer: Option<String>,
}

/// Returns the problems that [`broken_declared`] must raise, sorted by path.
pub fn expected_of_declared() -> Vec<Expected> {
    expected(&["## declared", "## Made at run time"])
}

/// Returns the problems that [`broken_inferred`] must raise, sorted by path.
pub fn expected_of_inferred() -> Vec<Expected> {
    expected(&["## inferred"])
}

fn upstream(name: &str) -> Upstream {
    let mut upstream = Upstream::new();
    upstream.commit_folder(folder(name));
    upstream
}

/// Reads the tables below `headings` in the README of the broken records.
fn expected(headings: &[&str]) -> Vec<Expected> {
    let readme = folder("broken").join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the broken records have a README");
    let mut wanted = false;
    let mut rows = Vec::new();
    for line in readme.lines() {
        if line.starts_with("## ") {
            wanted = headings.contains(&line);
        } else if wanted && line.starts_with("| `") {
            rows.push(expected_row(line));
        }
    }
    rows.sort();
    rows
}

fn expected_row(line: &str) -> Expected {
    let cells: Vec<&str> =
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    let [path, rule, line_number, pointer] = cells[..] else {
        panic!("a row has four cells: {line}");
    };
    Expected {
        path: path.to_owned(),
        rule: rule.to_owned(),
        line: (line_number != "-").then(|| line_number.parse().expect("a line is a number")),
        pointer: (pointer != "-").then(|| pointer.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::git::git_with_input;

    /// Returns all files below `folder`, keyed by their path in it.
    fn files(folder: &Path) -> HashMap<String, Vec<u8>> {
        let mut upstream = Upstream::new();
        let commit = upstream.commit_folder(folder);
        let args = ["ls-tree", "-r", "-z", "--name-only", &commit];
        let listed = String::from_utf8(git_with_input(upstream.path(), args, b"")).unwrap();
        let names = listed.split_terminator('\0');
        names.map(|name| (name.to_owned(), std::fs::read(folder.join(name)).unwrap())).collect()
    }

    /// Returns the fields of every record of the civic fixture by path.
    fn civic_records() -> HashMap<String, toml_v08::Table> {
        let mut records = HashMap::new();
        for (path, bytes) in files(&folder("civic")) {
            if path.starts_with('.') {
                continue;
            }
            let text = String::from_utf8(bytes).unwrap();
            let fields = match text.strip_prefix("+++\n") {
                Some(rest) => rest.split_once("+++\n\n").unwrap().0,
                None => &text,
            };
            let table: toml_v08::Table = fields.parse().unwrap();
            assert_eq!(toml_v08::to_string(&table).unwrap(), fields, "{path} is not canonical");
            records.insert(path, table);
        }
        records
    }

    #[test]
    fn the_civic_records_are_canonical_and_in_twelve_sheets() {
        let records = civic_records();
        let sheets: HashSet<_> =
            records.keys().map(|path| path.split_once('/').unwrap().0.to_owned()).collect();
        assert_eq!(sheets.len(), 12);
        assert!(records.len() >= 80, "{}", records.len());
        for sheet in sheets {
            let definition = folder("civic").join(format!(".gitsheets/{sheet}.toml"));
            let table: toml_v08::Table =
                std::fs::read_to_string(definition).unwrap().parse().unwrap();
            assert_eq!(table["gitsheet"]["root"].as_str(), Some(&*sheet));
            assert!(table["headwater"].is_table());
        }
    }

    #[test]
    fn every_civic_record_is_at_the_path_its_fields_say() {
        for (path, fields) in civic_records() {
            let (sheet, key) = path.split_once('/').unwrap();
            let key = key.rsplit_once('.').unwrap().0;
            let definition = folder("civic").join(format!(".gitsheets/{sheet}.toml"));
            let definition: toml_v08::Table =
                std::fs::read_to_string(definition).unwrap().parse().unwrap();
            let template = definition["gitsheet"]["path"].as_str().unwrap().to_owned();
            let rendered = fields.iter().fold(template, |text, (name, value)| {
                let value = value.to_string();
                text.replace(&format!("${{{{ {name} }}}}"), value.trim_matches('"'))
            });
            assert_eq!(rendered, key, "{path}");
        }
    }

    #[test]
    fn every_civic_reference_names_a_record_that_exists() {
        let records = civic_records();
        let text = |fields: &toml_v08::Table, name: &str| {
            fields.get(name).and_then(|value| value.as_str()).map(str::to_owned)
        };
        let ids: HashSet<_> = records.values().filter_map(|fields| text(fields, "id")).collect();
        assert_eq!(ids.len(), records.len() - 2, "only revocations have no id");
        for (path, fields) in &records {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("slackSamlNameId", _) | (_, None) => {}
                    ("projectSlug", Some(slug)) => {
                        assert!(records.contains_key(&format!("projects/{slug}.toml")), "{path}");
                    }
                    ("personSlug", Some(slug)) => {
                        assert!(records.contains_key(&format!("people/{slug}.toml")), "{path}");
                    }
                    (name, Some(id)) if name.ends_with("Id") => {
                        assert!(ids.contains(id), "{path}: {name}");
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn every_expected_problem_has_its_file() {
        for (upstream, expected) in [
            (broken_declared(), expected_of_declared()),
            (broken_inferred(), expected_of_inferred()),
        ] {
            let head = upstream.head().unwrap();
            let args = ["ls-tree", "-r", "-z", "--name-only", &head];
            let listed = git_with_input(upstream.path(), args, b"");
            let paths: HashSet<_> = listed
                .split(|&byte| byte == 0)
                .map(|path| match std::str::from_utf8(path) {
                    Ok(path) => path.to_owned(),
                    Err(_) => "people/%FF.toml".to_owned(),
                })
                .collect();
            assert!(!expected.is_empty());
            for Expected { path, .. } in &expected {
                assert!(paths.contains(path), "{path}");
            }
        }
    }

    #[test]
    fn malformed_toml_breaks_at_the_line_that_is_told() {
        let folder = folder("broken/declared");
        for Expected { path, rule, line, .. } in expected_of_declared() {
            let (true, Some(line)) = (path.ends_with(".toml"), line) else { continue };
            assert!(matches!(&*rule, "malformed" | "definition"));
            let text = std::fs::read_to_string(folder.join(&path)).unwrap();
            let error = text.parse::<toml_v08::Table>().unwrap_err();
            let before = &text[..error.span().unwrap().start];
            assert_eq!(before.matches('\n').count() + 1, line as usize, "{path}: {error}");
        }
    }

    #[test]
    fn files_without_a_row_are_good() {
        let expected = expected_of_declared();
        for (path, bytes) in files(&folder("broken/declared")) {
            if path.ends_with(".toml") && !expected.iter().any(|row| row.path == path) {
                let text = String::from_utf8(bytes).unwrap();
                text.parse::<toml_v08::Table>().unwrap_or_else(|error| panic!("{path}: {error}"));
            }
        }
    }
}
