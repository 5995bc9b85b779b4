//! The formats that more than one place writes: the codes of errors, and the JSON of answers,
//! events and alerts. Nothing else decides what they look like.

mod changes;
mod cluster;
mod code;
mod commits;
mod diff_cursor;
mod error;
mod event_id;
mod included;
mod list;
mod problem;
mod public_reload;
mod json_string;
mod reload;
mod search;
mod table;
mod status;
mod timestamp;

pub use changes::{Compared, Watched, changes, diff, resync};
pub use cluster::ClusterStatus;
pub use code::Code;
pub use commits::{CommitView, CommitsCursor, CommitsView};
pub use diff_cursor::DiffCursor;
pub use error::{ApiError, FieldError};
pub use event_id::EventId;
pub use list::{group, line, page, record_with};
pub use problem::{ProblemView, ProblemsView};
pub use public_reload::{PublicReload, PublicReloads};
pub use reload::{Accepted, ReloadView, ReloadsView, StoredReload, excess_view, failure_code};
pub use search::{Filtered, hits};
pub use status::{Setup, SheetsView, StatusView, lag_seconds};
pub use table::{counted_rows, group_rows};
pub use timestamp::{time, time_of};
