//! Passes publications on to those who wait for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use headwater_engine::engine::Published;
use headwater_engine::id::CommitId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How many publications a listener may lag before it has to catch up.
const BEHIND: usize = 256;

/// How many records the pending publications may hold in total. A publication that would exceed
/// this is passed on without its records, unless it is the only one.
const HELD: usize = 50_000;

/// A publication: the public sees `to` where it saw `from`.
#[derive(Debug)]
pub struct Publication {
    /// The commit that was published before.
    pub from: CommitId,
    /// The commit that is published.
    pub to: CommitId,
    /// When it was published.
    pub when: SystemTime,
    /// Whether `to` descends from `from`; if not, followers have to start over.
    pub descends: bool,
    /// The differences, until somebody takes them.
    published: Mutex<Option<Published>>,
    records: usize,
    held: Arc<AtomicUsize>,
}

impl Publication {
    /// Takes the differences. They can be taken once, and are missing if too much waits; without
    /// them, a caller compares the commits.
    pub fn take(&self) -> Option<Published> {
        // An option is always consistent, so a poisoned lock holds a usable one.
        let taken = self.published.lock().unwrap_or_else(PoisonError::into_inner).take();
        if taken.is_some() {
            self.held.fetch_sub(self.records, Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.take();
    }
}

/// Passes publications on to all listeners.
pub struct Feed {
    state: Mutex<FeedState>,
    /// The requests that are answered once a commit is published.
    expecting: TaskTracker,
    /// The number of records in pending publications.
    held: Arc<AtomicUsize>,
}

struct FeedState {
    /// `None` once the server stops.
    sender: Option<broadcast::Sender<Arc<Publication>>>,
    /// The first served commit.
    first: Option<CommitId>,
    /// The last publication.
    last: Option<Last>,
}

#[derive(Clone, Copy)]
struct Last {
    commit: CommitId,
    when: SystemTime,
}

/// A listener, which receives each publication once, in order.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Arc<Publication>>,
    /// It receives all publications after this commit.
    pub at: CommitId,
    /// When that commit was published.
    pub when: SystemTime,
}

/// A listener of a request that is answered once a commit is published.
#[derive(Debug)]
pub struct Expectation {
    /// Receives each publication, as any listener does.
    pub listener: Listener,
    _counted: TaskTrackerToken,
}

/// The result of waiting for a publication.
#[derive(Debug)]
pub enum Heard {
    /// The next publication.
    Published(Arc<Publication>),
    /// Some were missed: a listener that lags this far catches up with the published state.
    Missed,
    /// No publication in time.
    Nothing,
    /// The server is stopping.
    Closed,
}

impl Default for Feed {
    fn default() -> Self {
        let sender = Some(broadcast::channel(BEHIND).0);
        let state = Mutex::new(FeedState { sender, first: None, last: None });
        let expecting = TaskTracker::new();
        expecting.close();
        Self { state, expecting, held: Arc::default() }
    }
}

impl Feed {
    /// Records the first state, unless something newer was published already.
    pub fn begin(&self, commit: CommitId) {
        let mut state = self.state();
        state.first.get_or_insert(commit);
        state.last.get_or_insert(Last { commit, when: SystemTime::now() });
    }

    /// Passes a publication on.
    pub fn publish(&self, published: &Published) {
        let Published { delta, descends, transition } = published;
        let (from, to) = (delta.from, delta.to);
        // Some of the records that differ are not public.
        let changed = transition.as_ref().map_or(0, |transition| transition.changed.len());
        let records = delta.changes.len().max(changed);
        let held = self.held.fetch_add(records, Ordering::Relaxed);
        let when = SystemTime::now();
        let publication = Publication {
            from,
            to,
            when,
            descends: *descends,
            published: Mutex::new(Some(published.clone())),
            records,
            held: self.held.clone(),
        };
        if held > 0 && held + records > HELD {
            publication.take();
        }
        let mut state = self.state();
        state.first.get_or_insert(from);
        state.last = Some(Last { commit: to, when });
        // This happens under the lock, so that a new listener either receives it or starts after
        // it.
        if let Some(sender) = &state.sender {
            // There may be no listeners.
            let _ = sender.send(Arc::new(publication));
        }
    }

    /// Returns the first served commit; a listener from the beginning receives everything after it.
    /// Returns zeros before there is one.
    pub fn first(&self) -> CommitId {
        self.state().first.unwrap_or(CommitId::ZERO)
    }

    /// Returns a listener that receives every publication from now on.
    pub fn listen(&self) -> Listener {
        let state = self.state();
        let closed = || broadcast::channel(1).1;
        let receiver = state.sender.as_ref().map_or_else(closed, |sender| sender.subscribe());
        let never = Last { commit: CommitId::ZERO, when: SystemTime::UNIX_EPOCH };
        let Last { commit: at, when } = state.last.unwrap_or(never);
        Listener { receiver, at, when }
    }

    /// Does the same for a request that is answered once a commit is published, and for which
    /// [`Self::settled`] waits.
    pub fn expect(&self) -> Expectation {
        Expectation { listener: self.listen(), _counted: self.expecting.token() }
    }

    /// Waits until no request expects a commit.
    pub async fn settled(&self) {
        self.expecting.wait().await;
    }

    /// Ends all listeners.
    pub fn close(&self) {
        self.state().sender = None;
    }

    fn state(&self) -> MutexGuard<'_, FeedState> {
        // The state is consistent after every statement, so a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for the next publication without a limit.
    pub async fn wait(&mut self) -> Heard {
        let heard = self.receiver.recv().await;
        self.note(heard)
    }

    /// Waits for the next publication, until `until` at most.
    pub async fn next_until(&mut self, until: Instant) -> Heard {
        match tokio::time::timeout_at(until, self.receiver.recv()).await {
            Err(_) => Heard::Nothing,
            Ok(heard) => self.note(heard),
        }
    }

    fn note(&mut self, heard: Result<Arc<Publication>, RecvError>) -> Heard {
        match heard {
            Ok(publication) => {
                (self.at, self.when) = (publication.to, publication.when);
                Heard::Published(publication)
            }
            Err(RecvError::Lagged(_)) => Heard::Missed,
            Err(RecvError::Closed) => Heard::Closed,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use headwater_engine::delta::{Delta, PublicChange};
    use headwater_engine::id::{Key, SheetName};

    use super::*;

    fn delta(from: u8, to: u8) -> Arc<Delta> {
        let commit = |digit| CommitId::from_bytes([digit; 20]);
        Arc::new(Delta {
            from: commit(from),
            to: commit(to),
            changes: Vec::new(),
            withheld: Vec::new(),
        })
    }

    /// Returns an ordinary publication.
    pub(crate) fn forward(delta: &Arc<Delta>) -> Published {
        Published { delta: delta.clone(), descends: true, transition: None }
    }

    async fn heard(listener: &mut Listener) -> Option<u8> {
        match listener.next_until(Instant::now()).await {
            Heard::Published(publication) => Some(publication.to.as_bytes()[0]),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_listener_hears_of_everything_behind_the_commit_it_begins_at() {
        let feed = Feed::default();
        feed.begin(CommitId::from_bytes([1; 20]));
        feed.publish(&forward(&delta(1, 2)));
        feed.begin(CommitId::from_bytes([1; 20]));
        let mut listener = feed.listen();
        assert_eq!(listener.at, CommitId::from_bytes([2; 20]));
        feed.publish(&forward(&delta(2, 3)));
        feed.publish(&forward(&delta(3, 4)));
        assert_eq!((heard(&mut listener).await, heard(&mut listener).await), (Some(3), Some(4)));
        assert!(matches!(listener.next_until(Instant::now()).await, Heard::Nothing));
        feed.close();
        assert!(matches!(listener.next_until(Instant::now()).await, Heard::Closed));
    }

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_so_and_goes_on() {
        let feed = Feed::default();
        let mut listener = feed.listen();
        (0..=u8::MAX).for_each(|digit| feed.publish(&forward(&delta(digit, digit))));
        feed.publish(&forward(&delta(1, 2)));
        assert!(matches!(listener.next_until(Instant::now()).await, Heard::Missed));
        assert_eq!(heard(&mut listener).await, Some(1));
    }

    #[tokio::test]
    async fn who_listens_from_the_beginning_knows_where_that_is() {
        let feed = Feed::default();
        let mut listener = feed.listen();
        assert_eq!(feed.first(), CommitId::ZERO);
        feed.publish(&forward(&delta(1, 2)));
        feed.begin(CommitId::from_bytes([1; 20]));
        assert_eq!(feed.first(), CommitId::from_bytes([1; 20]));
        assert_eq!(heard(&mut listener).await, Some(2));
    }

    #[tokio::test]
    async fn records_that_nobody_passes_on_are_bounded() {
        let change = |n: usize| PublicChange {
            sheet: SheetName::new("people"),
            key: Key::new(n.to_string()),
            before: None,
            after: None,
        };
        let changes: Vec<_> = (0..HELD).map(change).collect();
        let large = Arc::new(Delta { changes, ..Delta::clone(&delta(1, 2)) });
        let feed = Feed::default();
        let mut listener = feed.listen();
        let mut next = async || match listener.next_until(Instant::now()).await {
            Heard::Published(publication) => publication,
            other => panic!("{other:?}"),
        };
        feed.publish(&forward(&large));
        feed.publish(&forward(&large));
        feed.publish(&forward(&delta(2, 3)));
        let first = next().await;
        assert!(first.take().is_some(), "a lone publication may have any size");
        assert!(first.take().is_none(), "it can be taken once");
        assert!(next().await.take().is_none(), "it exceeds the limit");
        assert!(next().await.take().is_some(), "it has no records");
        feed.publish(&forward(&large));
        assert!(next().await.take().is_some(), "there is room again");
        feed.publish(&forward(&large));
        drop(next().await);
        assert_eq!(feed.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_feed_is_settled_once_nobody_expects_a_commit() {
        let feed = Feed::default();
        feed.settled().await;
        let (expected, _listener) = (feed.expect(), feed.listen());
        let mut settled = std::pin::pin!(feed.settled());
        let is_settled = tokio::time::timeout(Duration::ZERO, &mut settled).await;
        assert!(is_settled.is_err());
        drop(expected);
        settled.await;
    }
}
