//! What a fetch must have received before it may enter the mirror.
//!
//! The tip must be a commit, its history must be complete down to what the mirror has, its tree
//! must be well formed, and every file in it must exist. Every other commit that was received must
//! have its parents and its tree, whether or not the tip needs it: what is in the mirror counts as
//! complete from then on. The files of the commits between the mirror and the tip must exist too,
//! if these are few: of a whole history, that would cost more than receiving it. If they differ in
//! more paths than may be compared, nothing is taken. Indexing the pack has already decoded and hashed
//! every object, so only existence and kind remain to be checked. Names that are merely hostile (`..`,
//! `.git`) are left to the engine, which reports them as problems.

mod completeness;
mod cost;
mod lookup;

use std::collections::{BTreeMap, HashSet};

use gix::objs::{Exists as _, Kind};

use self::completeness::Completeness;
use self::cost::Spent;
pub(super) use self::cost::{CheckError, CheckLimits};
use self::lookup::{check_kind, kind_of};
use super::commit::CommitFacts;
use super::gix_id::object_id;
use super::{ObjectError, Objects};
use crate::id::{CommitId, TreeId};

/// The most parents of a commit. The largest merges that people make have some dozens: 66 in Linux.
const MAX_PARENTS: usize = 100;

/// The most parents that the new commits may have together: so many for each, and so many more. Each
/// is kept in memory, and a merge of a hundred is a few bytes beside another one.
const PARENTS_EACH: usize = 4;
const PARENTS_MORE: usize = 100_000;

/// The most bytes of a commit, with its message. Reading the history reads each whole.
const MAX_COMMIT: u64 = 1 << 20;

/// The most commits between the mirror and the tip whose files are checked.
const BETWEEN: usize = 256;

/// The mirror alone.
#[derive(Clone, Copy)]
pub(super) struct Present<'a> {
    pub(super) objects: &'a Objects,
    /// Whether its commits have their full history.
    pub(super) is_complete: bool,
}

/// A commit that has been read down to what the mirror has.
struct History {
    /// The tree of the commit.
    tree: TreeId,
    /// The other commits that are not in the mirror; one more than are checked stands for more.
    between: BTreeMap<CommitId, Between>,
}

/// A commit between the mirror and the tip.
struct Between {
    tree: TreeId,
    /// Its first parent.
    first: Option<CommitId>,
}

/// Checks that `received` has everything that the tip refers to, and, if at most 256 commits are
/// between the tip and the mirror, everything that these refer to.
///
/// `base` is the tree of a commit that is known to be complete: whatever is the same there is not
/// checked. A commit in between is compared with its first parent.
pub(super) fn check(
    received: &Objects,
    known: Present<'_>,
    tip: CommitId,
    base: Option<TreeId>,
    limits: CheckLimits<'_>,
) -> Result<(), CheckError> {
    let spent = Spent::of(limits);
    let History { tree, mut between } = check_history(received, known, tip, &spent)?;
    let mut trees = Completeness::of(received, spent);
    trees.check_tip(base, tree)?;
    if between.len() > BETWEEN {
        return Ok(());
    }
    while let Some((_, commit)) = between.pop_first() {
        let mut line = vec![commit];
        while let Some(first) = line.last().and_then(|commit| between.remove(&commit.first?)) {
            line.push(first);
        }
        // What a commit shares with its first parent is complete once that one was checked.
        for Between { tree, first } in line.into_iter().rev() {
            let first = first.map(|first| received.commit(first)).transpose()?;
            trees.check_tree(first.map(|first| first.tree), tree)?;
        }
    }
    Ok(())
}

/// Checks that the parents and the tree of each of these commits exist. What is not a commit is
/// passed over.
///
/// Costs as much as reading each commit twice.
pub(super) fn check_commits(
    received: &Objects,
    ids: &[CommitId],
    limits: CheckLimits<'_>,
) -> Result<(), CheckError> {
    let own: HashSet<&CommitId> = ids.iter().collect();
    let spent = Spent::of(limits);
    for id in ids {
        spent.in_time()?;
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

/// Reads a commit that is no larger, and has no more parents, than it may have and be.
fn commit(received: &Objects, id: CommitId) -> Result<CommitFacts, ObjectError> {
    let size = received.header(object_id(id))?.size();
    if size > MAX_COMMIT {
        return Err(ObjectError::CommitTooLarge { id: id.to_string(), size, limit: MAX_COMMIT });
    }
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

/// Reads the commits from the tip down to those in the mirror, or, if these may be incomplete, down to
/// the first of all.
fn check_history(
    received: &Objects,
    known: Present<'_>,
    tip: CommitId,
    spent: &Spent<'_>,
) -> Result<History, CheckError> {
    // Rereading the pack folder for each new commit would cost more than everything else, and a
    // commit that is missed is merely read again.
    let mut repo = known.objects.repo.clone();
    repo.objects.refresh_never();
    let is_known = |commit: CommitId| repo.objects.exists(&object_id(commit));
    let is_passed = |commit: CommitId| known.is_complete && is_known(commit);
    let first = commit(received, tip)?;
    let parents = if is_passed(tip) { Vec::new() } else { first.parents };
    let mut edges = parents.len();
    let mut seen = HashSet::from([tip]);
    let mut pending: Vec<_> = parents.into_iter().filter(|parent| seen.insert(*parent)).collect();
    let (mut between, mut read) = (BTreeMap::new(), 1);
    while let Some(next) = pending.pop() {
        spent.in_time()?;
        if !is_passed(next) {
            let facts = commit(received, next)?;
            edges += facts.parents.len();
            read += 1;
            let limit = PARENTS_MORE + PARENTS_EACH * read;
            if edges > limit {
                return Err(ObjectError::DenseHistory { tip: tip.to_string(), limit }.into());
            }
            pending.extend(facts.parents.iter().filter(|parent| seen.insert(**parent)));
            if between.len() <= BETWEEN && (known.is_complete || !is_known(next)) {
                let (tree, first) = (facts.tree, facts.parents.first().copied());
                between.insert(next, Between { tree, first });
            }
        }
    }
    Ok(History { tree: first.tree, between })
}
