//! What holds a record.

/// What a record is in, or is to be in.
pub(super) enum Holder {
    /// A file of its own.
    Itself,
    /// The list at this path.
    List(String),
    /// A list that is not there yet.
    NewList,
}
