//! Names of fields and of records as people write them.

use headwater_engine::budget::Budget;
use headwater_engine::id::{CommitId, Key};
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::query::ListQuery;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::Upstream;
use serde_json::json;

fn loaded(files: &[(&str, &str)]) -> Snapshot {
    let mut upstream = Upstream::new();
    let commit =
        files.iter().fold(upstream.commit("one"), |commit, (path, text)| commit.put(*path, *text));
    let head: CommitId = commit.push().parse().unwrap();
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    load(&mirror.objects().unwrap(), head, &LoadOptions::default()).unwrap()
}

/// Returns the keys of the records in a list of the sheet `d`.
fn listed(snapshot: &Snapshot, name: &str, value: &str) -> Vec<String> {
    let sheet = snapshot.sheet("d").unwrap();
    let pairs = [(name.to_owned(), value.to_owned())];
    let page = ListQuery::parse(&pairs, sheet)
        .unwrap()
        .run(sheet, snapshot.text(), &Budget::unlimited())
        .unwrap();
    page.items.iter().map(|item| item.record.key.to_string()).collect()
}

const FILES: [(&str, &str); 4] = [
    ("d/a.json", r#"{"stats":{"ios_saf":{"17.4":"y"}},"nav.home":"Home","n":{"app.id":1}}"#),
    ("d/b.json", r#"{"stats":{"ios_saf.17":{"4":"n"}},"nav":{"home":"Away"},"n.app":{"id":1}}"#),
    ("d/c.yaml", "metadata:\n  annotations:\n    backstage.io/techdocs-ref: dir:.\nto.a: nobody\n"),
    ("d/d.toml", "\"nav.home\" = \"Gone\"\n[flags]\n\"is.gone\" = true\n"),
];

#[test]
fn a_name_with_dots_finds_what_its_sheet_lists_with_indexes_and_without() {
    let settings = "[sheets.d]\nroot = \"d\"\nformat = \"json\"\n";
    let declared = format!(
        "{settings}index = [\"nav.home\", \"stats.ios_saf.17.4\", \"n.app.id\"]\nhidden = \"is.hidden\"\n"
    );
    let mut files = FILES[..2].to_vec();
    files.push(("headwater.toml", &declared));
    for snapshot in [loaded(&FILES), loaded(&files)] {
        let listed = |name: &str, value: &str| listed(&snapshot, name, value);
        assert_eq!(listed("stats.ios_saf.17.4", "y"), ["a"]);
        assert_eq!(listed("stats.ios_saf.17.4", "n"), ["b"]);
        assert_eq!(listed("nav.home", "Home"), ["a"]);
        assert_eq!(listed("nav.home[gte]", "Home")[0], "a");
        assert_eq!(listed("n.app.id[exists]", "true"), ["a", "b"]);
        assert_eq!(
            listed("sort", "nav.home")[..2],
            ["b", if snapshot.records() > 2 { "d" } else { "a" }]
        );
        let sheet = snapshot.sheet("d").unwrap();
        for (field, _) in sheet.fields().iter() {
            let name = format!("{field}[exists]");
            assert_ne!(listed(&name, "true"), [] as [&str; 0], "{field} is listed");
        }
        let pairs = [("facets".to_owned(), "n.app.id".to_owned())];
        let page = ListQuery::parse(&pairs, sheet)
            .unwrap()
            .run(sheet, snapshot.text(), &Budget::unlimited())
            .unwrap();
        assert_eq!(page.facets[0].values.len(), 1);
        assert_eq!(page.facets[0].values[0].1, 2);
    }
}

#[test]
fn a_name_with_dots_is_unique_refers_is_searched_and_hides() {
    let definition = "[sheets.d]\nformat = \"json\"\nunique = [\"n.id\"]\nrefs = { \"to.all\" = \"d\" }\n\
        search = { \"app.name\" = 2.0 }\nhidden = \"is.gone\"\n";
    let snapshot = loaded(&[
        ("headwater.toml", definition),
        ("d/a.json", r#"{"n":{"id":1},"app.name":"gull","other":"tern"}"#),
        ("d/b.json", r#"{"n.id":1,"to":{"all":["a"]}}"#),
        ("d/c.json", r#"{"to.all":["a","zz"],"app":{"name":"gull"},"is":{"gone":true}}"#),
        ("d/e.json", r#"{"is.gone":true,"is":{"gone":false}}"#),
    ]);
    let told: Vec<_> = snapshot
        .problems()
        .iter()
        .map(|problem| format!("{} {}", problem.path, problem.pointer.as_deref().unwrap()))
        .collect();
    assert_eq!(told, ["d/b.json /n.id", "d/c.json /to.all/1"]);
    assert!(snapshot.visible("d", "a").is_some() && snapshot.visible("d", "b").is_some());
    assert!(snapshot.visible("d", "c").is_none() && snapshot.visible("d", "e").is_none());
    assert_eq!(listed(&snapshot, "q", "gull"), ["a"]);
    assert_eq!(listed(&snapshot, "q", "tern"), [] as [&str; 0]);
}

#[test]
fn a_key_is_found_however_unicode_writes_it_where_one_is_meant() {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let file = |folder: &str, key: &str| format!("{folder}/{key}.json");
    let snapshot = loaded(&[
        (&file("one", decomposed), r#"{"n":1}"#),
        (&file("two", composed), r#"{"n":2}"#),
        (&file("two", decomposed), r#"{"n":3}"#),
        (&file("mixed", &format!("{composed}/{decomposed}/{composed}")), r#"{"n":4}"#),
        (&file("mixed", &format!("{composed}/{composed}/{decomposed}")), r#"{"n":5}"#),
    ]);
    let found = |sheet: &str, key: &str| {
        snapshot.visible(sheet, key).map(|record| record.value.as_str().to_owned())
    };
    assert_eq!(found("one", composed).as_deref(), Some(r#"{"n":1}"#));
    assert_eq!(found("one", decomposed).as_deref(), Some(r#"{"n":1}"#));
    assert_eq!(found("two", composed).as_deref(), Some(r#"{"n":2}"#));
    assert_eq!(found("two", decomposed).as_deref(), Some(r#"{"n":3}"#));
    assert_eq!(found("one", "cafe"), None);
    // Two records match.
    assert_eq!(found("mixed", &[composed; 3].join("/")), None);
    let exact = format!("{composed}/{composed}/{decomposed}");
    assert_eq!(found("mixed", &exact).as_deref(), Some(r#"{"n":5}"#));
}

#[test]
fn a_new_record_has_the_format_of_its_folder_where_nothing_is_declared() {
    let snapshot = loaded(&[
        ("d/a.json", "{}"),
        ("d/b.json", "{}"),
        ("d/c.yaml", "a: 1"),
        ("d/sub/a.yml", "a: 1"),
        ("m/a.md", "text"),
        ("t/a.toml", ""),
    ]);
    let path = |sheet: &str, key: &str| {
        snapshot.sheet(sheet).unwrap().path_for(&json!({}), Some(&Key::new(key))).unwrap()
    };
    assert_eq!(path("d", "new"), "d/new.json");
    assert_eq!(path("d", "sub/new"), "d/sub/new.yml");
    assert_eq!(path("d", "other/new"), "d/other/new.json");
    assert_eq!(path("m", "new"), "m/new.md");
    assert_eq!(path("t", "new"), "t/new.toml");
}

#[test]
fn fields_of_the_path_are_searched_like_all_others() {
    let template = "path = \"${{ lang }}/${{ year }}/${{ slug }}\"\n";
    let sheet = format!("[sheets.d]\nformat = \"json\"\n{template}");
    let searched = format!("{sheet}search = {{ lang = 1.0, year = 1.0 }}\n");
    let files = [("d/fr/2024/a.json", "{}"), ("d/de/2024/b.json", "{}"), ("d/fr/7/c.json", "{}")];
    for definition in [sheet, searched] {
        let snapshot = loaded(&[&files[..], &[("headwater.toml", &*definition)]].concat());
        for (query, keys) in [
            ("lang:fr", &["fr/2024/a", "fr/7/c"][..]),
            ("year:2024", &["de/2024/b", "fr/2024/a"]),
            ("year:2024 -lang:fr", &["de/2024/b"]),
            ("lang:en", &[]),
        ] {
            let mut found = listed(&snapshot, "q", query);
            found.sort();
            assert_eq!(found, keys, "{query} of {definition}");
        }
    }
}
