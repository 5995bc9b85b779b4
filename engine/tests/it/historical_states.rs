//! Earlier states: what may be read of them, and for how long.

use std::sync::Arc;

use headwater_engine::budget::Budget;
use headwater_engine::engine::{FailureKind, PastError, RequestKind};
use headwater_engine::history::{Effort, Event};
use headwater_engine::id::CommitId;
use headwater_engine::view::View;

use crate::lists::house;
use crate::remote_and_engine::{DEFINITION, House, id};

fn push(house: &mut House, path: &str, text: &str) -> CommitId {
    let commit = id(&house.upstream.commit("a change").put(path, text).push());
    house.reload();
    commit
}

/// Rewrites the branch to another history, and lets that through.
fn purge(house: &mut House) {
    let anew = house.upstream.force_commit_on(None, "anew");
    anew.put(".gitsheets/people.toml", DEFINITION).put("people/amy.toml", "id = 9\n").push();
    let (kind, report) = house.failure(RequestKind::Reload);
    assert_eq!(kind, FailureKind::Diverged);
    house.run(RequestKind::Apply(report.id)).result.as_ref().unwrap();
}

fn is_unknown<T>(result: Result<T, PastError>) -> bool {
    matches!(result, Err(PastError::Unknown { .. }))
}

#[test]
fn what_was_purged_is_let_go_by_the_publication_that_purges_it_whoever_asks_for_it() {
    let mut house = House::new();
    let leak = house.served();
    let next = push(&mut house, "people/jane.toml", "id = 1\n");
    let engine = house.engine();
    // Kept as superseded, as visited, and by a walk.
    assert_eq!(engine.at(&View::PUBLIC, leak).unwrap().commit(), leak);
    engine.keep(next);
    purge(&mut house);
    let engine = house.engine();
    for commit in [leak, next] {
        assert!(engine.kept(&View::PUBLIC, commit).is_none());
        assert!(
            is_unknown(engine.at(&View::PUBLIC, commit))
                && is_unknown(engine.delta(&View::PUBLIC, commit, house.served()))
        );
        // A reader that began before comes back late.
        engine.keep(commit);
        assert!(
            engine.kept(&View::PUBLIC, commit).is_none()
                && is_unknown(engine.at(&View::PUBLIC, commit))
        );
    }
    let status = engine.status();
    assert_eq!(status.retained, 0);
    engine.settle();
    assert_eq!(engine.status().alive, 1, "nothing of it is in memory");
}

#[test]
fn what_is_newer_than_a_pin_is_nobodys_to_read_until_it_is_taken_back() {
    let mut house = House::new();
    let first = house.served();
    let leak = push(&mut house, "people/jane.toml", "id = 1\nleaked = true\n");
    push(&mut house, "people/joe.toml", "id = 3\n");
    assert_eq!(house.engine().at(&View::PUBLIC, first).unwrap().commit(), first);
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    assert!(
        is_unknown(house.engine().at(&View::PUBLIC, leak))
            && is_unknown(house.engine().delta(&View::PUBLIC, first, leak))
    );
    let house = house.started();
    assert!(is_unknown(house.engine().at(&View::PUBLIC, leak)));
    house.run(RequestKind::Unpin).result.as_ref().unwrap();
    assert_eq!(house.engine().at(&View::PUBLIC, first).unwrap().commit(), first);
    house.is_lawful();
}

#[test]
fn a_state_before_a_change_of_definitions_is_built_from_one_with_the_same() {
    let mut house = House::new();
    let mut old = vec![house.served()];
    for n in 0..4 {
        old.push(push(&mut house, "people/jane.toml", &format!("id = 1\nn = {n}\n")));
    }
    let indexed = format!("{DEFINITION}index = [\"n\"]\n");
    push(&mut house, ".gitsheets/people.toml", &indexed);
    let engine = house.engine();
    let first = engine.at(&View::PUBLIC, old[0]).unwrap();
    for commit in &old[1..] {
        let state = engine.at(&View::PUBLIC, *commit).unwrap();
        let joe = |state: &headwater_engine::snapshot::Snapshot| {
            state.visible("people", "joe").unwrap().clone()
        };
        assert!(std::sync::Arc::ptr_eq(&joe(&first), &joe(&state)), "equal parts are shared");
        let fresh = headwater_engine::load::load(
            &engine.mirror().objects().unwrap(),
            *commit,
            &headwater_engine::options::LoadOptions::default(),
        );
        assert_eq!(state.dump(), fresh.unwrap().dump());
    }
}

#[test]
fn states_that_other_readers_pushed_out_are_freed_before_another_is_built() {
    let mut house = House::new();
    let mut old = Vec::new();
    for n in 0..20 {
        let definition = format!("{DEFINITION}index = [\"n{n}\"]\n");
        old.push(push(&mut house, ".gitsheets/people.toml", &definition));
    }
    // Nothing is kept of what was published, and maintenance has nothing to do.
    let house = house.started();
    let engine = house.engine();
    engine.settle();
    let states: Vec<_> = old[..19]
        .iter()
        .map(|at| Arc::downgrade(&engine.at(&View::PUBLIC, *at).unwrap()))
        .collect();
    let alive = states.iter().filter(|state| state.strong_count() > 0).count();
    assert!(alive <= 17, "sixteen are kept, and one was pushed out last: {alive}");
}

#[test]
fn who_was_away_while_a_record_was_hidden_is_told_that_it_left_and_nothing_else() {
    let mut house = House::new();
    let hidden = format!("{DEFINITION}hidden = \"gone\"\n");
    let shown = push(&mut house, ".gitsheets/people.toml", &hidden);
    let now = push(&mut house, "people/jane.toml", "gone = true\nid = 1\n");
    let engine = house.engine();
    let told = engine.caught_up(&View::PUBLIC, shown, now).unwrap();
    assert!(told.changes.is_empty());
    assert_eq!(told.withheld[0].key.as_str(), "jane");
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "jane").is_none());
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "joe").is_some());

    // It is visible again, and so is its old version.
    push(&mut house, "people/jane.toml", "id = 1\n");
    let engine = house.engine();
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "jane").is_some());
    assert!(
        engine.at(&View::PUBLIC, now).unwrap().visible("people", "jane").is_none(),
        "by the rules of then"
    );
}

#[test]
fn who_has_what_other_definitions_showed_begins_anew_and_others_are_told_the_difference() {
    let mut house = House::new();
    let first = house.served();
    let indexed = format!("{DEFINITION}index = [\"name\"]\n");
    let second = push(&mut house, ".gitsheets/people.toml", &indexed);
    let third = push(&mut house, "people/joe.toml", "id = 3\n");
    let told = house.engine().caught_up(&View::PUBLIC, first, third).unwrap();
    assert_eq!((told.changes.len(), told.changes[0].key.as_str()), (1, "joe"));
    let private = push(&mut house, ".gitsheets/people.toml", &format!("{indexed}public = false\n"));
    for from in [first, second, third] {
        assert!(is_unknown(house.engine().caught_up(&View::PUBLIC, from, private)));
        assert!(house.engine().delta(&View::PUBLIC, from, private).unwrap().changes.is_empty());
    }
}

/// What a commit does to some files: their new contents, or `None` to remove them.
type Step<'a> = &'a [(&'a str, Option<&'a str>)];

/// Returns the history of `key`, newest first, after `steps`: what each listed one of them did.
fn told(sheet: &str, key: &str, steps: &[Step<'_>]) -> Vec<(usize, Event)> {
    let rules = "[sheets.posts]\nformat = \"markdown\"\npath = \"${{ slug }}/index\"\n\
                 hidden = \"is.draft\"\npolicy = \"quarantine\"\n\
                 [sheets.notes]\nformat = \"yaml\"\nhidden = \"is.draft\"\npolicy = \"quarantine\"\n";
    let others: Vec<_> =
        (0..40).map(|n| [format!("notes/o{n}.yaml"), format!("posts/o{n}/index.md")]).collect();
    let others: Vec<_> = others.iter().flatten().map(|path| (path.as_str(), "n: 0\n")).collect();
    let mut house = house(rules, &others);
    let mut commits = Vec::new();
    for step in steps {
        let mut commit = house.upstream.commit("a step");
        for (path, text) in *step {
            commit = match text {
                Some(text) => commit.put(*path, *text),
                None => commit.delete(*path),
            };
        }
        commits.push(id(&commit.push()));
        house.reload();
    }
    let snapshot = house.engine().snapshot();
    let spec = snapshot.sheet(sheet).unwrap().spec().clone();
    let any = Budget::unlimited();
    let effort = Effort { awaited: &any, part: &any };
    let from = snapshot.commit();
    let history = house.engine().history(&snapshot, (&spec, key), from, (0, 10), effort).unwrap();
    assert!(history.ended);
    let step = |commit| commits.iter().position(|other| *other == commit).unwrap();
    history.items.iter().map(|version| (step(version.commit), version.event)).collect()
}

#[test]
fn the_history_of_a_key_is_that_of_the_file_that_held_it_and_a_hidden_one_leaves_nothing() {
    let (draft, one, two) =
        ("---\nis: [{draft: true}]\n---\nx", "---\nn: 1\n---\nx", "---\nn: 2\n---\nx");
    let (index, readme) = ("posts/x/index.md", "posts/x/README.md");
    let posts = |steps: &[Step<'_>]| told("posts", "x", steps);
    let never: [(usize, Event); 0] = [];
    // What was hidden as long as it existed has no history by another file either.
    let hidden: Step<'_> = &[(index, Some(draft)), (readme, Some(one))];
    let changed: Step<'_> = &[(readme, Some(two))];
    let gone: Step<'_> = &[(index, None), (readme, None)];
    assert_eq!(posts(&[hidden, changed, gone]), never);
    assert_eq!(posts(&[hidden, changed]), never);
    assert_eq!(
        posts(&[&[(readme, Some(one))], hidden, changed, gone]),
        [(1, Event::Removed), (0, Event::Added)]
    );
    // The other file is the record from the commit on that leaves it alone.
    assert_eq!(
        posts(&[hidden, changed, &[(index, None)], &[(readme, Some(one))]]),
        [(3, Event::Modified), (2, Event::Added)]
    );
    // A file behind the record is not the record.
    let both: Step<'_> = &[(index, Some(one)), (readme, Some(one))];
    assert_eq!(
        posts(&[both, changed, &[(index, None)], &[(readme, None)]]),
        [(3, Event::Removed), (2, Event::Modified), (0, Event::Added)]
    );

    let notes = |steps: &[Step<'_>]| told("notes", "x", steps);
    let (first, second) = ("notes/x.yaml", "notes/x.yml");
    for unseen in ["is: {draft: true}", "a: [", "is: [{draft: 1}, {}]"] {
        let hidden: Step<'_> = &[(first, Some(unseen)), (second, Some("n: 1"))];
        let changed: Step<'_> = &[(second, Some("n: 2"))];
        assert_eq!(notes(&[hidden, changed, &[(first, None), (second, None)]]), never, "{unseen}");
    }
    let changed: Step<'_> = &[(second, Some("n: 2"))];
    assert_eq!(
        notes(&[&[(second, Some("n: 1"))], changed]),
        [(1, Event::Modified), (0, Event::Added)]
    );
}

/// Pseudo-random numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// Returns definitions of a sheet of this format in the folder `p`, and perhaps of another one.
    fn definitions(&mut self, format: &str) -> String {
        let mut text = String::new();
        for (sheet, is_sure) in [("s", true), ("t", false)] {
            if !is_sure && self.below(2) == 0 {
                continue;
            }
            let root = if is_sure { "p" } else { self.of(&["p", "q"]) };
            text += &format!("[sheets.{sheet}]\nroot = \"{root}\"\nformat = \"{format}\"\n");
            text += "policy = \"quarantine\"\n";
            text += self.of(&["", "", "", "", "public = false\n"]);
            text += self.of(&["", "", "", "hidden = \"h\"\n", "hidden = \"g\"\n"]);
            text += self.of(&["", "", "index = [\"n\"]\n", "unique = [\"u\"]\n"]);
            text += match format {
                "csv" => self.of(&["", "key = \"${{ id }}\"\n"]),
                _ => "",
            };
        }
        text + "[sheets.z]\n"
    }

    fn content(&mut self, path: &str) -> String {
        let n = self.below(3);
        if path.ends_with(".csv") {
            let mut hide = || self.of(&["", "", "1"]);
            return format!("id,n,h,g\na,{n},{},{}\nb,0,{},\n", hide(), hide(), hide());
        }
        match self.below(6) {
            0 => format!("{{\"n\": {n}, \"h\": true}}"),
            1 => format!("{{\"n\": {n}, \"g\": true}}"),
            2 => "{".to_owned(),
            _ => format!("{{\"n\": {n}}}"),
        }
    }
}

#[test]
fn no_history_lists_what_a_read_of_the_same_commits_does_not_show() {
    let names = ["p/a", "p/b", "p/c", "p/d", "q/a"];
    let (mut listed, mut denied) = (0, 0);
    for seed in 1..=40 {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut upstream = headwater_testkit::Upstream::new();
        let mut commits = Vec::new();
        let format = numbers.of(&["json", "yaml", "csv"]);
        for _ in 0..5 {
            let mut commit = upstream.commit("a step").put("z/z.toml", "");
            if commits.is_empty() || numbers.below(2) == 0 {
                commit = commit.put("headwater.toml", numbers.definitions(format));
            }
            let extensions: &[&str] = if format == "yaml" { &["yaml", "yml"] } else { &[format] };
            let paths = names.iter().flat_map(|name| extensions.iter().map(move |it| (name, it)));
            for path in paths.map(|(name, extension)| format!("{name}.{extension}")) {
                commit = match numbers.below(4) {
                    0 if numbers.below(2) == 0 => commit.delete(path),
                    1 | 2 => commit.put(&path, numbers.content(&path)),
                    _ => commit,
                };
            }
            commits.push(id(&commit.push()));
        }
        let house = House::of(upstream);
        let now = house.engine().snapshot();
        let states: Vec<_> =
            commits.iter().map(|at| house.engine().at(&View::PUBLIC, *at).unwrap()).collect();
        let any = Budget::unlimited();
        let effort = Effort { awaited: &any, part: &any };
        for sheet in now.sheets().filter(|sheet| sheet.spec().public) {
            let spec = sheet.spec();
            for key in ["a", "b", "c", "d", "a/a", "a/b", "c/1", "c/2"] {
                let history =
                    house.engine().history(&now, (spec, key), now.commit(), (0, 10), effort);
                let files = spec.paths_of(key);
                let is_there = |at: usize| {
                    let records = states[at]
                        .sheets()
                        .flat_map(|sheet| sheet.records().filter(|record| sheet.shows(record)));
                    let of_files = |path: String| files.contains(&path);
                    let mut broken = states[at].public_problems().into_iter();
                    records.map(|record| record.path()).any(of_files)
                        || broken.any(|problem| files.contains(&problem.path))
                };
                for version in history.unwrap().items {
                    let at = commits.iter().position(|commit| *commit == version.commit).unwrap();
                    let is_told = match version.event {
                        Event::Added | Event::Broken => is_there(at),
                        Event::Modified => is_there(at) && is_there(at - 1),
                        Event::Removed => is_there(at - 1),
                    };
                    assert!(is_told, "seed {seed}: {version:?} of {key} in {}", spec.name);
                    listed += 1;
                }
                denied += (0..commits.len()).filter(|at| !is_there(*at)).count();
            }
        }
    }
    assert!(listed > 100 && denied > 100, "{listed} listed, {denied} not there");
}
