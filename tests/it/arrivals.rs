//! Requests that name a commit that the server does not have yet: the reader comes from another server, or pushed it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use headwater::coming::Others;
use headwater_engine::cursor::Cursor;
use headwater_testkit::{Fault, GitHttp, Upstream};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{RELOAD, TestServer, people, person};

/// A remote that can keep a fetch waiting, its server, and the first commit.
struct Slow {
    upstream: Upstream,
    http: GitHttp,
    server: TestServer,
    first: String,
}

type Asked = JoinHandle<reqwest::Result<Response>>;

impl Slow {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let upstream = people();
        let http = GitHttp::serve(upstream.parent());
        let server = TestServer::with(&http.url("upstream.git"), settings);
        let first = upstream.head().unwrap();
        Self { upstream, http, server, first }
    }

    fn push(&mut self, age: u32) -> String {
        let text = person("ada", "Ada Lovelace", age);
        self.upstream.commit("an age").put("people/ada.toml", text).push()
    }

    /// Begins a reload, and returns when it waits for the remote.
    fn reloading(&self) -> Asked {
        self.http.fail(Fault::Hang);
        let reload = self.server.runtime().spawn(self.server.call(RELOAD).send());
        self.http.wait_until_hanging(1);
        reload
    }

    /// Sends these requests, and some others that are answered meanwhile.
    fn ask(&self, requests: Vec<RequestBuilder>) -> Vec<Asked> {
        let asked = requests.into_iter();
        let asked = asked.map(|request| self.server.runtime().spawn(request.send())).collect();
        for _ in 0..20 {
            assert_eq!(self.server.get("/api/people/grace").status, 200);
        }
        asked
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.server.request(Method::GET, path)
    }

    fn answered(&self, asked: Asked) -> Response {
        self.server.runtime().block_on(asked).unwrap().unwrap()
    }

    fn body(&self, response: Response) -> Value {
        let bytes = self.server.runtime().block_on(response.bytes()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Returns the text of a stream up to the next empty line.
    fn block(&self, stream: &mut Response) -> String {
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            let chunk = self.server.runtime().block_on(stream.chunk()).unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }
}

#[test]
fn who_waits_for_a_commit_on_all_connections_gives_way_to_others_of_its_address() {
    let slow = Slow::with(&[("HEADWATER_MAX_CONNECTIONS", "8")]);
    let reload = slow.reloading();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(slow.server.server().address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let far = format!("/api/people?at={}", "f".repeat(40));
    let mut waiting: Vec<_> = (0..8).map(|_| ask(&far)).collect();
    for _ in 0..2 {
        let mut answer = String::new();
        ask("/api/people/ada").read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let waits = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let left = waiting.iter_mut().filter_map(|stream| waits(stream).then_some(())).count();
    assert!(left >= 4, "{left} of 8 still wait");
    slow.http.recover();
    assert!(slow.answered(reload).status().is_success());
}

#[test]
fn who_names_a_commit_that_a_reload_is_about_to_bring_is_answered_from_it() {
    let mut slow = Slow::new();
    let new = slow.push(37);
    // Another server has it already.
    let other = TestServer::start(&slow.upstream.url());
    let next = other.get("/api/people?limit=1").json()["next"].as_str().unwrap().to_owned();
    let first = &slow.first;
    let reload = slow.reloading();
    let reads = [
        format!("/api/people/ada?at={new}"),
        format!("/api/people?limit=1&cursor={next}"),
        format!("/api/_search?q=ada&at={new}"),
        format!("/api/_history/people/ada?at={new}"),
        format!("/api/_diff?from={first}&to={new}"),
        format!("/api/_commits?until={new}"),
        format!("/api/_changes?since={new}"),
    ];
    let asked = slow.ask(reads.iter().map(|path| slow.get(path)).collect());
    let header = slow.get("/api/people/ada").header("x-headwater-at", &new);
    let stream = slow.get("/api/_changes?sheet=people").header("accept", "text/event-stream");
    let more = slow.ask(vec![header, stream.header("last-event-id", &new)]);
    slow.http.recover();
    assert_eq!(slow.answered(reload).status(), 200);
    let mut bodies = Vec::new();
    for (asked, path) in asked.into_iter().zip(&reads) {
        let response = slow.answered(asked);
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["x-headwater-commit"], *new, "{path}");
        bodies.push(slow.body(response));
    }
    assert_eq!((&bodies[0]["age"], &bodies[1]["items"][0]["key"]), (&json!(37), &json!("grace")));
    let changes = json!({ "from": new, "to": new, "resync": false, "items": [] });
    assert_eq!(bodies[6], changes);
    let mut more = more.into_iter().map(|asked| slow.answered(asked));
    assert_eq!(slow.body(more.next().unwrap())["age"], 37);
    let mut stream = more.next().unwrap();
    assert_eq!(slow.block(&mut stream), format!("retry: 2000\nid: {new}\n\n"));
    let newer = slow.push(38);
    slow.server.reload().outcome("applied");
    let event = slow.block(&mut stream);
    assert!(event.starts_with(&format!("id: {newer}\nevent: changes\n")), "{event}");
}

#[test]
fn a_commit_that_no_reload_brings_is_unknown_as_soon_as_the_reload_has_ended() {
    let slow = Slow::new();
    let unknown = "f".repeat(40);
    let place = json!({ "key": "ada" });
    let cursor = Cursor { commit: unknown.parse().unwrap(), place };
    let reads = || {
        let at = slow.get(&format!("/api/people/ada?at={unknown}"));
        let walk = slow.get(&format!("/api/people?limit=1&cursor={cursor}"));
        vec![at, walk, slow.get(&format!("/api/_changes?since={unknown}"))]
    };
    for reload_fails in [false, true] {
        let reload = slow.reloading();
        let asked = slow.ask(reads());
        assert!(asked.iter().all(|asked| !asked.is_finished()), "they wait for the reload");
        match reload_fails {
            true => slow.http.fail(Fault::Status(500)),
            false => slow.http.recover(),
        }
        let status = slow.answered(reload).status();
        assert_eq!(status == 200, !reload_fails, "{status}");
        let mut answers = asked.into_iter().map(|asked| slow.answered(asked));
        for expected in [(404, "unknown_commit"), (410, "cursor_expired")] {
            let answer = answers.next().unwrap();
            let status = answer.status().as_u16();
            assert_eq!(
                (status, slow.body(answer)["code"].as_str()),
                (expected.0, Some(expected.1))
            );
        }
        assert_eq!(slow.body(answers.next().unwrap())["resync"], true);
    }
}

#[test]
fn a_commit_that_a_webhook_names_is_waited_for_while_the_remote_does_not_show_it() {
    let mut slow = Slow::new();
    let new = slow.push(37);
    slow.upstream.reset_to(&slow.first.clone());
    let done = || slow.server.get("/api/_reloads").json()["items"].as_array().unwrap().len();
    let before = done();
    slow.http.fail(Fault::Hang);
    let call = slow.server.call(RELOAD).json(&json!({ "commitHash": new }));
    let reload = slow.server.runtime().spawn(call.send());
    slow.http.wait_until_hanging(1);
    let asked = slow.ask(vec![slow.get(&format!("/api/people/ada?at={new}"))]);
    slow.http.recover();
    while done() == before {}
    assert!(asked.iter().all(|asked| !asked.is_finished()), "the reload did not find it");
    // The replica of the forge that is asked has it now.
    slow.upstream.reset_to(&new);
    for asked in asked {
        let answer = slow.answered(asked);
        assert_eq!(answer.status(), 200);
        assert_eq!(slow.body(answer)["age"], 37);
    }
    assert_eq!(slow.answered(reload).status(), 200);
}

#[test]
fn a_commit_is_waited_for_while_another_server_is_ahead() {
    let mut slow = Slow::new();
    let new = slow.push(37);
    let coming = slow.server.server().coming();
    coming.others(Others::Ahead);
    let [here, nowhere] = [&new, &"f".repeat(40)].map(|at| format!("/api/people/ada?at={at}"));
    let asked = slow.ask(vec![slow.get(&here), slow.get(&nowhere)]);
    assert!(asked.iter().all(|asked| !asked.is_finished()), "they wait for the other server's");
    slow.server.reload().outcome("applied");
    let mut asked = asked.into_iter();
    assert_eq!(slow.answered(asked.next().unwrap()).status(), 200);
    coming.others(Others::Level);
    assert_eq!(slow.answered(asked.next().unwrap()).status(), 404);
    slow.server.get(&nowhere).problem(404, "unknown_commit");
}
