//! A digest of all that an index holds, to compare two of them.

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED};

use crate::search::{SearchError, TextIndex};

impl TextIndex {
    /// Returns a digest of every live document and posting: two indexes with the same slots have
    /// the same one if, and except by malice only if, they answer every search alike.
    ///
    /// Independent of segments and of the stamp. Linear in all postings; meant for tests and
    /// audits.
    ///
    /// # Errors
    ///
    /// [`SearchError::Read`] where a segment cannot be read.
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
            for slot in 0..self.slots.boosts().len() {
                let Some(reader) = segment.slot(slot) else { continue };
                let mut stream = reader.postings.terms().stream()?;
                let mut positions = Vec::new();
                while let Some((word, term)) = stream.next() {
                    let option = IndexRecordOption::WithFreqsAndPositions;
                    let mut postings = reader.postings.read_postings_from_terminfo(term, option)?;
                    while postings.doc() != TERMINATED {
                        let doc = postings.doc();
                        if segment.is_alive(doc) {
                            postings.positions(&mut positions);
                            let positions: Vec<u8> =
                                positions.iter().flat_map(|at| at.to_le_bytes()).collect();
                            add(hash(&[
                                &[slot as u8, reader.norm(doc)],
                                word,
                                segment.sheet(doc).as_str().as_bytes(),
                                key_bytes(segment.key(doc)),
                                &positions,
                            ]));
                        }
                        postings.advance();
                    }
                }
            }
        }
        let mut hasher = blake3::Hasher::new();
        self.slots.boosts().iter().for_each(|boost| {
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

/// Hashes the parts, each with its length before it.
fn hash(parts: &[&[u8]]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize()
}
