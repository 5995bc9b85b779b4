//! Pages of other origins: what they may read, errors included.

use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::harness::{RELOAD, TestServer, people};

const ORIGIN: &str = "https://app.example.org";

#[test]
fn a_page_that_may_read_is_shown_every_error() {
    let upstream = people();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_CORS_ORIGINS", ORIGIN)]);
    let unknown = format!("/api/people/ada?at={}", "1".repeat(40));
    for (method, path, header, status) in [
        (Method::GET, "/api/people/ada", ("accept", "*/*"), 200),
        (Method::GET, "/api/people/nobody", ("accept", "*/*"), 404),
        (Method::GET, "/nothing", ("accept", "*/*"), 404),
        (Method::GET, "/api/_nothing/x", ("accept", "*/*"), 404),
        (Method::GET, &unknown, ("accept", "*/*"), 404),
        (Method::POST, "/api/people", ("accept", "*/*"), 405),
        (Method::DELETE, "/", ("accept", "*/*"), 405),
        (Method::GET, "/api/people", ("accept", "image/png"), 406),
        (Method::GET, "/api/people/ada", ("if-match", "\"x\""), 412),
        (Method::GET, "/api/people?page=0", ("accept", "*/*"), 422),
    ] {
        let request = server.request(method, path).header("origin", ORIGIN);
        let answer = server.send(request.header(header.0, header.1));
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{path}");
        let shown = answer.header("access-control-expose-headers").unwrap();
        assert!(shown.contains("x-headwater-commit"), "{shown}");
        assert!(answer.header("vary").unwrap().ends_with("origin"), "{path}");
    }
    let limits =
        [("HEADWATER_CORS_ORIGINS", "*"), ("HEADWATER_REMOTE", "http://127.0.0.1:9/x.git")];
    let loading = TestServer::loading(&upstream.url(), &limits);
    let answer = loading.get("/api/people");
    answer.problem(503, "not_ready");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_page_that_tries_to_write_may_read_why_it_is_refused() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), people());
    let tokens = folder.path().join("tokens.toml");
    let token = "the-token-of-the-site";
    let text = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                author = \"The Site <site@example.org>\"\n";
    std::fs::write(&tokens, text).unwrap();
    let settings = [
        ("HEADWATER_CORS_ORIGINS", ORIGIN),
        ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap()),
    ];
    let server = TestServer::with(&upstream.url(), &settings);
    let put = |token: &str, kind: &str, body: Vec<u8>| {
        let request = server.request(Method::PUT, "/api/people/ada").header("origin", ORIGIN);
        let answer =
            server.send(request.bearer_auth(token).header("content-type", kind).body(body));
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer
    };
    let json = "application/json";
    let refused = put(token, "text/plain", b"{}".to_vec());
    let problem = refused.problem(415, "unsupported_media_type");
    let types = "application/json or application/merge-patch+json";
    assert_eq!(problem["detail"], format!("the body must be {types}"));
    assert_eq!(refused.header("accept"), Some("application/json, application/merge-patch+json"));
    while put("a-token-of-nobody", json, Vec::new()).status == 401 {}
    put("a-token-of-nobody", json, Vec::new()).problem(429, "too_many_failures");
    // This is the last one, because it ends its connection.
    put(token, json, vec![b' '; (1 << 20) + 1]).problem(413, "body_too_large");
}

#[test]
fn other_origins_and_internal_routes_are_shown_to_no_page() {
    let upstream = people();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_CORS_ORIGINS", ORIGIN)]);
    let allowed = |method: Method, path: &str, origin: &str| {
        let answer = server.send(server.request(method, path).header("origin", origin));
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(allowed(Method::GET, "/api/people", "https://b.example.org"), None);
    for path in ["/api/_internal/reloads", "/metrics", "/health/ready", RELOAD] {
        assert_eq!(allowed(Method::GET, path, ORIGIN), None, "{path}");
        assert_eq!(allowed(Method::OPTIONS, path, ORIGIN), None, "{path}");
    }
}

#[test]
fn a_browser_that_asks_is_told_that_pages_may_read_and_nothing_else() {
    let upstream = people();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_CORS_ORIGINS", ORIGIN)]);
    let asked = |path: &str| {
        let request = server.request(Method::OPTIONS, path).header("origin", ORIGIN);
        let request = request.header("access-control-request-method", "PUT");
        server.send(request.header("access-control-request-headers", "x-headwater-at"))
    };
    let header = |headers: &HeaderMap, name: &str| headers.get(name).cloned().unwrap();
    for path in ["/api/people/ada", "/api/_changes", "/nothing"] {
        let answer = asked(path);
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(header(&answer.headers, "access-control-allow-methods"), "GET, HEAD");
        assert_eq!(header(&answer.headers, "access-control-allow-origin"), ORIGIN);
        let sent = header(&answer.headers, "access-control-allow-headers");
        assert!(sent.to_str().unwrap().contains("x-headwater-at"));
        assert!(answer.headers.get("access-control-allow-credentials").is_none());
    }
    assert_eq!(asked("/api/_internal/reloads").status, 405);
}
