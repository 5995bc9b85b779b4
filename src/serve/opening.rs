//! The first load, and the work that starts with it.
//!
//! If there is nothing else to serve, it waits for an unreachable remote. A damaged mirror is moved
//! aside and cloned again. It is kept, because it may hold commits that nobody else has.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_engine::engine::{Engine, EngineConfig, Ledger, OpenError, RequestKind};
use headwater_engine::report::Trigger;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cluster::{self, Joined};
use crate::alert::{AlertRules, FirstState, Pager};
use crate::backoff::Backoff;
use crate::exit::{Exit, chain};
use crate::feed::Feed;
use crate::live::Live;

/// The first and the longest wait before an unreachable remote is tried again.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// The shortest silence after which a remote is given up.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);

/// The progress of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Startup {
    /// The records are being loaded.
    Loading,
    /// The first snapshot is published.
    Ready,
    /// The repository cannot be served: the exit code, and why.
    Failed(Exit, String),
}

/// The inputs of the first load, and the parts that it starts.
pub(super) struct Opening {
    pub(super) live: Arc<Live>,
    pub(super) feed: Arc<Feed>,
    pub(super) pager: Pager,
    /// How long the remote may be unreachable before an alert.
    pub(super) patience: Duration,
    /// How long to wait for a remote if there is nothing else to serve.
    pub(super) init_timeout: Duration,
    pub(super) stop: CancellationToken,
    pub(super) sender: watch::Sender<Startup>,
    /// The cluster, if this is a replica.
    pub(super) joined: Option<Joined>,
}

impl Opening {
    pub(super) async fn run(mut self, config: EngineConfig, ledger: Arc<Ledger>) {
        let stop = self.stop.clone();
        let opened = tokio::select! {
            opened = self.open(config, ledger) => opened,
            () = stop.cancelled() => return,
        };
        let state = match opened {
            Ok(engine) => {
                self.opened(engine);
                Startup::Ready
            }
            Err(failed) => failed,
        };
        // The receiver is gone if the server was stopped meanwhile.
        let _ = self.sender.send(state);
    }

    /// Opens the engine, retrying as often as necessary.
    async fn open(&mut self, config: EngineConfig, ledger: Arc<Ledger>) -> Result<Engine, Startup> {
        if let Some(joined) = &self.joined {
            let known = cluster::wait_for_the_register(&joined.member).await;
            known.map_err(|failure| Startup::Failed(failure.exit, failure.to_string()))?;
        }
        let until = Instant::now() + self.init_timeout;
        let mut pauses = PAUSES;
        let mut is_mended = false;
        loop {
            let (mut attempt, ledger) = (config.clone(), ledger.clone());
            // A remote that accepts the connection and says nothing is unreachable, too.
            let left = until.saturating_duration_since(Instant::now()).max(SHORTEST_SILENCE);
            attempt.fetch.stall = attempt.fetch.stall.min(left);
            attempt.first = self.joined.as_mut().and_then(|joined| joined.link.first());
            let opened = tokio::task::spawn_blocking(move || Engine::open(attempt, ledger)).await;
            let error = match opened {
                Ok(Ok(engine)) => return Ok(engine),
                Ok(Err(error)) => error,
                Err(panic) => {
                    return Err(Startup::Failed(Exit::Software, format!("cannot load: {panic}")));
                }
            };
            if error.is_remote_away() && Instant::now() + pauses.next() <= until {
                tracing::warn!(error = chain(&error), "waiting for the remote");
                tokio::time::sleep(pauses.take()).await;
            } else if error.is_damage() && config.remote.is_some() && !is_mended {
                let aside = set_aside(&config.repo).map_err(|why| {
                    failed(&error, &format!(", and cannot be moved aside: {why}"))
                })?;
                tracing::error!(
                    error = chain(&error), aside = %aside.display(),
                    "the mirror is damaged; it was moved aside and is cloned again"
                );
                is_mended = true;
            } else {
                return Err(failed(&error, ""));
            }
        }
    }

    fn opened(&mut self, engine: Engine) {
        let (snapshot, status) = (engine.snapshot(), engine.status());
        let commit = snapshot.commit();
        tracing::info!(
            branch = status.branch, %commit, records = snapshot.records(),
            problems = snapshot.problem_count(), "ready"
        );
        let rules = AlertRules::new(status.branch.clone(), status.remote.clone(), self.patience);
        let problems = snapshot.problem_count();
        self.pager.opened(rules, status.degraded.then_some(FirstState { commit, problems }));
        drop(snapshot);
        self.feed.begin(commit);
        self.live.opened(engine);
        match self.joined.take() {
            Some(joined) => {
                let watching = cluster::watch(
                    joined.member,
                    self.live.clone(),
                    self.pager.clone(),
                    self.stop.clone(),
                );
                tokio::spawn(watching);
                tokio::spawn(joined.link.run());
            }
            // A push may have come while the server was down.
            None => drop(self.live.submit(RequestKind::Reload, Trigger::Boot)),
        }
    }
}

fn failed(error: &OpenError, behind: &str) -> Startup {
    Startup::Failed(Exit::from(error), format!("{}{behind}", chain(error)))
}

/// Renames the repository within its folder.
fn set_aside(repo: &Path) -> std::io::Result<PathBuf> {
    let format =
        format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    let now = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
    let mut aside = repo.as_os_str().to_owned();
    aside.push(format!(".damaged-{now}"));
    std::fs::rename(repo, &aside)?;
    Ok(aside.into())
}
