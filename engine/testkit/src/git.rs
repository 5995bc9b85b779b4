//! The `git` program, isolated from the settings of the machine and of the user.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `git` with `args` in `dir` and returns its output without the trailing newline.
///
/// The environment is that of [`command`], so the result does not depend on who runs the test.
///
/// # Panics
///
/// Panics with the arguments and git's own message if the command fails or prints bytes that are
/// not UTF-8.
#[track_caller]
pub fn git<S: AsRef<OsStr>>(dir: impl AsRef<Path>, args: impl IntoIterator<Item = S>) -> String {
    let mut text = String::from_utf8(git_with_input(dir, args, b"")).expect("git printed UTF-8");
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// Runs `git` with `args` in `dir`, feeds it `input` and returns the bytes it printed.
///
/// # Panics
///
/// Panics with the arguments and git's own message if the command fails.
#[track_caller]
pub fn git_with_input<S: AsRef<OsStr>>(
    dir: impl AsRef<Path>,
    args: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Vec<u8> {
    let mut command = command(dir);
    command.args(args);
    let output = run(&mut command, input);
    assert!(
        output.status.success(),
        "{:?} in {:?} failed with {}: {}",
        command.get_args().collect::<Vec<_>>(),
        command.get_current_dir(),
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    output.stdout
}

/// Returns a `git` command in `dir` with a hermetic environment: no configuration except that of
/// the repository, a fixed identity and date, no prompt, no translation, no background maintenance.
pub fn command(dir: impl AsRef<Path>) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir);
    isolate(&mut command);
    command
}

/// The committer of every commit of the testkit.
pub(crate) const IDENTITY: &str = "Test Committer <committer@example.org>";

/// The instant of the first commit of a repository, 2026-01-01 in UTC.
pub(crate) const EPOCH: i64 = 1_767_225_600;

/// Replaces the environment that `command` would inherit.
pub(crate) fn isolate(command: &mut Command) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    let date = format!("{EPOCH} +0000");
    command.envs([
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "gc.auto"),
        ("GIT_CONFIG_VALUE_0", "0"),
        ("GIT_CONFIG_KEY_1", "maintenance.auto"),
        ("GIT_CONFIG_VALUE_1", "false"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Test Committer"),
        ("GIT_AUTHOR_EMAIL", "committer@example.org"),
        ("GIT_AUTHOR_DATE", &date),
        ("GIT_COMMITTER_NAME", "Test Committer"),
        ("GIT_COMMITTER_EMAIL", "committer@example.org"),
        ("GIT_COMMITTER_DATE", &date),
    ]);
}

/// Runs `command` to its end with `input` on its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the git program is installed");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    std::thread::scope(|scope| {
        // A second thread writes, because a child that reads and writes a lot would otherwise block
        // both.
        scope.spawn(move || {
            // A child that fails early closes the pipe; its status and message are more useful.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("the child can be waited for")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_sees_no_configuration_of_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let listed = git(dir.path(), ["config", "--list", "--show-scope"]);
        assert!(listed.lines().all(|line| line.starts_with("command")), "{listed}");
    }

    #[test]
    #[should_panic(expected = "not a git repository")]
    fn a_failing_command_panics_with_the_message_of_git() {
        git(tempfile::tempdir().unwrap().path(), ["rev-parse", "HEAD"]);
    }

    #[test]
    fn input_and_output_larger_than_a_pipe_do_not_block() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), ["init", "--quiet", "--bare"]);
        let blob = vec![b'x'; 1 << 20];
        let id = git_with_input(dir.path(), ["hash-object", "-w", "--stdin"], &blob);
        let id = String::from_utf8(id).unwrap();
        assert_eq!(git_with_input(dir.path(), ["cat-file", "blob", id.trim()], b""), blob);
    }
}
