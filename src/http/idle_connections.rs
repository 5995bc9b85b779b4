//! Connections that give way when all places are taken: those without a request in progress, those whose
//! requests only wait for a publication, and, of an address that has more than who comes, those that read.
//!
//! Otherwise whoever opens connections and sends nothing, waits on each of them, or reads slowly would keep
//! everybody else waiting.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tower::Service;

use super::connection::{Connection, WaitingRequests};
use super::service::Interface;
use super::source::Source;

/// How long a connection that was of use stays, at least, after its last answer: the next request may be
/// on its way, and the end of the answer is.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long a connection may take to end that is asked to leave.
const LEAVING: Duration = Duration::from_millis(250);

/// The open connections.
#[derive(Clone, Default)]
pub(super) struct OpenConnections(Arc<Mutex<HashMap<Connection, Held>>>);

/// What is known of an open connection.
struct Held {
    address: Source,
    activity: Arc<Activity>,
}

/// The requests of a connection.
pub(super) struct Activity {
    begun: Instant,
    /// The number of requests in progress.
    open: AtomicUsize,
    /// How many of them are being answered.
    sending: AtomicUsize,
    /// How many of them write.
    writing: AtomicUsize,
    /// When the last answer ended, in milliseconds after the beginning.
    ended: AtomicU64,
    has_asked: AtomicBool,
}

/// What decides whether a connection gives way.
#[derive(Debug, Clone, Copy)]
struct Facts {
    address: Source,
    usage: Usage,
}

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    /// It has been open for this long, and no request has arrived.
    Silent(Duration),
    /// Its last answer ended this long ago.
    Idle(Duration),
    /// It has been open for this long, and all its requests in progress wait for a publication.
    Waiting(Duration),
    /// It has been open for this long, and its requests in progress wait for a publication or are being
    /// answered.
    Sending(Duration),
    /// It has been open for this long, and its requests in progress read.
    Reading(Duration),
    /// A request is in progress that writes.
    Writing,
}

impl OpenConnections {
    /// Notes a connection, and returns where its requests are noted.
    pub(super) fn add(&self, connection: &Connection, address: Source) -> Arc<Activity> {
        let activity = Arc::new(Activity {
            begun: Instant::now(),
            open: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            writing: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            has_asked: AtomicBool::new(false),
        });
        let held = Held { address, activity: activity.clone() };
        self.held().insert(connection.clone(), held);
        activity
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        self.held().remove(connection);
    }

    /// Closes the connection that gives way first to one from `newcomer`, if there is one, or asks it to leave if
    /// that is enough.
    pub(super) fn make_room(&self, newcomer: Source) {
        let held = self.held();
        let open: Vec<(&Connection, Facts)> = held
            .iter()
            .filter(|(connection, _)| {
                // It is on its way out.
                let leaves = connection.asked_ago().is_some_and(|ago| ago < LEAVING);
                !connection.is_cut() && !leaves
            })
            .map(|(connection, Held { address, activity })| {
                let usage = activity.usage(connection.waiting());
                (connection, Facts { address: *address, usage })
            })
            .collect();
        let facts: Vec<Facts> = open.iter().map(|(_, facts)| *facts).collect();
        if let Some(first) = first_to_go(&facts, newcomer) {
            tracing::debug!(address = %facts[first].address, "closed a connection for another");
            let (connection, Facts { usage, .. }) = &open[first];
            let is_told = connection.asked_ago().is_some() || connection.waiting().polling == 0;
            match usage {
                Usage::Waiting(_) if !is_told => connection.ask_to_leave(),
                _ => connection.cut(),
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Connection, Held>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How well a connection can be spared, best last. The first three only give way to an address that has fewer,
/// the next two to none that has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spare {
    /// Its caller gets no answer.
    Reading,
    /// Its caller gets a part of an answer.
    Sending,
    /// Its next request is on its way, perhaps.
    Used,
    /// Its first request is on its way, perhaps.
    New,
    /// Its caller has to ask again.
    Waiting,
    /// Nobody misses it.
    Idle,
}

/// Returns the connection that gives way first to one from `newcomer`: of the address that has the most
/// connections, the one that can be spared best, and of these the one that has been idle, or open, for the
/// longest time.
fn first_to_go(connections: &[Facts], newcomer: Source) -> Option<usize> {
    let mut of_address: HashMap<Source, usize> = HashMap::new();
    for connection in connections {
        *of_address.entry(connection.address).or_default() += 1;
    }
    let own = of_address.get(&newcomer).copied().unwrap_or(0);
    let going = connections.iter().enumerate().filter_map(|(at, connection)| {
        let count = of_address[&connection.address];
        let (spare, time) = match connection.usage {
            Usage::Silent(idle) | Usage::Idle(idle) if idle >= GRACE => (Spare::Idle, idle),
            Usage::Silent(idle) => (Spare::New, idle),
            Usage::Waiting(open) => (Spare::Waiting, open),
            Usage::Idle(idle) => (Spare::Used, idle),
            Usage::Sending(open) => (Spare::Sending, open),
            Usage::Reading(open) => (Spare::Reading, open),
            Usage::Writing => return None,
        };
        let may_go = match spare {
            Spare::Idle => true,
            Spare::Waiting | Spare::New => count >= own,
            Spare::Used | Spare::Sending | Spare::Reading => count > own + 1,
        };
        may_go.then_some((count, spare, time, at))
    });
    going.max().map(|(.., at)| at)
}

impl Activity {
    /// Returns what the connection is used for, of whose requests so many wait for a publication.
    fn usage(&self, waiting: WaitingRequests) -> Usage {
        let ended = Duration::from_millis(self.ended.load(Ordering::Acquire));
        let age = self.begun.elapsed();
        let idle = age.saturating_sub(ended);
        let WaitingRequests { polling, following } = waiting;
        let open = self.open.load(Ordering::Acquire);
        let unanswered = open.saturating_sub(self.sending.load(Ordering::Acquire));
        match open {
            0 if self.has_asked.load(Ordering::Acquire) => Usage::Idle(idle),
            0 => Usage::Silent(idle),
            // Its caller has to learn what became of a write.
            _ if self.writing.load(Ordering::Acquire) > 0 => Usage::Writing,
            open if open <= polling + following => Usage::Waiting(age),
            _ if unanswered <= polling => Usage::Sending(age),
            _ => Usage::Reading(age),
        }
    }

    fn begin(self: &Arc<Self>) -> OpenRequest {
        self.has_asked.store(true, Ordering::Release);
        self.open.fetch_add(1, Ordering::AcqRel);
        let may_write = MayWrite(Some(Arc::new(WriteFlag::of(self.clone()))));
        OpenRequest { activity: self.clone(), may_write, is_answered: false }
    }
}

/// What a request writes with, which counts as a write once its credential is accepted: anybody may send one
/// without.
#[derive(Clone, Default)]
pub(super) struct MayWrite(Option<Arc<WriteFlag>>);

struct WriteFlag {
    activity: Arc<Activity>,
    is_set: AtomicBool,
}

impl WriteFlag {
    fn of(activity: Arc<Activity>) -> Self {
        Self { activity, is_set: AtomicBool::new(false) }
    }
}

impl Drop for WriteFlag {
    fn drop(&mut self) {
        let is_set = self.is_set.load(Ordering::Acquire);
        self.activity.writing.fetch_sub(usize::from(is_set), Ordering::AcqRel);
    }
}

impl MayWrite {
    /// Notes that the request writes. Until its answer is sent, its connection is not closed for another.
    pub(super) fn writes(&self) {
        if let Some(flag) = &self.0
            && !flag.is_set.swap(true, Ordering::AcqRel)
        {
            flag.activity.writing.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for MayWrite {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Only a test has no connection.
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// A request, until the last byte of its answer is sent or dropped.
struct OpenRequest {
    activity: Arc<Activity>,
    may_write: MayWrite,
    /// Whether its answer has begun.
    is_answered: bool,
}

impl OpenRequest {
    /// Notes that its answer begins.
    fn answered(mut self) -> Self {
        self.activity.sending.fetch_add(1, Ordering::AcqRel);
        self.is_answered = true;
        self
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Self { activity, is_answered, .. } = self;
        let ended = u64::try_from(activity.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        activity.ended.store(ended, Ordering::Release);
        activity.open.fetch_sub(1, Ordering::AcqRel);
        activity.sending.fetch_sub(usize::from(*is_answered), Ordering::AcqRel);
    }
}

/// An interface that notes the requests of one connection.
#[derive(Clone)]
pub(super) struct NotedService<S> {
    interface: S,
    activity: Arc<Activity>,
}

impl<S> NotedService<S> {
    /// Returns `interface`, with its requests noted in `activity`.
    pub(super) fn new(interface: S, activity: Arc<Activity>) -> Self {
        Self { interface, activity }
    }
}

impl<S: Interface> Service<Request<Incoming>> for NotedService<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.interface.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let open = self.activity.begin();
        request.extensions_mut().insert(open.may_write.clone());
        let answer = self.interface.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let open = Arc::new(open.answered());
            Ok(answer.map(|body| Body::new(NotedBody { body, open })))
        })
    }
}

/// The body of an answer.
struct NotedBody {
    body: Body,
    open: Arc<OpenRequest>,
}

/// Bytes of an answer. The sender drops them when they are sent, and until then the request is open.
struct Unsent {
    data: Bytes,
    _open: Arc<OpenRequest>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl HttpBody for NotedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let noted = |data: Bytes| Bytes::from_owner(Unsent { data, _open: self.open.clone() });
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(noted))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Source {
        Source::at([192, 0, 2, last].into())
    }

    fn facts(last: u8, usage: Usage) -> Facts {
        Facts { address: address(last), usage }
    }

    fn silent(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Silent(Duration::from_millis(millis)))
    }

    fn used(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Idle(Duration::from_millis(millis)))
    }

    fn waiting(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Waiting(Duration::from_millis(millis)))
    }

    fn sending(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Sending(Duration::from_millis(millis)))
    }

    fn reading(last: u8, millis: u64) -> Facts {
        facts(last, Usage::Reading(Duration::from_millis(millis)))
    }

    fn busy(last: u8) -> Facts {
        facts(last, Usage::Writing)
    }

    #[test]
    fn the_connection_that_is_of_no_use_for_the_longest_time_gives_way_of_who_has_most() {
        for (connections, expected) in [
            (vec![], None),
            (vec![silent(1, 0)], Some(0)),
            (vec![busy(1), busy(1)], None),
            // The next request may be on its way.
            (vec![used(1, 999)], None),
            (vec![used(1, 1_000)], Some(0)),
            (vec![reading(1, 9_000), sending(1, 9_000)], None),
            (vec![silent(1, 5), silent(1, 7), silent(1, 6)], Some(1)),
            (vec![used(1, 2_000), silent(1, 7)], Some(0)),
            // Of the address with the most connections, idle or not.
            (vec![silent(1, 9_000), silent(2, 1), busy(2)], Some(1)),
            (vec![silent(1, 9_000), busy(2), busy(2)], Some(0)),
            // Those that wait go before those that have just come, and after those that are idle.
            (vec![waiting(1, 9), silent(1, 999)], Some(0)),
            (vec![waiting(1, 9), silent(1, 1_000)], Some(1)),
            (vec![waiting(1, 9), used(1, 999)], Some(0)),
            (vec![waiting(1, 9), used(1, 1_000)], Some(1)),
            (vec![waiting(1, 9), waiting(2, 1), busy(2)], Some(1)),
            (vec![waiting(1, 9), waiting(1, 8), silent(2, 9_000)], Some(0)),
            (vec![waiting(1, 8), waiting(1, 9), waiting(1, 7)], Some(1)),
        ] {
            // One of an address with as many has to wait for what is in use.
            assert_eq!(first_to_go(&connections, address(1)), expected, "{connections:?}");
        }
    }

    #[test]
    fn what_is_in_use_gives_way_to_an_address_that_has_fewer() {
        for (connections, expected) in [
            (vec![used(1, 5), used(1, 6)], Some(1)),
            (vec![sending(1, 5), sending(1, 6), busy(1)], Some(1)),
            (vec![sending(1, 5), used(1, 0)], Some(1)),
            (vec![reading(1, 5), reading(1, 6), busy(1)], Some(1)),
            (vec![reading(1, 6), sending(1, 5)], Some(1)),
            (vec![busy(1), busy(1)], None),
            // Whoever comes would have as many.
            (vec![used(1, 5)], None),
            // One that has just come does not give way to an address that has more.
            (vec![silent(1, 5), busy(2), busy(2)], None),
            (vec![waiting(1, 5), busy(2), busy(2)], None),
            (vec![silent(1, 1_000), busy(2), busy(2)], Some(0)),
            (vec![used(1, 5), used(2, 5), used(2, 6)], None),
            (vec![used(1, 5), used(1, 6), used(1, 7), used(2, 5)], Some(2)),
        ] {
            assert_eq!(first_to_go(&connections, address(2)), expected, "{connections:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_in_progress_until_its_last_byte_is_sent() {
        let activity = OpenConnections::default().add(&Connection::default(), address(1));
        let usage = || activity.usage(WaitingRequests::default());
        let body = Body::from("an answer");
        let write = activity.begin();
        assert!(matches!(usage(), Usage::Reading(_)), "its credential is not accepted yet");
        let may_write = write.may_write.clone();
        (0..2).for_each(|_| may_write.writes());
        let write = write.answered();
        drop(may_write);
        assert_eq!(usage(), Usage::Writing);
        drop(write);
        assert!(matches!(usage(), Usage::Idle(_)));
        let request = activity.begin();
        assert!(matches!(usage(), Usage::Reading(_)));
        let open = Arc::new(request.answered());
        let mut body = Body::new(NotedBody { body, open });
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert!(matches!(usage(), Usage::Sending(_)), "somebody reads slowly");
        drop(bytes);
        assert!(matches!(usage(), Usage::Idle(_)));
    }

    #[test]
    fn a_connection_is_idle_once_its_last_answer_has_ended() {
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let usage = || activity.usage(connection.waiting());
        assert!(matches!(usage(), Usage::Silent(_)));
        let (first, second) = (activity.begin(), activity.begin());
        second.may_write.writes();
        drop(first);
        open.make_room(address(1));
        assert!(usage() == Usage::Writing && !connection.is_cut());
        drop(second);
        assert!(matches!(usage(), Usage::Idle(_)));
        open.remove(&connection);
        assert!(open.held().is_empty());
    }

    #[test]
    fn a_connection_waits_while_all_its_requests_do_and_then_gives_way() {
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let begin = || activity.begin();
        let usage = || activity.usage(connection.waiting());
        let _requests = (begin(), begin());
        let _first = connection.polls();
        open.make_room(address(1));
        assert!(matches!(usage(), Usage::Reading(_)) && connection.asked_ago().is_none());
        let second = connection.polls();
        assert!(matches!(usage(), Usage::Waiting(_)));
        drop(second);
        let (answered, _stream) = (begin().answered(), connection.follows());
        assert!(matches!(usage(), Usage::Reading(_)));
        let _second = connection.polls();
        assert!(matches!(usage(), Usage::Waiting(_)));
        let other = begin().answered();
        assert!(matches!(usage(), Usage::Sending(_)));
        drop((answered, other));
        open.make_room(address(1));
        assert!(connection.asked_ago().is_some() && !connection.is_cut(), "it is answered first");
    }

    #[tokio::test]
    async fn a_connection_that_does_not_leave_is_closed() {
        tokio::time::pause();
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let _request = (activity.begin(), connection.polls());
        for (advance, is_cut) in [(Duration::ZERO, false), (LEAVING / 2, false), (LEAVING, true)] {
            tokio::time::advance(advance).await;
            open.make_room(address(1));
            assert_eq!(connection.is_cut(), is_cut, "{advance:?}");
        }
    }
}
