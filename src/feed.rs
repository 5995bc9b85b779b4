//! What is published, as it happens, for those who wait for it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use headwater_engine::delta::Delta;
use headwater_engine::id::CommitId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

/// How many publications a listener may be behind before it is told to catch up.
const BEHIND: usize = 256;

/// A publication: what the public sees differently since the one before.
#[derive(Debug)]
pub struct Publication {
    /// What differs.
    pub delta: Arc<Delta>,
    /// Whether history was rewritten, once somebody has looked.
    rewritten: OnceLock<bool>,
}

impl Publication {
    /// Says whether the later commit is no continuation of the earlier one; `descends` is asked
    /// once for all listeners.
    pub fn is_rewritten(&self, descends: impl FnOnce(CommitId, CommitId) -> bool) -> bool {
        *self.rewritten.get_or_init(|| !descends(self.delta.to, self.delta.from))
    }
}

/// Passes publications on to all who listen.
pub struct Feed {
    state: Mutex<State>,
}

struct State {
    /// Gone when the server stops.
    sender: Option<broadcast::Sender<Arc<Publication>>>,
    /// The commit that was published last.
    last: Option<CommitId>,
}

/// Somebody who hears of each publication once, in order.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Arc<Publication>>,
    /// The commit behind which it hears of all publications.
    pub at: CommitId,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// The next publication.
    Published(Arc<Publication>),
    /// Some were missed: whoever is this far behind catches up with what is published.
    Missed,
    /// Nothing until then.
    Nothing,
    /// The server stops.
    Closed,
}

impl Default for Feed {
    fn default() -> Self {
        let sender = Some(broadcast::channel(BEHIND).0);
        Self { state: Mutex::new(State { sender, last: None }) }
    }
}

impl Feed {
    /// Notes the first state, unless something was published behind it already.
    pub fn begin(&self, commit: CommitId) {
        self.state().last.get_or_insert(commit);
    }

    /// Passes a publication on.
    pub fn publish(&self, delta: &Arc<Delta>) {
        let mut state = self.state();
        state.last = Some(delta.to);
        // Under the lock, so that a new listener either hears of it or begins behind it.
        let publication = Publication { delta: delta.clone(), rewritten: OnceLock::new() };
        if let Some(sender) = &state.sender {
            // Nobody may listen, and that is fine.
            let _ = sender.send(Arc::new(publication));
        }
    }

    /// Returns somebody who hears of every publication from now on.
    pub fn listen(&self) -> Listener {
        let state = self.state();
        let closed = || broadcast::channel(1).1;
        let receiver = state.sender.as_ref().map_or_else(closed, |sender| sender.subscribe());
        Listener { receiver, at: state.last.unwrap_or(CommitId::ZERO) }
    }

    /// Lets all who listen go.
    pub fn close(&self) {
        self.state().sender = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement: a poisoned lock holds a usable one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for the next publication, at most `patience`.
    pub async fn next(&mut self, patience: Duration) -> Heard {
        self.next_until(Instant::now() + patience).await
    }

    /// Waits for the next publication for as long as it takes.
    pub async fn wait(&mut self) -> Heard {
        let heard = self.receiver.recv().await;
        self.note(heard)
    }

    /// Waits for the next publication, at most until `until`.
    pub async fn next_until(&mut self, until: Instant) -> Heard {
        match tokio::time::timeout_at(until, self.receiver.recv()).await {
            Err(_) => Heard::Nothing,
            Ok(heard) => self.note(heard),
        }
    }

    fn note(&mut self, heard: Result<Arc<Publication>, RecvError>) -> Heard {
        match heard {
            Ok(publication) => {
                self.at = publication.delta.to;
                Heard::Published(publication)
            }
            Err(RecvError::Lagged(_)) => Heard::Missed,
            Err(RecvError::Closed) => Heard::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(from: u8, to: u8) -> Arc<Delta> {
        let commit = |digit| CommitId::from_bytes([digit; 20]);
        Arc::new(Delta { from: commit(from), to: commit(to), changes: Vec::new() })
    }

    async fn heard(listener: &mut Listener) -> Option<u8> {
        match listener.next(Duration::ZERO).await {
            Heard::Published(publication) => Some(publication.delta.to.as_bytes()[0]),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_listener_hears_of_everything_behind_the_commit_it_begins_at() {
        let feed = Feed::default();
        feed.begin(CommitId::from_bytes([1; 20]));
        feed.publish(&delta(1, 2));
        feed.begin(CommitId::from_bytes([1; 20]));
        let mut listener = feed.listen();
        assert_eq!(listener.at, CommitId::from_bytes([2; 20]));
        feed.publish(&delta(2, 3));
        feed.publish(&delta(3, 4));
        assert_eq!((heard(&mut listener).await, heard(&mut listener).await), (Some(3), Some(4)));
        assert!(matches!(listener.next(Duration::ZERO).await, Heard::Nothing));
        feed.close();
        assert!(matches!(listener.next(Duration::ZERO).await, Heard::Closed));
    }

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_so_and_goes_on() {
        let feed = Feed::default();
        let mut listener = feed.listen();
        (0..=u8::MAX).for_each(|digit| feed.publish(&delta(digit, digit)));
        feed.publish(&delta(1, 2));
        assert!(matches!(listener.next(Duration::ZERO).await, Heard::Missed));
        assert_eq!(heard(&mut listener).await, Some(1));
    }

    #[test]
    fn whether_history_was_rewritten_is_asked_once() {
        let publication = Publication { delta: delta(1, 2), rewritten: OnceLock::new() };
        assert!(publication.is_rewritten(|to, from| to == from));
        assert!(publication.is_rewritten(|_, _| panic!("asked again")));
    }
}
