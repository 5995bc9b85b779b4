//! Files of many records in an engine that serves them.

use headwater_engine::budget::Budget;
use headwater_engine::engine::PastError;
use headwater_engine::history::{Effort, Event, HistoryError, Versions};
use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::view::View;
use headwater_testkit::Upstream;

use crate::remote_and_engine::{House, id};

const ICONS: &str = "slug,title\nada,Ada\nbob,Bob\ncid,Cid\n";

pub(crate) fn house(definitions: &str, files: &[(&str, &str)]) -> House {
    let mut upstream = Upstream::new();
    let mut commit = upstream.commit("first");
    if !definitions.is_empty() {
        commit = commit.put("headwater.toml", definitions);
    }
    for (path, text) in files {
        commit = commit.put(*path, *text);
    }
    commit.push();
    House::of(upstream)
}

fn push(house: &mut House, path: &str, text: &str) -> CommitId {
    let commit = id(&house.upstream.commit("a change").put(path, text).push());
    house.reload();
    commit
}

#[test]
fn a_push_of_one_row_changes_one_record() {
    let mut house = house("", &[("icons/all.csv", ICONS)]);
    house.upstream.commit("more").put("icons/all.csv", ICONS.replace("Bob", "Rob")).push();
    let outcome = house.reload();
    let counts = outcome.changed.get("icons").unwrap();
    assert_eq!((counts.added, counts.modified, counts.removed), (0, 1, 0));
    let value = house.engine().snapshot();
    let value = value.visible("icons", "all/bob").unwrap().value.as_str().to_owned();
    assert_eq!(value, r#"{"slug":"bob","title":"Rob"}"#);
    house.is_lawful();
    let wider = "title,slug\nAda,ada\nRob,bob\nCid,cid\n";
    house.upstream.commit("columns").put("icons/all.csv", wider).push();
    assert!(house.reload().changed.is_empty(), "the records are the same");
    house.is_lawful();
}

#[test]
fn the_history_of_a_record_in_a_list_is_that_of_its_row() {
    let mut house = house("", &[("icons/all.csv", ICONS)]);
    let added = house.served();
    let other = push(&mut house, "icons/all.csv", &ICONS.replace("Ada", "Eda"));
    let changed = push(&mut house, "icons/all.csv", &ICONS.replace("Bob", "Rob"));
    push(&mut house, "icons/all.csv", &format!("{}dan,Dan\n", ICONS.replace("Bob", "Rob")));
    let removed = push(&mut house, "icons/all.csv", &ICONS.replace("bob,Bob\n", ""));
    push(&mut house, "icons/else.toml", "a = 1\n");
    let broken = push(&mut house, "icons/all.csv", "slug,slug\n");
    let snapshot = house.engine().snapshot();
    let spec = snapshot.sheet("icons").unwrap().spec().clone();
    let history = |key: &str, part: (usize, usize)| {
        let from = snapshot.commit();
        let versions = {
            let any = Budget::unlimited();
            let effort = Effort { awaited: &any, part: &any };
            house.engine().history(&snapshot, (&spec, key), from, part, effort).unwrap()
        };
        let told = versions
            .items
            .iter()
            .map(|version| (version.commit, version.event, version.fields.join(",")));
        (told.collect::<Vec<_>>(), versions.ended)
    };
    let none = String::new();
    let (told, ended) = history("all/bob", (0, 10));
    assert_eq!(
        told,
        [
            (removed, Event::Removed, none.clone()),
            (changed, Event::Modified, "/title".to_owned()),
            (added, Event::Added, none.clone()),
        ]
    );
    assert!(ended);
    // A page has the requested length, however many commits changed other rows.
    let (first, ended) = history("all/bob", (0, 2));
    assert_eq!((first.len(), ended), (2, false));
    let (rest, ended) = history("all/bob", (2, 2));
    assert_eq!(rest, [(added, Event::Added, none)]);
    assert!(ended);
    let (ada, ..) = history("all/ada", (0, 10));
    assert!(ada.iter().any(|(commit, ..)| *commit == other));
    // The list that cannot be read had `ada` before, and `bob` no more.
    assert_eq!((ada[0].0, ada[0].1), (broken, Event::Broken));
}

#[test]
fn a_part_of_a_history_ends_when_it_has_cost_enough_and_goes_on_from_there() {
    let mut house = house("", &[("icons/all.csv", ICONS), ("notes/a.json", "{\"n\": 0}")]);
    for round in 1..8 {
        push(&mut house, "icons/all.csv", &ICONS.replace("Bob", &format!("Bob {round}")));
        push(&mut house, "notes/a.json", &format!("{{\"n\": {round}}}"));
    }
    let snapshot = house.engine().snapshot();
    for (sheet, key) in [("icons", "all/bob"), ("notes", "a")] {
        let spec = snapshot.sheet(sheet).unwrap().spec().clone();
        let part = |skip: usize, effort: Effort<'_>| {
            let from = snapshot.commit();
            house.engine().history(&snapshot, (&spec, key), from, (skip, 100), effort)
        };
        let any = Budget::unlimited();
        let whole = part(0, Effort { awaited: &any, part: &any }).unwrap();
        assert!(whole.ended && whole.items.len() == 8, "{sheet}");
        // A budget that is used up from the start: one commit at a time.
        let mut told = Vec::new();
        let mut parts = 0;
        loop {
            let none = Budget::while_true(|| false);
            none.spend(usize::MAX);
            let effort = Effort { awaited: &any, part: &none };
            let Versions { items, ended } = part(told.len(), effort).unwrap();
            assert_eq!(items.len(), 1, "{sheet}");
            told.extend(items);
            parts += 1;
            if ended {
                break;
            }
        }
        assert!(parts == 8 && told == whole.items, "{sheet}");
        // Nobody waits any more.
        let gone = Budget::while_true(|| false);
        gone.spend(usize::MAX);
        let given_up = part(0, Effort { awaited: &gone, part: &any });
        let Err(PastError::History(error)) = given_up else { panic!("{given_up:?}") };
        assert!(matches!(*error, HistoryError::Unawaited(_)), "{error}");
    }
}

#[test]
fn the_history_of_a_hidden_record_of_a_list_is_that_of_one_that_never_was_and_costs_as_much() {
    let rules = "[sheets.icons]\nformat = \"csv\"\nkey = \"${{ slug }}\"\nhidden = \"gone\"\n";
    let rows = "slug,title,gone\nada,Ada,\neve,Eve,true\n";
    let mut house = house(rules, &[("icons/all.csv", rows)]);
    for round in 0..4 {
        push(&mut house, "icons/all.csv", &rows.replace("Ada", &format!("Ada {round}")));
    }
    let snapshot = house.engine().snapshot();
    let spec = snapshot.sheet("icons").unwrap().spec().clone();
    let answer = |key: &str, part: &Budget| {
        let awaited = Budget::unlimited();
        let effort = Effort { awaited: &awaited, part };
        let from = snapshot.commit();
        let versions = house.engine().history(&snapshot, (&spec, key), from, (0, 10), effort);
        format!("{:?} {awaited:?} {part:?}", versions.unwrap())
    };
    // A page that may cost little ends before it has found out that there is nothing.
    let little = || {
        let little = Budget::while_true(|| false);
        little.spend(usize::MAX);
        little
    };
    // Whoever asks first reads the history of the branch, for everybody.
    assert!(answer("all/ada", &Budget::unlimited()).contains("Modified"));
    let budgets: [fn() -> Budget; 2] = [Budget::unlimited, little];
    for budget in budgets {
        assert_eq!(answer("all/eve", &budget()), answer("all/eva", &budget()));
    }
    assert!(answer("all/eva", &little()).contains("ended: false"));
}

#[test]
fn a_part_of_a_history_takes_few_walks_however_many_commits_changed_other_records() {
    let mut house = house("", &[("icons/all.csv", ICONS)]);
    let added = house.served();
    for round in 0..9 {
        push(&mut house, "icons/all.csv", &ICONS.replace("Ada", &format!("Ada {round}")));
    }
    let snapshot = house.engine().snapshot();
    let spec = snapshot.sheet("icons").unwrap().spec().clone();
    let any = Budget::unlimited();
    let effort = Effort { awaited: &any, part: &any };
    let from = snapshot.commit();
    let part = house.engine().history(&snapshot, (&spec, "all/bob"), from, (0, 1), effort).unwrap();
    let told: Vec<_> = part.items.iter().map(|version| version.commit).collect();
    assert_eq!((told, part.ended), (vec![added], true));
}

#[test]
fn a_cursor_of_a_history_counts_nothing_but_what_was_listed_and_pages_go_on_where_they_ended() {
    let mut house = house("", &[("icons/all.csv", ICONS)]);
    for round in 0..3 {
        push(&mut house, "icons/all.csv", &ICONS.replace("Bob", &format!("Bob {round}")));
        for other in 0..3 {
            let rows = ICONS.replace("Bob", &format!("Bob {round}"));
            push(&mut house, "icons/all.csv", &rows.replace("Ada", &format!("Ada {other}")));
        }
    }
    let snapshot = house.engine().snapshot();
    let spec = snapshot.sheet("icons").unwrap().spec().clone();
    let (any, none) = (Budget::unlimited(), Budget::while_true(|| false));
    none.spend(usize::MAX);
    let part = |house: &House, page, part: &Budget| {
        let effort = Effort { awaited: &any, part };
        house
            .engine()
            .history(&snapshot, (&spec, "all/bob"), snapshot.commit(), page, effort)
            .unwrap()
    };
    let whole = part(&house, (0, 9), &any).items;
    assert_eq!(whole.len(), 4);
    // After a restart it is not known where pages begin, and each looks at one commit.
    let mut house = house.started();
    for listed in 0..=4 {
        let (mut told, mut parts) = (part(&house, (listed, 1), &none), 1);
        while told.items.is_empty() && !told.ended {
            told = part(&house, (listed, 1), &none);
            parts += 1;
            assert!(parts <= 5, "a page goes on where it ended");
        }
        assert_eq!(told.items, whole[listed..].iter().take(1).cloned().collect::<Vec<_>>());
    }
    house = house.started();
    assert_eq!(part(&house, (2, 9), &any).items, whole[2..]);
    assert_eq!(part(&house, (4, 9), &any).items, []);
    assert!(part(&house, (5, 9), &any).items.is_empty());
}

#[test]
fn what_a_table_hides_is_nobodys_to_read_in_earlier_states() {
    let definition = "[sheets.people]\nformat = \"csv\"\nhidden = \"secret\"\n\
                      policy = \"quarantine\"\n";
    let people = "id,name,secret\n1,Ada,\n2,Bob,\n3,Cid,\n";
    let mut house = house(definition, &[("people/all.csv", people)]);
    let first = house.served();
    let seen = |house: &House| -> Vec<String> {
        let state = house.engine().at(&View::PUBLIC, first).unwrap();
        let sheet = state.sheet("people").unwrap();
        let shown = sheet.records().filter(|record| sheet.shows(record));
        shown.map(|record| record.key.to_string()).collect()
    };
    assert_eq!(seen(&house), ["all/1", "all/2", "all/3"]);
    push(&mut house, "people/all.csv", &people.replace("Bob,", "Bob,yes"));
    assert_eq!(seen(&house), ["all/1", "all/3"]);
    // It is known which row is broken, but not which record it was.
    push(&mut house, "people/all.csv", &people.replace("2,Bob,", "2,Bob,,,"));
    assert_eq!(seen(&house), ["all/1", "all/3"]);
    assert!(house.engine().snapshot().public_problems().is_empty());
    assert_eq!(house.engine().snapshot().problems().len(), 1);
    push(&mut house, "people/all.csv", "id,id\n");
    assert_eq!(seen(&house), [""; 0]);
    push(&mut house, "people/all.csv", people);
    assert_eq!(seen(&house), ["all/1", "all/2", "all/3"]);
}

#[test]
fn a_file_above_its_limit_is_a_problem_and_a_record_of_it_is_too() {
    let mut upstream = Upstream::new();
    let long = format!("{ICONS}dan,{}\n", "x".repeat(30));
    let commit = upstream.commit("first").put("icons/all.csv", &*long);
    let commit = commit.put("icons/one.json", format!("{{\"a\": \"{}\"}}", "x".repeat(30)));
    let commit = id(&commit.put("icons/few.csv", "id\n1\n").push());
    let objects = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let objects = objects.objects().unwrap();
    let told = |record_limit: u64, file_limit: u64| {
        let options = LoadOptions { record_limit, file_limit, ..LoadOptions::default() };
        let state = load(&objects, commit, &options).unwrap();
        let problems = state.problems().into_iter();
        let problems =
            problems.map(|problem| (problem.path, problem.rule.to_string(), problem.line));
        (state.records(), problems.collect::<Vec<_>>())
    };
    let large = |path: &str, line| (path.to_owned(), "too_large".to_owned(), line);
    assert_eq!(told(100, 100), (6, vec![]));
    let both = vec![large("icons/all.csv", Some(5)), large("icons/one.json", None)];
    assert_eq!(told(30, 100), (4, both));
    // The limit for files of many records does not apply to files of one record.
    assert_eq!(told(100, 30), (2, vec![large("icons/all.csv", None)]));
}

#[test]
fn what_is_wrong_between_records_of_a_table_names_their_lines() {
    let definition = "[sheets.icons]\nformat = \"csv\"\nunique = [\"title\"]\n\
                      refs = { next = \"icons\" }\npolicy = \"quarantine\"\n";
    let rows = "slug,title,next\na,x,all/b\n\nb,y,all/c\nc,x,all/nobody\n";
    let house = house(definition, &[("icons/all.csv", rows)]);
    let told = house.engine().snapshot().problems().into_iter();
    let told: Vec<_> = told.map(|problem| (problem.rule.to_string(), problem.line)).collect();
    let line = Some(5);
    assert_eq!(told, [("dangling_ref".to_owned(), line), ("not_unique".to_owned(), line)]);
    house.is_lawful();
}

#[test]
fn a_list_of_nothing_leaves_nothing_behind() {
    let mut house = house("", &[("icons/all.csv", ICONS)]);
    // The sheet of the empty list does not exist until another file creates it.
    push(&mut house, "notes/none.ndjson", "\n");
    house.is_lawful();
    push(&mut house, "notes/some.csv", "id\n1\n");
    house.is_lawful();
    push(&mut house, "notes/none.ndjson", "{\"id\": 1}\n");
    house.is_lawful();
    push(&mut house, "notes/none.ndjson", "\n");
    house.is_lawful();
}
