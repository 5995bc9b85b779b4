//! Pushes to real repositories, and to remotes that refuse.

mod long_answers;

use std::os::unix::fs::PermissionsExt as _;

use headwater_testkit::{Answer, GitHttp, ScriptedHttp};

use super::*;
use crate::mirror::git::GitDir;
use crate::mirror::testing::{TestRepository, give_away};
use crate::mirror::{RemoteOptions, SafeDirectories};

const MAIN: &str = "refs/heads/main";
const TIME: Duration = Duration::from_secs(60);

/// A mirror with a commit that its remote has, and one more.
struct Ahead {
    remote: TestRepository,
    ours: TestRepository,
    shared: CommitId,
    new: CommitId,
}

impl Ahead {
    fn new() -> Self {
        let (remote, ours) = (TestRepository::bare(), TestRepository::bare());
        let shared = remote.commit_files("main", &[("a", "1")]);
        ours.git(["fetch", "-q", &remote.url(), "main:main"]);
        let new = ours.commit_files("main", &[("a", "2")]);
        Self { remote, ours, shared, new }
    }

    fn push(&self, commit: CommitId, name: &str) -> Result<(), PushError> {
        self.push_from((name == MAIN).then_some(self.shared), commit, name)
    }

    fn push_from(
        &self,
        known: Option<CommitId>,
        commit: CommitId,
        name: &str,
    ) -> Result<(), PushError> {
        let remote = Remote::new(&self.remote.url(), RemoteOptions::default()).unwrap();
        let moved = RefPush { name, known, commit, served: MAIN };
        self.ours.mirror().push(&remote, moved, TIME)
    }

    /// Returns the move of the branch to the new commit.
    fn onward(&self) -> RefPush<'static> {
        RefPush { name: MAIN, known: Some(self.shared), commit: self.new, served: MAIN }
    }

    /// Installs a script that the remote runs before it accepts anything.
    fn hook(&self, script: &str) {
        self.named_hook("pre-receive", script);
    }

    fn named_hook(&self, name: &str, script: &str) {
        let hook = self.remote.path().join("hooks").join(name);
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_commit_on_top_goes_through_and_once_more_does_no_harm() {
    let ahead = Ahead::new();
    ahead.push(ahead.new, MAIN).unwrap();
    ahead.push(ahead.new, MAIN).unwrap();
    assert_eq!(ahead.remote.head("main"), ahead.new);
    ahead.remote.git(["fsck", "--full", "--strict"]);
    ahead.push(ahead.new, "refs/heads/conflicts/20260101T000000Z").unwrap();
    assert_eq!(ahead.remote.head("conflicts/20260101T000000Z"), ahead.new);
}

#[test]
fn what_the_remote_has_and_we_have_not_is_never_overwritten() {
    let ahead = Ahead::new();
    let theirs = ahead.remote.commit_files("main", &[("a", "3")]);
    let error = ahead.push(ahead.new, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Behind, "{error}");
    assert_eq!(ahead.remote.head("main"), theirs);
    // Moving backwards is not moving forward either.
    let ahead = Ahead::new();
    ahead.push(ahead.new, MAIN).unwrap();
    let error = ahead.push(ahead.shared, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Behind, "{error}");
    assert_eq!(ahead.remote.head("main"), ahead.new);
}

#[test]
fn a_branch_that_was_rewound_or_deleted_meanwhile_stays_so() {
    let ahead = Ahead::new();
    ahead.push(ahead.new, MAIN).unwrap();
    let next = ahead.ours.commit_files("main", &[("a", "3")]);
    ahead.remote.set_head("main", ahead.shared);
    let error = ahead.push_from(Some(ahead.new), next, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Behind, "{error}");
    assert_eq!(ahead.remote.head("main"), ahead.shared);
    ahead.remote.git(["update-ref", "-d", MAIN]);
    let error = ahead.push_from(Some(ahead.new), next, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Behind, "{error}");
    assert_eq!(ahead.remote.git(["for-each-ref"]), "");
}

#[test]
fn what_does_not_descend_from_what_the_remote_has_is_not_even_tried() {
    let ahead = Ahead::new();
    let other = ahead.ours.commit_tree(ahead.ours.tree_of("main"), &[]);
    let error = ahead.push(other, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Behind, "{error}");
    assert_eq!(ahead.remote.head("main"), ahead.shared);
}

#[test]
fn a_hook_of_the_remote_has_the_last_word() {
    let ahead = Ahead::new();
    ahead.hook("echo 'not on a Friday' >&2; exit 1");
    let error = ahead.push(ahead.new, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("pre-receive hook declined"), "{error}");
    assert_eq!(ahead.remote.head("main"), ahead.shared);
}

#[test]
fn a_remote_that_is_gone_or_never_answers_is_told_apart() {
    let ahead = Ahead::new();
    let gone = Remote::new("/nowhere/at/all", RemoteOptions::default()).unwrap();
    let error = ahead.ours.mirror().push(&gone, ahead.onward(), TIME).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Unreachable, "{error}");
    ahead.hook("sleep 3600");
    let remote = Remote::new(&ahead.remote.url(), RemoteOptions::default()).unwrap();
    let short = Duration::from_millis(300);
    let error = ahead.ours.mirror().push(&remote, ahead.onward(), short).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::TimedOut, "{error}");
    assert_eq!(ahead.remote.head("main"), ahead.shared);
}

#[test]
fn ssh_that_refuses_us_wants_other_credentials() {
    let ahead = Ahead::new();
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\necho 'git@x: Permission denied (publickey).' >&2; exit 255\n")
        .unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = RemoteOptions { ssh_program: Some(ssh), ..RemoteOptions::default() };
    let remote = Remote::new("git@example.org:a/b.git", options).unwrap();
    let error = ahead.ours.mirror().push(&remote, ahead.onward(), TIME).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Auth, "{error}");
}

#[test]
fn git_reads_the_credentials_from_a_file_of_ours_that_is_gone_afterwards() {
    let ours = TestRepository::bare();
    let options = RemoteOptions {
        proxy: Some("http://me:\"canary\\@proxy:1".into()),
        ..RemoteOptions::default()
    };
    let remote = Remote::new("https://me:canary@example.org/a", options).unwrap();
    let settings = settings_of(&remote).unwrap();
    let dir = GitDir::new(&ours.mirror(), GitCommand::Push, &settings).unwrap();
    let mode = dir.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "only its owner may read it");
    assert!(dir.path().starts_with(ours.mirror().own_folder()), "the next start removes leftovers");
    let read = |key: &str| {
        let path = dir.path().join("config");
        ours.git(["config", "--file", path.to_str().unwrap(), "--get", key])
    };
    assert_eq!(
        read("http.extraHeader"),
        format!("Authorization: Basic {}", BASE64.encode(b"me:canary"))
    );
    assert_eq!(read("http.proxy"), "http://me:\"canary\\@proxy:1");
    let path = dir.path().to_owned();
    drop(dir);
    assert!(!path.exists());
}

#[test]
fn a_folder_of_another_user_is_pushed_to_only_where_that_is_said() {
    let ahead = Ahead::new();
    let ran = ahead.ours.path().join("ran");
    ahead.hook(&format!("echo ran >>'{}'", ran.display()));
    if !give_away(ahead.remote.path()) {
        return;
    }
    let error = ahead.push(ahead.new, MAIN).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Untrusted, "{error}");
    assert!(!ran.exists(), "a hook of another user was run");
    let safe_directories = SafeDirectories::new([ahead.remote.path()]);
    let options = RemoteOptions { safe_directories, ..RemoteOptions::default() };
    let remote = Remote::new(&ahead.remote.url(), options).unwrap();
    ahead.ours.mirror().push(&remote, ahead.onward(), TIME).unwrap();
    assert!(ran.exists(), "the hook of a trusted user runs");
}

#[test]
fn a_push_follows_no_redirect() {
    let (remote, ours) = (TestRepository::bare(), TestRepository::bare());
    let commit = ours.commit_files("main", &[("a", "1")]);
    let elsewhere = GitHttp::serve(remote.path().parent().unwrap());
    let name = remote.path().file_name().unwrap().to_str().unwrap();
    let target = format!("{}/info/refs?service=git-receive-pack", elsewhere.url(name));
    let server = ScriptedHttp::start([Answer::json(302, "").header("Location", &target)]);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "canary").unwrap();
    let token_file = Some(token.path().to_owned());
    let options = RemoteOptions { token_file, ..RemoteOptions::default() };
    let remote = Remote::new(&server.url("/a.git"), options).unwrap();
    let moved = RefPush { name: MAIN, known: None, commit, served: MAIN };
    let error = ours.mirror().push(&remote, moved, TIME).unwrap_err();
    assert_eq!(error.kind(), PushErrorKind::Unreachable, "{error}");
    assert_eq!(server.received().len(), 1);
    assert_eq!(elsewhere.requests(), 0, "the token is for one host only");
}

#[test]
fn git_is_given_the_address_without_secrets_and_may_use_no_other_protocol() {
    for (address, expected, protocol) in [
        ("https://me:canary@example.org/a", "https://example.org/a", "https"),
        ("http://localhost:8080/a", "http://localhost:8080/a", "http"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git", "ssh"),
        ("ssh://example.org:22/~me/a", "ssh://example.org:22/~me/a", "ssh"),
        ("ssh://git@[::1]:22/a", "ssh://git@[::1]:22/a", "ssh"),
    ] {
        let remote = Remote::new(address, RemoteOptions::default()).unwrap();
        let (given, allowed) = address_of(&remote).unwrap();
        assert_eq!((given.to_str(), allowed), (Some(expected), protocol), "{address}");
    }
}

#[test]
fn a_folder_lists_only_what_a_push_needs_and_is_sent_only_what_it_lacks() {
    let ahead = Ahead::new();
    // The remote keeps the packs as they come, and its hook writes down how many objects they have.
    ahead.remote.git(["config", "receive.unpackLimit", "1"]);
    ahead.hook(r#"git show-index <"$(find "$GIT_QUARANTINE_PATH" -name '*.idx')" | wc -l >>came"#);
    let came = || {
        let counts = std::fs::read_to_string(ahead.remote.path().join("came")).unwrap();
        counts.lines().map(|count| count.trim().parse().unwrap()).collect::<Vec<u32>>()
    };
    let other = "refs/heads/z's;$(x)";
    ahead.remote.git(["fetch", "-q", &ahead.ours.url(), &format!("main:{other}")]);
    // So has a repository from which the remote borrows objects.
    let lender = TestRepository::bare();
    lender.git(["fetch", "-q", &ahead.ours.url(), &format!("main:{other}")]);
    let borrowed = lender.path().join("objects").into_os_string().into_string().unwrap();
    std::fs::write(ahead.remote.path().join("objects/info/alternates"), borrowed + "\n").unwrap();
    // With the other branch in one of the lists, git would send the last commit alone.
    let last = ahead.ours.commit_files("main", &[("a", "3")]);
    ahead.push(last, MAIN).unwrap();
    assert_eq!(came(), [2 * 3]);
    // What the served branch has is known whichever branch is pushed.
    let kept = ahead.ours.commit_files("main", &[("a", "3"), ("b", "4")]);
    let name = "refs/heads/conflicts/it's;$(x)\"#";
    ahead.push(kept, name).unwrap();
    assert_eq!(came(), [2 * 3, 3]);
    assert_eq!(ahead.remote.git(["rev-parse", name]), kept.to_string());
    assert_eq!(ahead.remote.git(["rev-parse", other]), ahead.new.to_string());
}

#[test]
fn a_hook_of_a_folder_may_push_on_to_another_one() {
    let (ahead, copy) = (Ahead::new(), TestRepository::bare());
    copy.commit_files("copied", &[("a", "0")]);
    let script = format!("git push -q '{}' +main:copied main:another", copy.url());
    ahead.named_hook("post-receive", &script);
    ahead.push(ahead.new, MAIN).unwrap();
    assert_eq!([copy.head("copied"), copy.head("another")], [ahead.new; 2]);
}

#[test]
fn each_answer_of_a_remote_has_its_kind() {
    use PushErrorKind::{Auth, Behind, Refused, Unreachable, Untrusted};
    let line = |why: &str| format!("To x\n!\tabc:refs/heads/main\t{why}\nDone\n");
    for (report, said, expected) in [
        (line("[rejected] (fetch first)"), "", Behind),
        (line("[rejected] (non-fast-forward)"), "", Behind),
        (line("[remote rejected] (protected branch hook declined)"), "", Refused),
        (line("[remote rejected] (branch is currently checked out)"), "", Refused),
        (line("[remote rejected] (blocked by a rule)"), "", Refused),
        (line("[rejected] (stale info)"), "", Behind),
        (line("[remote rejected] (cannot lock ref 'refs/heads/main')"), "", Unreachable),
        (
            line("[remote rejected] (failed to update ref)"),
            "remote: error: cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create",
            Refused,
        ),
        (line("[remote failure] (remote failed to report status)"), "", Unreachable),
        (String::new(), "fatal: could not read Username for 'https://x'", Auth),
        (String::new(), "fatal: The requested URL returned error: 403", Auth),
        (String::new(), "ERROR: Permission to a/b denied to deploy key", Auth),
        (String::new(), "Host key verification failed.", Untrusted),
        (String::new(), "fatal: unable to access 'https://x': Could not resolve host", Unreachable),
        (String::new(), "fatal: The requested URL returned error: 503", Unreachable),
    ] {
        let error = failure("x".into(), &report, said);
        assert_eq!(error.kind(), expected, "{report}{said}");
        assert_eq!(error.kind().is_passing(), matches!(expected, Behind | Unreachable));
    }
}

#[test]
fn a_disk_without_room_is_a_failure_that_passes() {
    let folder = |kind: io::ErrorKind| PushError::Git(GitError::Folder(io::Error::from(kind)));
    let full = folder(io::ErrorKind::StorageFull).kind();
    assert_eq!(
        (full, full.as_str(), full.is_passing()),
        (PushErrorKind::DiskFull, "disk_full", true)
    );
    let denied = folder(io::ErrorKind::PermissionDenied).kind();
    assert_eq!((denied, denied.is_passing()), (PushErrorKind::Ours, false));
}
