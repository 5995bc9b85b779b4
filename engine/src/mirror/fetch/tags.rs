//! The tags of a remote that point to commits of the mirror.

use std::collections::{BTreeMap, BTreeSet};

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::id::CommitId;
use crate::mirror::conversation::TAGS;
use crate::mirror::history::object_id;
use crate::mirror::{Objects, RefError};

/// Makes the tags of the mirror match those that the remote reported in `told`, each with the
/// commit that it points to: sets new ones, moves moved ones, and deletes those that are gone.
///
/// A tag is left out if the mirror does not have its commit or if it does not point to a commit:
/// only the history of one branch is served. Nothing is fetched for a tag, so an annotated tag
/// becomes a lightweight one. Reads each tag, and writes a file for each that differs.
///
/// # Errors
///
/// If the references cannot be read or written.
pub(super) fn follow(objects: &Objects, told: &[(String, CommitId)]) -> Result<(), RefError> {
    let have: BTreeMap<String, CommitId> = objects.references_under(TAGS)?.into_iter().collect();
    let stands_for = |tag: CommitId| objects.resolve(&tag.to_string()).ok();
    let is_at = |name: &str, commit| {
        have.get(name).is_some_and(|at| *at == commit || stands_for(*at) == Some(commit))
    };
    let is_commit = |commit: CommitId| objects.commit(commit).is_ok();
    let new = told.iter().filter(|(name, commit)| !is_at(name, *commit) && is_commit(*commit));
    let new = new.filter_map(|(name, commit)| edit(name, set(*commit)));
    let names: BTreeSet<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let is_told = |name: &str| names.contains(name);
    let gone = have.keys().filter(|name| !is_told(name)).filter_map(|name| edit(name, deletion()));
    let edits: Vec<RefEdit> = gone.chain(new).collect();
    if edits.is_empty() {
        return Ok(());
    }
    objects.repo.edit_references(edits).map(drop).map_err(|error| RefError::Io {
        name: TAGS.to_owned(),
        source: std::io::Error::other(error),
    })
}

/// Returns an edit of the tag, or `None` if git does not allow the name.
fn edit(name: &str, change: Change) -> Option<RefEdit> {
    Some(RefEdit { change, name: FullName::try_from(name).ok()?, deref: false })
}

fn set(commit: CommitId) -> Change {
    let (expected, new) = (PreviousValue::Any, Target::Object(object_id(commit)));
    Change::Update { log: LogChange::default(), expected, new }
}

fn deletion() -> Change {
    Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference }
}
