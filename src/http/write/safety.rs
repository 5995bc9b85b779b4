//! Waits until a write is in two places, so that no single machine can take it away.

use std::time::Instant;

use headwater_engine::id::CommitId;

use crate::cluster::register::Value;
use crate::http::app::App;
use crate::http::cluster_access::ClusterAccess;

/// What became of a commit that is to be in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safety {
    /// It is, as this commit, which differs if it was replayed.
    Safe(CommitId),
    /// It was overruled by the remote's commits and is kept on a separate branch.
    Overruled,
    /// It was on one disk, which is gone, and the replicas went on without it.
    Abandoned,
    /// Not in time.
    Late,
}

/// Waits until the register says that `commit` is safe, until `until`. It does not matter who leads
/// by then.
pub(super) async fn secured(
    app: &App,
    cluster: &ClusterAccess,
    commit: CommitId,
    until: Instant,
) -> Safety {
    let begun = Instant::now();
    let mut view = cluster.member.watch();
    let mut looked = None;
    loop {
        let now = view.borrow_and_update().clone();
        // A head that another leader named is here only once it is served.
        let sight = now.value.as_ref().map(|value| (value.safe, now.serving_seq));
        if let Some(value) = now.value.as_ref().filter(|_| looked != sight)
            && let Some(safety) = look(app, commit, value).await
        {
            if let Safety::Safe(_) = safety {
                now.counts.secured(begun.elapsed());
            }
            return safety;
        }
        looked = sight;
        match tokio::time::timeout_at(until.into(), view.changed()).await {
            Ok(Ok(())) => {}
            // The member ends with the server.
            Ok(Err(_)) | Err(_) => return Safety::Late,
        }
    }
}

/// Returns what the register says of `commit`; `None` if that is not decided.
async fn look(app: &App, commit: CommitId, value: &Value) -> Option<Safety> {
    let safe = value.safe?.commit;
    if safe == commit {
        return Some(Safety::Safe(commit));
    }
    let (live, abandoned, head) = (app.live.clone(), value.abandoned.clone(), value.facts.head);
    let looked = tokio::task::spawn_blocking(move || {
        let engine = live.engine()?;
        let Some(now) = engine.successor_of(commit) else { return Some(Safety::Overruled) };
        let is_in = |head: CommitId| engine.descends(head, now);
        match is_in(safe) {
            true => Some(Safety::Safe(now)),
            false if abandoned.into_iter().any(is_in) && !is_in(head) => Some(Safety::Abandoned),
            false => None,
        }
    });
    // What panicked knows nothing.
    looked.await.ok().flatten()
}
