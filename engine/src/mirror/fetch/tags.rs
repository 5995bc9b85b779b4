//! The tags of a remote, as far as they stand for commits that the mirror has.

use std::collections::{BTreeMap, BTreeSet};

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::id::CommitId;
use crate::mirror::conversation::TAGS;
use crate::mirror::history::object_id;
use crate::mirror::{Objects, RefError};

/// Makes the tags of the mirror those that the remote `told`, each with the commit that it stands
/// for: new ones are set, moved ones are moved, and what is gone there is deleted here.
///
/// A tag of a commit that the mirror has not, or of something that is no commit, is left out: what
/// is served is the history of one branch. Nothing is fetched for a tag, so one with a message of
/// its own becomes one without. Costs a look at each tag, and a file for each that differs.
///
/// # Errors
///
/// When the references cannot be read or written.
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

/// Returns an edit of the tag; `None` where git allows no such name.
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
