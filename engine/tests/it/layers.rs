//! The house rules that the compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

use headwater_testkit::imports::Imports;

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
    let place = |file: &str| {
        let module = file.split('/').next().unwrap();
        let place = modules.iter().position(|other| other == module);
        place.unwrap_or_else(|| panic!("{module} is not in lib.rs"))
    };
    for (file, used) in Imports::of(&source()).iter() {
        for other in used {
            assert!(place(other) <= place(file), "{file} uses {other}, which is below it");
        }
    }
}

#[test]
fn no_file_imports_one_that_imports_it_however_far_round() {
    let imports = Imports::of(&source());
    let count: usize = imports.iter().map(|(_, used)| used.len()).sum();
    assert!(count > 500, "the imports are read: {count}");
    let circles = imports.circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
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
fn the_pointer_is_stored_in_one_place() {
    let stores = files().into_iter().filter(|(module, _)| module == "engine");
    let count: usize = stores
        .map(|(_, path)| fs::read_to_string(path).unwrap().matches("published.swap(").count())
        .sum();
    assert_eq!(count, 1);
}
