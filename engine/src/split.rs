//! Files of many records, cut into pieces: one for each record, with its position in the file.
//!
//! Tables of cells, JSON Lines and JSON lists are cut by a scan, and each piece is read
//! independently of the others. Where a piece begins depends only on the bytes before it, and what
//! it contains only on the bytes after that. So a changed file is cut again only from the last
//! piece before the first change to the first piece after the last change. YAML, TOML, and the
//! targets of JSON Pointers are parsed whole.

mod cells;
mod csv;
mod value_difference;
mod json_list;
mod json_lines;
mod parsed_file;
mod piece;
mod whole_file;

use serde_json::Value as Json;

use crate::decode::Flaw;

pub(crate) use cells::{CellFlaw, heading};
pub use csv::{CellType, Header};
pub(crate) use parsed_file::ParsedFile;
pub use piece::{Cut, Records};
pub(crate) use value_difference::{PartPath, Version, smallest_differing_part};
pub(crate) use whole_file::{Element, elements, list};

/// How a scan separates the pieces of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Splitter {
    /// Rows of cells, below a row with the field names.
    Rows(Header),
    /// One JSON value per line.
    Lines,
    /// The elements of a JSON list.
    Elements,
}

impl Splitter {
    /// The number of bytes after a piece that decide whether it ends there.
    pub const AHEAD: usize = 2;

    /// Reads the part of a table before its first record. Returns where the first record begins.
    ///
    /// `types` gives the type of the cells of each column.
    ///
    /// # Errors
    ///
    /// A flaw if a name is empty or duplicate, or if the row of names does not end.
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
        (Self::Lines, json_lines::next(text, 0))
    }

    /// Returns the splitter of a JSON list, and where the first element begins, or `None` if the
    /// text does not begin like a list.
    pub fn list(text: &str) -> Option<(Self, usize)> {
        json_list::begin(text).map(|begin| (Self::Elements, begin))
    }

    /// Returns the piece that begins at byte `at`, or `None` if there are no more; `begin` is where
    /// the first piece begins. The next piece begins where this one ends. To find that position, at
    /// most [`Self::AHEAD`] bytes after the end are read.
    ///
    /// # Errors
    ///
    /// A flaw if the file cannot be cut from here on.
    pub fn piece(&self, text: &str, begin: usize, at: usize) -> Result<Option<Cut>, Flaw> {
        match self {
            Self::Rows(header) => header.row(text, at),
            Self::Lines => Ok(json_lines::line(text, at)),
            Self::Elements => json_list::element(text, begin, at),
        }
    }

    /// Reads a piece. The position of a flaw is relative to `body`, the bytes of the piece.
    ///
    /// # Errors
    ///
    /// A flaw if the piece is not a table.
    pub fn read(&self, body: &str) -> Result<Json, Flaw> {
        match self {
            Self::Rows(header) => header.read_row(body),
            Self::Lines => json_lines::read(body),
            Self::Elements => json_list::read(body),
        }
    }
}

#[cfg(test)]
mod tests;
