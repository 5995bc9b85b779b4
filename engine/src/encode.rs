//! Turns a JSON value back into the bytes and the path of a file, the inverse of
//! [`decode`](crate::decode).
//!
//! JSON is less expressive than TOML: a native date becomes a string, and NaN becomes null. So a
//! file is always written with reference to its previous content, and whatever is unchanged in JSON
//! keeps its original form. Writing an unchanged record produces its canonical bytes in gitsheets,
//! and its existing bytes in other sheets, which have no canonical form: there, a change of one
//! field changes only its lines, and comments, order and layout stay.
//!
//! Everything that is encoded is decoded again before it is written, so no unreadable file is
//! written.

mod body;
mod collation;
mod error;
mod front_matter;
mod gitsheets;
mod json;
mod list_file;
mod patch;
mod path;
mod sort;
mod toml;
mod validation;
mod yaml;

use serde_json::Value as Json;

use crate::decode::toml::shown;
use crate::decode::{Format, Framing, decode};
use crate::layout::SheetSpec;
use crate::problem::{Problem, Rule};
use crate::value::Value;
use validation::validated;

pub use error::{EncodeError, Issue};
pub(crate) use list_file::List;
pub use list_file::check_listed;
pub use patch::patched;
pub use path::path_of;
pub use toml::toml;

/// The maximum nesting depth that is checked; the formats themselves can read less.
const DEPTH: usize = 128;

/// A record as it will be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// The value that a reader of the file will see, with lists sorted, the body formatted and the
    /// title derived.
    pub value: Value,
}

/// Encodes `record` for the file at `path`, whose extension determines the format.
///
/// `before` is the current file, if there is one. Native dates stay native, and where a format has
/// no canonical form, the file keeps its order and style. The bytes depend on nothing else and have
/// been decoded again: [`SheetSpec::decode`] turns them into the returned value.
///
/// # Errors
///
/// See [`EncodeError`]. The schema is checked on the record as given, and all violations are
/// reported together.
pub fn encode(
    spec: &SheetSpec,
    path: &str,
    record: &Json,
    before: Option<&[u8]>,
) -> Result<Encoded, EncodeError> {
    let unknown = || EncodeError::UnknownFormat { path: path.to_owned() };
    let format = spec.format_of(path).ok_or_else(unknown)?;
    if is_deeper(record, DEPTH) {
        return Err(EncodeError::TooDeep);
    }
    let before = before.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let (text, expected) = match format {
        _ if spec.is_gitsheets() => gitsheets::written(spec, format, record, before)?,
        // There is no canonical form.
        _ if let Some(text) = before.filter(|text| says(spec, format, text, record)) => {
            (text.to_owned(), record.clone())
        }
        Format::Toml10 | Format::Toml11 => {
            let table = toml::native(record, before.and_then(toml::parsed_1_1).as_ref())?;
            (toml::written(&table, before)?, shown(table))
        }
        Format::Json => (json::written(record, before), record.clone()),
        Format::Yaml => (yaml::written(record, before)?, record.clone()),
        Format::Markdown | Format::Mdx => front_matter::written(&spec.body, record, before)?,
        Format::Csv | Format::Tsv | Format::JsonLines => return Err(unknown()),
    };
    validated(spec, &expected)?;
    let bytes = text.into_bytes();
    let value = read_back(spec, path, format, expected, &bytes)?;
    Ok(Encoded { bytes, value })
}

/// Returns whether a file already contains exactly this record.
fn says(spec: &SheetSpec, format: Format, text: &str, record: &Json) -> bool {
    let framing = Framing { gitsheets: false, body: &spec.body };
    decode(format, framing, text.as_bytes()).as_ref() == Ok(record)
}

/// Decodes what was encoded and compares it with what was intended.
fn read_back(
    spec: &SheetSpec,
    path: &str,
    format: Format,
    mut expected: Json,
    bytes: &[u8],
) -> Result<Value, EncodeError> {
    let value = spec.decode(path, bytes).map_err(|problems| refused(&problems))?;
    if format.has_body()
        && let Some(Json::String(body)) = expected.get_mut(&spec.body)
        && let Some(read) = value.json().member(&spec.body).and_then(|json| json.as_string())
        && read.trim() == body.trim()
    {
        // Blank lines around a body belong to the framing.
        *body = read.into_owned();
    }
    if Value::new(&expected).as_str() == value.as_str() {
        return Ok(value);
    }
    Err(EncodeError::Unreadable { message: "the file would read as another value".into() })
}

/// Turns the problems that a reader would report into an error for the writer.
fn refused(problems: &[Problem]) -> EncodeError {
    let issue = |problem: &Problem| Issue {
        pointer: problem.pointer.clone().unwrap_or_default(),
        message: problem.message.clone(),
        rule: problem.rule.as_str().to_owned(),
    };
    match problems {
        [first, ..] if !matches!(first.rule, Rule::Schema | Rule::PathMismatch) => {
            EncodeError::Unreadable { message: first.message.clone() }
        }
        problems => EncodeError::Invalid { issues: problems.iter().map(issue).collect() },
    }
}

fn is_deeper(value: &Json, limit: usize) -> bool {
    match value {
        Json::Array(elements) => {
            limit == 0 || elements.iter().any(|element| is_deeper(element, limit - 1))
        }
        Json::Object(members) => {
            limit == 0 || members.values().any(|member| is_deeper(member, limit - 1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
