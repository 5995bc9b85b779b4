//! A seeded world around the schedule of pushes: writes in bursts, a remote that goes away, refuses, and is pushed to
//! by others, polls that find it back, and a server that ends at any time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The longest wait after a failure.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How often the remote is polled.
const POLL: Duration = Duration::from_secs(60);

/// The number of events in one world.
const CHAOS: usize = 100;

/// Returns the number of seeds to try; more on demand.
fn seeds() -> u64 {
    let seeds = std::env::var("HEADWATER_SEEDS").ok();
    seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(2_000)
}

/// What the remote does with a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remote {
    Takes,
    Fails(PushErrorKind),
}

struct World {
    random: u64,
    now: Duration,
    interval: Duration,
    schedule: PushSchedule,
    remote: Remote,
    /// When the oldest commit was written that the remote does not have.
    unpushed: Option<Duration>,
    /// Whether a caller waits that nobody has looked after.
    asked: bool,
    /// When the last push ended.
    ended: Option<Duration>,
    polled: Duration,
    pushes: u64,
    /// Whether nobody writes any more.
    is_quiet: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let interval = [0, 1, 10, 600][seed as usize % 4] * SECOND;
        Self {
            random: seed,
            now: Duration::ZERO,
            interval,
            schedule: PushSchedule::new(interval, true, seed),
            remote: Remote::Takes,
            unpushed: None,
            asked: false,
            ended: None,
            polled: Duration::ZERO,
            pushes: 0,
            is_quiet: false,
        }
    }

    /// Returns a number below `bound` (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn writes(&mut self) {
        self.unpushed.get_or_insert(self.now);
        self.schedule.wake();
    }

    fn happens(&mut self) {
        match self.below(10) {
            0..=4 => self.writes(),
            // A caller waits for a push, with or without anything to push.
            5 => {
                self.schedule.ask();
                self.asked = true;
            }
            6 => self.remote = Remote::Takes,
            7 => self.remote = Remote::Fails(PushErrorKind::Unreachable),
            8 => self.remote = Remote::Fails(PushErrorKind::Refused),
            _ => self.remote = Remote::Fails(PushErrorKind::Behind),
        }
    }

    /// A reload asks the remote, and replays ours on top of what others pushed.
    fn polls(&mut self) {
        self.polled = self.now;
        let behind = Remote::Fails(PushErrorKind::Behind);
        if self.remote == behind {
            self.remote = Remote::Takes;
        }
        if self.remote != Remote::Fails(PushErrorKind::Unreachable) {
            self.schedule.remote_answers(self.now);
        }
    }

    /// Pushes as long as that is possible now; returns when something will be due.
    fn acts(&mut self) -> Option<Duration> {
        loop {
            match self.schedule.next(self.now) {
                Next::Push => {
                    self.asked = false;
                    self.pushes();
                }
                Next::Look => assert!(std::mem::take(&mut self.asked), "nobody waits"),
                Next::Wait(until) => {
                    assert!(!self.asked, "a caller whose commit may be there is not told");
                    assert!(until.is_none_or(|until| until > self.now), "due and not done");
                    assert!(until.is_some() || self.unpushed.is_none(), "nobody will push it");
                    let rested = self.ended.map_or(Duration::ZERO, |ended| ended + self.interval);
                    let latest = match self.schedule.is_failing() {
                        true => rested.max(self.now + LONGEST),
                        false => rested,
                    };
                    assert!(until.is_none_or(|until| until <= latest), "{until:?} {latest:?}");
                    return until;
                }
                Next::End => panic!("nobody closed it"),
            }
        }
    }

    fn pushes(&mut self) {
        if self.unpushed.is_none() {
            return self.schedule.succeeded();
        }
        if let Some(ended) = self.ended {
            let rest = self.now - ended;
            assert!(rest >= self.interval, "pushed again after {rest:?}");
        }
        self.pushes += 1;
        self.unpushed = None;
        let written = self.now;
        let takes = Duration::from_millis(self.below(3_000));
        self.now += takes;
        let meanwhile = !self.is_quiet && self.below(4) == 0;
        self.schedule.sent(self.now);
        self.ended = Some(self.now);
        match self.remote {
            Remote::Takes => self.schedule.succeeded(),
            Remote::Fails(kind) => {
                self.unpushed = Some(written);
                assert!(self.schedule.failed(self.now, kind) > 0);
            }
        }
        if meanwhile {
            self.writes();
        }
    }

    /// Lets the time pass until `end`; pushes and polls when that is due.
    fn passes(&mut self, end: Duration) {
        while self.now < end {
            let due = self.acts().unwrap_or(end);
            self.now = self.now.max(due.min(self.polled + POLL).min(end));
            if self.now >= self.polled + POLL {
                self.polls();
            }
        }
    }

    fn run(&mut self) {
        let ends_early = self.below(4) == 0;
        for _ in 0..CHAOS {
            self.happens();
            let longest = [50, 2_000, 200_000][self.below(3) as usize];
            let time = self.now + Duration::from_millis(self.below(longest));
            self.passes(time);
        }
        if !ends_early {
            (self.remote, self.is_quiet) = (Remote::Takes, true);
            self.passes(self.now + LONGEST + self.interval + POLL);
            assert_eq!(self.unpushed, None, "never pushed");
            if !self.interval.is_zero() {
                let most = self.now.as_secs() / self.interval.as_secs() + 1;
                assert!(self.pushes <= most, "{} pushes", self.pushes);
            }
        }
        // Whatever the interval and the last failure say, the server pushes once more.
        self.writes();
        self.schedule.close();
        assert_eq!(self.schedule.next(self.now), Next::End);
    }
}

#[test]
fn whatever_happens_pushes_are_apart_and_everything_is_pushed() {
    for seed in 0..seeds() {
        let ran = std::panic::catch_unwind(|| World::new(seed).run());
        assert!(ran.is_ok(), "seed {seed}");
    }
}

#[test]
fn the_first_of_many_writes_is_pushed_at_once_and_the_others_together_when_the_interval_is_over() {
    let mut schedule = PushSchedule::new(10 * SECOND, false, 7);
    assert_eq!(schedule.next(SECOND), Next::Wait(None));
    schedule.wake();
    assert_eq!(schedule.next(SECOND), Next::Push);
    assert_eq!(schedule.next(SECOND), Next::Wait(None));
    schedule.sent(2 * SECOND);
    schedule.succeeded();
    for second in 3..6 {
        schedule.wake();
        assert_eq!(schedule.next(second * SECOND), Next::Wait(Some(12 * SECOND)));
    }
    // The commit of a caller may be on the remote already.
    schedule.ask();
    assert_eq!(schedule.next(6 * SECOND), Next::Look);
    assert_eq!(schedule.next(6 * SECOND), Next::Wait(Some(12 * SECOND)));
    assert_eq!(schedule.next(12 * SECOND), Next::Push);
    assert_eq!(schedule.next(12 * SECOND), Next::Wait(None));
}

#[test]
fn a_failure_is_tried_again_when_both_its_wait_and_the_interval_are_over() {
    for (interval, kind, least) in [
        (10 * SECOND, PushErrorKind::Unreachable, 10 * SECOND),
        (10 * SECOND, PushErrorKind::Refused, 150 * SECOND),
        (600 * SECOND, PushErrorKind::Refused, 600 * SECOND),
        (Duration::ZERO, PushErrorKind::Unreachable, SECOND / 2),
    ] {
        let mut schedule = PushSchedule::new(interval, true, 7);
        assert_eq!(schedule.next(Duration::ZERO), Next::Push);
        schedule.sent(Duration::ZERO);
        schedule.failed(Duration::ZERO, kind);
        assert!(schedule.due() >= least, "{interval:?} {kind:?}: {:?}", schedule.due());
        // The remote is back, which does not end the interval.
        schedule.remote_answers(SECOND / 4);
        assert!(schedule.due() >= interval);
    }
}
