//! Runs the git program: the only module that starts it, without the machine's configuration and
//! without the repository's.
//!
//! gix can neither repack nor push, and a remote on this machine is served by `git upload-pack`.

mod command;
mod dir;
#[cfg(test)]
mod hostile;
mod version;

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::command::GitCommand;
pub(super) use self::dir::GitDir;
pub use self::version::{GitVersion, OLDEST_GIT};
use super::child::{ChildGroup, Pipes};
use super::lock::is_temporary;
use super::transport::{Budget, Metered, Overrun, watched};
use super::{FetchLimits, Mirror};

/// The number of bytes of git's output that are read.
const OUTPUT_LIMIT: u64 = 64 << 10;
/// How long a repack may take. It takes about a second for tens of thousands of records.
const REPACK_TIME: Duration = Duration::from_secs(600);

/// A failed run of the git program.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started; it may not be installed.
    #[error("git cannot be started")]
    Start(#[source] io::Error),
    /// The folder in which git runs could not be created.
    #[error("cannot create the folder in which git runs")]
    Folder(#[source] io::Error),
    /// It took too long or printed too much, and was killed.
    #[error("git {command} was killed: it took too long or printed too much")]
    Killed {
        /// The command.
        command: String,
    },
    /// Its processes held too much memory, and were killed.
    #[error("git {command} was killed: it held too much memory")]
    TooMuchMemory {
        /// The command.
        command: String,
    },
    /// The command failed.
    #[error("git {command} failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// The error message, cut to a few lines.
        message: String,
    },
    /// The repository lacks an object that the command needs.
    #[error("git {command} needs an object that is missing: {message}")]
    Lacking {
        /// The command.
        command: String,
        /// Which one, or the error message.
        message: String,
    },
}

impl Mirror {
    /// Merges packs so that their number stays small: `git repack --geometric=2 -d`.
    ///
    /// Readers may continue meanwhile, but it must not run at the same time as a fetch. Takes about
    /// 0.7 s for 50 packs of 32,000 records, and nothing if there is nothing to do. A run that
    /// fails or takes longer than ten minutes leaves the packs as they were and no temporary files.
    pub fn repack(&self) -> Result<(), GitError> {
        self.repack_within(REPACK_TIME)
    }

    fn repack_within(&self, time: Duration) -> Result<(), GitError> {
        let before = self.temporary_packs();
        let mut run = GitRun::on(self, GitCommand::Repack)?;
        run.command.args(["--geometric=2", "-d", "-q"]);
        run.finish(time).map(drop).inspect_err(|_| {
            // A killed program does not remove its own files.
            for file in self.temporary_packs() {
                if !before.contains(&file)
                    && let Err(error) = std::fs::remove_file(&file)
                {
                    tracing::warn!(path = %file.display(), %error, "cannot remove a leftover");
                }
            }
        })
    }

    fn temporary_packs(&self) -> Vec<PathBuf> {
        let packs = std::fs::read_dir(self.git_dir().join("objects/pack"));
        let files = packs.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        files.filter(|path| is_temporary(path)).collect()
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

/// Returns the command that serves a local repository to a fetch. `git_dir` is its git directory,
/// whose owner has been checked.
pub(super) fn upload_pack(git_dir: &Path) -> Command {
    let mut command = clean_command(Path::new("git"));
    command.env("GIT_PROTOCOL", "version=2");
    command.args(["-c", "safe.directory=*", GitCommand::UploadPack.name(), "--strict", "--"]);
    command.arg(git_dir);
    command
}

/// Returns the command that answers one request over http for `branch` and the tags; `options` are
/// those of the request. No other reference is shown.
pub(super) fn upload_pack_over_http(git_dir: &Path, branch: &str, options: &[&str]) -> Command {
    let mut command = clean_command(Path::new("git"));
    command.env("GIT_PROTOCOL", "version=2");
    let shown = format!("uploadpack.hideRefs=!refs/heads/{branch}");
    command.args(["-c", "safe.directory=*", "-c", "uploadpack.hideRefs=refs", "-c", &shown]);
    command.args(["-c", "uploadpack.hideRefs=!refs/tags", GitCommand::UploadPack.name()]);
    command.args(["--strict", "--timeout=30", "--stateless-rpc"]).args(options);
    command.arg("--").arg(git_dir);
    command
}

/// A run of the git program on the objects of a repository.
pub(super) struct GitRun {
    pub(super) command: Command,
    git_command: GitCommand,
    dir: GitDir,
    memory: Option<u64>,
}

/// A run in progress. Dropping it kills the program and removes its git directory.
#[derive(Debug)]
pub(super) struct Running {
    group: ChildGroup,
    _dir: GitDir,
}

impl Running {
    /// Kills the program, so that reading from it ends.
    pub(super) fn kill(&self) {
        self.group.kill();
    }
}

impl GitRun {
    /// Prepares the command. The caller adds the arguments.
    pub(super) fn on(mirror: &Mirror, command: GitCommand) -> Result<Self, GitError> {
        Self::with_settings(mirror, command, "")
    }

    /// Does the same with further settings in git's own format. They may hold secrets.
    pub(super) fn with_settings(
        mirror: &Mirror,
        git_command: GitCommand,
        settings: &str,
    ) -> Result<Self, GitError> {
        let dir = GitDir::new(mirror, git_command, settings).map_err(GitError::Folder)?;
        let mut command = clean_command(Path::new("git"));
        command.env("GIT_DIR", dir.path());
        command.env("GIT_OBJECT_DIRECTORY", mirror.git_dir().join("objects"));
        command.arg(git_command.name());
        Ok(Self { command, git_command, dir, memory: None })
    }

    /// Allows the program that git starts for a remote on this machine to use that repository,
    /// whose owner has been checked. That program takes over this settings file and no other.
    pub(super) fn trust_local_remote(&mut self) -> Result<(), GitError> {
        let file = self.dir.path().join("global");
        std::fs::write(&file, "[safe]\n\tdirectory = *\n").map_err(GitError::Folder)?;
        self.command.env("GIT_CONFIG_GLOBAL", file);
        Ok(())
    }

    /// Limits the memory that the program and those that it starts may hold together, in bytes.
    /// What makes packs does not count. Only Linux tells what they hold.
    pub(super) fn limit_memory(&mut self, most: u64) {
        self.memory = Some(most);
    }

    /// Starts the run.
    pub(super) fn start(self) -> Result<(Running, Pipes), GitError> {
        let (group, pipes) = ChildGroup::spawn(self.command).map_err(GitError::Start)?;
        Ok((Running { group, _dir: self.dir }, pipes))
    }

    /// Runs the command to its end and returns its output. A nonzero exit code is an error.
    pub(super) fn finish(self, time: Duration) -> Result<Vec<u8>, GitError> {
        let command = self.git_command.name().to_owned();
        let ended = self.output(time, OUTPUT_LIMIT)?;
        if ended.succeeded {
            return Ok(ended.stdout);
        }
        Err(GitError::Failed { command, message: ended.message })
    }

    /// Runs the command to its end, or kills it after `time` or `max_bytes`, or above its limit of
    /// memory. A nonzero exit code is not an error here.
    pub(super) fn output(self, time: Duration, max_bytes: u64) -> Result<Ended, GitError> {
        let limits = RunLimits { time, max_bytes, memory: self.memory };
        output(self.command, self.git_command.name(), &limits)
    }
}

/// Returns a command that inherits nothing but the search path. git may not contact any remote.
pub(super) fn clean_command(program: &Path) -> Command {
    let path = std::env::var_os("PATH");
    let mut command = Command::new(locate(program, path.as_deref()));
    command.env_clear().envs([
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // Objects of a partial clone are not fetched: that would run what its configuration names.
        ("GIT_ALLOW_PROTOCOL", ""),
        ("GIT_PROTOCOL_FROM_USER", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
    ]);
    // The machine decides where git and ssh are.
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command
}

/// Returns the location of a program on the search path.
///
/// If `PATH` is set and the program has still to be looked up, it is started by a fork, whose cost
/// grows with the memory of this process. A program given with its folder avoids that.
fn locate(program: &Path, path: Option<&OsStr>) -> PathBuf {
    let has_folder = program.components().count() > 1;
    let path = path.filter(|_| !has_folder).unwrap_or_default();
    let candidates = std::env::split_paths(path).map(|folder| folder.join(program));
    let runs = |file: &PathBuf| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    let found = candidates.filter(|file| file.is_absolute() && file.is_file()).find(runs);
    found.unwrap_or_else(|| program.to_owned())
}

/// What a run of the git program may cost.
struct RunLimits {
    time: Duration,
    /// The most bytes that it may print.
    max_bytes: u64,
    /// The most bytes that its processes may hold, if there is a limit.
    memory: Option<u64>,
}

/// The outcome of a run of the git program.
pub(super) struct Ended {
    pub(super) succeeded: bool,
    pub(super) stdout: Vec<u8>,
    /// Its error output, or what else is known about the failure.
    pub(super) message: String,
}

/// Runs the command to its end, or kills it.
fn output(command: Command, name: &str, limits: &RunLimits) -> Result<Ended, GitError> {
    let (group, Pipes { stdin, stdout }) = ChildGroup::spawn(command).map_err(GitError::Start)?;
    drop(stdin);
    // git is silent while it works, so silence does not count as a stall.
    let &RunLimits { time, max_bytes, memory } = limits;
    let limits = FetchLimits { timeout: time, stall: time, max_bytes, ..FetchLimits::default() };
    let memory = memory.and_then(|most| group.limited_to(most));
    let budget = Arc::new(Budget::new(&limits).with_memory(memory));
    let mut output = Vec::new();
    let read = watched(
        &budget,
        || group.kill(),
        || Metered::new(stdout, Arc::clone(&budget)).read_to_end(&mut output),
    );
    let overrun = budget.overrun();
    let (message, status) = group.finish();
    let command = name.to_owned();
    match overrun {
        Some(Overrun::Memory) => return Err(GitError::TooMuchMemory { command }),
        Some(_) => return Err(GitError::Killed { command }),
        None => {}
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
    fn large_files_are_merged_within_bounded_memory() {
        let repository = TestRepository::bare();
        let mut noise = 7_u32;
        let random = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        let random: Vec<u8> = random.take((33 << 20) + 1).collect();
        let mut blobs = Vec::new();
        for size in [1 << 20, 33 << 20] {
            for more in [0, 1] {
                let blob = repository.write_blob(&random[..size + more]);
                let input = format!("100644 blob {blob}\tlarge\n");
                let tree = repository.git_with(["mktree"], input.as_bytes());
                let tree = String::from_utf8(tree).unwrap();
                let commit = repository.git(["commit-tree", tree.trim(), "-m", "large"]);
                repository.git(["tag", &blob.to_string(), &commit]);
                repository.git(["-c", "pack.compression=0", "repack", "-dq"]);
                blobs.push(blob.to_string());
            }
        }
        let mirror = repository.mirror();
        mirror.repack().unwrap();
        assert_eq!(mirror.pack_count().unwrap(), 1);
        let query = blobs.join("\n");
        let format = ["cat-file", "--batch-check=%(deltabase)"];
        let bases = String::from_utf8(repository.git_with(format, query.as_bytes())).unwrap();
        let is_delta: Vec<bool> =
            bases.lines().map(|base| base.bytes().any(|id| id != b'0')).collect();
        assert_eq!(is_delta.len(), 4, "{bases}");
        assert!(is_delta[..2].contains(&true), "small ones are compared: {bases}");
        assert_eq!(is_delta[2..], [false, false], "large ones are copied as they are: {bases}");
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
        let repository = TestRepository::bare();
        let mut run = GitRun::on(&repository.mirror(), GitCommand::Log).unwrap();
        run.command.arg("nothing");
        let error = run.finish(REPACK_TIME).unwrap_err();
        assert!(error.to_string().contains("git log failed: fatal: "), "{error}");
    }

    #[test]
    fn a_run_that_takes_too_long_is_killed() {
        let mut command = clean_command(Path::new("sleep"));
        command.arg("3600");
        let time = Duration::from_millis(20);
        let limits = RunLimits { time, max_bytes: OUTPUT_LIMIT, memory: None };
        let ended = output(command, "sleep", &limits);
        assert!(matches!(ended, Err(GitError::Killed { .. })));
    }

    #[test]
    fn a_repack_that_is_killed_leaves_the_packs_as_they_were_and_nothing_else() {
        let repository = TestRepository::bare();
        for n in 0..3_u32 {
            let mut noise = 7 + n;
            let large = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            });
            repository.write_blob(&large.take(8 << 20).collect::<Vec<_>>());
            repository.commit_files("main", &[("a", &n.to_string())]);
            repository.git(["-c", "pack.compression=0", "repack", "-dq"]);
        }
        let mirror = repository.mirror();
        let mut killed = 0;
        for time in [1, 5, 10, 15, 20, 25, 30, 40, 50, 70, 100] {
            match mirror.repack_within(Duration::from_millis(time)) {
                Err(GitError::Killed { .. }) => killed += 1,
                other => other.unwrap(),
            }
            let left = mirror.temporary_packs();
            assert!(left.is_empty(), "{time} ms: {left:?}");
            assert_eq!(std::fs::read_dir(mirror.own_folder()).unwrap().count(), 0);
        }
        assert!(killed > 0);
        repository.git(["fsck", "--full", "--strict"]);
    }
}
