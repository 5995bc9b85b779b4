//! `GET /api/<sheet>`: a list of records.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::nearest::{did_you_mean, nearest};
use headwater_engine::query::{Included, ListError, ListQuery, Paging, QueryProblem};
use headwater_engine::search::SearchError;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;

use super::app::App;
use super::current::Current;
use super::error::{ApiError, Code, FieldError};
use super::moment::At;
use super::parameters::{pairs, wrong};
use super::source::Source;
use super::tag::Tag;
use super::view::page;
use super::{etag, json, lines, link};

/// Answers with a part of the list that the parameters ask for, or with all of it in lines.
pub(super) async fn list(
    State(app): State<App>,
    Current(snapshot): Current,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    at: Option<Extension<At>>,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // A path that does not decode to text names nothing that can be there.
    let Path(name) = name.map_err(|_| ApiError::from(Code::NotFound))?;
    let sheet = public_sheet(&snapshot, &name)?;
    let pairs = pairs(query.as_deref())?;
    let query = ListQuery::parse(&pairs, &sheet).map_err(refused)?;
    if lines::are_wanted(&headers) {
        lines::answer(&app, source, &headers, snapshot, sheet, &pairs, query).await
    } else {
        let tag = Tag::new("list").asked(&pairs).list(&snapshot, &sheet, &query).finish();
        if etag::is_known(&headers, &tag) {
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
                    Included::of(&snapshot, include, &part.items, budget).map_err(too_costly)
                });
                let included = included.transpose()?;
                let text = page(&snapshot, &query, &part, included.as_ref(), budget);
                let text = text.map_err(too_costly)?;
                let mut response = json::told(tag, text);
                link::add(response.headers_mut(), &pairs, at.as_deref(), &query, &part);
                Ok(response)
            };
            app.answers.make(source, part).await
        }
    }
}

/// Keeps the state of a list that is walked by a cursor.
fn keep(app: &App, snapshot: &Arc<Snapshot>, query: &ListQuery) {
    if matches!(query.paging(), Paging::Cursor { .. })
        && let Some(engine) = app.live.engine()
    {
        engine.keep(snapshot.commit());
    }
}

pub(super) fn public_sheet(snapshot: &Snapshot, name: &str) -> Result<Arc<Sheet>, ApiError> {
    let sheet = snapshot.sheet(name).filter(|sheet| sheet.spec().public);
    sheet.cloned().ok_or_else(|| ApiError::explained(Code::NotFound, no_sheet(snapshot, name)))
}

/// How many sheets are named where another one was asked for.
const NAMED: usize = 20;

/// The routes that stand where a sheet would.
const ROUTES: [&str; 9] = [
    "_sheets",
    "_status",
    "_problems",
    "_reloads",
    "_search",
    "_changes",
    "_diff",
    "_history",
    "_attachments",
];

/// Says that there is no such sheet, and which there are.
pub(super) fn no_sheet(snapshot: &Snapshot, name: &str) -> String {
    if name.starts_with('_') {
        return format!("/api/{name} is not a route{}", did_you_mean(nearest(name, ROUTES)));
    }
    let public = snapshot.sheets().map(|sheet| sheet.spec()).filter(|spec| spec.public);
    let names: Vec<&str> = public.map(|spec| spec.name.as_str()).collect();
    let near = nearest(name, names.iter().copied());
    let route = ROUTES.into_iter().find(|route| route[1..].eq_ignore_ascii_case(name));
    let meant = match (near, route) {
        (None, Some(route)) => format!("; did you mean /api/{route}?"),
        (near, _) => did_you_mean(near),
    };
    match &names[..] {
        [] => format!("no such sheet `{name}`; there are no sheets"),
        few if few.len() <= NAMED => {
            format!("no such sheet `{name}`; the sheets are {}{meant}", few.join(", "))
        }
        many => format!("no such sheet `{name}`; /api/_sheets lists all {}{meant}", many.len()),
    }
}

/// Says that the sheet has no such record, and which may be meant.
pub(super) fn no_record(sheet: &Sheet, key: &str) -> ApiError {
    let meant = sheet.nearest(key, |record| sheet.shows(record));
    let meant = did_you_mean(meant.map(|record| record.key.as_str()));
    let name = &sheet.spec().name;
    ApiError::explained(Code::NotFound, format!("no such record `{key}` in {name}{meant}"))
}

pub(super) fn refused(problems: Vec<QueryProblem>) -> ApiError {
    let told = |QueryProblem { parameter, message }| FieldError::of_parameter(parameter, message);
    ApiError::listing(Code::InvalidQuery, problems.into_iter().map(told).collect())
}

/// Says of a list that is too costly what it reads record by record.
pub(super) fn list_failed(error: ListError, query: &ListQuery, sheet: &Sheet) -> ApiError {
    let error = match error {
        ListError::Search(error) => error,
        ListError::Facet(error) => return wrong("facets", error.to_string()),
    };
    let fields: Vec<_> = query.unindexed(sheet).iter().map(|field| format!("`{field}`")).collect();
    match error {
        SearchError::TooCostly(_) if !fields.is_empty() => {
            let (fields, name) = (fields.join(", "), &sheet.spec().name);
            let detail =
                format!("no index of {name} covers {fields}, so every record would be read");
            ApiError::explained(Code::TooCostly, detail)
        }
        error => search_failed(error),
    }
}

pub(super) fn too_costly(_: TooCostly) -> ApiError {
    Code::TooCostly.into()
}

/// A query that can't be answered is the caller's; everything else is ours.
pub(super) fn search_failed(error: SearchError) -> ApiError {
    match error {
        SearchError::Query(error) => wrong("q", error.to_string()),
        SearchError::TooCostly(error) => too_costly(error),
        error => ApiError::caused_by(Code::Internal, &error),
    }
}
