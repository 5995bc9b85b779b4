//! Clusters whose parts are on machines of their own, in namespaces of the network, while links between
//! them are cut. Each test is for a row of the table of failures in `docs/cluster.md`.
//!
//! A link that is cut drops packets in silence, in one direction or in both. The tests need root; without
//! it they say that they were not run.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headwater_testkit::{
    GitHttp, Machine, NatsCluster, NatsServer, Network, Upstream, nats_server,
};

use crate::cluster::{Common, Replica};
use crate::cluster_watch::{
    Course, leader, not_run, role, throughout, until, while_watched, while_watched_on,
};
use crate::harness::{RELOAD, RELOAD_SECRET, people, person};
use crate::kills::{Random, send};

/// The shortest lease there may be. All times of a cluster are shares of it.
const LEASE: &str = "3";

/// The number of rounds of cuts at random, which take half a minute each; a variable sets it.
fn rounds() -> u32 {
    let rounds = std::env::var("HEADWATER_PARTITION_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(0)
}

/// A forge at an address of its own, and a network for the parts of a cluster.
struct Site {
    forge: GitHttp,
    upstream: Upstream,
    age: u32,
    network: Network,
}

/// A replica and its machine.
struct Placed {
    replica: Replica,
    machine: Machine,
}

impl Site {
    fn build() -> Option<Self> {
        // Whoever has no NATS server is told of that.
        nats_server()?;
        let network = Network::build()?;
        let upstream = people();
        let [_, address] = network.tests();
        let forge = GitHttp::serve_at(address, upstream.parent());
        Some(Self { forge, upstream, age: 40, network })
    }

    fn forge_address(&self) -> Ipv4Addr {
        let [_, address] = self.network.tests();
        address
    }

    /// What all replicas have in common, with the bus at `bus`. The forge is not polled.
    fn common(&self, bus: String) -> Common {
        let mut common = Common::on(bus, self.forge.url("upstream.git"), "0");
        common.settings.push(("HEADWATER_CLUSTER_LEASE", LEASE.to_owned()));
        common
    }

    /// Starts a NATS server on a machine of its own.
    fn bus(&self) -> (NatsServer, Ipv4Addr) {
        let machine = self.network.machine();
        let address = machine.address();
        (NatsServer::start_on(&machine, &packaged("nats.conf")).unwrap(), address)
    }

    /// Starts a replica on a machine of its own.
    fn replica(&self, common: &Common, name: &str, own: &[(&str, &str)]) -> Placed {
        let machine = self.network.machine();
        Placed { replica: common.start_on(&machine, name, own), machine }
    }

    /// Starts three, of which the first one leads.
    fn replicas(&self, common: &Common) -> [Placed; 3] {
        let one = self.replica(common, "one", &[]);
        one.replica.has_role("leading");
        let [two, three] = ["two", "three"].map(|name| self.replica(common, name, &[]));
        for follower in [&two, &three] {
            follower.replica.has_role("following");
        }
        let sees = |placed: &Placed, count| {
            let status = placed.replica.status();
            status["cluster"]["replicas"].as_array().is_some_and(|others| others.len() == count)
        };
        let placed = [one, two, three];
        until("all here", || placed.iter().all(|placed| sees(placed, 2)));
        placed
    }

    fn push(&mut self) -> String {
        self.age += 1;
        let ada = person("ada", "Ada", self.age);
        self.upstream.commit("older").put("people/ada.toml", ada).push();
        self.upstream.head().unwrap()
    }
}

impl Placed {
    fn address(&self) -> Ipv4Addr {
        self.machine.address()
    }
}

/// Returns a file of settings as it is delivered.
fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/nats").join(name)
}

/// Returns whether the replica has fetched from this kind of source.
fn fetched_from(replica: &Replica, kind: &str) -> bool {
    let line = format!("headwater_cluster_fetches_total{{from=\"{kind}\"}} ");
    let shown = replica.metrics();
    let count = shown.lines().find_map(|shown| shown.strip_prefix(&line));
    count.unwrap_or_else(|| panic!("{line}\n{shown}")) != "0"
}

/// Calls the webhook and waits for so many seconds.
fn tell(replica: &Replica, commit: &str, seconds: u32) -> u16 {
    let head = format!(
        "authorization: Bearer {RELOAD_SECRET}\r\ncontent-type: application/json\r\n\
         prefer: wait={seconds}\r\n"
    );
    let body = format!("{{\"commitHash\":\"{commit}\"}}");
    send(&replica.internal, "POST", RELOAD, &head, &body).unwrap().0
}

/// Returns whether the replica is ready, by what this query accepts.
fn is_ready(replica: &Replica, query: &str) -> bool {
    let mut stream = TcpStream::connect(&replica.address).unwrap();
    let request = format!("GET /health/ready{query} HTTP/1.0\r\nhost: replica\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    match answer.split(' ').nth(1) {
        Some("200") => true,
        Some("503") => false,
        _ => panic!("{answer}"),
    }
}

fn of(placed: &[Placed; 3]) -> [&Replica; 3] {
    placed.each_ref().map(|placed| &placed.replica)
}

#[test]
fn a_leader_that_is_cut_off_from_the_bus_in_either_direction_is_replaced_and_never_do_two_lead() {
    let Some(mut site) = Site::build() else { return };
    let (nats, bus) = site.bus();
    let common = site.common(nats.url("data"));
    let placed = site.replicas(&common);
    let replicas = of(&placed);
    let ways = ["to the bus", "from the bus", "both ways"];
    // The third is part of what is cut at random.
    for way in &ways[..if rounds() == 0 { 2 } else { 3 }] {
        let commit = site.push();
        while_watched(&replicas, || {
            let led = leader(&replicas);
            let old = placed.iter().find(|placed| placed.replica.address == led.address).unwrap();
            match *way {
                "to the bus" => site.network.cut(old.address(), bus),
                "from the bus" => site.network.cut(bus, old.address()),
                _ => site.network.sever(old.address(), bus),
            }
            let others = replicas.into_iter().filter(|other| other.address != led.address);
            let others: Vec<_> = others.collect();
            until("published", || tell(leader(&others), &commit, 60) == 200);
            others.iter().for_each(|other| other.serves(&commit));
            site.network.mend();
            until("following again", || role(led) == "following");
            led.serves(&commit);
        });
    }
}

#[test]
fn a_follower_that_is_cut_off_from_the_bus_alone_goes_on_alone_or_stays_and_comes_back() {
    let Some(mut site) = Site::build() else { return };
    let (nats, bus) = site.bus();
    let common = site.common(nats.url("data"));
    let one = site.replica(&common, "one", &[]);
    one.replica.has_role("leading");
    let two = site.replica(&common, "two", &[]);
    let three = site.replica(&common, "three", &[("HEADWATER_CLUSTER_ALONE", "off")]);
    let placed = [one, two, three];
    let replicas = of(&placed);
    let [one, two, three] = replicas;
    [two, three].iter().for_each(|follower| follower.has_role("following"));
    let (before, commit) = (site.upstream.head().unwrap(), site.push());
    while_watched(&replicas, || {
        site.network.sever(placed[1].address(), bus);
        site.network.cut(bus, placed[2].address());
        assert_eq!(tell(one, &commit, 60), 200);
        one.serves(&commit);
        // One goes on by itself, and asks the forge.
        two.has_role("orphaned");
        two.serves(&commit);
        // The other one does not know how old its state is, so it is out of service for whoever asks.
        until("stale", || !is_ready(three, "?max_lag=1"));
        assert!(is_ready(three, ""));
        assert_eq!(three.status()["commit"], before.as_str());
        assert_eq!(role(one), "leading");
        site.network.mend();
        for follower in [two, three] {
            until("following again", || role(follower) == "following");
            follower.serves(&commit);
        }
        until("ready again", || is_ready(three, "?max_lag=1"));
    });
}

#[test]
fn followers_that_cannot_reach_the_leader_ask_each_other_and_the_forge_until_another_leads() {
    let Some(mut site) = Site::build() else { return };
    let (nats, _) = site.bus();
    let common = site.common(nats.url("data"));
    let placed = site.replicas(&common);
    let replicas = of(&placed);
    let [one, two, three] = replicas;
    let [at_one, at_two, at_three] = placed.each_ref().map(Placed::address);

    // One of two does not reach it. It asks the leader every five seconds whether it lives.
    let commit = site.push();
    while_watched(&replicas, || {
        site.network.sever(at_three, at_one);
        throughout(Duration::from_secs(8), || assert_eq!(role(three), "following"));
        assert_eq!(tell(two, &commit, 60), 200);
        let told = Instant::now();
        three.serves(&commit);
        assert!(told.elapsed() < Duration::from_secs(8), "it waits for the leader");
        assert!(fetched_from(three, "replica") || fetched_from(three, "remote"));
        let unknown = "5".repeat(40);
        assert_eq!(tell(three, &unknown, 1), 502, "nobody knows what the leader did");
    });

    // Neither of them reaches it: what one of them asks arrives, and the answer does not.
    let commit = site.push();
    while_watched(&replicas, || {
        site.network.cut(at_one, at_two);
        throughout(Duration::from_secs(8), || assert_eq!(role(one), "leading"));
        assert_eq!(tell(one, &commit, 60), 200);
        [two, three].iter().for_each(|follower| follower.serves(&commit));
        assert!(fetched_from(two, "remote") || fetched_from(three, "remote"));
        // So it gives the lead back.
        leader(&[two, three]);
        until("following", || role(one) == "following");
    });

    // It does not reach the new leader either, and follows it all the same.
    let commit = site.push();
    while_watched(&replicas, || {
        until("published", || tell(leader(&[two, three]), &commit, 60) == 200);
        replicas.iter().for_each(|replica| replica.serves(&commit));
        site.network.mend();
        until("reached", || tell(one, &commit, 60) == 200);
    });
}

#[test]
fn a_leader_that_cannot_reach_the_forge_goes_on_leading_and_catches_up_by_itself() {
    let Some(mut site) = Site::build() else { return };
    let (nats, _) = site.bus();
    let common = site.common(nats.url("data"));
    let placed = site.replicas(&common);
    let replicas = of(&placed);
    let [one, two, _] = replicas;
    let leading = &placed[0];
    for way in ["to the forge", "from the forge"] {
        let (before, commit) = (site.upstream.head().unwrap(), site.push());
        while_watched(&replicas, || {
            let forge = site.forge_address();
            match way {
                "to the forge" => site.network.cut(leading.address(), forge),
                _ => site.network.cut(forge, leading.address()),
            }
            // The call is passed on to the leader, which tries.
            assert_eq!(tell(two, &commit, 1), 202, "{way}");
            replicas.iter().for_each(|replica| {
                assert_eq!(replica.status()["commit"], before.as_str(), "{way}");
            });
            assert_eq!(role(one), "leading");
            site.network.mend();
            replicas.iter().for_each(|replica| replica.serves(&commit));
        });
        assert_eq!(role(one), "leading");
    }
}

#[test]
fn a_leader_that_is_cut_off_with_a_minority_of_the_bus_is_replaced_by_the_majority() {
    let Some(mut site) = Site::build() else { return };
    let machines = [(); 3].map(|()| site.network.machine());
    let nats = NatsCluster::start_on(machines.each_ref(), &packaged("three.conf")).unwrap();
    let mut common = site.common(nats.url("data"));
    // A bus that elects is silent for some seconds.
    common.settings.push(("HEADWATER_CLUSTER_LEASE", "6".to_owned()));
    let replicas = ["one", "two", "three"];
    let mut number = 0;
    // Each machine has a replica and a server of the bus.
    let replicas = replicas.map(|name| {
        number += 1;
        common.start_on(&machines[number - 1], name, &[])
    });
    let replicas = replicas.each_ref();
    let old = leader(&replicas);
    let at = replicas.iter().position(|replica| replica.address == old.address).unwrap();
    replicas.iter().for_each(|replica| {
        until("in its cluster", || replica.status()["cluster"]["leader"].is_string());
    });
    let commit = site.push();
    while_watched(&replicas, || {
        for other in (0..3).filter(|other| *other != at) {
            site.network.sever(machines[at].address(), machines[other].address());
        }
        let majority: Vec<_> = (0..3).filter(|other| *other != at).map(|i| replicas[i]).collect();
        until("published", || tell(leader(&majority), &commit, 60) == 200);
        majority.iter().for_each(|replica| replica.serves(&commit));
        site.network.mend();
        until("of one mind", || {
            let leaders = replicas.map(|replica| replica.status()["cluster"]["leader"].clone());
            leaders[0].is_string() && leaders.iter().all(|leader| *leader == leaders[0])
        });
        old.serves(&commit);
    });
}

#[test]
fn whatever_links_are_cut_at_random_never_do_two_lead_and_all_serve_the_head_in_the_end() {
    if rounds() == 0 {
        not_run("HEADWATER_PARTITION_ROUNDS says how many rounds");
        return;
    }
    let Some(mut site) = Site::build() else { return };
    let (nats, bus) = site.bus();
    let mut common = site.common(nats.url("data"));
    common.poll = "1";
    let placed = site.replicas(&common);
    let replicas = of(&placed);
    let ends: Vec<_> =
        placed.iter().map(Placed::address).chain([bus, site.forge_address()]).collect();
    let mut random = Random::new(26);
    for round in 0..rounds() {
        let commit = site.push();
        let links = 1 + random.below(4);
        let cuts: Vec<_> = (0..links)
            .map(|_| (random.below(3), random.below(5), random.below(3)))
            .filter(|(one, other, _)| one != other)
            .collect();
        let time = Duration::from_millis(500 + random.below(9_000));
        // One that is alone may see a push before the leader does.
        while_watched_on(Course::BackFromAlone, &replicas, || {
            for (one, other, way) in &cuts {
                let (one, other) = (ends[*one as usize], ends[*other as usize]);
                match way {
                    0 => site.network.cut(one, other),
                    1 => site.network.cut(other, one),
                    _ => site.network.sever(one, other),
                }
            }
            throughout(time, || ());
            site.network.mend();
            let told = format!("round {round}, {cuts:?} for {time:?}");
            until(&told, || {
                replicas.iter().all(|replica| replica.status()["commit"] == commit.as_str())
            });
            until(&told, || {
                let roles = replicas.map(role);
                roles.iter().filter(|role| *role == "leading").count() == 1
                    && roles.iter().filter(|role| *role == "following").count() == 2
            });
        });
    }
}
