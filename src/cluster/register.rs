//! The register: the one value that says who leads a cluster and what is served.
//!
//! It is changed only by compare-and-set. Each change is at once the publication, the renewal of the
//! lease and the fence: the change of a leader that was deposed fails.

mod encoding;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::SystemTime;

use headwater_engine::digest::Digest;
use headwater_engine::id::CommitId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The version of the format. It rises if an older replica must not lead any more.
pub const FORMAT: u32 = 1;

/// The number of replaced commits that are remembered.
pub const MOVES: usize = 64;

/// The number of abandoned heads that are remembered.
pub const ABANDONED: usize = 64;

/// The number of subscribers that are remembered.
pub const SUBSCRIBERS: usize = 16;

/// The number of open alerts that are remembered.
pub const ALERTS: usize = 16;

/// The number of heads since the safe one that are remembered.
pub const PENDING: usize = 32;

/// The value of the register. Fields that this version does not know are kept and passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Value {
    /// The version of the format.
    pub v: u32,
    /// Rises with each change of the leader.
    pub epoch: u64,
    /// Rises with each change.
    pub beat: u64,
    /// The leader; `None` after it resigned.
    pub leader: Option<Leader>,
    /// Rises with each publication.
    pub seq: u64,
    /// What is published.
    #[serde(flatten)]
    pub facts: Facts,
    /// The last head that is in two places: no single machine can take it away. `None` if an earlier
    /// version wrote the value.
    #[serde(flatten, with = "encoding::safe_head", default)]
    pub safe: Option<Head>,
    /// The heads between the safe one and the present one, oldest first. Whoever led then may have pushed
    /// any of them.
    #[serde(with = "encoding::commits", default)]
    pub pending: Vec<CommitId>,
    /// The heads that nobody had any more when another replica took over, oldest first. Nothing in them
    /// was acknowledged that is not in a later head, unless an operator gave it up.
    #[serde(with = "encoding::commits", default)]
    pub abandoned: Vec<CommitId>,
    /// What each subscriber took last, by a hash of its address, so that the next leader goes on from
    /// there.
    #[serde(with = "encoding::commits_by_name", default)]
    pub told: BTreeMap<String, CommitId>,
    /// What operators were told of the remote, of pushes and of held heads, and not that it is over, so that the
    /// next leader does not tell it again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub alerts: BTreeSet<String>,
    /// The fields that this version does not know.
    #[serde(flatten, skip_deserializing)]
    pub rest: Map<String, Json>,
}

/// The place of a value among all that were ever in the register: a later one is greater. Only one that
/// somebody put back, or a register that went back in time, is less than one that was there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The number of its publication.
    pub seq: u64,
    /// The number of its leader.
    pub epoch: u64,
    /// The number of its change.
    pub beat: u64,
}

/// A published head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// The number of its publication.
    pub seq: u64,
}

/// A replica, as others reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Random for each process.
    pub id: String,
    /// For people.
    pub name: String,
    /// The address of its internal routes.
    pub url: String,
}

/// What the leader publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The head of the branch, with what is not pushed yet.
    #[serde(with = "encoding::commit")]
    pub head: CommitId,
    /// The commit that is served instead of the head.
    #[serde(with = "encoding::optional_commit", default)]
    pub pinned: Option<CommitId>,
    /// The digest of the served state.
    #[serde(with = "encoding::digest")]
    pub digest: Digest,
    /// What made the digest. Only digests that were made alike are compared.
    pub made_by: String,
    /// What the leader knows of the remote.
    #[serde(flatten)]
    pub remote: RemoteFacts,
    /// The commits that a replay replaced, each with the one that took its place, oldest first.
    #[serde(default)]
    pub moves: Vec<Move>,
}

/// What the leader knows of the remote. It changes without a publication, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteFacts {
    /// The newest commit that the remote is known to have of ours.
    #[serde(with = "encoding::optional_commit", default)]
    pub synced: Option<CommitId>,
    /// The number of commits that are not pushed.
    #[serde(default)]
    pub unpushed: u64,
    /// Since when the remote has a head that is not published, in seconds since 1970.
    #[serde(default)]
    pub behind_since: Option<u64>,
    /// The held push.
    #[serde(default)]
    pub held: Option<Held>,
}

/// A push that the leader holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The id under which it is applied.
    pub id: String,
    /// Its commit.
    #[serde(with = "encoding::commit")]
    pub commit: CommitId,
    /// Why it is held.
    pub reason: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// A commit that a replay replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The commit.
    #[serde(with = "encoding::commit")]
    pub old: CommitId,
    /// What took its place, if anything did.
    #[serde(with = "encoding::optional_commit")]
    pub new: Option<CommitId>,
}

impl Facts {
    /// Returns the commit that is served.
    pub fn served(&self) -> CommitId {
        self.pinned.unwrap_or(self.head)
    }

    /// Returns whether `other` serves the same: only then is it no publication.
    pub fn serves_as(&self, other: &Self) -> bool {
        let served = |facts: &Self| (facts.head, facts.pinned, facts.digest);
        served(self) == served(other) && self.made_by == other.made_by
    }
}

impl Value {
    /// Reads a value.
    ///
    /// # Errors
    /// Fails if the text is not one.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut rest: Map<String, Json> = serde_json::from_slice(text)?;
        let value: Self = serde_json::from_value(Json::Object(rest.clone()))?;
        if let Json::Object(known) = serde_json::to_value(&value)? {
            rest.retain(|name, _| !known.contains_key(name));
        }
        Ok(Self { rest, ..value })
    }

    /// Returns the text of the value.
    pub fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns whether it is not known what its state is like: it is where a new leader looks for one.
    pub fn is_unknown(&self) -> bool {
        self.facts.made_by.is_empty()
    }

    /// Returns whether the replica `id` is the leader.
    pub fn is_led_by(&self, id: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.id == id)
    }

    /// Returns its place among all values.
    pub fn stamp(&self) -> Stamp {
        Stamp { seq: self.seq, epoch: self.epoch, beat: self.beat }
    }

    /// Returns the published head.
    pub fn head(&self) -> Head {
        Head { commit: self.facts.head, seq: self.seq }
    }

    /// Returns whether the head is safe, as far as is known: what was acknowledged may be in it alone.
    pub fn is_safe(&self) -> bool {
        self.safe.is_none_or(|safe| safe.commit == self.facts.head)
    }

    /// Returns the value after one more change, which renews the lease.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { beat: self.beat + 1, ..self.clone() }
    }

    /// Returns the value after `remote` is noted, which is no publication.
    #[must_use]
    pub fn noting(&self, remote: RemoteFacts) -> Self {
        Self { facts: Facts { remote, ..self.facts.clone() }, ..self.renewed() }.safe_if_synced()
    }

    /// Returns the value after `facts` are published. The moves of `facts` are added to those that are
    /// remembered.
    #[must_use]
    pub fn publishing(&self, facts: Facts) -> Self {
        let seq = self.seq + u64::from(!self.facts.serves_as(&facts));
        let mut moves: Vec<Move> = self.facts.moves.iter().chain(&facts.moves).copied().collect();
        moves.drain(..moves.len().saturating_sub(MOVES));
        let mut pending = self.pending.clone();
        if !self.is_safe() && facts.head != self.facts.head {
            pending.push(self.facts.head);
            pending.drain(..pending.len().saturating_sub(PENDING));
        }
        Self { seq, facts: Facts { moves, ..facts }, pending, ..self.renewed() }.safe_if_synced()
    }

    /// Returns the value after `head` is known to be in two places.
    #[must_use]
    pub fn with_safe(&self, head: Head) -> Self {
        let at = self.pending.iter().position(|pending| *pending == head.commit);
        let left = match at {
            Some(at) => at + 1,
            None if head.commit == self.facts.head => self.pending.len(),
            None => 0,
        };
        Self { safe: Some(head), pending: self.pending[left..].to_vec(), ..self.clone() }
    }

    /// Returns the value after a subscriber took what leads to `commit`. Beyond a number of subscribers,
    /// it is not remembered.
    #[must_use]
    pub fn telling(mut self, told: &BTreeMap<String, CommitId>) -> Self {
        for (subscriber, commit) in told {
            if self.told.len() < SUBSCRIBERS || self.told.contains_key(subscriber) {
                self.told.insert(subscriber.clone(), *commit);
            }
        }
        self
    }

    /// Returns the value with these open alerts. Beyond a number of them, they are not remembered.
    #[must_use]
    pub fn alerting(self, alerts: BTreeSet<String>) -> Self {
        Self { alerts: alerts.into_iter().take(ALERTS).collect(), ..self }
    }

    /// Returns the value after its head, which nobody has, is given up, and `facts` are published
    /// instead.
    #[must_use]
    pub fn abandoning(&self, facts: Facts) -> Self {
        let mut abandoned = self.abandoned.clone();
        abandoned.extend(&self.pending);
        abandoned.push(self.facts.head);
        abandoned.drain(..abandoned.len().saturating_sub(ABANDONED));
        let next = self.publishing(facts);
        // From here on, that is the one to be kept.
        Self { abandoned, safe: Some(next.head()), pending: Vec::new(), ..next }
    }

    /// Returns the value with a safe head, if the remote has the head.
    fn safe_if_synced(self) -> Self {
        match self.facts.remote.synced == Some(self.facts.head) {
            true => self.with_safe(self.head()),
            false => self,
        }
    }
}

/// Returns a time as the register has it.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What a read of the register found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The revision, which rises with each change; 0 if there was never a value.
    pub revision: u64,
    /// The sealed value; `None` if there is none.
    pub text: Option<Vec<u8>>,
}

/// The outcome of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// It happened, and this is the new revision.
    Done(u64),
    /// It did not happen and will not: the register has another revision.
    Refused,
    /// Nobody knows: it may still happen.
    Unknown,
}

/// The bus does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the bus does not answer: {reason}")]
pub struct BusAway {
    /// What happened instead.
    pub reason: String,
}

/// A value that is changed by compare-and-set.
pub trait Register: Send + Sync {
    /// Reads it. A revision that is not newer than a known one is old and says nothing.
    fn read(&self) -> impl Future<Output = Result<Entry, BusAway>> + Send;

    /// Replaces the value if its revision is `expected`.
    fn swap(&self, expected: u64, text: Vec<u8>) -> impl Future<Output = Swapped> + Send;
}

/// A message that another replica sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The register has changed; its sealed revision.
    Say(Vec<u8>),
    /// Somebody is here; a sealed [`Here`](super::present::Here).
    Here(Vec<u8>),
    /// The connection to the bus was made again, so messages may have been lost.
    Reconnected,
    /// The connection to the bus is gone.
    Disconnected,
}

/// Passes hints on: they may be lost, doubled, late and out of order.
pub trait Bus: Send + Sync {
    /// Sends a hint to all others; drops it if the bus is away.
    fn say(&self, message: Message) -> impl Future<Output = ()> + Send;

    /// Waits for the next hint; `None` if there will be none.
    fn hear(&self) -> impl Future<Output = Option<Message>> + Send;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns what is published of the commit whose last bytes are `number`.
    pub(crate) fn facts(number: u64) -> Facts {
        let mut bytes = [0; 20];
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        let mut sum = [7; 32];
        sum[24..].copy_from_slice(&number.to_be_bytes());
        Facts {
            head: CommitId::from_bytes(bytes),
            pinned: None,
            digest: Digest::from_bytes(sum),
            made_by: "test".into(),
            remote: RemoteFacts::default(),
            moves: Vec::new(),
        }
    }

    pub(crate) fn value() -> Value {
        let leader = Leader { id: "a1".into(), name: "one".into(), url: "http://one:8081".into() };
        let held = Held {
            id: "1-2".into(),
            commit: facts(9).head,
            reason: "refused".into(),
            since: 1_700_000_000,
        };
        let remote = RemoteFacts {
            synced: Some(facts(4).head),
            unpushed: 2,
            behind_since: Some(1_700_000_000),
            held: Some(held),
        };
        let facts = Facts {
            pinned: Some(facts(3).head),
            remote,
            moves: vec![Move { old: facts(1).head, new: None }],
            ..facts(5)
        };
        let safe = Some(Head { commit: tests::facts(4).head, seq: 9122 });
        Value {
            v: FORMAT,
            epoch: 17,
            beat: 4711,
            leader: Some(leader),
            seq: 9123,
            facts,
            safe,
            pending: Vec::new(),
            abandoned: vec![tests::facts(2).head],
            told: [("00ff".to_owned(), tests::facts(3).head)].into(),
            alerts: ["fetch_failed".to_owned()].into(),
            rest: Map::new(),
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let text = value().to_text();
        assert!(text.len() < 2_000);
        assert_eq!(Value::parse(&text).unwrap(), value());
        let resigned = Value { leader: None, ..value() };
        assert_eq!(Value::parse(&resigned.to_text()).unwrap(), resigned);
    }

    #[test]
    fn a_field_that_is_not_known_is_kept() {
        let mut json: Json = serde_json::from_slice(&value().to_text()).unwrap();
        json["later"] = serde_json::json!([{ "deep": [1.5, null] }]);
        let read = Value::parse(json.to_string().as_bytes()).unwrap();
        let written: Json = serde_json::from_slice(&read.renewed().to_text()).unwrap();
        assert_eq!(written["later"], json["later"]);
        assert_eq!(read.rest.len(), 1, "no known field is kept twice");
    }

    #[test]
    fn what_does_not_change_what_is_served_is_no_publication() {
        let value = value();
        let same = Facts { moves: Vec::new(), ..value.facts.clone() };
        assert_eq!(value.publishing(same).seq, value.seq);
        let noted = value.noting(RemoteFacts::default());
        assert_eq!((noted.seq, noted.beat), (value.seq, value.beat + 1));
        assert!(noted.facts.serves_as(&value.facts));
        let again = Facts { digest: facts(6).digest, ..value.facts.clone() };
        let next = value.publishing(again);
        assert_eq!((next.seq, next.beat, next.epoch), (value.seq + 1, value.beat + 1, value.epoch));
        assert_eq!(
            value.publishing(Facts { pinned: None, ..value.facts.clone() }).seq,
            value.seq + 1
        );
    }

    #[test]
    fn what_the_remote_has_is_safe_at_once() {
        let value = value();
        let of = |number, synced| {
            let remote = RemoteFacts { synced: Some(facts(synced).head), ..RemoteFacts::default() };
            Facts { remote, ..facts(number) }
        };
        let pushed = value.publishing(of(6, 6));
        assert_eq!(pushed.safe, Some(Head { commit: facts(6).head, seq: 9124 }));
        let written = value.publishing(of(6, 5));
        assert_eq!(written.safe, value.safe);
        assert!(pushed.is_safe() && !written.is_safe());
        assert_eq!(written.noting(of(6, 6).remote).safe, pushed.safe);
    }

    #[test]
    fn what_some_subscribers_took_is_remembered() {
        let told = |number: u64| [(number.to_string(), facts(number).head)].into();
        let value = (0..100).fold(value(), |value, number| value.telling(&told(number)));
        assert_eq!(value.told.len(), SUBSCRIBERS);
        let again = value.clone().telling(&[("1".to_owned(), facts(9).head)].into());
        assert_eq!(again.told["1"], facts(9).head);
        assert!(again.to_text().len() < super::super::seal::LIMIT);
    }

    #[test]
    fn some_open_alerts_are_remembered() {
        let alerts = |count: u64| (0..count).map(|n| format!("push_refused {}", facts(n).head));
        let value = value().alerting(alerts(100).collect());
        assert_eq!(value.alerts.len(), ALERTS);
        assert!(value.to_text().len() < super::super::seal::LIMIT);
        let json: Json = serde_json::from_slice(&value.alerting([].into()).to_text()).unwrap();
        assert_eq!(json.get("alerts"), None);
    }

    #[test]
    fn a_head_that_is_given_up_is_remembered() {
        let value = value();
        let next = value.abandoning(facts(4));
        assert_eq!(next.abandoned, [facts(2).head, facts(5).head]);
        assert_eq!((next.seq, next.facts.head), (9124, facts(4).head));
        assert_eq!(next.safe, Some(next.head()));
        let many = (0..100).fold(next, |value, number| value.abandoning(facts(number)));
        assert_eq!(many.abandoned.len(), ABANDONED);
        assert_eq!(many.abandoned.last(), Some(&facts(98).head));
        assert!(many.to_text().len() < super::super::seal::LIMIT);
    }

    #[test]
    fn every_head_since_the_safe_one_is_given_up_with_the_newest() {
        let heads = |numbers: &[u64]| numbers.iter().map(|it| facts(*it).head).collect::<Vec<_>>();
        let safe = value().with_safe(value().head());
        let value = [6, 7, 8].into_iter().fold(safe, |value, it| value.publishing(facts(it)));
        assert_eq!(value.pending, heads(&[6, 7]));
        let later = value.with_safe(Head { commit: facts(6).head, seq: 9124 });
        assert_eq!((&later.pending, later.is_safe()), (&heads(&[7]), false));
        assert_eq!(value.with_safe(value.head()).pending, []);
        let next = value.abandoning(facts(5));
        assert_eq!(next.abandoned, heads(&[2, 6, 7, 8]));
        assert_eq!(next.pending, []);
        let many = (100..200).fold(value, |value, number| value.publishing(facts(number)));
        assert_eq!(many.pending.len(), PENDING);
    }

    #[test]
    fn a_value_of_an_earlier_version_is_read() {
        let mut json: Json = serde_json::from_slice(&value().to_text()).unwrap();
        let fields = json.as_object_mut().unwrap();
        for name in ["safe", "safeSeq", "pending", "abandoned", "told", "alerts"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        let read = Value::parse(json.to_string().as_bytes()).unwrap();
        let (abandoned, told) = (Vec::new(), BTreeMap::new());
        let expected = Value { safe: None, abandoned, told, alerts: BTreeSet::new(), ..value() };
        assert_eq!(read, expected);
        // Nobody knows what was acknowledged of it.
        assert!(read.is_safe());
    }

    #[test]
    fn the_last_moves_are_remembered_and_fit() {
        let mut value = value();
        for number in 0..100 {
            let moves = vec![Move { old: facts(number).head, new: Some(facts(number + 1).head) }];
            value = value.publishing(Facts { moves, ..facts(number) });
        }
        assert_eq!(value.facts.moves.len(), MOVES);
        assert_eq!(value.facts.moves[MOVES - 1].old, facts(99).head);
        assert!(value.to_text().len() < super::super::seal::LIMIT);
    }
}
