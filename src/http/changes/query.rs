//! The parameters of a request for changes.

use axum::http::HeaderMap;
use headwater_engine::id::CommitId;
use headwater_engine::query::{ListParameter, ListQuery, elements};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;

use crate::http::lookup::{no_sheet, public_sheet};
use crate::http::parameters::wrong;
use crate::http::parsing::Pairs;
use crate::http::query_refusals::refused;
use crate::wire::{ApiError, EventId, Watched};

/// The longest that a long poll waits, in seconds.
const LONGEST: u64 = 300;

/// The parameters of a request for changes.
pub(super) struct ChangesQuery {
    /// The commit that the caller claims to have.
    pub(super) since: Option<CommitId>,
    /// How many seconds an answer may wait for a change.
    pub(super) wait: u64,
    /// The part that is followed; `None` if a sheet of it is not public now but may have been where
    /// the caller comes from, so that the caller has to start over.
    pub(super) watched: Option<Watched>,
}

/// The commit that a client had when its stream broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// This one.
    Commit(CommitId),
    /// Not an id of an event, or one of somebody who saw something else.
    Unknown,
}

impl Last {
    /// Reads the header that a browser sends when it reopens a stream, now with `view`.
    pub(super) fn of(headers: &HeaderMap, view: &View) -> Option<Self> {
        let last = headers.get("last-event-id").filter(|last| !last.is_empty())?;
        let id = last.to_str().ok().and_then(EventId::parse).filter(|id| id.is_of(view));
        Some(id.map_or(Self::Unknown, |id| Self::Commit(id.commit())))
    }
}

impl ChangesQuery {
    /// Parses the request of a caller that had `last`, if any.
    ///
    /// A sheet that is not public is refused, unless the caller comes from another commit than
    /// `snapshot`: it may have followed the sheet there. Whether the sheet exists, or ever did,
    /// makes no difference.
    pub(super) fn parse(
        pairs: &Pairs,
        last: Option<Last>,
        snapshot: &Snapshot,
    ) -> Result<Self, ApiError> {
        let (mut since, mut wait, mut sheets, mut rest) = (None, 0, Vec::new(), Vec::new());
        for (name, value) in pairs.iter().cloned() {
            match &*name {
                "since" if since.is_some() => {
                    return Err(wrong("since", "is given more than once"));
                }
                "since" => {
                    let hash = || wrong("since", "must be the full hash of a commit");
                    since = Some(value.parse().map_err(|_| hash())?);
                }
                "wait" => {
                    let number = value.parse().ok().filter(|wait| *wait <= LONGEST);
                    let range = || wrong("wait", format!("must be seconds from 0 to {LONGEST}"));
                    wait = number.ok_or_else(range)?;
                }
                "sheet" => sheets.extend(elements(&value)),
                _ => rest.push((name, value)),
            }
        }
        if let Some(sheet) = sheets.iter().find(|name| public_sheet(snapshot, name).is_err()) {
            let from = last.or(since.map(Last::Commit));
            return match from.filter(|from| *from != Last::Commit(snapshot.commit())) {
                Some(_) => Ok(Self { since, wait, watched: None }),
                None => Err(wrong("sheet", no_sheet(snapshot, sheet))),
            };
        }
        let filter = match (&rest[..], &sheets[..]) {
            ([], _) => None,
            (_, [sheet]) => {
                let is_of_list = |name: &str| {
                    ListParameter::of(name).is_some_and(|parameter| !parameter.is_condition())
                };
                let known = rest.iter().find(|(name, _)| is_of_list(name));
                if let Some((name, _)) = known {
                    return Err(wrong(name, "is not a parameter of changes"));
                }
                let sheet = public_sheet(snapshot, sheet)?;
                // It is parsed without the snapshot: a follower follows one sheet, not the sheets
                // it refers to.
                let query = ListQuery::parse(&rest, &sheet).map_err(refused)?;
                if query.depends_on_clock() {
                    return Err(wrong(
                        "now",
                        "changes while the stream is open: give a fixed time",
                    ));
                }
                Some(query)
            }
            ([(name, _), ..], _) => {
                return Err(wrong(name, "is a parameter of changes only with exactly one sheet"));
            }
        };
        let view = snapshot.layout().view().clone();
        Ok(Self { since, wait, watched: Some(Watched::new(view, sheets, &rest, filter)) })
    }
}
