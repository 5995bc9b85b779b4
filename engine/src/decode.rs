//! From the bytes of a file to a JSON value, or to what is wrong with them.
//!
//! TOML dates and times become their canonical text, NaN and infinities null; integers keep 64
//! bits; keys are strings. No decoder panics, recurses without a limit, or takes more than a
//! bounded multiple of its input.

mod cursor;
mod json;
pub(crate) mod markdown;
mod nesting;
mod plain;
pub(crate) mod toml;
pub mod words;
mod yaml;

use crate::problem::Rule;

pub(crate) use cursor::Cursor;
pub use json::json;
pub(crate) use toml::places_in;
pub use toml::{place_of, toml_1_0, toml_1_1};
pub use yaml::yaml;
pub(crate) use yaml::{Document, documents};

/// The formats of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// TOML 1.0, as gitsheets reads it.
    Toml10,
    /// TOML 1.1.
    Toml11,
    /// JSON.
    Json,
    /// YAML 1.2, core schema.
    Yaml,
    /// Front matter and a body.
    Markdown,
    /// The same with another extension.
    Mdx,
    /// A table: a row of names, and a row for each record.
    Csv,
    /// The same, with tabs between the cells.
    Tsv,
    /// A JSON value a line.
    JsonLines,
}

impl Format {
    /// Returns the name that the API shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toml10 | Self::Toml11 => "toml",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Markdown => "markdown",
            Self::Mdx => "mdx",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::JsonLines => "ndjson",
        }
    }

    /// Says whether files have a body beside their fields.
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Markdown | Self::Mdx)
    }

    /// Says whether a file always is a list of records.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::JsonLines)
    }
}

/// How Markdown is taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Framing<'s> {
    /// As gitsheets does, to the byte; else `+++` or `---` at the start of the file.
    pub gitsheets: bool,
    /// The field that takes the body.
    pub body: &'s str,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The rule that is broken.
    pub rule: Rule,
    /// In one line, without an excerpt of the file.
    pub message: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
}

/// The message with its place.
impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, " at line {line} column {column}")?;
        }
        Ok(())
    }
}

impl Flaw {
    pub(crate) fn new(rule: Rule, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let mut message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        // A parser that finds something it has no word for says nothing.
        if message.is_empty() {
            message.push_str("unexpected content");
        }
        Self { rule, message, line: None, column: None }
    }

    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.line = u32::try_from(line).ok();
        self.column = u32::try_from(column).ok();
        self
    }

    /// Adds the place at byte `offset` of `text`.
    pub(crate) fn at_offset(self, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[begin..].chars().count() + 1;
        self.at(line, column)
    }

    /// Moves the place down by `lines`, for a block inside a file.
    fn below(mut self, lines: usize) -> Self {
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        self.line = self.line.map(|line| line.saturating_add(lines));
        self
    }
}

/// Decodes a file.
///
/// # Errors
///
/// Returns the flaw that keeps it from being a value.
pub fn decode(
    format: Format,
    framing: Framing<'_>,
    bytes: &[u8],
) -> Result<serde_json::Value, Flaw> {
    let bytes = present(bytes)?;
    match format {
        Format::Toml10 => toml_1_0(bytes),
        Format::Toml11 => toml_1_1(bytes),
        Format::Json => container(json(bytes)?),
        Format::Yaml => container(yaml(bytes)?),
        Format::Markdown | Format::Mdx if framing.gitsheets => {
            markdown::gitsheets(utf8(bytes)?, framing.body)
        }
        Format::Markdown | Format::Mdx => markdown::front_matter(utf8(bytes)?, framing.body),
        Format::Csv | Format::Tsv | Format::JsonLines => {
            Err(Flaw::new(Rule::Malformed, "the file is a list of records"))
        }
    }
}

/// Returns the text of a file, without its byte order mark.
///
/// # Errors
///
/// Returns the flaw of a file that is not UTF-8, or a Git LFS pointer.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Flaw> {
    utf8(present(bytes)?)
}

/// Refuses a file whose content is somewhere else.
fn present(bytes: &[u8]) -> Result<&[u8], Flaw> {
    if is_lfs_pointer(bytes) {
        let message = "the file is a Git LFS pointer; its content is not in the repository";
        return Err(Flaw::new(Rule::LfsPointer, message));
    }
    Ok(bytes)
}

/// Refuses a bare scalar: nearly any text is one in YAML, and no record is meant by it.
fn container(value: serde_json::Value) -> Result<serde_json::Value, Flaw> {
    if value.is_object() || value.is_array() {
        return Ok(value);
    }
    Err(Flaw::new(Rule::Malformed, "the document is neither a table nor a list").at(1, 1))
}

/// Returns the text without its byte order mark. A second one is no part of any text.
fn utf8(bytes: &[u8]) -> Result<&str, Flaw> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with("\u{feff}\u{feff}") => {
            Err(Flaw::new(Rule::Malformed, "the file has two byte order marks").at(1, 1))
        }
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            let text = std::str::from_utf8(valid).unwrap_or_default();
            let flaw = Flaw::new(Rule::NotUtf8, "the file is not UTF-8");
            Err(flaw.at_offset(text, text.len()))
        }
    }
}

fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

#[cfg(test)]
mod tests;
