//! The law for files of many records: random histories of lists and tables, against a rebuild and a
//! naive model that knows the rows but not the bytes.

use std::collections::{BTreeMap, BTreeSet};

use headwater_engine::cache::Cache;
use headwater_engine::id::CommitId;
use headwater_engine::load::{advance, load, load_cached};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::Upstream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use serde_json::{Map, Value, json};

use crate::law::{cases, open, same_pages, same_verdict, tells_what_is_seen};
use crate::random_histories::WORDS;

/// A row before it is written in some format.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: Option<u8>,
    name: Option<u8>,
    title: Vec<&'static str>,
    /// Whether it cannot be read, if the format allows that for a single row.
    is_broken: bool,
}

/// The contents at a path.
#[derive(Debug, Clone, PartialEq)]
enum File {
    List {
        rows: Vec<Row>,
        style: Style,
        whole: Whole,
    },
    /// One record, if the format supports that; if not, an empty list.
    Single(Vec<&'static str>),
    Broken,
    Symlink,
}

/// What the rows of a file that is parsed whole are in. Tables and lines have no other place for them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Whole {
    /// The list that the file is, or its documents.
    List,
    /// A table that has each under its name, the first of a name.
    Map,
    /// A list below a name, beside something else.
    Within,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Style {
    /// With Windows line ends.
    crlf: bool,
    /// With one more column, in a table.
    wide: bool,
    /// On one line, in JSON; as documents, in YAML.
    tight: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Definitions {
    /// Nothing is declared.
    None,
    /// Tables in `data` whose rows are identified by their names, and one JSON list in `notes`.
    Declared,
    /// The same lists under other rules.
    Otherwise,
    /// Maps of JSON in `data`, and lists of YAML behind a pointer in `notes`.
    Parts,
}

#[derive(Debug, Clone, PartialEq)]
struct World {
    definitions: Definitions,
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone)]
enum Op {
    Put(String, File),
    Delete(String),
    Rename(String, String),
    Insert(String, usize, Row),
    Remove(String, usize),
    Change(String, usize, Row),
    Move(String, usize, usize),
    Crlf(String),
    Wide(String),
    Tight(String),
    Wrap(String, Whole),
    Define(Definitions),
    Rewind(prop::sample::Index),
}

fn row() -> impl Strategy<Value = Row> {
    let title = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..3);
    let (id, name) = (prop::option::weighted(0.9, 0..12_u8), prop::option::weighted(0.9, 0..12_u8));
    (id, name, title, prop::bool::weighted(0.1)).prop_map(|(id, name, title, is_broken)| Row {
        id,
        name,
        title,
        is_broken,
    })
}

fn style() -> impl Strategy<Value = Style> {
    (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
        .prop_map(|(crlf, wide, tight)| Style { crlf, wide, tight })
}

fn whole() -> impl Strategy<Value = Whole> {
    prop::sample::select(&[Whole::List, Whole::List, Whole::Map, Whole::Within][..])
}

fn file() -> impl Strategy<Value = File> {
    let list = (prop::collection::vec(row(), 0..7), style(), whole());
    let title = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..3);
    prop_oneof![
        8 => list.prop_map(|(rows, style, whole)| File::List { rows, style, whole }),
        2 => title.prop_map(File::Single),
        1 => Just(File::Broken),
        1 => Just(File::Symlink),
    ]
}

const FORMATS: [&str; 6] = ["csv", "tsv", "ndjson", "json", "yaml", "toml"];

fn path() -> impl Strategy<Value = String> {
    let folder = prop::sample::select(&["notes/", "notes/", "data/", "data/deep/", ""][..]);
    let extension = prop::sample::select(&FORMATS[..]);
    (folder, 0..2_u8, extension).prop_map(|(folder, n, ext)| format!("{folder}k{n}.{ext}"))
}

fn definitions() -> impl Strategy<Value = Definitions> {
    use Definitions::{Declared, None, Otherwise, Parts};
    prop::sample::select(&[None, Declared, Otherwise, Parts][..])
}

fn op() -> impl Strategy<Value = Op> {
    let at = || 0..8_usize;
    prop_oneof![
        4 => (path(), file()).prop_map(|(path, file)| Op::Put(path, file)),
        2 => path().prop_map(Op::Delete),
        2 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        5 => (path(), at(), row()).prop_map(|(path, at, row)| Op::Insert(path, at, row)),
        4 => (path(), at()).prop_map(|(path, at)| Op::Remove(path, at)),
        5 => (path(), at(), row()).prop_map(|(path, at, row)| Op::Change(path, at, row)),
        2 => (path(), at(), at()).prop_map(|(path, from, to)| Op::Move(path, from, to)),
        1 => path().prop_map(Op::Crlf),
        1 => path().prop_map(Op::Wide),
        1 => path().prop_map(Op::Tight),
        2 => (path(), whole()).prop_map(|(path, whole)| Op::Wrap(path, whole)),
        1 => definitions().prop_map(Op::Define),
        1 => any::<prop::sample::Index>().prop_map(Op::Rewind),
    ]
}

fn history() -> impl Strategy<Value = (Definitions, Vec<String>, Vec<Vec<Op>>)> {
    // A few lists to begin with, so that the operations on rows find some.
    let begun = prop::collection::vec(path(), 2..6);
    (definitions(), begun, prop::collection::vec(prop::collection::vec(op(), 1..6), 2..6))
}

impl World {
    fn begin(definitions: Definitions, paths: &[String]) -> Self {
        let row =
            |n: u8| Row { id: Some(n), name: Some(n), title: vec!["river"], is_broken: false };
        let style = Style { crlf: false, wide: false, tight: false };
        let list = |path: &String| {
            // As the definitions have it.
            let whole = match (definitions, extension(path)) {
                (Definitions::Parts, "json") => Whole::Map,
                (Definitions::Parts, "yaml") => Whole::Within,
                _ => Whole::List,
            };
            (path.clone(), File::List { rows: (0..5).map(row).collect(), style, whole })
        };
        Self { definitions, files: paths.iter().map(list).collect() }
    }

    /// Returns the rows of the list at `path`, or of the next one after it, so that most operations
    /// find one.
    fn list(&mut self, path: &str) -> Option<(&mut Vec<Row>, &mut Style)> {
        let is_list = |file: &&mut File| matches!(file, File::List { .. });
        let found = self.files.range_mut(path.to_owned()..).map(|(_, file)| file).find(is_list);
        match found {
            Some(File::List { rows, style, .. }) => Some((rows, style)),
            _ => None,
        }
    }

    fn apply(&mut self, op: &Op, earlier: &[World]) {
        match op {
            Op::Put(path, file) => drop(self.files.insert(path.clone(), file.clone())),
            Op::Delete(path) => drop(self.files.remove(path)),
            Op::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Op::Define(definitions) => self.definitions = *definitions,
            Op::Rewind(to) => {
                if !earlier.is_empty() {
                    *self = to.get(earlier).clone();
                }
            }
            Op::Insert(path, at, row) => {
                if let Some((rows, _)) = self.list(path) {
                    rows.insert(at % (rows.len() + 1), row.clone());
                }
            }
            Op::Crlf(path) => self.list(path).into_iter().for_each(|(_, style)| style.crlf ^= true),
            Op::Wide(path) => self.list(path).into_iter().for_each(|(_, style)| style.wide ^= true),
            Op::Tight(path) => {
                self.list(path).into_iter().for_each(|(_, style)| style.tight ^= true);
            }
            Op::Wrap(path, to) => {
                if let Some(File::List { whole, .. }) = self.files.get_mut(path) {
                    *whole = *to;
                }
            }
            Op::Remove(path, at) | Op::Change(path, at, _) | Op::Move(path, at, _) => {
                let Some((rows, _)) = self.list(path).filter(|(rows, _)| !rows.is_empty()) else {
                    return;
                };
                let at = at % rows.len();
                match op {
                    Op::Change(_, _, row) => rows[at] = row.clone(),
                    Op::Move(_, _, to) => {
                        let row = rows.remove(at);
                        rows.insert(to % (rows.len() + 1), row);
                    }
                    _ => drop(rows.remove(at)),
                }
            }
        }
    }

    fn commit(&self, upstream: &mut Upstream) -> String {
        let mut commit = upstream.commit("step").clear().put(".keep", "");
        if let Some(text) = self.definitions.text() {
            commit = commit.put("headwater.toml", text);
        }
        for (path, file) in &self.files {
            commit = match file {
                File::Symlink => commit.put_mode(path, 0o120_000, "elsewhere"),
                file => commit.put(path, written(path, file)),
            };
        }
        commit.push()
    }
}

impl Definitions {
    fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Declared => Some(
                "[sheets.data]\nformat = \"csv\"\nkey = \"${{ name }}\"\nindex = [\"id\"]\n\n\
                 [sheets.notes]\nfile = \"notes/k0.json\"\nrecords = \"each\"\nunique = [\"name\"]\n",
            ),
            Self::Otherwise => Some(
                "[sheets.data]\nformat = \"ndjson\"\npolicy = \"quarantine\"\n\
                 [sheets.notes]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n",
            ),
            Self::Parts => Some(
                "[sheets.data]\nformat = \"json\"\nrecords = \"map\"\nindex = [\"id\"]\n\
                 [sheets.notes]\nformat = \"yaml\"\nrecords = \"/rows\"\n",
            ),
        }
    }
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').unwrap().1
}

/// Says whether a single row can be broken.
fn can_break(path: &str, whole: Whole) -> bool {
    match extension(path) {
        "csv" | "tsv" | "ndjson" => true,
        "json" => whole == Whole::List,
        _ => false,
    }
}

/// Returns the rows that a map has, with their names: of two with one name the first.
fn members(rows: &[Row]) -> BTreeMap<String, &Row> {
    let mut members = BTreeMap::new();
    for row in rows {
        let name = row.name.map_or("none".to_owned(), |name| format!("r{name}"));
        members.entry(name).or_insert(row);
    }
    members
}

/// Writes rows that are not at the top of their file.
fn wrapped(format: &str, rows: &[Row], style: Style, whole: Whole) -> Vec<String> {
    let fields = |row: &Row| value(format, row, style);
    let toml = |header: String, row: &Row| {
        let fields = fields(row);
        let members = fields.as_object().unwrap().iter();
        let members = members.map(|(name, value)| format!("{name} = {value}"));
        [header].into_iter().chain(members).collect::<Vec<_>>()
    };
    let map = members(rows);
    match (format, whole) {
        ("json", Whole::Map) => {
            let members = map.iter().map(|(name, row)| format!("\"{name}\": {}", fields(row)));
            let between = if style.tight { "," } else { ",\n  " };
            vec![format!("{{{}}}", members.collect::<Vec<_>>().join(between))]
        }
        ("yaml", Whole::Map) if map.is_empty() => vec!["{}".into()],
        ("yaml", Whole::Map) => {
            map.iter().map(|(name, row)| format!("{name}: {}", fields(row))).collect()
        }
        (_, Whole::Map) => {
            map.iter().flat_map(|(name, row)| toml(format!("[{name}]"), row)).collect()
        }
        ("json", _) => {
            let rows: Vec<_> = rows.iter().map(fields).collect();
            vec![json!({ "other": 1, "rows": rows }).to_string()]
        }
        ("yaml", _) if rows.is_empty() => vec!["other: 1".into(), "rows: []".into()],
        ("yaml", _) => {
            let rows = rows.iter().map(|row| format!("- {}", fields(row)));
            ["other: 1".to_owned(), "rows:".to_owned()].into_iter().chain(rows).collect()
        }
        (_, _) if rows.is_empty() => vec!["other = 1".into(), "rows = []".into()],
        (_, _) => {
            let rows = rows.iter().flat_map(|row| toml("[[rows]]".to_owned(), row));
            ["other = 1".to_owned()].into_iter().chain(rows).collect()
        }
    }
}

/// Returns the value of a file whose rows are not at its top.
fn whole_value(rows: &[Row], style: Style, whole: Whole) -> Value {
    let value = |row: &Row| value("json", row, style);
    match whole {
        Whole::Map => {
            let members = members(rows).into_iter().map(|(name, row)| (name, value(row)));
            Value::Object(members.collect())
        }
        _ => json!({ "other": 1, "rows": rows.iter().map(value).collect::<Vec<_>>() }),
    }
}

fn written(path: &str, file: &File) -> Vec<u8> {
    let format = extension(path);
    let (rows, style, whole) = match file {
        File::List { rows, style, whole } => (rows, *style, *whole),
        File::Broken => {
            let broken: &[u8] = match format {
                "tsv" => b"id\tid\n1\t2\n",
                "csv" => b"id,id\n1,2\n",
                "ndjson" => b"{\"a\": \"\xff\"}\n",
                "json" => b"[{\"id\": 1},",
                "yaml" => b"- a: [\n",
                _ => b"[[row]\n",
            };
            return broken.to_vec();
        }
        File::Single(title) => {
            let title = json!(title.join(" "));
            return match format {
                "csv" => "id,name,title\n".into(),
                "tsv" => "id\tname\ttitle\n".into(),
                "ndjson" => "\n".into(),
                "json" => json!({ "title": title }).to_string().into_bytes(),
                "yaml" => format!("title: {title}\n").into_bytes(),
                _ => format!("title = {title}\n").into_bytes(),
            };
        }
        File::Symlink => unreachable!("a link has no content"),
    };
    let end = if style.crlf { "\r\n" } else { "\n" };
    let fields = |row: &Row| value("json", row, style);
    let json = |row: &Row| {
        let text = fields(row).to_string();
        if row.is_broken {
            text.replacen('{', "{\"x\":1,\"x\":1,", 1).replace(",}", "}")
        } else {
            text
        }
    };
    let lines: Vec<String> = match format {
        "json" | "yaml" | "toml" if whole != Whole::List => wrapped(format, rows, style, whole),
        "csv" | "tsv" => {
            let header = if style.wide { "id,name,title,more" } else { "id,name,title" };
            let row = |row: &Row| {
                let id = row.id.map(|id| id.to_string()).unwrap_or_default();
                let name = row.name.map(|name| format!("n{name}")).unwrap_or_default();
                // A line end in a cell is kept.
                let title = row.title.join("\n");
                let rest = if style.wide { ",x" } else { "" };
                let rest = if row.is_broken { format!("{rest},,") } else { rest.to_owned() };
                format!("{id},{name},\"{title}\"{rest}")
            };
            let delimiter = if format == "csv" { "," } else { "\t" };
            let lines = [header.to_owned()].into_iter().chain(rows.iter().map(row));
            lines.map(|line| line.replace(',', delimiter)).collect()
        }
        "ndjson" => rows.iter().map(json).collect(),
        "json" => {
            let rows: Vec<String> = rows.iter().map(json).collect();
            let between = if style.tight { ",".to_owned() } else { format!(",{end}  ") };
            vec![format!("[{}]", rows.join(&between))]
        }
        "yaml" if rows.is_empty() => vec!["[]".into()],
        "yaml" if style.tight && rows.len() > 1 => {
            rows.iter().flat_map(|row| ["---".to_owned(), fields(row).to_string()]).collect()
        }
        "yaml" => rows.iter().map(|row| format!("- {}", fields(row))).collect(),
        _ => {
            let member = |(name, value): (&String, &Value)| format!("{name} = {value}");
            let row = |row: &Row| {
                let fields = fields(row);
                let members = fields.as_object().unwrap().iter().map(member);
                ["[[row]]".to_owned()].into_iter().chain(members).collect::<Vec<_>>().join(end)
            };
            rows.iter().map(row).collect()
        }
    };
    let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
    text.into_bytes()
}

/// Returns the value of a row.
fn value(format: &str, row: &Row, style: Style) -> Value {
    let mut fields = Map::new();
    if let Some(id) = row.id {
        fields.insert("id".into(), json!(id));
    }
    if let Some(name) = row.name {
        fields.insert("name".into(), json!(format!("n{name}")));
    }
    if matches!(format, "csv" | "tsv") {
        if !row.title.is_empty() {
            fields.insert("title".into(), json!(row.title.join("\n")));
        }
        if style.wide {
            fields.insert("more".into(), json!("x"));
        }
    } else {
        fields.insert("title".into(), json!(row.title.join(" ")));
    }
    Value::Object(fields)
}

/// What the engine must hold: records by sheet and key, and problems by path and rule, with their
/// counts.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    records: BTreeMap<String, BTreeMap<String, Value>>,
    problems: BTreeMap<(String, &'static str), usize>,
}

/// The claims to each key of a sheet: the files, and their values.
type Slots<'a> = BTreeMap<String, Vec<(&'a String, Value)>>;

/// The claims of a path in a sheet: the keys of its rows, and its problems.
type Claims = (Vec<(String, Value)>, Vec<&'static str>);

fn expected(world: &World) -> Expected {
    let mut slots: BTreeMap<String, Slots<'_>> = BTreeMap::new();
    let mut expected = Expected::default();
    let problem = |expected: &mut Expected, path: &str, rule| {
        *expected.problems.entry((path.to_owned(), rule)).or_default() += 1;
    };
    if world.definitions != Definitions::None {
        for sheet in ["data", "notes"] {
            expected.records.insert(sheet.into(), BTreeMap::new());
        }
    }
    for (path, file) in &world.files {
        let Some((sheet, (rows, wrong))) = claims(world.definitions, path, file) else { continue };
        if !(rows.is_empty() && wrong.is_empty()) {
            expected.records.entry(sheet.clone()).or_default();
        }
        wrong.into_iter().for_each(|rule| problem(&mut expected, path, rule));
        for (key, value) in rows {
            let slot = slots.entry(sheet.clone()).or_default().entry(key).or_default();
            slot.push((path, value));
        }
    }
    for (sheet, slots) in slots {
        let mut names = BTreeSet::new();
        for (key, claimants) in slots {
            let mut claimants = claimants.into_iter();
            let (first, value) = claimants.next().unwrap();
            claimants.for_each(|(path, _)| problem(&mut expected, path, "key_taken"));
            let is_unique = world.definitions == Definitions::Declared && sheet == "notes";
            if is_unique && value["name"].is_string() && !names.insert(value["name"].to_string()) {
                problem(&mut expected, first, "not_unique");
            }
            expected.records.entry(sheet.clone()).or_default().insert(key, value);
        }
    }
    expected
}

fn claims(definitions: Definitions, path: &str, file: &File) -> Option<(String, Claims)> {
    let format = extension(path);
    let (folder, below) = path.split_once('/').unwrap_or(("root", path));
    // How the rows are identified: by a declared field, or by what is found.
    let (prefix, field) = match (definitions, folder, format) {
        (Definitions::None, ..) => (true, None),
        (Definitions::Declared, "data", "csv") => (true, Some("name")),
        (Definitions::Declared, "notes", "json") if below == "k0.json" => (false, None),
        (Definitions::Otherwise, "data", "ndjson") => (true, None),
        (Definitions::Otherwise, "notes", "yaml") => (true, Some("id")),
        (Definitions::Parts, "data", "json") | (Definitions::Parts, "notes", "yaml") => {
            (true, None)
        }
        _ => return None,
    };
    let list = below.rsplit_once('.').unwrap().0;
    let is_list = matches!(format, "csv" | "tsv" | "ndjson");
    let malformed = |count: usize| Some((folder.into(), (vec![], vec!["malformed"; count])));
    let (rows, style) = match file {
        File::Symlink => return None,
        File::Broken => {
            let rule = if format == "ndjson" { "not_utf8" } else { "malformed" };
            return Some((folder.into(), (vec![], vec![rule])));
        }
        File::Single(_) if is_list => return Some((folder.into(), (vec![], vec![]))),
        File::Single(_) if definitions != Definitions::None => return malformed(1),
        File::Single(title) => {
            let record = (list.to_owned(), json!({ "title": title.join(" ") }));
            return Some((folder.into(), (vec![record], vec![])));
        }
        File::List { rows, style, whole } if !is_list && *whole != Whole::List => {
            match (definitions, whole) {
                (Definitions::None, _) => {
                    let value = whole_value(rows, *style, *whole);
                    return Some((folder.into(), (vec![(list.to_owned(), value)], vec![])));
                }
                (Definitions::Parts, Whole::Map) if format == "json" => {
                    let members = members(rows).into_iter();
                    let member = |(name, row): (String, &Row)| {
                        (format!("{list}/{name}"), value("json", row, *style))
                    };
                    return Some((folder.into(), (members.map(member).collect(), vec![])));
                }
                // Neither member is a table.
                (Definitions::Parts, Whole::Within) if format == "json" => return malformed(2),
                (Definitions::Parts, Whole::Within) => (rows, *style),
                _ => return malformed(1),
            }
        }
        File::List { .. } if definitions == Definitions::Parts => return malformed(1),
        // Nothing indicates that this is a list.
        File::List { rows, .. } if rows.is_empty() && format == "toml" => {
            return Some((folder.into(), (vec![(list.to_owned(), json!({}))], vec![])));
        }
        File::List { rows, style, .. } => (rows, *style),
    };
    let whole = match file {
        File::List { whole, .. } if !is_list => *whole,
        _ => Whole::List,
    };
    let is_broken = |row: &Row| row.is_broken && can_break(path, whole);
    let values: Vec<Option<Value>> =
        rows.iter().map(|row| (!is_broken(row)).then(|| value(format, row, style))).collect();
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let field = field.or_else(|| {
        ["id", "name"].into_iter().find(|field| {
            let good: Vec<_> = values.iter().flatten().map(|value| text(&value[*field])).collect();
            let names: BTreeSet<_> = good.iter().flatten().collect();
            !good.is_empty() && names.len() == good.len()
        })
    });
    let (mut found, mut wrong, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, value) in values.into_iter().enumerate() {
        let Some(value) = value else {
            wrong.push("malformed");
            continue;
        };
        let name = field.map_or_else(|| Some((at + 1).to_string()), |field| text(&value[field]));
        match name {
            None => wrong.push("malformed"),
            Some(name) if !taken.insert(name.clone()) => wrong.push("key_taken"),
            Some(name) if prefix => found.push((format!("{list}/{name}"), value)),
            Some(name) => found.push((name, value)),
        }
    }
    Some((folder.into(), (found, wrong)))
}

fn equals_model(snapshot: &Snapshot, world: &World) -> Result<(), TestCaseError> {
    let mut found = Expected::default();
    for sheet in snapshot.sheets() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let rows = sheet.records().map(|r| (r.key.to_string(), json(r.value.as_str())));
        found.records.insert(sheet.spec().name.to_string(), rows.collect());
    }
    for problem in snapshot.problems() {
        *found.problems.entry((problem.path, problem.rule.as_str())).or_default() += 1;
    }
    prop_assert_eq!(found, expected(world), "{:#?}", world);
    Ok(())
}

#[test]
fn a_reload_of_lists_equals_a_rebuild_and_both_equal_the_model() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    proptest!(config, |((definitions, begun, commits) in history(), jumps in any::<u64>())| {
        check(World::begin(definitions, &begun), &commits, jumps)?;
    });
}

fn check(begun: World, commits: &[Vec<Op>], mut jumps: u64) -> Result<(), TestCaseError> {
    let mut upstream = Upstream::new();
    let mut worlds = vec![begun];
    let mut snapshots: Vec<Snapshot> = Vec::new();
    let options = LoadOptions::default();
    for ops in [&[][..]].into_iter().chain(commits.iter().map(Vec::as_slice)) {
        let mut world = worlds.last().cloned().unwrap();
        ops.iter().for_each(|op| world.apply(op, &worlds));
        let commit: CommitId = world.commit(&mut upstream).parse().unwrap();
        let objects = open(&upstream);
        let rebuilt = load(&objects, commit, &options).unwrap();
        equals_model(&rebuilt, &world)?;
        let mut bases: Vec<&Snapshot> = snapshots.iter().rev().take(1).collect();
        if !snapshots.is_empty() {
            bases.push(&snapshots[(jumps % snapshots.len() as u64) as usize]);
            jumps /= 7;
        }
        let mut next = rebuilt.clone();
        for base in bases {
            let (reloaded, reason) = advance(&objects, Some(base), commit, &options).unwrap();
            let (got, wanted) = (reloaded.dump(), rebuilt.dump());
            prop_assert_eq!(got, wanted, "from {} ({:?}) to {:#?}", base.commit(), reason, world);
            same_pages(&reloaded, &rebuilt)?;
            same_verdict(base, &reloaded, &rebuilt, &objects)?;
            tells_what_is_seen(base, &reloaded, &objects)?;
            next = reloaded;
        }
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let cache = Cache::beside(&mirror, options.record_limit);
        let (warm, _) = load_cached(&objects, commit, &cache, &options).unwrap();
        prop_assert_eq!(warm.dump(), rebuilt.dump(), "from the cache to {:#?}", world);
        if jumps.is_multiple_of(2) {
            next.save(&cache).unwrap();
        }
        worlds.push(world);
        snapshots.push(next);
    }
    Ok(())
}
