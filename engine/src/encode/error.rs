//! The reasons why a record cannot be written.

use crate::layout::Violation;
use crate::pointer::Pointer;
use crate::split::CellFlaw;

/// An error that prevents a value from being written, with its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The top level is not a table but a list, a string, a number or the like.
    #[error("a record must be a table")]
    NotATable,
    /// Tables and lists are nested deeper than any format can read.
    #[error("the record is nested too deeply")]
    TooDeep,
    /// The sheet has no format for the extension of the path.
    #[error("the sheet has no format for {path:?}")]
    UnknownFormat {
        /// The path.
        path: String,
    },
    /// A list holds null, which cannot be left out of a list.
    #[error("the list has null at {pointer}")]
    NullInList {
        /// A JSON Pointer to the null.
        pointer: Pointer,
    },
    /// A number is an integer that does not fit in a signed 64-bit integer.
    #[error("the integer at {pointer} is too large")]
    IntegerTooLarge {
        /// A JSON Pointer to the number.
        pointer: Pointer,
    },
    /// The record breaks the schema of its sheet, or does not belong at its path.
    #[error("the record is not valid: {}", told(issues))]
    Invalid {
        /// All problems; never empty.
        issues: Vec<Issue>,
    },
    /// The record of a Markdown sheet has no body.
    #[error("the body field {field:?} is missing")]
    BodyMissing {
        /// The field that holds the body.
        field: String,
    },
    /// The body is not a string.
    #[error("the body field {field:?} must be a string")]
    BodyNotText {
        /// The field that holds the body.
        field: String,
    },
    /// The given title is not the first heading of the body.
    #[error("the field {field:?} must be the first heading of the body, or be left out")]
    TitleDisagrees {
        /// The field that holds the title.
        field: String,
    },
    /// A string in the front matter contains a line that would end the front matter.
    #[error("the text at {pointer} has a line `{fence}`, which would end the front matter")]
    Fence {
        /// A JSON Pointer to the text.
        pointer: Pointer,
        /// The line.
        fence: &'static str,
    },
    /// The sheet sorts a list with JavaScript, which is not evaluated.
    #[error(
        "the list {field:?} is sorted by JavaScript, which Headwater does not evaluate: it cannot be written"
    )]
    SortScript {
        /// The field that holds the list.
        field: String,
    },
    /// A list has too many elements that cannot be compared with one another.
    #[error("the list {field:?} mixes types and is too long to be sorted")]
    SortTooLong {
        /// The field that holds the list.
        field: String,
    },
    /// A list sorted by collation contains a number that is too long to be compared.
    #[error("the list {field:?} has a number of more than 254 digits: it cannot be sorted")]
    SortDigits {
        /// The field that holds the list.
        field: String,
    },
    /// The file would not read back as the intended record.
    #[error("the record cannot be read back: {message}")]
    Unreadable {
        /// What a reader reports.
        message: String,
    },
    /// The record has a field without a column in its file.
    #[error("the file has no column for {field:?}: its columns are {}", columns.join(", "))]
    NoColumn {
        /// The field.
        field: String,
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// The record has a value that no cell can hold.
    #[error("no cell can hold the value at {pointer}: {message}")]
    NoCell {
        /// A JSON Pointer to the value.
        pointer: Pointer,
        /// Why.
        message: String,
    },
    /// The file would have to be rewritten, and has numbers that are read as null.
    #[error("the file has `.inf` or `.nan`, which would be lost: change it by a push")]
    NotFinite,
    /// The record holds null, which the format cannot express.
    #[error("TOML has no null, which is at {pointer}: leave the field out")]
    Null {
        /// A JSON Pointer to the null.
        pointer: Pointer,
    },
    /// The fields of the record do not determine its name in the list.
    #[error("the record has no key in its file: {message}")]
    Unnamed {
        /// The reason.
        message: &'static str,
    },
    /// The keys of a list are positions, so removing a record would change the keys of those after
    /// it.
    #[error("the keys of the file are the positions of its records: only the last can be deleted")]
    Positions,
    /// The change of a list would affect more than the one record.
    #[error("the change would change other records of the file, or their keys")]
    OthersChange,
    /// The change of a list would leave a file that is not a list.
    #[error("the file would not be a list of records any more")]
    NoList,
    /// The list has a layout in which records cannot be written.
    #[error("records of this file cannot be written: {what}")]
    LaidOut {
        /// The obstacle.
        what: &'static str,
    },
    /// A file of many records that is not there yet cannot be begun.
    #[error("a new file of records cannot be written: {what}; add the file by a push")]
    NoFile {
        /// Why.
        what: &'static str,
    },
    /// The record is not found where the list should have it.
    #[error("the record is not found in its file")]
    NotFoundInList,
    /// A library refused, which for a value that passed the other checks means a defect.
    #[error("the value cannot be written: {message}")]
    Refused {
        /// The message of the library.
        message: String,
    },
}

impl EncodeError {
    /// Returns the JSON Pointer to the offending value; the empty pointer is the whole value.
    ///
    /// Where there are several, in [`EncodeError::Invalid`], it is the first one's.
    pub fn pointer(&self) -> Pointer {
        match self {
            Self::NullInList { pointer }
            | Self::IntegerTooLarge { pointer }
            | Self::NoCell { pointer, .. }
            | Self::Null { pointer }
            | Self::Fence { pointer, .. } => pointer.clone(),
            Self::Invalid { issues } => {
                issues.first().map(|issue| issue.pointer.clone()).unwrap_or_default()
            }
            Self::BodyMissing { field }
            | Self::BodyNotText { field }
            | Self::TitleDisagrees { field }
            | Self::SortScript { field }
            | Self::SortTooLong { field }
            | Self::SortDigits { field }
            | Self::NoColumn { field, .. } => Pointer::of([field]),
            Self::NotATable
            | Self::TooDeep
            | Self::NotFinite
            | Self::UnknownFormat { .. }
            | Self::Unreadable { .. }
            | Self::Unnamed { .. }
            | Self::Positions
            | Self::OthersChange
            | Self::NoList
            | Self::LaidOut { .. }
            | Self::NoFile { .. }
            | Self::NotFoundInList
            | Self::Refused { .. } => Pointer::whole(),
        }
    }
}

/// One problem of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The JSON Pointer of the value; the empty one is the whole record.
    pub pointer: Pointer,
    /// What is wrong with it, without the value itself.
    pub message: String,
    /// The keyword of the schema that it breaks, or `path_mismatch`.
    pub rule: String,
}

impl From<Violation> for Issue {
    fn from(violation: Violation) -> Self {
        let Violation { pointer, message, keyword } = violation;
        Self { pointer, message, rule: keyword }
    }
}

impl From<CellFlaw> for EncodeError {
    fn from(flaw: CellFlaw) -> Self {
        match flaw {
            CellFlaw::NoColumn { field, columns } => Self::NoColumn { field, columns },
            CellFlaw::NoCell { field, message } => {
                Self::NoCell { pointer: Pointer::of([field]), message }
            }
        }
    }
}

fn told(issues: &[Issue]) -> String {
    let told = issues.iter().map(|issue| match issue.pointer.as_str() {
        "" => issue.message.clone(),
        pointer => format!("{} at {pointer}", issue.message),
    });
    told.collect::<Vec<_>>().join("; ")
}
