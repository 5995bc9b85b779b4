//! What a sheet does not see of a file of many records: the pieces that are no records of it, and what is
//! outside of the part that it reads. Another sheet may see these, and write to them.

use serde_json::Value as Json;

use super::source::Source;
use super::table::Table;
use crate::decode::{self, Format};
use crate::split::{self, ParsedFile, Records};

/// Identifies what a sheet does not see of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unseen(blake3::Hash);

impl Table {
    /// Returns what the sheet does not see of the file with these bytes, which was cut like this. The names
    /// of the columns of a table belong to its records.
    ///
    /// Costs nothing if it sees all of it. Otherwise linear in the pieces that are no records if a scan
    /// cuts the file, and in the file if not.
    pub(crate) fn unseen(&self, source: &Source<'_>, bytes: &[u8]) -> Unseen {
        let mut hasher = self.hashed_pieces(source, bytes);
        let format = source.spec.format_of(source.path).filter(|_| self.splitter().is_none());
        if let (Some(format), Records::At(names)) = (format, &source.spec.listing.records) {
            let text = decode::text(bytes).unwrap_or_default();
            add(&mut hasher, &outside(format, text, names).to_string());
        }
        Unseen(hasher.finalize())
    }

    /// Returns which pieces of the part that the sheet reads it does not see, as [`Self::unseen`] does.
    pub(crate) fn unseen_pieces(&self, source: &Source<'_>, bytes: &[u8]) -> Unseen {
        Unseen(self.hashed_pieces(source, bytes).finalize())
    }

    fn hashed_pieces(&self, source: &Source<'_>, bytes: &[u8]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        let others = self.pieces().enumerate().filter(|(_, key)| key.is_none());
        let others: Vec<usize> = others.map(|(at, _)| at).collect();
        if others.is_empty() {
            return hasher;
        }
        let text = decode::text(bytes).unwrap_or_default();
        if self.splitter().is_some() {
            let begins = self.begins();
            let piece = |at: &usize| text.get(*begins.get(*at)?..*begins.get(at + 1)?);
            others.iter().filter_map(piece).for_each(|piece| add(&mut hasher, piece.trim()));
        } else if let Some(format) = source.spec.format_of(source.path) {
            let records = match &source.spec.listing.records {
                Records::Found => &Records::Each,
                records => records,
            };
            let file = ParsedFile::for_readers(1);
            let elements = split::elements(&file, format, text, records).unwrap_or_default();
            for element in others.iter().filter_map(|at| elements.get(*at)) {
                add(&mut hasher, &format!("{:?} {:?}", element.name, element.value));
            }
        }
        hasher
    }
}

/// Adds a text so that no two sequences of texts are one.
fn add(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&text.len().to_le_bytes()).update(text.as_bytes());
}

/// Returns the value of a file without the part that is at these names.
fn outside(format: Format, text: &str, names: &[String]) -> Json {
    let value = match format {
        Format::Yaml => decode::yaml(text.as_bytes()),
        Format::Json => decode::json(text.as_bytes()),
        _ => decode::toml_1_1(text.as_bytes()),
    };
    let mut value = value.unwrap_or_default();
    let part = names.iter().try_fold(&mut value, |value, name| match value {
        Json::Object(members) => members.get_mut(name),
        Json::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    });
    if let Some(part) = part {
        *part = Json::Null;
    }
    value
}
