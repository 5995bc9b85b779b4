//! How many of its words a query demands.

/// How many of the words of a query a document must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// All of them. Where fewer than [`ENOUGH`] documents do, those that hold some follow.
    Auto,
    /// All of them.
    All,
    /// At least one of them.
    Any,
}

/// So many documents are enough for a search not to be relaxed.
pub const ENOUGH: u64 = 10;

/// The names of all of them, as requests give them.
const NAMES: [(&str, Matching); 3] =
    [("auto", Matching::Auto), ("all", Matching::All), ("any", Matching::Any)];

impl Matching {
    /// Returns the one of this name: `auto`, `all` or `any`.
    pub fn of_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, matching)| *matching)
    }

    /// Returns all names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

/// What a walk over the documents demands of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All words.
    All,
    /// Some words.
    Some,
    /// Some words, and those with all of them come first.
    AllFirst,
}
