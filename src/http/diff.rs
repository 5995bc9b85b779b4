//! `GET /api/_diff`: the differences between two commits of the branch's history.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use headwater_engine::budget::Budget;
use headwater_engine::id::CommitId;
use headwater_engine::query::elements;

use super::app::App;
use super::caching::FOREVER;
use super::header_names::COMMIT;
use super::historical_states::Asker;
use super::json;
use super::parameters::{KnownParameters, number, wrong};
use super::query_refusals::too_costly;
use super::request_snapshot::{Current, commit_header};
use super::source::Source;
use crate::wire::{self, ApiError, Compared, DiffCursor};

/// The number of records that are listed by default.
const DEFAULT: usize = 100;

/// The most records that are listed.
const MOST: usize = 1_000;

const KNOWN: KnownParameters = KnownParameters {
    of: "a comparison",
    once: &["from", "to", "limit", "cursor"],
    often: &["sheet"],
};

/// The parameters of a comparison.
#[derive(Debug, Default)]
struct DiffQuery {
    from: Option<String>,
    to: Option<String>,
    part: Compared,
}

/// Answers with the records that differ, and their number in each sheet.
pub(super) async fn diff(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let DiffQuery { from, to, part } = DiffQuery::parse(query.as_deref())?;
    let is_hash = |name: &String| name.parse::<CommitId>().is_ok();
    let fixed =
        part.after.is_some() || [&from, &to].iter().all(|end| end.as_ref().is_some_and(is_hash));
    let (from, to) = match (&part.after, from) {
        (Some(cursor), _) => (cursor.from, cursor.to),
        (None, None) => return Err(wrong("from", "must be given")),
        (None, Some(from)) => {
            let from = app.past.called(source, &from).await?;
            let to = match &to {
                Some(name) => app.past.called(source, name).await?,
                None => snapshot.commit(),
            };
            (from, to)
        }
    };
    let delta =
        app.past.difference(Asker::Reader(source), snapshot.layout().view(), from, to).await?;
    let list = move |budget: &Budget| wire::diff(&delta, &part, budget).map_err(too_costly);
    let text = app.answers.make(source, list).await?;
    let mut response = json::tagged(&headers, text);
    response.headers_mut().insert(COMMIT, commit_header(to));
    if fixed {
        response.headers_mut().insert(header::CACHE_CONTROL, FOREVER);
    }
    Ok(response)
}

impl DiffQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut asked = Self::default();
        asked.part.limit = DEFAULT;
        for (name, value) in KNOWN.read(query)? {
            match &*name {
                "from" => asked.from = Some(value),
                "to" => asked.to = Some(value),
                "sheet" => asked.part.sheets.extend(elements(&value)),
                "limit" => asked.part.limit = number(&name, &value, MOST)?,
                "cursor" => {
                    let none = || wrong("cursor", "is not a cursor of a comparison");
                    asked.part.after = Some(DiffCursor::parse(&value).ok_or_else(none)?);
                }
                _ => {}
            }
        }
        if asked.part.after.is_some() && (asked.from.is_some() || asked.to.is_some()) {
            return Err(wrong("cursor", "names both commits: omit `from` and `to`"));
        }
        Ok(asked)
    }
}
