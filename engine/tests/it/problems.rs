//! Broken files: each kind raises its rule at its place, and the good files next to it are served.

use std::collections::BTreeSet;

use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::problem::Problem;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::fixtures::{self, Expected};
use headwater_testkit::{Upstream, git};

fn loaded(upstream: &Upstream) -> Snapshot {
    let objects = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let head: CommitId = upstream.head().unwrap().parse().unwrap();
    load(&objects.objects().unwrap(), head, &LoadOptions::default()).unwrap()
}

fn check(snapshot: &Snapshot, expected: &[Expected]) {
    let found = snapshot.problems();
    let rules: BTreeSet<_> = found.iter().map(|p| (p.path.clone(), p.rule.to_string())).collect();
    let wanted: BTreeSet<_> =
        expected.iter().map(|row| (row.path.clone(), row.rule.clone())).collect();
    let (missing, surprising): (Vec<_>, Vec<_>) =
        (wanted.difference(&rules).collect(), rules.difference(&wanted).collect());
    assert!(missing.is_empty() && surprising.is_empty(), "{missing:#?} {surprising:#?} {found:#?}");
    for row in expected {
        let problem = found.iter().find(|p| p.path == row.path).unwrap();
        assert!(row.line.is_none() || problem.line == row.line, "{row:?} {problem:?}");
        assert!(
            row.pointer.is_none() || problem.pointer.as_deref() == row.pointer.as_deref(),
            "{row:?} {problem:?}"
        );
        assert!(!problem.message.contains('\n'), "{problem:?}");
    }
}

#[test]
fn each_broken_file_of_declared_sheets_raises_its_rule() {
    check(&loaded(&fixtures::broken_declared()), &fixtures::expected_of_declared());
}

#[test]
fn each_broken_file_of_inferred_sheets_raises_its_rule() {
    let snapshot = loaded(&fixtures::broken_inferred());
    check(&snapshot, &fixtures::expected_of_inferred());
    let served = snapshot.visible("taken", "healed").unwrap();
    assert_eq!(served.path(), "taken/healed.toml", "the first that decodes is served");
}

#[test]
fn a_pointer_escapes_the_names_of_its_members_whatever_the_rule() {
    let definition = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\n\
                      [headwater]\nunique = [\"x~/y\"]\nrefs = { \"x~/y\" = \"others.id\" }\n\n\
                      [gitsheet.schema.properties.\"n/~\"]\ntype = \"number\"\n";
    let mut upstream = Upstream::new();
    let commit = upstream.commit("names with signs").put(".gitsheets/people.toml", definition);
    let commit = commit
        .put(".gitsheets/others.toml", "[gitsheet]\nroot = \"others\"\npath = \"${{ id }}\"\n");
    let commit =
        commit.put("people/a.toml", "\"x~/y\" = 1\n").put("people/b.toml", "\"x~/y\" = 1\n");
    commit.put("people/e.toml", "\"n/~\" = \"one\"\n").push();
    let snapshot = loaded(&upstream);
    let problems = snapshot.problems();
    let pointer = |problem: &Problem| String::from(problem.pointer.clone().unwrap_or_default());
    let pointers: BTreeSet<_> =
        problems.iter().map(|problem| (problem.rule.to_string(), pointer(problem))).collect();
    let expected = [("dangling_ref", "/x~0~1y"), ("not_unique", "/x~0~1y"), ("schema", "/n~1~0")];
    let expected = expected.map(|(rule, pointer)| (rule.to_owned(), pointer.to_owned()));
    assert_eq!(pointers, BTreeSet::from(expected), "{problems:#?}");
}

#[test]
fn the_civic_sample_has_no_problem_and_every_file_is_served() {
    let upstream = fixtures::civic();
    let snapshot = loaded(&upstream);
    assert_eq!(snapshot.problems(), []);
    let files = git(upstream.path(), ["ls-tree", "-r", "--name-only", upstream.branch()]);
    let records = files.lines().filter(|path| !path.starts_with('.')).count();
    assert_eq!(snapshot.records(), records);
    assert!(snapshot.sheets().count() == 12);
}

#[test]
fn the_mixed_sample_is_inferred_from_its_folders() {
    let snapshot = loaded(&fixtures::mixed());
    assert!(snapshot.layout().is_inferred());
    assert!(!snapshot.layout().skipped().is_empty());
    assert!(snapshot.sheet("root").is_some(), "files in the root are a sheet");
    let formats: BTreeSet<_> = snapshot
        .sheets()
        .flat_map(|sheet| sheet.records())
        .filter_map(|record| Some(record.path().rsplit_once('.')?.1.to_owned()))
        .collect();
    assert!(formats.len() >= 4, "{formats:?}");
}

#[test]
fn the_sample_of_tables_is_read_record_by_record() {
    let snapshot = loaded(&fixtures::tables());
    assert_eq!(snapshot.problems(), []);
    let keys: Vec<String> = snapshot
        .sheets()
        .flat_map(|sheet| {
            sheet.records().map(|record| format!("{} {}", sheet.spec().name, record.key))
        })
        .collect();
    let expected = [
        "council current/Ida Berg",
        "council current/Omar Nasser",
        "countries all/AT",
        "countries all/CI",
        "countries all/DE",
        "countries all/NO",
        "icons icons/anchor",
        "icons icons/beacon",
        "plants plants/birch",
        "plants plants/fern",
        "prices 2026/1",
        "prices 2026/2",
        "prices 2026/3",
        "releases all/1.0",
        "releases all/1.1",
        "releases all/2.0",
        "root README",
        "root languages",
        "servers all/mail",
        "servers all/web",
        "shops berlin/Corner",
        "shops berlin/Mill",
    ];
    assert_eq!(keys, expected);
    let value =
        |sheet: &str, key: &str| snapshot.visible(sheet, key).unwrap().value.as_str().to_owned();
    let shop = r#"{"name":"Corner","note":"open late, \r\nalso on Sundays","zip":"02134"}"#;
    assert_eq!(value("shops", "berlin/Corner"), shop);
    let country = r#"{"capital":"Yamoussoukro","code":"CI","name":"Côte d'Ivoire"}"#;
    assert_eq!(value("countries", "all/CI"), country);
    let fern = r#"{"height":1,"planted":"2024-04-01","slug":"fern"}"#;
    assert_eq!(value("plants", "plants/fern"), fern);
}
