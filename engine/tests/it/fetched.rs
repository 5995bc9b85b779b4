//! Everything that a fetch receives is on disk before a reference names it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use headwater_engine::mirror::{FetchLimits, Mirror, MirrorOptions, Remote, RemoteOptions};
use headwater_testkit::Upstream;
use tempfile::TempDir;

use crate::failing_syscalls::{attach_to, may_trace};

/// The parameters for the child: its mirror and its remote.
const CHILD: [&str; 2] = ["HEADWATER_FETCH_MIRROR", "HEADWATER_FETCH_URL"];

/// An operation of a process on a file, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Synced(PathBuf),
    Renamed(PathBuf, PathBuf),
}

/// Extracts the successful calls from a trace with the paths of descriptors.
fn events(trace: &str) -> Vec<Event> {
    let path = |text: &str| PathBuf::from(text);
    let done = trace.lines().filter(|line| line.ends_with("= 0"));
    done.filter_map(|line| {
        if line.contains("fsync(") || line.contains("fdatasync(") {
            let (_, rest) = line.split_once('<')?;
            return Some(Event::Synced(path(rest.split_once('>')?.0)));
        }
        let mut texts = line.split('"').skip(1).step_by(2);
        line.contains("rename").then_some(())?;
        Some(Event::Renamed(path(texts.next()?), path(texts.next()?)))
    })
    .collect()
}

#[test]
fn a_fetched_pack_is_synced_before_the_reference_that_needs_it() {
    if !may_trace() {
        println!("skipped: strace is not here, or may not trace");
        return;
    }
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/ada.toml", "id = 1\n").push();
    let folder = TempDir::new().unwrap();
    let (mirror, trace) = (folder.path().join("mirror.git"), folder.path().join("trace"));
    Mirror::init(&mirror, "published", MirrorOptions::default()).unwrap();
    let mirror = std::fs::canonicalize(mirror).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fetched::the_child_that_fetches", "--ignored", "--nocapture"]);
    child.envs(CHILD.into_iter().zip([mirror.as_os_str(), upstream.url().as_ref()]));
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    // Calls of several threads do not interleave: one thread makes those that matter.
    let calls = "trace=fsync,fdatasync,rename,renameat,renameat2";
    let mut strace = attach_to(&mut child, &["-f", "-y", "-e", calls], &trace);
    assert!(child.wait().unwrap().success());
    strace.wait().unwrap();
    let events = events(&std::fs::read_to_string(trace).unwrap());

    let packs = mirror.join("objects/pack");
    let is_reference = |to: &Path| to.ends_with("refs/remotes/origin/published");
    let named = events
        .iter()
        .position(|event| matches!(event, Event::Renamed(_, to) if is_reference(to)))
        .expect("the reference is moved");
    let mut moved = 0;
    for (at, event) in events.iter().enumerate() {
        let Event::Renamed(from, to) = event else { continue };
        if to.parent() != Some(&packs) {
            continue;
        }
        moved += 1;
        let is_synced = |path: &Path, events: &[Event]| {
            events.iter().any(|event| matches!(event, Event::Synced(synced) if synced == path))
        };
        assert!(is_synced(from, &events[..at]), "{} is not synced: {events:#?}", from.display());
        assert!(is_synced(&packs, &events[at..named]), "its name is not synced: {events:#?}");
    }
    assert_eq!(moved, 2, "a pack and its index: {events:#?}");
}

#[test]
#[ignore = "it is the process that is traced; the test of fetched packs runs it"]
fn the_child_that_fetches() {
    let [mirror, url] = CHILD.map(|name| std::env::var(name).unwrap());
    let mirror = Mirror::open(mirror.as_ref(), MirrorOptions::default()).unwrap();
    let remote = Remote::new(&url, RemoteOptions::default()).unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    mirror.fetch(&remote, "published", &FetchLimits::default()).unwrap();
}
