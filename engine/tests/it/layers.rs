//! The house rules that the compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the modules of `lib.rs` in order: each uses only those above it.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let names = lib.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    });
    names.collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns every source file with the module of `lib.rs` to which it belongs.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(source()).unwrap();
                let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
                found.push((first.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_the_modules_above_it() {
    let modules = modules();
    assert!(modules.len() > 10, "lib.rs is read");
    let place = |name: &str| modules.iter().position(|module| module == name);
    for (module, path) in files() {
        let Some(own) = place(&module) else { continue };
        for line in fs::read_to_string(&path).unwrap().lines() {
            // The tests in a file may use later modules.
            if line.starts_with("mod tests") {
                break;
            }
            let code = line.split("//").next().unwrap();
            for used in code.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if let Some(other) = place(used) {
                    assert!(other <= own, "{} uses {used}, which is below it", path.display());
                }
            }
        }
    }
}

/// Returns the paths that a file uses, each from the root of the crate, without those of its tests
/// and those that it only re-exports with `pub use`.
fn used_paths(module: &[String], text: &str) -> Uses {
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut code = code.split("\nmod tests {").next().unwrap().to_owned();
    // The visibility of an item is not a use of the module that it names.
    while let Some(at) = code.find("pub(in ") {
        let end = at + code[at..].find(')').unwrap();
        code.replace_range(at..=end, "pub");
    }
    let mut uses = Uses::default();
    let mut rest = code.as_str();
    let mut body = String::new();
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = rest[line..at].trim();
        let is_import = ["", "pub", "pub(crate)", "pub(super)"].contains(&before);
        let end = at + rest[at..].find(';').map_or(0, |end| if is_import { end } else { 0 });
        if !is_import || end == at {
            body.push_str(&rest[..at + 4]);
            rest = &rest[at + 4..];
            continue;
        }
        body.push_str(&rest[..line]);
        let mut paths = Vec::new();
        flatten(&rest[at + 4..end], &mut Vec::new(), &mut paths);
        let paths = paths.into_iter().filter_map(|path| absolute(module, path));
        for path in paths {
            if let Some(name) = path.last().filter(|name| *name != "*") {
                uses.aliases.insert(name.clone(), path.clone());
            }
            if before.is_empty() {
                uses.paths.push(path);
            }
        }
        rest = &rest[end + 1..];
    }
    body.push_str(rest);
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in body.split(|c: char| !is_part(c)).filter(|word| word.contains("::")) {
        let path: Vec<String> = word.split("::").map(str::to_owned).collect();
        uses.paths.extend(absolute(module, path));
    }
    uses
}

/// The names that a file uses.
#[derive(Default)]
struct Uses {
    paths: Vec<Vec<String>>,
    /// The names that it imports or re-exports, which its children may use like their own.
    aliases: BTreeMap<String, Vec<String>>,
}

/// Lists the paths of a `use`, whose braces may nest.
fn flatten(tree: &str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let (mut depth, mut from) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[from..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let group = part.split_once('{');
        let path = group.map_or(part, |(path, _)| path);
        let known = before.len();
        let path = path.split(" as ").next().unwrap();
        before.extend(path.split("::").map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned));
        match group {
            Some((_, group)) => flatten(&group[..group.rfind('}').unwrap()], before, found),
            None => found.push(before.iter().filter(|name| *name != "self").cloned().collect()),
        }
        before.truncate(known);
    }
}

/// Returns a path from the root of the crate, or none if it leads outside.
fn absolute(module: &[String], path: Vec<String>) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()),
        "self" => Some([module, &path[1..]].concat()),
        // A child of the module, or a library; whether there is such a file shows which.
        _ => Some([module, &path[..]].concat()),
    }
}

#[test]
fn no_file_imports_one_that_imports_it_however_far_round() {
    let is_test = |module: &[String]| {
        let last = module.last().unwrap().as_str();
        ["tests", "testing", "simulation", "hostile"].contains(&last)
    };
    let mut uses: BTreeMap<Vec<String>, Uses> = BTreeMap::new();
    for (_, path) in files() {
        let below = path.strip_prefix(source()).unwrap().with_extension("");
        let module: Vec<String> =
            below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        if !is_test(&module) && path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            uses.insert(module.clone(), used_paths(&module, &text));
        }
    }
    let file_of = |path: &[String]| {
        let mut path = path.to_vec();
        // A name that a module re-exports belongs to the file that defines it.
        for _ in 0..8 {
            let lengths = (1..=path.len()).rev();
            let at = lengths.into_iter().find(|length| uses.contains_key(&path[..*length]))?;
            let alias = path.get(at).and_then(|name| uses[&path[..at]].aliases.get(name));
            match alias {
                Some(other) if other[..] != path[..=at] => {
                    path = [&other[..], &path[at + 1..]].concat();
                }
                _ => return Some(path[..at].to_vec()),
            }
        }
        None
    };
    let graph: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = uses
        .iter()
        .map(|(module, uses)| {
            let files = uses.paths.iter().filter_map(|path| file_of(path));
            (module, files.filter(|other| other != module).collect())
        })
        .collect();
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(edges > 500, "the imports are read: {edges}");
    // A file that imports nothing that is left is not in a cycle, nor is one that nothing left
    // imports.
    let mut left: BTreeSet<&Vec<String>> = graph.keys().copied().collect();
    loop {
        let is_needed =
            |module: &Vec<String>| left.iter().any(|other| graph[*other].contains(module));
        let needs = |module: &Vec<String>| graph[module].iter().any(|other| left.contains(other));
        let stays = |module: &&Vec<String>| needs(module) && is_needed(module);
        let rest: BTreeSet<_> = left.iter().copied().filter(stays).collect();
        if rest.len() == left.len() {
            break;
        }
        left = rest;
    }
    let circle: Vec<String> = left
        .iter()
        .flat_map(|module| {
            let others = graph[*module].iter().filter(|other| left.contains(other));
            others.map(|other| format!("{} uses {}", module.join("::"), other.join("::")))
        })
        .collect();
    assert!(circle.is_empty(), "{}", circle.join("\n"));
}

#[test]
fn one_place_starts_programs() {
    // The demo creates a remote for its user.
    let server = source().join("../../src");
    let allowed = [source().join("mirror/git.rs"), server.join("demo/sample.rs")];
    let mut folders = vec![source(), server];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_test =
                ["tests.rs", "testing.rs", "hostile.rs"].iter().any(|name| path.ends_with(name));
            if is_test || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\nmod tests {").next().unwrap();
            let starts = code.contains(" Command::new(");
            assert!(!starts || allowed.contains(&path), "{} starts a program", path.display());
        }
    }
}

#[test]
fn each_outside_library_lives_in_one_room() {
    let rooms = [
        ("gix", "mirror"),
        ("tantivy", "search"),
        ("tantivy_fst", "search"),
        ("levenshtein_automata", "search"),
    ];
    for (library, room) in rooms {
        for (module, path) in files() {
            let text = fs::read_to_string(&path).unwrap();
            let code: String = text.lines().map(|l| l.split("//").next().unwrap()).collect();
            let names = code.contains(&format!("{library}::"));
            assert!(!names || module == room, "{} names {library}", path.display());
        }
    }
}

#[test]
fn the_pointer_is_stored_in_one_place() {
    let stores = files().into_iter().filter(|(module, _)| module == "engine");
    let count: usize = stores
        .map(|(_, path)| fs::read_to_string(path).unwrap().matches("published.swap(").count())
        .sum();
    assert_eq!(count, 1);
}
