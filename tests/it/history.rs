//! What many clients see of one server, checked as a history: no client goes back in time, everybody
//! reads what they wrote, and of those who change one version one wins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use headwater_testkit::git;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::{TestServer, people};

const TOKEN: &str = "the-token-of-the-clients";
const CLIENTS: usize = 16;

/// For how long the clients go on; longer on demand.
fn duration() -> Duration {
    let seconds = std::env::var("HEADWATER_HISTORY_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(3))
}

/// One client and what it saw.
struct Observer {
    client: Client,
    base: String,
    number: usize,
    /// The commits of its answers, in their order, each once in a row.
    commits: Vec<String>,
}

/// An answer as far as it matters here.
struct Seen {
    status: u16,
    tag: Option<String>,
    body: Value,
}

impl Observer {
    async fn call(
        &mut self,
        method: Method,
        path: &str,
        tag: Option<&str>,
        body: Option<Value>,
    ) -> Seen {
        let mut call = self.client.request(method, format!("{}{path}", self.base));
        call = call.bearer_auth(TOKEN);
        if let Some(tag) = tag {
            call = call.header("if-match", tag);
        }
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let header =
            |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, tag) = (answer.status().as_u16(), header("etag"));
        if let Some(commit) =
            header("x-headwater-commit").filter(|c| self.commits.last() != Some(c))
        {
            self.commits.push(commit);
        }
        let body = answer.json().await.unwrap_or_default();
        Seen { status, tag, body }
    }

    /// Writes a record of its own, reads it, and adds one to the record of all; returns how often
    /// that was taken.
    async fn run(mut self, over: Arc<AtomicBool>) -> (Vec<String>, u64) {
        let own = format!("/api/people/c{}", self.number);
        let (mut round, mut added) = (0_u64, 0);
        while !over.load(Ordering::Relaxed) {
            round += 1;
            let record = json!({ "slug": format!("c{}", self.number), "age": round });
            let put = self.call(Method::PUT, &own, None, Some(record)).await;
            assert!([200, 201].contains(&put.status), "{}: {}", put.status, put.body);
            let read = self.call(Method::GET, &own, None, None).await;
            assert_eq!(
                read.body["age"], round,
                "client {} does not read what it wrote",
                self.number
            );
            let shared = self.call(Method::GET, "/api/people/counter", None, None).await;
            let next = json!({ "age": shared.body["age"].as_u64().unwrap() + 1 });
            let tag = shared.tag.as_deref();
            let patch = self.call(Method::PATCH, "/api/people/counter", tag, Some(next)).await;
            match patch.status {
                200 => added += 1,
                412 => {}
                status => panic!("{status}: {}", patch.body),
            }
        }
        (self.commits, added)
    }
}

#[test]
fn no_client_goes_back_in_time_and_of_those_who_change_one_version_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let text =
        format!("[[token]]\nname = \"c\"\nsecret = \"{TOKEN}\"\nauthor = \"C <c@example.org>\"\n");
    std::fs::write(&tokens, text).unwrap();
    let mut upstream = people();
    upstream.commit("counter").put("people/counter.toml", "age = 0\nslug = \"counter\"\n").push();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let observer = Observer {
                client: Client::new(),
                base: server.url("").trim_end_matches('/').to_owned(),
                number,
                commits: vec![],
            };
            server.runtime().spawn(observer.run(over.clone()))
        })
        .collect();
    // Meanwhile the remote comes and goes, and is asked all the time.
    let (failed, begun) = (AtomicU64::new(0), std::time::Instant::now());
    while begun.elapsed() < duration() {
        // Without this file it is no repository. The folder stays: a push that is under way would make
        // it again.
        let (head, away) = (upstream.path().join("HEAD"), upstream.path().join("HEAD.away"));
        std::fs::rename(&head, &away).unwrap();
        failed.fetch_add(u64::from(server.reload().status == 502), Ordering::Relaxed);
        std::fs::rename(&away, &head).unwrap();
        assert_eq!(server.reload().status, 200);
    }
    over.store(true, Ordering::Relaxed);
    let seen: Vec<_> =
        clients.into_iter().map(|client| server.runtime().block_on(client).unwrap()).collect();
    let listed = git(server.mirror(), ["rev-list", "--first-parent", "--reverse", "HEAD"]);
    let place: std::collections::HashMap<&str, usize> =
        listed.lines().enumerate().map(|(place, commit)| (commit, place)).collect();
    let mut added = 0;
    for (number, (commits, taken)) in seen.iter().enumerate() {
        added += taken;
        let places: Vec<_> = commits.iter().map(|commit| place[commit.as_str()]).collect();
        assert!(places.is_sorted(), "client {number} went back in time: {places:?}");
    }
    assert_eq!(server.get("/api/people/counter").json()["age"], added);
    let answers: usize = seen.iter().map(|(commits, _)| commits.len()).sum();
    assert!(added > 0 && failed.load(Ordering::Relaxed) > 0);
    println!(
        "{} commits, {added} additions, {answers} commits seen by {CLIENTS} clients, {} reloads failed",
        listed.lines().count(),
        failed.load(Ordering::Relaxed)
    );
}
