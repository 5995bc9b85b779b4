//! A query as read in one language: stems instead of words.
//!
//! Stop words are optional in queries rather than absent from the index. So phrases can contain them, and
//! changing the list changes no state.

use tantivy::tokenizer::TextAnalyzer;

use crate::language::Language;
use crate::search::analyzer::{self, analyzed};
use crate::search::correction::Correction;
use crate::search::language_mark;
use crate::search::minimum_match::Matching;
use crate::search::node::Node;
use crate::search::query::{self, Ending, Query};
use crate::search::stop_words::StopWords;

/// How a query was read: in each language of the scope, and with which words replacing those that
/// occur nowhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    by_language: Vec<Reading>,
    corrections: Vec<Correction>,
}

impl Readings {
    pub(crate) fn new(by_language: Vec<Reading>, corrections: Vec<Correction>) -> Self {
        Self { by_language, corrections }
    }

    /// Returns the replacements for words that occur nowhere in the scope.
    pub fn corrections(&self) -> &[Correction] {
        &self.corrections
    }

    /// Consumes this and returns the replacements.
    pub fn into_corrections(self) -> Vec<Correction> {
        self.corrections
    }

    pub(crate) fn of(&self, language: Language) -> Option<&Reading> {
        self.by_language.iter().find(|reading| reading.language == language)
    }
}

/// What a query requires of the documents in one language.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) language: Language,
    pub(crate) clauses: Vec<Clause>,
    /// How the clauses are combined.
    pub(crate) root: Node,
    /// For each clause of the query, its index in `clauses`, or `None` for a stop word.
    pub(crate) places: Vec<Option<usize>>,
}

/// A word or phrase that a document must, or must not, hold in one of its slots.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    pub(crate) excluded: bool,
    /// The field in which it must, or must not, occur.
    pub(crate) field: Option<Box<str>>,
    /// The variants that match, the exact one first.
    pub(crate) variants: Vec<Variant>,
    /// The words as typed, one for each element of a variant.
    pub(crate) typed: Vec<Box<str>>,
    /// How many letters of the last word may be wrong.
    pub(crate) edits: u8,
    /// Whether it may match other words, so that documents with the exact word rank first.
    pub(crate) is_open: bool,
    /// Whether its words are also clauses of their own, with their own scores.
    pub(crate) is_spread: bool,
    /// Whether it is a stop word: it scores where it occurs, but decides no match.
    pub(crate) is_optional: bool,
}

/// One variant of a clause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    /// How many letters differ from the typed word. A word that continues it, or is split
    /// differently, counts as one wrong letter.
    pub(crate) edits: u8,
    /// At least one element; several form a phrase.
    pub(crate) elements: Vec<Element>,
}

/// One word of a clause and its distance from the first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element {
    pub(crate) offset: u32,
    pub(crate) word: Word,
}

/// What a word of a text is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A stem.
    Stem(Box<str>),
    /// The beginning of a stem, or the stem of the word typed so far: `community*` must find
    /// "communities", whose stem is `communiti`.
    Prefix { start: Box<str>, stem: Box<str> },
    /// Any of these stems, which are spelled similarly to the typed word.
    Fuzzy(Vec<Box<str>>),
}

impl Word {
    /// Returns whether a word that begins like this may match: words and stems share their first
    /// byte.
    pub(crate) fn may_match(&self, unstemmed: &str) -> bool {
        let begins = |stem: &str| {
            language_mark::unmarked(stem).as_bytes().first() == unstemmed.as_bytes().first()
        };
        match self {
            Self::Stem(start) | Self::Prefix { start, .. } => begins(start),
            Self::Fuzzy(stems) => stems.iter().any(|stem| begins(stem)),
        }
    }

    /// Returns whether a word with this stem matches.
    pub(crate) fn matches(&self, other: &str) -> bool {
        match self {
            Self::Stem(stem) => **stem == *other,
            Self::Prefix { start, stem } => other.starts_with(&**start) || **stem == *other,
            Self::Fuzzy(stems) => stems.iter().any(|stem| **stem == *other),
        }
    }
}

impl Reading {
    /// Reads `query` in a language. The variants of words with typos are not yet known.
    pub(crate) fn of(query: &Query, language: Language) -> Self {
        let mut reader = Reader {
            language,
            stop_words: StopWords::of(language, query.matching),
            stemming: analyzer::word_stemming(language),
            folding: analyzer::word_folding(),
        };
        let mut says_something = false;
        let mut is_idle = Vec::with_capacity(query.clauses.len());
        for clause in &query.clauses {
            is_idle.push(reader.is_stop_word(clause));
            says_something |= !clause.excluded && is_idle.last() == Some(&false);
        }
        let mut clauses: Vec<Clause> = Vec::new();
        let (mut places, mut nodes) = (Vec::new(), Vec::new());
        for (clause, is_idle) in query.clauses.iter().zip(is_idle) {
            let is_optional = says_something && is_idle;
            let place = place_of(Clause { is_optional, ..reader.clause(clause) }, &mut clauses);
            if is_optional {
                places.push(None);
                nodes.push(None);
                continue;
            }
            places.push(Some(place));
            let mut parts = Vec::new();
            if query.matching != Matching::All {
                for part in clause.parts() {
                    if !reader.is_stop_word(&part) {
                        let part = reader.clause(&part);
                        parts.push(Node::Clause(place_of(part, &mut clauses)));
                    }
                }
            }
            clauses[place].is_spread |= !parts.is_empty();
            nodes.push(Some(if parts.is_empty() {
                Node::Clause(place)
            } else {
                Node::Any(vec![Node::Clause(place), Node::Beside(parts)])
            }));
        }
        // At least one clause of a query is always left, so it has a root.
        let root = query.root.over(&nodes).unwrap_or(Node::Any(Vec::new()));
        Self { language, clauses, root, places }
    }

    /// Returns whether this is a list of adjacent clauses, none restricted to a field.
    pub(crate) fn is_plain(&self) -> bool {
        self.root.is_plain() && self.clauses.iter().all(|clause| clause.field.is_none())
    }

    /// Returns each variant of each clause, in order.
    pub(crate) fn variants(&self) -> impl Iterator<Item = (&Clause, &Variant)> {
        self.clauses
            .iter()
            .flat_map(|clause| clause.variants.iter().map(move |variant| (clause, variant)))
    }
}

/// Returns the index of an equivalent clause, or appends the clause.
fn place_of(clause: Clause, clauses: &mut Vec<Clause>) -> usize {
    let known = clauses.iter().position(|other| other.demands_what(&clause));
    if let Some(at) = known {
        clauses[at].is_optional &= clause.is_optional;
        return at;
    }
    clauses.push(clause);
    clauses.len() - 1
}

impl Clause {
    fn demands_what(&self, other: &Self) -> bool {
        let own = (self.excluded, &self.field, self.edits, &self.variants);
        own == (other.excluded, &other.field, other.edits, &other.variants)
    }

    /// Returns whether its words are marked in highlights.
    pub(crate) fn is_shown(&self) -> bool {
        !self.excluded && !self.is_optional
    }

    /// Returns the stem of the word that may have wrong letters.
    pub(crate) fn misspelled(&self) -> Option<&str> {
        match &self.variants.first()?.elements.last()?.word {
            Word::Stem(stem) if self.edits > 0 => Some(stem),
            _ => None,
        }
    }
}

struct Reader {
    language: Language,
    stop_words: StopWords,
    stemming: TextAnalyzer,
    folding: TextAnalyzer,
}

impl Reader {
    /// Returns whether a clause is a stop word. A word that is quoted, excluded or sought in a field
    /// is meant as written, so it is not one.
    fn is_stop_word(&mut self, clause: &query::Clause) -> bool {
        match &clause.words[..] {
            [word]
                if !clause.excluded
                    && !clause.quoted
                    && clause.field.is_none()
                    && word.ending == Ending::Whole =>
            {
                self.stop_words.contains(&word.text)
            }
            _ => false,
        }
    }

    fn clause(&mut self, clause: &query::Clause) -> Clause {
        let elements = clause
            .words
            .iter()
            .map(|word| Element { offset: word.offset, word: self.word(word) })
            .collect();
        let edits = clause.words.last().map_or(0, |word| match word.ending {
            Ending::Typo(edits) => edits,
            Ending::Whole | Ending::Prefix => 0,
        });
        Clause {
            excluded: clause.excluded,
            field: clause.field.clone(),
            variants: vec![Variant { edits: 0, elements }],
            typed: clause.words.iter().map(|word| word.text.clone()).collect(),
            edits,
            is_open: edits > 0,
            is_spread: false,
            is_optional: false,
        }
    }

    fn word(&mut self, word: &query::Word) -> Word {
        let stem = analyzed(&mut self.stemming, &word.text);
        match word.ending {
            Ending::Whole | Ending::Typo(_) => Word::Stem(stem),
            Ending::Prefix => {
                let start = beginning(self.language, &mut self.folding, &word.text);
                Word::Prefix { start: start.into(), stem }
            }
        }
    }
}

/// Returns the common prefix of all words of a language that continue the typed one.
pub(crate) fn beginning(language: Language, folding: &mut TextAnalyzer, typed: &str) -> String {
    let mut start: String = language_mark::mark(language).into_iter().collect();
    start.push_str(&analyzed(folding, typed));
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a query as read, in a normal form: `+`/`-`, `?` for a stop word, words and phrases in
    /// brackets.
    fn normal(language: Language, text: &str) -> String {
        let reading = Reading::of(&Query::parse(text).unwrap(), language);
        let bare = |stem: &str| language_mark::unmarked(stem).to_owned();
        let clauses = reading.clauses.iter().map(|clause| {
            let words = clause.variants[0].elements.iter().map(|element| {
                let word = match &element.word {
                    Word::Stem(stem) => bare(stem),
                    Word::Prefix { start, stem } => format!("{}*|{}", bare(start), bare(stem)),
                    Word::Fuzzy(_) => panic!("nothing is looked up"),
                };
                let edits = if clause.edits > 0 { "~" } else { "" };
                format!("{word}{edits}@{}", element.offset)
            });
            let words: Vec<_> = words.collect();
            let sign = match clause {
                Clause { excluded: true, .. } => "-",
                Clause { is_optional: true, .. } => "?",
                _ => "+",
            };
            format!("{sign}[{}]", words.join(" "))
        });
        clauses.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_become_stems() {
        for (text, expected) in [
            ("Rust", "+[rust@0]"),
            ("rust engines", "+[rust@0] +[engin@0]"),
            ("rust RUST rusting", "+[rust@0]"),
            ("\"state engine\" -java", "+[state@0 engin@1] -[java@0]"),
            ("communit*", "+[communit*|communit@0]"),
            ("community*", "+[community*|communiti@0]"),
            ("community~ community", "+[communiti~@0] +[communiti@0]"),
            ("the (a OR b)", "+[the@0] +[a@0] +[b@0]"),
            ("Ångström", "+[angstrom@0]"),
        ] {
            assert_eq!(normal(Language::Unsaid, text), expected, "{text}");
        }
    }

    #[test]
    fn stop_words_decide_no_match_except_in_phrases_or_alone() {
        for (text, expected) in [
            ("the river", "?[the@0] +[river@0]"),
            ("The river of -the", "?[the@0] +[river@0] ?[of@0] -[the@0]"),
            ("\"of the river\" of", "+[of@0 the@1 river@2] ?[of@0]"),
            ("\"the\" river the", "+[the@0] +[river@0]"),
            ("the river \"the\"", "+[the@0] +[river@0]"),
            ("title:the river", "+[the@0] +[river@0]"),
            ("the of", "+[the@0] +[of@0]"),
            ("the -river", "+[the@0] -[river@0]"),
            ("the* river", "+[the*|the@0] +[river@0]"),
            ("it-is river", "+[it@0 is@1] +[river@0]"),
        ] {
            assert_eq!(normal(Language::English, text), expected, "{text}");
        }
        assert_eq!(normal(Language::German, "the Häuser der"), "+[the@0] +[haus@0] ?[der@0]");
        assert_eq!(normal(Language::None, "the Häuser"), "+[the@0] +[hauser@0]");
    }
}
