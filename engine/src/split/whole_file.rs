//! Records of a file that is parsed whole: YAML, TOML, maps, and the targets of JSON Pointers.

use std::borrow::Cow;
use std::slice;

use serde_json::{Map, Value as Json};

use super::parsed_file::ParsedFile;
use super::piece::{Records, table};
use crate::decode::{self, Document, Flaw, Format};
use crate::problem::Rule;

/// A record of such a file.
#[derive(Debug)]
pub(crate) struct Element {
    /// Its name in a map.
    pub(crate) name: Option<String>,
    /// Its value, or what is wrong with it.
    pub(crate) value: Result<Json, Flaw>,
    /// Where it begins, if known.
    pub(crate) place: Option<(usize, usize)>,
}

/// Returns whether a text may be a list of records, judging by its beginning. `false` is certain.
fn may_be_list(format: Format, text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let is_said = |line: &&str| !(line.is_empty() || line.starts_with(['#', '%']));
    let first = lines.filter(is_said).find(|line| *line != "---");
    match (format, first) {
        (Format::Yaml, Some(first)) => {
            let first = first.strip_prefix("--- ").unwrap_or(first);
            first.starts_with(['-', '[', '!', '&'])
                || text.contains("\n---")
                || text.contains("\n...")
        }
        (Format::Toml11, Some(first)) => first.starts_with("[["),
        _ => false,
    }
}

/// Returns the records of a YAML or TOML file, if it is a list of tables: a YAML list, several YAML
/// documents, or TOML that consists of one `[[list]]`. An empty list counts as one.
pub(crate) fn list(file: &ParsedFile, format: Format, text: &str) -> Option<Vec<Element>> {
    let elements = may_be_list(format, text).then(|| elements(file, format, text, &Records::Each));
    let elements = elements?.ok()?;
    elements.iter().all(|element| element.value.is_ok()).then_some(elements)
}

/// Returns the records of the file with this text.
///
/// # Errors
///
/// Returns a flaw if the file cannot be parsed, or has no records where `records` expects them.
pub(crate) fn elements(
    file: &ParsedFile,
    format: Format,
    text: &str,
    records: &Records,
) -> Result<Vec<Element>, Flaw> {
    let missing = |message: &str| Flaw::new(Rule::Malformed, message).at(1, 1);
    if let (Format::Yaml, Records::Each) = (format, records) {
        return file.documents(|| decode::documents(text), |found| documents(found.into_owned()));
    }
    file.value(format, parse(format, text), |value| match (records, &*value) {
        (Records::Each, Json::Object(members)) if format == Format::Toml11 => {
            let only = members.keys().next().filter(|_| members.len() == 1).cloned();
            let list = only.and_then(|name| Some((at(value, slice::from_ref(&name))?, name)));
            match list {
                Some((Json::Array(elements), name)) => {
                    Ok(placed(elements, || decode::places_in(text, &name)))
                }
                _ => Err(missing("the file is more than one list of tables")),
            }
        }
        (Records::Each, _) => match value.into_owned() {
            Json::Array(elements) => Ok(placed(elements, Vec::new)),
            _ => Err(missing("the file is not a list")),
        },
        (Records::Map, _) => match value.into_owned() {
            Json::Object(members) => Ok(named(members)),
            _ => Err(missing("the file is not a table of records")),
        },
        (Records::At(pointer), _) => match at(value, pointer) {
            Some(Json::Array(elements)) => Ok(placed(elements, Vec::new)),
            Some(Json::Object(members)) => Ok(named(members)),
            _ => Err(missing(
                "there is no list or table of records at the place that the definition names",
            )),
        },
        (Records::One | Records::Found, _) => Ok(Vec::new()),
    })
}

/// Returns the parser of a text.
pub(super) fn parse(format: Format, text: &str) -> impl FnOnce() -> Result<Json, Flaw> + '_ {
    move || match format {
        Format::Yaml => decode::yaml(text.as_bytes()),
        Format::Json => decode::json(text.as_bytes()),
        _ => decode::toml_1_1(text.as_bytes()),
    }
}

/// Returns the value that a JSON Pointer refers to. Copies no more than that.
fn at(value: Cow<'_, Json>, pointer: &[String]) -> Option<Json> {
    let position = |name: &str| name.parse::<usize>().ok();
    let part = pointer.iter().try_fold(value, |value, name| match value {
        Cow::Owned(Json::Object(mut members)) => members.remove(name).map(Cow::Owned),
        Cow::Borrowed(Json::Object(members)) => members.get(name).map(Cow::Borrowed),
        Cow::Owned(Json::Array(mut elements)) => {
            let at = position(name).filter(|at| *at < elements.len())?;
            Some(Cow::Owned(elements.swap_remove(at)))
        }
        Cow::Borrowed(Json::Array(elements)) => elements.get(position(name)?).map(Cow::Borrowed),
        _ => None,
    });
    part.map(Cow::into_owned)
}

/// Returns the records of a YAML text: the elements of its list, or its documents.
fn documents(mut documents: Vec<Document>) -> Result<Vec<Element>, Flaw> {
    if documents.len() > 1 {
        documents.retain(|document| !document.value.is_null());
        let element = |Document { value, place, .. }| Element {
            name: None,
            value: table(value, "document").map_err(|flaw| Flaw { line: None, ..flaw }),
            place: Some(place),
        };
        return Ok(documents.into_iter().map(element).collect());
    }
    match documents.pop() {
        Some(Document { value: Json::Array(elements), parts, .. }) => {
            Ok(placed(elements, || parts))
        }
        _ => Err(Flaw::new(Rule::Malformed, "the file is not a list").at(1, 1)),
    }
}

fn placed(elements: Vec<Json>, places: impl FnOnce() -> Vec<(usize, usize)>) -> Vec<Element> {
    let places = places().into_iter().map(Some).chain(std::iter::repeat(None));
    let elements = elements.into_iter().zip(places);
    let element = |(value, place)| Element {
        name: None,
        value: table(value, "element").map_err(|flaw| Flaw { line: None, ..flaw }),
        place,
    };
    elements.map(element).collect()
}

fn named(members: Map<String, Json>) -> Vec<Element> {
    let element = |(name, value)| Element {
        name: Some(name),
        value: table(value, "member").map_err(|flaw| Flaw { line: None, ..flaw }),
        place: None,
    };
    members.into_iter().map(element).collect()
}
