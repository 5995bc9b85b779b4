//! BM25F: BM25 over several slots as if they were one text.
//!
//! The occurrences of a word in all slots are added up first, each times the boost of its slot and
//! relative to the length of the text there; only the sum is saturated. So a word that is rare in
//! keys but common in texts does not count as rare, and a document does not gain much by holding
//! one word in two slots. With one slot, this is BM25.

use tantivy::fieldnorm::FieldNormReader;

use crate::search::collection_statistics::Totals;

/// How much further occurrences add. The usual value, 1.2, ranks a record about a word hardly above
/// one that merely mentions it, so this is higher.
const K1: f32 = 1.6;
const B: f32 = 0.75;

/// Returns the score of a word with endless occurrences, given its idf.
pub(crate) fn saturated(idf: f32) -> f32 {
    idf * (1.0 + K1)
}

/// Returns the inverse document frequency.
pub(crate) fn idf(frequency: u64, documents: u64) -> f32 {
    let others = documents.saturating_sub(frequency) as f32;
    (1.0 + (others + 0.5) / (frequency as f32 + 0.5)).ln()
}

/// Returns, for each length class of a slot with this boost, how much one occurrence counts.
pub(crate) fn tf_norms(totals: &Totals, slot: usize, boost: f32) -> [f32; 256] {
    let average = (totals.tokens[slot].max(1) as f32) / (totals.documents.max(1) as f32);
    std::array::from_fn(|norm| {
        let length = FieldNormReader::id_to_fieldnorm(norm as u8) as f32;
        boost / (1.0 - B + B * length / average)
    })
}

/// Returns the score of a word whose occurrences, as counted by [`tf_norms`], sum up to
/// `frequency`.
pub(crate) fn bm25(weight: f32, frequency: f32) -> f32 {
    weight * (frequency / (frequency + K1))
}
