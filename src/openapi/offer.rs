//! What a server offers.

/// What a server lets its callers do, as far as its settings say.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// What is in front of every path.
    pub base_path: String,
    /// Whether anything is written.
    pub writes: bool,
}
