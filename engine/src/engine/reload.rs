//! One reload, from the fetch to the swap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Instant, SystemTime};

use super::error::ReloadError;
use super::flight::RequestKind;
use super::held::{Held, HeldReason};
use super::ledger::Report;
use super::{Rewrites, Shared};
use crate::admit::{Health, Verdict, admit};
use crate::id::CommitId;
use crate::load::{finish, prepare};
use crate::mirror::{Expected, Objects, RemoteHead};
use crate::plan::{BranchFacts, Movement, RebuildReason, movement};
use crate::problem::Problem;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome, Timings, Trigger};
use crate::search::{DocName, Slot};
use crate::snapshot::count;

/// The last commit known to be both ours and the remote's.
pub(super) const SYNCED: &str = "refs/headwater/synced";

/// Above this many packs the repository is repacked, when nothing else waits.
const PACKS: usize = 32;

/// Above this many packs it is repacked even when something waits: lookups slow down with each.
const TOO_MANY_PACKS: usize = 48;

/// What a fetch found, and where that lets the branch go.
struct Seen {
    /// The remote's head; `None` where the remote was not reached and a rebuild goes on.
    remote: Option<CommitId>,
    /// Our own head of the branch.
    local: Option<CommitId>,
    movement: Movement,
    ahead: u64,
}

impl Shared {
    /// Runs one reload. Whatever happens, even a panic, is in the report.
    pub(super) fn run(&self, id: ReloadId, kind: RequestKind, trigger: Trigger) -> Report {
        let (started, begun) = (SystemTime::now(), Instant::now());
        let result = catch_unwind(AssertUnwindSafe(|| self.reload(id, kind)));
        let result = result.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(ReloadError::Panic { message: message.unwrap_or_default() })
        });
        let serving = self.published.load().commit();
        let duration = begun.elapsed();
        match &result {
            Ok(outcome) => tracing::info!(
                reload = %id, trigger = trigger.as_str(), outcome = outcome.kind.as_str(),
                reason = outcome.reason.map(RebuildReason::as_str), commit = %serving,
                changed = outcome.changed.values().map(|counts| counts.total()).sum::<u64>(),
                duration_ms = duration.as_secs_f64() * 1e3, "reload done"
            ),
            Err(error) => tracing::warn!(
                reload = %id, trigger = trigger.as_str(), commit = %serving,
                error = error as &dyn std::error::Error,
                duration_ms = duration.as_secs_f64() * 1e3, "reload failed, the old state serves"
            ),
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
        let published = self.published.load_full();
        let through = self.let_through(kind, &seen)?;
        let target = match (seen.movement, seen.remote) {
            (_, Some(remote)) if through => remote,
            (Movement::To(target), _) => target,
            (Movement::Stay, _) => seen.local.unwrap_or(published.commit()),
            (Movement::Diverged, None) => published.commit(),
            (Movement::Diverged, Some(remote)) => {
                return Err(self.hold(id, remote, HeldReason::Diverged, &[]));
            }
        };
        if !through {
            self.recall(target)?;
        }
        let forced = (kind == RequestKind::Rebuild).then_some(RebuildReason::Requested);
        let prepared = prepare(&objects, Some(&published), target, forced, &self.load)
            .map_err(ReloadError::Load)?;
        let mut outcome = ReloadOutcome {
            kind: OutcomeKind::Unchanged,
            reason: None,
            old: published.commit(),
            new: published.commit(),
            timings,
            changed: Default::default(),
            digest: published.digest(),
            ahead: seen.ahead,
            fetched: seen.remote.is_some() && self.remote.is_some(),
            remote_head: seen.remote,
            repeated: false,
        };
        let Some(prepared) = prepared else {
            self.note_synced(&objects, &seen)?;
            self.caught_up(&seen);
            return Ok(outcome);
        };

        let begun = Instant::now();
        let health = Health::of(prepared.draft.state());
        if !through && target != published.commit() {
            match admit(Some(&Health::of(&published)), &health, &self.limits) {
                Verdict::Admitted => {}
                Verdict::Refused(problems) => {
                    return Err(self.hold(id, target, HeldReason::Refused, &problems));
                }
                Verdict::OverLimit(problems) => {
                    return Err(self.hold(id, target, HeldReason::OverLimit, &problems));
                }
            }
        }
        let admission = begun.elapsed();
        // A rebuild is told against what was served, not against nothing.
        let changed = match prepared.reason {
            Some(_) => prepared.draft.state().differences(&published),
            None => prepared.draft.changed(),
        };
        let (snapshot, reason, stages) =
            finish(&objects, prepared, &self.load).map_err(ReloadError::Load)?;

        let begun = Instant::now();
        self.move_branch(&objects, &seen, target, through)?;
        outcome.kind = if reason.is_some() { OutcomeKind::Rebuilt } else { OutcomeKind::Applied };
        (outcome.reason, outcome.new, outcome.digest) = (reason, target, snapshot.digest());
        outcome.changed = count(&changed);
        self.publish(snapshot);
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

    /// Asks the remote, or the local branch where there is none, and judges the move.
    fn look(&self, kind: RequestKind) -> Result<Seen, ReloadError> {
        let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remote) = &self.remote else { return self.look_locally() };
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
                return Ok(Seen { remote: None, local, movement: Movement::Stay, ahead: 0 });
            }
            Err(error) => return Err(ReloadError::Fetch(error)),
        };
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let (local, synced) = (read(&self.branch_ref())?, read(SYNCED)?);
        let head = match fetched.head {
            RemoteHead::At(head) => head,
            RemoteHead::Empty if local.is_none() => {
                return Ok(Seen { remote: None, local, movement: Movement::Stay, ahead: 0 });
            }
            RemoteHead::Empty | RemoteHead::BranchMissing => {
                self.status().branch_missing = true;
                return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
            }
        };
        let seen = judge(&objects, head, local, synced)?;
        let mut status = self.status();
        (status.branch_missing, status.ahead) = (false, seen.ahead);
        (status.remote_head, status.fetched_at) = (Some(head), Some(SystemTime::now()));
        drop(status);
        Ok(match (seen.movement, self.rewrites) {
            (Movement::Diverged, Rewrites::Follow) if seen.ahead == 0 => {
                tracing::warn!(commit = %head, "the branch was rewritten, following it");
                Seen { movement: Movement::To(head), ..seen }
            }
            _ => seen,
        })
    }

    fn look_locally(&self) -> Result<Seen, ReloadError> {
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        let head = objects.reference(&self.branch_ref()).map_err(ReloadError::Reference)?;
        let published = self.published.load().commit();
        let Some(head) = head else {
            self.status().branch_missing = !published.is_zero();
            if published.is_zero() {
                return Ok(Seen { remote: None, local: None, movement: Movement::Stay, ahead: 0 });
            }
            return Err(ReloadError::BranchMissing { branch: self.branch.clone() });
        };
        let mut status = self.status();
        status.branch_missing = false;
        (status.remote_head, status.fetched_at) = (Some(head), Some(SystemTime::now()));
        drop(status);
        let base = (!published.is_zero()).then_some(published);
        let seen = judge(&objects, head, base, base)?;
        Ok(match (seen.movement, self.rewrites) {
            (Movement::Diverged, Rewrites::Follow) => Seen { movement: Movement::To(head), ..seen },
            _ => seen,
        })
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
    fn hold(
        &self,
        id: ReloadId,
        commit: CommitId,
        reason: HeldReason,
        problems: &[Problem],
    ) -> ReloadError {
        let published = self.published.load().commit();
        let mut status = self.status();
        status.behind_since.get_or_insert_with(SystemTime::now);
        let known = status.held.as_ref().filter(|held| {
            (held.commit, held.published, held.reason) == (commit, published, reason)
        });
        if let Some(held) = known {
            return ReloadError::Held { held: held.clone(), repeated: true };
        }
        let (since, problems) = (SystemTime::now(), problems.into());
        let held = Held { id, commit, published, reason, since, problems };
        status.held = Some(held.clone());
        ReloadError::Held { held, repeated: false }
    }

    /// Moves the branch to `target`, keeping commits of ours that would be lost.
    fn move_branch(
        &self,
        objects: &Objects,
        seen: &Seen,
        target: CommitId,
        through: bool,
    ) -> Result<(), ReloadError> {
        if self.remote.is_none() {
            return Ok(());
        }
        if let Some(local) = seen.local
            && local != target
        {
            if through && seen.ahead > 0 {
                let time = super::open::utc_now();
                let kept = format!("refs/heads/conflicts/{time}");
                objects
                    .set_reference(&kept, Expected::Any, local)
                    .map_err(ReloadError::Reference)?;
                tracing::warn!(commit = %local, reference = kept, "unpushed commits are kept");
            }
            let expected = Expected::Is(local);
            objects
                .set_reference(&self.branch_ref(), expected, target)
                .map_err(ReloadError::Reference)?;
        } else if seen.local.is_none() && !target.is_zero() {
            objects
                .set_reference(&self.branch_ref(), Expected::Absent, target)
                .map_err(ReloadError::Reference)?;
        }
        self.note_synced(objects, seen)
    }

    /// Notes the last commit that is both ours and the remote's.
    fn note_synced(&self, objects: &Objects, seen: &Seen) -> Result<(), ReloadError> {
        let Some(remote) = seen.remote.filter(|_| self.remote.is_some()) else { return Ok(()) };
        let note = || -> Result<(), crate::mirror::RefError> {
            let ours = objects.reference(&self.branch_ref())?;
            let shared = ours == Some(remote) || seen.movement == Movement::Stay;
            if shared && objects.reference(SYNCED)? != Some(remote) {
                objects.set_reference(SYNCED, Expected::Any, remote)?;
            }
            Ok(())
        };
        note().map_err(ReloadError::Reference)
    }

    /// Notes that the published state is the remote's, or ahead of it.
    fn caught_up(&self, seen: &Seen) {
        let mut status = self.status();
        status.behind_since = None;
        status.held = None;
        status.ahead = if seen.movement == Movement::Stay { seen.ahead } else { 0 };
    }

    /// Merges segments of the text index and packs of the repository, off the hot path.
    pub(super) fn tidy(&self) {
        let tidied = catch_unwind(AssertUnwindSafe(|| {
            self.compact_text();
            let packs = self.mirror.pack_count().unwrap_or_default();
            if packs > TOO_MANY_PACKS || packs > PACKS && self.flight.is_idle() {
                let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = self.mirror.repack() {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        packs,
                        "the repository cannot be repacked"
                    );
                }
            }
        }));
        if tidied.is_err() {
            tracing::error!("tidying up behind a reload panicked, the published state stands");
        }
    }

    /// Merges segments beside the published state and publishes the same commit with fewer of
    /// them; what a search answers does not change. The writer is held only for the swap.
    fn compact_text(&self) {
        let snapshot = self.published.load_full();
        let Some(compaction) = snapshot.text().compaction() else { return };
        let texts = |name: &DocName, emit: &mut dyn FnMut(Slot, &str)| {
            snapshot.searched_texts(name, emit);
        };
        match compaction.run(&texts) {
            Ok(compacted) => {
                let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.published.load_full();
                let text = now.text().adopting(compacted);
                self.publish(now.with_text(text));
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error,
                commit = %snapshot.commit(), "the text index cannot be compacted"),
        }
    }
}

/// Judges whether the branch may go from `local` to the remote's `head`.
fn judge(
    objects: &Objects,
    head: CommitId,
    local: Option<CommitId>,
    synced: Option<CommitId>,
) -> Result<Seen, ReloadError> {
    let descends = |descendant, ancestor| {
        objects.descends_from(descendant, ancestor).map_err(ReloadError::Repository)
    };
    // A clone that was made by hand has no note of what was in step, but its history tells.
    let synced = match (synced, local) {
        (None, Some(local)) if descends(local, head)? => Some(head),
        (None, local) => local,
        (synced, _) => synced,
    };
    let remote_has_local = local.is_some_and(|local| local == head)
        || local.map_or(Ok(false), |local| descends(head, local))?;
    let movement = movement(&BranchFacts { remote: head, local, synced, remote_has_local });
    let ahead = match (local, synced) {
        (Some(local), Some(synced)) if local != synced && !remote_has_local => {
            objects.count_between(synced, local).map_err(ReloadError::Repository)? as u64
        }
        _ => 0,
    };
    Ok(Seen { remote: Some(head), local, movement, ahead })
}
