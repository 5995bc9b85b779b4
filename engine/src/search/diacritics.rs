//! A token filter that removes marks from words in scripts where writers omit them as often as not:
//! Greek, Hebrew and Arabic. tantivy does the same for Latin letters.

use tantivy::tokenizer::{Token, TokenFilter, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The filter.
#[derive(Clone)]
pub(super) struct Unpointed;

/// A tokenizer with the filter applied.
#[derive(Clone)]
pub(super) struct UnpointedWords<T>(T);

/// The words of one text with their marks removed.
pub(super) struct UnpointedStream<T>(T);

impl TokenFilter for Unpointed {
    type Tokenizer<T: Tokenizer> = UnpointedWords<T>;

    fn transform<T: Tokenizer>(self, words: T) -> UnpointedWords<T> {
        UnpointedWords(words)
    }
}

impl<T: Tokenizer> Tokenizer for UnpointedWords<T> {
    type TokenStream<'a> = UnpointedStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        UnpointedStream(self.0.token_stream(text))
    }
}

impl<T: TokenStream> TokenStream for UnpointedStream<T> {
    fn advance(&mut self) -> bool {
        let there = self.0.advance();
        if there && let Some(bare) = unpointed(&self.0.token().text) {
            self.0.token_mut().text = bare;
        }
        there
    }

    fn token(&self) -> &Token {
        self.0.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.0.token_mut()
    }
}

/// Returns a word without its marks, or `None` if it is in another script.
fn unpointed(word: &str) -> Option<String> {
    if word.is_ascii() || !word.chars().any(is_pointed) {
        return None;
    }
    let bare: String = word
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect();
    // A mark on its own stays.
    (!bare.is_empty()).then_some(bare)
}

fn is_pointed(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' | '\u{590}'..='\u{6ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_where_they_are_often_left_out() {
        for (word, expected) in [
            ("αθήνα", Some("αθηνα")),
            ("λόγος", Some("λογοσ")),
            ("שָׁלוֹם", Some("שלום")),
            ("كِتَاب", Some("كتاب")),
            ("أحمد", Some("احمد")),
            ("हिन्दी", None),
            ("йод", None),
            ("river", None),
        ] {
            assert_eq!(unpointed(word).as_deref(), expected, "{word}");
        }
    }
}
