//! Which reload runs when, and who is told: one pure state machine.
//!
//! [`Schedule::step`] takes an event at a time and returns what to do about it. It reads no clock,
//! starts no thread and talks to nobody, so that every order of calls, failures, lost webhooks and
//! lagging remotes can be tried in a test.
//!
//! One reload runs, and of each kind at most one waits; whoever asks for the same meanwhile shares
//! it. A call that names a commit is told when the remote's head contains it, and is tried again a
//! few times before it is told that it does not. The remote is polled in case a webhook was lost,
//! and less often while it fails.

#[cfg(test)]
mod simulation;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::id::CommitId;
use crate::report::{ReloadId, Trigger};

/// The waits before a commit that the remote does not show yet is asked for again. A forge calls
/// before its own replicas have the commit.
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

/// The longest wait between two polls of a remote that fails, unless the interval is longer.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest wait that a remote may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Go to the remote's head.
    Reload,
    /// Go to the remote's head, or stay, and build the state anew.
    Rebuild,
    /// Let the held push with this id through.
    Apply(ReloadId),
    /// Go back to this commit and stay there.
    Pin(CommitId),
    /// Go to the head of the branch again.
    Unpin,
    /// Compare the published state with one that is built anew, which takes its place if it differs.
    Audit,
}

/// Somebody who waits for a reload.
#[derive(Debug)]
pub(super) struct Call<C> {
    /// Who.
    pub(super) caller: C,
    /// The commit that has to be in the remote's head.
    pub(super) commit: Option<CommitId>,
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event<C> {
    /// Calls for a reload, under an id that is used unless they share one that waits.
    Asked {
        id: ReloadId,
        /// Whether the id was given out already, so that it has to be the id of a reload.
        given: bool,
        kind: RequestKind,
        trigger: Trigger,
        calls: Vec<Call<C>>,
    },
    /// Nothing runs.
    Idle,
    /// The reload that ran is done.
    Ended(Ended),
    /// The engine ends: nobody is told any more, and nothing begins.
    Closed,
}

/// How the reload that ran ended, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It saw a head of the remote, which contains these of the commits that were asked for.
    Saw(BTreeSet<CommitId>),
    /// It saw none, for a reason that is an answer of its own.
    Failed {
        /// Whether the remote could not be fetched.
        remote: bool,
        /// How long the remote wants to be left alone at least.
        rest: Duration,
    },
}

/// What is to be done about an event.
#[derive(Debug)]
pub(super) enum Action<C> {
    /// The calls wait for this reload.
    Enlisted(ReloadId),
    /// Begin a reload; without an id where nobody was given one.
    Begin { id: Option<ReloadId>, kind: RequestKind, trigger: Trigger },
    /// Tell a caller of the reload that ended.
    Tell {
        caller: C,
        /// Whether an earlier caller was told of the same reload.
        shared: bool,
        /// The commit that was asked for and is not there.
        missing: Option<CommitId>,
    },
}

/// The state between events.
#[derive(Debug)]
pub(super) struct Schedule<C> {
    waiting: VecDeque<Run<C>>,
    running: Option<Run<C>>,
    /// Calls whose commit was not there, until they are tried again.
    pursuits: Vec<Pursuit<C>>,
    timers: Vec<Timer>,
    closed: bool,
}

#[derive(Debug)]
struct Run<C> {
    /// `None` until somebody asks for it.
    id: Option<ReloadId>,
    kind: RequestKind,
    trigger: Trigger,
    waits: Vec<Pursued<C>>,
}

/// A call on its way to being told.
#[derive(Debug)]
struct Pursued<C> {
    call: Call<C>,
    kind: RequestKind,
    attempts: usize,
}

#[derive(Debug)]
struct Pursuit<C> {
    due: Duration,
    /// What is tried then.
    next: RequestKind,
    pursued: Pursued<C>,
}

/// How often to do what nobody asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Intervals {
    /// Ask the remote; `None` for never.
    pub(super) poll: Option<Duration>,
    /// Audit the published state; `None` for never.
    pub(super) audit: Option<Duration>,
}

/// When to do something unasked.
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
    /// Returns an empty schedule. The time, here and in [`Self::step`], is since any fixed moment.
    /// `seed` makes the polls of many servers differ.
    pub(super) fn new(now: Duration, intervals: Intervals, seed: u64) -> Self {
        let timer = |interval: Option<Duration>, kind, trigger| {
            let (failures, due, random) = (0, Duration::ZERO, seed);
            interval.map(|interval| Timer { kind, trigger, interval, failures, due, random })
        };
        let poll = timer(intervals.poll, RequestKind::Reload, Trigger::Poll);
        let audit = timer(intervals.audit, RequestKind::Audit, Trigger::Audit);
        let mut timers: Vec<Timer> = poll.into_iter().chain(audit).collect();
        timers.iter_mut().for_each(|timer| timer.rest(now));
        let (waiting, pursuits) = (VecDeque::new(), Vec::new());
        Self { waiting, running: None, pursuits, timers, closed: false }
    }

    /// Takes one event, at a time that never goes back.
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
            Event::Ended(ended) => self.ended(now, &ended),
        }
    }

    /// Returns when [`Event::Idle`] has something to begin that has no call of its own.
    pub(super) fn due(&self) -> Option<Duration> {
        let pursuits = self.pursuits.iter().map(|pursuit| pursuit.due);
        pursuits.chain(self.timers.iter().map(|timer| timer.due)).min()
    }

    /// Returns the commits that the calls of the running reload wait for.
    pub(super) fn wanted(&self) -> BTreeSet<CommitId> {
        let waits = self.running.iter().flat_map(|run| &run.waits);
        waits.filter_map(|pursued| pursued.call.commit).collect()
    }

    /// Says whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Says whether the engine ends.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Adds a run to those that wait, or its callers to one of its kind. The running reload is
    /// never joined: it may have fetched before the caller's push arrived. Only the like are
    /// shared: a rebuild succeeds without the remote, a reload must not.
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
                self.waiting.push_back(run);
                id
            }
        }
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
        let due = self.timers.iter().find(|timer| timer.due <= now);
        if let Some(Timer { kind, trigger, .. }) = due
            && self.waiting.is_empty()
        {
            let (kind, trigger, waits) = (*kind, *trigger, Vec::new());
            self.waiting.push_back(Run { id: None, kind, trigger, waits });
        }
        let run = self.waiting.pop_front()?;
        let action = Action::Begin { id: run.id, kind: run.kind, trigger: run.trigger };
        self.running = Some(run);
        Some(action)
    }

    fn ended(&mut self, now: Duration, ended: &Ended) -> Vec<Action<C>> {
        let Some(run) = self.running.take() else { return Vec::new() };
        for timer in &mut self.timers {
            // Any reload asks the remote as a poll does; only an audit is an audit.
            if (timer.kind == RequestKind::Audit) != (run.kind == RequestKind::Audit) {
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
            // Who waits for a commit further on is let go.
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
                    let (due, next) = (now + *wait, RequestKind::Reload);
                    self.pursuits.push(Pursuit { due, next, pursued });
                }
                // A rebuild that came before its commit is made up for once the commit is there.
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
    /// Sets the next time: about an interval from `now`, twice as long for each failure in a row.
    fn rest(&mut self, now: Duration) {
        // A linear congruential generator, of which the upper half is random enough to be told
        // apart from other servers.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = (self.random >> 32) as f64 / f64::from(u32::MAX);
        self.due = now + pause(self.interval, self.failures).mul_f64(0.9 + 0.2 * share);
    }
}

/// Returns the wait after so many failures in a row.
fn pause(interval: Duration, failures: u32) -> Duration {
    interval.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST.max(interval))
}
