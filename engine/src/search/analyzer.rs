//! How text becomes words: each language has one analyzer for documents, queries and highlights, so
//! that they agree.
//!
//! The words of a sheet that declares a language begin with the *mark* of that language, a control
//! character that never occurs in the words of a text. So one dictionary holds words of several
//! languages without confusing them. The words of sheets without a language have no mark.

use tantivy::tokenizer::{
    AsciiFoldingFilter, BoxTokenStream, RemoveLongFilter, TextAnalyzer, TextAnalyzerBuilder, Token,
    TokenStream, Tokenizer,
};

use crate::language::Language;
use crate::search::diacritics::Unpointed;
use crate::search::language_mark::mark;
use crate::search::segmentation::{Segmenter, is_unspaced, normal};
use crate::search::stem::{REMEMBERED_WORDS, Stems};

/// Runs of letters and digits of at least this many bytes are not treated as words and are not
/// indexed.
pub(crate) const WORD_BYTES: usize = 64;

/// Returns whether accents are removed before words are stemmed. In a language that has accented
/// letters, stems depend on them; in English, accents only get in the way.
fn folds_first(language: Language) -> bool {
    matches!(language, Language::Unsaid | Language::None | Language::English)
}

/// Returns whether the stems of a language begin like their words.
pub(crate) fn begins_alike(language: Language) -> bool {
    folds_first(language)
}

/// Names everything outside this module that decides how a text splits into words: the library with
/// the steps and stemmers, and the version of Unicode that defines letters.
pub(crate) fn words_are_of() -> String {
    let (major, minor, patch) = char::UNICODE_VERSION;
    format!("{}, Unicode {major}.{minor}.{patch}", tantivy::version_string())
}

/// Returns the analyzer of documents: it lowercases, removes accents and stems.
pub(crate) fn stemming(language: Language) -> TextAnalyzer {
    stems_of(Segmenter::default(), Stems { language, remembered: REMEMBERED_WORDS })
}

/// Returns an analyzer that turns one word, as written, into what [`stemming`] makes of it in a
/// text.
pub(crate) fn word_stemming(language: Language) -> TextAnalyzer {
    stems_of(WholeWord::default(), Stems { language, remembered: REMEMBERED_WORDS })
}

/// Returns an analyzer like [`word_stemming`], for words that are all different.
pub(crate) fn distinct_word_stemming(language: Language) -> TextAnalyzer {
    stems_of(WholeWord::default(), Stems { language, remembered: 0 })
}

/// Returns the analyzer of documents without stemming, which costs more than all other steps, and
/// without marks.
///
/// Where stems begin like their words, this is enough to rule out most words.
pub(crate) fn folding() -> TextAnalyzer {
    folded(Segmenter::default()).build()
}

/// Returns an analyzer that turns one word, as written, into what [`folding`] makes of it in a
/// text.
pub(crate) fn word_folding() -> TextAnalyzer {
    folded(WholeWord::default()).build()
}

fn folded<T: Tokenizer>(words: T) -> TextAnalyzerBuilder<impl Tokenizer> {
    let words = TextAnalyzer::builder(words).filter(RemoveLongFilter::limit(WORD_BYTES));
    words.filter(AsciiFoldingFilter).filter(Unpointed)
}

fn stems_of<T: Tokenizer>(words: T, stems: Stems) -> TextAnalyzer {
    if folds_first(stems.language) {
        return folded(words).filter(stems).build();
    }
    let words = TextAnalyzer::builder(words).filter(RemoveLongFilter::limit(WORD_BYTES));
    words.filter(stems).filter(AsciiFoldingFilter).filter(Unpointed).build()
}

/// A word of a query as written, with its position.
pub(crate) struct Written {
    pub(crate) position: u32,
    pub(crate) text: Box<str>,
}

/// Returns the words that a document must hold to contain `text`. Where a text has several words at
/// one position, the most specific one is returned.
pub(crate) fn written(text: &str) -> Vec<Written> {
    let mut segmenter = Segmenter::default();
    let mut stream = segmenter.token_stream(text);
    let mut words: Vec<Written> = Vec::new();
    let mut end = 0;
    while let Some(token) = stream.next() {
        let position = token.position as u32;
        let is_other = words.last().is_none_or(|last| last.position != position);
        // The pair before already covers the last character of a run.
        if is_other && token.offset_to > end && token.text.len() < WORD_BYTES {
            end = token.offset_to;
            let raw = &text[token.offset_from..token.offset_to];
            let is_as_written = raw.to_lowercase() == token.text;
            let text = if is_as_written { raw } else { &*token.text };
            words.push(Written { position, text: text.into() });
        }
    }
    words
}

/// Returns what an analyzer makes of one word as written.
pub(crate) fn analyzed(analyzer: &mut TextAnalyzer, word: &str) -> Box<str> {
    let mut stream = analyzer.token_stream(word);
    stream.next().map_or_else(Box::default, |token| token.text.as_str().into())
}

/// Returns the first word of `text` that has this stem, in lower case but otherwise as written.
pub(crate) fn spelled(language: Language, text: &str, stem: &str) -> Option<String> {
    let mut analyzer = stemming(language);
    let mut stream = analyzer.token_stream(text);
    while let Some(token) = stream.next() {
        if token.text == stem {
            return Some(text[token.offset_from..token.offset_to].to_lowercase());
        }
    }
    None
}

/// Returns whether `text` contains a run of letters and digits that is too long to be a word.
pub(crate) fn has_overlong_word(text: &str) -> bool {
    let ends = |symbol: char| !symbol.is_alphanumeric() || is_unspaced(symbol);
    text.split(ends).any(|word| word.len() >= WORD_BYTES)
}

/// A tokenizer that treats a text as one word.
#[derive(Clone, Default)]
struct WholeWord(Token);

/// The token stream of that single word.
struct OneWord<'a> {
    token: &'a mut Token,
    is_given: bool,
}

impl Tokenizer for WholeWord {
    type TokenStream<'a> = OneWord<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> OneWord<'a> {
        self.0.reset();
        self.0.text.push_str(&normal(text));
        self.0.offset_to = text.len();
        OneWord { token: &mut self.0, is_given: text.is_empty() }
    }
}

impl TokenStream for OneWord<'_> {
    fn advance(&mut self) -> bool {
        !std::mem::replace(&mut self.is_given, true)
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// The analyzers of documents in several languages.
///
/// As a tantivy tokenizer, which knows nothing of languages, it expects texts that are
/// [labelled](Self::labelled).
#[derive(Clone, Default)]
pub(crate) struct Polyglot {
    analyzers: Vec<(Language, TextAnalyzer)>,
}

/// Precedes a text in the language that has no mark.
const NO_MARK: char = '\0';

impl Polyglot {
    /// Returns the words of a text.
    pub(crate) fn words<'a>(&'a mut self, language: Language, text: &'a str) -> BoxTokenStream<'a> {
        let known = self.analyzers.iter().position(|(other, _)| *other == language);
        let at = known.unwrap_or_else(|| {
            self.analyzers.push((language, stemming(language)));
            self.analyzers.len() - 1
        });
        self.analyzers[at].1.token_stream(text)
    }

    /// Returns a text prefixed with its language.
    pub(crate) fn labelled(language: Language, text: &str) -> String {
        format!("{}{text}", mark(language).unwrap_or(NO_MARK))
    }
}

impl Tokenizer for Polyglot {
    type TokenStream<'a> = BoxTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> BoxTokenStream<'a> {
        let mut symbols = text.chars();
        let label = symbols.next().filter(|label| *label != NO_MARK);
        let mut said = Language::codes().filter_map(Language::of_code);
        let language = said.find(|language| label.is_some() && mark(*language) == label);
        self.words(language.unwrap_or_default(), symbols.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::language_mark::unmarked;

    /// Caches hold the words that this hash covers.
    #[test]
    fn texts_fall_into_the_words_that_caches_hold() {
        let text = "The Lords' Büchereien of Łódź are running; l'été, naïve cafés \
                    ΑΘΗΝΑΣ больницами مدارس nations' 3,141 e-mails foo_bar x\u{301}y ﬁnal straße";
        let mut hasher = blake3::Hasher::new();
        for language in Language::codes().filter_map(Language::of_code).chain([Language::Unsaid]) {
            for (position, word) in words(language, text) {
                hasher.update(format!("{language:?} {position} {word}\n").as_bytes());
            }
        }
        let hash = hasher.finalize().to_hex();
        assert_eq!(
            &hash[..16],
            "4fc503dd1c54654a",
            "raise the number of the cache's format, and note this hash"
        );
    }

    fn words(language: Language, text: &str) -> Vec<(u32, String)> {
        let mut analyzer = stemming(language);
        let mut stream = analyzer.token_stream(text);
        let mut words = Vec::new();
        while let Some(token) = stream.next() {
            words.push((token.position as u32, token.text.clone()));
        }
        words
    }

    /// Returns the stems without marks.
    fn stems(language: &str, text: &str) -> String {
        let language = Language::of_code(language).unwrap();
        let words = words(language, text);
        words.iter().map(|(_, word)| unmarked(word)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_folded_and_stemmed() {
        let found = words(Language::Unsaid, "Crème Brûlées, running-shoes");
        let expected = [(0, "creme"), (1, "brule"), (2, "run"), (2, "runningsho"), (3, "shoe")];
        assert_eq!(found, expected.map(|(at, word)| (at, word.into())));
    }

    #[test]
    fn each_language_has_its_own_stems() {
        for (language, text, expected) in [
            ("none", "Running Brûlées", "running brulees"),
            ("en", "Running Brûlées", "run brule"),
            ("de", "Häuser Haus Müller Mueller", "haus haus mull mull"),
            ("fr", "égalité égal écoles", "egal egal ecol"),
            ("es", "canciones canción", "cancion cancion"),
            ("ru", "книги книга", "книг книг"),
        ] {
            assert_eq!(stems(language, text), expected, "{language}: {text}");
        }
    }

    #[test]
    fn a_language_that_is_said_marks_its_words() {
        for language in Language::codes().filter_map(Language::of_code) {
            let found = words(language, "word");
            let mark = mark(language).unwrap();
            assert!(mark.is_control() && found[0].1.starts_with(mark), "{language:?}: {found:?}");
        }
        assert_eq!((mark(Language::Unsaid), unmarked("word")), (None, "word"));
    }

    #[test]
    fn a_query_asks_for_the_words_that_say_most() {
        for (text, expected) in [
            ("C++ front-end", "C++ front end"),
            ("数据库 库", "数据 据库 库"),
            (".NET node.js", ".NET node js"),
            ("Crème ﬁne", "Crème fine"),
        ] {
            let words: Vec<_> = written(text).into_iter().map(|word| word.text).collect();
            assert_eq!(words.join(" "), expected);
        }
        for text in ["C++", "Crème", "数据", "running", "αθήνας", "b+"] {
            let in_text = words(Language::Unsaid, text).remove(0).1;
            assert_eq!(*analyzed(&mut word_stemming(Language::Unsaid), text), *in_text, "{text}");
        }
    }

    #[test]
    fn no_word_becomes_nothing() {
        let words_of_all = "the och и اليوم والكتاب του அவன் değil a s y";
        for language in Language::codes().filter_map(Language::of_code) {
            for (_, word) in words(language, words_of_all) {
                assert!(!unmarked(&word).is_empty(), "{language:?}");
            }
        }
    }

    #[test]
    fn a_word_is_spelled_as_the_text_has_it() {
        let text = "A Community of communities";
        let spelled = |stem| spelled(Language::Unsaid, text, stem);
        assert_eq!(spelled("communiti").as_deref(), Some("community"));
        assert_eq!(spelled("river"), None);
    }

    #[test]
    fn a_stem_begins_like_its_word() {
        for word in ["skies", "dying", "lying", "tying", "idly", "yes", "Yeses", "ous", "ies", "ed"]
        {
            let folded = analyzed(&mut word_folding(), word);
            let stem = words(Language::Unsaid, word).remove(0).1;
            assert_eq!(folded.as_bytes()[0], stem.as_bytes()[0], "{word} is stemmed {stem}");
        }
    }

    #[test]
    fn an_overlong_word_leaves_a_gap() {
        let text = format!("a {} b", "x".repeat(WORD_BYTES));
        assert!(has_overlong_word(&text));
        let written: Vec<_> =
            written(&text).into_iter().map(|word| (word.position, word.text)).collect();
        assert_eq!(written, [(0, "a".into()), (2, "b".into())]);
        assert_eq!(words(Language::Unsaid, &text), [(0, "a".into()), (2, "b".into())]);
        assert!(!has_overlong_word(&"x".repeat(WORD_BYTES - 1)));
    }
}
