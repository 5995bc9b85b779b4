use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The texts by which an index is made: sheet, key, then texts of the two slots.
type Corpus = BTreeMap<DocName, [Vec<String>; 2]>;

fn name(sheet: &str, key: &str) -> DocName {
    DocName { sheet: SheetName::new(sheet), key: Key::new(key) }
}

fn slots() -> Slots {
    Slots::new([3.0, 1.0])
}

fn texts(corpus: &Corpus) -> Box<Texts<'_>> {
    let slots = [slots().slot(3.0), slots().slot(1.0)];
    Box::new(move |name, text| {
        for (slot, texts) in slots.iter().zip(corpus.get(name).into_iter().flatten()) {
            texts.iter().for_each(|each| text(*slot, each));
        }
    })
}

/// Returns the index with the words in lists.
fn rebuilt(corpus: &Corpus) -> TextIndex {
    with_few(corpus, FEW)
}

/// Returns the index with the words as tantivy writes them.
fn stored(corpus: &Corpus) -> TextIndex {
    with_few(corpus, 0)
}

fn with_few(corpus: &Corpus, few: usize) -> TextIndex {
    let names = corpus.keys().cloned().collect();
    TextIndex::new(slots()).apply_listing(CommitId::ZERO, names, &texts(corpus), few).unwrap()
}

/// `sheet/key: title | body`, one a line.
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
    let hits = index.search(&Query::parse(query).unwrap(), Scope::All, 0, 100).unwrap();
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
    let all = index.search(&query, Scope::All, 0, 100).unwrap();
    let page = index.search(&query, Scope::All, 17, 5).unwrap();
    assert_eq!((page.total, &*page.hits), (50, &all.hits[17..22]));
    assert_eq!(index.search(&query, Scope::All, 50, 5).unwrap().hits, []);
    assert_eq!(index.search(&query, Scope::All, 0, 0).unwrap(), Hits { total: 50, hits: vec![] });
}

#[test]
fn a_scope_leaves_other_sheets_out_of_hits_and_total() {
    let index = rebuilt(&corpus("a/1: word\nb/1: word\nb/2: word\nc/1: word"));
    let query = Query::parse("word").unwrap();
    let sheets = ["c", "a"].map(SheetName::new);
    let hits = index.search(&query, Scope::Sheets(&sheets), 0, 10).unwrap();
    let names: Vec<_> = hits.hits.iter().map(|hit| hit.name.sheet.as_str()).collect();
    assert_eq!((hits.total, names), (2, vec!["a", "c"]));
    let keys = index.matches(&query, &SheetName::new("b")).unwrap();
    assert_eq!(keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(index.search(&query, Scope::Sheets(&[]), 0, 10).unwrap().total, 0);
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
    assert_eq!(stored(&corpus).search(&query, Scope::All, 0, 1).unwrap().total, 2);
    let index = rebuilt(&corpus);
    assert_eq!(index.search(&query, Scope::All, 0, 1).unwrap().total, 2);
    // One word more, held by a document that is dead again in the next state.
    let mut more = corpus.clone();
    more.insert(name("b", "1"), [vec!["wz".to_owned()], Vec::new()]);
    let more_index = index.apply(CommitId::ZERO, vec![name("b", "1")], &texts(&more)).unwrap();
    let refused = more_index.search(&query, Scope::All, 0, 1);
    assert!(matches!(refused, Err(SearchError::Query(QueryError::PrefixesTooShort))));
    let more_index = more_index.apply(CommitId::ZERO, vec![name("b", "2")], &texts(&more)).unwrap();
    let back = more_index.apply(CommitId::ZERO, vec![name("b", "1")], &texts(&corpus)).unwrap();
    assert_eq!(back.search(&query, Scope::All, 0, 1).unwrap().total, 2);
    // Several prefixes have no more words than one.
    let mut others = corpus.clone();
    others.insert(name("b", "1"), [vec!["va vb".to_owned()], Vec::new()]);
    for index in [rebuilt(&others), stored(&others)] {
        let refused = index.search(&Query::parse("w* v*").unwrap(), Scope::All, 0, 1);
        assert!(matches!(refused, Err(SearchError::Query(QueryError::PrefixesTooShort))));
    }
}

#[test]
fn a_change_that_came_during_a_compaction_is_kept() {
    let mut corpus = Corpus::new();
    let mut index = TextIndex::new(slots());
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
    let before = TextIndex::new(slots()).apply(CommitId::ZERO, all.clone(), &texts(&old)).unwrap();
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
    let mut index = TextIndex::new(slots());
    for n in 0..8 {
        let name = name("a", &n.to_string());
        corpus.insert(name.clone(), [vec!["word".to_owned()], Vec::new()]);
        index = index.apply(CommitId::ZERO, vec![name], &texts(&corpus)).unwrap();
    }
    corpus.remove(&name("a", "3"));
    let refused = index.compaction().unwrap().run(&texts(&corpus));
    assert!(matches!(refused, Err(SearchError::OutOfStep)));
}

/// Asserts that both hold and find the same, to the last bit of every score.
fn assert_same(index: &TextIndex, other: &TextIndex) {
    assert_eq!(index.documents(), other.documents());
    assert_eq!(index.totals, other.totals);
    assert_eq!(index.digest().unwrap(), other.digest().unwrap());
    for query in QUERIES {
        let query = Query::parse(query).unwrap();
        let answer = |index: &TextIndex| {
            let hits = index.search(&query, Scope::All, 0, 1_000).unwrap();
            let bits = |hit: Hit| (hit.name, hit.score.to_bits());
            (hits.total, hits.hits.into_iter().map(bits).collect::<Vec<_>>())
        };
        assert_eq!(answer(index), answer(other), "{query:?}");
        let sheet = SheetName::new("s1");
        assert_eq!(index.matches(&query, &sheet).unwrap(), other.matches(&query, &sheet).unwrap());
    }
}

const QUERIES: [&str; 10] = [
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
];

/// One state that follows another: what becomes of some documents, and whether to compact then.
#[derive(Debug, Clone)]
struct Step {
    changes: Vec<(DocName, Option<[Vec<String>; 2]>)>,
    compact: bool,
    /// Up to how many documents are listed.
    few: usize,
}

fn any_text() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &["ant", "bee", "cat", "dog", "cats", "doe", "ants", "!", "eel"];
    prop::collection::vec(prop::sample::select(WORDS), 0..12).prop_map(|words| words.join(" "))
}

fn any_step() -> impl Strategy<Value = Step> {
    let doc = (0..3_u8, 0..40_u8).prop_map(|(s, k)| name(&format!("s{s}"), &format!("k{k}")));
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

    /// The law for the text index: however a state came about, it equals a rebuild.
    #[test]
    fn a_changed_index_equals_a_rebuilt_one(steps in prop::collection::vec(any_step(), 1..24)) {
        let (mut corpus, mut index) = (Corpus::new(), TextIndex::new(slots()));
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

    /// Against a model that counts words itself: the same documents match.
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
            let query = Query::parse(query).unwrap();
            let found = index.matches(&query, &SheetName::new("s")).unwrap();
            let found: Vec<_> = found.iter().map(|(key, _)| key.as_str().to_owned()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
