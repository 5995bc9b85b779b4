//! `GET /api/<sheet>`: a list of records.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::Budget;
use headwater_engine::query::{Included, ListQuery, Paging, Within};
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::list_format::Form;
use super::lookup::public_sheet;
use super::parameters::pairs;
use super::parsing::{Pairs, parsed};
use super::precomputed_etag::Tag;
use super::query_refusals::{list_failed, refused, too_costly};
use super::request_snapshot::Current;
use super::selector::At;
use super::source::Source;
use super::{caching, csv, etag, json, link, ndjson};
use crate::wire::{ApiError, Code, page};

/// Answers with the part of the list that the parameters ask for, or with all of it as lines.
pub(super) async fn list(
    State(app): State<App>,
    Current(snapshot): Current,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    at: Option<Extension<At>>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A path that does not decode to text names nothing that can exist.
    let Path(name) = name.map_err(|_| ApiError::from(Code::NotFound))?;
    let sheet = public_sheet(&snapshot, &name)?;
    let pairs = pairs(query.as_deref())?;
    let (state, of) = (snapshot.clone(), sheet.clone());
    let parse =
        move |pairs: &Pairs| ListQuery::parse(pairs, Within::of(&state, &of)).map_err(refused);
    let query = parsed(&app.answers, source, &pairs, parse).await?;
    let form = Form::of(&headers, &pairs)?;
    if form == Form::Lines {
        ndjson::answer(&app, source, &headers, snapshot, sheet, &pairs, query).await
    } else if form == Form::Table {
        csv::answer(&app, source, &headers, (snapshot, sheet), &pairs, query).await
    } else {
        let tag = Tag::new("list").asked(&pairs).list(&snapshot, &sheet, &query).finish();
        let depends_on_clock = query.depends_on_clock();
        let response = if etag::is_known(&headers, &tag) {
            keep(&app, &snapshot, &query);
            Ok(json::unchanged(tag))
        } else {
            let (shared, at) = (app.clone(), at.map(|Extension(At(at))| at));
            let part = move |budget: &Budget| {
                let failed = |error| list_failed(error, &query, &sheet);
                let part = query.run(&sheet, snapshot.text(), budget).map_err(failed)?;
                if part.next.is_some() {
                    keep(&shared, &snapshot, &query);
                }
                let wanted = Some(query.include()).filter(|include| !include.is_empty());
                let included = wanted.map(|include| {
                    let records = part.items.iter().map(|item| &item.record);
                    Included::of(&snapshot, include, records, budget).map_err(too_costly)
                });
                let included = included.transpose()?;
                let text = page(&snapshot, &query, &part, included.as_ref(), budget);
                let text = text.map_err(too_costly)?;
                let mut response = json::told(tag, text);
                link::add(response.headers_mut(), &pairs, at.as_deref(), &query, &part);
                Ok(response)
            };
            app.answers.make(source, part).await
        };
        Ok(caching::unless(depends_on_clock, response?))
    }
}

/// Keeps the state of a list that a client walks with a cursor.
fn keep(app: &App, snapshot: &Arc<Snapshot>, query: &ListQuery) {
    if matches!(query.paging(), Paging::Cursor { .. })
        && let Some(engine) = app.live.engine()
    {
        engine.keep(snapshot.commit());
    }
}
