//! The engine as the server sees it: first loading, then live.
//!
//! Reloads requested during the first load get an id at once and run when it is done.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use headwater_engine::engine::{
    AwaitsPush, Engine, Ledger, PushOutcome, ReloadAnswer, ReloadCaller, ReloadRequest, RequestKind,
};
use headwater_engine::id::CommitId;
use headwater_engine::report::{ReloadId, Trigger};
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;
use headwater_engine::write::{Batch, Committed, WriteError, WritesClosed};
use tokio::sync::oneshot;

/// An engine that may still be loading.
pub struct Live {
    engine: OnceLock<Engine>,
    ledger: Arc<Ledger>,
    stage: Mutex<Stage>,
}

/// Where a requested reload goes.
enum Stage {
    /// It waits for the first load.
    Loading(Vec<Early>),
    /// To the engine.
    Live,
    /// Nowhere: the server is shutting down.
    Closed,
}

struct Early {
    id: ReloadId,
    request: ReloadRequest,
    askers: Vec<ReloadCaller>,
}

/// A requested reload.
pub struct Ticket {
    /// Its id.
    pub id: ReloadId,
    /// Its result.
    pub verdict: oneshot::Receiver<ReloadAnswer>,
}

/// A caller that waits for a push.
struct PushCaller(oneshot::Sender<PushOutcome>);

impl AwaitsPush for PushCaller {
    fn learns(self: Box<Self>, outcome: PushOutcome) {
        // The caller may have gone.
        self.0.send(outcome).ok();
    }

    fn has_gone(&self) -> bool {
        self.0.is_closed()
    }
}

impl Live {
    /// Returns a server side without an engine yet.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        let stage = Mutex::new(Stage::Loading(Vec::new()));
        Self { engine: OnceLock::new(), ledger, stage }
    }

    /// Accepts the engine that finished its first load, and runs what waited for it.
    pub fn opened(&self, engine: Engine) {
        let mut stage = self.stage();
        let Stage::Loading(early) = &mut *stage else { return };
        let early = std::mem::take(early);
        let engine = self.engine.get_or_init(|| engine);
        *stage = Stage::Live;
        for Early { id, request, askers } in early {
            engine.submit(ReloadRequest { reserved: Some(id), ..request }, askers);
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

    /// Returns what `view` sees of the published snapshot, once there is one.
    pub fn seen_by(&self, view: &View) -> Option<Arc<Snapshot>> {
        self.snapshot().map(|snapshot| snapshot.seen_by(view))
    }

    /// Returns the ledger of reloads.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Requests a reload; never waits.
    pub fn submit(&self, kind: RequestKind, trigger: Trigger) -> Ticket {
        self.submit_for(kind, trigger, None)
    }

    /// Requests a reload to a head that contains `commit`; never waits.
    pub fn submit_for(
        &self,
        kind: RequestKind,
        trigger: Trigger,
        commit: Option<CommitId>,
    ) -> Ticket {
        let (sender, verdict) = oneshot::channel();
        let done = Box::new(move |verdict| {
            // The caller may have stopped waiting.
            let _ = sender.send(verdict);
        });
        let asker = ReloadCaller { commit, done };
        let request = ReloadRequest { kind, trigger, reserved: None };
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
            // Dropping the asker releases the caller.
            (Stage::Live | Stage::Closed, _) => self.ledger.reserve(),
        };
        Ticket { id, verdict }
    }

    /// Writes `batch`, and waits until it is durable and published. It is written whether anybody
    /// waits or not. Returns `None` while the records are being loaded.
    pub async fn write(&self, batch: Batch) -> Option<Result<Committed, WriteError>> {
        let (sender, receiver) = oneshot::channel();
        self.engine()?.write(batch, Box::new(|result| drop(sender.send(result))));
        Some(receiver.await.unwrap_or_else(|_| Err(WritesClosed::ShutDown.into())))
    }

    /// Waits until the remote has `commit`, until it is known that it will not have it soon, or
    /// until `until`. Actors share the places of those who wait.
    pub async fn pushed(&self, actor: &str, commit: CommitId, until: Instant) -> PushOutcome {
        let (sender, receiver) = oneshot::channel();
        let Some(engine) = self.engine() else { return PushOutcome::Never };
        engine.when_pushed(actor, commit, until, Box::new(PushCaller(sender)));
        let carried = tokio::time::timeout_at(until.into(), receiver).await;
        carried.map_or(PushOutcome::Late, |carried| carried.unwrap_or(PushOutcome::Never))
    }

    /// Lets the running reload end and accepts no more. Callers that still wait are released.
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
        // The stage is consistent after every statement, so a poisoned lock holds a usable one.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
