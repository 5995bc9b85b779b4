//! `GET /api/_problems`: the problems of the files, page by page.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use headwater_engine::budget::{Budget, STEP};
use headwater_engine::cursor::Cursor;
use headwater_engine::id::CommitId;
use serde_json::json;

use super::app::App;
use super::json;
use super::parameters::{KnownParameters, number, wrong};
use super::query_refusals::too_costly;
use super::request_snapshot::Current;
use super::source::Source;
use crate::wire::{ApiError, Code, ProblemsView};

/// The default and largest number of problems on a page.
const MOST: usize = 1_000;

const KNOWN: KnownParameters =
    KnownParameters { of: "the problems", once: &["cursor", "limit"], often: &[] };

/// Where a page starts: `skip` problems after the first of `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageStart {
    skip: usize,
    total: usize,
}

/// Answers with a page of the problems that are public. The next pages are those of the same
/// commit.
pub(super) async fn problems(
    State(app): State<App>,
    Current(snapshot): Current,
    RawQuery(query): RawQuery,
    source: Source,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (start, limit) = parse(query.as_deref())?;
    let live = app.live.clone();
    let view = move |budget: &Budget| {
        let (commit, total) = (snapshot.commit(), snapshot.public_problem_count());
        if start.is_some_and(|start| start.total != total) {
            // The rules for what is shown have changed, so the start of the page is unknown.
            return Err(Code::CursorExpired.into());
        }
        let skip = start.map_or(0, |start| start.skip);
        let page = snapshot.public_problems_page(skip, limit);
        budget.spend(page.len() * STEP);
        budget.check().map_err(too_costly)?;
        let end = skip + page.len();
        let next = (end < total).then(|| {
            if let Some(engine) = live.engine() {
                engine.keep(commit);
            }
            PageStart { skip: end, total }.cursor(commit).to_string()
        });
        json::tagged_view(&headers, &ProblemsView::of(&snapshot, &page, total, next))
    };
    app.answers.make(source, view).await
}

fn parse(query: Option<&str>) -> Result<(Option<PageStart>, usize), ApiError> {
    let (mut start, mut limit) = (None, MOST);
    for (name, value) in KNOWN.read(query)? {
        match &*name {
            "cursor" => {
                let none = || wrong("cursor", "is not a cursor of the problems");
                start = Some(PageStart::parse(&value).ok_or_else(none)?);
            }
            "limit" => limit = number(&name, &value, MOST)?,
            _ => {}
        }
    }
    Ok((start, limit))
}

impl PageStart {
    fn parse(cursor: &str) -> Option<Self> {
        let Cursor { place, .. } = Cursor::parse(cursor)?;
        let [skip, total] = place.as_array()?.as_slice() else { return None };
        let number = |value: &serde_json::Value| usize::try_from(value.as_u64()?).ok();
        let (skip, total) = (number(skip)?, number(total)?);
        (skip < total).then_some(Self { skip, total })
    }

    fn cursor(self, commit: CommitId) -> Cursor {
        Cursor { commit, place: json!([self.skip, self.total]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_lies_before_the_end() {
        let commit = CommitId::from_bytes([7; 20]);
        let start = PageStart { skip: 40, total: 41 };
        assert_eq!(PageStart::parse(&start.cursor(commit).to_string()), Some(start));
        for place in [json!([]), json!([1]), json!([-1, 2]), json!([2, 2]), json!(["id", "ada"])] {
            let cursor = Cursor { commit, place };
            assert_eq!(PageStart::parse(&cursor.to_string()), None, "{cursor:?}");
        }
    }
}
