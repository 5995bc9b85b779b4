//! The metrics of `/metrics`: counters of requests, credentials and reloads, and gauges that are
//! read from the state and the process on each request.

mod callers;
mod cluster;
mod credentials;
mod exposition;
mod process;
mod pushes;
mod reloads;
mod requests;
mod gauges;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headwater_engine::engine::{EngineStatus, PushReport, Report};
use headwater_engine::snapshot::Snapshot;

use self::callers::Callers;
use self::credentials::Credentials;
use self::exposition::gauge;
use self::pushes::Pushes;
use self::reloads::Reloads;
use self::requests::Requests;
use crate::access::CallerId;
use crate::cluster::member::ClusterView;
use crate::config::Match;
use crate::hook::Ignored;
use crate::wire::Code;

pub use self::callers::CallerOutcome;
pub use self::gauges::Audience;
pub use self::requests::RouteClass;

/// Counters since the process began.
pub struct Metrics {
    requests: Requests,
    reloads: Mutex<Reloads>,
    pushes: Mutex<Pushes>,
    credentials: Mutex<Credentials>,
    callers: Mutex<Callers>,
}

impl Default for Metrics {
    fn default() -> Self {
        process::begin();
        Self {
            requests: Requests::default(),
            reloads: Mutex::default(),
            pushes: Mutex::default(),
            credentials: Mutex::default(),
            callers: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts a request.
    pub fn request(&self, class: RouteClass, status: u16, duration: Duration) {
        self.requests.answered(class, status, duration);
    }

    /// Counts a webhook that was ignored.
    pub fn ignored(&self, reason: Ignored) {
        whole(&self.reloads).ignored(reason);
    }

    /// Counts a webhook of `sender` that was answered with `result`.
    pub fn delivery(&self, sender: &'static str, result: &'static str) {
        whole(&self.reloads).delivered(sender, result);
    }

    /// Counts a correct credential.
    pub fn credential_accepted(&self, matched: Match) {
        whole(&self.credentials).accepted(matched);
    }

    /// Counts a call without a credential, or with a wrong one.
    pub fn credential_refused(&self, code: Code) {
        whole(&self.credentials).refused(code);
    }

    /// Counts a request of a caller.
    pub fn caller_sent(&self, caller: &CallerId, outcome: CallerOutcome) {
        whole(&self.callers).sent(caller, outcome);
    }

    /// Counts a finished reload.
    pub fn reload(&self, report: &Report) {
        whole(&self.reloads).done(report);
    }

    /// Counts an attempted push.
    pub fn push(&self, report: &PushReport) {
        whole(&self.pushes).tried(report);
    }

    /// Writes everything that `audience` may see in the text format of Prometheus. Before the first
    /// load there is no state. Only a replica has a cluster.
    pub fn render(
        &self,
        state: Option<(&Snapshot, &EngineStatus)>,
        cluster: Option<&ClusterView>,
        audience: Audience,
    ) -> String {
        let mut out = String::new();
        self.requests.render(&mut out);
        whole(&self.reloads).render(&mut out);
        whole(&self.pushes).render(&mut out);
        whole(&self.credentials).render(&mut out);
        if audience == Audience::Operator {
            whole(&self.callers).render(&mut out);
        }
        process::render(&mut out);
        let ready = u8::from(state.is_some());
        gauge(&mut out, "headwater_ready", "Whether a snapshot is published.", ready);
        if let Some((snapshot, status)) = state {
            gauges::render(&mut out, snapshot, status, audience);
        }
        if let Some(view) = cluster {
            cluster::render(&mut out, view);
        }
        out
    }
}

/// Locks counters. They are consistent after every statement, so a poisoned lock holds usable ones.
fn whole<T>(counters: &Mutex<T>) -> MutexGuard<'_, T> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_state_has_metrics() {
        let text = Metrics::default().render(None, None, Audience::Public);
        for line in ["headwater_ready 0", "headwater_build_info{version=\"0.1.0\"} 1"] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
    }
}
