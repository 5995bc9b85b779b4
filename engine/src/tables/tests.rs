use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::id::{BlobId, Key};
use crate::layout::{DefinitionFile, DefinitionFiles, Layout, RootEntry};
use crate::problem::Problem;
use crate::record::Record;
use crate::value::Value;

/// Returns the layout of a repository with these definitions; if there are none, nothing is
/// declared.
fn layout(definitions: &str) -> Layout {
    let file = DefinitionFile { path: "headwater.toml".into(), bytes: definitions.into() };
    Layout::read(&DefinitionFiles {
        headwater: (!definitions.is_empty()).then_some(file),
        root: vec![RootEntry { name: b"d".to_vec(), is_folder: true }],
        ..DefinitionFiles::default()
    })
}

/// The contents of one file: the records by key, and how it was cut.
type Content = (BTreeMap<Key, Arc<Record>>, Option<Table>);

/// Reads a file from scratch.
fn content(layout: &Layout, path: &str, text: &str) -> Content {
    let claim = layout.claims(path.as_bytes()).into_iter().next().unwrap();
    let source = Source { spec: &claim.sheet, path, list: &claim.key, record_limit: 100 };
    match read(&source, BlobId::ZERO, text.as_bytes()) {
        ReadOutcome::List(list) => {
            let TableChange { table, records } = list.replacing(None, &|_| None);
            let records = records.into_iter().map(|(key, record)| (key, record.unwrap()));
            (records.collect(), Some(table))
        }
        ReadOutcome::Record | ReadOutcome::Broken(_) => (BTreeMap::new(), None),
    }
}

/// Lists the contents of a file: keys with values, and the problems of the rest.
fn told(definitions: &str, path: &str, text: &str) -> Vec<String> {
    let layout = layout(definitions);
    assert_eq!(layout.problems().count(), 0, "{:?}", layout.problems().next());
    let claim = layout.claims(path.as_bytes()).into_iter().next().unwrap();
    let source = Source { spec: &claim.sheet, path, list: &claim.key, record_limit: 100 };
    match read(&source, BlobId::ZERO, text.as_bytes()) {
        ReadOutcome::Record => vec!["one record".into()],
        ReadOutcome::Broken(problems) => {
            problems.iter().map(|p| format!("broken: {}", p.message)).collect()
        }
        ReadOutcome::List(list) => {
            let TableChange { table, records } = list.replacing(None, &|_| None);
            let record = |(key, record): &(Key, Option<Arc<Record>>)| {
                format!("{key} {}", record.as_ref().unwrap().value.as_str())
            };
            let problem = |problem: &Problem| {
                let place = problem.line.zip(problem.column);
                format!("{place:?} {} {}", problem.rule, problem.message)
            };
            records.iter().map(record).chain(table.problems().map(problem)).collect()
        }
    }
}

#[test]
fn the_first_field_that_tells_all_records_apart_names_them() {
    let cases: &[(&str, &[&str])] = &[
        (r#"[{"id": 1}, {"id": "b"}]"#, &["1", "b"]),
        (r#"[{"id": 1, "slug": "x"}, {"id": 1, "slug": "y"}]"#, &["x", "y"]),
        (r#"[{"id": 1, "slug": "x"}, {"id": "1", "slug": "y"}]"#, &["x", "y"]),
        (r#"[{"slug": "x"}, {"id": 2, "slug": "y"}]"#, &["x", "y"]),
        (r#"[{"name": "x"}, {"name": "y"}]"#, &["x", "y"]),
        (r#"[{"name": "x"}, {"name": "x"}]"#, &["1", "2"]),
        (r#"[{"code": ""}, {"code": "b"}]"#, &["1", "2"]),
        (r#"[{"id": "a/b"}, {"id": "c d"}]"#, &["a/b", "c d"]),
        (r#"[{"id": "../b"}, {"id": "c"}]"#, &["1", "2"]),
        (r#"[{"id": "/b"}, {"id": "c"}]"#, &["1", "2"]),
        (r#"[{"id": "a\nb"}, {"id": "c"}]"#, &["1", "2"]),
        (r#"[{"id": [1]}, {"id": null}]"#, &["1", "2"]),
        (r#"[{"id": 7, "id": 7}, {"id": "c"}]"#, &["c"]),
        (r#"[{"x": 1, "x": 1}, {"x": 2}]"#, &["2"]),
        ("[]", &[]),
    ];
    for (text, expected) in cases {
        let (records, _) = content(&layout(""), "d/f.json", text);
        let keys: Vec<String> = records.keys().map(ToString::to_string).collect();
        let expected: Vec<String> = expected.iter().map(|key| format!("f/{key}")).collect();
        assert_eq!(keys, expected, "{text}");
    }
    let long = format!(r#"[{{"id": "{}"}}]"#, "x".repeat(90));
    assert_eq!(content(&layout(""), "d/f.json", &long).0.len(), 1);
}

#[test]
fn a_file_with_more_problems_than_are_kept_is_one_problem_until_it_has_fewer() {
    let most = row::MOST_PROBLEMS;
    let text = |broken: usize| format!("{}{{\"id\":\"a\"}}\n", "1\n".repeat(broken));
    assert_eq!(told("", "d/f.ndjson", &text(most)).len(), most + 1);
    let message =
        "broken: the file has more than 10000 problems; the first: the line is not a table";
    assert_eq!(told("", "d/f.ndjson", &text(most + 1)), [message]);
    let layout = layout("");
    let (_, table) = content(&layout, "d/f.ndjson", &text(most));
    let claim = layout.claims(b"d/f.ndjson").into_iter().next().unwrap();
    let source =
        Source { spec: &claim.sheet, path: "d/f.ndjson", list: &claim.key, record_limit: 100 };
    let (before, after) = (text(most), text(most + 1));
    let sides = [before.as_bytes(), after.as_bytes()];
    assert!(change(&source, &table.unwrap(), &|_| None, sides, BlobId::ZERO).is_none());
}

#[test]
fn a_definition_says_where_the_records_are_and_what_they_are_called() {
    let each = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"${{ id.bioguide }}\"\n";
    let yaml = "- id: {bioguide: B1}\n- id: {}\n- id: {bioguide: B1}\n  x: 1\n- 7\n";
    assert_eq!(
        told(each, "d/f.yaml", yaml),
        [
            "f/B1 {\"id\":{\"bioguide\":\"B1\"}}",
            "Some((2, 3)) malformed it lacks a field that its key is made of",
            "Some((3, 3)) key_taken the key \"f/B1\" is taken by a record above",
            "Some((5, 3)) malformed the element is not a table",
        ]
    );
    assert_eq!(told(each, "d/f.yaml", "a: 1\n"), ["broken: the file is not a list"]);
    let map = "[sheets.d]\nfile = \"d/languages.yml\"\nrecords = \"map\"\n";
    assert_eq!(
        told(map, "d/languages.yml", "C++: {a: 1}\nC: 2\n../x: {}\n"),
        [
            "C++ {\"a\":1}",
            "None malformed the name in its key is empty, too long or has invalid characters",
            "None malformed the member is not a table",
        ]
    );
    let file = "[sheets.d]\nfile = \"d/f.json\"\nrecords = \"/items/*\"\n";
    assert_eq!(told(file, "d/f.json", r#"{"items": [{"id": "f"}]}"#), ["f {\"id\":\"f\"}"]);
    let types = "[sheets.d]\nformat = \"csv\"\ntypes = { zip = \"string\", n = \"integer\" }\n\
                 schema = { type = \"object\", required = [\"zip\"] }\n";
    assert_eq!(
        told(types, "d/f.csv", "id,zip,n\na,02134,1\nb,7,x\nc,,2\n"),
        [
            "f/a {\"id\":\"a\",\"n\":1,\"zip\":\"02134\"}",
            "Some((3, 5)) malformed the cell is not an integer of at most 64 bits",
            "Some((4, 1)) schema \"zip\" is a required property",
        ]
    );
    let large = format!("id\n{}\nb\n", "x".repeat(101));
    assert_eq!(
        told("", "d/f.csv", &large),
        [
            "f/b {\"id\":\"b\"}",
            "Some((2, 1)) too_large the record has 101 bytes, more than the limit of 100",
        ]
    );
}

#[test]
fn a_file_that_is_no_list_is_one_record_where_nothing_is_declared() {
    for (path, text) in [
        ("d/f.json", "{\"a\": [{}]}"),
        ("d/f.json", "[1]"),
        ("d/f.json", "[{}, 1]"),
        ("d/f.json", "[{}"),
        ("d/f.yaml", "a: 1\n"),
        ("d/f.toml", "a = [{}]\n"),
        ("d/f.md", "- a\n"),
    ] {
        assert_eq!(told("", path, text), ["one record"], "{path} {text}");
    }
    assert_eq!(told("", "d/f.csv", "a,a\n"), ["broken: two columns are called \"a\""]);
    let pointer = "version https://git-lfs.github.com/spec/v1\n";
    assert!(told("", "d/f.csv", pointer)[0].contains("LFS"));
}

/// Checks that a change of a file leads to the same result as reading it from scratch. Returns
/// whether the change could be determined from the differing part.
fn follow(definitions: &str, path: &str, [old, new]: [&str; 2]) -> Result<bool, TestCaseError> {
    let layout = layout(definitions);
    let claim = layout.claims(path.as_bytes()).into_iter().next().unwrap();
    let source = Source { spec: &claim.sheet, path, list: &claim.key, record_limit: 100 };
    let ((mut records, before), (expected, after)) =
        (content(&layout, path, old), content(&layout, path, new));
    let Some(before) = before else { return Ok(false) };
    let held = |key: &Key| records.get(key).cloned();
    let bytes = [old.as_bytes(), new.as_bytes()];
    let Some(changed) = change(&source, &before, &held, bytes, BlobId::ZERO) else {
        return Ok(false);
    };
    for (key, record) in changed.records {
        let value =
            |record: &Option<Arc<Record>>| record.as_ref().map(|record| record.value.clone());
        let was = match &record {
            Some(record) => records.insert(key.clone(), record.clone()),
            None => records.remove(&key),
        };
        prop_assert_ne!(value(&was), value(&record), "{} is the same", key);
    }
    prop_assert_eq!(Some(changed.table), after, "from {:?} to {:?}", old, new);
    prop_assert_eq!(records, expected, "from {:?} to {:?}", old, new);
    Ok(true)
}

/// The rows of a file, and how they are formatted.
#[derive(Debug, Clone)]
struct Rows {
    rows: Vec<(u8, Option<u8>, u8)>,
    ends: bool,
    wide: bool,
}

fn written(format: &str, rows: &Rows) -> String {
    let end = if rows.ends { "\r\n" } else { "\n" };
    let mut out = String::new();
    match format {
        "csv" => {
            out += if rows.wide { "id,name,note" } else { "id,name" };
            out += end;
            for (id, name, note) in &rows.rows {
                let name = name.map(|name| format!("n{name}")).unwrap_or_default();
                out += &match note {
                    0 => format!("{id},\"{name}\"\"\n,\""),
                    1 => format!("{id},{name},,x"),
                    2 => format!("{id},\"{name}\"x"),
                    3 => String::new(),
                    4 => format!("{id},\"{name}"),
                    _ => format!("{id},{name}"),
                };
                out += end;
            }
        }
        _ => {
            let (begin, between, close) = match (format, rows.wide) {
                ("json", true) => {
                    (format!("[{end}  "), format!(",{end}  "), format!("{end}]{end}"))
                }
                ("json", false) => ("[".to_owned(), ",".to_owned(), "]".to_owned()),
                (_, wide) => {
                    let end = if wide { format!("{end} {end}") } else { end.to_owned() };
                    (String::new(), end.clone(), end)
                }
            };
            let row = |(id, name, note): &(u8, Option<u8>, u8)| {
                let name = name.map(|name| format!(", \"name\": \"n{name}\"")).unwrap_or_default();
                match note {
                    0 => format!("{{\"id\": {id}{name}, \"note\": \"]}},\\\"\"}}"),
                    1 => format!("{{\"id\": {id}{name}, \"id\": 1}}"),
                    2 => format!("{{\"id\": {id}{name}, }}"),
                    3 => "7".to_owned(),
                    4 => format!("{{\"id\": {id}{name}"),
                    _ => format!("{{\"id\": {id}{name}}}"),
                }
            };
            let rows: Vec<String> = rows.rows.iter().map(row).collect();
            out = begin + &rows.join(&between) + &close;
        }
    }
    out
}

fn rows() -> impl Strategy<Value = Rows> {
    let note = prop_oneof![1 => 0..3_u8, 1 => Just(3_u8), 8 => Just(9_u8)];
    let broken = prop::bool::weighted(0.05);
    let row = (0..12_u8, prop::option::weighted(0.8, 0..9_u8), note, broken)
        .prop_map(|(id, name, note, broken)| (id, name, if broken { 4 } else { note }));
    (prop::collection::vec(row, 0..9), prop::bool::weighted(0.2), prop::bool::weighted(0.3))
        .prop_map(|(rows, ends, wide)| Rows { rows, ends, wide })
}

/// A change to the rows of a file.
#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, (u8, Option<u8>, u8)),
    Remove(usize),
    Change(usize, (u8, Option<u8>, u8)),
    Move(usize, usize),
    Ends,
    Wide,
    Whole(Rows),
}

fn edit() -> impl Strategy<Value = Edit> {
    let row = || {
        let note = prop_oneof![2 => 0..5_u8, 8 => Just(9_u8)];
        (0..40_u8, prop::option::weighted(0.8, 0..30_u8), note)
    };
    prop_oneof![
        4 => (0..9_usize, row()).prop_map(|(at, row)| Edit::Insert(at, row)),
        3 => (0..9_usize).prop_map(Edit::Remove),
        4 => (0..9_usize, row()).prop_map(|(at, row)| Edit::Change(at, row)),
        2 => (0..9_usize, 0..9_usize).prop_map(|(from, to)| Edit::Move(from, to)),
        1 => Just(Edit::Ends),
        1 => Just(Edit::Wide),
        1 => rows().prop_map(Edit::Whole),
    ]
}

fn edited(mut rows: Rows, edit: &Edit) -> Rows {
    let count = rows.rows.len();
    match edit {
        Edit::Insert(at, row) => rows.rows.insert(*at % (count + 1), *row),
        Edit::Whole(other) => rows = other.clone(),
        Edit::Ends => rows.ends = !rows.ends,
        Edit::Wide => rows.wide = !rows.wide,
        _ if count == 0 => {}
        Edit::Remove(at) => drop(rows.rows.remove(*at % count)),
        Edit::Change(at, row) => rows.rows[*at % count] = *row,
        Edit::Move(from, to) => {
            let row = rows.rows.remove(*from % count);
            rows.rows.insert(*to % count, row);
        }
    }
    rows
}

const DEFINED: [&str; 3] = [
    "",
    "[sheets.d]\nformat = \"FORMAT\"\nrecords = \"each\"\nkey = \"${{ name }}\"\n",
    "[sheets.d]\nfile = \"d/f.FORMAT\"\nrecords = \"each\"\n\
     schema = { properties = { name = { maxLength = 2 } } }\n",
];

#[test]
fn a_change_inside_of_a_file_equals_a_new_look_at_it() {
    let cases = std::env::var("HEADWATER_LAW_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(1_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let formats = prop::sample::select(&["csv", "json", "ndjson"][..]);
    let mut told = [0, 0];
    let steps = prop::collection::vec(edit(), 1..3);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let counted = std::cell::RefCell::new(&mut told);
    runner
        .run(&(formats, rows(), steps, 0..DEFINED.len()), |(format, old, edits, defined)| {
            let definitions = DEFINED[defined].replace("FORMAT", format);
            let new = edits.iter().fold(old.clone(), edited);
            let texts = [written(format, &old), written(format, &new)];
            let path = format!("d/f.{format}");
            let is_told = follow(&definitions, &path, [&texts[0], &texts[1]])?;
            counted.borrow_mut()[usize::from(is_told)] += 1;
            Ok(())
        })
        .unwrap();
    assert!(told[1] * 4 > told[0], "the difference is told often enough: {told:?}");
}

#[test]
fn a_row_that_changes_is_told_without_a_look_at_the_others() {
    let row = |n: usize, note: &str| format!("{n},name {n},{note}\n");
    let text = |changed: usize, note: &str| -> String {
        let rows = (0..100).map(|n| row(n, if n == changed { note } else { "" }));
        "id,name,note\n".to_owned() + &rows.collect::<String>()
    };
    for (old, new) in [
        (text(50, ""), text(50, "new")),
        (text(0, ""), text(0, "new")),
        (text(99, "old"), text(99, "new")),
        (text(3, ""), text(3, "").replace("3,name 3,\n", "")),
        (text(3, ""), text(3, "") + "100,name 100,\n"),
        (text(3, ""), text(3, "").replace("7,name 7,\n", "7,name 7,\nx,\"a,\n\"\"b\",\n")),
        (text(3, ""), text(3, "").replace("7,name 7,\n", "7,name 7,\nx,a,b,c\n")),
    ] {
        assert!(follow("", "d/f.csv", [&old, &new]).unwrap(), "{new}");
    }
    // The problem of an unchanged row is reported at its new position.
    let wrong = text(3, "") + "100,name,,,\n";
    let above = "new,name,\nnewer,name,\n";
    let moved = wrong.replace("5,name 5,\n", above);
    assert!(follow("", "d/f.csv", [&wrong, &moved]).unwrap());
    let line = "[{\"id\": 1}, {\"id\": 2, }, {\"id\": 3}]";
    assert!(follow("", "d/f.json", [line, &line.replace('1', "1000")]).unwrap());
    let table = content(&layout(""), "d/f.csv", &moved).1.unwrap();
    assert_eq!(table.problems().next().and_then(|problem| problem.line), Some(103));
    let begins = table.lines().find(|(key, _)| key.as_str() == "f/6");
    assert_eq!(begins.map(|(_, line)| line), Some(9));
}

#[test]
fn an_insertion_shares_what_stands_around_it() {
    let text: String = (0..1_000).map(|n| format!("{{\"id\": {n}}}\n")).collect();
    let longer = text.replace("{\"id\": 500}", "{\"id\": \"new\"}\n{\"id\": 500}");
    let (records, before) = content(&layout(""), "d/f.ndjson", &text);
    let held = |key: &Key| records.get(key).cloned();
    let layout = layout("");
    let claim = layout.claims(b"d/f.ndjson").into_iter().next().unwrap();
    let (path, list) = ("d/f.ndjson", &claim.key);
    let source = Source { spec: &claim.sheet, path, list, record_limit: 100 };
    let bytes = [text.as_bytes(), longer.as_bytes()];
    let changed = change(&source, &before.unwrap(), &held, bytes, BlobId::ZERO).unwrap();
    let keys: Vec<String> = changed.records.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, ["f/new"]);
    let value: Option<&Value> = changed.records[0].1.as_ref().map(|record| &record.value);
    assert_eq!(value.map(Value::as_str), Some("{\"id\":\"new\"}"));
}
