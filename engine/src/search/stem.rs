//! A cache of stems: texts repeat few words often, and stemming costs more than all other steps of
//! the analyzer together.

use foldhash::{HashMap, HashMapExt as _};
use tantivy::tokenizer::{
    self, RawTokenizer, Stemmer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer,
};

use crate::language::Language;
use crate::search::language_mark;

/// The number of words in the cache, which covers most words of a language in use.
pub(super) const REMEMBERED_WORDS: usize = 16_384;

/// Returns the tantivy name of a language, or `None` if words are used as written.
pub(super) fn tantivy_language(language: Language) -> Option<tokenizer::Language> {
    use tokenizer::Language as Known;
    Some(match language {
        Language::None => return None,
        Language::Unsaid | Language::English => Known::English,
        Language::Arabic => Known::Arabic,
        Language::Danish => Known::Danish,
        Language::German => Known::German,
        Language::Greek => Known::Greek,
        Language::Spanish => Known::Spanish,
        Language::Finnish => Known::Finnish,
        Language::French => Known::French,
        Language::Hungarian => Known::Hungarian,
        Language::Italian => Known::Italian,
        Language::Dutch => Known::Dutch,
        Language::Norwegian => Known::Norwegian,
        Language::Portuguese => Known::Portuguese,
        Language::Romanian => Known::Romanian,
        Language::Russian => Known::Russian,
        Language::Swedish => Known::Swedish,
        Language::Tamil => Known::Tamil,
        Language::Turkish => Known::Turkish,
    })
}

/// The token filter that stems words of a language, as [`Stemmer`] does, and marks them.
#[derive(Clone)]
pub(super) struct Stems {
    pub(super) language: Language,
    /// The number of words in the cache: none for words that are all different.
    pub(super) remembered: usize,
}

impl TokenFilter for Stems {
    type Tokenizer<T: Tokenizer> = Stemming<T>;

    fn transform<T: Tokenizer>(self, words: T) -> Stemming<T> {
        let Self { language, remembered } = self;
        let stemmer = tantivy_language(language).map(|language| {
            let word = TextAnalyzer::builder(RawTokenizer::default());
            word.filter(Stemmer::new(language)).build()
        });
        let mark = language_mark::mark(language);
        Stemming { words, memory: Memory { stems: HashMap::new(), remembered, stemmer, mark } }
    }
}

/// A tokenizer with that filter. It keeps its cache from text to text.
#[derive(Clone)]
pub(super) struct Stemming<T> {
    words: T,
    memory: Memory,
}

#[derive(Clone)]
struct Memory {
    stems: HashMap<Box<str>, Box<str>>,
    remembered: usize,
    stemmer: Option<TextAnalyzer>,
    mark: Option<char>,
}

impl Memory {
    fn stem(&mut self, word: &mut String) {
        if let Some(stem) = self.stems.get(word.as_str()) {
            word.clear();
            word.push_str(stem);
            return;
        }
        let stem = self.marked_stem(word);
        // Numbers and ids occur once and would only take the place of words.
        let is_word = || word.chars().all(char::is_alphabetic);
        if self.stems.len() < self.remembered && is_word() {
            self.stems.insert(word.as_str().into(), stem.as_str().into());
        }
        *word = stem;
    }

    fn marked_stem(&mut self, word: &str) -> String {
        let mut stem: String = self.mark.into_iter().collect();
        let marked = stem.len();
        if let Some(stemmer) = &mut self.stemmer
            && let Some(token) = stemmer.token_stream(word).next()
        {
            stem.push_str(&token.text);
        }
        // Some stemmers leave nothing of a word that consists only of an ending.
        if stem.len() == marked {
            stem.push_str(word);
        }
        stem
    }
}

impl<T: Tokenizer> Tokenizer for Stemming<T> {
    type TokenStream<'a> = StemStream<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StemStream { words: self.words.token_stream(text), memory: &mut self.memory }
    }
}

/// The stemmed words of one text.
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
        let plain = words().filter(Stemmer::new(tokenizer::Language::English)).build();
        let texts = [text.as_str(), text.as_str()];
        assert_eq!(
            [0, 2, REMEMBERED_WORDS].map(|remembered| {
                let english = Stems { language: Language::Unsaid, remembered };
                stems(words().filter(english).build(), &texts)
            }),
            [(); 3].map(|()| stems(plain.clone(), &texts))
        );
    }
}
