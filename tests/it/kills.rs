//! A server that is killed at any time, repeatedly: when it comes back, it has everything that it
//! acknowledged, and everything else is intact.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_testkit::{Upstream, git};
use serde_json::Value;

use crate::commands::headwater;
use crate::harness::{RELOAD, RELOAD_SECRET, people, person};

/// The number of kills; a variable sets more.
fn kills() -> u64 {
    let kills = std::env::var("HEADWATER_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

/// The server as a process of its own.
pub(crate) struct Victim {
    process: Child,
    address: String,
}

impl Victim {
    fn start(mirror: &Path, url: &str) -> Self {
        Self::start_with(mirror, url, &[])
    }

    /// Starts it with further settings, by their environment names.
    pub(crate) fn start_with(mirror: &Path, url: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = headwater(&["serve", "--listen", "127.0.0.1:0", "--poll-interval", "0"]);
        command.arg("--repo").arg(mirror).args(["--remote", url]);
        command.env("HEADWATER_RELOAD_SECRET", RELOAD_SECRET);
        command.envs(settings.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").to_owned();
        Self { process, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the status and the body, or nothing if the server died meanwhile.
    pub(crate) fn call(&self, method: &str, path: &str) -> Option<(u16, Value)> {
        call(&self.address, method, path)
    }

    /// Waits until there is a snapshot, and returns its commit.
    pub(crate) fn ready(&self) -> String {
        loop {
            if let Some((200, status)) = self.call("GET", "/api/_status") {
                return status["commit"].as_str().unwrap().to_owned();
            }
        }
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Victim {
    /// Kills the process, so that it does not outlive a failed test.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn call(address: &str, method: &str, path: &str) -> Option<(u16, Value)> {
    let head = format!("authorization: Bearer {RELOAD_SECRET}\r\n");
    send(address, method, path, &head, "")
}

/// Sends a request with these header lines. Returns nothing if the server died meanwhile.
pub(crate) fn send(
    address: &str,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let stream = TcpStream::connect(address).ok()?;
    let (status, body) = exchange(stream, &format!("{method} {path}"), head, body).ok()?;
    Some((status, serde_json::from_str(&body).ok()?))
}

/// Sends a request over a connection of its own. Returns the status and the body of the answer.
pub(crate) fn exchange(
    mut stream: TcpStream,
    line: &str,
    head: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let (host, length) = (stream.peer_addr()?, body.len());
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         {head}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    answer_of(stream)
}

/// Returns the status and the body of the answer to a request that was sent.
pub(crate) fn answer_of(mut stream: TcpStream) -> std::io::Result<(u16, String)> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let parts = answer.split_once("\r\n\r\n");
    let (status, (_, body)) =
        status.zip(parts).ok_or_else(|| std::io::Error::other("the answer has no head"))?;
    Ok((status, body.to_owned()))
}

/// A small generator whose numbers are the same in every run (xorshift64*, Marsaglia and Vigna).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

fn is_ancestor(upstream: &Upstream, ancestor: &str, descendant: &str) -> bool {
    let base = git(upstream.path(), ["merge-base", ancestor, descendant]);
    base.trim() == ancestor
}

/// Returns whether git finds everything in the mirror. The repacking program outlives the killed
/// server, and while it removes old packs git may look for one of them.
pub(crate) fn is_sound(mirror: &Path) -> bool {
    let check = || {
        let mut command = headwater_testkit::git::command(mirror);
        command.args(["fsck", "--connectivity-only", "--no-dangling"]).output().unwrap()
    };
    (0..50).any(|_| check().status.success())
}

#[test]
fn a_server_that_is_killed_at_any_time_comes_back_with_all_it_acknowledged() {
    let mut upstream = people();
    let folder = tempfile::tempdir().unwrap();
    let (mirror, url) = (folder.path().join("mirror.git"), upstream.url());
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut acknowledged = String::new();
    for round in 0..kills() {
        let victim = Victim::start(&mirror, &url);
        // Some are killed during the load, most during a reload.
        if random.below(4) > 0 {
            let served = victim.ready();
            let missed =
                !acknowledged.is_empty() && !is_ancestor(&upstream, &acknowledged, &served);
            assert!(!missed, "round {round}: {acknowledged} is not in {served}");
        }
        let name = format!("n{}", random.below(20));
        upstream.commit("push").put(format!("people/{name}.toml"), person(&name, "N", 1)).push();
        let address = victim.address.clone();
        let hook = std::thread::spawn(move || call(&address, "POST", RELOAD));
        // The moment of death is the point of the test: anywhere in the reload, or after it.
        std::thread::sleep(Duration::from_millis(random.below(120)));
        victim.kill();
        if let Some((200, report)) = hook.join().unwrap() {
            acknowledged = report["newCommit"].as_str().unwrap().to_owned();
        }
        assert!(!mirror.join("HEAD").exists() || is_sound(&mirror), "round {round}");
    }
    let victim = Victim::start(&mirror, &url);
    victim.ready();
    let (status, report) = victim.call("POST", RELOAD).unwrap();
    assert_eq!((status, &report["ok"]), (200, &Value::Bool(true)), "{report}");
    let (_, status) = victim.call("GET", "/api/_status").unwrap();
    let head: CommitId = upstream.head().unwrap().parse().unwrap();
    assert_eq!(status["commit"], head.to_string());
    let objects = Mirror::open(&mirror, MirrorOptions::default()).unwrap().objects().unwrap();
    let rebuilt = load(&objects, head, &LoadOptions::default()).unwrap();
    assert_eq!(status["digest"], rebuilt.digest().to_string());
    victim.kill();
}
