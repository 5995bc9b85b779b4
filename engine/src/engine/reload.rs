//! One reload, from the fetch to the swap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::Empty;

use super::Shared;
use super::error::ReloadError;
use super::holds::HeldReason;
use super::ledger::Report;
use super::publication::{Followed, Lineage, Origin, Publication};
use super::remote_view::Seen;
use super::schedule::RequestKind;
use super::target::{Target, TargetFacts, target};
use crate::admit::{Excess, Health, Verdict, admit};
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::load::{finish, prepare};
use crate::plan::{Movement, RebuildReason};
use crate::problem::Problem;
use crate::report::{ReloadId, ReloadOutcome, Replayed, Timings, Trigger};
use crate::snapshot::count;

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
        let facts = TargetFacts {
            movement: seen.movement,
            remote: seen.remote,
            local: seen.local,
            published: published.commit(),
            pinned: self.status().pinned.map(|pinned| pinned.commit),
            through,
            rebuilds: kind == RequestKind::Rebuild,
            replays: self.can_replay(&seen),
        };
        let target = target(&facts);
        let (commit, moves) = match target {
            Target::Branch(commit) => (commit, true),
            Target::Pinned(commit) => (commit, false),
            Target::Replay(remote) => {
                return self.replay(id, remote, &seen, &published, (timings, through));
            }
            Target::Hold(head, HeldReason::Pinned) => {
                return Ok(self.hold_for_pin(id, head, &published, &seen));
            }
            Target::Hold(head, reason) => return Err(self.hold(id, head, reason, vec![], vec![])),
        };
        let needs_admission = facts.needs_admission(commit);
        if needs_admission {
            self.recall(commit)?;
        }
        let ahead = if seen.movement == Movement::Stay { seen.ahead } else { 0 };
        let origin = Origin::Branch(Followed {
            remote: seen.remote,
            fetched: seen.reached && self.remote.is_some(),
            level: facts.is_level(target).then_some(ahead),
            through,
        });
        let forced = (kind == RequestKind::Rebuild).then_some(RebuildReason::Requested);
        let prepared = prepare(&objects, Some(&published), commit, forced, &self.load)
            .map_err(ReloadError::Load)?;
        let Some(prepared) = prepared else {
            if through {
                self.unpin_for(&objects)?;
            }
            return Ok(ReloadOutcome { timings, ..self.stay(&origin, &published) });
        };

        let begun = Instant::now();
        fault::step("reload.admit");
        let changed = prepared.changed_from(&published);
        let counts = count(&changed);
        if needs_admission {
            let health = Health::of(prepared.draft.state());
            let verdict = admit(&Health::of(&published), &health, &counts, &self.limits);
            if let Some((reason, problems, excesses)) = objection(verdict) {
                return Err(self.hold(id, commit, reason, problems, excesses));
            }
        }
        fault::step("reload.admitted");
        let admission = begun.elapsed();
        let (snapshot, reason, stages) =
            finish(&objects, prepared, &self.load).map_err(ReloadError::Load)?;

        let publication = Publication {
            state: Arc::new(snapshot),
            changed,
            reason,
            lineage: self.succession(&seen, commit),
            timings: Timings { fetch: timings.fetch, apply: stages.apply + admission, ..stages },
            origin,
        };
        let outcome = self.publish(publication, || {
            fault::step("branch.move");
            let kept = if moves { self.move_branch(&objects, &seen, commit)? } else { None };
            if kept.is_some() {
                self.forget(&objects, &seen)?;
            }
            fault::step("branch.moved");
            if through {
                self.unpin_for(&objects)?;
            }
            Ok(kept.map(|kept| Replayed { commits: 0, kept: Some(kept) }))
        })?;
        fault::step("swap.done");
        Ok(outcome)
    }

    /// Says how the branch at `target` will stand to what is published; mostly known from the look
    /// at the remote.
    fn succession(&self, seen: &Seen, target: CommitId) -> Lineage {
        let published = self.published.load().commit();
        if target == published || seen.remote != Some(target) || seen.local != Some(published) {
            return self.lineage(target);
        }
        if seen.forward { Lineage::Forward } else { Lineage::Departs }
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
