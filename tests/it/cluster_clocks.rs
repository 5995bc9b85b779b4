//! Clusters whose machines do not agree about the time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_testkit::{CuttingProxy, NatsServer};

use crate::cluster::Replica;
use crate::cluster_nemeses::Forge;
use crate::cluster_watch::{leader, not_run, role, throughout, until, while_watched};

/// Returns the library that shows a process another time. Returns `None` if it is not installed, and says
/// so where it is seen.
fn faketime() -> Option<PathBuf> {
    let folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let libraries = folders.map(|folder| Path::new(folder).join("faketime/libfaketime.so.1"));
    let found = libraries.into_iter().find(|library| library.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "libfaketime must be installed");
        not_run("libfaketime is not installed");
    }
    found
}

/// Returns the hour of the wall clock at which a replica published what it serves.
fn hour(replica: &Replica) -> String {
    let status = replica.status();
    status["publishedAt"].as_str().unwrap()[..13].to_owned()
}

#[test]
fn a_wall_clock_that_jumps_by_hours_changes_nothing() {
    let (Some(nats), Some(library)) = (NatsServer::start(), faketime()) else { return };
    let mut forge = Forge::new();
    let common = forge.common(nats.url("data"), "3");
    let clock = common.folder.path().join("clock");
    let set = |offset: &str| {
        let next = clock.with_extension("next");
        std::fs::write(&next, offset).unwrap();
        std::fs::rename(&next, &clock).unwrap();
    };
    set("+0");
    let shown = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let one = common.start_with("one", &shown);
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let epoch = |replica: &Replica| replica.status()["cluster"]["epoch"].clone();
    let before = epoch(&one);
    for offset in ["+5h", "-9h"] {
        let commit = forge.push();
        while_watched(&[&one, &two], || {
            set(offset);
            assert_eq!(two.told(&commit).0, 200);
            [&one, &two].iter().for_each(|replica| replica.serves(&commit));
            assert_ne!(hour(&one), hour(&two), "their clocks differ");
            // For longer than a lease.
            throughout(Duration::from_millis(3_500), || assert_eq!(role(&one), "leading"));
        });
        assert_eq!(epoch(&two), before, "{offset}");
    }
}

/// A clock that is fast by a fifth makes a lease of six seconds one of five, and one that is slow by a
/// fifth makes it one of seven and a half: these are as far apart as four and six. All other times of a
/// cluster are shares of the lease.
#[test]
fn a_leader_with_a_slow_clock_among_fast_ones_is_replaced_only_if_it_is_away_and_never_do_two_lead()
{
    let Some(nats) = NatsServer::start() else { return };
    let mut forge = Forge::new();
    let common = forge.common(nats.url("data"), "4");
    let wire = CuttingProxy::start(nats.address());
    let through = format!("nats://{}/data", wire.address());
    let slow = [("HEADWATER_CLUSTER_LEASE", "6"), ("HEADWATER_CLUSTER", through.as_str())];
    let one = common.start_with("one", &slow);
    one.has_role("leading");
    let [two, three] = ["two", "three"].map(|name| common.start(name));
    [&two, &three].iter().for_each(|follower| follower.has_role("following"));
    let all = [&one, &two, &three];
    while_watched(&all, || {
        // For longer than a lease of the fast ones.
        throughout(Duration::from_secs(5), || assert_eq!(role(&one), "leading"));
    });
    let commit = forge.push();
    while_watched(&all, || {
        wire.cut_after(0);
        until("published", || leader(&[&two, &three]).told(&commit).0 == 200);
        wire.pass();
        until("following", || role(&one) == "following");
        one.serves(&commit);
    });
}
