//! Decides what is news about pushes, and about commits that the branch could not keep.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use headwater_engine::engine::PushReport;
use headwater_engine::report::KeptCommits;
use serde_json::{Value, json};

use crate::exit::chain;
use crate::wire;

/// The event of failing pushes.
const FAILED: &str = "push_failed";
/// The event of a push that succeeds again.
const RECOVERED: &str = "push_recovered";
/// The event of commits that were moved to a branch of their own.
const CONFLICT: &str = "conflict";

/// The content of an alert, besides what every alert has.
#[derive(Debug)]
pub(super) struct News {
    pub(super) event: &'static str,
    pub(super) message: String,
    pub(super) facts: Value,
}

/// Remembers that pushes are failing.
#[derive(Debug, Default)]
pub(super) struct PushRule {
    /// Since when, by the monotonic clock.
    since: Option<Instant>,
    told: bool,
}

impl PushRule {
    /// Returns the event that was told and not that it is over.
    pub(super) fn open(&self) -> Option<&'static str> {
        self.told.then_some(FAILED)
    }

    /// Takes `told` for what was told.
    pub(super) fn adopt(&mut self, told: &BTreeSet<String>) {
        *self = Self { since: None, told: told.contains(FAILED) };
    }

    /// Returns the news in an attempted push, which was reported at `now`.
    ///
    /// A failure that may pass by itself is reported once it has lasted for `patience`; one that
    /// somebody has to repair, at once.
    pub(super) fn consider(
        &mut self,
        report: &PushReport,
        patience: Duration,
        now: Instant,
    ) -> Option<News> {
        let mut facts = json!({
            "unpushed": report.unpushed,
            "unpushedSince": report.since.map(wire::time),
        });
        match &report.result {
            Ok(()) => {
                let told = std::mem::take(self).told;
                let message = "our commits can be pushed again".to_owned();
                told.then_some(News { event: RECOVERED, message, facts })
            }
            Err(failure) => {
                let since = *self.since.get_or_insert(now);
                let lasts = now.saturating_duration_since(since) >= patience;
                let is_news = !self.told && (lasts || !failure.kind().is_passing());
                self.told |= is_news;
                facts["reason"] = failure.kind().as_str().into();
                is_news.then(|| News { event: FAILED, message: chain(failure), facts })
            }
        }
    }
}

/// Returns the news about commits of ours, some of which the changes of the remote overruled.
pub(super) fn conflict(kept: &KeptCommits) -> News {
    let fields: Vec<Value> = kept
        .lost
        .iter()
        .map(|lost| json!({ "path": lost.path, "pointer": lost.pointer.as_str() }))
        .collect();
    let why = match kept.lost.is_empty() {
        true => "the remote lacked commits of ours",
        false => "both sides changed the same fields",
    };
    let branch = kept.reference.trim_start_matches("refs/heads/");
    let message =
        format!("{why}: {} is kept as {branch}, and the remote's version is served", kept.commit);
    let facts = json!({
        "keptCommit": kept.commit.to_string(),
        "keptBranch": branch,
        "lost": fields,
        "lostTotal": kept.lost.len(),
    });
    News { event: CONFLICT, message, facts }
}

#[cfg(test)]
mod tests {
    use headwater_engine::engine::PushFailure;
    use headwater_engine::id::CommitId;
    use headwater_engine::mirror::PushError;
    use headwater_engine::pointer::Pointer;
    use headwater_engine::report::LostField;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    fn report(error: Option<PushError>) -> PushReport {
        PushReport {
            commit: CommitId::from_bytes([7; 20]),
            duration: Duration::ZERO,
            unpushed: 3,
            since: None,
            result: error.map_or(Ok(()), |error| Err(PushFailure::Remote(error))),
        }
    }

    fn away() -> PushReport {
        report(Some(PushError::TimedOut { remote: "r".into() }))
    }

    fn refused() -> PushReport {
        report(Some(PushError::Refused { remote: "r".into(), message: "no".into() }))
    }

    fn event(news: Option<News>) -> Option<&'static str> {
        news.map(|news| news.event)
    }

    #[test]
    fn what_somebody_has_to_mend_is_told_at_once_and_once() {
        let (mut rule, now) = (PushRule::default(), Instant::now());
        let mut consider = |report| rule.consider(&report, PATIENCE, now);
        let news = consider(refused()).unwrap();
        assert_eq!(news.facts["reason"], "refused");
        assert_eq!(news.facts["unpushed"], 3);
        assert_eq!(news.event, FAILED);
        assert_eq!(event(consider(refused())), None);
        assert_eq!(event(consider(report(None))), Some(RECOVERED));
        assert_eq!(event(consider(report(None))), None);
    }

    #[test]
    fn a_remote_that_is_away_is_told_of_once_that_has_lasted() {
        let (mut rule, now) = (PushRule::default(), Instant::now());
        let mut consider = |report, after| event(rule.consider(&report, PATIENCE, now + after));
        assert_eq!(consider(away(), Duration::ZERO), None);
        assert_eq!(consider(away(), PATIENCE / 2), None);
        assert_eq!(consider(away(), PATIENCE), Some(FAILED));
        assert_eq!(consider(away(), PATIENCE * 2), None);
        consider(report(None), PATIENCE * 3);
        assert_eq!(consider(away(), PATIENCE * 4), None);
    }

    #[test]
    fn a_conflict_names_every_field_that_is_lost() {
        let lost = |name: &str| LostField { path: "a.toml".into(), pointer: Pointer::of([name]) };
        let kept = KeptCommits {
            reference: "refs/heads/conflicts/x".into(),
            commit: CommitId::from_bytes([9; 20]),
            lost: vec![lost("a"), lost("b")],
        };
        let news = conflict(&kept);
        assert_eq!(news.facts["keptBranch"], "conflicts/x");
        assert_eq!(news.facts["lost"][1], json!({ "path": "a.toml", "pointer": "/b" }));
    }
}
