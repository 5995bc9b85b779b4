//! States that are built while others write: the turn to publish is not taken for it.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use headwater_engine::engine::{
    Engine, EngineConfig, FailureKind, Ledger, ReloadCaller, ReloadRequest, Report, RequestKind,
    Rewrites,
};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::load::load;
use headwater_engine::memory::{Memory, MemoryProbe};
use headwater_engine::mirror::{Identity, Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::{OutcomeKind, Trigger};
use headwater_engine::write::{Action, Batch, Condition, Operation};
use headwater_testkit::Upstream;
use tempfile::TempDir;

use crate::remote_and_engine::{config, remote};

/// An engine that is asked for its memory before it rebuilds, and waits for the answer.
struct Halted {
    upstream: Upstream,
    folder: TempDir,
    engine: Engine,
    /// Hears of each question.
    asked: Receiver<()>,
    answer: Sender<()>,
}

impl Halted {
    fn new() -> Self {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put("people/ada.json", r#"{"n": 1}"#);
        first.put("people/eve.json", r#"{"n": 1}"#).push();
        let folder = TempDir::new().unwrap();
        let (tell, asked) = channel();
        let (answer, answered) = channel();
        let answered = std::sync::Mutex::new(answered);
        let memory = MemoryProbe::new(move || {
            tell.send(()).unwrap();
            answered.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
            Some(Memory { held: 0, available: 1 << 30 })
        });
        let usual = config(&folder.path().join("mirror.git"), Some(remote(&upstream)));
        let config = EngineConfig {
            load: LoadOptions { memory, ..LoadOptions::default() },
            rewrites: Some(Rewrites::Replay),
            push: false,
            asks_again: Duration::ZERO,
            ..usual
        };
        let engine = Engine::open(config, Arc::new(Ledger::new())).unwrap();
        Self { upstream, folder, engine, asked, answer }
    }

    /// Begins a reload, and returns when it asks for the memory.
    fn begun(&self, kind: RequestKind) -> Receiver<Arc<Report>> {
        let (sender, receiver) = channel();
        let done = Box::new(move |answer: headwater_engine::engine::ReloadAnswer| {
            sender.send(answer.report).unwrap();
        });
        let request = ReloadRequest { kind, trigger: Trigger::Webhook, reserved: None };
        self.engine.submit(request, vec![ReloadCaller { commit: None, done }]);
        self.asked.recv_timeout(Duration::from_secs(60)).unwrap();
        receiver
    }

    /// Lets this and all later rebuilds go on.
    fn go_on(&self) {
        (0..10).for_each(|_| self.answer.send(()).unwrap());
    }

    fn write(&self, key: &str, n: u32) -> CommitId {
        self.write_all([(key.to_owned(), n)])
    }

    fn write_all(&self, records: impl IntoIterator<Item = (String, u32)>) -> CommitId {
        let operation = |(key, n): (String, u32)| Operation {
            sheet: SheetName::new("people"),
            action: Action::Put(Key::new(key), serde_json::json!({ "n": n })),
            condition: Condition::Any,
        };
        let operations = records.into_iter().map(operation).collect();
        let author = Identity::parse("Ada <ada@example.org>").unwrap();
        self.engine.commit(Batch::new(author, "ours".into(), operations)).unwrap().commit
    }

    fn value(&self, key: &str) -> Option<String> {
        let record = self.engine.snapshot().visible("people", key).cloned();
        record.map(|record| record.value.as_str().to_owned())
    }

    fn is_lawful(&self) {
        let snapshot = self.engine.snapshot();
        let mirror = self.folder.path().join("mirror.git");
        let objects = Mirror::open(&mirror, MirrorOptions::default()).unwrap().objects().unwrap();
        let fresh = load(&objects, snapshot.commit(), &LoadOptions::default()).unwrap();
        assert_eq!(snapshot.dump(), fresh.dump());
    }
}

#[test]
fn who_writes_does_not_wait_for_a_push_that_is_built() {
    let mut halted = Halted::new();
    let sheets = "[sheets.people]\nformat = \"json\"\n";
    let push = halted.upstream.commit("theirs").put("headwater.toml", sheets);
    let theirs = push.put("people/eve.json", r#"{"n": 2}"#).push();
    let reload = halted.begun(RequestKind::Reload);
    let ours = halted.write("ada", 3);
    assert_eq!(halted.engine.snapshot().commit(), ours, "it is live while the push is built");
    halted.go_on();
    let report = reload.recv().unwrap();
    let replayed = report.result.as_ref().unwrap().replayed.clone().unwrap();
    assert_eq!((replayed.commits, replayed.kept), (1, None));
    assert_eq!(report.result.as_ref().unwrap().remote_head, Some(theirs.parse().unwrap()));
    let [ada, eve] = ["ada", "eve"].map(|key| halted.value(key).unwrap());
    assert_eq!((&*ada, &*eve), (r#"{"n":3}"#, r#"{"n":2}"#));
    halted.is_lawful();
}

#[test]
fn what_is_written_while_a_state_is_rebuilt_stays() {
    let halted = Halted::new();
    let reload = halted.begun(RequestKind::Rebuild);
    let ours = halted.write("new", 3);
    halted.go_on();
    let report = reload.recv().unwrap();
    let outcome = report.result.as_ref().unwrap();
    assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Rebuilt, ours));
    assert_eq!(halted.value("new").as_deref(), Some(r#"{"n":3}"#));
    halted.is_lawful();
}

#[test]
fn a_refused_push_is_not_built_again_beside_a_local_commit() {
    let mut halted = Halted::new();
    let ours = halted.write("ada", 3);
    let sheets = "[sheets.people]\nformat = \"json\"\n";
    let push = halted.upstream.commit("theirs").put("headwater.toml", sheets);
    push.put("people/eve.json", "{").push();
    let reload = halted.begun(RequestKind::Reload);
    halted.go_on();
    let held = |report: &Report| report.result.as_ref().unwrap_err().kind();
    assert_eq!(held(&reload.recv().unwrap()), FailureKind::Refused);
    let again = halted.engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
    assert_eq!(held(&again), FailureKind::Refused);
    assert!(halted.asked.try_recv().is_err(), "it was built again");
    assert_eq!(halted.engine.snapshot().commit(), ours);
    halted.upstream.commit("back").put("people/eve.json", r#"{"n": 4}"#).push();
    let report = halted.engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
    assert_eq!(report.result.as_ref().unwrap().replayed.as_ref().unwrap().commits, 1);
    let [ada, eve] = ["ada", "eve"].map(|key| halted.value(key).unwrap());
    assert_eq!((&*ada, &*eve), (r#"{"n":3}"#, r#"{"n":4}"#));
    halted.is_lawful();
}

#[test]
fn what_is_taken_back_while_it_is_built_never_goes_live() {
    let mut halted = Halted::new();
    let sheets = "[sheets.people]\nformat = \"json\"\n";
    let before = halted.upstream.head().unwrap();
    let push = halted.upstream.commit("theirs").put("headwater.toml", sheets);
    push.put("people/eve.json", r#"{"secret": 1}"#).push();
    let reload = halted.begun(RequestKind::Reload);
    halted.upstream.reset_to(&before);
    halted.go_on();
    let report = reload.recv().unwrap();
    let outcome = report.result.as_ref().unwrap();
    assert_eq!((outcome.kind, outcome.new), (OutcomeKind::Unchanged, before.parse().unwrap()));
    assert_eq!(halted.value("eve").as_deref(), Some(r#"{"n":1}"#));
    // What comes on top of it takes nothing back.
    let push = halted.upstream.commit("theirs").put("headwater.toml", sheets);
    let theirs = push.put("people/eve.json", r#"{"n": 2}"#).push();
    let reload = halted.begun(RequestKind::Reload);
    halted.upstream.commit("later").put("people/eve.json", r#"{"n": 3}"#).push();
    let report = reload.recv().unwrap();
    assert_eq!(report.result.as_ref().unwrap().new, theirs.parse().unwrap());
}

#[test]
fn many_local_commits_are_no_reason_to_build_a_push_again_while_others_wait() {
    let mut halted = Halted::new();
    let sheets = "[sheets.people]\nformat = \"json\"\n";
    let push = halted.upstream.commit("theirs").put("headwater.toml", sheets);
    push.put("people/eve.json", r#"{"n": 2}"#).push();
    let reload = halted.begun(RequestKind::Reload);
    for number in 0..11 {
        let put = |at: usize| (format!("new-{number}-{at}"), 3);
        halted.write_all((0..100).map(put));
    }
    halted.go_on();
    let report = reload.recv().unwrap();
    let replayed = report.result.as_ref().unwrap().replayed.clone().unwrap();
    assert_eq!((replayed.commits, replayed.kept), (11, None));
    assert!(halted.asked.try_recv().is_err(), "it was built again");
    assert_eq!(halted.engine.snapshot().records(), 1_102);
    halted.is_lawful();
}

/// Returns an engine on this remote, with these options of a load, and its folder.
fn serving(upstream: &Upstream, load: LoadOptions) -> (Engine, TempDir) {
    let folder = TempDir::new().unwrap();
    let usual = config(&folder.path().join("mirror.git"), Some(remote(upstream)));
    let config = EngineConfig { load, ..usual };
    (Engine::open(config, Arc::new(Ledger::new())).unwrap(), folder)
}

/// Runs a reload that fails, and returns its kind and what is told.
fn failure(engine: &Engine, kind: RequestKind) -> (FailureKind, String) {
    let report = engine.reload(kind, Trigger::Webhook).unwrap();
    let failure = report.result.as_ref().unwrap_err();
    let (mut told, mut cause) = (failure.to_string(), failure.source());
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    (failure.kind(), told)
}

#[test]
fn a_push_that_costs_too_much_is_refused_and_what_takes_it_back_goes_live() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/ada.json", r#"{"n": 1}"#).push();
    let time = Some(Duration::ZERO);
    let (engine, _folder) = serving(&upstream, LoadOptions { time, ..LoadOptions::default() });
    let served = engine.snapshot().commit();
    let theirs = upstream.commit("theirs").put("people/eve.json", r#"{"n": 2}"#).push();
    let (kind, told) = failure(&engine, RequestKind::Reload);
    assert_eq!(kind, FailureKind::ContentRejected);
    assert!(told.contains(&theirs) && told.contains("longer than 0 s"), "{told}");
    assert_eq!(engine.snapshot().commit(), served);
    let back = upstream.commit("back").delete("people/eve.json").push();
    let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    assert_eq!(report.result.as_ref().unwrap().new, back.parse().unwrap());
    // The operator has all the time that it takes.
    let again = upstream.commit("again").put("people/eve.json", r#"{"n": 3}"#).push();
    assert_eq!(failure(&engine, RequestKind::Reload).0, FailureKind::ContentRejected);
    let report = engine.reload(RequestKind::Rebuild, Trigger::Operator).unwrap();
    assert_eq!(report.result.as_ref().unwrap().new, again.parse().unwrap());
}

#[test]
fn a_push_that_does_not_fit_into_memory_is_refused() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put("people/ada.json", r#"{"n": 1}"#).push();
    let full = Memory { held: 0, available: 0 };
    let memory = MemoryProbe::new(move || Some(full));
    let (engine, _folder) = serving(&upstream, LoadOptions { memory, ..LoadOptions::default() });
    let served = engine.snapshot().commit();
    // One content at many paths is one object of a pack.
    let text = serde_json::json!({ "text": "x".repeat(1_000_000) }).to_string();
    let files = (0..80).map(|at| (format!("people/p{at}.json"), text.as_str()));
    let theirs = upstream.commit("theirs").put_all(files).push();
    let (kind, told) = failure(&engine, RequestKind::Reload);
    assert_eq!(kind, FailureKind::MemoryShort);
    assert!(told.contains(&theirs) && told.contains("more memory than is free"), "{told}");
    assert_eq!(engine.snapshot().commit(), served);
}

#[test]
fn the_problems_of_a_push_count_in_the_memory_that_it_takes() {
    let mut upstream = Upstream::new();
    let sheet = "[sheets.people]\nformat = \"json\"\nrecords = \"each\"\nkey = \"${{ id }}\"\n";
    let first = upstream.commit("first").put("headwater.toml", sheet);
    first.put("people/ada.json", r#"[{"id": "a"}]"#).push();
    let full = Memory { held: 0, available: 0 };
    let memory = MemoryProbe::new(move || Some(full));
    let (engine, _folder) = serving(&upstream, LoadOptions { memory, ..LoadOptions::default() });
    // Each of these elements is a problem, and names its path.
    let text = format!("[{}1]", "1,".repeat(8_000));
    let folders = format!("{}/", "x".repeat(200)).repeat(10);
    let files = (0..6).map(|at| (format!("people/{folders}p{at}.json"), text.as_str()));
    upstream.commit("theirs").put_all(files).push();
    let (kind, told) = failure(&engine, RequestKind::Reload);
    assert_eq!(kind, FailureKind::MemoryShort, "{told}");
}
