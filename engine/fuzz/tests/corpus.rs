//! The corpora, replayed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use headwater_fuzz::TARGETS;

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

#[test]
fn what_was_found_once_is_found_no_more() {
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(corpus()), known, "each target has a corpus, and each corpus a target");
    let mut replayed = 0;
    for (name, target) in TARGETS {
        let folder = corpus().join(name);
        let files = names(&folder);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = fs::read(folder.join(&file)).unwrap();
            let ran = std::panic::catch_unwind(|| target(&bytes));
            assert!(ran.is_ok(), "{name}/{file}");
            replayed += 1;
        }
    }
    println!("{replayed} inputs");
}

#[test]
fn each_target_has_its_binary() {
    let binaries = concat!(env!("CARGO_MANIFEST_DIR"), "/libfuzzer/fuzz_targets");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(format!("{binaries}/{name}.rs")).unwrap();
        assert!(text.contains(&format!("headwater_fuzz::{name}(")), "{name}");
    }
}
