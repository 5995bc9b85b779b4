//! The references of a branch: where it is here and on the remote, and what is noted beside it.

use crate::id::CommitId;
use crate::mirror::{Expected, Objects, RefError};

/// Where commits of ours are kept that the branch cannot keep.
pub(super) const CONFLICTS: &str = "refs/heads/conflicts/";

/// Where it is noted that the remote has a branch of a conflict.
pub(super) const PUSHED: &str = "refs/headwater/pushed/";

/// The names of the references of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchRefs {
    /// The branch: the published head, and where writes go.
    pub(super) head: String,
    /// What the remote's branch was last seen at.
    pub(super) tracking: String,
    /// What of the branch is in step with the remote.
    pub(super) synced: String,
    /// The commit that is pinned.
    pub(super) pinned: String,
}

impl BranchRefs {
    pub(super) fn of(branch: &str) -> Self {
        Self {
            head: format!("refs/heads/{branch}"),
            tracking: format!("refs/remotes/origin/{branch}"),
            synced: Mark::Synced.of(branch),
            pinned: Mark::Pinned.of(branch),
        }
    }
}

/// Keeps `ours` on a branch of its own, and returns its full name.
///
/// # Errors
///
/// When the reference cannot be written.
pub(super) fn keep(objects: &Objects, ours: CommitId) -> Result<String, RefError> {
    let time = utc_now();
    let mut kept = format!("{CONFLICTS}{time}");
    // Two in one second have a name each.
    for n in 2.. {
        match objects.set_reference(&kept, Expected::Absent, ours) {
            Ok(()) => break,
            Err(RefError::Moved { .. }) => kept = format!("{CONFLICTS}{time}-{n}"),
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

/// A note on a branch: a commit, under `refs/headwater/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The last commit known to be both ours and the remote's.
    Synced,
    /// The pinned commit, which is served whatever is pushed.
    Pinned,
}

impl Mark {
    /// Returns the full name of the reference that notes it of `branch`.
    pub fn of(self, branch: &str) -> String {
        match self {
            Self::Synced => format!("refs/headwater/sync/{branch}"),
            Self::Pinned => format!("refs/headwater/pin/{branch}"),
        }
    }

    /// The name that earlier builds used, whatever the branch was.
    const fn of_any(self) -> &'static str {
        match self {
            Self::Synced => "refs/headwater/synced",
            Self::Pinned => "refs/headwater/pinned",
        }
    }
}

/// Gives the marks that an earlier build left to the branch that they were made for, as far as the
/// history tells. A mark that the branch has by now is newer and stays.
///
/// The new reference is written before the old one goes, so a death between the two loses nothing.
pub(super) fn adopt(objects: &Objects, head: Option<&str>, opened: &str) -> Result<(), RefError> {
    for mark in [Mark::Synced, Mark::Pinned] {
        let Some(commit) = objects.reference(mark.of_any())? else { continue };
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
                tracing::info!(%commit, branch, "{} belongs to this branch now", mark.of_any())
            }
            Err(RefError::Moved { .. }) => {}
            Err(error) => return Err(error),
        }
        objects.delete_reference(mark.of_any(), Expected::Is(commit))?;
    }
    Ok(())
}

/// Returns the branch that a mark was made for: the one that has the commit in its history. Of
/// several, and where none has it, it is that of `HEAD`, which the mirror was cloned for, if it may
/// be; else the one that is opened.
fn owner<'a>(branches: &[&'a str], head: Option<&'a str>, opened: &'a str) -> &'a str {
    match (branches, head) {
        ([only], _) => only,
        (_, Some(head)) if branches.is_empty() || branches.contains(&head) => head,
        _ => opened,
    }
}

/// Returns the time as `YYYYMMDDTHHMMSSZ`, which sorts and is allowed in the name of a branch.
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

/// Returns seconds since 1970, as commits have them.
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
    fn branches_share_no_mark() {
        assert_eq!(Mark::Synced.of("a/b"), "refs/headwater/sync/a/b");
        assert_ne!(Mark::Pinned.of("a"), Mark::Pinned.of("b"));
        assert_ne!(Mark::Pinned.of("a"), Mark::Synced.of("a"));
    }
}
