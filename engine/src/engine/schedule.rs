//! Decides which reload runs when, and which callers get its result: one pure state machine.
//!
//! [`Schedule::step`] takes one event at a time and returns the actions to take. It reads no clock,
//! starts no thread and does no I/O, so that a test can try every order of calls, failures, lost
//! webhooks and lagging remotes.
//!
//! One reload runs, and at most one of each kind waits; callers that request the same meanwhile
//! share it. A call that names a commit is told when the remote's head contains it, and is retried
//! a few times before it is told that it does not. The remote is polled in case a webhook was lost,
//! and less often while it fails.

#[cfg(test)]
mod simulation;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::outlook::Outlook;
use super::role::Role;
use crate::id::CommitId;
use crate::plan::RebuildReason;
use crate::report::{ReloadId, Trigger};

/// The waits before asking again for a commit that the remote does not show yet. A forge calls
/// before its own replicas have the commit.
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

/// The longest wait between two polls of a failing remote, unless the interval is longer.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest wait that a remote may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Go to the remote's head.
    Reload,
    /// Go to the remote's head, or stay, and rebuild the state.
    Rebuild,
    /// Let the held push with this id through.
    Apply(ReloadId),
    /// Go back to this commit and stay there.
    Pin(CommitId),
    /// Go to the head of the branch again.
    Unpin,
    /// Compare the published state with a newly built one, which replaces it if they differ.
    Audit,
    /// Go where the leader is: to the last target that was given.
    Follow,
}

impl RequestKind {
    /// Returns why the state is to be rebuilt in any case, if so.
    pub(super) fn forces(self) -> Option<RebuildReason> {
        (self == Self::Rebuild).then_some(RebuildReason::Requested)
    }

    /// Returns whether such a reload may make commits visible that are not served yet.
    fn may_bring(self) -> bool {
        match self {
            Self::Reload | Self::Rebuild | Self::Apply(_) | Self::Unpin | Self::Follow => true,
            Self::Pin(_) | Self::Audit => false,
        }
    }
}

/// A caller that waits for a reload.
#[derive(Debug)]
pub(super) struct Call<C> {
    /// The caller.
    pub(super) caller: C,
    /// The commit that must be in the remote's head.
    pub(super) commit: Option<CommitId>,
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event<C> {
    /// Calls for a reload, under an id that is used unless they share a waiting one.
    Asked {
        id: ReloadId,
        /// Whether the id was already given out, so that it must be the id of a reload.
        given: bool,
        kind: RequestKind,
        trigger: Trigger,
        calls: Vec<Call<C>>,
    },
    /// Nothing runs.
    Idle,
    /// The engine has this role from now on. It polls only in a role that asks the remote.
    Role(Role),
    /// The running reload has ended.
    Ended(Ended),
    /// The engine ends: nobody is told any more, and nothing begins.
    Closed,
}

/// How the reload ended, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It saw a head of the remote, which contains these of the requested commits.
    Saw(BTreeSet<CommitId>),
    /// It saw none, for a reason that is an answer itself.
    Failed {
        /// Whether the remote could not be fetched.
        remote: bool,
        /// The least time that the remote asks to be left alone.
        rest: Duration,
    },
}

/// An action in response to an event.
#[derive(Debug)]
pub(super) enum Action<C> {
    /// The calls wait for this reload.
    Enlisted(ReloadId),
    /// Begin a reload; without an id if none was given out.
    Begin { id: Option<ReloadId>, kind: RequestKind, trigger: Trigger },
    /// Tell a caller about the reload that ended.
    Tell {
        caller: C,
        /// Whether an earlier caller was told about the same reload.
        shared: bool,
        /// The requested commit, if it is missing.
        missing: Option<CommitId>,
    },
}

/// The state between events.
#[derive(Debug)]
pub(super) struct Schedule<C> {
    waiting: VecDeque<Run<C>>,
    running: Option<Run<C>>,
    /// Calls whose commit was missing, until they are tried again.
    pursuits: Vec<Pursuit<C>>,
    timers: Vec<Timer>,
    role: Role,
    /// The number of reloads so far that may bring commits, and how many of them have ended.
    requested: u64,
    ended: u64,
    closed: bool,
}

#[derive(Debug)]
struct Run<C> {
    /// `None` until a caller needs it.
    id: Option<ReloadId>,
    kind: RequestKind,
    trigger: Trigger,
    waits: Vec<Pursued<C>>,
}

/// A call that has not been told yet.
#[derive(Debug)]
struct Pursued<C> {
    call: Call<C>,
    kind: RequestKind,
    attempts: usize,
}

#[derive(Debug)]
struct Pursuit<C> {
    due: Duration,
    /// The kind to try then.
    next: RequestKind,
    pursued: Pursued<C>,
}

/// The intervals of unrequested work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Intervals {
    /// Asking the remote; `None` for never.
    pub(super) poll: Option<Duration>,
    /// Auditing the published state; `None` for never.
    pub(super) audit: Option<Duration>,
}

/// The time of the next unrequested reload.
#[derive(Debug)]
struct Timer {
    kind: RequestKind,
    trigger: Trigger,
    interval: Duration,
    failures: u32,
    due: Duration,
    /// The state of a small generator, for jitter.
    random: u64,
}

impl<C> Schedule<C> {
    /// Returns an empty schedule. Times, here and in [`Self::step`], are relative to any fixed
    /// moment. `seed` makes the polls of many servers differ.
    pub(super) fn new(now: Duration, intervals: Intervals, seed: u64) -> Self {
        let timer = |interval: Option<Duration>, kind, trigger| {
            let (failures, due, random) = (0, Duration::ZERO, seed);
            interval.map(|interval| Timer { kind, trigger, interval, failures, due, random })
        };
        let poll = timer(intervals.poll, RequestKind::Reload, Trigger::Poll);
        let audit = timer(intervals.audit, RequestKind::Audit, Trigger::Audit);
        let mut timers: Vec<Timer> = poll.into_iter().chain(audit).collect();
        timers.iter_mut().for_each(|timer| timer.rest(now));
        let (waiting, pursuits, role) = (VecDeque::new(), Vec::new(), Role::Alone);
        let (running, requested, ended) = (None, 0, 0);
        Self { waiting, running, pursuits, timers, role, requested, ended, closed: false }
    }

    /// Handles one event, at a time that never goes back.
    pub(super) fn step(&mut self, now: Duration, event: Event<C>) -> Vec<Action<C>> {
        match event {
            Event::Closed => {
                self.closed = true;
                self.waiting.clear();
                self.pursuits.clear();
                Vec::new()
            }
            Event::Asked { id, .. } if self.closed => vec![Action::Enlisted(id)],
            Event::Asked { id, given, kind, trigger, calls } => {
                let pursued = |call| Pursued { call, kind, attempts: 0 };
                let waits = calls.into_iter().map(pursued).collect();
                let enlisted = self.enlist(Run { id: Some(id), kind, trigger, waits }, given);
                vec![Action::Enlisted(enlisted.unwrap_or(id))]
            }
            Event::Idle => self.begin(now).into_iter().collect(),
            Event::Role(role) => {
                let is_new = role.asks_the_remote() && !self.role.asks_the_remote();
                self.role = role;
                // Replicas that lost their leader together do not ask together.
                let polls = self.timers.iter_mut().filter(|timer| is_new && !timer.audits());
                polls.for_each(|timer| timer.begin(now));
                Vec::new()
            }
            Event::Ended(ended) => self.ended(now, &ended),
        }
    }

    /// Returns when [`Event::Idle`] will have something to begin without a new call.
    pub(super) fn due(&self) -> Option<Duration> {
        let pursuits = self.pursuits.iter().map(|pursuit| pursuit.due);
        pursuits.chain(self.timers().map(|timer| timer.due)).min()
    }

    /// Iterates over the timers that run in the present role.
    fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.iter().filter(|timer| timer.audits() || self.role.asks_the_remote())
    }

    /// Returns the commits that the calls of the running reload wait for.
    pub(super) fn wanted(&self) -> BTreeSet<CommitId> {
        let waits = self.running.iter().flat_map(|run| &run.waits);
        waits.filter_map(|pursued| pursued.call.commit).collect()
    }

    /// Returns what reloads may still bring of `commit`. Looks at every call that has not been told.
    pub(super) fn outlook(&self, commit: CommitId) -> Outlook {
        let runs = self.waiting.iter().chain(&self.running).flat_map(|run| &run.waits);
        let mut calls = runs.chain(self.pursuits.iter().map(|pursuit| &pursuit.pursued));
        let is_awaited = calls.any(|pursued| pursued.call.commit == Some(commit));
        Outlook { is_awaited, requested: self.requested, ended: self.ended }
    }

    /// Returns whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns whether the engine ends.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Adds a run to the waiting ones, or its callers to a waiting one of its kind. The running
    /// reload is never joined: it may have fetched before the caller's push arrived. Only runs of
    /// the same kind are shared: a rebuild succeeds without the remote, a reload must not.
    fn enlist(&mut self, run: Run<C>, given: bool) -> Option<ReloadId> {
        let same = self.waiting.iter_mut().find(|other| !given && other.kind == run.kind);
        match same {
            Some(other) => {
                other.waits.extend(run.waits);
                other.id = other.id.or(run.id);
                other.id
            }
            None => {
                let id = run.id;
                self.queue(run);
                id
            }
        }
    }

    fn queue(&mut self, run: Run<C>) {
        self.requested += u64::from(run.kind.may_bring());
        self.waiting.push_back(run);
    }

    fn begin(&mut self, now: Duration) -> Option<Action<C>> {
        if self.closed || self.running.is_some() {
            return None;
        }
        let due: Vec<_> = self.pursuits.extract_if(.., |pursuit| pursuit.due <= now).collect();
        for Pursuit { next, pursued, .. } in due {
            let (trigger, waits) = (Trigger::Webhook, vec![pursued]);
            self.enlist(Run { id: None, kind: next, trigger, waits }, false);
        }
        let due = self.timers().find(|timer| timer.due <= now);
        if let Some(Timer { kind, trigger, .. }) = due
            && self.waiting.is_empty()
        {
            let (kind, trigger, waits) = (*kind, *trigger, Vec::new());
            self.queue(Run { id: None, kind, trigger, waits });
        }
        let run = self.waiting.pop_front()?;
        let action = Action::Begin { id: run.id, kind: run.kind, trigger: run.trigger };
        self.running = Some(run);
        Some(action)
    }

    fn ended(&mut self, now: Duration, ended: &Ended) -> Vec<Action<C>> {
        let Some(run) = self.running.take() else { return Vec::new() };
        self.ended += u64::from(run.kind.may_bring());
        for timer in &mut self.timers {
            // Any other reload asks the remote as a poll does.
            let rests = match run.kind {
                RequestKind::Audit => timer.audits(),
                RequestKind::Follow => false,
                _ => !timer.audits(),
            };
            if !rests {
                continue;
            }
            let (failures, least) = match ended {
                Ended::Failed { remote: true, rest } => (timer.failures.saturating_add(1), *rest),
                _ => (0, Duration::ZERO),
            };
            timer.failures = failures;
            timer.rest(now);
            timer.due = timer.due.max(now + least.min(LONGEST_ASKED));
        }
        if self.closed {
            // Callers that still wait for a commit are dropped.
            self.pursuits.clear();
        }
        let mut told = Vec::new();
        for pursued in run.waits {
            let Pursued { call: Call { caller, commit }, kind, attempts } = pursued;
            let shared = !told.is_empty();
            let awaited = match (commit, ended) {
                (Some(commit), Ended::Saw(found)) if !found.contains(&commit) => Some(commit),
                _ => None,
            };
            let call = Call { caller, commit };
            match (awaited, WAITS.get(attempts)) {
                (Some(_), Some(wait)) if !self.closed => {
                    let pursued = Pursued { call, kind, attempts: attempts + 1 };
                    let next = match kind {
                        RequestKind::Follow => kind,
                        _ => RequestKind::Reload,
                    };
                    let due = now + *wait;
                    self.pursuits.push(Pursuit { due, next, pursued });
                }
                // A rebuild that came before its commit is repeated once the commit is present.
                (None, _) if kind == RequestKind::Rebuild && run.kind != kind && !self.closed => {
                    let call = Call { commit: None, ..call };
                    let pursued = Pursued { call, kind, attempts };
                    self.pursuits.push(Pursuit { due: now, next: kind, pursued });
                }
                (missing, _) => told.push(Action::Tell { caller: call.caller, shared, missing }),
            }
        }
        told
    }
}

impl Timer {
    /// Returns whether it audits. Otherwise it asks the remote.
    fn audits(&self) -> bool {
        self.kind == RequestKind::Audit
    }

    /// Begins anew, without failures.
    fn begin(&mut self, now: Duration) {
        self.failures = 0;
        self.rest(now);
    }

    /// Sets the next time: about one interval from `now`, doubled for each failure in a row.
    fn rest(&mut self, now: Duration) {
        // A linear congruential generator, whose upper half is random enough to spread servers.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = (self.random >> 32) as f64 / f64::from(u32::MAX);
        self.due = now + pause(self.interval, self.failures).mul_f64(0.9 + 0.2 * share);
    }
}

/// Returns the wait after this many failures in a row.
fn pause(interval: Duration, failures: u32) -> Duration {
    interval.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Ledger;

    const MINUTE: Duration = Duration::from_secs(60);
    const INTERVALS: Intervals =
        Intervals { poll: Some(MINUTE), audit: Some(MINUTE.saturating_mul(10)) };

    fn begun(schedule: &mut Schedule<()>, now: Duration) -> Option<RequestKind> {
        match schedule.step(now, Event::Idle).pop() {
            Some(Action::Begin { kind, .. }) => Some(kind),
            _ => None,
        }
    }

    fn ask(schedule: &mut Schedule<()>, kind: RequestKind, now: Duration) {
        let (id, trigger) = (Ledger::new().reserve(), Trigger::Follow);
        let calls = vec![Call { caller: (), commit: None }];
        schedule.step(now, Event::Asked { id, given: false, kind, trigger, calls });
    }

    #[test]
    fn only_a_role_that_asks_the_remote_polls_and_every_role_audits() {
        let (polls, audits) = (Some(RequestKind::Reload), Some(RequestKind::Audit));
        for (role, first) in [
            (Role::Alone, polls),
            (Role::Leading, polls),
            (Role::Following, None),
            (Role::Orphaned, polls),
        ] {
            let mut schedule = Schedule::new(Duration::ZERO, INTERVALS, 7);
            schedule.step(Duration::ZERO, Event::Role(role));
            assert_eq!(begun(&mut schedule, MINUTE * 2), first, "{role:?}");
            let ended = Ended::Failed { remote: false, rest: Duration::ZERO };
            schedule.step(MINUTE * 2, Event::Ended(ended));
            // The poll rests at least until then.
            let next = schedule.due().unwrap();
            assert_eq!(next > MINUTE * 5, role == Role::Following, "{role:?}: {next:?}");
            if role == Role::Following {
                assert_eq!(begun(&mut schedule, MINUTE * 12), audits);
            }
        }
    }

    #[test]
    fn who_loses_the_leader_polls_an_interval_later() {
        let mut schedule = Schedule::new(Duration::ZERO, INTERVALS, 7);
        schedule.step(Duration::ZERO, Event::Role(Role::Following));
        let lost = MINUTE * 5;
        schedule.step(lost, Event::Role(Role::Orphaned));
        assert_eq!(begun(&mut schedule, lost), None);
        let due = schedule.due().unwrap();
        assert!(lost + MINUTE / 2 < due && due < lost + MINUTE * 2, "{due:?}");
        // The leader that it becomes then goes on polling.
        schedule.step(lost + MINUTE / 4, Event::Role(Role::Leading));
        assert_eq!(schedule.due(), Some(due));
        assert_eq!(begun(&mut schedule, due), Some(RequestKind::Reload));
    }

    #[test]
    fn who_asks_to_follow_shares_what_waits_and_a_failure_is_none_of_the_remote() {
        let mut schedule = Schedule::new(Duration::ZERO, INTERVALS, 7);
        let poll = schedule.due();
        for _ in 0..3 {
            ask(&mut schedule, RequestKind::Follow, Duration::ZERO);
        }
        ask(&mut schedule, RequestKind::Audit, Duration::ZERO);
        assert_eq!(begun(&mut schedule, Duration::ZERO), Some(RequestKind::Follow));
        let ended = Ended::Failed { remote: true, rest: MINUTE * 9 };
        let told = schedule.step(Duration::ZERO, Event::Ended(ended));
        assert_eq!(told.len(), 3);
        assert_eq!(schedule.due(), poll, "the poll is not put off");
        assert_eq!(begun(&mut schedule, Duration::ZERO), Some(RequestKind::Audit));
    }
}
