//! What a caller wants to know of what changes.

use headwater_engine::id::CommitId;
use headwater_engine::query::ListQuery;
use headwater_engine::snapshot::Snapshot;

use crate::http::error::ApiError;
use crate::http::list::{no_sheet, public_sheet, refused};
use crate::http::parameters::{pairs, wrong};
use crate::http::view::Watched;

/// The longest that a long poll waits, in seconds.
const LONGEST: u64 = 300;

/// What lists have beside conditions.
const OF_LISTS: [&str; 9] =
    ["q", "sort", "facets", "fields", "include", "page", "perPage", "cursor", "limit"];

/// What a caller wants to know.
pub(super) struct Asked {
    /// The commit that the caller has.
    pub(super) since: Option<CommitId>,
    /// For how many seconds an answer may wait for a change.
    pub(super) wait: u64,
    /// What is followed.
    pub(super) watched: Watched,
}

impl Asked {
    pub(super) fn parse(query: Option<&str>, snapshot: &Snapshot) -> Result<Self, ApiError> {
        let (mut since, mut wait, mut sheets, mut rest) = (None, 0, Vec::new(), Vec::new());
        for (name, value) in pairs(query)? {
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
                "sheet" => {
                    if public_sheet(snapshot, &value).is_err() {
                        return Err(wrong("sheet", no_sheet(snapshot, &value)));
                    }
                    sheets.push(value);
                }
                _ => rest.push((name, value)),
            }
        }
        let filter = match (&rest[..], &sheets[..]) {
            ([], _) => None,
            (_, [sheet]) => {
                let known = rest.iter().find(|(name, _)| OF_LISTS.contains(&name.as_str()));
                if let Some((name, _)) = known {
                    return Err(wrong(name, "is not a parameter of changes"));
                }
                let sheet = public_sheet(snapshot, sheet)?;
                Some(ListQuery::parse(&rest, &sheet).map_err(refused)?)
            }
            ([(name, _), ..], _) => {
                return Err(wrong(name, "is not a parameter of changes, unless of one sheet"));
            }
        };
        Ok(Self { since, wait, watched: Watched::new(sheets, &rest, filter) })
    }
}
