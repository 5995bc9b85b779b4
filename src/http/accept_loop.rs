//! The accept loop. `axum::serve` sets no timer, so a client that never finishes its headers would
//! keep its connection forever. This loop bounds time, size and number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;

use super::connection::Connection;
use super::connection_activity::NotedService;
use super::http2_write_timeout::{Http2Activity, ObservedService};
use super::open_connections::OpenConnections;
use super::permits::{Permit, Permits};
use super::preface::{self, Begun, Protocol};
use super::room_maker::RoomMaker;
use super::service::Interface;
use super::source::{Peer, Source};
use super::waiter_limit::WaiterLimit;
use super::write_timeout::WriteTimeout;

/// The limits on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The number of open connections. If there are more, some give way, or the others wait: as many again, of
    /// which one address may have as many as it leaves for others.
    pub connections: usize,
    /// How long the headers of a request may take, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a caller may go without reading anything of an answer.
    pub write_timeout: Duration,
    /// The number of headers that a request may have.
    pub headers: usize,
    /// The size of the head of a request, in bytes.
    pub head_bytes: usize,
    /// The number of open HTTP/2 requests per connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            headers: 64,
            head_bytes: 32 << 10,
            streams: 16,
        }
    }
}

/// How long the loop rests when the process or the system has no free file descriptor. Without the
/// rest the loop would spin, because the connection stays in the queue.
const EXHAUSTED: Duration = Duration::from_millis(500);

/// How long a connection that was asked to end is read from after its last answer.
const LINGER: Duration = Duration::from_secs(1);

/// How often a connection that waits for a place is looked at, whether its peer is still there.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many connections may wait for a place, if there are fewer places.
const ARRIVING: usize = 256;

/// Accepts connections and serves `interface` on them until `stop` is cancelled. Then finishes the
/// requests in flight, for `drain` at most. Returns whether all of them finished.
pub async fn serve<S: Interface>(
    listener: TcpListener,
    interface: S,
    limits: Limits,
    stop: CancellationToken,
    drain: Duration,
) -> bool {
    let connections = TaskTracker::new();
    let waiters = WaiterLimit::shared(limits.connections.max(ARRIVING));
    let places = Permits::new(limits.connections, limits.connections, waiters);
    let ended = CancellationToken::new();
    let open = OpenConnections::default();
    let room = Arc::new(RoomMaker::new(places.clone(), open.clone()));
    let (maker, is_over) = (room.clone(), stop.clone());
    connections.spawn(async move { is_over.run_until_cancelled(maker.run()).await });
    while let Some((stream, peer)) = next(&listener, &stop).await {
        let (own, source) = (Connection::default(), Source::at(peer.ip()));
        let service = Extension(own.clone()).layer(interface.clone());
        let service = Extension(Peer(peer.ip())).layer(service);
        let (places, open, room) = (places.clone(), open.clone(), room.clone());
        let (stop, ended) = (stop.clone(), ended.clone());
        connections.spawn(async move {
            let place = tokio::select! {
                place = place(&places, &room, source, &stream) => place,
                () = stop.cancelled() => None,
            };
            let Some(place) = place else { return };
            let service = NotedService::new(service, open.add(&own, source));
            let left = tokio::select! {
                left = serve_one(stream, service, limits, &stop, &own) => left,
                () = own.was_cut() => {
                    tracing::debug!(%peer, "closed for another");
                    None
                }
                () = ended.cancelled() => None,
            };
            open.remove(&own);
            drop(place);
            if let Some(left) = left {
                tokio::time::timeout(LINGER, linger(left)).await.ok();
            }
        });
    }
    drop(listener);
    connections.close();
    let drained = tokio::time::timeout(drain, connections.wait()).await.is_ok();
    ended.cancel();
    drained
}

/// Waits for a connection. Returns `None` once `stop` is cancelled.
async fn next(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    let accepted = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => Some(accepted),
        () = stop.cancelled() => None,
    }
}

/// Waits for a place, which the address with the fewest gets first. While there is none, connections give
/// way that are idle or only wait. Returns `None` if too many wait, or the peer has hung up.
async fn place(
    places: &Permits,
    room: &RoomMaker,
    source: Source,
    stream: &TcpStream,
) -> Option<Permit> {
    let mut place = std::pin::pin!(places.take(source));
    // Nearly always there is one.
    if let Ok(place) = tokio::time::timeout(Duration::ZERO, &mut place).await {
        return place;
    }
    room.waits();
    while !has_hung_up(stream).await {
        if let Ok(place) = tokio::time::timeout(PATIENCE, &mut place).await {
            room.has_come();
            return place;
        }
    }
    None
}

/// Returns whether nothing more comes from the peer, and nothing has.
async fn has_hung_up(stream: &TcpStream) -> bool {
    let peeked = tokio::time::timeout(Duration::ZERO, stream.peek(&mut [0])).await;
    matches!(peeked, Ok(Ok(0) | Err(_)))
}

/// Returns whether the error concerns the connection being accepted, and not this process.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Ends a connection whose caller may have sent more requests, or the rest of a body. Closed with these unread, it would
/// be reset, and the caller might lose the answer that it has not read yet.
async fn linger(mut stream: ServedStream) {
    if stream.shutdown().await.is_ok() {
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await.is_ok_and(|count| count > 0) {}
    }
}

/// A connection that is being served.
type ServedStream = Begun<WriteTimeout<TcpStream>>;

/// Serves one connection. Returns it if its caller may not know yet that it has ended.
async fn serve_one(
    stream: TcpStream,
    service: impl Interface<Future: Unpin>,
    limits: Limits,
    stop: &CancellationToken,
    own: &Connection,
) -> Option<ServedStream> {
    // Answers are written in one piece, so waiting for more data gains nothing.
    stream.set_nodelay(true).ok();
    let stream = WriteTimeout::new(stream, limits.write_timeout);
    let begun = tokio::select! {
        begun = tokio::time::timeout(limits.header_timeout, preface::told(stream)) => begun,
        () = stop.cancelled() => return None,
    };
    match begun {
        Ok(Ok((Protocol::Http1, stream))) => {
            Some(http1(stream, service, limits, ends(stop, own)).await)
        }
        Ok(Ok((Protocol::Http2, stream))) => {
            if let Err(error) = http2(stream, service, limits, ends(stop, own)).await {
                tracing::debug!(%error, "connection ended early");
            }
            None
        }
        // The peer sent nothing that can be answered.
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Waits until the connection is to end after the answers in progress.
async fn ends(stop: &CancellationToken, own: &Connection) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = own.was_asked_to_leave() => {}
    }
}

async fn http1(
    stream: ServedStream,
    service: impl Interface<Future: Unpin>,
    limits: Limits,
    ends: impl Future<Output = ()>,
) -> ServedStream {
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        // A single read may exceed the limit of the buffer, so the head has its own limit.
        .max_buf_size(limits.head_bytes)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let served = tokio::select! {
        served = &mut serving => served,
        () = ends => {
            Pin::new(&mut serving).graceful_shutdown();
            (&mut serving).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
    serving.into_parts().io.into_inner()
}

async fn http2(
    stream: ServedStream,
    service: impl Interface,
    limits: Limits,
    ends: impl Future<Output = ()>,
) -> hyper::Result<()> {
    let pulse = Http2Activity::new();
    let service = ObservedService::new(service, pulse.clone());
    let serving = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        () = ends => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                result = serving => result,
                () = pulse.stopped(limits.write_timeout) => Ok(()),
            }
        }
        () = pulse.stopped(limits.write_timeout) => {
            serving.as_mut().graceful_shutdown();
            // What the peer does not read is dropped with the connection.
            let patience = limits.header_timeout.min(limits.write_timeout);
            tokio::time::timeout(patience, serving).await.unwrap_or(Ok(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: std::net::SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<bool>,
    }

    async fn start(router: Router, limits: Limits) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let drain = Duration::from_secs(20);
        let task = tokio::spawn(serve(listener, router, limits, stop.clone(), drain));
        Running { address, stop, task }
    }

    async fn exchange(running: &Running, request: &str) -> String {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn hello() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    #[tokio::test]
    async fn an_answer_reaches_a_caller_who_sends_more_than_is_read_of_it() {
        const LARGE: usize = 8 << 20;
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (begun.clone(), go.clone());
        let large = move || async move {
            tell.notify_one();
            wait.notified().await;
            "x".repeat(LARGE)
        };
        let running = start(Router::new().route("/", get(large)), Limits::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let more = "x".repeat(1 << 20);
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begun.notified().await;
        // The next request is on its way when the connection is asked to end.
        let next =
            format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{more}", more.len());
        let (mut read, mut write) = stream.into_split();
        let writes = tokio::spawn(async move { (write.write_all(next.as_bytes()).await, write) });
        running.stop.cancel();
        go.notify_one();
        let mut answer = Vec::new();
        read.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() > LARGE, "{} bytes", answer.len());
        drop(writes.await);
        assert!(running.task.await.unwrap());
    }

    #[tokio::test]
    async fn an_answer_reaches_a_caller_whose_body_is_refused_before_it_has_come() {
        const LARGE: usize = 8 << 20;
        let refuse = || async { (StatusCode::PAYLOAD_TOO_LARGE, "x".repeat(LARGE)) };
        let running = start(Router::new().route("/", post(refuse)), Limits::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let more = "x".repeat(4 << 20);
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 30);
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let writes = tokio::spawn(async move { (write.write_all(more.as_bytes()).await, write) });
        let mut answer = Vec::new();
        read.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 413 ") && answer.len() > LARGE, "{}", answer.len());
        drop(writes.await);
    }

    #[tokio::test]
    async fn a_request_is_answered() {
        let running = start(hello(), Limits::default()).await;
        let answer = exchange(&running, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn headers_that_never_end_are_cut_off() {
        let limits = Limits { header_timeout: Duration::from_millis(50), ..Limits::default() };
        let running = start(hello(), limits).await;
        let answer = exchange(&running, "GET / HTTP/1.1\r\nX-Slow: ").await;
        assert!(!answer.contains("hello"), "{answer}");
    }

    #[tokio::test]
    async fn too_many_or_too_large_headers_are_refused() {
        let running = start(hello(), Limits::default()).await;
        let many = "A: b\r\n".repeat(65);
        let answer = exchange(&running, &format!("GET / HTTP/1.1\r\n{many}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        let large = "x".repeat(40 << 10);
        let answer = exchange(&running, &format!("GET / HTTP/1.1\r\nA: {large}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_above_the_cap_waits_for_a_place_while_the_others_are_in_use() {
        let limits = Limits { connections: 1, ..Limits::default() };
        let begun = Arc::new(Notify::new());
        let told = begun.clone();
        let slow = get(move || async move {
            told.notify_one();
            std::future::pending::<&str>().await
        });
        let running = start(hello().route("/slow", slow), limits).await;
        let mut holder = TcpStream::connect(running.address).await.unwrap();
        holder.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
        begun.notified().await;
        let waiting = exchange(&running, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
        let mut waiting = std::pin::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        drop(holder);
        assert!(waiting.await.ends_with("hello"));
    }

    #[tokio::test]
    async fn connections_that_send_nothing_give_way_when_there_is_no_place() {
        let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
        let limits = Limits { connections: 10, header_timeout: hour, ..Limits::default() };
        let running = start(hello(), limits).await;
        let begin = |text: &'static str| async {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream
        };
        let mut idle = Vec::new();
        for text in ["", "GET / HT", "GET / HTTP/1.1\r\n"].into_iter().cycle().take(50) {
            idle.push(begin(text).await);
        }
        let request = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
        for _ in 0..20 {
            let answer = tokio::time::timeout(minute, exchange(&running, request)).await;
            assert!(answer.is_ok_and(|answer| answer.ends_with("hello")), "there is no place");
        }
        let mut first = idle.swap_remove(0);
        assert_eq!(first.read(&mut [0]).await.unwrap_or(0), 0, "it was closed");
    }

    #[tokio::test]
    async fn a_caller_who_takes_nothing_of_an_answer_is_left() {
        let write_timeout = Duration::from_millis(50);
        let limits = Limits { connections: 1, write_timeout, ..Limits::default() };
        // More than the buffers of both sides hold.
        let router = Router::new().route("/", get(|| async { vec![b'x'; 32 << 20] }));
        let running = start(router.route("/small", get(|| async { "small" })), limits).await;
        let mut holder = TcpStream::connect(running.address).await.unwrap();
        holder.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let request = "GET /small HTTP/1.1\r\nConnection: close\r\n\r\n";
        assert!(exchange(&running, request).await.ends_with("small"), "the place is free");
        drop(holder);
    }

    #[tokio::test]
    async fn a_request_in_flight_is_finished_before_the_loop_ends() {
        let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begun, held) = (started.clone(), release.clone());
        let slow = Router::new().route(
            "/",
            get(move || async move {
                begun.notify_one();
                held.notified().await;
                "late"
            }),
        );
        let running = start(slow, Limits::default()).await;
        let answer = exchange(&running, "GET / HTTP/1.1\r\n\r\n");
        let steps = async {
            started.notified().await;
            running.stop.cancel();
            release.notify_one();
        };
        let (answer, ()) = tokio::join!(answer, steps);
        assert!(answer.ends_with("late"), "{answer}");
        assert!(running.task.await.unwrap());
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    /// Returns the first bytes of an HTTP/2 client: the preface, its settings, and a request for
    /// `/`.
    fn http2_request() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        // GET, from the static table of HPACK.
        bytes.extend(http2_stream(1, &[0x82]));
        bytes
    }

    /// Returns an HTTP/2 request for `/`, with its method encoded in HPACK.
    fn http2_stream(id: u32, method: &[u8]) -> Vec<u8> {
        // http, `/`, and the authority `x`, from the static table.
        let head = [method, &[0x86, 0x84, 0x01, 1, b'x']].concat();
        [&[0, 0, head.len() as u8, 1, 0x05][..], &id.to_be_bytes(), &head].concat()
    }

    #[tokio::test]
    async fn http2_is_spoken_to_those_who_begin_with_it() {
        let running = start(hello(), Limits::default()).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(&http2_request()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(5).any(|text| text == b"hello") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
        running.stop.cancel();
        drop(stream);
        assert!(running.task.await.unwrap());
    }

    #[tokio::test]
    async fn a_connection_of_http2_on_which_nothing_is_taken_is_left() {
        let (header_timeout, write_timeout) =
            (Duration::from_millis(50), Duration::from_millis(50));
        let limits = Limits { connections: 1, header_timeout, write_timeout, ..Limits::default() };
        // More than the window of a stream, which the client never opens.
        let router = Router::new().route("/", get(|| async { vec![b'x'; 1 << 20] }));
        let running = start(router.route("/small", get(|| async { "small" })), limits).await;
        let mut holder = TcpStream::connect(running.address).await.unwrap();
        holder.write_all(&http2_request()).await.unwrap();
        let request = "GET /small HTTP/1.1\r\nConnection: close\r\n\r\n";
        assert!(exchange(&running, request).await.ends_with("small"), "the place is free");
        drop(holder);
    }

    #[tokio::test]
    async fn a_caller_who_takes_nothing_of_one_answer_is_left_whatever_else_it_asks() {
        // A closed window, and one so small that the rest of the answer stays in flight.
        for window in [0_u8, 1] {
            let write_timeout = Duration::from_millis(100);
            let limits = Limits { connections: 1, write_timeout, ..Limits::default() };
            let router = Router::new().route("/", get(|| async { vec![b'x'; 10 << 10] }));
            let running = start(router.route("/small", get(|| async { "small" })), limits).await;
            let mut holder = TcpStream::connect(running.address).await.unwrap();
            let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            // The initial window of a stream.
            begin.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, window]);
            begin.extend(http2_stream(1, &[0x82]));
            holder.write_all(&begin).await.unwrap();
            let (mut answers, mut asks) = holder.into_split();
            let asking = async {
                for id in (3..).step_by(2) {
                    // HEAD: its answer has no body to read.
                    let request = http2_stream(id, b"\x02\x04HEAD");
                    if asks.write_all(&request).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let mut told = Vec::new();
            let reading = async { answers.read_to_end(&mut told).await.ok() };
            let request = "GET /small HTTP/1.1\r\nConnection: close\r\n\r\n";
            tokio::select! {
                answer = exchange(&running, request) => assert!(answer.ends_with("small")),
                () = async { tokio::join!(asking, reading); std::future::pending().await } => {}
            }
        }
    }

    #[test]
    fn only_errors_of_one_connection_are_passed_over() {
        assert!(concerns_one_connection(&io::ErrorKind::ConnectionAborted.into()));
        const EMFILE: i32 = 24;
        assert!(!concerns_one_connection(&io::Error::from_raw_os_error(EMFILE)));
    }
}
