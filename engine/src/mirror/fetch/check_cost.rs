//! What the check of a fetch costs, and what becomes of a push that costs too much.

use std::cell::Cell;
use std::path::Path;

use super::tests::{LyingRemote, TestMirror, objects_of, remote_to, write_script};
use super::*;
use crate::mirror::MirrorOptions;
use crate::mirror::check::CheckError;
use crate::mirror::testing::{TestRepository, files_below, paths_compared};

/// Writes a tree of 8,000 paths, all of which are one file.
fn expanding(repository: &TestRepository, content: &[u8]) -> TreeId {
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let folder = |mode, id| {
        let entries: Vec<_> = names.iter().map(|name| (mode, name.as_bytes(), id)).collect();
        repository.write_raw_tree(&entries)
    };
    let files = folder("100644", *repository.write_blob(content).as_bytes());
    let folders = folder("40000", *files.as_bytes());
    folder("40000", *folders.as_bytes())
}

/// Commits these trees in turn on top of `first`, and finally that of `main`. Returns the last commit.
fn alternate(
    repository: &TestRepository,
    first: CommitId,
    trees: [TreeId; 2],
    count: usize,
) -> CommitId {
    let tree = repository.tree_of("main");
    let between =
        (0..count).fold(first, |parent, n| repository.commit_tree(trees[n % 2], &[parent]));
    let tip = repository.commit_tree(tree, &[between]);
    repository.set_head("main", tip);
    tip
}

#[test]
fn folders_that_the_commits_of_a_push_share_are_compared_once() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    let trees = [expanding(&remote, b"1"), expanding(&remote, b"2")];
    let tip = alternate(&remote, first, trees, 60);
    let before = paths_compared();
    assert_eq!(mirror.fetch(&remote_to(&remote)).unwrap().head, RemoteHead::At(tip));
    // Three folders of twenty entries for each tree, and the file that is gone.
    assert_eq!(paths_compared() - before, 121);
}

#[test]
fn what_commits_share_that_are_compared_with_each_other_must_exist() {
    let far = LyingRemote::new();
    let repository = &far.repository;
    let first = repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&far.remote()).unwrap();
    let file = |content: &[u8]| *repository.write_blob(content).as_bytes();
    let shared = file(b"shared");
    let tree = |own: &[u8]| {
        repository.write_raw_tree(&[("100644", b"own", file(own)), ("100644", b"shared", shared)])
    };
    let tip = alternate(repository, first, [tree(b"1"), tree(b"2")], 30);
    let left_out = CommitId::from_bytes(shared).to_string();
    far.send_only(&objects_of(repository, &format!("{first}..{tip}"), &left_out));
    let error = mirror.fetch(&far.remote()).unwrap_err();
    let FetchError::ContentRejected { rule, object, .. } = error else { panic!("{error:?}") };
    assert_eq!((rule, object), ("missing_object", Some(left_out)));
    far.send_all();
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
    mirror.assert_sound();
}

/// Returns a commit of files in twenty folders, in the format of fast-import.
fn edit(files: impl Iterator<Item = usize>, content: usize) -> String {
    let head = "commit refs/heads/main\ncommitter A <a@example.org> 7 +0000\ndata 1\ns\n";
    let file = |n: usize| format!("M 100644 inline {}/{n}\ndata 4\n{content:04}\n", n % 20);
    head.to_owned() + &files.map(file).collect::<String>()
}

#[test]
fn a_push_of_256_commits_may_change_thousands_of_files_in_each() {
    let remote = TestRepository::bare();
    let import = |stream: String| {
        remote.git_with(["fast-import", "--quiet"], stream.as_bytes());
    };
    import(edit(0..1_000, 0));
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    let pushed = (1..=257).map(|n| edit((0..40).map(|k| n + 7 * k), n));
    let begin = "reset refs/heads/main\nfrom refs/heads/main^0\n\n".to_owned();
    import(begin + &pushed.collect::<String>());
    let before = paths_compared();
    mirror.fetch(&remote_to(&remote)).unwrap();
    // Each file that changed, and each folder.
    assert_eq!(paths_compared() - before, 256 * (40 + 20));
    let of_the_server = FetchLimits::paths_within(Duration::from_secs(600));
    // Of a million records in one folder, each commit has forty megabytes to compare.
    assert!(of_the_server >= 256 * (9_999 + 2 * (40 << 20) / (4 << 10)));
}

#[test]
fn commits_that_differ_in_too_many_paths_are_given_up_and_not_asked_for_again() {
    let far = LyingRemote::new();
    far.repository.commit_files("main", &[("a", "1")]);
    let [mirror, other] = [TestMirror::new(), TestMirror::new()];
    mirror.fetch(&far.remote()).unwrap();
    other.fetch(&far.remote()).unwrap();
    for content in ["1", "2", "3", "4"] {
        let files: Vec<String> = (0..30).map(|n| format!("folder/{n}")).collect();
        let files: Vec<_> = files.iter().map(|file| (&**file, content)).collect();
        far.repository.commit_files("main", &files);
    }
    let tip = far.repository.head("main");
    let asked = far.folder.path().join("asked");
    write_script(&far.hook(), &format!("echo >>'{}'; exec \"$@\"", asked.display()));
    let times = || std::fs::read_to_string(&asked).unwrap().len();
    let before = paths_compared();
    assert_eq!(other.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
    let needed = paths_compared() - before;
    let files = files_below(&mirror.path());
    let limited = |max_paths| FetchLimits { max_paths, ..FetchLimits::default() };
    let refused = |mirror: &Mirror| {
        let few = limited(needed - 1);
        let error = mirror.fetch(&far.remote(), "main", &few).unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::ContentRejected);
        let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
        assert_eq!(rule, "too_much_work");
        let mut left = files_below(mirror.git_dir());
        left.retain(|file| file != Path::new("headwater/given-up"));
        assert_eq!(left, files);
    };
    refused(&mirror.mirror);
    refused(&mirror.mirror);
    refused(&Mirror::open(&mirror.path(), MirrorOptions::default()).unwrap());
    assert_eq!(times(), 2, "it was asked for again");
    let fetched = mirror.mirror.fetch(&far.remote(), "main", &limited(needed)).unwrap();
    assert_eq!((fetched.head, times()), (RemoteHead::At(tip), 3));
    // Whoever follows asks a leader, which has checked each push.
    let behind = TestMirror::new();
    let leader = remote_to(&far.repository);
    behind.mirror.fetch_commit(&leader, "main", tip, &limited(1)).unwrap();
}

#[test]
fn a_check_ends_with_the_time_of_the_fetch() {
    let remote = TestRepository::bare();
    for content in ["1", "2", "3"] {
        remote.commit_files("main", &[("a", content), ("folder/b", content)]);
    }
    let (tip, objects) = (remote.head("main"), remote.objects());
    let empty = TestRepository::bare();
    let nothing = empty.objects();
    let check = |steps: usize| {
        let left = Cell::new(steps);
        let goes_on = || left.replace(left.get().saturating_sub(1)) > 0;
        let limits = CheckLimits { paths: 1_000, goes_on: &goes_on };
        let known = check::Present { objects: &nothing, is_complete: true };
        check::check_commits(&objects, &[tip], limits)?;
        check::check(&objects, known, tip, None, limits)
    };
    let needed = (0..100).find(|steps| match check(*steps) {
        Ok(()) => true,
        Err(CheckError::TimedOut) => false,
        Err(error) => panic!("{error}"),
    });
    // For the commit of the pack, two below it, its files, and two folders of each of the two.
    assert_eq!(needed, Some(8));
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    let limits = FetchLimits { timeout: Duration::ZERO, ..FetchLimits::default() };
    let attempt = Attempt {
        mirror: &mirror.mirror,
        remote: &remote_to(&remote),
        branch: "main",
        limits,
        budget: Arc::new(Budget::new(&limits)),
        known: Known::Everything,
        asked: Asked::Branch,
        expected: None,
    };
    let received = Received { head: RemoteHead::At(tip), pack: None, tags: None };
    let known = mirror.mirror.objects().unwrap();
    let error = attempt.admit(&known, &received, tip, None).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::TimedOut);
    assert!(error.to_string().ends_with("took too long to be checked"), "{error}");
}
