//! What whoever can write to the bus, and does not know the secret, gains by putting back an earlier register.

use super::*;

fn follows(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Follow(_)))
}

/// Returns the id of the leader to which a replica sends its callers.
fn turns_to(desk: &Desk) -> Option<&str> {
    desk.lead.leader(Duration::from_secs_f64(desk.now)).map(|leader| &*leader.id)
}

/// Returns a value of a leader who is gone.
fn of_the_past(epoch: u64, beat: u64, seq: u64) -> Value {
    Value { leader: Some(leader("gone")), ..theirs(epoch, beat, seq) }
}

#[test]
fn an_earlier_register_is_not_followed_and_names_no_leader() {
    let value = theirs(4, 40, 9);
    for old in [of_the_past(3, 39, 8), of_the_past(3, 39, 9), of_the_past(4, 39, 9)] {
        let mut desk = Desk::following(100, &value);
        desk.now = 2.0;
        assert!(!follows(&desk.finds(101, &old)), "{old:?}");
        assert_eq!(turns_to(&desk), None, "{old:?}");
        assert_eq!(desk.lead.value(), Some(&value), "{old:?}");
        // Whoever led then must have the time to notice.
        assert!(!desk.waits(16.9, 101, &old).iter().any(is_swap), "{old:?}");
        assert!(desk.waits(17.1, 101, &old).iter().any(is_swap), "{old:?}");
        let (_, expected, next) = desk.sent().clone();
        assert_eq!((expected, next.seq, &next.facts), (101, 9, &value.facts));
        assert!(next.stamp() > value.stamp() && next.is_led_by("me"));
    }
    let mut desk = Desk::following(100, &value);
    let resigned = Value { leader: None, ..theirs(3, 39, 8) };
    assert!(!desk.waits(14.9, 101, &resigned).iter().any(is_swap), "somebody leads");
    // The next change of the leader is taken as ever.
    desk.finds(102, &theirs(4, 41, 9));
    assert_eq!(turns_to(&desk), Some("other"));
}

#[test]
fn a_leader_puts_an_earlier_register_right_as_soon_as_it_notices() {
    let mut desk = Desk::leading();
    desk.hears(Event::Proposed(1, facts(2)));
    desk.answered(Swapped::Done(2));
    assert!(desk.at(12.5, Event::Tick).iter().any(is_swap));
    let led = desk.lead.value().unwrap().clone();
    desk.answered(Swapped::Refused);
    let found = desk.finds(3, &Value { facts: facts(1), seq: 1, ..of_the_past(1, 1, 1) });
    assert!(found.contains(&Action::Stand(Standing::Following)), "{found:?}");
    assert!(found.contains(&Action::Read) && !follows(&found), "{found:?}");
    let again = desk.finds(3, &of_the_past(1, 1, 1));
    assert!(again.iter().any(is_swap), "{again:?}");
    let (_, expected, next) = desk.sent().clone();
    assert_eq!((expected, next.seq, next.facts), (3, led.seq, led.facts));
    let done = desk.answered(Swapped::Done(4));
    assert!(done.contains(&Action::Stand(Standing::Leading)), "{done:?}");
}

#[test]
fn a_replica_that_starts_knows_what_an_earlier_process_saw() {
    let value = theirs(4, 40, 9);
    let starting = || {
        let mut desk = Desk::new();
        desk.lead = desk.lead.remembering(value.clone());
        desk
    };
    let mut desk = starting();
    assert!(!follows(&desk.finds(101, &of_the_past(3, 39, 8))));
    assert_eq!(turns_to(&desk), None);
    assert_eq!(desk.lead.known_seq(), 9);
    assert!(follows(&desk.finds(102, &theirs(4, 41, 9))));
    // Without anybody else, it puts the register right.
    let mut alone = starting();
    let old = of_the_past(3, 39, 8);
    alone.hears(Event::Published(value.facts.clone()));
    alone.finds(101, &old);
    assert!(alone.waits(15.1, 101, &old).iter().any(is_swap));
    assert_eq!((alone.sent().2.seq, &alone.sent().2.facts), (9, &value.facts));
    // A newer version wrote it: then only that one may lead.
    let mut downgraded = Desk::new();
    let newer = Value { v: FORMAT + 1, ..value.clone() };
    downgraded.lead = downgraded.lead.remembering(newer);
    assert!(!downgraded.waits(60.0, 101, &old).iter().any(is_swap));
}

#[test]
fn a_replica_with_an_empty_disk_goes_nowhere_while_others_know_a_later_register() {
    let old = Value { leader: None, ..theirs(3, 39, 8) };
    let mut desk = Desk::new();
    desk.hears(Event::Heard(here("other", 1, 9)));
    assert!(!follows(&desk.finds(101, &old)));
    for (second, count) in [(5.0, 2), (10.0, 3), (15.0, 4), (20.0, 5), (25.0, 6)] {
        let heard = desk.at(second, Event::Heard(here("other", count, 9)));
        assert!(!heard.iter().any(is_swap), "those who know more come first");
        assert!(!follows(&desk.finds(101, &old)));
    }
    assert!(follows(&desk.finds(102, &theirs(4, 41, 9))));
}

#[test]
fn a_register_without_a_leader_is_not_believed_by_one_that_knows_nothing() {
    let resigned = Value { leader: None, ..theirs(3, 39, 8) };
    let mut desk = Desk::new();
    desk.finds(101, &resigned);
    desk.hears(Event::Followed(Box::new(resigned.clone()), resigned.facts.clone()));
    assert!(!desk.waits(14.9, 101, &resigned).iter().any(is_swap), "somebody may lead");
    assert!(desk.waits(15.1, 101, &resigned).iter().any(is_swap));
}

#[test]
fn a_leader_after_a_register_that_went_back_comes_after_what_others_know() {
    let mut desk = Desk::leading();
    let knows = |count, epoch, beat| {
        let (id, seq) = ("other", 1);
        Event::Heard(Here { epoch, beat, ..here(id, count, seq) })
    };
    desk.at(12.0, knows(1, 8, 90));
    assert_eq!(desk.standing(), Standing::Leading, "it is the same publication");
    assert!(desk.at(12.5, Event::Tick).iter().any(is_swap));
    let next = desk.sent().2.clone();
    assert_eq!((next.seq, next.epoch), (1, 9));
    assert!(next.beat > 90);
    desk.answered(Swapped::Done(2));
    // Who knows what this leader wrote is no news.
    let known = desk.lead.value().unwrap().stamp();
    desk.hears(knows(2, known.epoch, known.beat));
    assert!(desk.at(15.0, Event::Tick).iter().any(is_swap));
    assert_eq!(desk.sent().2.epoch, 9);
}
