//! Why commits could not be put on top of others.

use crate::mirror::ObjectError;
use crate::report::LostField;

/// Commits that could not be put on top of others.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebaseError {
    /// Both sides changed the same fields, or a local file is not a record, or is a different one,
    /// in the layout of the other side.
    #[error("both sides changed {}, or a different record is there now", told(lost))]
    Conflict {
        /// Everything that the commit would lose; nothing if only one that is left out is in its way.
        lost: Vec<LostField>,
    },
    /// The repository cannot be read.
    #[error("cannot read the repository")]
    Repository(#[from] ObjectError),
}

pub(super) fn told(lost: &[LostField]) -> String {
    let told = |LostField { path, pointer }: &LostField| format!("{path}{pointer}");
    lost.iter().map(told).collect::<Vec<_>>().join(", ")
}
