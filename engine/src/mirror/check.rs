//! What a fetch must have received before it may enter the mirror.
//!
//! The tip must be a commit, its history must be complete down to what the mirror has, its tree
//! must be well formed, and every file in it must exist. Every other commit that was received must
//! have its parents and its tree, whether or not the tip needs it: what is in the mirror counts as
//! complete from then on. Indexing the pack has already decoded and
//! hashed every object, so only existence and kind remain to be checked. Names that are merely
//! hostile (`..`, `.git`) are left to the engine, which reports them as problems.

use std::collections::HashSet;

use gix::objs::{Exists as _, Kind};
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

/// Checks that the parents and the tree of each of these commits exist. What is not a commit is
/// passed over.
///
/// Costs as much as reading each commit twice.
pub(super) fn check_commits(received: &Objects, ids: &[CommitId]) -> Result<(), ObjectError> {
    let own: HashSet<&CommitId> = ids.iter().collect();
    for id in ids {
        if kind_of(received, object_id(*id))? != Kind::Commit {
            continue;
        }
        let CommitFacts { parents, tree, .. } = commit(received, *id)?;
        for parent in parents {
            if !own.contains(&parent) {
                check_kind(received, object_id(parent), Kind::Commit)?;
            }
        }
        let tree = gix::ObjectId::Sha1(*tree.as_bytes());
        // Git knows the empty tree without ever storing it.
        if tree != gix::ObjectId::empty_tree(gix::hash::Kind::Sha1) {
            check_kind(received, tree, Kind::Tree)?;
        }
    }
    Ok(())
}

/// Reads a commit that has no more parents than it may have.
fn commit(received: &Objects, id: CommitId) -> Result<CommitFacts, ObjectError> {
    match received.commit(id)? {
        CommitFacts { parents, .. } if parents.len() > MAX_PARENTS => {
            Err(ObjectError::TooManyParents {
                id: id.to_string(),
                count: parents.len(),
                limit: MAX_PARENTS,
            })
        }
        facts => Ok(facts),
    }
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
    let first = commit(received, tip)?;
    let mut seen = HashSet::from([tip]);
    let mut pending = if is_known(tip) { Vec::new() } else { first.parents };
    while let Some(next) = pending.pop() {
        if seen.insert(next) && !is_known(next) {
            pending.extend(commit(received, next)?.parents);
        }
    }
    Ok(first.tree)
}

fn check_file(received: &Objects, change: &PathChange) -> Result<(), ObjectError> {
    let Some(entry) = change.new.filter(|entry| entry.mode != EntryMode::Submodule) else {
        return Ok(());
    };
    check_kind(received, gix::ObjectId::Sha1(*entry.id.as_bytes()), Kind::Blob)
}

/// Checks that an object exists and is of the kind `wanted`.
fn check_kind(received: &Objects, id: gix::ObjectId, wanted: Kind) -> Result<(), ObjectError> {
    match kind_of(received, id)? {
        found if found == wanted => Ok(()),
        found => {
            let (found, wanted) = (kind_name(found), kind_name(wanted));
            Err(ObjectError::WrongKind { id: id.to_string(), found, wanted })
        }
    }
}

fn kind_of(received: &Objects, id: gix::ObjectId) -> Result<Kind, ObjectError> {
    let header = received.repo.objects.try_header(&id);
    let header = header.map_err(|error| ObjectError::unreadable(&id, error))?;
    Ok(header.ok_or_else(|| ObjectError::missing(&received.repo, &id))?.kind())
}
