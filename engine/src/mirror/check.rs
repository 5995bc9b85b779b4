//! What a fetch must have received before it may enter the mirror.
//!
//! The tip must be a commit, its history must be complete down to what the mirror has, its tree
//! must be well formed, and every file in it must exist. Indexing the pack has already decoded and
//! hashed every object, so only existence and kind remain to be checked. Names that are merely
//! hostile (`..`, `.git`) are left to the engine, which reports them as problems.

use std::collections::HashSet;

use gix::objs::Exists as _;
use gix::odb::Header as _;

use super::history::{CommitFacts, object_id};
use super::objects::kind_name;
use super::tree::EntryMode;
use super::{ObjectError, Objects, PathChange};
use crate::id::{CommitId, TreeId};

/// The most parents of a commit. The largest merges that people make have some dozens.
const MAX_PARENTS: usize = 1_000;

/// Checks that `received` has everything that the tip refers to.
///
/// `known` is the mirror alone, whose commits have their full history. `base` is the tree of a
/// commit that is known to be complete: whatever is the same there is not checked. Neither are the
/// trees of the commits in between.
pub(super) fn check(
    received: &Objects,
    known: Option<&Objects>,
    tip: CommitId,
    base: Option<TreeId>,
) -> Result<(), ObjectError> {
    let tree = check_history(received, known, tip)?;
    let changes = match received.diff(base, Some(tree)) {
        // The fault may lie in the base, which is not being checked here.
        Err(_) if base.is_some() => received.diff(None, Some(tree)),
        changes => changes,
    }?;
    changes.iter().try_for_each(|change| check_file(received, change))
}

/// Reads the commits from the tip down to those in the mirror, and returns the tree of the tip.
fn check_history(
    received: &Objects,
    known: Option<&Objects>,
    tip: CommitId,
) -> Result<TreeId, ObjectError> {
    // Rereading the pack folder for each new commit would cost more than everything else, and a
    // commit that is missed is merely read again.
    let known = known.map(|known| {
        let mut repo = known.repo.clone();
        repo.objects.refresh_never();
        repo
    });
    let is_known = |commit: CommitId| {
        known.as_ref().is_some_and(|known| known.objects.exists(&object_id(commit)))
    };
    let commit = |id: CommitId| match received.commit(id)? {
        CommitFacts { parents, .. } if parents.len() > MAX_PARENTS => {
            Err(ObjectError::TooManyParents {
                id: id.to_string(),
                count: parents.len(),
                limit: MAX_PARENTS,
            })
        }
        facts => Ok(facts),
    };
    let first = commit(tip)?;
    let mut seen = HashSet::from([tip]);
    let mut pending = if is_known(tip) { Vec::new() } else { first.parents };
    while let Some(next) = pending.pop() {
        if seen.insert(next) && !is_known(next) {
            pending.extend(commit(next)?.parents);
        }
    }
    Ok(first.tree)
}

fn check_file(received: &Objects, change: &PathChange) -> Result<(), ObjectError> {
    let Some(entry) = change.new.filter(|entry| entry.mode != EntryMode::Submodule) else {
        return Ok(());
    };
    let id = gix::ObjectId::Sha1(*entry.id.as_bytes());
    let header = received
        .repo
        .objects
        .try_header(&id)
        .map_err(|error| ObjectError::unreadable(&id, error))?
        .ok_or_else(|| ObjectError::missing(&received.repo, &id))?;
    if header.kind() == gix::objs::Kind::Blob {
        Ok(())
    } else {
        let found = kind_name(header.kind());
        Err(ObjectError::WrongKind { id: id.to_string(), found, wanted: "blob" })
    }
}
