//! The modules of the server: which uses which, and where outside libraries are used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use headwater_testkit::imports::Imports;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the modules of `lib.rs` in order; each uses only those above it.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    rooms.map(str::to_owned).collect()
}

#[test]
fn a_room_uses_only_the_rooms_above_it() {
    let rooms = rooms();
    assert!(rooms.len() > 10, "lib.rs is read");
    let place = |file: &str| {
        let room = file.split('/').next().unwrap();
        rooms.iter().position(|other| other == room).unwrap_or_else(|| panic!("{room} is no room"))
    };
    let imports = Imports::of(&root().join("src"));
    let files: Vec<_> = imports.iter().filter(|(file, _)| *file != "demo/embed").collect();
    assert!(files.len() > 100, "the files are read");
    for (file, used) in files {
        for other in used {
            assert!(place(other) <= place(file), "{file} uses {other}, which is below it");
        }
    }
}

#[test]
fn no_two_files_use_each_other() {
    let circles = Imports::of(&root().join("src")).circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Each outside library that has one room.
const LIBRARIES: [(&str, &str); 8] = [
    ("gix", "engine/src/mirror"),
    ("gix_zlib", "engine/src/mirror"),
    ("tantivy", "engine/src/search"),
    ("tantivy_fst", "engine/src/search"),
    ("levenshtein_automata", "engine/src/search"),
    ("async_nats", "src/cluster/nats"),
    ("axum", "src/http"),
    ("matchit", "src/http"),
];

#[test]
fn the_architecture_promises_one_room_to_the_libraries_that_are_held_to_it() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    // `The only room with tantivy, tantivy_fst and levenshtein_automata.`
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let promised = text.split("only room with ").skip(1).flat_map(|rest| {
        let sentence = rest.split(['.', '|']).next().unwrap();
        sentence.split(move |c| !is_name(c)).filter(|word| !["", "and"].contains(word))
    });
    let promised: BTreeSet<&str> = promised.collect();
    assert_eq!(promised, LIBRARIES.map(|(library, _)| library).into());
}

#[test]
fn an_outside_library_that_has_one_room_is_used_only_there() {
    for (library, room) in LIBRARIES {
        let mut found = 0;
        for path in sources() {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let code: String = text.lines().map(|line| line.split("//").next().unwrap()).collect();
            if names(&code, library) {
                let (inside, file) = (Path::new(room), Path::new(room).with_extension("rs"));
                assert!(
                    path.starts_with(inside) || path == file,
                    "{} uses {library}",
                    path.display()
                );
                found += 1;
            }
        }
        assert!(found > 0, "{room} uses {library}");
    }
}

/// Returns whether `code` has a path that begins with `library`.
fn names(code: &str, library: &str) -> bool {
    code.match_indices(&format!("{library}::")).any(|(at, _)| {
        !code[..at].ends_with(|before: char| before.is_alphanumeric() || "_:".contains(before))
    })
}

/// Returns every source file of the server and of the engine.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("engine/src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
