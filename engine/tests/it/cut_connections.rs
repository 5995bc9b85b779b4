//! A remote whose connection is cut at any byte.

use std::sync::Arc;

use headwater_engine::engine::{Engine, RequestKind};
use headwater_engine::mirror::{Mirror, Remote, RemoteOptions};
use headwater_engine::report::Trigger;
use headwater_testkit::{CuttingProxy, GitHttp, Upstream, git};
use tempfile::TempDir;

use crate::remote_and_engine::{DEFINITION, id, open};

/// Returns the number of places at which each conversation is cut; more on demand, at most each
/// byte.
fn cuts() -> usize {
    let cuts = std::env::var("HEADWATER_CUTS").ok();
    cuts.and_then(|cuts| cuts.parse().ok()).unwrap_or(12)
}

/// Returns a text that does not compress.
fn noise(seed: u64) -> String {
    let mut state = seed;
    let words = (0..2_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:08x}", state >> 32)
    });
    words.collect()
}

/// Returns the files that a fetch must never leave in the mirror.
fn leftovers(mirror: &std::path::Path) -> Vec<String> {
    let folders =
        [mirror.join("headwater"), mirror.join("objects/pack"), mirror.join("refs/heads")];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let is_left = |name: &String| {
        name.starts_with("quarantine-") || name.starts_with("tmp_") || name.ends_with(".lock")
    };
    names.filter(is_left).collect()
}

#[test]
fn a_fetch_that_is_cut_at_any_byte_leaves_the_mirror_whole_and_the_next_one_converges() {
    let mut upstream = Upstream::new();
    upstream.commit("first").put(".gitsheets/people.toml", DEFINITION).push();
    let http = GitHttp::serve(upstream.parent());
    let address = http.url("").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let proxy = CuttingProxy::start(address);
    let url = format!("http://{}/upstream.git", proxy.address());
    let remote = Arc::new(Remote::new(&url, RemoteOptions::default()).unwrap());
    let folder = TempDir::new().unwrap();
    let mirror = folder.path().join("mirror.git");
    let engine = open(&mirror, Some(remote)).unwrap();
    let push = |upstream: &mut Upstream, n: u64| {
        let text = format!("id = {n}\nbio = \"{}\"\n", noise(n));
        id(&upstream.commit("push").put("people/ada.toml", text).push())
    };
    let reload = |engine: &Engine| engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();

    push(&mut upstream, 0);
    proxy.pass();
    reload(&engine).result.as_ref().unwrap();
    let whole = proxy.passed();
    let cuts = cuts().min(whole);
    let (mut cut_short, mut went_live) = (0, 0);
    for n in 1..=cuts {
        let before = engine.snapshot().commit();
        let head = push(&mut upstream, n as u64);
        // The first byte, the last but one, and places at equal distances in between.
        proxy.cut_after((n - 1) * (whole - 1) / cuts.max(2).saturating_sub(1));
        let report = reload(&engine);
        let served = engine.snapshot().commit();
        if report.result.is_ok() {
            // The conversation may have been shorter than the measured one.
            assert_eq!(served, head);
            went_live += 1;
        } else {
            assert_eq!(served, before);
            cut_short += 1;
        }
        // Many packs are merged after a reload, and git has a folder in the mirror meanwhile.
        engine.settle();
        assert_eq!(leftovers(&mirror), [""; 0], "cut {n}");
        let branch = git(&mirror, ["rev-parse", "refs/heads/published"]);
        assert_eq!(id(branch.trim()), served);
        proxy.pass();
        reload(&engine).result.as_ref().unwrap();
        assert_eq!(engine.snapshot().commit(), head, "cut {n}");
    }
    engine.settle();
    git(&mirror, ["fsck", "--connectivity-only", "--no-dangling"]);
    assert!(cut_short > went_live, "{cut_short} cut, {went_live} not");
    assert!(Mirror::open(&mirror, Default::default()).is_ok());
    println!(
        "{cuts} cuts of a conversation of {whole} bytes: {cut_short} failed, {went_live} did not"
    );
}
