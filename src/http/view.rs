//! The wire types. Nothing else decides what the JSON of an answer looks like.

mod changes;
mod list;
mod problem;
mod public_reload;
mod reload;
mod search;
mod status;

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use changes::{ChangesView, Watched, changes, diff};
pub use list::{line, page, record_with};
pub use problem::{ProblemView, ProblemsView};
pub use public_reload::{PublicReload, PublicReloads};
pub use reload::{Accepted, ReloadView, ReloadsView, StoredReload, excess_view, failure_code};
pub use search::hits;
pub use status::{SheetsView, StatusView, lag_seconds};

/// Writes a time as RFC 3339 in UTC, to the second.
pub fn time(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time).replace_nanosecond(0);
    // Years beyond 9999 can't be written, and no clock shows one.
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_time_is_written_to_the_second() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(super::time(time), "2023-11-14T22:13:20Z");
    }
}
