//! The form of a list: JSON, lines or a table.

use axum::http::{HeaderMap, header};
use headwater_engine::query::ListParameter;

use super::parameters::wrong;
use crate::header_fields::Preferences;
use crate::wire::ApiError;

/// The media type of lines.
pub(super) const LINES: &str = "application/x-ndjson";

/// The media type of a table.
pub(super) const TABLE: &str = "text/csv";

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A part of it, with all counts.
    Json,
    /// All items, one per line.
    Lines,
    /// All items, one per row (RFC 4180).
    Table,
}

impl Form {
    /// Returns the form that a request asks for: by the parameter `format`, which a browser can
    /// set, otherwise by `Accept`.
    ///
    /// # Errors
    /// 422 for any other word.
    pub(super) fn of(headers: &HeaderMap, pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let name = ListParameter::Format.name();
        match pairs.iter().find(|(other, _)| other == name).map(|(_, form)| form.as_str()) {
            Some("json") => Ok(Self::Json),
            Some("ndjson") => Ok(Self::Lines),
            Some("csv") => Ok(Self::Table),
            Some(_) => Err(wrong(name, "must be `json`, `ndjson` or `csv`")),
            None => {
                let accepted = Preferences::of(headers.get_all(header::ACCEPT));
                let json = "application/json";
                if accepted.prefers(TABLE, json) && accepted.prefers(TABLE, LINES) {
                    Ok(Self::Table)
                } else if accepted.prefers(LINES, json) {
                    Ok(Self::Lines)
                } else {
                    Ok(Self::Json)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_goes_before_the_header() {
        for (accept, query, form) in [
            ("", "", Some(Form::Json)),
            ("*/*", "", Some(Form::Json)),
            ("text/csv", "", Some(Form::Table)),
            ("text/csv;q=0.5, application/json", "", Some(Form::Json)),
            ("application/x-ndjson, text/csv;q=0.9", "", Some(Form::Lines)),
            ("text/csv", "json", Some(Form::Json)),
            ("", "csv", Some(Form::Table)),
            ("", "ndjson", Some(Form::Lines)),
            ("", "xml", None),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            let pair = ("format".to_owned(), query.to_owned());
            let pairs: Vec<_> = [pair].into_iter().filter(|_| !query.is_empty()).collect();
            assert_eq!(Form::of(&headers, &pairs).ok(), form, "{accept} {query}");
        }
    }
}
