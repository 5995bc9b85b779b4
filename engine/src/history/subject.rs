//! The record that a history is of.

use crate::disclosure::Disclosure;
use crate::layout::SheetSpec;

use super::whereabouts::Whereabouts;

/// A record, or a key that may have been one.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What the present state discloses.
    pub now: Disclosure<'a>,
    /// Its sheet there.
    pub spec: &'a SheetSpec,
    /// Its key.
    pub key: &'a str,
    /// The files that may hold it, in their order of precedence: at least one.
    pub paths: &'a [Whereabouts],
}
