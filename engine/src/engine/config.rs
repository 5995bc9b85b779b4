//! The settings of the engine, and its observers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::consent::Consent;
use super::follow_target::{FollowTarget, Stored};
use super::publication::Published;
use super::push::report::PushReport;
use super::report::Report;
use super::role::Role;
use crate::admit::AdmissionLimits;
use crate::mirror::{Durability, FetchLimits, Identity, Remote, SafeDirectories};
use crate::options::LoadOptions;

/// What to do when the branch was rewound or rewritten, or when both sides have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rewrites {
    /// Hold the remote's head until the operator lets it through.
    #[default]
    Hold,
    /// Put the local commits on top of the remote's head, field by field. If both sides changed the
    /// same field, the local commits are kept on a separate branch and the remote's head is served.
    Replay,
    /// Follow the remote's branch. Local commits are kept on a separate branch.
    Follow,
}

/// The settings of the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The repository. If it does not exist and there is a remote, it is cloned.
    pub repo: PathBuf,
    /// The remote; `None` uses the configured `origin` of a bare repository, or else serves the
    /// local branch.
    pub remote: Option<Arc<Remote>>,
    /// The branch; `None` chooses the obvious one.
    pub branch: Option<String>,
    /// How records are read.
    pub load: LoadOptions,
    /// Whether decoded records are kept in a file next to the mirror for the next start. A
    /// repository without a remote is not Headwater's to write to, and has no such file.
    pub cache: bool,
    /// Whether a local branch is watched if there is no remote, so that its commits go live without
    /// any notification.
    pub watch: bool,
    /// The limits of a fetch.
    pub fetch: FetchLimits,
    /// How many problems are allowed in sheets that quarantine.
    pub limits: AdmissionLimits,
    /// How often to ask the remote in case a webhook was lost; `None` for never.
    pub poll_interval: Option<Duration>,
    /// How often to compare the published state with a newly built one; `None` for never.
    pub audit_interval: Option<Duration>,
    /// Sees every report once, on the engine's thread, before the waiting callers.
    pub observer: Observer<Report>,
    /// Sees every report again, once the waiting callers were told. From then on
    /// [`Engine::outlook`](super::Engine::outlook) knows that the reload has ended.
    pub told_observer: Observer<Report>,
    /// Sees every attempted push, in the same way.
    pub push_observer: Observer<PushReport>,
    /// Sees what changes for the public with each publication, in order.
    pub publication_observer: Observer<Published>,
    /// What to do when the branch was rewritten. `None` follows in a repository with a work tree,
    /// whose owner amends commits all day, and holds everywhere else.
    pub rewrites: Option<Rewrites>,
    /// The committer of writes; `None` for a read-only repository.
    pub writes: Option<Identity>,
    /// When writes are on disk.
    pub durability: Durability,
    /// Whether writes are pushed if there is a remote.
    pub push: bool,
    /// The least time between two pushes.
    pub push_interval: Duration,
    /// How many commits may wait to be pushed before writes are refused; `None` for any number.
    pub unpushed_limit: Option<u64>,
    /// If a state takes as long as this to build, the remote is asked again whether it still has its
    /// commit, before the state goes live.
    pub asks_again: Duration,
    /// The local repositories that are used although another user owns them.
    pub safe_directories: SafeDirectories,
    /// The branches that may be previewed: names, or prefixes followed by `*`.
    pub previews: Vec<String>,
    /// The role at the start.
    pub role: Role,
    /// Who must consent to a publication while the role is [`Role::Leading`].
    pub consent: Option<Arc<dyn Consent>>,
    /// Where an empty repository gets its first state from, instead of the remote.
    pub first: Option<FollowTarget>,
    /// Sees each new commit of the leader that is on this disk.
    pub stored_observer: Observer<Stored>,
    /// Sees each source that a replica got commits of its leader from.
    pub source_observer: Observer<Remote>,
}

impl EngineConfig {
    /// Returns read-only settings for `repo`: nothing is written, pushed, polled or audited;
    /// everything else has its default.
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
            told_observer: Observer::default(),
            push_observer: Observer::default(),
            publication_observer: Observer::default(),
            rewrites: None,
            writes: None,
            durability: Durability::default(),
            push: false,
            push_interval: Duration::ZERO,
            unpushed_limit: None,
            asks_again: Duration::from_secs(2),
            safe_directories: SafeDirectories::default(),
            previews: Vec::new(),
            role: Role::Alone,
            consent: None,
            first: None,
            stored_observer: Observer::default(),
            source_observer: Observer::default(),
        }
    }
}

/// A function that is called with every report of a kind.
type Observe<R> = dyn Fn(&Arc<R>) + Send + Sync;

/// An observer that sees every report of a kind.
pub struct Observer<R>(Arc<Observe<R>>);

impl<R> Observer<R> {
    /// Returns an observer that calls `observe`, which should only pass the report on.
    pub fn new(observe: impl Fn(&Arc<R>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Shows `report` to the observer; a panic in it does not affect anything else.
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
    /// Returns an observer that does nothing.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl<R> std::fmt::Debug for Observer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}
