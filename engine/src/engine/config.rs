//! What the engine serves, and how; and who sees what it does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::publication::Published;
use super::push::report::PushReport;
use super::report::Report;
use crate::admit::AdmissionLimits;
use crate::mirror::{Durability, FetchLimits, Identity, Remote, SafeDirectories};
use crate::options::LoadOptions;

/// What to do when the branch was rewound or rewritten, or has moved on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rewrites {
    /// Hold what the remote has until the operator lets it through.
    #[default]
    Hold,
    /// Put our commits on top of what the remote has, field by field. Where both sides changed the
    /// same field, ours are kept on a branch of their own and the remote's head is served.
    Replay,
    /// Go where the branch went. Commits of ours are kept on a branch of their own.
    Follow,
}

/// What the engine serves, and how.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The repository. Without one, and with a remote, it is cloned.
    pub repo: PathBuf,
    /// The remote; `None` uses the own `origin` of a bare repository, or serves the local branch.
    pub remote: Option<Arc<Remote>>,
    /// The branch; `None` chooses the obvious one.
    pub branch: Option<String>,
    /// How records are read.
    pub load: LoadOptions,
    /// Whether decoded records are kept in a file beside the mirror for the next start. A
    /// repository without a remote is not ours to write to, and has none.
    pub cache: bool,
    /// Whether a local branch is watched, where there is no remote, so that its commits go live with
    /// nobody to tell of them.
    pub watch: bool,
    /// What a fetch may cost.
    pub fetch: FetchLimits,
    /// How much may be wrong in sheets that quarantine.
    pub limits: AdmissionLimits,
    /// How often to ask the remote in case a webhook was lost; `None` for never.
    pub poll_interval: Option<Duration>,
    /// How often to compare the published state with one that is built anew; `None` for never.
    pub audit_interval: Option<Duration>,
    /// Sees every report once, on the engine's thread, before those who wait for it.
    pub observer: Observer<Report>,
    /// Sees every push that was tried, in the same way.
    pub push_observer: Observer<PushReport>,
    /// Sees what the public sees differently after each publication, in their order.
    pub publication_observer: Observer<Published>,
    /// What to do when the branch was rewritten; `None` follows in a repository with a work
    /// tree, whose owner amends commits all day, and holds everywhere else.
    pub rewrites: Option<Rewrites>,
    /// Who commits what is written; `None` for a repository that is only read.
    pub writes: Option<Identity>,
    /// When what is written is on the disk.
    pub durability: Durability,
    /// Whether what is written is pushed, where there is a remote.
    pub push: bool,
    /// How many commits may wait to be pushed before no more are taken; `None` for any number.
    pub unpushed_limit: Option<u64>,
    /// The repositories of this machine that are used although another user owns them.
    pub safe_directories: SafeDirectories,
    /// The branches that may be looked at: names, or beginnings of names with a `*` behind them.
    pub previews: Vec<String>,
}

impl EngineConfig {
    /// Returns settings for `repo` that read: nothing is written, pushed, polled or audited, and
    /// everything else is as its own default says.
    pub fn of(repo: impl Into<PathBuf>, remote: Option<Arc<Remote>>) -> Self {
        Self {
            repo: repo.into(),
            remote,
            branch: None,
            load: LoadOptions::default(),
            cache: true,
            watch: false,
            fetch: FetchLimits::default(),
            limits: AdmissionLimits::default(),
            poll_interval: None,
            audit_interval: None,
            observer: Observer::default(),
            push_observer: Observer::default(),
            publication_observer: Observer::default(),
            rewrites: None,
            writes: None,
            durability: Durability::default(),
            push: false,
            unpushed_limit: None,
            safe_directories: SafeDirectories::default(),
            previews: Vec::new(),
        }
    }
}

/// Is called with every report of a kind.
type Observe<R> = dyn Fn(&Arc<R>) + Send + Sync;

/// Sees every report of a kind.
pub struct Observer<R>(Arc<Observe<R>>);

impl<R> Observer<R> {
    /// Returns one that calls `observe`, which should only pass the report on.
    pub fn new(observe: impl Fn(&Arc<R>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Shows it `report`; one that panics keeps nobody else from anything.
    pub(super) fn see(&self, report: &Arc<R>) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(report))).is_err() {
            tracing::error!(of = std::any::type_name::<R>(), "an observer panicked");
        }
    }
}

impl<R> Clone for Observer<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R> Default for Observer<R> {
    /// Returns one that sees nothing.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl<R> std::fmt::Debug for Observer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}
