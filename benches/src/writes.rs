//! Writes: the number of commits a second and how long each takes, by the number of writers and the
//! durability, with and without a reader that reads as fast as possible.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater_testkit::corpus::Civic;
use serde_json::{Value, json};

use crate::clone::Clone;
use crate::connection::Connection;
use crate::load::closed_loop;
use crate::progress::tell;
use crate::row::number;
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;

/// The token of the writers.
const TOKEN: &str = "the-write-token-of-the-benchmarks";
/// The levels of durability, by the names of the setting.
const LEVELS: [&str; 2] = ["synced", "buffered"];
/// The numbers of concurrent writers.
const WRITERS: [usize; 2] = [1, 8];
/// The number of records that they write to.
const RECORDS: usize = 64;
/// The number of commits of the git program for comparison.
const COMMITS: usize = 20;

/// The measurements in one setting.
#[derive(Debug, Clone)]
pub struct Rate {
    corpus: String,
    level: &'static str,
    writers: usize,
    read: bool,
    /// From the request to its answer, in milliseconds.
    times: Samples,
    /// The duration of the measurement, in seconds.
    seconds: f64,
    /// Reads per second meanwhile.
    reads: f64,
}

impl Rate {
    fn commits(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }
}

/// The measurements: one for each setting, and for each corpus the time of a commit with the git
/// program.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    rates: Vec<Rate>,
    git: Vec<(String, Samples)>,
}

/// Measures each setting for `turn`, on civic-`people` and, if requested, on a million records.
///
/// # Panics
/// Panics if a write fails.
pub fn run(people: usize, is_large: bool, turn: Duration) -> Writes {
    let mut writes = Writes::default();
    measure(&Source::flat(people), turn, &mut writes);
    if is_large {
        tell("writing one million records");
        measure(&Source::civic(Civic::sharded(1_000_000, 256)), turn, &mut writes);
    }
    writes
}

fn measure(source: &Source, turn: Duration, writes: &mut Writes) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tokens = folder.path().join("tokens.toml");
    let text =
        format!("[[token]]\nname = \"w\"\nsecret = \"{TOKEN}\"\nauthor = \"W <w@localhost>\"\n");
    std::fs::write(&tokens, text).expect("a file can be written");
    for level in LEVELS {
        let clone = Clone::of(&source.upstream);
        let settings = [
            ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().expect("the path is text")),
            ("HEADWATER_DURABILITY", level),
            ("HEADWATER_PUSH", "off"),
        ];
        let mut server = Server::start_with(clone.path(), &source.upstream.url(), &settings);
        server.wait_ready();
        let keys = keys(&server);
        for writers in WRITERS {
            for read in [false, true] {
                tell(&format!("{}: {level}, {writers} writers, read: {read}", source.name()));
                server.rest();
                let (times, seconds, reads) = write(server.address(), &keys, writers, read, turn);
                let corpus = source.name().to_owned();
                writes.rates.push(Rate { corpus, level, writers, read, times, seconds, reads });
            }
        }
    }
    writes.git.push((source.name().to_owned(), by_git(&Clone::of(&source.upstream))));
}

/// Returns some keys of people.
fn keys(server: &Server) -> Vec<String> {
    let list = server.read(&format!("/api/people?perPage={RECORDS}"));
    let list: Value = serde_json::from_slice(&list).expect("a list is JSON");
    let items = list["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["key"].as_str().map(str::to_owned)).collect()
}

/// Lets `writers` patch records for `turn`, and optionally somebody read.
fn write(
    address: SocketAddr,
    keys: &[String],
    writers: usize,
    read: bool,
    turn: Duration,
) -> (Samples, f64, f64) {
    let (number, over) = (AtomicU64::new(1), AtomicBool::new(false));
    let begun = Instant::now();
    let writer = |writer: usize| {
        let mut connection = Connection::open(address).expect("the server listens");
        let mut times = Samples::default();
        let mine = keys.iter().skip(writer).step_by(writers).cycle();
        for key in mine.take_while(|_| begun.elapsed() < turn) {
            let n = number.fetch_add(1, Ordering::Relaxed);
            let request = patch(key, &json!({ "bio": format!("The change number {n}.") }));
            times.time(|| {
                let (status, body) = connection.send(&request).expect("the server answers");
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
            });
        }
        times
    };
    let reader = || {
        let mut rates = Samples::default();
        while read && !over.load(Ordering::Relaxed) {
            let path = format!("/api/people/{}", keys[keys.len() - 1]);
            rates.push(closed_loop(address, &path, Duration::from_millis(500)));
        }
        rates
    };
    std::thread::scope(|scope| {
        let reading = scope.spawn(reader);
        let writing: Vec<_> = (0..writers).map(|n| scope.spawn(move || writer(n))).collect();
        let mut all = Samples::default();
        for writing in writing {
            all.extend(&writing.join().expect("a writer does not panic"));
        }
        let seconds = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        let rates = reading.join().expect("a reader does not panic");
        (all, seconds, if !rates.is_empty() { rates.median() } else { 0.0 })
    })
}

/// Returns the bytes of a patch of the record `key`.
fn patch(key: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "PATCH /api/people/{key} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Makes commits of one changed file each with the git program, synced, with an index of its own.
fn by_git(clone: &Clone) -> Samples {
    let index = tempfile::tempdir().expect("a temporary folder can be made");
    let git = |arguments: &[&str]| -> String {
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(clone.path()).args(["-c", "core.fsync=all"]).args(arguments);
        git.env("GIT_INDEX_FILE", index.path().join("index"));
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "W")
                .env(format!("GIT_{role}_EMAIL"), "w@localhost");
        }
        let output = git.output().expect("git can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["read-tree", "HEAD"]);
    let listed = git(&["ls-tree", "-r", "--name-only", "HEAD", "people/"]);
    let path = listed.lines().next().unwrap_or_default().to_owned();
    let file = index.path().join("file");
    let mut times = Samples::default();
    for n in 0..COMMITS {
        std::fs::write(&file, format!("bio = \"The change number {n}.\"\n")).expect("a file");
        times.time(|| {
            let blob = git(&["hash-object", "-w", file.to_str().expect("the path is text")]);
            git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
            let tree = git(&["write-tree"]);
            let commit = git(&["commit-tree", &tree, "-p", "HEAD", "-m", "change"]);
            git(&["update-ref", "HEAD", &commit]);
        });
    }
    times
}

/// Returns the table.
pub fn markdown(writes: &Writes) -> String {
    let mut out =
        "| corpus | durability | writers | commits/s | p50, ms | p99, ms | read meanwhile, \
                   reads/s |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for rate in &writes.rates {
        let reads = if rate.read { number(rate.reads) } else { "–".to_owned() };
        out += &format!(
            "| {} | {} | {} | {} | {} | {} | {reads} |\n",
            rate.corpus,
            rate.level,
            rate.writers,
            number(rate.commits()),
            number(rate.times.median()),
            number(rate.times.percentile(0.99)),
        );
    }
    for (corpus, times) in &writes.git {
        out += &format!(
            "| {corpus} | the git program, synced | 1 | {} | {} | {} | – |\n",
            number(1e3 / times.median()),
            number(times.median()),
            number(times.percentile(0.99)),
        );
    }
    out
}

/// Returns the same as JSON.
pub fn json(writes: &Writes) -> Value {
    let rates = writes.rates.iter().map(|rate| {
        json!({
            "corpus": rate.corpus, "durability": rate.level, "writers": rate.writers,
            "read": rate.read, "commitsPerSecond": rate.commits(), "p50": rate.times.median(),
            "p99": rate.times.percentile(0.99), "readsPerSecond": rate.reads,
        })
    });
    let git =
        writes.git.iter().map(|(corpus, times)| json!({ "corpus": corpus, "p50": times.median() }));
    json!({ "rates": rates.collect::<Vec<_>>(), "git": git.collect::<Vec<_>>() })
}
