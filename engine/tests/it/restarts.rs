//! Starts from the cache next to the mirror.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use headwater_engine::cache::Cache;
use headwater_engine::engine::{Engine, EngineConfig, Ledger, RequestKind};
use headwater_engine::id::BlobId;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_engine::plan::RebuildReason;
use headwater_engine::report::Trigger;
use headwater_testkit::git;
use headwater_testkit::git::git_with_input;

use crate::remote_and_engine::{House, config, remote};

/// Returns a house whose engine has written its cache and ended, and the cache.
fn rested() -> (House, Cache) {
    let mut house = House::new();
    house.upstream.commit("edit").put("people/amy.toml", "id = 3\n").push();
    house.reload();
    house.engine().settle();
    house.engine = None;
    let mirror = Mirror::open(&house.mirror(), MirrorOptions::default()).unwrap();
    (house, Cache::beside(&mirror, LoadOptions::default().record_limit))
}

/// Removes the blob of Jane from the mirror, so that nobody can read it any more, and returns its id.
fn lose_jane(house: &House) -> BlobId {
    let mirror = house.mirror();
    let blob = git(&mirror, ["rev-parse", "published:people/jane.toml"]);
    for pack in fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let pack = pack.unwrap().path();
        if pack.extension().is_some_and(|extension| extension == "pack") {
            let bytes = fs::read(&pack).unwrap();
            fs::remove_file(pack.with_extension("idx")).unwrap();
            fs::remove_file(&pack).unwrap();
            git_with_input(&mirror, ["unpack-objects", "-q"], &bytes);
        }
    }
    let (folder, name) = blob.trim().split_at(2);
    fs::remove_file(mirror.join("objects").join(folder).join(name)).unwrap();
    blob.trim().parse().unwrap()
}

fn is_there(house: &House, blob: BlobId) -> bool {
    let mirror = Mirror::open(&house.mirror(), MirrorOptions::default()).unwrap();
    mirror.objects().unwrap().contains(blob.as_bytes())
}

fn open_with(house: &House, cache: bool) -> Option<Engine> {
    let config = config(&house.mirror(), Some(remote(&house.upstream)));
    Engine::open(EngineConfig { cache, ..config }, Arc::new(Ledger::new())).ok()
}

#[test]
fn a_restart_decodes_no_record_that_the_cache_has() {
    let (mut house, _) = rested();
    house.upstream.commit("more").put("people/bob.toml", "id = 4\n").push();
    let jane = lose_jane(&house);
    let engine = open_with(&house, true).unwrap();
    assert_eq!(engine.status().opened, RebuildReason::FirstLoad);
    assert_eq!(engine.snapshot().records(), 3);
    assert!(!is_there(&house, jane), "nobody has missed the blob");
    house.engine = Some(engine);
    house.reload();
    assert_eq!(house.engine().snapshot().records(), 4);
    assert!(house.name_of("jane").unwrap().contains("Jane"));
}

#[test]
fn what_the_mirror_has_lost_is_fetched_at_a_start_and_by_a_reload() {
    let (mut house, cache) = rested();
    let jane = lose_jane(&house);
    let engine = open_with(&house, false).unwrap();
    assert_eq!(engine.snapshot().records(), 3);
    assert!(is_there(&house, jane) && cache.path().exists(), "the cache of others stays");
    engine.reload(RequestKind::Rebuild, Trigger::Webhook).unwrap();
    drop(engine);

    lose_jane(&house);
    house.engine = open_with(&house, true);
    let report = house.engine().reload(RequestKind::Rebuild, Trigger::Webhook).unwrap();
    assert!(report.result.is_ok(), "{:?}", report.result);
    assert!(is_there(&house, jane));
    house.is_lawful();

    // Everything is requested once an hour only.
    house.engine().settle();
    lose_jane(&house);
    for _ in 0..2 {
        let report = house.engine().reload(RequestKind::Rebuild, Trigger::Webhook).unwrap();
        assert!(report.result.is_err());
        assert!(!is_there(&house, jane));
    }
}

#[test]
fn a_clone_is_followed_from_where_it_came_when_nothing_else_is_said() {
    let (mut house, _) = rested();
    house.upstream.commit("later").put("people/eve.toml", "id = 4\n").push();
    let engine = Engine::open(config(&house.mirror(), None), Arc::new(Ledger::new())).unwrap();
    engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
    assert_eq!(engine.snapshot().records(), 4);
}

#[test]
fn a_damaged_cache_is_removed_and_the_state_made_anew() {
    for (path, is_kept) in [(Cache::path as fn(&Cache) -> &Path, false), (Cache::text_path, true)] {
        let (house, cache) = rested();
        let file = path(&cache);
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
        let house = house.started();
        assert_eq!(house.engine().status().opened, RebuildReason::CacheInvalid);
        assert_eq!((cache.path().exists(), cache.text_path().exists()), (is_kept, false));
        house.is_lawful();
        house.reload();
        house.engine().settle();
        assert!(cache.path().exists() && cache.text_path().exists(), "both are written again");
    }
}
