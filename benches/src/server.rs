//! The server under test: the release binary, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use headwater_engine::id::CommitId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::connection::{Connection, SECRET, get, get_as_operator, post};

/// How often a loading server is asked whether it is ready; this is the error of every start.
const ASK: Duration = Duration::from_millis(1);

/// The ticks of the kernel in a second, as it shows them to programs.
const TICKS: f64 = 100.0;

/// A running server. Dropping it kills it.
pub struct Server {
    process: Child,
    address: SocketAddr,
    begun: Instant,
}

/// The answer to a webhook.
#[derive(Debug, Clone)]
pub struct Reload {
    /// From the request to the answer, in milliseconds.
    pub whole: f64,
    /// All stages except the fetch, in milliseconds.
    pub stages: f64,
    /// The answer.
    pub body: Value,
}

impl Reload {
    /// Returns the outcome: `applied`, `rebuilt`, `unchanged`.
    pub fn outcome(&self) -> &str {
        self.body["outcome"].as_str().unwrap_or("failed")
    }

    /// Returns the commit that is live now.
    pub fn commit(&self) -> &str {
        self.body["newCommit"].as_str().unwrap_or_default()
    }
}

/// The memory of a process, in megabytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// The largest value since the start or [`Server::forget_peak`].
    pub peak: f64,
}

impl Server {
    /// Starts the server with `mirror` as its mirror of `remote`. It may still be loading.
    ///
    /// # Panics
    /// Panics if there is no binary or if it does not start.
    pub fn start(mirror: &Path, remote: &str) -> Self {
        Self::start_with(mirror, remote, &[])
    }

    /// Starts it with further settings, by their environment names.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_with(mirror: &Path, remote: &str, settings: &[(&str, &str)]) -> Self {
        let begun = Instant::now();
        let mut process = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("HEADWATER_POLL_INTERVAL", "0")
            .arg("--repo")
            .arg(mirror)
            .args(["--remote", remote])
            .env("HEADWATER_RELOAD_SECRET", SECRET)
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server can be started");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server prints its address");
        let address = line.trim().trim_start_matches("http://").parse();
        let address = address.unwrap_or_else(|_| panic!("the server did not start: {line:?}"));
        Self { process, address, begun }
    }

    /// Starts the server and waits until it is ready; returns how long that took.
    pub fn start_ready(mirror: &Path, remote: &str) -> (Self, Duration) {
        let mut server = Self::start(mirror, remote);
        let time = server.wait_ready();
        (server, time)
    }

    /// Waits until there is a snapshot with search; returns the time since the start.
    pub fn wait_ready(&mut self) -> Duration {
        let mut connection = self.connect();
        while !matches!(connection.send(&get("/health/ready")), Ok((200, _))) {
            let status = self.process.try_wait().expect("a child can be asked");
            assert!(status.is_none(), "the server ended with {status:?}");
            // Only asking shows whether it is ready.
            std::thread::sleep(ASK);
        }
        self.begun.elapsed()
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server listens")
    }

    /// Calls the webhook and waits for its answer.
    ///
    /// # Panics
    /// Panics if the reload fails.
    pub fn reload(&self) -> Reload {
        self.call("/api/_internal/reload-data", "")
    }

    /// The same, and names the pushed commit.
    ///
    /// # Panics
    /// As [`Self::reload`].
    pub fn reload_to(&self, commit: CommitId) -> Reload {
        let body = format!("{{\"commitHash\":\"{commit}\"}}");
        self.call("/api/_internal/reload-data", &body)
    }

    /// Rebuilds the state and waits for it.
    pub fn rebuild(&self) -> Reload {
        self.call("/api/_internal/rebuild-data", "")
    }

    fn call(&self, path: &str, body: &str) -> Reload {
        let begun = Instant::now();
        let mut connection = self.connect();
        let (status, body) = connection.send(&post(path, body)).expect("the webhook is answered");
        let whole = begun.elapsed().as_secs_f64() * 1e3;
        let body: Value = serde_json::from_slice(body).expect("the answer is JSON");
        assert_eq!(status, 200, "{body}");
        let stages = ["diff", "decode", "apply", "text", "swap"];
        let stages = stages.iter().filter_map(|stage| body["timings"][stage].as_f64()).sum();
        Reload { whole, stages, body }
    }

    /// Reads `path`.
    ///
    /// # Panics
    /// Panics if the answer is not 200.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let mut connection = self.connect();
        let (status, body) = connection.send(&get(path)).expect("the server answers");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
        body.to_vec()
    }

    /// Returns its status.
    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.read("/api/_status")).expect("the status is JSON")
    }

    /// Waits until the remote has every write.
    pub fn wait_pushed(&self) {
        while self.status()["ahead"] != 0 {
            // Only asking shows how many are not pushed.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the sum of the metric `name` over its labels, if the server has it.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let mut connection = self.connect();
        let (_, body) = connection.send(&get_as_operator("/metrics")).ok()?;
        let text = String::from_utf8_lossy(body);
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().ok())?
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Returns the memory of the process as the kernel counts it.
    pub fn memory(&self) -> Memory {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(file).expect("the kernel reports its processes");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kilobytes.map_or(f64::NAN, |kilobytes: f64| kilobytes * 1024.0 / 1e6)
        };
        Memory { resident: of("VmRSS:"), peak: of("VmHWM:") }
    }

    /// Returns the memory once it no longer shrinks: an allocator returns freed pages some seconds
    /// later.
    pub fn memory_at_rest(&self) -> Memory {
        let mut memory = self.memory();
        loop {
            // Only waiting shows that nothing more is returned.
            std::thread::sleep(Duration::from_secs(5));
            let now = self.memory();
            if now.resident > memory.resident * 0.99 {
                return now;
            }
            memory = now;
        }
    }

    /// Resets the peak of the memory.
    pub fn forget_peak(&self) {
        let file = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(file, "5").expect("the kernel forgets the peak of a child");
    }

    /// Waits until the work after a reload is done, so that it does not count for the next
    /// measurement.
    pub fn rest(&self) {
        let mut before = f64::NAN;
        while self.cpu() != before {
            before = self.cpu();
            // Only waiting shows that a process is idle.
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Returns the processor time that it has used.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_secs_f64(self.cpu() / TICKS)
    }

    /// Returns the processor time that it has used, in ticks of the kernel.
    fn cpu(&self) -> f64 {
        let stat = format!("/proc/{}/stat", self.process.id());
        let stat = std::fs::read_to_string(stat).expect("the kernel reports its processes");
        // The name of the program, in brackets, may hold anything; utime and stime come after it.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
    }

    /// Returns the number of open files and sockets of the process.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.id());
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    /// Stops the server as a signal does, so that it finishes its work.
    pub fn stop(mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("a child can be told to end");
        self.process.wait().expect("a child can be waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the server that was built with this program.
fn binary() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its file");
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join("headwater"));
    let found = found.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no `headwater` next to {this:?}: run `cargo build --release`"))
}
