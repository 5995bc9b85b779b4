//! What a webhook says.

use headwater_engine::id::CommitId;

use super::forge::Push;

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Our own body, or none.
    Ours {
        /// The branch the caller means.
        branch: Option<String>,
        /// The commit that the caller wants to see live.
        commit: Option<CommitId>,
    },
    /// A forge tells of pushes; several when one push moved several branches.
    Pushes(Vec<Push>),
    /// A forge tries the webhook out.
    Ping,
    /// A forge tells of something else.
    Unknown,
}
