//! Limits on what a list may request.

/// The most conditions of one list.
pub(crate) const MAX_FILTERS: usize = 64;

/// The most fields to sort by, to count, or to show.
pub(crate) const MAX_FIELDS: usize = 32;

/// How many steps over keys cost as much as reading a field of one record.
pub(crate) const READING: usize = 8;
