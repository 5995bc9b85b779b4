//! Writes into files of many records.

use headwater_engine::encode::EncodeError;
use headwater_engine::engine::{Engine, Ledger, Rewrites};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::mirror::Identity;
use headwater_engine::write::{
    Action, Batch, Committed, Condition, MOST_WRITTEN, Operation, Repeat, Scope, WriteError,
    version,
};
use serde_json::{Value, json};

use crate::lists::house;
use crate::remote_and_engine::{House, config, remote};

const ICONS: &str = "slug,title\nada,Ada\nbob,Bob\ndan,Dan\n";
const PATH: &str = "icons/all.csv";

fn batch(sheet: &str, actions: impl IntoIterator<Item = Action>) -> Batch {
    let operation =
        |action| Operation { sheet: SheetName::new(sheet), action, condition: Condition::Any };
    Batch {
        operations: actions.into_iter().map(operation).collect(),
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: "a change".to_owned(),
        trailers: Vec::new(),
        repeat: None,
        limit: MOST_WRITTEN,
    }
}

fn write(house: &House, sheet: &str, action: Action) -> Result<Committed, WriteError> {
    house.engine().commit(batch(sheet, [action]))
}

fn put(key: &str, record: Value) -> Action {
    Action::Put(Key::new(key), record)
}

fn patch(key: &str, patch: Value) -> Action {
    Action::Patch(Key::new(key), patch)
}

fn delete(key: &str) -> Action {
    Action::Delete(Key::new(key))
}

fn git(house: &House, args: &[&str]) -> String {
    let mut git = std::process::Command::new("git");
    let output = git.arg("-C").arg(house.mirror()).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn file(house: &House, path: &str) -> String {
    git(house, &["cat-file", "blob", &format!("HEAD:{path}")])
}

#[test]
fn a_row_is_put_patched_created_renamed_and_deleted_and_each_is_a_commit() {
    let house = house("", &[(PATH, ICONS)]);
    let done = write(&house, "icons", patch("all/bob", json!({"title": "Rob"}))).unwrap();
    assert_eq!((done.changed, done.written[0].existed()), (true, true));
    let value = done.written[0].value.as_ref().unwrap();
    assert_eq!(value.as_str(), r#"{"slug":"bob","title":"Rob"}"#);
    let diff = git(&house, &["diff", "--numstat", "HEAD~1", "HEAD"]);
    assert_eq!(diff, format!("1\t1\t{PATH}\n"));
    let done = write(&house, "icons", put("all/cid", json!({"slug": "cid"}))).unwrap();
    assert!(!done.written[0].existed());
    // The only file of the sheet receives records without a key.
    let done = write(&house, "icons", Action::Create(json!({"slug": "eve"}))).unwrap();
    assert_eq!(done.written[0].key.as_str(), "all/eve");
    assert_eq!(file(&house, PATH), "slug,title\nada,Ada\nbob,Rob\ncid,\ndan,Dan\neve,\n");
    let done = write(&house, "icons", patch("all/cid", json!({"slug": "cyd"}))).unwrap();
    assert_eq!(done.written[0].moved_from, Some(Key::new("all/cid")));
    assert_eq!(done.written[0].key.as_str(), "all/cyd");
    write(&house, "icons", delete("all/ada")).unwrap();
    assert_eq!(file(&house, PATH), "slug,title\nbob,Rob\ncyd,\ndan,Dan\neve,\n");
    house.is_lawful();
    let same = write(&house, "icons", patch("all/bob", json!({"title": "Rob"}))).unwrap();
    assert!(!same.changed);
    for key in ["all/bob", "all/cyd", "all/dan", "all/eve"] {
        write(&house, "icons", delete(key)).unwrap();
    }
    assert_eq!(file(&house, PATH), "slug,title\n");
    house.is_lawful();
    write(&house, "icons", put("all/new", json!({"slug": "new", "title": "New"}))).unwrap();
    assert_eq!(file(&house, PATH), "slug,title\nnew,New\n");
    house.is_lawful();
}

#[test]
fn operations_on_one_file_see_those_before_them_and_are_one_commit_or_none() {
    let house = house("", &[(PATH, ICONS)]);
    let all = batch(
        "icons",
        [
            put("all/cid", json!({"slug": "cid"})),
            patch("all/cid", json!({"title": "Cid"})),
            delete("all/ada"),
            patch("all/cid", json!({"slug": "ada"})),
            Action::Create(json!({"slug": "eve"})),
        ],
    );
    let done = house.engine().commit(all).unwrap();
    assert_eq!(done.written.len(), 5);
    // The new record goes where its last key belongs.
    assert_eq!(file(&house, PATH), "slug,title\nada,Cid\nbob,Bob\ndan,Dan\neve,\n");
    house.is_lawful();
    let none = batch("icons", [delete("all/bob"), patch("all/dan", json!({"size": 1}))]);
    let Err(WriteError::Operation { index: 1, source }) = house.engine().commit(none) else {
        panic!("there is no such column")
    };
    let WriteError::Encode { source, .. } = *source else { panic!("{source:?}") };
    assert_eq!(source.pointer().as_str(), "/size");
    assert!(matches!(source, EncodeError::NoColumn { .. }), "{source:?}");
    assert!(house.engine().snapshot().visible("icons", "all/bob").is_some());
}

#[test]
fn conditions_keys_rules_and_references_hold_for_rows_as_for_files() {
    let definition = "[sheets.icons]\nformat = \"csv\"\nunique = [\"title\"]\n\
                      schema = { properties = { title = { maxLength = 5 } } }\n\
                      refs = { next = \"icons\" }\n";
    let rows = "slug,title,next\nada,Ada,\nbob,Bob,all/ada\n";
    let house = house(definition, &[(PATH, rows)]);
    let mut stale = batch("icons", [patch("all/ada", json!({"title": "Eve"}))]);
    stale.operations[0].condition = Condition::Is(vec![[7; 16]]);
    let stale = house.engine().commit(stale).unwrap_err();
    let WriteError::Stale { version: Some(now), .. } = stale else { panic!("{stale:?}") };
    assert_eq!(now, version(br#"{"slug":"ada","title":"Ada"}"#));
    let mut met = batch("icons", [patch("all/ada", json!({"title": "Eva"}))]);
    met.operations[0].condition = Condition::Is(vec![now]);
    met.repeat = Some(Repeat { actor: "a".into(), key: "k".into(), digest: "d".into() });
    let done = house.engine().commit(met.clone()).unwrap();
    let again = house.engine().commit(met).unwrap();
    assert!(again.repeated && again.commit == done.commit);

    let refused = |action| write(&house, "icons", action).unwrap_err();
    let double = refused(put("all/bob", json!({"slug": "bob", "title": "Eva"})));
    assert!(matches!(double, WriteError::Invalid { .. }) && double.is_conflict(), "{double:?}");
    let long = refused(patch("all/ada", json!({"title": "too long"})));
    let WriteError::Encode { source: EncodeError::Invalid { issues }, .. } = long else {
        panic!("{long:?}")
    };
    assert_eq!(issues[0].pointer.as_str(), "/title");
    let referenced = refused(delete("all/ada"));
    assert!(referenced.is_conflict(), "{referenced:?}");
    let other = refused(put("all/new", json!({"slug": "else"})));
    assert!(matches!(other, WriteError::OtherKey { .. }), "{other:?}");
    let taken = refused(patch("all/bob", json!({"slug": "ada"})));
    assert!(matches!(taken, WriteError::Exists { .. }), "{taken:?}");
    let taken = refused(Action::Create(json!({"slug": "ada"})));
    assert!(matches!(taken, WriteError::Exists { .. }), "{taken:?}");
    let nobody = refused(delete("all/nobody"));
    assert!(matches!(nobody, WriteError::NotFound { .. }), "{nobody:?}");
    let file = Action::Attach(Key::new("all/ada"), "x.png".into(), b"x".as_slice().into());
    let file = refused(file);
    assert!(matches!(file, WriteError::NotAttachable { .. }), "{file:?}");
    let list = refused(put("one", json!({"slug": "one"})));
    assert!(matches!(list, WriteError::WhichList { .. }), "{list:?}");
    house.is_lawful();
}

#[test]
fn what_was_wrong_in_a_file_before_stays_and_is_in_nobodys_way() {
    let house = house(
        "[sheets.icons]\nformat = \"csv\"\npolicy = \"quarantine\"\n",
        &[(PATH, "slug,title\nb,B\nc,C,x\nd,D\n")],
    );
    assert_eq!(house.engine().snapshot().problems().len(), 1);
    write(&house, "icons", put("all/a", json!({"slug": "a"}))).unwrap();
    assert_eq!(file(&house, PATH), "slug,title\na,\nb,B\nc,C,x\nd,D\n");
    let problems = house.engine().snapshot().problems();
    assert_eq!((problems.len(), problems[0].line), (1, Some(4)));
    house.is_lawful();
}

#[test]
fn maps_pointers_and_lists_beside_files_of_one_record_are_written() {
    let listed = "[sheets.langs]\nfile = \"langs.json\"\nrecords = \"map\"\n\
                  [sheets.notes]\nformat = \"json\"\n";
    let langs = "{\"c\": {\"a\": 1}, \"e\": {\"a\": 2}}";
    let house = house(listed, &[("langs.json", langs), ("notes/a.json", "{}")]);
    write(&house, "langs", put("d", json!({"a": 3}))).unwrap();
    write(&house, "langs", delete("c")).unwrap();
    assert_eq!(file(&house, "langs.json"), "{\"d\": {\"a\": 3}, \"e\": {\"a\": 2}}");
    let unnamed = write(&house, "langs", Action::Create(json!({"a": 1}))).unwrap_err();
    assert!(matches!(unnamed, WriteError::Encode { .. }), "{unnamed:?}");
    write(&house, "notes", put("b", json!({"a": 1}))).unwrap();
    house.is_lawful();
    let inferred = crate::lists::house("", &[("d/all.json", "[{\"id\": 1}]"), ("d/b.json", "{}")]);
    write(&inferred, "d", put("all/2", json!({"id": 2}))).unwrap();
    assert_eq!(file(&inferred, "d/all.json"), "[{\"id\": 1}, {\"id\": 2}]");
    write(&inferred, "d", put("c", json!({"id": 7}))).unwrap();
    // A single record does not replace a list.
    let over = write(&inferred, "d", put("all", json!({"id": 7}))).unwrap_err();
    assert!(matches!(over, WriteError::InList { .. }), "{over:?}");
    inferred.is_lawful();
}

#[test]
fn a_record_whose_key_names_a_new_file_begins_it() {
    let definition = "[sheets.icons]\nformat = \"csv\"\n[sheets.langs]\nfile = \"langs.yaml\"\n\
                      records = \"map\"\n[sheets.notes]\nfile = \"in/notes.json\"\n\
                      [sheets.deep]\nroot = \"deep\"\nformat = \"json\"\nrecords = \"/items\"\n\
                      [sheets.logs]\nformat = \"ndjson\"\nkey = \"${{ year }}/${{ n }}\"\n\
                      path = \"${{ lang }}\"\n";
    let house = house(definition, &[("a.txt", ""), ("icons/broken.csv", "a,a\n")]);
    let done = write(&house, "icons", put("new/one", json!({"slug": "one", "t": 1}))).unwrap();
    assert_eq!((done.written[0].existed(), done.written[0].key.as_str()), (false, "new/one"));
    assert_eq!(file(&house, "icons/new.csv"), "slug,t\none,1\n");
    write(&house, "icons", put("new/two", json!({"slug": "two"}))).unwrap();
    assert_eq!(file(&house, "icons/new.csv"), "slug,t\none,1\ntwo,\n");
    // Without a field that names it, a record is called by its position.
    write(&house, "icons", put("more/1", json!({"t": 1}))).unwrap();
    write(&house, "langs", put("c/c", json!({"t": 1}))).unwrap();
    assert_eq!(file(&house, "langs.yaml"), "c/c:\n  t: 1\n");
    let done = write(&house, "notes", Action::Create(json!({"id": 7}))).unwrap();
    assert_eq!(done.written[0].key.as_str(), "7");
    assert_eq!(file(&house, "in/notes.json"), "[\n  {\n    \"id\": 7\n  }\n]\n");
    write(&house, "logs", put("fr/2024/7", json!({"year": 2024, "n": 7}))).unwrap();
    assert_eq!(file(&house, "logs/fr.ndjson"), "{\"n\": 7, \"year\": 2024}\n");
    house.is_lawful();

    let refused = |sheet: &str, action| write(&house, sheet, action).unwrap_err();
    let other = refused("icons", put("x/one", json!({"slug": "two"})));
    let WriteError::OtherKey { rendered, .. } = other else { panic!("{other:?}") };
    assert_eq!(rendered, "x/two");
    let nowhere = refused("icons", Action::Create(json!({"slug": "x"})));
    assert!(matches!(nowhere, WriteError::WhichList { .. }), "{nowhere:?}");
    let deep = refused("deep", put("x/one", json!({"id": "one"})));
    assert!(matches!(deep, WriteError::Encode { .. }), "{deep:?}");
    let hostile = refused("icons", put(".git/one", json!({"slug": "one"})));
    assert!(matches!(hostile, WriteError::Path { .. }), "{hostile:?}");
    // What cannot be read is in nobody's hands.
    let broken = refused("icons", put("broken/one", json!({"slug": "one"})));
    assert!(matches!(broken, WriteError::NoList { .. }), "{broken:?}");
    let mut narrow = batch("icons", [put("far/one", json!({"slug": "one"}))]);
    narrow.scope = Scope::Only([SheetName::new("langs")].into());
    assert!(house.engine().commit(narrow).is_err());
    // One commit begins a file, fills it and empties it.
    let all = batch(
        "icons",
        [
            put("z/one", json!({"slug": "one"})),
            put("z/two", json!({"slug": "two"})),
            delete("z/one"),
            delete("z/two"),
        ],
    );
    house.engine().commit(all).unwrap();
    assert_eq!(file(&house, "icons/z.csv"), "slug\n");
    house.is_lawful();
}

#[test]
fn where_nothing_is_declared_new_files_are_as_those_that_are_there() {
    let lists =
        house("", &[("d/a.yml", "- id: 1\n"), ("d/b.yml", "- id: 1\n"), ("d/c.csv", "id\n")]);
    write(&lists, "d", put("e/2", json!({"id": 2}))).unwrap();
    assert_eq!(file(&lists, "d/e.yml"), "- id: 2\n");
    // A name may have a slash.
    write(&lists, "d", put("f/g/h", json!({"id": "g/h"}))).unwrap();
    assert_eq!(file(&lists, "d/f.yml"), "- id: g/h\n");
    write(&lists, "d", put("alone", json!({"id": 2}))).unwrap();
    assert_eq!(file(&lists, "d/alone.toml"), "id = 2\n");
    write(&lists, "d", put("x/y", json!({"id": 2}))).unwrap();
    assert_eq!(file(&lists, "d/x/y.toml"), "id = 2\n");
    lists.is_lawful();
}

#[test]
fn a_file_that_both_sides_began_is_merged_record_by_record() {
    let mut house = replaying(house("", &[(PATH, ICONS)]));
    write(&house, "icons", put("new/bob", json!({"slug": "bob", "title": "Bob"}))).unwrap();
    house.upstream.commit("theirs").put("icons/new.csv", "slug,title\nada,Ada\n").push();
    assert_eq!(house.reload().replayed.unwrap().kept, None);
    assert_eq!(file(&house, "icons/new.csv"), "slug,title\nada,Ada\nbob,Bob\n");
    house.is_lawful();
}

/// Reopens the house with replay, so that local writes go on top of the remote's head.
pub(crate) fn replaying(mut house: House) -> House {
    house.engine = None;
    let mut config = config(&house.mirror(), Some(remote(&house.upstream)));
    config.rewrites = Some(Rewrites::Replay);
    house.engine = Some(Engine::open(config, std::sync::Arc::new(Ledger::new())).unwrap());
    house
}

#[test]
fn rows_that_both_sides_changed_in_one_file_are_merged_field_by_field() {
    let text = "slug,title,size\nada,Ada,1\nbob,Bob,2\ndan,Dan,3\n";
    let mut house = replaying(house("", &[(PATH, text)]));
    write(&house, "icons", patch("all/bob", json!({"title": "Rob"}))).unwrap();
    write(&house, "icons", put("all/cid", json!({"slug": "cid"}))).unwrap();
    write(&house, "icons", delete("all/dan")).unwrap();
    let theirs = "size,slug,title\n1,aaa,New\n1,ada,Eda\n7,bob,Bob\n3,dan,Dan\n";
    house.upstream.commit("theirs").put(PATH, theirs).push();
    let replayed = house.reload().replayed.unwrap();
    assert_eq!((replayed.commits, replayed.kept), (3, None));
    assert_eq!(file(&house, PATH), "size,slug,title\n1,aaa,New\n1,ada,Eda\n7,bob,Rob\n,cid,\n");
    house.is_lawful();

    write(&house, "icons", patch("all/bob", json!({"title": "Bobby"}))).unwrap();
    let theirs = file(&house, PATH).replace("Rob", "Robert").replace("Bobby", "Robert");
    house.upstream.commit("theirs again").put(PATH, theirs).push();
    let lost = house.reload().replayed.unwrap().kept.unwrap().lost;
    let lost: Vec<_> = lost.iter().map(|l| (l.path.as_str(), l.pointer.as_str())).collect();
    assert_eq!(lost, [(PATH, "/all~1bob/title")]);
}

#[test]
fn positions_are_merged_only_where_they_are_those_of_the_same_records() {
    let path = "icons/all.json";
    let mut house = replaying(house("", &[(path, "[{\"a\": 1}, {\"a\": 2}]")]));
    write(&house, "icons", patch("all/1", json!({"b": 1}))).unwrap();
    house.upstream.commit("theirs").put(path, "[{\"a\": 1}, {\"a\": 3}]").push();
    assert_eq!(house.reload().replayed.unwrap().kept, None);
    assert_eq!(file(&house, path), "[{\"a\": 1, \"b\": 1}, {\"a\": 3}]");
    write(&house, "icons", patch("all/1", json!({"b": 2}))).unwrap();
    let theirs = "[{\"a\": 0}, {\"a\": 1}, {\"a\": 3}]";
    house.upstream.commit("theirs").put(path, theirs).push();
    let lost = house.reload().replayed.unwrap().kept.unwrap().lost;
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].path.as_str(), lost[0].pointer.as_str()), (path, ""));
    house.is_lawful();
}

#[test]
fn a_deletion_is_kept_where_the_other_side_has_the_record_under_another_key_or_broken() {
    let path = "countries/all.csv";
    let declared = "[sheets.countries]\nformat = \"csv\"\npolicy = \"quarantine\"\n";
    let text = "code,name,size\nAT,Austria,9\nNO,Norway,5\n";
    for (theirs, lost) in [
        (format!("{text},Kosovo,2\n"), ""),
        (text.replace("Austria,9", "Austria,9,oops"), "/all~1AT"),
        (text.replace("AT,", "OE,"), "/all~1AT"),
    ] {
        let mut house = replaying(house(declared, &[(path, text)]));
        let ours = write(&house, "countries", delete("all/AT")).unwrap().commit;
        house.upstream.commit("theirs").put(path, &*theirs).push();
        let replayed = house.reload().replayed.unwrap();
        let kept = replayed.kept.unwrap_or_else(|| panic!("nothing is kept for {theirs:?}"));
        assert_eq!((kept.commit, kept.lost.len()), (ours, 1));
        assert_eq!((&*kept.lost[0].path, &*kept.lost[0].pointer), (path, lost), "{theirs:?}");
        let branch = git(&house, &["rev-parse", &kept.reference]);
        assert_eq!(branch.trim(), ours.to_string());
        assert_eq!(file(&house, path), theirs);
        house.is_lawful();
    }
}

#[test]
fn a_batch_whose_files_cost_too_much_is_refused_before_it_waits() {
    let yaml = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n";
    let text: String = (0..100).map(|at| format!("- id: k{at}\n  n: 1\n")).collect();
    let files = [("d/a.yaml", &*text), ("d/b.yaml", &*text)];
    let house = house(yaml, &files);
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    house.engine().write(batch("d", [patch("a/k1", json!({"n": 2}))]), stuck);
    is_writing.recv().unwrap();
    let ask_within = |limit: usize, patches: &[&str]| {
        let (sender, answer) = std::sync::mpsc::channel();
        let patches = patches.iter().map(|key| patch(key, json!({"n": 3})));
        let batch = Batch { limit, ..batch("d", patches) };
        house.engine().write(batch, Box::new(move |done| sender.send(done).unwrap()));
        answer
    };
    // Enough for what is read and written.
    let ask = |patches: &[&str]| ask_within(20_000, patches);
    // Any number of records of one list cost as much as one.
    let taken = ask(&["a/k1", "a/k2", "a/k3", "a/k4", "a/k5"]);
    let refused = ask(&["a/k6", "b/k1"]).try_recv().unwrap().unwrap_err();
    let WriteError::Operation { index: 1, source } = refused else { panic!("{refused:?}") };
    assert!(matches!(*source, WriteError::BatchTooLarge), "{source:?}");
    let refused = ask_within(5_000, &["a/k6"]).try_recv().unwrap().unwrap_err();
    assert!(matches!(refused, WriteError::ListTooLarge), "a list by itself: {refused:?}");
    drop(go_on);
    assert!(taken.recv().unwrap().unwrap().changed);
    house.is_lawful();
}

#[test]
fn who_writes_into_large_lists_waits_for_his_own_turns_and_others_go_between() {
    let yaml = "[sheets.d]\nformat = \"yaml\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n\
                [sheets.small]\nformat = \"json\"\n";
    let text: String = (0..1_000).map(|at| format!("- id: k{at}\n  n: 1\n")).collect();
    let house = house(yaml, &[("d/a.yaml", &*text), ("small/a.json", "{}")]);
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (writing, is_writing) = std::sync::mpsc::channel();
    let stuck = Box::new(move |_| {
        writing.send(()).unwrap();
        let _ = gate.recv();
    });
    house.engine().write(batch("small", [patch("a", json!({"n": 0}))]), stuck);
    is_writing.recv().unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    let ask = |actor: &'static str, sheet: &str, action: Action| {
        let sender = sender.clone();
        let batch = Batch { actor: actor.to_owned(), ..batch(sheet, [action]) };
        let done = move |done: Result<Committed, WriteError>| {
            assert!(done.unwrap().changed);
            sender.send(actor).unwrap();
        };
        house.engine().write(batch, Box::new(done));
    };
    for n in 0..3 {
        ask("lists", "d", patch(&format!("a/k{n}"), json!({"n": 2})));
    }
    for n in 1..6 {
        ask("small", "small", patch("a", json!({ "n": n })));
    }
    drop((sender, go_on));
    let order: Vec<_> = answers.iter().collect();
    let small = ["small"; 5];
    assert_eq!(order, [&["lists"], &small[..], &["lists", "lists"]].concat());
    house.is_lawful();
}
