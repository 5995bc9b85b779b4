//! The git program: the one place that starts it, with nothing of the machine's configuration.
//!
//! gix can neither repack nor push, and a remote on this machine is served by `git upload-pack`.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::transport::process::{ChildGroup, Pipes};
use super::transport::{Budget, Metered, watched};
use super::{FetchLimits, Mirror};

/// How much of what git prints is read.
const OUTPUT_LIMIT: u64 = 64 << 10;
/// How long a repack may take; a second for tens of thousands of records.
const REPACK_TIME: Duration = Duration::from_secs(600);

/// A run of the git program that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started; it may not be installed.
    #[error("git cannot be started")]
    Start(#[source] io::Error),
    /// It took too long or printed too much, and was killed.
    #[error("git {command} was killed: it took too long or printed too much")]
    Killed {
        /// The command.
        command: String,
    },
    /// It failed.
    #[error("git {command} failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// What it said, cut to a line or a few.
        message: String,
    },
}

impl Mirror {
    /// Puts packs together so that their number stays small: `git repack --geometric=2 -d`.
    ///
    /// Readers go on meanwhile. It must not run at the same time as a fetch. Costs about 0.7 s for
    /// 50 packs of 32,000 records, and nothing when there is nothing to do.
    pub fn repack(&self) -> Result<(), GitError> {
        let mut command = git(self.git_dir());
        command.args(["repack", "--geometric=2", "-d", "-q"]);
        run(command, "repack", REPACK_TIME).map(drop)
    }

    /// Counts the packs. More than 50 make every lookup slower.
    pub fn pack_count(&self) -> io::Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(self.git_dir().join("objects/pack"))? {
            count += usize::from(entry?.path().extension() == Some(OsStr::new("idx")));
        }
        Ok(count)
    }
}

/// The program that serves a repository of this machine to a fetch.
pub(super) fn upload_pack(folder: &Path) -> Command {
    let mut command = clean_command(Path::new("git"));
    command.env("GIT_PROTOCOL", "version=2");
    // The folder was named in the settings; who owns it is not asked.
    command.args(["-c", "safe.directory=*", "upload-pack", "--"]).arg(folder);
    command
}

/// The program on the repository in this folder, with settings that leave hooks out and sync what
/// is written.
pub(super) fn git(git_dir: &Path) -> Command {
    let mut command = clean_command(Path::new("git"));
    let mut dir = std::ffi::OsString::from("--git-dir=");
    dir.push(git_dir);
    command.arg(dir);
    for setting in [
        "safe.directory=*",
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.fsync=all",
        "core.fsyncMethod=fsync",
        "gc.auto=0",
        "maintenance.auto=false",
        "credential.helper=",
        "submodule.recurse=false",
    ] {
        command.args(["-c", setting]);
    }
    command
}

/// A command that inherits nothing but the search path for programs.
pub(super) fn clean_command(program: &Path) -> Command {
    let path = std::env::var_os("PATH");
    let mut command = Command::new(locate(program, path.as_deref()));
    command.env_clear().envs([
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_PROTOCOL_FROM_USER", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
    ]);
    // The only variable the engine looks at: where git and ssh are is the machine's business.
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command
}

/// Returns where a program is on the search path.
///
/// A program that has still to be looked for when its `PATH` is set is started by a fork, whose
/// cost grows with the memory of this process; one with its folder is started without.
fn locate(program: &Path, path: Option<&OsStr>) -> PathBuf {
    let has_folder = program.components().count() > 1;
    let path = path.filter(|_| !has_folder).unwrap_or_default();
    let candidates = std::env::split_paths(path).map(|folder| folder.join(program));
    let runs = |file: &PathBuf| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    let found = candidates.filter(|file| file.is_absolute() && file.is_file()).find(runs);
    found.unwrap_or_else(|| program.to_owned())
}

fn run(command: Command, name: &str, time: Duration) -> Result<Vec<u8>, GitError> {
    let ended = output(command, name, time)?;
    if ended.succeeded {
        return Ok(ended.stdout);
    }
    Err(GitError::Failed { command: name.to_owned(), message: ended.message })
}

/// How a run of the git program ended.
pub(super) struct Ended {
    pub(super) succeeded: bool,
    pub(super) stdout: Vec<u8>,
    /// What it said, or what is known without that where it failed.
    pub(super) message: String,
}

/// Runs the command to its end, or kills it after `time`; its exit code is no error here.
pub(super) fn output(command: Command, name: &str, time: Duration) -> Result<Ended, GitError> {
    output_within(command, name, time, OUTPUT_LIMIT)
}

/// The same, for a command that prints at most so many bytes.
pub(super) fn output_within(
    command: Command,
    name: &str,
    time: Duration,
    max_bytes: u64,
) -> Result<Ended, GitError> {
    let (group, Pipes { stdin, stdout }) = ChildGroup::spawn(command).map_err(GitError::Start)?;
    drop(stdin);
    // git is silent while it works, so silence is not held against it.
    let limits = FetchLimits { timeout: time, stall: time, max_bytes };
    let budget = Arc::new(Budget::new(&limits));
    let mut output = Vec::new();
    let read = watched(
        &budget,
        || group.kill(),
        || Metered::new(stdout, Arc::clone(&budget)).read_to_end(&mut output),
    );
    let overrun = budget.overrun();
    let (message, status) = group.finish();
    if overrun.is_some() {
        return Err(GitError::Killed { command: name.to_owned() });
    }
    let succeeded = read.is_ok() && status.is_some_and(|status| status.success());
    let status = status.map(|status| status.to_string());
    let cause = || read.err().map(|error| error.to_string()).or(status).unwrap_or_default();
    let message = if message.is_empty() && !succeeded { cause() } else { message };
    Ok(Ended { succeeded, stdout: output, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn many_packs_become_few_and_nothing_is_lost() {
        let repository = TestRepository::bare();
        for n in 0..8 {
            repository.commit_files("main", &[("a", &n.to_string())]);
            repository.git(["repack", "-dq"]);
        }
        let mirror = repository.mirror();
        assert_eq!(mirror.pack_count().unwrap(), 8);
        mirror.repack().unwrap();
        assert!(mirror.pack_count().unwrap() < 4, "{}", mirror.pack_count().unwrap());
        repository.git(["fsck", "--full", "--strict"]);
        mirror.repack().unwrap();
    }

    #[test]
    fn a_program_is_named_with_its_folder_if_it_can_be_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::join_paths([Path::new("relative"), folder.path()]).unwrap();
        let located = |program: &str| locate(Path::new(program), Some(&path));
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        assert_eq!(located("tool"), Path::new("tool"), "it cannot be run");
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        assert_eq!(located("tool"), file);
        assert_eq!(located("./tool"), Path::new("./tool"));
        assert_eq!(located("other"), Path::new("other"));
        assert_eq!(locate(Path::new("tool"), None), Path::new("tool"));
    }

    #[test]
    fn a_failure_says_what_git_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = git(folder.path());
        command.arg("repack");
        let error = run(command, "repack", REPACK_TIME).unwrap_err();
        assert!(error.to_string().contains("not a git repository"), "{error}");
    }

    #[test]
    fn a_run_that_takes_too_long_is_killed() {
        let mut command = clean_command(Path::new("sleep"));
        command.arg("3600");
        let error = run(command, "sleep", Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, GitError::Killed { .. }), "{error}");
    }

    #[test]
    fn hooks_and_settings_of_the_repository_do_not_run() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let canary = repository.path().join("canary");
        let command = format!("touch {}", canary.display());
        for key in ["core.fsmonitor", "core.sshCommand", "uploadpack.packObjectsHook"] {
            repository.git(["config", key, &command]);
        }
        repository.mirror().repack().unwrap();
        assert!(!canary.exists());
    }
}
