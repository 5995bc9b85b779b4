//! `GET /api/_diff`: what differs between two commits of the branch's history.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use headwater_engine::id::CommitId;

use super::app::App;
use super::caching::FOREVER;
use super::current::{Current, commit_header};
use super::json;
use super::names::COMMIT;
use super::parameters::{KnownParameters, number, wrong};
use super::past::Asker;
use super::source::Source;
use crate::wire;
use crate::wire::ApiError;

/// How many records are listed where the caller does not say.
const DEFAULT: usize = 100;

/// The most records that are listed.
const MOST: usize = 1_000;

const KNOWN: KnownParameters =
    KnownParameters { of: "a comparison", once: &["from", "to", "limit"], often: &["sheet"] };

/// What is compared.
#[derive(Debug, Default)]
struct DiffQuery {
    from: Option<String>,
    to: Option<String>,
    sheets: Vec<String>,
    limit: usize,
}

/// Answers with the records that differ, and how many there are in each sheet.
pub(super) async fn diff(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = DiffQuery::parse(query.as_deref())?;
    let Some(from_name) = &asked.from else { return Err(wrong("from", "must be given")) };
    let from = app.past.called(source, from_name).await?;
    let to = match &asked.to {
        Some(name) => app.past.called(source, name).await?,
        None => snapshot.commit(),
    };
    let is_hash = |name: &String| name.parse::<CommitId>().is_ok();
    let fixed = is_hash(from_name) && asked.to.as_ref().is_some_and(is_hash);
    let delta = app.past.difference(Asker::Reader(source), from, to).await?;
    let text = app.blocking.run(move || Ok(wire::diff(&delta, &asked.sheets, asked.limit))).await?;
    let mut response = json::tagged(&headers, text);
    response.headers_mut().insert(COMMIT, commit_header(to));
    if fixed {
        response.headers_mut().insert(header::CACHE_CONTROL, FOREVER);
    }
    Ok(response)
}

impl DiffQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut asked = Self { limit: DEFAULT, ..Self::default() };
        for (name, value) in KNOWN.read(query)? {
            match &*name {
                "from" => asked.from = Some(value),
                "to" => asked.to = Some(value),
                "sheet" => asked.sheets.push(value),
                "limit" => asked.limit = number(&name, &value, MOST)?,
                _ => {}
            }
        }
        Ok(asked)
    }
}
