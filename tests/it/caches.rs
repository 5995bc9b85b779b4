//! A shared cache in front of every route: whatever the headers and the earlier requests, a caller
//! gets the answer of the server itself.

use async_compression::tokio::bufread::GzipDecoder;
use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::harness::{Answer, RELOAD_SECRET, TestServer, people, person};
use crate::nginx::Nginx;

const ORIGIN: &str = "https://app.example.org";

struct House {
    server: TestServer,
    nginx: Nginx,
    upstream: Upstream,
    /// Three commits; the second is tagged `v1`.
    commits: [String; 3],
}

/// The headers of a request.
type Headers = Vec<(&'static str, String)>;

impl House {
    fn new() -> Option<Self> {
        let mut upstream = people();
        let ada = |age| person("ada", &"Ada Lovelace ".repeat(60), age);
        let commit = upstream.commit("older").put("people/ada.toml", ada(40));
        let second = commit.put("people/ada/file.txt", "old ".repeat(500)).push();
        let commit = upstream.commit("new").put("people/ada.toml", ada(41));
        let third = commit.put("people/ada/file.txt", "new ".repeat(500)).push();
        let first = headwater_testkit::git(upstream.path(), ["rev-parse", &format!("{second}~")]);
        let server = TestServer::with(&upstream.url(), &[("HEADWATER_CORS_ORIGINS", ORIGIN)]);
        let nginx = Nginx::before(server.server().address())?;
        let commits = [first.trim().to_owned(), second, third];
        Some(Self { server, nginx, upstream, commits })
    }

    /// The routes whose answers a cache may keep, at the present and at other times.
    fn paths(&self) -> Vec<String> {
        let [first, second, third] = &self.commits;
        let present = [
            "/",
            "/docs",
            "/_explorer/app.js",
            "/openapi.json",
            "/api/people",
            "/api/people?limit=1",
            "/api/people/ada",
            "/api/people/nobody",
            "/api/people/ada?include=nothing",
            "/api/_search?q=ada",
            "/api/_sheets",
            "/api/_problems",
            "/api/_reloads",
            "/api/_history/people/ada",
            "/api/_attachments/people/ada/file.txt",
            "/api/people/ada?at=published",
        ];
        let fixed = ["/api/people", "/api/people/ada", "/api/_sheets", "/api/_history/people/ada"];
        let fixed = fixed.iter().map(|path| format!("{path}?at={second}"));
        let others = [
            format!("/api/_diff?from={first}"),
            format!("/api/_diff?from={first}&to={third}"),
            format!("/api/_changes?since={first}"),
            format!("/api/_attachments/people/ada/file.txt?at={second}"),
            format!("/api/people/ada?at={}", &second[..10]),
        ];
        present.map(str::to_owned).into_iter().chain(fixed).chain(others).collect()
    }

    /// The headers besides the address that may change an answer.
    fn headers(&self) -> Vec<Headers> {
        let [first, _, third] = &self.commits;
        let one = |name: &'static str, value: &str| vec![(name, value.to_owned())];
        let unknown = "1".repeat(40);
        let mut late = one("x-headwater-min-commit", &unknown);
        late.push(("prefer", "wait=0".to_owned()));
        vec![
            vec![],
            one("x-headwater-at", first),
            one("x-headwater-at", third),
            one("x-headwater-at", &unknown),
            one("x-headwater-min-commit", third),
            late,
            one("accept", "application/x-ndjson"),
            one("accept", "image/png"),
            one("accept-encoding", "gzip"),
            one("origin", ORIGIN),
            one("origin", "https://elsewhere.example.org"),
            one("authorization", &format!("Bearer {RELOAD_SECRET}")),
        ]
    }

    fn ask(&self, url: String, cache: &str, headers: &Headers) -> Answer {
        let mut request = self.server.client().get(url).header("x-cache", cache);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.server.send(request)
    }

    fn behind(&self, path: &str, cache: &str, headers: &Headers) -> Answer {
        self.ask(self.nginx.url(path), cache, headers)
    }
}

/// The parts of an answer that must be the same for every caller.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<Option<String>>,
    body: String,
}

impl House {
    /// Each error has its own trace id, and a stream is cut at different places each time it is
    /// compressed.
    fn told(&self, answer: &Answer) -> Told {
        let names = [
            "content-type",
            "content-encoding",
            "etag",
            "x-headwater-commit",
            "access-control-allow-origin",
        ];
        let headers = names.map(|name| answer.header(name).map(str::to_owned));
        let mut body = answer.body.clone();
        if answer.header("content-encoding") == Some("gzip") {
            body.clear();
            let mut decoder = GzipDecoder::new(&answer.body[..]);
            self.server.runtime().block_on(decoder.read_to_end(&mut body)).unwrap();
        } else if answer.status >= 400 {
            let mut problem: Value = answer.json();
            problem["traceId"] = Value::Null;
            body = problem.to_string().into_bytes();
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Told { status: answer.status, headers: headers.to_vec(), body }
    }
}

#[test]
fn a_shared_cache_answers_what_the_server_does_whoever_asked_before() {
    let Some(house) = House::new() else { return };
    for path in house.paths() {
        let headers = house.headers();
        let direct: Vec<_> = headers
            .iter()
            .map(|headers| house.told(&house.ask(house.server.url(&path), "", headers)))
            .collect();
        for (at, before) in headers.iter().enumerate() {
            let cache = at.to_string();
            house.behind(&path, &cache, before);
            for (headers, direct) in headers.iter().zip(&direct) {
                let answer = house.behind(&path, &cache, headers);
                assert_eq!(house.told(&answer), *direct, "{path} {headers:?} behind {before:?}");
            }
        }
    }
}

#[test]
fn a_cache_keeps_what_its_address_fixes_and_nothing_that_changes() {
    let Some(mut house) = House::new() else { return };
    let [first, second, third] = &house.commits;
    let is_kept = |path: &str| {
        let none = Headers::new();
        house.behind(path, "", &none);
        house.behind(path, "", &none).header("x-cache") == Some("HIT")
    };
    for path in [
        format!("/api/people/ada?at={second}"),
        format!("/api/_history/people/ada?at={second}"),
        format!("/api/_diff?from={first}&to={third}"),
    ] {
        assert!(is_kept(&path), "{path}");
    }
    let never = [
        "/api/_status",
        "/api/_reloads",
        "/api/_changes",
        "/api/people/nobody",
        "/api/_internal/reloads",
        "/api/_nothing/x",
        "/nothing",
        "/metrics",
        "/health/live",
        "/health/ready",
    ];
    for path in never {
        assert!(!is_kept(path), "{path}");
    }
    let commit = house.upstream.commit("newer");
    let newer = commit.put("people/ada.toml", person("ada", "Ada", 42)).push();
    house.server.reload().outcome("applied");
    for path in house.paths().iter().filter(|path| path.starts_with("/api/") && !path.contains('?'))
    {
        let answer = house.behind(path, "", &Headers::new());
        assert_eq!(answer.commit(), newer, "{path}");
    }
}

#[test]
fn an_answer_that_may_be_kept_for_ever_is_the_same_when_the_branch_has_moved_on() {
    let mut upstream = people();
    let first = upstream.commit("a file").put("people/ada/a.txt", "a").push();
    let mut server = TestServer::start(&upstream.url());
    let asked = [
        ("/api/people?", true),
        ("/api/people?limit=1&", true),
        ("/api/people/ada?", true),
        ("/api/_search?q=ada&", true),
        ("/api/_sheets?", true),
        ("/api/_problems?", true),
        ("/api/_history/people/ada?", true),
        ("/api/_attachments/people/ada/a.txt?", true),
        // These depend on more than the commit.
        ("/openapi.json?", false),
        (&format!("/api/_diff?from=published&to={first}&"), false),
        (&format!("/api/_diff?from={first}&"), false),
        ("/api/_status?", false),
        ("/api/_reloads?", false),
        ("/api/_changes?", false),
    ];
    let read = |server: &TestServer| {
        let answers = asked.map(|(path, _)| server.get(&format!("{path}at={first}")));
        answers.map(|answer| (answer.header("cache-control").map(str::to_owned), answer.body))
    };
    let before = read(&server);
    let text = person("ada", "Ada", 42);
    upstream.commit("newer").put("people/ada.toml", text).put("people/ada/a.txt", "b").push();
    server.reload().outcome("applied");
    server.restart();
    for ((was, is), (path, is_kept)) in before.iter().zip(read(&server)).zip(asked) {
        let forever = "public, max-age=31536000, immutable";
        assert_eq!(is.0.as_deref() == Some(forever), is_kept, "{path}");
        assert!(!is_kept || *was == is, "{path}");
    }
}

#[test]
fn every_answer_says_who_may_keep_it() {
    let mut upstream = people();
    let commit = upstream.commit("a file").put("people/ada/a.txt", "a").push();
    let server = TestServer::start(&upstream.url());
    let asked = [
        (Method::GET, "/api/people/ada", "no-cache"),
        (Method::GET, "/api/people", "no-cache"),
        (Method::GET, "/api/_search?q=ada", "no-cache"),
        (Method::GET, "/api/_sheets", "no-cache"),
        (Method::GET, "/api/_problems", "no-cache"),
        (Method::GET, "/api/_reloads", "no-cache"),
        (Method::GET, "/api/_history/people/ada", "no-cache"),
        (Method::GET, "/api/_diff?from=published", "no-cache"),
        (Method::GET, "/api/_attachments/people/ada/a.txt", "no-cache"),
        (Method::GET, "/openapi.json", "no-cache"),
        (Method::GET, "/docs", "no-cache"),
        (Method::GET, "/", "no-cache"),
        (Method::GET, "/api/_changes", "no-store"),
        (Method::GET, "/api/_status", "no-store"),
        (Method::GET, "/health/live", "no-store"),
        (Method::GET, "/health/ready", "no-store"),
        (Method::GET, "/metrics", "no-store"),
        (Method::GET, "/api/_internal/reloads", "no-store"),
        (Method::GET, "/api/people/nobody", "no-store"),
        (Method::GET, "/api/people?page=0", "no-store"),
        (Method::GET, "/nothing", "no-store"),
        (Method::PUT, "/api/people/ada", "no-store"),
        (Method::POST, "/api/_internal/reload-data", "no-store"),
    ];
    for (method, path, expected) in asked {
        let answer = server.send(server.request(method, path));
        assert_eq!(answer.header("cache-control"), Some(expected), "{path}");
        let varies = answer.header("vary").is_some_and(|vary| vary.contains("x-headwater-at"));
        assert_eq!(varies, expected != "no-store", "{path}");
    }
    // An answer that a header selects has the address of another one.
    for header in ["x-headwater-at", "x-headwater-min-commit"] {
        let chosen = server.request(Method::GET, "/api/people/ada").header(header, &commit);
        assert_eq!(server.send(chosen).header("cache-control"), Some("no-store"), "{header}");
    }
}
