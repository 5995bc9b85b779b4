//! What is news about pushes, and about commits that the branch could not keep.

use std::time::Instant;

use headwater_engine::engine::PushReport;
use headwater_engine::id::CommitId;
use headwater_engine::report::Kept;
use serde_json::{Value, json};

use super::{Alert, AlertBook};
use crate::exit::chain;
use crate::http::view;

/// The event of a push that does not go through.
const FAILED: &str = "push_failed";
/// The event of one that does again.
const RECOVERED: &str = "push_recovered";
/// The event of commits that are on a branch of their own now.
const CONFLICT: &str = "conflict";

/// The push that does not go through.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// Since when, by the clock that does not jump.
    since: Option<Instant>,
    told: bool,
}

impl AlertBook {
    /// Returns what is news in a push that was tried, which is heard of at `now`.
    ///
    /// What may be over soon is told of once it has lasted; what somebody has to mend, at once.
    pub fn consider_push(&mut self, report: &PushReport, now: Instant) -> Vec<Alert> {
        let facts = json!({
            "unpushed": report.unpushed,
            "unpushedSince": report.since.map(view::time),
        });
        let alert = match &report.result {
            Ok(()) => {
                let told = std::mem::take(&mut self.stuck).told;
                let message = "commits of ours can be pushed again".to_owned();
                told.then(|| self.alert(RECOVERED, message, report.commit, facts))
            }
            Err(failure) => {
                let since = *self.stuck.since.get_or_insert(now);
                let lasts = now.saturating_duration_since(since) >= self.patience;
                let is_news = !self.stuck.told && (lasts || !failure.kind().is_passing());
                self.stuck.told |= is_news;
                is_news.then(|| {
                    let message = chain(failure);
                    let mut alert = self.alert(FAILED, message, report.commit, facts);
                    alert.body["reason"] = failure.kind().as_str().into();
                    alert
                })
            }
        };
        alert.and_then(|alert| self.raise(alert, now)).into_iter().collect()
    }

    /// Returns the alert about commits of ours that the remote's changes overruled.
    pub(super) fn conflict(&self, kept: &Kept, serving: CommitId) -> Alert {
        let fields: Vec<Value> = kept
            .lost
            .iter()
            .map(|lost| json!({ "path": lost.path, "pointer": lost.pointer }))
            .collect();
        let why = match kept.lost.is_empty() {
            true => "commits of ours were not on the remote",
            false => "both sides changed the same",
        };
        let message = format!(
            "{why}: {} is kept as {}, and the remote's version is served",
            kept.commit,
            kept.reference.trim_start_matches("refs/heads/"),
        );
        let facts = json!({
            "keptCommit": kept.commit.to_string(),
            "keptBranch": kept.reference.trim_start_matches("refs/heads/"),
            "lost": fields,
            "lostTotal": kept.lost.len(),
        });
        self.alert(CONFLICT, message, serving, facts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater_engine::engine::PushFailure;
    use headwater_engine::mirror::PushError;
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

    fn book() -> AlertBook {
        AlertBook::new("main".into(), None, PATIENCE)
    }

    fn events(alerts: Vec<Alert>) -> Vec<&'static str> {
        alerts.into_iter().map(|alert| alert.event).collect()
    }

    #[test]
    fn what_somebody_has_to_mend_is_told_at_once_and_once() {
        let (mut book, now) = (book(), Instant::now());
        let alerts = book.consider_push(&refused(), now);
        assert_eq!(alerts[0].body["reason"], "refused");
        assert_eq!(alerts[0].body["unpushed"], 3);
        assert_eq!(events(alerts), [FAILED]);
        assert!(book.consider_push(&refused(), now).is_empty());
        assert_eq!(events(book.consider_push(&report(None), now)), [RECOVERED]);
        assert!(book.consider_push(&report(None), now).is_empty());
    }

    #[test]
    fn a_remote_that_is_away_is_told_of_once_that_has_lasted() {
        let (mut book, now) = (book(), Instant::now());
        assert!(book.consider_push(&away(), now).is_empty());
        assert!(book.consider_push(&away(), now + PATIENCE / 2).is_empty());
        assert_eq!(events(book.consider_push(&away(), now + PATIENCE)), [FAILED]);
        assert!(book.consider_push(&away(), now + PATIENCE * 2).is_empty());
        book.consider_push(&report(None), now + PATIENCE * 3);
        assert!(book.consider_push(&away(), now + PATIENCE * 4).is_empty());
    }

    #[test]
    fn a_conflict_names_every_field_that_is_lost() {
        let lost = |pointer: &str| LostField { path: "a.toml".into(), pointer: pointer.into() };
        let kept = Kept {
            reference: "refs/heads/conflicts/x".into(),
            commit: CommitId::from_bytes([9; 20]),
            lost: vec![lost("/a"), lost("/b")],
        };
        let alert = book().conflict(&kept, CommitId::from_bytes([7; 20]));
        assert_eq!(alert.body["keptBranch"], "conflicts/x");
        assert_eq!(alert.body["lost"][1], json!({ "path": "a.toml", "pointer": "/b" }));
    }
}
