//! Applies one batch to a state: the commit it makes, and the resulting state.

use std::sync::Arc;

use super::files::Files;
use super::scope::Bounds;
use super::writers::Writers;
use super::{Batch, Broken, Repeat, WriteError, Written};
use crate::changes::ChangeSet;
use crate::id::{CommitId, SheetName, TreeId};
use crate::load::layout_of;
use crate::mirror::{EditError, NewCommit, Signature, Stage, Trailer};
use crate::options::LoadOptions;
use crate::problem::{Problem, Rule};
use crate::snapshot::Snapshot;

/// The trailer with the name of the requester.
const ACTOR: &str = "Actor-Slug";
/// The trailer with the key of a request.
const KEY: &str = "Idempotency-Key";
/// The trailer with the digest of a request.
const DIGEST: &str = "Request-Digest";

/// What the next batch is applied to: a commit with its tree and its records.
#[derive(Debug, Clone)]
pub struct State {
    /// The commit, or zero in an empty repository.
    pub commit: CommitId,
    /// Its tree, or `None` if it has no entries.
    pub tree: Option<TreeId>,
    /// Its time, in seconds since the Unix epoch.
    pub seconds: i64,
    /// Its records. Their text index is that of an earlier state.
    pub records: Snapshot,
}

/// The result of a batch.
#[derive(Debug)]
pub struct Change {
    /// The state after it, or `None` if nothing changed, so that there is no commit.
    pub next: Option<State>,
    /// The outcome for the record of each operation.
    pub written: Vec<Written>,
}

/// Makes the commit of `batch` on top of `state`, in the stage.
///
/// Costs a copy of each folder that is written to, and the work for the changed records. Everything
/// written must be readable: the new files are read as those of a push would be, and a new problem
/// is an error. Only paths held exclusively by sheets in the batch's scope may change, and all
/// other files must be read as before.
///
/// # Errors
///
/// See [`WriteError`]; the stage is then left empty.
pub fn commit(
    stage: &mut Stage,
    state: &State,
    batch: &Batch,
    committer: &Signature,
    options: &LoadOptions,
) -> Result<Change, WriteError> {
    let mark = stage.mark();
    let made = make(stage, state, batch, committer, options);
    if !made.as_ref().is_ok_and(|change| change.next.is_some()) {
        stage.undo(mark);
    }
    made
}

fn make(
    stage: &mut Stage,
    state: &State,
    batch: &Batch,
    committer: &Signature,
    options: &LoadOptions,
) -> Result<Change, WriteError> {
    let mut files = Files::new(stage, &state.records, state.tree, batch, options.record_limit);
    let several = batch.operations.len() > 1;
    let apply = |(index, operation)| {
        files.apply(operation).map_err(|error| match several {
            true => WriteError::Operation { index, source: Box::new(error) },
            false => error,
        })
    };
    let written = batch.operations.iter().enumerate().map(apply);
    let written = written.collect::<Result<Vec<_>, _>>()?;
    let writers = files.writers(&written);
    let edits = files.into_edits()?;
    let tree = stage.edit(state.tree, &edits).map_err(|error| match error {
        EditError::Object(source) => WriteError::Repository(source),
        error => WriteError::Tree(error),
    })?;
    if tree == state.tree {
        return Ok(Change { next: None, written });
    }
    let bounds = Bounds { layout: state.records.layout(), scope: &batch.scope };
    let paths = stage.objects().diff(state.tree, tree)?;
    bounds.allow_all(&paths)?;
    let layout = layout_of(stage.objects(), Some((bounds.layout, state.tree)), tree, options)?;
    // An empty tree defines nothing, and no write removes a definition.
    if tree.is_some() && !bounds.layout.reads_alike(&layout) {
        return Err(WriteError::ChangesDefinitions);
    }
    let author = Signature { identity: batch.author.clone(), ..committer.clone() };
    let committer = committer.on_top_of(state.seconds);
    let commit = stage.commit(&NewCommit {
        tree,
        parent: (!state.commit.is_zero()).then_some(state.commit),
        author: &author,
        committer: &committer,
        message: &batch.message,
        trailers: &trailers(batch)?,
    })?;
    let sheet = |name: &SheetName| state.records.sheet(name.as_str()).map(Arc::as_ref);
    let paths = paths.into();
    let changes = ChangeSet::read(stage.objects(), bounds.layout, &paths, &sheet, None, options)?;
    let draft = state.records.apply(commit, bounds.layout.clone(), changes);
    let records = draft.state().clone();
    let mut problems = records.problems_since(&state.records);
    if !problems.is_empty() {
        problems.retain(bounds.may_tell(&records));
        return Err(invalid(problems, &writers, &records));
    }
    let next = State { commit, tree, seconds: committer.seconds, records };
    Ok(Change { next: Some(next), written })
}

/// Distinguishes a change that is wrong in itself from one that conflicts with other records;
/// `problems` are those that the author may see.
fn invalid(problems: Vec<Problem>, writers: &Writers, after: &Snapshot) -> WriteError {
    let is_elsewhere = |problem: &Problem| {
        problem.rule == Rule::DanglingRef && writers.of(problem, after).is_none()
    };
    if problems.is_empty() {
        return WriteError::BreaksOthers;
    }
    if problems.iter().all(is_elsewhere)
        && let Some(Problem { path, message, .. }) = problems.first().cloned()
    {
        return WriteError::Referenced { path, message };
    }
    let broken = |problem: Problem| Broken { operation: writers.of(&problem, after), problem };
    WriteError::Invalid { broken: problems.into_iter().map(broken).collect() }
}

/// Returns the trailers, with those that identify a repeated request.
fn trailers(batch: &Batch) -> Result<Vec<Trailer>, WriteError> {
    let mut trailers = batch.trailers.clone();
    if let Some(Repeat { actor, key, digest }) = &batch.repeat {
        for (name, value) in [(ACTOR, actor), (KEY, key), (DIGEST, digest)] {
            let trailer = Trailer::new(name, value).map_err(WriteError::Trailer)?;
            if !trailers.contains(&trailer) {
                trailers.push(trailer);
            }
        }
    }
    Ok(trailers)
}

/// Returns the identity of the request that made a commit, if its trailers contain it.
pub fn repeat_of(trailers: &[Trailer]) -> Option<Repeat> {
    let value = |key| trailers.iter().find(|trailer| trailer.key() == key).map(Trailer::value);
    let value = |key| value(key).map(str::to_owned);
    Some(Repeat { actor: value(ACTOR)?, key: value(KEY)?, digest: value(DIGEST)? })
}
