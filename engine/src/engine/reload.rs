//! One reload, from the fetch to the swap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::Empty;

use super::Shared;
use super::error::ReloadError;
use super::held::HeldReason;
use super::ledger::Report;
use super::looking::Seen;
use super::schedule::RequestKind;
use crate::admit::{Excess, Health, Verdict, admit};
use crate::causes::chain;
use crate::fault;
use crate::load::{finish, prepare};
use crate::plan::{Movement, RebuildReason};
use crate::problem::Problem;
use crate::report::{OutcomeKind, ReloadId, ReloadOutcome, Replayed, Timings, Trigger};
use crate::snapshot::{Snapshot, count};

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
                    error = chain(error),
                    duration_ms = ms(duration),
                    "reload failed; the old state keeps serving"
                );
            }
        }
        Report { id, trigger, started, duration, serving, result }
    }

    fn reload(&self, id: ReloadId, kind: RequestKind) -> Result<ReloadOutcome, ReloadError> {
        let mut timings = Timings::default();
        let begun = Instant::now();
        let fetched = self.look(kind)?;
        timings.fetch = begun.elapsed();

        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = self.mirror.objects().map_err(ReloadError::Open)?;
        fault::step("reload.prepare");
        let seen = self.judged(&objects, fetched)?;
        let published = self.published.load_full();
        let through = self.let_through(kind, &seen)?;
        let pinned = self.status().pinned.filter(|_| !through);
        let target = match (seen.movement, seen.remote) {
            (Movement::Diverged, Some(remote)) if pinned.is_none() && self.can_replay(&seen) => {
                return self.replay(id, remote, &seen, &published, (timings, through));
            }
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
        let changed = prepared.changed_from(&published);
        let counts = count(&changed);
        if !through && !was_live {
            let verdict = admit(&Health::of(&published), &health, &counts, &self.limits);
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
        if pinned.is_none()
            && let Some(kept) = self.move_branch(&objects, &seen, target)?
        {
            self.forget(&objects, &seen)?;
            outcome.replayed = Some(Replayed { commits: 0, kept: Some(kept) });
        }
        fault::step("branch.moved");
        if through {
            self.unpin_for(&objects)?;
        }
        outcome.kind = if reason.is_some() { OutcomeKind::Rebuilt } else { OutcomeKind::Applied };
        (outcome.reason, outcome.new, outcome.digest) = (reason, target, snapshot.digest());
        outcome.changed = counts;
        outcome.shown = self.publish(Arc::new(snapshot), reason.is_some(), &changed);
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
