//! Opening: from a folder, and perhaps a remote, to a published first state.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::earlier::Retained;
use super::ledger::Ledger;
use super::maintenance::Chores;
use super::pin::Pinned;
use super::preview::Previews;
use super::push::report::PushStatus;
use super::push::worker::Pushing;
use super::refs::{Mark, adopt};
use super::reload_queue::Flight;
use super::schedule::Intervals;
use super::status::EngineStatus;
use super::watch::Watching;
use super::writing::Writing;
use super::{Engine, EngineConfig, OpenError, Rewrites, Shared};
use crate::admit::Health;
use crate::cache::Cache;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::load::{load, load_cached};
use crate::mirror::{
    Expected, GitVersion, Mirror, MirrorOptions, OLDEST_GIT, Objects, Remote, RemoteHead,
    RemoteOptions, RepositoryFacts,
};
use crate::notice::{Notice, is_bare, notices};
use crate::plan::RebuildReason;
use crate::snapshot::Snapshot;

impl Engine {
    /// Opens the repository, or clones it, and publishes the head of the branch.
    ///
    /// The engine that is returned serves a whole state: there is no half-loaded one. A local
    /// head is served without asking the remote, so a server starts while its remote is away; ask
    /// for a reload next. Blocks for as long as the load takes.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Content never is one: broken records are problems of the state.
    pub fn open(config: EngineConfig, ledger: Arc<Ledger>) -> Result<Self, OpenError> {
        let place = Place::find(&config)?;
        let EngineConfig { repo, load: options, fetch, limits, .. } = config;
        let reference = |source| OpenError::Reference { path: repo.clone(), source };
        let unopened = |source| OpenError::Repository { path: repo.clone(), source };

        // A repository that is only looked at is nobody's in particular.
        let is_ours = place.remote.is_some() || config.writes.is_some() && place.bare;
        let lock = match is_ours {
            true => {
                let locked = place.mirror.lock();
                Some(locked.map_err(|source| OpenError::Locked { path: repo.clone(), source })?)
            }
            false => None,
        };
        fault::step("open.locked");
        tell_of_git();
        let branch = place.branch;
        let branch_ref = format!("refs/heads/{branch}");
        let mut objects = place.mirror.objects().map_err(unopened)?;
        if is_ours {
            adopt(&objects, place.head_branch.as_deref(), &branch).map_err(reference)?;
        }
        fault::step("open.head");
        let mut head = objects.reference(&branch_ref).map_err(reference)?;
        if let (None, Some(remote)) = (head, &place.remote) {
            tracing::info!(%remote, branch, "nothing to serve yet; waiting for the remote");
            let fetched = place.mirror.fetch(remote, &branch, &fetch);
            let fetched = fetched.map_err(|error| OpenError::Fetch {
                branch: branch.clone(),
                source: Box::new(error),
            })?;
            objects = place.mirror.objects().map_err(unopened)?;
            if fetched.head == RemoteHead::BranchMissing {
                // Serving nothing in place of a branch whose name is mistyped helps nobody.
                let there = Mirror::remote_branches(remote, &fetch);
                let branches = there.map(|there| there.branches).unwrap_or_default();
                return Err(OpenError::BranchMissing { branch, branches });
            }
            if let Some(fetched) = fetched.head.commit() {
                objects
                    .set_reference(&branch_ref, Expected::Absent, fetched)
                    .and_then(|()| {
                        objects.set_reference(&Mark::Synced.of(&branch), Expected::Any, fetched)
                    })
                    .map_err(reference)?;
                head = Some(fetched);
            }
        }
        fault::step("open.load");
        let pinned = match &place.remote {
            Some(_) => objects.reference(&Mark::Pinned.of(&branch)).map_err(reference)?,
            None => None,
        };
        if let Some(commit) = pinned {
            tracing::warn!(%commit, "pinned: pushes are fetched and held");
        }
        let served = pinned.or(head).unwrap_or(CommitId::ZERO);
        let ours = config.cache && place.remote.is_some();
        let cache = ours.then(|| Cache::beside(&place.mirror, options.record_limit));
        fault::step("open.cache");
        let loaded = match &cache {
            Some(cache) => load_cached(&objects, served, cache, &options),
            None => load(&objects, served, &options).map(|state| (state, RebuildReason::FirstLoad)),
        };
        let (snapshot, opened) = loaded
            .map_err(|error| OpenError::Load { branch: branch.clone(), source: Box::new(error) })?;
        tell_of_bare(&objects, &snapshot);
        let degraded = Health::of(&snapshot).refusable();
        let writes = config.writes.filter(|_| place.bare);
        let pushes = config.push && writes.is_some() && place.remote.is_some();
        let watched = config.watch && place.remote.is_none();
        let status = EngineStatus {
            branch: branch.clone(),
            remote: place.remote.as_ref().map(|remote| remote.to_string()),
            remote_head: None,
            fetched_at: None,
            behind_since: None,
            ahead: 0,
            push: PushStatus { active: pushes, ..PushStatus::default() },
            held: None,
            pinned: pinned.map(|commit| Pinned { commit, since: SystemTime::now() }),
            retained: 0,
            alive: 1,
            last: None,
            degraded,
            opened,
            branch_missing: false,
            remote_empty: false,
            published_at: SystemTime::now(),
        };
        let (published, mut retained) = (Arc::new(snapshot), Retained::default());
        retained.note(&published);
        fault::step("open.ready");
        Self::start(Shared {
            mirror: place.mirror,
            branch,
            remote: place.remote,
            load: options,
            cache,
            fetch,
            limits,
            rewrites: config.rewrites.unwrap_or(place.rewrites),
            published: ArcSwap::new(published),
            retained: Mutex::new(retained),
            writer: Mutex::new(()),
            lane: Mutex::new(()),
            building: Mutex::new(()),
            flight: Flight::new(Intervals {
                poll: config.poll_interval,
                audit: config.audit_interval,
            }),
            observer: config.observer,
            push_observer: config.push_observer,
            publication_observer: config.publication_observer,
            chores: Chores::default(),
            writing: Writing::new(writes, config.durability),
            pushing: Pushing::new(pushes),
            watching: Watching::new(watched),
            unpushed_limit: config.unpushed_limit,
            previews: Previews::new(config.previews),
            ledger,
            status: Mutex::new(status),
            _lock: lock,
        })
    }
}

/// Where the records are, where they come from and which branch they are on.
struct Place {
    mirror: Mirror,
    remote: Option<Arc<Remote>>,
    branch: String,
    rewrites: Rewrites,
    bare: bool,
    /// The branch that `HEAD` named already.
    head_branch: Option<String>,
}

impl Place {
    fn find(config: &EngineConfig) -> Result<Self, OpenError> {
        let repo = &config.repo;
        if is_absent(repo) {
            return Self::clone_into(repo, config);
        }
        let opened = |source| OpenError::Repository { path: repo.clone(), source };
        let facts = Mirror::inspect(repo, &config.safe_directories).map_err(opened)?;
        if facts.shallow {
            return Err(OpenError::Shallow { path: repo.clone() });
        }
        if facts.partial {
            return Err(OpenError::PartialClone { path: repo.clone() });
        }
        let remote = match (&config.remote, &facts.remote_url) {
            (Some(_), _) if !facts.bare => return Err(OpenError::NotBare { path: repo.clone() }),
            (Some(remote), _) => Some(remote.clone()),
            (None, Some(url)) if facts.bare => {
                let safe_directories = config.safe_directories.clone();
                let options = RemoteOptions { safe_directories, ..RemoteOptions::default() };
                let remote = Remote::new(url, options);
                Some(Arc::new(remote.map_err(OpenError::Remote)?))
            }
            // A work tree is its user's, whatever it was cloned from: its branch is what is served.
            (None, _) => None,
        };
        let mirror = Mirror::open(repo, mirror_options(config)).map_err(opened)?;
        let branch = match (&config.branch, &remote) {
            // A branch that is asked for may come with the next fetch.
            (Some(branch), Some(_)) => branch.clone(),
            (Some(branch), None) if !facts.branches.contains(branch) => {
                let (branch, branches) = (branch.clone(), facts.branches);
                return Err(OpenError::BranchMissing { branch, branches });
            }
            (Some(branch), None) => branch.clone(),
            (None, _) => choose_branch(&facts)?,
        };
        let rewrites = if facts.bare { Rewrites::Hold } else { Rewrites::Follow };
        if remote.is_none() {
            tell_of_local(&branch, &facts);
        }
        let (bare, head_branch) = (facts.bare, facts.head_branch);
        Ok(Self { mirror, remote, branch, rewrites, bare, head_branch })
    }

    fn clone_into(repo: &Path, config: &EngineConfig) -> Result<Self, OpenError> {
        let Some(remote) = config.remote.clone() else {
            return Err(OpenError::NothingThere { path: repo.to_owned() });
        };
        let wanted = config.branch.as_deref();
        tracing::info!(%remote, "nothing to serve yet; asking the remote for its branches");
        let there =
            Mirror::remote_branches(&remote, &config.fetch).map_err(|error| OpenError::Fetch {
                branch: wanted.unwrap_or("HEAD").to_owned(),
                source: Box::new(error),
            })?;
        let branch = match wanted {
            Some(branch) => branch.to_owned(),
            None => choose_branch(&RepositoryFacts {
                bare: true,
                shallow: false,
                partial: false,
                remote_url: None,
                head_branch: there.head,
                branches: there.branches.clone(),
            })?,
        };
        if !there.branches.is_empty() && !there.branches.contains(&branch) {
            return Err(OpenError::BranchMissing { branch, branches: there.branches });
        }
        let failed = |source| OpenError::Repository { path: repo.to_owned(), source };
        let mirror = Mirror::init(repo, &branch, mirror_options(config)).map_err(failed)?;
        mirror.set_origin(&remote).map_err(failed)?;
        let remote = Some(remote);
        let (rewrites, head_branch) = (Rewrites::Hold, None);
        Ok(Self { mirror, remote, branch, rewrites, bare: true, head_branch })
    }
}

fn mirror_options(config: &EngineConfig) -> MirrorOptions {
    let safe_directories = config.safe_directories.clone();
    MirrorOptions { safe_directories, ..MirrorOptions::default() }
}

/// Tells of a git program that is missing or too old, which would show later, and as something else.
fn tell_of_git() {
    match GitVersion::installed() {
        Ok(found) if found >= OLDEST_GIT => {}
        Ok(found) => tracing::warn!(
            %found, needed = %OLDEST_GIT,
            "git is too old: pushes, repacks and histories may fail or not be durable"
        ),
        Err(error) => tracing::warn!(
            error = chain(&error), needed = %OLDEST_GIT,
            "git cannot be used: there will be no pushes, histories, attachments and repacks"
        ),
    }
}

/// Tells of sheets that have nothing, and of a commit without a record.
fn tell_of_bare(objects: &Objects, snapshot: &Snapshot) {
    if !is_bare(snapshot) {
        return;
    }
    match notices(objects, snapshot) {
        Ok(notices) => {
            let of_sheets = |notice: &&Notice| !matches!(notice, Notice::NotAFile { .. });
            notices.iter().filter(of_sheets).for_each(|notice| tracing::warn!("{notice}"));
        }
        Err(error) => tracing::warn!(error = chain(&error), "cannot look through the commit"),
    }
}

/// Tells that a local branch is followed, and how its remote would be.
fn tell_of_local(branch: &str, facts: &RepositoryFacts) {
    tracing::info!(
        branch,
        "serving the local branch as committed; uncommitted changes are not served"
    );
    let remote = facts.remote_url.as_ref().filter(|_| !facts.bare);
    let remote = remote.and_then(|url| Remote::new(url, RemoteOptions::default()).ok());
    if let Some(remote) = remote {
        let address = remote.address();
        tracing::info!(
            "to follow the remote instead, serve a mirror of it: \
             headwater serve --repo mirror.git --remote {address}"
        );
    }
}

/// Says whether there is nothing at `path`, or an empty folder, into which a clone may go.
fn is_absent(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Chooses HEAD's branch if it exists, else the only one; in an empty repository HEAD's.
///
/// # Errors
///
/// When there are several branches, and HEAD names none of them.
pub fn choose_branch(facts: &RepositoryFacts) -> Result<String, OpenError> {
    match (&facts.head_branch, &facts.branches[..]) {
        (Some(head), branches) if branches.contains(head) || branches.is_empty() => {
            Ok(head.clone())
        }
        (None, []) => Ok("main".to_owned()),
        (_, [only]) => Ok(only.clone()),
        (_, branches) => Err(OpenError::BranchUnclear { branches: branches.to_vec() }),
    }
}

/// Returns the time as `YYYYMMDDTHHMMSSZ`, which sorts and is allowed in the name of a branch.
pub(super) fn utc_now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, clock) = (now.date(), now.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}
