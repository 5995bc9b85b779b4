//! How text becomes words: one analyzer for documents, queries and highlights, so that they agree.

use std::sync::LazyLock;

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer,
};

use crate::search::stem;

/// Runs of letters and digits of this many bytes or more are no words and are not indexed.
pub(crate) const WORD_BYTES: usize = 64;

/// Returns the analyzer of documents: lower case, without accents, English stems.
pub(crate) fn stemming() -> TextAnalyzer {
    static ANALYZER: LazyLock<TextAnalyzer> = LazyLock::new(|| {
        TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(WORD_BYTES))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
            .filter(stem::Stems)
            .build()
    });
    ANALYZER.clone()
}

/// Returns the words of `text` as the index holds them, with their positions.
pub(crate) fn words(text: &str) -> Vec<(u32, Box<str>)> {
    collect(stemming(), text)
}

/// Returns the analyzer of documents without its last step, which costs more than all others.
///
/// A stem begins like its word, so this is enough to pass over most words.
pub(crate) fn folding() -> TextAnalyzer {
    static ANALYZER: LazyLock<TextAnalyzer> = LazyLock::new(|| {
        TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(WORD_BYTES))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
            .build()
    });
    ANALYZER.clone()
}

/// Returns the last word of `text` in lower case and without accents, but not stemmed: what a
/// prefix is compared with.
pub(crate) fn last_unstemmed(text: &str) -> Option<Box<str>> {
    collect(folding(), text).pop().map(|(_, word)| word)
}

/// Says whether `text` holds a run of letters and digits that is too long to be a word.
pub(crate) fn has_overlong_word(text: &str) -> bool {
    text.split(|symbol: char| !symbol.is_alphanumeric()).any(|word| word.len() >= WORD_BYTES)
}

fn collect(mut analyzer: TextAnalyzer, text: &str) -> Vec<(u32, Box<str>)> {
    let mut words = Vec::new();
    let mut stream = analyzer.token_stream(text);
    while let Some(token) = stream.next() {
        words.push((token.position as u32, token.text.as_str().into()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_stemmed() {
        let found: Vec<_> = words("Crème Brûlées, running-shoes").into_iter().collect();
        let expected = [(0, "creme"), (1, "brule"), (2, "run"), (3, "shoe")];
        assert_eq!(found, expected.map(|(at, word)| (at, word.into())));
    }

    #[test]
    fn a_stem_begins_like_its_word() {
        for word in ["skies", "dying", "lying", "tying", "idly", "yes", "Yeses", "ous", "ies", "ed"]
        {
            let (folded, stem) = (last_unstemmed(word).unwrap(), words(word).remove(0).1);
            assert_eq!(folded.as_bytes()[0], stem.as_bytes()[0], "{word} is stemmed {stem}");
        }
    }

    #[test]
    fn an_overlong_word_leaves_a_gap() {
        let text = format!("a {} b", "x".repeat(WORD_BYTES));
        assert!(has_overlong_word(&text));
        assert_eq!(words(&text), [(0, "a".into()), (2, "b".into())]);
        assert!(!has_overlong_word(&"x".repeat(WORD_BYTES - 1)));
    }
}
