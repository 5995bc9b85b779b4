//! Histories of records that several files may hold: each lists what reads of its commits show.

use headwater_engine::budget::Budget;
use headwater_engine::history::{Effort, Event, Version};
use headwater_engine::id::CommitId;
use headwater_engine::view::View;
use headwater_testkit::{Upstream, git};

use crate::remote_and_engine::{House, id};

/// What a commit does to some files: their new contents, or `None` to remove them.
type Step<'a> = &'a [(&'a str, Option<&'a str>)];

/// A branch, and the engine that serves it.
struct Branch {
    house: House,
    commits: Vec<CommitId>,
}

impl Branch {
    /// Makes a commit of each of `steps`, the first with these definitions and records that stay.
    fn of<'a>(definitions: &str, steps: impl IntoIterator<Item = Step<'a>>) -> Self {
        let mut upstream = Upstream::new();
        let mut commits = Vec::new();
        for step in steps {
            let mut commit = upstream.commit("a step");
            if commits.is_empty() {
                commit = (0..20).fold(commit, |commit, n| {
                    commit.put(format!("people/stays{n}.json"), "[{\"id\": \"n\", \"x\": 0}]")
                });
                if !definitions.is_empty() {
                    commit = commit.put("headwater.toml", definitions);
                }
            }
            for (path, text) in step {
                commit = match text {
                    Some(text) => commit.put(*path, *text),
                    None => commit.delete(*path),
                };
            }
            commits.push(id(&commit.push()));
        }
        Self { house: House::of(upstream), commits }
    }

    fn history(&self, key: &str) -> Vec<Version> {
        let now = self.house.engine().snapshot();
        let spec = now.sheet("people").unwrap().spec().clone();
        let any = Budget::unlimited();
        let effort = Effort { awaited: &any, part: &any };
        let read = |listed, limit| {
            let page = (listed, limit);
            let engine = self.house.engine();
            engine.history(&now, (&spec, key), now.commit(), page, effort).unwrap()
        };
        let all = read(0, 100);
        assert!(all.ended, "{key}");
        // Pages are parts of the whole.
        for listed in 0..all.items.len() {
            assert_eq!(read(listed, 1).items, all.items[listed..=listed], "{key}");
        }
        assert_eq!(self.history_by_commits(key), all.items, "{key}");
        all.items
    }

    /// Returns the history in pages that may cost nothing, each of which looks at one commit.
    fn history_by_commits(&self, key: &str) -> Vec<Version> {
        let now = self.house.engine().snapshot();
        let spec = now.sheet("people").unwrap().spec().clone();
        let (any, none) = (Budget::unlimited(), Budget::while_true(|| false));
        none.spend(usize::MAX);
        let effort = Effort { awaited: &any, part: &none };
        let mut all = Vec::new();
        for _ in 0..=self.commits.len() {
            let page = (all.len(), 100);
            let engine = self.house.engine();
            let part = engine.history(&now, (&spec, key), now.commit(), page, effort).unwrap();
            all.extend(part.items);
            if part.ended {
                return all;
            }
        }
        panic!("the history of {key} does not end: {all:?}")
    }

    /// Returns what each listed commit did, newest first.
    fn told(&self, key: &str) -> Vec<(usize, Event)> {
        let place = |commit| self.commits.iter().position(|other| *other == commit).unwrap();
        let history = self.history(key).into_iter();
        history.map(|version| (place(version.commit), version.event)).collect()
    }
}

const ONE: &str = "[sheets.people]\nformat = \"json\"\npolicy = \"quarantine\"\n";
const LISTS: &str =
    "[sheets.people]\nformat = \"json\"\nrecords = \"each\"\npolicy = \"quarantine\"\n";

#[test]
fn a_history_lists_the_commits_that_touched_other_files_as_well() {
    use Event::{Added, Modified, Removed};
    let (ada, note) = ("people/ada.json", "people/ada/note.json");
    for (definitions, key) in [("", "ada/note"), (ONE, "ada/note"), (LISTS, "ada/note/n")] {
        let texts: Vec<String> = (0..4)
            .map(|x| match definitions == LISTS {
                true => format!("[{{\"id\": \"n\", \"x\": {x}}}]"),
                false => format!("{{\"x\": {x}}}"),
            })
            .collect();
        let text = |at: usize| Some(&*texts[at]);
        let steps: [Step<'_>; 5] = [
            &[(ada, text(0)), (note, text(0))],
            &[(ada, text(1)), (note, text(1))],
            &[(note, text(2))],
            &[(ada, text(2)), (note, text(3))],
            &[(ada, None), (note, None)],
        ];
        let changes = [(3, Modified), (2, Modified), (1, Modified), (0, Added)];
        let branch = Branch::of(definitions, steps[..4].iter().copied());
        assert_eq!(branch.told(key), changes, "{definitions:?}");
        let fields: Vec<_> =
            branch.history(key).into_iter().map(|it| it.fields.join(",")).collect();
        assert_eq!(fields, ["/x", "/x", "/x", ""], "{definitions:?}");
        let branch = Branch::of(definitions, steps);
        assert_eq!(branch.told(key), [&[(4, Removed)], &changes[..]].concat(), "{definitions:?}");
    }
}

#[test]
fn a_key_that_no_list_ever_had_has_no_history() {
    let rows = |text: &'static str| -> Step<'static> {
        match text {
            "" => &[("people/l.json", Some("[{\"id\": \"a\", \"x\": 1}]"))],
            _ => &[("people/l.json", Some("[{\"id\": \"a\"}, "))],
        }
    };
    for definitions in [LISTS, ""] {
        let branch = Branch::of(definitions, ["broken", "", "broken", "", "broken"].map(rows));
        assert_eq!(branch.told("l/never"), [], "{definitions:?}");
        // Where a file may be a record as well, one that cannot be read is no list.
        let lost = if definitions == LISTS { Event::Broken } else { Event::Removed };
        let expected = [(4, lost), (3, Event::Added), (2, lost), (1, Event::Added)];
        assert_eq!(branch.told("l/a"), expected, "{definitions:?}");
        let branch = Branch::of(definitions, ["", "broken", ""].map(rows));
        assert_eq!(branch.told("l"), [], "{definitions:?}: the file was a list");
    }
}

#[test]
fn a_link_is_no_version_whatever_its_target_looks_like() {
    for definitions in ["", ONE] {
        let mut upstream = Upstream::new();
        let mut commit = upstream.commit("first").put("people/ada.json", "{\"n\": 1}");
        if !definitions.is_empty() {
            commit = commit.put("headwater.toml", definitions);
        }
        let mut commits = vec![id(&commit.put("people/bob.json", "{}").push())];
        for target in ["nowhere", "{\"n\": 2, \"link\": 1}"] {
            let commit = upstream.commit("a link");
            commits.push(id(&commit.put_mode("people/ada.json", 0o120_000, target).push()));
        }
        let branch = Branch { house: House::of(upstream), commits };
        assert_eq!(branch.told("ada"), [(1, Event::Removed), (0, Event::Added)], "{definitions:?}");
    }
}

#[test]
fn a_file_that_never_had_its_key_adds_nothing_to_a_history() {
    let steps: [Step<'_>; 4] = [
        &[("people/ada.json", Some("{\"n\": 1}"))],
        &[("people/ada.toml", Some("n = 1\n"))],
        &[("people/ada.toml", Some("n = 2\nother = 1\n"))],
        &[("people/ada.toml", None)],
    ];
    assert_eq!(Branch::of("", steps).told("ada"), [(0, Event::Added)]);
    // Files that are one record each.
    let (index, readme) = ("people/ada/index.md", "people/ada/README.md");
    let steps: [Step<'_>; 4] = [
        &[(index, Some("one")), (readme, Some("one"))],
        &[(index, Some("two")), (readme, Some("two"))],
        &[(readme, Some("three"))],
        &[(index, None), (readme, Some("four"))],
    ];
    let folders = "[sheets.people]\nformat = \"markdown\"\npath = \"${{ slug }}/index\"\n";
    let expected = [(3, Event::Modified), (1, Event::Modified), (0, Event::Added)];
    assert_eq!(Branch::of(folders, steps).told("ada"), expected);
}

#[test]
fn a_merge_is_not_blamed_for_what_its_commits_did_to_another_file() {
    let mut upstream = Upstream::new();
    let (ada, note) = ("people/ada.json", "people/ada/note.json");
    let base = upstream.commit("base").put(ada, "{\"n\": 0}").put(note, "{\"n\": 0}").push();
    let side = upstream.commit("side").put(ada, "{\"n\": 1}").put(note, "{\"n\": 1}").push();
    let main = upstream.force_commit_on(Some(&base), "main").put(ada, "{\"n\": 2}").push();
    let settled = upstream.commit("settled").put(ada, "{\"n\": 3}").put(note, "{\"n\": 1}").push();
    let tree = format!("{settled}^{{tree}}");
    let merge = git(upstream.path(), ["commit-tree", "-m", "m", "-p", &main, "-p", &side, &tree]);
    upstream.reset_to(merge.trim());
    let commits: Vec<_> = [&*base, &side, &main, merge.trim()].into_iter().map(id).collect();
    let branch = Branch { house: House::of(upstream), commits };
    let told = branch.told("ada/note");
    assert_eq!(told, [(1, Event::Modified), (0, Event::Added)]);
    assert!(branch.told("ada").contains(&(3, Event::Modified)));
}

/// Pseudo-random numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        all[usize::try_from((self.0 >> 11) % all.len() as u64).unwrap()]
    }
}

/// What the files may hold: records, lists with and without the key `n`, and what is neither.
const JSON: [&str; 6] = [
    "{\"x\": 1}",
    "{\"x\": 2}",
    "[{\"id\": \"n\", \"x\": 1}]",
    "[{\"id\": \"n\", \"x\": 2}, {\"id\": \"q\"}]",
    "[{\"id\": \"q\"}]",
    "[{\"id\": ",
];
const YAML: [&str; 4] = ["x: 1\n", "- id: n\n  x: 3\n", "- id: q\n", "a: [\n"];
const TOML: [&str; 3] = ["x = 1\n", "x = 3\n", "x =\n"];

#[test]
fn a_history_lists_what_reads_of_its_commits_show_and_nothing_else() {
    let paths = ["people/a.json", "people/a.yaml", "people/a/n.json", "people/a/n.toml"];
    let (mut listed, mut silent) = (0, 0);
    for seed in 1..=24 {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let steps: Vec<Vec<(&str, Option<&str>)>> = (0..6)
            .map(|_| {
                let mut step = Vec::new();
                for path in paths {
                    let text = match path.rsplit_once('.').unwrap().1 {
                        "json" => numbers.of(&JSON),
                        "yaml" => numbers.of(&YAML),
                        _ => numbers.of(&TOML),
                    };
                    match numbers.of(&["put", "put", "delete", "leave", "leave"]) {
                        "put" => step.push((path, Some(text))),
                        "delete" => step.push((path, None)),
                        _ => {}
                    }
                }
                step
            })
            .collect();
        let definitions = numbers.of(&["", ONE, LISTS]);
        let branch = Branch::of(definitions, steps.iter().map(|step| &step[..]));
        let engine = branch.house.engine();
        let states: Vec<_> =
            branch.commits.iter().map(|at| engine.at(&View::PUBLIC, *at).unwrap()).collect();
        for key in ["a", "a/n", "a/q", "a/n/n", "a/never"] {
            let told = branch.told(key);
            let served = |at: usize| {
                let record = states[at].visible("people", key);
                record.map(|record| record.value.as_str().to_owned())
            };
            // A file of the key itself that is no record.
            let is_broken = |at: usize| {
                let own = format!("people/{key}.");
                states[at].public_problems().iter().any(|problem| problem.path.starts_with(&own))
            };
            for at in 0..states.len() {
                let before = at.checked_sub(1);
                let event = told.iter().find(|(place, _)| *place == at).map(|(_, event)| *event);
                let case = format!("seed {seed}, {key} at {at}: {event:?} in {told:?}");
                match (before.and_then(served), served(at)) {
                    (None, Some(_)) => assert_eq!(event, Some(Event::Added), "{case}"),
                    (Some(before), Some(after)) if before != after => {
                        assert_eq!(event, Some(Event::Modified), "{case}");
                    }
                    (Some(_), Some(_)) => {
                        assert!(matches!(event, None | Some(Event::Modified)), "{case}");
                    }
                    (Some(_), None) => {
                        assert!(matches!(event, Some(Event::Removed | Event::Broken)), "{case}");
                    }
                    (None, None) => assert!(
                        match event {
                            None => true,
                            Some(Event::Broken) => is_broken(at),
                            Some(Event::Removed) => before.is_some_and(is_broken),
                            Some(_) => false,
                        },
                        "{case}"
                    ),
                }
                match event {
                    Some(_) => listed += 1,
                    None => silent += 1,
                }
            }
        }
    }
    assert!(listed > 100 && silent > 100, "{listed} listed, {silent} not");
}
