//! Tags that stand in each other's way, or that the mirror cannot hold.

use std::fs;

use super::*;
use crate::mirror::fetch::tests::{TestMirror, remote_to};
use crate::mirror::testing::{TestRepository, hermetic_git};

fn commit(n: u8) -> CommitId {
    CommitId::from_bytes([n; 20])
}

/// Returns the tags of the mirror, without `refs/tags/`.
fn tags(mirror: &TestMirror) -> Vec<(String, CommitId)> {
    let found = mirror.mirror.objects().unwrap().references_under(TAGS).unwrap();
    found.into_iter().map(|(name, at)| (name.replacen(TAGS, "", 1), at)).collect()
}

fn named<const N: usize>(tags: [(&str, CommitId); N]) -> Vec<(String, CommitId)> {
    tags.map(|(name, at)| (name.to_owned(), at)).into()
}

#[test]
fn what_there_is_to_do_follows_from_what_is_here_and_what_the_remote_has() {
    // The mirror does not have the commits from 8 on, and 7 is a tag object of commit 1.
    let long = &*"l".repeat(LONGEST_PART + 1);
    let longest = &*"l".repeat(LONGEST_PART);
    type Tags<'a> = &'a [(&'a str, u8)];
    type Names<'a> = &'a [&'a str];
    // What is here, and what the remote has; what is gone, new and left out.
    type Case<'a> = (Tags<'a>, Tags<'a>, Names<'a>, Tags<'a>, Names<'a>);
    let cases: [Case; 10] = [
        (&[("a", 1)], &[("a", 1)], &[], &[], &[]),
        (&[("a", 7)], &[("a", 1)], &[], &[], &[]),
        (&[("a", 1)], &[("a", 2), ("b", 2)], &[], &[("a", 2), ("b", 2)], &[]),
        (&[("a", 1), ("b", 1)], &[("b", 1)], &["a"], &[], &[]),
        // What is not in the branch is not here, and what has moved there is not here any more.
        (&[("a", 1)], &[("a", 8), ("b", 8)], &["a"], &[], &[]),
        // One that takes the place of others, and the reverse.
        (&[("v", 1)], &[("v/x", 1)], &["v"], &[("v/x", 1)], &[]),
        (&[("v/x", 1), ("v/y", 1)], &[("v", 1)], &["v/x", "v/y"], &[("v", 1)], &[]),
        // A remote that has both, and one of them twice.
        (
            &[("v/x", 1)],
            &[("v/x", 1), ("v-a", 1), ("v", 1), ("v", 2)],
            &["v/x"],
            &[("v", 1), ("v-a", 1)],
            &["v/x"],
        ),
        // The one above is not here, so it is not in the way.
        (&[], &[("v", 8), ("v/x", 1)], &[], &[("v/x", 1)], &[]),
        (
            &[("..", 1)],
            &[(long, 1), ("..", 2), (longest, 1)],
            &[".."],
            &[(longest, 1)],
            &["..", long],
        ),
    ];
    for (have, told, gone, new, left_out) in cases {
        let full = |name: &str| format!("{TAGS}{name}");
        let owned = |tags: Tags| -> Vec<(String, CommitId)> {
            tags.iter().map(|(name, n)| (full(name), commit(*n))).collect()
        };
        let (have, told) = (owned(have).into_iter().collect(), owned(told));
        let is_at = |at, to| at == to || (at, to) == (commit(7), commit(1));
        let plan = Plan::of(&have, &told, is_at, |at| at < commit(8));
        let names = |names: &[&str]| names.iter().map(|name| full(name)).collect::<Vec<_>>();
        assert_eq!(plan.gone, names(gone), "{told:?}");
        assert_eq!(plan.left_out, names(left_out), "{told:?}");
        let set: Vec<_> = plan.new.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        assert_eq!(set, owned(new), "{told:?}");
    }
}

#[test]
fn a_commit_that_is_not_here_is_sought_once_however_many_tags_it_has() {
    let told: Vec<_> =
        (0..1_000).map(|n| (format!("{TAGS}{n}"), commit(n as u8 % 2 + 7))).collect();
    let sought = std::cell::RefCell::new(Vec::new());
    let is_here = |at| {
        sought.borrow_mut().push(at);
        at < commit(8)
    };
    let have = BTreeMap::new();
    assert_eq!(Plan::of(&have, &told, |_, _| false, is_here).new.len(), 500);
    assert_eq!(*sought.borrow(), [commit(7), commit(8)]);
}

#[test]
fn a_tag_takes_the_place_of_a_folder_of_tags_and_the_reverse() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    for name in ["v1", "v2/x/y", "v2/z", "moves"] {
        remote.git(["tag", name, &first.to_string()]);
    }
    for is_packed in [false, true] {
        let mirror = TestMirror::new();
        let from = remote_to(&remote);
        mirror.fetch(&from).unwrap();
        assert_eq!(tags(&mirror).len(), 4);
        if is_packed {
            assert!(
                hermetic_git(&mirror.path())
                    .args(["pack-refs", "--all"])
                    .status()
                    .unwrap()
                    .success()
            );
        }
        // As after a crash, or another program.
        fs::create_dir_all(mirror.path().join("refs/tags/new/x/y")).unwrap();
        let next = TestRepository::bare();
        next.git(["fetch", "-q", "--no-tags", &remote.url(), "main:main"]);
        let second = next.commit_files("main", &[("a", "2")]);
        for name in ["v1/x", "v2", "moves", "new"] {
            next.git(["tag", name, &second.to_string()]);
        }
        mirror.fetch(&remote_to(&next)).unwrap();
        let expected =
            named([("moves", second), ("new", second), ("v1/x", second), ("v2", second)]);
        assert_eq!(tags(&mirror), expected, "packed: {is_packed}");
        mirror.assert_sound();
    }
}

#[test]
fn a_tag_that_no_file_can_have_stops_no_other() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    let packed = |names: &[&str], at: CommitId| {
        let lines: String = names.iter().map(|name| format!("{at} refs/tags/{name}\n")).collect();
        fs::write(remote.path().join("packed-refs"), lines).unwrap();
    };
    let long = "z".repeat(300);
    packed(&["a", "gone", "moves"], first);
    mirror.fetch(&remote_to(&remote)).unwrap();
    let second = remote.commit_files("main", &[("a", "2")]);
    // Each part of the last name is short, and all of it is longer than a path may be.
    packed(&["a", "moves", &long, &["part"; 1_000].join("/")], second);
    mirror.fetch(&remote_to(&remote)).unwrap();
    assert_eq!(tags(&mirror), named([("a", second), ("moves", second)]));
}

#[test]
fn a_tag_that_has_moved_where_it_cannot_follow_answers_for_no_commit() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let elsewhere = remote.commit_files("other", &[("o", "1")]);
    for name in ["blocked", "leaves", "stays", "z"] {
        remote.git(["tag", name, &first.to_string()]);
    }
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    // Something else is where the file of a packed tag has to be.
    assert!(hermetic_git(&mirror.path()).args(["pack-refs", "--all"]).status().unwrap().success());
    let blocked = mirror.path().join("refs/tags/blocked");
    fs::create_dir_all(&blocked).unwrap();
    fs::write(blocked.join("x.lock"), "").unwrap();
    let second = remote.commit_files("main", &[("a", "2")]);
    for (name, to) in [("blocked", second), ("leaves", elsewhere), ("z", second)] {
        remote.git(["tag", "-f", name, &to.to_string()]);
    }
    mirror.fetch(&from).unwrap();
    assert_eq!(tags(&mirror), named([("stays", first), ("z", second)]));
    // It is back as soon as it can be written.
    fs::remove_dir_all(&blocked).unwrap();
    mirror.fetch(&from).unwrap();
    assert_eq!(tags(&mirror), named([("blocked", second), ("stays", first), ("z", second)]));
}

#[test]
fn many_tags_are_one_file() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let names: Vec<String> = (0..300).map(|at| format!("t{at:03}")).collect();
    let packed = |names: &[String], at: CommitId| {
        let lines: String = names.iter().map(|name| format!("{at} refs/tags/{name}\n")).collect();
        fs::write(remote.path().join("packed-refs"), lines).unwrap();
    };
    let all = |names: &[String], at| names.iter().map(|it| (it.clone(), at)).collect();
    let files = |mirror: &TestMirror| {
        let tags = fs::read_dir(mirror.path().join("refs/tags"));
        tags.map_or(0, |tags| tags.filter(|it| it.as_ref().unwrap().path().is_file()).count())
    };
    packed(&names[..50], first);
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    assert_eq!(files(&mirror), 50);
    packed(&names, first);
    let second = remote.commit_files("main", &[("a", "2")]);
    mirror.fetch(&remote_to(&remote)).unwrap();
    let expected: Vec<(String, CommitId)> = all(&names, first);
    assert_eq!((tags(&mirror), files(&mirror)), (expected, 50), "the others are in one file");
    packed(&names[100..], second);
    let third = remote.commit_files("main", &[("a", "3")]);
    mirror.fetch(&remote_to(&remote)).unwrap();
    let expected: Vec<(String, CommitId)> = all(&names[100..], second);
    assert_eq!((tags(&mirror), files(&mirror)), (expected, 0), "as they move and go");
    assert_ne!(second, third);
    mirror.assert_sound();
}
