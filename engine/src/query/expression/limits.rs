//! Limits on intermediate values of an expression.

/// The longest text, in bytes.
pub(super) const MAX_TEXT: usize = 256 << 10;

/// The most elements of a list or map.
pub(super) const MAX_LIST: usize = 64 << 10;

/// The most bytes that the values take that one evaluation makes and uses at once, and so each of
/// them. A list of as many elements as it may have fits.
pub(super) const MAX_MADE: usize = 4 << 20;

/// How large the value of a function of constants may be that is kept with the expression, in bytes.
/// A larger one is computed again for each record.
pub(super) const MAX_CONSTANT: usize = 1 << 10;

/// The most texts that are patterns, and the room that each may take, in bytes.
pub(super) const MAX_PATTERNS: usize = 8;
pub(super) const MAX_PATTERN: usize = 256 << 10;
