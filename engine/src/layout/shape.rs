//! How many records a file holds, and where.

use std::collections::BTreeMap;

use super::template::Template;
use crate::decode::Format;
use crate::split::{CellType, Records};

/// Which records the files of a sheet hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Where they are.
    pub records: Records,
    /// The path of the only file, where there is but one.
    pub file: Option<String>,
    /// What a record of a list is called, made from its fields; `None` where it is found out.
    pub key: Option<Template>,
    /// What the cells of a column are.
    pub types: BTreeMap<String, CellType>,
}

impl Listing {
    /// Returns what holds for sheets of one record a file.
    pub(super) fn one() -> Self {
        Self { records: Records::One, file: None, key: None, types: BTreeMap::new() }
    }

    /// Returns what holds where nothing is declared.
    pub(super) fn found() -> Self {
        Self { records: Records::Found, ..Self::one() }
    }
}

/// Says where the records of one file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The file is one record.
    Record,
    /// It is several.
    List,
    /// It says so itself.
    Either,
}

/// The extensions of records where nothing is declared.
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
