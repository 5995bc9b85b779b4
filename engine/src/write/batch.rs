//! Applies one batch to a state: the commit it makes, and the resulting state.

use std::sync::Arc;

use super::blame::Writers;
use super::files::Files;
use super::scope::Bounds;
use super::{Batch, Broken, Repeat, WriteError, Written};
use crate::changes::{Base, ChangeSet, DecodeBudget, Difference, ReadError, Share};
use crate::id::{CommitId, SheetName, TreeId};
use crate::load::layout_of;
use crate::mirror::{
    EditError, NewCommit, ObjectError, Objects, Signature, Stage, Trailer, TreeDifference,
};
use crate::options::LoadOptions;
use crate::problem::{Problem, Rule};
use crate::snapshot::Snapshot;

/// The trailer with the name of the requester.
const ACTOR: &str = "Actor-Slug";
/// The trailer with the key of a request.
const KEY: &str = "Idempotency-Key";
/// The trailer with the digest of a request.
const DIGEST: &str = "Request-Digest";

/// The most bytes of the commit of a request: its address, which the message has twice, is the
/// longest part.
const LARGEST: u64 = 64 << 10;

/// How many records, for each reference of a sheet, are found that refer to what is deleted or
/// renamed. One is enough to refuse the batch.
const OTHERS: usize = 100;

/// What the next batch is applied to: a commit with its tree and its records.
#[derive(Debug, Clone)]
pub struct CommitState {
    /// The commit; zero in an empty repository.
    pub commit: CommitId,
    /// Its tree, or `None` if it has no entries.
    pub tree: Option<TreeId>,
    /// Its time, in seconds since the Unix epoch.
    pub seconds: i64,
    /// Its records. Their text index is that of an earlier state.
    pub records: Snapshot,
}

impl CommitState {
    /// Returns the commit of `snapshot` with its tree, read from `objects`.
    pub(crate) fn of(snapshot: &Snapshot, objects: &Objects) -> Result<Self, ObjectError> {
        let commit = snapshot.commit();
        let facts = if commit.is_zero() { None } else { Some(objects.commit(commit)?) };
        let seconds = facts.as_ref().map_or(0, |facts| facts.committer_time);
        let tree = facts.map(|facts| facts.tree);
        Ok(Self { commit, tree, seconds, records: snapshot.clone() })
    }
}

/// The result of a batch.
#[derive(Debug)]
pub struct BatchResult {
    /// The resulting state; `None` if the batch changes nothing, so that there is no commit.
    pub next: Option<CommitState>,
    /// The result of each operation for its record.
    pub written: Vec<Written>,
}

/// Makes the commit of `batch` on top of `state`, in the stage.
///
/// Costs a copy of each folder that is written to, and the work for the changed records. A batch that
/// breaks references to a record costs as much whether a hundred or a million records refer to it.
/// Everything written must be readable: the new files are read as those of a push would be, and a new problem
/// is an error. Only paths held exclusively by sheets in the batch's scope may change, and all
/// other files must be read as before.
///
/// # Errors
///
/// See [`WriteError`]; the stage is then left empty.
pub fn commit(
    stage: &mut Stage,
    state: &CommitState,
    batch: &Batch,
    committer: &Signature,
    options: &LoadOptions,
) -> Result<BatchResult, WriteError> {
    let mark = stage.mark();
    let made = make(stage, state, batch, committer, options);
    if !made.as_ref().is_ok_and(|change| change.next.is_some()) {
        stage.undo(mark);
    }
    made
}

fn make(
    stage: &mut Stage,
    state: &CommitState,
    batch: &Batch,
    committer: &Signature,
    options: &LoadOptions,
) -> Result<BatchResult, WriteError> {
    let mut files = Files::new(stage, &state.records, state.tree, batch, options.record_limit);
    let apply = |(index, operation)| {
        files.apply(index, operation).map_err(|error| batch.at_operation(index, error))
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
        return Ok(BatchResult { next: None, written });
    }
    let bounds = Bounds { layout: state.records.layout(), scope: &batch.scope };
    let difference = stage.objects().diff_and_growth(state.tree, tree)?;
    let TreeDifference { changes: paths, growth } = difference;
    let size = state.records.tree_size().after(growth);
    stage.objects().admit(size).map_err(WriteError::BranchFull)?;
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
    let base = Base { sheet: &sheet, files: Some(state.records.claimed_files()) };
    let (paths, layout) = (Difference::from(paths), || bounds.layout.clone());
    let changes = || {
        let budget = DecodeBudget::new(options.memory.clone(), Share::All, None);
        let (objects, layout) = (stage.objects(), bounds.layout);
        let read = ChangeSet::read(objects, layout, &paths, base, None, options, &budget);
        let mut changes = read.map_err(unread)?;
        changes.grow(growth);
        Ok::<_, WriteError>(changes)
    };
    let refuse_problems = |records: &Snapshot| match records.problems_since(&state.records) {
        problems if problems.is_empty() => Ok(()),
        mut problems => {
            problems.retain(bounds.may_tell(records, &batch.view));
            Err(invalid(problems, &writers, records))
        }
    };
    let trial = state.records.try_changes(commit, layout(), changes()?, OTHERS);
    refuse_problems(trial.state())?;
    let records = match trial.into_whole() {
        Some(records) => records,
        // Many references are not broken any more.
        None => {
            let draft = state.records.apply(commit, layout(), changes()?);
            refuse_problems(draft.state())?;
            draft.state().clone()
        }
    };
    let next = CommitState { commit, tree, seconds: committer.seconds, records };
    Ok(BatchResult { next: Some(next), written })
}

/// Returns why the changed files cannot be read.
fn unread(error: ReadError) -> WriteError {
    match error {
        ReadError::Object(full) if full.is_too_many_paths() => WriteError::BranchFull(full),
        error => error.into(),
    }
}

/// Distinguishes a change that is wrong in itself from one that conflicts with other records;
/// `problems` are those that the author may see.
fn invalid(problems: Vec<Problem>, writers: &Writers, after: &Snapshot) -> WriteError {
    if problems.is_empty() {
        return WriteError::BreaksOthers;
    }
    let operations = writers.of_each(&problems, after);
    let mut found = problems.iter().zip(&operations);
    let is_elsewhere = |(problem, operation): (&Problem, &Option<usize>)| {
        problem.rule == Rule::DanglingRef && operation.is_none()
    };
    if found.all(is_elsewhere)
        && let Some(Problem { path, message, .. }) = problems.first().cloned()
    {
        return WriteError::Referenced { path, message };
    }
    let broken = problems.into_iter().zip(operations);
    let broken = broken.map(|(problem, operation)| Broken { operation, problem });
    WriteError::Invalid { broken: broken.collect() }
}

/// Returns the trailers, with those that identify a repeated request.
fn trailers(batch: &Batch) -> Result<Vec<Trailer>, WriteError> {
    let mut trailers = batch.trailers.clone();
    if let Some(Repeat { actor, key, digest }) = &batch.repeat {
        for (name, value) in [(ACTOR, actor), (KEY, key), (DIGEST, digest)] {
            let trailer = Trailer::new(name, value).map_err(WriteError::Trailer)?;
            let is_it = |other: &Trailer| {
                *other == trailer
                    || name == ACTOR
                        && other.key() == ACTOR
                        && Repeat::actor_id(other.value()) == *actor
            };
            if !trailers.iter().any(is_it) {
                trailers.push(trailer);
            }
        }
    }
    Ok(trailers)
}

/// Returns the identity of the request that made a commit, if its trailers contain one that a
/// request can have. Whoever pushes writes there whatever they like.
pub fn repeat_of(trailers: &[Trailer]) -> Option<Repeat> {
    let value = |key, longest| {
        let value = trailers.iter().find(|trailer| trailer.key() == key)?.value();
        (1..=longest).contains(&value.len()).then_some(value)
    };
    let plain = |key, longest| {
        let value = value(key, longest)?;
        value.bytes().all(|byte| byte.is_ascii_graphic()).then(|| value.to_owned())
    };
    Some(Repeat {
        actor: Repeat::actor_id(value(ACTOR, Repeat::ACTOR_NAME_LENGTH)?),
        key: plain(KEY, Repeat::KEY_LENGTH)?,
        digest: plain(DIGEST, Repeat::DIGEST_LENGTH)?,
    })
}

/// Returns the identity of the request that made a commit, if it has one. What is larger than any
/// commit of a request is not read.
pub(crate) fn request_of(
    objects: &Objects,
    commit: CommitId,
) -> Result<Option<Repeat>, ObjectError> {
    Ok(repeat_of(&objects.trailers_within(commit, LARGEST)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_that_no_request_has_written_are_no_key() {
        let repeat_of = |actor: &str, key: &str, digest: &str| {
            let trailers = [(ACTOR, actor), (KEY, key), (DIGEST, digest)];
            repeat_of(&trailers.map(|(name, value)| Trailer::new(name, value).unwrap()))
        };
        let text = |length| "a".repeat(length);
        let whole = repeat_of(&text(64), &text(255), &text(32)).unwrap();
        assert_eq!((whole.actor.len(), whole.key.len(), whole.digest.len()), (64, 255, 32));
        // A person is called by an issuer and a subject.
        let [long, longer] = [65, 4_096].map(|length| repeat_of(&text(length), "k", "d").unwrap());
        assert_eq!((long.actor.len(), longer.actor.len()), (64, 64));
        assert_ne!(long, longer);
        assert_eq!(long.actor, Repeat::actor_id(&text(65)));
        for (actor, key, digest) in [
            (4_097, 255, 32),
            (64, 256, 32),
            (64, 255, 33),
            (0, 1, 1),
            (1, 0, 1),
            (1, 1, 0),
            (1, 1 << 19, 1),
        ] {
            let none = repeat_of(&text(actor), &text(key), &text(digest));
            assert_eq!(none, None, "{actor}, {key}, {digest}");
        }
        assert_eq!(repeat_of("a", "k k", "d"), None);
        assert_eq!(repeat_of("a", "k\u{e9}", "d"), None);
        let issuer = "login.ex\u{e4}mple.org:ada";
        assert_eq!(repeat_of(issuer, "k", "d").unwrap().actor, Repeat::actor_id(issuer));
    }
}
