//! The view of many clients of one server, checked as a history: no client goes back in time, all
//! clients read their own writes, and of those that change the same version one wins.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater_testkit::{Upstream, git};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::harness::{TestServer, people};

const TOKEN: &str = "the-token-of-the-clients";
const CLIENTS: usize = 16;

/// The duration of the clients; a variable sets a longer one.
fn duration() -> Duration {
    let seconds = std::env::var("HEADWATER_HISTORY_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(3))
}

/// One client and what it saw.
struct Observer {
    client: Client,
    /// The address of the server. Whoever restarts it holds the lock, so that no call is cut off.
    base: Arc<RwLock<String>>,
    number: usize,
    /// The commits of its answers, in order, without consecutive repetitions.
    commits: Vec<String>,
}

/// The relevant parts of an answer.
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
        let base = self.base.read().await;
        let mut call = self.client.request(method, format!("{base}{path}"));
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
        drop(base);
        Seen { status, tag, body }
    }

    /// Writes a record of its own, reads it, and adds one to the shared record. Returns how often
    /// that was accepted.
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

/// The clients of one server.
struct Crowd {
    base: Arc<RwLock<String>>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(Vec<String>, u64)>>,
}

impl Crowd {
    fn of(server: &TestServer) -> Self {
        let address = server.url("").trim_end_matches('/').to_owned();
        let (base, over) = (Arc::new(RwLock::new(address)), Arc::new(AtomicBool::new(false)));
        let observer = |number| Observer {
            client: Client::new(),
            base: base.clone(),
            number,
            commits: vec![],
        };
        let clients = (0..CLIENTS)
            .map(|number| server.runtime().spawn(observer(number).run(over.clone())))
            .collect();
        Self { base, over, clients }
    }

    /// Restarts the server between two calls of each client.
    fn restart(&self, server: &mut TestServer) {
        let mut base = server.runtime().block_on(self.base.clone().write_owned());
        server.restart();
        server.url("").trim_end_matches('/').clone_into(&mut base);
    }

    /// Stops the clients, and checks what they saw against the history in `repository`. Returns how
    /// much that was.
    fn end(self, server: &TestServer, repository: &Path) -> String {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.clients.into_iter();
        let seen: Vec<_> = ended.map(|client| server.runtime().block_on(client).unwrap()).collect();
        let listed = git(repository, ["rev-list", "--first-parent", "--reverse", "HEAD"]);
        let place: HashMap<&str, usize> =
            listed.lines().enumerate().map(|(place, commit)| (commit, place)).collect();
        let mut added = 0;
        for (number, (commits, taken)) in seen.iter().enumerate() {
            added += taken;
            let places: Vec<_> = commits.iter().map(|commit| place[commit.as_str()]).collect();
            assert!(places.is_sorted(), "client {number} went back in time: {places:?}");
        }
        assert_eq!(server.get("/api/people/counter").json()["age"], added);
        let answers: usize = seen.iter().map(|(commits, _)| commits.len()).sum();
        assert!(added > 0);
        let commits = listed.lines().count();
        format!("{commits} commits, {added} additions, {answers} commits seen by {CLIENTS} clients")
    }
}

/// A remote with a counter, and the file of write tokens.
struct Scene {
    upstream: Upstream,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[[token]]\nname = \"c\"\nsecret = \"{TOKEN}\"\nauthor = \"C <c@example.org>\"\n"
        );
        std::fs::write(folder.path().join("tokens.toml"), text).unwrap();
        let mut upstream = people();
        let counter = upstream.commit("counter");
        counter.put("people/counter.toml", "age = 0\nslug = \"counter\"\n").push();
        Self { upstream, folder }
    }

    fn server(&self, remote: &str, settings: &[(&str, &str)]) -> TestServer {
        let tokens = self.folder.path().join("tokens.toml");
        let tokens = ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap());
        TestServer::with(remote, &[&[tokens], settings].concat())
    }
}

#[test]
fn no_client_goes_back_in_time_and_of_those_who_change_one_version_one_wins() {
    let scene = Scene::new();
    let mut server = scene.server(&scene.upstream.url(), &[]);
    let crowd = Crowd::of(&server);
    // Meanwhile the remote comes and goes, and the server keeps asking it.
    let (mut failed, begun) = (0_u64, Instant::now());
    while begun.elapsed() < duration() {
        // Without this file it is not a repository. The folder stays, because a push in progress
        // would create it again.
        let remote = scene.upstream.path();
        let (head, away) = (remote.join("HEAD"), remote.join("HEAD.away"));
        std::fs::rename(&head, &away).unwrap();
        failed += u64::from(server.reload().status == 502);
        std::fs::rename(&away, &head).unwrap();
        assert_eq!(server.reload().status, 200);
    }
    crowd.restart(&mut server);
    println!("{}, {failed} reloads failed", crowd.end(&server, &server.mirror()));
    assert!(failed > 0);
}

#[test]
fn without_a_remote_no_client_goes_back_in_time_either() {
    let scene = Scene::new();
    let repository = scene.upstream.path();
    let settings =
        [("HEADWATER_REPO", repository.to_str().unwrap()), ("HEADWATER_POLL_INTERVAL", "1")];
    let mut server = scene.server("unset", &settings);
    let crowd = Crowd::of(&server);
    let begun = Instant::now();
    while begun.elapsed() < duration() {
        for _ in 0..32 {
            assert_eq!(server.reload().status, 200);
        }
        crowd.restart(&mut server);
    }
    println!("{}", crowd.end(&server, repository));
}
