//! What a view does not show changes no time that its caller can measure: two servers that differ
//! only in that are asked the same in turn.
//!
//! `HEADWATER_VIEW_TIMES` is how often each request is sent to each (5). The statistic is the
//! probability that an answer of the server with more took longer than one of the other: a half if
//! nobody can tell them apart. Over n requests, noise alone moves it by about 0.41 / √n.

use std::time::Duration;

use headwater_testkit::Upstream;
use headwater_testkit::corpus::SplitMix64;

use crate::harness::TestServer;
use crate::timed::{TimedAnswer, TimedCaller, percentile, superiority};

/// The probability that a half may differ from before somebody could learn something.
const BOUND: f64 = 0.05;

fn rounds() -> usize {
    let rounds = std::env::var("HEADWATER_VIEW_TIMES").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

const DEFINITIONS: &str = "[sheets.people]\nindex = [\"age\", \"tags\"]\nhidden = \"gone\"\n\
                           [sheets.staff]\nindex = [\"age\"]\npublic = false\n";

const ACCESS: &str = "anonymous = { read = [] }\n[[token]]\nname = \"people\"\n\
                      secret = \"the-secret-for-people\"\nread = [\"people\"]\n";

const WORDS: [&str; 5] = ["river", "harbour", "ferry", "lantern", "meadow"];

/// How much is visible, and how much more the second server has.
const SHOWN: usize = 300;
const UNSEEN: usize = 3_000;

/// A server, and what is sent to it in turn.
struct World {
    caller: TimedCaller,
    _server: TestServer,
    _upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(unseen: usize) -> Self {
        let mut upstream = Upstream::new();
        let record = |n: usize, more: &str| {
            let word = |at: usize| WORDS[(n / 5_usize.pow(at as u32) + at) % WORDS.len()];
            let text = format!("{} {} {}", word(0), word(1), word(2));
            let (age, tag) = (n % 90, word(3));
            format!("age = {age}\nbio = \"{text}\"\n{more}tags = [\"{tag}\"]\n").into_bytes()
        };
        let shown = (0..SHOWN).map(|n| (format!("people/p{n:04}.toml"), record(n, "")));
        let hidden =
            (0..unseen / 10).map(|n| (format!("people/p{n:04}x.toml"), record(n, "gone = true\n")));
        let private = (0..unseen).map(|n| (format!("staff/s{n:04}.toml"), record(n, "")));
        let definitions = ("headwater.toml".to_owned(), DEFINITIONS.as_bytes().to_vec());
        let files = std::iter::once(definitions).chain(shown).chain(hidden).chain(private);
        upstream.commit_stream("all of it", files);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        std::fs::write(&file, ACCESS).unwrap();
        let settings = [("HEADWATER_ACCESS_FILE", file.to_str().unwrap())];
        let server = TestServer::with(&upstream.url(), &settings);
        let caller = TimedCaller::new(&server);
        Self { caller, _server: server, _upstream: upstream, _folder: folder }
    }

    fn ask(&mut self, path: &str) -> TimedAnswer {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-secret-for-people\r\n\r\n"
        );
        self.caller.call(&request)
    }
}

const PATHS: [&str; 18] = [
    "/api/people/p0007",
    // Hidden, private, and not there at all.
    "/api/people/p0007x",
    "/api/staff/s0007",
    "/api/nothing/s0007",
    "/api/people/p0007y",
    "/api/_history/people/p0007x",
    "/api/people?limit=20",
    "/api/people?sort=-age&limit=20",
    "/api/people?age[gte]=80",
    "/api/people?tags=river&facets=tags,age",
    "/api/people?stats=age",
    "/api/people?q=ferry",
    "/api/_search?q=ferry",
    "/api/_search?q=fery",
    "/api/_search?q=lantern+meadow",
    "/api/_sheets",
    "/api/_problems",
    "/openapi.json",
];

#[test]
fn what_a_view_does_not_show_takes_no_time_of_its_answers() {
    let mut worlds = [World::new(0), World::new(UNSEEN)];
    let mut times = vec![[Vec::new(), Vec::new()]; PATHS.len()];
    let mut random = SplitMix64::new(7);
    // What is made once for a state or a view is made before.
    for path in PATHS {
        let [alone, among] = worlds.each_mut().map(|world| world.ask(path));
        let status = |answer: &TimedAnswer| answer.head.lines().next().map(str::to_owned);
        assert_eq!(status(&alone), status(&among), "{path}");
    }
    for _ in 0..rounds() {
        // Earlier requests affect the time, so the order differs in each round.
        let mut order: Vec<usize> = (0..2 * PATHS.len()).collect();
        (1..order.len()).for_each(|at| order.swap(at, random.below(at + 1)));
        for place in order {
            let (path, world) = (place / 2, place % 2);
            times[path][world].push(worlds[world].ask(PATHS[path]).time);
        }
    }
    let mut most: f64 = 0.0;
    for (path, times) in PATHS.iter().zip(&mut times) {
        times.iter_mut().for_each(|times| times.sort_unstable());
        let [alone, among] = &*times;
        let longer = superiority(among, alone);
        most = most.max((longer - 0.5).abs());
        let [first, second] = [alone, among].map(|times: &Vec<Duration>| percentile(times, 50));
        println!("{longer:.3}: {first:7.1} µs alone, {second:7.1} µs among others: {path}");
    }
    println!("the most is 0.5 ± {most:.3} over {} requests; the bound is ± {BOUND}", rounds());
}
