//! What a list is asked to count.

use crate::query::grouping::{Grouping, ReportedCounts};
use crate::value::FieldPath;

/// What a list is asked to count.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) facets: Vec<Grouping>,
    pub(crate) told: ReportedCounts,
    pub(crate) mode: FacetMode,
    pub(crate) stats: Vec<FieldPath>,
    pub(crate) group_by: Vec<Grouping>,
}

/// Whether the conditions on a field apply when its values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FacetMode {
    /// Yes, like all others.
    And,
    /// No: each count shows what another value of the field would find.
    Or,
}
