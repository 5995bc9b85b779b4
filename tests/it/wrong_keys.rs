//! Every wrong credential gets the same bytes over a real socket, and, as far as can be measured,
//! after the same time.

use headwater_testkit::corpus::SplitMix64;

use crate::harness::{OPERATOR_SECRET, RELOAD, RELOAD_SECRET, TestServer, people};
use crate::timed::{TimedAnswer, TimedCaller, percentile};

/// The number of times that each wrong credential is tried.
fn rounds() -> usize {
    let rounds = std::env::var("HEADWATER_WRONG_KEYS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// Returns the wrong credentials with their flaws. The keys differ in how much of them is right.
fn credentials() -> Vec<(&'static str, String)> {
    let bearer = |key: &str| format!("Authorization: Bearer {key}");
    let flipped = |secret: &str, at: usize| {
        let (before, behind) = secret.split_at(at);
        bearer(&format!("{before}#{}", &behind[1..]))
    };
    let last = RELOAD_SECRET.len() - 1;
    let signed = |hex: String| format!("X-Hub-Signature-256: sha256={hex}");
    vec![
        ("nothing is shown", "X-Nothing: nothing".to_owned()),
        ("the key is empty", bearer("")),
        ("the scheme is another", format!("Authorization: Basic {RELOAD_SECRET}")),
        ("nothing is right", bearer(&"#".repeat(RELOAD_SECRET.len()))),
        ("the first byte is wrong", flipped(RELOAD_SECRET, 0)),
        ("the last byte is wrong", flipped(RELOAD_SECRET, last)),
        ("half is missing", bearer(&RELOAD_SECRET[..RELOAD_SECRET.len() / 2])),
        ("one byte is missing", bearer(&RELOAD_SECRET[..last])),
        ("one byte is too many", bearer(&format!("{RELOAD_SECRET}#"))),
        ("the operator's, first byte wrong", flipped(OPERATOR_SECRET, 0)),
        ("the operator's, last byte wrong", flipped(OPERATOR_SECRET, OPERATOR_SECRET.len() - 1)),
        ("another header's", format!("X-Headwater-Key: {}", "#".repeat(RELOAD_SECRET.len()))),
        ("a forged signature", signed("5".repeat(64))),
        ("a forged signature of half the length", signed("5".repeat(32))),
        ("a signature that is no hex", signed("#".repeat(64))),
    ]
}

/// Sends a wrong credential from one of many sources, since failures are counted by their source.
fn call(caller: &mut TimedCaller, source: usize, credential: &str) -> TimedAnswer {
    let [.., a, b, c] = source.to_be_bytes();
    caller.call(&format!(
        "POST {RELOAD} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.{a}.{b}.{c}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n{credential}\r\n\r\n{{}}"
    ))
}

/// Returns the body without its unique id.
fn without_trace(body: &str) -> String {
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body.as_object_mut().unwrap().remove("traceId").is_some());
    body.to_string()
}

#[test]
fn every_wrong_credential_gets_the_same_bytes_and_none_is_faster() {
    let upstream = people();
    let trusted = [("HEADWATER_TRUSTED_PROXIES", "127.0.0.1")];
    let server = TestServer::with(&upstream.url(), &trusted);
    let (mut caller, credentials) = (TimedCaller::new(&server), credentials());
    let mut times = vec![Vec::new(); credentials.len()];
    let mut answer: Option<(String, String)> = None;
    let mut random = SplitMix64::new(1);
    for round in 0..rounds() {
        // Earlier requests affect the time, so the order differs in each round.
        let mut order: Vec<usize> = (0..credentials.len()).collect();
        (1..order.len()).for_each(|at| order.swap(at, random.below(at + 1)));
        for (place, kind) in order.into_iter().enumerate() {
            let (what, credential) = &credentials[kind];
            // Ten failures are tolerated.
            let source = (round * credentials.len() + place) / 8;
            let TimedAnswer { head, body, time } = call(&mut caller, source, credential);
            let here = (head, without_trace(&body));
            assert!(here.0.starts_with("HTTP/1.1 401 "), "{what}: {here:?}");
            assert_eq!(&here, answer.get_or_insert_with(|| here.clone()), "{what}");
            times[kind].push(time);
        }
    }
    for ((what, _), times) in credentials.iter().zip(&mut times) {
        times.sort_unstable();
        let [low, median, high] = [25, 50, 75].map(|percent| percentile(times, percent));
        println!("{median:6.1} µs, half of them in {low:.1} to {high:.1}: {what}");
    }
}
