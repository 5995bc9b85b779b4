//! Which sheets see all that a commit of ours changed in a file.
//!
//! A file of which many sheets read a part each is parsed once for all of them: only a sheet whose part has
//! all differences can merge it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decode::{self, Format};
use crate::id::BlobId;
use crate::layout::{PathClaim, Shape, SheetSpec};
use crate::split::{self, ParsedFile, PartPath, Records, Version};

/// The largest file of which the parsed value is kept for the next commit, in bytes.
const KEPT: usize = 4 << 20;

/// One content of a file, parsed once.
#[derive(Debug, Clone)]
pub(super) struct ParsedVersion {
    blob: BlobId,
    bytes: Arc<[u8]>,
    pub(super) file: Arc<ParsedFile>,
}

/// The change of a file, as far as the values tell.
#[derive(Debug)]
pub(super) struct ParsedChange {
    old: ParsedVersion,
    ours: ParsedVersion,
    /// The smallest part that has all differences, in each format in which a sheet reads the file; `None` if it
    /// cannot be parsed.
    differing: HashMap<Format, Option<PartPath>>,
}

/// What a sheet sees of the change of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// All of it is in the part that the sheet reads.
    All,
    /// Some of it is elsewhere.
    Partial,
    /// The values do not tell.
    Unknown,
}

impl ParsedVersion {
    pub(super) fn new(blob: BlobId, bytes: &[u8]) -> Self {
        // Whoever has a copy of it may ask for the value.
        let file = Arc::new(ParsedFile::for_readers(usize::MAX));
        Self { blob, bytes: bytes.into(), file }
    }

    pub(super) fn blob(&self) -> BlobId {
        self.blob
    }

    /// Returns whether it is small enough to be kept.
    pub(super) fn is_small(&self) -> bool {
        self.bytes.len() <= KEPT
    }

    fn version(&self) -> Option<Version<'_>> {
        Some(Version { file: &self.file, text: decode::text(&self.bytes).ok()? })
    }
}

impl ParsedChange {
    pub(super) fn of(old: ParsedVersion, ours: ParsedVersion) -> Self {
        Self { old, ours, differing: HashMap::new() }
    }

    /// Returns the blob of the content before.
    pub(super) fn old_blob(&self) -> BlobId {
        self.old.blob
    }

    /// Returns our content.
    pub(super) fn ours(&self) -> &ParsedVersion {
        &self.ours
    }

    /// Returns what a sheet sees of the change in the file at `path`. The first call for a format parses what
    /// is not yet parsed.
    pub(super) fn covered_by(&mut self, spec: &SheetSpec, path: &str) -> Coverage {
        let Some((format, part)) = part_of(spec, path) else { return Coverage::Unknown };
        match self.differing_part(format) {
            None => Coverage::Unknown,
            Some(differing) if differing.is_within(part) => Coverage::All,
            Some(_) => Coverage::Partial,
        }
    }

    /// Returns whether none of the change is in the part that a sheet reads.
    pub(super) fn is_apart_from(&mut self, spec: &SheetSpec, path: &str) -> bool {
        let Some((format, part)) = part_of(spec, path) else { return false };
        self.differing_part(format).is_some_and(|differing| differing.is_apart_from(part))
    }

    fn differing_part(&mut self, format: Format) -> Option<&PartPath> {
        let Self { old, ours, differing } = self;
        let find = || split::smallest_differing_part(format, old.version()?, ours.version()?);
        differing.entry(format).or_insert_with(find).as_ref()
    }
}

/// The part of a file that a sheet reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePart {
    format: Format,
    /// The names that lead to it.
    names: Vec<String>,
}

impl FilePart {
    /// Returns that of the sheet `spec` in the file at `path`; `None` if it is not one value of the file.
    pub(super) fn of(spec: &SheetSpec, path: &str) -> Option<Self> {
        part_of(spec, path).map(|(format, names)| Self { format, names: names.to_vec() })
    }

    /// Returns that of a YAML file at names like `a.b`.
    #[cfg(test)]
    pub(super) fn at(names: &str) -> Self {
        Self { format: Format::Yaml, names: names.split('.').map(str::to_owned).collect() }
    }

    /// Returns whether none of the file is in both.
    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        let is_within = |one: &[String], other: &[String]| one.starts_with(other);
        self.format == other.format
            && !is_within(&self.names, &other.names)
            && !is_within(&other.names, &self.names)
    }
}

/// Returns whether several of the claims read parts of the file at `path`.
pub(super) fn is_divided(claims: &[PathClaim], path: &str) -> bool {
    claims.iter().filter(|claim| part_of(&claim.sheet, path).is_some()).nth(1).is_some()
}

/// Returns the part of a file that a sheet reads, and its format.
fn part_of<'s>(spec: &'s SheetSpec, path: &str) -> Option<(Format, &'s [String])> {
    let format = spec.format_of(path).filter(|_| spec.shape_of(path) == Shape::List)?;
    match &spec.listing.records {
        Records::At(names) => Some((format, names)),
        _ => None,
    }
}
