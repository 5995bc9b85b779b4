//! Limits on what one push may change.

use std::sync::Arc;

use headwater_engine::admit::{AdmissionLimits, Counted, PushLimits};
use headwater_engine::engine::{
    Engine, EngineConfig, FailureKind, HeldReason, Ledger, RequestKind,
};
use headwater_engine::load::{advance, load};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::report::Trigger;
use headwater_testkit::Upstream;
use tempfile::TempDir;

use crate::remote_and_engine::{DEFINITION, config, held, remote};

/// Returns a remote with 100 people and an engine on it with the limits `push`.
fn hundred(push: PushLimits) -> (Upstream, TempDir, Engine) {
    let mut upstream = Upstream::new();
    let people = (0..100).map(|n| (format!("people/p{n:03}.toml"), format!("id = {n}\n")));
    upstream.commit("first").put(".gitsheets/people.toml", DEFINITION).put_all(people).push();
    let folder = TempDir::new().unwrap();
    let limits = AdmissionLimits { push, ..AdmissionLimits::default() };
    let config = config(&folder.path().join("mirror.git"), Some(remote(&upstream)));
    let engine = Engine::open(EngineConfig { limits, ..config }, Arc::new(Ledger::new())).unwrap();
    (upstream, folder, engine)
}

fn delete(upstream: &mut Upstream, from: usize, to: usize) {
    let commit = upstream.commit("delete");
    (from..to).fold(commit, |commit, n| commit.delete(format!("people/p{n:03}.toml"))).push();
}

#[test]
fn a_push_that_removes_too_much_is_held_until_the_operator_lets_it_through() {
    let limits = PushLimits { removed: Some(0.2), ..PushLimits::default() };
    let (mut upstream, _folder, engine) = hundred(limits);
    delete(&mut upstream, 0, 20);
    engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap().result.as_ref().unwrap();
    delete(&mut upstream, 20, 41);
    let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    let (push, repeated) = held(&report);
    assert_eq!((push.reason, repeated), (HeldReason::PushLimit, false));
    let excess = &push.excesses[0];
    assert_eq!((excess.what, excess.found, excess.allowed), (Counted::Removed, 21, 16));
    assert_eq!(report.result.as_ref().unwrap_err().kind(), FailureKind::Refused);
    assert_eq!(engine.snapshot().records(), 80);
    let again = engine.reload(RequestKind::Reload, Trigger::Poll).unwrap();
    assert!(held(&again).1, "the stored answer");
    let through = engine.reload(RequestKind::Apply(push.id), Trigger::Operator).unwrap();
    assert!(through.result.is_ok());
    assert_eq!(engine.snapshot().records(), 59);
}

#[test]
fn a_limit_holds_for_a_push_that_is_built_anew_too() {
    let limits = PushLimits { changed: Some(0.5), ..PushLimits::default() };
    let (mut upstream, _folder, engine) = hundred(limits);
    let root = DEFINITION.replace("root = \"people\"", "root = \"persons\"");
    upstream.commit("another root").put(".gitsheets/people.toml", root).push();
    let report = engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    assert_eq!(held(&report).0.reason, HeldReason::PushLimit);
    assert_eq!(engine.snapshot().records(), 100);
}

#[test]
fn a_tree_that_grows_above_the_limits_is_refused_however_small_each_push_is() {
    let mut upstream = Upstream::new();
    let files = |from: usize, to: usize| (from..to).map(|n| (format!("a/f{n:02}.json"), "{}"));
    // A folder and its files are entries, with 1 and 10 bytes.
    let first = upstream.commit("first").put_all(files(0, 10)).push();
    let second = upstream.commit("second").put_all(files(10, 15)).push();
    let third = upstream.commit("third").put_all(files(15, 20)).delete("a/f00.json").push();
    for (paths, bytes, is_refused) in
        [(20, 1_000, false), (19, 1_000, true), (100, 191, false), (100, 190, true)]
    {
        let limits = MirrorOptions {
            path_limit: paths,
            path_bytes_limit: bytes,
            ..MirrorOptions::default()
        };
        let mirror = Mirror::open(upstream.path(), limits).unwrap();
        let objects = mirror.objects().unwrap();
        let [first, second, third] = [&first, &second, &third].map(|id| id.parse().unwrap());
        let options = LoadOptions::default();
        let mut state = load(&objects, first, &options).unwrap();
        state = advance(&objects, Some(&state), second, &options).unwrap().0;
        // A difference and a rebuild agree.
        let grown = advance(&objects, Some(&state), third, &options);
        let built = load(&objects, third, &options);
        assert_eq!(grown.is_err(), is_refused, "{paths} and {bytes}: {:?}", grown.err());
        assert_eq!(built.is_err(), is_refused, "{paths} and {bytes}");
    }
}
