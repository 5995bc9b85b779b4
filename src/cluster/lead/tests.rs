mod put_back;
mod takeovers;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::cluster::present::Here;
use crate::cluster::present::tests::here;
use crate::cluster::register::tests::facts;
use crate::cluster::register::{FORMAT, Head, RemoteFacts};

const TERMS: Terms = Terms { lease: Duration::from_secs(15), leads: true };

/// A machine, its clock in seconds, and the last change that it sent.
struct Desk {
    lead: Lead,
    now: f64,
    sent: Option<(u64, u64, Value)>,
    reads: usize,
}

impl Desk {
    fn new() -> Self {
        Self::with(TERMS)
    }

    fn with(terms: Terms) -> Self {
        let lead = Lead::new(Duration::ZERO, terms, leader("me"));
        Self { lead, now: 0.0, sent: None, reads: 0 }
    }

    /// Returns a replica that serves what the register names with `value` at `revision`.
    fn following(revision: u64, value: &Value) -> Self {
        let mut desk = Self::new();
        assert!(desk.finds(revision, value).contains(&Action::Follow(Box::new(value.clone()))));
        desk.hears(Event::Followed(Box::new(value.clone()), value.facts.clone()));
        desk
    }

    /// Returns a replica that has gone its own way from there.
    fn orphaned(revision: u64, value: &Value) -> Self {
        let mut desk = Self::following(revision, value);
        desk.at(5.0, Event::Read(None));
        desk.at(30.0, Event::Tick);
        desk.hears(Event::Published(facts(20)));
        desk
    }

    /// Returns the leader of a register whose first value it wrote, at revision 1.
    fn leading() -> Self {
        let mut desk = Self::new();
        desk.hears(Event::Published(facts(1)));
        desk.finds_nothing();
        desk.at(10.0, Event::Tick);
        let done = desk.answered(Swapped::Done(1));
        assert!(done.contains(&Action::Stand(Standing::Leading)), "{done:?}");
        let own = desk.sent().2.clone();
        desk.finds(1, &own);
        desk
    }

    fn hears(&mut self, event: Event) -> Vec<Action> {
        let actions = self.lead.step(Duration::from_secs_f64(self.now), event);
        for action in &actions {
            match action {
                Action::Swap { number, expected, next } => {
                    self.sent = Some((*number, *expected, Value::clone(next)));
                }
                Action::Read => self.reads += 1,
                _ => {}
            }
        }
        actions
    }

    fn at(&mut self, now: f64, event: Event) -> Vec<Action> {
        self.now = now;
        self.hears(event)
    }

    fn finds(&mut self, revision: u64, value: &Value) -> Vec<Action> {
        self.hears(Event::Read(Some(Found { revision, value: Some(value.clone()) })))
    }

    fn finds_nothing(&mut self) -> Vec<Action> {
        self.hears(Event::Read(Some(Found { revision: 0, value: None })))
    }

    fn answered(&mut self, swapped: Swapped) -> Vec<Action> {
        let number = self.sent().0;
        self.hears(Event::Swapped(number, swapped))
    }

    #[track_caller]
    fn sent(&self) -> &(u64, u64, Value) {
        self.sent.as_ref().expect("a change was sent")
    }

    fn standing(&self) -> Standing {
        self.lead.standing(Duration::from_secs_f64(self.now))
    }

    /// Lets time pass, with a read of the same register every five seconds.
    fn waits(&mut self, until: f64, revision: u64, value: &Value) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.now + 5.0 < until {
            self.now += 5.0;
            actions.extend(self.finds(revision, value));
        }
        actions.extend(self.at(until, Event::Tick));
        actions
    }
}

fn leader(id: &str) -> Leader {
    Leader { id: id.into(), name: id.into(), url: format!("http://{id}") }
}

/// Returns a value that another replica wrote.
fn theirs(epoch: u64, beat: u64, seq: u64) -> Value {
    let facts = facts(seq);
    let safe = Some(Head { commit: facts.head, seq });
    Value {
        v: FORMAT,
        epoch,
        beat,
        leader: Some(leader("other")),
        seq,
        facts,
        safe,
        pending: Vec::new(),
        abandoned: Vec::new(),
        told: BTreeMap::new(),
        alerts: BTreeSet::new(),
        rest: serde_json::Map::new(),
    }
}

fn is_swap(action: &Action) -> bool {
    matches!(action, Action::Swap { .. })
}

#[test]
fn the_first_register_is_written_by_one_that_has_a_state_and_heard_nobody() {
    let mut desk = Desk::new();
    desk.finds_nothing();
    assert!(!desk.at(9.0, Event::Tick).iter().any(is_swap));
    desk.finds_nothing();
    assert!(!desk.at(12.0, Event::Tick).iter().any(is_swap), "it has nothing to publish");
    assert!(desk.hears(Event::Published(facts(1))).iter().any(is_swap));
    let (_, expected, value) = desk.sent().clone();
    assert_eq!((expected, value.seq, value.epoch), (0, 1, 1));
    assert!(value.is_led_by("me") && value.facts == facts(1));
    let done = desk.answered(Swapped::Done(1));
    assert_eq!(done[..2], [Action::Say(1), Action::Stand(Standing::Leading)]);

    let mut other = Desk::new();
    other.hears(Event::Published(facts(1)));
    other.finds_nothing();
    other.at(9.0, Event::Heard(here("other", 1, 7)));
    other.finds_nothing();
    other.at(20.0, Event::Heard(here("other", 2, 7)));
    assert!(!other.at(29.9, Event::Tick).iter().any(is_swap), "the other one knows more");
    assert!(other.at(30.0, Event::Tick).iter().any(is_swap), "it did nothing");
    assert_eq!(other.sent().2.seq, 8);
}

#[test]
fn the_lead_is_claimed_when_the_register_stood_still_for_a_lease() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::following(100, &value);
    assert!(!desk.waits(14.9, 100, &value).iter().any(is_swap));
    let (renewed, moved) = (value.renewed(), 101);
    desk.finds(moved, &renewed);
    assert!(!desk.waits(29.8, moved, &renewed).iter().any(is_swap), "it moved");
    assert!(desk.waits(30.0, moved, &renewed).iter().any(is_swap));
    let (_, expected, next) = desk.sent().clone();
    assert_eq!((expected, next.epoch, next.seq), (moved, 5, 9));
    assert!(next.is_led_by("me") && next.facts == value.facts && next.beat > renewed.beat);
}

#[test]
fn a_replica_without_the_head_lets_others_claim_before() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::new();
    desk.finds(100, &value);
    assert!(!desk.waits(19.9, 100, &value).iter().any(is_swap));
    assert!(desk.waits(20.1, 100, &value).iter().any(is_swap));
    // It leads, and publishes nothing before it has the head.
    let done = desk.answered(Swapped::Done(101));
    assert!(done.iter().any(|action| matches!(action, Action::Follow(_))), "{done:?}");
    assert_eq!(desk.standing(), Standing::Following);
    let denied = desk.hears(Event::Proposed(1, facts(10)));
    assert!(denied.contains(&Action::Decide(1, Err(Denied::NotLeading))));
    let named = desk.sent().2.clone();
    let facts = named.facts.clone();
    let opened = desk.hears(Event::Followed(Box::new(named), facts));
    assert!(opened.contains(&Action::Stand(Standing::Leading)));
}

#[test]
fn a_leader_of_another_version_names_its_own_digest_before_it_opens() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::new();
    desk.finds(100, &value);
    desk.waits(20.1, 100, &value);
    desk.answered(Swapped::Done(101));
    let named = desk.sent().2.clone();
    let own = Facts { made_by: "newer".into(), digest: facts(77).digest, ..named.facts.clone() };
    let followed = desk.hears(Event::Followed(Box::new(named), own.clone()));
    assert!(!followed.contains(&Action::Stand(Standing::Leading)));
    assert_eq!((desk.sent().2.seq, &desk.sent().2.facts), (10, &own));
    assert!(desk.answered(Swapped::Done(102)).contains(&Action::Stand(Standing::Leading)));
}

#[test]
fn a_replica_claims_at_once_after_a_resignation_and_never_if_it_may_not_lead() {
    let value = theirs(4, 40, 9);
    let resigned = Value { leader: None, ..value.renewed() };
    let mut desk = Desk::following(100, &value);
    assert!(desk.finds(101, &resigned).iter().any(is_swap));

    let mut other = Desk::with(Terms { leads: false, ..TERMS });
    other.finds(101, &resigned);
    assert!(!other.waits(60.0, 101, &resigned).iter().any(is_swap));
    let newer = Value { v: FORMAT + 1, ..resigned };
    let mut old = Desk::following(100, &newer);
    assert!(!old.waits(60.0, 101, &newer).iter().any(is_swap), "it does not know the format");
}

#[test]
fn a_leader_renews_every_sixth_of_the_lease_and_any_change_renews() {
    let mut desk = Desk::leading();
    assert!(!desk.at(12.4, Event::Tick).iter().any(is_swap));
    assert!(desk.at(12.5, Event::Tick).iter().any(is_swap));
    assert_eq!((desk.sent().1, desk.sent().2.seq), (1, 1));
    desk.answered(Swapped::Done(2));
    assert!(desk.at(13.0, Event::Proposed(1, facts(2))).iter().any(is_swap));
    assert_eq!((desk.sent().1, desk.sent().2.seq), (2, 2));
    let done = desk.answered(Swapped::Done(3));
    assert_eq!(done, [Action::Say(3), Action::Decide(1, Ok(()))]);
    assert!(!desk.at(15.4, Event::Tick).iter().any(is_swap));
    assert!(desk.at(15.5, Event::Tick).iter().any(is_swap));
}

#[test]
fn what_is_known_of_the_remote_is_noted_and_publishes_nothing() {
    let mut desk = Desk::leading();
    assert!(!desk.hears(Event::Noted(RemoteFacts::default())).iter().any(is_swap));
    let remote = RemoteFacts { unpushed: 3, ..RemoteFacts::default() };
    assert!(desk.hears(Event::Noted(remote.clone())).iter().any(is_swap));
    assert_eq!((desk.sent().2.seq, &desk.sent().2.facts.remote), (1, &remote));
}

#[test]
fn a_leader_that_could_not_renew_steps_down_at_the_deadline_whatever_it_hears() {
    let mut desk = Desk::leading();
    desk.at(12.5, Event::Tick);
    desk.answered(Swapped::Unknown);
    desk.hears(Event::Proposed(1, facts(2)));
    assert_eq!(desk.at(19.9, Event::Read(None)), []);
    // It was stopped, and this was waiting for it.
    let number = desk.sent().0;
    let late = desk.at(20.0, Event::Swapped(number, Swapped::Done(2)));
    assert_eq!(late[0], Action::Decide(1, Err(Denied::NotLeading)));
    assert_eq!(late[1], Action::Stand(Standing::Following));
    assert_eq!(desk.standing(), Standing::Following);
}

#[test]
fn the_deadline_is_counted_from_before_the_sending() {
    let mut desk = Desk::leading();
    desk.at(12.5, Event::Proposed(1, facts(2)));
    desk.at(19.0, Event::Swapped(desk.sent().0, Swapped::Done(2)));
    desk.at(22.4, Event::Tick);
    assert_eq!(desk.standing(), Standing::Leading);
    desk.at(22.5, Event::Tick);
    assert_eq!(desk.standing(), Standing::Following);
}

#[test]
fn a_change_whose_outcome_is_unknown_is_read_back_and_sent_again_as_it_was() {
    let mut desk = Desk::leading();
    desk.at(11.0, Event::Proposed(1, facts(2)));
    let (first, expected, next) = desk.sent().clone();
    let reads = desk.reads;
    let doubtful = desk.at(13.0, Event::Swapped(first, Swapped::Unknown));
    assert!(!doubtful.iter().any(|action| matches!(action, Action::Decide(..))), "{doubtful:?}");
    assert_eq!(desk.reads, reads + 1);
    let before = Value { leader: Some(leader("me")), ..theirs(1, 1, 1) };
    assert!(desk.finds(1, &before).iter().any(is_swap));
    assert_eq!((desk.sent().1, &desk.sent().2), (expected, &next));
    // The first one arrived after all, so the second one is refused.
    desk.answered(Swapped::Refused);
    let found = desk.finds(2, &next);
    assert!(found.contains(&Action::Decide(1, Ok(()))), "{found:?}");
    assert_eq!(desk.standing(), Standing::Leading);
}

#[test]
fn a_leader_whose_change_is_refused_is_deposed_and_follows() {
    let mut desk = Desk::leading();
    desk.at(11.0, Event::Proposed(1, facts(2)));
    assert!(desk.answered(Swapped::Refused).contains(&Action::Read));
    let value = theirs(2, 9, 5);
    let found = desk.finds(2, &value);
    assert_eq!(
        found[..3],
        [
            Action::Decide(1, Err(Denied::NotLeading)),
            Action::Stand(Standing::Following),
            Action::Follow(Box::new(value.clone())),
        ]
    );
    // A read shows as much, without a change on its way.
    let mut other = Desk::leading();
    let found = other.finds(2, &value);
    assert_eq!(found[0], Action::Stand(Standing::Following));
}

#[test]
fn a_read_that_is_old_changes_nothing_and_a_register_that_went_back_is_taken_as_it_is() {
    let new = theirs(4, 41, 10);
    let mut desk = Desk::following(100, &new);
    let old = theirs(3, 40, 9);
    for second in 1..15 {
        desk.now = f64::from(second);
        assert!(!desk.finds(99, &old).iter().any(|action| !matches!(action, Action::Read)));
    }
    desk.now = 15.5;
    assert_eq!(desk.finds(100, &new).iter().filter(|action| is_swap(action)).count(), 1);
    desk.answered(Swapped::Refused);
    for second in [16, 20, 25, 31] {
        desk.now = f64::from(second);
        desk.finds(99, &old);
        assert_eq!(desk.lead.known_seq(), 10);
    }
    // It stands still there, too: then what is known is written back.
    assert!(desk.waits(46.5, 99, &old).iter().any(is_swap));
    let (_, expected, next) = desk.sent().clone();
    assert_eq!((expected, next.seq, next.epoch), (99, 10, 5));
    assert_eq!(next.facts, new.facts);
}

#[test]
fn a_seq_never_falls_and_another_state_with_the_same_seq_is_followed() {
    let value = theirs(4, 40, 10);
    let mut desk = Desk::following(100, &value);
    let follows =
        |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Follow(_)));
    assert!(!follows(desk.finds(101, &theirs(5, 41, 9))));
    let same = Value { facts: facts(11), ..theirs(5, 42, 10) };
    assert!(follows(desk.finds(102, &same)));
    assert!(!follows(desk.finds(103, &same.renewed())));
}

#[test]
fn a_leader_gives_way_to_one_that_knows_a_later_seq() {
    let mut desk = Desk::leading();
    assert!(!desk.hears(Event::Heard(here("other", 1, 1))).iter().any(is_swap));
    let heard = desk.hears(Event::Heard(here("other", 2, 7)));
    assert_eq!(heard[0], Action::Stand(Standing::Following));
    assert!(desk.sent().2.leader.is_none());
    desk.answered(Swapped::Done(2));
    desk.at(20.0, Event::Heard(here("other", 3, 7)));
    assert!(!desk.at(29.9, Event::Tick).iter().any(is_swap), "the other one comes first");
    assert!(desk.at(30.1, Event::Tick).iter().any(is_swap), "it did not come");
    assert_eq!(desk.sent().2.seq, 8, "everybody finds the way there");
}

#[test]
fn a_leader_that_no_follower_reaches_gives_the_lead_back_and_lets_others_lead() {
    let mut desk = Desk::leading();
    let mut revision = 1;
    // Lets time pass in which it renews its lease and hears whom its two followers do not reach.
    let mut passes = |desk: &mut Desk, until: u32, unreached: [Option<&str>; 2]| {
        while desk.now < f64::from(until) {
            desk.now += 1.0;
            for (id, unreached) in ["a", "b"].into_iter().zip(unreached) {
                let unreached = unreached.map(str::to_owned);
                let said = Here { unreached, ..here(id, desk.now as u64, 1) };
                if desk.hears(Event::Heard(said)).iter().any(is_swap) {
                    revision += 1;
                    desk.answered(Swapped::Done(revision));
                }
            }
        }
        (desk.standing(), revision)
    };
    let leading = |(standing, _)| standing == Standing::Leading;
    assert!(leading(passes(&mut desk, 100, [Some("me"), None])), "one of them reaches it");
    assert!(leading(passes(&mut desk, 159, [Some("me"); 2])));
    assert!(leading(passes(&mut desk, 162, [Some("me"), Some("another")])));
    assert!(leading(passes(&mut desk, 222, [Some("me"); 2])), "it is too early");
    let (standing, revision) = passes(&mut desk, 223, [Some("me"); 2]);
    assert_eq!(standing, Standing::Following);
    let resigned = desk.sent().2.clone();
    assert!(resigned.leader.is_none());
    assert!(!desk.waits(252.9, revision, &resigned).iter().any(is_swap), "others may lead");
    assert!(desk.waits(253.1, revision, &resigned).iter().any(is_swap), "nobody did");
}

#[test]
fn a_replica_without_a_leader_for_two_leases_goes_its_own_way_until_there_is_one() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::following(100, &value);
    for second in [5, 10, 20, 29] {
        assert!(!desk.at(f64::from(second), Event::Read(None)).iter().any(is_swap));
        assert_eq!(desk.standing(), Standing::Following);
    }
    let alone = desk.at(30.0, Event::Tick);
    assert!(alone.contains(&Action::Stand(Standing::Orphaned)));
    desk.hears(Event::Published(facts(20)));
    // The same revision is no leader at work.
    desk.lead.reading.is_running = true;
    desk.finds(100, &value);
    assert_eq!(desk.standing(), Standing::Orphaned);
    let (back, follow) =
        (Action::Stand(Standing::Following), Action::Follow(Box::new(value.renewed())));
    let mut other = Desk::following(100, &value);
    other.at(5.0, Event::Read(None));
    other.at(30.0, Event::Tick);
    let found = other.finds(101, &value.renewed());
    assert_eq!(found[..2], [back, follow], "it may have gone elsewhere");
}

#[test]
fn an_orphan_that_went_forward_publishes_that_when_it_leads() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::orphaned(100, &value);
    desk.at(31.0, Event::Reconnected);
    assert!(desk.finds(100, &value).iter().any(is_swap));
    let next = desk.sent().2.clone();
    assert_eq!((next.seq, &next.facts), (10, &facts(20)));
    let done = desk.answered(Swapped::Done(101));
    assert!(done.contains(&Action::Stand(Standing::Leading)), "{done:?}");
}

#[test]
fn an_orphan_stays_one_while_the_register_that_it_sees_is_too_old() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::orphaned(100, &value);
    // The register was gone, and somebody who knew nothing began it anew.
    desk.at(31.0, Event::Reconnected);
    let anew = theirs(1, 1, 1);
    let found = desk.finds(101, &anew);
    assert!(!found.iter().any(|action| !matches!(action, Action::Read)), "{found:?}");
    // Then whoever knew more put it right.
    desk.at(32.0, Event::Said(102));
    let right = theirs(5, 41, 9);
    let returned = desk.finds(102, &right);
    assert!(returned.contains(&Action::Stand(Standing::Following)), "{returned:?}");
    assert!(returned.contains(&Action::Follow(Box::new(right.clone()))), "{returned:?}");
    desk.at(33.0, Event::Said(103));
    let again = desk.finds(103, &right.renewed());
    assert!(!again.iter().any(|action| matches!(action, Action::Follow(_))), "once: {again:?}");
}

#[test]
fn a_leader_that_ends_gives_the_lead_back_and_denies_what_waits() {
    let mut desk = Desk::leading();
    desk.hears(Event::Proposed(1, facts(2)));
    let ending = desk.hears(Event::Resign);
    assert_eq!(ending, [Action::Stand(Standing::Following)]);
    assert!(
        desk.hears(Event::Proposed(2, facts(3)))
            .contains(&Action::Decide(2, Err(Denied::NotLeading)))
    );
    let done = desk.answered(Swapped::Done(2));
    assert!(done.contains(&Action::Decide(1, Ok(()))), "it was on its way");
    assert!(desk.sent().2.leader.is_none());
    assert!(desk.answered(Swapped::Done(3)).contains(&Action::Resigned));
    assert!(!desk.at(60.0, Event::Tick).iter().any(is_swap));

    let mut other = Desk::new();
    assert!(other.hears(Event::Resign).contains(&Action::Resigned));
}

#[test]
fn the_register_is_read_at_once_when_somebody_says_that_it_changed_and_every_five_seconds() {
    let value = theirs(4, 40, 9);
    let mut desk = Desk::following(100, &value);
    let reads = |actions: Vec<Action>| actions.contains(&Action::Read);
    assert!(!reads(desk.at(1.0, Event::Said(100))));
    assert!(reads(desk.at(1.1, Event::Said(101))));
    assert!(!reads(desk.at(1.2, Event::Said(102))), "one is running");
    assert!(reads(desk.finds(101, &value.renewed())), "it may have been too early");
    desk.finds(102, &value.renewed());
    assert_eq!(desk.lead.due(Duration::from_secs_f64(1.2)), Duration::from_secs_f64(6.2));
    assert!(!reads(desk.at(6.1, Event::Tick)));
    assert!(reads(desk.at(6.2, Event::Tick)));
}
