//! What the matches of a query are worth.

use crate::search::bm25::{idf, saturated};
use crate::search::index::TextIndex;
use crate::search::reading::{Clause, Variant, Word};

/// What a letter that is wrong leaves of a match.
const TYPO: f32 = 0.5;

/// What a phrase adds to the scores that its words have on their own.
const AGAIN: f32 = 0.1;

/// What matches are worth.
pub(crate) struct Weights {
    /// For each variant and slot, what one saturated occurrence scores there.
    pub(crate) variants: Vec<Vec<f32>>,
    /// What the very word scores where another would do: more than all other matches together.
    pub(crate) exact: f32,
}

/// Returns for each slot what one saturated occurrence of this variant of a clause scores there.
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
            // Words with typos are as frequent as all of them together.
            Word::Fuzzy(_) => idf((*frequency).min(documents), documents),
            // A prefix is a guess at many words: it counts as one that is neither rare nor common.
            Word::Prefix { .. } => 1.0,
        };
        saturated(*boost) * frequencies.iter().enumerate().map(weigh).sum::<f32>() * right
    };
    slots.map(weight).collect()
}
