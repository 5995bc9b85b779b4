//! The settings that the document depends on.

/// The settings of a server that the document depends on.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// The prefix of every path.
    pub base_path: String,
    /// Whether writes are on.
    pub writes: bool,
}
