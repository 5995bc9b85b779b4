//! A digest of everything that an index holds, for comparing two indexes.

use std::collections::BTreeMap;

use tantivy::DocId;

use crate::search::error::SearchError;
use crate::search::index::TextIndex;

impl TextIndex {
    /// Returns a digest of every live document and posting. Two indexes for the same layout have
    /// the same digest if they answer every search alike and, short of a malicious collision, only
    /// then.
    ///
    /// The digest does not depend on segments or on the stamp. Linear in all postings; meant for
    /// tests and audits.
    ///
    /// # Errors
    ///
    /// [`SearchError::Read`] if a segment cannot be read.
    pub fn digest(&self) -> Result<[u8; 32], SearchError> {
        let mut sum = [0_u64; 4];
        let mut add = |hash: blake3::Hash| {
            for (sum, bytes) in sum.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
                *sum = sum.wrapping_add(u64::from_le_bytes(*bytes));
            }
        };
        for segment in self.segments.iter() {
            for name in segment.names() {
                add(hash(&[b"document", name.sheet.as_str().as_bytes(), key_bytes(&name.key)]));
            }
            for slot in 0..self.slots().boosts().len() {
                let Some(words) = segment.slot(slot) else { continue };
                words.walk(b"", |word, term| {
                    let mut places: BTreeMap<DocId, Vec<u8>> = BTreeMap::new();
                    words.positions(&term, |doc, position| {
                        if segment.is_alive(doc) {
                            places.entry(doc).or_default().extend(position.to_le_bytes());
                        }
                    })?;
                    for (doc, positions) in places {
                        add(hash(&[
                            &[slot as u8, words.norm(doc)],
                            word,
                            segment.sheet(doc).as_str().as_bytes(),
                            key_bytes(segment.key(doc)),
                            &positions,
                        ]));
                    }
                    Ok::<_, SearchError>(true)
                })?;
            }
        }
        let mut hasher = blake3::Hasher::new();
        self.slots().boosts().iter().for_each(|boost| {
            hasher.update(&boost.to_le_bytes());
        });
        sum.iter().for_each(|lane| {
            hasher.update(&lane.to_le_bytes());
        });
        Ok(*hasher.finalize().as_bytes())
    }
}

fn key_bytes(key: &crate::id::Key) -> &[u8] {
    key.as_str().as_bytes()
}

/// Hashes the parts, each preceded by its length.
fn hash(parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}
