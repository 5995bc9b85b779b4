//! Replays by what is served: the same record may be in another file on the other side, or read by other
//! rules.

use std::collections::BTreeSet;

use headwater_engine::engine::{Engine, FailureKind, Ledger, RequestKind, Rewrites};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::mirror::Identity;
use headwater_engine::report::Replayed;
use headwater_engine::write::{Action, Batch, Operation, Repeat};
use serde_json::{Value as Json, json};

use crate::list_writes::replaying;
use crate::lists::house;
use crate::pushes::another;
use crate::remote_and_engine::{House, config, held, remote};

/// What the remote's commit does to a file.
enum Theirs<'a> {
    Put(&'a str, &'a str),
    Remove(&'a str),
}
use Theirs::{Put, Remove};

fn action(text: &str) -> Action {
    let mut words = text.splitn(3, ' ');
    let (what, key) = (words.next().unwrap(), Key::new(words.next().unwrap()));
    let mut record = || serde_json::from_str(words.next().unwrap()).unwrap();
    match what {
        "put" => Action::Put(key, record()),
        "patch" => Action::Patch(key, record()),
        "delete" => Action::Delete(key),
        "detach" => Action::Detach(key, "new.txt".into()),
        "attach" => Action::Attach(key, "new.txt".into(), b"new"[..].into()),
        other => panic!("{other}"),
    }
}

/// Does `ours` in a sheet while the remote does `theirs`, and returns whether our commit is kept on a branch.
fn is_kept(
    definitions: &str,
    files: &[(&str, &str)],
    (sheet, ours): (&str, &str),
    theirs: &[Theirs<'_>],
) -> bool {
    let mut house: House = replaying(house(definitions, files));
    let operation = Operation {
        sheet: SheetName::new(sheet),
        action: action(ours),
        condition: headwater_engine::write::Condition::Any,
    };
    let author = Identity::parse("Ada <ada@example.org>").unwrap();
    house.engine().commit(Batch::new(author, "ours".into(), vec![operation])).unwrap();
    let commit = theirs.iter().fold(house.upstream.commit("theirs"), |commit, file| match file {
        Put(path, text) => commit.put(*path, *text),
        Remove(path) => commit.delete(*path),
    });
    commit.push();
    let replayed = house.reload().replayed.unwrap_or_else(|| panic!("{ours}: no replay"));
    house.is_lawful();
    replayed.kept.is_some()
}

#[test]
fn a_record_that_the_remote_has_in_another_file_is_the_same_record() {
    let [x, y] = ["n = 1\n", "n = 2\nm = 3\n"];
    let json = r#"{"n": 5}"#;
    for (files, ours, theirs, expected) in [
        // Both made it, in two formats.
        (&[("a/x.toml", x)][..], r#"put new {"n": 6}"#, &[Put("a/new.json", json)][..], true),
        (&[("a/x.toml", x)], r#"put new {"n": 6}"#, &[Put("a/other.json", json)], false),
        // They made it another format, and another record.
        (
            &[("a/x.toml", x), ("a/y.toml", y)],
            "delete x",
            &[Remove("a/x.toml"), Put("a/x.json", r#"{"a": 1, "b": 2, "c": 3}"#)],
            true,
        ),
        (
            &[("a/x.toml", x), ("a/y.toml", y)],
            r#"patch x {"n": 7}"#,
            &[Put("a/x.json", json)],
            true,
        ),
        // A row is a file there, or the other way round.
        (
            &[("a/l.json", r#"[{"id": "b", "n": 1}, {"id": "c"}]"#)],
            "delete l/b",
            &[
                Put("a/l.json", r#"[{"id": "c"}]"#),
                Put("a/l/b.json", r#"{"x": 1, "y": 2, "z": 3}"#),
            ],
            true,
        ),
    ] {
        assert_eq!(is_kept("", files, ("a", ours), theirs), expected, "{ours}");
    }
}

#[test]
fn a_value_that_one_sheet_does_not_tell_apart_is_not_lost() {
    let csv = "k,v,zip\na,1,2134\nb,2,99\n";
    let sheet = |name: &str, rest: &str| format!("[sheets.{name}]\nfile = \"p.csv\"\n{rest}\n");
    let by_k = "key = \"${{ k }}\"\npolicy = \"quarantine\"";
    let by_v = "key = \"${{ v }}\"\npolicy = \"quarantine\"";
    let numbers = sheet("a", &format!("{by_k}\ntypes = {{ zip = \"number\" }}"));
    let texts = |name: &str| sheet(name, &format!("{by_k}\ntypes = {{ zip = \"string\" }}"));
    let two_types = numbers.clone() + &texts("b");
    let two_keys = sheet("a", by_k) + &sheet("b", by_v);
    let other_row = csv.replace("99", "98");
    let files = [("p.csv", csv)];
    for (definition, ours, theirs, expected) in [
        (&two_types, ("b", r#"patch a {"zip": "02134"}"#), &[Put("p.csv", &other_row)][..], true),
        (&two_types, ("b", r#"patch a {"zip": "777"}"#), &[Put("p.csv", &other_row)], false),
        // Their push changes the types.
        (
            &texts("a"),
            ("a", r#"patch a {"zip": "02134"}"#),
            &[Put("p.csv", &other_row), Put("headwater.toml", &numbers)],
            true,
        ),
        // Another key means another record in each sheet.
        (
            &two_keys,
            ("b", r#"put 5 {"k": "ours", "v": 5}"#),
            &[Put("p.csv", &format!("{csv}theirs,5,0\n"))],
            true,
        ),
        (&two_keys, ("b", "delete 1"), &[Put("p.csv", &csv.replace("a,1,2134", "z,1,7"))], true),
        (
            &two_keys,
            ("b", r#"put 5 {"k": "ours", "v": 5}"#),
            &[Put("p.csv", &format!("{csv}theirs,6,0\n"))],
            false,
        ),
    ] {
        assert_eq!(is_kept(definition, &files, ours, theirs), expected, "{ours:?}");
    }
}

/// Commits each of `ours` while the remote does `theirs`. Returns what became of them, and what is served of each
/// key.
fn replayed(
    definitions: &str,
    files: &[(&str, &str)],
    ours: &[&[&str]],
    theirs: (&str, &str),
    keys: &[&str],
) -> (Replayed, Vec<Json>) {
    let mut house = written(replaying(house(definitions, files)), ours);
    let last = house.served();
    house.upstream.commit("theirs").put(theirs.0, theirs.1).push();
    let replayed = house.reload().replayed.unwrap();
    house.is_lawful();
    if let Some(kept) = &replayed.kept {
        assert_eq!(kept.commit, last, "all of ours are kept");
    }
    let state = house.engine().snapshot();
    let value = |key: &&str| {
        let record = state.sheet("a").unwrap().record(key);
        record.map_or(Json::Null, |it| serde_json::from_str(it.value.as_str()).unwrap())
    };
    (replayed, keys.iter().map(value).collect())
}

/// Commits each of `ours` in the sheet `a`, or in `b` if it says so.
fn written(house: House, ours: &[&[&str]]) -> House {
    let author = Identity::parse("Ada <ada@example.org>").unwrap();
    for actions in ours {
        let operations = actions.iter().map(|text| {
            let in_b = text.strip_prefix("in b: ");
            Operation {
                sheet: SheetName::new(if in_b.is_some() { "b" } else { "a" }),
                action: action(in_b.unwrap_or(text)),
                condition: headwater_engine::write::Condition::Any,
            }
        });
        let batch = Batch::new(author.clone(), "ours".into(), operations.collect());
        house.engine().commit(batch).unwrap();
    }
    house
}

#[test]
fn a_commit_that_does_not_fit_takes_along_only_those_that_share_files_with_it() {
    let one = "n = 1\n";
    let files = [("a/x.toml", one), ("a/y.toml", one), ("a/z.toml", one)];
    let unique = "[sheets.a]\nformat = \"toml\"\nunique = [\"mail\"]\n";
    let x = ("a/x.toml", "n = 9\n");
    let mail = |n: i64| json!({ "n": n, "mail": "one" });
    let n = |n: i64| json!({ "n": n });
    // Each row: the definitions, our commits, the file that they push, how many of ours are live, what is lost,
    // and what is served of `x`, `y` and `z`.
    for (definitions, ours, theirs, made, lost, served) in [
        (
            "",
            &[&[r#"patch x {"n": 2}"#][..], &[r#"patch y {"n": 2}"#], &[r#"patch z {"n": 3}"#]][..],
            x,
            2,
            "a/x.toml/n",
            [n(9), n(2), n(3)],
        ),
        // The first one fits by itself, and the third one was made on top of it.
        (
            "",
            &[
                &[r#"patch x {"m": 1}"#],
                &[r#"patch y {"n": 2}"#],
                &[r#"patch x {"n": 2}"#, r#"patch z {"n": 3}"#],
            ],
            x,
            1,
            "a/x.toml/n",
            [n(9), n(2), n(1)],
        ),
        (
            "",
            &[
                &[r#"patch y {"n": 2}"#],
                &[r#"patch z {"n": 3}"#],
                &[r#"patch y {"n": 4}"#, r#"patch x {"n": 2}"#],
                &[r#"patch z {"n": 5}"#],
            ],
            x,
            2,
            "a/x.toml/n",
            [n(9), n(1), n(5)],
        ),
        // The files fit and the records do not: theirs is the same record in another format.
        (
            "",
            &[&[r#"patch x {"n": 2}"#], &[r#"patch y {"n": 2}"#]],
            ("a/x.json", r#"{"n": 9}"#),
            1,
            "a/x.toml",
            [n(9), n(2), n(1)],
        ),
        // Each record is right, and both together are wrong.
        (
            unique,
            &[&[r#"patch y {"mail": "one"}"#], &[r#"patch z {"n": 3}"#]],
            ("a/x.toml", "mail = \"one\"\nn = 9\n"),
            1,
            "a/y.toml",
            [mail(9), n(1), n(3)],
        ),
        (
            "",
            &[&[r#"patch x {"n": 2}"#, r#"patch y {"n": 2}"#]],
            x,
            0,
            "a/x.toml/n",
            [n(9), n(1), n(1)],
        ),
    ] {
        let (replayed, found) = replayed(definitions, &files, ours, theirs, &["x", "y", "z"]);
        assert_eq!((replayed.commits, &found[..]), (made, &served[..]), "{ours:?}");
        let told = replayed.kept.unwrap().lost.into_iter();
        let told: Vec<_> = told.map(|lost| format!("{}{}", lost.path, lost.pointer)).collect();
        assert!(!told.is_empty() && told.iter().all(|told| told.starts_with(lost)), "{told:?}");
    }
}

#[test]
fn a_row_that_does_not_fit_takes_along_only_the_commits_that_share_rows_with_it() {
    let row = |key: &str, n: i64| json!({ "id": key, "n": n });
    let list = |n: i64| json!([row("b", n), row("c", 1), row("d", 1)]).to_string();
    let (before, theirs) = (list(1), list(9));
    let files = [("a/l.json", &*before), ("a/x.toml", "n = 1\n")];
    for (ours, made, served) in [
        (
            &[&[r#"patch l/b {"n": 2}"#][..], &[r#"patch l/c {"n": 2}"#], &[r#"delete l/d"#]][..],
            2,
            [row("b", 9), row("c", 2), Json::Null, json!({ "n": 1 })],
        ),
        (
            &[
                &[r#"patch l/c {"n": 2}"#],
                &[r#"patch l/b {"m": 1}"#, r#"patch x {"n": 2}"#],
                &[r#"patch l/b {"n": 2}"#, r#"patch l/d {"n": 3}"#],
                &[r#"put l/e {"id": "e", "n": 1}"#],
            ],
            2,
            [row("b", 9), row("c", 2), row("d", 1), json!({ "n": 1 })],
        ),
    ] {
        let keys = ["l/b", "l/c", "l/d", "x"];
        let (replayed, found) = replayed("", &files, ours, ("a/l.json", &theirs), &keys);
        assert_eq!((replayed.commits, &found[..]), (made, &served[..]), "{ours:?}");
        let told = replayed.kept.unwrap().lost.into_iter().map(|lost| lost.pointer.into());
        assert_eq!(told.collect::<Vec<String>>(), ["/l~1b/n"], "{ours:?}");
    }
}

#[test]
fn a_row_of_a_request_that_both_sides_took_takes_along_no_other_row() {
    let row = |key: &str, n: i64| json!({ "id": key, "n": n });
    let list = json!([row("b", 1), row("c", 1)]).to_string();
    let house = replaying(house("", &[("a/l.json", &list)]));
    let patch = |key: &str, n: i64, repeat: Option<Repeat>| {
        let operation = Operation {
            sheet: SheetName::new("a"),
            action: action(&format!(r#"patch l/{key} {{"n": {n}}}"#)),
            condition: headwater_engine::write::Condition::Any,
        };
        let author = Identity::parse("Ada <ada@example.org>").unwrap();
        Batch { repeat, ..Batch::new(author, "ours".into(), vec![operation]) }
    };
    let asked = Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() };
    house.engine().commit(patch("b", 2, Some(asked.clone()))).unwrap();
    house.engine().commit(patch("c", 3, None)).unwrap();
    let (_folder, other) = another(&house);
    other.commit(patch("b", 2, Some(asked))).unwrap();
    other.commit(patch("b", 9, None)).unwrap();
    other.shut_down();
    assert_eq!(house.reload().replayed.unwrap(), Replayed { commits: 1, kept: None });
    house.is_lawful();
    let state = house.engine().snapshot();
    let value =
        |key: &str| state.sheet("a").unwrap().record(key).unwrap().value.as_str().to_owned();
    let found = [value("l/b"), value("l/c")];
    assert_eq!(found, [r#"{"id":"b","n":9}"#, r#"{"id":"c","n":3}"#]);
}

#[test]
fn a_record_of_a_request_that_both_sides_took_takes_along_no_other_field_of_it() {
    let record = json!({ "id": "b", "m": 1, "n": 1 });
    let list = json!([record.clone(), { "id": "c" }]);
    for (path, content, key) in [("a/l.json", list, "l/b"), ("a/b.json", record, "b")] {
        let house = replaying(house("", &[(path, &content.to_string())]));
        let patch = |change: &str, repeat: Option<Repeat>| {
            let operation = Operation {
                sheet: SheetName::new("a"),
                action: action(&format!("patch {key} {change}")),
                condition: headwater_engine::write::Condition::Any,
            };
            let author = Identity::parse("Ada <ada@example.org>").unwrap();
            Batch { repeat, ..Batch::new(author, "ours".into(), vec![operation]) }
        };
        let asked = Repeat { actor: "ada".into(), key: "k".into(), digest: "d".into() };
        house.engine().commit(patch(r#"{"n": 2}"#, Some(asked.clone()))).unwrap();
        let last = house.engine().commit(patch(r#"{"m": 3}"#, None)).unwrap();
        let (_folder, other) = another(&house);
        other.commit(patch(r#"{"n": 2}"#, Some(asked))).unwrap();
        other.commit(patch(r#"{"n": 9}"#, None)).unwrap();
        other.shut_down();
        assert_eq!(house.reload().replayed.unwrap(), Replayed { commits: 1, kept: None }, "{path}");
        house.is_lawful();
        let value = |house: &House| {
            let state = house.engine().snapshot();
            state.sheet("a").unwrap().record(key).unwrap().value.as_str().to_owned()
        };
        assert_ne!(house.engine().snapshot().commit(), last.commit);
        assert_eq!(value(&house), r#"{"id":"b","m":3,"n":9}"#, "{path}");
    }
}

#[test]
fn a_list_that_their_definition_makes_one_record_keeps_our_row_beside() {
    let files = [("a/l.json", r#"[{"id": "b", "n": 1}]"#)];
    let declared = "[sheets.a]\nroot = \"a\"\nformat = \"json\"\npolicy = \"quarantine\"\n";
    let theirs = [Put("headwater.toml", declared)];
    assert!(is_kept("", &files, ("a", r#"patch l/b {"n": 77}"#), &theirs));
}

#[test]
fn a_file_beside_a_record_that_they_deleted_or_moved_is_kept_beside() {
    let definition = "[sheets.a]\nformat = \"json\"\npath = \"${{ k }}\"\n";
    let record = r#"{"k": "x"}"#;
    let files = [("a/x.json", record), ("a/y.json", r#"{"k": "y"}"#)];
    for (theirs, expected) in [
        (&[Remove("a/x.json")][..], true),
        (&[Remove("a/x.json"), Put("a/z.json", r#"{"k": "z"}"#)], true),
        (&[Remove("a/y.json")], false),
        (&[Put("a/x.json", r#"{"k": "x", "n": 1}"#)], false),
    ] {
        assert_eq!(is_kept(definition, &files, ("a", "attach x"), theirs), expected);
    }
}

#[test]
fn what_is_wrong_with_their_file_takes_along_only_the_commit_of_ours_that_makes_it_so() {
    let files = [("a/m.toml", "n = 1\n"), ("a/x.toml", "n = 1\n"), ("a/y.toml", "n = 1\n")];
    let sheet = "[sheets.a]\nformat = \"toml\"\n";
    let n = |n: i64| json!({ "n": n });
    for (rest, ours, theirs, served) in [
        // The last one to claim a value is wrong, which is theirs.
        (
            "unique = [\"mail\"]\n",
            &[
                &[r#"patch x {"n": 2}"#][..],
                &[r#"patch m {"mail": "one"}"#],
                &[r#"patch y {"n": 3}"#],
            ],
            "mail = \"one\"\n",
            [n(1), n(2), n(3)],
        ),
        // Theirs refers to what we delete.
        (
            "refs = { friend = \"a\" }\n",
            &[&[r#"patch x {"n": 2}"#], &[r#"delete m"#], &[r#"patch y {"n": 3}"#]],
            "friend = \"m\"\n",
            [n(1), n(2), n(3)],
        ),
    ] {
        let (sheet, theirs) = (format!("{sheet}{rest}"), ("a/z.toml", theirs));
        let (replayed, found) = replayed(&sheet, &files, ours, theirs, &["m", "x", "y"]);
        assert_eq!((replayed.commits, &found[..]), (2, &served[..]), "{rest}");
        let lost = replayed.kept.unwrap().lost.into_iter().map(|lost| lost.path);
        assert_eq!(lost.collect::<Vec<String>>(), ["a/z.toml"], "{rest}");
    }
}

#[test]
fn however_many_commits_do_not_fit_all_others_go_live() {
    let count = 60;
    let files: Vec<_> = (0..count).map(|n| (format!("a/m{n}.toml"), "n = 1\n")).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let definition = "[sheets.a]\nformat = \"toml\"\nrefs = { friend = \"a\" }\n";
    // Each of theirs refers to what one of ours deletes.
    let ours: Vec<_> = (0..count)
        .flat_map(|n| [format!("delete m{n}"), format!("put o{n} {{\"n\": 2}}")])
        .collect();
    let ours: Vec<_> = ours.iter().map(|action| [action.as_str()]).collect();
    let ours: Vec<_> = ours.iter().map(|action| &action[..]).collect();
    let mut house = written(replaying(house(definition, &files)), &ours);
    let theirs = (0..count).fold(house.upstream.commit("theirs"), |commit, n| {
        commit.put(format!("a/z{n}.toml"), format!("friend = \"m{n}\"\n"))
    });
    theirs.push();
    let replayed = house.reload().replayed.unwrap();
    house.is_lawful();
    assert_eq!((replayed.commits, replayed.kept.unwrap().lost.len()), (count, count as usize));
    let state = house.engine().snapshot();
    assert_eq!(state.sheet("a").unwrap().len(), 3 * count as usize);
}

#[test]
fn a_row_of_two_sheets_that_does_not_fit_takes_along_no_other_row_of_its_file() {
    let csv = "k,name,n\nx,one,1\ny,two,1\nz,three,1\n";
    let sheet = |name: &str, key: &str, rest: &str| {
        format!("[sheets.{name}]\nfile = \"l.csv\"\nkey = \"${{{{ {key} }}}}\"\n{rest}")
    };
    let two_keys = sheet("a", "k", "") + &sheet("b", "name", "");
    let two_types = sheet("a", "k", "") + &sheet("b", "name", "types = { n = \"string\" }\n");
    let ours: &[&[&str]] =
        &[&[r#"patch x {"n": 2}"#], &[r#"patch y {"n": 2}"#], &[r#"patch z {"n": 2}"#]];
    let theirs = csv.replace("x,one,1", "x,one,9");
    let n = |found: Vec<Json>| -> Vec<Json> { found.iter().map(|it| it["n"].clone()).collect() };
    // Where one sheet reads other values than the other, it is not known to be the same row.
    for (definitions, made, served) in [(&two_keys, 2, [9, 2, 2]), (&two_types, 0, [9, 1, 1])] {
        let files = [("l.csv", csv)];
        let keys = ["x", "y", "z"];
        let (replayed, found) = replayed(definitions, &files, ours, ("l.csv", &theirs), &keys);
        assert_eq!((replayed.commits, n(found)), (made, served.map(Json::from).to_vec()));
    }
}

#[test]
fn a_row_that_does_not_fit_takes_along_nothing_of_another_part_of_its_file() {
    let yaml = "one:\n  x:\n    n: 1\n  y:\n    n: 1\ntwo:\n  z:\n    n: 1\n";
    let part = |name: &str, part: &str| {
        format!("[sheets.{name}]\nfile = \"l.yaml\"\nrecords = \"{part}\"\n")
    };
    let theirs = yaml.replace("x:\n    n: 1", "x:\n    n: 9");
    let ours: &[&[&str]] =
        &[&[r#"patch x {"n": 2}"#], &["in b: patch z {\"n\": 2}"], &[r#"patch y {"n": 2}"#]];
    // The second sheet reads another part, or one in which the first one is.
    for (second, ours, made) in [("/two", ours, 2), ("", &[ours[0], ours[2]], 1)] {
        let definitions = match second {
            "" => part("a", "/one"),
            second => part("a", "/one") + &part("b", second),
        };
        let files = [("l.yaml", yaml)];
        let (replayed, found) =
            replayed(&definitions, &files, ours, ("l.yaml", &theirs), &["x", "y"]);
        let expected = [json!({ "n": 9 }), json!({ "n": 2 })];
        assert_eq!((replayed.commits, &found[..]), (made, &expected[..]), "{second}");
    }
}

#[test]
fn a_chain_of_commits_of_which_each_needs_the_one_before_takes_along_no_other() {
    let definition = "[sheets.a]\nformat = \"toml\"\nunique = [\"mail\"]\n\
                      refs = { to = \"a\" }\n[sheets.b]\nformat = \"toml\"\n";
    let files = [("a/x.toml", "mail = \"x\"\n"), ("b/x.toml", "n = 1\n")];
    // Each judgement finds the next link alone.
    let links =
        (1..60).map(|n| vec![format!(r#"put c{n} {{"mail": "c{n}", "to": "c{}"}}"#, n - 1)]);
    let first = vec![r#"put c0 {"mail": "taken"}"#.to_owned()];
    let others = (0..5).map(|n| vec![format!(r#"in b: put o{n} {{"n": 1}}"#)]);
    let ours: Vec<Vec<String>> = [first].into_iter().chain(links).chain(others).collect();
    let ours: Vec<Vec<&str>> =
        ours.iter().map(|actions| actions.iter().map(String::as_str).collect()).collect();
    let ours: Vec<&[&str]> = ours.iter().map(Vec::as_slice).collect();
    let theirs = ("a/z.toml", "mail = \"taken\"\n");
    let (replayed, found) = replayed(definition, &files, &ours, theirs, &["c0", "c59", "z"]);
    let expected = [Json::Null, Json::Null, json!({ "mail": "taken" })];
    assert_eq!((replayed.commits, &found[..]), (5, &expected[..]));
}

#[test]
fn a_row_of_two_sheets_that_does_not_fit_takes_along_no_other_file() {
    let sheet =
        |name: &str| format!("[sheets.{name}]\nfile = \"l.ndjson\"\nkey = \"${{{{ id }}}}\"\n");
    let definitions = sheet("a") + &sheet("b") + "[sheets.c]\nformat = \"toml\"\n";
    let rows = |n: i64| {
        let row = |key: &str, n: i64| json!({ "id": key, "n": n }).to_string() + "\n";
        row("x", n) + &row("y", 1)
    };
    let mut house =
        replaying(house(&definitions, &[("l.ndjson", &rows(1)), ("c/z.toml", "n = 1\n")]));
    for (sheet, text) in [("a", "patch x"), ("a", "patch y"), ("c", "patch z")] {
        let operation = Operation {
            sheet: SheetName::new(sheet),
            action: action(&format!(r#"{text} {{"n": 2}}"#)),
            condition: headwater_engine::write::Condition::Any,
        };
        let author = Identity::parse("Ada <ada@example.org>").unwrap();
        house.engine().commit(Batch::new(author, "ours".into(), vec![operation])).unwrap();
    }
    house.upstream.commit("theirs").put("l.ndjson", rows(9)).push();
    let replayed = house.reload().replayed.unwrap();
    house.is_lawful();
    assert!(replayed.commits >= 1 && replayed.kept.is_some(), "{replayed:?}");
    let state = house.engine().snapshot();
    let value = |sheet: &str, key: &str| {
        state.sheet(sheet).unwrap().record(key).unwrap().value.as_str().to_owned()
    };
    assert_eq!([value("c", "z"), value("b", "x")], [r#"{"n":2}"#, r#"{"id":"x","n":9}"#]);
}

#[test]
fn a_commit_that_only_touched_the_file_of_a_problem_goes_live() {
    let files = [("a/m.toml", "n = 1\n"), ("a/z.toml", "n = 1\n")];
    let definition = "[sheets.a]\nformat = \"toml\"\nrefs = { friend = \"a\" }\n";
    let ours: &[&[&str]] = &[&[r#"patch z {"n": 3}"#], &["delete m"]];
    let theirs = ("a/z.toml", "n = 1\nfriend = \"m\"\n");
    let (replayed, found) = replayed(definition, &files, ours, theirs, &["m", "z"]);
    let expected = [json!({ "n": 1 }), json!({ "n": 3, "friend": "m" })];
    assert_eq!((replayed.commits, &found[..]), (1, &expected[..]));
}

#[test]
fn rows_with_values_that_they_took_too_take_along_no_other_row() {
    let row = |key: &str, value: &str| json!({ "id": key, "u": value }).to_string();
    let definition = "[sheets.a]\nfile = \"l.ndjson\"\nkey = \"${{ id }}\"\nunique = [\"u\"]\n";
    let first = row("first", "first") + "\n";
    let put = |key: &str, value: &str| format!("put {key} {}", row(key, value));
    let ours: Vec<_> = (0..20)
        .flat_map(|n| {
            [put(&format!("x{n}"), &format!("{n}")), put(&format!("o{n}"), &format!("o{n}"))]
        })
        .collect();
    let ours: Vec<_> = ours.iter().map(|action| [action.as_str()]).collect();
    let ours: Vec<_> = ours.iter().map(|action| &action[..]).collect();
    // Whether the problem is told of our row or of theirs is a matter of their keys.
    for their in ["r", "z"] {
        let theirs = (0..20).map(|n| row(&format!("{their}{n}"), &format!("{n}")) + "\n");
        let theirs = first.clone() + &theirs.collect::<String>();
        let keys = ["o0", "o19", "x0", "x19"];
        let files = [("l.ndjson", &*first)];
        let (replayed, found) = replayed(definition, &files, &ours, ("l.ndjson", &theirs), &keys);
        let lost = replayed.kept.unwrap().lost.into_iter().map(|lost| lost.pointer.into());
        let lost: BTreeSet<String> = lost.collect();
        let expected = (0..20).map(|n| format!("/x{n}/u")).collect();
        assert_eq!((replayed.commits, lost), (20, expected), "{their}");
        let other = |n: usize| json!({ "id": format!("o{n}"), "u": format!("o{n}") });
        assert_eq!(found, [other(0), other(19), Json::Null, Json::Null]);
    }
}

#[test]
fn a_file_that_they_put_beside_a_record_which_we_remove_keeps_it() {
    let definition = "[sheets.a]\nformat = \"json\"\npath = \"${{ k }}\"\n";
    let files = [("a/x.json", r#"{"k": "x"}"#), ("a/y.json", r#"{"k": "y"}"#), ("a/x/old.txt", "")];
    let [x, y] = [json!({ "k": "x" }), json!({ "k": "y", "n": 2 })];
    let other = r#"patch y {"n": 2}"#;
    for (ours, theirs, made, served) in [
        ("delete x", "a/x/new.txt", 1, [x.clone(), y.clone()]),
        (r#"put x {"k": "z"}"#, "a/x/new.txt", 1, [x.clone(), y.clone()]),
        ("delete x", "a/y/new.txt", 2, [Json::Null, y.clone()]),
        ("delete x", "a/x/old.txt", 1, [x, y]),
    ] {
        let ours: &[&[&str]] = &[&[ours], &[other]];
        let (replayed, found) = replayed(definition, &files, ours, (theirs, "new"), &["x", "y"]);
        assert_eq!((replayed.commits, &found[..]), (made, &served[..]), "{ours:?} {theirs}");
        assert_eq!(replayed.kept.is_none(), made == 2, "{ours:?} {theirs}");
    }
}

#[test]
fn what_we_took_back_takes_back_no_change_of_theirs() {
    let files = "[sheets.a]\nformat = \"json\"\npath = \"${{ k }}\"\n";
    let rows = "[sheets.a]\nfile = \"l.ndjson\"\nkey = \"${{ k }}\"\n";
    let row = |key: &str, n: u8| json!({ "k": key, "n": n }).to_string();
    let [x, y] = ["x", "y"].map(|key| row(key, 1));
    let before = format!("{x}\n{y}\n");
    // They have a row more, so the file is merged row by row.
    let list = |rows: &str| format!("{}\n{rows}{y}\n", row("w", 1));
    let changed = list(&format!("{}\n", row("x", 2)));
    let in_files = [("a/x.json", &*x), ("a/y.json", &*y), ("a/x/old.txt", "old")];
    let both = format!("{x}\n{}\n", row("z", 1));
    let in_rows = [("l.ndjson", &*before)];
    let back = [r#"patch x {"n": 2}"#, r#"patch x {"n": 1}"#];
    let new = [r#"put z {"k": "z", "n": 1}"#, "delete z"];
    let removed = ["delete x", r#"put x {"k": "x", "n": 1}"#];
    let beside = ["attach x", "detach x"];
    for (definition, at_first, ours, theirs, expected) in [
        (files, &in_files[..], back, ("a/x.json", &*row("x", 2)), [Some(2), None]),
        (files, &in_files, new, ("a/z.json", &row("z", 1)), [Some(1), Some(1)]),
        (files, &in_files, beside, ("a/x/new.txt", "new"), [Some(1), None]),
        (rows, &in_rows, back, ("l.ndjson", &changed), [Some(2), None]),
        (rows, &in_rows, new, ("l.ndjson", &list(&both)), [Some(1), Some(1)]),
        (rows, &in_rows, removed, ("l.ndjson", &list("")), [None, None]),
    ] {
        let ours: [&[&str]; 3] = [&[ours[0]], &[r#"patch y {"n": 3}"#], &[ours[1]]];
        let expected = expected.into_iter().chain([Some(3)]);
        // Whether they define another sheet, too, makes no difference.
        for more in ["", "[sheets.other]\n", "index = [\"n\"]\n"] {
            let mut house = written(replaying(house(definition, at_first)), &ours);
            let commit = house.upstream.commit("theirs").put(theirs.0, theirs.1);
            commit.put("headwater.toml", format!("{definition}{more}")).push();
            let replayed = house.reload().replayed.unwrap();
            house.is_lawful();
            let state = house.engine().snapshot();
            let number = |key| {
                let record = state.sheet("a")?.record(key)?;
                serde_json::from_str::<Json>(record.value.as_str()).ok()?["n"].as_u64()
            };
            let found = ["x", "z", "y"].map(number);
            assert!(found.into_iter().eq(expected.clone()), "{definition}{more} {ours:?}");
            assert_eq!((replayed.commits, replayed.kept.is_some()), (1, true), "{more} {ours:?}");
        }
    }
}

#[test]
fn a_push_above_a_limit_is_held_whatever_is_left_of_ours() {
    let names: Vec<String> = (0..40).map(|at| format!("a/r{at}.toml")).collect();
    let files: Vec<_> = names.iter().map(|name| (&**name, "n = 1\n")).collect();
    // One that fits, one that does not, and one that the remote has.
    for ours in [r#"patch r30 {"m": 2}"#, r#"patch r30 {"n": 2}"#, r#"patch r30 {"n": 9}"#] {
        let mut house = house("", &files);
        house.engine = None;
        let mut config = config(&house.mirror(), Some(remote(&house.upstream)));
        config.rewrites = Some(Rewrites::Replay);
        config.limits.push.removed = Some(0.2);
        house.engine = Some(Engine::open(config, std::sync::Arc::new(Ledger::new())).unwrap());
        let mut house = written(house, &[&[ours]]);
        let served = house.served();
        let theirs = house.upstream.commit("theirs").put("a/r30.toml", "n = 9\n");
        names.iter().take(20).fold(theirs, |commit, name| commit.delete(name.as_str())).push();
        let (kind, report) = house.failure(RequestKind::Reload);
        assert_eq!((kind, house.served()), (FailureKind::Refused, served), "{ours}");
        let id = held(&report).0.id;
        house.run(RequestKind::Apply(id)).result.as_ref().unwrap();
        assert_ne!(house.served(), served, "{ours}");
    }
}
