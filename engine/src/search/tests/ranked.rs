//! Tests which of the matches come first.

use super::*;
use crate::search::Matching;

/// Returns the keys that a query finds, best first, without words that go on.
fn ranked(index: &TextIndex, query: &str, matching: Matching) -> String {
    let query = Query::parse(query).unwrap().matching(matching).going_on(false);
    let hits = index.search(&query, Scope::All, 0, 100, &Budget::unlimited()).unwrap();
    let keys = hits.hits.iter().map(|hit| hit.name.key.to_string());
    keys.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_word_is_as_rare_as_in_the_slot_where_most_documents_hold_it() {
    let many: Vec<_> = (10..30).map(|n| format!("a/{n}: title | a river")).collect();
    let corpus = corpus(&format!("a/1: river | \na/2: other | a gorge\n{}", many.join("\n")));
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let found = ranked(&index, "river gorge", Matching::Any);
        assert!(found.starts_with("2 1 10 "), "{found}");
    }
}

#[test]
fn one_word_in_two_slots_gains_less_than_two_words() {
    let corpus = corpus(
        "a/1: river | river
         a/2: river | gorge
         a/3: other | river
         a/4: other | gorge",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let found = ranked(&index, "river gorge", Matching::Any);
        assert!(found.starts_with("2 1 "), "{found}");
    }
}

#[test]
fn a_stop_word_decides_no_match_but_counts_in_the_rank() {
    let corpus = corpus(
        "a/1: river | stone
         a/2: river | the
         a/3: house | the",
    );
    for index in [rebuilt(&corpus), stored(&corpus)] {
        for (matching, query, expected) in [
            (Matching::Auto, "the river", "2 1"),
            (Matching::Any, "the river", "2 1"),
            (Matching::Auto, "the river wombat", "2 1"),
            (Matching::All, "the river", "2"),
            (Matching::Auto, "the", "2 3"),
            (Matching::Auto, "\"the\" river", "2 1 3"),
        ] {
            assert_eq!(ranked(&index, query, matching), expected, "{query} {matching:?}");
        }
    }
}

#[test]
fn another_spelling_counts_as_no_rarer_than_the_word() {
    let many: Vec<_> = (1..9).map(|n| format!("a/{n}: title | river fall")).collect();
    let corpus = corpus(&format!("a/0: title | riverfall\n{}", many.join("\n")));
    for index in [rebuilt(&corpus), stored(&corpus)] {
        let found = ranked(&index, "river fall", Matching::Any);
        assert_eq!(found, "1 2 3 4 5 6 7 8 0");
    }
}

#[test]
fn a_score_is_the_same_to_the_last_bit_whichever_walk_finds_it() {
    let filler = |n: usize| {
        let (title, more) = (["stone", "a river"][n % 2], "river stone ".repeat(n % 5));
        format!("a/{n}: {title} | {more} fall / rover {n}")
    };
    let fillers: Vec<_> = (100..260).map(filler).collect();
    let special = "a/1: gorge | river river stone
         a/2: river | a gorge, gorges and stone
         a/3: gorge rivers | other";
    let before = corpus(&fillers.join("\n"));
    let all = corpus(&format!("{}\n{special}", fillers.join("\n")));
    // The rare word is rare in its segment, or in most of it: the documents are walked side by side, or tallied.
    let one = stored(&all);
    let names = all.keys().filter(|name| !before.contains_key(name)).cloned().collect();
    let two = stored(&before).apply_listing(CommitId::ZERO, names, &texts(&all), 0).unwrap();
    assert_eq!((one.segments(), two.segments()), (1, 2));
    for query in [
        "gorge river",
        "gorge~ river",
        "gorg* river",
        "gorge -fall river",
        "river stone",
        "rivr~ gorge~ stone",
        "ston* riv* gorge",
        "gorgo river",
    ] {
        let query = Query::parse(query).unwrap();
        let scores = |index: &TextIndex| {
            let found = index.search(&query, Scope::All, 0, 300, &Budget::unlimited()).unwrap();
            let hits = found.hits.into_iter();
            hits.map(|hit| (hit.name, hit.score.to_bits())).collect::<Vec<_>>()
        };
        let (one, two) = (scores(&one), scores(&two));
        assert!(!one.is_empty());
        assert_eq!(one, two, "{query:?}");
    }
}
