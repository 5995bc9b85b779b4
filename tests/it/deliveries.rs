//! Repeated deliveries: finished ones cost nothing, failed ones are retried.

use headwater_testkit::{Fault, GitHttp, Upstream};
use serde_json::json;

use crate::harness::{Answer, REBUILD, RELOAD, TestServer, people, person};

struct House {
    upstream: Upstream,
    http: GitHttp,
    server: TestServer,
}

impl House {
    fn new() -> Self {
        let upstream = people();
        let http = GitHttp::serve(upstream.parent());
        let server = TestServer::start(&http.url("upstream.git"));
        Self { upstream, http, server }
    }

    fn push(&mut self, slug: &str) -> String {
        let record = person(slug, "Somebody", 1);
        self.upstream.commit("more").put(format!("people/{slug}.toml"), record).push()
    }

    fn deliver(&self, route: &str, id: &str, commit: &str) -> Answer {
        let body = json!({ "ref": "refs/heads/published", "after": commit });
        let request = self.server.call(route).header("x-github-event", "push");
        self.server.send(request.header("x-github-delivery", id).json(&body))
    }
}

#[test]
fn a_delivery_that_is_done_costs_nothing_when_it_is_replayed() {
    let mut house = House::new();
    let first = house.push("first");
    house.deliver(RELOAD, "1", &first).outcome("applied");
    let second = house.push("second");
    house.deliver(RELOAD, "2", &second).outcome("applied");
    let asked = house.http.requests();
    for (route, id, commit) in [(RELOAD, "1", &first), (REBUILD, "1", &first)] {
        let answer = house.deliver(route, id, commit);
        let body = answer.outcome("unchanged");
        assert_eq!((&body["fetched"], &body["repeated"]), (&json!(false), &json!(true)));
        assert_eq!((body["newCommit"].as_str(), answer.commit()), (Some(&*second), &*second));
    }
    assert_eq!(house.http.requests(), asked);
}

#[test]
fn a_delivery_whose_reload_failed_reloads_when_it_is_redelivered() {
    let mut house = House::new();
    let commit = house.push("first");
    house.http.fail(Fault::Status(500));
    house.deliver(RELOAD, "1", &commit).problem(502, "fetch_failed");
    house.http.recover();
    house.deliver(RELOAD, "1", &commit).outcome("applied");
    assert_eq!(house.deliver(RELOAD, "1", &commit).outcome("unchanged")["repeated"], true);
}

#[test]
fn a_delivery_that_is_held_is_not_done() {
    let mut house = House::new();
    let before = house.upstream.head().unwrap();
    let first = house.push("first");
    house.deliver(RELOAD, "1", &first).outcome("applied");
    house.upstream.reset_to(&before);
    let rewritten = house.push("rewritten");
    for _ in 0..2 {
        house.deliver(RELOAD, "2", &rewritten).problem(409, "diverged");
    }
}

#[test]
fn another_delivery_with_the_same_id_is_another_delivery() {
    let mut house = House::new();
    let first = house.push("first");
    house.deliver(RELOAD, "1", &first).outcome("applied");
    let second = house.push("second");
    house.deliver(RELOAD, "1", &second).outcome("applied");
}

#[test]
fn a_delivery_that_tells_of_what_is_live_already_is_done() {
    let mut house = House::new();
    let first = house.push("first");
    house.server.reload().outcome("applied");
    house.deliver(RELOAD, "1", &first).outcome("unchanged");
    house.push("second");
    house.server.reload().outcome("applied");
    let asked = house.http.requests();
    assert_eq!(house.deliver(RELOAD, "1", &first).outcome("unchanged")["repeated"], true);
    assert_eq!(house.http.requests(), asked);
}

#[test]
fn a_delivery_that_is_done_after_its_caller_left_is_done() {
    let mut house = House::new();
    let commit = house.push("first");
    let body = json!({ "ref": "refs/heads/published", "after": commit });
    let request = house.server.call(RELOAD).header("x-github-event", "push").json(&body);
    let request = request.header("x-github-delivery", "1").header("prefer", "wait=0");
    let accepted = house.server.send(request);
    assert_eq!(accepted.status, 202);
    assert_eq!(house.server.follow(accepted.header("location").unwrap())["status"], 200);
    house.push("second");
    house.server.reload().outcome("applied");
    assert_eq!(house.deliver(RELOAD, "1", &commit).outcome("unchanged")["repeated"], true);
}
