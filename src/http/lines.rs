//! `GET /api/<sheet>` as `application/x-ndjson`: all records of a list, one a line.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use headwater_engine::query::{Each, ListQuery};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;

use super::accepted::Accepted;
use super::app::App;
use super::parameters::wrong;
use super::pieces::PIECE;
use super::source::Source;
use super::tag::Tag;
use super::unanswered::list_failed;
use super::{etag, json};
use crate::wire::{ApiError, line};

const LINES: &str = "application/x-ndjson";

/// The parameters that ask for a part of a list, or for something beside its records.
const OTHERS: [&str; 6] = ["page", "perPage", "cursor", "limit", "facets", "include"];

/// Says whether the caller would rather have lines than the usual JSON.
pub(super) fn are_wanted(headers: &HeaderMap) -> bool {
    let accepted = Accepted::of(headers);
    let [lines, json] = [LINES, "application/json"].map(|kind| accepted.named(kind).unwrap_or(0.0));
    lines > 0.0 && lines >= json
}

/// Answers with every record of a list that was asked for by `pairs`, from one snapshot. They are
/// written as the caller reads, so a sheet of any size takes the memory of a few pieces.
pub(super) async fn answer(
    app: &App,
    source: Source,
    headers: &HeaderMap,
    snapshot: Arc<Snapshot>,
    sheet: Arc<Sheet>,
    pairs: &[(String, String)],
    query: ListQuery,
) -> Result<Response, ApiError> {
    if let Some((name, _)) = pairs.iter().find(|(name, _)| OTHERS.contains(&name.as_str())) {
        return Err(wrong(
            name,
            format!("cannot be combined with {LINES}, which returns all records"),
        ));
    }
    let tag = Tag::new(LINES).asked(pairs).list(&snapshot, &sheet, &query).finish();
    if etag::is_known(headers, &tag) {
        return Ok(json::unchanged(tag));
    }
    let place = app.streams.place(source).await?;
    let shown = query.clone();
    let each = app.answers.make(source, move |budget| {
        let each = query.clone().each(sheet.clone(), snapshot.text(), budget);
        each.map_err(|error| list_failed(error, &query, &sheet))
    });
    let mut each = each.await?;
    let body = place.send(move || Ok(piece(&shown, &mut each)));
    let mut response = json::told(tag, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
    Ok(response)
}

/// Writes the next records, if there are any.
fn piece(query: &ListQuery, each: &mut Each) -> Option<Bytes> {
    let mut text = String::with_capacity(PIECE);
    while text.len() < PIECE
        && let Some(record) = each.next()
    {
        line(query, &record, &mut text);
    }
    (!text.is_empty()).then(|| Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_those_who_name_them_and_like_nothing_better() {
        for (accept, wanted) in [
            ("application/x-ndjson", true),
            ("Application/X-NDJSON; charset=utf-8", true),
            ("application/json, application/x-ndjson", true),
            ("application/json;q=0.5, application/x-ndjson;q=0.9", true),
            ("application/json, application/x-ndjson;q=0.9", false),
            ("application/x-ndjson;q=0", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(are_wanted(&headers), wanted, "{accept}");
        }
        assert!(!are_wanted(&HeaderMap::new()));
    }
}
