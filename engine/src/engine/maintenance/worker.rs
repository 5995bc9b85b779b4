//! The maintenance thread: makes reloads durable, frees states that nobody reads, merges segments
//! of the text index and packs of the repository, and writes the cache.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Maintenance;
use crate::admit::Withheld;
use crate::cache::Cache;
use crate::causes::chain;
use crate::engine::error::ReloadError;
use crate::engine::publication::{BranchMove, Lineage, Origin, Publication};
use crate::engine::publish_turn::Writer;
use crate::engine::published_history::PublishedHistory;
use crate::engine::publisher::{OnDisk, Publisher};
use crate::engine::reload_queue::ReloadQueue;
use crate::engine::repository::Repository;
use crate::engine::role::{CurrentRole, Role};
use crate::engine::states::States;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::Durability;
use crate::report::Timings;
use crate::search::{Compacted, Compaction, SearchError, TextIndex, Texts};
use crate::snapshot::Snapshot;

/// Above this many packs the repository is repacked if no reload waits.
const PACKS: usize = 32;

/// Above this many packs it is repacked even if a reload waits: each pack slows lookups down.
const TOO_MANY_PACKS: usize = 48;

/// How long the thread waits without an event before it looks for what has become old.
const ROUND: Duration = Duration::from_secs(60);

/// The thread may spend one part in this many of its time on writing the cache, which is a copy of
/// all records. A start from an older one merely has a little more to decode.
const SHARE: u32 = 100;

/// How long it waits for the readers of a state that is no longer kept.
const READERS: Duration = Duration::from_millis(100);

/// What the cache holds, if known, and when it may be written again.
#[derive(Default)]
struct Cached {
    records: Option<CommitId>,
    text: Option<CommitId>,
    due: Option<Instant>,
}

/// Does the maintenance work.
pub(in crate::engine) struct MaintenanceWorker {
    pub(in crate::engine) repository: Arc<Repository>,
    pub(in crate::engine) states: Arc<States>,
    pub(in crate::engine) publisher: Arc<Publisher>,
    pub(in crate::engine) writer: Arc<Writer>,
    pub(in crate::engine) reloads: Arc<ReloadQueue>,
    pub(in crate::engine) maintenance: Arc<Maintenance>,
    pub(in crate::engine) role: Arc<CurrentRole>,
    pub(in crate::engine) lineage: Arc<PublishedHistory>,
    /// Where decoded records are kept for the next start.
    pub(in crate::engine) cache: Option<Cache>,
}

impl MaintenanceWorker {
    /// Works whenever it is woken, until it is closed.
    pub(in crate::engine) fn run(&self) {
        // After a failure, a repack is retried when there are this many packs.
        let mut packs = 0;
        let mut cached = Cached::default();
        logged(|| self.follow_history());
        while self.maintenance.next(self.round()) {
            logged(|| {
                self.sync_branch();
                self.follow_history();
                self.free_states();
                self.compact_text();
                packs = self.repack(packs);
                self.write_cache(&mut cached);
            });
        }
    }

    /// Reads the commits that are new in the history of the published one, so that no reader has to.
    fn follow_history(&self) {
        let published = self.states.commit();
        if published.is_zero() {
            return;
        }
        let opened = self.repository.objects().map_err(ReloadError::Open);
        let followed = opened.and_then(|objects| {
            let goes_on = || !self.maintenance.is_closed();
            self.lineage.follow(&objects, published, goes_on).map_err(ReloadError::Repository)
        });
        if let Err(error) = followed {
            tracing::warn!(error = chain(&error), commit = %published, "the history cannot be read");
        }
    }

    /// Makes the last move of the branch durable, after the reload that made it.
    ///
    /// Until then, a power loss can take the branch back to an earlier live state, from which the
    /// next fetch goes on.
    fn sync_branch(&self) {
        if self.repository.remote.is_none() && self.writer.committer().is_none() {
            return;
        }
        // No write may come in between, because the branch would name it before it is on disk. If
        // writes are synced at once, nobody has to wait for this.
        let is_buffered = self.writer.durability() == Durability::Buffered;
        let turn = is_buffered.then(|| self.writer.turn());
        let stored = self.writer.sync().map_err(ReloadError::Store);
        let opened = stored.and_then(|()| self.repository.objects().map_err(ReloadError::Open));
        let synced = opened.and_then(|objects| {
            objects.sync_reference(&self.repository.refs.head).map_err(ReloadError::Reference)
        });
        if let Err(error) = synced {
            tracing::warn!(error = chain(&error), "the branch may not survive a power loss");
        }
        drop(turn);
        self.repository.note_synced();
        if self.role.get() == Role::Leading {
            self.repository.note_followed();
        }
    }

    fn round(&self) -> Duration {
        if self.states.earlier().is_leaving() { READERS } else { ROUND }
    }

    /// Frees the states that are old and no longer read. This thread does it because it takes time
    /// in proportion to the size of the state.
    fn free_states(&self) {
        let unread = {
            let mut earlier = self.states.earlier();
            earlier.expire(Instant::now());
            earlier.unread()
        };
        drop(unread);
    }

    /// Merges packs if there are many, and returns how many there must be for the next attempt.
    fn repack(&self, least: usize) -> usize {
        let packs = self.repository.mirror.pack_count().unwrap_or_default();
        let many = packs > TOO_MANY_PACKS || packs > PACKS && self.reloads.is_idle();
        if !many || packs < least {
            return least;
        }
        // A fetch would add a pack while others are counted and removed.
        let _lane = self.repository.lane();
        fault::step("tidy.repack");
        match self.repository.mirror.repack() {
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

    /// Writes the cache files that are not of the published state, if no reload waits and the last
    /// write is long enough ago.
    fn write_cache(&self, cached: &mut Cached) {
        let Some(cache) = &self.cache else { return };
        let (snapshot, begun) = (self.states.published(), Instant::now());
        let now = Some(snapshot.commit());
        let due = cached.due.is_none_or(|due| due <= begun);
        if [cached.records, cached.text] == [now; 2] || !due || !self.reloads.is_idle() {
            return;
        }
        type Save = fn(&Snapshot, &Cache) -> std::io::Result<()>;
        let files: [(_, Save, _); 2] = [
            (&mut cached.records, Snapshot::save_records, cache.path()),
            (&mut cached.text, Snapshot::save_text, cache.text_path()),
        ];
        for (kept, save, path) in files {
            // If one cannot be written, the other is not written again and again.
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

    /// Merges segments while the published state is served and publishes the same commit with fewer
    /// of them; search results do not change. The writer is held only for the swap.
    fn compact_text(&self) {
        let snapshot = self.states.published();
        let (public, private) = (snapshot.text(), snapshot.private_text());
        let due = (public.compaction(), private.compaction());
        if due.0.is_none() && due.1.is_none() {
            return;
        }
        fault::step("tidy.compact");
        let run =
            |due: Option<Compaction>, texts: &Texts<'_>| due.map(|due| due.run(texts)).transpose();
        let compacted = || {
            let public = run(due.0, &|name, emit| snapshot.searched_texts(name, emit))?;
            let private = run(due.1, &|name, emit| snapshot.private_texts(name, emit))?;
            Ok::<_, SearchError>((public, private))
        };
        match compacted() {
            Ok((public, private)) => {
                fault::step("tidy.merged");
                let turn = self.writer.turn();
                let now = self.states.published();
                let adopted = |index: &TextIndex, compacted: Option<Compacted>| {
                    compacted.map_or_else(|| index.clone(), |compacted| index.adopting(compacted))
                };
                let public = adopted(now.text(), public);
                let private = adopted(now.private_text(), private);
                let publication = Publication {
                    state: Arc::new(now.with_texts(public, private)),
                    changed: Arc::default(),
                    reason: None,
                    lineage: Lineage::Same,
                    timings: Timings::default(),
                    origin: Origin::Compaction,
                    branch: BranchMove::default(),
                };
                let on_disk = OnDisk { store: || Ok(()), refer: || Ok::<_, Withheld>(None) };
                if let Err(withheld) = self.publisher.publish(&turn, publication, on_disk) {
                    tracing::debug!(%withheld, "the compacted text index is not published");
                }
                fault::step("tidy.compacted");
            }
            Err(error) => tracing::warn!(error = chain(&error),
                commit = %snapshot.commit(), "the text index cannot be compacted"),
        }
    }
}

/// Works, and logs a panic.
fn logged(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("maintenance panicked; the published state is not affected");
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
        let packs = || engine.repository.mirror.pack_count().unwrap();
        let (before, repository) = (packs(), engine.repository.clone());
        let worker = engine.maintenance_worker(None);
        let lane = repository.lane();
        let (sender, done) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| sender.send(worker.repack(0)).unwrap());
            // Nothing signals that a thread waits for a lock. Merging so little takes far less
            // time.
            let waited = done.recv_timeout(Duration::from_secs(1));
            let unmerged = packs();
            drop(lane);
            assert!(waited.is_err() && unmerged == before, "it did not wait");
            assert_eq!(done.recv().unwrap(), 0);
        });
        assert!(packs() < before, "{}", packs());
    }
}
