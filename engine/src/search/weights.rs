//! The scores of the matches of a query.

use crate::search::bm25::{idf, saturated};
use crate::search::reading::{Clause, Variant, Word};

/// The fraction of the score that remains for each wrong letter.
const TYPO: f32 = 0.5;

/// The fraction that a phrase adds to the scores of its words.
const AGAIN: f32 = 0.1;

/// The scores of matches.
pub(crate) struct Weights {
    /// For each variant, the score of endless occurrences.
    pub(crate) variants: Vec<f32>,
    /// The score of the exact word where another would match: more than all other matches together.
    pub(crate) exact: f32,
}

/// Returns, for each variant of a clause, the score of endless occurrences; `frequencies` has the
/// live documents of each variant by slot and element.
pub(crate) fn weights<'a>(
    documents: u64,
    clause: &'a Clause,
    frequencies: &'a [Vec<u64>],
) -> impl Iterator<Item = f32> + 'a {
    let variants = clause.variants.iter().zip(frequencies);
    let mut rarities =
        variants.map(move |(variant, live)| (variant, rarity(documents, variant, live))).peekable();
    // Another spelling stands for the word, so it counts as no rarer than the word itself.
    let most = rarities.peek().map_or(0.0, |(_, exact)| *exact);
    rarities.map(move |(variant, rarity)| {
        let right = TYPO.powi(variant.edits.into());
        let is_again = clause.is_spread && variant.elements.len() > 1;
        saturated(rarity.min(most)) * right * if is_again { AGAIN } else { 1.0 }
    })
}

/// Returns the sum of the idfs of the elements.
fn rarity(documents: u64, variant: &Variant, frequencies: &[u64]) -> f32 {
    let elements = variant.elements.iter().enumerate().map(|(at, element)| {
        // Counting the documents that hold it in any slot would read their postings.
        let by_slot = frequencies.iter().skip(at).step_by(variant.elements.len());
        let frequency = by_slot.max().copied().unwrap_or(0);
        match element.word {
            Word::Stem(_) => idf(frequency, documents),
            // Words with typos count as frequent as all of them together.
            Word::Fuzzy(_) => idf(frequency.min(documents), documents),
            // A prefix is a guess at many words, so it counts as neither rare nor common.
            Word::Prefix { .. } => 1.0,
        }
    });
    elements.sum()
}
