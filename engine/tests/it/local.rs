//! A bare repository without a remote, to which the engine writes and others push.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use headwater_engine::engine::{Engine, EngineConfig, Ledger, Observer, Published, RequestKind};
use headwater_engine::id::{CommitId, Key, SheetName};
use headwater_engine::mirror::Identity;
use headwater_engine::report::Trigger;
use headwater_engine::write::{Action, Batch, Condition, MOST_WRITTEN, Operation, Scope};
use headwater_testkit::{Upstream, git};
use serde_json::json;

use crate::remote_and_engine::{DEFINITION, config};

/// Returns the number of records to write; more on demand.
fn writes() -> u64 {
    let writes = std::env::var("HEADWATER_LOCAL_WRITES").ok();
    writes.and_then(|writes| writes.parse().ok()).unwrap_or(100)
}

/// A bare repository, and its published commits, in order.
struct Local {
    upstream: Upstream,
    engine: Engine,
    published: Arc<Mutex<Vec<CommitId>>>,
}

impl Local {
    fn new() -> Self {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
        first.put("people/jane.toml", "id = 1\nname = \"Jane\"\n").push();
        let published = Arc::new(Mutex::new(Vec::new()));
        let seen = published.clone();
        let observe = move |now: &Arc<Published>| seen.lock().unwrap().push(now.delta.to);
        let config = EngineConfig {
            publication_observer: Observer::new(observe),
            ..config(upstream.path(), None)
        };
        let engine = Engine::open(config, Arc::new(Ledger::new())).unwrap();
        Self { upstream, engine, published }
    }

    fn write(&self, number: u64) -> CommitId {
        let record = json!({ "slug": format!("r{number}"), "id": 1000 + number });
        let batch = Batch {
            operations: vec![Operation {
                sheet: SheetName::new("people"),
                action: Action::Put(Key::new(format!("r{number}")), record),
                condition: Condition::Any,
            }],
            actor: "ada".into(),
            author: Identity::parse("Ada <ada@example.org>").unwrap(),
            scope: Scope::Every,
            view: headwater_engine::view::View::PUBLIC,
            message: "a record".to_owned(),
            trailers: vec![],
            repeat: None,
            limit: MOST_WRITTEN,
        };
        self.engine.commit(batch).unwrap().commit
    }

    /// Checks that each published commit has the previous one in its history.
    fn never_went_back(&self) {
        let history = git(self.upstream.path(), ["rev-list", "--reverse", "--topo-order", "HEAD"]);
        let places: HashMap<&str, usize> =
            history.lines().enumerate().map(|(place, commit)| (commit, place)).collect();
        let published = self.published.lock().unwrap();
        let places: Vec<_> =
            published.iter().map(|commit| places[commit.to_string().as_str()]).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(!places.is_empty());
    }
}

/// Makes the other threads end when this test ends, even if it fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_reload_beside_writes_never_publishes_an_older_commit() {
    let local = Local::new();
    let over = AtomicBool::new(false);
    let reloads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let kinds = [RequestKind::Reload, RequestKind::Rebuild, RequestKind::Reload];
            for kind in kinds.into_iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let report = local.engine.reload(kind, Trigger::Poll).unwrap();
                report.result.as_ref().unwrap();
                reloads.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _over = Over(&over);
        for number in 0..writes() {
            let written = local.write(number);
            let served = local.engine.snapshot();
            assert_eq!(served.commit(), written);
            assert!(served.visible("people", &format!("r{number}")).is_some());
        }
    });
    assert!(reloads.load(Ordering::Relaxed) > 0);
    local.never_went_back();
}

#[test]
fn what_others_push_to_it_goes_live_with_the_next_write_and_refuses_none() {
    let mut local = Local::new();
    for number in 0..writes() / 10 {
        let path = format!("people/pushed{number}.toml");
        let pushed =
            local.upstream.commit("pushed").put(&path, format!("id = {}\n", 2000 + number));
        let pushed: CommitId = pushed.push().parse().unwrap();
        let written = local.write(number);
        assert!(local.engine.descends(written, pushed));
        assert!(local.engine.snapshot().visible("people", &format!("pushed{number}")).is_some());
    }
    local.never_went_back();
}
