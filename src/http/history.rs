//! `GET /api/_history/<sheet>/<key...>`: the commits that touched a record.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use headwater_engine::cursor::Cursor;
use headwater_engine::history::{Version, Versions};
use headwater_engine::id::CommitId;
use serde::Serialize;
use serde_json::json;

use super::app::App;
use super::json;
use super::lookup::{no_record, public_sheet};
use super::parameters::{KnownParameters, number, wrong};
use super::record::RecordPath;
use super::request_snapshot::{Current, not_ready};
use super::source::Source;
use crate::wire;
use crate::wire::{ApiError, Code};

/// The number of commits that are listed by default.
const DEFAULT: usize = 20;

/// The most commits that are listed.
const MOST: usize = 100;

const KNOWN: KnownParameters =
    KnownParameters { of: "a history", once: &["cursor", "limit"], often: &[] };

/// The most commits that a page is behind: git counts no further.
const FURTHEST: usize = i32::MAX as usize - MOST;

/// A page of a history.
#[derive(Debug, Serialize)]
struct HistoryView {
    items: Vec<VersionView>,
    next: Option<String>,
}

/// One commit of it.
#[derive(Debug, Serialize)]
struct VersionView {
    commit: String,
    time: String,
    author: String,
    summary: String,
    change: &'static str,
    fields: Vec<String>,
}

/// Where a page starts: behind so many commits of those that are listed of the history of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageStart {
    from: CommitId,
    listed: usize,
}

/// Answers with a page of the history of one record.
pub(super) async fn history(
    State(app): State<App>,
    Current(snapshot): Current,
    source: Source,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let RecordPath { sheet, key } =
        RecordPath::below(uri.path(), "/api/_history/").ok_or(Code::NotFound)?;
    // Whatever the commit, the present rules decide what is shown of it.
    let present = app.live.seen_by(snapshot.layout().view()).ok_or_else(not_ready)?;
    let sheet = public_sheet(&present, &sheet)?;
    // Like a read, which may name it in another Unicode normalization.
    let named = present.visible(sheet.spec().name.as_str(), &key);
    let key = named.map_or_else(|| key.to_string(), |record| record.key.to_string());
    let (place, limit) = parse(query.as_deref(), snapshot.commit())?;
    let spec = sheet.spec().clone();
    let asked = key.clone();
    let read = app.past.history(source, present, spec, key, place.from, (place.listed, limit));
    let Versions { items, ended } = read.await?;
    // A record may be shown only since the definitions changed, and no commit touched it after that.
    let is_shown = || {
        let sheet = snapshot.sheet(sheet.spec().name.as_str());
        sheet.is_some_and(|sheet| sheet.record(&asked).is_some_and(|it| sheet.shows(it)))
    };
    if items.is_empty() && place.listed == 0 && ended && !is_shown() {
        return Err(no_record(&sheet, &asked));
    }
    let next = PageStart { listed: place.listed + items.len(), ..place };
    let next = (!ended).then(|| next.cursor().to_string());
    let items = items.into_iter().map(VersionView::of).collect();
    json::tagged_view(&headers, &HistoryView { items, next })
}

fn parse(query: Option<&str>, commit: CommitId) -> Result<(PageStart, usize), ApiError> {
    let (mut place, mut limit) = (PageStart { from: commit, listed: 0 }, DEFAULT);
    for (name, value) in KNOWN.read(query)? {
        match &*name {
            "cursor" => {
                let none = || wrong("cursor", "is not a cursor of this history");
                place = PageStart::parse(&value).ok_or_else(none)?;
            }
            "limit" => limit = number(&name, &value, MOST)?,
            _ => {}
        }
    }
    Ok((place, limit))
}

impl PageStart {
    fn parse(cursor: &str) -> Option<Self> {
        let Cursor { commit, place } = Cursor::parse(cursor)?;
        let [listed] = place.as_array()?.as_slice() else { return None };
        let listed = listed.as_u64().and_then(|listed| usize::try_from(listed).ok());
        Some(Self { from: commit, listed: listed.filter(|listed| *listed <= FURTHEST)? })
    }

    fn cursor(self) -> Cursor {
        Cursor { commit: self.from, place: json!([self.listed]) }
    }
}

impl VersionView {
    fn of(version: Version) -> Self {
        let Version { commit, seconds, author, summary, event, fields } = version;
        let time = wire::time_of(seconds);
        let change = event.as_str();
        Self { commit: commit.to_string(), time, author, summary, change, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let start = PageStart { from: CommitId::from_bytes([7; 20]), listed: 40 };
        assert_eq!(PageStart::parse(&start.cursor().to_string()), Some(start));
        for place in [json!([]), json!([-1]), json!([1.5]), json!(["id", "ada"]), json!(40)] {
            let cursor = Cursor { commit: start.from, place };
            assert_eq!(PageStart::parse(&cursor.to_string()), None, "{cursor:?}");
        }
        for text in ["", "x", "7.7"] {
            assert_eq!(PageStart::parse(text), None, "{text}");
        }
        for (listed, is_one) in [(FURTHEST, true), (FURTHEST + 1, false), (usize::MAX, false)] {
            let cursor = PageStart { listed, ..start }.cursor();
            assert_eq!(PageStart::parse(&cursor.to_string()).is_some(), is_one, "{listed}");
        }
    }
}
