//! Files of many records, cut into pieces: one for each record, with its place in the file.
//!
//! Tables of cells, JSON Lines and JSON lists are cut by a scan, and a piece is read without a look
//! at the others. Where a piece begins depends on the bytes before it alone, and what it is on the
//! bytes behind that alone. So a file that has changed is cut anew only from the last piece that
//! stands before the first change to the first that stands behind the last. YAML, TOML, and what a
//! JSON Pointer leads to are parsed whole.

mod cells;
mod csv;
mod elements;
mod lines;
mod piece;
mod whole;

use serde_json::Value as Json;

use crate::decode::Flaw;

pub(crate) use cells::{CellFlaw, heading};
pub use csv::{CellType, Header};
pub use piece::{Cut, Records};
pub(crate) use whole::{Element, elements, list};

/// How the pieces of a file are told apart by a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Splitter {
    /// Rows of cells, below a row with the names of the fields.
    Rows(Header),
    /// A JSON value a line.
    Lines,
    /// The elements of a JSON list.
    Elements,
}

impl Splitter {
    /// How many bytes behind the end of a piece decide that it ends there.
    pub const AHEAD: usize = 2;

    /// Reads what stands before the first record of a table; returns where the first begins.
    ///
    /// `types` says what the cells of a column are.
    ///
    /// # Errors
    ///
    /// A name that is empty or comes twice is a flaw, and so is a row of names that does not end.
    pub fn rows(
        text: &str,
        tabs: bool,
        types: &dyn Fn(&str) -> CellType,
    ) -> Result<(Self, usize), Flaw> {
        let (header, begin) = Header::read(text, tabs, types)?;
        Ok((Self::Rows(header), begin))
    }

    /// Returns the splitter of JSON Lines, and where the first line begins.
    pub fn lines(text: &str) -> (Self, usize) {
        (Self::Lines, lines::next(text, 0))
    }

    /// Returns the splitter of a JSON list, and where the first element begins; `None` where the
    /// text does not begin as a list.
    pub fn list(text: &str) -> Option<(Self, usize)> {
        elements::begin(text).map(|begin| (Self::Elements, begin))
    }

    /// Returns the piece that begins at byte `at`, where `begin` is the beginning of the first;
    /// `None` where there is no further one. Where a piece ends, the next begins; to find that, at
    /// most [`Self::AHEAD`] bytes behind the end are looked at.
    ///
    /// # Errors
    ///
    /// A file that cannot be cut from here on is a flaw.
    pub fn piece(&self, text: &str, begin: usize, at: usize) -> Result<Option<Cut>, Flaw> {
        match self {
            Self::Rows(header) => header.row(text, at),
            Self::Lines => Ok(lines::line(text, at)),
            Self::Elements => elements::element(text, begin, at),
        }
    }

    /// Reads a piece. A flaw has its place from the beginning of `body`, the bytes of the piece.
    ///
    /// # Errors
    ///
    /// What is no table is a flaw.
    pub fn read(&self, body: &str) -> Result<Json, Flaw> {
        match self {
            Self::Rows(header) => header.read_row(body),
            Self::Lines => lines::read(body),
            Self::Elements => elements::read(body),
        }
    }
}

#[cfg(test)]
mod tests;
