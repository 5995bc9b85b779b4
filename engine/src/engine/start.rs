//! Starts an engine: opens the repository, connects the components, and starts their threads.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::Engine;
use super::branch_watch::{Watch, WatchWorker};
use super::config::EngineConfig;
use super::dry_run::DryRuns;
use super::error::OpenError;
use super::following::Following;
use super::held_pushes::Holds;
use super::historical_states::HistoricalStates;
use super::hold_reason::Pinned;
use super::ledger::Ledger;
use super::locks::{Lock, Rank};
use super::maintenance::Maintenance;
use super::maintenance::worker::MaintenanceWorker;
use super::open::{Opened, open};
use super::preview::Previews;
use super::publish_turn::Writer;
use super::published_history::PublishedHistory;
use super::publisher::Publisher;
use super::push::queue::PushQueue;
use super::push::report::PushStatus;
use super::push::worker::PushWorker;
use super::refused_heads::RefusedHeads;
use super::reload_queue::ReloadQueue;
use super::reload_worker::ReloadWorker;
use super::reloader::Reloader;
use super::remote_view::RemoteView;
use super::role::CurrentRole;
use super::schedule::Intervals;
use super::states::States;
use super::status::EngineStatus;
use super::status::StatusBoard;
use super::write_gate::WriteGate;
use super::write_queue::WriteQueue;
use super::write_worker::WriteWorker;
use crate::admit::refusable;
use crate::cache::Cache;

impl Engine {
    /// Opens the repository, or clones it, and publishes the head of the branch.
    ///
    /// The returned engine serves a complete state: there is no half-loaded one. A local head is
    /// served without asking the remote, so that a server starts while its remote is away; request
    /// a reload next. Blocks until the state is loaded.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Content is never an error: broken records are problems of the state.
    pub fn open(config: EngineConfig, ledger: Arc<Ledger>) -> Result<Self, OpenError> {
        let Opened { repository, snapshot, reason, pinned, cache, rewrites, is_bare } =
            open(&config)?;
        let committer = config.writes.filter(|_| is_bare);
        let pushes = config.push && committer.is_some() && repository.remote.is_some();
        // What others write, another replica knows.
        let knows_remote = repository.remote.is_some() && config.role.decides();
        let is_watched = config.watch && repository.remote.is_none();
        let rewrites = config.rewrites.unwrap_or(rewrites);
        let role = Arc::new(CurrentRole::new(config.role));
        let status = StatusBoard::new(EngineStatus {
            role: config.role,
            branch: repository.branch.clone(),
            remote: repository.remote.as_ref().map(|remote| remote.to_string()),
            remote_head: None,
            fetched_at: None,
            behind_since: None,
            ahead: if knows_remote { repository.unpushed() } else { 0 },
            push: PushStatus { active: pushes && config.role.decides(), ..PushStatus::default() },
            held: None,
            pinned: pinned.map(|commit| Pinned { commit, since: SystemTime::now() }),
            retained: 0,
            alive: 1,
            last: None,
            degraded: refusable(&snapshot),
            opened: reason,
            branch_missing: false,
            remote_empty: false,
            head_elsewhere: None,
            published_at: SystemTime::now(),
        });
        let (repository, status) = (Arc::new(repository), Arc::new(status));
        let states = Arc::new(States::new(snapshot));
        let maintenance = Arc::new(Maintenance::new());
        let intervals = Intervals { poll: config.poll_interval, audit: config.audit_interval };
        let previews = Previews::new(config.previews, maintenance.clone());
        let lineage = Arc::new(PublishedHistory::new());
        let writes = Arc::new(WriteQueue::new(committer.is_some()));
        let writer = Arc::new(Writer::new(committer, config.durability, role.clone()));
        let unpushed_limit = config.unpushed_limit;
        let gate = Arc::new(WriteGate { status: status.clone(), unpushed_limit });
        let mut engine = Self {
            publisher: Arc::new(Publisher::new(
                repository.clone(),
                states.clone(),
                status.clone(),
                role.clone(),
                config.consent,
                config.publication_observer,
            )),
            dry_runs: DryRuns {
                repository: repository.clone(),
                states: states.clone(),
                writer: writer.clone(),
                role: role.clone(),
                gate: gate.clone(),
                load: config.load.clone(),
            },
            writes,
            writer,
            following: Arc::new(Following::new(
                &config.load,
                config.stored_observer,
                config.source_observer,
            )),
            reloads: Arc::new(ReloadQueue::new(ledger.clone(), intervals)),
            pushes: Arc::new(PushQueue::new(pushes, config.push_interval)),
            past: HistoricalStates::new(
                repository.clone(),
                states.clone(),
                previews,
                lineage.clone(),
                config.load.clone(),
            ),
            lineage,
            watch: None,
            threads: Mutex::default(),
            repository,
            states,
            status,
            role,
            maintenance,
            ledger,
        };
        engine.reloads.take_role(config.role);
        let reloader = Reloader {
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            status: engine.status.clone(),
            publisher: engine.publisher.clone(),
            writer: engine.writer.clone(),
            pushes: engine.pushes.clone(),
            remote_view: RemoteView {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                status: engine.status.clone(),
                rewrites,
                role: engine.role.clone(),
                following: engine.following.clone(),
            },
            holds: Holds { states: engine.states.clone(), status: engine.status.clone() },
            load: config.load.clone(),
            limits: config.limits,
            asks_again: config.asks_again,
            costly: Lock::new(Rank::Refused, RefusedHeads::default()),
            following: engine.following.clone(),
        };
        let reloads = ReloadWorker {
            reloader,
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            status: engine.status.clone(),
            reloads: engine.reloads.clone(),
            pushes: engine.pushes.clone(),
            maintenance: engine.maintenance.clone(),
            ledger: engine.ledger.clone(),
            role: engine.role.clone(),
            observer: config.observer,
            told_observer: config.told_observer,
        };
        engine.spawn("headwater-reload", move || reloads.serve())?;
        let writes = WriteWorker {
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            publisher: engine.publisher.clone(),
            writer: engine.writer.clone(),
            writes: engine.writes.clone(),
            reloads: engine.reloads.clone(),
            pushes: engine.pushes.clone(),
            maintenance: engine.maintenance.clone(),
            load: config.load,
            gate,
        };
        engine.spawn("headwater-write", move || writes.run())?;
        let tidying = engine.maintenance_worker(cache);
        engine.spawn("headwater-tidy", move || tidying.run())?;
        if is_watched {
            let (watch, signals) = Watch::new();
            let watching = WatchWorker {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                writer: engine.writer.clone(),
                status: engine.status.clone(),
                reloads: engine.reloads.clone(),
                chosen_by_head: config.branch.is_none(),
                signals,
            };
            engine.watch = Some(watch);
            engine.spawn("headwater-watch", move || watching.run())?;
        }
        if pushes {
            let pushing = PushWorker {
                repository: engine.repository.clone(),
                states: engine.states.clone(),
                status: engine.status.clone(),
                writer: engine.writer.clone(),
                reloads: engine.reloads.clone(),
                pushes: engine.pushes.clone(),
                role: engine.role.clone(),
                lineage: engine.lineage.clone(),
                observer: config.push_observer,
            };
            let pushing = start("headwater-push", move || pushing.run())?;
            engine.threads().pushing = Some(pushing);
        }
        Ok(engine)
    }

    pub(super) fn maintenance_worker(&self, cache: Option<Cache>) -> MaintenanceWorker {
        MaintenanceWorker {
            repository: self.repository.clone(),
            states: self.states.clone(),
            publisher: self.publisher.clone(),
            writer: self.writer.clone(),
            reloads: self.reloads.clone(),
            maintenance: self.maintenance.clone(),
            role: self.role.clone(),
            lineage: self.lineage.clone(),
            cache,
        }
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let worker = start(name, work)?;
        self.threads().workers.push(worker);
        Ok(())
    }
}

/// Starts a thread.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(work).map_err(OpenError::Thread)
}
