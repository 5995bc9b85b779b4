//! Three replicas are restarted one after the other, as a StatefulSet does it, while many read and write
//! through a load balancer: no read fails, and no write does.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use headwater_testkit::{GitHttp, NatsServer};
use serde_json::json;

use crate::cluster::{Common, Done, Place, Replica};
use crate::cluster_watch::{leader, role, until};
use crate::cluster_writes::Writer;
use crate::harness::{people, person};
use crate::kills::{answer_of, exchange};
use crate::leader_kills::written_by_all;

/// The replicas in the order of a rolling update, the last one of the StatefulSet first.
const NAMES: [&str; 3] = ["three", "two", "one"];

/// What is sent in a second.
struct Rates {
    reads: u64,
    writes: u64,
}

/// The rates of the usual run, which an unoptimized build can bear beside other tests.
const LIGHT: Rates = Rates { reads: 40, writes: 4 };
/// The rates of the long one.
const FULL: Rates = Rates { reads: 200, writes: 20 };

/// The callers that send them: so many may wait for an answer before others are sent late.
const READERS: usize = 32;
const WRITERS: usize = 64;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the load balancer asks whether a replica is ready.
const PROBE: Duration = Duration::from_secs(1);

/// How long it takes until nobody is sent to a replica that is being deleted.
const PROPAGATION: Duration = Duration::from_millis(500);

/// How long after that SIGTERM is sent, as `preStop` has it, which waits longer.
const PRE_STOP: Duration = Duration::from_millis(500);

/// The load before the first restart, and behind the last one.
const MARGIN: Duration = Duration::from_secs(1);

/// How often a replica says that it serves a later state than before.
const SIGHTS: usize = 10;

/// The most failures that are told.
const TOLD: usize = 10;

/// The number of rolling restarts; a variable sets more.
fn rounds() -> (usize, Rates) {
    let rounds = std::env::var("HEADWATER_ROLLING_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    rounds.map_or((1, LIGHT), |rounds| (rounds, FULL))
}

/// A replica as the load balancer knows it.
struct Endpoint {
    address: SocketAddr,
    /// What the last probe said.
    is_ready: AtomicBool,
    /// Whether it is being deleted, so that nobody is sent there whatever a probe says.
    is_leaving: AtomicBool,
}

/// Sends each request over a new connection to one of the replicas that are ready, in turn.
struct Balancer {
    endpoints: [Endpoint; 3],
    next: AtomicUsize,
    /// How many connections were refused, so that another replica got the request.
    refused: AtomicU64,
}

impl Balancer {
    fn new(places: [Place; 3]) -> Self {
        let endpoints = places.map(|place| Endpoint {
            address: place.public,
            is_ready: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
        });
        Self { endpoints, next: AtomicUsize::new(0), refused: AtomicU64::new(0) }
    }

    /// Asks each replica whether it is ready.
    fn probe(&self) {
        for endpoint in &self.endpoints {
            let answer = connect(endpoint.address)
                .and_then(|stream| exchange(stream, "GET /health/ready", "", ""));
            let is_ready = answer.is_ok_and(|(status, _)| status == 200);
            endpoint.is_ready.store(is_ready, Ordering::Relaxed);
        }
    }

    fn is_ready(&self, at: usize) -> bool {
        self.endpoints[at].is_ready.load(Ordering::Relaxed)
    }

    /// Sends nobody to a replica any more, or again.
    fn set_leaving(&self, at: usize, is_leaving: bool) {
        let endpoint = &self.endpoints[at];
        endpoint.is_ready.store(false, Ordering::Relaxed);
        endpoint.is_leaving.store(is_leaving, Ordering::Relaxed);
    }

    /// Returns the status and the body of the answer. A request goes to another replica only if a
    /// connection was refused, so that nobody has seen it.
    fn send(&self, line: &str, head: &str, body: &str) -> std::io::Result<(u16, String)> {
        let takes = |endpoint: &&Endpoint| {
            let [is_ready, is_leaving] =
                [&endpoint.is_ready, &endpoint.is_leaving].map(|flag| flag.load(Ordering::Relaxed));
            is_ready && !is_leaving
        };
        let ready: Vec<_> = self.endpoints.iter().filter(takes).collect();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for turn in 0..ready.len() {
            match connect(ready[(first + turn) % ready.len()].address) {
                Ok(stream) => return exchange(stream, line, head, body),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        Err(std::io::Error::other("no replica is ready"))
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What is sent at a rate, whatever became of what was sent before.
struct Load<'o> {
    rate: u64,
    begun: Instant,
    /// The number of the next request. Who waits until it is due locks it.
    next: Mutex<u64>,
    is_over: &'o AtomicBool,
    /// How long each answer took, from the time at which its request was due.
    took: Mutex<Vec<Duration>>,
    failures: Mutex<Vec<String>>,
}

impl<'o> Load<'o> {
    fn at_rate(rate: u64, is_over: &'o AtomicBool) -> Self {
        Self {
            rate,
            begun: Instant::now(),
            next: Mutex::default(),
            is_over,
            took: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Sends what is due until the load is over. `send` fails with why its request did.
    fn run(&self, send: impl Fn(u64) -> Result<(), String>) {
        while let Some((number, due)) = self.next_due() {
            match send(number) {
                Ok(()) => self.took.lock().unwrap().push(due.elapsed()),
                Err(why) => {
                    let at = self.begun.elapsed().as_millis();
                    self.failures.lock().unwrap().push(format!("after {at} ms: {why}"));
                }
            }
        }
    }

    /// Waits until a request is due. Returns its number and that time; nothing once the load is over.
    fn next_due(&self) -> Option<(u64, Instant)> {
        let mut next = self.next.lock().unwrap();
        let due = self.begun + Duration::from_secs(1) * *next as u32 / self.rate as u32;
        if !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        *next += 1;
        (!self.is_over.load(Ordering::Relaxed)).then(|| (*next, due))
    }

    fn figures(&self) -> Figures {
        let mut took = self.took.lock().unwrap().clone();
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        let failures = self.failures.lock().unwrap().clone();
        Figures { answered: took.len(), p99: at(0.99), slowest: at(1.0), failures }
    }
}

/// What became of a load.
struct Figures {
    answered: usize,
    p99: Duration,
    slowest: Duration,
    failures: Vec<String>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answered, p99, slowest, failures } = self;
        let (failed, p99, slowest) = (failures.len(), p99.as_millis(), slowest.as_millis());
        write!(f, "{answered} answered, {failed} failed, p99 {p99} ms, slowest {slowest} ms")?;
        failures.iter().take(TOLD).try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

/// What the writers were told.
#[derive(Default)]
struct Written {
    /// The records whose writing was acknowledged.
    records: Mutex<Vec<String>>,
    /// The commit of one of the last of them.
    commit: Mutex<Option<String>>,
    /// How many were in one place only when they were answered.
    in_one_place: AtomicU64,
}

/// Reads a record, a list, or what somebody has just written.
fn read(balancer: &Balancer, written: &Written, number: u64) -> Result<(), String> {
    let commit = written.commit.lock().unwrap().clone().filter(|_| number.is_multiple_of(20));
    let head =
        commit.map(|commit| format!("x-headwater-min-commit: {commit}\r\nprefer: wait=10\r\n"));
    let path = if number.is_multiple_of(4) { "/api/people?limit=20" } else { "/api/people/ada" };
    match balancer.send(&format!("GET {path}"), &head.unwrap_or_default(), "") {
        Ok((200, _)) => Ok(()),
        Ok((status, body)) => Err(format!("{status} {body}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes a record. The request has no key, so nobody may repeat it that does not know what became of it.
fn write(balancer: &Balancer, written: &Written, token: &str, number: u64) -> Result<(), String> {
    let record = format!("r{number}");
    let head = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let body = json!({ "slug": record, "name": "R", "age": number }).to_string();
    match balancer.send(&format!("PUT /api/people/{record}"), &head, &body) {
        Ok((status @ (200..=202), body)) => {
            let answer: serde_json::Value =
                serde_json::from_str(&body).map_err(|error| format!("{status} {body}: {error}"))?;
            written.in_one_place.fetch_add(u64::from(answer["safe"] != true), Ordering::Relaxed);
            *written.commit.lock().unwrap() = answer["commit"].as_str().map(str::to_owned);
            written.records.lock().unwrap().push(record);
            Ok(())
        }
        Ok((status, body)) => Err(format!("{status} {body}")),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_rolling_restart_fails_no_read_and_no_write() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let (rounds, rates) = rounds();
    let forge = GitHttp::serve(upstream.parent());
    let mut common = Common::new(&nats, forge.url("upstream.git"), "0");
    let token = common.let_write();
    // A list is cheap. On a busy machine it counts as costly nevertheless.
    common.settings.push(("HEADWATER_QUERY_BUDGET", "5000".to_owned()));
    // Forges limit how often somebody pushes, and followers are the second place.
    common.settings.push(("HEADWATER_PUSH_INTERVAL", "3".to_owned()));
    let places = NAMES.map(|_| Place::free());
    let start = |at: usize| common.start_at(NAMES[at], places[at]);
    // The one that is restarted first leads first.
    let first = start(0);
    first.has_role("leading");
    let mut replicas = [first, start(1), start(2)];
    replicas[1..].iter().for_each(|replica| replica.has_role("following"));

    let balancer = Balancer::new(places);
    balancer.probe();
    let written = Written::default();
    let is_over = AtomicBool::new(false);
    let [reads, writes] = [rates.reads, rates.writes].map(|rate| Load::at_rate(rate, &is_over));
    let epoch = |replica: &Replica| replica.status()["cluster"]["epoch"].as_u64().unwrap();
    let before = epoch(&replicas[0]);
    std::thread::scope(|scope| {
        let (balancer, written, is_over) = (&balancer, &written, &is_over);
        let (reads, writes) = (&reads, &writes);
        for _ in 0..READERS {
            scope.spawn(|| reads.run(|number| read(balancer, written, number)));
        }
        for _ in 0..WRITERS {
            scope.spawn(|| writes.run(|number| write(balancer, written, token, number)));
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                balancer.probe();
                std::thread::sleep(PROBE);
            }
        });
        let _done = Done(is_over);
        std::thread::sleep(MARGIN);
        for _ in 0..rounds {
            for (at, replica) in replicas.iter_mut().enumerate() {
                // Whoever routes hears a moment later that it is being deleted.
                std::thread::sleep(PROPAGATION);
                balancer.set_leaving(at, true);
                std::thread::sleep(PRE_STOP);
                replica.stop();
                *replica = start(at);
                balancer.set_leaving(at, false);
                until("ready", || balancer.is_ready(at));
            }
        }
        std::thread::sleep(MARGIN);
    });

    let replicas = replicas.each_ref();
    let (lasted, led) = (reads.begun.elapsed().as_secs(), epoch(leader(&replicas)) - before);
    let made = written_by_all(&upstream, &replicas);
    let (reads, writes) = (reads.figures(), writes.figures());
    let figures = format!(
        "{rounds} rolling restarts in {lasted} s, {led} takeovers\nreads: {reads}\nwrites: {writes}; {} in \
         one place only, {} connections refused",
        written.in_one_place.load(Ordering::Relaxed),
        balancer.refused.load(Ordering::Relaxed),
    );
    eprintln!("{figures}");
    assert!(reads.failures.is_empty() && writes.failures.is_empty(), "{figures}");
    assert!(led >= rounds as u64, "{figures}");
    // Each acknowledged write is there once, and nothing else.
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for record in written.records.into_inner().unwrap() {
        *expected.entry(record).or_default() += 1;
    }
    assert_eq!(made, expected, "{figures}");
    let digests = replicas.map(|replica| replica.status()["digest"].clone());
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_replica_that_starts_is_ready_although_writes_never_end() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    common.settings.push(("HEADWATER_PUSH_INTERVAL", "3".to_owned()));
    let writer = Writer(common.let_write());
    let one = common.start("one");
    one.has_role("leading");
    let (number, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _done = Done(&is_over);
        // The next one is published while this one is followed.
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let slug = format!("r{}", number.fetch_add(1, Ordering::Relaxed));
                    let written = writer.put(&one, &slug, "prefer: wait=0\r\n");
                    assert!(matches!(written.status, 201 | 202), "{}", written.body);
                }
            });
        }
        let two = common.start("two");
        // It says where it is, again and again.
        let mut served = 0;
        for _ in 0..SIGHTS {
            until("further", || {
                let now = two.status()["cluster"]["servingSeq"].as_u64().unwrap();
                now > std::mem::replace(&mut served, now)
            });
        }
    });
}

#[test]
fn a_leader_that_ends_is_not_ready_and_serves_until_another_one_leads() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let mut one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let status = |path: &str| {
        let stream = connect(one.address.parse().unwrap()).unwrap();
        exchange(stream, &format!("GET {path}"), "", "").unwrap().0
    };
    one.cluster(|cluster| cluster["replicas"].as_array().is_some_and(|others| others.len() == 1));
    two.pause();
    assert_eq!(status("/health/ready"), 200);
    one.terminate();
    until("not ready", || status("/health/ready") == 503);
    // It waits for the other one, which does nothing.
    until("a follower", || role(&one) == "following");
    assert_eq!(status("/api/people/ada"), 200);
    assert_eq!(status("/health/live"), 200);
    two.wake();
    two.has_role("leading");
    assert!(one.process.wait().unwrap().success());
}

#[test]
fn a_replica_that_ends_answers_who_waits_for_a_commit_that_is_on_its_way() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let next = upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
    upstream.reset_to(&first);
    let mut common = Common::new(&nats, upstream.url(), "0");
    common.settings.push(("HEADWATER_SHUTDOWN_TIMEOUT", "60".to_owned()));
    let one = common.start("one");
    one.has_role("leading");
    let mut two = common.start("two");
    two.has_role("following");
    let address: SocketAddr = two.address.parse().unwrap();
    let ada = || exchange(connect(address)?, "GET /api/people/ada", "", "");
    std::thread::scope(|scope| {
        let head = format!("x-headwater-min-commit: {next}\r\nprefer: wait=30\r\n");
        let stream = connect(address).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let request =
            format!("GET /api/people/ada HTTP/1.1\r\nhost: two\r\nconnection: close\r\n{head}\r\n");
        sending.write_all(request.as_bytes()).unwrap();
        let answer = scope.spawn(move || answer_of(stream).unwrap());
        // What was sent before these is read before them.
        (0..SIGHTS).for_each(|_| assert_eq!(ada().unwrap().0, 200));
        two.terminate();
        until("closed to others", || ada().is_err());
        upstream.reset_to(&next);
        assert_eq!(one.told(&next).0, 200);
        let (status, body) = answer.join().unwrap();
        assert!(status == 200 && body.contains("40"), "{status} {body}");
    });
    assert!(two.process.wait().unwrap().success());
}
