//! The state as a whole: `_status` and `_sheets`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use headwater_engine::admit::publicly_refusable;
use headwater_engine::engine::{EngineStatus, HeldPush, Pinned};
use headwater_engine::id::SheetName;
use headwater_engine::layout::Reference;
use headwater_engine::problem::{Problem, Rule};
use headwater_engine::scalar::ValueType;
use headwater_engine::sheet::{FieldCounts, Sheet};
use headwater_engine::skipped_files::{PassedOver, Reason};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::Scope;
use serde::Serialize;

use super::cluster::{ClusterStatus, HeldElsewhere};
use super::public_reload::PublicReload;
use super::timestamp::time;
use crate::cluster::register::Held;

/// The answer of `_status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    commit: String,
    digest: String,
    branch: String,
    /// The branch that `HEAD` names now, if `HEAD` selected the branch and now names another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    head_branch: Option<String>,
    published_at: String,
    age_seconds: u64,
    records: usize,
    sheets: BTreeMap<String, usize>,
    /// Those of the sheets that the caller may write; absent if writes are off.
    #[serde(skip_serializing_if = "Option::is_none")]
    writable: Option<Vec<String>>,
    problems: usize,
    degraded: bool,
    branch_missing: bool,
    ahead: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<PushView>,
    /// The pinned commit, which is served whatever is pushed; null if there is none, so that a pin
    /// is conspicuous.
    pinned: Option<PinView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldView>,
    lag: LagView,
    /// The last reload, as in `_reloads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<PublicReload>,
    /// The cluster that this server is a replica of.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterStatus>,
    /// How this server was set up.
    #[serde(flatten)]
    setup: Setup,
}

/// What the settings of a server say that its pages need to know.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// The address of a line of a file at the forge, with `{commit}`, `{path}` and `{line}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// Whether this is the demonstration, in which everybody may push a change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
}

/// The pinned commit.
#[derive(Debug, Serialize)]
struct PinView {
    commit: String,
    since: String,
}

/// The state of the pushes to the remote.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PushView {
    unpushed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpushed_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_at: Option<String>,
    /// The code of the last failure; the message of git is in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<String>,
}

/// The held push.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldView {
    id: String,
    commit: String,
    reason: String,
    since: String,
    /// The number of its problems; absent at a replica that follows, which does not judge it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems_total: Option<usize>,
}

impl HeldView {
    /// Returns the push that this server holds itself.
    fn here(snapshot: &Snapshot, held: &HeldPush) -> Self {
        Self {
            id: held.id.to_string(),
            commit: held.commit.to_string(),
            reason: held.reason.as_str().to_owned(),
            since: time(held.since),
            problems_total: Some(open_problems(snapshot, &held.problems)),
        }
    }

    /// Returns the push that the leader holds.
    fn at_the_leader(held: &Held) -> Self {
        let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(held.since));
        Self {
            id: held.id.clone(),
            commit: held.commit.to_string(),
            reason: held.reason.clone(),
            since: time(since.unwrap_or(SystemTime::UNIX_EPOCH)),
            problems_total: None,
        }
    }
}

/// How far the state lags behind the remote, as last seen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LagView {
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_head: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_since: Option<String>,
    seconds: u64,
}

impl StatusView {
    /// Returns the view of the served state and of its relation to the remote. `writable` are the
    /// sheets that the caller may write, whether it sees them or not; `None` if writes are off.
    pub fn of(
        snapshot: &Snapshot,
        status: &EngineStatus,
        writable: Option<Scope>,
        cluster: Option<ClusterStatus>,
        setup: Setup,
    ) -> Self {
        let sheets: BTreeMap<_, _> =
            public(snapshot).map(|sheet| (sheet.spec().name.to_string(), sheet.shown())).collect();
        let is_writable = |scope: &Scope, name: &str| scope.opens(&SheetName::new(name));
        let writable = writable
            .map(|scope| sheets.keys().filter(|name| is_writable(&scope, name)).cloned().collect());
        let held = match cluster.as_ref().map(|cluster| &cluster.held) {
            Some(HeldElsewhere::AtTheLeader(held)) => held.as_ref().map(HeldView::at_the_leader),
            Some(HeldElsewhere::Here) | None => {
                status.held.as_ref().map(|held| HeldView::here(snapshot, held))
            }
        };
        Self {
            commit: snapshot.commit().to_string(),
            digest: snapshot.public_digest().to_string(),
            branch: status.branch.clone(),
            head_branch: status.head_elsewhere.clone(),
            published_at: time(status.published_at),
            age_seconds: seconds_since(Some(status.published_at)),
            records: sheets.values().sum(),
            sheets,
            writable,
            problems: snapshot.public_problem_count(),
            degraded: status.degraded && publicly_refusable(snapshot),
            branch_missing: status.branch_missing,
            ahead: status.ahead,
            push: status.push.active.then(|| PushView {
                unpushed: status.ahead,
                unpushed_since: status.push.unpushed_since.map(time),
                pushed_at: status.push.pushed_at.map(time),
                failure: status.push.failure.as_ref().map(|(kind, _)| kind.as_str()),
                failures: status.push.failures,
                next_try_at: next_push(status).map(time),
            }),
            pinned: status.pinned.map(|Pinned { commit, since }| PinView {
                commit: commit.to_string(),
                since: time(since),
            }),
            held,
            lag: LagView {
                remote_head: status.remote_head.map(|head| head.to_string()),
                fetched_at: status.fetched_at.map(time),
                behind_since: status.behind_since.map(time),
                seconds: lag_seconds(status),
            },
            last: status.last.as_ref().map(|report| PublicReload::of(report, snapshot)),
            cluster,
            setup,
        }
    }
}

/// Returns when the next push may be tried, if something waits for it.
fn next_push(status: &EngineStatus) -> Option<SystemTime> {
    let is_awaited = |next: &SystemTime| {
        status.push.failures > 0 || status.ahead > 0 && *next > SystemTime::now()
    };
    status.push.next.filter(is_awaited)
}

/// Counts the problems of a held push that everybody may know of: those of the served sheets. If a
/// sheet hides records, a problem may be of a hidden one; if it refers to records that not everybody
/// sees, a dangling reference tells of them. Such problems do not count.
fn open_problems(snapshot: &Snapshot, problems: &[Problem]) -> usize {
    let is_open = |problem: &&Problem| {
        let spec = problem.sheet.as_ref().map(|name| snapshot.layout().sheet(name.as_str()));
        spec.is_none_or(|spec| {
            spec.is_some_and(|spec| {
                let refers_openly = spec.refs.iter().all(|reference| reference.is_open);
                let is_alone = problem.rule != Rule::DanglingRef || refers_openly;
                spec.public && spec.hidden.is_none() && is_alone
            })
        })
    };
    problems.iter().filter(is_open).count()
}

/// Returns how many seconds ago the remote got a head that is not published.
pub fn lag_seconds(status: &EngineStatus) -> u64 {
    seconds_since(status.behind_since)
}

fn seconds_since(time: Option<SystemTime>) -> u64 {
    // A clock that was set back does not cause a lag.
    time.and_then(|time| time.elapsed().ok()).unwrap_or_default().as_secs()
}

/// The most reasons for ignored files that are listed one by one.
const MAX_PASSED_OVER: usize = 100;

/// The answer of `_sheets`.
#[derive(Debug, Serialize)]
pub struct SheetsView {
    items: Vec<SheetView>,
    /// The top-level folders that inference ignores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    /// The files that are not records, if nothing is declared, by the reason.
    #[serde(rename = "passedOver", skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<PassedOverView>,
}

/// Why some files are not records, and how many there are.
#[derive(Debug, Serialize)]
struct PassedOverView {
    reason: &'static str,
    /// The folder or the extension that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    count: u64,
}

impl PassedOverView {
    /// Lists the reasons in order. If there are many, those with the fewest files are combined.
    fn all(counts: &PassedOver) -> Vec<Self> {
        let mut reasons: Vec<_> = counts.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest = reasons.split_off(reasons.len().min(MAX_PASSED_OVER));
        let rest: u64 = rest.iter().map(|(_, count)| count).sum();
        reasons.sort_unstable();
        let mut all: Vec<_> =
            reasons.iter().map(|(reason, count)| Self::of(reason, *count)).collect();
        if rest > 0 {
            all.push(Self { reason: "other", name: None, count: rest });
        }
        all
    }

    fn of(reason: &Reason, count: u64) -> Self {
        let (reason, name) = match reason {
            Reason::Folder(folder) => ("folder", Some(folder)),
            Reason::Ending(ending) => ("ending", Some(ending)),
            Reason::NoSheet(ending) => ("no_sheet", Some(ending)),
            Reason::Path => ("path", None),
            Reason::Link => ("link", None),
            Reason::Submodule => ("submodule", None),
        };
        Self { reason, name: name.map(ToString::to_string), count }
    }
}

#[derive(Debug, Serialize)]
struct SheetView {
    name: String,
    root: String,
    format: String,
    records: usize,
    problems: usize,
    fields: Vec<String>,
    /// The fields that can be counted, sorted and filtered without reading records, as declared.
    indexed: Vec<String>,
    /// The fields that refer to records of other sheets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<ReferenceView>,
    #[serde(rename = "fieldStats")]
    field_stats: BTreeMap<String, FieldStatsView>,
}

/// A field that refers to records of a sheet that the reader sees.
#[derive(Debug, Serialize)]
struct ReferenceView {
    field: String,
    sheet: String,
    /// The field of that sheet with the same value; absent if it is the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl ReferenceView {
    fn of(reference: &Reference) -> Self {
        Self {
            field: reference.field.to_string(),
            sheet: reference.sheet.to_string(),
            target: reference.target.as_ref().map(ToString::to_string),
        }
    }
}

/// What is known about a field without reading records.
#[derive(Debug, Serialize)]
struct FieldStatsView {
    /// The number of records that have the field; its value may be null.
    records: u64,
    /// The types of its values. A list is its elements.
    types: Vec<&'static str>,
    /// Whether it is a list in some record.
    list: bool,
}

impl FieldStatsView {
    fn all(fields: &FieldCounts) -> BTreeMap<String, Self> {
        let view = |(field, records): (&str, u64)| {
            let types = fields.types(field).iter().map(ValueType::name).collect();
            (field.to_owned(), Self { records, types, list: fields.is_list(field) })
        };
        fields.iter().map(view).collect()
    }
}

impl SheetsView {
    /// Returns the view of the public sheets.
    pub fn of(snapshot: &Snapshot) -> Self {
        let items = public(snapshot).map(|sheet| {
            let spec = sheet.spec();
            SheetView {
                name: spec.name.to_string(),
                root: spec.root.to_string(),
                format: spec.format_name().to_owned(),
                records: sheet.shown(),
                problems: sheet.public_problem_count(),
                indexed: spec.indexed_as_declared().iter().map(ToString::to_string).collect(),
                references: spec.public_references().map(ReferenceView::of).collect(),
                fields: sheet.fields().iter().map(|(field, _)| field.to_owned()).collect(),
                field_stats: FieldStatsView::all(sheet.fields()),
            }
        });
        let skipped = snapshot.layout().skipped().iter().map(ToString::to_string);
        let passed_over = PassedOverView::all(snapshot.passed_over());
        Self { items: items.collect(), skipped: skipped.collect(), passed_over }
    }
}

fn public(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Sheet>> {
    snapshot.sheets().filter(|sheet| sheet.spec().public)
}
