//! Decides which reports are news for a person.

mod cluster;
mod pushes;
mod shared;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use headwater_engine::engine::{FailureKind, HeldReason, PushReport, ReloadError, Report};
use headwater_engine::id::CommitId;
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::{OutcomeKind, Trigger};
use serde_json::{Value, json};

use self::cluster::{ClusterRule, Turned};
use self::pushes::{News, PushRule, conflict};
use super::message::Alert;
use crate::wire;

pub use self::cluster::ClusterTrouble;

/// The most problems that an alert lists.
const LISTED: usize = 20;

/// The most alerts in an hour. A remote that comes and goes would otherwise flood a pager.
const HOURLY: usize = 20;

/// The period of the limit.
const HOUR: Duration = Duration::from_secs(3_600);

/// The causes that are over once a replica follows its leader again.
const FOLLOWING: [&str; 2] =
    [wire::Code::CannotFollow.as_str(), wire::Code::ReplicaDiverged.as_str()];

/// A first state with problems, which is served because there is no earlier one.
pub struct FirstState {
    /// Its commit.
    pub commit: CommitId,
    /// How many problems it has.
    pub problems: usize,
}

/// Remembers the alerts, so that each cause is reported once, and once more when it is over.
#[derive(Debug)]
pub struct AlertRules {
    branch: String,
    remote: Option<String>,
    /// How long the remote may be unreachable before an alert.
    patience: Duration,
    told: BTreeSet<Cause>,
    /// The unreachable remote without an alert yet: since when, and how it last failed.
    away: Option<(Instant, Alert)>,
    /// The state of pushes.
    pushes: PushRule,
    /// Whether a file of tokens is reported to be unusable.
    access: AccessRule,
    /// What is wrong with the cluster.
    cluster: ClusterRule,
    /// When the last alerts were raised.
    raised: VecDeque<Instant>,
    /// The number of alerts suppressed since the last one that was raised.
    kept_back: u64,
}

/// What was last reported of the files of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AccessRule {
    InUse,
    Refused,
}

/// A cause that is reported once: a held head, or a kind of failure until a reload succeeds again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    event: String,
    held: Option<CommitId>,
}

impl AlertRules {
    /// Returns empty rules about `branch`; `remote` is its address without credentials. An
    /// unreachable remote is reported once that has lasted for `patience`.
    pub fn new(branch: String, remote: Option<String>, patience: Duration) -> Self {
        let (told, away, raised) = (BTreeSet::new(), None, VecDeque::new());
        let pushes = PushRule::default();
        let access = AccessRule::InUse;
        let cluster = ClusterRule::default();
        Self { branch, remote, patience, told, away, pushes, access, cluster, raised, kept_back: 0 }
    }

    /// Returns the alert about a first state that has problems.
    pub fn degraded(&self, FirstState { commit, problems }: &FirstState) -> Alert {
        let message = format!("the first state has {problems} problems and is served anyway");
        let facts = json!({ "commit": commit.to_string(), "problemsTotal": problems });
        self.alert("degraded", message, *commit, facts)
    }

    /// Returns the news in `report`, which arrived at `now`.
    pub fn consider(&mut self, report: &Report, now: Instant) -> Vec<Alert> {
        let found = match &report.result {
            Ok(outcome) if outcome.kind == OutcomeKind::Held => self.pinned(report),
            Ok(outcome) if outcome.reason.is_some_and(is_mismatch) => Some(self.mismatched(report)),
            Ok(_) if report.trigger == Trigger::Follow => {
                self.recovered(report, |cause| FOLLOWING.contains(&cause.event.as_str()))
            }
            // A rebuild without the remote resolves no reported problem of the remote.
            Ok(outcome) if outcome.remote_head.is_none() => None,
            Ok(_) => self.recovered(report, |_| true),
            Err(error) => self.failed(error, report, now),
        };
        let kept = match &report.result {
            Ok(outcome) => outcome.replayed.as_ref().and_then(|replayed| replayed.kept.as_ref()),
            Err(_) => None,
        };
        let conflict = kept.map(|kept| self.told_of(conflict(kept), report.serving));
        let found: Vec<Alert> = [conflict, found]
            .into_iter()
            .flatten()
            .filter_map(|alert| self.raise(alert, now))
            .collect();
        // A patience of zero ends at once.
        found.into_iter().chain(self.look(now)).collect()
    }

    /// Returns the news in an attempted push, which was reported at `now`.
    pub fn consider_push(&mut self, report: &PushReport, now: Instant) -> Vec<Alert> {
        let news = self.pushes.consider(report, self.patience, now);
        let alert = news.map(|news| self.told_of(news, report.commit));
        alert.and_then(|alert| self.raise(alert, now)).into_iter().collect()
    }

    /// Returns the news in the state of the files of tokens: why one of them is not used, if so.
    pub fn consider_access(
        &mut self,
        trouble: Option<&str>,
        serving: CommitId,
        now: Instant,
    ) -> Vec<Alert> {
        let event = "access_refused";
        let alert = match (self.access, trouble) {
            (AccessRule::InUse, Some(trouble)) => {
                self.access = AccessRule::Refused;
                let message = format!("the last good grants stay valid: {trouble}");
                Some(self.alert(event, message, serving, json!({})))
            }
            (AccessRule::Refused, None) => {
                self.access = AccessRule::InUse;
                let message = format!("over: {event}");
                Some(self.alert("recovered", message, serving, json!({ "over": [event] })))
            }
            (AccessRule::InUse, None) | (AccessRule::Refused, Some(_)) => None,
        };
        alert.and_then(|alert| self.raise(alert, now)).into_iter().collect()
    }

    /// Returns the news in what is wrong with the cluster.
    pub fn consider_cluster(
        &mut self,
        troubles: BTreeSet<ClusterTrouble>,
        serving: CommitId,
        now: Instant,
    ) -> Vec<Alert> {
        let Turned { begun, over } = self.cluster.consider(troubles);
        let begun = begun.into_iter().map(|trouble| {
            self.alert(trouble.event(), trouble.message().to_owned(), serving, json!({}))
        });
        let over = over.into_iter().map(|trouble| {
            let event = trouble.event();
            self.alert("recovered", format!("over: {event}"), serving, json!({ "over": [event] }))
        });
        let alerts: Vec<_> = begun.chain(over).collect();
        alerts.into_iter().filter_map(|alert| self.raise(alert, now)).collect()
    }

    fn told_of(&self, News { event, message, facts }: News, serving: CommitId) -> Alert {
        self.alert(event, message, serving, facts)
    }

    /// Returns when [`Self::look`] will have news, unless a report changes that.
    pub fn deadline(&self) -> Option<Instant> {
        self.away.as_ref().map(|(since, _)| *since + self.patience)
    }

    /// Returns what has become news just by the passage of time.
    pub fn look(&mut self, now: Instant) -> Vec<Alert> {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        let alert = if due { self.away.take() } else { None };
        let alert =
            alert.and_then(|(_, alert)| self.told.insert(Cause::of(alert.event)).then_some(alert));
        alert.and_then(|alert| self.raise(alert, now)).into_iter().collect()
    }

    fn failed(&mut self, error: &ReloadError, report: &Report, now: Instant) -> Option<Alert> {
        let event = event(error.kind())?;
        let alert = self.alert(event, error.to_string(), report.serving, facts(error, report));
        if is_away(error.kind()) {
            let told = self.told.contains(&Cause::of(event));
            let since = self.away.as_ref().map_or(now, |(since, _)| *since);
            self.away = (!told).then_some((since, alert));
            return None;
        }
        // The remote answered, whatever the answer.
        self.away = None;
        let held = match error {
            ReloadError::Held { held, .. } => Some(held.commit),
            _ => None,
        };
        self.told.insert(Cause { held, ..Cause::of(event) }).then_some(alert)
    }

    fn pinned(&mut self, report: &Report) -> Option<Alert> {
        self.away = None;
        let event = HeldReason::Pinned.as_str();
        let message = "a push is held because another commit is pinned".to_owned();
        let facts = json!({ "reloadId": report.id.to_string() });
        let alert = self.alert(event, message, report.serving, facts);
        self.told.insert(Cause::of(event)).then_some(alert)
    }

    /// This is reported each time: it is a bug in Headwater, and already repaired.
    fn mismatched(&self, report: &Report) -> Alert {
        let message = "the state did not match its commit, and was rebuilt".to_owned();
        let facts = json!({ "reloadId": report.id.to_string() });
        self.alert(RebuildReason::AuditMismatch.as_str(), message, report.serving, facts)
    }

    fn recovered(&mut self, report: &Report, is_over: impl Fn(&Cause) -> bool) -> Option<Alert> {
        self.away = None;
        let told: BTreeSet<Cause> = self.told.extract_if(.., is_over).collect();
        if told.is_empty() {
            return None;
        }
        let over: BTreeSet<&str> = told.iter().map(|cause| cause.event.as_str()).collect();
        let message = format!("over: {}", over.iter().copied().collect::<Vec<_>>().join(", "));
        let facts = json!({ "reloadId": report.id.to_string(), "over": over });
        Some(self.alert("recovered", message, report.serving, facts))
    }

    /// Counts an alert, or suppresses it if there were too many; the next one reports how many.
    fn raise(&mut self, mut alert: Alert, now: Instant) -> Option<Alert> {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= HOUR;
        while self.raised.front().is_some_and(is_old) {
            self.raised.pop_front();
        }
        if self.raised.len() >= HOURLY {
            self.kept_back += 1;
            tracing::warn!(event = alert.event, "alert suppressed: there were many in this hour");
            return None;
        }
        self.raised.push_back(now);
        let kept_back = std::mem::take(&mut self.kept_back);
        if let (Value::Object(body), true) = (&mut alert.body, kept_back > 0) {
            body.insert("keptBack".into(), kept_back.into());
        }
        Some(alert)
    }

    fn alert(
        &self,
        event: &'static str,
        message: String,
        serving: CommitId,
        facts: Value,
    ) -> Alert {
        let mut body = json!({
            "event": event,
            "message": message,
            "time": wire::time(SystemTime::now()),
            "branch": self.branch,
            "remote": self.remote,
            "servingCommit": serving.to_string(),
        });
        if let (Value::Object(body), Value::Object(facts)) = (&mut body, facts) {
            body.extend(facts);
        }
        Alert { event, body }
    }
}

impl Cause {
    fn of(event: &str) -> Self {
        Self { event: event.to_owned(), held: None }
    }
}

/// Returns the name of a failure that needs a person. A request for something that has gone does
/// not.
fn event(kind: FailureKind) -> Option<&'static str> {
    use FailureKind::{LeaderChanged, NotHeld, NotPinnable, WrongRole};
    let asked_in_vain = [NotHeld, NotPinnable, LeaderChanged, WrongRole];
    (!asked_in_vain.contains(&kind)).then(|| wire::failure_code(kind).as_str())
}

/// Returns whether the remote or the leader could not be reached, which usually resolves itself.
fn is_away(kind: FailureKind) -> bool {
    use FailureKind::{CannotFollow, TimedOut, Unreachable};
    matches!(kind, Unreachable | TimedOut | CannotFollow)
}

/// Returns whether the state was rebuilt because it did not match its commit.
fn is_mismatch(reason: RebuildReason) -> bool {
    matches!(reason, RebuildReason::AuditMismatch | RebuildReason::DigestMismatch)
}

fn facts(error: &ReloadError, report: &Report) -> Value {
    let ReloadError::Held { held, .. } = error else {
        return json!({ "reloadId": report.id.to_string() });
    };
    let problems: Vec<_> = held.problems.iter().take(LISTED).map(wire::ProblemView::of).collect();
    let mut facts = json!({
        "reloadId": report.id.to_string(),
        "commit": held.commit.to_string(),
        "heldId": held.id.to_string(),
        "reason": held.reason.as_str(),
        "problems": problems,
        "problemsTotal": held.problems.len(),
    });
    if !held.excesses.is_empty() {
        facts["limits"] = held.excesses.iter().map(wire::excess_view).collect();
    }
    facts
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use headwater_engine::digest::Digest;
    use headwater_engine::engine::{HeldPush, Ledger, Role, Withheld};
    use headwater_engine::report::{ReloadOutcome, Timings};

    use super::*;

    pub(super) fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn report(result: Result<ReloadOutcome, ReloadError>) -> Report {
        Report {
            id: Ledger::new().reserve(),
            trigger: Trigger::Webhook,
            started: SystemTime::now(),
            duration: Duration::ZERO,
            serving: commit('a'),
            result,
        }
    }

    fn outcome(kind: OutcomeKind, remote_head: Option<CommitId>) -> Report {
        report(Ok(ReloadOutcome {
            kind,
            reason: None,
            old: commit('a'),
            new: commit('a'),
            timings: Timings::default(),
            changed: Default::default(),
            shown: Default::default(),
            redefined: Default::default(),
            digest: Digest::from_bytes([0; 32]),
            ahead: 0,
            fetched: remote_head.is_some(),
            remote_head,
            repeated: false,
            replayed: None,
            held: None,
        }))
    }

    pub(super) fn applied() -> Report {
        outcome(OutcomeKind::Applied, Some(commit('f')))
    }

    pub(super) fn held(digit: char, reason: HeldReason) -> Report {
        let held = HeldPush {
            id: Ledger::new().reserve(),
            commit: commit(digit),
            published: commit('a'),
            reason,
            since: SystemTime::now(),
            problems: Arc::new([]),
            excesses: Arc::new([]),
        };
        report(Err(ReloadError::Held { held, repeated: false }))
    }

    pub(super) fn diverged() -> Report {
        let [ours, theirs] = [1, 2].map(|byte| Digest::from_bytes([byte; 32]));
        let error = ReloadError::ReplicaDiverged { commit: commit('b'), ours, theirs };
        Report { trigger: Trigger::Follow, ..report(Err(error)) }
    }

    pub(super) fn missing() -> Report {
        report(Err(ReloadError::BranchMissing { branch: "main".into() }))
    }

    pub(super) fn away() -> Report {
        let error = headwater_engine::mirror::FetchError::Unreachable {
            remote: "https://host.org/data.git".into(),
            message: String::new(),
            retry_after: None,
            source: "no route".into(),
        };
        report(Err(ReloadError::Fetch(error)))
    }

    /// Rules, a clock, and the alerts that were raised.
    pub(super) struct Desk {
        pub(super) rules: AlertRules,
        now: Instant,
    }

    impl Desk {
        pub(super) fn new() -> Self {
            let patience = Duration::from_secs(300);
            let remote = Some("https://host.org/data.git".into());
            Self { rules: AlertRules::new("main".into(), remote, patience), now: Instant::now() }
        }

        pub(super) fn events(&mut self, report: &Report) -> Vec<&'static str> {
            self.rules.consider(report, self.now).iter().map(|alert| alert.event).collect()
        }

        pub(super) fn pushed(&mut self, report: &PushReport) -> Vec<&'static str> {
            let alerts = self.rules.consider_push(report, self.now);
            alerts.iter().map(|alert| alert.event).collect()
        }

        pub(super) fn later(&mut self, seconds: u64) -> Vec<&'static str> {
            self.now += Duration::from_secs(seconds);
            self.rules.look(self.now).iter().map(|alert| alert.event).collect()
        }
    }

    #[test]
    fn what_keeps_a_replica_from_following_is_over_once_it_follows() {
        let followed =
            || Report { trigger: Trigger::Follow, ..outcome(OutcomeKind::Applied, None) };
        let failed = |error| Report { trigger: Trigger::Follow, ..report(Err(error)) };
        let lost = || ReloadError::CannotFollow { commit: commit('b'), source: None };
        let mut desk = Desk::new();
        assert_eq!(desk.events(&failed(lost())), [""; 0]);
        assert_eq!(desk.later(200), [""; 0], "the leader may be back soon");
        assert_eq!(desk.events(&followed()), [""; 0]);
        assert_eq!(desk.later(200), [""; 0]);
        assert_eq!(desk.events(&failed(lost())), [""; 0]);
        assert_eq!(desk.later(301), ["cannot_follow"]);
        assert_eq!(desk.events(&diverged()), ["replica_diverged"]);
        assert_eq!(desk.events(&diverged()), [""; 0]);
        assert_eq!(desk.events(&missing()), ["branch_missing"]);
        let over = desk.rules.consider(&followed(), desk.now);
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].body["over"], json!(["cannot_follow", "replica_diverged"]));
        assert_eq!(desk.events(&applied()), ["recovered"], "the branch is another matter");
        for error in [
            ReloadError::Withheld(Withheld::LeaderChanged),
            ReloadError::NotLeading { role: Role::Following },
            ReloadError::NotFollowing { role: Role::Leading },
        ] {
            assert_eq!(desk.events(&failed(error)), [""; 0]);
        }
    }

    #[test]
    fn a_state_that_an_audit_mended_is_told_of_each_time() {
        let mut desk = Desk::new();
        for reason in [RebuildReason::AuditMismatch, RebuildReason::DigestMismatch] {
            let mut report = outcome(OutcomeKind::Rebuilt, None);
            if let Ok(outcome) = &mut report.result {
                outcome.reason = Some(reason);
            }
            assert_eq!(desk.events(&report), ["audit_mismatch"]);
            assert_eq!(desk.events(&report), ["audit_mismatch"]);
        }
        assert_eq!(desk.events(&applied()), [""; 0], "no cause can end");
    }

    #[test]
    fn a_held_head_is_told_once_and_the_next_head_again() {
        let mut desk = Desk::new();
        let first = desk.rules.consider(&held('b', HeldReason::Refused), desk.now);
        assert_eq!(first[0].event, "push_refused");
        assert_eq!(first[0].body["commit"], commit('b').to_string());
        assert_eq!(desk.events(&held('b', HeldReason::Refused)), [""; 0]);
        assert_eq!(desk.events(&held('c', HeldReason::Diverged)), ["diverged"]);
    }

    #[test]
    fn what_was_told_is_told_to_be_over_once() {
        let mut desk = Desk::new();
        assert_eq!(desk.events(&applied()), [""; 0]);
        assert_eq!(desk.events(&missing()), ["branch_missing"]);
        assert_eq!(desk.events(&missing()), [""; 0]);
        assert_eq!(
            desk.events(&outcome(OutcomeKind::Rebuilt, None)),
            [""; 0],
            "the remote was not asked"
        );
        let over = desk.rules.consider(&applied(), desk.now);
        assert_eq!(
            (over[0].event, &over[0].body["over"]),
            ("recovered", &json!(["branch_missing"]))
        );
        assert_eq!(desk.events(&applied()), [""; 0]);
        assert_eq!(desk.events(&missing()), ["branch_missing"]);
    }

    #[test]
    fn a_remote_that_is_away_is_told_of_when_that_lasts() {
        let mut desk = Desk::new();
        assert_eq!(desk.events(&away()), [""; 0]);
        assert_eq!(desk.later(299), [""; 0]);
        assert_eq!(desk.events(&away()), [""; 0], "the first failure counts");
        assert_eq!(desk.rules.deadline(), Some(desk.now + Duration::from_secs(1)));
        assert_eq!(desk.later(1), ["fetch_failed"]);
        assert_eq!(desk.events(&away()), [""; 0]);
        assert_eq!(desk.later(1_000), [""; 0]);
        assert_eq!(desk.events(&applied()), ["recovered"]);
    }

    #[test]
    fn a_remote_that_comes_back_in_time_is_not_told_of() {
        let mut desk = Desk::new();
        assert_eq!(desk.events(&away()), [""; 0]);
        assert_eq!(desk.events(&applied()), [""; 0]);
        assert_eq!(desk.later(1_000), [""; 0]);
        assert_eq!(desk.rules.deadline(), None);
    }

    #[test]
    fn a_push_that_a_pin_holds_is_told_once() {
        let mut desk = Desk::new();
        let pinned = || outcome(OutcomeKind::Held, Some(commit('f')));
        assert_eq!(desk.events(&pinned()), ["pinned"]);
        assert_eq!(desk.events(&pinned()), [""; 0]);
        assert_eq!(desk.events(&applied()), ["recovered"]);
    }

    #[test]
    fn an_hour_has_so_many_alerts_and_the_next_tells_how_many_were_kept_back() {
        let mut desk = Desk::new();
        let raised = (0..50).flat_map(|round| match round % 2 {
            0 => desk.events(&missing()),
            _ => desk.events(&applied()),
        });
        assert_eq!(raised.count(), HOURLY);
        desk.now += HOUR;
        let next = desk.rules.consider(&missing(), desk.now);
        assert_eq!(next[0].body["keptBack"], 50 - HOURLY);
    }

    #[test]
    fn asking_for_what_is_gone_is_no_alert() {
        let id = Ledger::new().reserve();
        let mut desk = Desk::new();
        assert_eq!(desk.events(&report(Err(ReloadError::NotHeld { id }))), [""; 0]);
        let commit = commit('b');
        assert_eq!(desk.events(&report(Err(ReloadError::NeverServed { commit }))), [""; 0]);
    }

    #[test]
    fn a_file_of_tokens_that_cannot_be_used_is_told_once_and_told_to_be_over() {
        let mut desk = Desk::new();
        let mut events = |trouble: Option<&str>| -> Vec<&'static str> {
            let alerts = desk.rules.consider_access(trouble, commit('a'), desk.now);
            alerts.iter().map(|alert| alert.event).collect()
        };
        assert_eq!(events(None), [""; 0]);
        assert_eq!(events(Some("access.toml:3: `name` is missing")), ["access_refused"]);
        assert_eq!(events(Some("access.toml:4: `name` is missing")), [""; 0]);
        assert_eq!(events(None), ["recovered"]);
        assert_eq!(events(Some("access.toml:3: `name` is missing")), ["access_refused"]);
    }

    #[test]
    fn what_is_wrong_with_the_cluster_is_told_once_and_told_to_be_over() {
        let mut desk = Desk::new();
        let mut events = |troubles: &[ClusterTrouble]| -> Vec<&'static str> {
            let troubles = troubles.iter().copied().collect();
            let alerts = desk.rules.consider_cluster(troubles, commit('a'), desk.now);
            alerts.iter().map(|alert| alert.event).collect()
        };
        use ClusterTrouble::{Behind, NoLeader, OtherSecret};
        assert_eq!(events(&[]), [""; 0]);
        assert_eq!(events(&[NoLeader, Behind]), ["no_leader", "replica_behind"]);
        assert_eq!(events(&[NoLeader, Behind]), [""; 0]);
        assert_eq!(events(&[Behind, OtherSecret]), ["cluster_secret", "recovered"]);
        assert_eq!(events(&[]), ["recovered", "recovered"]);
    }

    #[test]
    fn slack_gets_one_text_without_marks_of_its_own() {
        let body = json!({
            "branch": "main",
            "message": "a <b> & c",
            "servingCommit": "f00",
            "heldId": "1-2",
            "problems": [{ "path": "people/a.toml", "line": 3, "message": "no value" }],
        });
        let slack = Alert { event: "push_refused", body }.slack();
        let expected = "*headwater: push_refused* on `main`: a &lt;b&gt; &amp; c\nserving `f00`\n\
                        • `people/a.toml:3` no value\n`headwater apply 1-2` publishes it";
        assert_eq!(slack, json!({ "text": expected }));
    }
}
