//! A seeded world around the schedule: a remote that lags, fails and hangs; webhooks that are lost,
//! doubled, late and forged; a process that dies; a clock that jumps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use super::*;

/// How often the remote is polled.
const INTERVAL: Duration = Duration::from_secs(60);

/// Only polls.
const POLLS: Intervals = Intervals { poll: Some(INTERVAL), audit: None };

/// An audit now and then, too.
const AUDIT: Duration = Duration::from_secs(600);
const INTERVALS: Intervals = Intervals { poll: Some(INTERVAL), audit: Some(AUDIT) };

/// The number of events in one world, besides webhooks.
const CHAOS: usize = 100;

/// Returns the number of seeds to try; more on demand.
fn seeds() -> u64 {
    let seeds = std::env::var("HEADWATER_SEEDS").ok();
    seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(2_000)
}

/// A planned event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Planned {
    /// Somebody pushes; the remote shows it after this many milliseconds.
    Push { lag: u64 },
    /// A webhook arrives that names this commit.
    Hook { commit: u64 },
    /// Somebody calls without naming a commit.
    Call { rebuild: bool },
    /// A reader names this commit, which is perhaps not served yet, or never will be.
    Read { commit: u64 },
    /// The remote goes away or comes back.
    Remote { up: bool },
    /// The process dies and restarts.
    Crash,
}

/// A call that has not been told yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    asked: Duration,
    commit: Option<u64>,
    rebuild: bool,
}

/// A reader that named a commit that was not served.
#[derive(Debug, Clone, Copy)]
struct Reader {
    commit: u64,
    at: Duration,
    /// The number of reloads requested by then.
    asked: u64,
}

/// The running reload.
#[derive(Debug, Clone, Copy)]
struct Running {
    begun: Duration,
    ends: Duration,
    /// The head that it fetched, unless the remote was away.
    head: Option<u64>,
    kind: RequestKind,
}

struct World {
    random: u64,
    now: Duration,
    schedule: Schedule<u64>,
    planned: BinaryHeap<Reverse<(Duration, Planned)>>,
    /// When the remote shows each commit; the commits are 1, 2, 3.
    shown: Vec<Duration>,
    up: bool,
    /// The served commit.
    served: u64,
    running: Option<Running>,
    open: BTreeMap<u64, Open>,
    /// The readers that wait, and those that were told that their commit is unknown.
    readers: Vec<Reader>,
    refused: Vec<Reader>,
    callers: u64,
    asked: u64,
    begun: u64,
    last_end: Duration,
}

fn commit(number: u64) -> CommitId {
    let mut bytes = [0; 20];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    CommitId::from_bytes(bytes)
}

fn number(commit: CommitId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&commit.as_bytes()[12..]);
    u64::from_be_bytes(bytes)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: seed,
            now: Duration::ZERO,
            schedule: Schedule::new(Duration::ZERO, INTERVALS, seed),
            planned: BinaryHeap::new(),
            shown: Vec::new(),
            up: true,
            served: 0,
            running: None,
            open: BTreeMap::new(),
            readers: Vec::new(),
            refused: Vec::new(),
            callers: 0,
            asked: 0,
            begun: 0,
            last_end: Duration::ZERO,
        };
        world.plan();
        world
    }

    /// Returns a number below `bound` (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn at(&mut self, time: Duration, planned: Planned) {
        self.planned.push(Reverse((time, planned)));
    }

    /// Plans the chaos: at its end the remote is back, and nothing more is pushed.
    fn plan(&mut self) {
        let everything_is_lost = self.below(8) == 0;
        let mut time = Duration::ZERO;
        let mut pushed = 0;
        for _ in 0..CHAOS {
            // Bursts, and silences with nothing but polls.
            let longest = [50, 2_000, 200_000][self.below(3) as usize];
            time += Duration::from_millis(self.below(longest));
            match self.below(20) {
                0..=6 => {
                    pushed += 1;
                    let lag = [0, 0, 200, 3_000, 30_000][self.below(5) as usize];
                    self.at(time, Planned::Push { lag });
                    let hooks =
                        if everything_is_lost { 0 } else { [0, 1, 1, 2][self.below(4) as usize] };
                    for _ in 0..hooks {
                        let late = Duration::from_millis(self.below(5_000));
                        self.at(time + late, Planned::Hook { commit: pushed });
                    }
                }
                7 => self.at(time, Planned::Hook { commit: 1_000_000 + pushed }),
                8..=10 => {
                    let rebuild = self.below(4) == 0;
                    self.at(time, Planned::Call { rebuild });
                }
                11 | 12 => self.at(time, Planned::Remote { up: false }),
                13 => self.at(time, Planned::Remote { up: true }),
                14 => self.at(time, Planned::Crash),
                15..=18 => {
                    let late = Duration::from_millis(self.below(500));
                    let commit = [pushed, pushed + 1, 1_000_000 + pushed][self.below(3) as usize];
                    self.at(time + late, Planned::Read { commit });
                }
                // The clock jumps, as it does when a machine sleeps.
                _ => time += Duration::from_secs(self.below(3_600)),
            }
        }
        self.at(time, Planned::Remote { up: true });
    }

    /// Returns the head that the remote shows now.
    fn visible(&self) -> u64 {
        self.shown.iter().rposition(|at| *at <= self.now).map_or(0, |last| last as u64 + 1)
    }

    fn ask(&mut self, commit: Option<u64>, rebuild: bool) {
        self.callers += 1;
        self.asked += 1;
        let caller = self.callers;
        self.open.insert(caller, Open { asked: self.now, commit, rebuild });
        let kind = if rebuild { RequestKind::Rebuild } else { RequestKind::Reload };
        let id = ReloadId { epoch: 0, number: caller };
        let calls = vec![Call { caller, commit: commit.map(self::commit) }];
        let event = Event::Asked { id, given: false, kind, trigger: Trigger::Webhook, calls };
        let actions = self.schedule.step(self.now, event);
        assert!(matches!(actions[..], [Action::Enlisted(_)]));
    }

    /// A reader names `commit`: it is served, refused, or it waits.
    fn read(&mut self, commit: u64) {
        if commit <= self.served {
            return;
        }
        let outlook = self.schedule.outlook(self::commit(commit));
        let reader = Reader { commit, at: self.now, asked: outlook.requested };
        let runs = self.running.is_some_and(|running| running.kind != RequestKind::Audit);
        let is_told_of = self.open.values().any(|open| open.commit == Some(commit));
        let may_come = runs || !self.schedule.is_idle() || is_told_of;
        assert_eq!(outlook.may_bring(reader.asked), may_come, "{reader:?} {outlook:?}");
        if may_come { self.readers.push(reader) } else { self.refused.push(reader) }
    }

    /// Answers the readers whose commit is served, or that have nothing to wait for.
    fn answer_readers(&mut self) {
        for reader in std::mem::take(&mut self.readers) {
            let outlook = self.schedule.outlook(commit(reader.commit));
            match outlook.may_bring(reader.asked) {
                _ if reader.commit <= self.served => {}
                true => self.readers.push(reader),
                false => self.refused.push(reader),
            }
        }
    }

    fn happens(&mut self, planned: Planned) {
        match planned {
            Planned::Push { lag } => {
                let earlier = self.shown.last().copied().unwrap_or_default();
                self.shown.push((self.now + Duration::from_millis(lag)).max(earlier));
            }
            Planned::Hook { commit } => self.ask(Some(commit), false),
            Planned::Call { rebuild } => self.ask(None, rebuild),
            Planned::Read { commit } => self.read(commit),
            Planned::Remote { up } => self.up = up,
            Planned::Crash => {
                // The waiting calls are lost with the process, and so is the running reload.
                self.open.clear();
                self.readers.clear();
                self.refused.clear();
                self.running = None;
                self.last_end = self.now;
                self.schedule = Schedule::new(self.now, INTERVALS, self.random);
                self.ask(None, false);
            }
        }
    }

    fn begins(&mut self) {
        let actions = self.schedule.step(self.now, Event::Idle);
        let Some(Action::Begin { kind, trigger, .. }) = actions.first() else {
            assert!(actions.is_empty());
            return;
        };
        assert!(self.running.is_none(), "two reloads at once");
        let rested = self.now.saturating_sub(self.last_end);
        if *trigger == Trigger::Poll {
            assert!(rested >= INTERVAL.mul_f64(0.9), "polled after {rested:?}");
        }
        let (kind, head) = (*kind, self.up.then(|| self.visible()));
        self.begun += 1;
        let takes = match (head, self.below(10)) {
            // It hangs until it is given up.
            (None, 0) => 30_000,
            (_, 1) => 2_000,
            _ => 5 + self.below(100),
        };
        let ends = self.now + Duration::from_millis(takes);
        self.running = Some(Running { begun: self.now, ends, head, kind });
    }

    fn ends(&mut self) {
        let Some(Running { begun, head, kind, .. }) = self.running.take() else { return };
        if kind == RequestKind::Audit {
            let told = self.schedule.step(self.now, Event::Ended(Ended::Saw(BTreeSet::new())));
            assert!(told.is_empty(), "nobody requested it");
            return;
        }
        self.last_end = self.now;
        // If the remote is away, a rebuild goes on with the local commits.
        let seen = head.or((kind == RequestKind::Rebuild).then_some(self.served));
        let ended = match seen {
            Some(seen) => {
                assert!(seen >= self.served, "back to an older head");
                // A reload that ran when a reader asked brings nothing that the reader was told is unknown.
                let too_soon = |reader: &&Reader| reader.at > begun && reader.commit <= seen;
                assert_eq!(self.refused.iter().find(too_soon).map(|reader| reader.at), None);
                self.refused.retain(|reader| reader.commit > seen);
                self.served = seen;
                let is_there = |commit: &CommitId| number(*commit) <= seen;
                Ended::Saw(self.schedule.wanted().into_iter().filter(is_there).collect())
            }
            None => Ended::Failed { remote: true, rest: Duration::ZERO },
        };
        let mut first = true;
        for action in self.schedule.step(self.now, Event::Ended(ended)) {
            let Action::Tell { caller, shared, missing } = action else {
                panic!("{action:?}");
            };
            assert_eq!(shared, !first, "one caller of a reload is the first");
            first = false;
            let Some(open) = self.open.remove(&caller) else { panic!("{caller} was told twice") };
            let asked_for = open.commit.filter(|commit| seen.is_some_and(|seen| *commit > seen));
            assert_eq!(missing.map(number), asked_for, "{open:?} after {seen:?}");
            if missing.is_some() {
                let waited = self.now - open.asked;
                assert!(waited >= WAITS.iter().sum::<Duration>(), "given up after {waited:?}");
            }
            assert!(begun >= open.asked, "told about a reload from before the call");
            assert!(!open.rebuild || kind == RequestKind::Rebuild, "a rebuild was not one");
        }
        self.answer_readers();
    }

    /// Goes to the time of the next event; `None` once only polls would follow.
    fn advance(&mut self) {
        let planned = self.planned.peek().map(|Reverse((time, _))| *time);
        let ends = self.running.map(|running| running.ends);
        let due = self.running.is_none().then(|| self.schedule.due()).flatten();
        let next = [planned, ends, due].into_iter().flatten().min();
        self.now = self.now.max(next.unwrap_or(self.now));
        if planned.is_some_and(|time| time <= self.now)
            && let Some(Reverse((_, planned))) = self.planned.pop()
        {
            self.happens(planned);
        } else if ends.is_some_and(|time| time <= self.now) {
            self.ends();
        }
        if self.running.is_none() {
            self.begins();
        }
    }

    /// Runs all events, and then waits for the quiet in which everything is served.
    fn run(&mut self) {
        let mut steps: u64 = 0;
        while !self.planned.is_empty() {
            self.advance();
            steps += 1;
            assert!(steps < 100_000, "it never ends");
        }
        let shown = self.shown.last().copied().unwrap_or_default();
        // After a failed poll the rest is the longest, and one reload may be running.
        let bound = self.now.max(shown)
            + LONGEST.mul_f64(1.1)
            + INTERVAL.mul_f64(1.1)
            + Duration::from_secs(60);
        while self.now < bound {
            self.advance();
        }
        let head = self.shown.len() as u64;
        assert_eq!(self.served, head, "the remote's head is not served");
        assert!(self.open.is_empty(), "never told: {:?}", self.open);
        assert!(self.readers.is_empty(), "waits for ever: {:?}", self.readers);
        // Each call costs a reload and those that wait for its commit; polls cost the rest.
        let polls = (self.now.as_secs_f64() / INTERVAL.mul_f64(0.9).as_secs_f64()) as u64 + 1;
        let audits = (self.now.as_secs_f64() / AUDIT.mul_f64(0.9).as_secs_f64()) as u64 + 1;
        let most = self.asked * (WAITS.len() as u64 + 2) + polls + audits;
        assert!(self.begun <= most, "{} reloads for {} calls", self.begun, self.asked);
    }
}

#[test]
fn whatever_happens_the_remotes_head_is_served_and_every_caller_told_once() {
    for seed in 0..seeds() {
        let ran = std::panic::catch_unwind(|| World::new(seed).run());
        assert!(ran.is_ok(), "seed {seed}");
    }
}

fn asked(kind: RequestKind, caller: u32, commit: Option<CommitId>) -> Event<u32> {
    let id = ReloadId { epoch: 0, number: caller.into() };
    let calls = vec![Call { caller, commit }];
    Event::Asked { id, given: false, kind, trigger: Trigger::Webhook, calls }
}

fn enlisted(schedule: &mut Schedule<u32>, kind: RequestKind, caller: u32) -> u64 {
    match schedule.step(Duration::ZERO, asked(kind, caller, None))[..] {
        [Action::Enlisted(id)] => id.number,
        ref other => panic!("{other:?}"),
    }
}

fn told(actions: Vec<Action<u32>>) -> Vec<(u32, bool, bool)> {
    let told = |action| match action {
        Action::Tell { caller, shared, missing } => (caller, shared, missing.is_some()),
        other => panic!("{other:?}"),
    };
    actions.into_iter().map(told).collect()
}

#[test]
fn a_thousand_calls_share_the_reload_that_waits_and_never_the_one_that_runs() {
    let mut schedule = Schedule::new(Duration::ZERO, Intervals::default(), 0);
    assert_eq!(enlisted(&mut schedule, RequestKind::Reload, 1), 1);
    assert!(matches!(schedule.step(Duration::ZERO, Event::Idle)[..], [Action::Begin { .. }]));
    let shared: BTreeSet<_> =
        (2..1_002).map(|caller| enlisted(&mut schedule, RequestKind::Reload, caller)).collect();
    assert_eq!(shared, [2].into());
    assert!(schedule.step(Duration::ZERO, Event::Idle).is_empty(), "one runs at a time");
    let saw = || Event::Ended(Ended::Saw(BTreeSet::new()));
    assert_eq!(told(schedule.step(Duration::ZERO, saw())), [(1, false, false)]);
    schedule.step(Duration::ZERO, Event::Idle);
    assert_eq!(told(schedule.step(Duration::ZERO, saw())).len(), 1_000);
    assert!(schedule.step(Duration::ZERO, Event::Idle).is_empty());
}

#[test]
fn a_schedule_that_is_closed_begins_nothing_more() {
    let now = Duration::ZERO;
    let mut schedule = Schedule::new(now, Intervals::default(), 1);
    assert!(schedule.is_idle() && !schedule.is_closed());
    enlisted(&mut schedule, RequestKind::Reload, 1);
    assert!(!schedule.is_idle());
    assert!(schedule.step(now, Event::Closed).is_empty());
    assert!(schedule.is_idle() && schedule.is_closed());
    enlisted(&mut schedule, RequestKind::Reload, 2);
    assert!(schedule.is_idle());
    assert!(schedule.step(now, Event::Idle).is_empty());
}

#[test]
fn a_schedule_that_is_closed_looks_for_no_commit_again() {
    for kind in [RequestKind::Reload, RequestKind::Rebuild] {
        let mut schedule = Schedule::new(Duration::ZERO, Intervals::default(), 1);
        schedule.step(Duration::ZERO, asked(kind, 1, Some(commit(9))));
        assert!(matches!(schedule.step(Duration::ZERO, Event::Idle)[..], [Action::Begin { .. }]));
        schedule.step(Duration::ZERO, Event::Closed);
        let saw = Event::Ended(Ended::Saw(BTreeSet::new()));
        assert_eq!(told(schedule.step(Duration::ZERO, saw)), [(1, false, true)]);
        assert_eq!(schedule.due(), None);
    }
}

#[test]
fn only_calls_of_one_kind_share_a_reload() {
    let mut schedule = Schedule::new(Duration::ZERO, Intervals::default(), 0);
    let held = ReloadId { epoch: 0, number: 99 };
    let kinds = [RequestKind::Reload, RequestKind::Rebuild, RequestKind::Apply(held)];
    let ids: Vec<_> =
        kinds.iter().zip(1..).map(|(kind, n)| enlisted(&mut schedule, *kind, n)).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(enlisted(&mut schedule, RequestKind::Rebuild, 4), 2);
}

#[test]
fn a_rebuild_that_came_before_its_commit_is_made_up_for() {
    let mut schedule = Schedule::new(Duration::ZERO, Intervals::default(), 0);
    let (now, commit) = (Duration::ZERO, commit(7));
    schedule.step(now, asked(RequestKind::Rebuild, 1, Some(commit)));
    schedule.step(now, Event::Idle);
    assert!(schedule.step(now, Event::Ended(Ended::Saw(BTreeSet::new()))).is_empty());
    assert!(schedule.step(now, Event::Idle).is_empty(), "it is not due");
    let later = schedule.due().unwrap();
    assert_eq!(later, WAITS[0]);
    let begun = |actions: Vec<Action<u32>>| match actions[..] {
        [Action::Begin { id: None, kind, .. }] => kind,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(begun(schedule.step(later, Event::Idle)), RequestKind::Reload);
    let saw = Ended::Saw([commit].into());
    assert!(schedule.step(later, Event::Ended(saw)).is_empty());
    assert_eq!(begun(schedule.step(later, Event::Idle)), RequestKind::Rebuild);
    let ended = Event::Ended(Ended::Saw(BTreeSet::new()));
    assert_eq!(told(schedule.step(later, ended)), [(1, false, false)]);
}

#[test]
fn a_failure_is_an_answer_of_its_own_and_makes_polls_rarer() {
    let mut schedule = Schedule::new(Duration::ZERO, POLLS, 0);
    let now = Duration::ZERO;
    schedule.step(now, asked(RequestKind::Reload, 1, Some(commit(7))));
    schedule.step(now, Event::Idle);
    let failed = || Event::Ended(Ended::Failed { remote: true, rest: Duration::ZERO });
    assert_eq!(told(schedule.step(now, failed())), [(1, false, false)]);
    let pauses = [120, 240, 300, 300].map(Duration::from_secs);
    let mut at = now;
    for longest in pauses {
        let due = schedule.due().unwrap();
        assert!(due >= at + longest.mul_f64(0.9) && due <= at + longest.mul_f64(1.1), "{due:?}");
        schedule.step(due, Event::Idle);
        schedule.step(due, failed());
        at = due;
    }
    let due = schedule.due().unwrap();
    schedule.step(due, Event::Idle);
    schedule.step(due, Event::Ended(Ended::Saw(BTreeSet::new())));
    assert!(schedule.due().unwrap() <= due + INTERVAL.mul_f64(1.1), "often again");
}

#[test]
fn a_remote_that_asks_to_be_left_alone_is_for_an_hour_at_most() {
    let mut schedule: Schedule<u32> = Schedule::new(Duration::ZERO, POLLS, 0);
    let mut rested = |asked: u64| {
        let begun = schedule.due().unwrap();
        schedule.step(begun, Event::Idle);
        let rest = Duration::from_secs(asked);
        schedule.step(begun, Event::Ended(Ended::Failed { remote: true, rest }));
        schedule.due().unwrap() - begun
    };
    assert_eq!(rested(900), Duration::from_secs(900));
    assert_eq!(rested(1_000_000), LONGEST_ASKED);
    assert!(rested(1) >= Duration::from_secs(270), "our own wait is longer");
}

#[test]
fn an_audit_comes_at_its_interval_whatever_else_runs() {
    let intervals = Intervals { poll: None, audit: Some(AUDIT) };
    let mut schedule = Schedule::new(Duration::ZERO, intervals, 0);
    let due = schedule.due().unwrap();
    assert!(due >= AUDIT.mul_f64(0.9) && due <= AUDIT.mul_f64(1.1), "{due:?}");
    let saw = || Event::Ended(Ended::Saw(BTreeSet::new()));
    schedule.step(Duration::ZERO, asked(RequestKind::Reload, 1, None));
    schedule.step(Duration::ZERO, Event::Idle);
    schedule.step(Duration::ZERO, saw());
    assert_eq!(schedule.due(), Some(due), "a reload is not an audit");
    let begun = schedule.step(due, Event::Idle);
    let kind = match begun[..] {
        [Action::Begin { kind, trigger: Trigger::Audit, .. }] => kind,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(kind, RequestKind::Audit);
    schedule.step(due, saw());
    assert!(schedule.due().unwrap() >= due + AUDIT.mul_f64(0.9));
}

#[test]
fn a_long_interval_is_no_shorter_while_the_remote_fails() {
    let interval = Duration::from_secs(600);
    assert_eq!([0, 3].map(|failures| pause(interval, failures)), [interval, interval]);
}
