//! What is wrong with an expression.

/// The reason why an expression is rejected, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The position in the text, in bytes.
    pub(crate) at: usize,
    /// What is wrong, in a sentence without a full stop.
    pub(crate) message: String,
}

impl Flaw {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Returns what is wrong, and in which column of `text`.
    pub(crate) fn told(&self, text: &str) -> String {
        format!("column {}: {}", text[..self.at].chars().count() + 1, self.message)
    }
}

/// The reason why an expression has no value for a record: `1 / 0`, a missing field, a text where a
/// number is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str);

impl Fault {
    /// A function or an operator does not accept values of these types.
    pub(super) const TYPES: Self = Self("does not take values of these types");
    /// A number is too large for its type.
    pub(super) const RANGE: Self = Self("is out of range");
    /// A map, or the record itself, has no such member.
    pub(super) const ABSENT: Self = Self("is not there");
    /// An intermediate text or list is too long.
    pub(super) const LONG: Self = Self("creates a string or a list that is too long");
    /// The budget of the answer is used up.
    pub(super) const SPENT: Self = Self("costs too much");
}
