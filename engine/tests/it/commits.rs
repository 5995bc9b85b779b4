//! The commits of a branch, and what each changed.

use headwater_engine::budget::Budget;
use headwater_engine::commits::{Line, Log};
use headwater_engine::engine::PastError;
use headwater_engine::history::{Effort, HistoryError};
use headwater_engine::id::{CommitId, SheetName};
use headwater_engine::view::View;

use crate::remote_and_engine::{DEFINITION, House, id};

fn push(house: &mut House, files: &[(&str, Option<&str>)]) -> CommitId {
    let mut commit = house.upstream.commit("a change");
    for (path, text) in files {
        commit = match text {
            Some(text) => commit.put(*path, *text),
            None => commit.delete(*path),
        };
    }
    let commit = id(&commit.push());
    house.reload();
    commit
}

/// Returns a house with a history of each kind of change, and its commits, the newest first.
fn house() -> (House, Vec<CommitId>) {
    let mut house = House::new();
    let mut commits = vec![house.served()];
    let indexed = format!("{DEFINITION}index = [\"n\"]\n");
    let hiding = format!("{indexed}hidden = \"gone\"\n");
    let changes: &[&[(&str, Option<&str>)]] = &[
        &[("people/jane.toml", Some("id = 1\nn = 1\n")), ("people/joe.toml", Some("id = 3\n"))],
        &[("people/jane.toml", Some("id = 1\nn = 2\ngone = true\n"))],
        &[("README", Some("no record"))],
        &[(".gitsheets/people.toml", Some(&indexed))],
        &[("people/joe.toml", None)],
        // It hides what was shown, and is how all of this is seen.
        &[(".gitsheets/people.toml", Some(&hiding))],
        &[("people/joe.toml", Some("id = 4\n"))],
    ];
    for change in changes {
        commits.push(push(&mut house, change));
    }
    commits.reverse();
    (house, commits)
}

fn read(house: &House, line: Line, limit: usize, part: &Budget) -> Result<Log, PastError> {
    let any = Budget::unlimited();
    house.engine().commits(&View::PUBLIC, line, &[], limit, Effort { awaited: &any, part })
}

#[test]
fn each_commit_changed_what_a_comparison_with_its_parent_says() {
    let (house, commits) = house();
    let line = house.engine().line(None, None).unwrap();
    assert_eq!(line, Line { from: commits[0], above: None });
    let log = read(&house, line, 100, &Budget::unlimited()).unwrap();
    assert_eq!(log.entries.iter().map(|it| it.commit).collect::<Vec<_>>(), commits);
    assert_eq!(log.next, None);
    for (entry, parent) in log.entries.iter().zip(commits[1..].iter().chain([&CommitId::ZERO])) {
        let delta = house.engine().delta(&View::PUBLIC, *parent, entry.commit).unwrap();
        assert_eq!(entry.changed, delta.counts(), "{} above {parent}", entry.commit);
    }
    let changed = log.entries.iter().filter(|entry| !entry.changed.is_empty()).count();
    assert!(changed >= 4, "{log:?}");
    let jane = &log.entries[5].changed;
    assert!(jane.is_empty(), "she is hidden now: {jane:?}");
}

#[test]
fn a_part_ends_when_it_has_cost_enough_and_goes_on_from_there() {
    let (house, commits) = house();
    let any = Budget::unlimited();
    let line = Line { from: commits[0], above: Some(commits[5]) };
    let whole = read(&house, line, 100, &any).unwrap();
    assert_eq!((whole.entries.len(), whole.next), (5, None));
    for limit in [1, 100] {
        let (mut told, mut next) = (Vec::new(), Some(line.from));
        while let Some(from) = next {
            let none = Budget::while_true(|| false);
            none.spend(usize::MAX);
            let part = read(&house, Line { from, ..line }, limit, &none).unwrap();
            assert_eq!(part.entries.len(), 1, "one at a time");
            told.extend(part.entries);
            next = part.next;
        }
        assert_eq!(told, whole.entries);
    }
    // Nobody waits any more.
    let gone = Budget::while_true(|| false);
    let effort = Effort { awaited: &gone, part: &any };
    let given_up = house.engine().commits(&View::PUBLIC, line, &[], 1, effort);
    let Err(PastError::History(error)) = given_up else { panic!("{given_up:?}") };
    assert!(matches!(*error, HistoryError::Unawaited(_)), "{error}");
}

#[test]
fn the_commits_of_a_sheet_are_those_that_changed_it() {
    let (mut house, _) = house();
    let definition = DEFINITION.replace("people", "notes");
    let note = [(".gitsheets/notes.toml", Some(&*definition)), ("notes/a.toml", Some("id = 1\n"))];
    let note = push(&mut house, &note);
    push(&mut house, &[("people/amy.toml", Some("id = 9\n"))]);
    let notes = SheetName::new("notes");
    let any = Budget::unlimited();
    let line = house.engine().line(None, None).unwrap();
    let effort = Effort { awaited: &any, part: &any };
    let log = house
        .engine()
        .commits(&View::PUBLIC, line, std::slice::from_ref(&notes), 1, effort)
        .unwrap();
    let told: Vec<_> = log.entries.iter().map(|entry| entry.commit).collect();
    assert_eq!(told, [note]);
    assert!(log.entries[0].changed.keys().eq([&notes]));
}
