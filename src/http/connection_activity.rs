//! What a connection is used for: its requests are noted, from their first byte until the last one of their answers
//! is sent.

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

use super::connection::{Connection, WaitingRequest, WaitingRequests};
use super::eviction::{TELLING, Usage};
use super::service::Interface;
use crate::wire::{ApiError, Code};

/// The writes of a connection, whose callers have to learn what became of them.
#[derive(Debug, Default)]
struct Writes {
    /// Those that are being made.
    making: usize,
    /// Those whose answers are being sent.
    told: usize,
}

/// How far a request that writes has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteStage {
    /// It does not write, or its credential is not accepted yet, or it only waits.
    Nothing,
    Making,
    Told,
}

/// The requests of a connection.
pub(super) struct Activity {
    connection: Connection,
    begun: Instant,
    /// The number of requests in progress.
    open: AtomicUsize,
    /// How many of them are being answered.
    sending: AtomicUsize,
    writes: Mutex<Writes>,
    /// When the last answer ended, in milliseconds after the beginning.
    ended: AtomicU64,
    has_asked: AtomicBool,
}

impl Activity {
    /// Returns that of a connection that has just come.
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            begun: Instant::now(),
            open: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            writes: Mutex::default(),
            ended: AtomicU64::new(0),
            has_asked: AtomicBool::new(false),
        }
    }

    /// Returns what the connection is used for.
    pub(super) fn usage(&self) -> Usage {
        let ended = Duration::from_millis(self.ended.load(Ordering::Acquire));
        let age = self.begun.elapsed();
        let idle = age.saturating_sub(ended);
        let WaitingRequests { polling, following } = self.connection.waiting();
        let open = self.open.load(Ordering::Acquire);
        let Writes { making, told, .. } = *self.writes();
        let unanswered = open.saturating_sub(self.sending.load(Ordering::Acquire));
        match open {
            0 if self.has_asked.load(Ordering::Acquire) => Usage::Idle(idle),
            0 => Usage::Silent(idle),
            _ if making > 0 => Usage::Writing(age),
            _ if told > 0 => Usage::Telling(age),
            open if open <= polling + following => Usage::Waiting(age),
            _ if unanswered <= polling => Usage::Sending(age),
            _ => Usage::Reading(age),
        }
    }

    /// Closes the connection at once, unless a write is being made on it, or its answer is being sent and has had
    /// no time for that. Returns whether it is closed: no write is begun on it after that.
    pub(super) fn cut(&self) -> bool {
        let writes = self.writes();
        if writes.making == 0 && (writes.told == 0 || self.was_asked_long_ago()) {
            self.connection.cut();
        }
        self.connection.is_cut()
    }

    /// Returns whether it had time to leave since it was asked to.
    fn was_asked_long_ago(&self) -> bool {
        self.connection.asked_ago().is_some_and(|ago| ago >= TELLING)
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        // The counts are consistent after every statement, so a poisoned lock holds usable ones.
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(self: &Arc<Self>) -> OpenRequest {
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
    /// Whether it came long after its connection was asked to leave, which would never end if it wrote on and on.
    is_late: bool,
    stage: Mutex<WriteStage>,
}

impl WriteFlag {
    fn of(activity: Arc<Activity>) -> Self {
        let is_late = activity.was_asked_long_ago();
        Self { activity, is_late, stage: Mutex::new(WriteStage::Nothing) }
    }

    fn stage(&self) -> MutexGuard<'_, WriteStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the request has come as far as `next`, if the connection is not closed or it came to something
    /// before.
    fn reach(&self, next: WriteStage) -> Option<()> {
        let mut stage = self.stage();
        let mut writes = self.activity.writes();
        let is_closed = self.is_late || self.activity.connection.is_cut();
        let begins = *stage == WriteStage::Nothing && next != WriteStage::Nothing;
        if is_closed && begins {
            return None;
        }
        let mut count = |stage, change: fn(&mut usize)| match stage {
            WriteStage::Nothing => {}
            WriteStage::Making => change(&mut writes.making),
            WriteStage::Told => change(&mut writes.told),
        };
        count(*stage, |count| *count -= 1);
        count(next, |count| *count += 1);
        *stage = next;
        Some(())
    }
}

impl Drop for WriteFlag {
    fn drop(&mut self) {
        self.reach(WriteStage::Nothing);
    }
}

impl MayWrite {
    /// Returns the connection of the request; only a test has none.
    pub(super) fn connection(&self) -> Connection {
        self.0.as_ref().map(|flag| flag.activity.connection.clone()).unwrap_or_default()
    }

    /// Notes that the request writes. Until it is answered, its connection is not closed for another, but asked to
    /// leave.
    ///
    /// # Errors
    /// 503 if the connection is closed already, and nobody would learn of the write, or should have ended long ago.
    pub(super) fn writes(&self) -> Result<(), ApiError> {
        let Some(flag) = &self.0 else { return Ok(()) };
        flag.reach(WriteStage::Making).ok_or_else(|| ApiError::from(Code::Busy))
    }

    /// Notes that the answer begins, if the request writes.
    fn is_told(&self) {
        if let Some(flag) = &self.0 {
            let writes = *flag.stage() == WriteStage::Making;
            writes.then(|| flag.reach(WriteStage::Told));
        }
    }

    /// Notes that the write is made, and that its answer only waits until the commit is in a second place. It has an
    /// answer at any time, so its connection may be asked to leave.
    pub(super) fn is_made(&self) -> Option<WaitingWrite<'_>> {
        let flag = self.0.as_deref()?;
        let request = flag.activity.connection.polls();
        flag.reach(WriteStage::Nothing);
        Some(WaitingWrite { flag, _request: request })
    }
}

/// A write whose answer waits, until this is dropped: then its answer is sent, and counts as a write again.
pub(super) struct WaitingWrite<'a> {
    flag: &'a WriteFlag,
    _request: WaitingRequest,
}

impl WaitingWrite<'_> {
    /// Waits until the answer is to be given for the sake of another connection.
    pub(super) async fn was_asked_to_leave(&self) {
        self.flag.activity.connection.was_asked_to_leave().await;
    }
}

impl Drop for WaitingWrite<'_> {
    fn drop(&mut self) {
        self.flag.reach(WriteStage::Making);
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
pub(super) struct OpenRequest {
    activity: Arc<Activity>,
    pub(super) may_write: MayWrite,
    /// Whether its answer has begun.
    is_answered: bool,
}

impl OpenRequest {
    /// Notes that its answer begins.
    pub(super) fn answered(mut self) -> Self {
        self.activity.sending.fetch_add(1, Ordering::AcqRel);
        self.is_answered = true;
        self.may_write.is_told();
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

    #[tokio::test]
    async fn an_answer_is_in_progress_until_its_last_byte_is_sent() {
        let activity = Arc::new(Activity::new(Connection::default()));
        let usage = || activity.usage();
        let body = Body::from("an answer");
        let write = activity.begin();
        assert!(matches!(usage(), Usage::Reading(_)), "its credential is not accepted yet");
        let may_write = write.may_write.clone();
        (0..2).for_each(|_| may_write.writes().unwrap());
        assert!(matches!(usage(), Usage::Writing(_)));
        let write = write.answered();
        drop(may_write);
        assert!(matches!(usage(), Usage::Telling(_)));
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

    #[tokio::test]
    async fn no_write_is_begun_on_a_connection_that_is_closed_and_none_is_closed_while_one_is_made()
    {
        tokio::time::pause();
        let connection = Connection::default();
        let activity = Arc::new(Activity::new(connection.clone()));
        let (first, second) = (activity.begin(), activity.begin());
        first.may_write.writes().unwrap();
        assert!(!activity.cut() && !connection.is_cut());
        second.may_write.writes().unwrap();
        let (first, second) = (first.answered(), second.answered());
        assert!(!activity.cut(), "their answers are sent");
        connection.ask_to_leave();
        tokio::time::advance(TELLING).await;
        let late = activity.begin();
        assert!(late.may_write.writes().is_err(), "it would never end");
        assert!(activity.cut() && connection.is_cut(), "their answers are not taken");
        let third = activity.begin();
        let refused = third.may_write.writes().unwrap_err();
        assert_eq!(refused.code(), Code::Busy);
        drop((first, second, late, third));
        assert!(matches!(activity.usage(), Usage::Idle(_)));
    }

    #[tokio::test]
    async fn a_write_that_is_made_only_waits_until_its_answer_is_sent() {
        let connection = Connection::default();
        let activity = Arc::new(Activity::new(connection.clone()));
        let is_writing = || matches!(activity.usage(), Usage::Writing(_));
        let write = activity.begin();
        write.may_write.writes().unwrap();
        assert!(is_writing());
        let made = write.may_write.is_made().unwrap();
        assert!(matches!(activity.usage(), Usage::Waiting(_)));
        let another = activity.begin();
        another.may_write.writes().unwrap();
        assert!(is_writing(), "the other one is not made yet");
        drop(another);
        connection.ask_to_leave();
        made.was_asked_to_leave().await;
        drop(made);
        assert!(is_writing(), "its answer is on its way");
        drop(write);
        assert!(matches!(activity.usage(), Usage::Idle(_)));
    }
}
