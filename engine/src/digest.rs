//! The state digest: a homomorphic sum over records, so that an update costs as much as the change
//! and gives the same result as a rebuild.
//!
//! The sum is LtHash (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997;
//! Lewi et al., "Securing Update Propagation with Homomorphic Hashing", 2019): 1024 lanes of 16
//! bits, each element's lanes filled by the extendable output of BLAKE3 and added modulo 2^16.

use std::fmt;
use std::sync::Arc;

const LANES: usize = 1024;

/// A sum over a set of elements that does not depend on their order.
///
/// Adding an element that is already in the set, or removing one that is not, is an error of the
/// caller: the sum is over a multiset. Cloning it costs a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Arc<[u16; LANES]>);

impl LtHash {
    /// Returns the sum over nothing.
    pub fn new() -> Self {
        Self(Arc::new([0; LANES]))
    }

    /// Adds the element made of `parts`, each prefixed with its length so that no two lists of
    /// parts make the same element.
    pub fn add(&mut self, parts: &[&[u8]]) {
        self.fold(parts, u16::wrapping_add);
    }

    /// Removes the element made of `parts`.
    pub fn remove(&mut self, parts: &[&[u8]]) {
        self.fold(parts, u16::wrapping_sub);
    }

    /// Adds every element of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in Arc::make_mut(&mut self.0).iter_mut().zip(other.0.iter()) {
            *lane = lane.wrapping_add(*more);
        }
    }

    /// Feeds the sum into `hasher`.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let mut bytes = [0; LANES * 2];
        for (pair, lane) in bytes.chunks_exact_mut(2).zip(self.0.iter()) {
            pair.copy_from_slice(&lane.to_le_bytes());
        }
        hasher.update(&bytes);
    }

    fn fold(&mut self, parts: &[&[u8]], operation: impl Fn(u16, u16) -> u16) {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hash_part(&mut hasher, part);
        }
        let mut bytes = [0; LANES * 2];
        hasher.finalize_xof().fill(&mut bytes);
        for (lane, pair) in Arc::make_mut(&mut self.0).iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = operation(*lane, u16::from_le_bytes(*pair));
        }
    }
}

impl Default for LtHash {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = blake3::Hasher::new();
        self.hash_into(&mut hasher);
        write!(f, "LtHash({})", hasher.finalize().to_hex())
    }
}

/// Feeds `part` into `hasher`, preceded by its length.
pub(crate) fn hash_part(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

/// The digest of a whole state: 32 bytes, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the final hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(elements: &[&str]) -> LtHash {
        let mut sum = LtHash::new();
        elements.iter().for_each(|element| sum.add(&[element.as_bytes()]));
        sum
    }

    #[test]
    fn the_sum_forgets_the_order_and_what_was_removed() {
        let mut kept = sum(&["c", "a", "x", "b"]);
        kept.remove(&[b"x"]);
        assert_eq!(kept, sum(&["a", "b", "c"]));
        assert_ne!(kept, sum(&["a", "b"]));
    }

    #[test]
    fn a_merged_sum_is_the_sum_of_all_elements() {
        let mut merged = sum(&["a"]);
        merged.merge(&sum(&["b", "c"]));
        assert_eq!(merged, sum(&["a", "b", "c"]));
    }

    #[test]
    fn parts_are_told_apart() {
        let (mut one, mut other) = (LtHash::new(), LtHash::new());
        one.add(&[b"ab", b"c"]);
        other.add(&[b"a", b"bc"]);
        assert_ne!(one, other);
    }
}
