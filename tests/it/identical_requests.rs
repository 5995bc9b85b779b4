//! Many concurrent identical requests: each gets the correct answer, and the work is done once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{RELOAD, TestServer, people, person};

/// The number of callers of each kind.
const EACH: usize = 200;

#[test]
fn hundreds_who_wait_for_one_push_all_get_the_right_answer() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let text = person("ada", "Ada Lovelace", 37);
    let pushed = upstream.commit("an age").put("people/ada.toml", text).push();
    let poll = || server.request(Method::GET, &format!("/api/_changes?since={first}&wait=120"));
    let least = || {
        let read = server.request(Method::GET, "/api/people/ada").header("prefer", "wait=120");
        read.header("x-headwater-min-commit", &pushed)
    };
    let runtime = server.runtime();
    let polls: Vec<_> = (0..EACH).map(|_| runtime.spawn(poll().send())).collect();
    let reads: Vec<_> = (0..EACH).map(|_| runtime.spawn(least().send())).collect();
    let reload = runtime.block_on(server.call(RELOAD).send()).unwrap();
    assert_eq!(reload.status(), 200);
    let told = |answer: tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>| {
        runtime.block_on(async {
            let answer = answer.await.unwrap().unwrap();
            assert_eq!(
                (
                    answer.status().as_u16(),
                    answer.headers()["x-headwater-commit"].to_str().unwrap()
                ),
                (200, &*pushed)
            );
            serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
        })
    };
    for answer in polls {
        let body = told(answer);
        assert_eq!((&body["resync"], &body["items"][0]["key"]), (&json!(false), &json!("ada")));
    }
    for answer in reads {
        assert_eq!(told(answer)["age"], 37);
    }
}

#[test]
fn hundreds_who_come_back_behind_a_restart_get_what_they_missed() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let mut server = TestServer::start(&upstream.url());
    let text = person("ada", "Ada Lovelace", 37);
    let pushed = upstream.commit("an age").put("people/ada.toml", text).push();
    server.reload().outcome("applied");
    server.restart();
    let follow = || {
        let request = server.request(Method::GET, "/api/_changes");
        let request = request.header("accept", "text/event-stream");
        let answer = request.header("last-event-id", &first).send();
        async move {
            let (mut answer, mut text) = (answer.await.unwrap(), String::new());
            while !text.contains("\ndata: ") || !text.ends_with("\n\n") {
                text += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
            }
            text
        }
    };
    let followers: Vec<_> = (0..EACH).map(|_| server.runtime().spawn(follow())).collect();
    for follower in followers {
        let text = server.runtime().block_on(follower).unwrap();
        let expected = format!("id: {pushed}\nevent: changes\n");
        assert!(text.contains(&expected) && text.contains("\"ada\""), "{text}");
    }
}
