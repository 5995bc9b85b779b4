//! Many followers, and large pushes: all receive the same, and nobody else waits.
//!
//! `HEADWATER_LISTENERS` is the number of followers (40), a fourth of which read nothing;
//! `HEADWATER_LISTENER_RECORDS` is the number of records that a push changes (300),
//! `HEADWATER_LISTENER_PUSHES` is the number of pushes (2), and `HEADWATER_LISTENER_VIEWS` the
//! number of views (20).

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater_testkit::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::harness::TestServer;

fn size(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|size| size.parse().ok()).unwrap_or(default)
}

const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";

/// Changes all records at once.
fn push(upstream: &mut Upstream, records: usize, round: usize) -> String {
    let text = "x".repeat(300);
    let record = |n: usize| {
        let text = format!("round = {round}\nslug = \"p{n}\"\ntext = \"{text}\"\n");
        (format!("people/p{n}.toml"), text.into_bytes())
    };
    upstream.commit_stream("all of them", (0..records).map(record))
}

/// The number of bytes of each line that are inspected.
const BEGINNING: usize = 400;

/// A line of an event: its beginning and its length.
type Line = (String, usize);

/// A follower, and what it receives, line by line.
struct Follower {
    stream: TcpStream,
    begun: Vec<u8>,
    length: usize,
    lines: Vec<Line>,
}

impl Follower {
    /// Starts to follow everything, over HTTP/1.0, without chunks. `headers` are its own.
    async fn new(address: SocketAddr, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET /api/_changes HTTP/1.0\r\nAccept: text/event-stream\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut follower = Self { stream, begun: Vec::new(), length: 0, lines: Vec::new() };
        while !follower.lines.iter().any(|(line, _)| line.starts_with("id: ")) {
            follower.read().await;
        }
        follower
    }

    async fn read(&mut self) {
        let mut piece = vec![0; 16 << 10];
        let length = self.stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "the stream ended early");
        let piece = &piece[..length];
        // Nobody reads everything available before the others get their turn.
        tokio::task::yield_now().await;
        if self.begun.len() >= BEGINNING && !piece.contains(&b'\n') {
            self.length += length;
            return;
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let wanted = BEGINNING.saturating_sub(self.begun.len()).min(part.len());
            self.begun.extend_from_slice(&part[..wanted]);
            self.length += part.len();
            if part.ends_with(b"\n") {
                let begun = String::from_utf8(std::mem::take(&mut self.begun)).unwrap();
                let line = (begun, std::mem::take(&mut self.length));
                // Signs of life may come at any time.
                if !line.0.starts_with(':') {
                    self.lines.push(line);
                }
            }
        }
    }

    /// Reads until the event that leads to `commit` has arrived, and returns its lines.
    async fn follow(mut self, commit: String) -> (Self, Vec<Line>) {
        // Behind the commit, a view that is not the public one has a mark of its own.
        let (id, of_view) = (format!("id: {commit}\n"), format!("id: {commit}-"));
        loop {
            let is_id = |line: &str| *line == id || line.starts_with(&of_view);
            let at = self.lines.iter().position(|(line, _)| is_id(line));
            // Its name, its data and an empty line follow.
            if let Some(at) = at.filter(|at| self.lines.len() >= at + 4) {
                let event = self.lines.drain(..at + 4).skip(at).collect();
                return (self, event);
            }
            self.read().await;
        }
    }
}

/// Asks whether the server is alive until `stop`, and returns how long each answer took.
fn probe(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /health/live HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        times.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    times.sort_unstable();
    times
}

#[test]
fn many_who_follow_are_told_the_same_and_nobody_else_waits() {
    let listeners = size("HEADWATER_LISTENERS", 40);
    let records = size("HEADWATER_LISTENER_RECORDS", 300);
    let pushes = size("HEADWATER_LISTENER_PUSHES", 2);
    // Each stream takes two descriptors in this process.
    headwater::descriptors::raise(2 * listeners);
    let mut upstream = Upstream::new();
    upstream.commit("a sheet").put(".gitsheets/people.toml", DEFINITION).push();
    push(&mut upstream, records, 0);
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_MAX_CONNECTIONS", "4000")]);
    let address = server.server().address();
    // The server has threads of its own, and so does the prober.
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let open = || clients.block_on(Follower::new(address, ""));
    // They get the same events, and the server keeps nothing that they do not read.
    let idle: Vec<_> = (0..listeners / 4).map(|_| open()).collect();
    let mut followers: Vec<_> = (idle.len()..listeners).map(|_| open()).collect();
    let before = headwater::memory::resident().unwrap_or_default();
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let probing = std::thread::spawn(move || probe(address, &stopping));
    let mut most = 0;
    for round in 1..=pushes {
        let commit = push(&mut upstream, records, round);
        let following = followers.drain(..).map(|follower| follower.follow(commit.clone()));
        let following: Vec<_> = following.map(|following| clients.spawn(following)).collect();
        assert_eq!(server.reload().status, 200);
        let mut told = BTreeSet::new();
        for following in following {
            let (follower, event) = clients.block_on(following).unwrap();
            followers.push(follower);
            told.insert(event);
            most = most.max(headwater::memory::resident().unwrap_or_default());
        }
        assert_eq!(told.len(), 1, "all receive the same");
        let event = told.first().unwrap();
        let is_told = records <= 10_000;
        assert_eq!(event[1].0, if is_told { "event: changes\n" } else { "event: resync\n" });
        assert!(!is_told || event[2].1 > records * 300, "with every record");
    }
    stop.store(true, Ordering::Relaxed);
    let times = probing.join().unwrap();
    let at = |part: usize| times[(times.len() * part / 1_000).min(times.len() - 1)];
    println!(
        "{listeners} listeners, {pushes} pushes of {records} records: {} times asked whether it lives, \
         p50 {:?}, p99 {:?}, at most {:?}; {} MB more memory than {} MB",
        times.len(),
        at(500),
        at(990),
        at(1_000),
        most.saturating_sub(before) >> 20,
        before >> 20,
    );
    drop(idle);
}

#[test]
fn followers_of_many_views_hear_of_the_sheets_of_their_own_view() {
    let listeners = size("HEADWATER_LISTENERS", 40);
    let views = size("HEADWATER_LISTENER_VIEWS", 20).min(listeners);
    headwater::descriptors::raise(2 * listeners);
    let mut upstream = Upstream::new();
    let definition = |view| format!("[sheets.s{view}]\npublic = false\n");
    let definitions: String = (0..views).map(definition).collect();
    upstream.commit("sheets").put("headwater.toml", definitions).push();
    let token = |view| {
        let secret = secret_of(view);
        format!("[[token]]\nname = \"v{view}\"\nsecret = \"{secret}\"\nread = [\"s{view}\"]\n")
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    std::fs::write(&file, (0..views).map(token).collect::<String>()).unwrap();
    let access = ("HEADWATER_ACCESS_FILE", file.to_str().unwrap());
    let settings = [("HEADWATER_MAX_CONNECTIONS", "4000"), access];
    let server = TestServer::with(&upstream.url(), &settings);
    let address = server.server().address();
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let open = |number: usize| {
        let header = format!("Authorization: Bearer {}\r\n", secret_of(number % views));
        clients.block_on(Follower::new(address, &header))
    };
    let mut followers: Vec<_> = (0..listeners).map(open).collect();
    for round in 1..=size("HEADWATER_LISTENER_PUSHES", 2) {
        let file = |view| (format!("s{view}/r.toml"), format!("round = {round}\n").into_bytes());
        let commit = upstream.commit_stream("all of them", (0..views).map(file));
        let following = followers.drain(..).map(|follower| follower.follow(commit.clone()));
        let following: Vec<_> = following.map(|following| clients.spawn(following)).collect();
        server.reload().outcome("applied");
        let mut told = BTreeSet::new();
        for (number, following) in following.into_iter().enumerate() {
            let (follower, event) = clients.block_on(following).unwrap();
            followers.push(follower);
            let view = number % views;
            let (data, _) = &event[2];
            assert!(data.contains(&format!("\"s{view}\"")), "{data}");
            assert_eq!(data.matches("\"sheet\"").count(), 1, "{data}");
            told.insert(event);
        }
        assert_eq!(told.len(), views, "each view has its event");
    }
}

fn secret_of(view: usize) -> String {
    format!("the-secret-of-the-view-{view}")
}
