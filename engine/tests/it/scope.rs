//! How far a write reaches: whatever the sheets are and whatever is written, nothing changes except
//! files that only the sheets of the writer's scope hold.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use headwater_engine::id::{Key, SheetName};
use headwater_engine::layout::RenderError;
use headwater_engine::load::load;
use headwater_engine::mirror::{
    Edit, Edits, EntryMode, Identity, Mirror, MirrorOptions, NewCommit, Signature,
};
use headwater_engine::options::LoadOptions;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;
use headwater_engine::write::{
    self, Action, Batch, BatchResult, CommitState, Condition, MOST_WRITTEN, Operation, Scope,
    WriteError,
};
use headwater_testkit::Upstream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use serde_json::{Map, Value, json};

use crate::remote_and_engine::House;

/// Returns the number of cases to try; more on demand.
fn cases() -> u32 {
    let cases = std::env::var("HEADWATER_SCOPE_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

/// The roots of sheets, which contain one another.
const ROOTS: [&str; 5] = ["", "people", "people/staff", "docs", "docs/a"];
/// The templates of sheets: every file, of one level, of two, of any depth.
const TEMPLATES: [Option<&str>; 4] =
    [None, Some("${{ slug }}"), Some("${{ area }}/${{ slug }}"), Some("${{ path/** }}")];
/// The names of folders and records.
const NAMES: [&str; 9] =
    ["a", "b", "people", "staff", "docs", ".gitsheets", ".github", "headwater", "s0"];
/// The names of attachments.
const ATTACHMENTS: [&str; 5] = ["x.txt", "a.toml", "s0.toml", "people.toml", ".x"];

#[derive(Debug, Clone)]
struct Sheet {
    name: String,
    root: &'static str,
    template: Option<&'static str>,
    is_gitsheet: bool,
}

#[derive(Debug, Clone)]
struct Case {
    sheets: Vec<Sheet>,
    files: BTreeSet<String>,
    scope: BTreeSet<usize>,
    operations: Vec<Op>,
}

#[derive(Debug, Clone)]
struct Op {
    sheet: usize,
    /// Whether a sheet of the scope is used.
    is_in_scope: bool,
    verb: u8,
    key: String,
    /// The file to use instead of the key, if there are any.
    file: Option<usize>,
    /// The path from the fields instead of the key's.
    fields: Option<String>,
    name: &'static str,
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4).prop_map(|names| names.join("/"))
}

fn file() -> impl Strategy<Value = String> {
    let below = prop::collection::vec(prop::sample::select(&NAMES[..]), 1..3);
    let extension = prop_oneof![3 => Just("toml"), 1 => Just("txt")];
    (prop::sample::select(&ROOTS[..]), below, extension)
        .prop_map(|(root, below, extension)| {
            format!("{root}/{}.{extension}", below.join("/")).trim_start_matches('/').to_owned()
        })
        .prop_filter("it defines sheets", |path| {
            !path.starts_with(".gitsheets/") && path != "headwater.toml"
        })
}

fn case() -> impl Strategy<Value = Case> {
    let sheet =
        (prop::sample::select(&ROOTS[..]), prop::sample::select(&TEMPLATES[..]), any::<bool>());
    let op = (
        0..3_usize,
        prop::bool::weighted(0.9),
        0..6_u8,
        path(),
        prop::option::weighted(0.85, 0..20_usize),
        prop::option::weighted(0.3, path()),
        prop::sample::select(&ATTACHMENTS[..]),
    );
    let op = op.prop_map(|(sheet, is_in_scope, verb, key, file, fields, name)| Op {
        sheet,
        is_in_scope,
        verb,
        key,
        file,
        fields,
        name,
    });
    (
        prop::collection::vec(sheet, 1..4),
        prop::collection::btree_set(file(), 10..40),
        prop::collection::btree_set(0..3_usize, 1..3),
        prop::collection::vec(op, 1..3),
    )
        .prop_map(|(sheets, files, scope, operations)| {
            let sheet = |(n, (root, template, is_gitsheet)): (usize, (_, Option<_>, bool))| Sheet {
                name: format!("s{n}"),
                root,
                template,
                is_gitsheet: is_gitsheet && template.is_some(),
            };
            let sheets = sheets.into_iter().enumerate().map(sheet).collect();
            Case { sheets, files, scope, operations }
        })
}

impl Sheet {
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.root {
            "" => Some(path),
            root => path.strip_prefix(root)?.strip_prefix('/'),
        }
    }

    /// Returns whether the sheet would have a record at `path` without its extension.
    fn has(&self, path: &str) -> bool {
        let depth = self.below(path).map_or(0, |below| below.split('/').count());
        match self.template {
            None | Some("${{ path/** }}") => depth > 0,
            Some("${{ slug }}") => depth == 1,
            _ => depth == 2,
        }
    }

    fn is_fixed(&self) -> bool {
        !matches!(self.template, None | Some("${{ path/** }}"))
    }
}

impl Case {
    fn tree(&self) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> =
            self.files.iter().map(|path| (path.clone(), text(path))).collect();
        let mut declared = String::from("[sheets]\n");
        for Sheet { name, root, template, is_gitsheet } in &self.sheets {
            match template {
                Some(template) if *is_gitsheet => {
                    let text = format!("[gitsheet]\nroot = '{root}'\npath = '{template}'\n");
                    files.insert(format!(".gitsheets/{name}.toml"), text);
                }
                _ => {
                    let path = template.map(|template| format!("path = '{template}'\n"));
                    let path = path.unwrap_or_default();
                    declared.push_str(&format!("[sheets.{name}]\nroot = '{root}'\n{path}"));
                }
            }
        }
        files.insert("headwater.toml".into(), declared);
        // A file cannot be where a folder is.
        let folders: BTreeSet<String> = files.keys().flat_map(|path| folders(path)).collect();
        files.retain(|path, _| !folders.contains(path));
        files
    }

    fn batch(&self) -> Batch {
        let operation = |op: &Op| {
            let scope: Vec<usize> =
                self.scope.iter().copied().filter(|n| *n < self.sheets.len()).collect();
            let sheet = match scope[..] {
                [_, ..] if op.is_in_scope => scope[op.sheet % scope.len()],
                _ => op.sheet % self.sheets.len(),
            };
            let sheet = &self.sheets[sheet];
            let meant = op.file.and_then(|n| {
                let stems = self.files.iter().filter_map(|file| file.strip_suffix(".toml"));
                let there: Vec<_> =
                    stems.filter(|stem| sheet.has(stem)).filter_map(|s| sheet.below(s)).collect();
                there.get(n % there.len().max(1)).copied()
            });
            let key = meant.unwrap_or(&op.key);
            let at = [sheet.root, key].join("/");
            let mut fields = record(op.fields.as_deref().unwrap_or(&at));
            fields["path"] = json!(op.fields.as_deref().unwrap_or(key));
            let (sheet, key) = (SheetName::new(&*sheet.name), Key::new(key));
            let action = match op.verb {
                0 => Action::Put(key, fields),
                1 => Action::Create(fields),
                2 => Action::Patch(key, fields),
                3 => Action::Delete(key),
                4 => Action::Attach(key, op.name.into(), b"n = 1\n"[..].into()),
                _ => Action::Detach(key, op.name.into()),
            };
            Operation { sheet, action, condition: Condition::Any }
        };
        Batch {
            operations: self.operations.iter().map(operation).collect(),
            actor: "ada".into(),
            author: Identity::parse("Ada <ada@example.org>").unwrap(),
            scope: Scope::Only(
                self.scope.iter().map(|n| SheetName::new(format!("s{n}"))).collect(),
            ),
            view: View::PUBLIC,
            message: "a change".into(),
            trailers: vec![],
            repeat: None,
            limit: MOST_WRITTEN,
        }
    }

    /// Returns whether only the sheets of the scope hold a path.
    fn is_inside(&self, path: &str) -> bool {
        let first = path.split('/').next().unwrap();
        if first.starts_with('.') || first == "headwater.toml" {
            return false;
        }
        let sheets = || self.sheets.iter().enumerate();
        let is_open = |holders: &[usize]| holders.iter().all(|n| self.scope.contains(n));
        let stem = path.strip_suffix(".toml");
        let claims = sheets().filter(|(_, sheet)| stem.is_some_and(|stem| sheet.has(stem)));
        let claims: Vec<usize> = claims.map(|(n, _)| n).collect();
        if !claims.is_empty() {
            return is_open(&claims);
        }
        for folder in folders(path).iter().rev() {
            let beside = sheets().filter(|(_, sheet)| sheet.is_fixed() && sheet.has(folder));
            let beside: Vec<usize> = beside.map(|(n, _)| n).collect();
            if !beside.is_empty() {
                return is_open(&beside);
            }
        }
        false
    }
}

/// Returns the folders that contain a path, outermost first.
fn folders(path: &str) -> Vec<String> {
    path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect()
}

/// Returns fields that are right under the templates of fixed depth.
fn record(path: &str) -> Value {
    let mut names = path.rsplit('/');
    let mut fields = Map::new();
    fields.insert("slug".into(), json!(names.next()));
    if let Some(area) = names.next() {
        fields.insert("area".into(), json!(area));
    }
    Value::Object(fields)
}

fn text(path: &str) -> String {
    let record = record(path.rsplit_once('.').unwrap().0);
    let fields = record.as_object().unwrap().iter();
    fields.map(|(name, value)| format!("{name} = {value}\n")).collect()
}

/// Returns the contents of the sheets outside the scope.
fn others(case: &Case, state: &Snapshot) -> Vec<Vec<(String, String)>> {
    let closed = (0..case.sheets.len()).filter(|n| !case.scope.contains(n));
    let sheet = |n| state.sheet(&format!("s{n}")).unwrap();
    let row = |record: &std::sync::Arc<headwater_engine::record::Record>| {
        (record.path(), record.value.as_str().to_owned())
    };
    closed.map(|n| sheet(n).records().map(row).collect()).collect()
}

#[derive(Default)]
struct Tally {
    written: Cell<u32>,
    reserved: Cell<u32>,
    out_of_scope: Cell<u32>,
    others: Cell<u32>,
}

fn check(mirror: &Mirror, case: &Case, tally: &Tally) -> Result<(), TestCaseError> {
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let mut stage = mirror.stage().unwrap();
    let identity = Identity::parse("Headwater <headwater@localhost>").unwrap();
    let committer = Signature { identity, seconds: 1_700_000_000, offset_minutes: 0 };
    let mut edits = Edits::new();
    for (path, text) in case.tree() {
        let id = *stage.blob(text.as_bytes()).unwrap().as_bytes();
        edits.insert(path, Edit::Put { mode: EntryMode::Regular, id });
    }
    let Ok(tree) = stage.edit(None, &edits) else { return Ok(()) };
    let (author, message) = (&committer, "first");
    let first = NewCommit { tree, parent: None, author, committer: author, message, trailers: &[] };
    let commit = stage.commit(&first).unwrap();
    let options = LoadOptions::default();
    let records = load(stage.objects(), commit, &options).unwrap();
    let state = CommitState { commit, tree, seconds: 7, records };
    let next = match write::commit(&mut stage, &state, &case.batch(), &committer, &options) {
        Ok(BatchResult { next: Some(next), .. }) => next,
        Ok(BatchResult { next: None, .. }) => return Ok(()),
        Err(error) => {
            let error = match error {
                WriteError::Operation { source, .. } => *source,
                error => error,
            };
            count(match error {
                WriteError::Reserved { .. }
                | WriteError::Path { source: RenderError::Hostile { .. }, .. } => &tally.reserved,
                WriteError::OutOfScope { .. } => &tally.out_of_scope,
                _ => &tally.others,
            });
            return Ok(());
        }
    };
    count(&tally.written);
    for change in stage.objects().diff(state.tree, next.tree).unwrap() {
        let path = String::from_utf8(change.path).unwrap();
        prop_assert!(case.is_inside(&path), "{path} changed in {case:#?}");
    }
    let fresh = load(stage.objects(), next.commit, &options).unwrap();
    let alike = state.records.layout().reads_alike(fresh.layout());
    prop_assert!(alike, "another layout in {case:#?}");
    prop_assert_eq!(others(case, &state.records), others(case, &fresh), "in {:#?}", case);
    Ok(())
}

#[test]
fn a_write_changes_only_what_the_sheets_of_its_scope_alone_hold() {
    let upstream = Upstream::new();
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let tally = Tally::default();
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    proptest!(config, |(case in case())| check(&mirror, &case, &tally)?);
    // A test that tries nothing shows nothing.
    let Tally { written, reserved, out_of_scope, others } = tally;
    println!(
        "{} written, {} reserved, {} out of scope, {} refused for other reasons",
        written.get(),
        reserved.get(),
        out_of_scope.get(),
        others.get()
    );
    assert!(written.get() > cases() / 20 && out_of_scope.get() > cases() / 20);
    assert!(reserved.get() > 0 && others.get() > 0);
}

/// Returns a repository in which a sheet of everything contains others.
fn nested() -> House {
    let mut upstream = Upstream::new();
    let sheets = "[sheets.all]\nroot = '.'\n\
                  [sheets.index]\nroot = '.'\npath = '${{ slug }}'\n\
                  [sheets.content]\nroot = '.'\npath = '${{ area }}/${{ slug }}'\n\
                  [sheets.people]\npath = '${{ slug }}'\npublic = false\n";
    upstream
        .commit("first")
        .put("headwater.toml", sheets)
        .put(".gitsheets/tags.toml", "[gitsheet]\nroot = 'tags'\npath = '${{ slug }}'\n")
        .put("tags/a.toml", "slug = \"a\"\n")
        .put("home.toml", "slug = \"home\"\n")
        .put("home/photo.jpg", "pixels")
        .put("people/ada.toml", "area = \"people\"\npay = 1\nslug = \"ada\"\n")
        .put("people/ada/photo.jpg", "pixels")
        .put(".github/workflows/ci.yml", "on: push\n")
        .push();
    House::of(upstream)
}

#[test]
fn definitions_and_what_begins_with_a_dot_are_out_of_reach_for_everybody() {
    let house = nested();
    let before = house.served();
    let fields = |area: &str, slug: &str| json!({ "area": area, "slug": slug });
    let key = |key: &str| Key::new(key);
    let file = || b"on: push\n"[..].into();
    for (sheet, action) in [
        ("index", Action::Put(key(".gitsheets"), json!({ "slug": ".gitsheets" }))),
        ("index", Action::Create(json!({ "slug": "headwater" }))),
        ("index", Action::Patch(key("home"), json!({ "slug": ".github" }))),
        ("index", Action::Patch(key("home"), json!({ "slug": "headwater" }))),
        ("content", Action::Put(key(".github/workflows"), fields(".github", "workflows"))),
        ("content", Action::Create(fields(".gitsheets", "tags"))),
        (
            "all",
            Action::Patch(key("headwater"), json!({ "sheets": { "people": { "public": true } } })),
        ),
        ("all", Action::Delete(key("headwater"))),
        ("all", Action::Put(key(".gitsheets/x"), json!({ "gitsheet": {} }))),
        ("all", Action::Delete(key(".gitsheets/tags"))),
        ("content", Action::Attach(key(".github/workflows"), "pwn.yml".into(), file())),
    ] {
        let told = format!("{sheet} {action:?}");
        let refused = house.engine().commit(one(sheet, action, Scope::Every)).unwrap_err();
        let is_right = matches!(
            refused,
            WriteError::Reserved { .. } | WriteError::Path { .. } | WriteError::NotFound { .. }
        );
        assert!(is_right, "{told}: {refused:?}");
    }
    assert_eq!(house.served(), before);
}

#[test]
fn a_write_that_would_take_other_sheets_along_is_refused() {
    let house = nested();
    let before = house.served();
    for (sheet, action) in [
        // A record whose attachments would be the records of people.
        ("index", Action::Patch(Key::new("home"), json!({ "slug": "people" }))),
        // Its own attachment would become a record of people there.
        ("content", Action::Attach(Key::new("people/ada"), "x".into(), b"x"[..].into())),
    ] {
        let told = format!("{sheet} {action:?}");
        let scope = Scope::Only(BTreeSet::from([SheetName::new(sheet)]));
        let refused = house.engine().commit(one(sheet, action, scope)).unwrap_err();
        assert!(matches!(refused, WriteError::OutOfScope { .. }), "{told}: {refused:?}");
    }
    let everything = Action::Patch(Key::new("home"), json!({ "slug": "people" }));
    let refused = house.engine().commit(one("index", everything, Scope::Every)).unwrap_err();
    assert!(matches!(refused, WriteError::HoldsOthers { .. }), "{refused:?}");
    assert_eq!(house.served(), before);
}

#[test]
fn what_is_out_of_scope_is_told_alike_whether_it_is_there_or_not() {
    let house = nested();
    let scope = Scope::Only(BTreeSet::from([SheetName::new("content")]));
    let told = |key: &str, action: fn(Key) -> Action, condition: Condition| {
        let mut batch = one("content", action(Key::new(key)), scope.clone());
        batch.operations[0].condition = condition;
        house.engine().commit(batch).unwrap_err().to_string().replace(key, "KEY")
    };
    let actions: [fn(Key) -> Action; 4] = [
        |key| Action::Put(key, json!({ "area": "people", "slug": "ada" })),
        |key| Action::Patch(key, json!({})),
        Action::Delete,
        |key| Action::Attach(key, "x.jpg".into(), b"x"[..].into()),
    ];
    for action in actions {
        for condition in [Condition::Any, Condition::Absent, Condition::Present] {
            let there = told("people/ada", action, condition.clone());
            assert_eq!(there, told("people/eve", action, condition), "{there}");
        }
    }
    let create = |slug: &str| {
        let action = Action::Create(json!({ "area": "people", "slug": slug }));
        let refused = house.engine().commit(one("content", action, scope.clone())).unwrap_err();
        refused.to_string().replace(slug, "KEY")
    };
    assert_eq!(create("ada"), create("eve"));
    // With both sheets it is one record in both.
    let both = Scope::Only(["all", "content", "people"].map(SheetName::new).into());
    let patch = Action::Patch(Key::new("people/ada"), json!({ "pay": 2 }));
    assert!(house.engine().commit(one("content", patch, both)).unwrap().changed);
}

#[test]
fn a_writer_is_not_told_which_records_of_another_sheet_would_be_wrong() {
    let mut upstream = Upstream::new();
    let people = "[gitsheet]\nroot = 'people'\npath = '${{ slug }}'\n\
                  [headwater]\npublic = false\nrefs = { tag = 'tags' }\n";
    upstream
        .commit("first")
        .put(".gitsheets/tags.toml", "[gitsheet]\nroot = 'tags'\npath = '${{ slug }}'\n")
        .put(".gitsheets/people.toml", people)
        .put("tags/a.toml", "slug = \"a\"\n")
        .put("people/secret.toml", "slug = \"secret\"\ntag = \"a\"\n")
        .push();
    let house = House::of(upstream);
    let delete = |scope| house.engine().commit(one("tags", Action::Delete(Key::new("a")), scope));
    let of_tags = Scope::Only(BTreeSet::from([SheetName::new("tags")]));
    let told = delete(of_tags).unwrap_err();
    assert!(matches!(told, WriteError::BreaksOthers) && told.is_conflict(), "{told:?}");
    let told = delete(Scope::Every).unwrap_err();
    assert!(matches!(&told, WriteError::Referenced { path, .. } if path == "people/secret.toml"));
}

fn one(sheet: &str, action: Action, scope: Scope) -> Batch {
    let operation = Operation { sheet: SheetName::new(sheet), action, condition: Condition::Any };
    Batch {
        operations: vec![operation],
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope,
        view: View::PUBLIC,
        message: "a change".into(),
        trailers: vec![],
        repeat: None,
        limit: MOST_WRITTEN,
    }
}
