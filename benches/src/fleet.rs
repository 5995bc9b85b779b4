//! Several servers as one: processes with mirrors of their own, and a NATS server.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use headwater_engine::id::CommitId;
use headwater_testkit::NatsServer;
use serde_json::Value;
use tempfile::TempDir;

use crate::connection::{Connection, get, get_containing, post};
use crate::server::Server;
use crate::writers::tokens_setting;

/// What every reader reads.
const READ: &str = "/api/_sheets";

/// How often a replica is asked for its part in the cluster.
const ASK: Duration = Duration::from_millis(5);

/// The times of a fleet, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The lease of the leader.
    pub lease: u64,
    /// How often the remote is polled; 0 for never.
    pub poll: u64,
}

/// Replicas of one remote. Dropping the value kills them.
pub struct Fleet {
    /// The bus.
    pub nats: NatsServer,
    replicas: Vec<Replica>,
    remote: String,
    times: Times,
    folder: TempDir,
    started: usize,
}

/// A server that is one of several.
pub struct Replica {
    /// The server.
    pub server: Server,
    internal: SocketAddr,
    /// The time from its start until it was ready.
    pub start: Duration,
}

impl Fleet {
    /// Returns a fleet of no replicas of the remote at `url`; nothing, with a message, if there is no
    /// NATS server.
    pub fn of(url: &str, times: Times) -> Option<Self> {
        let nats = NatsServer::start()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (remote, replicas) = (url.to_owned(), Vec::new());
        Some(Self { nats, replicas, remote, times, folder, started: 0 })
    }

    /// Starts replicas until there are `count`, and waits until one leads and the others follow.
    pub fn grow(&mut self, count: usize) {
        while self.replicas.len() < count {
            let replica = self.start();
            self.replicas.push(replica);
            if let [only] = &self.replicas[..] {
                only.waits_for(|cluster| cluster["role"] == "leading");
            }
        }
        for replica in &self.replicas {
            replica.waits_for(|cluster| cluster["leader"].is_string());
        }
    }

    fn start(&mut self) -> Replica {
        self.started += 1;
        let mirror = self.folder.path().join(format!("{}.git", self.started));
        let internal = free_address();
        let settings = [
            tokens_setting(self.folder.path()),
            ("HEADWATER_INTERNAL_LISTEN", internal.to_string()),
            ("HEADWATER_CLUSTER", self.nats.url("bench")),
            ("HEADWATER_CLUSTER_URL", format!("http://{internal}")),
            ("HEADWATER_CLUSTER_SECRET", "the-secret-of-the-cluster".to_owned()),
            ("HEADWATER_CLUSTER_LEASE", self.times.lease.to_string()),
            ("HEADWATER_POLL_INTERVAL", self.times.poll.to_string()),
        ];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let mut server = Server::start_with(&mirror, &self.remote, &settings);
        let start = server.wait_ready();
        Replica { server, internal, start }
    }

    /// Returns the replicas, in the order of their starts.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Returns the replica that leads, once one does.
    pub fn leading(&self) -> &Replica {
        &self.replicas[self.leader()]
    }

    /// Returns a replica that follows.
    ///
    /// # Panics
    /// Panics if all lead.
    pub fn follower(&self) -> &Replica {
        let leader = self.leader();
        let follower = self.replicas.iter().enumerate().find(|(at, _)| *at != leader);
        follower.map(|(_, replica)| replica).expect("somebody follows")
    }

    /// Takes the leader out of the fleet.
    pub fn without_leader(&mut self) -> Replica {
        self.replicas.remove(self.leader())
    }

    /// Waits until one leads, and returns its place.
    fn leader(&self) -> usize {
        loop {
            let leads = |replica: &Replica| replica.cluster()["role"] == "leading";
            if let Some(at) = self.replicas.iter().position(leads) {
                return at;
            }
            std::thread::sleep(ASK);
        }
    }

    /// Waits until all serve `commit`.
    pub fn serve(&self, commit: CommitId) {
        self.replicas.iter().for_each(|replica| replica.serves(commit));
    }

    /// Waits until none has work to do.
    pub fn rest(&self) {
        self.replicas.iter().for_each(|replica| replica.server.rest());
    }

    /// Waits until one leads, and it knows all others with digests like its own.
    pub fn agree(&self) {
        let others = self.replicas.len() - 1;
        self.leading().waits_for(|cluster| {
            let equal = |other: &Value| other["digest"] == "equal" && other["orphaned"] == false;
            let replicas = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
            replicas.iter().filter(|other| equal(other)).count() == others
        });
    }

    /// Reads from every replica without a pause while `work` runs, and returns what it returns and how
    /// many reads failed.
    pub fn while_reading<T>(&self, work: impl FnOnce() -> T) -> (T, usize) {
        let (is_done, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let result = std::thread::scope(|scope| {
            for replica in &self.replicas {
                scope.spawn(|| {
                    let mut connection = replica.server.connect();
                    while !is_done.load(Ordering::Relaxed) {
                        if !matches!(connection.send(&get(READ)), Ok((200, _))) {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        // A reader on each replica must leave the cores to what is measured.
                        std::thread::sleep(ASK);
                    }
                });
            }
            let result = work();
            is_done.store(true, Ordering::Relaxed);
            result
        });
        (result, failed.into_inner())
    }
}

impl Replica {
    /// Calls the webhook with the pushed commit until it is live at the leader.
    pub fn told(&self, commit: CommitId) {
        let body = format!("{{\"commitHash\":\"{commit}\"}}");
        let call = post("/api/_internal/reload-data", &body);
        loop {
            let mut connection = Connection::open(self.internal).expect("the replica listens");
            if matches!(connection.send(&call), Ok((200, _))) {
                return;
            }
        }
    }

    /// Waits until `commit` is live.
    pub fn serves(&self, commit: CommitId) {
        let read = get_containing(READ, commit);
        while !matches!(self.server.connect().send(&read), Ok((200, _))) {}
    }

    /// Waits until `is` holds for its part in the cluster.
    fn waits_for(&self, is: impl Fn(&Value) -> bool) {
        while !is(&self.cluster()) {
            std::thread::sleep(ASK);
        }
    }

    fn cluster(&self) -> Value {
        self.server.status()["cluster"].clone()
    }
}

/// Runs `work` and returns how long it took.
pub fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    free.local_addr().expect("it has an address")
}
