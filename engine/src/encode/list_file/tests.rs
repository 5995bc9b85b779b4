use std::collections::BTreeMap;
use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Map, json};

use super::*;
use crate::layout::{DefinitionFile, DefinitionFiles, Layout, PathClaim, RootEntry};

/// The records of a file by key.
type StoredRecords = BTreeMap<Key, Arc<Record>>;

const RECORD_LIMIT: u64 = 1 << 20;

/// A file of many records with the sheet that it is of.
struct Shelf {
    claim: PathClaim,
    path: String,
    held: StoredRecords,
    list: List,
}

impl Shelf {
    fn of(definitions: &str, path: &str, text: &str) -> Self {
        let mut shelf = Self::claimed(definitions, path);
        let claim = &shelf.claim;
        let source =
            Source { spec: &claim.sheet, path, list: &claim.key, record_limit: RECORD_LIMIT };
        shelf.held = match tables::read(&source, BlobId::ZERO, text.as_bytes()) {
            ReadOutcome::List(list) => {
                let records = list.replacing(None, &|_| None).records.into_iter();
                records.map(|(key, record)| (key, record.unwrap())).collect()
            }
            other => panic!("{text:?} is {other:?}"),
        };
        shelf.list = List::open(&source, None, text.as_bytes()).unwrap();
        shelf
    }

    /// Says what claims a path, and has no list there.
    fn claimed(definitions: &str, path: &str) -> Self {
        let file = DefinitionFile { path: "headwater.toml".into(), bytes: definitions.into() };
        let layout = Layout::read(&DefinitionFiles {
            headwater: (!definitions.is_empty()).then_some(file),
            root: vec![RootEntry { name: b"d".to_vec(), is_folder: true }],
            ..DefinitionFiles::default()
        });
        assert_eq!(layout.problems().count(), 0, "{:?}", layout.problems().next());
        let claim = layout.claims(path.as_bytes()).into_iter().next().unwrap();
        let none = Layout::empty().claims(b"d/none.ndjson").remove(0);
        let source =
            Source { spec: &none.sheet, path: "d/none.ndjson", list: &none.key, record_limit: 0 };
        let list = List::open(&source, None, b"").unwrap();
        Self { path: path.to_owned(), held: StoredRecords::new(), list, claim }
    }

    fn keys(&self) -> Vec<String> {
        let held = |key: &Key| self.held.get(key).cloned();
        let held = self.list.held(&held);
        let keys = self.list.table.keys().filter(|key| held(key).is_some());
        keys.map(|key| key.as_str().strip_prefix("f/").unwrap_or(key.as_str()).to_owned()).collect()
    }

    fn value(&self, key: &str) -> Option<Json> {
        let held = |key: &Key| self.held.get(key).cloned();
        let record = self.list.held(&held)(&self.key(key))?;
        Some(serde_json::from_str(record.value.as_str()).unwrap())
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.claim.sheet.element_key(self.claim.key.as_str(), name))
    }

    fn note(&mut self, edit: &Edit) -> Result<(), EncodeError> {
        let name = match edit {
            Edit::Put(name, _) | Edit::Remove(name) => self.key(name),
        };
        let source = Source {
            spec: &self.claim.sheet,
            path: &self.path,
            list: &self.claim.key,
            record_limit: RECORD_LIMIT,
        };
        let held = |key: &Key| self.held.get(key).cloned();
        let is_there = self.list.is_there(&held, &name);
        match edit {
            Edit::Put(_, record) => {
                let old = is_there.then_some(&name);
                let key = self.list.key_of(&source, record, old)?.unwrap_or_else(|| name.clone());
                match is_there {
                    true => self.list.replace(&source, &held, (&name, &key), record)?,
                    false => self.list.insert(&source, &held, &key, record)?,
                };
            }
            Edit::Remove(_) => self.list.remove(&held, &name)?,
        }
        Ok(())
    }

    fn write(&mut self, edit: &Edit) -> Result<(), EncodeError> {
        self.note(edit)?;
        self.write_noted()
    }

    fn write_noted(&mut self) -> Result<(), EncodeError> {
        let source = Source {
            spec: &self.claim.sheet,
            path: &self.path,
            list: &self.claim.key,
            record_limit: RECORD_LIMIT,
        };
        let held = |key: &Key| self.held.get(key).cloned();
        self.list.write(&source, &held).map_err(|unwritten| unwritten.source)
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Put(String, Json),
    Remove(String),
}

fn put(name: &str, record: Json) -> Edit {
    Edit::Put(name.to_owned(), record)
}

fn remove(name: &str) -> Edit {
    Edit::Remove(name.to_owned())
}

/// Checks the results of edits of one file.
fn edited(definitions: &str, path: &str, before: &str, cases: &[(Edit, &str)]) {
    for (edit, expected) in cases {
        let mut shelf = Shelf::of(definitions, path, before);
        let done = shelf.write(edit);
        assert!(done.is_ok(), "{edit:?} of {before:?}: {}", done.unwrap_err());
        assert_eq!(String::from_utf8(shelf.list.bytes()).unwrap(), *expected, "{edit:?}");
    }
}

fn refused(definitions: &str, path: &str, before: &str, cases: &[(Edit, &str)]) {
    for (edit, expected) in cases {
        let mut shelf = Shelf::of(definitions, path, before);
        let error = shelf.write(edit).unwrap_err();
        assert!(error.to_string().contains(expected), "{edit:?}: {error}");
        assert_eq!(shelf.list.bytes(), before.as_bytes(), "{edit:?}");
    }
}

#[test]
fn a_row_is_written_with_the_delimiter_the_quotes_and_the_line_ends_of_its_file() {
    let text = "id,name,n\na,\"Ann\",1\nc,Cem,\n";
    edited(
        "",
        "d/f.csv",
        text,
        &[
            (
                put("a", json!({"id": "a", "name": "Eve", "n": 1})),
                "id,name,n\na,\"Eve\",1\nc,Cem,\n",
            ),
            (
                put("c", json!({"id": "c", "name": "x, \"y\""})),
                "id,name,n\na,\"Ann\",1\nc,\"x, \"\"y\"\"\",\n",
            ),
            (put("c", json!({"id": "c", "n": -1.5})), "id,name,n\na,\"Ann\",1\nc,,-1.5\n"),
            (put("b", json!({"id": "b"})), "id,name,n\na,\"Ann\",1\nb,\"\",\nc,Cem,\n"),
            (put("d", json!({"id": "d", "n": true})), "id,name,n\na,\"Ann\",1\nc,Cem,\nd,,true\n"),
            (remove("a"), "id,name,n\nc,Cem,\n"),
            (remove("c"), "id,name,n\na,\"Ann\",1\n"),
        ],
    );
    let odd = "\u{feff}id;name\r\n\r\na;\"1\n2\"\r\n\r\nb";
    edited(
        "",
        "d/f.csv",
        odd,
        &[
            (
                put("b", json!({"id": "b", "name": "x"})),
                "\u{feff}id;name\r\n\r\na;\"1\n2\"\r\n\r\nb;x",
            ),
            (put("c", json!({"id": "c"})), "\u{feff}id;name\r\n\r\na;\"1\n2\"\r\n\r\nb\r\nc;"),
            (
                put("aa", json!({"id": "aa"})),
                "\u{feff}id;name\r\n\r\na;\"1\n2\"\r\n\r\naa;\"\"\r\nb",
            ),
            (remove("b"), "\u{feff}id;name\r\n\r\na;\"1\n2\"\r\n"),
            (remove("a"), "\u{feff}id;name\r\n\r\n\r\nb"),
        ],
    );
    edited("", "d/f.tsv", "id\tn\n", &[(put("x", json!({"id": "x"})), "id\tn\nx\t\n")]);
    edited("", "d/f.csv", "id", &[(put("x", json!({"id": "x"})), "id\nx")]);
    edited("", "d/f.csv", "n\n1", &[(put("1", json!({})), "n\n\"\"")]);
}

#[test]
fn what_a_cell_cannot_hold_and_a_column_that_is_not_there_are_refused() {
    let text = "id,name,n\na,Ann,1\n";
    let typed = "[sheets.d]\nformat = \"csv\"\ntypes = { name = \"string\", n = \"integer\" }\n";
    refused(
        "",
        "d/f.csv",
        text,
        &[
            (put("a", json!({"id": "a", "size": 1})), "its columns are id, name, n"),
            (put("a", json!({"id": "a", "name": "7"})), "the cell would be read as 7"),
            (put("a", json!({"id": "a", "name": "true"})), "the cell would be read as true"),
            (put("a", json!({"id": "a", "name": ""})), "an empty cell is not a value"),
            (put("a", json!({"id": "a", "name": null})), "cannot hold null"),
            (put("a", json!({"id": "a", "name": ["x"]})), "a list or a table"),
            (put("a", json!({"name": "x"})), "lacks a field"),
        ],
    );
    refused(
        typed,
        "d/f.csv",
        text,
        &[
            (put("a", json!({"id": "a", "name": 7})), "the cell would be read as \"7\""),
            (put("a", json!({"id": "a", "n": 1.5})), "not an integer"),
        ],
    );
    edited(
        typed,
        "d/f.csv",
        text,
        &[(put("a", json!({"id": "a", "name": "7", "n": 2})), "id,name,n\na,7,2\n")],
    );
}

#[test]
fn a_line_of_json_stays_one_line_and_is_written_as_those_beside_it() {
    let text = "{\"id\":1,\"b\":[1,2],\"a\":{\"x\":1}}\n\n{\"id\":3, \"a\": 1}";
    edited(
        "",
        "d/f.ndjson",
        text,
        &[
            (
                put("1", json!({"id": 1, "b": [1, 2], "a": {"x": 2}})),
                "{\"id\":1,\"b\":[1,2],\"a\":{\"x\":2}}\n\n{\"id\":3, \"a\": 1}",
            ),
            (
                put("2", json!({"id": 2, "a": 1, "c": [{}]})),
                "{\"id\":1,\"b\":[1,2],\"a\":{\"x\":1}}\n\n{\"id\":2,\"a\":1,\"c\":[{}]}\n{\"id\":3, \"a\": 1}",
            ),
            (
                put("4", json!({"id": 4})),
                "{\"id\":1,\"b\":[1,2],\"a\":{\"x\":1}}\n\n{\"id\":3, \"a\": 1}\n{\"id\":4}",
            ),
            (remove("1"), "\n{\"id\":3, \"a\": 1}"),
            (remove("3"), "{\"id\":1,\"b\":[1,2],\"a\":{\"x\":1}}\n"),
        ],
    );
    edited("", "d/f.ndjson", "", &[(put("x", json!({"id": "x"})), "{\"id\": \"x\"}\n")]);
    edited("", "d/f.ndjson", "{\"id\":1}", &[(remove("1"), "")]);
}

#[test]
fn an_element_of_json_has_the_indentation_and_the_order_of_its_list() {
    let text = "[\n  {\n    \"slug\": \"a\",\n    \"id\": 1\n  },\n  {\"id\": 3}\n]\n";
    edited(
        "",
        "d/f.json",
        text,
        &[
            (
                put("1", json!({"id": 1, "slug": "b", "tags": ["x"]})),
                "[\n  {\n    \"slug\": \"b\",\n    \"id\": 1,\n    \"tags\": [\n      \"x\"\n    ]\n  },\n  {\"id\": 3}\n]\n",
            ),
            (
                put("2", json!({"id": 2, "slug": "c"})),
                "[\n  {\n    \"slug\": \"a\",\n    \"id\": 1\n  },\n  {\n    \"slug\": \"c\",\n    \"id\": 2\n  },\n  {\"id\": 3}\n]\n",
            ),
            (
                put("4", json!({"id": 4, "slug": "c"})),
                "[\n  {\n    \"slug\": \"a\",\n    \"id\": 1\n  },\n  {\"id\": 3},\n  {\"id\": 4, \"slug\": \"c\"}\n]\n",
            ),
            (remove("1"), "[\n  {\"id\": 3}\n]\n"),
            (remove("3"), "[\n  {\n    \"slug\": \"a\",\n    \"id\": 1\n  }\n]\n"),
        ],
    );
    edited(
        "",
        "d/f.json",
        "[{\"id\":1}]",
        &[(put("2", json!({"id": 2})), "[{\"id\":1}, {\"id\":2}]"), (remove("1"), "[]")],
    );
    edited(
        "",
        "d/f.json",
        "[ ]\n",
        &[(put("a", json!({"id": "a"})), "[\n  {\n    \"id\": \"a\"\n  }\n]\n")],
    );
}

const MAP: &str = "[sheets.d]\nformat = \"json\"\nrecords = \"map\"\n";
const ITEMS: &str = "[sheets.d]\nformat = \"json\"\nrecords = \"/data/items\"\n";

#[test]
fn a_member_of_a_json_table_and_what_a_pointer_leads_to_are_written_where_they_are() {
    let text = "{\n\t\"b\": {\"x\": 1},\n\t\"d\" : {\"x\": 2}\n}\n";
    edited(
        MAP,
        "d/f.json",
        text,
        &[
            (put("d", json!({"x": 3})), "{\n\t\"b\": {\"x\": 1},\n\t\"d\" : {\"x\": 3}\n}\n"),
            (
                put("c", json!({"y": []})),
                "{\n\t\"b\": {\"x\": 1},\n\t\"c\": {\"y\": []},\n\t\"d\" : {\"x\": 2}\n}\n",
            ),
            (
                put("e", json!({})),
                "{\n\t\"b\": {\"x\": 1},\n\t\"d\" : {\"x\": 2},\n\t\"e\": {}\n}\n",
            ),
            (remove("b"), "{\n\t\"d\" : {\"x\": 2}\n}\n"),
            (remove("d"), "{\n\t\"b\": {\"x\": 1}\n}\n"),
        ],
    );
    edited(MAP, "d/f.json", "{\"a\":{}}", &[(remove("a"), "{}")]);
    edited(
        MAP,
        "d/f.json",
        "{}",
        &[(put("a", json!({"x": 1})), "{\n  \"a\": {\n    \"x\": 1\n  }\n}")],
    );
    let text =
        "{\"n\": [1, 2], \"data\": {\n  \"items\": [\n    {\"id\": \"a\"}\n  ]\n}, \"z\": 0}";
    edited(
        ITEMS,
        "d/f.json",
        text,
        &[
            (put("a", json!({"id": "a", "b": 1})), &text.replace("\"a\"}", "\"a\", \"b\": 1}")),
            (put("b", json!({"id": "b"})), &text.replace("\"a\"}", "\"a\"},\n    {\"id\": \"b\"}")),
            (remove("a"), &text.replace("\n    {\"id\": \"a\"}\n  ", "")),
        ],
    );
    let none = "{\n  \"data\": {\n    \"items\": []\n  }\n}\n";
    edited(
        ITEMS,
        "d/f.json",
        none,
        &[(
            put("a", json!({"id": "a"})),
            "{\n  \"data\": {\n    \"items\": [\n      {\n        \"id\": \"a\"\n      }\n    ]\n  }\n}\n",
        )],
    );
}

#[test]
fn a_change_that_would_change_the_keys_of_others_is_refused() {
    let named = "[{\"id\": 1}, {\"id\": 2}]";
    refused("", "d/f.json", named, &[(put("1", json!({"x": 1})), "lacks a field")]);
    let by_position = "[{\"x\": 1}, {\"x\": 2, \"id\": 5}]";
    refused(
        "",
        "d/f.json",
        by_position,
        &[
            (remove("1"), "only the last can be deleted"),
            (put("1", json!({"id": 3})), "other records of the file, or their keys"),
        ],
    );
    edited(
        "",
        "d/f.json",
        by_position,
        &[
            (put("1", json!({"x": 7})), "[{\"x\": 7}, {\"x\": 2, \"id\": 5}]"),
            (put("3", json!({"x": 3})), "[{\"x\": 1}, {\"x\": 2, \"id\": 5}, {\"x\": 3}]"),
        ],
    );
    edited("", "d/f.json", "[{\"x\": 1}, {\"x\": 2}]", &[(remove("2"), "[{\"x\": 1}]")]);
    let keyed = "[sheets.d]\nformat = \"json\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n";
    let doubled = "[{\"id\": 1}, {\"id\": 2}, {\"id\": 1, \"x\": 1}]";
    refused(keyed, "d/f.json", doubled, &[(remove("1"), "another value")]);
    edited(keyed, "d/f.json", doubled, &[(remove("2"), "[{\"id\": 1}, {\"id\": 1, \"x\": 1}]")]);
}

impl Shelf {
    /// Begins a file with its first record.
    fn begun(
        definitions: &str,
        path: &str,
        name: &str,
        record: &Json,
    ) -> Result<Self, EncodeError> {
        let mut shelf = Self::claimed(definitions, path);
        let source = Source {
            spec: &shelf.claim.sheet,
            path,
            list: &shelf.claim.key,
            record_limit: RECORD_LIMIT,
        };
        let (list, first) = List::begin(&source, name, record)?;
        assert_eq!(first.value.as_str(), Value::new(record).as_str());
        let held = |_: &Key| None;
        assert_eq!(list.held(&held)(&first.key).as_ref(), Some(&first));
        shelf.list = list;
        Ok(shelf)
    }
}

const NAMED: &str = "[sheets.d]\nformat = \"csv\"\nkey = \"${{ a.b }}-${{ n }}\"\n";
const TYPED: &str = "[sheets.d]\nformat = \"csv\"\ntypes = { zip = \"string\" }\n\
                     schema = { properties = { size = { type = \"number\" } } }\n";

#[test]
fn the_first_record_begins_a_file_of_its_format() {
    let record = json!({"id": "a", "n": 1, "s": "x, y"});
    for (definitions, path, expected) in [
        ("", "d/f.csv", "id,n,s\na,1,\"x, y\"\n"),
        ("", "d/f.tsv", "id\tn\ts\na\t1\tx, y\n"),
        (TYPED, "d/f.csv", "id,n,s,size,zip\na,1,\"x, y\",,\n"),
        ("", "d/f.ndjson", "{\"id\": \"a\", \"n\": 1, \"s\": \"x, y\"}\n"),
        (
            "",
            "d/f.json",
            "[\n  {\n    \"id\": \"a\",\n    \"n\": 1,\n    \"s\": \"x, y\"\n  }\n]\n",
        ),
        (
            MAP,
            "d/f.json",
            "{\n  \"a\": {\n    \"id\": \"a\",\n    \"n\": 1,\n    \"s\": \"x, y\"\n  }\n}\n",
        ),
        ("", "d/f.yaml", "- id: a\n  \"n\": 1\n  s: x, y\n"),
        (YAML_MAP, "d/f.yaml", "a:\n  id: a\n  \"n\": 1\n  s: x, y\n"),
        ("", "d/f.toml", "[[records]]\nid = \"a\"\nn = 1\ns = \"x, y\"\n"),
        (TOML_MAP, "d/f.toml", "[a]\nid = \"a\"\nn = 1\ns = \"x, y\"\n"),
    ] {
        let shelf = Shelf::begun(definitions, path, "a", &record);
        let shelf = shelf.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(String::from_utf8(shelf.list.bytes()).unwrap(), expected, "{path}");
        assert_eq!(shelf.keys(), ["a"], "{path}");
    }
    let odd = json!({"'q": 1, "a;b|c\td": 2, "id": "x", "l\n\"1\"": 3});
    let shelf = Shelf::begun("", "d/f.csv", "x", &odd).unwrap();
    let text = String::from_utf8(shelf.list.bytes()).unwrap();
    assert_eq!(text, "\"'q\",\"a;b|c\td\",id,\"l\n\"\"1\"\"\"\n1,2,x,3\n");
}

#[test]
fn a_file_that_would_say_something_else_is_not_begun() {
    for (definitions, path, record, expected) in [
        (ITEMS, "d/f.json", json!({"id": "a"}), "at a pointer"),
        ("", "d/f.csv", json!({}), "the record has no field"),
        ("", "d/f.csv", json!({"id": 1, " x": 1}), "spaces at its ends"),
        ("", "d/f.csv", json!({"id": 1, "": 1}), "spaces at its ends"),
        ("", "d/f.csv", json!({"id": 1, "x": null}), "cannot hold null"),
        ("", "d/f.csv", json!({"id": "7"}), "would be read as 7"),
        ("", "d/f.csv", json!({"\u{feff}": "x"}), "another value"),
        ("", "d/f.toml", json!({"id": 1, "x": null}), "TOML has no null"),
        (NAMED, "d/f.csv", json!({"n": 1}), "lacks a field"),
        ("", "d/f.json", json!([1]), "must be a table"),
        (TYPED, "d/f.csv", json!({"id": 1, "size": "x"}), "is not valid"),
    ] {
        let error = Shelf::begun(definitions, path, "a", &record).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{path} {record}: {error}");
    }
}

#[test]
fn a_record_with_fields_of_its_path_is_written_in_a_list() {
    let definitions = "[sheets.d]\nformat = \"csv\"\npath = \"${{ lang }}\"\n";
    edited(
        definitions,
        "d/f.csv",
        "id,n\na,1\n",
        &[
            (put("a", json!({"id": "a", "n": 2})), "id,n\na,2\n"),
            (put("b", json!({"id": "b"})), "id,n\na,1\nb,\n"),
        ],
    );
    let shelf = Shelf::begun(definitions, "d/f.csv", "a", &json!({"id": "a"})).unwrap();
    assert_eq!(shelf.list.bytes(), b"id\na\n");
}

/// A file as it is written, and where in it each record is.
#[derive(Debug, Clone)]
struct Sample {
    text: String,
    records: Vec<(String, Range<usize>)>,
}

/// Random choices for the layout of a file.
#[derive(Debug, Clone)]
struct Dice(Vec<u8>);

impl Dice {
    fn at(&self, at: usize, sides: u8) -> u8 {
        self.0[at % self.0.len()] % sides
    }
}

fn definitions(format: &str) -> (String, String) {
    match format {
        "map" => (MAP.to_owned(), "d/f.json".to_owned()),
        "pointer" => (ITEMS.to_owned(), "d/f.json".to_owned()),
        "yaml" => (YAML.to_owned(), "d/f.yaml".to_owned()),
        "documents" => (YAML.to_owned(), "d/f.yaml".to_owned()),
        "yaml map" => (YAML_MAP.to_owned(), "d/f.yaml".to_owned()),
        "toml" => (TOML.to_owned(), "d/f.toml".to_owned()),
        "toml map" => (TOML_MAP.to_owned(), "d/f.toml".to_owned()),
        format => (String::new(), format!("d/f.{format}")),
    }
}

/// Adds a record to a file.
fn add(records: &mut Vec<(String, Range<usize>)>, text: &mut String, name: &str, written: &str) {
    let begin = text.len();
    text.push_str(written);
    records.push((name.to_owned(), begin..text.len()));
}

fn cell(text: &str, delimiter: char, is_quoted: bool) -> String {
    match is_quoted || text.contains([delimiter, '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn sample(format: &str, rows: &[(String, Map<String, Json>)], dice: &Dice) -> Sample {
    let end = if dice.at(0, 3) == 0 { "\r\n" } else { "\n" };
    let mut text = if dice.at(1, 4) == 0 { "\u{feff}" } else { "" }.to_owned();
    let mut records = Vec::new();
    let texts = |value: Option<&Json>| match value {
        None => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    match format {
        "csv" | "tsv" => {
            let delimiter = if format == "tsv" { '\t' } else { [',', ';'][dice.at(2, 2) as usize] };
            let columns = if dice.at(3, 2) == 0 { ["id", "s", "n"] } else { ["n", "id", "s"] };
            text += &columns.join(&delimiter.to_string());
            for (at, (name, row)) in rows.iter().enumerate() {
                text += end;
                if dice.at(at + 4, 6) == 0 {
                    text += end;
                }
                let cells = columns.iter().enumerate().map(|(column, name)| {
                    cell(&texts(row.get(*name)), delimiter, dice.at(at + column, 3) == 0)
                });
                add(
                    &mut records,
                    &mut text,
                    name,
                    &cells.collect::<Vec<_>>().join(&delimiter.to_string()),
                );
            }
            text += if dice.at(5, 2) == 0 { end } else { "" };
        }
        "ndjson" => {
            for (at, (name, row)) in rows.iter().enumerate() {
                text += ["", " ", end][dice.at(at, 3) as usize];
                add(&mut records, &mut text, name, &compact(row, dice, at));
                text += [" ", ""][dice.at(at + 1, 2) as usize];
                text += if at + 1 < rows.len() || dice.at(5, 2) == 0 { end } else { "" };
            }
        }
        "yaml" | "documents" | "yaml map" | "toml" | "toml map" => {
            text += ["", "# all\n", "# all\n\n"][dice.at(2, 3) as usize];
            for (at, (name, row)) in rows.iter().enumerate() {
                let comment = ["", "", "\n", "# about it\n", "\n# about it\n"];
                if at > 0 || format != "documents" {
                    text += comment[dice.at(at + 3, 5) as usize];
                }
                if format == "documents" && (at > 0 || rows.len() == 1) {
                    text += "---\n";
                }
                add(&mut records, &mut text, name, &block(format, name, row, dice, at));
            }
            if format == "documents" && rows.len() == 1 {
                text += "---\n";
            }
            text += ["", "# end\n", "\n"][dice.at(8, 3) as usize];
            if dice.at(0, 3) == 0 {
                // The range of a record shifts by the number of line endings before it.
                let moved = |at: usize| at + text[..at].matches('\n').count();
                records = records
                    .iter()
                    .map(|(name, range)| (name.clone(), moved(range.start)..moved(range.end)))
                    .collect();
                text = text.replace('\n', "\r\n");
            }
        }
        _ => {
            let (open, close) = if format == "map" { ('{', '}') } else { ('[', ']') };
            if format == "pointer" {
                text += "{\"data\": {\"x\": \"[{\", \"items\":";
            }
            text += ["", " ", end][dice.at(2, 3) as usize];
            text.push(open);
            for (at, (name, row)) in rows.iter().enumerate() {
                text += if at > 0 { [",", " , "][dice.at(at, 2) as usize] } else { "" };
                text += ["", " ", end, "\n\n\t"][dice.at(at + 3, 4) as usize];
                if format == "map" {
                    text += &format!(
                        "{}{}",
                        Json::from(name.as_str()),
                        [":", " : "][dice.at(at, 2) as usize]
                    );
                }
                add(&mut records, &mut text, name, &compact(row, dice, at));
            }
            text += ["", "\n"][dice.at(7, 2) as usize];
            text.push(close);
            if format == "pointer" {
                text += "}, \"y\": [1]}";
            }
            text += ["", end][dice.at(8, 2) as usize];
        }
    }
    Sample { text, records }
}

/// Formats a record on separate lines.
fn block(format: &str, name: &str, row: &Map<String, Json>, dice: &Dice, at: usize) -> String {
    let is_toml = format.starts_with("toml");
    let between = if is_toml { " = " } else { ": " };
    let comment = ["", " # so"][dice.at(at + 1, 2) as usize];
    let mut members: Vec<String> =
        row.iter().map(|(key, value)| format!("{key}{between}{value}{comment}\n")).collect();
    if dice.at(at, 2) == 0 {
        members.reverse();
    }
    let indented =
        |space: &str| members.iter().map(|member| format!("{space}{member}")).collect::<String>();
    match format {
        "toml" => format!("[[list]]\n{}", indented("")),
        "toml map" => format!("[{name}]{comment}\n{}", indented("  ")),
        "documents" if members.is_empty() => "{}\n".to_owned(),
        "documents" => indented(""),
        "yaml map" if members.is_empty() => format!("{name}: {{}}\n"),
        "yaml map" => format!("{name}:{comment}\n{}", indented("    ")),
        _ if dice.at(at + 4, 4) == 0 => {
            let members = row.iter().map(|(key, value)| format!("{key}: {value}"));
            format!("- {{{}}}\n", members.collect::<Vec<_>>().join(", "))
        }
        _ => format!("-   {}", indented("    ").trim_start()),
    }
}

/// Formats a record on one line.
fn compact(row: &Map<String, Json>, dice: &Dice, at: usize) -> String {
    let (colon, comma) = [(":", ","), (": ", ", "), (" : ", " ,")][dice.at(at + 2, 3) as usize];
    let mut members: Vec<String> = row
        .iter()
        .map(|(name, value)| format!("{}{colon}{value}", Json::from(name.as_str())))
        .collect();
    if dice.at(at, 2) == 0 {
        members.reverse();
    }
    format!("{{{}}}", members.join(comma))
}

fn text() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => "[a-z]{1,6}".prop_map(Json::from),
        1 => prop::sample::select(&[
            "a,b", "say \"x\"", "l1\nl2", "; #", "é", "it's", "- x", "a: b", "[x]", "{", "'q'", "\\", "x ", "\"",
        ][..]).prop_map(Json::from),
    ]
}

fn fields() -> impl Strategy<Value = Map<String, Json>> {
    (prop::option::of(text()), prop::option::of(-5..100_i64)).prop_map(|(s, n)| {
        let mut row = Map::new();
        row.extend(s.map(|s| ("s".to_owned(), s)));
        row.extend(n.map(|n| ("n".to_owned(), Json::from(n))));
        row
    })
}

/// The fields of a new record, and further values for formats that can express them.
fn more() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        Just(json!({"t": ["a", {"b": 1}], "u": {"v": {"w": true}}})),
        Just(json!({"t": [], "u": {}})),
    ]
}

fn number(name: usize) -> String {
    format!("k{name:02}")
}

/// Writes to random files of one format and compares everything around the change.
fn written(format: &'static str, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rows = prop::collection::btree_map(0..30_usize, fields(), 1..6);
    let edits =
        prop::collection::vec((0..30_usize, prop::option::weighted(0.6, (fields(), more()))), 1..6);
    let dice = prop::collection::vec(any::<u8>(), 12..20).prop_map(Dice);
    let is_flat = matches!(format, "csv" | "tsv");
    let is_map = format.ends_with("map");
    TestRunner::new(config)
        .run(&(rows, any::<bool>(), edits, dice), |(rows, is_mixed, edits, dice)| {
            let full = |name: &str, mut row: Map<String, Json>| {
                if !is_map {
                    row.insert("id".into(), name.into());
                }
                row
            };
            let mut rows: Vec<_> = rows
                .into_iter()
                .map(|(name, row)| (number(name), full(&number(name), row)))
                .collect();
            if is_mixed {
                rows.reverse();
            }
            let (definitions, path) = definitions(format);
            let sample = sample(format, &rows, &dice);
            let mut shelf = Shelf::of(&definitions, &path, &sample.text);
            let mut model: BTreeMap<String, Json> =
                rows.iter().map(|(name, row)| (name.clone(), Json::Object(row.clone()))).collect();
            let mut done = Vec::new();
            for (first, (name, put)) in edits.into_iter().enumerate() {
                // Half of the names are names of existing records.
                let name = match name % 2 {
                    0 => {
                        model.keys().nth(name % model.len().max(1)).cloned().unwrap_or(number(name))
                    }
                    _ => number(name),
                };
                let before = String::from_utf8(shelf.list.bytes()).unwrap();
                let edit = match put {
                    Some((row, more)) => {
                        let mut row = full(&name, row);
                        if let (Json::Object(more), false) = (more, is_flat) {
                            row.extend(more);
                        }
                        Edit::Put(name.clone(), Json::Object(row))
                    }
                    None if model.contains_key(&name) => Edit::Remove(name.clone()),
                    None => continue,
                };
                let written = shelf.write(&edit);
                prop_assert!(written.is_ok(), "{:?} of {:?}: {:?}", edit, before, written);
                done.push(edit.clone());
                let after = String::from_utf8(shelf.list.bytes()).unwrap();
                // The brackets of an empty list may change, so such a change is not compared.
                let is_new = !model.contains_key(&name);
                let is_first = model.is_empty();
                match edit {
                    Edit::Put(name, row) => drop(model.insert(name, row)),
                    Edit::Remove(name) => drop(model.remove(&name)),
                }
                // A fresh read finds it, and all others.
                let again = Shelf::of(&definitions, &path, &after);
                let found: BTreeMap<String, Json> = again
                    .keys()
                    .into_iter()
                    .map(|key| (key.clone(), again.value(&key).unwrap()))
                    .collect();
                prop_assert_eq!(&found, &model, "{:?}", after);
                let range = sample.records.iter().find(|(of, _)| *of == name && first == 0);
                let range = range.map(|(_, range)| range.clone()).filter(|_| !is_new);
                if !is_first {
                    around([&before, &after], range, is_new)?;
                }
            }
            at_once(&definitions, &path, &sample, &done, &model)
        })
        .unwrap();
}

/// Begins random files of one format, and writes further records to them.
fn begun(format: &'static str, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rows = prop::collection::btree_map(0..30_usize, (fields(), more()), 1..6);
    let is_flat = matches!(format, "csv" | "tsv");
    TestRunner::new(config)
        .run(&(rows, any::<bool>()), |(rows, is_mixed)| {
            let (definitions, path) = definitions(format);
            let mut rows: Vec<_> = rows.into_iter().collect();
            if is_mixed {
                rows.reverse();
            }
            let record = |(name, (mut row, more)): (usize, (Map<String, Json>, Json))| {
                let name = number(name);
                if !format.ends_with("map") {
                    row.insert("id".into(), name.as_str().into());
                }
                if let (Json::Object(more), false) = (more, is_flat) {
                    row.extend(more);
                }
                (name, Json::Object(row))
            };
            let mut records = rows.into_iter().map(record);
            let (name, mut first) = records.next().unwrap();
            if is_flat {
                // The columns are those of the first.
                first = json!({"id": &name, "s": "x", "n": 1});
            }
            let mut shelf = Shelf::begun(&definitions, &path, &name, &first).unwrap();
            let mut model = BTreeMap::from([(name, first)]);
            for (name, record) in records {
                let edit = put(&name, record.clone());
                let done = shelf.write(&edit);
                prop_assert!(done.is_ok(), "{:?} of {:?}: {:?}", edit, shelf.list, done);
                model.insert(name, record);
            }
            let after = String::from_utf8(shelf.list.bytes()).unwrap();
            let again = Shelf::of(&definitions, &path, &after);
            let found: BTreeMap<String, Json> = again
                .keys()
                .into_iter()
                .map(|key| (key.clone(), again.value(&key).unwrap()))
                .collect();
            prop_assert_eq!(&found, &model, "{:?}", after);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_read_of_a_file_that_was_begun_is_what_was_written() {
    for format in ["csv", "tsv", "ndjson", "json", "map", "yaml", "yaml map", "toml", "toml map"] {
        begun(format, 60);
    }
}

/// Writes all edits at once, and compares what comes of it and what stays.
fn at_once(
    definitions: &str,
    path: &str,
    sample: &Sample,
    edits: &[Edit],
    model: &BTreeMap<String, Json>,
) -> Result<(), TestCaseError> {
    let mut shelf = Shelf::of(definitions, path, &sample.text);
    for edit in edits {
        let noted = shelf.note(edit);
        prop_assert!(noted.is_ok(), "{:?} of {:?}: {:?}", edit, sample.text, noted);
    }
    let written = shelf.write_noted();
    prop_assert!(written.is_ok(), "{:?} of {:?}: {:?}", edits, sample.text, written);
    prop_assert!(shelf.list.passes <= 10, "{} for {:?} of {:?}", shelf.list.passes, edits, sample);
    let after = String::from_utf8(shelf.list.bytes()).unwrap();
    let again = Shelf::of(definitions, path, &after);
    let found = again.keys().into_iter().map(|key| (key.clone(), again.value(&key).unwrap()));
    prop_assert_eq!(&found.collect::<BTreeMap<_, _>>(), model, "{:?}", after);
    for (name, range) in &sample.records {
        let is_edited = edits.iter().any(|edit| match edit {
            Edit::Put(edited, _) | Edit::Remove(edited) => edited == name,
        });
        let old = sample.text[range.clone()].trim_end();
        prop_assert!(is_edited || after.contains(old), "{:?} without {:?}", after, old);
    }
    Ok(())
}

/// Checks that two texts differ in one place, and there in the record alone that was at `range`.
fn around(
    [before, after]: [&str; 2],
    range: Option<Range<usize>>,
    is_new: bool,
) -> Result<(), TestCaseError> {
    let same = |a: &mut dyn Iterator<Item = u8>, b: &mut dyn Iterator<Item = u8>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let front = same(&mut before.bytes(), &mut after.bytes());
    let back = same(&mut before.bytes().rev(), &mut after.bytes().rev());
    if is_new {
        prop_assert!(front + back >= before.len(), "{:?} {:?}", before, after);
    } else if after.len() < before.len() && front + back >= after.len() {
        // It is gone, with the separator between it and another one.
    } else if let Some(range) = range {
        prop_assert!(front >= range.start.min(after.len()), "{:?} {:?}", before, after);
        prop_assert!(back >= before.len() - range.end, "{:?} {:?}", before, after);
    }
    Ok(())
}

/// Returns a file of so many records, and what changes of each kind make of it.
fn large(format: &str, count: usize) -> (String, String, String) {
    let (definitions, path) = definitions(format);
    let dice = Dice(vec![1; 12]);
    let row = |at: usize| {
        let name = format!("k{:04}", 2 * at);
        let mut row = Map::from_iter([("n".to_owned(), Json::from(at))]);
        if !format.ends_with("map") {
            row.insert("id".into(), name.as_str().into());
        }
        (name, row)
    };
    let rows: Vec<_> = (0..count).map(row).collect();
    (definitions, path, sample(format, &rows, &dice).text)
}

#[test]
fn a_hundred_changes_of_a_file_cut_and_read_it_as_often_as_a_few() {
    for format in
        ["csv", "ndjson", "json", "map", "yaml", "documents", "yaml map", "toml", "toml map"]
    {
        let (definitions, path, text) = large(format, 120);
        let passes = |of_each: usize| {
            let mut shelf = Shelf::of(&definitions, &path, &text);
            let mut put_record = |name: String, n: usize| {
                let mut record = json!({"id": name, "n": n});
                if format.ends_with("map") {
                    record.as_object_mut().unwrap().remove("id");
                }
                shelf.note(&put(&name, record)).unwrap();
            };
            for at in 0..of_each {
                put_record(format!("k{:04}", 2 * at), 7);
                put_record(format!("k{:04}", 2 * at + 1), 8);
            }
            for at in 60..60 + of_each {
                shelf.note(&remove(&format!("k{:04}", 2 * at))).unwrap();
            }
            shelf.write_noted().unwrap();
            assert_eq!(shelf.keys().len(), 120, "{format}");
            assert_eq!(shelf.value("k0002").unwrap()["n"], json!(7), "{format}");
            assert_eq!(shelf.value("k0003").unwrap()["n"], json!(8), "{format}");
            assert!(shelf.value("k0120").is_none(), "{format}");
            shelf.list.passes
        };
        assert_eq!((passes(2), passes(33)), (4, 4), "{format}");
    }
}

#[test]
fn changes_that_are_noted_see_those_before_them() {
    let text =
        "[\n  {\"id\": \"a\", \"n\": 1},\n  {\"id\": \"b\", \"n\": 2},\n  {\"id\": \"c\"}\n]\n";
    let record = |id: &str, n: usize| json!({"id": id, "n": n});
    for (edits, expected) in [
        (
            vec![put("a", record("x", 1)), put("b", record("a", 2)), put("x", record("b", 1))],
            "b1 a2 c",
        ),
        (vec![remove("b"), put("a", record("b", 1))], "b1 c"),
        (vec![remove("a"), put("a", record("a", 9))], "a9 b2 c"),
        (vec![put("d", record("d", 4)), remove("d"), put("d", record("d", 5))], "a1 b2 c d5"),
        (vec![remove("a"), remove("b"), remove("c"), put("d", record("d", 4))], "d4"),
        (vec![put("d", record("d", 4)), put("d", record("aa", 4))], "a1 aa4 b2 c"),
        (vec![put("a", record("a", 7)), put("a", record("a", 1))], "a1 b2 c"),
    ] {
        let mut shelf = Shelf::of("", "d/f.json", text);
        edits.iter().for_each(|edit| shelf.note(edit).unwrap());
        shelf.write_noted().unwrap();
        let told = |key: &String| {
            let n = shelf.value(key).unwrap()["n"].as_u64();
            format!("{key}{}", n.map_or(String::new(), |n| n.to_string()))
        };
        assert_eq!(shelf.keys().iter().map(told).collect::<Vec<_>>().join(" "), expected);
    }
    let mut shelf = Shelf::of("", "d/f.json", text);
    shelf.note(&remove("a")).unwrap();
    assert!(shelf.list.remove(&|_| None, &shelf.key("a")).is_err(), "it is gone already");
}

#[test]
fn positions_and_first_records_are_those_that_come_of_what_is_noted() {
    let text = "[{\"x\": 1}, {\"x\": 2}, {\"x\": 3}]";
    let mut shelf = Shelf::of("", "d/f.json", text);
    for edit in [put("4", json!({"x": 4})), remove("4"), remove("3"), put("3", json!({"x": 5}))] {
        shelf.note(&edit).unwrap();
    }
    shelf.note(&put("4", json!({"x": 6}))).unwrap();
    assert!(matches!(shelf.note(&remove("3")), Err(EncodeError::Positions)));
    shelf.write_noted().unwrap();
    let after = String::from_utf8(shelf.list.bytes()).unwrap();
    assert_eq!(after, "[{\"x\": 1}, {\"x\": 2}, {\"x\": 5}, {\"x\": 6}]");
    for (records, keys) in [
        ([json!({"x": 1}), json!({"x": 2})], ["1", "2"]),
        ([json!({"id": "b"}), json!({"id": "a"})], ["a", "b"]),
    ] {
        let mut shelf = Shelf::of("", "d/f.json", "[]");
        let mut names = ["1", "2"].into_iter();
        for record in &records {
            let name = record["id"].as_str().or(names.next()).unwrap().to_owned();
            shelf.note(&put(&name, record.clone())).unwrap();
        }
        shelf.write_noted().unwrap();
        assert_eq!(shelf.keys(), keys);
    }
}

#[test]
fn rows_of_any_table_are_written_and_nothing_else() {
    written("csv", 300);
    written("tsv", 150);
}

#[test]
fn lines_of_json_are_written_and_nothing_else() {
    written("ndjson", 300);
}

#[test]
fn elements_and_members_of_any_json_are_written_and_nothing_else() {
    written("json", 300);
    written("map", 200);
    written("pointer", 200);
}

#[test]
fn elements_documents_and_members_of_yaml_are_written_and_nothing_else() {
    written("yaml", 300);
    written("documents", 200);
    written("yaml map", 200);
}

#[test]
fn tables_of_toml_are_written_and_nothing_else() {
    written("toml", 300);
    written("toml map", 200);
}

const YAML: &str = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\n";
const YAML_MAP: &str = "[sheets.d]\nformat = \"yaml\"\nrecords = \"map\"\n";
const YAML_ITEMS: &str = "[sheets.d]\nformat = \"yaml\"\nrecords = \"/data/items\"\n";

#[test]
fn a_number_that_a_row_does_not_show_is_kept_or_the_change_is_refused() {
    let text = "- {id: k, x: .inf, c: 1}\n- id: l\n  x: .nan\n  c: 1\n";
    let lost = put("k", json!({"id": "k", "x": null, "c": 2}));
    refused("", "d/f.yaml", text, &[(lost, ".inf")]);
    edited(
        "",
        "d/f.yaml",
        text,
        &[
            (
                put("k", json!({"id": "k", "x": 3, "c": 2})),
                "- {c: 2, id: k, x: 3}\n- id: l\n  x: .nan\n  c: 1\n",
            ),
            (
                put("l", json!({"id": "l", "x": null, "c": 2})),
                "- {id: k, x: .inf, c: 1}\n- id: l\n  x: .nan\n  c: 2\n",
            ),
        ],
    );
}

#[test]
fn an_element_of_yaml_is_changed_in_place_and_comments_stay() {
    let text = "# all of them\n\n# the first\n- slug: a # short\n  id: 1\n  tags: [x, y]\n\n# the last\n-   id: 3\n    s: \"q\"\n# end\n";
    edited(
        "",
        "d/f.yaml",
        text,
        &[
            (
                put("1", json!({"id": 1, "slug": "b", "tags": ["x"], "m": null})),
                "# all of them\n\n# the first\n- slug: b # short\n  id: 1\n  tags: [x]\n  m: null\n\n# the last\n-   id: 3\n    s: \"q\"\n# end\n",
            ),
            (
                put("2", json!({"id": 2, "slug": "b", "c": {"d": [1]}})),
                "# all of them\n\n# the first\n- slug: a # short\n  id: 1\n  tags: [x, y]\n\n- slug: b\n  id: 2\n  c:\n    d:\n      - 1\n\n# the last\n-   id: 3\n    s: \"q\"\n# end\n",
            ),
            (
                put("4", json!({"id": 4, "s": "x: y"})),
                "# all of them\n\n# the first\n- slug: a # short\n  id: 1\n  tags: [x, y]\n\n# the last\n-   id: 3\n    s: \"q\"\n\n-   id: 4\n    s: \"x: y\"\n# end\n",
            ),
            (
                remove("1"),
                "# all of them\n\n# the first\n# the last\n-   id: 3\n    s: \"q\"\n# end\n",
            ),
            (
                remove("3"),
                "# all of them\n\n# the first\n- slug: a # short\n  id: 1\n  tags: [x, y]\n# end\n",
            ),
        ],
    );
    edited(
        "",
        "d/f.yaml",
        "---\r\n- {id: 1, a: 2} # one\r\n- {id: 3}",
        &[
            (put("1", json!({"id": 1, "a": 3})), "---\r\n- {a: 3, id: 1} # one\r\n- {id: 3}"),
            (put("2", json!({"id": 2})), "---\r\n- {id: 1, a: 2} # one\r\n- {id: 2}\r\n- {id: 3}"),
            (put("4", json!({"id": 4})), "---\r\n- {id: 1, a: 2} # one\r\n- {id: 3}\r\n- {id: 4}"),
            (remove("3"), "---\r\n- {id: 1, a: 2} # one"),
        ],
    );
    edited("", "d/f.yaml", "- id: 1\n", &[(remove("1"), "[]\n")]);
    edited(
        YAML,
        "d/f.yaml",
        "# none\n[]\n",
        &[(put("a", json!({"id": "a"})), "# none\n- id: a\n")],
    );
    refused("", "d/f.yaml", "[{id: 1}, {id: 2}]\n", &[(remove("1"), "in brackets")]);
    let anchored = "- &x {id: 1}\n- <<: *x\n  id: 2\n";
    refused("", "d/f.yaml", anchored, &[(remove("1"), "not be a list")]);
    // The alias elsewhere would be that of the other anchor.
    let twice = "data:\n  items:\n    - {id: a, t: &t [1]}\n    - {id: b, t: &t [2]}\nrest: *t\n";
    let others = "change other records";
    let changed = put("b", json!({"id": "b", "t": [3]}));
    refused(YAML_ITEMS, "d/f.yaml", twice, &[(changed, others), (remove("b"), others)]);
}

#[test]
fn documents_members_and_parts_of_yaml_are_written_where_they_are() {
    let text = "# head\na: 1 # one\nid: x\n---\nid: z\nb:\n  - 1\n";
    edited(
        "",
        "d/f.yaml",
        text,
        &[
            (
                put("x", json!({"id": "x", "a": 2})),
                "# head\na: 2 # one\nid: x\n---\nid: z\nb:\n  - 1\n",
            ),
            (
                put("y1", json!({"id": "y1"})),
                "# head\na: 1 # one\nid: x\n---\nid: y1\n---\nid: z\nb:\n  - 1\n",
            ),
            (
                put("zz", json!({"id": "zz"})),
                "# head\na: 1 # one\nid: x\n---\nid: z\nb:\n  - 1\n---\nid: zz\n",
            ),
            (remove("x"), "# head\n---\n---\nid: z\nb:\n  - 1\n"),
            (remove("z"), "# head\na: 1 # one\nid: x\n---\n"),
        ],
    );
    let text = "---\nb: # two\n    x: 1\n\n# fourth\nd: {x: 2}\n";
    edited(
        YAML_MAP,
        "d/f.yaml",
        text,
        &[
            (put("b", json!({"x": 2})), "---\nb: # two\n    x: 2\n\n# fourth\nd: {x: 2}\n"),
            (put("d", json!({"x": 3})), "---\nb: # two\n    x: 1\n\n# fourth\nd: {x: 3}\n"),
            (
                put("c", json!({"x": 3})),
                "---\nb: # two\n    x: 1\n\nc:\n    x: 3\n\n# fourth\nd: {x: 2}\n",
            ),
            (remove("d"), "---\nb: # two\n    x: 1\n"),
            (remove("b"), "---\n# fourth\nd: {x: 2}\n"),
        ],
    );
    edited(YAML_MAP, "d/f.yaml", "a:\n  x: 1\n", &[(remove("a"), "{}\n")]);
    let text = "n: 1\ndata:\n  items: # here\n  - id: a\n    b: 1\n  z: 1\n";
    edited(
        YAML_ITEMS,
        "d/f.yaml",
        text,
        &[
            (put("a", json!({"id": "a", "b": 2})), &text.replace("b: 1", "b: 2")),
            (put("c", json!({"id": "c"})), &text.replace("b: 1\n", "b: 1\n  - id: c\n")),
            (remove("a"), "n: 1\ndata:\n  items: [] # here\n  z: 1\n"),
        ],
    );
    let none = "data:\n  items: [] # none\n";
    edited(
        YAML_ITEMS,
        "d/f.yaml",
        none,
        &[(put("a", json!({"id": "a"})), "data:\n  items: # none\n    - id: a\n")],
    );
}

const TOML: &str = "[sheets.d]\nformat = \"toml\"\nrecords = \"each\"\n";
const TOML_MAP: &str = "[sheets.d]\nformat = \"toml\"\nrecords = \"map\"\n";
const TOML_ITEMS: &str = "[sheets.d]\nformat = \"toml\"\nrecords = \"/items\"\n";

#[test]
fn a_table_of_toml_is_changed_in_place_and_comments_stay() {
    let text = "# all\n\n[[x]] # one\nslug = 'a' # short\nid = 1\n[x.sub]\nt = \"[[x]]\"\n\n# two\n[[x]]\nid = 3\nwhen = 2024-05-01\n";
    edited(
        "",
        "d/f.toml",
        text,
        &[
            (
                put("1", json!({"id": 1, "slug": "b", "sub": {"t": "[[x]]"}})),
                &text.replace("'a'", "'b'"),
            ),
            (put("3", json!({"id": 3, "when": "2024-05-02"})), &text.replace("05-01", "05-02")),
            (
                put("2", json!({"id": 2, "slug": "c", "a": [1]})),
                &text.replace("\n# two", "\n[[x]]\nslug = \"c\"\nid = 2\na = [1]\n\n# two"),
            ),
            (put("4", json!({"id": 4})), &(text.to_owned() + "\n[[x]]\nid = 4\n")),
            (remove("3"), &text[..text.find("\n# two").unwrap()]),
        ],
    );
    refused(
        "",
        "d/f.toml",
        text,
        &[(put("3", json!({"id": 3, "a": {"b": [null]}})), "null, which is at /a/b/0")],
    );
    refused("", "d/f.toml", "[[x]]\nid = 1\n", &[(remove("1"), "not be a list")]);
    edited(TOML, "d/f.toml", "# c\n[[x]]\nid = 1\n", &[(remove("1"), "# c\nx = []\n")]);
    edited(
        TOML,
        "d/f.toml",
        "# c\nx = []\n",
        &[(put("1", json!({"id": 1})), "# c\n[[x]]\nid = 1\n")],
    );
    refused(
        TOML,
        "d/f.toml",
        "x = [{ id = 1 }]\n",
        &[(put("1", json!({"id": 1, "a": 1})), "separate headers")],
    );
    let text = "[b]\nx = 1\n\n[b.y]\nz = 1\n\n[d]\nx = 2\n";
    edited(
        TOML_MAP,
        "d/f.toml",
        text,
        &[
            (put("b", json!({"x": 1, "y": {"z": 2}})), &text.replace("z = 1", "z = 2")),
            (put("c", json!({"x": 3})), &text.replace("[d]", "[c]\nx = 3\n\n[d]")),
            (remove("b"), "[d]\nx = 2\n"),
            (remove("d"), "[b]\nx = 1\n\n[b.y]\nz = 1\n"),
        ],
    );
    let text = "version = 1\n\n[[items]]\nid = \"a\"\n\n[other]\nx = 1\n";
    edited(
        TOML_ITEMS,
        "d/f.toml",
        text,
        &[
            (put("a", json!({"id": "a", "n": 1})), &text.replace("\"a\"\n", "\"a\"\nn = 1\n")),
            (
                put("b", json!({"id": "b"})),
                &text.replace("\n[other]", "\n[[items]]\nid = \"b\"\n\n[other]"),
            ),
        ],
    );
}

#[test]
fn a_record_of_thousands_of_keys_is_written_in_every_format_beside_another() {
    let keys = |letter: &str| -> Json {
        let keys = (0..4_000).map(|at| (format!("{at:04}{letter}"), json!(1)));
        Json::Object(keys.chain([("id".to_owned(), json!(letter))]).collect())
    };
    let each = "[sheets.s]\nfile = \"FILE\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n";
    let map = "[sheets.s]\nfile = \"FILE\"\nrecords = \"map\"\n";
    for (definitions, file, before) in [
        (each, "l.toml", "[[item]]\nid = \"a\"\n"),
        (map, "m.toml", "[a]\nid = \"a\"\n"),
        (each, "l.yaml", "- id: a\n"),
        (each, "d.yaml", "id: a\n---\nid: b\n"),
        (map, "m.yaml", "a:\n  id: a\n"),
        (each, "l.json", "[\n  {\"id\": \"a\"}\n]\n"),
        (map, "m.json", "{\n  \"a\": {\"id\": \"a\"}\n}\n"),
        (each, "l.ndjson", "{\"id\":\"a\"}\n"),
    ] {
        let mut shelf = Shelf::of(&definitions.replace("FILE", file), file, before);
        let few = json!({"id": "x"});
        for (name, record) in [("x", keys("x")), ("y", keys("y")), ("x", few)] {
            let done = shelf.write(&put(name, record.clone()));
            assert!(done.is_ok(), "{file}: {}", done.unwrap_err());
            assert_eq!(shelf.value(name).unwrap(), record, "{file}");
        }
    }
}

#[test]
fn a_row_of_very_many_cells_is_written() {
    let columns: Vec<String> = (0..20_000).map(|at| format!("c{at}")).collect();
    let header = format!("id,{}\n", columns.join(","));
    let text = format!("{header}a{}\n", ",1".repeat(columns.len()));
    let definitions = "[sheets.s]\nfile = \"t.csv\"\nkey = \"${{ id }}\"\n";
    let mut shelf = Shelf::of(definitions, "t.csv", &text);
    let mut record = shelf.value("a").unwrap();
    record["c19999"] = json!(2);
    shelf.write(&put("a", record)).unwrap();
    let expected = format!("{header}a{},2\n", ",1".repeat(columns.len() - 1));
    assert_eq!(shelf.list.bytes(), expected.as_bytes());
}
