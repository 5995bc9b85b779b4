//! The parts of a request besides its address: conditions, types, ranges, hosts, parameters and
//! protocols. Each is honored or refused, and never ignored.

use std::io::{Read, Write};
use std::net::TcpStream;

use headwater_testkit::Upstream;
use reqwest::Method;

use crate::harness::{Answer, RELOAD, TestServer, people};

fn upstream() -> Upstream {
    let mut upstream = people();
    let clip: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    upstream.commit("a clip").put("people/ada/clip.mp4", clip).push();
    upstream
}

fn ask(server: &TestServer, path: &str, name: &str, value: &str) -> Answer {
    server.send(server.request(Method::GET, path).header(name, value))
}

#[test]
fn a_read_of_another_version_than_was_expected_is_refused_on_every_route() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    for path in [
        "/api/people/ada",
        "/api/people",
        "/api/_search?q=ada",
        "/api/_sheets",
        "/api/_problems",
        "/api/_reloads",
        "/api/_history/people/ada",
        "/api/_diff?from=published",
        "/api/_attachments/people/ada/clip.mp4",
        "/openapi.json",
        "/docs",
        "/",
        "/_explorer/app.js",
    ] {
        let tag = server.get(path).header("etag").unwrap_or_else(|| panic!("{path}")).to_owned();
        assert_eq!(ask(&server, path, "if-match", &tag).status, 200, "{path}");
        assert_eq!(ask(&server, path, "if-match", "*").status, 200, "{path}");
        let refused = ask(&server, path, "if-match", "\"x\"");
        refused.problem(412, "precondition_failed");
        assert_eq!(refused.header("etag"), Some(&*tag), "{path}");
        assert_eq!(ask(&server, path, "if-none-match", &tag).status, 304, "{path}");
        let known = server.request(Method::GET, path).header("if-none-match", &tag);
        server.send(known.header("accept", "image/png")).problem(406, "not_acceptable");
        let head = server.request(Method::HEAD, path).header("if-none-match", &tag);
        let head = server.send(head);
        assert_eq!((head.status, head.header("content-length")), (304, None), "{path}");
        // This condition is checked before the other one.
        let both = server.request(Method::GET, path).header("if-match", "\"x\"");
        server.send(both.header("if-none-match", &tag)).problem(412, "precondition_failed");
        let head = server.request(Method::HEAD, path).header("if-match", "\"x\"");
        assert_eq!(server.send(head).status, 412, "{path}");
    }
    for path in ["/api/_status", "/api/_changes", "/health/ready"] {
        ask(&server, path, "if-match", "\"x\"").problem(412, "precondition_failed");
        assert_eq!(ask(&server, path, "if-match", "*").status, 200, "{path}");
    }
    ask(&server, "/api/people/nobody", "if-match", "\"x\"").problem(404, "not_found");
}

#[test]
fn a_caller_who_takes_no_type_that_there_is_is_told_which_there_would_be() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    for (path, kind) in [
        ("/api/people/ada", "application/json"),
        ("/api/people", "application/json, application/x-ndjson or text/csv"),
        ("/api/_search?q=ada", "application/json"),
        ("/api/_sheets", "application/json"),
        ("/api/_status", "application/json"),
        ("/api/_changes", "application/json or text/event-stream"),
        ("/api/_attachments/people/ada/clip.mp4", "video/mp4"),
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/", "text/html; charset=utf-8"),
    ] {
        let problem = ask(&server, path, "accept", "image/avif").problem(406, "not_acceptable");
        assert_eq!(problem["detail"], format!("the answer would be {kind}"), "{path}");
        assert_eq!(ask(&server, path, "accept", "image/avif, */*;q=0.1").status, 200, "{path}");
    }
    for accept in ["application/json", "application/*", "application/x-ndjson"] {
        assert_eq!(ask(&server, "/api/people", "accept", accept).status, 200, "{accept}");
    }
    let write = server.request(Method::PUT, "/api/people/ada").header("accept", "text/csv");
    server.send(write.body("{}")).problem(406, "not_acceptable");
    // An error is answered in any case, and a health check ignores the type.
    ask(&server, "/api/people/nobody", "accept", "text/csv").problem(404, "not_found");
    assert_eq!(ask(&server, "/health/ready", "accept", "text/csv").status, 200);
}

#[test]
fn what_a_condition_decides_of_a_file_needs_nothing_of_its_content() {
    let mut upstream = upstream();
    // No two parts of it are alike, so that it cannot be stored as a difference to another file.
    let content: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(n).to_be_bytes()).collect();
    upstream.commit("a film").put("people/ada/film.mp4", content.clone()).push();
    let server = TestServer::start(&upstream.url());
    let path = "/api/_attachments/people/ada/film.mp4";
    let whole = server.get(path);
    assert!(whole.body == content);
    let tag = whole.header("etag").unwrap().to_owned();
    break_contents(&server.mirror());
    assert_eq!(ask(&server, path, "if-none-match", &tag).status, 304);
    ask(&server, path, "if-match", "\"x\"").problem(412, "precondition_failed");
    ask(&server, path, "range", "bytes=99999999-").problem(416, "range_not_satisfiable");
    let head = server.send(server.request(Method::HEAD, path));
    assert_eq!((head.status, head.header("content-length")), (200, Some("1600000")));
    let client = reqwest::Client::new();
    let read = server.runtime().block_on(async {
        match client.get(server.url(path)).send().await {
            Ok(answer) if answer.status().is_success() => answer.bytes().await.is_ok(),
            _ => false,
        }
    });
    assert!(!read, "the content is not read");
}

/// Damages the largest pack of a repository in its middle, inside the one large file.
fn break_contents(repository: &std::path::Path) {
    let packs = std::fs::read_dir(repository.join("objects/pack")).unwrap();
    let packs = packs.map(|entry| entry.unwrap().path());
    let packs = packs.filter(|path| path.extension().is_some_and(|ext| ext == "pack"));
    let pack = packs.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1_000].fill(0);
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
}

#[test]
fn a_part_of_a_file_is_sent_to_who_asks_for_it() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let path = "/api/_attachments/people/ada/clip.mp4";
    let whole = server.get(path);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap();
    for (range, first, last) in [
        ("bytes=0-99", 0, 99),
        ("bytes=150000-199998", 150_000, 199_998),
        ("bytes=199999-", 199_999, 199_999),
        ("bytes=-70000", 130_000, 199_999),
        ("bytes=5-9999999", 5, 199_999),
    ] {
        let part = ask(&server, path, "range", range);
        assert_eq!((part.status, part.header("etag")), (206, Some(tag)), "{range}");
        assert_eq!(part.header("content-range"), Some(&*format!("bytes {first}-{last}/200000")));
        assert_eq!(part.header("content-length"), Some(&*(last - first + 1).to_string()));
        assert_eq!(part.header("content-type"), Some("video/mp4"));
        assert!(part.body == whole.body[first..=last], "{range}");
    }
    let behind = ask(&server, path, "range", "bytes=200000-");
    behind.problem(416, "range_not_satisfiable");
    assert_eq!(behind.header("content-range"), Some("bytes */200000"));
    for (name, value) in [("range", "bytes=0-1,5-6"), ("range", "lines=1-2"), ("accept", "*/*")] {
        let all = ask(&server, path, name, value);
        assert!(all.status == 200 && all.body == whole.body, "{value}");
    }
    let conditional = |version: &str| {
        let request = server.request(Method::GET, path).header("range", "bytes=0-9");
        server.send(request.header("if-range", version)).status
    };
    assert_eq!((conditional(tag), conditional("\"x\"")), (206, 200));
    let head = server.request(Method::HEAD, path).header("range", "bytes=0-9");
    let head = server.send(head);
    assert_eq!((head.status, head.header("content-length")), (200, Some("200000")));
    let known = server.request(Method::GET, path).header("range", "bytes=0-9");
    assert_eq!(server.send(known.header("if-none-match", tag)).status, 304);
}

#[test]
fn what_a_route_does_not_take_is_refused_and_so_is_what_comes_twice() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let from = upstream.head().unwrap();
    for (path, taken) in [
        ("/api/people/ada", vec![]),
        ("/api/_status", vec![]),
        ("/api/_sheets", vec![]),
        ("/api/_problems", vec![]),
        ("/api/_reloads", vec!["limit=1"]),
        ("/api/_history/people/ada", vec!["limit=1"]),
        ("/api/_diff", vec!["limit=1", &*format!("from={from}"), &*format!("to={from}")]),
        ("/api/_search", vec!["page=1", "perPage=1", "q=ada"]),
        ("/api/_attachments/people/ada/clip.mp4", vec![]),
        ("/openapi.json", vec![]),
        ("/docs", vec![]),
        ("/", vec![]),
        ("/_explorer/app.js", vec![]),
    ] {
        let all = taken.join("&");
        assert_eq!(server.get(&format!("{path}?{all}")).status, 200, "{path}");
        let refused = |query: String, parameter: &str| {
            let problem = server.get(&format!("{path}?{query}")).problem(422, "invalid_query");
            assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}?{query}");
        };
        for unknown in ["colour", "Limit", "pages"] {
            refused(format!("{all}&{unknown}=1"), unknown);
        }
        for twice in &taken {
            refused(format!("{all}&{twice}"), twice.split('=').next().unwrap());
        }
    }
    // A load balancer may add anything to a health check.
    for path in ["/health/live?x=1", "/health/ready?x=1"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_cursor_leads_through_its_commit_however_its_name_is_written() {
    let mut upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let first = server.get("/api/people?limit=1");
    let next = first.json()["next"].as_str().unwrap().to_owned();
    upstream.commit("gone").delete("people/grace.toml").push();
    server.reload();
    let told = server.get(&format!("/api/people?limit=1&cursor={next}"));
    assert_eq!(told.commit(), first.commit());
    for name in ["%63ursor", "curso%72"] {
        let other = server.get(&format!("/api/people?limit=1&{name}={next}"));
        assert_eq!((other.commit(), &other.body), (told.commit(), &told.body), "{name}");
    }
    let at = server.get(&format!("/api/people?%61t={}", first.commit()));
    assert_eq!(at.commit(), first.commit());
}

#[test]
fn a_header_that_is_not_kept_to_is_refused() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let read = "GET /api/people HTTP/1.1\r\nHost: a.org\r\n";
    let write = format!("POST {RELOAD} HTTP/1.1\r\nHost: a.org\r\nContent-Length: 0\r\n");
    let at = server.get("/api/people").commit().to_owned();
    for (head, status) in [
        (format!("{read}X-Headwater-At: {at}\r\nX-Headwater-At: {at}\r\n"), 400),
        (format!("{read}X-Headwater-Min-Commit: {at}\r\nX-Headwater-Min-Commit: x\r\n"), 400),
        (format!("{write}Content-Type: application/json\r\nContent-Type: a/b\r\n"), 400),
        (format!("{write}Content-Range: bytes 0-1/2\r\n"), 400),
        (format!("{write}Content-Encoding: gzip\r\n"), 415),
        (format!("{write}If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n"), 422),
        (write.clone(), 401),
    ] {
        let answer = exchange(&server, &format!("{head}Connection: close\r\n\r\n"));
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(&format!(" {status} ")), "{head:?}: {line}");
    }
}

#[test]
fn a_body_of_another_type_is_told_which_would_be_read() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let call = |forge: Option<&'static str>| {
        let call = server.call(RELOAD).header("content-type", "text/csv").body("{}");
        let refused =
            server.send(forge.into_iter().fold(call, |call, name| call.header(name, "push")));
        refused.problem(415, "unsupported_media_type");
        refused.header("accept").map(str::to_owned)
    };
    assert_eq!(call(None).as_deref(), Some("application/json"));
    let forge = call(Some("x-github-event"));
    assert_eq!(forge.as_deref(), Some("application/json, application/x-www-form-urlencoded"));
}

/// Sends a request as it is, and returns everything that comes back.
fn exchange(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.server().address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_names_one_host() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    for (head, status) in [
        ("GET /api/people HTTP/1.1\r\nHost: a.org\r\n", 200),
        ("GET /api/people HTTP/1.1\r\n", 400),
        ("GET /api/people HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n", 400),
        ("GET /api/people HTTP/1.1\r\nHost: a b\r\n", 400),
        ("GET /health/live HTTP/1.1\r\n", 400),
        ("GET http://a.org/api/people HTTP/1.1\r\nHost: a.org\r\n", 200),
        ("GET http://a.org/api/people HTTP/1.1\r\nHost: b.org\r\n", 400),
        ("GET /api/people HTTP/1.0\r\n", 200),
    ] {
        let answer = exchange(&server, &format!("{head}Connection: close\r\n\r\n"));
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(&format!(" {status} ")), "{head:?}: {line}");
        assert_eq!(answer.contains("invalid_host"), status == 400, "{answer}");
    }
}

#[test]
fn http2_is_spoken_without_tls_to_clients_that_know_it() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let requests = (0..40).map(|_| client.get(server.url("/api/people/ada")).send());
    let requests: Vec<_> = requests.collect();
    server.runtime().block_on(async {
        for request in requests {
            let answer = request.await.unwrap();
            assert_eq!(
                (answer.version(), answer.status()),
                (reqwest::Version::HTTP_2, 200.try_into().unwrap())
            );
            assert!(answer.headers().contains_key("x-headwater-commit"));
        }
    });
    let other = client.get(server.url("/api/people/ada")).header("host", "other.example.org");
    server.send(other).problem(400, "invalid_host");
    let clip = client.get(server.url("/api/_attachments/people/ada/clip.mp4"));
    assert_eq!(server.send(clip).body.len(), 200_000);
    let call = client.post(server.url(RELOAD)).bearer_auth(crate::harness::RELOAD_SECRET);
    server.send(call).outcome("unchanged");
}
