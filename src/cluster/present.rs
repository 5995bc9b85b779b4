//! Who is here: the replicas that were heard lately. There is no list of members.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_engine::id::CommitId;
use serde::{Deserialize, Serialize};

use super::register::Stamp;

/// How often each replica says that it is here.
pub const SAY_EVERY: Duration = Duration::from_secs(5);

/// The silence after which a replica does not count any more.
const SILENCE: Duration = Duration::from_secs(15);

/// The most replicas that are remembered.
const MOST: usize = 256;

/// What a replica says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Here {
    /// Random for each process.
    pub id: String,
    /// Rises with each message of the process, so that a late one is known.
    pub count: u64,
    /// For people.
    pub name: String,
    /// The address of its internal routes.
    pub url: String,
    /// The version of the program.
    pub version: String,
    /// What makes its digests.
    pub made_by: String,
    /// The highest seq that it knows.
    pub seq: u64,
    /// The epoch and the beat of the newest register that it knows; 0 if an earlier version says so.
    #[serde(default)]
    pub epoch: u64,
    /// See above.
    #[serde(default)]
    pub beat: u64,
    /// The seq that it serves.
    pub served_seq: u64,
    /// The commit that it serves.
    pub served: String,
    /// The digest of what it serves.
    pub digest: String,
    /// The newest head of the leader that is on its disk.
    pub stored: Option<String>,
    /// Whether it may lead.
    pub leads: bool,
    /// Whether it goes its own way, without a leader.
    pub orphan: bool,
    /// The id of the leader, if that does not answer this replica.
    #[serde(default)]
    pub unreached: Option<String>,
}

impl Here {
    /// Returns the place of the newest register that it knows.
    pub fn stamp(&self) -> Stamp {
        Stamp { seq: self.seq, epoch: self.epoch, beat: self.beat }
    }
}

/// The replicas that were heard lately, without this one.
#[derive(Debug, Clone, Default)]
pub struct Present(BTreeMap<String, Heard>);

#[derive(Debug, Clone)]
struct Heard {
    here: Here,
    at: Duration,
}

impl Present {
    /// Takes note of a message, unless a later one of the same replica is known.
    pub fn hear(&mut self, now: Duration, here: Here) {
        self.forget(now);
        let is_late = self.0.get(&here.id).is_some_and(|known| known.here.count >= here.count);
        let is_full = self.0.len() >= MOST && !self.0.contains_key(&here.id);
        if !is_late && !is_full {
            self.0.insert(here.id.clone(), Heard { here, at: now });
        }
    }

    /// Returns who is here.
    pub fn here(&self, now: Duration) -> impl Iterator<Item = &Here> {
        let is_here = move |heard: &&Heard| now.saturating_sub(heard.at) < SILENCE;
        self.0.values().filter(is_here).map(|heard| &heard.here)
    }

    /// Returns the place of the newest register that one of them knows.
    pub fn newest(&self, now: Duration) -> Option<Stamp> {
        self.here(now).map(Here::stamp).max()
    }

    /// Returns the heads of the leader that are on the disks of others, for each the newest.
    pub fn stored(&self, now: Duration) -> impl Iterator<Item = CommitId> {
        self.here(now).filter_map(|here| here.stored.as_ref()?.parse().ok())
    }

    /// Returns whether others are here, and none of them reaches the leader `id`.
    pub fn miss(&self, now: Duration, id: &str) -> bool {
        let mut followers = self.here(now).filter(|here| !here.orphan).peekable();
        followers.peek().is_some() && followers.all(|here| here.unreached.as_deref() == Some(id))
    }

    fn forget(&mut self, now: Duration) {
        self.0.retain(|_, heard| now.saturating_sub(heard.at) < SILENCE);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns what the replica `id` says in its message `count`.
    pub(crate) fn here(id: &str, count: u64, seq: u64) -> Here {
        Here {
            id: id.into(),
            count,
            name: id.into(),
            url: format!("http://{id}:8081"),
            version: "test".into(),
            made_by: "test".into(),
            seq,
            epoch: 0,
            beat: 0,
            served_seq: seq,
            served: String::new(),
            digest: String::new(),
            stored: None,
            leads: true,
            orphan: false,
            unreached: None,
        }
    }

    #[test]
    fn who_is_silent_is_not_counted_and_a_late_message_changes_nothing() {
        let mut present = Present::default();
        let at = Duration::from_secs;
        let seq = |present: &Present, now| present.newest(now).map(|newest| newest.seq);
        assert_eq!(present.newest(at(0)), None);
        present.hear(at(0), here("a", 2, 7));
        present.hear(at(1), here("a", 1, 9));
        present.hear(at(5), here("b", 1, 3));
        assert_eq!(seq(&present, at(5)), Some(7));
        assert_eq!(present.here(at(15)).map(|here| &*here.id).collect::<Vec<_>>(), ["b"]);
        present.hear(at(30), here("c", 1, 1));
        assert_eq!(present.0.len(), 1, "it is forgotten");
    }

    #[test]
    fn a_leader_is_missed_if_nobody_who_is_here_reaches_it() {
        let mut present = Present::default();
        let (now, late) = (Duration::ZERO, Duration::from_secs(15));
        assert!(!present.miss(now, "me"), "nobody is here");
        let unreached = |id: &str, leader: Option<&str>| {
            let unreached = leader.map(str::to_owned);
            Here { unreached, ..here(id, 1, 1) }
        };
        present.hear(now, unreached("a", Some("me")));
        present.hear(now, Here { orphan: true, ..here("alone", 1, 1) });
        assert!(present.miss(now, "me") && !present.miss(late, "me"));
        present.hear(now, unreached("b", Some("another")));
        assert!(!present.miss(now, "me"));
        present.hear(now, Here { count: 2, ..unreached("b", Some("me")) });
        assert!(present.miss(now, "me"));
        present.hear(now, unreached("c", None));
        assert!(!present.miss(now, "me"));
    }

    #[test]
    fn what_an_earlier_version_says_is_understood() {
        let mut text = serde_json::to_value(here("a", 1, 1)).unwrap();
        for name in ["unreached", "epoch", "beat"] {
            assert!(text.as_object_mut().unwrap().remove(name).is_some(), "{name}");
        }
        assert_eq!(serde_json::from_value::<Here>(text).unwrap(), here("a", 1, 1));
    }

    #[test]
    fn the_number_of_the_remembered_is_bounded() {
        let mut present = Present::default();
        for number in 0..2 * MOST {
            present.hear(Duration::ZERO, here(&number.to_string(), 1, 0));
        }
        assert_eq!(present.here(Duration::ZERO).count(), MOST);
        present.hear(Duration::ZERO, here("0", 2, 5));
        assert_eq!(present.newest(Duration::ZERO).map(|newest| newest.seq), Some(5));
    }
}
