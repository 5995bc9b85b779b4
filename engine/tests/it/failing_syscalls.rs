//! Makes each system call of a reload fail, one at a time, with strace.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use headwater_engine::engine::{Engine, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;
use headwater_testkit::{GitHttp, Upstream, git};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::remote_and_engine::{DEFINITION, id, open};

/// System calls, and the ways in which each may fail.
type Failures = &'static [(&'static str, &'static [&'static str])];

/// The calls of every reload.
const FAILURES: Failures = &[
    ("openat", &["EMFILE", "EIO", "ENOSPC"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
    ("write", &["ENOSPC", "EIO"]),
    ("fsync,fdatasync", &["EIO", "ENOSPC"]),
    ("rename,renameat,renameat2", &["EIO", "ENOSPC"]),
    ("link,linkat", &["EIO", "ENOSPC"]),
    ("unlink,unlinkat", &["EIO"]),
    ("mkdir,mkdirat", &["EIO", "ENOSPC"]),
    ("getdents64", &["EIO"]),
    ("ftruncate", &["EIO"]),
];

/// The calls of a connection. The standard library also uses them between itself and a child, where
/// they cannot fail, and waits for the child for ever if they do: so they are used only for http,
/// which has no child.
const NETWORK_FAILURES: Failures = &[
    ("socket", &["EMFILE"]),
    ("connect", &["ECONNREFUSED"]),
    ("recvfrom", &["ECONNRESET"]),
    ("sendto,writev", &["EPIPE"]),
];

/// The parameters for the child: its mirror and its remote.
const CHILD: [&str; 2] = ["HEADWATER_CALLS_MIRROR", "HEADWATER_CALLS_URL"];

/// The exit codes of the child: the new commit is served, or a typed error was reported and the old
/// one is served.
const APPLIED: i32 = 10;
const FAILED: i32 = 11;

/// Returns the distance between the calls of a kind that are tried; `None` tries only the second.
fn stride() -> Option<usize> {
    let stride = std::env::var("HEADWATER_CALLS").ok();
    stride.and_then(|stride| stride.parse().ok()).filter(|stride| *stride > 0)
}

/// The results of the cases.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    applied: usize,
    failed: usize,
}

/// A remote, its mirror, and an engine in a separate process for each case.
struct Bench {
    upstream: Upstream,
    folder: TempDir,
    url: String,
    pushed: usize,
}

impl Bench {
    fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror.git")
    }

    fn open(&self) -> Engine {
        let remote = Remote::new(&self.url, RemoteOptions::default()).unwrap();
        open(&self.mirror(), Some(Arc::new(remote))).unwrap()
    }

    /// Makes the call `number` of `call` in each thread fail with `error` while a push is reloaded.
    /// Returns the exit code of the child; `None` if nothing failed because there are fewer such
    /// calls.
    fn strike(&mut self, call: &str, error: &str, number: usize) -> Option<i32> {
        self.pushed += 1;
        let text = format!("id = 3\nname = \"Push {}\"\n", self.pushed);
        let commit = self.upstream.commit("push").put("people/ada.toml", text);
        let head =
            id(&commit.put(format!("people/p{}.toml", self.pushed), "name = \"P\"\n").push());
        let before = git(self.mirror(), ["rev-parse", "refs/heads/published"]);
        let mut child = self.child();
        let trace = self.folder.path().join("trace");
        let (traced, inject) =
            (format!("trace={call}"), format!("inject={call}:error={error}:when={number}"));
        let mut strace = attach(&child, &["-f", "-e", &traced, "-e", &inject], &trace);
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let case = format!("{call} {number} {error}");
        let ended = end_of(child, &case);
        strace.wait().unwrap();
        let struck = std::fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
        let code = ended.code().unwrap_or_else(|| panic!("{case}: {ended}"));
        assert!([APPLIED, FAILED].contains(&code), "{case}: {ended}");
        assert!(struck || code == APPLIED, "{case} failed for another reason");

        let served = git(self.mirror(), ["rev-parse", "refs/heads/published"]);
        assert!(
            id(served.trim()) == head || code == FAILED && served == before,
            "{case}: {code} at {served}"
        );
        self.heals(head, &case);
        struck.then_some(code)
    }

    /// Starts a child and waits until its engine is open.
    fn child(&self) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "failing_syscalls::the_child_that_reloads",
            "--ignored",
            "--nocapture",
        ]);
        child.envs(CHILD.into_iter().zip([self.mirror().to_str().unwrap(), &self.url]));
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        is_ready(&mut child);
        child
    }

    /// Checks that, without the fault, the remote's head is served and equals a load.
    fn heals(&self, head: CommitId, case: &str) {
        let engine = self.open();
        let report = engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
        assert!(report.result.is_ok(), "{case}: {report:?}");
        let snapshot = engine.snapshot();
        assert_eq!(snapshot.commit(), head, "{case}");
        let objects = Mirror::open(&self.mirror(), MirrorOptions::default()).unwrap();
        let fresh = load(&objects.objects().unwrap(), head, &LoadOptions::default()).unwrap();
        assert_eq!(snapshot.digest(), fresh.digest(), "{case}");
        engine.settle();
    }

    /// Tries each failure of each call, and returns the results.
    fn run(&mut self, failures: Failures) -> Tally {
        let mut tally = Tally::default();
        for (call, errors) in failures {
            for error in *errors {
                let numbers = match stride() {
                    Some(stride) => (1..usize::MAX).step_by(stride),
                    None => (2..3).step_by(1),
                };
                for number in numbers {
                    match self.strike(call, error, number) {
                        Some(APPLIED) => tally.applied += 1,
                        Some(_) => tally.failed += 1,
                        None => break,
                    }
                }
            }
        }
        let mirror = self.mirror();
        git(&mirror, ["fsck", "--connectivity-only", "--no-dangling"]);
        tally
    }
}

/// Attaches strace with these options to the child and its threads, and waits until it is attached.
fn attach(child: &Child, options: &[&str], trace: &Path) -> Child {
    let mut strace = Command::new("strace");
    strace.args(options).arg("-o").arg(trace).args(["-p", &child.id().to_string()]);
    let mut strace = strace.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(strace.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    strace
}

/// Waits until the child reports that it is ready.
fn is_ready(child: &mut Child) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("ready")), "it died");
}

/// Attaches strace to a child once that is ready, and lets the child go on.
pub(crate) fn attach_to(child: &mut Child, options: &[&str], trace: &Path) -> Child {
    is_ready(child);
    let strace = attach(child, options, trace);
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    strace
}

/// Waits for the child to end, up to a time limit.
fn end_of(mut child: Child, case: &str) -> ExitStatus {
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    // The thread ends with the child, which ends in any case.
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    receiver.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{case}: it hangs")
    })
}

/// Returns whether strace is installed and may trace other processes.
pub(crate) fn may_trace() -> bool {
    let Ok(mut child) = Command::new("cat").stdin(Stdio::piped()).spawn() else { return false };
    let mut strace = Command::new("strace");
    strace.args(["-p", &child.id().to_string()]).stderr(Stdio::piped());
    let strace = strace.spawn();
    let attached = strace.is_ok_and(|mut strace| {
        let mut line = String::new();
        let read = BufReader::new(strace.stderr.as_mut().unwrap()).read_line(&mut line);
        drop(child.stdin.take());
        let _ = strace.wait();
        read.is_ok() && line.contains("attached")
    });
    drop(child.stdin.take());
    let _ = child.wait();
    attached
}

#[test]
fn whatever_call_of_a_reload_fails_it_is_told_and_the_next_one_heals() {
    if !may_trace() {
        println!("skipped: strace is not here, or may not trace");
        return;
    }
    let mut upstream = Upstream::new();
    let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    first.put("people/ada.toml", "id = 1\n").push();
    let http = GitHttp::serve(upstream.parent());
    let folder = TempDir::new().unwrap();
    let mut bench = Bench { url: upstream.url(), upstream, folder, pushed: 0 };
    drop(bench.open());
    let over_file = bench.run(FAILURES);
    bench.url = http.url("upstream.git");
    let of_network = bench.run(NETWORK_FAILURES);
    let over_http = if stride().is_some() { bench.run(FAILURES) } else { Tally::default() };
    let tallies = [over_file, of_network, over_http];
    let [file, network, http] = tallies.map(|tally| tally.applied + tally.failed);
    assert!(over_file.failed > 0 && file > 5 && network > 1, "{tallies:?}");
    println!("{} failed calls: file, network, http: {tallies:?}", file + network + http);
}

#[test]
#[ignore = "it is the process whose calls fail; the test of failed calls runs it"]
fn the_child_that_reloads() {
    let [mirror, url] = CHILD.map(|name| std::env::var(name).unwrap());
    let remote = Remote::new(&url, RemoteOptions::default()).unwrap();
    let engine = open(mirror.as_ref(), Some(Arc::new(remote))).unwrap();
    let before = engine.snapshot().commit();
    println!("ready");
    // Reading may be made to fail like any other call, and is a sign to go on nonetheless.
    let _ = std::io::stdin().read_line(&mut String::new());
    let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    let served = engine.snapshot().commit();
    // Nothing is written: that would be made to fail, too.
    let code = match &report.result {
        Ok(outcome) if served == outcome.new && served != before => APPLIED,
        Err(_) if served == before => FAILED,
        _ => 12,
    };
    std::process::exit(code);
}
