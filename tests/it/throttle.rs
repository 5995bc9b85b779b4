//! Wrong credentials are counted against their source; a correct one is always accepted.

use data_encoding::HEXLOWER;
use headwater::hmac::Mac;
use reqwest::{Method, RequestBuilder};

use crate::harness::{RELOAD, RELOAD_SECRET, TestServer, people};

const REPORTS: &str = "/api/_internal/reloads";

/// The number of consecutive failures that are answered 401.
const BURST: usize = 10;

fn wrong(server: &TestServer) -> RequestBuilder {
    server.request(Method::POST, RELOAD).bearer_auth("a guess that is wrong")
}

fn fail_often(server: &TestServer, request: impl Fn() -> RequestBuilder) {
    for _ in 0..BURST {
        server.send(request()).problem(401, "unauthorized");
    }
    let answer = server.send(request());
    answer.problem(429, "too_many_failures");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("www-authenticate"), None);
}

fn signed(server: &TestServer, secret: &str) -> RequestBuilder {
    let body = "{\"ref\":\"refs/heads/published\"}";
    let mut mac = Mac::new(secret.as_bytes());
    mac.update(body.as_bytes());
    let signature = HEXLOWER.encode(mac.finish().as_bytes());
    let request = server.request(Method::POST, RELOAD).header("content-type", "application/json");
    let request = request.header("x-github-event", "push").body(body);
    request.header("x-hub-signature-256", format!("sha256={signature}"))
}

#[test]
fn after_many_failures_a_wrong_credential_has_another_answer_and_a_right_one_has_not() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    fail_often(&server, || wrong(&server));
    server.get(REPORTS).problem(429, "too_many_failures");
    server.send(signed(&server, "somebody else's secret")).problem(429, "too_many_failures");
    server.reload().outcome("unchanged");
    server.send(signed(&server, RELOAD_SECRET)).outcome("unchanged");
    assert_eq!(server.look(REPORTS).status, 200);
    assert_eq!(server.get("/api/people/ada").status, 200);
    let metrics = server.metrics();
    let refused = |code: &str, count: usize| {
        let line = format!("headwater_credentials_refused_total{{code=\"{code}\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    };
    refused("unauthorized", BURST);
    refused("too_many_failures", 3);
}

#[test]
fn wrong_signatures_count_like_wrong_keys() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    fail_often(&server, || signed(&server, "somebody else's secret"));
    server.send(signed(&server, RELOAD_SECRET)).outcome("unchanged");
}

#[test]
fn behind_a_trusted_proxy_each_client_pays_for_itself() {
    let upstream = people();
    let trusting = [("HEADWATER_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = TestServer::with(&upstream.url(), &trusting);
    let from = |client: &str| wrong(&server).header("x-forwarded-for", client);
    fail_often(&server, || from("192.0.2.1"));
    server.send(from("192.0.2.2")).problem(401, "unauthorized");
    server.send(from("192.0.2.2, 192.0.2.1")).problem(429, "too_many_failures");
}

#[test]
fn nobody_else_is_believed_about_where_a_call_comes_from() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let client = std::cell::Cell::new(0);
    fail_often(&server, || {
        client.set(client.get() + 1);
        wrong(&server).header("x-forwarded-for", format!("192.0.2.{}", client.get()))
    });
}
