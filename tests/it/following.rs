//! What a client that pages or follows sees while pushes go live, at any size.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_testkit::Upstream;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::harness::{RELOAD, TestServer, person};

fn sized(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|size| size.parse().ok()).unwrap_or(default)
}

const SHEET: &str =
    "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n[headwater]\nindex = [\"age\"]\n";

/// Returns a remote with the given number of people in one sheet.
fn crowd(people: usize) -> Upstream {
    let mut upstream = Upstream::new();
    let records = (0..people).map(|n| (path(n), record(n, 0)));
    upstream.commit("many").put(".gitsheets/people.toml", SHEET).put_all(records).push();
    upstream
}

fn path(n: usize) -> String {
    format!("people/p{n:06}.toml")
}

fn record(n: usize, age: usize) -> String {
    person(&format!("p{n:06}"), "A Person", u32::try_from(age).unwrap())
}

/// Makes the push `number`: one record changes, one is added, and one that was added before is
/// removed.
fn push(upstream: &mut Upstream, people: usize, number: usize) -> String {
    let mut commit = upstream.commit("push");
    commit = commit.put(path(number * 7919 % people), record(number * 7919 % people, number));
    commit = commit.put(path(people + number), record(people + number, number));
    if number.is_multiple_of(2) {
        commit = commit.delete(path(people + number / 2));
    }
    commit.push()
}

/// Walks over the whole sheet and returns it, with its commit.
async fn walk(server: &TestServer, limit: usize) -> (String, BTreeMap<String, Value>) {
    let (mut seen, mut commit, mut cursor) = (BTreeMap::new(), None::<String>, String::new());
    loop {
        let url = server.url(&format!("/api/people?limit={limit}{cursor}"));
        let page = server.client().get(url).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let of = page.headers()["x-headwater-commit"].to_str().unwrap().to_owned();
        assert_eq!(*commit.get_or_insert(of.clone()), of, "every page is of the same commit");
        let body: Value = page.json().await.unwrap();
        for item in body["items"].as_array().unwrap() {
            let key = item["key"].as_str().unwrap().to_owned();
            assert!(seen.insert(key.clone(), item["value"].clone()).is_none(), "{key} came twice");
        }
        match body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (commit.unwrap(), seen),
        }
    }
}

#[test]
fn a_walk_gives_each_record_of_its_commit_once_whatever_is_pushed_meanwhile() {
    let (people, pushes) = (sized("HEADWATER_WALK", 600), sized("HEADWATER_WALK_PUSHES", 20));
    let mut upstream = crowd(people);
    let server = TestServer::start(&upstream.url());
    let begun = upstream.head().unwrap();
    let done = AtomicBool::new(false);
    let (commit, seen) = server.runtime().block_on(async {
        let pushing = async {
            for number in 1..=pushes {
                push(&mut upstream, people, number);
                let reload = server.call(RELOAD).send().await.unwrap();
                assert_eq!(reload.status(), 200);
            }
            done.store(true, Ordering::Relaxed);
        };
        let limit = (people / (pushes * 3)).clamp(1, 100);
        let walking = walk(&server, limit);
        tokio::join!(pushing, walking).1
    });
    assert!(done.into_inner());
    assert_eq!(commit, begun);
    assert_eq!(seen.len(), people);
    for (n, (key, value)) in seen.iter().enumerate() {
        assert_eq!((key, &value["age"]), (&format!("p{n:06}"), &Value::from(0)), "as it was");
    }
    eprintln!("walked over {people} records during {pushes} pushes");
}

/// A copy of the sheet that is maintained by following its changes.
struct Copy {
    records: BTreeMap<String, Value>,
    at: String,
    events: usize,
    response: Option<Response>,
    text: String,
}

impl Copy {
    async fn begin(server: &TestServer) -> Self {
        let (at, records) = walk(server, 100).await;
        let (response, text) = (None, String::new());
        let mut copy = Self { records, at, events: 0, response, text };
        copy.connect(server).await;
        copy
    }

    async fn connect(&mut self, server: &TestServer) {
        let request = server.request(Method::GET, "/api/_changes?sheet=people");
        let request = request.header("accept", "text/event-stream");
        let response = request.header("last-event-id", &self.at).send().await.unwrap();
        assert_eq!(response.status(), 200);
        (self.response, self.text) = (Some(response), String::new());
    }

    /// Applies events until the copy has the state of `commit`.
    async fn follow_to(&mut self, commit: &str) {
        while self.at != commit {
            let Some((block, rest)) = self.text.split_once("\n\n") else {
                let chunk = self.response.as_mut().unwrap().chunk().await.unwrap().unwrap();
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
                continue;
            };
            let data = block.lines().find_map(|line| line.strip_prefix("data: "));
            let data: Option<Value> = data.map(|data| serde_json::from_str(data).unwrap());
            self.text = rest.to_owned();
            if let Some(data) = data {
                self.take(&data);
            }
        }
    }

    fn take(&mut self, data: &Value) {
        self.events += 1;
        assert_eq!(data["from"], *self.at, "nothing is missing or repeated");
        self.at = data["to"].as_str().unwrap().to_owned();
        for item in data["items"].as_array().unwrap() {
            let (key, value) = (item["key"].as_str().unwrap().to_owned(), item["value"].clone());
            match item["change"].as_str().unwrap() {
                "enter" => assert!(self.records.insert(key, value).is_none()),
                "change" => assert_ne!(self.records.insert(key, value.clone()).unwrap(), value),
                "leave" => assert!(self.records.remove(&key).is_some()),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn who_stays_and_who_comes_back_hold_what_is_served() {
    let pushes = sized("HEADWATER_FOLLOW_PUSHES", 30);
    let people = 50;
    let mut upstream = crowd(people);
    let server = TestServer::start(&upstream.url());
    server.runtime().block_on(async {
        let mut stays = Copy::begin(&server).await;
        let mut away = Copy::begin(&server).await;
        // The connection is cut.
        away.response = None;
        let mut last = String::new();
        for number in 1..=pushes {
            last = push(&mut upstream, people, number);
            let reload = server.call(RELOAD).send().await.unwrap();
            assert_eq!(reload.status(), 200);
            stays.follow_to(&last).await;
        }
        assert_eq!(stays.events, pushes, "every publication is one event");
        away.connect(&server).await;
        away.follow_to(&last).await;
        assert_eq!(away.events, 1, "what was missed is one event");
        let (commit, served) = walk(&server, 100).await;
        assert_eq!(commit, last);
        assert!(stays.records == served && away.records == served);
        eprintln!("followed {pushes} pushes; {} records in the end", served.len());
    });
}
