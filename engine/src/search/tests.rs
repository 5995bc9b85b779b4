mod boolean;
mod ranked;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::index::FEW;
use super::*;
use crate::budget::Budget;
use crate::id::{CommitId, Key, SheetName};
use crate::language::Language;
use crate::search::levenshtein::tests::distance;

/// The texts of an index: sheet and key, then the texts of the two slots.
type Corpus = BTreeMap<DocName, [Vec<String>; 2]>;

fn name(sheet: &str, key: &str) -> DocName {
    DocName { sheet: SheetName::new(sheet), key: Key::new(key) }
}

fn slots() -> Slots {
    Slots::new([3.0, 1.0])
}

/// A sheet named after a language code is in that language.
fn languages() -> Vec<(SheetName, Language)> {
    let sheet = |code| Some((SheetName::new(code), Language::of_code(code)?));
    Language::codes().filter_map(sheet).collect()
}

fn texts(corpus: &Corpus) -> Box<Texts<'_>> {
    let slots = [slots().slot(3.0), slots().slot(1.0)];
    Box::new(move |name, text| {
        for (slot, texts) in slots.iter().zip(corpus.get(name).into_iter().flatten()) {
            texts.iter().for_each(|each| text(*slot, each));
        }
    })
}

/// Returns the index with its words listed.
fn rebuilt(corpus: &Corpus) -> TextIndex {
    with_few(corpus, FEW)
}

/// Returns the index with its words written by tantivy.
fn stored(corpus: &Corpus) -> TextIndex {
    with_few(corpus, 0)
}

fn with_few(corpus: &Corpus, few: usize) -> TextIndex {
    let names = corpus.keys().cloned().collect();
    TextIndex::new(slots(), languages())
        .apply_listing(CommitId::ZERO, names, &texts(corpus), few)
        .unwrap()
}

/// One `sheet/key: title | body` a line.
fn corpus(lines: &str) -> Corpus {
    let line = |line: &str| {
        let (id, texts) = line.trim().split_once(": ").unwrap();
        let (sheet, key) = id.split_once('/').unwrap();
        let (title, body) = texts.split_once('|').unwrap_or((texts, ""));
        let texts = [title, body].map(|text| match text.trim() {
            "" => Vec::new(),
            text => text.split('/').map(str::to_owned).collect(),
        });
        (name(sheet, key), texts)
    };
    lines.trim().lines().map(line).collect()
}

fn found(index: &TextIndex, query: &str) -> String {
    let hits = index
        .search(&Query::parse(query).unwrap(), Scope::All, 0, 100, &Budget::unlimited())
        .unwrap();
    assert_eq!(hits.total, hits.hits.len() as u64);
    let names = hits.hits.iter().map(|hit| format!("{}/{}", hit.name.sheet, hit.name.key));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_kind_of_clause_finds_what_it_says() {
    let corpus = corpus(
        "a/1: The state engine | written in Rust
         a/2: Engine of state | communities run engines
         b/1: Rust belt | a community in Pennsylvania
         b/2: Crème brûlée | rust-lang and rust lang / lang rust",
    );
    let (index, stored) = (rebuilt(&corpus), stored(&corpus));
    for (query, expected) in [
        ("rust", "b/1 b/2 a/1"),
        ("RUSTING", "b/1 b/2 a/1"),
        ("state engine", "a/2 a/1"),
        ("\"state engine\"", "a/1"),
        ("\"engine state\"", ""),
        ("\"engine of state\"", "a/2"),
        ("engine -rust", "a/2"),
        ("rust -\"rust belt\"", "b/2 a/1"),
        ("rust -java", "b/1 b/2 a/1"),
        ("rust-lang", "b/2"),
        ("\"lang rust\"", "b/2"),
        ("communit*", "a/2 b/1"),
        ("community*", "a/2 b/1"),
        ("creme brul*", "b/2"),
        ("rust-la*", "b/2"),
        ("pen*", "b/1"),
        ("nowhere", ""),
        ("rust nowhere", ""),
        ("nowhere*", ""),
    ] {
        assert_eq!(found(&index, query), expected, "{query}");
        assert_eq!(found(&stored, query), expected, "{query}");
    }
}

/// Returns the replacements for words that occur nowhere, as spelled in their documents.
fn corrected(corpus: &Corpus, index: &TextIndex, query: &str, scope: Scope<'_>) -> String {
    let hits =
        index.search(&Query::parse(query).unwrap(), scope, 0, 100, &Budget::unlimited()).unwrap();
    let told = hits.readings.corrections().iter().map(|correction| {
        let used = correction.used.iter().map(|spelling| {
            let texts = corpus[spelling.document()].iter().flatten();
            texts.filter_map(|text| spelling.written_in(text)).next().unwrap()
        });
        format!("{}: {}", correction.typed, used.collect::<Vec<_>>().join(" "))
    });
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_typo_that_is_allowed_for_finds_less_than_the_word_itself() {
    let corpus = corpus(
        "a/1: rover rover rover | rover
         a/2: other | a river in a long text about something else entirely and more of it
         a/3: rovert | other",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        assert_eq!(found(&index, "river"), "a/2");
        assert_eq!(found(&index, "river~"), "a/2 a/1");
        assert_eq!(found(&index, "river~2"), "a/2 a/1 a/3");
        assert_eq!(found(&index, "other -river~"), "a/3");
        assert_eq!(found(&index, "rovre~"), "a/1");
    }
}

#[test]
fn a_word_that_is_nowhere_is_corrected_by_the_nearest() {
    let corpus = corpus(
        "a/1: The state engine | written in Rust
         a/2: Engines of states | communities run engines
         b/1: Rust belt | a community in Pennsylvania
         b/2: gnat | goat",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        for (query, expected, told) in [
            ("comunity", "a/2 b/1", "comunity: communities"),
            ("engnie rust", "a/1", "engnie: engine"),
            ("\"state engnie\"", "a/1", "engnie: engine"),
            ("pensylvnia", "b/1", "pensylvnia: pennsylvania"),
            ("penylvnia", "", ""),
            ("gnet", "b/2", "gnet: gnat"),
            ("gxat", "b/2", "gxat: gnat goat"),
            ("comunities", "a/2 b/1", "comunities: communities"),
            ("rst", "", ""),
            ("engnie rst", "", ""),
            ("engnie -comunity", "a/2 a/1", "engnie: engine"),
            ("engni*", "", ""),
            ("engine Rust community", "", ""),
            ("staet engnie riten rusty blet", "", ""),
        ] {
            assert_eq!(found(&index, query), expected, "{query}");
            assert_eq!(corrected(&corpus, &index, query, Scope::All), told, "{query}");
        }
    }
}

#[test]
fn only_words_of_the_scope_correct_and_only_words_of_the_scope_are_there() {
    let corpus = corpus("a/1: river\nb/1: rover\nb/2: rivers\nc/1: other");
    let index = rebuilt(&corpus);
    let told = |sheets: &[&str], query: &str| {
        let sheets: Vec<_> = sheets.iter().map(|sheet| SheetName::new(*sheet)).collect();
        corrected(&corpus, &index, query, Scope::Sheets(&sheets))
    };
    assert_eq!(told(&["a"], "rover"), "rover: river");
    assert_eq!(told(&["b"], "rover"), "");
    assert_eq!(told(&["a", "b"], "rovr"), "rovr: rover");
    assert_eq!(told(&["a"], "rivr"), "rivr: river");
    assert_eq!(told(&["b"], "rivr"), "rivr: rivers");
    assert_eq!(told(&["c"], "rivr"), "");
    let dead = index.apply(CommitId::ZERO, vec![name("a", "1")], &texts(&Corpus::new())).unwrap();
    assert_eq!(corrected(&corpus, &dead, "rivr", Scope::All), "rivr: rivers");
}

#[test]
fn each_sheet_is_read_in_its_language() {
    let corpus = corpus(
        "de/1: Die Häuser der Stadt | das Werk
         en/1: The houses of the town | the works
         none/1: the works of towns | works
         s/1: the houses | works of the towns",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        for (query, expected) in [
            ("haus", "de/1"),
            ("die haus", "de/1"),
            ("house", "en/1 s/1"),
            ("the house", "en/1 s/1"),
            ("a house", "en/1"),
            ("\"work\"", "en/1 s/1"),
            ("works", "none/1 en/1 s/1"),
            ("werke", "de/1"),
            ("\"der stadt\"", "de/1"),
            ("\"die stadt\"", ""),
            ("town*", "none/1 en/1 s/1"),
            ("the -works", ""),
            ("the", "none/1 en/1 s/1"),
            ("häsuer~", "de/1"),
            ("hauser", "de/1"),
        ] {
            let mut names: Vec<_> = found(&index, query).split(' ').map(str::to_owned).collect();
            let mut wanted: Vec<_> = expected.split(' ').map(str::to_owned).collect();
            names.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(names, wanted, "{query}");
        }
        assert_eq!(corrected(&corpus, &index, "stadtt", Scope::All), "stadtt: stadt");
        assert_eq!(corrected(&corpus, &index, "huose", Scope::All), "huose: houses houses");
    }
}

#[test]
fn a_text_that_begins_like_the_mark_of_a_language_is_not_in_it() {
    let corpus = corpus("s/1: \u{5}works\nde/1: \u{7}werke");
    for index in [rebuilt(&corpus), stored(&corpus)] {
        assert_eq!(found(&index, "work"), "s/1");
        assert_eq!(found(&index, "werk"), "de/1");
    }
    assert_same(&rebuilt(&corpus), &stored(&corpus));
}

#[test]
fn a_phrase_does_not_reach_from_one_text_into_the_next() {
    let corpus = corpus("a/1: x | one two/three four");
    for index in [rebuilt(&corpus), stored(&corpus)] {
        assert_eq!(found(&index, "\"two three\""), "");
        assert_eq!(found(&index, "\"three four\""), "a/1");
    }
}

#[test]
fn a_match_in_a_boosted_slot_is_better_and_ties_go_by_name() {
    let index = rebuilt(&corpus(
        "b/1: other | word
         b/0: other | word
         a/9: other | word
         c/1: word | other",
    ));
    assert_eq!(found(&index, "word"), "c/1 a/9 b/0 b/1");
}

#[test]
fn pages_are_cut_from_one_order() {
    let lines: String = (0..50).map(|n| format!("a/{n:02}: word | {}\n", "x ".repeat(n))).collect();
    let corpus = corpus(&lines);
    let (index, query) = (rebuilt(&corpus), Query::parse("word").unwrap());
    let all = index.search(&query, Scope::All, 0, 100, &Budget::unlimited()).unwrap();
    let page = index.search(&query, Scope::All, 17, 5, &Budget::unlimited()).unwrap();
    assert_eq!((page.total, &*page.hits), (50, &all.hits[17..22]));
    assert_eq!(index.search(&query, Scope::All, 50, 5, &Budget::unlimited()).unwrap().hits, []);
    let none = index.search(&query, Scope::All, 0, 0, &Budget::unlimited()).unwrap();
    assert_eq!((none.total, none.hits), (50, vec![]));
}

#[test]
fn a_scope_leaves_other_sheets_out_of_hits_and_total() {
    let index = rebuilt(&corpus("a/1: word\nb/1: word\nb/2: word\nc/1: word"));
    let query = Query::parse("word").unwrap();
    let sheets = ["c", "a"].map(SheetName::new);
    let hits = index.search(&query, Scope::Sheets(&sheets), 0, 10, &Budget::unlimited()).unwrap();
    let names: Vec<_> = hits.hits.iter().map(|hit| hit.name.sheet.as_str()).collect();
    assert_eq!((hits.total, names), (2, vec!["a", "c"]));
    let keys = index
        .matches(&query, &SheetName::new("b"), &|_, _, _| (), &Budget::unlimited())
        .unwrap()
        .documents;
    assert_eq!(keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        index.search(&query, Scope::Sheets(&[]), 0, 10, &Budget::unlimited()).unwrap().total,
        0
    );
}

#[test]
fn a_document_without_texts_is_gone() {
    let before = corpus("a/1: word\na/2: word");
    let index = rebuilt(&before);
    let after = corpus("a/2: word");
    let stamp = CommitId::from_bytes([7; 20]);
    let next = index.apply(stamp, vec![name("a", "1"), name("a", "9")], &texts(&after)).unwrap();
    assert_eq!((found(&next, "word"), next.documents(), next.stamp()), ("a/2".into(), 1, stamp));
    assert_eq!((found(&index, "word"), index.documents()), ("a/1 a/2".into(), 2));
    let none = next.apply(stamp, vec![name("a", "2")], &texts(&Corpus::new())).unwrap();
    assert_eq!((none.documents(), none.segments(), found(&none, "word")), (0, 0, String::new()));
}

#[test]
fn a_prefix_of_too_many_words_is_refused_whatever_was_there_before() {
    let words = |count: usize| (0..count).map(|n| format!("w{n} ")).collect::<String>();
    let corpus = corpus(&format!("a/1: {}\na/2: wx wy", words(998)));
    let query = Query::parse("w*").unwrap();
    assert_eq!(
        stored(&corpus).search(&query, Scope::All, 0, 1, &Budget::unlimited()).unwrap().total,
        2
    );
    let index = rebuilt(&corpus);
    assert_eq!(index.search(&query, Scope::All, 0, 1, &Budget::unlimited()).unwrap().total, 2);
    // One more word, in a document that is dead again in the next state.
    let mut more = corpus.clone();
    more.insert(name("b", "1"), [vec!["wz".to_owned()], Vec::new()]);
    let more_index = index.apply(CommitId::ZERO, vec![name("b", "1")], &texts(&more)).unwrap();
    let refused = more_index.search(&query, Scope::All, 0, 1, &Budget::unlimited());
    assert!(matches!(refused, Err(SearchError::Query(QueryError::TooOpen))));
    let more_index = more_index.apply(CommitId::ZERO, vec![name("b", "2")], &texts(&more)).unwrap();
    let back = more_index.apply(CommitId::ZERO, vec![name("b", "1")], &texts(&corpus)).unwrap();
    assert_eq!(back.search(&query, Scope::All, 0, 1, &Budget::unlimited()).unwrap().total, 2);
    // Several prefixes match no more words than one.
    let mut others = corpus.clone();
    others.insert(name("b", "1"), [vec!["va vb".to_owned()], Vec::new()]);
    for index in [rebuilt(&others), stored(&others)] {
        let refused =
            index.search(&Query::parse("w* v*").unwrap(), Scope::All, 0, 1, &Budget::unlimited());
        assert!(matches!(refused, Err(SearchError::Query(QueryError::TooOpen))));
    }
}

#[test]
fn a_change_that_came_during_a_compaction_is_kept() {
    let mut corpus = Corpus::new();
    let mut index = TextIndex::new(slots(), languages());
    for n in 0..8 {
        corpus.insert(name("a", &n.to_string()), [vec![format!("word n{n}")], Vec::new()]);
        index =
            index.apply(CommitId::ZERO, vec![name("a", &n.to_string())], &texts(&corpus)).unwrap();
    }
    let plan = index.compaction().unwrap();
    let compacted = plan.run(&texts(&corpus)).unwrap();
    corpus.remove(&name("a", "3"));
    corpus.insert(name("a", "5"), [vec!["word changed".to_owned()], Vec::new()]);
    corpus.insert(name("a", "8"), [vec!["word new".to_owned()], Vec::new()]);
    let changed = vec![name("a", "3"), name("a", "5"), name("a", "8")];
    let index = index.apply(CommitId::ZERO, changed, &texts(&corpus)).unwrap();
    let index = index.adopting(compacted);
    assert_eq!(index.segments(), 2);
    assert_same(&index, &rebuilt(&corpus));
}

#[test]
fn a_compaction_that_ends_behind_a_step_back_replaces_nothing() {
    let all: Vec<_> = (0..10).map(|n| name("a", &n.to_string())).collect();
    let old: Corpus =
        all.iter().map(|n| (n.clone(), [vec!["old".to_owned()], Vec::new()])).collect();
    let before = TextIndex::new(slots(), languages())
        .apply(CommitId::ZERO, all.clone(), &texts(&old))
        .unwrap();
    let mut new = old.clone();
    for name in &all[..4] {
        new.insert(name.clone(), [vec!["new".to_owned()], Vec::new()]);
    }
    let after = before.apply(CommitId::ZERO, all[..4].to_vec(), &texts(&new)).unwrap();
    let compacted = after.compaction().unwrap().run(&texts(&new)).unwrap();
    assert_same(&before.adopting(compacted), &rebuilt(&old));
}

#[test]
fn a_compaction_with_other_texts_is_refused() {
    let mut corpus = Corpus::new();
    let mut index = TextIndex::new(slots(), languages());
    for n in 0..8 {
        let name = name("a", &n.to_string());
        corpus.insert(name.clone(), [vec!["word".to_owned()], Vec::new()]);
        index = index.apply(CommitId::ZERO, vec![name], &texts(&corpus)).unwrap();
    }
    corpus.remove(&name("a", "3"));
    let refused = index.compaction().unwrap().run(&texts(&corpus));
    assert!(matches!(refused, Err(SearchError::OutOfStep)));
}

#[test]
fn a_word_that_most_documents_hold_is_found_alike_in_blocks_and_in_lists() {
    // More documents than are processed together, and more with the word than fit in a block.
    let numbers = || 0..600;
    let name = |n: usize| name(["s0", "s1", "s2"][n % 3], &format!("{n:03}"));
    let texts_of = |n: usize| {
        [vec!["ant ".repeat(n % 3)], vec![format!("bee {}{}", "ant cat ".repeat(n % 5), n)]]
    };
    let mut corpus: Corpus = numbers().map(|n| (name(n), texts_of(n))).collect();
    let index = stored(&corpus);
    assert_same(&index, &rebuilt(&corpus));
    let gone: Vec<DocName> = numbers().step_by(7).map(name).collect();
    gone.iter().for_each(|name| drop(corpus.remove(name)));
    let index = index.apply(CommitId::ZERO, gone, &texts(&corpus)).unwrap();
    assert_same(&index, &rebuilt(&corpus));
}

/// Asserts that both indexes hold and find the same, to the last bit of every score.
fn assert_same(index: &TextIndex, other: &TextIndex) {
    assert_eq!(index.documents(), other.documents());
    assert_eq!(index.totals, other.totals);
    assert_eq!(index.digest().unwrap(), other.digest().unwrap());
    let demands = [Matching::All, Matching::Auto, Matching::Any].into_iter().cycle();
    for (query, matching) in QUERIES.into_iter().zip(demands) {
        let query = Query::parse(query).unwrap().matching(matching);
        for (offset, limit) in [(0, 1_000), (1, 3)] {
            let answer = |index: &TextIndex| {
                let hits =
                    index.search(&query, Scope::All, offset, limit, &Budget::unlimited()).unwrap();
                let bits = |hit: Hit| (hit.name, hit.score.to_bits());
                (hits.total, hits.hits.into_iter().map(bits).collect::<Vec<_>>(), hits.readings)
            };
            assert_eq!(answer(index), answer(other), "{query:?}");
        }
        for sheet in ["s1", "de"].map(SheetName::new) {
            assert_eq!(
                index.matches(&query, &sheet, &|_, _, _| (), &Budget::unlimited()).unwrap(),
                other.matches(&query, &sheet, &|_, _, _| (), &Budget::unlimited()).unwrap()
            );
        }
    }
}

const QUERIES: [&str; 21] = [
    "ant",
    "ant bee",
    "ant bee cat dog",
    "dog cat bee ant",
    "\"ant bee\"",
    "\"ant bee cat\" dog",
    "ant -bee",
    "c* d*",
    "\"bee ant\" -\"cat dog\" a*",
    "cat -d*",
    "the ant",
    "ants~",
    "antt~ dog",
    "beers~2 -dogs~",
    "beees",
    "catts hunded",
    "\"hundd der\"",
    "ant OR (bee -cat)",
    "NOT ant",
    "-\"ant bee\" -d*",
    "hun",
];

/// One step to the next state: changes to some documents, and whether to compact then.
#[derive(Debug, Clone)]
struct Step {
    changes: Vec<(DocName, Option<[Vec<String>; 2]>)>,
    compact: bool,
    /// The most documents that are listed.
    few: usize,
}

fn any_text() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "ant", "bee", "cat", "dog", "cats", "doe", "ants", "!", "eel", "the", "der", "Hunde",
        "beers", "Hundert",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..12).prop_map(|words| words.join(" "))
}

fn any_step() -> impl Strategy<Value = Step> {
    let sheet = prop::sample::select(&["s0", "s1", "s2", "de", "en", "none"][..]);
    let doc = (sheet, 0..20_u8).prop_map(|(sheet, k)| name(sheet, &format!("k{k}")));
    let texts = || prop::collection::vec(any_text(), 0..3);
    let texts = prop::option::weighted(0.75, (texts(), texts()).prop_map(|(a, b)| [a, b]));
    let changes = prop::collection::vec((doc, texts), 0..12);
    let few = prop::sample::select(vec![0, 4, FEW]);
    (changes, prop::bool::ANY, few).prop_map(|(changes, compact, few)| Step {
        changes,
        compact,
        few,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The law of the text index: however a state came about, it equals a rebuild.
    #[test]
    fn a_changed_index_equals_a_rebuilt_one(steps in prop::collection::vec(any_step(), 1..24)) {
        let (mut corpus, mut index) = (Corpus::new(), TextIndex::new(slots(), languages()));
        for step in steps {
            let before = index.clone();
            let plan = before.compaction();
            let compacted = plan.map(|plan| plan.run(&texts(&corpus)).unwrap());
            let changed = step.changes.iter().map(|(name, _)| name.clone()).collect();
            for (name, texts) in step.changes {
                match texts {
                    Some(texts) => corpus.insert(name, texts),
                    None => corpus.remove(&name),
                };
            }
            let texts = texts(&corpus);
            index = index.apply_listing(CommitId::ZERO, changed, &texts, step.few).unwrap();
            if step.compact && let Some(compacted) = compacted {
                index = index.adopting(compacted);
            }
            prop_assert!(index.segments() <= 70);
        }
        assert_same(&index, &rebuilt(&corpus));
        assert_same(&index, &stored(&corpus));
    }

    /// Checks against a model that counts words itself that the same documents match.
    #[test]
    fn matches_are_those_of_a_naive_reading(texts in prop::collection::vec(any_text(), 1..30)) {
        let corpus: Corpus = texts
            .iter()
            .enumerate()
            .map(|(n, text)| (name("s", &format!("{n:02}")), [Vec::new(), vec![text.clone()]]))
            .collect();
        let index = rebuilt(&corpus);
        let words = |text: &str| -> Vec<String> {
            let words = text.split(' ').filter(|word| !["", "!"].contains(word));
            words.map(|word| word.trim_end_matches('s').to_owned()).collect()
        };
        type Model = fn(&[String]) -> bool;
        let models: [(&str, Model); 4] = [
            ("ant bee", |words| ["ant", "bee"].iter().all(|word| words.iter().any(|w| w == word))),
            ("ant -bee", |words| {
                words.iter().any(|w| w == "ant") && !words.iter().any(|w| w == "bee")
            }),
            ("\"ant bee\"", |words| words.windows(2).any(|pair| pair == ["ant", "bee"])),
            ("d*", |words| words.iter().any(|w| w.starts_with('d'))),
        ];
        for (query, model) in models {
            let expected: Vec<String> = texts
                .iter()
                .enumerate()
                .filter(|(_, text)| model(&words(text)))
                .map(|(n, _)| format!("{n:02}"))
                .collect();
            let query = Query::parse(query).unwrap().going_on(false);
            let found = index.matches(&query, &SheetName::new("s"), &|_, _, _| (), &Budget::unlimited()).unwrap();
            let found: Vec<_> = found.documents.iter().map(|(key, _)| key.as_str().to_owned()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    /// Checks typos and corrections against a model that computes the edit distance of every word.
    #[test]
    fn words_that_are_spelled_alike_are_those_of_a_naive_reading(
        texts in prop::collection::vec(prop::collection::vec("[ab]{3,9}", 1..4), 1..10),
        word in "[ab]{3,9}",
        few in prop::sample::select(vec![0, FEW]),
    ) {
        let corpus: Corpus = texts
            .iter()
            .enumerate()
            .map(|(n, words)| (name("none", &n.to_string()), [Vec::new(), vec![words.join(" ")]]))
            .collect();
        let index = with_few(&corpus, few);
        let near = |other: &str, edits: usize| {
            let keeps = edits == 1 || other.as_bytes()[0] == word.as_bytes()[0];
            keeps && distance(&word, other) <= edits
        };
        let holders = |is_meant: &dyn Fn(&str) -> bool| -> Vec<String> {
            let holds = |words: &[String]| words.iter().any(|word| is_meant(word));
            let all = texts.iter().enumerate();
            all.filter(|(_, words)| holds(words)).map(|(n, _)| n.to_string()).collect()
        };
        let sheet = SheetName::new("none");
        let answer = |query: &str| {
            let query = Query::parse(query).unwrap().going_on(false);
            let found = index.matches(&query, &sheet, &|_, _, _| (), &Budget::unlimited()).unwrap();
            let keys: Vec<_> = found.documents.iter().map(|(key, _)| key.to_string()).collect();
            let used = found.readings.into_corrections().into_iter().flat_map(|it| it.used);
            (keys, used.map(|spelling| spelling.stem().to_owned()).collect::<Vec<_>>())
        };
        for edits in (1..=2).filter(|edits| word.len() >= MIN_TYPO_LETTERS[edits - 1]) {
            let expected = holders(&|other| other == word || near(other, edits));
            prop_assert_eq!(answer(&format!("{word}~{edits}")), (expected, vec![]));
        }
        // A word that is written in two parts, or begins another, is not misspelled.
        let parted = |words: &Vec<String>| words.windows(2).any(|pair| pair.concat() == word);
        if texts.iter().any(parted) || texts.iter().flatten().any(|other| other.starts_with(&word)) {
            return Ok(());
        }
        let exact = holders(&|other| other == word);
        let most = MIN_CORRECTED_LETTERS.iter().filter(|letters| word.len() >= **letters).count();
        let mut used: Vec<&String> = Vec::new();
        for edits in (1..=most).filter(|_| exact.is_empty()) {
            if used.is_empty() {
                used = texts.iter().flatten().filter(|other| near(other, edits)).collect();
            }
        }
        let frequency = |word: &str| holders(&|other| other == word).len();
        used.sort_by_key(|word| (std::cmp::Reverse(frequency(word)), word.as_str()));
        used.dedup();
        used.truncate(MAX_CORRECTIONS);
        let expected = holders(&|other| other == word || used.iter().any(|used| *used == other));
        let used: Vec<String> = used.into_iter().cloned().collect();
        prop_assert_eq!(answer(&word), (expected, used));
    }
}

#[test]
fn a_restricted_index_is_that_of_the_documents_that_are_left() {
    let key = |n: usize| Key::new(format!("{n:02}"));
    let mut all = Corpus::new();
    for (at, sheet) in ["de", "en", "other"].iter().enumerate() {
        for n in 0..90 {
            let text =
                [["river", "ferry"][n % 2], ["meadow", "lantern", "harbour"][n % 3]].join(" ");
            let texts = [vec![text.clone()], vec![text; (n + at) % 4]];
            all.insert(DocName { sheet: SheetName::new(*sheet), key: key(n) }, texts);
        }
    }
    let gone: Vec<_> = all.keys().step_by(7).cloned().collect();
    let mut left = all.clone();
    left.retain(|name, _| !gone.contains(name));
    // Some of these keys are gone already, and some never were.
    let few: im::OrdSet<Key> = [5, 6, 63, 64, 65, 99].into_iter().map(key).collect();
    let many: im::OrdSet<Key> = (3..200).map(key).collect();
    let kinds = [
        Restriction::All,
        Restriction::None,
        Restriction::Except(&few),
        Restriction::Except(&many),
    ];
    for least in [FEW, 0] {
        let index = with_few(&all, least);
        let index =
            index.apply_listing(CommitId::ZERO, gone.clone(), &texts(&left), least).unwrap();
        for choice in 0..64 {
            let kind = |sheet: &SheetName| match sheet.as_str() {
                "de" => kinds[choice % 4],
                "en" => kinds[choice / 4 % 4],
                _ => kinds[choice / 16],
            };
            let mut seen = left.clone();
            seen.retain(|name, _| match kind(&name.sheet) {
                Restriction::All => true,
                Restriction::None => false,
                Restriction::Except(keys) => !keys.contains(&name.key),
            });
            let restricted = index.restricted(&kind);
            let names: BTreeSet<_> = restricted.segments.iter().flat_map(|it| it.names()).collect();
            assert_eq!(names, seen.keys().cloned().collect(), "{choice}");
            assert_eq!(restricted.totals, rebuilt(&seen).totals, "{choice}");
            assert_eq!(found(&restricted, "river meadow"), found(&rebuilt(&seen), "river meadow"));
        }
    }
}
