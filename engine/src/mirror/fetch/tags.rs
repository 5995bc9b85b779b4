//! The tags of a remote that point to commits of the mirror.
//!
//! Whoever may push tags must not be able to stop the other tags: what cannot be written is left
//! out, and a tag that cannot follow the remote is deleted, so that no tag answers for a commit
//! that it no longer names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use gix::lock::acquire::Fail;
use gix::refs::file::transaction::PackedRefs;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::causes::chain;
use crate::id::CommitId;
use crate::mirror::conversation::TAGS;
use crate::mirror::gix_id::object_id;
use crate::mirror::{Objects, RefError};

/// The longest part of a name between slashes: a file has at most 255 bytes, and a reference is
/// locked by a file with `.lock` at its end.
const LONGEST_PART: usize = 250;

/// From how many changes on tags are written into one file instead of one for each.
const PACKED: usize = 100;

/// How long another process may hold a lock.
const LOCKED: Duration = Duration::from_secs(1);

/// How many of the tags that are left out are named in the log, and how much of each name.
const NAMED: usize = 3;
const NAMED_CHARS: usize = 100;

/// Makes the tags of the mirror match those that the remote reported in `told`, each with the
/// commit that it points to: sets new ones, moves moved ones, and deletes those that are gone.
///
/// A tag is left out if the mirror does not have its commit or if it does not point to a commit:
/// only the history of one branch is served. Nothing is fetched for a tag, so an annotated tag
/// becomes a lightweight one. Reads each tag, and writes a file for each that differs, or one file for many.
/// A tag that cannot be written is left out, too, with a warning.
pub(super) fn follow(objects: &Objects, told: &[(String, CommitId)]) {
    match update(objects, told) {
        Ok(left_out) if left_out.is_empty() => {}
        Ok(left_out) => {
            let shortened = |name: &String| name.chars().take(NAMED_CHARS).collect();
            let first: Vec<String> = left_out.iter().take(NAMED).map(shortened).collect();
            let count = left_out.len();
            tracing::warn!(count, ?first, "some tags of the remote cannot be followed");
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "cannot follow the tags of the remote");
        }
    }
}

/// Does this, and returns the tags that could not be written or deleted.
fn update(objects: &Objects, told: &[(String, CommitId)]) -> Result<Vec<String>, RefError> {
    let have: BTreeMap<String, CommitId> = objects.references_under(TAGS)?.into_iter().collect();
    let stands_for = |tag: CommitId| objects.resolve(&tag.to_string()).ok();
    let seeker = objects.seeker();
    let plan = Plan::of(
        &have,
        told,
        |at, commit| at == commit || stands_for(at) == Some(commit),
        |commit| seeker.has_commit(commit),
    );
    let deletions =
        |names: &[&str]| names.iter().filter_map(|name| edit(name, deletion())).collect();
    // First, since the name of a new tag can be that of a folder of old ones, and the reverse.
    let undeleted = apply(objects, deletions(&plan.gone));
    let new = plan.new.iter().filter_map(|(name, commit)| edit(name, set(*commit)));
    let unset = apply(objects, new.collect());
    let moved: Vec<&str> =
        unset.iter().map(String::as_str).filter(|name| have.contains_key(*name)).collect();
    apply(objects, deletions(&moved));
    let left_out = plan.left_out.into_iter().map(str::to_owned);
    Ok(left_out.chain(undeleted).chain(unset).collect())
}

/// What there is to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan<'a> {
    /// The tags of the mirror that the remote does not have, or has where the mirror cannot follow.
    gone: Vec<&'a str>,
    /// The tags to set, with their commits.
    new: Vec<(&'a str, CommitId)>,
    /// The tags of the remote that no folder can hold.
    left_out: Vec<&'a str>,
}

impl<'a> Plan<'a> {
    /// Compares the tags of the mirror with those that the remote reported. `is_at` tells whether a
    /// tag of the mirror that points to the first points to the second commit, and `is_here` whether
    /// the mirror has a commit; this is asked once for each commit, of which there may be many tags.
    fn of(
        have: &'a BTreeMap<String, CommitId>,
        told: &'a [(String, CommitId)],
        is_at: impl Fn(CommitId, CommitId) -> bool,
        is_here: impl Fn(CommitId) -> bool,
    ) -> Self {
        let told = told.iter().map(|(name, commit)| Told {
            name,
            commit: *commit,
            stays: have.get(name).is_some_and(|at| is_at(*at, *commit)),
        });
        let mut here = HashMap::new();
        let mut is_here = |commit: CommitId| *here.entry(commit).or_insert_with(|| is_here(commit));
        let mut told: Vec<Told> = told.filter(|tag| tag.stays || is_here(tag.commit)).collect();
        // So what lies below a tag follows it at once: `v1`, `v1/x`, `v1-a`.
        told.sort_by(|one, other| one.name.split('/').cmp(other.name.split('/')));
        told.dedup_by_key(|tag| tag.name);
        let (mut plan, mut kept, mut last) = (Self::default(), HashSet::new(), None);
        for Told { name, commit, stays } in told {
            if !is_name_of_file(name) || last.is_some_and(|last| is_below(name, last)) {
                plan.left_out.push(name);
                continue;
            }
            last = Some(name);
            kept.insert(name);
            if !stays {
                plan.new.push((name, commit));
            }
        }
        plan.gone = have.keys().map(String::as_str).filter(|name| !kept.contains(name)).collect();
        plan
    }
}

/// A tag that the remote reported.
struct Told<'a> {
    name: &'a str,
    commit: CommitId,
    /// Whether the tag of the mirror points to that commit.
    stays: bool,
}

/// Returns whether the tag would lie in a folder with the name of the other one.
fn is_below(name: &str, other: &str) -> bool {
    name.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether git allows the name, and a file can have it.
fn is_name_of_file(name: &str) -> bool {
    name.split('/').all(|part| part.len() <= LONGEST_PART) && FullName::try_from(name).is_ok()
}

/// Makes the edits, and returns the names of those that cannot be made. If they cannot be made
/// together, both halves are tried.
fn apply(objects: &Objects, edits: Vec<RefEdit>) -> Vec<String> {
    let is_done = match edits.len() {
        0 => true,
        1..PACKED => objects.repo.edit_references(edits.iter().cloned()).is_ok(),
        _ => apply_packed(objects, &edits).is_ok(),
    };
    if is_done {
        return Vec::new();
    }
    let mut unmade = Vec::new();
    apply_in_parts(objects, &edits, &mut unmade);
    unmade
}

/// Makes the edits together, in the file of the packed references.
fn apply_packed(objects: &Objects, edits: &[RefEdit]) -> Result<(), gix::Error> {
    let found = Box::new(objects.repo.objects.clone());
    let packed = PackedRefs::DeletionsAndNonSymbolicUpdatesRemoveLooseSourceReference(found);
    let transaction = objects.repo.refs.transaction().packed_refs(packed);
    let wait = Fail::AfterDurationWithBackoff(LOCKED);
    let prepared = transaction.prepare(edits.iter().cloned(), wait, wait)?;
    prepared.commit(objects.repo.committer().transpose()?).map(drop)
}

fn apply_in_parts(objects: &Objects, edits: &[RefEdit], unmade: &mut Vec<String>) {
    match (edits, apply_at_once(objects, edits)) {
        (_, Ok(())) => {}
        ([edit], Err(error)) => {
            tracing::debug!(name = %edit.name, error = chain(&error), "a tag cannot be changed");
            unmade.push(edit.name.to_string());
        }
        (_, Err(_)) => {
            let (first, second) = edits.split_at(edits.len() / 2);
            apply_in_parts(objects, first, unmade);
            apply_in_parts(objects, second, unmade);
        }
    }
}

/// Makes the edits together, and waits for no lock: there may be many tags that are locked.
fn apply_at_once(objects: &Objects, edits: &[RefEdit]) -> Result<(), gix::Error> {
    let transaction = objects.repo.refs.transaction();
    let edits = edits.iter().cloned();
    let prepared = transaction.prepare(edits, Fail::Immediately, Fail::Immediately)?;
    prepared.commit(objects.repo.committer().transpose()?).map(drop)
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

#[cfg(test)]
mod tests;
