//! The commits that a request names by their full hashes, whether this server has them or not.

use axum::http::{HeaderMap, HeaderName, Uri};
use headwater_engine::cursor::Cursor;
use headwater_engine::id::CommitId;

use super::header_names::{AT, LAST_EVENT_ID};
use super::route::{Route, Snapshots};
use crate::wire::{CommitsCursor, DiffCursor, EventId};

/// The most commits that a valid request names: two in its query, and one in a header.
const MOST: usize = 3;

/// How a route names commits.
struct Names {
    parameters: &'static [&'static str],
    header: Option<HeaderName>,
    /// Returns the commits that a cursor of the route is about.
    of_cursor: fn(&str) -> Vec<CommitId>,
}

impl Names {
    fn of(route: Route) -> Option<Self> {
        let at = || Self { parameters: &["at"], header: Some(AT), of_cursor: |_| Vec::new() };
        Some(match route {
            Route::List | Route::Problems | Route::History => {
                Self { of_cursor: |cursor| Cursor::commit_of(cursor).into_iter().collect(), ..at() }
            }
            Route::Changes => Self { parameters: &["since"], header: Some(LAST_EVENT_ID), ..at() },
            Route::Diff => Self {
                parameters: &["from", "to"],
                header: None,
                of_cursor: |cursor| {
                    let ends = DiffCursor::parse(cursor).map(|cursor| vec![cursor.from, cursor.to]);
                    ends.unwrap_or_default()
                },
            },
            Route::Commits => Self {
                parameters: &["since", "until"],
                header: None,
                of_cursor: |cursor| {
                    let line = CommitsCursor::parse(cursor).map(|CommitsCursor(line)| line.from);
                    line.into_iter().collect()
                },
            },
            _ if route.snapshots() == Snapshots::Any => at(),
            _ => return None,
        })
    }
}

/// Returns the commits, other than the zeros, that a read of `route` names. A tag, a date or the beginning of a hash
/// stands for what this server has, so it names none.
pub(super) fn named_commits(route: Option<Route>, uri: &Uri, headers: &HeaderMap) -> Vec<CommitId> {
    // Nearly every request has neither a query nor such a header.
    let mut named: Vec<CommitId> = Vec::new();
    let Some(Names { parameters, header, of_cursor }) = route.and_then(Names::of) else {
        return named;
    };
    let header = header.and_then(|name| headers.get(name)?.to_str().ok());
    named.extend(header.and_then(EventId::parse).map(|id| id.commit()));
    for pair in uri.query().unwrap_or_default().split('&') {
        // Only what a client copies from an answer matters, and that is written without escapes.
        match pair.split_once('=') {
            Some(("cursor", cursor)) => named.extend(of_cursor(cursor)),
            Some((name, hash)) if parameters.contains(&name) => {
                named.extend(hash.parse::<CommitId>().ok())
            }
            _ => {}
        }
    }
    named.retain(|commit| !commit.is_zero());
    named.truncate(MOST);
    named
}

#[cfg(test)]
mod tests {
    use headwater_engine::commits::Line;
    use headwater_engine::id::{Key, SheetName};
    use serde_json::json;

    use super::*;

    fn commit(digit: u8) -> CommitId {
        CommitId::from_bytes([digit; 20])
    }

    fn named(path: &str, headers: &[(&'static str, String)]) -> Vec<u8> {
        let uri: Uri = path.parse().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let named = named_commits(Route::of(uri.path()), &uri, &headers.collect());
        named.iter().map(|commit| commit.as_bytes()[0]).collect()
    }

    #[test]
    fn each_route_names_commits_in_its_own_way() {
        let [one, two, three] = [1, 2, 3].map(commit);
        let walk = Cursor { commit: one, place: json!(["ada"]) };
        let (from, to) = (one, two);
        let (sheet, key) = (SheetName::new("people"), Key::new("ada"));
        let diff = DiffCursor { from, to, sheet, key };
        let line = CommitsCursor(Line { from: one, above: None });
        let at = [("x-headwater-at", three.to_string())];
        let last = [("last-event-id", three.to_string())];
        for (path, headers, expected) in [
            (format!("/api/people?at={one}&sort=age"), &[][..], &[1][..]),
            (format!("/api/people?limit=2&cursor={walk}"), &at, &[3, 1]),
            (format!("/api/people/ada?at={one}"), &[], &[1]),
            (format!("/api/_search?q=x&at={one}"), &[], &[1]),
            (format!("/api/_problems?cursor={walk}"), &[], &[1]),
            (format!("/api/_history/people/ada?cursor={walk}"), &[], &[1]),
            (format!("/api/_changes?since={one}&wait=5"), &last, &[3, 1]),
            (format!("/api/_diff?from={one}&to={two}"), &[], &[1, 2]),
            (format!("/api/_diff?cursor={diff}"), &[], &[1, 2]),
            (format!("/api/_commits?since={one}&until=main"), &[], &[1]),
            (format!("/api/_commits?cursor={line}"), &[], &[1]),
            // None of these is the name of a commit there.
            (format!("/api/people?since={one}&from={one}"), &last, &[]),
            (format!("/api/_status?at={one}"), &at, &[]),
            (format!("/api/_changes?at={one}&since=2024"), &at, &[]),
            (format!("/api/people?at={}", CommitId::ZERO), &[], &[]),
            (format!("/api/people?at={}", &one.to_string()[..12]), &[], &[]),
            ("/api/people?at=v1&cursor=x&q=y".to_owned(), &[], &[]),
            ("/health/ready".to_owned(), &at, &[]),
        ] {
            assert_eq!(named(&path, headers), expected, "{path}");
        }
        let many = (1..9).map(|digit| format!("since={}", commit(digit))).collect::<Vec<_>>();
        assert_eq!(named(&format!("/api/_changes?{}", many.join("&")), &[]).len(), MOST);
    }
}
