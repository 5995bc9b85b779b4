//! Facts about bad data. A problem is part of the state, not an error: the record concerned is
//! absent, or a rule that spans records is broken.

use crate::id::SheetName;
use crate::pointer::Pointer;

/// A file that cannot be a record, or a fact that contradicts a rule.
///
/// Problems are ordered by sheet, path, position and rule, so that two states list them in the same
/// order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// The sheet it belongs to, or `None` for a definition that names no sheet.
    pub sheet: Option<SheetName>,
    /// The path in the tree; bytes that are not UTF-8 are written as `%XX`.
    pub path: String,
    /// The line, counted from 1, if known.
    pub line: Option<u32>,
    /// The column in characters, counted from 1, if known.
    pub column: Option<u32>,
    /// The JSON Pointer of the offending value, where the file could be decoded.
    pub pointer: Option<Pointer>,
    /// The rule that is broken.
    pub rule: Rule,
    /// What is wrong, in one sentence without a full stop and without an excerpt of the file.
    pub message: String,
}

impl Problem {
    /// Returns a problem of `path` without a position in the file.
    pub fn new(sheet: &SheetName, path: impl Into<String>, rule: Rule, message: String) -> Self {
        let (path, sheet) = (path.into(), Some(sheet.clone()));
        Self { sheet, path, line: None, column: None, pointer: None, rule, message }
    }

    /// Returns how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let pointer = self.pointer.as_ref().map_or(0, |pointer| pointer.len());
        (size_of::<Self>() + self.path.len() + self.message.len() + pointer) as u64
    }

    /// Sets the position: line and column, counted from 1.
    #[must_use]
    pub fn at(mut self, line: Option<u32>, column: Option<u32>) -> Self {
        (self.line, self.column) = (line, column);
        self
    }

    /// Sets the JSON Pointer of the offending value.
    #[must_use]
    pub fn pointing_to(mut self, pointer: Pointer) -> Self {
        self.pointer = Some(pointer);
        self
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The closed list of rules that data can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            /// Every rule, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the stable name that the API and the command line show.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

rules! {
    /// The file is not well-formed in its format.
    Malformed = "malformed",
    /// The file is not valid UTF-8.
    NotUtf8 = "not_utf8",
    /// The file is larger than the limit for a record.
    TooLarge = "too_large",
    /// The document is nested too deeply, or its aliases expand to too much.
    TooDeep = "too_deep",
    /// The file is a Git LFS pointer, not the content.
    LfsPointer = "lfs_pointer",
    /// The name of the file is not valid UTF-8.
    NameNotUtf8 = "name_not_utf8",
    /// The name could do harm where the tree is checked out (`.git`, `..`, control characters).
    HostileName = "hostile_name",
    /// The value breaks the JSON Schema of its sheet.
    Schema = "schema",
    /// A field in the path template disagrees with the path.
    PathMismatch = "path_mismatch",
    /// Another file, earlier by path, claims the same key.
    KeyTaken = "key_taken",
    /// Another record holds the same value in a field declared unique.
    NotUnique = "not_unique",
    /// A reference field holds a value that matches no record.
    DanglingRef = "dangling_ref",
    /// The definition of the sheet cannot be used.
    Definition = "definition",
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
