//! The possible flaws of a tree object.

/// The flaw of a tree that git would not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TreeFlaw {
    /// The bytes end within an entry, or a mode is not a number.
    #[error("it cannot be parsed")]
    Unparsable,
    /// A mode is not that of a file, link, folder or submodule.
    #[error("an entry has an unknown mode")]
    UnknownMode,
    /// A name is empty.
    #[error("an entry has no name")]
    EmptyName,
    /// A name contains a `/`.
    #[error("the name of an entry contains a slash")]
    SlashInName,
    /// An id is forty zeros.
    #[error("an entry has the null id")]
    NullId,
    /// The entries are not in git's order.
    #[error("its entries are not sorted")]
    NotSorted,
    /// Two entries have the same name.
    #[error("two entries have the same name")]
    DuplicateName,
    /// The path to an entry is too long or too deep.
    #[error("the path to an entry is longer than 4096 bytes")]
    PathTooLong,
}
