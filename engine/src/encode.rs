//! From a JSON value back to the bytes of a file: the other direction of [`decode`](crate::decode).
//!
//! JSON knows less than TOML: a native date is a string there, and NaN is null. So a file is always
//! written with a look at what it held before, and what comes back as it was shown stays what it
//! was. Writing a record that was not changed gives its canonical bytes.

mod toml;

pub use toml::toml;

/// A value that cannot be written, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The top level is a list, a text, a number or the like.
    #[error("a record must be a table")]
    NotATable,
    /// A list holds null, which has no place to be absent from.
    #[error("the list has null at {pointer}")]
    NullInList {
        /// A JSON Pointer to the null.
        pointer: String,
    },
    /// A number is an integer above what 64 bits with a sign hold.
    #[error("the integer at {pointer} is too large")]
    IntegerTooLarge {
        /// A JSON Pointer to the number.
        pointer: String,
    },
    /// The writer refused, which for a value that passed the other checks means a defect.
    #[error("the value cannot be written: {message}")]
    Refused {
        /// What the writer says.
        message: String,
    },
}

impl EncodeError {
    /// Returns the JSON Pointer to what is wrong; the empty one is the whole value.
    pub fn pointer(&self) -> &str {
        match self {
            Self::NotATable | Self::Refused { .. } => "",
            Self::NullInList { pointer } | Self::IntegerTooLarge { pointer } => pointer,
        }
    }
}
