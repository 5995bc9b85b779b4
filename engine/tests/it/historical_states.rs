//! Earlier states: what may be read of them, and for how long.

use std::sync::Arc;

use headwater_engine::engine::{FailureKind, PastError, RequestKind};
use headwater_engine::id::CommitId;
use headwater_engine::view::View;

use crate::remote_and_engine::{DEFINITION, House, id};

fn push(house: &mut House, path: &str, text: &str) -> CommitId {
    let commit = id(&house.upstream.commit("a change").put(path, text).push());
    house.reload();
    commit
}

/// Rewrites the branch to another history, and lets that through.
fn purge(house: &mut House) {
    let anew = house.upstream.force_commit_on(None, "anew");
    anew.put(".gitsheets/people.toml", DEFINITION).put("people/amy.toml", "id = 9\n").push();
    let (kind, report) = house.failure(RequestKind::Reload);
    assert_eq!(kind, FailureKind::Diverged);
    house.run(RequestKind::Apply(report.id)).result.as_ref().unwrap();
}

fn is_unknown<T>(result: Result<T, PastError>) -> bool {
    matches!(result, Err(PastError::Unknown { .. }))
}

#[test]
fn what_was_purged_is_let_go_by_the_publication_that_purges_it_whoever_asks_for_it() {
    let mut house = House::new();
    let leak = house.served();
    let next = push(&mut house, "people/jane.toml", "id = 1\n");
    let engine = house.engine();
    // Kept as superseded, as visited, and by a walk.
    assert_eq!(engine.at(&View::PUBLIC, leak).unwrap().commit(), leak);
    engine.keep(next);
    purge(&mut house);
    let engine = house.engine();
    for commit in [leak, next] {
        assert!(engine.kept(&View::PUBLIC, commit).is_none());
        assert!(
            is_unknown(engine.at(&View::PUBLIC, commit))
                && is_unknown(engine.delta(&View::PUBLIC, commit, house.served()))
        );
        // A reader that began before comes back late.
        engine.keep(commit);
        assert!(
            engine.kept(&View::PUBLIC, commit).is_none()
                && is_unknown(engine.at(&View::PUBLIC, commit))
        );
    }
    let status = engine.status();
    assert_eq!(status.retained, 0);
    engine.settle();
    assert_eq!(engine.status().alive, 1, "nothing of it is in memory");
}

#[test]
fn what_is_newer_than_a_pin_is_nobodys_to_read_until_it_is_taken_back() {
    let mut house = House::new();
    let first = house.served();
    let leak = push(&mut house, "people/jane.toml", "id = 1\nleaked = true\n");
    push(&mut house, "people/joe.toml", "id = 3\n");
    assert_eq!(house.engine().at(&View::PUBLIC, first).unwrap().commit(), first);
    house.run(RequestKind::Pin(first)).result.as_ref().unwrap();
    assert!(
        is_unknown(house.engine().at(&View::PUBLIC, leak))
            && is_unknown(house.engine().delta(&View::PUBLIC, first, leak))
    );
    let house = house.started();
    assert!(is_unknown(house.engine().at(&View::PUBLIC, leak)));
    house.run(RequestKind::Unpin).result.as_ref().unwrap();
    assert_eq!(house.engine().at(&View::PUBLIC, first).unwrap().commit(), first);
    house.is_lawful();
}

#[test]
fn a_state_before_a_change_of_definitions_is_built_from_one_with_the_same() {
    let mut house = House::new();
    let mut old = vec![house.served()];
    for n in 0..4 {
        old.push(push(&mut house, "people/jane.toml", &format!("id = 1\nn = {n}\n")));
    }
    let indexed = format!("{DEFINITION}index = [\"n\"]\n");
    push(&mut house, ".gitsheets/people.toml", &indexed);
    let engine = house.engine();
    let first = engine.at(&View::PUBLIC, old[0]).unwrap();
    for commit in &old[1..] {
        let state = engine.at(&View::PUBLIC, *commit).unwrap();
        let joe = |state: &headwater_engine::snapshot::Snapshot| {
            state.visible("people", "joe").unwrap().clone()
        };
        assert!(std::sync::Arc::ptr_eq(&joe(&first), &joe(&state)), "equal parts are shared");
        let fresh = headwater_engine::load::load(
            &engine.mirror().objects().unwrap(),
            *commit,
            &headwater_engine::options::LoadOptions::default(),
        );
        assert_eq!(state.dump(), fresh.unwrap().dump());
    }
}

#[test]
fn states_that_other_readers_pushed_out_are_freed_before_another_is_built() {
    let mut house = House::new();
    let mut old = Vec::new();
    for n in 0..20 {
        let definition = format!("{DEFINITION}index = [\"n{n}\"]\n");
        old.push(push(&mut house, ".gitsheets/people.toml", &definition));
    }
    // Nothing is kept of what was published, and maintenance has nothing to do.
    let house = house.started();
    let engine = house.engine();
    engine.settle();
    let states: Vec<_> = old[..19]
        .iter()
        .map(|at| Arc::downgrade(&engine.at(&View::PUBLIC, *at).unwrap()))
        .collect();
    let alive = states.iter().filter(|state| state.strong_count() > 0).count();
    assert!(alive <= 17, "sixteen are kept, and one was pushed out last: {alive}");
}

#[test]
fn who_was_away_while_a_record_was_hidden_is_told_that_it_left_and_nothing_else() {
    let mut house = House::new();
    let hidden = format!("{DEFINITION}hidden = \"gone\"\n");
    let shown = push(&mut house, ".gitsheets/people.toml", &hidden);
    let now = push(&mut house, "people/jane.toml", "gone = true\nid = 1\n");
    let engine = house.engine();
    let told = engine.caught_up(&View::PUBLIC, shown, now).unwrap();
    assert!(told.changes.is_empty());
    assert_eq!(told.withheld[0].key.as_str(), "jane");
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "jane").is_none());
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "joe").is_some());

    // It is visible again, and so is its old version.
    push(&mut house, "people/jane.toml", "id = 1\n");
    let engine = house.engine();
    assert!(engine.at(&View::PUBLIC, shown).unwrap().visible("people", "jane").is_some());
    assert!(
        engine.at(&View::PUBLIC, now).unwrap().visible("people", "jane").is_none(),
        "by the rules of then"
    );
}

#[test]
fn who_has_what_other_definitions_showed_begins_anew_and_others_are_told_the_difference() {
    let mut house = House::new();
    let first = house.served();
    let indexed = format!("{DEFINITION}index = [\"name\"]\n");
    let second = push(&mut house, ".gitsheets/people.toml", &indexed);
    let third = push(&mut house, "people/joe.toml", "id = 3\n");
    let told = house.engine().caught_up(&View::PUBLIC, first, third).unwrap();
    assert_eq!((told.changes.len(), told.changes[0].key.as_str()), (1, "joe"));
    let private = push(&mut house, ".gitsheets/people.toml", &format!("{indexed}public = false\n"));
    for from in [first, second, third] {
        assert!(is_unknown(house.engine().caught_up(&View::PUBLIC, from, private)));
        assert!(house.engine().delta(&View::PUBLIC, from, private).unwrap().changes.is_empty());
    }
}
