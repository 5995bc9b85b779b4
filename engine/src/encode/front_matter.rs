//! Markdown of Headwater's own sheets: the file keeps its framing, and the body is written as is.

use serde_json::{Map, Value as Json};

use super::{EncodeError, json, toml, yaml};
use crate::decode::markdown::{Parts, Syntax, is_blank, members_of, parts};
use crate::decode::toml::shown;

/// The fence of the front matter in a new file.
const FENCE: &str = "---";

/// Returns the text of the file, and the value that it represents. `field` holds the body.
///
/// Front matter keeps its form. In a new file it is YAML between `---`, or left out if there are no
/// fields.
pub(super) fn written(
    field: &str,
    record: &Json,
    before: Option<&str>,
) -> Result<(String, Json), EncodeError> {
    let Json::Object(members) = record else { return Err(EncodeError::NotATable) };
    let mut fields = members.clone();
    let body = match fields.remove(field) {
        Some(Json::String(body)) => body,
        None | Some(Json::Null) => {
            return Err(EncodeError::BodyMissing { field: field.to_owned() });
        }
        Some(_) => return Err(EncodeError::BodyNotText { field: field.to_owned() }),
    };
    let before = before.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let old = before.and_then(|text| parts(text).ok()).unwrap_or_default();
    let (front, fields) = front(&old, fields)?;
    let first_line = before.and_then(|text| text.split_inclusive('\n').next()).unwrap_or_default();
    let newline = if first_line.ends_with("\r\n") { "\r\n" } else { "\n" };
    let mut text = String::new();
    if old.form.is_some() {
        text = format!("{}{front}{}", old.opening, old.closing);
        if old.closing.trim_end() == old.closing && !body.is_empty() {
            text.push_str(newline);
            text.push_str(newline);
        }
    } else if !front.is_empty() || begins_with_front_matter(&body) {
        text = format!("{FENCE}{newline}{front}{FENCE}{newline}{newline}");
    }
    text.push_str(&body);
    if before.is_some() && body == old.body {
        text.push_str(old.end);
    } else if !body.is_empty() && !body.ends_with('\n') {
        text.push_str(newline);
    }
    let Json::Object(mut expected) = fields else { return Err(EncodeError::NotATable) };
    expected.insert(field.to_owned(), Json::String(body));
    Ok((text, Json::Object(expected)))
}

/// Returns whether a reader would take the beginning of `body` for front matter.
fn begins_with_front_matter(body: &str) -> bool {
    parts(body).map_or(true, |parts| parts.form.is_some())
}

/// Returns the text of the front matter, and the fields that it represents.
fn front(old: &Parts<'_>, fields: Map<String, Json>) -> Result<(String, Json), EncodeError> {
    let form = old.form.filter(|form| form.syntax != Syntax::Yaml);
    let text = match form {
        Some(form) if form.syntax == Syntax::Toml => {
            let table = toml::parsed_1_1(old.front);
            let table = toml::native(&Json::Object(fields), table.as_ref())?;
            let text = toml::written(&table, Some(old.front))?;
            toml::unfenced(&text, &table, form.fence)?;
            return Ok((text, shown(table)));
        }
        Some(_) => {
            let fields = Json::Object(fields);
            let whole = members_of(old.front);
            let mut text = json::written(&fields, Some(&whole));
            if whole.len() > old.front.len() {
                // The file omits the braces.
                text = text.trim_start_matches('{').trim_end().trim_end_matches('}').to_owned();
            }
            return Ok((text, fields));
        }
        None if fields.is_empty() && is_blank(old.front) => old.front.to_owned(),
        None if fields.is_empty() => String::new(),
        None => {
            let front = Some(old.front).filter(|front| !is_blank(front));
            yaml::written(&Json::Object(fields.clone()), front)?
        }
    };
    Ok((text, Json::Object(fields)))
}
