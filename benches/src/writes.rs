//! Writes: the number of commits a second and how long each takes, by the number of writers and the
//! durability, with and without a reader that reads as fast as possible.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater_testkit::corpus::Civic;
use serde_json::{Value, json};

use crate::clone::Clone;
use crate::load::closed_loop;
use crate::progress::tell;
use crate::row::number;
use crate::samples::Samples;
use crate::server::Server;
use crate::source::Source;
use crate::writers::{Writers, Written, tokens_setting};

/// The levels of durability, by the names of the setting.
const LEVELS: [&str; 2] = ["synced", "buffered"];
/// The numbers of concurrent writers.
const WRITERS: [usize; 2] = [1, 8];
/// The number of commits of the git program for comparison.
const COMMITS: usize = 20;

/// The measurements in one setting.
#[derive(Debug, Clone)]
pub struct Rate {
    corpus: String,
    level: &'static str,
    writers: usize,
    read: bool,
    written: Written,
    /// Reads per second meanwhile.
    reads: f64,
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
    let (tokens, file) = tokens_setting(folder.path());
    for level in LEVELS {
        let clone = Clone::of(&source.upstream);
        let settings =
            [(tokens, file.as_str()), ("HEADWATER_DURABILITY", level), ("HEADWATER_PUSH", "off")];
        let mut server = Server::start_with(clone.path(), &source.upstream.url(), &settings);
        server.wait_ready();
        let clients = Writers::of(&server);
        for writers in WRITERS {
            for read in [false, true] {
                tell(&format!("{}: {level}, {writers} writers, read: {read}", source.name()));
                server.rest();
                let (written, reads) = write(server.address(), &clients, writers, read, turn);
                let corpus = source.name().to_owned();
                writes.rates.push(Rate { corpus, level, writers, read, written, reads });
            }
        }
    }
    writes.git.push((source.name().to_owned(), by_git(&Clone::of(&source.upstream))));
}

/// Lets `writers` patch records for `turn`, and optionally somebody read; returns also the reads a
/// second.
fn write(
    address: SocketAddr,
    clients: &Writers,
    writers: usize,
    read: bool,
    turn: Duration,
) -> (Written, f64) {
    let over = AtomicBool::new(false);
    let reader = || {
        let mut rates = Samples::default();
        let path = clients.paths().last().expect("there are records");
        while read && !over.load(Ordering::Relaxed) {
            rates.push(closed_loop(address, path, Duration::from_millis(500)));
        }
        rates
    };
    std::thread::scope(|scope| {
        let reading = scope.spawn(reader);
        let written = clients.write(address, writers, turn);
        over.store(true, Ordering::Relaxed);
        let rates = reading.join().expect("a reader does not panic");
        (written, if !rates.is_empty() { rates.median() } else { 0.0 })
    })
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
            number(rate.written.rate()),
            number(rate.written.times.median()),
            number(rate.written.times.percentile(0.99)),
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
            "read": rate.read, "commitsPerSecond": rate.written.rate(), "p50": rate.written.times.median(),
            "p99": rate.written.times.percentile(0.99), "readsPerSecond": rate.reads,
        })
    });
    let git =
        writes.git.iter().map(|(corpus, times)| json!({ "corpus": corpus, "p50": times.median() }));
    json!({ "rates": rates.collect::<Vec<_>>(), "git": git.collect::<Vec<_>>() })
}
