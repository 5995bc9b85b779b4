//! Deltas between objects that resemble each other, in git's delta format (`gitformat-pack`,
//! "Deltified representation").
//!
//! The new tree of a folder differs from the old one in an entry or two. So only the common prefix
//! and suffix are used, which is all there is to find, and nothing in between is searched.

use crate::mirror::tree::common_prefix;

/// The bytes that a delta has at least: git applies no shorter one, not even to make an empty tree.
const SHORTEST: usize = 4;

/// Returns the delta, or `None` if the two have too little in common, or there is next to nothing to tell.
pub(in crate::mirror) fn between(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let prefix = common_prefix(base, target);
    let suffix = common_suffix(&base[prefix..], &target[prefix..]);
    if prefix + suffix < target.len() / 2 {
        return None;
    }
    let mut delta = Vec::new();
    size(&mut delta, base.len());
    size(&mut delta, target.len());
    copy(&mut delta, 0, prefix);
    for chunk in target[prefix..target.len() - suffix].chunks(0x7f) {
        delta.push(chunk.len() as u8);
        delta.extend(chunk);
    }
    copy(&mut delta, base.len() - suffix, suffix);
    (delta.len() >= SHORTEST).then_some(delta)
}

/// Returns the length of the common suffix.
fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 1 << 10;
    let blocks = a.rchunks_exact(BLOCK).zip(b.rchunks_exact(BLOCK));
    let whole = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = a[..a.len() - whole].iter().rev().zip(b[..b.len() - whole].iter().rev());
    whole + rest.take_while(|(a, b)| a == b).count()
}

/// Writes a number in groups of seven bits, the lowest first.
fn size(delta: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        delta.push(number as u8 | 0x80);
        number >>= 7;
    }
    delta.push(number as u8);
}

/// Copies from the base. One instruction covers 64 KiB, as in git.
fn copy(delta: &mut Vec<u8>, mut from: usize, mut length: usize) {
    while length > 0 {
        let part = length.min(0xffff);
        let place = delta.len();
        delta.push(0x80);
        let operands = [(from, 4, 0_u8), (part, 2, 4)];
        for (number, bytes, flag) in operands {
            for at in 0..bytes {
                let byte = (number >> (8 * at)) as u8;
                if byte != 0 {
                    delta.push(byte);
                    delta[place] |= 1 << (flag + at as u8);
                }
            }
        }
        (from, length) = (from + part, length - part);
    }
}
