mod parts;

use std::sync::Arc;

use headwater_testkit::{TreeEntry, Upstream};
use tempfile::TempDir;

use crate::budget::Budget;
use crate::disclosure::Disclosure;
use crate::engine::{Engine, EngineConfig};
use crate::history::{Effort, Event, HistoryCache, Subject, Whereabouts, history};
use crate::id::{CommitId, Key, SheetName};
use crate::load::load;
use crate::mirror::{Mirror, MirrorOptions, Remote, RemoteOptions};
use crate::options::LoadOptions;
use crate::view::{HiddenRecords, SheetNames, View};
use Event::{Added, Broken, Modified, Removed};

/// A commit: the files that it changes, with their contents, or `None` for those that it removes.
type Step<'a> = &'a [(&'a str, Option<&'a str>)];

/// Returns what `view` sees of the history of `key` in `sheet` after `steps`, newest first: which of
/// them it lists, and what each did.
fn told_to(view: &View, (sheet, key): (&str, &str), steps: &[Step<'_>]) -> Vec<(usize, Event)> {
    let mut upstream = Upstream::new();
    let mut commits: Vec<CommitId> = Vec::new();
    for step in steps {
        // Another record, so that the sheet is not empty, and each step is a commit.
        let other = format!("n = {}\n", commits.len());
        let mut commit = upstream.commit("a step").put("people/other.toml", other);
        for (path, text) in *step {
            commit = match text {
                Some(text) => commit.put(*path, *text),
                None => commit.delete(*path),
            };
        }
        commits.push(commit.push().parse().unwrap());
    }
    let folder = TempDir::new().unwrap();
    let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
    let config = EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)));
    let engine = Engine::open(config, Arc::default()).unwrap();
    let now = engine.snapshot().seen_by(view);
    let spec = now.sheet(sheet).unwrap().spec().clone();
    let any = Budget::unlimited();
    let effort = Effort { awaited: &any, part: &any };
    let page = |from: usize, limit| {
        engine.history(&now, (&spec, key), now.commit(), (from, limit), effort).unwrap()
    };
    let all = page(0, 100);
    // Pages are parts of the whole.
    for listed in 0..all.items.len() {
        assert_eq!(page(listed, 1).items, all.items[listed..=listed], "{listed}");
    }
    let step = |commit| commits.iter().position(|other| *other == commit).unwrap();
    all.items.iter().map(|version| (step(version.commit), version.event)).collect()
}

fn told(record: (&str, &str), steps: &[Step<'_>]) -> Vec<(usize, Event)> {
    told_to(&View::PUBLIC, record, steps)
}

/// Returns what is told of a record that was hidden twice, shown once, and then changed after the
/// definitions had changed from `then` to `now`.
fn told_by(then: &str, now: &str) -> Vec<(usize, Event)> {
    told_by_to(&View::PUBLIC, then, now)
}

fn told_by_to(view: &View, then: &str, now: &str) -> Vec<(usize, Event)> {
    let (rules, x) = ("headwater.toml", "people/x.toml");
    let steps: [Step<'_>; 5] = [
        &[(rules, Some(then).filter(|then| !then.is_empty())), (x, Some("draft = true\nn = 1\n"))],
        &[(x, Some("draft = true\nn = 2\n"))],
        &[(x, Some("n = 3\n"))],
        &[(rules, Some(now))],
        &[(x, Some("n = 4\n"))],
    ];
    told_to(view, ("people", "x"), &steps)
}

#[test]
fn what_its_own_commit_did_not_show_is_no_version_whatever_the_present_rules_are() {
    let people = "[sheets.people]\n";
    let all = [(4, Modified), (2, Modified), (1, Modified), (0, Added)];
    let since = [(4, Modified), (2, Added)];
    let last = [(4, Modified)];
    let private = format!("{people}public = false\n");
    let hiding = format!("{people}hidden = \"draft\"\n");
    let crew = |more: &str| format!("[sheets.crew]\nroot = \"people\"\n{more}");
    let text = "schema = { properties = { n = { type = \"string\" } } }\n";
    for (case, then, now, expected) in [
        ("the same rules", people, people, &all[..]),
        ("the same, which hide", &hiding, &hiding, &since),
        ("hidden no more", &hiding, people, &since),
        ("hidden by another field", &hiding, &format!("{people}hidden = \"gone\"\n"), &since),
        ("an index more", &hiding, &format!("{hiding}index = [\"n\"]\n"), &since),
        ("made public", &private, people, &last),
        ("a private sheet of another name", &crew("public = false\n"), people, &last),
        ("a public sheet of another name", &crew(""), people, &all),
        ("one that hid records", &crew("hidden = \"draft\"\n"), people, &since),
        ("a private and a public sheet", &format!("{private}{}", crew("")), people, &all),
        ("in no sheet", "[sheets.other]\n", people, &last),
        ("a definition that could not be used", "[sheets.people]\npolicy = 1\n", people, &last),
        ("definitions that could not be read", "[sheets", people, &last),
        ("nothing declared", "", people, &all),
        (
            "another sheet is private",
            &format!("{people}[sheets.a]\npublic = false\n"),
            people,
            &all,
        ),
    ] {
        assert_eq!(told_by(then, now), expected, "{case}");
    }
    // What the rules of then could not read was a problem, and no record.
    let broken = [(4, Modified), (2, Broken), (1, Broken), (0, Broken)];
    assert_eq!(told_by(&format!("{people}policy = \"quarantine\"\n{text}"), people), broken);
    // A sheet that is not there any more is not told for a problem.
    let gone = format!("{}policy = \"quarantine\"\n{text}", crew(""));
    assert_eq!(told_by(&gone, people), last);
    // Where records were hidden, it may have been one of those.
    let hidden = format!("{hiding}policy = \"quarantine\"\n{text}");
    assert_eq!(told_by(&hidden, people), last);
    // A sheet that is private now takes with it what it shares with another one.
    let shared = format!("{people}{}", crew("public = false\n"));
    assert_eq!(told_by(&crew(""), &shared), last);
}

#[test]
fn a_view_is_told_the_versions_that_it_would_have_seen() {
    let view = |sheet: &str, hidden| View {
        any: SheetNames::only([SheetName::new(sheet)]),
        public: SheetNames::None,
        hidden,
    };
    let (shown, withheld) = (HiddenRecords::Shown, HiddenRecords::Withheld);
    let people = "[sheets.people]\n";
    let private = format!("{people}public = false\n");
    let hiding = format!("{people}hidden = \"draft\"\n");
    let crew = "[sheets.crew]\nroot = \"people\"\n";
    let all = [(4, Modified), (2, Modified), (1, Modified), (0, Added)];
    for (then, hidden, expected) in [
        (&*private, withheld, &all[..]),
        (&hiding, shown, &all),
        (&hiding, withheld, &[(4, Modified), (2, Added)]),
        (crew, shown, &[(4, Modified)]),
    ] {
        assert_eq!(told_by_to(&view("people", hidden), then, people), expected, "{then}");
    }
}

#[test]
fn a_record_that_is_gone_has_the_versions_that_were_shown() {
    let (rules, x) = ("headwater.toml", "people/x.toml");
    let (people, hiding) = ("[sheets.people]\n", "[sheets.people]\nhidden = \"draft\"\n");
    let never: [(usize, Event); 0] = [];
    let hidden: Step<'_> = &[(rules, Some(hiding)), (x, Some("draft = true\n"))];
    let gone: Step<'_> = &[(x, None)];
    let open: Step<'_> = &[(rules, Some(people))];
    assert_eq!(told(("people", "x"), &[hidden, gone, open]), never);
    let shown: Step<'_> = &[(x, Some("n = 1\n"))];
    assert_eq!(told(("people", "x"), &[hidden, shown, gone, open]), [(2, Removed), (1, Added)]);
    // Each side of a commit has the rules of its own tree.
    let opened: Step<'_> = &[(rules, Some(people)), (x, Some("draft = true\nn = 1\n"))];
    assert_eq!(told(("people", "x"), &[hidden, opened, gone]), [(2, Removed), (1, Added)]);
    let closed: Step<'_> = &[(rules, Some(hiding)), (x, Some("draft = true\nn = 2\n"))];
    assert_eq!(
        told(("people", "x"), &[opened, closed, gone, open]),
        [(1, Removed), (0, Added)],
        "it left with the commit that hid it"
    );
}

#[test]
fn a_file_behind_a_hidden_one_was_not_shown_either() {
    let notes = "[sheets.people]\n[sheets.notes]\nformat = \"yaml\"\n";
    let hiding = format!("{notes}hidden = \"draft\"\n");
    let (first, second) = ("notes/x.yaml", "notes/x.yml");
    let steps: [Step<'_>; 5] = [
        &[
            ("headwater.toml", Some(&hiding)),
            (first, Some("draft: true\n")),
            (second, Some("n: 1\n")),
        ],
        &[(second, Some("n: 2\n"))],
        &[(first, None)],
        &[(second, Some("n: 3\n"))],
        &[("headwater.toml", Some(notes))],
    ];
    // It is the record from the commit on that leaves it alone.
    assert_eq!(told(("notes", "x"), &steps), [(3, Modified), (2, Added)]);
}

#[test]
fn a_row_that_was_hidden_under_another_key_is_no_version() {
    let list = |more: &str| format!("[sheets.people]\n[sheets.rows]\nfile = \"rows.csv\"\n{more}");
    let (named, hides) = ("key = \"${{ who }}\"\n", "hidden = \"h\"\n");
    let rows = |eve: &str| format!("who,n,h\nada,1,\neve,{eve}\n");
    let told = |key: &str, then: &str, now: &str| {
        let (one, two, three) = (rows("1,yes"), rows("2,yes"), rows("2,"));
        let (then, now) = (list(then), list(now));
        let steps: [Step<'_>; 4] = [
            &[("headwater.toml", Some(&then)), ("rows.csv", Some(&one))],
            &[("rows.csv", Some(&two))],
            &[("rows.csv", Some(&three))],
            &[("headwater.toml", Some(&now))],
        ];
        self::told(("rows", key), &steps)
    };
    let both = format!("{named}{hides}");
    let never: [(usize, Event); 0] = [];
    assert_eq!(told("eve", &both, named), [(2, Added)]);
    assert_eq!(told("ada", &both, named), [(0, Added)]);
    assert_eq!(told("eve", named, named), [(2, Modified), (1, Modified), (0, Added)]);
    // By position, the second row is the same one, but nobody knows that of any other.
    assert_eq!(told("2", &both, ""), never);
    assert_eq!(told("2", hides, ""), [(2, Added)]);
    // Nothing was hidden, so whatever was in the list was shown under some key.
    assert_eq!(told("eve", "", named), [(2, Modified), (1, Modified), (0, Added)]);
    assert_eq!(told("eve", "public = false\n", named), never);
    // Where records are hidden now, their keys in a list by other rules are not known.
    assert_eq!(told("eve", named, &format!("{both}index = [\"n\"]\n")), never);
}

#[test]
fn a_commit_whose_definitions_cannot_be_read_shows_nothing() {
    let mut upstream = Upstream::new();
    let (rules, x) = (("headwater.toml", "[sheets.people]\n"), "people/x.toml");
    let first = upstream.commit("first").put(rules.0, rules.1).put(x, "n = 1\n").push();
    let entry = |mode, name: &str, id: String| TreeEntry { mode, name: name.into(), id };
    let blob = upstream.write_blob("n = 2\n");
    let folder = upstream.write_tree(&[entry(0o100_644, "x.toml", blob)]);
    let entries = [
        entry(0o100_644, rules.0, upstream.write_blob(rules.1)),
        entry(0o40_000, "people", folder),
        // No object has this name, and git would not write it.
        entry(0o100_644, "zero", "0".repeat(40)),
    ];
    let root = upstream.write_tree(&entries);
    let second = upstream.commit_tree(&root, "second");
    let third = upstream.commit("third").clear().put(rules.0, rules.1).put(x, "n = 3\n").push();
    let commits = [first, second, third].map(|commit| commit.parse::<CommitId>().unwrap());

    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let (objects, options) = (mirror.objects().unwrap(), LoadOptions::default());
    let now = load(&objects, commits[2], &options).unwrap();
    let any = Budget::unlimited();
    let effort = Effort { awaited: &any, part: &any };
    let at = Whereabouts {
        path: x.into(),
        walked: x.into(),
        list: Key::new("x"),
        key: "x".into(),
        is_withheld: false,
    };
    let spec = now.sheet("people").unwrap().spec();
    let subject = Subject { now: Disclosure::by(&now), spec, key: "x", paths: &[at] };
    let cache = HistoryCache::default();
    let versions =
        history((&mirror, &objects), subject, commits[2], (0, 9), &cache, &options, effort);
    let told: Vec<_> =
        versions.unwrap().items.into_iter().map(|it| (it.commit, it.event)).collect();
    assert_eq!(told, [(commits[2], Added), (commits[1], Removed), (commits[0], Added)]);
}
