//! Pushes from the view of a caller and an operator.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use headwater_engine::engine::PushOutcome;
use headwater_engine::id::CommitId;
use headwater_testkit::{ScriptedHttp, Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer, people};

const TOKEN: &str = "the-token-of-the-site";
const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n";

/// A server that accepts writes, and its remote.
struct House {
    server: TestServer,
    upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn new(settings: &[(&str, &str)]) -> Self {
        Self::at(people(), settings)
    }

    fn at(upstream: Upstream, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, TOKENS).unwrap();
        let mut all = vec![("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
        all.extend(settings);
        Self { server: TestServer::with(&upstream.url(), &all), upstream, _folder: folder }
    }

    fn patch(&self, path: &str, patch: Value) -> Answer {
        let call = self.server.request(Method::PATCH, path).bearer_auth(TOKEN).json(&patch);
        self.server.send(call)
    }

    fn status(&self) -> Value {
        self.server.get("/api/_status").json()
    }

    fn refuse(&self) {
        let hook = self.upstream.path().join("hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn accept(&self) {
        std::fs::remove_file(self.upstream.path().join("hooks/pre-receive")).unwrap();
    }
}

fn receiver() -> ScriptedHttp {
    ScriptedHttp::start([headwater_testkit::Answer::json(200, "{}")])
}

/// Waits for the first alert.
fn alert(receiver: &ScriptedHttp) -> Value {
    serde_json::from_slice(&receiver.wait_for(1)[0].body).unwrap()
}

#[test]
fn a_write_that_is_to_be_pushed_first_is_on_the_remote_when_it_is_answered() {
    let house = House::new(&[]);
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((done.status, &done.json()["pushed"]), (200, &json!(true)));
    assert_eq!(done.header("x-headwater-pushed"), Some("true"));
    assert_eq!(house.upstream.head().as_deref(), Some(done.commit()));
    let status = house.status();
    assert_eq!((&status["push"]["unpushed"], &status["push"]["failures"]), (&json!(0), &json!(0)));
    assert!(status["push"]["pushedAt"].is_string(), "{status}");
    // The webhook of our own push causes no fetch.
    let told = house.server.reload_with(&json!({ "commitHash": done.commit() })).json();
    assert_eq!((&told["outcome"], &told["fetched"]), (&json!("unchanged"), &json!(false)));
    let metrics = house.server.metrics();
    assert!(metrics.contains("headwater_pushes_total{result=\"pushed\"} 1"), "{metrics}");
    house.patch("/api/people/ada?push=maybe", json!({})).problem(422, "invalid_query");
}

#[test]
fn a_branch_below_conflicts_is_pushed_like_any_other() {
    let upstream = people();
    git(upstream.path(), ["branch", "conflicts/a"]);
    let house = House::at(upstream, &[("HEADWATER_BRANCH", "conflicts/a")]);
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((done.status, &done.json()["pushed"]), (200, &json!(true)));
    let there = git(house.upstream.path(), ["rev-parse", "conflicts/a"]);
    assert_eq!(there.trim(), done.commit());
    let push = &house.status()["push"];
    assert_eq!((&push["failures"], &push["unpushed"]), (&json!(0), &json!(0)), "{push}");
    let metrics = house.server.metrics();
    assert!(!metrics.contains("headwater_pushes_total{result=\"failed\"} 1"), "{metrics}");
}

#[test]
fn a_write_says_once_whether_it_waits_for_the_push() {
    let house = House::new(&[]);
    for twice in ["push=sync&push=background", "push=sync&push=sync", "push=sync&pus%68=sync"] {
        let path = format!("/api/people/ada?{twice}");
        house.patch(&path, json!({ "age": 37 })).problem(422, "invalid_query");
    }
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 36);
}

#[test]
fn a_setting_lets_every_write_be_pushed_first() {
    let house = House::new(&[("HEADWATER_PUSH", "sync")]);
    let done = house.patch("/api/people/ada", json!({ "age": 37 }));
    assert_eq!(house.upstream.head().as_deref(), Some(done.commit()));
    let later = house.patch("/api/people/ada?push=background", json!({ "age": 38 }));
    assert_eq!(later.status, 200);
}

#[test]
fn a_remote_that_refuses_is_told_in_the_answer_the_status_and_an_alert() {
    let receiver = receiver();
    let house = House::new(&[("HEADWATER_ALERT_URL", &receiver.url("/"))]);
    house.refuse();
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((done.status, &done.json()["pushed"]), (202, &json!(false)));
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 37);
    let push = house.status()["push"].clone();
    assert_eq!((&push["unpushed"], &push["failure"]), (&json!(1), &json!("refused")));
    assert!(push["unpushedSince"].is_string() && push["nextTryAt"].is_string(), "{push}");
    let alert = alert(&receiver);
    assert_eq!((&alert["event"], &alert["reason"]), (&json!("push_failed"), &json!("refused")));
    house.accept();
}

#[test]
fn what_was_refused_is_pushed_behind_a_restart() {
    let mut house = House::new(&[]);
    house.refuse();
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    house.accept();
    house.server.restart();
    let next = house.patch("/api/people/grace?push=sync", json!({ "age": 86 }));
    assert_eq!(house.upstream.head().as_deref(), Some(next.commit()));
    let parent = git(house.upstream.path(), ["rev-parse", "published^"]);
    assert_eq!(parent.trim(), done.commit());
}

#[test]
fn what_is_written_last_is_pushed_before_the_server_ends() {
    let mut house = House::new(&[]);
    let done: Vec<_> = (0..5).map(|n| house.patch("/api/people/ada", json!({ "n": n }))).collect();
    assert!(house.server.stop());
    assert_eq!(house.upstream.head().as_deref(), Some(done[4].commit()));
}

#[test]
fn what_is_written_last_is_pushed_even_if_a_task_still_holds_the_engine() {
    let mut house = House::new(&[]);
    let held = house.server.server().live().clone();
    let done: Vec<_> = (0..5).map(|n| house.patch("/api/people/ada", json!({ "n": n }))).collect();
    assert!(house.server.stop());
    assert_eq!(house.upstream.head().as_deref(), Some(done[4].commit()));
    drop(held);
}

#[test]
fn nothing_is_pushed_where_that_is_turned_off() {
    let mut house = House::new(&[("HEADWATER_PUSH", "off")]);
    let before = house.upstream.head();
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((done.status, &done.json()["pushed"]), (200, &json!(false)));
    assert!(house.server.stop());
    assert_eq!(house.upstream.head(), before);
}

#[test]
fn both_sides_are_merged_and_a_conflict_is_told_with_its_fields() {
    let receiver = receiver();
    let house = House::new(&[
        ("HEADWATER_ON_DIVERGENCE", "replay"),
        ("HEADWATER_ALERT_URL", &receiver.url("/")),
    ]);
    let mut house = house;
    let theirs = "age = 36\nname = \"Ada\"\nslug = \"ada\"\n";
    house.upstream.commit("theirs").put("people/ada.toml", theirs).push();
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((done.status, &done.json()["pushed"]), (200, &json!(true)));
    let ada = house.server.get("/api/people/ada").json();
    assert_eq!(ada, json!({ "age": 37, "name": "Ada", "slug": "ada" }));
    let read = house.server.get("/api/people/ada");
    assert_eq!(
        (done.commit(), done.json()["commit"].as_str()),
        (read.commit(), Some(read.commit()))
    );
    assert_eq!(house.upstream.head().as_deref(), Some(read.commit()));
    // What it was written as is not what that commit has.
    assert_eq!((done.json().get("value"), done.headers.get("etag")), (None, None));

    house.upstream.commit("theirs").put("people/ada.toml", theirs.replace("36", "50")).push();
    let done = house.patch("/api/people/ada?push=sync", json!({ "age": 60 }));
    done.problem(409, "conflict");
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 50);
    let alert = alert(&receiver);
    assert_eq!(alert["event"], "conflict");
    assert_eq!(alert["lost"], json!([{ "path": "people/ada.toml", "pointer": "/age" }]));
    let kept = format!("refs/heads/{}", alert["keptBranch"].as_str().unwrap());
    assert_eq!(git(house.server.mirror(), ["rev-parse", &kept]).trim(), alert["keptCommit"]);
}

#[test]
fn a_conflict_leaves_live_what_was_written_to_other_records() {
    let settings = [("HEADWATER_ON_DIVERGENCE", "replay"), ("HEADWATER_PUSH_INTERVAL", "3600")];
    let mut house = House::new(&settings);
    // The pushes after this one wait.
    house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    let theirs = "age = 50\nname = \"Ada\"\nslug = \"ada\"\n";
    house.upstream.commit("theirs").put("people/ada.toml", theirs).push();
    let other = house.patch("/api/people/grace", json!({ "age": 20 })).commit().to_owned();
    house.patch("/api/people/ada", json!({ "age": 60 }));
    let reloaded = house.server.reload();
    let told = reloaded.json();
    assert_eq!((reloaded.status, &told["replayed"], &told["ahead"]), (200, &json!(1), &json!(1)));
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 50);
    let read = house.server.request(Method::GET, "/api/people/grace");
    let read = house.server.send(read.header("x-headwater-min-commit", &other));
    assert_eq!((read.status, &read.json()["age"]), (200, &json!(20)));
    // The branch has both of ours.
    let kept = format!("refs/heads/{}", told["keptBranch"].as_str().unwrap());
    for path in ["people/ada.toml", "people/grace.toml"] {
        let text = git(house.server.mirror(), ["show", &format!("{kept}:{path}")]);
        assert!(text.contains("age = 60") || text.contains("age = 20"), "{text}");
    }
    assert!(house.server.stop());
    assert_eq!(house.upstream.head().as_deref(), Some(read.commit()));
}

#[test]
fn a_read_that_must_contain_a_write_finds_what_a_replay_made_of_it() {
    let mut house = House::new(&[("HEADWATER_ON_DIVERGENCE", "replay")]);
    let theirs = "age = 36\nname = \"Ada\"\nslug = \"ada\"\n";
    house.upstream.commit("theirs").put("people/ada.toml", theirs).push();
    let written = house.patch("/api/people/ada", json!({ "age": 37 })).commit().to_owned();
    // Whoever came first, the push or this, the write is on top of theirs now.
    assert_eq!(house.server.reload().status, 200);
    let read = |house: &House| {
        let read = house.server.request(Method::GET, "/api/people/ada");
        house.server.send(read.header("x-headwater-min-commit", &written))
    };
    let answer = read(&house);
    assert_eq!((answer.status, &answer.json()["age"]), (200, &json!(37)));
    assert_ne!(answer.commit(), written);
    // It is known only as long as the process lives.
    house.server.restart();
    read(&house).problem(503, "not_yet");
}

#[test]
fn a_write_that_is_to_be_pushed_first_waits_for_the_interval_and_the_last_push_does_not() {
    let mut house = House::new(&[("HEADWATER_PUSH_INTERVAL", "3600")]);
    let first = house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    assert_eq!((first.status, &first.json()["pushed"]), (200, &json!(true)));
    assert!(house.status()["push"].get("nextTryAt").is_none(), "nothing waits");
    let call = house.server.request(Method::PATCH, "/api/people/ada?push=sync").bearer_auth(TOKEN);
    let call = call.header("prefer", "wait=1").json(&json!({ "age": 38 }));
    let second = house.server.send(call);
    assert_eq!((second.status, &second.json()["pushed"]), (202, &json!(false)));
    assert_eq!(house.upstream.head().as_deref(), Some(first.commit()));
    let push = house.status()["push"].clone();
    assert_eq!((&push["unpushed"], &push["failures"]), (&json!(1), &json!(0)));
    assert!(push["nextTryAt"].is_string() && push.get("failure").is_none(), "{push}");
    assert!(house.server.stop());
    assert_eq!(house.upstream.head().as_deref(), Some(second.commit()));
}

#[test]
fn writes_that_wait_for_an_interval_are_pushed_together_when_it_is_over() {
    let house = House::new(&[("HEADWATER_PUSH_INTERVAL", "0.2")]);
    for age in 37..40 {
        let done = house.patch("/api/people/ada?push=sync", json!({ "age": age }));
        assert_eq!((done.status, &done.json()["pushed"]), (200, &json!(true)));
        assert_eq!(house.upstream.head().as_deref(), Some(done.commit()));
    }
}

#[test]
fn a_token_that_waits_for_many_pushes_leaves_places_for_others() {
    let house = House::new(&[("HEADWATER_PUSH_INTERVAL", "3600")]);
    house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    let unpushed = house.patch("/api/people/ada", json!({ "age": 38 }));
    let commit: CommitId = unpushed.commit().parse().unwrap();
    let live = house.server.server().live();
    let until = Instant::now() + Duration::from_secs(600);
    let _inside = house.server.runtime().enter();
    let waits = |actor: &'static str| {
        let mut pushed = Box::pin(live.pushed(actor, commit, until));
        match pushed.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Some(pushed),
            Poll::Ready(outcome) => {
                assert_eq!(outcome, PushOutcome::Late);
                None
            }
        }
    };
    let waiting: Vec<_> = (0..2_000).map_while(|_| waits("site")).collect();
    assert_eq!(waiting.len(), 500);
    // The next request of this token is answered at once: it is written, and not pushed.
    let call = house.server.request(Method::PATCH, "/api/people/ada?push=sync").bearer_auth(TOKEN);
    let call = call.header("prefer", "wait=300").timeout(Duration::from_secs(60));
    let told = house.server.send(call.json(&json!({ "age": 39 })));
    assert_eq!((told.status, &told.json()["pushed"]), (202, &json!(false)));
    assert!(waits("desk").is_some());
}

#[test]
fn writes_that_wait_for_their_push_on_all_connections_give_way_and_are_answered() {
    let interval = ("HEADWATER_PUSH_INTERVAL", "3600");
    let house = House::new(&[interval, ("HEADWATER_MAX_CONNECTIONS", "8")]);
    house.patch("/api/people/ada?push=sync", json!({ "age": 37 }));
    let address = house.server.server().address();
    let write = |age: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let body = format!("{{\"age\":{age}}}");
        let head = "PATCH /api/people/ada?push=sync HTTP/1.1\r\nHost: x\r\nPrefer: wait=300";
        let length = body.len();
        write!(
            stream,
            "{head}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    };
    let live = house.server.server().live();
    let made = |count: usize| live.engine().unwrap().status().ahead >= count as u64;
    let writes = (0..8).map(|age| {
        let stream = write(age);
        // One whose request has not arrived would be closed without an answer.
        while !made(age + 1) {
            std::thread::yield_now();
        }
        stream
    });
    let writes: Vec<TcpStream> = writes.collect();
    for _ in 0..5 {
        assert_eq!(house.server.status_elsewhere("/api/people/ada", "*/*"), 200);
    }
    let answered = writes.into_iter().filter_map(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut answer = String::new();
        let ended = stream.read_to_string(&mut answer);
        ended.is_ok().then_some(answer)
    });
    let answered: Vec<String> = answered.collect();
    assert!((1..=5).contains(&answered.len()), "{answered:?}");
    for answer in answered {
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        assert!(answer.contains("\"pushed\":false"), "{answer}");
    }
}
