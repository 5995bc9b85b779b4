//! The scores of the matches of a query.

use crate::search::bm25::{idf, saturated};
use crate::search::index::TextIndex;
use crate::search::reading::{Clause, Variant, Word};

/// The fraction of the score that remains for each wrong letter.
const TYPO: f32 = 0.5;

/// The fraction that a phrase adds to the scores of its words.
const AGAIN: f32 = 0.1;

/// The scores of matches.
pub(crate) struct Weights {
    /// For each variant and slot, the score of one saturated occurrence.
    pub(crate) variants: Vec<Vec<f32>>,
    /// The score of the exact word where another would match: more than all other matches together.
    pub(crate) exact: f32,
}

/// Returns, for each slot, the score of one saturated occurrence of this variant of a clause.
pub(crate) fn weights(
    index: &TextIndex,
    documents: u64,
    clause: &Clause,
    variant: &Variant,
    frequencies: &[u64],
) -> Vec<f32> {
    let slots = index.slots().boosts().iter().zip(frequencies.chunks(variant.elements.len()));
    let mut right = TYPO.powi(variant.edits.into());
    if clause.is_spread && variant.elements.len() > 1 {
        right *= AGAIN;
    }
    let weight = |(boost, frequencies): (&f32, &[u64])| {
        let weigh = |(element, frequency): (usize, &u64)| match variant.elements[element].word {
            Word::Stem(_) => idf(*frequency, documents),
            // Words with typos count as frequent as all of them together.
            Word::Fuzzy(_) => idf((*frequency).min(documents), documents),
            // A prefix is a guess at many words, so it counts as neither rare nor common.
            Word::Prefix { .. } => 1.0,
        };
        saturated(*boost) * frequencies.iter().enumerate().map(weigh).sum::<f32>() * right
    };
    slots.map(weight).collect()
}
