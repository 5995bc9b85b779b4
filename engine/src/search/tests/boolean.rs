//! Tests queries with operators, and queries that do not require all words, against an evaluator
//! that shares no code with the engine: it applies the tree that the query was written from to each
//! text.

use proptest::prelude::*;

use super::*;
use crate::search::Matching;

/// A query before it is written as text.
#[derive(Debug, Clone)]
enum Asked {
    Word(&'static str),
    Phrase(&'static str, &'static str),
    Not(Box<Asked>),
    Beside(Vec<Asked>),
    And(Box<Asked>, Box<Asked>),
    Or(Box<Asked>, Box<Asked>),
}

const WORDS: &[&str] = &["aa", "bb", "cc", "dd", "ee"];

impl Asked {
    fn written(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Phrase(first, second) => format!("\"{first} {second}\""),
            Self::Not(asked) => format!("NOT ({})", asked.written()),
            Self::Beside(all) => {
                let all: Vec<_> = all.iter().map(|one| format!("({})", one.written())).collect();
                all.join(" ")
            }
            Self::And(one, other) => format!("(({}) AND ({}))", one.written(), other.written()),
            Self::Or(one, other) => format!("({} OR {})", one.written(), other.written()),
        }
    }

    /// Whether it says only what a text must not hold.
    fn excludes(&self) -> bool {
        match self {
            Self::Word(_) | Self::Phrase(..) => false,
            Self::Not(_) => true,
            Self::Beside(all) => all.iter().all(Self::excludes),
            Self::And(one, other) | Self::Or(one, other) => one.excludes() && other.excludes(),
        }
    }

    fn holds(&self, text: &[String], some: bool) -> bool {
        match self {
            Self::Word(word) => text.iter().any(|other| other == word),
            Self::Phrase(first, second) => {
                text.windows(2).any(|pair| pair[0] == *first && pair[1] == *second)
            }
            Self::Not(asked) => !asked.holds(text, some),
            Self::And(one, other) => one.holds(text, some) && other.holds(text, some),
            Self::Or(one, other) => one.holds(text, some) || other.holds(text, some),
            Self::Beside(all) if some => {
                let (without, with): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.excludes());
                without.iter().all(|one| one.holds(text, some))
                    && (with.is_empty() || with.iter().any(|one| one.holds(text, some)))
            }
            Self::Beside(all) => all.iter().all(|one| one.holds(text, some)),
        }
    }
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let word = || prop::sample::select(WORDS);
    let leaf = prop_oneof![
        4 => word().prop_map(Asked::Word),
        1 => (word(), word()).prop_map(|(a, b)| Asked::Phrase(a, b)),
    ];
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        let pair = || (inner.clone(), inner.clone()).prop_map(|(a, b)| (Box::new(a), Box::new(b)));
        prop_oneof![
            inner.clone().prop_map(|asked| Asked::Not(Box::new(asked))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Asked::Beside),
            pair().prop_map(|(a, b)| Asked::And(a, b)),
            pair().prop_map(|(a, b)| Asked::Or(a, b)),
        ]
    });
    prop::collection::vec(tree, 1..4).prop_map(Asked::Beside)
}

fn any_words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(WORDS), 0..5)
        .prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn any_tree_finds_what_a_naive_reading_finds_and_first_what_holds_all(
        texts in prop::collection::vec(any_words(), 1..90),
        asked in any_asked(),
        few in prop::sample::select(vec![0, FEW]),
    ) {
        let corpus: Corpus = texts
            .iter()
            .enumerate()
            .map(|(n, words)| (name("none", &format!("{n:02}")), [Vec::new(), vec![words.join(" ")]]))
            .collect();
        let index = with_few(&corpus, few);
        let holders = |some: bool| -> BTreeSet<String> {
            let all = texts.iter().enumerate();
            all.filter(|(_, words)| asked.holds(words, some)).map(|(n, _)| format!("{n:02}")).collect()
        };
        let (all, some) = (holders(false), holders(true));
        let either: BTreeSet<String> = all.union(&some).cloned().collect();
        let relaxes = all.len() < 10 && either.len() > all.len();
        let written = asked.written();
        for (matching, expected) in [
            (Matching::All, &all),
            (Matching::Any, &some),
            (Matching::Auto, if relaxes { &either } else { &all }),
        ] {
            let query = Query::parse(&written).unwrap().matching(matching).going_on(false);
            let hits = index.search(&query, Scope::All, 0, 100, &Budget::unlimited()).unwrap();
            let keys: Vec<String> = hits.hits.iter().map(|hit| hit.name.key.to_string()).collect();
            let found: BTreeSet<String> = keys.iter().cloned().collect();
            prop_assert_eq!(&found, expected, "{} {:?}", written, matching);
            prop_assert_eq!((hits.total, keys.len()), (expected.len() as u64, expected.len()));
            prop_assert_eq!(hits.relaxed, matching == Matching::Auto && relaxes);
            let best = |a: &Hit, b: &Hit| {
                a.score > b.score || a.score == b.score && a.name < b.name
            };
            prop_assert!(hits.hits.is_sorted_by(best));
            if hits.relaxed {
                let first: BTreeSet<String> = keys[..all.len()].iter().cloned().collect();
                prop_assert_eq!(&first, &all, "{} holds all", written);
            }
            // Each page is a part of the same order.
            let page = index.search(&query, Scope::All, 3, 4, &Budget::unlimited()).unwrap();
            let rest = hits.hits.iter().skip(3).take(4).cloned().collect::<Vec<_>>();
            prop_assert_eq!(page.hits, rest);
            let matches = index.matches(&query, &SheetName::new("none"), &|_, _, _| (), &Budget::unlimited()).unwrap();
            let mut ranked: Vec<_> =
                hits.hits.iter().map(|hit| (hit.name.key.clone(), hit.score)).collect();
            ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
            let matched: Vec<_> = matches.documents.iter().map(|(k, s)| ((*k).clone(), *s)).collect();
            prop_assert_eq!(matched, ranked);
        }
    }
}

#[test]
fn those_with_all_words_come_first_and_then_those_with_some() {
    let corpus = corpus(
        "a/1: river river river river | river
         a/2: stone | a long text about many other things with a river
         a/3: cloud | other",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let keys = |text: &str, matching: Matching| {
            let query = Query::parse(text).unwrap().matching(matching);
            let hits = index.search(&query, Scope::All, 0, 10, &Budget::unlimited()).unwrap();
            let keys: Vec<_> = hits.hits.iter().map(|hit| hit.name.key.to_string()).collect();
            (keys.join(" "), hits.relaxed)
        };
        for (text, matching, expected) in [
            ("river stone", Matching::All, ("2", false)),
            ("river stone", Matching::Auto, ("2 1", true)),
            ("river stone", Matching::Any, ("2 1", false)),
            ("stone", Matching::Auto, ("2", false)),
            ("river nowhere", Matching::Auto, ("1 2", true)),
            ("what is the cloud of", Matching::Auto, ("3", false)),
            ("the cloud", Matching::All, ("", false)),
            ("stone cloud -river", Matching::Auto, ("3", true)),
            ("stonn cloud", Matching::Auto, ("3 2", true)),
            ("(stone OR cloud) nowhere", Matching::Auto, ("2 3", true)),
            ("-river", Matching::Auto, ("3", false)),
            ("-river -cloud", Matching::All, ("", false)),
            ("cloud (-river -river)", Matching::Any, ("3", false)),
            ("cloud (-river OR -stone)", Matching::Auto, ("3", false)),
            ("stone cloud (-river -census)", Matching::Auto, ("3", true)),
        ] {
            let (found, relaxed) = keys(text, matching);
            let mut sorted: Vec<_> = found.split(' ').collect();
            let mut wanted: Vec<_> = expected.0.split(' ').collect();
            if text.contains("OR") || text.starts_with("stonn") {
                sorted.sort_unstable();
                wanted.sort_unstable();
            }
            assert_eq!((sorted, relaxed), (wanted, expected.1), "{text} {matching:?}");
        }
    }
}

#[test]
fn enough_documents_with_all_words_are_not_joined_by_others() {
    let lines: String =
        (0..12).map(|n| format!("a/{n:02}: ant {}\n", ["bee", "cat"][n / 10])).collect();
    let index = rebuilt(&corpus(&lines));
    let total = |text: &str| {
        let query = Query::parse(text).unwrap().matching(Matching::Auto);
        index.search(&query, Scope::All, 0, 1, &Budget::unlimited()).unwrap().total
    };
    assert_eq!((total("ant bee"), total("ant cat"), total("bee cat")), (10, 12, 12));
}

#[test]
fn the_last_word_stands_for_longer_ones_behind_itself() {
    let corpus = corpus(
        "a/1: census of trees | other
         a/2: cens | a long text that says cens once and many other things
         a/3: censor censor | cens cens cens
         a/4: volunteers | counted",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let keys = |text: &str, goes_on: bool| {
            let query = Query::parse(text).unwrap().going_on(goes_on);
            let hits = index.search(&query, Scope::All, 0, 10, &Budget::unlimited()).unwrap();
            assert_eq!(hits.readings.corrections(), [], "{text}");
            let keys: Vec<_> = hits.hits.iter().map(|hit| hit.name.key.to_string()).collect();
            keys.join(" ")
        };
        // Words that go on add to the rank of a document with the whole word.
        assert_eq!(keys("cens", true), "3 2 1");
        assert_eq!(keys("cens", false), "2 3");
        assert_eq!(keys("censu", true), "1");
        assert_eq!(keys("censu", false), "");
        assert_eq!(keys("trees cens", true), "1");
        assert_eq!(keys("cens trees", true), "");
        assert_eq!(keys("volunt", false), "4");
        assert_eq!(keys("volu", false), "");
        assert_eq!(keys("\"cens\"", true), "2 3");
        assert_eq!(keys("c", true), "");
        assert_eq!(keys("other -cens", true), "1");
    }
}

#[test]
fn words_find_each_other_however_they_are_cut() {
    let corpus = corpus(
        "a/1: frontend | x
         a/2: front end | x
         a/3: end of the front | x",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let keys = |text: &str| {
            let names = found(&index, text);
            let mut keys: Vec<_> = names.split(' ').collect();
            keys.sort_unstable();
            keys.join(" ")
        };
        assert_eq!(keys("frontend"), "a/1 a/2");
        assert_eq!(keys("front-end"), "a/1 a/2");
        assert_eq!(keys("front end"), "a/1 a/2 a/3");
        assert_eq!(keys("\"front end\""), "a/2");
    }
}
