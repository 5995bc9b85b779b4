//! Tables of cells: RFC 4180, with the delimiter of the header and either line ending.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::piece::Cut;
use crate::decode::Flaw;
use crate::problem::Rule;

/// The delimiters that a header may have; of two that are as frequent the first.
pub(super) const DELIMITERS: [u8; 4] = *b",;\t|";

/// The type of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellType {
    /// The type that each cell looks like: a JSON number in its canonical form, `true` or `false`;
    /// everything else is a string.
    #[default]
    Found,
    /// Strings.
    Text,
    /// Numbers, in any notation.
    Number,
    /// Integers, in any notation.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Numbers, in any notation; anything else stays a string.
    Numeric,
    /// Dates, as strings: `2024-05-31`, with or without a time.
    Date,
}

/// The first row of a table, and how its cells are separated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) columns: Arc<[Column]>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) cells: CellType,
}

/// A cell of a row.
pub(super) struct Cell {
    /// Its range, including quotes.
    pub(super) range: Range<usize>,
    /// Whether it begins with a quote.
    pub(super) is_quoted: bool,
    /// Where text continues after the closing quote.
    trailing: Option<usize>,
    /// Where the next cell or row begins.
    pub(super) next: usize,
    /// Whether it is the last cell of its row.
    pub(super) is_last: bool,
}

impl CellType {
    /// Returns whether cells are numbers, or may be numbers among strings.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Integer | Self::Numeric)
    }

    /// Returns the type with the name `name` in definitions.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Text,
            "number" => Self::Number,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            _ => return None,
        })
    }

    /// Returns the value of a cell that is not empty, or an error if it has none.
    pub(super) fn read(self, text: &str) -> Result<Json, &'static str> {
        let bare = text.trim();
        match self {
            Self::Found => Ok(found(text)),
            Self::Text => Ok(Json::from(text)),
            Self::Numeric => Ok(number(bare).unwrap_or_else(|| Json::from(text))),
            Self::Number => number(bare).ok_or("the cell is not a number"),
            Self::Integer => match number(bare) {
                Some(number) if number.is_i64() || number.is_u64() => Ok(number),
                _ => Err("the cell is not an integer of at most 64 bits"),
            },
            Self::Boolean => match bare {
                "true" => Ok(Json::Bool(true)),
                "false" => Ok(Json::Bool(false)),
                _ => Err("the cell is neither true nor false"),
            },
            Self::Date if is_date(bare) => Ok(Json::from(bare)),
            Self::Date => Err("the cell is not a date"),
        }
    }
}

impl Header {
    /// Reads the first row of `text`. Returns where the second begins.
    pub(super) fn read(
        text: &str,
        tabs: bool,
        types: &dyn Fn(&str) -> CellType,
    ) -> Result<(Self, usize), Flaw> {
        let bytes = text.as_bytes();
        let begin = behind_empty_lines(bytes, 0);
        let flaw =
            |at: usize, message: String| Flaw::new(Rule::Malformed, message).at_offset(text, at);
        let quote = if bytes.get(begin) == Some(&b'\'') { b'\'' } else { b'"' };
        let delimiter = if tabs { b'\t' } else { delimiter(bytes, begin, quote) };
        let mut header = Self { delimiter, quote, columns: Arc::default() };
        let mut columns: Vec<Column> = Vec::new();
        let mut names: HashSet<String> = HashSet::new();
        let mut at = begin;
        loop {
            let cell = header.cell(bytes, at).map_err(|at| flaw(at, UNCLOSED.into()))?;
            let start = cell.range.start;
            let name = header.text(text, &cell).map_err(|(at, said)| flaw(at, said.into()))?;
            let name = name.trim();
            if name.is_empty() {
                return Err(flaw(start, format!("column {} has no name", columns.len() + 1)));
            }
            if !names.insert(name.to_owned()) {
                return Err(flaw(start, format!("two columns are called {name:?}")));
            }
            columns.push(Column { name: name.to_owned(), cells: types(name) });
            at = cell.next;
            if cell.is_last {
                header.columns = columns.into();
                return Ok((header, behind_empty_lines(bytes, at)));
            }
        }
    }

    /// Returns the row that begins at `at`.
    pub(super) fn row(&self, text: &str, start: usize) -> Result<Option<Cut>, Flaw> {
        let bytes = text.as_bytes();
        if start == bytes.len() {
            return Ok(None);
        }
        let mut at = start;
        loop {
            let cell = self
                .cell(bytes, at)
                .map_err(|at| Flaw::new(Rule::Malformed, UNCLOSED).at_offset(text, at))?;
            at = cell.next;
            if cell.is_last {
                let end = behind_empty_lines(bytes, cell.next);
                return Ok(Some(Cut { body: start..cell.range.end, end }));
            }
        }
    }

    /// Reads a row. Empty or missing cells are not fields.
    pub(super) fn read_row(&self, row: &str) -> Result<Json, Flaw> {
        let mut fields = Map::new();
        let mut at = 0;
        let flaw =
            |at: usize, message: &str| Flaw::new(Rule::Malformed, message).at_offset(row, at);
        let mut columns = self.columns.iter();
        loop {
            let cell = self.cell(row.as_bytes(), at).map_err(|at| flaw(at, UNCLOSED))?;
            let start = cell.range.start;
            let Some(column) = columns.next() else {
                let message =
                    format!("the row has more cells than the {} columns", self.columns.len());
                return Err(flaw(start, &message));
            };
            let text = self.text(row, &cell).map_err(|(at, message)| flaw(at, message))?;
            if !text.is_empty() {
                let value = column.cells.read(&text).map_err(|message| flaw(start, message))?;
                fields.insert(column.name.clone(), value);
            }
            at = cell.next;
            if cell.is_last {
                return Ok(Json::Object(fields));
            }
        }
    }

    /// Finds the cell that begins at `at`. If a quote is not closed, returns its position.
    pub(super) fn cell(&self, bytes: &[u8], at: usize) -> Result<Cell, usize> {
        let is_quoted = bytes.get(at) == Some(&self.quote);
        let mut behind = at;
        if is_quoted {
            behind = at + 1;
            loop {
                let rest = bytes.get(behind..).unwrap_or_default();
                behind += memchr::memchr(self.quote, rest).ok_or(at)? + 1;
                // Two quotes stand for one quote in the text.
                if bytes.get(behind) != Some(&self.quote) {
                    break;
                }
                behind += 1;
            }
        }
        let rest = &bytes[behind..];
        let length = memchr::memchr2(self.delimiter, b'\n', rest);
        let (mut end, next, is_last) = match length.map(|length| behind + length) {
            None => (bytes.len(), bytes.len(), true),
            Some(end) => (end, end + 1, bytes[end] == b'\n'),
        };
        if is_last && end > behind && bytes[end - 1] == b'\r' {
            end -= 1;
        }
        let trailing = (is_quoted && end > behind).then_some(behind);
        Ok(Cell { range: at..end, is_quoted, trailing, next, is_last })
    }

    /// Returns the text of a cell, or the position and message of its flaw.
    pub(super) fn text(&self, text: &str, cell: &Cell) -> Result<String, (usize, &'static str)> {
        if let Some(at) = cell.trailing {
            return Err((at, "something follows the end of a quoted cell"));
        }
        let range = cell.range.clone();
        if !cell.is_quoted {
            return Ok(text[range].to_owned());
        }
        let inner = &text[range.start + 1..range.end - 1];
        let quote = char::from(self.quote);
        Ok(if inner.contains(quote) {
            inner.replace(&String::from_iter([quote, quote]), &quote.to_string())
        } else {
            inner.to_owned()
        })
    }
}

const UNCLOSED: &str = "a quoted cell has no end";

/// Returns the most frequent delimiter in the first row, outside quotes.
fn delimiter(bytes: &[u8], begin: usize, quote: u8) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for byte in &bytes[begin..] {
        match byte {
            _ if *byte == quote => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                let known = DELIMITERS.iter().zip(&mut counts).find(|(known, _)| *known == byte);
                known.into_iter().for_each(|(_, count)| *count += 1);
            }
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let found = DELIMITERS.iter().zip(counts).find(|(_, count)| *count == most);
    found.map_or(b',', |(delimiter, _)| *delimiter)
}

/// Returns where the first non-empty line at or after `at` begins.
fn behind_empty_lines(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at..).unwrap_or_default() {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

/// Returns the value that a cell looks like.
fn found(text: &str) -> Json {
    match text {
        "true" => return Json::Bool(true),
        "false" => return Json::Bool(false),
        _ => {}
    }
    // Most texts do not begin like a number.
    let may_be = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let number = may_be.then(|| number(text)).flatten();
    let is_canonical = |number: &Json| serde_json::to_string(number).is_ok_and(|it| it == text);
    number.filter(is_canonical).unwrap_or_else(|| Json::from(text))
}

/// Parses a decimal number, with or without an exponent.
fn number(text: &str) -> Option<Json> {
    let is_numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(is_numeric) {
        return None;
    }
    let is_whole = !text.contains(['.', 'e', 'E']);
    if is_whole {
        let signed = text.parse::<i64>().map(Json::from);
        return signed.or_else(|_| text.parse::<u64>().map(Json::from)).ok();
    }
    serde_json::Number::from_f64(text.parse().ok()?).map(Json::Number)
}

/// Returns whether a text begins with a date: four digits, two and two.
fn is_date(text: &str) -> bool {
    let digits = |range: Range<usize>| {
        let part = text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        part.and_then(|part| {
            part.parse::<u8>().ok().or_else(|| part.parse::<u16>().ok().map(|_| 0))
        })
    };
    let is_cut = [4, 7].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let ends = text.as_bytes().get(10).is_none_or(|byte| matches!(byte, b'T' | b't' | b' '));
    let month = digits(5..7).is_some_and(|month| (1..=12).contains(&month));
    let day = digits(8..10).is_some_and(|day| (1..=31).contains(&day));
    is_cut && ends && digits(0..4).is_some() && month && day
}
