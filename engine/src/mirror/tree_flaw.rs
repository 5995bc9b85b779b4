//! What can be wrong with a tree object.

/// What makes a tree one that git would not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TreeFlaw {
    /// The bytes end within an entry, or a mode is no number.
    #[error("it cannot be parsed")]
    Unparsable,
    /// A mode is none of file, link, folder and submodule.
    #[error("an entry has an unknown mode")]
    UnknownMode,
    /// A name is empty.
    #[error("an entry has no name")]
    EmptyName,
    /// A name holds a `/`.
    #[error("the name of an entry holds a slash")]
    SlashInName,
    /// An id is forty zeros.
    #[error("an entry has the null id")]
    NullId,
    /// The entries are not in git's order.
    #[error("its entries are not sorted")]
    NotSorted,
    /// Two entries have one name.
    #[error("two entries have one name")]
    DuplicateName,
    /// The path to an entry is too long or too deep.
    #[error("the path to an entry is longer than 4096 bytes")]
    PathTooLong,
}
