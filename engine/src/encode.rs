//! From a JSON value back to the bytes and the path of a file: the other direction of
//! [`decode`](crate::decode).
//!
//! JSON knows less than TOML: a native date is a string there, and NaN is null. So a file is always
//! written with a look at what it held before, and what comes back as it was shown stays what it
//! was. Writing a record that was not changed gives its canonical bytes in gitsheets, and the very
//! bytes it had in other sheets, where no form is canonical: a change of one field is a change of
//! its lines alone, and comments, order and layout stay.
//!
//! No file is written that cannot be read: everything that is encoded is decoded again first.

mod body;
mod collation;
mod error;
mod front_matter;
mod gitsheets;
mod json;
mod listed;
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
pub(crate) use listed::List;
pub use listed::check_listed;
pub use patch::patched;
pub use path::path_of;
pub use toml::toml;

/// The deepest nesting that is looked at; what the formats can read is less.
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

/// Encodes `record` for the file at `path`, whose extension says the format.
///
/// `before` is the file as it is now, if there is one: native dates stay native, and where a
/// format has no canonical form its order and style are kept. The bytes depend on nothing else,
/// and have been decoded again: [`SheetSpec::decode`] gives the value that comes with them.
///
/// # Errors
///
/// See [`EncodeError`]. A schema is checked on the record as it was given, and everything that is
/// wrong with it is told at once.
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
        // No form is canonical.
        _ if let Some(text) = before.filter(|text| says(spec, format, text, record)) => {
            (text.to_owned(), record.clone())
        }
        Format::Toml10 | Format::Toml11 => {
            let table = toml::native(record, before.and_then(toml::parsed_1_1).as_ref())?;
            (toml::written(&table, before)?, shown(table))
        }
        Format::Json => (json::written(record, before), record.clone()),
        Format::Yaml => (yaml::written(record, before), record.clone()),
        Format::Markdown | Format::Mdx => front_matter::written(&spec.body, record, before)?,
        Format::Csv | Format::Tsv | Format::JsonLines => return Err(unknown()),
    };
    validated(spec, &expected)?;
    let bytes = text.into_bytes();
    let value = read_back(spec, path, format, expected, &bytes)?;
    Ok(Encoded { bytes, value })
}

/// Says whether a file says this very record.
fn says(spec: &SheetSpec, format: Format, text: &str, record: &Json) -> bool {
    let framing = Framing { gitsheets: false, body: &spec.body };
    decode(format, framing, text.as_bytes()).as_ref() == Ok(record)
}

/// Decodes what was encoded and compares it with what it was meant to be.
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

/// Turns what a reader would say of a file into what its writer is told.
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
