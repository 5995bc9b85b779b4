//! Connections without a request in progress, which give way when all places are taken.
//!
//! Otherwise whoever opens connections and sends nothing would keep everybody else waiting.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;
use tower::Service;

use super::connection::Connection;
use super::service::Interface;

/// How long a connection that was of use stays, at least, after its last answer: the next request may be
/// on its way, and the end of the answer is.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The open connections.
#[derive(Clone, Default)]
pub(super) struct OpenConnections(Arc<Mutex<HashMap<Connection, Held>>>);

/// What is known of an open connection.
struct Held {
    address: IpAddr,
    activity: Arc<Activity>,
}

/// The requests of a connection.
pub(super) struct Activity {
    begun: Instant,
    /// The number of requests in progress.
    open: AtomicUsize,
    /// When the last answer ended, in milliseconds after the beginning.
    ended: AtomicU64,
    has_asked: AtomicBool,
}

/// What decides whether a connection gives way.
#[derive(Debug, Clone, Copy)]
struct Facts {
    address: IpAddr,
    /// For how long no request has been in progress; `None` while one is.
    idle: Option<Duration>,
    /// Whether a request has arrived.
    has_asked: bool,
}

impl OpenConnections {
    /// Notes a connection, and returns where its requests are noted.
    pub(super) fn add(&self, connection: &Connection, address: IpAddr) -> Arc<Activity> {
        let activity = Arc::new(Activity {
            begun: Instant::now(),
            open: AtomicUsize::new(0),
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

    /// Closes the connection that gives way first, if there is one.
    pub(super) fn make_room(&self) {
        let held = self.held();
        let open: Vec<(&Connection, Facts)> = held
            .iter()
            .filter(|(connection, _)| !connection.is_cut())
            .map(|(connection, Held { address, activity })| (connection, activity.facts(*address)))
            .collect();
        let facts: Vec<Facts> = open.iter().map(|(_, facts)| *facts).collect();
        if let Some(first) = first_to_go(&facts) {
            tracing::debug!(address = %facts[first].address, "closed an idle connection for another");
            open[first].0.cut();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Connection, Held>> {
        // The map is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the connection that gives way first: of the address that has the most connections, the one that
/// has been idle for the longest time.
fn first_to_go(connections: &[Facts]) -> Option<usize> {
    let mut of_address: HashMap<IpAddr, usize> = HashMap::new();
    for connection in connections {
        *of_address.entry(connection.address).or_default() += 1;
    }
    let idle = connections.iter().enumerate().filter_map(|(at, connection)| {
        let idle = connection.idle.filter(|idle| !connection.has_asked || *idle >= GRACE)?;
        Some((of_address[&connection.address], idle, at))
    });
    idle.max_by_key(|(count, idle, _)| (*count, *idle)).map(|(_, _, at)| at)
}

impl Activity {
    fn facts(&self, address: IpAddr) -> Facts {
        let since = Duration::from_millis(self.ended.load(Ordering::Acquire));
        let idle = self.begun.elapsed().saturating_sub(since);
        let is_open = self.open.load(Ordering::Acquire) > 0;
        let has_asked = self.has_asked.load(Ordering::Acquire);
        Facts { address, idle: (!is_open).then_some(idle), has_asked }
    }

    fn begin(self: &Arc<Self>) -> OpenRequest {
        self.has_asked.store(true, Ordering::Release);
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenRequest(self.clone())
    }
}

/// A request, until the last byte of its answer is sent or dropped.
struct OpenRequest(Arc<Activity>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let ended = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.ended.store(ended, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
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

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let open = self.activity.begin();
        let answer = self.interface.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let open = Arc::new(open);
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

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn silent(last: u8, millis: u64) -> Facts {
        let idle = Some(Duration::from_millis(millis));
        Facts { address: address(last), idle, has_asked: false }
    }

    fn used(last: u8, millis: u64) -> Facts {
        Facts { has_asked: true, ..silent(last, millis) }
    }

    fn busy(last: u8) -> Facts {
        Facts { idle: None, ..used(last, 0) }
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
            (vec![silent(1, 5), silent(1, 7), silent(1, 6)], Some(1)),
            (vec![used(1, 2_000), silent(1, 7)], Some(0)),
            // Of the address with the most connections, idle or not.
            (vec![silent(1, 9_000), silent(2, 1), busy(2)], Some(1)),
            (vec![silent(1, 9_000), busy(2), busy(2)], Some(0)),
        ] {
            assert_eq!(first_to_go(&connections), expected, "{connections:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_in_progress_until_its_last_byte_is_sent() {
        let activity = OpenConnections::default().add(&Connection::default(), address(1));
        let body = Body::from("an answer");
        let mut body = Body::new(NotedBody { body, open: Arc::new(activity.begin()) });
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert!(activity.facts(address(1)).idle.is_none(), "somebody reads slowly");
        drop(bytes);
        assert!(activity.facts(address(1)).idle.is_some());
    }

    #[test]
    fn a_connection_is_idle_once_its_last_answer_has_ended() {
        let open = OpenConnections::default();
        let connection = Connection::default();
        let activity = open.add(&connection, address(1));
        let facts = || activity.facts(address(1));
        assert!(facts().idle.is_some() && !facts().has_asked);
        let (first, second) = (activity.begin(), activity.begin());
        drop(first);
        open.make_room();
        assert!(facts().idle.is_none() && !connection.is_cut());
        drop(second);
        assert!(facts().idle.is_some() && facts().has_asked);
        open.remove(&connection);
        assert!(open.held().is_empty());
    }
}
