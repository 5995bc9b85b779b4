//! How much a list may ask for.

/// The most conditions of one list.
pub(crate) const MAX_FILTERS: usize = 64;

/// The most fields to sort by, to count, or to show.
pub(crate) const MAX_FIELDS: usize = 32;
