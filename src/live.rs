//! The engine as the server sees it: perhaps still loading, then live.
//!
//! Calls that arrive during the first load get an id at once and run when it is done.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use headwater_engine::engine::{Done, Engine, Ledger, Report, RequestKind};
use headwater_engine::report::{ReloadId, Trigger};
use headwater_engine::snapshot::Snapshot;
use tokio::sync::oneshot;

/// Sees every report once.
pub type Observer = Box<dyn Fn(&Arc<Report>) + Send + Sync>;

/// An engine that may still be loading.
pub struct Live {
    engine: OnceLock<Engine>,
    ledger: Arc<Ledger>,
    observer: Arc<Observer>,
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
    kind: RequestKind,
    trigger: Trigger,
    callers: Vec<Done>,
}

/// A reload that was asked for.
pub struct Ticket {
    /// Its id.
    pub id: ReloadId,
    /// Its report, and whether it is shared with an earlier caller.
    pub report: oneshot::Receiver<(Arc<Report>, bool)>,
}

impl Live {
    /// Returns a server side without an engine yet. `observer` is called on the engine's thread.
    pub fn new(ledger: Arc<Ledger>, observer: Observer) -> Self {
        let stage = Mutex::new(Stage::Loading(Vec::new()));
        Self { engine: OnceLock::new(), ledger, observer: Arc::new(observer), stage }
    }

    /// Takes the engine that finished its first load, and runs what waited for it.
    pub fn opened(&self, engine: Engine) {
        let mut stage = self.stage();
        let Stage::Loading(early) = &mut *stage else { return };
        let early = std::mem::take(early);
        let engine = self.engine.get_or_init(|| engine);
        *stage = Stage::Live;
        for Early { id, kind, trigger, callers } in early {
            let all: Done = Box::new(move |report, _| {
                for (place, done) in callers.into_iter().enumerate() {
                    done(report.clone(), place > 0);
                }
            });
            engine.submit(kind, trigger, Some(id), all);
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
        let (sender, report) = oneshot::channel();
        let observer = self.observer.clone();
        let done: Done = Box::new(move |report, shared| {
            if !shared {
                observer(&report);
            }
            // The caller may have stopped waiting, and that is fine.
            let _ = sender.send((report, shared));
        });
        let id = match (&mut *self.stage(), self.engine.get()) {
            (Stage::Loading(early), _) => {
                if let Some(same) = early.iter_mut().find(|early| early.kind == kind) {
                    same.callers.push(done);
                    same.id
                } else {
                    let id = self.ledger.reserve();
                    early.push(Early { id, kind, trigger, callers: vec![done] });
                    id
                }
            }
            (Stage::Live, Some(engine)) => engine.submit(kind, trigger, None, done),
            // Dropping `done` lets the caller go.
            (Stage::Live | Stage::Closed, _) => self.ledger.reserve(),
        };
        Ticket { id, report }
    }

    /// Lets the reload that runs end and takes no more. Callers that still wait are let go.
    pub fn close(&self) {
        *self.stage() = Stage::Closed;
        if let Some(engine) = self.engine.get() {
            engine.close();
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // The stage is whole after every statement, so a poisoned lock holds a usable one.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
