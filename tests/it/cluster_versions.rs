//! Replicas of two versions in one cluster: the registers that each release has stored are fixtures, which
//! every later version must read and pass on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headwater::cluster::lead::{Action, Event, Found, Lead, Standing};
use headwater::cluster::nats::Nats;
use headwater::cluster::register::{
    Entry, FORMAT, Facts, Head, Held, Leader, Move, Register as _, RemoteFacts, Swapped, Value,
};
use headwater::cluster::seal::{Kind, Seal};
use headwater::cluster::terms::Terms;
use headwater::config::Secrets;
use headwater_testkit::NatsServer;
use serde_json::{Map, Value as Json, json};
use tokio::runtime::Runtime;

use crate::cluster::{Common, SECRET};
use crate::cluster_bus::{connect, facts};
use crate::cluster_watch::{role, until, while_watched};
use crate::harness::{people, person};

/// The name of the cluster of the sealed fixtures.
const NAME: &str = "data";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cluster")
}

fn seal() -> Seal {
    Seal::new(Arc::new(Secrets::parse("s", SECRET).unwrap()), NAME)
}

/// Returns the registers of this version, by what they show.
fn of_this_version() -> BTreeMap<&'static str, Value> {
    let url = "http://headwater-1.headwater-peers:8081".into();
    let leader = Leader { id: "8c5d".into(), name: "headwater-1.headwater-peers:8081".into(), url };
    let led = Value {
        v: FORMAT,
        epoch: 17,
        beat: 4711,
        leader: Some(leader),
        seq: 9123,
        facts: facts(5),
        safe: Some(Head { commit: facts(5).head, seq: 9123 }),
        pending: Vec::new(),
        abandoned: vec![facts(8).head],
        told: BTreeMap::from([("a1b2".to_owned(), facts(5).head)]),
        alerts: BTreeSet::new(),
        rest: Map::new(),
    };
    let noted = |remote: RemoteFacts| led.noting(remote);
    let held = Held {
        id: "9-1".into(),
        commit: facts(6).head,
        reason: "refused".into(),
        since: 1_790_000_000,
    };
    let replaced = Move { old: facts(3).head, new: Some(facts(4).head) };
    let dropped = Move { old: facts(2).head, new: None };
    let moved = led.publishing(Facts { moves: vec![dropped, replaced], ..facts(7) });
    let behind = RemoteFacts {
        synced: Some(facts(4).head),
        unpushed: 2,
        behind_since: Some(1_790_000_000),
        held: Some(held),
    };
    BTreeMap::from([
        ("held", noted(behind).alerting([format!("push_refused {}", facts(6).head)].into())),
        ("moved", moved),
        ("pinned", led.publishing(Facts { pinned: Some(facts(1).head), ..facts(5) })),
        ("resigned", Value { leader: None, ..led.renewed() }),
        ("led", led),
    ])
}

/// Returns the stored registers of all releases, by the names of their files.
fn stored() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let registers =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    registers
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect()
}

fn json(value: &Value) -> Json {
    serde_json::from_slice(&value.to_text()).unwrap()
}

/// Checks that everything in `before` is in `after`, except for the named fields.
#[track_caller]
fn passed_on(before: &Json, after: &Json, except: &[&str]) {
    for (name, field) in before.as_object().unwrap() {
        if !except.contains(&&**name) {
            assert_eq!(after.get(name), Some(field), "{name}");
        }
    }
}

#[test]
fn the_registers_of_this_version_are_fixtures() {
    let version = env!("CARGO_PKG_VERSION");
    // What a release has stored never changes. A release that stores something else has another version.
    let is_writing = std::env::var_os("HEADWATER_WRITE_REGISTERS").is_some();
    for (name, value) in of_this_version() {
        let path = folder().join(format!("register-v{FORMAT}-{version}-{name}.json"));
        if is_writing && !path.exists() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, serde_json::to_vec_pretty(&json(&value)).unwrap()).unwrap();
            let sealed = seal().close(Kind::Register, &value.to_text()).unwrap();
            std::fs::write(path.with_extension("sealed"), sealed).unwrap();
        }
        let text = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}: HEADWATER_WRITE_REGISTERS=1 writes it", path.display())
        });
        let stored: Json = serde_json::from_slice(&text).unwrap();
        passed_on(&stored, &json(&value), &[]);
    }
}

#[test]
fn the_register_of_every_release_is_read_and_whatever_is_in_it_is_passed_on() {
    let all = stored();
    assert!(all.len() >= 5, "{:?}", all.keys());
    for (name, text) in all {
        let before: Json = serde_json::from_slice(&text).unwrap();
        let sealed = std::fs::read(folder().join(format!("{name}.sealed"))).unwrap();
        let seal = seal();
        let opened = seal.open(Kind::Register, &sealed).unwrap();
        assert_eq!(serde_json::from_slice::<Json>(opened).unwrap(), before, "{name}");
        let read = Value::parse(&text).unwrap();
        passed_on(&before, &json(&read), &[]);

        // Of a later version, which knows more.
        let mut later = before.clone();
        later["quorum"] = json!({ "of": [1.5, null, { "deep": true }], "note": "ä" });
        let read = Value::parse(later.to_string().as_bytes()).unwrap();
        passed_on(&later, &json(&read.renewed()), &["beat"]);
        let noted = read.noting(RemoteFacts::default());
        passed_on(&later, &json(&noted), &["beat", "synced", "unpushed", "behindSince", "held"]);
        let published = json(&read.publishing(facts(8)));
        for field in ["v", "epoch", "leader", "quorum"] {
            assert_eq!(published[field], later[field], "{name}: {field}");
        }
        // Whoever takes over passes it on as well.
        let next = claim(&read).unwrap_or_else(|| panic!("{name}: nobody claims the lead"));
        passed_on(&later, &json(&next), &["epoch", "beat", "leader"]);
        assert!(next.is_led_by("me") && next.epoch > read.epoch);
    }
}

/// Returns what a replica makes of a register that is not renewed any more, if it claims the lead.
fn claim(value: &Value) -> Option<Value> {
    let mut actions = machine_that_sees(value).1;
    actions.reverse();
    actions.into_iter().find_map(|action| match action {
        Action::Swap { next, .. } => Some(*next),
        _ => None,
    })
}

/// Returns a machine that has seen only this value, for a hundred leases, and what it did.
fn machine_that_sees(value: &Value) -> (Lead, Vec<Action>) {
    let terms = Terms { lease: Duration::from_secs(3), leads: true };
    let me = Leader { id: "me".into(), name: "me".into(), url: "http://me:8081".into() };
    let mut lead = Lead::new(Duration::ZERO, terms, me);
    let mut actions = lead.step(Duration::ZERO, Event::Stored(value.facts.head));
    for step in 0..600 {
        let found = Found { revision: 7, value: Some(value.clone()) };
        actions.extend(lead.step(Duration::from_millis(500) * step, Event::Read(Some(found))));
        if actions.iter().any(|action| matches!(action, Action::Swap { .. })) {
            break;
        }
    }
    (lead, actions)
}

#[test]
fn a_register_of_a_format_that_is_not_known_is_followed_and_never_led() {
    for (name, text) in stored() {
        let mut later: Json = serde_json::from_slice(&text).unwrap();
        later["v"] = json!(FORMAT + 1);
        let value = Value::parse(later.to_string().as_bytes()).unwrap();
        let (lead, actions) = machine_that_sees(&value);
        let follows =
            |action: &Action| matches!(action, Action::Follow(target) if **target == value);
        assert!(actions.iter().any(follows), "{name}: it does not follow");
        let is_claim = |action: &Action| matches!(action, Action::Swap { .. });
        assert!(!actions.iter().any(is_claim), "{name}: it claims the lead");
        assert_eq!(lead.standing(Duration::from_secs(300)), Standing::Orphaned, "{name}");
    }
}

/// The register of a later version, which this test writes as its leader.
struct LaterLeader {
    nats: Nats,
    seal: Seal,
    revision: u64,
}

impl LaterLeader {
    /// Stores what is published of `commit`.
    async fn publish(&mut self, commit: &str, seq: u64) {
        let leader = json!({ "id": "later", "name": "later", "url": "http://127.0.0.1:1" });
        let value = json!({
            "v": FORMAT + 1, "epoch": 1, "beat": seq, "leader": leader, "seq": seq, "head": commit,
            "digest": "ab".repeat(32), "madeBy": "of a later version", "quorum": 2,
        });
        let text = self.seal.close(Kind::Register, value.to_string().as_bytes()).unwrap();
        let Swapped::Done(revision) = self.nats.swap(self.revision, text).await else { panic!() };
        self.revision = revision;
    }

    async fn entry(&self) -> Entry {
        self.nats.read().await.unwrap()
    }
}

#[test]
fn a_replica_follows_a_leader_of_a_later_format_and_does_not_take_its_place() {
    let Some(server) = NatsServer::start() else { return };
    let runtime = Runtime::new().unwrap();
    let mut upstream = people();
    let mut common = Common::on(server.url(NAME), upstream.url(), "0");
    common.settings.push(("HEADWATER_CLUSTER_LEASE", "3".to_owned()));
    let first = upstream.head().unwrap();
    let mut later = runtime.block_on(async {
        let nats = connect(&server).await;
        let mut later = LaterLeader { nats, seal: seal(), revision: 0 };
        let entry = later.entry().await;
        later.revision = entry.revision;
        later.publish(&first, 1).await;
        later
    });
    let one = common.start("one");
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada", 41)).push();
    let second = upstream.head().unwrap();
    runtime.block_on(later.publish(&second, 2));
    one.serves(&second);
    until("where the register is", || one.status()["cluster"]["servingSeq"] == 2);
    assert_eq!(role(&one), "following");
    // The leader is silent from now on.
    let before = runtime.block_on(later.entry());
    until("alone", || role(&one) == "orphaned");
    assert_eq!(runtime.block_on(later.entry()), before, "it changes nothing");
    one.serves(&second);
    // It renews the lease.
    runtime.block_on(later.publish(&second, 3));
    until("following", || role(&one) == "following");
}

#[test]
fn replicas_that_make_different_digests_follow_and_replace_each_other_without_a_false_alarm() {
    let Some(nats) = NatsServer::start() else { return };
    let mut upstream = people();
    let mut common = Common::on(nats.url(NAME), upstream.url(), "0");
    common.settings.push(("HEADWATER_CLUSTER_LEASE", "3".to_owned()));
    // What makes a digest is the version and the limits of records.
    let next_version = [("HEADWATER_RECORD_LIMIT", "2000000")];
    let mut one = common.start("one");
    one.has_role("leading");
    let two = common.start_with("two", &next_version);
    two.has_role("following");
    let mut push = |age| {
        upstream.commit("older").put("people/ada.toml", person("ada", "Ada", age)).push();
        upstream.head().unwrap()
    };
    let second = push(42);
    while_watched(&[&one, &two], || {
        assert_eq!(two.told(&second).0, 200);
        [&one, &two].iter().for_each(|replica| replica.serves(&second));
    });
    let third = push(43);
    // One is replaced by the next version.
    while_watched(&[&two], || {
        one.stop();
        assert_eq!(two.told(&third).0, 200);
        two.serves(&third);
    });
    let one = common.start_with("one", &next_version);
    one.has_role("following");
    one.serves(&third);
    for replica in [&one, &two] {
        let shown = replica.metrics();
        let differs = "headwater_cluster_digests_total{result=\"differs\"} 0";
        assert!(shown.lines().any(|line| line == differs), "{shown}");
    }
    let shown = two.metrics();
    let skipped = shown.lines().find(|line| line.contains("result=\"skipped\"")).unwrap();
    assert!(!skipped.ends_with(" 0"), "{skipped}");
    let alike = "headwater_cluster_digests_total{result=\"equal\"} 0";
    // It is counted just after it is served.
    until("the same version compares again", || !one.metrics().lines().any(|line| line == alike));
}
