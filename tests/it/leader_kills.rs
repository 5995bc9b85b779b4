//! The leader of three replicas is killed again and again, half of the time with its disk, while many
//! write through any of them: what was acknowledged is in the branch once, and all agree in the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headwater_testkit::{GitHttp, NatsServer, Upstream, git};
use serde_json::json;

use crate::cluster::{Common, Done, Replica};
use crate::harness::people;
use crate::kills::{Random, send};

/// The replicas, which keep their names and mostly their disks.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// The pause of a writer between two writes.
const PACE: Duration = Duration::from_millis(50);

/// How long the replicas may take to agree, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The number of kills; a variable sets more.
fn kills() -> u64 {
    let kills = std::env::var("HEADWATER_LEADER_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(2)
}

/// The number of writers; a variable sets more.
fn writers() -> u64 {
    let writers = std::env::var("HEADWATER_LEADER_WRITERS").ok();
    writers.and_then(|writers| writers.parse().ok()).unwrap_or(4)
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    /// Its writer was not told, and did not ask again.
    Unknown,
}

/// What the writers know.
struct Desk {
    /// The public addresses of the replicas, dead ones included.
    addresses: Mutex<[String; 3]>,
    is_over: AtomicBool,
    fates: Mutex<BTreeMap<String, Fate>>,
    /// The longest that a writer had to wait for an acknowledgement, in milliseconds.
    longest: AtomicU64,
}

impl Desk {
    /// Writes until the end, each time through another replica. Every other write has a key, and is
    /// sent until it is acknowledged.
    fn write(&self, writer: u64, token: &str) {
        let mut random = Random::new(writer + 1);
        let mut number = 0;
        while number == 0 || !self.is_over.load(Ordering::Relaxed) {
            number += 1;
            let (record, has_key) = (format!("w{writer}-{number}"), number % 2 == 0);
            let body = json!({ "slug": record, "name": "W", "age": number }).to_string();
            let key =
                if has_key { format!("idempotency-key: {record}\r\n") } else { String::new() };
            let head = format!(
                "authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
                 prefer: wait=10\r\n{key}"
            );
            let begun = Instant::now();
            let fate = loop {
                let at = random.below(3) as usize;
                let address = self.addresses.lock().unwrap()[at].clone();
                let path = format!("/api/people/{record}");
                match send(&address, "PUT", &path, &head, &body) {
                    Some((200 | 201, answer)) => {
                        assert_eq!(answer["safe"], true, "{answer}");
                        break Fate::Acknowledged;
                    }
                    // In one place only, or nobody knows.
                    Some((202 | 502 | 503, _)) | None if has_key => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Some((202 | 502 | 503, _)) | None => {
                        std::thread::sleep(Duration::from_millis(100));
                        break Fate::Unknown;
                    }
                    Some((status, answer)) => panic!("{status}: {answer}"),
                }
            };
            let took = begun.elapsed().as_millis() as u64;
            self.longest.fetch_max(took, Ordering::Relaxed);
            self.fates.lock().unwrap().insert(record, fate);
            std::thread::sleep(PACE);
        }
    }
}

fn statuses(replicas: &[Option<Replica>; 3]) -> Vec<serde_json::Value> {
    replicas.iter().flatten().map(Replica::status).collect()
}

/// Returns which of the replicas leads, once one does and the others follow.
fn leader(replicas: &[Option<Replica>; 3]) -> usize {
    let begun = Instant::now();
    loop {
        let statuses = statuses(replicas);
        assert!(begun.elapsed() < PATIENCE, "{statuses:?}");
        let has_role = |role: &'static str| {
            move |status: &serde_json::Value| status["cluster"]["role"] == role
        };
        let followers = statuses.iter().filter(|status| has_role("following")(status)).count();
        match statuses.iter().position(has_role("leading")) {
            Some(at) if followers == 2 => return at,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Waits until all of it is at the forge and everybody serves that. Returns how often each record was
/// written, by its name.
pub(crate) fn written_by_all(
    upstream: &Upstream,
    replicas: &[&Replica],
) -> BTreeMap<String, usize> {
    let begun = Instant::now();
    let head = loop {
        let head = upstream.head().unwrap();
        let statuses: Vec<_> = replicas.iter().map(|replica| replica.status()).collect();
        if statuses.iter().all(|status| status["commit"] == head.as_str()) {
            break head;
        }
        assert!(begun.elapsed() < PATIENCE, "{statuses:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let log = git(upstream.path(), ["log", "--format=%s", &head]);
    let mut written = BTreeMap::new();
    for record in log.lines().filter_map(|line| line.strip_prefix("t: PUT /api/people/")) {
        *written.entry(record.to_owned()).or_default() += 1;
    }
    written
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_however_often_the_leader_dies_with_its_disk() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let forge = GitHttp::serve(upstream.parent());
    let mut common = Common::new(&nats, forge.url("upstream.git"), "0");
    let token = common.let_write();
    // Followers are the second place more often than the forge.
    common.settings.push(("HEADWATER_PUSH_INTERVAL", "3".to_owned()));
    let mut replicas = NAMES.map(|name| Some(common.start(name)));
    leader(&replicas);
    let address = |replica: &Option<Replica>| replica.as_ref().unwrap().address.clone();
    let desk = Desk {
        addresses: Mutex::new(replicas.each_ref().map(address)),
        is_over: AtomicBool::new(false),
        fates: Mutex::default(),
        longest: AtomicU64::new(0),
    };
    let mut random = Random::new(7);
    std::thread::scope(|scope| {
        let _done = Done(&desk.is_over);
        for writer in 0..writers() {
            let desk = &desk;
            scope.spawn(move || desk.write(writer, token));
        }
        for kill in 0..kills() {
            let at = leader(&replicas);
            std::thread::sleep(Duration::from_millis(500 + random.below(1_500)));
            replicas[at].take().unwrap().kill();
            if kill % 2 == 0 {
                common.remove(NAMES[at]);
            }
            // Mostly it comes back after another one leads, and at times before.
            std::thread::sleep(Duration::from_millis(random.below(8_000)));
            replicas[at] = Some(common.start(NAMES[at]));
            desk.addresses.lock().unwrap()[at] = address(&replicas[at]);
            if kill % 20 == 19 {
                eprintln!("{} kills", kill + 1);
            }
        }
        leader(&replicas);
    });

    let alive: Vec<&Replica> = replicas.iter().flatten().collect();
    let made = written_by_all(&upstream, &alive);
    let fates = desk.fates.into_inner().unwrap();
    let acknowledged = fates.values().filter(|fate| **fate == Fate::Acknowledged).count();
    let lost: Vec<_> = fates
        .iter()
        .filter(|(record, fate)| **fate == Fate::Acknowledged && !made.contains_key(&***record))
        .collect();
    let doubled: Vec<_> = made.iter().filter(|(_, count)| **count > 1).collect();
    let told = format!(
        "{} kills: {acknowledged} of {} writes acknowledged, the slowest after {} ms",
        kills(),
        fates.len(),
        desk.longest.into_inner()
    );
    assert!(lost.is_empty(), "{told}; lost: {lost:?}");
    assert!(doubled.is_empty(), "{told}; twice: {doubled:?}");
    // Fewer would prove little.
    assert!(acknowledged as u64 >= kills() + writers() / 2, "{told}");
    println!("{told}; none lost, none twice");
}
