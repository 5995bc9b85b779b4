//! Signed webhooks that do not carry the secret: the signature covers the received bytes, and none
//! of them are parsed before it is verified.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use headwater::hmac::Mac;
use headwater_testkit::Upstream;
use reqwest::{Method, RequestBuilder};

use crate::harness::{Answer, RELOAD, RELOAD_SECRET, TestServer, people, person};

const JSON: &str = "application/json";

/// The key behind the signing token of a GitLab webhook.
const TOKEN_KEY: &[u8] = b"thirty-two bytes of a signing ke";

fn mac(key: &[u8], pieces: &[&str]) -> [u8; 32] {
    let mut mac = Mac::new(key);
    pieces.iter().for_each(|piece| mac.update(piece.as_bytes()));
    *mac.finish().as_bytes()
}

fn hex(body: &str) -> String {
    HEXLOWER.encode(&mac(RELOAD_SECRET.as_bytes(), &[body]))
}

/// Starts a webhook without a key.
fn webhook(server: &TestServer, content_type: &str, body: &str) -> RequestBuilder {
    let request = server.request(Method::POST, RELOAD).header("content-type", content_type);
    request.body(body.to_owned())
}

fn github(server: &TestServer, signature: &str, content_type: &str, body: &str) -> Answer {
    let request = webhook(server, content_type, body).header("x-github-event", "push");
    let request = request.header("x-hub-signature", format!("sha1={}", "0".repeat(40)));
    server.send(request.header("x-hub-signature-256", format!("sha256={signature}")))
}

/// Pushes one more person, and returns the body of a forge, with unusual white space.
fn push(upstream: &mut Upstream, n: u32) -> (String, String) {
    let (path, slug) = (format!("people/p{n}.toml"), format!("p{n}"));
    let commit = upstream.commit("more").put(path, person(&slug, "P", n)).push();
    let body = format!("{{ \"after\":\"{commit}\",\t\"ref\" : \"refs/heads/published\"}}\r\n");
    (commit, body)
}

#[test]
fn a_signed_push_goes_live_whichever_forge_signs() {
    let mut upstream = people();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, format!("whsec_{}\n", BASE64.encode(TOKEN_KEY))).unwrap();
    let settings = [("HEADWATER_RELOAD_SECRET_FILE", file.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);

    let (commit, body) = push(&mut upstream, 1);
    let answer = github(&server, &hex(&body), JSON, &body);
    assert_eq!(answer.outcome("applied")["newCommit"], *commit);

    let (commit, body) = push(&mut upstream, 2);
    let request = webhook(&server, JSON, &body).header("x-gitea-event", "push");
    let request = request.header("x-github-event", "push").header("x-gitea-signature", hex(&body));
    let request = request.header("x-hub-signature-256", format!("sha256={}", hex(&body)));
    assert_eq!(server.send(request).outcome("applied")["newCommit"], *commit);

    let (commit, body) = push(&mut upstream, 3);
    let request = webhook(&server, JSON, &body).header("x-gitlab-event", "Push Hook");
    let request = request.header("x-gitlab-token", RELOAD_SECRET);
    assert_eq!(server.send(request).outcome("applied")["newCommit"], *commit);

    let (commit, body) = push(&mut upstream, 4);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signature = BASE64.encode(&mac(TOKEN_KEY, &["an-id", ".", &now, ".", &body]));
    let request = webhook(&server, JSON, &body).header("x-gitlab-event", "Push Hook");
    let request = request.header("webhook-id", "an-id").header("webhook-timestamp", now);
    let request = request.header("webhook-signature", format!("v1,{signature}"));
    assert_eq!(server.send(request).outcome("applied")["newCommit"], *commit);

    let (commit, _) = push(&mut upstream, 5);
    let body = format!(
        "{{\"push\":{{\"changes\":[{{\"old\":null,\"new\":{{\"type\":\"branch\",\
         \"name\":\"published\",\"target\":{{\"hash\":\"{commit}\"}}}}}}]}}}}"
    );
    let request = webhook(&server, JSON, &body).header("x-event-key", "repo:push");
    let request = request.header("x-hub-signature", format!("sha256={}", hex(&body)));
    assert_eq!(server.send(request).outcome("applied")["newCommit"], *commit);
}

#[test]
fn a_form_is_signed_as_it_is_sent() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let (commit, json) = push(&mut upstream, 1);
    let form = "application/x-www-form-urlencoded";
    let encoded = HEXLOWER.encode(json.as_bytes());
    let digits = encoded.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    let body = format!("payload={}", digits.map(|pair| format!("%{pair}")).collect::<String>());
    github(&server, &hex(&json), form, &body).problem(401, "unauthorized");
    let answer = github(&server, &hex(&body), form, &body);
    assert_eq!(answer.outcome("applied")["newCommit"], *commit);
}

#[test]
fn gitea_forgejo_and_gogs_sign_the_json_inside_a_form() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let senders = [
        ("x-gitea-event", "x-gitea-signature"),
        ("x-gitea-event", "x-forgejo-signature"),
        ("x-gogs-event", "x-gogs-signature"),
    ];
    for (n, (event, name)) in (1..).zip(senders) {
        let (commit, json) = push(&mut upstream, n);
        let form = "application/x-www-form-urlencoded";
        let encoded: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let send = |signature: String| {
            let call = webhook(&server, form, &format!("payload={encoded}"));
            server.send(call.header(event, "push").header(name, signature))
        };
        send(hex(&format!("payload={encoded}"))).problem(401, "unauthorized");
        assert_eq!(send(hex(&json)).outcome("applied")["newCommit"], *commit, "{name}");
    }
}

#[test]
fn a_forged_webhook_is_refused_like_any_other_and_before_it_is_read() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let (_, body) = push(&mut upstream, 1);
    let changed = body.replace("published", "publishe\u{64} ");
    let forged = [
        github(&server, &hex(&body), JSON, &changed),
        github(&server, &hex(&body), JSON, body.trim_end()),
        github(&server, "", JSON, &body),
        github(&server, &hex("another body"), JSON, "{ not json"),
        github(&server, &hex(""), "text/plain", "not what it says"),
        server.send(webhook(&server, JSON, &body).header("x-gitea-signature", "00")),
        server.send(webhook(&server, JSON, &body).header("x-gitlab-token", "wrong")),
        server.send(webhook(&server, JSON, &body).header("webhook-signature", "v1,AAAA")),
        server.send(webhook(&server, JSON, &body).header("x-github-event", "push")),
        server.send(webhook(&server, JSON, &body).header("x-headwater-key", "wrong")),
    ];
    let mut bodies = forged.map(|answer| answer.problem(401, "unauthorized"));
    bodies.iter_mut().for_each(|body| drop(body.as_object_mut().unwrap().remove("traceId")));
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    github(&server, &hex(&body), JSON, &body).outcome("applied");
}

#[test]
fn a_right_key_does_not_make_up_for_a_wrong_signature() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let (_, body) = push(&mut upstream, 1);
    let request = || webhook(&server, JSON, &body).bearer_auth(RELOAD_SECRET);
    let wrong = request().header("x-gitea-signature", hex("another body"));
    server.send(wrong).problem(401, "unauthorized");
    let right = request().header("x-gitea-signature", hex(&body));
    server.send(right).outcome("applied");
}

#[test]
fn a_signature_opens_the_webhooks_and_nothing_else() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let signature = format!("sha256={}", hex(""));
    let list = server.request(Method::GET, "/api/_internal/reloads");
    server.send(list.header("x-hub-signature-256", &signature)).problem(401, "unauthorized");
    let unset = [("HEADWATER_RELOAD_SECRET", "unset"), ("HEADWATER_OPERATOR_SECRET", "unset")];
    let server = TestServer::with(&upstream.url(), &unset);
    github(&server, &hex("{}"), JSON, "{}").problem(503, "reload_not_configured");
}
