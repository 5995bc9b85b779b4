//! What a fetch must have brought before it may enter the mirror.
//!
//! The tip is a commit, its history is there down to what the mirror has, its tree is well formed
//! and every file of it exists. Indexing the pack has decoded and hashed every object in it, so
//! existence and kind are all that is left to ask. Names that are merely hostile (`..`, `.git`)
//! are for the engine, which makes them problems.

use std::collections::HashSet;

use gix::objs::Exists as _;
use gix::odb::Header as _;

use super::history::object_id;
use super::objects::kind_name;
use super::tree::EntryMode;
use super::{ObjectError, Objects, PathChange};
use crate::id::{CommitId, TreeId};

/// Checks that everything the tip stands for is in `received`.
///
/// `known` is the mirror alone, whose commits have all of their history. `base` is the tree of a commit that is known to be whole: what is
/// the same there is not looked at. Trees of commits between are not looked at either.
pub(super) fn check(
    received: &Objects,
    known: Option<&Objects>,
    tip: CommitId,
    base: Option<TreeId>,
) -> Result<(), ObjectError> {
    let tree = check_history(received, known, tip)?;
    let changes = match received.diff(base, Some(tree)) {
        // The fault can be on the side of the base, which is not what is judged here.
        Err(_) if base.is_some() => received.diff(None, Some(tree)),
        changes => changes,
    }?;
    changes.iter().try_for_each(|change| check_file(received, change))
}

/// Reads the commits from the tip down to those the mirror has, and returns the tree of the tip.
fn check_history(
    received: &Objects,
    known: Option<&Objects>,
    tip: CommitId,
) -> Result<TreeId, ObjectError> {
    // Looking again at the folder of packs for each commit that is new would cost more than all
    // the rest, and a commit that is missed is only read.
    let known = known.map(|known| {
        let mut repo = known.repo.clone();
        repo.objects.refresh_never();
        repo
    });
    let is_known = |commit: CommitId| {
        known.as_ref().is_some_and(|known| known.objects.exists(&object_id(commit)))
    };
    let first = received.commit(tip)?;
    let mut seen = HashSet::from([tip]);
    let mut pending = if is_known(tip) { Vec::new() } else { first.parents };
    while let Some(commit) = pending.pop() {
        if seen.insert(commit) && !is_known(commit) {
            pending.extend(received.commit(commit)?.parents);
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
