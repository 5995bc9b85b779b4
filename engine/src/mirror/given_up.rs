//! The heads of a remote that cost too much to unpack or to check.
//!
//! They are not requested again for a day, also not by a process that starts later: otherwise one
//! such push would cost as much at every start. The same commit may come in a cheaper pack another
//! day, and larger limits are tried at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::FetchLimits;
use super::folder::OUR_FOLDER;
use crate::id::CommitId;

/// The name of the file, in Headwater's own folder: a line for each head.
const FILE: &str = "given-up";

/// The most heads that are remembered.
const MOST: usize = 16;

/// How long a head is not requested again.
const TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The remembered heads.
#[derive(Debug)]
pub(super) struct GivenUp {
    path: PathBuf,
    /// The last one is the newest; `None` until the file is read.
    heads: Mutex<Option<Vec<Head>>>,
}

/// A head that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    commit: CommitId,
    /// When, in seconds since the Unix epoch.
    at: u64,
    /// The limits of the fetch.
    max_made: u64,
    max_held: u64,
    max_paths: usize,
}

impl GivenUp {
    /// Returns those of the mirror in this git directory.
    pub(super) fn of(git_dir: &Path) -> Self {
        Self { path: git_dir.join(OUR_FOLDER).join(FILE), heads: Mutex::default() }
    }

    /// Returns whether a fetch with these limits would give up `commit`, as one did in the last day.
    pub(super) fn contains(&self, commit: CommitId, limits: &FetchLimits) -> bool {
        self.contains_at(commit, limits, seconds_now())
    }

    fn contains_at(&self, commit: CommitId, limits: &FetchLimits, now: u64) -> bool {
        let covers = |head: &Head| {
            head.commit == commit
                && head.max_made >= limits.max_made
                && head.max_held >= limits.max_held
                && head.max_paths >= limits.max_paths
                // A clock that was set back does not prolong the time.
                && now.checked_sub(head.at).is_some_and(|age| age < TIME.as_secs())
        };
        self.heads().iter().flatten().any(covers)
    }

    /// Remembers `commit`. If it cannot be written to disk, only this process does.
    pub(super) fn note(&self, commit: CommitId, limits: &FetchLimits) {
        let FetchLimits { max_made, max_held, max_paths, .. } = *limits;
        let mut known = self.heads();
        let heads = known.get_or_insert_default();
        heads.retain(|head| head.commit != commit);
        heads.push(Head { commit, at: seconds_now(), max_made, max_held, max_paths });
        heads.drain(..heads.len().saturating_sub(MOST));
        if let Err(error) = self.write(heads) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remember what was given up");
        }
    }

    fn write(&self, heads: &[Head]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let lines = heads.iter().map(|Head { commit, at, max_made, max_held, max_paths }| {
            format!("{commit} {at} {max_made} {max_held} {max_paths}\n")
        });
        fs::write(&self.path, lines.collect::<String>())
    }

    /// Returns the heads, which are read first if they are not known yet.
    fn heads(&self) -> MutexGuard<'_, Option<Vec<Head>>> {
        // The list is consistent after every statement, so a poisoned lock holds a usable one.
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.is_none() {
            // Without the file nothing was given up; half a line names nothing.
            let text = fs::read_to_string(&self.path).unwrap_or_default();
            *heads = Some(text.lines().filter_map(Head::parse).collect());
        }
        heads
    }
}

impl Head {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [commit, at, max_made, max_held, max_paths] = words[..] else { return None };
        Some(Self {
            commit: commit.parse().ok()?,
            at: at.parse().ok()?,
            max_made: max_made.parse().ok()?,
            max_held: max_held.parse().ok()?,
            max_paths: max_paths.parse().ok()?,
        })
    }
}

fn seconds_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u8) -> CommitId {
        CommitId::from_bytes([n; 20])
    }

    #[test]
    fn a_head_is_given_up_for_a_day_by_every_process_and_with_no_larger_limits() {
        let folder = tempfile::tempdir().unwrap();
        let limits = FetchLimits::default();
        GivenUp::of(folder.path()).note(commit(1), &limits);
        let known = GivenUp::of(folder.path());
        let FetchLimits { max_made, max_held, max_paths, .. } = limits;
        let (now, day) = (seconds_now(), TIME.as_secs());
        for (head, max_made, max_held, max_paths, time, expected) in [
            (1, max_made, max_held, max_paths, now, true),
            (2, max_made, max_held, max_paths, now, false),
            (1, max_made - 1, max_held, max_paths - 1, now, true),
            (1, max_made + 1, max_held, max_paths, now, false),
            (1, max_made, max_held + 1, max_paths, now, false),
            (1, max_made, max_held, max_paths + 1, now, false),
            (1, max_made, max_held, max_paths, now + day, false),
            (1, max_made, max_held, max_paths, now - day, false),
        ] {
            let limits = FetchLimits { max_made, max_held, max_paths, ..limits };
            let is_known = known.contains_at(commit(head), &limits, time);
            assert_eq!(is_known, expected, "{head} {max_made} {max_held} {max_paths} {time}");
        }
    }

    #[test]
    fn so_many_are_remembered_and_whatever_is_in_the_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let (limits, known) = (FetchLimits::default(), GivenUp::of(folder.path()));
        (0..=MOST as u8).for_each(|n| known.note(commit(n), &limits));
        assert!(!known.contains(commit(0), &limits) && known.contains(commit(1), &limits));
        let again = GivenUp::of(folder.path());
        assert_eq!(*again.heads(), *known.heads());
        let mut text = fs::read(&known.path).unwrap();
        text.truncate(text.len() - 70);
        text.extend(b"\nnothing\n\xff\n");
        for bytes in [&text[..], b"", b"x y z w\n"] {
            fs::write(&known.path, bytes).unwrap();
            let damaged = GivenUp::of(folder.path());
            assert!(damaged.heads().as_ref().unwrap().len() <= MOST);
            damaged.note(commit(99), &limits);
            assert!(GivenUp::of(folder.path()).contains(commit(99), &limits));
        }
    }
}
