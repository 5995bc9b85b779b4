//! Limits on what a client may send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;
use headwater::hmac::Mac;
use reqwest::Method;

use crate::harness::{RELOAD, RELOAD_SECRET, TestServer, people};

/// Sends raw bytes and returns the answer up to the end of the connection.
fn exchange(server: &TestServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.server().address()).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn those_who_wait_with_many_conditions_have_a_share_of_the_memory_and_give_it_back() {
    let server = TestServer::start(&people().url());
    let commit = server.get("/api/people").commit().to_owned();
    let asked = |n: usize, wait: u16| {
        let list = |at: usize| {
            let values: Vec<_> = (0..100).map(|value| format!("{n}x{at}x{value}")).collect();
            format!("name[in]={}", values.join(","))
        };
        let lists: Vec<_> = (0..10).map(list).collect();
        format!("/api/_changes?since={commit}&wait={wait}&sheet=people&{}", lists.join("&"))
    };
    let wait = |n| {
        let mut stream = TcpStream::connect(server.server().address()).unwrap();
        write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", asked(n, 300)).unwrap();
        stream
    };
    assert_eq!(server.get(&asked(1_000, 0)).status, 200);
    let waiting: Vec<_> = (0..100).map(wait).collect();
    let answered = |status| while server.get(&asked(1_000, 0)).status != status {};
    answered(503);
    server.get(&asked(1_000, 0)).problem(503, "busy");
    drop(waiting);
    answered(200);
}

#[test]
fn a_body_that_is_too_big_is_refused_before_it_is_read() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    for (sender, max) in [("X-Own: 1", 1 << 20), ("X-GitHub-Event: push", 25 << 20)] {
        let length = max + 1;
        let request = format!(
            "POST {RELOAD} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {RELOAD_SECRET}\r\nContent-Type: application/json\r\n\
             {sender}\r\nContent-Length: {length}\r\n\r\n"
        );
        let answer = exchange(&server, request.as_bytes());
        let told = format!("a body may have at most {max} bytes");
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains(&told), "{answer}");
    }
}

/// Begins a body with a forged signature, and sends this many bytes of it.
fn forged(server: &TestServer, address: usize, length: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.server().address()).unwrap();
    let head = format!(
        "POST {RELOAD} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.{address}\r\n\
         X-GitHub-Event: push\r\nContent-Type: application/json\r\n\
         X-Hub-Signature-256: sha256={}\r\nContent-Length: {length}\r\n\r\n",
        "a".repeat(64)
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; sent]).unwrap();
    stream
}

/// Sends a push with a valid signature behind so many spaces.
fn is_heard(server: &TestServer, spaces: usize, address: &str) {
    let body = format!("{}{{\"ref\":\"refs/heads/published\"}}", " ".repeat(spaces));
    let mut mac = Mac::new(RELOAD_SECRET.as_bytes());
    mac.update(body.as_bytes());
    let signature = HEXLOWER.encode(mac.finish().as_bytes());
    let request = server.request(Method::POST, RELOAD).header("x-github-event", "push");
    let request = request.header("content-type", "application/json").body(body);
    let request = request.header("x-forwarded-for", address);
    let request = request.header("x-hub-signature-256", format!("sha256={signature}"));
    server.send(request).outcome("unchanged");
}

const TRUSTING: [(&str, &str); 1] = [("HEADWATER_TRUSTED_PROXIES", "127.0.0.0/8")];

#[test]
fn slow_forged_bodies_of_many_addresses_keep_no_signed_push_out() {
    let upstream = people();
    let server = TestServer::with(&upstream.url(), &TRUSTING);
    // This many bytes earn the full time of a body.
    let large = |address| forged(&server, address, 25 << 20, 2 << 20);
    let slow: Vec<_> = (1..=6).map(large).collect();
    let small: Vec<_> = (11..=16).map(|address| forged(&server, address, 1_000, 999)).collect();
    is_heard(&server, 0, "198.51.100.1");
    is_heard(&server, 1 << 20, "198.51.100.1");
    is_heard(&server, 1 << 20, "198.51.100.2");
    drop((slow, small));
}

#[test]
fn three_addresses_that_fill_the_memory_keep_no_large_signed_push_out() {
    let upstream = people();
    let server = TestServer::with(&upstream.url(), &TRUSTING);
    let half = |address| forged(&server, address, 25 << 20, 16 << 20);
    let full: Vec<_> = [1, 1, 2, 2, 3, 3].map(half).into();
    for (address, megabytes) in [("198.51.100.1", 1), ("198.51.100.2", 8)] {
        is_heard(&server, megabytes << 20, address);
    }
    drop(full);
}

#[test]
fn the_credential_is_looked_at_before_the_body() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let request = format!(
        "POST {RELOAD} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer wrong\r\nContent-Length: 99999999999\r\n\r\n"
    );
    let answer = exchange(&server, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn a_chunked_body_has_the_same_limit() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let chunk = vec![b'x'; 1 << 20];
    let mut stream = TcpStream::connect(server.server().address()).unwrap();
    let head = format!(
        "POST {RELOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RELOAD_SECRET}\r\n\
         X-GitHub-Event: push\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..26 {
        let sent = write!(stream, "{:x}\r\n", chunk.len())
            .and_then(|()| stream.write_all(&chunk))
            .and_then(|()| stream.write_all(b"\r\n"));
        if sent.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn more_headers_than_anybody_needs_are_refused() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let many = "A: b\r\n".repeat(70);
    let answer = exchange(&server, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[test]
fn the_internal_routes_can_have_a_listener_of_their_own() {
    let upstream = crate::harness::people();
    let settings = [("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0")];
    let server = TestServer::with(&upstream.url(), &settings);
    server.get("/metrics").problem(404, "not_found");
    server.look("/api/_internal/reloads").problem(404, "not_found");
    assert_eq!(server.reload().status, 405);
    assert_eq!(server.get("/api/people/ada").status, 200);

    let internal = format!("http://{}", server.server().internal_address().unwrap());
    let client = reqwest::Client::new();
    let ask = |path: &str| server.send(client.get(format!("{internal}{path}")));
    assert_eq!(ask("/metrics").status, 200);
    assert_eq!(ask("/health/ready").status, 200);
    assert_eq!(ask("/api/people/ada").status, 404);
    let call = client.post(format!("{internal}/api/_internal/reload-data"));
    server.send(call.bearer_auth(crate::harness::RELOAD_SECRET)).outcome("unchanged");
}

/// An HTTP/2 client without TLS that reads nothing of its answers.
struct TakesNothing {
    stream: TcpStream,
    next: u32,
}

impl TakesNothing {
    fn connect(server: &TestServer) -> Self {
        let mut stream = TcpStream::connect(server.server().address()).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // The initial window of a stream is 0.
        stream.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]).unwrap();
        Self { stream, next: 1 }
    }

    /// Requests `path` on a stream of its own.
    fn ask(&mut self, path: &str, accept: &str) {
        // GET, http, the path, the authority `x` and `accept`, by the static table of HPACK.
        let mut head = vec![0x82, 0x86];
        for (name, value) in [(&[0x04][..], path), (&[0x01], "x"), (&[0x0f, 0x04], accept)] {
            head.extend(name);
            head.push(u8::try_from(value.len()).unwrap());
            head.extend(value.as_bytes());
        }
        self.stream.write_all(&[0, 0, head.len() as u8, 1, 0x05]).unwrap();
        self.stream.write_all(&self.next.to_be_bytes()).unwrap();
        self.stream.write_all(&head).unwrap();
        self.next += 2;
    }

    /// Returns how many of the next `count` answers are 200.
    fn answered(&mut self, count: usize) -> usize {
        let (mut seen, mut well) = (0, 0);
        while seen < count {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).unwrap();
            let [_, high, low, kind, ..] = head;
            let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
            self.stream.read_exact(&mut payload).unwrap();
            if kind == 1 {
                seen += 1;
                well += usize::from(payload[0] == 0x88);
            }
        }
        well
    }
}

#[test]
fn those_who_only_wait_on_all_connections_give_way_to_other_requests() {
    let server = TestServer::with(&people().url(), &[("HEADWATER_MAX_CONNECTIONS", "24")]);
    let commit = server.get("/api/people").commit().to_owned();
    let far = "f".repeat(40);
    let least = format!("X-Headwater-Min-Commit: {far}\r\nPrefer: wait=300");
    for (path, headers) in [
        (format!("/api/_changes?since={commit}&wait=300"), ""),
        (format!("/api/_changes?since={commit}"), "Accept: text/event-stream"),
        ("/api/people".to_owned(), &least),
    ] {
        let wait = |_| {
            let mut stream = TcpStream::connect(server.server().address()).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n").unwrap();
            stream
        };
        let mut waiting: Vec<_> = (0..24).map(wait).collect();
        for _ in 0..5 {
            assert_eq!(server.status_elsewhere("/api/people/ada", "*/*"), 200, "{path}");
        }
        let ended = |stream: &mut TcpStream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let mut answer = Vec::new();
            let ended = stream.read_to_end(&mut answer);
            let waits = ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            (!waits).then(|| String::from_utf8_lossy(&answer).into_owned())
        };
        let ended: Vec<_> = waiting.iter_mut().filter_map(ended).collect();
        let left = 24 - ended.len();
        assert!(left >= 12, "{path}: {left} of 24 still wait: {ended:?}");
    }
}

#[test]
fn an_address_that_uses_all_connections_keeps_no_other_one_out() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let token = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n";
    std::fs::write(&tokens, format!("{token}author = \"Site <site@example.org>\"\n")).unwrap();
    let tokens = ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap());
    let settings = [("HEADWATER_MAX_CONNECTIONS", "8"), tokens];
    let server = TestServer::with(&people().url(), &settings);
    let address = server.server().address();
    let authorized = "Authorization: Bearer the-token-of-the-site";
    let write = format!("{authorized}\r\nContent-Length: 2\r\n\r\n{{}}");
    let write = format!("PATCH /api/people/grace HTTP/1.1\r\nHost: x\r\n{write}");
    for request in ["HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n", &write] {
        let is_over = AtomicBool::new(false);
        // One request after the other, on more connections than there are.
        let ask = || {
            let Ok(mut stream) = TcpStream::connect(address) else { return };
            let mut answer = [0; 4096];
            while !is_over.load(Ordering::Relaxed) {
                let is_sent = stream.write_all(request.as_bytes()).is_ok();
                let read = stream.read(&mut answer).unwrap_or(0);
                if !is_sent || read == 0 {
                    return;
                }
                // A write that arrives while its connection is being closed is refused.
                let is_answered = [&b"HTTP/1.1 200 "[..], b"HTTP/1.1 503 "];
                let is_answered = is_answered.iter().any(|status| answer.starts_with(status));
                assert!(is_answered, "{:?}", String::from_utf8_lossy(&answer[..read]));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        ask()
                    }
                });
            }
            let statuses = (0..5).map(|_| server.status_elsewhere("/api/people/ada", "*/*"));
            let statuses = catch_unwind(AssertUnwindSafe(|| statuses.collect::<Vec<u16>>()));
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(statuses.unwrap(), [200; 5], "{request}");
        });
    }
}

#[test]
fn answers_that_nobody_takes_are_bounded_for_each_address() {
    let mut upstream = people();
    let bio = "x".repeat(900_000);
    upstream
        .commit("a large record")
        .put("people/large.toml", format!("bio = \"{bio}\"\nname = \"Large\"\nslug = \"large\"\n"))
        .push();
    let server = TestServer::start(&upstream.url());
    let mut callers: Vec<_> = (0..5).map(|_| TakesNothing::connect(&server)).collect();
    for caller in &mut callers {
        (0..16).for_each(|_| caller.ask("/api/people/large", "application/json"));
    }
    let answered: usize = callers.iter_mut().map(|caller| caller.answered(16)).sum();
    let most = (64 << 20) / 900_000;
    // What fits into the windows of the connections is sent.
    assert!(
        (most - 4..=most + 1).contains(&answered),
        "{answered} of 80, for which 64 MiB are there"
    );
    server.get("/api/people/large").problem(503, "busy");
    assert_eq!(server.get("/api/people/ada").status, 200, "small answers are sent");
    assert_eq!(server.status_elsewhere("/api/people/large", "*/*"), 200);
    drop(callers);
    while server.get("/api/people/large").status == 503 {}
}

#[test]
fn one_address_has_a_quarter_of_the_places_for_lists_and_files_that_are_streamed() {
    let mut upstream = people();
    let large = "x".repeat(200_000);
    let mut commit = upstream.commit("much to stream").put("people/ada/large.bin", large.repeat(5));
    for number in 0..8 {
        let text = format!("bio = \"{large}\"\nname = \"Large\"\nslug = \"large{number}\"\n");
        commit = commit.put(format!("people/large{number}.toml"), text);
    }
    commit.push();
    let server = TestServer::start(&upstream.url());
    let lines = ("/api/people", "application/x-ndjson");
    let file = ("/api/_attachments/people/ada/large.bin", "*/*");
    for (path, accept) in [lines, file] {
        let mut caller = TakesNothing::connect(&server);
        (0..6).for_each(|_| caller.ask(path, accept));
        assert_eq!(caller.answered(6), 4, "{path}");
        assert_eq!(server.status_elsewhere(path, accept), 200, "{path}");
    }
}
