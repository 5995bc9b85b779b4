//! git for the other replicas: what they may fetch, who they are, and how many at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use headwater::config::{Config, Flags, Keyring, Layers, NamedValue};
use headwater::http::peer_address;
use headwater::serve::Server;
use headwater_engine::engine::{
    Engine, EngineConfig, FollowTarget, Ledger, ReloadAnswer, ReloadCaller, RequestKind, Role,
};
use headwater_engine::mirror::{FetchErrorKind, FetchLimits, Mirror, Remote, RemoteOptions};
use headwater_engine::report::Trigger;
use headwater_testkit::{Upstream, git};
use reqwest::{Method, RequestBuilder};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::{Answer, people, person};

const KEY: &str = "the-key-of-the-replicas";

const COMMAND: &str = "/git-upload-pack";
const GREETING: &str = "/info/refs?service=git-upload-pack";

/// A server that other replicas fetch from.
struct Source {
    upstream: Upstream,
    folder: TempDir,
    runtime: Runtime,
    client: reqwest::Client,
    server: Server,
}

impl Source {
    fn new(upstream: Upstream, key: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let mirror = folder.path().join("mirror.git").to_str().unwrap().to_owned();
        let settings: BTreeMap<String, String> = [
            ("HEADWATER_REPO", &*mirror),
            ("HEADWATER_REMOTE", &upstream.url()),
            ("HEADWATER_LISTEN", "127.0.0.1:0"),
            ("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0"),
            ("HEADWATER_RELOAD_SECRET", "the-reload-secret-of-the-tests"),
            ("HEADWATER_POLL_INTERVAL", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let flags = Flags::new();
        let layers = Layers::new(&flags, &settings, None).unwrap();
        let mut config =
            Config::resolve(&layers).map_err(|error| error.to_string()).unwrap_or_else(|error| {
                panic!("{error}");
            });
        config.peers = key.map(|value| {
            Keyring::read(Some(NamedValue { name: "the key", value }), None).ok().unwrap()
        });
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        runtime.block_on(server.ready()).unwrap();
        Self { upstream, folder, runtime, client: reqwest::Client::new(), server }
    }

    fn engine(&self) -> &Engine {
        self.server.live().engine().unwrap()
    }

    fn reload(&self) {
        self.engine().reload(RequestKind::Reload, Trigger::Operator).unwrap();
    }

    /// Returns the address of its repository for replicas.
    fn address(&self) -> String {
        peer_address(&format!("http://{}", self.server.internal_address().unwrap()))
    }

    fn target(&self) -> FollowTarget {
        let announced = self.engine().announcement();
        FollowTarget {
            head: announced.head,
            pinned: announced.pinned,
            digest: announced.digest,
            made_by: self.engine().made_by().to_owned(),
            synced: announced.remote.synced,
            unpushed: announced.remote.unpushed,
            sources: vec![Arc::new(Remote::peer(&self.address(), KEY).unwrap())],
        }
    }

    /// Starts a request of a replica.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.address()));
        request.basic_auth("headwater", Some(KEY)).header("git-protocol", "version=2")
    }

    fn send(&self, request: RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
        })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The engine ends before its folder.
        self.server.live().shut_down();
    }
}

/// Returns a command in protocol version 2.
fn framed(lines: &[&str]) -> Vec<u8> {
    let framed = lines.iter().map(|line| match *line {
        "0000" | "0001" => (*line).to_owned(),
        line => format!("{:04x}{line}\n", line.len() + 5),
    });
    framed.collect::<String>().into_bytes()
}

#[test]
fn a_replica_is_made_and_follows_over_http_alone() {
    let mut source = Source::new(people(), Some(KEY));
    let remote = Remote::new("/nowhere", RemoteOptions::default()).unwrap();
    let mirror = source.folder.path().join("follower.git");
    let config = EngineConfig {
        role: Role::Following,
        first: Some(source.target()),
        ..EngineConfig::of(&mirror, Some(Arc::new(remote)))
    };
    let follower = Engine::open(config, Arc::new(Ledger::new())).unwrap();
    assert_eq!(follower.snapshot().digest(), source.engine().snapshot().digest());
    for n in 0..3 {
        let record = person(&format!("n{n}"), "Somebody", n);
        source.upstream.commit("more").put(format!("people/n{n}.toml"), record).push();
        source.reload();
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = Box::new(move |answer: ReloadAnswer| sender.send(answer).unwrap());
        follower.follow(source.target(), vec![ReloadCaller { commit: None, done }]);
        let report = receiver.recv().unwrap().report;
        assert!(report.result.is_ok(), "{:?}", report.result);
        let (ours, theirs) = (follower.snapshot(), source.engine().snapshot());
        assert_eq!((ours.commit(), ours.digest()), (theirs.commit(), theirs.digest()));
    }
    git(&mirror, ["fsck", "--strict"]);
}

#[test]
fn git_itself_can_clone_and_cannot_push() {
    let source = Source::new(people(), Some(KEY));
    let (folder, address) = (TempDir::new().unwrap(), source.address());
    let header = BASE64.encode(format!("headwater:{KEY}").as_bytes());
    let header = format!("http.extraHeader=Authorization: Basic {header}");
    git(folder.path(), ["-c", &header, "clone", "--quiet", &address, "c"]);
    let clone = folder.path().join("c");
    let head = git(&clone, ["rev-parse", "HEAD"]);
    assert_eq!(head.trim(), source.engine().snapshot().commit().to_string());
    let answer = source.send(source.request(Method::GET, "/info/refs?service=git-receive-pack"));
    answer.problem(422, "invalid_query");
    let answer = source.send(source.request(Method::POST, "/git-receive-pack"));
    answer.problem(404, "not_found");
}

#[test]
fn only_replicas_with_the_key_are_admitted_and_only_on_the_internal_side() {
    let source = Source::new(people(), Some(KEY));
    assert_eq!(source.send(source.request(Method::GET, GREETING)).status, 200);
    let command =
        || source.request(Method::POST, COMMAND).body(framed(&["command=ls-refs", "0000"]));
    let told = source.send(command());
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), Some("application/x-git-upload-pack-result"));
    assert!(String::from_utf8_lossy(&told.body).contains("refs/heads/published"));
    for (user, password) in [
        ("headwater", None),
        ("headwater", Some("another-key-of-replicas")),
        ("headwater", Some("the-reload-secret-of-the-tests")),
        (KEY, Some("")),
    ] {
        for path in [GREETING, COMMAND] {
            let method = if path == GREETING { Method::GET } else { Method::POST };
            let request = source.client.request(method, format!("{}{path}", source.address()));
            let request = request.header("git-protocol", "version=2").basic_auth(user, password);
            source.send(request).problem(401, "unauthorized");
        }
    }
    // A replica is told so.
    let wrong = Remote::peer(&source.address(), "another-key-of-replicas").unwrap();
    let error = Mirror::remote_branches(&wrong, &FetchLimits::default()).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Auth, "{error:?}");
    // The other side does not have the routes.
    let public = peer_address(&format!("http://{}", source.server.address()));
    let request = source.client.get(format!("{public}{GREETING}"));
    let request = request.basic_auth("headwater", Some(KEY)).header("git-protocol", "version=2");
    source.send(request).problem(404, "not_found");
    // Neither has a server without other replicas.
    let alone = Source::new(people(), None);
    alone.send(alone.request(Method::GET, GREETING)).problem(404, "not_found");
}

#[test]
fn a_request_is_plain_small_and_of_version_two() {
    let source = Source::new(people(), Some(KEY));
    let body = framed(&["command=ls-refs", "0000"]);
    let coded = source.request(Method::POST, COMMAND).header("content-encoding", "gzip");
    source.send(coded.body(body.clone())).problem(415, "unsupported_media_type");
    let large = source.request(Method::POST, COMMAND).body(vec![b'0'; (256 << 10) + 1]);
    source.send(large).problem(413, "body_too_large");
    let old = source.client.post(format!("{}{COMMAND}", source.address()));
    let old = old.basic_auth("headwater", Some(KEY)).header("git-protocol", "version=1");
    source.send(old.body(body)).problem(422, "invalid_header");
}

#[test]
fn who_clones_waits_for_the_clone_before_and_who_fetches_does_not() {
    // More than fits into the buffers between git and a reader that reads nothing.
    let mut noise = 7_u64;
    let mut large = || {
        let bytes = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        });
        bytes.take(4 << 20).collect::<Vec<u8>>()
    };
    let mut upstream = people();
    let files: Vec<_> = (0..6).map(|n| (format!("noise/{n}"), large())).collect();
    upstream.commit("noise").put_all(files).push();
    let mut source = Source::new(upstream, Some(KEY));
    let have = source.engine().snapshot().commit();
    source.upstream.commit("more").put("people/eve.toml", person("eve", "Eve", 3)).push();
    source.reload();
    let (want, have) =
        (format!("want {}", source.engine().snapshot().commit()), format!("have {have}"));
    let clone = || {
        let command = framed(&["command=fetch", "0001", &want, "done", "0000"]);
        source.request(Method::POST, COMMAND).body(command)
    };
    // Its answer begins, and is not read.
    let first = source.runtime.block_on(clone().send()).unwrap();
    assert_eq!(first.status(), 200);
    let busy = source.send(clone());
    busy.problem(503, "busy");
    assert_eq!(busy.header("retry-after"), Some("1"));
    let command = framed(&["command=fetch", "0001", &want, &have, "done", "0000"]);
    let fetched = source.send(source.request(Method::POST, COMMAND).body(command));
    assert_eq!(fetched.status, 200);
    assert!(fetched.body.len() < 4_096, "{}", fetched.body.len());
    drop(first);
    while source.send(clone()).status != 200 {}
}
