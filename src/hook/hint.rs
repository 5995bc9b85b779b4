//! The content of a webhook.

use headwater_engine::id::CommitId;

use super::forge::Push;

/// The content of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Our own body, or an empty one.
    Ours {
        /// The branch the caller means.
        branch: Option<String>,
        /// The commit that the caller wants to see live.
        commit: Option<CommitId>,
    },
    /// Pushes of a forge; there are several if one push moved several branches.
    Pushes(Vec<Push>),
    /// A forge tests the webhook.
    Ping,
    /// Another event of a forge.
    Unknown,
}
