//! The version of the installed git program.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{GitCommand, GitError, OUTPUT_LIMIT, RunLimits, clean_command, output};

/// The oldest version that supports everything used here: `repack --geometric` and
/// `GIT_CONFIG_GLOBAL` are from 2.32, and `core.fsync` from 2.36.
pub const OLDEST_GIT: GitVersion = GitVersion { major: 2, minor: 36 };

/// What printing its version may cost.
const LIMITS: RunLimits =
    RunLimits { time: Duration::from_secs(10), max_bytes: OUTPUT_LIMIT, memory: None };

/// The version of a git program, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    major: u32,
    minor: u32,
}

impl GitVersion {
    /// Asks the program on the search path. Starts a process.
    ///
    /// # Errors
    ///
    /// If it cannot be started or does not print its version.
    pub fn installed() -> Result<Self, GitError> {
        let name = GitCommand::Version.name();
        let mut command = clean_command(Path::new("git"));
        command.arg(name);
        let ended = output(command, name, &LIMITS)?;
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        let failed = || GitError::Failed { command: name.to_owned(), message: ended.message };
        Self::read(&told).ok_or_else(failed)
    }

    /// Parses `git version 2.39.5 (Apple Git-154)` and the like.
    fn read(told: &str) -> Option<Self> {
        let mut numbers = told.strip_prefix("git version ")?.split(['.', ' ', '\n']);
        let mut number = || numbers.next()?.parse().ok();
        Some(Self { major: number()?, minor: number()? })
    }
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_their_numbers() {
        for (told, expected) in [
            ("git version 2.47.3\n", Some("2.47")),
            ("git version 2.39.5 (Apple Git-154)\n", Some("2.39")),
            ("git version 2.9.5\n", Some("2.9")),
            ("git version 2.45.GIT\n", Some("2.45")),
            ("git version 3.0-rc1\n", None),
            ("hub version 2.14", None),
            ("", None),
        ] {
            let read = GitVersion::read(told).map(|version| version.to_string());
            assert_eq!(read.as_deref(), expected, "{told:?}");
        }
        let is_old = |told| GitVersion::read(told).unwrap() < OLDEST_GIT;
        assert!(is_old("git version 2.9.5") && is_old("git version 1.99.0"));
        assert!(!is_old("git version 2.36.0") && !is_old("git version 2.100.1"));
        assert!(!is_old("git version 3.0.0"));
    }

    #[test]
    fn the_program_that_is_installed_is_new_enough_for_these_tests() {
        assert!(GitVersion::installed().unwrap() >= OLDEST_GIT);
    }
}
