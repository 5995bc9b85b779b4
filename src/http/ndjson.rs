//! `GET /api/<sheet>` as `application/x-ndjson`: all records of a list, one per line.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use headwater_engine::query::{Each, ListParameter, ListQuery};
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::body_stream::CHUNK;
use super::header_names::SKIPPED;
use super::list_format::LINES;
use super::parameters::wrong;
use super::precomputed_etag::Tag;
use super::query_refusals::list_failed;
use super::source::Source;
use super::{caching, etag, json};
use crate::wire::{ApiError, line};

/// Answers with every record of the list that `pairs` asks for, from one snapshot. The records are
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
    let is_of_part = |parameter: ListParameter| {
        parameter.is_paging() || parameter.is_beside() || parameter == ListParameter::GroupBy
    };
    let of_part = |(name, _): &&(String, String)| ListParameter::of(name).is_some_and(is_of_part);
    if let Some((name, _)) = pairs.iter().find(of_part) {
        return Err(wrong(
            name,
            format!("cannot be combined with {LINES}, which returns all records"),
        ));
    }
    let tag = Tag::new(LINES).asked(pairs).list(&snapshot, &sheet, &query).finish();
    let depends_on_clock = query.depends_on_clock();
    if etag::is_known(headers, &tag) {
        let unchanged = json::unchanged_as(HeaderValue::from_static(LINES), tag);
        return Ok(caching::unless(depends_on_clock, unchanged));
    }
    let place = app.list_place(source, &snapshot).await?;
    let shown = query.clone();
    let each = app.answers.make(source, move |budget| {
        let each = query.clone().each(sheet.clone(), snapshot.text(), budget);
        each.map_err(|error| list_failed(error, &query, &sheet))
    });
    let mut each = each.await?;
    let skipped = each.skipped();
    let body = place.send(move || Ok(chunk(&shown, &mut each)));
    let mut response = json::told(tag, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
    if let Some(skipped) = skipped {
        response.headers_mut().insert(SKIPPED, HeaderValue::from(skipped));
    }
    Ok(caching::unless(depends_on_clock, response))
}

/// Writes the next records, if there are any.
fn chunk(query: &ListQuery, each: &mut Each) -> Option<Bytes> {
    let mut text = String::with_capacity(CHUNK);
    while text.len() < CHUNK
        && let Some(item) = each.next()
    {
        line(query, &item, &mut text);
    }
    (!text.is_empty()).then(|| Bytes::from(text))
}
