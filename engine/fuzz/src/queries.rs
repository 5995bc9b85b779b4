//! Parameters of lists and texts of searches, against a small state.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::LazyLock;

use headwater_engine::budget::Budget;
use headwater_engine::language::Language;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::query::{ListQuery, MAX_PAGE, Within};
use headwater_engine::search::{Highlighter, MAX_CORRECTED, Query, Scope};
use headwater_engine::snapshot::Snapshot;
use headwater_testkit::Upstream;

const RIVERS: &str = "[gitsheet]\nroot = \"rivers\"\npath = \"${{ slug }}\"\n\n[headwater]\n\
                      search = { text = 1.0 }\nlanguage = \"de\"\n";

const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\n[headwater]\n\
                          index = [\"age\", \"tags\"]\nunique = [\"slug\"]\n\
                          search = { name = 2.0, bio = 1.0 }\nhidden = \"deletedAt\"\n";

/// How often the budget of an expression is asked before it is used up.
const MOST_ASKED: usize = 50;

/// Fifty people: numbers, texts, lists, nested fields, some hidden. And a few rivers in German.
static STATE: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut upstream = Upstream::new();
    let people = (0..50).map(|n| {
        let hidden = if n % 7 == 0 { "deletedAt = 2024-01-01\n" } else { "" };
        let text = format!(
            "age = {}\nbio = \"wrote the programs of the river {}\"\nname = \"Person {n}\"\n\
             slug = \"p{n}\"\ntags = [\"a\", \"t{}\"]\n{hidden}[address]\ncity = \"C{}\"\n",
            n % 10,
            n % 3,
            n % 5,
            n % 4
        );
        (format!("people/p{n}.toml"), text)
    });
    let rivers = ["Die Flüsse der Stadt", "Der Fluss und das Programm", "flüssige Straßen"];
    let rivers = rivers.iter().enumerate();
    let rivers =
        rivers.map(|(n, text)| (format!("rivers/r{n}.toml"), format!("text = \"{text}\"\n")));
    let commit = upstream.commit("people").put(".gitsheets/people.toml", DEFINITION);
    let commit = commit.put(".gitsheets/rivers.toml", RIVERS).put_all(rivers);
    let commit = commit.put_all(people).push().parse().expect("it is a commit");
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).expect("it opens");
    let objects = mirror.objects().expect("it opens");
    load(&objects, commit, &LoadOptions::default()).expect("it loads")
});

/// Parameters, a line each, as `name=value`.
pub fn list(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pairs: Vec<(String, String)> = text
        .lines()
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let sheet = STATE.sheet("people").expect("it is there");
    match ListQuery::parse(&pairs, sheet) {
        Err(problems) => assert!(!problems.is_empty(), "a refusal says why"),
        Ok(query) => {
            let Ok(page) = query.run(sheet, STATE.text(), &Budget::unlimited()) else { return };
            assert!(page.items.len() <= MAX_PAGE.min(page.total), "{} items", page.items.len());
            for item in &page.items {
                assert!(
                    STATE.visible("people", item.record.key.as_str()).is_some(),
                    "it is hidden"
                );
            }
            let keys = page
                .items
                .iter()
                .map(|it| (&it.record.key, it.element.as_ref().map(|element| &element.at)));
            let keys: std::collections::BTreeSet<_> = keys.collect();
            assert_eq!(keys.len(), page.items.len(), "no record is listed twice");
        }
    }
}

/// An expression, as a filter of a list; within a budget, which it keeps to.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sheet = STATE.sheet("people").expect("it is there");
    let pairs = [("filter".to_owned(), text.to_owned())];
    let Ok(query) = ListQuery::parse(&pairs, Within::of(&STATE, sheet)) else { return };
    let asked = Rc::new(Cell::new(0));
    let counted = asked.clone();
    let budget = Budget::while_true(move || {
        counted.set(counted.get() + 1);
        counted.get() < MOST_ASKED
    });
    let page = query.run(sheet, STATE.text(), &budget);
    assert!(asked.get() <= MOST_ASKED, "a budget that is used up is not asked again");
    for item in page.iter().flat_map(|page| &page.items) {
        assert!(STATE.visible("people", item.record.key.as_str()).is_some(), "it is hidden");
    }
}

/// The text of a search.
pub fn search(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(query) = Query::parse(text) else { return };
    let Ok(hits) = STATE.text().search(&query, Scope::All, 0, 10, &Budget::unlimited()) else {
        return;
    };
    assert!(hits.hits.len() <= 10 && hits.hits.len() as u64 <= hits.total, "{} hits", hits.total);
    for pair in hits.hits.windows(2) {
        assert!(pair[0].score >= pair[1].score, "the best comes first");
    }
    for hit in &hits.hits {
        assert!(STATE.visible(hit.name.sheet.as_str(), hit.name.key.as_str()).is_some());
    }
    let corrections = hits.readings.corrections();
    assert!(corrections.len() <= MAX_CORRECTED);
    for spelling in corrections.iter().flat_map(|correction| &correction.used) {
        let name = spelling.document();
        assert!(STATE.visible(name.sheet.as_str(), name.key.as_str()).is_some(), "it is hidden");
        assert!(!STATE.spelled(spelling).is_empty());
    }
    for language in [Language::Unsaid, Language::German] {
        let mut highlighter = Highlighter::new(&hits.readings, language);
        if let Some(html) = highlighter.excerpt(text) {
            let plain = html.replace("<mark>", "").replace("</mark>", "");
            assert!(html.contains("<mark>") && !plain.contains(['<', '>']), "{html}");
        }
    }
}
