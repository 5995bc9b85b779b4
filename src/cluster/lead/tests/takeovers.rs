//! What is safe, and what a new leader does about a head that nobody has.

use super::*;

fn head(number: u64) -> CommitId {
    facts(number).head
}

/// Returns what the replica `id` says that has stored the head `number`.
fn stores(id: &str, count: u64, number: u64) -> Event {
    Event::Heard(Here { stored: Some(head(number).to_string()), ..here(id, count, 1) })
}

/// Returns the last head in the register that is safe, as a leader sees it.
fn safe(desk: &Desk) -> CommitId {
    desk.lead.value().unwrap().safe.unwrap().commit
}

/// Returns where the engine is sent.
fn targets(actions: &[Action]) -> Vec<CommitId> {
    let target = |action: &Action| match action {
        Action::Follow(value) => Some(value.facts.head),
        _ => None,
    };
    actions.iter().filter_map(target).collect()
}

#[test]
fn a_head_is_safe_once_the_register_says_that_another_replica_has_it() {
    let mut desk = Desk::leading();
    desk.hears(Event::Proposed(1, facts(2)));
    desk.answered(Swapped::Done(2));
    assert_eq!(safe(&desk), head(1));
    assert!(!desk.hears(stores("a", 1, 1)).iter().any(is_swap), "an older one is no news");
    assert!(desk.hears(stores("a", 2, 2)).iter().any(is_swap));
    // It is asked for, and not yet there.
    assert_eq!(safe(&desk), head(1));
    let sent = desk.sent().2.clone();
    assert_eq!((sent.seq, sent.safe), (2, Some(sent.head())));
    desk.answered(Swapped::Done(3));
    assert_eq!(safe(&desk), head(2));
    assert!(!desk.hears(stores("b", 1, 2)).iter().any(is_swap), "it is said once");
}

#[test]
fn what_is_safe_goes_along_with_the_next_publication() {
    let mut desk = Desk::leading();
    desk.hears(Event::Proposed(1, facts(2)));
    desk.hears(Event::Proposed(2, facts(3)));
    desk.hears(stores("a", 1, 2));
    desk.answered(Swapped::Done(2));
    let sent = desk.sent().2.clone();
    assert_eq!((sent.facts.head, sent.safe.unwrap().commit), (head(3), head(2)));
    desk.answered(Swapped::Done(3));
    assert_eq!(safe(&desk), head(2));
    // The remote is a place, too.
    let remote = RemoteFacts { synced: Some(head(3)), ..RemoteFacts::default() };
    desk.hears(Event::Noted(remote));
    desk.answered(Swapped::Done(4));
    assert_eq!(safe(&desk), head(3));
}

#[test]
fn who_is_silent_has_stored_nothing() {
    let mut desk = Desk::leading();
    desk.hears(stores("a", 1, 2));
    for (now, revision) in [(12.5, 2), (15.0, 3), (17.5, 4), (20.0, 5), (22.5, 6), (25.0, 7)] {
        desk.at(now, Event::Tick);
        desk.answered(Swapped::Done(revision));
    }
    desk.at(25.1, Event::Proposed(1, facts(2)));
    assert!(!desk.answered(Swapped::Done(8)).iter().any(is_swap));
    assert_eq!(safe(&desk), head(1));
}

/// Returns a replica that has taken over at 20.1, and what it has to serve: the head 9, while 8 is
/// safe.
fn taken_over() -> (Desk, Value) {
    let before = theirs(4, 40, 8);
    let value = Value { safe: Some(before.head()), ..theirs(4, 41, 9) };
    let mut desk = Desk::following(99, &before);
    assert_eq!(targets(&desk.finds(100, &value)), [head(9)]);
    desk.waits(20.1, 100, &value);
    desk.answered(Swapped::Done(101));
    let value = desk.sent().2.clone();
    (desk, value)
}

/// Keeps the lease, and returns what else was done by `until`.
fn leads_on(desk: &mut Desk, until: f64, mut revision: u64) -> Vec<Action> {
    let mut actions = Vec::new();
    while desk.now < until {
        let done = desk.at(until.min(desk.now + 1.0), Event::Tick);
        if done.iter().any(is_swap) {
            revision += 1;
            actions.extend(desk.answered(Swapped::Done(revision)));
        }
        actions.extend(done.into_iter().filter(|action| !is_swap(action)));
    }
    actions
}

#[test]
fn a_head_that_is_not_safe_is_given_up_after_a_while() {
    let (mut desk, value) = taken_over();
    assert_eq!(desk.lead.missing(), None);
    desk.hears(Event::Missing(Box::new(value.clone())));
    assert_eq!(desk.lead.missing(), Some(head(9)));
    assert_eq!(targets(&leads_on(&mut desk, 30.0, 101)), []);
    let turned = leads_on(&mut desk, 30.2, 200);
    assert_eq!(targets(&turned), [head(8)]);
    assert_eq!(desk.standing(), Standing::Following);
    // It is there, and says so before it opens.
    let named = turned.iter().find_map(|action| match action {
        Action::Follow(value) => Some(value.clone()),
        _ => None,
    });
    let named = named.unwrap();
    assert!(named.is_unknown() && named.seq == value.seq);
    desk.hears(Event::Followed(named, facts(8)));
    let sent = desk.sent().2.clone();
    assert_eq!((sent.seq, sent.facts.head, sent.abandoned), (10, head(8), vec![head(9)]));
    assert_eq!(sent.safe.unwrap().commit, head(8));
    let opened = desk.answered(Swapped::Done(300));
    assert!(opened.contains(&Action::Stand(Standing::Leading)), "{opened:?}");
    assert_eq!(desk.lead.missing(), None);
    // Whoever comes back with it makes it safe no more: it is in no later head.
    desk.hears(Event::Proposed(1, facts(10)));
    desk.answered(Swapped::Done(301));
    assert!(!desk.hears(stores("a", 1, 9)).iter().any(is_swap));
    assert_eq!(safe(&desk), head(8));
}

#[test]
fn what_a_new_leader_does_not_have_is_in_one_place() {
    let (mut desk, value) = taken_over();
    assert!(!desk.hears(stores("a", 1, 9)).iter().any(is_swap));
    let facts = value.facts.clone();
    desk.hears(Event::Followed(Box::new(value), facts));
    assert_eq!(desk.sent().2.safe.unwrap().commit, head(9));
}

#[test]
fn a_leader_keeps_what_it_has_beyond_the_safe_head() {
    let before = theirs(4, 40, 8);
    let value = Value { safe: Some(theirs(4, 39, 7).head()), ..theirs(4, 41, 9) };
    let mut desk = Desk::following(99, &before);
    desk.finds(100, &value);
    desk.waits(20.1, 100, &value);
    desk.answered(Swapped::Done(101));
    let value = desk.sent().2.clone();
    desk.hears(Event::Missing(Box::new(value)));
    assert_eq!(targets(&leads_on(&mut desk, 30.2, 101)), [head(8)]);
}

#[test]
fn a_head_that_is_safe_is_looked_for_until_an_operator_gives_it_up() {
    let (mut closed, named) = {
        let value = theirs(4, 41, 9);
        let mut desk = Desk::following(99, &theirs(4, 40, 8));
        desk.finds(100, &value);
        desk.waits(20.1, 100, &value);
        desk.answered(Swapped::Done(101));
        let named = desk.sent().2.clone();
        (desk, named)
    };
    closed.hears(Event::Missing(Box::new(named.clone())));
    assert_eq!(targets(&leads_on(&mut closed, 60.0, 101)), []);
    assert_eq!(closed.lead.missing(), Some(head(9)));
    let denied = closed.hears(Event::Proposed(1, facts(10)));
    assert!(denied.contains(&Action::Decide(1, Err(Denied::NotLeading))));
    // Another head is not meant.
    assert_eq!(targets(&closed.hears(Event::Abandoned(head(7)))), []);
    // The newest of all that are here is what there is.
    let newer = Here { served_seq: 8, ..here("a", 1, 9) };
    closed.hears(Event::Heard(Here { stored: Some(head(8).to_string()), ..newer }));
    assert_eq!(targets(&closed.hears(Event::Abandoned(head(9)))), [head(8)]);
    // One that is found after all is served.
    let facts = named.facts.clone();
    let found = closed.hears(Event::Followed(Box::new(named), facts));
    assert!(found.contains(&Action::Stand(Standing::Leading)), "{found:?}");
    // Who has it gives nothing up.
    assert_eq!(targets(&closed.hears(Event::Abandoned(head(9)))), []);
}

#[test]
fn a_leader_that_ends_keeps_the_lead_until_another_replica_has_what_it_published_last() {
    let publishing = || {
        let mut desk = Desk::leading();
        desk.hears(stores("a", 1, 1));
        desk.hears(Event::Proposed(1, facts(2)));
        desk.answered(Swapped::Done(2));
        assert_eq!(desk.hears(Event::Resign), [Action::Stand(Standing::Following)]);
        let denied = Action::Decide(2, Err(Denied::NotLeading));
        assert!(desk.hears(Event::Proposed(2, facts(3))).contains(&denied), "nothing is added");
        desk
    };
    let mut desk = publishing();
    assert!(desk.hears(stores("a", 2, 2)).iter().any(is_swap));
    let given_back = desk.sent().2.clone();
    assert_eq!((given_back.leader, given_back.safe.unwrap().commit), (None, head(2)));
    assert!(desk.answered(Swapped::Done(3)).contains(&Action::Resigned));

    // The remote is a place, too.
    let mut desk = publishing();
    desk.hears(Event::Noted(RemoteFacts { synced: Some(head(2)), ..RemoteFacts::default() }));
    desk.answered(Swapped::Done(3));
    assert!(desk.sent().2.leader.is_none() && desk.sent().2.is_safe());

    // Nobody gets it.
    let mut desk = publishing();
    let until = desk.now + TERMS.parting().as_secs_f64();
    assert_eq!(desk.lead.due(Duration::from_secs_f64(desk.now)), Duration::from_secs_f64(until));
    assert!(!desk.at(until - 0.1, Event::Tick).iter().any(is_swap));
    assert!(desk.at(until, Event::Tick).iter().any(is_swap));
    assert!(desk.sent().2.leader.is_none());

    // Nobody is there.
    let mut desk = Desk::leading();
    desk.hears(Event::Proposed(1, facts(2)));
    desk.answered(Swapped::Done(2));
    assert!(desk.hears(Event::Resign).iter().any(is_swap));
}
