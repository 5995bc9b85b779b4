//! One reload, from the fetch to the swap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::Empty;

use super::error::ReloadError;
use super::held::{Held, HeldReason};
use super::ledger::Report;
use super::schedule::RequestKind;
use super::{Rewrites, Shared};
use crate::admit::{Excess, Health, Verdict, admit};
use crate::fault;
use crate::id::CommitId;
use crate::load::{finish, prepare};
use crate::mirror::{Expected, Objects, RefError, RemoteHead};
use crate::plan::{BranchFacts, Movement, RebuildReason, movement};
use crate::problem::Problem;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome, Timings, Trigger};
use crate::snapshot::{Snapshot, count};

/// The last commit known to be both ours and the remote's.
pub(super) const SYNCED: &str = "refs/headwater/synced";

/// Where commits of ours are kept that the branch cannot keep.
pub(super) const CONFLICTS: &str = "refs/heads/conflicts/";

/// What a fetch found, and where that lets the branch go.
pub(super) struct Seen {
    /// The remote's head; `None` where it has none, or was not reached and a rebuild goes on.
    pub(super) remote: Option<CommitId>,
    /// Our own head of the branch.
    pub(super) local: Option<CommitId>,
    movement: Movement,
    ahead: u64,
    /// Whether the remote answered.
    reached: bool,
}

impl Seen {
    /// Nothing of the remote, so that what is here stays.
    fn nothing(local: Option<CommitId>) -> Self {
        Self { remote: None, local, movement: Movement::Stay, ahead: 0, reached: false }
    }
}

impl Shared {
    /// Runs one reload. Whatever happens, even a panic, is in the report.
    pub(super) fn run(&self, id: ReloadId, kind: RequestKind, trigger: Trigger) -> Report {
        let span = tracing::info_span!(
            "reload", reload = %id, trigger = trigger.as_str(), outcome = Empty, commit = Empty,
            fetch_ms = Empty, diff_ms = Empty, decode_ms = Empty, apply_ms = Empty,
            text_ms = Empty, swap_ms = Empty
        );
        let _entered = span.enter();
        let (started, begun) = (SystemTime::now(), Instant::now());
        let result = catch_unwind(AssertUnwindSafe(|| match kind {
            RequestKind::Pin(commit) => self.turn(Some(commit)),
            RequestKind::Unpin => self.turn(None),
            RequestKind::Audit => self.audit(),
            _ => self.reload(id, kind),
        }));
        let result = result.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(ReloadError::Panic { message: message.unwrap_or_default() })
        });
        let serving = self.published.load().commit();
        let duration = begun.elapsed();
        span.record("commit", tracing::field::display(serving));
        match &result {
            Ok(outcome) => {
                span.record("outcome", outcome.kind.as_str());
                for (stage, time) in outcome.timings.stages() {
                    span.record(format!("{stage}_ms").as_str(), ms(time));
                }
                tracing::info!(
                    reason = outcome.reason.map(RebuildReason::as_str),
                    changed = outcome.changed.values().map(|counts| counts.total()).sum::<u64>(),
                    duration_ms = ms(duration),
                    "reload done"
                );
            }
            Err(error) => {
                span.record("outcome", "failed");
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    duration_ms = ms(duration),
                    "reload failed, the old state serves"
                );
            }
        }
        Report { id, trigger, started, duration, serving, result }
    }

    fn reload(&self, id: ReloadId, kind: RequestKind) -> Result<ReloadOutcome, ReloadError> {
        let mut timings = Timings::default();
        let begun = Instant::now();
        let seen = self.look(kind)?;
        timings.fetch = begun.elapsed();

        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        fault::step("reload.prepare");
        let seen = self.judged_again(&objects, seen)?;
        let published = self.published.load_full();
        let through = self.let_through(kind, &seen)?;
        let pinned = self.status().pinned.filter(|_| !through);
        let target = match (seen.movement, seen.remote) {
            (_, Some(remote)) if through => remote,
            (Movement::To(remote), _) | (Movement::Diverged, Some(remote))
                if pinned.is_some() && kind != RequestKind::Rebuild =>
            {
                return Ok(self.hold_for_pin(id, remote, &published, &seen));
            }
            _ if let Some(pinned) = pinned => pinned.commit,
            (Movement::To(target), _) => target,
            (Movement::Stay, _) => seen.local.unwrap_or(published.commit()),
            (Movement::Diverged, None) => published.commit(),
            (Movement::Diverged, Some(remote)) if self.can_replay(&seen) => {
                return self.replay(id, remote, &seen, &published, timings);
            }
            (Movement::Diverged, Some(remote)) => {
                return Err(self.hold(id, remote, HeldReason::Diverged, vec![], vec![]));
            }
        };
        // What the branch is at already was let through, perhaps just before a crash.
        let was_live = [seen.local, Some(published.commit()), pinned.map(|pinned| pinned.commit)]
            .contains(&Some(target));
        if !through && !was_live {
            self.recall(target)?;
        }
        let forced = (kind == RequestKind::Rebuild).then_some(RebuildReason::Requested);
        let prepared = prepare(&objects, Some(&published), target, forced, &self.load)
            .map_err(ReloadError::Load)?;
        let mut outcome = self.staying(&published, &seen);
        let Some(prepared) = prepared else {
            outcome.timings = timings;
            self.caught_up(&seen);
            return Ok(outcome);
        };

        let begun = Instant::now();
        fault::step("reload.admit");
        let health = Health::of(prepared.draft.state());
        let changed = count(&prepared.changed_from(&published));
        if !through && !was_live {
            let verdict = admit(&Health::of(&published), &health, &changed, &self.limits);
            if let Some((reason, problems, excesses)) = objection(verdict) {
                return Err(self.hold(id, target, reason, problems, excesses));
            }
        }
        fault::step("reload.admitted");
        let admission = begun.elapsed();
        let (snapshot, reason, stages) =
            finish(&objects, prepared, &self.load).map_err(ReloadError::Load)?;

        let begun = Instant::now();
        fault::step("branch.move");
        if pinned.is_none() {
            self.move_branch(&objects, &seen, target)?;
        }
        fault::step("branch.moved");
        if through {
            self.unpin_for(&objects)?;
        }
        outcome.kind = if reason.is_some() { OutcomeKind::Rebuilt } else { OutcomeKind::Applied };
        (outcome.reason, outcome.new, outcome.digest) = (reason, target, snapshot.digest());
        outcome.changed = changed;
        self.publish(Arc::new(snapshot), reason.is_some());
        fault::step("swap.done");
        let degraded = health.refusable();
        let mut status = self.status();
        status.published_at = SystemTime::now();
        status.degraded = degraded && (through || status.degraded);
        drop(status);
        self.caught_up(&seen);
        outcome.timings = Timings {
            fetch: timings.fetch,
            apply: stages.apply + admission,
            swap: begun.elapsed(),
            ..stages
        };
        Ok(outcome)
    }

    /// Returns the outcome of a reload that leaves what is published.
    pub(super) fn staying(&self, published: &Snapshot, seen: &Seen) -> ReloadOutcome {
        ReloadOutcome {
            ahead: seen.ahead,
            fetched: seen.reached && self.remote.is_some(),
            remote_head: seen.remote,
            ..ReloadOutcome::staying(published.commit(), published.digest())
        }
    }

    /// Asks the remote, or the local branch where there is none, and judges the move.
    fn look(&self, kind: RequestKind) -> Result<Seen, ReloadError> {
        let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remote) = &self.remote else { return self.look_locally() };
        // The fetch moves what the note is taken from.
        self.note_synced();
        let fetched = match self.mirror.fetch(remote, &self.branch, &self.fetch) {
            Ok(fetched) => fetched,
            Err(error) if kind == RequestKind::Rebuild => {
                // The operator's way back: what is here can be built anew without the remote.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the remote cannot be fetched, rebuilding what is here"
                );
                let objects = self.mirror.objects().map_err(ReloadError::Open)?;
                let local =
                    objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
                return Ok(Seen::nothing(local));
            }
            Err(error) => return Err(ReloadError::Fetch(error)),
        };
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let (local, synced) = (read(&self.branch_ref())?, read(SYNCED)?);
        let head = match fetched.head {
            RemoteHead::At(head) => head,
            // Nothing was ever in step with it: what is here is all ours.
            RemoteHead::Empty if synced.is_none() => {
                let history = |local| objects.history(local, usize::MAX);
                let ours = local.map(history).transpose().map_err(ReloadError::Repository)?;
                let ahead = ours.map_or(0, |ours| ours.len() as u64);
                let mut status = self.status();
                (status.remote_empty, status.branch_missing) = (true, false);
                (status.ahead, status.fetched_at) = (ahead, Some(SystemTime::now()));
                return Ok(Seen { ahead, reached: true, ..Seen::nothing(local) });
            }
            RemoteHead::Empty | RemoteHead::BranchMissing => {
                self.status().branch_missing = true;
                return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
            }
        };
        fault::step("reload.judge");
        let seen = judge(&objects, head, local, synced)?;
        self.note_seen(head, &seen);
        Ok(match (seen.movement, self.rewrites) {
            (Movement::Diverged, Rewrites::Follow) => {
                tracing::warn!(commit = %head, "the branch was rewritten, following it");
                Seen { movement: Movement::To(head), ..seen }
            }
            (Movement::Diverged, Rewrites::Replay) if seen.ahead == 0 => {
                tracing::warn!(commit = %head, "the branch was rewritten, following it");
                Seen { movement: Movement::To(head), ..seen }
            }
            _ => seen,
        })
    }

    /// Judges the move again where something was written since the fetch.
    fn judged_again(&self, objects: &Objects, seen: Seen) -> Result<Seen, ReloadError> {
        let (Some(_), Some(head)) = (&self.remote, seen.remote) else { return Ok(seen) };
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let local = read(&self.branch_ref())?;
        if local == seen.local {
            return Ok(seen);
        }
        let seen = judge(objects, head, local, read(SYNCED)?)?;
        self.note_seen(head, &seen);
        Ok(seen)
    }

    fn look_locally(&self) -> Result<Seen, ReloadError> {
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let head = objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
        let published = self.published.load().commit();
        let Some(head) = head else {
            self.status().branch_missing = !published.is_zero();
            if published.is_zero() {
                return Ok(Seen::nothing(None));
            }
            return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
        };
        let base = (!published.is_zero()).then_some(published);
        let seen = judge(&objects, head, base, base)?;
        self.note_seen(head, &seen);
        Ok(match (seen.movement, self.rewrites) {
            (Movement::Diverged, Rewrites::Follow) => Seen { movement: Movement::To(head), ..seen },
            _ => seen,
        })
    }

    /// Notes what the remote has, and that we are behind it until its head is published.
    fn note_seen(&self, head: CommitId, seen: &Seen) {
        let mut status = self.status();
        (status.branch_missing, status.remote_empty) = (false, false);
        status.ahead = seen.ahead;
        if status.push.tip.is_some_and(|tip| tip != head) {
            status.push.tip = None;
        }
        (status.remote_head, status.fetched_at) = (Some(head), Some(SystemTime::now()));
        if seen.movement != Movement::Stay {
            status.behind_since.get_or_insert_with(SystemTime::now);
        }
    }

    /// Says whether the operator lets exactly this head through.
    fn let_through(&self, kind: RequestKind, seen: &Seen) -> Result<bool, ReloadError> {
        let RequestKind::Apply(id) = kind else { return Ok(false) };
        let status = self.status();
        let held = status.held.as_ref().filter(|held| held.id == id);
        match held {
            Some(held) if Some(held.commit) == seen.remote => Ok(true),
            _ => Err(ReloadError::NotHeld { id }),
        }
    }

    /// Answers again what was answered before, when exactly this head was refused before.
    fn recall(&self, target: CommitId) -> Result<(), ReloadError> {
        let published = self.published.load().commit();
        match &self.status().held {
            Some(held)
                if held.commit == target
                    && held.published == published
                    && held.reason != HeldReason::Diverged =>
            {
                Err(ReloadError::Held { held: held.clone(), repeated: true })
            }
            _ => Ok(()),
        }
    }

    /// Holds the push of `commit` back, in place of any that was held before.
    pub(super) fn hold(
        &self,
        id: ReloadId,
        commit: CommitId,
        reason: HeldReason,
        problems: Vec<Problem>,
        excesses: Vec<Excess>,
    ) -> ReloadError {
        let (held, repeated) = self.note_held(id, commit, reason, problems, excesses);
        ReloadError::Held { held, repeated }
    }

    /// Holds what was pushed back because another commit is pinned, which is no failure.
    fn hold_for_pin(
        &self,
        id: ReloadId,
        commit: CommitId,
        published: &Snapshot,
        seen: &Seen,
    ) -> ReloadOutcome {
        let (held, repeated) = self.note_held(id, commit, HeldReason::Pinned, vec![], vec![]);
        let (kind, held) = (OutcomeKind::Held, Some(held.id));
        ReloadOutcome { kind, held, repeated, ..self.staying(published, seen) }
    }

    /// Notes what is held, and returns it and whether it was held before.
    fn note_held(
        &self,
        id: ReloadId,
        commit: CommitId,
        reason: HeldReason,
        problems: Vec<Problem>,
        excesses: Vec<Excess>,
    ) -> (Held, bool) {
        fault::step("hold.note");
        let published = self.published.load().commit();
        let mut status = self.status();
        let known = status.held.as_ref().filter(|held| {
            (held.commit, held.published, held.reason) == (commit, published, reason)
        });
        if let Some(held) = known {
            return (held.clone(), true);
        }
        let (since, problems, excesses) = (SystemTime::now(), problems.into(), excesses.into());
        let held = Held { id, commit, published, reason, since, problems, excesses };
        status.held = Some(held.clone());
        (held, false)
    }

    /// Moves the branch to `target`, keeping commits of ours that would be lost.
    fn move_branch(
        &self,
        objects: &Objects,
        seen: &Seen,
        target: CommitId,
    ) -> Result<(), ReloadError> {
        if self.remote.is_none() {
            return Ok(());
        }
        if let Some(local) = seen.local
            && local != target
        {
            if seen.ahead > 0 {
                self.keep(objects, local)?;
            }
            let expected = Expected::Is(local);
            objects
                .move_reference(&self.branch_ref(), expected, target)
                .map_err(ReloadError::Reference)?;
        } else if seen.local.is_none() && !target.is_zero() {
            objects
                .move_reference(&self.branch_ref(), Expected::Absent, target)
                .map_err(ReloadError::Reference)?;
        }
        Ok(())
    }

    /// Keeps commits of ours that the branch cannot keep on a branch of their own, and returns its
    /// full name.
    pub(super) fn keep(&self, objects: &Objects, ours: CommitId) -> Result<String, ReloadError> {
        fault::step("conflict.keep");
        let time = super::open::utc_now();
        let mut kept = format!("{CONFLICTS}{time}");
        // Two in one second have a name each.
        for n in 2.. {
            match objects.set_reference(&kept, Expected::Absent, ours) {
                Ok(()) => break,
                Err(RefError::Moved { .. }) => kept = format!("{CONFLICTS}{time}-{n}"),
                Err(error) => return Err(ReloadError::Reference(error)),
            }
        }
        fault::step("conflict.kept");
        tracing::warn!(commit = %ours, reference = kept, "unpushed commits are kept");
        Ok(kept)
    }

    /// Makes the last move of the branch durable, behind the reload that made it.
    ///
    /// Until then a power loss can take the branch back to a state that was live before, from
    /// where the next fetch goes on.
    pub(super) fn sync_branch(&self) {
        if self.remote.is_none() && self.writing.committer().is_none() {
            return;
        }
        let stored = self.writing.sync().map_err(ReloadError::Store);
        let opened = stored.and_then(|()| self.mirror.objects().map_err(ReloadError::Open));
        let synced = opened.and_then(|objects| {
            objects.sync_reference(&self.branch_ref()).map_err(ReloadError::Reference)
        });
        if let Err(error) = synced {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the branch may not survive a power loss"
            );
        }
        self.note_synced();
    }

    /// Notes the last commit that is both ours and the remote's: what the remote was last seen at,
    /// once our branch is there too.
    ///
    /// It is done behind a reload, and before a fetch looks at the remote again; so whoever judges
    /// a move finds the note. One that cannot be written is only told: the next reload tries again.
    fn note_synced(&self) {
        let note = || -> Result<(), ReloadError> {
            let objects = self.mirror.objects().map_err(ReloadError::Open)?;
            let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
            let (seen, ours) = (read(&self.tracking_ref())?, read(&self.branch_ref())?);
            let (Some(seen), Some(ours), synced) = (seen, ours, read(SYNCED)?) else {
                return Ok(());
            };
            // A clone that was made by hand has no note, but its history tells.
            let shared = seen == ours
                || synced.is_none()
                    && objects.descends_from(ours, seen).map_err(ReloadError::Repository)?;
            if shared && synced != Some(seen) {
                fault::step("note.write");
                let noted = objects.set_reference(SYNCED, Expected::Any, seen);
                noted.map_err(ReloadError::Reference)?;
                fault::step("note.written");
            }
            Ok(())
        };
        if let Err(error) = note() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot note what the remote has"
            );
        }
    }

    /// Notes that the published state is the remote's, or ahead of it. A rebuild without the
    /// remote says nothing of that.
    fn caught_up(&self, seen: &Seen) {
        if seen.remote.is_none() {
            return;
        }
        let mut status = self.status();
        if status.pinned.is_some() && Some(self.published.load().commit()) != seen.local {
            return;
        }
        status.behind_since = None;
        status.held = None;
        status.ahead = if seen.movement == Movement::Stay { seen.ahead } else { 0 };
        if status.ahead == 0 {
            status.push.unpushed_since = None;
        }
    }
}

/// Returns milliseconds.
fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Returns why a state may not go live, if it may not, with what is wrong with it.
pub(super) fn objection(verdict: Verdict) -> Option<(HeldReason, Vec<Problem>, Vec<Excess>)> {
    match verdict {
        Verdict::Admitted => None,
        Verdict::Refused(problems) => Some((HeldReason::Refused, problems, vec![])),
        Verdict::OverLimit(problems) => Some((HeldReason::OverLimit, problems, vec![])),
        Verdict::TooMuch(excesses, problems) => Some((HeldReason::PushLimit, problems, excesses)),
    }
}

/// Judges whether the branch may go from `local` to the remote's `head`.
fn judge(
    objects: &Objects,
    head: CommitId,
    local: Option<CommitId>,
    synced: Option<CommitId>,
) -> Result<Seen, ReloadError> {
    let descends = |descendant, ancestor: CommitId| {
        // A commit that is gone from a damaged or pruned repository is an ancestor of nothing: the
        // push is held, and the operator can let it through.
        let known = objects.contains(ancestor.as_bytes());
        let found = || objects.descends_from(descendant, ancestor);
        if known { found().map_err(ReloadError::Repository) } else { Ok(false) }
    };
    let is_here = |commit: &CommitId| objects.contains(commit.as_bytes());
    // A clone that was made by hand has no note of what was in step, but its history tells.
    let synced = match (synced, local.filter(is_here)) {
        (None, Some(local)) if descends(local, head)? => Some(head),
        (synced, _) => synced,
    };
    let remote_has_local = match local {
        Some(local) => local == head || descends(head, local)?,
        None => false,
    };
    let local_has_remote = match local.filter(is_here) {
        Some(local) if !remote_has_local => descends(local, head)?,
        _ => remote_has_local,
    };
    let facts = BranchFacts { remote: head, local, synced, remote_has_local, local_has_remote };
    let movement = movement(&facts);
    let ahead = match local.filter(is_here) {
        // Where nothing was ever in step, all that the remote has not is ours.
        Some(local) if !remote_has_local => {
            let from = synced.filter(is_here).unwrap_or(head);
            objects.count_between(from, local).map_err(ReloadError::Repository)? as u64
        }
        _ => 0,
    };
    Ok(Seen { remote: Some(head), local, movement, ahead, reached: true })
}
