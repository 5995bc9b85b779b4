//! Views: a state as a view sees it is the state of a repository that has only what the view has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use headwater_engine::budget::Budget;
use headwater_engine::disclosure::Disclosure;
use headwater_engine::id::{CommitId, SheetName};
use headwater_engine::load::{advance, load};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::query::ListQuery;
use headwater_engine::search::{Query, Scope};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::{HiddenRecords, SheetNames, View};
use headwater_testkit::Upstream;
use proptest::prelude::*;
use proptest::test_runner::Config;

const SHEETS: [&str; 3] = ["news", "people", "staff"];
const WORDS: [&str; 5] = ["river", "rivers", "harbour", "ferry", "rivet"];

/// What a sheet declares.
#[derive(Debug, Clone, Copy)]
struct Rules {
    public: bool,
    hides: bool,
}

/// The file of one record.
#[derive(Debug, Clone)]
struct File {
    words: Vec<usize>,
    is_hidden: bool,
    /// The key of a record of the next sheet.
    refers: Option<u8>,
    is_broken: bool,
}

type Files = BTreeMap<(usize, u8), File>;

/// Sets or removes the file of a record.
type Change = ((usize, u8), Option<File>);

fn file() -> impl Strategy<Value = File> {
    let words = prop::collection::vec(0..WORDS.len(), 0..4);
    let refers = prop::option::of(0_u8..6);
    (words, prop::bool::weighted(0.3), refers, prop::bool::weighted(0.15)).prop_map(
        |(words, is_hidden, refers, is_broken)| File { words, is_hidden, refers, is_broken },
    )
}

fn history() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = ((0..SHEETS.len(), 0_u8..6), prop::option::weighted(0.8, file()));
    prop::collection::vec(prop::collection::vec(change, 1..8), 1..4)
}

fn view() -> impl Strategy<Value = View> {
    let names = || {
        let some = prop::collection::btree_set(0..SHEETS.len(), 0..=SHEETS.len());
        let some = some.prop_map(|some| {
            SheetNames::only(some.into_iter().map(|at| SheetName::new(SHEETS[at])))
        });
        prop_oneof![Just(SheetNames::None), Just(SheetNames::Every), some]
    };
    let hidden = prop_oneof![Just(HiddenRecords::Withheld), Just(HiddenRecords::Shown)];
    (names(), names(), hidden).prop_map(|(any, public, hidden)| View { any, public, hidden })
}

fn text(at: usize, file: &File) -> String {
    if file.is_broken {
        return "= =".to_owned();
    }
    let words: Vec<_> = file.words.iter().map(|word| WORDS[*word]).collect();
    let mut text = format!("title = \"{}\"\n", words.join(" "));
    if let Some(key) = file.refers {
        writeln!(text, "next = \"k{key}\"").unwrap();
    }
    if file.is_hidden {
        let is_listed = words.len() % 2 == 0;
        text.push_str(if is_listed { "is = [{ gone = true }]\n" } else { "is.gone = true\n" });
    }
    writeln!(text, "number = {}", at * 10 + words.len()).unwrap();
    text
}

fn definitions(rules: &[Rules]) -> String {
    let mut text = String::new();
    for (at, (name, rules)) in SHEETS.iter().zip(rules).enumerate() {
        let next = SHEETS[(at + 1) % SHEETS.len()];
        writeln!(text, "[sheets.{name}]\npolicy = \"quarantine\"\nunique = [\"title\"]").unwrap();
        writeln!(text, "refs = {{ next = \"{next}\" }}\npublic = {}", rules.public).unwrap();
        if rules.hides {
            text.push_str("hidden = \"is.gone\"\n");
        }
    }
    text
}

fn commit(upstream: &mut Upstream, rules: &[Rules], files: &Files) -> CommitId {
    let mut commit = upstream.commit("a state").put("headwater.toml", definitions(rules));
    for (at, sheet) in SHEETS.iter().enumerate() {
        for key in 0..6 {
            let path = format!("{sheet}/k{key}.toml");
            commit = match files.get(&(at, key)) {
                Some(file) => commit.put(path, text(at, file)),
                None => commit.delete(path),
            };
        }
    }
    commit.push().parse().unwrap()
}

const QUERIES: [&[(&str, &str)]; 5] = [
    &[("sort", "-number")],
    &[("filter", "has(next)"), ("sort", "title")],
    &[("facets", "next,number")],
    &[("stats", "number"), ("title[ne]", "river")],
    &[("q", "river ferry"), ("match", "any")],
];

/// Returns everything that a state shows to the public.
fn shown(state: &Snapshot) -> Vec<String> {
    let budget = Budget::unlimited();
    let mut shown = Vec::new();
    for sheet in state.sheets().filter(|sheet| sheet.spec().public) {
        let name = &sheet.spec().name;
        shown.push(format!("{name}: {} of {:?}", sheet.shown(), sheet.public_problem_count()));
        for pairs in QUERIES {
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            let query = ListQuery::parse(&pairs, &**sheet);
            let page = query.map(|query| format!("{:?}", query.run(sheet, state.text(), &budget)));
            shown.push(format!("{name}: {}", page.unwrap_or_else(|error| format!("{error:?}"))));
        }
        for record in sheet.records().filter(|record| sheet.shows(record)) {
            shown.push(format!("{name} {} {}", record.key, record.value.as_str()));
        }
    }
    shown.extend(state.public_problems().iter().map(|problem| format!("{problem:?}")));
    for words in ["river", "river harbour", "rivr", "feryr", "riv*", "ferry OR rivet"] {
        let query = Query::parse(words).unwrap();
        let found = state.search(&query, Scope::All, 0, 50, &budget).unwrap();
        let hits = found.hits.iter().map(|hit| format!("{} {:?}", hit.name.key, hit.score));
        let hits: Vec<_> = hits.collect();
        shown.push(format!(
            "{words}: {} {hits:?} {:?}",
            found.total,
            found.readings.into_corrections()
        ));
    }
    shown
}

#[test]
fn a_view_sees_what_the_public_would_see_of_a_repository_with_nothing_else() {
    let cases = std::env::var("HEADWATER_VIEW_CASES").ok().and_then(|cases| cases.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(100), failure_persistence: None, ..Config::default() };
    let rules = (any::<bool>(), any::<bool>()).prop_map(|(public, hides)| Rules { public, hides });
    let rules = prop::array::uniform3(rules);
    proptest!(config, |(rules in rules, history in history(), view in view())| {
        let options = LoadOptions::default();
        let (mut upstream, mut files, mut state) = (Upstream::new(), Files::new(), None);
        for changes in history {
            for (place, file) in changes {
                match file {
                    Some(file) => drop(files.insert(place, file)),
                    None => drop(files.remove(&place)),
                }
            }
            let commit = commit(&mut upstream, &rules, &files);
            let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
            let objects = mirror.objects().unwrap();
            let next = advance(&objects, state.as_deref(), commit, &options).unwrap().0;
            state = Some(Arc::new(next));
        }
        // The repository that has only what the view has.
        let is_seen = |at: usize| {
            let name = SheetName::new(SHEETS[at]);
            view.any.contains(&name) || rules[at].public && view.public.contains(&name)
        };
        let withholds = |at: usize| rules[at].hides && view.hidden == HiddenRecords::Withheld;
        files.retain(|(at, _), file| {
            is_seen(*at) && !(withholds(*at) && (file.is_hidden || file.is_broken))
        });
        let of_view: Vec<_> = (0..SHEETS.len())
            .map(|at| Rules { public: is_seen(at), hides: withholds(at) })
            .collect();
        let mut other = Upstream::new();
        let commit = commit(&mut other, &of_view, &files);
        let mirror = Mirror::open(other.path(), MirrorOptions::default()).unwrap();
        let alone = load(&mirror.objects().unwrap(), commit, &options).unwrap();
        let seen = state.unwrap().seen_by(&view);
        prop_assert_eq!(shown(&seen), shown(&alone), "{:?} of {:?}", view, rules);
    });
}

/// Returns the state of a repository with these files.
fn state(files: &[(String, String)]) -> Arc<Snapshot> {
    let mut upstream = Upstream::new();
    let commit = upstream.commit("a state");
    let commit = files.iter().fold(commit, |commit, (path, text)| commit.put(path, text)).push();
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
    let objects = mirror.objects().unwrap();
    Arc::new(load(&objects, commit.parse().unwrap(), &LoadOptions::default()).unwrap())
}

fn view_of(names: impl IntoIterator<Item = String>, hidden: HiddenRecords) -> View {
    let any = SheetNames::only(names.into_iter().map(SheetName::new));
    View { any, public: SheetNames::None, hidden }
}

#[test]
fn the_digest_of_a_view_tells_of_no_folder_that_it_sees_nothing_of() {
    let view = view_of(["a", "content"].map(str::to_owned), HiddenRecords::Withheld);
    let digest = |more: &[&str]| {
        let paths = ["a/x.json"].iter().chain(more);
        let files: Vec<_> = paths.map(|path| (path.to_string(), "{}".to_owned())).collect();
        let state = state(&files);
        assert_eq!(state.public_digest(), state.digest(), "nothing is hidden from the public");
        state.seen_by(&view).public_digest()
    };
    let alone = digest(&[]);
    assert_eq!(digest(&["other/p.json"]), alone);
    assert_eq!(digest(&["content/team/p.json"]), alone);
    assert_ne!(digest(&["content/p.json"]), alone);
}

#[test]
fn sixty_four_views_that_are_asked_in_turn_are_made_once_each() {
    let definition = |n| format!("[sheets.s{n}]\npublic = false\nhidden = \"gone\"\n");
    let definitions: String = (0..64).map(definition).collect();
    let mut files = vec![("headwater.toml".to_owned(), definitions)];
    for n in 0..64 {
        files.push((format!("s{n}/a.toml"), format!("title = \"river {n}\"\n")));
        files.push((format!("s{n}/b.toml"), "gone = true\ntitle = \"river\"\n".to_owned()));
    }
    let state = state(&files);
    let view = |n: usize| {
        let hidden = [HiddenRecords::Withheld, HiddenRecords::Shown][n % 2];
        view_of([format!("s{n}")], hidden)
    };
    let seen: Vec<_> = (0..64).map(|n| state.seen_by(&view(n))).collect();
    let query = Query::parse("river").unwrap();
    for (n, seen) in seen.iter().enumerate() {
        let found = seen.search(&query, Scope::All, 0, 9, &Budget::unlimited()).unwrap();
        assert_eq!(found.total as usize, 1 + n % 2, "{n}");
    }
    for _ in 0..3 {
        for (n, seen) in seen.iter().enumerate() {
            assert!(Arc::ptr_eq(seen, &state.seen_by(&view(n))), "{n}");
        }
    }
}

/// Sheets that lie in one another, with records and files that several of them hold.
const OVERLAPPING: [(&str, &str); 4] = [
    ("all", "root = '.'\n"),
    ("content", "root = '.'\npath = '${{ area }}/${{ slug }}'\n"),
    ("index", "root = '.'\npath = '${{ slug }}'\n"),
    ("people", "path = '${{ slug }}'\nhidden = 'gone'\n"),
];

fn overlapping(is_public: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let definition = |(name, text): &(&str, &str)| {
        format!("[sheets.{name}]\npublic = {}\npolicy = 'quarantine'\n{text}", is_public(name))
    };
    let definitions: String = OVERLAPPING.iter().map(definition).collect();
    let record = |area: &str, slug: &str, more: &str| {
        format!("area = \"{area}\"\nslug = \"{slug}\"\ntitle = \"river {slug}\"\n{more}")
    };
    [
        ("headwater.toml", definitions),
        ("home.toml", record("", "home", "")),
        ("home/photo.txt", "pixels".to_owned()),
        ("people/ada.toml", record("people", "ada", "")),
        ("people/ada/photo.txt", "pixels".to_owned()),
        ("people/eve.toml", record("people", "eve", "gone = true\n")),
        ("people/eve/photo.txt", "pixels".to_owned()),
        ("people/broken.toml", "= =".to_owned()),
        ("news/ferry.toml", record("news", "ferry", "")),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into()
}

#[test]
fn a_view_of_sheets_in_one_another_sees_what_the_public_would_see_of_just_these() {
    let state = state(&overlapping(|name| name == "index"));
    let beside = ["home/photo.txt", "people/ada/photo.txt", "people/eve/photo.txt"];
    let mut answers = BTreeSet::new();
    for some in 0..16_usize {
        let place = |name: &str| OVERLAPPING.iter().position(|(other, _)| *other == name).unwrap();
        let has = |name: &str| some >> place(name) & 1 == 1;
        let names = OVERLAPPING.map(|(name, _)| name.to_owned()).into_iter();
        let names = names.filter(|name| has(name));
        let seen = state.seen_by(&view_of(names, HiddenRecords::Withheld));
        let other = self::state(&overlapping(has));
        let files = |state: &Snapshot| beside.map(|path| Disclosure::by(state).shows_beside(path));
        assert_eq!(files(&seen), files(&other));
        assert_eq!(shown(&seen), shown(&other));
        answers.insert((files(&seen), shown(&seen)));
    }
    assert_eq!(answers.len(), 16, "each of these views sees something else");
    // Whoever has hidden records, and all sheets, has every file.
    let all = state.seen_by(&View::EVERYTHING);
    assert_eq!(beside.map(|path| Disclosure::by(&all).shows_beside(path)), [true; 3]);
}
