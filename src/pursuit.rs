//! A webhook call from its reload to its verdict: a commit that is named and not there yet is
//! waited for, with further reloads, holding nothing meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use headwater_engine::engine::{ReloadError, Report, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::report::{OutcomeKind, ReloadId, ReloadOutcome, Trigger};

use crate::live::{Live, Ticket};

/// The waits before a commit that the remote does not show yet is asked for again.
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

/// How many verdicts of calls that did not wait for them are kept.
const KEPT: usize = 256;

/// What a call came to.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The report of the last reload.
    pub report: Arc<Report>,
    /// Whether that reload was shared with an earlier caller.
    pub shared: bool,
    /// The commit that was named and is not in the branch.
    pub missing: Option<CommitId>,
}

impl Verdict {
    /// Says whether the remote was asked and whatever the call was about is served.
    pub fn is_served(&self) -> bool {
        let served = |outcome: &ReloadOutcome| outcome.fetched && outcome.kind != OutcomeKind::Held;
        self.missing.is_none() && self.report.result.as_ref().is_ok_and(served)
    }
}

/// A verdict that may still be out.
pub type Pending = Arc<OnceLock<Verdict>>;

/// Pursues a call to its verdict and leaves it in `pending`, for a caller who comes back.
///
/// Returns `None` when the engine shuts down meanwhile.
pub async fn settle(
    live: Arc<Live>,
    kind: RequestKind,
    ticket: Ticket,
    commit: Option<CommitId>,
    pending: Pending,
) -> Option<Verdict> {
    let verdict = pursue(live, kind, ticket, commit).await?;
    Some(pending.get_or_init(|| verdict).clone())
}

/// Waits for the reload of `ticket` and, until `commit` is in the remote's head, for further ones.
///
/// Returns `None` when the engine shuts down meanwhile.
async fn pursue(
    live: Arc<Live>,
    kind: RequestKind,
    ticket: Ticket,
    commit: Option<CommitId>,
) -> Option<Verdict> {
    let (mut report, mut shared) = ticket.report.await.ok()?;
    let Some(commit) = commit else { return Some(Verdict { report, shared, missing: None }) };
    let mut waits = WAITS.into_iter();
    // A rebuild that came before its commit is made up for once the commit is there.
    let mut rebuilt = true;
    loop {
        if found(&live, &report, commit).await? {
            if !rebuilt {
                (report, shared) = live.submit(kind, Trigger::Webhook).report.await.ok()?;
            }
            return Some(Verdict { report, shared, missing: None });
        }
        let Some(wait) = waits.next() else {
            return Some(Verdict { report, shared, missing: Some(commit) });
        };
        tokio::time::sleep(wait).await;
        rebuilt = kind != RequestKind::Rebuild;
        (report, shared) = live.submit(RequestKind::Reload, Trigger::Webhook).report.await.ok()?;
    }
}

/// Says whether the head that the reload saw contains `commit`. A reload that did not get to see
/// one has an answer of its own and is not tried again.
async fn found(live: &Arc<Live>, report: &Arc<Report>, commit: CommitId) -> Option<bool> {
    let head = match &report.result {
        Ok(outcome) => outcome.remote_head.unwrap_or(outcome.new),
        // What is held may be an older head, from before the push that this call is about.
        Err(ReloadError::Held { held, .. }) => held.commit,
        Err(_) => return Some(true),
    };
    let live = live.clone();
    let contains = move || live.engine().is_some_and(|engine| engine.contains(head, commit));
    tokio::task::spawn_blocking(contains).await.ok()
}

/// The verdicts that are still out when their callers are told to come back.
#[derive(Default)]
pub struct Pursuits(Mutex<BTreeMap<ReloadId, Pending>>);

impl Pursuits {
    /// Keeps `pending` under a fresh id; the oldest is forgotten when there are too many.
    pub fn name(&self, live: &Live, pending: Pending) -> ReloadId {
        let id = live.ledger().reserve();
        let mut kept = self.lock();
        kept.insert(id, pending);
        while kept.len() > KEPT {
            kept.pop_first();
        }
        id
    }

    /// Returns what is known under `id`.
    pub fn get(&self, id: &ReloadId) -> Option<Pending> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReloadId, Pending>> {
        // Every statement leaves the map whole, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
