//! The register, the bus and the members of a cluster, over a real NATS server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater::cluster::lead::Standing;
use headwater::cluster::member::{
    ClusterView, Member, MemberHandle, Membership, Order, RegisterState,
};
use headwater::cluster::nats::Nats;
use headwater::cluster::register::{
    Bus, Entry, Facts, Leader, Message, Register, RemoteFacts, Swapped, Value,
};
use headwater::cluster::remembered::Remembered;
use headwater::cluster::seal::Seal;
use headwater::cluster::terms::Terms;
use headwater::config::{BusAddress, Secrets};
use headwater_engine::digest::Digest;
use headwater_engine::id::CommitId;
use headwater_testkit::NatsServer;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) async fn connect(server: &NatsServer) -> Nats {
    let address = BusAddress::parse(&server.url("data")).unwrap();
    let nats = Nats::connect(&address, None).await.unwrap();
    // Nothing is sent before there is a connection.
    while nats.hear().await != Some(Message::Reconnected) {}
    nats
}

async fn read(nats: &Nats) -> Entry {
    nats.read().await.unwrap()
}

#[test]
fn a_value_is_changed_only_by_who_knows_its_revision() {
    let Some(server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let (one, other) = (connect(&server).await, connect(&server).await);
        assert_eq!(read(&one).await, Entry { revision: 0, text: None });
        let Swapped::Done(first) = one.swap(0, b"first".to_vec()).await else { panic!() };
        assert_eq!(other.swap(0, b"second".to_vec()).await, Swapped::Refused);
        let found = read(&other).await;
        assert_eq!(found, Entry { revision: first, text: Some(b"first".to_vec()) });
        let races: Vec<_> = (0..8)
            .map(|racer| {
                let address = BusAddress::parse(&server.url("data")).unwrap();
                tokio::spawn(async move {
                    let nats = Nats::connect(&address, None).await.unwrap();
                    while nats.hear().await != Some(Message::Reconnected) {}
                    nats.swap(first, vec![racer]).await
                })
            })
            .collect();
        let mut done = 0;
        for race in races {
            match race.await.unwrap() {
                Swapped::Done(_) => done += 1,
                other => assert_eq!(other, Swapped::Refused),
            }
        }
        assert_eq!(done, 1);
    });
}

#[test]
fn a_register_that_is_gone_is_made_anew() {
    let Some(server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let nats = connect(&server).await;
        read(&nats).await;
        nats.swap(0, b"first".to_vec()).await;
        let client = async_nats::connect(server.address().to_string()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let store = context.get_key_value("headwater").await.unwrap();
        store.delete("data").await.unwrap();
        let deleted = read(&nats).await;
        assert_eq!((deleted.revision, deleted.text), (2, None));
        assert_eq!(nats.swap(2, b"second".to_vec()).await, Swapped::Done(3));
        context.delete_key_value("headwater").await.unwrap();
        assert_eq!(read(&nats).await, Entry { revision: 0, text: None });
        assert_eq!(read(&nats).await, Entry { revision: 0, text: None });
        assert_eq!(nats.swap(0, b"third".to_vec()).await, Swapped::Done(1));
    });
}

#[test]
fn a_server_that_is_away_makes_an_outcome_unknown_and_comes_back() {
    let Some(mut server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let nats = connect(&server).await;
        read(&nats).await;
        let Swapped::Done(first) = nats.swap(0, b"first".to_vec()).await else { panic!() };
        server.kill();
        while nats.hear().await != Some(Message::Disconnected) {}
        assert!(nats.read().await.is_err());
        assert_eq!(nats.swap(first, b"second".to_vec()).await, Swapped::Unknown);
        nats.say(Message::Say(b"lost".to_vec())).await;
        server.start_again();
        while nats.hear().await != Some(Message::Reconnected) {}
        let found = read(&nats).await;
        assert_eq!(found, Entry { revision: first, text: Some(b"first".to_vec()) });
        assert_eq!(nats.swap(first, b"third".to_vec()).await, Swapped::Done(first + 1));
    });
}

#[test]
fn a_hint_reaches_all_others_of_the_same_cluster() {
    let Some(server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let (one, other) = (connect(&server).await, connect(&server).await);
        let address = BusAddress::parse(&server.url("another")).unwrap();
        let another = Nats::connect(&address, None).await.unwrap();
        while another.hear().await != Some(Message::Reconnected) {}
        // Who has read has subscribed.
        read(&other).await;
        another.say(Message::Here(b"not for them".to_vec())).await;
        // The server takes the lines of a connection in order.
        read(&another).await;
        one.say(Message::Here(b"here".to_vec())).await;
        one.say(Message::Say(b"7".to_vec())).await;
        assert_eq!(other.hear().await, Some(Message::Here(b"here".to_vec())));
        assert_eq!(other.hear().await, Some(Message::Say(b"7".to_vec())));
    });
}

const SECRET: &str = "the-secret-of-the-cluster";

/// A member with the engine that the test plays.
struct Player {
    handle: MemberHandle,
    orders: UnboundedReceiver<Order>,
    task: tokio::task::JoinHandle<()>,
}

impl Player {
    /// Joins with a disk that remembers nothing.
    async fn join(server: &NatsServer, name: &str, secret: &str) -> Self {
        Self::join_from(server, name, secret, Path::new("no mirror")).await
    }

    async fn join_from(server: &NatsServer, name: &str, secret: &str, repo: &Path) -> Self {
        let address = BusAddress::parse(&server.url("data")).unwrap();
        let bus = Arc::new(Nats::connect(&address, None).await.unwrap());
        let secrets = Arc::new(Secrets::parse("s", secret).unwrap());
        let me = Leader { id: name.into(), name: name.into(), url: format!("http://{name}") };
        let seal = Seal::new(secrets, "data");
        let (member, handle, orders) = Member::new(Membership {
            bus,
            remembered: Remembered::of(repo, seal.clone()),
            seal,
            terms: Terms { lease: Duration::from_secs(3), leads: true },
            me,
            version: "test".into(),
        });
        Self { handle, orders, task: tokio::spawn(member.run()) }
    }

    /// Waits until the cluster is seen like this.
    async fn sees(&self, is: impl Fn(&ClusterView) -> bool) -> Arc<ClusterView> {
        let mut view = self.handle.watch();
        let seen = view.wait_for(|view| is(view)).await;
        seen.unwrap().clone()
    }

    /// Waits for the order to follow, and does it.
    async fn follows(&mut self) -> Value {
        loop {
            if let Order::Follow(value) = self.orders.recv().await.unwrap() {
                self.handle.followed(value.clone(), value.facts.clone());
                return *value;
            }
        }
    }

    async fn proposes(&self, facts: Facts) {
        let handle = self.handle.clone();
        tokio::task::spawn_blocking(move || handle.propose(facts)).await.unwrap().unwrap();
    }
}

pub(crate) fn facts(number: u8) -> Facts {
    Facts {
        head: CommitId::from_bytes([number; 20]),
        pinned: None,
        digest: Digest::from_bytes([number; 32]),
        made_by: "test".into(),
        remote: RemoteFacts::default(),
        moves: Vec::new(),
    }
}

#[test]
fn members_agree_on_a_leader_follow_it_and_replace_it() {
    let Some(mut server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let one = Player::join(&server, "one", SECRET).await;
        one.handle.published(facts(1));
        one.sees(|view| view.standing == Standing::Leading).await;
        let mut two = Player::join(&server, "two", SECRET).await;
        let mut three = Player::join(&server, "three", SECRET).await;
        assert_eq!(two.follows().await.facts, facts(1));
        assert_eq!(three.follows().await.facts, facts(1));

        one.proposes(facts(2)).await;
        for follower in [&mut two, &mut three] {
            let value = follower.follows().await;
            assert_eq!((value.seq, &value.facts), (2, &facts(2)));
            assert!(follower.handle.propose(facts(9)).is_err());
        }
        one.sees(|view| view.others.iter().filter(|here| here.served_seq == 2).count() == 2).await;

        // It dies without a word.
        one.task.abort();
        let is_leading = |view: &ClusterView| view.standing == Standing::Leading;
        let (next, other) = tokio::select! {
            _ = two.sees(is_leading) => (&two, &three),
            _ = three.sees(is_leading) => (&three, &two),
        };
        let name = next.handle.view().me.name.clone();
        let is_led_by_it =
            |view: &ClusterView| view.leader.as_ref().is_some_and(|l| l.name == name);
        other.sees(is_led_by_it).await;
        next.proposes(facts(3)).await;
        other.sees(|view| view.value.as_ref().is_some_and(|value| value.seq == 3)).await;

        // It gives the lead back.
        next.handle.resign().await;
        other.sees(|view| view.value.as_ref().is_some_and(|value| value.epoch == 3)).await;

        // Without the bus everybody is alone, until it is back.
        server.kill();
        other.sees(|view| view.standing == Standing::Orphaned).await;
        assert_eq!(other.handle.view().register, RegisterState::Away);
        server.start_again();
        other.sees(|view| view.standing != Standing::Orphaned).await;
    });
}

#[test]
fn an_earlier_register_that_is_put_back_while_all_are_down_is_put_right_by_who_knew_more() {
    let Some(server) = NatsServer::start() else { return };
    let mirror = tempfile::tempdir().unwrap();
    std::fs::write(mirror.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
    Runtime::new().unwrap().block_on(async {
        let outsider = connect(&server).await;
        let one = Player::join(&server, "one", SECRET).await;
        one.handle.published(facts(1));
        one.sees(|view| view.standing == Standing::Leading).await;
        let signed = read(&outsider).await.text.unwrap();
        let mut two = Player::join_from(&server, "two", SECRET, mirror.path()).await;
        two.follows().await;
        one.proposes(facts(2)).await;
        while two.follows().await.seq < 2 {}
        let secrets = Arc::new(Secrets::parse("s", SECRET).unwrap());
        let remembered = Remembered::of(mirror.path(), Seal::new(secrets, "data"));
        while remembered.read().is_none_or(|value| value.seq < 2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for player in [one, two] {
            player.task.abort();
            // Its last change has arrived, or never will.
            assert!(player.task.await.unwrap_err().is_cancelled());
        }
        while !matches!(
            outsider.swap(read(&outsider).await.revision, signed.clone()).await,
            Swapped::Done(_)
        ) {}

        let mut again = Player::join_from(&server, "again", SECRET, mirror.path()).await;
        let seen = again.sees(|view| view.register == RegisterState::Read).await;
        assert_eq!(seen.value.as_ref().map(|value| value.seq), Some(2));
        assert_eq!(seen.leader, None, "nobody is sent to the leader of then");
        let value = again.follows().await;
        assert_eq!((value.seq, &value.facts), (2, &facts(2)));
        again.sees(|view| view.standing == Standing::Leading).await;
        let mut fresh = Player::join(&server, "fresh", SECRET).await;
        assert_eq!(fresh.follows().await.facts, facts(2));
    });
}

#[test]
fn a_member_with_another_secret_follows_nobody_and_changes_nothing() {
    let Some(server) = NatsServer::start() else { return };
    Runtime::new().unwrap().block_on(async {
        let one = Player::join(&server, "one", SECRET).await;
        one.handle.published(facts(1));
        one.sees(|view| view.standing == Standing::Leading).await;
        let other = Player::join(&server, "other", "the-secret-of-somebody-else").await;
        other.handle.published(facts(2));
        other.sees(|view| view.register == RegisterState::OtherSecret).await;
        other.sees(|view| view.standing == Standing::Orphaned).await;
        assert!(other.handle.view().others.is_empty() && one.handle.view().others.is_empty());
        assert_eq!(one.handle.view().standing, Standing::Leading);
        assert_eq!(one.handle.view().value.as_ref().unwrap().facts, facts(1));
    });
}
