//! Which commits the caller of a write is told of.

use headwater_engine::id::CommitId;
use headwater_engine::view::View;

/// The commits that the caller of a write is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToldCommits {
    /// Any: it may read the state of each.
    Any,
    /// Those that it made, because it reads nothing.
    Own,
}

/// Who made the commit of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// The request.
    Request,
    /// Anybody: the request made none, or not yet.
    Anybody,
}

impl ToldCommits {
    /// Returns the commits that a caller with this view is told of.
    pub(super) fn to(view: &View) -> Self {
        if view.is_empty() { Self::Own } else { Self::Any }
    }

    /// Returns `commit` if the caller is told of it.
    pub(super) fn tell(self, commit: CommitId, made_by: MadeBy) -> Option<CommitId> {
        match (self, made_by) {
            (Self::Own, MadeBy::Anybody) => None,
            (Self::Own, MadeBy::Request) | (Self::Any, _) => Some(commit),
        }
    }
}

impl MadeBy {
    /// Returns who made the commit of a batch that changed something, or did not.
    pub(super) fn of(changed: bool) -> Self {
        if changed { Self::Request } else { Self::Anybody }
    }
}
