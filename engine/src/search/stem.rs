//! Stems, remembered: a text says few words often, and stemming one costs more than all other
//! steps of the analyzer together.

use std::collections::HashMap;

use tantivy::tokenizer::{
    Language, RawTokenizer, Stemmer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

/// So many words are remembered, which is most of the words of a language that are in use.
const WORDS: usize = 16_384;

/// The step that brings words to their English stems, as [`Stemmer`] does.
#[derive(Clone)]
pub(super) struct Stems;

impl TokenFilter for Stems {
    type Tokenizer<T: Tokenizer> = Stemming<T>;

    fn transform<T: Tokenizer>(self, words: T) -> Stemming<T> {
        let stemmer = Stemmer::new(Language::English);
        let stemmer = TextAnalyzer::builder(RawTokenizer::default()).filter(stemmer).build();
        Stemming { words, memory: Memory { stems: HashMap::new(), stemmer } }
    }
}

/// A tokenizer with that step; it remembers from text to text.
#[derive(Clone)]
pub(super) struct Stemming<T> {
    words: T,
    memory: Memory,
}

#[derive(Clone)]
struct Memory {
    stems: HashMap<Box<str>, Box<str>>,
    stemmer: TextAnalyzer,
}

impl Memory {
    fn stem(&mut self, word: &mut String) {
        if let Some(stem) = self.stems.get(word.as_str()) {
            word.clear();
            word.push_str(stem);
            return;
        }
        let mut stemmed = self.stemmer.token_stream(word);
        let stem = stemmed.next().map(|token| token.text.clone()).unwrap_or_default();
        drop(stemmed);
        // Numbers and ids are said once and would only take the room of words.
        let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase());
        if is_word && self.stems.len() < WORDS {
            self.stems.insert(word.as_str().into(), stem.as_str().into());
        }
        *word = stem;
    }
}

impl<T: Tokenizer> Tokenizer for Stemming<T> {
    type TokenStream<'a> = StemStream<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StemStream { words: self.words.token_stream(text), memory: &mut self.memory }
    }
}

/// The words of one text on their way to their stems.
pub(super) struct StemStream<'a, T> {
    words: T,
    memory: &'a mut Memory,
}

impl<T: TokenStream> TokenStream for StemStream<'_, T> {
    fn advance(&mut self) -> bool {
        let there = self.words.advance();
        if there {
            self.memory.stem(&mut self.words.token_mut().text);
        }
        there
    }

    fn token(&self) -> &Token {
        self.words.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.words.token_mut()
    }
}

#[cfg(test)]
mod tests {
    use tantivy::tokenizer::SimpleTokenizer;

    use super::*;

    #[test]
    fn a_stem_is_the_same_whether_it_is_remembered_or_not() {
        let words = "running runs organizers civic skies 2021 a1b2 é ünter meeting meetings";
        let text = format!("{words} {words}");
        let stems = |mut analyzer: TextAnalyzer, texts: &[&str]| {
            let mut stems = Vec::new();
            for text in texts {
                analyzer.token_stream(text).process(&mut |token| stems.push(token.clone()));
            }
            stems
        };
        let words = || TextAnalyzer::builder(SimpleTokenizer::default());
        let plain = words().filter(Stemmer::new(Language::English)).build();
        let texts = [text.as_str(), text.as_str()];
        assert_eq!(stems(words().filter(Stems).build(), &texts), stems(plain, &texts));
    }
}
