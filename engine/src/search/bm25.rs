//! BM25: the score of one occurrence of a word.

use tantivy::fieldnorm::FieldNormReader;

use crate::search::collection_statistics::Totals;

/// How much further occurrences add. The usual value, 1.2, ranks a record about a word hardly above
/// one that merely mentions it, so this is higher.
const K1: f32 = 1.6;
const B: f32 = 0.75;

/// Returns the score of the most frequent word in a slot with this boost, without its idf.
pub(crate) fn saturated(boost: f32) -> f32 {
    boost * (1.0 + K1)
}

/// Returns the inverse document frequency.
pub(crate) fn idf(frequency: u64, documents: u64) -> f32 {
    let others = documents.saturating_sub(frequency) as f32;
    (1.0 + (others + 0.5) / (frequency as f32 + 0.5)).ln()
}

/// Returns, for each length class, what BM25 adds to the frequency in its denominator.
pub(crate) fn tf_norms(totals: &Totals, slot: usize) -> [f32; 256] {
    let average = (totals.tokens[slot].max(1) as f32) / (totals.documents.max(1) as f32);
    std::array::from_fn(|norm| {
        let length = FieldNormReader::id_to_fieldnorm(norm as u8) as f32;
        K1 * (1.0 - B + B * length / average)
    })
}

/// Returns the score of a word that occurs `frequency` times; `norm` is the value from [`tf_norms`]
/// for the length.
pub(crate) fn bm25(weight: f32, frequency: u32, norm: f32) -> f32 {
    let frequency = frequency as f32;
    weight * (frequency / (frequency + norm))
}
