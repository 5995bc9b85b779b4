//! Power losses: derives from a trace of the system calls what a crash of the machine could leave
//! of the files, and checks that it contains everything that was acknowledged.

mod disk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use headwater_engine::engine::{Engine, EngineConfig, Ledger, RequestKind, Rewrites};
use headwater_engine::id::{Key, SheetName};
use headwater_engine::load::load;
use headwater_engine::mirror::{Identity, Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;
use headwater_engine::write::{Action, Batch, Condition, MOST_WRITTEN, Operation, Repeat, Scope};
use headwater_testkit::{Upstream, git};
use serde_json::json;
use tempfile::TempDir;

use crate::failing_syscalls::{attach_to, may_trace};
use crate::remote_and_engine::{DEFINITION, config};
use disk::Disk;

/// The parameters for the child: its mirror, its remote and its list of acknowledged keys.
const CHILD: [&str; 3] = ["HEADWATER_POWER_MIRROR", "HEADWATER_POWER_URL", "HEADWATER_POWER_ACKS"];

/// The calls that change files, and those that make changes durable.
const CALLS: &str = "trace=openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,\
                     unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat";

/// Returns the number of crashes to try; more on demand.
fn crashes() -> u64 {
    let crashes = std::env::var("HEADWATER_POWER").ok();
    crashes.and_then(|crashes| crashes.parse().ok()).unwrap_or(20)
}

fn open(mirror: &Path, url: &str) -> Engine {
    let remote = Arc::new(Remote::new(url, RemoteOptions::default()).unwrap());
    let config = EngineConfig { rewrites: Some(Rewrites::Replay), ..config(mirror, Some(remote)) };
    Engine::open(config, Arc::new(Ledger::new())).unwrap()
}

fn batch(number: usize) -> Batch {
    let key = format!("p{}", number % 5);
    let record = json!({ "slug": key, "id": 100 + number % 5, "n": number });
    let action = Action::Put(Key::new(key), record);
    Batch {
        operations: vec![Operation {
            sheet: SheetName::new("people"),
            action,
            condition: Condition::Any,
        }],
        actor: "ada".into(),
        author: Identity::parse("Ada <ada@example.org>").unwrap(),
        scope: Scope::Every,
        view: headwater_engine::view::View::PUBLIC,
        message: "ada: a change".into(),
        trailers: vec![],
        repeat: Some(Repeat {
            actor: "ada".into(),
            key: format!("key-{number}"),
            digest: "d".into(),
        }),
        limit: MOST_WRITTEN,
    }
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power_at_any_time() {
    if !may_trace() {
        println!("skipped: strace is not here, or may not trace");
        return;
    }
    let mut upstream = Upstream::new();
    let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
    first.put("people/ada.toml", "id = 1\n").push();
    let folder = TempDir::new().unwrap();
    let (mirror, base) = (folder.path().join("mirror.git"), folder.path().join("base.git"));
    let engine = open(&mirror, &upstream.url());
    engine.settle();
    drop(engine);
    copy(&mirror, &base);
    upstream.commit("theirs").put("people/eve.toml", "id = 2\n").push();
    let trace = traced(&folder, &mirror, &upstream.url());
    let disk = Disk::read(&trace, &mirror, &base, &folder.path().join("acks"));
    assert!(disk.acknowledged(disk.len()).len() > 10, "the trace says too little");
    let mut survived = 0;
    for crash in 0..crashes() {
        let mut dice = Dice(crash.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let at = dice.below(disk.len() as u64) as usize;
        let left = folder.path().join("left.git");
        let _ = std::fs::remove_dir_all(&left);
        copy(&base, &left);
        disk.leave(at, &left, &mut |bound| dice.below(bound));
        survived +=
            survives(&left, &upstream, &disk.acknowledged(at), &format!("crash {crash} at {at}"));
    }
    println!("{} losses of power, {survived} acknowledged writes in what was left", crashes());
}

/// Runs a child that writes under strace, and returns the trace.
fn traced(folder: &TempDir, mirror: &Path, url: &str) -> String {
    let (trace, acks) = (folder.path().join("trace"), folder.path().join("acks"));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "power_loss::the_child_that_writes", "--ignored", "--nocapture"]);
    child.envs(CHILD.into_iter().zip([mirror.as_os_str(), url.as_ref(), acks.as_os_str()]));
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    let arguments = ["-f", "-y", "-s", "64", "-e", CALLS];
    let mut strace = attach_to(&mut child, &arguments, &trace);
    assert!(child.wait().unwrap().success());
    strace.wait().unwrap();
    std::fs::read_to_string(trace).unwrap()
}

/// Opens what a crash left: everything that was acknowledged is there, once, and writing goes on.
fn survives(left: &Path, upstream: &Upstream, acknowledged: &[String], case: &str) -> usize {
    let engine = open(left, &upstream.url());
    let report = engine.reload(RequestKind::Reload, Trigger::Boot).unwrap();
    assert!(report.result.is_ok(), "{case}: {report:?}");
    let head = engine.snapshot().commit();
    let format = "--format=%(trailers:key=Idempotency-Key,valueonly)";
    let log = git(left, ["log", format, &head.to_string()]);
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for key in log.lines().filter(|key| !key.is_empty()) {
        *keys.entry(key).or_default() += 1;
    }
    for key in acknowledged {
        assert_eq!(keys.get(key.as_str()), Some(&1), "{case}: {key}");
    }
    let objects = Mirror::open(left, MirrorOptions::default()).unwrap().objects().unwrap();
    let fresh = load(&objects, head, &LoadOptions::default()).unwrap();
    assert_eq!(engine.snapshot().digest(), fresh.digest(), "{case}");
    // A repeated request, acknowledged or not, is in the branch once afterwards.
    engine.commit(batch(3)).unwrap();
    engine.commit(batch(3)).unwrap();
    let head = engine.snapshot().commit().to_string();
    let again = git(left, ["rev-list", "--count", "--grep=^Idempotency-Key: key-3$", &head]);
    assert_eq!(again.trim(), "1", "{case}");
    engine.settle();
    drop(engine);
    git(left, ["fsck", "--connectivity-only", "--no-dangling"]);
    acknowledged.len()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// A small generator whose numbers are the same in every run (xorshift64*, Marsaglia and Vigna).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound.max(1)
    }
}

#[test]
#[ignore = "it is the process that is traced; the test of losses of power runs it"]
fn the_child_that_writes() {
    let [mirror, url, acks] = CHILD.map(|name| std::env::var(name).unwrap());
    let engine = open(mirror.as_ref(), &url);
    let acks = std::fs::File::create(PathBuf::from(acks)).unwrap();
    let acks = Arc::new(Mutex::new(acks));
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    // Few enough that no packs are merged: their contents are read at the end.
    for number in 0..13 {
        if number == 6 {
            // The remote's new commits go below the writes so far.
            let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
            assert!(report.result.as_ref().unwrap().replayed.is_some());
        }
        let (sender, done) = std::sync::mpsc::channel();
        // Sometimes alone, sometimes several in one pack.
        for number in [number * 3, number * 3 + 1, number * 3 + 2].into_iter().take(1 + number % 3)
        {
            let (acks, sender) = (acks.clone(), sender.clone());
            let told = move |written: Result<_, _>| {
                let _: headwater_engine::write::Committed = written.unwrap();
                use std::io::Write as _;
                acks.lock().unwrap().write_all(format!("key-{number}\n").as_bytes()).unwrap();
                sender.send(()).unwrap();
            };
            engine.write(batch(number), Box::new(told));
        }
        drop(sender);
        done.iter().for_each(drop);
    }
    engine.settle();
}
