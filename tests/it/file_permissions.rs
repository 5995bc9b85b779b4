//! The messages about files and folders that may not be read or written to.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use headwater_testkit::git;
use tempfile::TempDir;

use crate::commands::headwater;
use crate::harness::people;

/// The user that runs the program if the tests run as root, who may read everything.
const NOBODY: u32 = 65_534;

/// A folder of a user other than root.
struct Home {
    folder: TempDir,
    program: PathBuf,
    is_root: bool,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_headwater"));
        Self { folder, program, is_root }
    }

    /// Gives everything to the user that runs the program. Returns the reason if that is
    /// impossible.
    fn hand_over(&mut self) -> Result<(), String> {
        if !self.is_root {
            return Ok(());
        }
        give(self.folder.path());
        let cannot = |error: io::Error| format!("root cannot run a program as nobody: {error}");
        match self.command(&["--version"]).output() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(cannot(error));
            }
            Err(_) => {}
        }
        // This user may not enter the folder of the build.
        let copy = self.folder.path().join("headwater");
        fs::copy(&self.program, &copy).unwrap();
        self.program = copy;
        self.command(&["--version"]).output().map(drop).map_err(cannot)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let ours = headwater(arguments);
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path());
        for (name, _) in ours.get_envs() {
            command.env_remove(name);
        }
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs a command line; returns its exit code and its output.
    fn run(&self, line: &str) -> (i32, String) {
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Not every command reads it.
        let _ = child.stdin.take().unwrap().write_all(b"{\"slug\": \"joan\"}");
        let output = child.wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(told).unwrap())
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn allow(&self, name: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Home {
    /// Unlocks the folders, because removing them requires reading them.
    fn drop(&mut self) {
        for name in LOCKED.iter().map(|(name, _)| name) {
            // It is missing if the test ended early.
            let path = self.folder.path().join(name);
            let _ = fs::set_permissions(path, Permissions::from_mode(0o755));
        }
    }
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// The locked files, and their modes.
const LOCKED: [(&str, u32); 9] = [
    ("git/.git", 0),
    ("folder", 0),
    ("head/.git/HEAD", 0),
    ("objects/.git/objects", 0),
    ("packs/.git/objects/pack", 0),
    ("refs/.git/refs", 0),
    ("secret.toml", 0),
    ("kept.git", 0o555),
    ("kept", 0o555),
];

#[test]
fn what_may_not_be_read_or_written_is_told_as_that_with_its_name() {
    let mut home = Home::new();
    let upstream = people();
    let clone = |how: &[&str], name: &str| {
        let url = upstream.url();
        git(home.folder.path(), [&["clone", "-q"], how, &[&*url, name]].concat());
    };
    for name in ["work", "git", "folder", "head", "objects", "packs", "refs"] {
        clone(&[], name);
    }
    clone(&["--bare"], "bare.git");
    clone(&["--bare"], "kept.git");
    home.file("secret.toml", "the-secret-that-nobody-may-read");
    fs::create_dir(home.folder.path().join("kept")).unwrap();
    if let Err(why) = home.hand_over() {
        eprintln!("skipped: {why}");
        return;
    }
    LOCKED.iter().for_each(|(name, mode)| home.allow(name, *mode));
    let here = "--listen 127.0.0.1:0";
    let remote = home.folder.path().join("bare.git").display().to_string();
    for (line, code, named) in [
        // A repository, or a part of it.
        ("check --repo git", 78, "git"),
        ("check --repo folder", 78, "folder"),
        ("check --repo head", 78, "head"),
        ("check --repo objects", 78, "objects"),
        ("check --repo packs", 78, "packs"),
        ("check --repo refs", 78, "refs"),
        ("get people/ada --repo objects", 78, "objects"),
        (&*format!("serve --repo git {here}"), 78, "git"),
        (&*format!("serve --repo objects {here}"), 78, "objects"),
        // Files of settings, by the names of the settings.
        ("check --repo work --config secret.toml", 78, "--config: the file secret.toml"),
        ("check --repo work --sheets secret.toml", 78, "secret.toml"),
        (
            &*format!("serve --repo work --write-tokens-file secret.toml {here}"),
            78,
            "--write-tokens",
        ),
        (&*format!("serve --repo work --reload-secret-file secret.toml {here}"), 78, "--reload-se"),
        // Files of records.
        ("import people secret.toml --repo bare.git --format json", 65, "secret.toml"),
        ("put people/joan --file secret.toml --repo bare.git", 65, "secret.toml"),
        // Files and folders to write.
        ("put people/joan --repo kept.git", 69, "kept.git"),
        (&*format!("serve --repo kept/mirror.git --remote {remote} {here}"), 78, "kept"),
        ("man kept/pages", 65, "kept/pages"),
    ] {
        let (exit, told) = home.run(line);
        let words = told.to_lowercase();
        assert!(words.contains("permission denied"), "headwater {line}: {told}");
        assert!(told.contains(named), "headwater {line}: {told}");
        assert_eq!(exit, code, "headwater {line}: {told}");
        assert!(!told.contains("the-secret-that"), "headwater {line}: {told}");
    }
    assert_eq!(home.run("check --repo work").0, 0);
}
