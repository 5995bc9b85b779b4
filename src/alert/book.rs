//! Which reports are news for a person.

use std::collections::BTreeSet;

use headwater_engine::engine::{FailureKind, ReloadError, Report};
use headwater_engine::id::CommitId;
use serde_json::{Value, json};

use crate::http::view;

/// How many problems an alert lists.
const LISTED: usize = 20;

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What happened, the same name that the API uses.
    pub event: &'static str,
    /// The body of the POST.
    pub body: Value,
}

/// Remembers what was told, so that each cause is told once.
#[derive(Debug)]
pub struct AlertBook {
    branch: String,
    remote: Option<String>,
    told: BTreeSet<Cause>,
}

/// What is told once: a head that is held, or a kind of failure until a reload succeeds again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Held(CommitId),
    Failure(&'static str),
}

impl AlertBook {
    /// Returns an empty book about `branch`; `remote` is its address without credentials.
    pub fn new(branch: String, remote: Option<String>) -> Self {
        Self { branch, remote, told: BTreeSet::new() }
    }

    /// Returns the alert about a first state that has problems, because there was nothing to
    /// compare it with.
    pub fn degraded(&self, serving: CommitId, problems: usize) -> Alert {
        let message = format!("the first state has {problems} problems and is served");
        let facts = json!({ "commit": serving.to_string(), "problemsTotal": problems });
        self.alert("degraded", message, serving, facts)
    }

    /// Returns the alert about `report` if it is news.
    pub fn consider(&mut self, report: &Report) -> Option<Alert> {
        let error = match &report.result {
            Err(error) => error,
            Ok(outcome) => {
                // A rebuild without the remote heals nothing of what was told about it.
                if outcome.remote_head.is_some() {
                    self.told.clear();
                }
                return None;
            }
        };
        let event = event(error.kind())?;
        let cause = match error {
            ReloadError::Held { held, .. } => Cause::Held(held.commit),
            _ => Cause::Failure(event),
        };
        let facts = facts(error, report);
        self.told.insert(cause).then(|| self.alert(event, error.to_string(), report.serving, facts))
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
            "time": view::time(std::time::SystemTime::now()),
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

/// Returns the name of a failure that needs a person; a call that asks for what is gone does not.
fn event(kind: FailureKind) -> Option<&'static str> {
    let asked_in_vain = [FailureKind::NotHeld, FailureKind::NotPinnable];
    (!asked_in_vain.contains(&kind)).then(|| view::failure_code(kind).as_str())
}

fn facts(error: &ReloadError, report: &Report) -> Value {
    let ReloadError::Held { held, .. } = error else {
        return json!({ "reloadId": report.id.to_string() });
    };
    let problems: Vec<_> = held.problems.iter().take(LISTED).map(view::ProblemView::of).collect();
    json!({
        "reloadId": report.id.to_string(),
        "commit": held.commit.to_string(),
        "heldId": held.id.to_string(),
        "problems": problems,
        "problemsTotal": held.problems.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use headwater_engine::engine::{Held, HeldReason, Ledger};

    use super::*;

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn failed(error: ReloadError) -> Report {
        Report {
            id: Ledger::new().reserve(),
            trigger: headwater_engine::report::Trigger::Webhook,
            started: SystemTime::now(),
            duration: Duration::ZERO,
            serving: commit('a'),
            result: Err(error),
        }
    }

    fn held(digit: char, reason: HeldReason) -> Report {
        let id = Ledger::new().reserve();
        let held = Held {
            id,
            commit: commit(digit),
            published: commit('a'),
            reason,
            since: SystemTime::now(),
            problems: Arc::new([]),
            excesses: Arc::new([]),
        };
        failed(ReloadError::Held { held, repeated: false })
    }

    fn missing() -> Report {
        failed(ReloadError::BranchMissing { branch: "main".into() })
    }

    fn book() -> AlertBook {
        AlertBook::new("main".into(), Some("https://host.org/data.git".into()))
    }

    #[test]
    fn a_held_head_is_told_once_and_the_next_head_again() {
        let mut book = book();
        let first = book.consider(&held('b', HeldReason::Refused)).unwrap();
        assert_eq!(first.event, "push_refused");
        assert_eq!(first.body["commit"], commit('b').to_string());
        assert_eq!(book.consider(&held('b', HeldReason::Refused)), None);
        let next = book.consider(&held('c', HeldReason::Diverged)).unwrap();
        assert_eq!(next.event, "diverged");
    }

    #[test]
    fn a_kind_of_failure_is_told_once_until_a_reload_succeeds() {
        let mut book = book();
        assert_eq!(book.consider(&missing()).map(|alert| alert.event), Some("branch_missing"));
        assert_eq!(book.consider(&missing()), None);
        book.told.clear();
        assert!(book.consider(&missing()).is_some());
    }

    #[test]
    fn asking_for_what_is_gone_is_no_alert() {
        let id = Ledger::new().reserve();
        assert_eq!(book().consider(&failed(ReloadError::NotHeld { id })), None);
    }
}
