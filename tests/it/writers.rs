//! Many writers, and pushes from elsewhere to the same branch, on a server that lives or is
//! repeatedly killed: every acknowledged write is in the branch once, and all sides agree in the
//! end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_testkit::{Upstream, git};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::people;
use crate::kills::{Random, Victim, is_sound};

const TOKEN: &str = "the-token-of-the-writers";

/// The pause between two pushes from elsewhere.
const PACE: Duration = Duration::from_millis(50);

/// The number of kills; a variable sets more.
fn kills() -> u64 {
    let kills = std::env::var("HEADWATER_WRITER_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(8)
}

/// The duration of the writes; a variable sets a longer one.
fn duration() -> Duration {
    let seconds = std::env::var("HEADWATER_WRITER_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(3))
}

/// A remote, a mirror, and the current address of the server.
struct World {
    upstream: Mutex<Upstream>,
    folder: TempDir,
    /// `None` while no server runs.
    address: Mutex<Option<String>>,
    started: Condvar,
    over: AtomicBool,
    /// The acknowledged writes, by idempotency key: the record and its number.
    acknowledged: Mutex<BTreeMap<String, (String, u64)>>,
    retried: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let tokens = format!(
            "[[token]]\nname = \"w\"\nsecret = \"{TOKEN}\"\nauthor = \"Writer <w@example.org>\"\n"
        );
        std::fs::write(folder.path().join("tokens.toml"), tokens).unwrap();
        let upstream = people();
        Arc::new(Self {
            upstream: Mutex::new(upstream),
            folder,
            address: Mutex::default(),
            started: Condvar::new(),
            over: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            retried: AtomicU64::new(0),
        })
    }

    fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror.git")
    }

    fn start(&self) -> Victim {
        let tokens = self.folder.path().join("tokens.toml");
        let victim = Victim::start_with(
            &self.mirror(),
            &self.upstream.lock().unwrap().url(),
            &[
                ("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap()),
                ("HEADWATER_ON_DIVERGENCE", "replay"),
            ],
        );
        victim.ready();
        *self.address.lock().unwrap() = Some(victim.address().to_owned());
        self.started.notify_all();
        victim
    }

    /// Waits until a server runs, and returns its address.
    fn address(&self) -> String {
        let address = self.address.lock().unwrap();
        let address = self.started.wait_while(address, |address| address.is_none()).unwrap();
        address.clone().unwrap()
    }

    /// Writes until the end; repeats each request until it is answered.
    fn write(&self, writer: usize) {
        let mut number = 0;
        // Once at least, however slow the machine is.
        while number == 0 || !self.over.load(Ordering::Relaxed) {
            number += 1;
            let (record, key) = (format!("w{writer}-{}", number % 3), format!("{writer}-{number}"));
            let body = json!({ "slug": record, "name": "W", "age": number });
            let mut tries = 0;
            loop {
                tries += 1;
                match put(&self.address(), &record, &key, &body) {
                    Some((200 | 201, _)) => break,
                    // The server is busy; the caller tries again a little later.
                    Some((503, _)) => std::thread::sleep(Duration::from_millis(20)),
                    // It died meanwhile, and it is unknown whether anything was written.
                    None => {}
                    Some((status, body)) => panic!("{status}: {body}"),
                }
            }
            self.retried.fetch_add(u64::from(tries > 1), Ordering::Relaxed);
            self.acknowledged.lock().unwrap().insert(key, (record, number));
        }
    }

    /// Pushes to the same branch as somebody else would; repeats a push if another one was first.
    fn push_from_elsewhere(&self) -> usize {
        let mut pushed = 0;
        while pushed == 0 || !self.over.load(Ordering::Relaxed) {
            let mut upstream = self.upstream.lock().unwrap();
            let head = upstream.head().unwrap();
            let branch = upstream.branch().to_owned();
            // Made on another branch; the branch itself moves only if nobody was first.
            upstream.set_branch("elsewhere");
            let text = format!("age = {pushed}\nslug = \"other\"\n");
            let commit = upstream.force_commit_on(Some(&head), "elsewhere");
            let commit = commit.put("people/other.toml", text).push();
            upstream.set_branch(&branch);
            let mut update = headwater_testkit::git::command(upstream.path());
            update.args(["update-ref", &format!("refs/heads/{branch}"), &commit, &head]);
            pushed += usize::from(update.output().unwrap().status.success());
            drop(upstream);
            // The pushes need pauses; without one they would always be first.
            std::thread::sleep(PACE);
        }
        pushed
    }

    /// Checks that all sides agree and that no acknowledged write is missing or duplicated.
    fn settles(&self, victim: &Victim) {
        let address = victim.address();
        // The last write is pushed before it is answered, and everything before it with it.
        let begun = Instant::now();
        let head = loop {
            let last = json!({ "slug": "last", "name": "L" });
            let answer = put(address, "last?push=sync", "last", &last);
            let status = victim.call("GET", "/api/_status").unwrap().1;
            let head = self.upstream.lock().unwrap().head().unwrap();
            if matches!(answer, Some((200 | 201, _))) && status["commit"] == head {
                break head;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}, {status}, {head}");
        };
        let (_, status) = victim.call("GET", "/api/_status").unwrap();
        let mirror = self.mirror();
        let branch = self.upstream.lock().unwrap().branch().to_owned();
        assert_eq!(git(&mirror, ["rev-parse", &branch]).trim(), head);
        let objects = Mirror::open(&mirror, MirrorOptions::default()).unwrap().objects().unwrap();
        let commit: CommitId = head.parse().unwrap();
        let rebuilt = load(&objects, commit, &LoadOptions::default()).unwrap();
        assert_eq!(status["digest"], rebuilt.digest().to_string());
        assert!(git(&mirror, ["for-each-ref", "refs/heads/conflicts/"]).is_empty());
        let log =
            git(&mirror, ["log", "--format=%(trailers:key=Idempotency-Key,valueonly)", &head]);
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for key in log.lines().filter(|line| !line.is_empty()) {
            *keys.entry(key).or_default() += 1;
        }
        let twice: Vec<_> = keys.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "committed twice: {twice:?}");
        let acknowledged = self.acknowledged.lock().unwrap();
        let lost: Vec<_> =
            acknowledged.keys().filter(|key| !keys.contains_key(key.as_str())).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (record, number) in acknowledged.values() {
            let known = last.entry(record).or_default();
            *known = (*known).max(*number);
        }
        for (record, number) in last {
            let record = rebuilt.visible("people", record).unwrap();
            let age = serde_json::from_str::<Value>(record.value.as_str()).unwrap()["age"].as_u64();
            assert_eq!(age, Some(number), "{record:?}");
        }
    }
}

/// Puts a record. Returns nothing if the server died meanwhile.
fn put(address: &str, record: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
    let body = body.to_string();
    let head = format!(
        "authorization: Bearer {TOKEN}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\n"
    );
    crate::kills::send(address, "PUT", &format!("/api/people/{record}"), &head, &body)
}

#[test]
fn two_writers_and_a_stream_of_pushes_lose_nothing_and_agree_in_the_end() {
    let world = World::new();
    let victim = world.start();
    let (writers, pusher) = begin(&world, 2);
    std::thread::sleep(duration());
    world.over.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let pushed = pusher.join().unwrap();
    world.settles(&victim);
    victim.kill();
    let written = world.acknowledged.lock().unwrap().len();
    assert!(written > 0 && pushed > 0);
    let _ = writeln!(std::io::stderr(), "{written} writes, {pushed} pushes from elsewhere");
}

#[test]
fn eight_writers_on_a_server_that_is_killed_lose_nothing_and_write_nothing_twice() {
    let world = World::new();
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut victim = world.start();
    let (writers, pusher) = begin(&world, 8);
    for round in 0..kills() {
        // The moment of death is the point of the test: anywhere in a write, a push or a reload.
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        *world.address.lock().unwrap() = None;
        victim.kill();
        assert!(is_sound(&world.mirror()), "round {round}");
        victim = world.start();
    }
    world.over.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let pushed = pusher.join().unwrap();
    world.settles(&victim);
    victim.kill();
    let written = world.acknowledged.lock().unwrap().len();
    let retried = world.retried.load(Ordering::Relaxed);
    let _ = writeln!(
        std::io::stderr(),
        "{} kills: {written} writes, {retried} of them asked for again, {pushed} pushes from elsewhere",
        kills()
    );
}

type Threads = (Vec<std::thread::JoinHandle<()>>, std::thread::JoinHandle<usize>);

/// Starts this many writers, and one that pushes from elsewhere.
fn begin(world: &Arc<World>, writers: usize) -> Threads {
    let write = |writer| {
        let world = world.clone();
        std::thread::spawn(move || world.write(writer))
    };
    let writers = (0..writers).map(write).collect();
    let world = world.clone();
    (writers, std::thread::spawn(move || world.push_from_elsewhere()))
}
