//! The references of a branch: its local and remote heads, and the notes about it.

use crate::id::CommitId;
use crate::mirror::{Expected, Objects, RefError};

/// The prefix of branches that keep local commits that the branch could not keep.
pub(super) const CONFLICTS: &str = "refs/heads/conflicts/";

/// The prefix of notes that the remote has a conflict branch.
pub(super) const PUSHED: &str = "refs/headwater/pushed/";

/// The prefix of notes that a conflict branch keeps commits of which the other replicas never heard.
/// It stays on this disk.
pub(super) const UNNAMED: &str = "refs/headwater/unnamed/";

/// The names of the references of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchRefs {
    /// The branch: the published head, and the target of writes.
    pub(super) head: String,
    /// The last seen head of the remote's branch.
    pub(super) tracking: String,
    /// The last head on which the replicas agreed.
    pub(super) followed: String,
    /// The last commit of the branch that is in step with the remote.
    pub(super) synced: String,
    /// The pinned commit.
    pub(super) pinned: String,
}

impl BranchRefs {
    pub(super) fn of(branch: &str) -> Self {
        Self {
            head: format!("refs/heads/{branch}"),
            tracking: format!("refs/remotes/origin/{branch}"),
            followed: Mark::Followed.of(branch),
            synced: Mark::Synced.of(branch),
            pinned: Mark::Pinned.of(branch),
        }
    }
}

/// How many digits of a commit are in the name of a branch that keeps it.
const SHORT: usize = 8;

/// Keeps `ours` on a separate branch, and returns its full name.
///
/// # Errors
///
/// If the reference cannot be written.
pub(super) fn keep(objects: &Objects, ours: CommitId) -> Result<String, RefError> {
    let name = kept_name(&utc_now(), ours);
    let mut kept = name.clone();
    // It may be kept twice in the same second.
    for n in 2.. {
        match objects.set_reference(&kept, Expected::Absent, ours) {
            Ok(()) => break,
            Err(RefError::Moved { .. }) => kept = format!("{name}-{n}"),
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

/// Returns the full name of a branch that keeps `ours` from `time` on. Two servers may keep commits in the same second,
/// and both push the branch.
fn kept_name(time: &str, ours: CommitId) -> String {
    format!("{CONFLICTS}{time}-{}", &ours.to_string()[..SHORT])
}

/// Does the same for commits of which the other replicas never heard: the branch is not pushed.
///
/// # Errors
///
/// If a reference cannot be written.
pub(super) fn keep_here(objects: &Objects, ours: CommitId) -> Result<String, RefError> {
    let kept = keep(objects, ours)?;
    let short = kept.strip_prefix(CONFLICTS).unwrap_or(&kept);
    objects.set_reference(&format!("{UNNAMED}{short}"), Expected::Any, ours)?;
    Ok(kept)
}

/// A note about a branch: a commit, under `refs/headwater/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The last commit known to be both local and on the remote.
    Synced,
    /// The pinned commit, which is served whatever is pushed.
    Pinned,
    /// The last head on which the replicas agreed, in the repository of one of several.
    Followed,
}

impl Mark {
    /// Returns the full name of the reference that holds it for `branch`.
    pub fn of(self, branch: &str) -> String {
        match self {
            Self::Synced => format!("refs/headwater/sync/{branch}"),
            Self::Pinned => format!("refs/headwater/pin/{branch}"),
            Self::Followed => format!("refs/headwater/followed/{branch}"),
        }
    }
}

/// The marks that earlier builds had, with the names that they used for every branch.
const OF_ANY: [(Mark, &str); 2] =
    [(Mark::Synced, "refs/headwater/synced"), (Mark::Pinned, "refs/headwater/pinned")];

/// Moves the marks that an earlier build left to the branch for which they were made, as far as the
/// history shows. A mark that the branch already has is newer and stays.
///
/// The new reference is written before the old one is removed, so a crash in between loses nothing.
pub(super) fn adopt(objects: &Objects, head: Option<&str>, opened: &str) -> Result<(), RefError> {
    for (mark, of_any) in OF_ANY {
        let Some(commit) = objects.reference(of_any)? else { continue };
        let served = objects.references_under("refs/heads/")?;
        let has = |at| objects.descends_from(at, commit).unwrap_or(false);
        let branches: Vec<&str> = served
            .iter()
            .filter(|(name, at)| !name.starts_with(CONFLICTS) && has(*at))
            .filter_map(|(name, _)| name.strip_prefix("refs/heads/"))
            .collect();
        let branch = owner(&branches, head, opened);
        match objects.set_reference(&mark.of(branch), Expected::Absent, commit) {
            Ok(()) => {
                tracing::info!(%commit, branch, "{of_any} belongs to this branch now")
            }
            Err(RefError::Moved { .. }) => {}
            Err(error) => return Err(error),
        }
        objects.delete_reference(of_any, Expected::Is(commit))?;
    }
    Ok(())
}

/// Returns the branch for which a mark was made: the one that has the commit in its history. If
/// several have it, or none, it is that of `HEAD`, for which the mirror was cloned, if possible;
/// else the branch being opened.
fn owner<'a>(branches: &[&'a str], head: Option<&'a str>, opened: &'a str) -> &'a str {
    match (branches, head) {
        ([only], _) => only,
        (_, Some(head)) if branches.is_empty() || branches.contains(&head) => head,
        _ => opened,
    }
}

/// Returns the time as `YYYYMMDDTHHMMSSZ`, which sorts and is valid in the name of a branch.
fn utc_now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, clock) = (now.date(), now.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// Returns the seconds since the Unix epoch, as used in commits.
pub(super) fn seconds_now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_an_earlier_build_goes_to_the_branch_that_has_its_commit() {
        for (branches, head, expected) in [
            (&["main"][..], Some("main"), "main"),
            (&["main"], Some("trunk"), "main"),
            (&["main"], None, "main"),
            (&["main", "other"], Some("main"), "main"),
            (&["main", "opened"], Some("trunk"), "opened"),
            (&["main", "other"], None, "opened"),
            (&[], Some("main"), "main"),
            (&[], None, "opened"),
        ] {
            assert_eq!(owner(branches, head, "opened"), expected, "{branches:?} {head:?}");
        }
    }

    #[test]
    fn two_servers_that_keep_commits_in_the_same_second_push_different_branches() {
        let name = |n| kept_name("20260101T000000Z", CommitId::from_bytes([n; 20]));
        assert_eq!(name(7), "refs/heads/conflicts/20260101T000000Z-07070707");
        assert_ne!(name(7), name(8));
    }

    #[test]
    fn branches_share_no_mark() {
        assert_eq!(Mark::Synced.of("a/b"), "refs/headwater/sync/a/b");
        assert_ne!(Mark::Pinned.of("a"), Mark::Pinned.of("b"));
        assert_ne!(Mark::Pinned.of("a"), Mark::Synced.of("a"));
    }
}
