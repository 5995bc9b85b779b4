//! A repository that names a program wherever git would run one: no command here runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{GitCommand, GitError, GitVersion};
use crate::id::{BlobId, CommitId};
use crate::mirror::testing::{TestRepository, hermetic_git};
use crate::mirror::{
    FetchLimits, Mirror, MirrorOptions, ReadLimits, RefPush, Remote, RemoteHead, RemoteOptions,
};

/// Settings that name a program (`$EVIL`) or that lead to one.
const CONFIG: &str = r#"
[core]
	alternateRefsCommand = $EVIL
	askPass = $EVIL
	attributesFile = $FOLDER/attributes
	editor = $EVIL
	fsmonitor = $EVIL
	gitProxy = $EVIL
	hooksPath = $FOLDER/hooks
	pager = $EVIL
	sshCommand = $EVIL
	repositoryFormatVersion = 1
[alias]
	cat-file = !$EVIL
	log = !$EVIL
[credential]
	helper = !$EVIL
[diff]
	external = $EVIL
[diff "evil"]
	command = $EVIL
	textconv = $EVIL
[extensions]
	partialClone = origin
[filter "evil"]
	clean = $EVIL
	process = $EVIL
	required = true
	smudge = $EVIL
[gc]
	recentObjectsHook = $EVIL
[gpg]
	program = $EVIL
[gpg "ssh"]
	program = $EVIL
	defaultKeyCommand = $EVIL
[interactive]
	diffFilter = $EVIL
[log]
	showSignature = true
[merge "evil"]
	driver = $EVIL
[pager]
	log = $EVIL
	push = $EVIL
[protocol]
	allow = always
[protocol "ext"]
	allow = always
[push]
	gpgSign = true
[remote "origin"]
	promisor = true
	receivepack = $EVIL
	uploadpack = $EVIL
	url = ext::$EVIL %S
[sequence]
	editor = $EVIL
[trailer "evil"]
	command = $EVIL
[uploadpack]
	packObjectsHook = $EVIL
[url "ext::$EVIL %S "]
	insteadOf = /
	pushInsteadOf = /
	insteadOf = file://
"#;

/// The hooks of githooks(5) that these commands could trigger.
const HOOKS: [&str; 10] = [
    "fsmonitor-watchman",
    "post-index-change",
    "post-receive",
    "post-update",
    "pre-auto-gc",
    "pre-push",
    "proc-receive",
    "push-to-checkout",
    "reference-transaction",
    "update",
];

struct Hostile {
    repository: TestRepository,
    folder: tempfile::TempDir,
    tip: CommitId,
    missing: BlobId,
}

impl Hostile {
    fn new() -> Self {
        let (repository, folder) = (TestRepository::bare(), tempfile::tempdir().unwrap());
        repository.commit_files("main", &[("a.toml", "1"), ("b", "1")]);
        repository.git(["repack", "-dq"]);
        let parent = repository.commit_files("main", &[("a.toml", "2"), ("b", "1")]);
        repository.git(["repack", "-dq"]);
        let [a, b] = ["3", "1"].map(|text| *repository.write_blob(text.as_bytes()).as_bytes());
        let tree = repository.write_raw_tree(&[("100644", b"a.toml", a), ("100644", b"b", b)]);
        let who = "A <a@example.org> 1700000000 +0000";
        let signed = format!(
            "tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\ngpgsig -----BEGIN PGP \
             SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nsigned\n"
        );
        let tip = CommitId::from_bytes(repository.write_raw("commit", signed.as_bytes()));
        repository.set_head("main", tip);
        let hostile = Self { repository, folder, tip, missing: BlobId::from_bytes([7; 20]) };
        hostile.arm();
        hostile
    }

    fn arm(&self) {
        let (evil, folder) = (self.folder.path().join("evil"), self.folder.path());
        let script = format!("#!/bin/sh\necho \"$0 $*\" >>'{}'\nexit 1\n", self.ran().display());
        fs::write(&evil, &script).unwrap();
        fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
        let config = CONFIG.replace("$EVIL", evil.to_str().unwrap());
        let config = config.replace("$FOLDER", folder.to_str().unwrap());
        fs::write(folder.join("included"), &config).unwrap();
        fs::write(folder.join("attributes"), "* diff=evil filter=evil merge=evil\n").unwrap();
        for hooks in [folder.join("hooks"), self.repository.path().join("hooks")] {
            fs::create_dir_all(&hooks).unwrap();
            for hook in HOOKS {
                fs::copy(&evil, hooks.join(hook)).unwrap();
            }
        }
        let info = self.repository.path().join("info");
        fs::create_dir_all(&info).unwrap();
        fs::copy(folder.join("attributes"), info.join("attributes")).unwrap();
        let other = self.folder.path().join("other.git");
        Mirror::init(&other, "main", MirrorOptions::default()).unwrap();
        fs::create_dir_all(self.repository.path().join("objects/info")).unwrap();
        let alternates = format!("{}/objects\n", other.display());
        fs::write(self.repository.path().join("objects/info/alternates"), alternates).unwrap();
        let config = format!(
            "[core]\n\tbare = true\n{config}[include]\n\tpath = {}/included\n",
            folder.display()
        );
        fs::write(self.repository.path().join("config"), config).unwrap();
    }

    fn ran(&self) -> PathBuf {
        self.folder.path().join("ran")
    }

    /// Returns what was run since the last call.
    fn was_run(&self) -> String {
        let ran = fs::read_to_string(self.ran()).unwrap_or_default();
        let _ = fs::remove_file(self.ran());
        ran
    }

    /// Runs plain git in the repository and ignores the outcome.
    fn plain_git(&self, args: &[&str]) {
        hermetic_git(self.repository.path()).args(args).output().unwrap();
    }
}

fn fetch_into(folder: &Path, remote: &Remote) -> Option<RemoteHead> {
    let mirror = Mirror::init(folder, "main", MirrorOptions::default()).unwrap();
    mirror.fetch(remote, "main", &FetchLimits::default()).ok().map(|fetched| fetched.head)
}

/// Does everything for which the command is run.
fn run(command: GitCommand, hostile: &Hostile) {
    let (repository, tip) = (&hostile.repository, hostile.tip);
    let mirror = Mirror::open(repository.path(), MirrorOptions::default()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    match command {
        GitCommand::CatFile => {
            assert_eq!(mirror.find_file(tip, "a.toml").unwrap().unwrap().size(), 1);
            let a = mirror.find_file(tip, "a.toml").unwrap().unwrap().id();
            let reading = ReadLimits { largest: 100, most: 100, least: 2 };
            assert_eq!(mirror.files(&[a], reading).unwrap(), [Some(b"3".to_vec())]);
            let missing = mirror.files(&[hostile.missing, a], reading);
            assert!(matches!(missing, Err(GitError::Lacking { .. })), "{missing:?}");
        }
        GitCommand::Log => {
            let touched = mirror.touched(tip, &["a.toml".to_owned()], 0, 10).unwrap();
            assert_eq!(touched.len(), 3, "the signed one, too");
        }
        GitCommand::Push => {
            let theirs = TestRepository::bare();
            let local = Remote::new(&theirs.url(), RemoteOptions::default()).unwrap();
            let name = "refs/heads/main";
            let moved = RefPush { name, known: None, commit: tip, served: name };
            let push = |remote: &Remote| mirror.push(remote, moved, Duration::from_secs(60));
            push(&local).unwrap();
            assert_eq!(theirs.head("main"), tip);
            for address in ["git@127.0.0.1:a.git", "http://127.0.0.1:1/a"] {
                let ssh_program = Some("/bin/false".into());
                let options = RemoteOptions { ssh_program, ..RemoteOptions::default() };
                push(&Remote::new(address, options).unwrap()).unwrap_err();
            }
        }
        GitCommand::Repack => {
            mirror.repack().unwrap();
            assert_eq!(mirror.pack_count().unwrap(), 1);
        }
        GitCommand::UploadPack => {
            let remote = Remote::new(&repository.url(), RemoteOptions::default()).unwrap();
            let whole = fetch_into(&elsewhere.path().join("whole.git"), &remote);
            assert_eq!(whole, Some(RemoteHead::At(tip)));
            // git would ask the remote of a partial clone for what is missing.
            let id = *hostile.missing.as_bytes();
            let tree = repository.write_raw_tree(&[("100644", b"a.toml", id)]);
            repository.set_head("main", repository.commit_tree(tree, &[tip]));
            assert_eq!(fetch_into(&elsewhere.path().join("partial.git"), &remote), None);
        }
        GitCommand::Version => drop(GitVersion::installed().unwrap()),
    }
}

#[test]
fn plain_git_runs_what_the_repository_names() {
    let hostile = Hostile::new();
    hostile.plain_git(&["log", "-1", "--format=%H"]);
    assert!(!hostile.was_run().is_empty(), "the signature is checked");
    hostile.plain_git(&["cat-file", "-p", &hostile.missing.to_string()]);
    assert!(!hostile.was_run().is_empty(), "the missing object is fetched");
    hostile.plain_git(&["push", "/nowhere", "main"]);
    assert!(!hostile.was_run().is_empty(), "the address is replaced");
}

#[test]
fn no_command_runs_what_the_repository_names() {
    for command in GitCommand::ALL {
        let hostile = Hostile::new();
        run(command, &hostile);
        assert_eq!(hostile.was_run(), "", "{command:?}");
    }
}
