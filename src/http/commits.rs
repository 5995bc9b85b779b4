//! `GET /api/_commits`: the commits of the branch, by first parents, and what each changed.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::id::SheetName;
use headwater_engine::query::elements;

use super::app::App;
use super::json;
use super::parameters::{KnownParameters, number, wrong};
use super::request_snapshot::Current;
use super::source::Source;
use crate::wire::{ApiError, Code, CommitsCursor, CommitsView};

/// How many commits are listed where the caller does not say.
const DEFAULT: usize = 20;

/// The most commits that are listed.
const MOST: usize = 100;

const KNOWN: KnownParameters = KnownParameters {
    of: "the commits",
    once: &["since", "until", "limit", "cursor"],
    often: &["sheet"],
};

/// Which commits are listed.
#[derive(Debug, Default, PartialEq, Eq)]
struct CommitsQuery {
    since: Option<String>,
    until: Option<String>,
    /// Those that changed one of these; none for all.
    sheets: Vec<SheetName>,
    limit: usize,
    /// Where a walk goes on, instead of `since` and `until`.
    after: Option<CommitsCursor>,
}

/// Answers with a page of commits, newest first.
pub(super) async fn commits(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let CommitsQuery { since, until, sheets, limit, after } =
        CommitsQuery::parse(query.as_deref())?;
    let is_walk = after.is_some();
    let line = match after {
        Some(CommitsCursor(line)) => line,
        None => app.past.line(source, since, until).await?,
    };
    let log = app.past.commits(source, snapshot.layout().view(), line, sheets, limit).await;
    let log = log.map_err(|error| match error.code() {
        Code::UnknownCommit if is_walk => Code::CursorExpired.into(),
        _ => error,
    })?;
    json::tagged_view(&headers, &CommitsView::of(log, line))
}

impl CommitsQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut asked = Self { limit: DEFAULT, ..Self::default() };
        for (name, value) in KNOWN.read(query)? {
            match &*name {
                "since" => asked.since = Some(value),
                "until" => asked.until = Some(value),
                "sheet" => asked.sheets.extend(elements(&value).into_iter().map(SheetName::new)),
                "limit" => asked.limit = number(&name, &value, MOST)?,
                "cursor" => {
                    let none = || wrong("cursor", "is not a cursor of the commits");
                    asked.after = Some(CommitsCursor::parse(&value).ok_or_else(none)?);
                }
                _ => {}
            }
        }
        if asked.after.is_some() && (asked.since.is_some() || asked.until.is_some()) {
            let message = "names the commits: it is given without `since` and `until`";
            return Err(wrong("cursor", message));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::commits::Line;
    use headwater_engine::id::CommitId;

    #[test]
    fn commits_are_named_by_their_ends_or_by_a_cursor() {
        let parse = |text: &str| CommitsQuery::parse(Some(text)).map_err(|error| error.code());
        let asked = parse("since=2024&until=main&sheet=a&sheet=b&limit=5").unwrap();
        assert_eq!((asked.since.as_deref(), asked.until.as_deref()), (Some("2024"), Some("main")));
        assert_eq!((asked.sheets.len(), asked.limit), (2, 5));
        let line = Line { from: CommitId::from_bytes([7; 20]), above: None };
        let cursor = CommitsCursor(line);
        assert_eq!(parse(&format!("cursor={cursor}")).unwrap().after, Some(cursor));
        let both = format!("cursor={cursor}&since=main");
        for text in [&*both, "cursor=x", "limit=0", "limit=101", "since=a&since=b", "to=main"] {
            assert_eq!(parse(text), Err(Code::InvalidQuery), "{text}");
        }
    }
}
