//! The settings that the document depends on.

/// The settings of a server that the document depends on.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// The address of the server: absolute, or a path, which is relative to that of the document.
    pub server: String,
    /// Whether writes are on.
    pub writes: bool,
}
