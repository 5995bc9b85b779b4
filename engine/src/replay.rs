//! Replays a history: checks the law on real commits.

use std::time::{Duration, Instant};

use crate::id::CommitId;
use crate::load::{LoadError, advance, load};
use crate::mirror::Objects;
use crate::options::LoadOptions;
use crate::plan::RebuildReason;
use crate::snapshot::Snapshot;

/// The result for one commit of a replayed history.
#[derive(Debug, Clone)]
pub struct ReplayStep {
    /// The commit.
    pub commit: CommitId,
    /// Why the reload rebuilt the state; `None` if it applied the difference.
    pub reason: Option<RebuildReason>,
    /// The number of served records.
    pub records: usize,
    /// The number of problems.
    pub problems: usize,
    /// How long the reload took.
    pub reload: Duration,
    /// How long the rebuild took with which it is compared.
    pub rebuild: Duration,
    /// The first place where the two differ; `None` if the law holds.
    pub difference: Option<Difference>,
}

/// A place where two states differ, as lines of their dumps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the reload; `None` if it has none.
    pub reloaded: Option<String>,
    /// The line of the rebuild; `None` if it has none.
    pub rebuilt: Option<String>,
}

/// Takes a state through `commits`, one after another, and compares it with a rebuild at each.
///
/// `step` is called for each commit. Costs a full load and two dumps per commit.
///
/// # Errors
///
/// Fails if a commit cannot be loaded at all. A difference is not an error but part of the step.
pub fn replay(
    objects: &Objects,
    commits: &[CommitId],
    options: &LoadOptions,
    step: &mut dyn FnMut(ReplayStep),
) -> Result<(), LoadError> {
    let mut base: Option<Snapshot> = None;
    for commit in commits {
        let begun = Instant::now();
        let (reloaded, reason) = advance(objects, base.as_ref(), *commit, options)?;
        let reload = begun.elapsed();
        let begun = Instant::now();
        let rebuilt = load(objects, *commit, options)?;
        let rebuild = begun.elapsed();
        step(ReplayStep {
            commit: *commit,
            reason,
            records: reloaded.records(),
            problems: reloaded.problem_count(),
            reload,
            rebuild,
            difference: difference(&reloaded, &rebuilt),
        });
        base = Some(reloaded);
    }
    Ok(())
}

/// Returns the first place where two states differ, or `None` if they are equal.
pub fn difference(reloaded: &Snapshot, rebuilt: &Snapshot) -> Option<Difference> {
    let (mut one, mut other) = (reloaded.dump().into_iter(), rebuilt.dump().into_iter());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (reloaded, rebuilt) if reloaded != rebuilt => {
                return Some(Difference { reloaded, rebuilt });
            }
            _ => {}
        }
    }
}
