//! Puts local commits on top of the remote's head, as `git rebase` does for files, with records
//! merged field by field.
//!
//! Nothing is stored here: the commits are made in a [`Stage`]. They keep their authors, messages
//! and trailers, so that a repeated request finds its commit. A commit without an idempotency key of which
//! nothing is left, because the remote has the same change, is dropped. So is one whose request the remote
//! has, by its key: its author sent it twice and meant it once.

mod brought;
mod lists;
mod lost_records;
mod merge;
mod moved;
mod record_edit;
mod requests;

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::encode::encode;
use crate::id::{BlobId, CommitId, TreeId};
use crate::layout::{Layout, PathClaim, Shape, SheetSpec};
use crate::mirror::{
    BlobContent, Edit, EditError, Edits, EntryMode, FileEntry, ObjectError, PathChange,
};
use crate::mirror::{Signature, Stage};
use crate::pointer::Pointer;
use crate::report::LostField;
use crate::tables::Source;
use crate::value::Kind;
use crate::write::{Repeat, request_of};
use brought::Brought;
use lists::{LARGEST_LIST, Lists, Side};
pub(crate) use lost_records::{ReplayedStates, only_in};
use requests::Requests;

/// The largest file that is merged; a larger one counts as one field.
const LARGEST: u64 = 4 << 20;

/// The result of a rebase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// The last new commit, or the new base if nothing was left of any.
    pub head: CommitId,
    /// Each commit, oldest first, and the one that now has its change, or that the same request made
    /// on the other side.
    pub moves: Vec<(CommitId, CommitId)>,
    /// Those that the same request made on the other side.
    pub repeated: Vec<CommitId>,
    /// The number of commits made.
    pub made: u64,
}

/// The layouts of both sides. Cloning them costs two pointers.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// The layout in which the local commits were made.
    pub ours: Layout,
    /// The layout of the commit on top of which they are put.
    pub theirs: Layout,
}

impl Layouts {
    /// Returns whether both read every path as those of `other` do.
    pub fn read_alike(&self, other: &Self) -> bool {
        self.ours.reads_alike(&other.ours) && self.theirs.reads_alike(&other.theirs)
    }

    /// Returns whether a file at `path` is the same record, the same list of records, or attached to
    /// the same one, on both sides.
    fn agree_on(&self, path: &[u8]) -> bool {
        self.ours.reads_alike(&self.theirs)
            || are_same(path, &self.ours.claims(path), &self.theirs.claims(path))
                && are_same(path, &self.ours.beside(path), &self.theirs.beside(path))
    }
}

fn are_same(path: &[u8], ours: &[PathClaim], theirs: &[PathClaim]) -> bool {
    let path = String::from_utf8_lossy(path);
    let is_same = |(ours, theirs): (&PathClaim, &PathClaim)| {
        ours.sheet.name == theirs.sheet.name
            && ours.key == theirs.key
            && ours.fault.is_none() == theirs.fault.is_none()
            && ours.sheet.divides_as(&theirs.sheet, &path)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(is_same)
}

/// Commits that could not be put on top of others.
#[derive(Debug, thiserror::Error)]
pub enum RebaseError {
    /// Both sides changed the same fields, or a local file is not a record, or is a different one,
    /// in the layout of the other side.
    #[error("both sides changed {}, or a different record is there now", told(lost))]
    Conflict {
        /// Everything that the first commit that does not fit would lose; never empty.
        lost: Vec<LostField>,
    },
    /// The repository cannot be read.
    #[error("cannot read the repository")]
    Repository(#[from] ObjectError),
}

fn told(lost: &[LostField]) -> String {
    let told = |LostField { path, pointer }: &LostField| format!("{path}{pointer}");
    lost.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// Commits that are put on top of another one by one. What was read for one of them serves the next:
/// of a file of many records that both sides changed, only what our commit changed in it is merged.
#[derive(Debug)]
pub struct Rebase {
    stage: Stage,
    layouts: Layouts,
    committer: Signature,
    /// The tree of the last new commit, and its time.
    tree: Option<TreeId>,
    seconds: i64,
    rebased: Rebased,
    upstream: CommitId,
    /// The requests of the other side, once the first commit with a key is put.
    requests: Option<Requests>,
    lists: Lists,
    /// The tree on top of which the first commit was made; `None` before one is put.
    base: Option<Option<TreeId>>,
    /// The tree of the other side.
    their_tree: Option<TreeId>,
    /// What the other side brought, once it is read.
    brought: Option<Brought>,
}

impl Rebase {
    /// Begins on top of `upstream`. The new commits are made in `stage`, by `committer`.
    ///
    /// # Errors
    ///
    /// When the commit cannot be read.
    pub fn onto(
        upstream: CommitId,
        stage: Stage,
        layouts: Layouts,
        committer: Signature,
    ) -> Result<Self, ObjectError> {
        let facts = stage.objects().commit(upstream)?;
        let (tree, seconds) = (Some(facts.tree), facts.committer_time);
        let rebased = Rebased { head: upstream, moves: Vec::new(), repeated: Vec::new(), made: 0 };
        Ok(Self {
            stage,
            layouts,
            committer,
            tree,
            seconds,
            rebased,
            upstream,
            requests: None,
            lists: Lists::default(),
            base: None,
            their_tree: tree,
            brought: None,
        })
    }

    /// Puts a commit, whose change is that to its first parent, on top of those before it.
    ///
    /// A local file on which the layouts do not agree is a conflict: it would be in the branch, but
    /// what was written with it would not be served. Costs a difference, and reads three files for
    /// each one that both sides changed. A file of many records that the commit before also changed
    /// is read once, and written once. The first commit with an idempotency key reads all commits that
    /// only the other side has.
    ///
    /// # Errors
    ///
    /// See [`RebaseError`]. No further commit can be put then.
    pub fn put(&mut self, commit: CommitId) -> Result<(), RebaseError> {
        let request = request_of(self.stage.objects(), commit)?;
        let has_request = request.is_some();
        if let Some(same) = self.requested(commit, request)? {
            tracing::info!(%commit, theirs = %same, "dropping a commit: the remote has the same request");
            self.rebased.moves.push((commit, same));
            self.rebased.repeated.push(commit);
            return Ok(());
        }
        let Self {
            stage,
            layouts,
            committer,
            tree,
            seconds,
            rebased,
            lists,
            base,
            their_tree,
            brought,
            ..
        } = self;
        let facts = stage.objects().commit(commit)?;
        let parent = facts.parents.first().map(|parent| stage.objects().commit(*parent));
        let parent = parent.transpose()?.map(|parent| parent.tree);
        let changes = stage.objects().diff(parent, Some(facts.tree))?;
        let (base, their_tree) = (*base.get_or_insert(parent), *their_tree);
        let mut merge = Merge { stage, tree: *tree, layouts, lists, base, their_tree, brought };
        let next = merge.apply(&changes)?;
        // One with a request stays, although it changes nothing: its key must be found again.
        if next == *tree && !has_request {
            tracing::info!(%commit, "dropping an empty commit: the remote has the same change");
        } else {
            *tree = next;
            let committer = committer.on_top_of(*seconds);
            *seconds = committer.seconds;
            rebased.head = stage.commit_again(commit, next, rebased.head, &committer)?;
            rebased.made += 1;
        }
        rebased.moves.push((commit, rebased.head));
        Ok(())
    }

    /// Returns the commit of the other side that the same request made.
    fn requested(
        &mut self,
        commit: CommitId,
        request: Option<Repeat>,
    ) -> Result<Option<CommitId>, ObjectError> {
        let Some(request) = request else { return Ok(None) };
        let objects = self.stage.objects();
        let requests = match self.requests.take() {
            Some(known) => known,
            // What both sides have is in the history of the parent, and so are commits of ours that were put
            // before: the other side has none of those.
            None => {
                let parent = objects.commit(commit)?.parents.first().copied();
                Requests::of(objects, self.upstream, parent)?
            }
        };
        Ok(self.requests.insert(requests).find(&request))
    }

    /// Returns what has come of the commits that were put.
    pub fn rebased(&self) -> &Rebased {
        &self.rebased
    }

    /// Returns the layouts of both sides.
    pub fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// Returns the new objects.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Goes on in an empty stage, once the objects of the other one are stored.
    pub fn restage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Returns the new objects, and what has come of the commits.
    pub fn into_parts(self) -> (Stage, Rebased) {
        (self.stage, self.rebased)
    }
}

/// The change of one commit, being applied to a tree.
struct Merge<'a> {
    stage: &'a mut Stage,
    tree: Option<TreeId>,
    layouts: &'a Layouts,
    lists: &'a mut Lists,
    base: Option<TreeId>,
    their_tree: Option<TreeId>,
    brought: &'a mut Option<Brought>,
}

impl Merge<'_> {
    /// Applies `changes`.
    fn apply(&mut self, changes: &[PathChange]) -> Result<Option<TreeId>, RebaseError> {
        let mut edits = Edits::new();
        let mut lost = BTreeSet::new();
        for PathChange { path, old, new } in changes {
            let name = String::from_utf8_lossy(path).into_owned();
            if !self.layouts.agree_on(path) {
                lost.insert(whole(&name));
                continue;
            }
            let theirs = self.entry(path)?;
            if theirs == *new {
                if let (Some(old), None) = (*old, theirs)
                    && self.may_be_moved(&name, old, changes)?
                {
                    lost.insert(whole(&name));
                }
                continue;
            }
            let edit = if theirs == *old {
                Ok(new.map_or(Edit::Remove, |new| put_entry(&new)))
            } else {
                self.merged(&name, *old, *new, theirs)?
            };
            match edit {
                Ok(edit) if name.as_bytes() == path => drop(edits.insert(name, edit)),
                Ok(_) => drop(lost.insert(whole(&name))),
                Err(pointers) => lost.extend(
                    pointers.into_iter().map(|pointer| LostField { path: name.clone(), pointer }),
                ),
            }
        }
        if !lost.is_empty() {
            return Err(RebaseError::Conflict { lost: lost.into_iter().collect() });
        }
        self.stage.edit(self.tree, &edits).map_err(|error| match error {
            EditError::Object(source) => RebaseError::Repository(source),
            // A local file where the remote has a folder, or the other way round.
            EditError::NotAFolder { path }
            | EditError::IsAFolder { path }
            | EditError::Twin { path, .. }
            | EditError::NoPath { path } => RebaseError::Conflict { lost: vec![whole(&path)] },
        })
    }

    /// Returns the file at `path` in the current tree.
    fn entry(&self, path: &[u8]) -> Result<Option<FileEntry>, ObjectError> {
        let Some(tree) = self.tree else { return Ok(None) };
        let found = self.stage.objects().entry_at(tree, path)?;
        let file = found.filter(|found| found.mode != EntryMode::Folder);
        Ok(file.map(|file| FileEntry { mode: file.mode, id: BlobId::from_bytes(file.id) }))
    }

    /// Merges a record that both sides changed, or returns the fields that they changed
    /// differently.
    fn merged(
        &mut self,
        path: &str,
        old: Option<FileEntry>,
        ours: Option<FileEntry>,
        theirs: Option<FileEntry>,
    ) -> Result<Result<Edit, Vec<Pointer>>, ObjectError> {
        let claims = self.layouts.theirs.claims(path.as_bytes()).into_iter();
        let mut claims: Vec<_> = claims.filter(|claim| claim.fault.is_none()).collect();
        // A sheet that reads the file as one record sees all of it, but merges a list in it as one field.
        claims.sort_by_key(|claim| {
            let is_last = self.lists.merged_last(&claim.sheet.name, path);
            (claim.sheet.shape_of(path) == Shape::Record, !is_last)
        });
        for claim in &claims {
            if let Some(merged) = self.merged_by(claim, path, [old, ours, theirs])? {
                return Ok(merged);
            }
        }
        Ok(Err(vec![Pointer::whole()]))
    }

    /// Merges it as the sheet of a claim reads it; `None` if that sheet cannot read a side, or does not
    /// see all that we changed.
    fn merged_by(
        &mut self,
        PathClaim { sheet: spec, key, .. }: &PathClaim,
        path: &str,
        [old, ours, theirs]: [Option<FileEntry>; 3],
    ) -> Result<Option<Result<Edit, Vec<Pointer>>>, ObjectError> {
        let shape = spec.shape_of(path);
        if shape != Shape::Record {
            let source = Source { spec, path, list: key, record_limit: u64::MAX };
            let merged = self.list(&source, [old, ours, theirs])?;
            if merged.is_some() || shape == Shape::List {
                return Ok(merged);
            }
        }
        let mut sides = Vec::new();
        for side in [old, ours, theirs] {
            match self.record(spec, path, side)? {
                Some(record) => sides.push(record),
                None => return Ok(None),
            }
        }
        let [old, ours, theirs] = &sides[..] else { return Ok(None) };
        let value = |side: &One| side.as_ref().map(|(value, _)| value.clone());
        let merged =
            merge::merge(value(old).as_ref(), value(ours).as_ref(), value(theirs).as_ref());
        Ok(Some(match merged {
            Err(pointers) => Err(pointers),
            Ok(None) => Ok(Edit::Remove),
            Ok(Some(merged)) => {
                let before = theirs.as_ref().or(ours.as_ref()).map(|(_, bytes)| &bytes[..]);
                match encode(spec, path, &merged, before) {
                    Ok(encoded) => {
                        let id = *self.stage.blob(&encoded.bytes)?.as_bytes();
                        Ok(Edit::Put { mode: EntryMode::Regular, id })
                    }
                    // The merged value may no longer be a valid record.
                    Err(_) => Err(vec![Pointer::whole()]),
                }
            }
        }))
    }

    /// Merges, record by record, a file of many records that both sides changed; `None` if a side
    /// is not such a file, or we changed more than these records.
    fn list(
        &mut self,
        source: &Source<'_>,
        [old, ours, theirs]: [Option<FileEntry>; 3],
    ) -> Result<Option<Result<Edit, Vec<Pointer>>>, ObjectError> {
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return Ok(None) };
        let known = self.lists.take(source);
        let (known_ours, known_theirs) = known.map(|known| (known.ours, known.theirs)).unzip();
        let old = match old {
            Some(old) => match self.side(source, old, known_ours)? {
                Some(old) => Some(old),
                None => return Ok(None),
            },
            None => None,
        };
        let Some(theirs) = self.side(source, theirs, known_theirs)? else { return Ok(None) };
        let Some(text) = self.text(ours)? else { return Ok(None) };
        let near = theirs.blob();
        let mut is_elsewhere = |record: &Json, ours: &Side| -> Result<bool, ObjectError> {
            let brought = self.brought()?;
            Ok(brought.may_have(record, |it| {
                it.path == source.path.as_bytes()
                    && it.key.as_ref().is_some_and(|key| ours.has(key, &it.now))
            }))
        };
        let merged = lists::merged(source, old, (ours.id, text), theirs, &mut is_elsewhere)?;
        let mut merged = match merged {
            None => return Ok(None),
            Some(Err(pointers)) => return Ok(Some(Err(pointers))),
            Some(Ok(merged)) => merged,
        };
        let blob = self.stage.blob_near(merged.theirs.bytes(), near)?;
        merged.theirs.is_stored(blob);
        self.lists.put(source, merged);
        Ok(Some(Ok(Edit::Put { mode: EntryMode::Regular, id: *blob.as_bytes() })))
    }

    /// Returns one side of a file of many records: the one that is `known`, if it is the same.
    fn side(
        &mut self,
        source: &Source<'_>,
        entry: FileEntry,
        known: Option<Side>,
    ) -> Result<Option<Side>, ObjectError> {
        let is_file = entry.mode == EntryMode::Regular;
        if let Some(known) = known.filter(|known| is_file && known.blob() == entry.id) {
            return Ok(Some(known));
        }
        let text = self.text(entry)?;
        Ok(text.and_then(|text| self.lists.read(source, entry.id, text)))
    }

    /// Reads a file of many records; `None` if it is not a file, or is too large.
    fn text(&self, entry: FileEntry) -> Result<Option<Vec<u8>>, ObjectError> {
        if entry.mode != EntryMode::Regular {
            return Ok(None);
        }
        self.stage.objects().read_blob(entry.id, LARGEST_LIST as u64, |content| match content {
            BlobContent::Bytes(bytes) => Some(bytes.to_vec()),
            BlobContent::TooLarge(_) => None,
        })
    }

    /// Reads one side of a record: `Some(None)` if it does not exist, `None` if it is not a record.
    fn record(
        &self,
        spec: &SheetSpec,
        path: &str,
        side: Option<FileEntry>,
    ) -> Result<Option<One>, ObjectError> {
        let Some(side) = side else { return Ok(Some(None)) };
        if !matches!(side.mode, EntryMode::Regular | EntryMode::Executable) {
            return Ok(None);
        }
        self.stage.objects().read_blob(side.id, LARGEST, |content| match content {
            BlobContent::Bytes(bytes) => {
                let value = spec.decode(path, bytes).ok()?;
                // Nothing identifies the elements of a list.
                if value.json().kind() == Kind::Array {
                    return None;
                }
                // The canonical text of a value is JSON.
                let json = serde_json::from_str(value.as_str()).ok()?;
                Some(Some((json, bytes.to_vec())))
            }
            BlobContent::TooLarge(_) => None,
        })
    }
}

/// A record and its file; `None` if it does not exist.
type One = Option<(Json, Vec<u8>)>;

fn put_entry(entry: &FileEntry) -> Edit {
    Edit::Put { mode: entry.mode, id: *entry.id.as_bytes() }
}

fn whole(path: &str) -> LostField {
    LostField { path: path.to_owned(), pointer: Pointer::whole() }
}

#[cfg(test)]
mod tests;
