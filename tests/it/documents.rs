//! What the documents promise exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FAULTS: &str = include_str!("../../docs/faults.md");
const SECURITY: &str = include_str!("../../SECURITY.md");
const CLIENTS: &str = include_str!("../../.ci/clients");

/// Adds the name of each function below `folder` that follows `#[test]`, after its module.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.file_stem().unwrap().to_str().unwrap();
            let module = if module == "tests" {
                let parent = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
                format!("{parent}::tests")
            } else {
                module.to_owned()
            };
            let text = fs::read_to_string(&path).unwrap();
            let is_inline = text.lines().any(|line| {
                matches!(line, "mod tests {" | "pub(super) mod tests {" | "pub(crate) mod tests {")
            });
            let inline = if is_inline { "::tests" } else { "" };
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if !matches!(line, "#[test]" | "#[tokio::test]") {
                    continue;
                }
                let function = lines.find(|line| line.contains("fn ")).unwrap();
                let name = function.split("fn ").nth(1).unwrap().split('(').next().unwrap();
                found.insert(format!("{module}{inline}::{name}"));
            }
        }
    }
}

/// Adds the names of the tests in a browser, which are sentences, after the part that they go through.
fn browser_tests(found: &mut BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "mjs") {
            continue;
        }
        let part = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let sentences = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("await check(\"")?.split('"').next());
        let named = |words: &str| format!("{part}::{}", words.replace(',', "").replace(' ', "_"));
        found.extend(sentences.map(named));
    }
}

/// Returns the names of all tests. Those of the clients are run by a script, which says their names.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = CLIENTS
        .lines()
        .filter_map(|line| line.strip_prefix("run ")?.split(' ').next())
        .map(|name| format!("clients::{name}"))
        .collect();
    browser_tests(&mut known);
    for folder in ["src", "tests", "engine/src", "engine/tests", "engine/fuzz/tests"] {
        tests_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut known);
    }
    known
}

#[test]
fn each_test_that_holds_a_promise_of_security_is_there() {
    let known = known();
    let named: Vec<_> = SECURITY.split('`').filter(|name| name.contains("::")).collect();
    assert!(named.len() > 50, "{named:?}");
    for name in named {
        assert!(known.contains(name), "there is no test {name}");
    }
}

#[test]
fn each_fault_in_the_documents_has_tests_and_each_of_them_is_there() {
    let known = known();
    let rows = FAULTS.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault"));
    let mut count = 0;
    for row in rows {
        let proof = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = proof.split('`').filter(|name| name.contains("::")).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(known.contains(name), "there is no test {name}");
        }
        count += 1;
    }
    assert!(count > 70, "{count} rows");
}
