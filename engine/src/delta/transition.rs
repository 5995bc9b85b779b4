//! A step from one state to the next, which each view sees as a difference of its own.

use std::sync::Arc;

use super::Delta;
use crate::snapshot::{RecordChange, Snapshot};
use crate::view::View;

/// Two states that share what they have in common, and what differs between them.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The earlier state.
    pub before: Arc<Snapshot>,
    /// The later state.
    pub after: Arc<Snapshot>,
    /// The served records that differ, as [`Snapshot::differences`] lists them.
    pub changed: Arc<Vec<RecordChange>>,
}

impl Transition {
    /// Returns what changes for `view`. Reads nothing of the repository. Costs a visit to each sheet,
    /// and otherwise as much as [`Delta::of`].
    pub fn seen_by(&self, view: &View) -> Delta {
        let [before, after] = [&self.before, &self.after].map(|state| state.records_seen_by(view));
        Delta::of(&before, &after, &self.changed)
    }
}
