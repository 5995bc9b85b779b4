//! `GET /api/<sheet>/<key...>`: one record.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use headwater_engine::budget::Budget;
use headwater_engine::layout::Reference;
use headwater_engine::query::Included;
use headwater_engine::record::Record;
use headwater_engine::snapshot::Snapshot;
use percent_encoding::percent_decode_str;

use super::app::App;
use super::json::tagged;
use super::lookup::{no_record, public_sheet};
use super::parameters::KnownParameters;
use super::query_refusals::{refused, too_costly};
use super::request_snapshot::Current;
use super::source::Source;
use crate::wire::{ApiError, Code, record_with};

/// The sheet and the key that a path names, its segments percent-decoded and joined by `/`.
pub(super) struct RecordPath<'a> {
    pub(super) sheet: Cow<'a, str>,
    pub(super) key: Cow<'a, str>,
}

impl<'a> RecordPath<'a> {
    /// Parses a path. A path that does not decode to text names nothing that can exist.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        Self::below(path, "/api/")
    }

    /// Parses the part of a path after `route`.
    pub(super) fn below(path: &'a str, route: &str) -> Option<Self> {
        let (sheet, key) = path.strip_prefix(route)?.split_once('/')?;
        let decode = |text| percent_decode_str(text).decode_utf8().ok();
        Some(Self { sheet: decode(sheet)?, key: decode(key)? })
    }
}

const KNOWN: KnownParameters = KnownParameters { of: "a record", once: &["include"], often: &[] };

/// The bytes of a record, shared with the snapshot.
struct Served(Arc<Record>);

impl AsRef<[u8]> for Served {
    fn as_ref(&self) -> &[u8] {
        self.0.value.as_str().as_bytes()
    }
}

/// Answers with the bare value. This is by far the most frequent request, so it borrows what it
/// can.
pub(super) async fn show(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let Current(snapshot) = Current::of(request.extensions())?;
    let path = RecordPath::parse(request.uri().path());
    let path = path.ok_or_else(|| ApiError::from(Code::NotFound))?;
    let record = snapshot.visible(&path.sheet, &path.key);
    let record = record.ok_or_else(|| missing(snapshot, &path))?;
    if let Some(query) = request.uri().query() {
        let references = references(snapshot, request.uri().path(), query)?;
        if let Some(references) = references {
            let (extensions, headers) = (request.extensions(), request.headers());
            let source = Source::of_request(extensions, headers, &app.proxies);
            let (snapshot, record) = (snapshot.clone(), record.clone());
            let with = move |budget: &Budget| {
                let one = std::slice::from_ref(&record);
                let included = Included::of(&snapshot, &references, one, budget);
                let included = included.map_err(too_costly)?;
                record_with(&record, &included, budget).map_err(too_costly)
            };
            let text = app.answers.make(source, with).await?;
            return Ok(tagged(request.headers(), text));
        }
    }
    Ok(tagged(request.headers(), Served(record.clone())))
}

/// Returns what is missing: the sheet, or the record.
fn missing(snapshot: &Snapshot, path: &RecordPath<'_>) -> ApiError {
    match public_sheet(snapshot, &path.sheet) {
        Ok(sheet) => no_record(&sheet, &path.key),
        Err(error) => error,
    }
}

/// Returns the references whose records the query asks to include, if any.
fn references(
    snapshot: &Snapshot,
    path: &str,
    query: &str,
) -> Result<Option<Vec<Reference>>, ApiError> {
    let pairs = KNOWN.read(Some(query))?;
    let Some((_, names)) = pairs.first() else { return Ok(None) };
    let sheet = RecordPath::parse(path).map(|path| path.sheet).unwrap_or_default();
    let sheet = public_sheet(snapshot, &sheet)?;
    Included::parse(names, &sheet).map(Some).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<(String, String)> {
        RecordPath::parse(path).map(|path| (path.sheet.into(), path.key.into()))
    }

    #[test]
    fn segments_are_decoded_and_joined() {
        let cases = [
            ("/api/people/ada", Some(("people", "ada"))),
            ("/api/posts/2024/05/a%20b", Some(("posts", "2024/05/a b"))),
            ("/api/posts/a%2Fb", Some(("posts", "a/b"))),
            ("/api/b%C3%BCcher/%C3%BC", Some(("bücher", "ü"))),
            ("/api/people/%FF", None),
        ];
        for (path, expected) in cases {
            let expected = expected.map(|(sheet, key)| (sheet.to_owned(), key.to_owned()));
            assert_eq!(parse(path), expected, "{path}");
        }
    }
}
