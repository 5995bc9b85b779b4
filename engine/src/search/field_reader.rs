//! Reads a field of a document to check whether a word occurs in it. The index cannot answer that,
//! since it has slots rather than fields.

use tantivy::tokenizer::{TextAnalyzer, TokenStream as _};

use crate::budget::Budget;
use crate::language::Language;
use crate::search::analyzer;
use crate::search::doc_name::DocName;
use crate::search::reading::Variant;
use crate::search::scope::FieldTexts;

/// The cost of reading a text, per byte.
const READING: usize = 32;

/// The cost of finding a document.
const LOOK: usize = 512;

/// Reads one field of documents in one language.
pub(crate) struct FieldReader<'a> {
    field: &'a str,
    texts: &'a FieldTexts<'a>,
    analyzer: TextAnalyzer,
    budget: &'a Budget,
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(
        field: &'a str,
        language: Language,
        texts: &'a FieldTexts<'a>,
        budget: &'a Budget,
    ) -> Self {
        Self { field, texts, analyzer: analyzer::stemming(language), budget }
    }

    /// Returns whether a text of the field in this slot holds the words of a variant at their
    /// distances. Linear in the texts of the field.
    pub(crate) fn holds(&mut self, name: &DocName, slot: usize, variant: &Variant) -> bool {
        let Self { field, texts, analyzer, budget } = self;
        let mut holds = false;
        budget.spend(LOOK);
        texts(name, field, &mut |here, text| {
            if holds || here.index() != slot || !budget.spend(READING * text.len()) {
                return;
            }
            let mut words: Vec<(u32, Box<str>)> = Vec::new();
            let mut stream = analyzer.token_stream(text);
            while let Some(token) = stream.next() {
                words.push((token.position as u32, token.text.as_str().into()));
            }
            holds = stands_in(variant, &words);
        });
        holds
    }
}

/// Returns whether `words`, ordered by position, contain those of a variant at their distances.
fn stands_in(variant: &Variant, words: &[(u32, Box<str>)]) -> bool {
    let at = |position: u32| {
        let first = words.partition_point(|(other, _)| *other < position);
        words[first..].iter().take_while(move |(other, _)| *other == position)
    };
    words.iter().any(|(start, _)| {
        variant
            .elements
            .iter()
            .all(|element| at(start + element.offset).any(|(_, word)| element.word.matches(word)))
    })
}
