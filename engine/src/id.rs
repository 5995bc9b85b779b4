//! The names of objects in git and of sheets and records: object ids, sheet names and record keys.

use std::fmt;
use std::str::FromStr;

use arcstr::ArcStr;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 20]);

        impl $name {
            /// The id of forty zeros, which identifies no object.
            pub const ZERO: Self = Self([0; 20]);

            /// Wraps the twenty bytes of a SHA-1 object id.
            pub const fn from_bytes(bytes: [u8; 20]) -> Self {
                Self(bytes)
            }

            /// Returns the twenty bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 20] {
                &self.0
            }

            /// Returns whether this is [`Self::ZERO`].
            pub fn is_zero(&self) -> bool {
                *self == Self::ZERO
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                HEXLOWER.encode_display(&self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Parses a full hash: forty hexadecimal digits, no abbreviation.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 20];
                if text.len() != 2 * bytes.len() {
                    return Err(IdError);
                }
                let decoded = HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes);
                decoded.map(|_| Self(bytes)).map_err(|_| IdError)
            }
        }
    };
}

object_id! {
    /// The id of a commit.
    CommitId
}
object_id! {
    /// The id of a tree object.
    TreeId
}
object_id! {
    /// The id of a blob object.
    BlobId
}

/// A text that is not a full object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object id is forty hexadecimal digits")]
pub struct IdError;

macro_rules! shared_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ArcStr);

        impl $name {
            /// Wraps `text`, which is copied once and shared from then on.
            pub fn new(text: impl Into<ArcStr>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

shared_name! {
    /// The name of a sheet. It is not empty and does not begin with `_`.
    SheetName
}
shared_name! {
    /// The key of a record: its path below the root of its sheet, without the extension, with `/`
    /// between segments. Keys order by their bytes.
    Key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_hash_parses_and_prints_the_same() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<CommitId>().map(|id| id.to_string()), Ok(text.to_owned()));
    }

    #[test]
    fn an_abbreviated_or_foreign_text_is_not_an_id() {
        for text in ["", "0123", "g123456789abcdef0123456789abcdef01234567", "é"] {
            assert_eq!(text.parse::<CommitId>(), Err(IdError), "{text:?}");
        }
    }
}
