//! Three servers as one: processes, a NATS server, and a forge that counts its requests.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use headwater_testkit::{GitHttp, Machine, NatsServer};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster_watch::until;
use crate::commands::headwater;
use crate::harness::{OPERATOR_SECRET, RELOAD, RELOAD_SECRET, people, person};
use crate::kills::send;

/// A lease that is long enough for a busy machine, and short enough to wait for.
const LEASE: &str = "6";

/// What all replicas sign with.
pub(crate) const SECRET: &str = "the-secret-of-the-cluster";

/// A replica as a process of its own.
pub(crate) struct Replica {
    pub(crate) process: Child,
    pub(crate) address: String,
    pub(crate) internal: String,
}

/// The addresses of a replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) public: SocketAddr,
    internal: SocketAddr,
}

impl Place {
    pub(crate) fn free() -> Self {
        Self { public: free_address(), internal: free_address() }
    }
}

/// What all replicas of a test have in common.
pub(crate) struct Common {
    bus: String,
    remote: String,
    /// How often the forge is polled, in seconds.
    pub(crate) poll: &'static str,
    /// Further settings of all of them, by their environment names.
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) folder: TempDir,
}

impl Common {
    pub(crate) fn new(nats: &NatsServer, remote: String, poll: &'static str) -> Self {
        Self::on(nats.url("data"), remote, poll)
    }

    /// The same with any bus.
    pub(crate) fn on(bus: String, remote: String, poll: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { bus, remote, poll, settings: Vec::new(), folder }
    }

    /// Lets a token write, and returns it.
    pub(crate) fn let_write(&mut self) -> &'static str {
        let (file, token) = (self.folder.path().join("tokens.toml"), "the-token-of-the-tests");
        let token_of_all = format!("secret = \"{token}\"\nauthor = \"T <t@t.org>\"\n");
        std::fs::write(&file, format!("[[token]]\nname = \"t\"\n{token_of_all}")).unwrap();
        self.settings.push(("HEADWATER_WRITE_TOKENS_FILE", file.to_str().unwrap().to_owned()));
        token
    }

    /// Removes the disk of a replica that was killed, once the programs that it had started have ended: git
    /// would make folders there again.
    pub(crate) fn remove(&self, name: &str) {
        let disk = self.folder.path().join(name);
        until("left alone", || !is_in_use(&disk));
        std::fs::remove_dir_all(&disk).unwrap();
    }

    /// Starts the replica `name`, and waits until it serves.
    pub(crate) fn start(&self, name: &str) -> Replica {
        self.start_with(name, &[])
    }

    /// Starts three, of which the first one leads.
    pub(crate) fn start_three(&self) -> [Replica; 3] {
        let one = self.start("one");
        one.has_role("leading");
        let [two, three] = ["two", "three"].map(|name| self.start(name));
        [&two, &three].iter().for_each(|follower| follower.has_role("following"));
        [one, two, three]
    }

    /// The same, with settings of its own.
    pub(crate) fn start_with(&self, name: &str, own: &[(&str, &str)]) -> Replica {
        let internal = free_address();
        let command = self.command(name, "127.0.0.1:0".parse().unwrap(), internal, own);
        Replica::start(command, internal)
    }

    /// Starts it at addresses that stay the same over restarts.
    pub(crate) fn start_at(&self, name: &str, place: Place) -> Replica {
        Replica::start(self.command(name, place.public, place.internal, &[]), place.internal)
    }

    /// The same on a machine of its own.
    pub(crate) fn start_on(&self, machine: &Machine, name: &str, own: &[(&str, &str)]) -> Replica {
        let [public, internal] =
            [8080, 8081].map(|port| SocketAddr::from((machine.address(), port)));
        let command = self.command(name, public, internal, own);
        Replica::start(machine.running(&command), internal)
    }

    fn command(
        &self,
        name: &str,
        public: SocketAddr,
        internal: SocketAddr,
        own: &[(&str, &str)],
    ) -> Command {
        let Self { bus, remote, poll, settings, folder } = self;
        let mut command = headwater(&["serve", "--poll-interval", poll]);
        command.args(["--remote", remote]);
        command.env("HEADWATER_REPO", folder.path().join(name));
        command.args(["--listen", &public.to_string()]);
        command.args(["--internal-listen", &internal.to_string()]);
        command.env("HEADWATER_CLUSTER", bus);
        command.env("HEADWATER_CLUSTER_URL", format!("http://{internal}"));
        command.env("HEADWATER_CLUSTER_LEASE", LEASE);
        command.env("HEADWATER_CLUSTER_SECRET", SECRET);
        command.env("HEADWATER_RELOAD_SECRET", RELOAD_SECRET);
        command.env("HEADWATER_OPERATOR_SECRET", OPERATOR_SECRET);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.envs(own.iter().copied());
        command
    }
}

impl Replica {
    fn start(mut command: Command, internal: SocketAddr) -> Self {
        let mut log = tempfile::tempfile().unwrap();
        command.stdout(Stdio::piped()).stderr(log.try_clone().unwrap());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").to_owned();
        if address.is_empty() {
            let (ended, mut said) = (process.wait().unwrap(), String::new());
            log.rewind().unwrap();
            log.read_to_string(&mut said).unwrap();
            panic!("a replica has ended: {ended}: {said}");
        }
        Self { process, address, internal: internal.to_string() }
    }

    pub(crate) fn status(&self) -> Value {
        send(&self.address, "GET", "/api/_status", "", "").unwrap().1
    }

    /// Returns what Prometheus reads.
    pub(crate) fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.internal).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: replica\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until `_status.cluster` is like this.
    pub(crate) fn cluster(&self, is: impl Fn(&Value) -> bool) -> Value {
        let mut cluster = Value::Null;
        until("as it is to be in the cluster", || {
            cluster = self.status()["cluster"].take();
            is(&cluster)
        });
        cluster
    }

    /// Waits until Prometheus would read this line.
    pub(crate) fn has_metric(&self, line: &str) {
        until(line, || self.metrics().lines().any(|other| other == line));
    }

    /// Waits until this replica has this role.
    pub(crate) fn has_role(&self, role: &str) {
        self.cluster(|cluster| cluster["role"] == role);
    }

    /// Waits until the commit is live.
    pub(crate) fn serves(&self, commit: &str) {
        let head = format!("x-headwater-min-commit: {commit}\r\nprefer: wait=5\r\n");
        let is_live = || send(&self.address, "GET", "/api/people/ada", &head, "").unwrap().0 == 200;
        until(&format!("live at {commit}"), is_live);
    }

    /// Calls the webhook. Returns the status and the body.
    pub(crate) fn told(&self, commit: &str) -> (u16, Value) {
        let head =
            format!("authorization: Bearer {RELOAD_SECRET}\r\ncontent-type: application/json\r\n");
        let body = format!("{{\"commitHash\":\"{commit}\"}}");
        send(&self.internal, "POST", RELOAD, &head, &body).unwrap()
    }

    /// Has it do nothing until [`Self::wake`].
    pub(crate) fn pause(&self) {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    }

    pub(crate) fn wake(&self) {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    }

    /// Tells it to end.
    pub(crate) fn terminate(&self) {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    }

    /// Stops it as a signal does, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        assert!(self.process.wait().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a free port, below those that the system assigns by itself.
fn free_address() -> SocketAddr {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = 28_100 + std::process::id() as usize % 3_000;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Returns whether a process works in a folder, or was told to.
fn is_in_use(folder: &Path) -> bool {
    let folder = folder.as_os_str().as_encoded_bytes();
    let names = |text: Vec<u8>| text.windows(folder.len()).any(|window| window == folder);
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    processes.filter(|process| process.join("cmdline").exists()).any(|process| {
        // It may have ended meanwhile.
        let [line, variables] = ["cmdline", "environ"]
            .map(|file| std::fs::read(process.join(file)).unwrap_or_default());
        let place = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        names(line) || names(variables) || names(place.into_os_string().into_encoded_bytes())
    })
}

/// Says that the work is done when it is dropped, also if it fails.
pub(crate) struct Done<'a>(pub(crate) &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads from the replicas without a pause while `work` runs. No read may fail.
pub(crate) fn while_reading(replicas: &[&Replica], work: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for replica in replicas {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    let answer = send(&replica.address, "GET", "/api/people/ada", "", "");
                    assert_eq!(answer.map(|(status, _)| status), Some(200));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Where the work fails, the readers end, too.
        let _done = Done(&is_done);
        work();
    });
    assert!(reads.into_inner() > replicas.len());
}

#[test]
fn three_replicas_serve_one_push_for_one_fetch_and_outlive_their_leader_and_the_bus() {
    let Some(mut nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let forge = GitHttp::serve(upstream.parent());
    let mut push = |age: u32| -> String {
        upstream.commit("older").put("people/ada.toml", person("ada", "Ada", age)).push();
        upstream.head().unwrap()
    };
    let common = Common::new(&nats, forge.url("upstream.git"), "2");

    let one = common.start("one");
    one.has_role("leading");
    let (two, three) = (common.start("two"), common.start("three"));
    for follower in [&two, &three] {
        follower.has_role("following");
    }

    // A push and a webhook to a follower.
    let commit = push(40);
    let (status, answer) = two.told(&commit);
    assert_eq!((status, answer["outcome"].as_str()), (200, Some("applied")), "{answer}");
    let replicas = [&one, &two, &three];
    replicas.iter().for_each(|replica| replica.serves(&commit));
    let digests: Vec<Value> = replicas.map(|replica| replica.status()["digest"].clone()).into();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    let cluster = one.cluster(|cluster| {
        let others = cluster["replicas"].as_array().unwrap();
        others.len() == 2 && others.iter().all(|other| other["digest"] == "equal")
    });
    assert_eq!(cluster["leader"], one.internal.as_str());

    // The leader dies.
    let next = push(41);
    while_reading(&[&two, &three], || {
        one.kill();
        // The call waits for the next leader.
        let (status, answer) = two.told(&next);
        assert_eq!(status, 200, "{answer}");
        [&two, &three].iter().for_each(|replica| replica.serves(&next));
    });

    // It comes back as a follower.
    let one = common.start("one");
    one.has_role("following");
    one.serves(&next);

    // The bus dies.
    let last = push(42);
    while_reading(&[&one, &two, &three], || {
        nats.kill();
        [&one, &two, &three].iter().for_each(|replica| replica.serves(&last));
    });
    nats.start_again();
    let is_led = |cluster: &Value| cluster["role"] != "orphaned" && cluster["leader"].is_string();
    let leaders: Vec<_> =
        [&one, &two, &three].map(|replica| replica.cluster(is_led)["leader"].clone()).into();
    assert!(leaders.iter().all(|leader| *leader == leaders[0]), "{leaders:?}");
}

#[test]
fn a_push_costs_the_forge_as_much_with_three_replicas_as_with_one() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let forge = GitHttp::serve(upstream.parent());
    let common = Common::new(&nats, forge.url("upstream.git"), "0");
    let one = common.start("one");
    one.has_role("leading");
    let mut requests = |replicas: &[&Replica], age: u32| {
        let before = forge.requests();
        upstream.commit("older").put("people/ada.toml", person("ada", "Ada", age)).push();
        let commit = upstream.head().unwrap();
        let told = replicas[replicas.len() - 1].told(&commit);
        assert_eq!(told.0, 200, "{}", told.1);
        replicas.iter().for_each(|replica| replica.serves(&commit));
        forge.requests() - before
    };
    // The first one may meet the reload of the takeover.
    requests(&[&one], 39);
    let alone = requests(&[&one], 40);
    let before = forge.requests();
    let (two, three) = (common.start("two"), common.start("three"));
    [&two, &three].iter().for_each(|replica| replica.has_role("following"));
    assert_eq!(forge.requests(), before, "a new replica gets everything from the leader");
    assert_eq!(requests(&[&one, &two, &three], 41), alone);
}

#[test]
fn a_pin_and_a_wrong_secret_are_told_to_any_replica() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let forge = GitHttp::serve(upstream.parent());
    let common = Common::new(&nats, forge.url("upstream.git"), "0");
    let one = common.start("one");
    one.has_role("leading");
    let first = upstream.head().unwrap();
    let two = common.start("two");
    two.has_role("following");
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
    let head = upstream.head().unwrap();
    assert_eq!(two.told(&head).0, 200);
    two.serves(&head);
    let ask = |path: &str, secret: &str, body: &str| {
        let head = format!("authorization: Bearer {secret}\r\ncontent-type: application/json\r\n");
        send(&two.internal, "POST", path, &head, body).unwrap().0
    };
    let body = format!("{{\"commit\":\"{first}\"}}");
    assert_eq!(ask("/api/_internal/pin", "a-secret-of-nobody-at-all", &body), 401);
    assert_eq!(ask("/api/_internal/pin", RELOAD_SECRET, &body), 403);
    assert_eq!(ask("/api/_internal/pin", OPERATOR_SECRET, &body), 200);
    for replica in [&one, &two] {
        until("at the first commit", || replica.status()["commit"] == first.as_str());
    }
    assert_eq!(ask("/api/_internal/unpin", OPERATOR_SECRET, ""), 200);
    for replica in [&one, &two] {
        until("at the head", || replica.status()["commit"] == head.as_str());
    }
    assert_eq!(ask(RELOAD, "a-secret-of-nobody-at-all", "{}"), 401);
}

#[test]
fn a_leader_that_is_stopped_gives_the_lead_back_at_once() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let mut one = common.start("one");
    one.has_role("leading");
    // By itself it would wait for an hour.
    let two = common.start_with("two", &[("HEADWATER_CLUSTER_LEASE", "3600")]);
    two.has_role("following");
    while_reading(&[&two], || {
        one.stop();
        // Whoever calls meanwhile waits for the next leader.
        upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 40)).push();
        let commit = upstream.head().unwrap();
        assert_eq!(two.told(&commit).0, 200);
        two.serves(&commit);
    });
}

#[test]
fn a_replica_with_another_secret_does_not_start() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let common = Common::new(&nats, upstream.url(), "0");
    let one = common.start("one");
    one.has_role("leading");
    let internal = free_address().to_string();
    let mut command = headwater(&["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--repo").arg(common.folder.path().join("two")).args(["--remote", &upstream.url()]);
    command.args(["--internal-listen", &internal, "--cluster", &nats.url("data")]);
    command.args(["--cluster-url", &format!("http://{internal}")]);
    command.env("HEADWATER_CLUSTER_SECRET", "the-secret-of-somebody-else");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("signed with another secret"), "{told}");
}
