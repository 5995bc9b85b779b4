//! Housekeeping: what a reload did is made durable, segments of the text index and packs of the
//! repository are merged, and the cache is written, on a thread of their own, so that no reload
//! waits for it.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::publication::{Lineage, Origin, Publication};
use crate::cache::Cache;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::report::Timings;
use crate::search::{DocName, Slot};
use crate::snapshot::Snapshot;

/// Above this many packs the repository is repacked, when no reload waits.
const PACKS: usize = 32;

/// Above this many packs it is repacked even when one waits: lookups slow down with each.
const TOO_MANY_PACKS: usize = 48;

/// How long nothing happens before the thread looks for what has become old.
const ROUND: Duration = Duration::from_secs(60);

/// The thread may spend one part in so many of its time on writing the cache: it is a copy of all
/// records, and a start from an older one only has a little more to decode.
const SHARE: u32 = 100;

/// How long it waits for the readers of a state that is kept no longer.
const READERS: Duration = Duration::from_millis(100);

/// Wakes the thread behind each reload.
#[derive(Default)]
pub(super) struct Chores {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: bool,
    busy: bool,
    closed: bool,
}

impl Chores {
    /// Lets the thread look what there is to do.
    pub(super) fn wake(&self) {
        self.lock().due = true;
        self.changed.notify_all();
    }

    /// Lets the thread end behind what it does.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until all is done that there was to do.
    pub(super) fn settle(&self) {
        drop(self.wait_while(|state| (state.due || state.busy) && !state.closed));
    }

    /// Waits until there may be something to do, at most for `round`; false once closed.
    fn next(&self, round: Duration) -> bool {
        self.lock().busy = false;
        self.changed.notify_all();
        let idle = |state: &mut State| !state.due && !state.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), round, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.due, state.busy) = (false, true);
        !state.closed
    }

    fn wait_while(&self, waits: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.changed.wait_while(self.lock(), |state| waits(state));
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Flags, each whole on its own: a poisoned lock holds usable ones.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache holds, as far as it is known, and when it may be written again.
#[derive(Default)]
struct Cached {
    records: Option<CommitId>,
    text: Option<CommitId>,
    due: Option<Instant>,
}

impl Shared {
    /// Tidies up whenever it is woken, until the chores are closed.
    pub(super) fn keep_house(&self) {
        // After a failure a repack is tried again when there are this many packs.
        let mut patience = 0;
        let mut cached = Cached::default();
        while self.chores.next(self.round()) {
            let tidied = catch_unwind(AssertUnwindSafe(|| {
                self.sync_branch();
                self.free_states();
                self.compact_text();
                patience = self.repack(patience);
                self.write_cache(&mut cached);
            }));
            if tidied.is_err() {
                tracing::error!(
                    "maintenance after a reload panicked; the published state is not affected"
                );
            }
        }
    }

    fn round(&self) -> Duration {
        if self.retained().is_leaving() { READERS } else { ROUND }
    }

    /// Frees the states that are old and not read any more. This thread does it, because it takes
    /// as long as the state is large.
    fn free_states(&self) {
        let unread = {
            let mut retained = self.retained();
            retained.expire(Instant::now());
            retained.unread()
        };
        drop(unread);
    }

    /// Merges packs when there are many, and returns how many there must be for the next attempt.
    fn repack(&self, patience: usize) -> usize {
        let packs = self.mirror.pack_count().unwrap_or_default();
        let many = packs > TOO_MANY_PACKS || packs > PACKS && self.flight.is_idle();
        if !many || packs < patience {
            return patience;
        }
        // A fetch would add a pack while others are counted and removed.
        let _lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        fault::step("tidy.repack");
        match self.mirror.repack() {
            Ok(()) => {
                fault::step("tidy.repacked");
                0
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), packs, "the repository cannot be repacked");
                packs + PACKS / 2
            }
        }
    }

    /// Writes those files of the cache that are of another state than the published one, when no
    /// reload waits and the last time is long enough ago.
    fn write_cache(&self, cached: &mut Cached) {
        let Some(cache) = &self.cache else { return };
        let (snapshot, begun) = (self.published.load_full(), Instant::now());
        let now = Some(snapshot.commit());
        let due = cached.due.is_none_or(|due| due <= begun);
        if [cached.records, cached.text] == [now; 2] || !due || !self.flight.is_idle() {
            return;
        }
        type Save = fn(&Snapshot, &Cache) -> std::io::Result<()>;
        let files: [(_, Save, _); 2] = [
            (&mut cached.records, Snapshot::save_records, cache.path()),
            (&mut cached.text, Snapshot::save_text, cache.text_path()),
        ];
        for (kept, save, path) in files {
            // Where one cannot be written, the other is not written again and again.
            if *kept == now {
                continue;
            }
            match save(&snapshot, cache) {
                Ok(()) => *kept = now,
                Err(error) => tracing::warn!(
                    path = %path.display(),
                    error = chain(&error),
                    "the cache cannot be written"
                ),
            }
        }
        cached.due = Some(Instant::now() + (begun.elapsed() * SHARE).max(ROUND));
    }

    /// Merges segments beside the published state and publishes the same commit with fewer of
    /// them; what a search answers does not change. The writer is held only for the swap.
    fn compact_text(&self) {
        let snapshot = self.published.load_full();
        let Some(compaction) = snapshot.text().compaction() else { return };
        fault::step("tidy.compact");
        let texts = |name: &DocName, emit: &mut dyn FnMut(Slot, &str)| {
            snapshot.searched_texts(name, emit);
        };
        match compaction.run(&texts) {
            Ok(compacted) => {
                fault::step("tidy.merged");
                let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.published.load_full();
                let text = now.text().adopting(compacted);
                let publication = Publication {
                    state: Arc::new(now.with_text(text)),
                    changed: Arc::default(),
                    reason: None,
                    lineage: Lineage::Same,
                    timings: Timings::default(),
                    origin: Origin::Compaction,
                };
                let Ok(_) = self.publish(publication, || Ok::<_, Infallible>(None));
                fault::step("tidy.compacted");
            }
            Err(error) => tracing::warn!(error = chain(&error),
                commit = %snapshot.commit(), "the text index cannot be compacted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use headwater_testkit::Upstream;
    use headwater_testkit::git::git_with_input;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{Engine, EngineConfig};
    use crate::mirror::{Remote, RemoteOptions};

    #[test]
    fn packs_are_not_merged_while_a_fetch_or_a_push_has_the_lane() {
        let mut upstream = Upstream::new();
        upstream.commit("first").put("people/ada.toml", "name = \"Ada\"\n").push();
        let folder = TempDir::new().unwrap();
        let mirror = folder.path().join("mirror.git");
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let config = EngineConfig::of(&mirror, Some(Arc::new(remote)));
        let engine = Engine::open(config, Arc::default()).unwrap();
        for n in 0..=TOO_MANY_PACKS {
            let object =
                git_with_input(&mirror, ["hash-object", "-w", "--stdin"], n.to_string().as_bytes());
            git_with_input(&mirror, ["pack-objects", "-q", "objects/pack/pack"], &object);
        }
        let packs = || engine.shared.mirror.pack_count().unwrap();
        let (before, shared) = (packs(), &engine.shared);
        let lane = shared.lane.lock().unwrap();
        let (sender, done) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || sender.send(shared.repack(0)).unwrap());
            // Nothing tells that a thread waits for a lock. To merge so little takes far less.
            let waited = done.recv_timeout(Duration::from_secs(1));
            let unmerged = packs();
            drop(lane);
            assert!(waited.is_err() && unmerged == before, "it did not wait");
            assert_eq!(done.recv().unwrap(), 0);
        });
        assert!(packs() < before, "{}", packs());
    }
}
