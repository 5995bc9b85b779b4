//! Fetches from real repositories, and from remotes that lie, stop or never end.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::mirror::testing::{TestRepository, files_below, give_away, hermetic_git};
use crate::mirror::{Cause, MirrorOptions, RefError, RemoteOptions, SafeDirectories};

const OUR_REF: &str = "refs/remotes/origin/main";

/// A mirror in its own folder.
pub(super) struct TestMirror {
    folder: tempfile::TempDir,
    pub(super) mirror: Mirror,
}

impl TestMirror {
    pub(super) fn new() -> Self {
        Self::with(MirrorOptions::default())
    }

    fn with(options: MirrorOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::init(&folder.path().join("m.git"), "main", options).unwrap();
        Self { folder, mirror }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("m.git")
    }

    fn head(&self) -> Option<CommitId> {
        self.mirror.objects().unwrap().reference(OUR_REF).unwrap()
    }

    pub(super) fn fetch(&self, remote: &Remote) -> Result<Fetched, FetchError> {
        self.mirror.fetch(remote, "main", &FetchLimits::default())
    }

    pub(super) fn fetch_expecting(
        &self,
        remote: &Remote,
        commit: CommitId,
    ) -> Result<Fetched, FetchError> {
        self.mirror.fetch_expecting(remote, "main", &FetchLimits::default(), Some(commit))
    }

    /// Makes a file of each object.
    fn unpack(&self) {
        let packs = self.path().join("objects/pack");
        for file in files_below(&packs) {
            let path = packs.join(&file);
            let elsewhere = self.folder.path().join(&file);
            std::fs::rename(&path, &elsewhere).unwrap();
            if file.extension().is_some_and(|extension| extension == "pack") {
                let pack = std::fs::File::open(elsewhere).unwrap();
                let mut git = hermetic_git(&self.path());
                let status = git.args(["unpack-objects", "-q"]).stdin(pack).status().unwrap();
                assert!(status.success());
            }
        }
    }

    pub(super) fn assert_sound(&self) {
        let fsck = ["fsck", "--connectivity-only", "--no-dangling"];
        let output = hermetic_git(&self.path()).args(fsck).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(super) fn remote_to(repository: &TestRepository) -> Remote {
    Remote::new(&repository.url(), RemoteOptions::default()).unwrap()
}

#[test]
fn a_first_fetch_brings_the_branch_and_only_that() {
    let remote = TestRepository::bare();
    remote.commit_files("other", &[("o", "1")]);
    remote.commit_files("main", &[("a", "1")]);
    let tip = remote.commit_files("main", &[("a", "2"), ("d/b", "3")]);
    remote.git(["tag", "-a", "-m", "t", "v1", "main"]);
    let mirror = TestMirror::new();
    let fetched = mirror.fetch(&remote_to(&remote)).unwrap();
    assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true));
    assert!(fetched.objects == 8 && fetched.bytes > 0, "{fetched:?}");
    let objects = mirror.mirror.objects().unwrap();
    let references = objects.references_under("refs/").unwrap();
    let expected = [(OUR_REF.to_owned(), tip), ("refs/tags/v1".to_owned(), tip)];
    assert_eq!(references, expected, "a tag of a commit in the branch, without its object");
    mirror.assert_sound();
    let left: Vec<_> = files_below(&mirror.path().join("headwater"));
    assert_eq!(left, Vec::<PathBuf>::new());
    let packs = files_below(&mirror.path().join("objects/pack"));
    assert_eq!(packs.len(), 2, "{packs:?}");
}

#[test]
fn tags_of_what_the_branch_has_come_move_and_go_with_the_remote() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let second = remote.commit_files("main", &[("a", "2")]);
    let elsewhere = remote.commit_files("other", &[("o", "1")]);
    remote.git(["tag", "-a", "-m", "t", "v1.0", &first.to_string()]);
    remote.git(["tag", "light", &first.to_string()]);
    remote.git(["tag", "elsewhere", &elsewhere.to_string()]);
    remote.git(["tag", "tree", "main^{tree}"]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    let tags = || mirror.mirror.objects().unwrap().references_under("refs/tags/").unwrap();
    let tag = |name: &str, commit| (format!("refs/tags/{name}"), commit);
    assert_eq!(tags(), [tag("light", first), tag("v1.0", first)]);
    remote.git(["tag", "-f", "light", &second.to_string()]);
    remote.git(["tag", "-d", "v1.0"]);
    remote.git(["tag", "v2.0", &second.to_string()]);
    mirror.fetch(&from).unwrap();
    assert_eq!(tags(), [tag("light", second), tag("v2.0", second)]);
    let before = files_below(&mirror.path());
    mirror.fetch(&from).unwrap();
    assert_eq!(files_below(&mirror.path()), before);
    mirror.assert_sound();
}

#[test]
fn a_branch_that_did_not_move_costs_no_pack() {
    let remote = TestRepository::bare();
    let tip = remote.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    let before = files_below(&mirror.path());
    let fetched = mirror.fetch(&from).unwrap();
    assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), false));
    assert_eq!(fetched.objects, 0);
    assert_eq!(files_below(&mirror.path()), before);
}

#[test]
fn forty_fetches_in_a_row_work_with_one_handle() {
    let remote = TestRepository::bare();
    remote.commit_files("main", &[("a", "0")]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    let objects = mirror.mirror.objects().unwrap();
    for n in 1..=40 {
        let tip = remote.commit_files("main", &[("a", &n.to_string())]);
        assert_eq!(mirror.fetch(&from).unwrap().head, RemoteHead::At(tip));
        objects.commit(tip).unwrap();
    }
    assert_eq!(mirror.mirror.pack_count().unwrap(), 41);
    mirror.mirror.repack().unwrap();
    assert!(mirror.mirror.pack_count().unwrap() < 5);
    mirror.assert_sound();
}

#[test]
fn only_what_is_new_is_sent() {
    let remote = TestRepository::bare();
    let large = "x".repeat(100_000);
    let files: Vec<(String, String)> =
        (0..50).map(|n| (format!("f{n}"), format!("{n}{large}"))).collect();
    let mut files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    remote.commit_files("main", &files);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    files.push(("new", "1"));
    remote.commit_files("main", &files);
    let fetched = mirror.fetch(&from).unwrap();
    assert!(fetched.objects <= 5 && fetched.bytes < 10_000, "{fetched:?}");
}

#[test]
fn the_ref_says_what_the_remote_says_backwards_and_sideways() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let second = remote.commit_files("main", &[("a", "2")]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    let sideways = remote.commit_tree(remote.tree_of("main~1"), &[first]);
    let unrelated = remote.commit_tree(remote.tree_of("main"), &[]);
    for tip in [first, sideways, unrelated, second] {
        remote.set_head("main", tip);
        let fetched = mirror.fetch(&from).unwrap();
        assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true));
        assert_eq!(mirror.head(), Some(tip));
    }
    mirror.assert_sound();
}

#[test]
fn a_branch_that_is_gone_takes_its_ref_along_and_nothing_else() {
    let remote = TestRepository::bare();
    let tip = remote.commit_files("main", &[("a", "1")]);
    remote.commit_files("other", &[("a", "1")]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    let objects = mirror.mirror.objects().unwrap();
    objects.set_reference("refs/heads/main", Expected::Absent, tip).unwrap();
    remote.git(["update-ref", "-d", "refs/heads/main"]);
    let fetched = mirror.fetch(&from).unwrap();
    assert_eq!((fetched.head, fetched.changed), (RemoteHead::BranchMissing, true));
    assert_eq!(mirror.head(), None);
    assert_eq!(objects.reference("refs/heads/main").unwrap(), Some(tip));
    remote.git(["update-ref", "-d", "refs/heads/other"]);
    let fetched = mirror.fetch(&from).unwrap();
    assert_eq!((fetched.head, fetched.changed), (RemoteHead::Empty, false));
    remote.set_head("main", tip);
    assert_eq!(mirror.fetch(&from).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn the_branches_of_a_remote_and_its_head_are_told() {
    let remote = TestRepository::bare();
    let from = remote_to(&remote);
    let limits = FetchLimits::default();
    let told = Mirror::remote_branches(&from, &limits).unwrap();
    assert_eq!((told.branches, told.head.as_deref()), (vec![], Some("main")));
    remote.commit_files("main", &[("a", "1")]);
    remote.commit_files("b/c", &[("a", "1")]);
    remote.git(["tag", "v1", "main"]);
    let told = Mirror::remote_branches(&from, &limits).unwrap();
    assert_eq!(told.branches, ["b/c", "main"]);
    assert_eq!(told.head.as_deref(), Some("main"));
}

#[test]
fn hostile_names_are_let_in() {
    let remote = TestRepository::bare();
    let id = *remote.write_blob(b"1").as_bytes();
    let names: [&[u8]; 6] = [b"..", b".git", b"a\\..\\b", b"aux", b"nul.toml", b"\xff\xfe"];
    let entries: Vec<_> = names.iter().map(|name| ("100644", *name, id)).collect();
    let tip = remote.commit_tree(remote.write_raw_tree(&entries), &[]);
    remote.set_head("main", tip);
    let mirror = TestMirror::new();
    assert_eq!(mirror.fetch(&remote_to(&remote)).unwrap().head, RemoteHead::At(tip));
}

/// A remote that sends whatever pack it is given. It is reached through the program started for
/// ssh.
pub(super) struct LyingRemote {
    pub(super) repository: TestRepository,
    pub(super) folder: tempfile::TempDir,
}

impl LyingRemote {
    pub(super) fn new() -> Self {
        let this =
            Self { repository: TestRepository::bare(), folder: tempfile::tempdir().unwrap() };
        this.send_all();
        this
    }

    /// Replaces the program started for ssh. `$GIT` serves the repository as it should be.
    fn answer_with(&self, script: &str) -> Remote {
        let serve = format!(
            "git -c uploadpack.packObjectsHook='{}' upload-pack '{}'",
            self.hook().display(),
            self.repository.path().display()
        );
        let program = self.folder.path().join("ssh");
        write_script(&program, &script.replace("$GIT", &serve));
        let options = RemoteOptions { ssh_program: Some(program), ..RemoteOptions::default() };
        Remote::new("ssh://git@example.org/data.git", options).unwrap()
    }

    pub(super) fn remote(&self) -> Remote {
        self.answer_with("exec $GIT")
    }

    pub(super) fn hook(&self) -> PathBuf {
        self.folder.path().join("hook")
    }

    /// Sends what git would send.
    pub(super) fn send_all(&self) {
        write_script(&self.hook(), "exec \"$@\"");
    }

    /// Sends exactly these objects from now on, whatever is requested.
    pub(super) fn send_only(&self, objects: &[[u8; 20]]) {
        let ids: String =
            objects.iter().map(|id| format!("{}\n", CommitId::from_bytes(*id))).collect();
        let pack = self.repository.git_with(["pack-objects", "-q", "--stdout"], ids.as_bytes());
        self.send_bytes(&pack);
    }

    fn send_bytes(&self, pack: &[u8]) {
        let path = self.folder.path().join("pack");
        std::fs::write(&path, pack).unwrap();
        write_script(&self.hook(), &format!("cat >/dev/null; exec cat '{}'", path.display()));
    }
}

/// Writes a script in a child process: a file that is open for writing in this process, or in a
/// child that another test is just starting, cannot be executed.
pub(super) fn write_script(path: &Path, body: &str) {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "cat >\"$0.new\" && chmod 755 \"$0.new\" && mv \"$0.new\" \"$0\""])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let script = format!("#!/bin/sh\n{body}\n");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn ssh_is_spoken_in_both_protocols() {
    let far = LyingRemote::new();
    let first = far.repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    let head = mirror.fetch(&far.remote()).unwrap().head;
    assert_eq!(head, RemoteHead::At(first));
    let old = far.answer_with("unset GIT_PROTOCOL; exec $GIT");
    assert_eq!(mirror.fetch(&old).unwrap().head, RemoteHead::At(first));
    let second = far.repository.commit_files("main", &[("a", "2")]);
    assert_eq!(mirror.fetch(&old).unwrap().head, RemoteHead::At(second));
    far.repository.git(["branch", "-m", "main", "trunk"]);
    assert_eq!(mirror.fetch(&old).unwrap().head, RemoteHead::BranchMissing);
    assert_eq!(Mirror::remote_branches(&old, &FetchLimits::default()).unwrap().branches, ["trunk"]);
    assert_eq!(TestMirror::new().fetch(&old).unwrap().head, RemoteHead::BranchMissing);
    far.repository.git(["update-ref", "-d", "refs/heads/trunk"]);
    assert_eq!(mirror.fetch(&old).unwrap().head, RemoteHead::Empty);
}

/// The objects to send for a tip, and the rule that they break.
type Evil = (&'static str, CommitId, Vec<[u8; 20]>, &'static str);

fn evil_packs(repository: &TestRepository, parent: CommitId) -> Vec<Evil> {
    let blob = *repository.write_blob(b"evil").as_bytes();
    let other = *repository.write_blob(b"not sent").as_bytes();
    let mut cases: Vec<Evil> = Vec::new();
    let mut tree_case = |name, entries: &[(&str, &[u8], [u8; 20])], rule| {
        let tree = repository.write_raw_tree(entries);
        let tip = repository.commit_tree(tree, &[parent]);
        cases.push((name, tip, vec![*tip.as_bytes(), *tree.as_bytes(), blob], rule));
    };
    let malformed = "malformed_tree";
    tree_case("blob missing", &[("100644", b"a", other)], "missing_object");
    tree_case("folder missing", &[("40000", b"a", other)], "missing_object");
    tree_case("folder is a file", &[("40000", b"a", blob)], "wrong_kind");
    tree_case("twice", &[("100644", b"a", blob), ("100644", b"a", blob)], malformed);
    tree_case("unsorted", &[("100644", b"b", blob), ("100644", b"a", blob)], malformed);
    tree_case(
        "file and folder",
        &[("100644", b"a", blob), ("100644", b"a.b", blob), ("40000", b"a", blob)],
        malformed,
    );
    tree_case("no name", &[("100644", b"", blob)], malformed);
    tree_case("slash", &[("100644", b"a/b", blob)], malformed);
    tree_case("null id", &[("100644", b"a", [0; 20])], malformed);
    tree_case("mode", &[("777777", b"a", blob)], malformed);

    let tree = repository.write_raw_tree(&[("100644", b"a", blob)]);
    let tree_id = *tree.as_bytes();
    let mut commit_case = |name, tip: [u8; 20], objects: &[[u8; 20]], rule| {
        let objects = std::iter::once(tip).chain(objects.iter().copied()).collect();
        cases.push((name, CommitId::from_bytes(tip), objects, rule));
    };
    let tip = *repository.commit_tree(tree, &[parent]).as_bytes();
    commit_case("tree missing", tip, &[blob], "missing_object");
    let tip = *repository.commit_tree(TreeId::from_bytes(blob), &[parent]).as_bytes();
    commit_case("tree is a file", tip, &[blob], "wrong_kind");
    let unsent = repository.commit_tree(tree, &[parent, parent]);
    let tip = *repository.commit_tree(tree, &[unsent]).as_bytes();
    commit_case("parent missing", tip, &[tree_id, blob], "missing_object");
    let text = format!("tree {tree}\nparent {parent}\nauthor a");
    let garbage = repository.write_raw("tree", b"garbage");
    let tip = *repository.commit_tree(TreeId::from_bytes(garbage), &[parent]).as_bytes();
    commit_case("garbage tree", tip, &[garbage], malformed);
    let unsent = repository.write_raw("commit", text.as_bytes());
    cases.push(("tip missing", CommitId::from_bytes(unsent), vec![blob], "missing_object"));
    cases
}

#[test]
fn a_pack_that_is_refused_leaves_nothing_behind_and_a_later_fetch_works() {
    let far = LyingRemote::new();
    let good = far.repository.commit_files("main", &[("a", "1")]);
    for first in [false, true] {
        for (name, tip, objects, expected) in evil_packs(&far.repository, good) {
            let mirror = TestMirror::new();
            far.send_all();
            far.repository.set_head("main", good);
            if !first {
                mirror.fetch(&far.remote()).unwrap();
            }
            let before = files_below(&mirror.path());
            far.repository.set_head("main", tip);
            far.send_only(&objects);
            match mirror.fetch(&far.remote()) {
                Err(FetchError::ContentRejected { rule, .. }) => {
                    // On a first fetch the parent of all cases is missing, too.
                    let expected = if first { "missing_object" } else { expected };
                    assert_eq!(rule, expected, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(files_below(&mirror.path()), before, "{name}");
            far.send_all();
            far.repository.set_head("main", good);
            let mended = far.repository.commit_files("main", &[("a", name)]);
            let fetched = mirror.fetch(&far.remote()).unwrap();
            assert_eq!(fetched.head, RemoteHead::At(mended), "{name}");
            mirror.assert_sound();
        }
    }
}

#[test]
fn a_tip_that_is_no_commit_is_refused() {
    let remote = TestRepository::bare();
    let mirror = TestMirror::new();
    let commit = remote.commit_files("main", &[("a", "1")]);
    mirror.fetch(&remote_to(&remote)).unwrap();
    remote.git(["tag", "-a", "-m", "t", "v1", "main"]);
    let tag: CommitId = remote.git(["rev-parse", "v1"]).parse().unwrap();
    let blob = CommitId::from_bytes(*remote.write_blob(b"tip").as_bytes());
    for tip in [blob, tag] {
        remote.set_head("main", tip);
        let before = files_below(&mirror.path());
        let result = mirror.fetch(&remote_to(&remote));
        let Err(FetchError::ContentRejected { rule, object, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!((rule, object), ("wrong_kind", Some(tip.to_string())));
        assert_eq!(mirror.head(), Some(commit));
        assert_eq!(files_below(&mirror.path()), before);
    }
}

#[test]
fn a_pack_that_is_damaged_or_cut_is_refused() {
    let far = LyingRemote::new();
    let tip = far.repository.commit_files("main", &[("a", &"text ".repeat(1_000))]);
    let ids = far.repository.git(["rev-list", "--objects", "--no-object-names", "main"]);
    let pack = far.repository.git_with(["pack-objects", "-q", "--stdout"], ids.as_bytes());
    let mirror = TestMirror::new();
    let before = files_below(&mirror.path());
    for at in [4, 12, pack.len() / 2, pack.len() - 1] {
        let mut damaged = pack.clone();
        damaged[at] ^= 1;
        far.send_bytes(&damaged);
        let error = mirror.fetch(&far.remote()).unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::ContentRejected, "byte {at}: {error:?}");
        far.send_bytes(&pack[..at]);
        let error = mirror.fetch(&far.remote()).unwrap_err();
        let kind = error.kind();
        let expected = [FetchErrorKind::ContentRejected, FetchErrorKind::Unreachable];
        assert!(expected.contains(&kind), "cut at {at}: {error:?}");
        assert_eq!(files_below(&mirror.path()), before, "{at}");
    }
    far.send_all();
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn a_mirror_that_lost_objects_is_mended() {
    let remote = TestRepository::bare();
    remote.commit_files("main", &[("a", "1")]);
    let tip = remote.commit_files("main", &[("a", "2")]);
    let mirror = TestMirror::new();
    // The commit is there, but nothing that it refers to.
    let commit = remote.git_with(["cat-file", "commit", "main"], b"");
    let path = mirror.path();
    let mut child = hermetic_git(&path)
        .args(["hash-object", "-t", "commit", "-w", "--literally", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &commit).unwrap();
    assert!(child.wait().unwrap().success());
    let objects = mirror.mirror.objects().unwrap();
    objects.set_reference("refs/headwater/synced", Expected::Absent, tip).unwrap();
    let fetched = mirror.fetch(&remote_to(&remote)).unwrap();
    assert_eq!(fetched.head, RemoteHead::At(tip));
    mirror.assert_sound();
}

#[test]
fn files_that_a_reader_misses_come_with_the_next_fetch() {
    let remote = TestRepository::bare();
    remote.commit_files("main", &[("a", "old")]);
    let old = remote.git(["rev-parse", "main:a"]);
    let mirror = TestMirror::new();
    let from = remote_to(&remote);
    mirror.fetch(&from).unwrap();
    mirror.unpack();
    std::fs::remove_file(mirror.path().join("objects").join(&old[..2]).join(&old[2..])).unwrap();
    let read = || {
        let objects = mirror.mirror.objects().unwrap();
        objects.read_blob(old.parse().unwrap(), 100, |_| ()).map_err(|error| error.is_missing())
    };
    assert_eq!(mirror.fetch(&from).unwrap().objects, 0, "nobody has missed it yet");
    assert_eq!(read(), Err(true));
    assert_eq!(mirror.fetch(&from).unwrap().objects, 3);
    assert_eq!(read(), Ok(()));
    mirror.assert_sound();
}

#[test]
fn a_commit_that_nobody_asked_for_is_complete_or_the_pack_is_refused() {
    let far = LyingRemote::new();
    let old = far.repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&far.remote()).unwrap();
    let tree = far.repository.tree_of("main");
    let tip = far.repository.commit_tree(tree, &[old]);
    far.repository.set_head("main", tip);
    let blob = TreeId::from_bytes(*far.repository.write_blob(b"no tree").as_bytes());
    let unsent = far.repository.commit_tree(tree, &[tip, old]);
    let unsent_tree = far.repository.write_raw_tree(&[("40000", b"x", *tree.as_bytes())]);
    for (extra, expected) in [
        (far.repository.commit_tree(tree, &[tip, unsent]), "missing_object"),
        (far.repository.commit_tree(unsent_tree, &[tip]), "missing_object"),
        (far.repository.commit_tree(blob, &[tip]), "wrong_kind"),
    ] {
        let before = files_below(&mirror.path());
        far.send_only(&[*tip.as_bytes(), *extra.as_bytes(), *blob.as_bytes()]);
        let error = mirror.fetch(&far.remote()).unwrap_err();
        let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
        assert_eq!(rule, expected);
        assert_eq!(files_below(&mirror.path()), before);
    }
    let complete = far.repository.commit_tree(tree, &[tip]);
    far.send_only(&[*tip.as_bytes(), *complete.as_bytes()]);
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
    mirror.assert_sound();
}

/// Returns the objects of `range`, without `left_out`.
pub(super) fn objects_of(
    repository: &TestRepository,
    range: &str,
    left_out: &str,
) -> Vec<[u8; 20]> {
    let listed = repository.git(["rev-list", "--objects", "--no-object-names", range]);
    let sent = listed.lines().filter(|id| *id != left_out);
    sent.map(|id| *id.parse::<CommitId>().unwrap().as_bytes()).collect()
}

#[test]
fn a_push_without_a_file_of_a_commit_in_its_middle_is_refused_and_asked_for_once_as_a_whole() {
    let far = LyingRemote::new();
    let good = far.repository.commit_files("main", &[("a", "1"), ("b", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&far.remote()).unwrap();
    far.repository.commit_files("main", &[("a", "only here"), ("b", "1")]);
    let tip = far.repository.commit_files("main", &[("a", "2"), ("b", "1")]);
    let (blob, tree) = ("rev-parse main~1:a", "rev-parse main~1^{tree}");
    let range = format!("{good}..main");
    let mut asked = 0;
    for what in [blob, tree] {
        let left_out = far.repository.git(what.split(' '));
        far.send_only(&objects_of(&far.repository, &range, &left_out));
        let log = far.folder.path().join("log");
        let script = std::fs::read_to_string(far.hook()).unwrap();
        let script = script.trim_start_matches("#!/bin/sh\n");
        write_script(&far.hook(), &format!("echo >>'{}'; {script}", log.display()));
        let before = files_below(&mirror.path());
        for _ in 0..2 {
            let error = mirror.fetch(&far.remote()).unwrap_err();
            let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
            assert_eq!(rule, "missing_object", "{what}");
            assert_eq!(files_below(&mirror.path()), before, "{what}");
        }
        asked = std::fs::read_to_string(log).unwrap().len();
    }
    assert_eq!(asked, 5, "four times for what is new, and once for everything");
    far.send_all();
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
    mirror.assert_sound();
}

#[test]
fn a_long_history_is_taken_although_it_lacks_a_file_of_an_earlier_commit() {
    let far = LyingRemote::new();
    let mut stream = String::new();
    for n in 0..300 {
        let head = "commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\n";
        stream.push_str(&format!("{head}data 1\ns\nM 100644 inline a\ndata 4\n{n:04}\n\n"));
    }
    far.repository.git_with(["fast-import", "--quiet"], stream.as_bytes());
    let left_out = far.repository.git(["rev-parse", "main~150:a"]);
    far.send_only(&objects_of(&far.repository, "main", &left_out));
    let mirror = TestMirror::new();
    mirror.fetch(&far.remote()).unwrap();
    let objects = mirror.mirror.objects().unwrap();
    let read = objects.read_blob(left_out.parse().unwrap(), 100, |_| ());
    assert!(read.unwrap_err().is_missing());
    // The reader's question has the next fetch ask for it.
    far.send_all();
    mirror.fetch(&far.remote()).unwrap();
    mirror.assert_sound();
}

#[test]
fn a_commit_with_more_parents_than_any_merge_needs_is_refused_wherever_it_comes() {
    let remote = TestRepository::bare();
    let tip = remote.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    let tree = remote.write_raw_tree(&[]);
    let many = remote.commit_tree(tree, &vec![tip; 101]);
    for tip in [many, remote.commit_tree(tree, &[many])] {
        remote.set_head("main", tip);
        let error = mirror.fetch(&remote_to(&remote)).unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::ContentRejected, "{error:?}");
    }
    let tip = remote.commit_tree(tree, &vec![tip; 100]);
    remote.set_head("main", tip);
    assert_eq!(mirror.fetch(&remote_to(&remote)).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn a_history_of_nothing_but_dense_merges_is_refused() {
    let remote = TestRepository::bare();
    let merges = |branch: &str, count: usize, parents: usize| {
        let mut script = String::new();
        for n in 1..=count {
            let who = "A <a@example.org> 1700000000 +0000";
            script.push_str(&format!("commit refs/heads/{branch}\nmark :{n}\n"));
            script.push_str(&format!("committer {who}\ndata 1\nx\n"));
            for (at, parent) in (1..n).rev().take(parents).enumerate() {
                let what = if at == 0 { "from" } else { "merge" };
                script.push_str(&format!("{what} :{parent}\n"));
            }
        }
        remote.git_with(["fast-import", "--quiet"], script.as_bytes());
    };
    let mirror = TestMirror::new();
    merges("main", 2_000, 4);
    mirror.fetch(&remote_to(&remote)).unwrap();
    merges("dense", 1_200, 100);
    let dense = remote.git(["rev-parse", "dense"]);
    remote.set_head("main", dense);
    let error = mirror.fetch(&remote_to(&remote)).unwrap_err();
    let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
    assert_eq!(rule, "too_many_parents");
}

#[test]
fn a_commit_that_is_larger_than_any_message_needs_is_refused_wherever_it_comes() {
    let remote = TestRepository::bare();
    let first = remote.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&remote_to(&remote)).unwrap();
    let tree = remote.write_raw_tree(&[]);
    let large = remote.commit_tree_with(tree, &[first], &"x".repeat(1 << 20));
    for tip in [large, remote.commit_tree(tree, &[large])] {
        remote.set_head("main", tip);
        let error = mirror.fetch(&remote_to(&remote)).unwrap_err();
        let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
        assert_eq!(rule, "commit_too_large");
    }
    let tip = remote.commit_tree_with(tree, &[first], &"x".repeat(1_000_000));
    remote.set_head("main", tip);
    assert_eq!(mirror.fetch(&remote_to(&remote)).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn an_object_above_the_limit_is_refused() {
    let remote = TestRepository::bare();
    remote.commit_files("main", &[("a", &"0".repeat(1 << 20))]);
    let options = MirrorOptions { object_limit: 1 << 16, ..MirrorOptions::default() };
    let error = TestMirror::with(options).fetch(&remote_to(&remote)).unwrap_err();
    let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
    assert_eq!(rule, "object_too_large");
}

#[test]
fn more_bytes_than_allowed_are_refused() {
    let remote = TestRepository::bare();
    let mut noise = 1_u32;
    let text: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (noise >> 24) as u8 % 26)
    })
    .take(200_000)
    .collect();
    remote.commit_files("main", &[("a", &text)]);
    let mirror = TestMirror::new();
    let before = files_below(&mirror.path());
    let limits = FetchLimits { max_bytes: 50_000, ..FetchLimits::default() };
    let error = mirror.mirror.fetch(&remote_to(&remote), "main", &limits).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: 50_000, .. }), "{error:?}");
    assert_eq!(files_below(&mirror.path()), before);
}

#[test]
fn a_far_side_that_stops_talking_is_left() {
    let far = LyingRemote::new();
    far.repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    let short = Duration::from_millis(300);
    let long = Duration::from_secs(3600);
    let silent = FetchLimits { timeout: long, stall: short, ..FetchLimits::default() };
    let slow = FetchLimits { timeout: short, stall: long, ..FetchLimits::default() };
    let trickle = "printf 0fff; while :; do printf a; sleep 0.05; done";
    let endless = "$GIT & while :; do sleep 0.05; done";
    for (script, limits) in
        [("sleep 3600", silent), ("sleep 3600", slow), (trickle, slow), (endless, silent)]
    {
        let error = mirror.mirror.fetch(&far.answer_with(script), "main", &limits).unwrap_err();
        assert!(matches!(error, FetchError::TimedOut { .. }), "{script}: {error:?}");
    }
    // Silent after the refs, while the pack is made.
    write_script(&far.hook(), "sleep 3600");
    let error = mirror.mirror.fetch(&far.remote(), "main", &silent).unwrap_err();
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    assert!(files_below(&mirror.path().join("headwater")).is_empty());
}

#[test]
fn a_folder_of_another_user_is_fetched_from_only_where_that_is_said() {
    let remote = TestRepository::bare();
    let tip = remote.commit_files("main", &[("a", "1")]);
    if !give_away(remote.path()) {
        return;
    }
    let mirror = TestMirror::new();
    let error = mirror.fetch(&remote_to(&remote)).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Untrusted, "{error:?}");
    assert!(Mirror::remote_branches(&remote_to(&remote), &FetchLimits::default()).is_err());
    let safe_directories = SafeDirectories::new([remote.path()]);
    let options = RemoteOptions { safe_directories, ..RemoteOptions::default() };
    let trusted = Remote::new(&remote.url(), options).unwrap();
    assert_eq!(mirror.fetch(&trusted).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn references_and_acknowledgements_without_end_are_given_up() {
    let far = LyingRemote::new();
    let tip = far.repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    let before = files_below(&mirror.path());
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let lines = |texts: &[&str]| texts.iter().map(|text| line(text)).collect::<String>();
    let greeting = lines(&["version 2\n", "ls-refs\n", "fetch\n"]) + "0000";
    let listed = lines(&[&format!("{tip} refs/heads/main\n")]);
    for (first, again) in [
        // The old protocol sends its references with the greeting.
        (lines(&[&format!("{tip} refs/heads/main\0ofs-delta\n")]), format!("{tip} refs/heads/x\n")),
        (greeting.clone(), format!("{tip} refs/heads/x\n")),
        (greeting + &listed + "0000" + &line("acknowledgments\n"), format!("ACK {tip}\n")),
    ] {
        let first = first.replace('\n', "\\n").replace('\0', "\\000");
        let script = format!("printf '{first}'; exec yes '{}'", line(&again).trim_end());
        let error = mirror.fetch(&far.answer_with(&script)).unwrap_err();
        assert!(matches!(error, FetchError::TooTalkative { .. }), "{script}: {error:?}");
        assert_eq!(files_below(&mirror.path()), before);
    }
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(tip));
}

#[test]
fn tags_and_branches_without_end_do_not_stop_the_branch() {
    for many in ["refs/tags/", "refs/heads/main-"] {
        let remote = TestRepository::bare();
        let first = remote.commit_files("main", &[("a", "1")]);
        remote.git(["tag", "v1", "main"]);
        let mirror = TestMirror::new();
        mirror.fetch(&remote_to(&remote)).unwrap();
        let line = |n: usize| format!("{first} {many}{n:0190}\n");
        let packed: String = (0..80_000).map(line).collect();
        std::fs::write(remote.path().join("packed-refs"), packed).unwrap();
        let tip = remote.commit_files("main", &[("a", "2")]);
        let fetched = mirror.fetch(&remote_to(&remote)).unwrap();
        assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true), "{many}");
        let tags = mirror.mirror.objects().unwrap().references_under("refs/tags/").unwrap();
        assert_eq!(tags, [("refs/tags/v1".to_owned(), first)], "they stay as they are");
    }
}

#[test]
fn a_pack_that_costs_too_much_is_given_up_and_not_asked_for_again() {
    let far = LyingRemote::new();
    let good = far.repository.commit_files("main", &[("a", "1")]);
    let mirror = TestMirror::new();
    mirror.fetch(&far.remote()).unwrap();
    let before = files_below(&mirror.path());
    let tip = far.repository.commit_tree(far.repository.tree_of("main"), &[good]);
    far.repository.set_head("main", tip);
    let (asked, pack) = (far.folder.path().join("asked"), far.folder.path().join("pack"));
    std::fs::write(&pack, delta_bomb(&far.repository, tip)).unwrap();
    let (note, send) = (asked.display(), pack.display());
    write_script(&far.hook(), &format!("cat >/dev/null; echo >>'{note}'; exec cat '{send}'"));
    let costs = FetchLimits { max_made: 8 << 20, ..FetchLimits::default() };
    let holds = FetchLimits { max_held: 1 << 20, ..FetchLimits::default() };
    let refusing = TestMirror::new();
    let error = refusing.mirror.fetch(&far.remote(), "main", &holds).unwrap_err();
    assert!(
        matches!(error, FetchError::ContentRejected { rule: "too_much_work", .. }),
        "{error:?}"
    );
    std::fs::remove_file(&asked).unwrap();
    let times = || std::fs::read_to_string(&asked).unwrap().len();
    let refused = |mirror: &Mirror, limits: &FetchLimits| {
        let error = mirror.fetch(&far.remote(), "main", limits).unwrap_err();
        let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
        assert_eq!(rule, "too_much_work");
        let mut after = files_below(mirror.git_dir());
        after.retain(|file| file != Path::new("headwater/given-up"));
        assert_eq!(after, before);
    };
    refused(&mirror.mirror, &costs);
    refused(&mirror.mirror, &costs);
    assert_eq!(times(), 1, "it was requested again");
    // A process that starts later knows it, too.
    let later = Mirror::open(&mirror.path(), MirrorOptions::default()).unwrap();
    refused(&later, &costs);
    assert_eq!(times(), 1, "it was requested again after a restart");
    refused(&later, &FetchLimits { max_made: costs.max_made + 1, ..costs });
    assert_eq!(times(), 2, "larger limits are tried");
    far.send_all();
    let next = far.repository.commit_files("main", &[("a", "2")]);
    assert_eq!(mirror.fetch(&far.remote()).unwrap().head, RemoteHead::At(next));
}

/// A pack of some kilobytes: a file of zeros and many deltas, each of which copies all of it and
/// adds its own number.
fn delta_bomb(repository: &TestRepository, tip: CommitId) -> Vec<u8> {
    const SIZE: usize = 2 << 20;
    const DELTAS: u32 = 200;
    let base = repository.write_blob(&vec![0; SIZE]);
    let mut pack = [&b"PACK"[..], &2_u32.to_be_bytes(), &(DELTAS + 2).to_be_bytes()].concat();
    let mut add = |kind: u8, base: &[u8], content: &[u8]| {
        let (mut head, mut rest) =
            (vec![kind << 4 | (content.len() & 15) as u8], content.len() >> 4);
        while rest > 0 {
            *head.last_mut().unwrap() |= 0x80;
            head.push((rest & 0x7f) as u8);
            rest >>= 7;
        }
        pack.extend([&head, base].concat());
        let level = gix_zlib::Compression::BEST_SPEED;
        let mut deflated = gix_zlib::stream::deflate::Write::new(&mut pack, level);
        std::io::Write::write_all(&mut deflated, content).unwrap();
        std::io::Write::flush(&mut deflated).unwrap();
    };
    let commit = repository.git_with(["cat-file", "commit", &tip.to_string()], b"");
    add(1, &[], &commit);
    add(3, &[], &vec![0; SIZE]);
    let size = |mut n: usize| {
        let mut bytes = Vec::new();
        while n > 0x7f {
            bytes.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    for n in 0..DELTAS {
        let mut delta = [size(SIZE), size(SIZE + 4)].concat();
        // Copy two megabytes, insert four bytes.
        delta.extend([0xc0, 0x20, 4]);
        delta.extend(n.to_be_bytes());
        add(7, base.as_bytes(), &delta);
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    pack.extend(hasher.try_finalize().unwrap().as_slice());
    pack
}

#[test]
fn a_refusal_is_told_from_a_failure() {
    let far = LyingRemote::new();
    let mirror = TestMirror::new();
    for (script, expected) in [
        ("echo 'git@x: Permission denied (publickey).' >&2; exit 255", FetchErrorKind::Auth),
        ("echo 'Host key verification failed.' >&2; exit 255", FetchErrorKind::Untrusted),
        ("echo 'ssh: Could not resolve hostname x' >&2; exit 255", FetchErrorKind::Unreachable),
        ("echo 'ERROR: Repository not found.' >&2; exit 1", FetchErrorKind::Unreachable),
        ("exit 0", FetchErrorKind::Unreachable),
        ("printf 0000; cat >/dev/null", FetchErrorKind::Unreachable),
        ("echo nonsense", FetchErrorKind::Unreachable),
    ] {
        let error = mirror.fetch(&far.answer_with(script)).unwrap_err();
        assert_eq!(error.kind(), expected, "{script}: {error:?}");
        let said = script.split('\'').nth(1).unwrap_or_default();
        assert!(crate::causes::chain(&error).contains(said), "{error}");
    }
    let nowhere = Remote::new("/nowhere/at/all", RemoteOptions::default()).unwrap();
    assert_eq!(mirror.fetch(&nowhere).unwrap_err().kind(), FetchErrorKind::Unreachable);
    let empty = tempfile::tempdir().unwrap();
    let empty = Remote::new(empty.path().to_str().unwrap(), RemoteOptions::default()).unwrap();
    assert_eq!(mirror.fetch(&empty).unwrap_err().kind(), FetchErrorKind::Unreachable);
}

#[test]
fn a_shallow_or_foreign_remote_is_refused() {
    let remote = TestRepository::bare();
    remote.commit_files("main", &[("a", "1")]);
    remote.commit_files("main", &[("a", "2")]);
    let shallow = TestRepository::bare();
    shallow.git(["fetch", "-q", "--depth=1", &remote.url(), "main:main"]);
    let mirror = TestMirror::new();
    assert!(mirror.fetch(&remote_to(&shallow)).is_err());
    assert!(!mirror.path().join("shallow").exists());
    let sha256 = TestRepository::with(&["--bare", "--object-format=sha256"]);
    sha256.commit_files_unchecked("main");
    let error = mirror.fetch(&remote_to(&sha256)).unwrap_err();
    let FetchError::ContentRejected { rule, .. } = error else { panic!("{error:?}") };
    assert_eq!(rule, "object_format");
}

#[test]
fn names_that_cannot_be_branches_are_refused() {
    let remote = TestRepository::bare();
    let mirror = TestMirror::new();
    for branch in ["", "a b", "../x", "-x", "a..b", "x.lock", "HEAD~1"] {
        let limits = FetchLimits::default();
        let error = mirror.mirror.fetch(&remote_to(&remote), branch, &limits).unwrap_err();
        assert!(matches!(error, FetchError::InvalidBranch { .. }), "{branch}: {error:?}");
    }
}

#[test]
fn a_full_disk_is_recognised_through_every_wrapping() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let is_disk_full = |error: Cause| matches!(FetchError::ours(error), FetchError::DiskFull(_));
    assert!(is_disk_full(full().into()));
    assert!(is_disk_full(io::Error::other(full()).into()));
    assert!(is_disk_full(gix::Error::from_error(io::Error::other(full())).into()));
    let quota = io::Error::from(io::ErrorKind::QuotaExceeded);
    assert!(is_disk_full(RefError::Io { name: String::new(), source: quota }.into()));
    assert!(!is_disk_full(io::Error::from(io::ErrorKind::NotFound).into()));
}

#[test]
fn what_our_own_system_refuses_is_not_blamed_on_the_remote() {
    let refused = |code| io::Error::from_raw_os_error(code);
    let [eio, emfile, econnreset, enoent] = [5, 24, 104, 2].map(refused);
    assert!(is_of_our_side(&gix::Error::from_error(io::Error::other(eio))));
    assert!(is_of_our_side(&io::Error::other(emfile)));
    assert!(!is_of_our_side(&econnreset) && !is_of_our_side(&enoent));
    assert!(!is_of_our_side(&io::Error::other("a bad pack")));
}

/// A remote behind a program in the place of ssh. The program notes each connection, and, where a file
/// `ahead` is beside it, starts git only when the request for a pack has come.
fn behind_a_slow_line(repository: &TestRepository, folder: &TempDir) -> Remote {
    let program = folder.path().join("ssh");
    let script = format!(
        "cd '{folder}'\necho x >>connections\n\
         if [ -e ahead ]; then sed -u '/done$/q' >said; {{ cat said; cat; }} | \
         git-upload-pack '{repository}'; else exec git-upload-pack '{repository}'; fi\n",
        folder = folder.path().display(),
        repository = repository.path().display(),
    );
    write_script(&program, &script);
    let options = RemoteOptions { ssh_program: Some(program), ..RemoteOptions::default() };
    Remote::new("ssh://example.org/a.git", options).unwrap()
}

#[test]
fn over_a_pipe_the_pack_of_the_expected_commit_is_requested_before_the_greeting_comes() {
    let (repository, folder) = (TestRepository::bare(), TempDir::new().unwrap());
    let first = repository.commit_files("main", &[("a", "1")]);
    let remote = behind_a_slow_line(&repository, &folder);
    let mirror = TestMirror::new();
    let fetch = |expected| {
        let stall = Duration::from_secs(20);
        let limits = FetchLimits { stall, ..FetchLimits::default() };
        mirror.mirror.fetch_expecting(&remote, "main", &limits, expected).unwrap().head
    };
    let connections = || {
        let text = std::fs::read_to_string(folder.path().join("connections")).unwrap();
        text.lines().count()
    };
    assert_eq!(fetch(Some(first)), RemoteHead::At(first), "nobody has greeted yet");
    let second = repository.commit_files("main", &[("a", "2")]);
    std::fs::write(folder.path().join("ahead"), "").unwrap();
    assert_eq!((fetch(Some(second)), connections()), (RemoteHead::At(second), 2));
    // What does not come true costs another connection, or nothing if nothing is new.
    std::fs::remove_file(folder.path().join("ahead")).unwrap();
    let unknown = CommitId::from_bytes([7; 20]);
    assert_eq!((fetch(Some(unknown)), connections()), (RemoteHead::At(second), 3));
    let third = repository.commit_files("main", &[("a", "3")]);
    let fourth = repository.commit_files("main", &[("a", "4")]);
    assert_eq!((fetch(Some(third)), connections()), (RemoteHead::At(fourth), 5));
    let fifth = repository.commit_files("main", &[("a", "5")]);
    assert_eq!((fetch(Some(unknown)), connections()), (RemoteHead::At(fifth), 7));
    let sixth = repository.commit_files("main", &[("a", "6")]);
    assert_eq!((fetch(Some(sixth)), connections()), (RemoteHead::At(sixth), 8));
}
