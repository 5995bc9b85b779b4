//! How many records a file holds, and where.

use std::collections::BTreeMap;

use super::template::Template;
use crate::decode::Format;
use crate::split::{CellType, Records};

/// Which records the files of a sheet hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Where the records are.
    pub records: Records,
    /// The path of the only file, if there is just one.
    pub file: Option<String>,
    /// The name of a record in a list, made from its fields, or `None` if it is inferred.
    pub key: Option<Template>,
    /// The type of the cells in each column.
    pub types: BTreeMap<String, CellType>,
}

impl Listing {
    /// Returns the listing of sheets with one record per file.
    pub(super) fn one() -> Self {
        Self { records: Records::One, file: None, key: None, types: BTreeMap::new() }
    }

    /// Returns the listing of inferred sheets.
    pub(super) fn found() -> Self {
        Self { records: Records::Found, ..Self::one() }
    }
}

/// How many records a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The file is one record.
    Record,
    /// The file is several records.
    List,
    /// The file itself decides.
    Either,
}

/// The extensions of records if nothing is declared.
pub(super) const INFERRED: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("jsonl", Format::JsonLines),
    ("markdown", Format::Markdown),
    ("md", Format::Markdown),
    ("mdx", Format::Mdx),
    ("ndjson", Format::JsonLines),
    ("toml", Format::Toml11),
    ("tsv", Format::Tsv),
    ("yaml", Format::Yaml),
    ("yml", Format::Yaml),
];
