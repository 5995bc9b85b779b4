//! Two hundred connections read all the time, and a tenth of the reloads fail.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use headwater_testkit::Upstream;
use reqwest::Client;
use serde_json::Value;

use crate::harness::{BROKEN, TestServer, people};

const CONNECTIONS: usize = 200;

/// The number of reloads; a variable sets more.
fn reloads() -> usize {
    let reloads = std::env::var("HEADWATER_STORM").ok();
    reloads.and_then(|reloads| reloads.parse().ok()).unwrap_or(40)
}

/// The expected answer of each commit, by its hash: the number of the push.
type Expected = RwLock<HashMap<String, usize>>;

/// Returns the record of push `n`, which has a unique word for the text index.
fn ada(n: usize) -> String {
    format!("age = {n}\nbio = \"She wrote push{n}.\"\nname = \"Ada Lovelace\"\nslug = \"ada\"\n")
}

/// Pushes `n` and notes its expected answer before anybody can see it.
fn push(upstream: &mut Upstream, expected: &Expected, n: usize) {
    let commit = upstream.commit(&format!("push {n}")).delete("people/broken.toml");
    let hash = commit.put("people/ada.toml", ada(n)).push();
    expected.write().unwrap().insert(hash, n);
}

/// Lets one reload fail, in a different way each time, and repairs the cause.
fn fail(server: &TestServer, upstream: &mut Upstream, way: usize) {
    let head = upstream.head().unwrap();
    match way % 3 {
        0 => {
            upstream.commit("break").put("people/broken.toml", BROKEN).push();
            server.reload().problem(500, "push_refused");
        }
        1 => {
            let away = upstream.path().with_extension("away");
            std::fs::rename(upstream.path(), &away).unwrap();
            server.reload().problem(502, "fetch_failed");
            std::fs::rename(away, upstream.path()).unwrap();
        }
        _ => {
            upstream.force_commit_on(None, "anew").put("a.toml", "a = 1\n").push();
            server.reload().problem(409, "diverged");
            upstream.reset_to(&head);
        }
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    wrong: Vec<String>,
}

/// Reads a record, a list and a search in turn, and compares each with the commit that it names.
async fn read(
    client: Client,
    base: String,
    expected: Arc<Expected>,
    stop: Arc<AtomicBool>,
) -> Seen {
    let mut seen = Seen::default();
    let mut latest = 0;
    while !stop.load(Ordering::Relaxed) {
        for path in
            ["/api/people/ada", "/api/people?age%5Bgte%5D=0&sort=name", "/api/people?q=wrote"]
        {
            let begun = Instant::now();
            let answer = async {
                let response =
                    client.get(format!("{base}{path}")).send().await?.error_for_status()?;
                let commit = response.headers()["x-headwater-commit"].to_str().unwrap().to_owned();
                Ok::<_, reqwest::Error>((commit, response.json::<Value>().await?))
            };
            let (commit, body) = match answer.await {
                Ok(answer) => answer,
                Err(error) => {
                    seen.wrong.push(format!("{path}: {error:?}"));
                    continue;
                }
            };
            seen.times.push(begun.elapsed());
            let number = expected.read().unwrap().get(&commit).copied();
            let items = body["items"].as_array();
            let found = items.into_iter().flatten().find(|item| item["key"] == "ada");
            let record = found.map_or(&body, |item| &item["value"]);
            let told = record["age"].as_u64().map(|age| age as usize);
            let bio = record["bio"].as_str().unwrap_or_default();
            let whole = told.is_some_and(|n| bio == format!("She wrote push{n}."));
            if number.is_none() || told != number || !whole {
                seen.wrong.push(format!("{path} at {commit}: {number:?} is {body}"));
            } else if told < Some(latest) {
                seen.wrong.push(format!("{path}: {told:?} after {latest}"));
            }
            latest = told.unwrap_or(latest);
        }
    }
    seen
}

#[test]
fn no_read_fails_and_none_mixes_two_commits_while_reloads_succeed_and_fail() {
    let mut upstream = people();
    let expected = Arc::new(Expected::default());
    push(&mut upstream, &expected, 1);
    let server = TestServer::start(&upstream.url());
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            // Each has its own client, and so its own connection.
            let client = Client::builder().pool_max_idle_per_host(1).build().unwrap();
            let (base, expected, stop) = (server.url(""), expected.clone(), stop.clone());
            server.runtime().spawn(read(client, base, expected, stop))
        })
        .collect();
    let (mut pushed, mut failed) = (1, 0);
    for round in 0..reloads() {
        if round % 10 == 9 {
            fail(&server, &mut upstream, failed);
            failed += 1;
        } else {
            pushed += 1;
            push(&mut upstream, &expected, pushed);
            assert_eq!(server.reload().json()["ok"], true);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let (mut times, mut wrong) = (Vec::new(), Vec::new());
    for reader in readers {
        let seen = server.runtime().block_on(reader).unwrap();
        assert!(!seen.times.is_empty(), "a connection read nothing");
        times.extend(seen.times);
        wrong.extend(seen.wrong);
    }
    assert!(wrong.is_empty(), "{} of {}: {:?}", wrong.len(), times.len(), &wrong[0]);
    assert!(failed > 0 && server.get("/api/people/ada").json()["age"] == pushed);
    times.sort_unstable();
    let share = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{CONNECTIONS} connections, {} reloads of which {failed} failed: {} reads, 0 failed, 0 wrong; \
         p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, worst {:.1?}",
        reloads(),
        times.len(),
        share(0.5),
        share(0.99),
        share(0.999),
        share(1.0)
    );
}
