//! How much an expression may make on the way.

/// The longest text, in bytes.
pub(super) const MAX_TEXT: usize = 256 << 10;

/// The most elements of a list or map.
pub(super) const MAX_LIST: usize = 64 << 10;

/// The most texts that are patterns, and the room that each may take, in bytes.
pub(super) const MAX_PATTERNS: usize = 8;
pub(super) const MAX_PATTERN: usize = 256 << 10;
