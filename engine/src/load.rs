//! From a commit to a snapshot: the one path for the first load, a reload and a rebuild.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::{Cache, CacheError};
use crate::causes::{self, chain};
use crate::changes::{Base, ChangeSet, DecodeBudget, Difference, ReadError, Share, TooCostly};
use crate::definitions::{self, DefinitionError};
use crate::fault;
use crate::id::{CommitId, SheetName, TreeId};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::mirror::{ObjectError, Objects, TreeDifference, TreeGrowth};
use crate::options::LoadOptions;
use crate::plan::{Facts, RebuildReason, ReloadPlan, plan};
use crate::report::Timings;
use crate::search::SearchError;
use crate::snapshot::{Draft, RecordChange, Snapshot};

/// A reason why a commit cannot be turned into a snapshot. Bad data is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The repository does not have an object that the commit names.
    #[error("cannot read commit {commit}")]
    Repository {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// The definitions of the sheets cannot be read.
    #[error("cannot read the sheet definitions of commit {commit}")]
    Definitions {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: DefinitionError,
    },
    /// The two trees cannot be compared.
    #[error("cannot compare the trees of {old} and {new}")]
    Diff {
        /// The base.
        old: CommitId,
        /// The target.
        new: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// The tree is larger than a tree may be, whatever it is compared with.
    #[error("commit {commit} is too large")]
    TooLarge {
        /// The commit.
        commit: CommitId,
        /// The limit.
        #[source]
        source: ObjectError,
    },
    /// A blob cannot be read.
    #[error("cannot read the records of commit {commit}")]
    Read {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// Decoding the files costs too much memory or time.
    #[error("commit {commit} costs too much")]
    TooCostly {
        /// The commit.
        commit: CommitId,
        /// Which of them.
        #[source]
        source: TooCostly,
    },
    /// The cache fails its check.
    #[error("the cache cannot be used for commit {commit}")]
    Cache {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        #[source]
        source: CacheError,
    },
    /// The text index refused the change.
    #[error("cannot index the text of commit {commit}")]
    Index {
        /// The commit.
        commit: CommitId,
        /// The error from the index.
        #[source]
        source: SearchError,
    },
    /// There is no memory for a second state, and the served one is as good.
    #[error("not rebuilding commit {commit}: {} bytes are in use and {} are free", .memory.held, .memory.available)]
    Memory {
        /// The commit.
        commit: CommitId,
        /// The memory in use and available.
        memory: Memory,
    },
    /// A step panicked, which is a bug in Headwater.
    #[error("loading commit {commit} panicked: {message}")]
    Panic {
        /// The commit.
        commit: CommitId,
        /// The message of the panic.
        message: String,
    },
}

impl LoadError {
    /// Returns whether there is not enough memory, which may pass.
    pub(crate) fn is_of_memory(&self) -> bool {
        use TooCostly::Memory;
        matches!(self, Self::Memory { .. } | Self::TooCostly { source: Memory { .. }, .. })
    }

    /// Returns the reason for the rebuild that follows this failure of an increment.
    fn retreat(&self) -> RebuildReason {
        match self {
            Self::Index { .. } => RebuildReason::IndexFailed,
            Self::Cache { .. } => RebuildReason::CacheInvalid,
            _ => RebuildReason::ApplyFailed,
        }
    }
}

/// The maps of a new state, and how they were made; the text index is still to be built.
#[must_use]
#[derive(Debug)]
pub struct Prepared {
    /// The state to admit, index and publish.
    pub draft: Draft,
    /// Why it was rebuilt; `None` for an increment.
    pub reason: Option<RebuildReason>,
    /// The times of the stages so far.
    pub timings: Timings,
}

impl Prepared {
    /// Returns the served records that differ from those of `published`.
    ///
    /// For a rebuild, these are relative to the served state, not to the empty one.
    pub fn changed_from(&self, published: &Snapshot) -> Arc<Vec<RecordChange>> {
        match self.reason {
            Some(_) => Arc::new(self.draft.state().differences(published)),
            None => self.draft.changed().clone(),
        }
    }
}

/// Builds the maps of `target` next to `base`, from the difference or from scratch, as [`plan`]
/// decides.
///
/// Returns `None` if `base` is already the state of `target`. Reads every path through the
/// repository handle `objects`; costs as much as the difference. An increment that fails or panics
/// is retried as a rebuild.
///
/// # Errors
///
/// Fails if the rebuild fails; `base` is never changed.
pub fn prepare(
    objects: &Objects,
    base: Option<&Snapshot>,
    target: CommitId,
    forced: Option<RebuildReason>,
    options: &LoadOptions,
) -> Result<Option<Prepared>, LoadError> {
    let attempt =
        |forced| guarded(target, || attempt(objects, base, target, forced, None, options));
    match attempt(forced) {
        // A rebuild would cost as much or more.
        Err(error @ (LoadError::TooLarge { .. } | LoadError::TooCostly { .. })) => Err(error),
        Err(error) if base.is_some() && forced.is_none() => {
            let reason = error.retreat();
            tracing::warn!(commit = %target, %reason, error = chain(&error),
                "cannot apply the difference; rebuilding");
            attempt(Some(reason))
        }
        result => result,
    }
}

/// Builds the text index of `prepared` and returns the finished state with its timings.
///
/// If the index of an increment refuses the change, the state is rebuilt once.
///
/// # Errors
///
/// Fails if the rebuild fails, too.
pub fn finish(
    objects: &Objects,
    prepared: Prepared,
    options: &LoadOptions,
) -> Result<(Snapshot, Option<RebuildReason>, Timings), LoadError> {
    let Prepared { draft, reason, mut timings } = prepared;
    let target = draft.state().commit();
    let begun = Instant::now();
    let index = |draft: Draft| {
        guarded(target, || {
            draft.index().map_err(|source| LoadError::Index { commit: target, source })
        })
    };
    let snapshot = match index(draft) {
        Err(error) if reason.is_none() => {
            let reason = RebuildReason::IndexFailed;
            tracing::warn!(commit = %target, %reason, error = chain(&error),
                "cannot apply the change to the text index; rebuilding");
            let again =
                guarded(target, || attempt(objects, None, target, Some(reason), None, options))?;
            let again = again.ok_or_else(|| LoadError::Panic {
                commit: target,
                message: "a rebuild was planned and did not happen".into(),
            })?;
            timings.diff += again.timings.diff;
            timings.decode += again.timings.decode;
            timings.apply += again.timings.apply;
            let snapshot = index(again.draft)?;
            timings.text += begun.elapsed();
            return Ok((snapshot, Some(reason), timings));
        }
        result => result?,
    };
    timings.text += begun.elapsed();
    Ok((snapshot, reason, timings))
}

/// Loads `commit` from nothing. Every other snapshot of it equals this one.
///
/// # Errors
///
/// See [`LoadError`].
pub fn load(
    objects: &Objects,
    commit: CommitId,
    options: &LoadOptions,
) -> Result<Snapshot, LoadError> {
    advance(objects, None, commit, options).map(|(snapshot, _)| snapshot)
}

/// Loads `commit` from nothing, but decodes and indexes no record that is in `cache`. Also returns
/// the reason for the load.
///
/// The snapshot equals the result of [`load`]. A cache that fails its check is removed, and
/// everything is made as if it had not existed.
///
/// # Errors
///
/// See [`LoadError`].
pub fn load_cached(
    objects: &Objects,
    commit: CommitId,
    cache: &Cache,
    options: &LoadOptions,
) -> Result<(Snapshot, RebuildReason), LoadError> {
    let recalled = guarded(commit, || recalled(objects, commit, cache, options));
    let prepared = match recalled {
        // A panic that is unrelated to the cache will happen again.
        Err(error @ (LoadError::Cache { .. } | LoadError::Panic { .. })) => {
            let reason = RebuildReason::CacheInvalid;
            tracing::warn!(%commit, %reason, error = chain(&error),
                "cannot use the cache; loading everything again");
            cache.remove();
            guarded(commit, || attempt(objects, None, commit, Some(reason), None, options))
        }
        result => result,
    };
    let prepared = prepared?.ok_or_else(|| LoadError::Panic {
        commit,
        message: "a first load was planned and did not happen".into(),
    })?;
    let (snapshot, reason, _) = finish(objects, prepared, options)?;
    Ok((snapshot, reason.unwrap_or(RebuildReason::FirstLoad)))
}

/// Builds the maps of `commit` with the records and the text index in `cache`. Both are read at the
/// same time. If the text index cannot be used, it is removed and all texts are indexed.
fn recalled(
    objects: &Objects,
    commit: CommitId,
    cache: &Cache,
    options: &LoadOptions,
) -> Result<Option<Prepared>, LoadError> {
    let unusable = |source| LoadError::Cache { commit, source };
    std::thread::scope(|scope| {
        let kept = scope.spawn(|| cache.read_segments());
        let prepared = attempt(objects, None, commit, None, Some(cache), options);
        // First of all: a panicked thread that is not joined causes another panic.
        let kept = kept.join();
        let Some(mut prepared) = prepared? else { return Ok(None) };
        let recalled = guarded(commit, || {
            let kept = kept.unwrap_or_else(|panic| resume_unwind(panic)).map_err(unusable)?;
            let recalled = prepared.draft.recall(kept);
            recalled.map_err(|error| unusable(cache.unopened(error)))
        });
        if let Err(error) = recalled {
            let reason = RebuildReason::CacheInvalid;
            tracing::warn!(%commit, %reason, error = chain(&error),
                "cannot use the text index in the cache; indexing again");
            cache.remove_text();
            prepared.reason = Some(reason);
        }
        Ok(Some(prepared))
    })
}

/// Reads the definitions of `commit`, and nothing else of it.
///
/// # Errors
///
/// See [`LoadError`].
pub fn layout_at(
    objects: &Objects,
    commit: CommitId,
    options: &LoadOptions,
) -> Result<Layout, LoadError> {
    layout_of(objects, None, tree_of(objects, commit)?, options)
        .map_err(|source| LoadError::Definitions { commit, source })
}

/// Takes `base` to `target` without admission, and returns why the state was rebuilt, if it was.
///
/// # Errors
///
/// See [`LoadError`].
pub fn advance(
    objects: &Objects,
    base: Option<&Snapshot>,
    target: CommitId,
    options: &LoadOptions,
) -> Result<(Snapshot, Option<RebuildReason>), LoadError> {
    match prepare(objects, base, target, None, options)? {
        Some(prepared) => {
            let (snapshot, reason, _) = finish(objects, prepared, options)?;
            Ok((snapshot, reason))
        }
        None => Ok((base.cloned().unwrap_or_else(Snapshot::empty), None)),
    }
}

fn attempt(
    objects: &Objects,
    base: Option<&Snapshot>,
    target: CommitId,
    forced: Option<RebuildReason>,
    cache: Option<&Cache>,
    options: &LoadOptions,
) -> Result<Option<Prepared>, LoadError> {
    let mut timings = Timings::default();
    let mut clock = Clock(Instant::now());
    let fault = |name| {
        fault::point(name).map_err(|error| ObjectError::Unreadable {
            id: target.to_string(),
            source: error.into(),
        })
    };
    let unreadable = |source| LoadError::Repository { commit: target, source };
    // Without a state there is nothing better than to wait, and an operator who asks knows what it costs.
    let is_limited = base.is_some() && forced != Some(RebuildReason::Requested);
    let time = options.time.filter(|_| is_limited);
    let share = if options.optional { Share::Quarter } else { Share::All };
    fault("load.layout").map_err(unreadable)?;
    let tree = tree_of(objects, target)?;
    let old_tree = base.map(|base| tree_of(objects, base.commit()));
    let known = match (base, &old_tree) {
        (Some(base), Some(Ok(old))) => Some((base.layout(), *old)),
        _ => None,
    };
    let layout = layout_of(objects, known, tree, options)
        .map_err(|source| LoadError::Definitions { commit: target, source })?;
    let redefined = base.map(|base| base.layout().redefined(&layout));
    let mut facts = Facts {
        published: base.map(Snapshot::commit),
        target,
        forced,
        base_readable: !matches!(old_tree, Some(Err(_))),
        layout_comparable: redefined.as_ref().is_some_and(Option::is_some),
        index_stamp: base.map_or(CommitId::ZERO, |base| base.text().stamp()),
        changed_paths: 0,
        held_slots: base.map_or(0, Snapshot::claimed),
        prefers_increment: options.prefers_increment,
    };
    let diff = |old: Option<TreeId>| {
        let from = base.map_or(CommitId::ZERO, Snapshot::commit);
        let error = |source| LoadError::Diff { old: from, new: target, source };
        fault("load.diff").map_err(error)?;
        let TreeDifference { changes, growth } =
            objects.diff_and_growth(old, tree).map_err(error)?;
        let before = base.filter(|_| old.is_some()).map(Snapshot::tree_size);
        // Of the tree, not of the difference: what goes live can also be read from nothing.
        let size = before.unwrap_or_default().after(growth);
        let too_large = |source| LoadError::TooLarge { commit: target, source };
        objects.admit(size).map_err(too_large)?;
        fault("load.diffed").map_err(error)?;
        Ok(TreeDifference { changes, growth })
    };
    let mut difference: Option<(Difference, TreeGrowth)> = None;
    if plan(&facts) == ReloadPlan::Increment {
        let TreeDifference { changes: paths, growth } =
            diff(old_tree.and_then(Result::ok).flatten())?;
        let redefined = redefined.flatten().unwrap_or_default();
        let from = facts.published.unwrap_or(CommitId::ZERO);
        let found = Difference::with_redefined(objects, tree, &layout, paths, redefined)
            .map_err(|source| LoadError::Diff { old: from, new: target, source })?;
        facts.changed_paths = found.len();
        difference = Some((found, growth));
    }
    let whole =
        || diff(None).map(|TreeDifference { changes, growth }| (Difference::from(changes), growth));
    let (base, (paths, mut growth), reason) = match (plan(&facts), difference) {
        (ReloadPlan::Nothing, _) => return Ok(None),
        (ReloadPlan::Increment, Some(paths)) => (base.cloned(), paths, None),
        (ReloadPlan::Rebuild(reason), _) => {
            make_room(reason, target, options)?;
            (None, whole()?, Some(reason))
        }
        // `plan` is pure, so it repeats this only if the difference was read above.
        (ReloadPlan::Increment, None) => (None, whole()?, Some(RebuildReason::ApplyFailed)),
    };
    timings.diff = clock.lap();
    let read = |base: Option<&Snapshot>, paths: &Difference| {
        let sheet = |name: &SheetName| base?.sheet(name.as_str()).map(Arc::as_ref);
        let base = Base { sheet: &sheet, files: base.map(Snapshot::claimed_files) };
        let budget = DecodeBudget::new(options.memory.clone(), share, time);
        let read = ChangeSet::read(objects, &layout, paths, base, cache, options, &budget);
        read.map_err(|error| match error {
            ReadError::Object(source) => LoadError::Read { commit: target, source },
            ReadError::Cache(source) => LoadError::Cache { commit: target, source },
            ReadError::TooCostly(source) => LoadError::TooCostly { commit: target, source },
        })
    };
    let mut changes = read(base.as_ref(), &paths)?;
    facts.changed_paths = facts.changed_paths.max(changes.len());
    let (base, reason) = match plan(&facts) {
        // One path may hold many records.
        ReloadPlan::Rebuild(again) if reason.is_none() => {
            drop(changes);
            make_room(again, target, options)?;
            let (paths, whole) = whole()?;
            changes = read(None, &paths)?;
            growth = whole;
            (None, Some(again))
        }
        _ => (base, reason),
    };
    changes.grow(growth);
    // The results of each stage are dropped before the next one takes their room.
    drop(paths);
    fault::step("load.apply");
    timings.decode = clock.lap();
    let draft = base.unwrap_or_else(Snapshot::empty).apply(target, layout, changes);
    fault::step("load.applied");
    timings.apply = clock.lap();
    Ok(Some(Prepared { draft, reason, timings }))
}

/// Checks whether there is memory for a second state. A required state is built in any case: the
/// memory in use is an upper bound of what it takes, and without it the push would not be served.
fn make_room(
    reason: RebuildReason,
    target: CommitId,
    options: &LoadOptions,
) -> Result<(), LoadError> {
    if reason == RebuildReason::FirstLoad {
        return Ok(());
    }
    let Some(memory) = options.memory.shortage() else { return Ok(()) };
    if reason.is_optional() || options.optional {
        return Err(LoadError::Memory { commit: target, memory });
    }
    tracing::warn!(commit = %target, %reason, held = memory.held, available = memory.available,
        "memory may not suffice for the rebuild");
    Ok(())
}

/// Returns whether the layout of the tree `old` is also that of `new`. A tree that cannot be read
/// is detected and reported where it is needed.
fn is_kept(objects: &Objects, old: Option<TreeId>, new: Option<TreeId>) -> bool {
    old.zip(new)
        .is_some_and(|(old, new)| definitions::are_alike(objects, old, new).unwrap_or(false))
}

/// Returns the layout of `tree`, or reuses `known`, the layout of another tree, if both have the
/// same definitions.
///
/// # Errors
///
/// Fails only on a damaged repository.
pub(crate) fn layout_of(
    objects: &Objects,
    known: Option<(&Layout, Option<TreeId>)>,
    tree: Option<TreeId>,
    options: &LoadOptions,
) -> Result<Layout, DefinitionError> {
    if let Some((layout, old)) = known
        && is_kept(objects, old, tree)
    {
        return Ok(layout.clone());
    }
    let Some(tree) = tree else { return Ok(Layout::empty()) };
    let files = definitions::gather(objects, tree, options.sheets.as_ref())?;
    Ok(Layout::read(&files))
}

/// Returns the tree of `commit`, or `None` for the empty repository.
fn tree_of(objects: &Objects, commit: CommitId) -> Result<Option<TreeId>, LoadError> {
    if commit.is_zero() {
        return Ok(None);
    }
    let facts = objects.commit(commit);
    facts.map(|facts| Some(facts.tree)).map_err(|source| LoadError::Repository { commit, source })
}

/// Runs `work` and turns a panic into an error: half-built states are dropped whole.
fn guarded<T>(
    commit: CommitId,
    work: impl FnOnce() -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = causes::of_panic(&*panic);
        Err(LoadError::Panic { commit, message })
    })
}

/// Measures consecutive stages.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}
