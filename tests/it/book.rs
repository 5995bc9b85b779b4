//! The book: every shell example in it works as shown, and every link has a target.
//!
//! CONTRIBUTING.md explains how examples are written.

mod links;
mod page;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use headwater_testkit::nats_server;
use page::{Block, Page};

/// The page whose examples need a NATS server.
const CLUSTER: &str = "cluster.md";

/// Returns the root of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the pages of the book in the order of its summary, with their names.
fn pages() -> Vec<(String, Page)> {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let names = Page::parse(&summary).links.into_iter();
    names
        .map(|name| {
            let text = fs::read_to_string(root().join("docs").join(&name));
            (name.clone(), Page::parse(&text.unwrap_or_else(|error| panic!("{name}: {error}"))))
        })
        .collect()
}

#[test]
fn the_summary_lists_each_page_once() {
    let listed: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
    let there = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let there = there.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let there = there.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let there: BTreeSet<String> = there.filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(listed.len(), there.len());
}

#[test]
fn each_shell_example_does_what_it_says() {
    let pages = pages();
    let examples = |page: &Page| page.blocks.iter().filter(|block| block.is_run()).count();
    assert!(pages.iter().map(|(_, page)| examples(page)).sum::<usize>() > 30);
    let nats = nats_server();
    let nats = nats.as_deref();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs = pages.iter().filter(|(_, page)| examples(page) > 0);
        let runs = runs.filter(|(name, _)| nats.is_some() || name != CLUSTER);
        let runs = runs.map(|(name, page)| scope.spawn(move || run::run(name, page, nats)));
        let runs: Vec<_> = runs.collect();
        runs.into_iter().filter_map(|run| run.join().unwrap().err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn an_example_that_is_not_run_says_why() {
    for (name, page) in pages() {
        for block in page.blocks {
            if let Block { reason: Some(reason), line, .. } = block {
                assert!(reason.len() > 10, "docs/{name}:{line} is not run, and does not say why");
            }
        }
    }
}

#[test]
fn each_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut files: Vec<PathBuf> =
        ["README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG"]
            .map(|name| PathBuf::from(format!("{name}.md")))
            .into();
    files.extend(pages().into_iter().map(|(name, _)| Path::new("docs").join(name)));
    files.push("docs/SUMMARY.md".into());
    let read = |file: &PathBuf| Page::parse(&fs::read_to_string(root().join(file)).unwrap());
    let pages: BTreeMap<PathBuf, Page> =
        files.iter().map(|file| (file.clone(), read(file))).collect();
    let broken: Vec<String> = pages
        .iter()
        .flat_map(|(file, page)| page.links.iter().map(move |link| (file, link)))
        .filter_map(|(file, link)| {
            let why = links::fault(root(), &pages, file, link)?;
            Some(format!("{}: {link}: {why}", file.display()))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
