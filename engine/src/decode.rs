//! Turns the bytes of a file into a JSON value, or into a description of what is wrong with them.
//!
//! TOML dates and times become their canonical text; NaN and infinities become null. Integers keep
//! 64 bits, and keys are strings. No decoder panics, recurses without limit, or uses more than a
//! bounded multiple of its input.

mod text_position;
mod flaw;
mod json;
mod field_names;
pub(crate) mod markdown;
mod nesting;
mod toml_fast_path;
pub(crate) mod toml;
pub mod parser_messages;
mod yaml;

use crate::problem::Rule;
use flaw::utf8;

pub(crate) use field_names::check_names;
pub use flaw::Flaw;
pub use json::json;
pub(crate) use nesting::end_of_string;
pub(crate) use text_position::TextPosition;
pub(crate) use toml::places_in;
pub use toml::{place_of, toml_1_0, toml_1_1};
pub use yaml::yaml;
pub(crate) use yaml::{Document, documents, yaml_with_unshown};

/// A file format.
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
    /// Markdown: front matter and a body.
    Markdown,
    /// The same as Markdown, with another extension.
    Mdx,
    /// A table: a row of names, then one row for each record.
    Csv,
    /// The same as CSV, with tabs between the cells.
    Tsv,
    /// One JSON value per line.
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

    /// Returns whether files have a body besides their fields.
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Markdown | Self::Mdx)
    }

    /// Returns whether a file always is a list of records.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::JsonLines)
    }
}

/// How a Markdown file is split.
#[derive(Debug, Clone, Copy)]
pub struct Framing<'s> {
    /// Split exactly as gitsheets does, byte for byte; otherwise the front matter begins with `+++`
    /// or `---` at the start of the file.
    pub gitsheets: bool,
    /// The field that holds the body.
    pub body: &'s str,
}

/// Decodes a file.
///
/// # Errors
///
/// Returns the flaw that prevents the file from being a value.
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
/// Returns a flaw if the file is not UTF-8, or is a Git LFS pointer.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Flaw> {
    utf8(present(bytes)?)
}

/// Rejects a file whose content is stored elsewhere.
fn present(bytes: &[u8]) -> Result<&[u8], Flaw> {
    if is_lfs_pointer(bytes) {
        let message = "the file is a Git LFS pointer; its content is not in the repository";
        return Err(Flaw::new(Rule::LfsPointer, message));
    }
    Ok(bytes)
}

/// Rejects a bare scalar: nearly any text is one in YAML, and it is never meant as a record.
fn container(value: serde_json::Value) -> Result<serde_json::Value, Flaw> {
    if value.is_object() || value.is_array() {
        return Ok(value);
    }
    Err(Flaw::new(Rule::Malformed, "the document is neither a table nor a list").at(1, 1))
}

fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

#[cfg(test)]
mod tests;
