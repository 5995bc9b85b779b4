//! The engine as the server sees it: perhaps still loading, then live.
//!
//! Calls that arrive during the first load get an id at once and run when it is done.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use headwater_engine::engine::{Asker, Carried, Engine, Ledger, Request, RequestKind, Verdict};
use headwater_engine::id::CommitId;
use headwater_engine::report::{ReloadId, Trigger};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::{Batch, Committed, Gate, WriteError};
use tokio::sync::oneshot;

/// An engine that may still be loading.
pub struct Live {
    engine: OnceLock<Engine>,
    ledger: Arc<Ledger>,
    stage: Mutex<Stage>,
}

/// Where a call for a reload goes.
enum Stage {
    /// It waits for the first load.
    Loading(Vec<Early>),
    /// To the engine.
    Live,
    /// Nowhere: the server shuts down.
    Closed,
}

struct Early {
    id: ReloadId,
    request: Request,
    askers: Vec<Asker>,
}

/// A reload that was asked for.
pub struct Ticket {
    /// Its id.
    pub id: ReloadId,
    /// What it came to.
    pub verdict: oneshot::Receiver<Verdict>,
}

impl Live {
    /// Returns a server side without an engine yet.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        let stage = Mutex::new(Stage::Loading(Vec::new()));
        Self { engine: OnceLock::new(), ledger, stage }
    }

    /// Takes the engine that finished its first load, and runs what waited for it.
    pub fn opened(&self, engine: Engine) {
        let mut stage = self.stage();
        let Stage::Loading(early) = &mut *stage else { return };
        let early = std::mem::take(early);
        let engine = self.engine.get_or_init(|| engine);
        *stage = Stage::Live;
        for Early { id, request, askers } in early {
            engine.submit(Request { reserved: Some(id), ..request }, askers);
        }
    }

    /// Returns the engine once the first load is done.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.get()
    }

    /// Returns the published snapshot, once there is one.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.engine.get().map(Engine::snapshot)
    }

    /// Returns the ledger of reloads.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Asks for a reload; never waits.
    pub fn submit(&self, kind: RequestKind, trigger: Trigger) -> Ticket {
        self.submit_for(kind, trigger, None)
    }

    /// Asks for a reload to a head that contains `commit`; never waits.
    pub fn submit_for(
        &self,
        kind: RequestKind,
        trigger: Trigger,
        commit: Option<CommitId>,
    ) -> Ticket {
        let (sender, verdict) = oneshot::channel();
        let done = Box::new(move |verdict| {
            // The caller may have stopped waiting, and that is fine.
            let _ = sender.send(verdict);
        });
        let asker = Asker { commit, done };
        let request = Request { kind, trigger, reserved: None };
        let id = match (&mut *self.stage(), self.engine.get()) {
            (Stage::Loading(early), _) => {
                if let Some(same) = early.iter_mut().find(|early| early.request.kind == kind) {
                    same.askers.push(asker);
                    same.id
                } else {
                    let id = self.ledger.reserve();
                    early.push(Early { id, request, askers: vec![asker] });
                    id
                }
            }
            (Stage::Live, Some(engine)) => engine.submit(request, vec![asker]),
            // Dropping the asker lets the caller go.
            (Stage::Live | Stage::Closed, _) => self.ledger.reserve(),
        };
        Ticket { id, verdict }
    }

    /// Writes `batch`, and waits until it is durable and published; it is written whether anybody
    /// waits or not. `None` while the records are loaded.
    pub async fn write(&self, batch: Batch) -> Option<Result<Committed, WriteError>> {
        let (sender, receiver) = oneshot::channel();
        self.engine()?.write(batch, Box::new(|result| drop(sender.send(result))));
        Some(receiver.await.unwrap_or_else(|_| Err(Gate::ShutDown.into())))
    }

    /// Waits until the remote has `commit`, or it is known that it will not have it soon, or `until`.
    pub async fn pushed(&self, commit: CommitId, until: Instant) -> Carried {
        let (sender, receiver) = oneshot::channel();
        let Some(engine) = self.engine() else { return Carried::Never };
        engine.when_pushed(commit, until, Box::new(|carried| drop(sender.send(carried))));
        let carried = tokio::time::timeout_at(until.into(), receiver).await;
        carried.map_or(Carried::Late, |carried| carried.unwrap_or(Carried::Never))
    }

    /// Lets the reload that runs end and takes no more. Callers that still wait are let go.
    pub fn close(&self) {
        *self.stage() = Stage::Closed;
        if let Some(engine) = self.engine.get() {
            engine.close();
        }
    }

    /// Closes, and waits until the engine has ended, whoever else still holds it. Blocking.
    pub fn shut_down(&self) {
        self.close();
        if let Some(engine) = self.engine.get() {
            engine.shut_down();
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // The stage is whole after every statement, so a poisoned lock holds a usable one.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
