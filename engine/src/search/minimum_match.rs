//! How many of its words a query requires.

/// How many of the words of a query a document must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// All of them. If fewer than [`ENOUGH`] documents match, those that hold some of the words
    /// follow.
    Auto,
    /// All of them.
    All,
    /// At least one of them.
    Any,
}

/// With this many matches, a search is not relaxed.
pub const ENOUGH: u64 = 10;

/// The names of all variants, as requests spell them.
const NAMES: [(&str, Matching); 3] =
    [("auto", Matching::Auto), ("all", Matching::All), ("any", Matching::Any)];

impl Matching {
    /// Returns the variant of this name: `auto`, `all` or `any`.
    pub fn of_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, matching)| *matching)
    }

    /// Returns the names of all variants.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

/// What a walk requires of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// All words.
    All,
    /// Some words.
    Some,
    /// Some words; documents with all words come first.
    AllFirst,
}
