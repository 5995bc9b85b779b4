//! Clusters in which the disk of one replica is full.

use headwater_testkit::{NatsServer, Upstream};
use serde_json::json;

use crate::cluster::{Common, Replica, while_reading};
use crate::cluster_takeovers::reads;
use crate::cluster_watch::{not_run, until};
use crate::cluster_writes::{Writer, refuse_pushes};
use crate::full_disk::SmallDisk;
use crate::harness::people;

/// Three replicas, one of them on a disk that can be filled.
struct House {
    writer: Writer,
    disk: SmallDisk,
    /// The first one leads.
    replicas: [Replica; 3],
    _upstream: Upstream,
    _common: Common,
    _nats: NatsServer,
}

impl House {
    /// Returns `None`, with a message, if there is no NATS server or no small disk.
    fn new(small: &str) -> Option<Self> {
        let nats = NatsServer::start()?;
        let Some(disk) = SmallDisk::mount(8) else {
            not_run("this process may not mount a file system");
            return None;
        };
        let upstream = people();
        let mut common = Common::new(&nats, upstream.url(), "0");
        let writer = Writer(common.let_write());
        // Only another replica can be the second place.
        refuse_pushes(&upstream);
        let mirror = disk.folder.path().join("mirror.git");
        let start = |name: &str, role: &str| {
            let own = [("HEADWATER_REPO", mirror.to_str().unwrap())];
            let replica = common.start_with(name, if name == small { &own } else { &[] });
            replica.has_role(role);
            replica
        };
        let replicas =
            [start("one", "leading"), start("two", "following"), start("three", "following")];
        Some(Self { writer, disk, replicas, _upstream: upstream, _common: common, _nats: nats })
    }
}

#[test]
fn a_follower_whose_disk_is_full_serves_what_it_has_and_nobody_waits_for_it() {
    let Some(house) = House::new("two") else { return };
    let [one, two, three] = house.replicas.each_ref();
    house.disk.fill(0);
    let mut commit = String::new();
    while_reading(&[one, two, three], || {
        let written = house.writer.put(three, "eve", "");
        assert_eq!(
            (written.status, &written.body["safe"]),
            (201, &json!(true)),
            "{}",
            written.body
        );
        commit = written.body["commit"].as_str().unwrap().to_owned();
        one.serves(&commit);
        assert_eq!(reads(two, "eve"), 404);
    });
    house.disk.free();
    two.serves(&commit);
    assert_eq!(reads(two, "eve"), 200);
    until("equal", || {
        let status = one.status();
        let replicas = status["cluster"]["replicas"].as_array().unwrap();
        replicas.len() == 2 && replicas.iter().all(|replica| replica["digest"] == "equal")
    });
}

#[test]
fn a_leader_whose_disk_is_full_takes_no_writes_and_leads_on() {
    let Some(house) = House::new("one") else { return };
    let [one, two, three] = house.replicas.each_ref();
    house.disk.fill(0);
    while_reading(&[one, two, three], || {
        for replica in [one, two] {
            let refused = house.writer.put(replica, "eve", "");
            let told = (refused.status, refused.body["code"].as_str());
            assert_eq!(told, (507, Some("disk_full")), "{}", refused.body);
        }
    });
    assert_eq!([one, two, three].map(|replica| reads(replica, "eve")), [404; 3]);
    one.has_role("leading");
    house.disk.free();
    let written = house.writer.put(two, "eve", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    three.serves(written.body["commit"].as_str().unwrap());
    assert_eq!([one, two, three].map(|replica| reads(replica, "eve")), [200; 3]);
}
