//! The explorer: the page and its files, their addresses, and their headers for the browser.

use std::time::{Duration, Instant};

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, TestServer, people};

fn server(upstream: &Upstream, settings: &[(&str, &str)]) -> TestServer {
    TestServer::with(&upstream.url(), settings)
}

/// Checks that this is the page.
#[track_caller]
fn is_page(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(String::from_utf8_lossy(&answer.body).contains("<main"));
}

#[test]
fn the_page_and_its_files_run_nothing_but_themselves() {
    let upstream = people();
    let server = server(&upstream, &[]);
    let files = [
        ("/", "text/html; charset=utf-8"),
        ("/_explorer/app.js", "text/javascript; charset=utf-8"),
        ("/_explorer/explorer.css", "text/css; charset=utf-8"),
        ("/_explorer/icon.svg", "image/svg+xml"),
    ];
    for (path, media_type) in files {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)));
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self';", "require-trusted-types-for"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-headwater-commit"), None, "no state is involved");
    }
}

#[test]
fn a_browser_that_has_a_file_is_not_sent_it_again() {
    let upstream = people();
    let server = server(&upstream, &[]);
    for path in ["/", "/_explorer/app.js"] {
        let answer = server.get(path);
        let tag = answer.header("etag").unwrap();
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let known = server.request(Method::GET, path).header("if-none-match", tag);
        let known = server.send(known);
        assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(tag)));
        let head = server.send(server.request(Method::HEAD, path));
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag)));
    }
}

#[test]
fn there_is_no_other_file_and_no_other_method() {
    let upstream = people();
    let server = server(&upstream, &[]);
    for path in ["/_explorer/", "/_explorer/nothing.js", "/_explorer/..%2Fmain.rs"] {
        server.get(path).problem(404, "not_found");
    }
    for path in ["/", "/_explorer/app.js"] {
        let answer = server.send(server.request(Method::POST, path));
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
}

#[test]
fn below_a_base_path_the_page_has_a_slash_that_its_links_are_relative_to() {
    let upstream = people();
    let server = server(&upstream, &[("HEADWATER_BASE_PATH", "/data")]);
    is_page(&server.get("/data/"));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let moved = client.build().unwrap().get(server.url("/data"));
    let moved = server.send(moved);
    assert_eq!((moved.status, moved.header("location")), (308, Some("/data/")));
    assert_eq!(server.get("/data/_explorer/app.js").status, 200);
    for path in ["/", "/_explorer/app.js"] {
        server.get(path).problem(404, "not_found");
    }
    server.send(server.request(Method::POST, "/data/")).problem(405, "method_not_allowed");
}

#[test]
fn the_internal_listener_has_no_page_and_the_public_one_has() {
    let upstream = people();
    for base in ["", "/data"] {
        let settings =
            [("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0"), ("HEADWATER_BASE_PATH", base)];
        let server = server(&upstream, &settings);
        is_page(&server.get(&format!("{base}/")));
        let internal = format!("http://{}{base}", server.server().internal_address().unwrap());
        for path in ["/", "", "/_explorer/app.js", "/api/_reloads"] {
            let answer = reqwest::Client::new().get(format!("{internal}{path}"));
            server.send(answer).problem(404, "not_found");
        }
    }
}

#[test]
fn a_usual_server_is_no_demonstration() {
    let upstream = people();
    let server = server(&upstream, &[]);
    let push = server.request(Method::POST, "/api/_demo/push").header("x-headwater-demo", "push");
    server.send(push).problem(405, "method_not_allowed");
    assert!(server.get("/api/_status").json().get("demo").is_none());
}

#[test]
fn a_page_on_which_people_sign_in_may_ask_their_issuer_and_nobody_else() {
    let upstream = people();
    let folder = tempfile::tempdir().unwrap();
    let access = folder.path().join("access.toml");
    let file = access.to_str().unwrap();
    let issuer = |more: &str| {
        let text = format!(
            "anonymous = {{ read = [] }}\n[[issuer]]\nissuer = \"https://login.example.org/a\"\n\
             audience = \"data\"\njwks = \"keys.json\"\nclaims = {{}}\n{more}"
        );
        std::fs::write(&access, text).unwrap();
    };
    issuer("client_id = \"data\"\n");
    let server = server(&upstream, &[("HEADWATER_ACCESS_FILE", file)]);
    let (page, back) = (server.get("/"), server.get("/?code=a&state=b&session_state=c"));
    is_page(&page);
    is_page(&back);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with("; connect-src 'self' https://login.example.org"), "{policy}");
    let told = server.get("/_explorer/sign-in.json");
    let expected = json!({ "issuers": [{
        "issuer": "https://login.example.org/a", "clientId": "data", "audience": "data",
        "scope": "openid profile email", "token": "id_token",
    }] });
    assert_eq!((told.status, told.json()), (200, expected));
    server.get("/?code=a").problem(422, "invalid_query");
    server.get("/docs?from=here").problem(422, "invalid_query");
    // A browser that has the page learns of another policy.
    let tag = page.header("etag").unwrap().to_owned();
    issuer("");
    let end = Instant::now() + Duration::from_secs(30);
    let known = || server.send(server.request(Method::GET, "/").header("if-none-match", &*tag));
    while known().status == 304 && Instant::now() < end {
        std::thread::yield_now();
    }
    let policy = known().header("content-security-policy").unwrap().to_owned();
    assert!(policy.ends_with("; connect-src 'self'"), "{policy}");
    assert_eq!(server.get("/_explorer/sign-in.json").json(), json!({ "issuers": [] }));
    server.get("/?code=a&state=b").problem(422, "invalid_query");
}
