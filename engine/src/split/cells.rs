//! Writes rows of cells. A cell whose value does not change keeps its bytes.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value as Json};

use super::csv::{CellType, Column, DELIMITERS, Header};

/// Why a record cannot be a row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CellFlaw {
    /// It has a field without a column.
    NoColumn {
        /// The field.
        field: String,
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// It has a value that no cell can express.
    NoCell {
        /// The field.
        field: String,
        /// The reason.
        message: String,
    },
}

/// A cell as written in a row.
struct Written<'t> {
    /// Its bytes, including quotes.
    raw: &'t str,
    /// Its text, or `None` if that cannot be read.
    text: Option<String>,
    is_quoted: bool,
}

/// Returns the first row of a new table with these columns, with its end.
///
/// # Errors
///
/// Fails if no column can have this name; the message gives the reason.
pub(crate) fn heading(columns: &BTreeSet<&str>, tabs: bool) -> Result<String, &'static str> {
    if columns.is_empty() {
        return Err("a table needs a column, and the record has no field");
    }
    if columns.iter().any(|name| name.trim().is_empty() || name.trim() != *name) {
        return Err("a column needs a name without spaces at its ends");
    }
    let delimiter = if tabs { '\t' } else { ',' };
    // Whatever could be taken for another delimiter, or for the quote of the file.
    let is_delimiter = |c: char| u8::try_from(c).is_ok_and(|byte| DELIMITERS.contains(&byte));
    let is_odd = |c: char| is_delimiter(c) || matches!(c, '"' | '\'' | '\n' | '\r');
    let name = |name: &&str| match name.contains(is_odd) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => (*name).to_owned(),
    };
    let names: Vec<String> = columns.iter().map(name).collect();
    Ok(names.join(&delimiter.to_string()) + "\n")
}

impl Header {
    /// Returns the row for `record`. If it replaces the row `before`, cells with unchanged values
    /// keep their bytes. Other cells are quoted where necessary, and where the cell of that column
    /// in the row `like` is quoted.
    ///
    /// # Errors
    ///
    /// See [`CellFlaw`]. Every cell is read back before it is used.
    pub(crate) fn written(
        &self,
        record: &Map<String, Json>,
        before: Option<&str>,
        like: Option<&str>,
    ) -> Result<String, CellFlaw> {
        let names: HashSet<&String> = self.columns.iter().map(|column| &column.name).collect();
        if let Some(field) = record.keys().find(|field| !names.contains(field)) {
            let columns = self.columns.iter().map(|column| column.name.clone()).collect();
            return Err(CellFlaw::NoColumn { field: field.clone(), columns });
        }
        let old = before.map(|row| self.cells(row)).unwrap_or_default();
        let like = like.map(|row| self.cells(row)).unwrap_or_default();
        let mut cells: Vec<String> = Vec::with_capacity(self.columns.len());
        // A short row lacks the fields of its last columns, and stays short where it can.
        let mut least = if before.is_some() { old.len() } else { self.columns.len() };
        for (at, column) in self.columns.iter().enumerate() {
            let value = record.get(&column.name);
            if value.is_some() {
                least = least.max(at + 1);
            }
            let cell = match old.get(at) {
                Some(old) if column.says(old, value) => old.raw.to_owned(),
                old => {
                    let is_quoted = old.or(like.get(at)).is_some_and(|cell| cell.is_quoted);
                    self.cell_of(column, value, is_quoted)?
                }
            };
            cells.push(cell);
        }
        cells.truncate(least);
        let row = cells.join(&char::from(self.delimiter).to_string());
        // An empty line would not be a row.
        Ok(if row.is_empty() { char::from(self.quote).to_string().repeat(2) } else { row })
    }

    /// Splits a row into its cells.
    fn cells<'t>(&self, row: &'t str) -> Vec<Written<'t>> {
        let mut cells = Vec::with_capacity(self.columns.len());
        let mut at = 0;
        while let Ok(cell) = self.cell(row.as_bytes(), at) {
            let text = self.text(row, &cell).ok();
            let raw = &row[cell.range.clone()];
            cells.push(Written { raw, text, is_quoted: cell.is_quoted });
            if cell.is_last {
                break;
            }
            at = cell.next;
        }
        cells
    }

    /// Formats a cell; `is_quoted` adds quotes even if they are not needed.
    fn cell_of(
        &self,
        column: &Column,
        value: Option<&Json>,
        is_quoted: bool,
    ) -> Result<String, CellFlaw> {
        let flaw = |message: String| CellFlaw::NoCell { field: column.name.clone(), message };
        let text = match value {
            None => String::new(),
            Some(Json::String(text)) if text.is_empty() => {
                return Err(flaw("an empty cell is not a value: leave the field out".into()));
            }
            Some(Json::String(text)) => text.clone(),
            Some(Json::Null) => return Err(flaw("a cell cannot hold null".into())),
            Some(Json::Array(_) | Json::Object(_)) => {
                return Err(flaw("a cell cannot hold a list or a table".into()));
            }
            Some(value) => value.to_string(),
        };
        if let Some(value) = value {
            match column.cells.read(&text) {
                Ok(read) if read == *value => {}
                Ok(read) => {
                    let remedy = match column.cells {
                        CellType::Found => "; the schema, or `types`, says what a column holds",
                        _ => "",
                    };
                    return Err(flaw(format!("the cell would be read as {read}{remedy}")));
                }
                Err(message) => return Err(flaw(message.to_owned())),
            }
        }
        let (delimiter, quote) = (char::from(self.delimiter), char::from(self.quote));
        let is_odd = |c: char| c == delimiter || c == quote || c == '\n' || c == '\r';
        Ok(match is_quoted || text.contains(is_odd) {
            true => format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}"))),
            false => text,
        })
    }
}

impl Column {
    /// Returns whether a cell already has this value.
    fn says(&self, cell: &Written<'_>, value: Option<&Json>) -> bool {
        let Some(text) = &cell.text else { return false };
        match value {
            None => text.is_empty(),
            Some(value) => !text.is_empty() && self.cells.read(text).as_ref() == Ok(value),
        }
    }
}
