//! Opening: from a folder, and perhaps a remote, to a first state.

use std::path::Path;
use std::sync::Arc;

use super::config::{EngineConfig, Rewrites};
use super::error::OpenError;
use super::follow_target::FollowTarget;
use super::refs::{Mark, adopt};
use super::repository::Repository;
use crate::cache::Cache;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::load::{load, load_cached};
use crate::mirror::{
    Expected, FetchError, GitVersion, Mirror, MirrorOptions, OLDEST_GIT, Objects, Remote,
    RemoteHead, RemoteOptions, RepositoryFacts,
};
use crate::notice::{Notice, is_bare, notices};
use crate::plan::RebuildReason;
use crate::snapshot::Snapshot;

/// An opened repository, and the first state of its branch.
pub(super) struct Opened {
    pub(super) repository: Repository,
    pub(super) snapshot: Snapshot,
    /// How the state was built.
    pub(super) reason: RebuildReason,
    /// The pinned commit.
    pub(super) pinned: Option<CommitId>,
    /// Where decoded records are kept for the next start.
    pub(super) cache: Option<Cache>,
    /// What to do when the branch was rewritten, unless the settings decide.
    pub(super) rewrites: Rewrites,
    /// Whether the repository has no work tree, so that it may be written to.
    pub(super) is_bare: bool,
}

/// Opens the repository, or clones it, and loads the head of the branch.
///
/// A local head is loaded without asking the remote, so that a server starts while its remote is
/// away. Only if an object is missing, the remote is asked for everything.
pub(super) fn open(config: &EngineConfig) -> Result<Opened, OpenError> {
    let source = Source::find(config)?;
    let EngineConfig { repo, load: options, fetch, .. } = config;
    let reference = |error| OpenError::Reference { path: repo.clone(), source: error };
    let unopened = |error| OpenError::Repository { path: repo.clone(), source: error };

    // A repository that is only read needs no lock.
    let is_ours = source.remote.is_some() || config.writes.is_some() && source.bare;
    let lock = match is_ours {
        true => {
            let locked = source.mirror.lock();
            let locked_out = |error| OpenError::Locked { path: repo.clone(), source: error };
            Some(locked.map_err(locked_out)?)
        }
        false => None,
    };
    fault::step("open.locked");
    tell_of_git();
    let branch = source.branch.clone();
    let branch_ref = format!("refs/heads/{branch}");
    let mut objects = source.mirror.objects().map_err(unopened)?;
    if is_ours {
        adopt(&objects, source.head_branch.as_deref(), &branch).map_err(reference)?;
    }
    fault::step("open.head");
    let mut head = objects.reference(&branch_ref).map_err(reference)?;
    if let (None, Some(first)) = (head, &config.first) {
        head = obtain_first(&source.mirror, &branch, first, config)?;
        objects = source.mirror.objects().map_err(unopened)?;
    } else if let (None, Some(remote)) = (head, &source.remote) {
        tracing::info!(%remote, branch, "nothing to serve yet; waiting for the remote");
        let fetched = source.mirror.fetch(remote, &branch, fetch);
        let fetched = fetched.map_err(|error| OpenError::Fetch {
            branch: branch.clone(),
            source: Box::new(error),
        })?;
        objects = source.mirror.objects().map_err(unopened)?;
        if fetched.head == RemoteHead::BranchMissing {
            // Serving nothing instead of a branch whose name is mistyped helps nobody.
            let there = Mirror::remote_branches(remote, fetch);
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
    let pinned = match &source.remote {
        Some(_) => objects.reference(&Mark::Pinned.of(&branch)).map_err(reference)?,
        None => None,
    };
    if let Some(commit) = pinned {
        tracing::warn!(%commit, "pinned: pushes are fetched and held");
    }
    let served = pinned.or(head).unwrap_or(CommitId::ZERO);
    let ours = config.cache && source.remote.is_some();
    let cache = ours.then(|| Cache::beside(&source.mirror, options.record_limit));
    fault::step("open.cache");
    let load_served = |objects: &Objects| {
        let loaded = match &cache {
            Some(cache) => load_cached(objects, served, cache, options),
            None => load(objects, served, options).map(|state| (state, RebuildReason::FirstLoad)),
        };
        loaded.map_err(|error| OpenError::Load { branch: branch.clone(), source: Box::new(error) })
    };
    let mut loaded = load_served(&objects);
    if let (Err(error), Some(remote)) = (&loaded, &source.remote)
        && error.lacks_object()
        && source.mirror.note_gap()
    {
        match source.mirror.fetch(remote, &branch, fetch) {
            Ok(_) => {
                objects = source.mirror.objects().map_err(unopened)?;
                loaded = load_served(&objects);
            }
            Err(error) => tracing::warn!(error = chain(&error), "cannot fetch what is missing"),
        }
    }
    let (snapshot, reason) = loaded?;
    tell_of_bare(&objects, &snapshot);
    fault::step("open.ready");
    let Source { mirror, remote, rewrites, bare: is_bare, .. } = source;
    let repository = Repository::new(mirror, branch, remote, *fetch, lock);
    Ok(Opened { repository, snapshot, reason, pinned, cache, rewrites, is_bare })
}

/// Gets the first commits from another replica, and points the references at them as the leader
/// does. Returns the head, if there is one.
fn obtain_first(
    mirror: &Mirror,
    branch: &str,
    first: &FollowTarget,
    config: &EngineConfig,
) -> Result<Option<CommitId>, OpenError> {
    if first.head.is_zero() {
        return Ok(None);
    }
    tracing::info!(branch, head = %first.head, "nothing to serve yet; asking the other replicas");
    for commit in first.commits() {
        first_source(&first.sources, branch, |source| {
            mirror.fetch_commit(source, branch, commit, &config.fetch)?;
            config.source_observer.see(source);
            Ok(())
        })?;
    }
    let path = || config.repo.clone();
    let objects =
        mirror.objects().map_err(|source| OpenError::Repository { path: path(), source })?;
    let set = |name: &str, commit: Option<CommitId>| {
        let commit = commit.filter(|commit| objects.contains(commit.as_bytes()));
        let set = commit.map(|commit| objects.set_reference(name, Expected::Any, commit));
        set.transpose().map_err(|source| OpenError::Reference { path: path(), source })
    };
    set(&Mark::Synced.of(branch), first.synced)?;
    set(&Mark::Pinned.of(branch), first.pinned)?;
    set(&Mark::Followed.of(branch), Some(first.head))?;
    set(&format!("refs/heads/{branch}"), Some(first.head))?;
    Ok(Some(first.head))
}

/// Asks the sources in turn, and returns the first answer.
///
/// # Errors
///
/// That of the last one, if all fail.
fn first_source<T>(
    sources: &[Arc<Remote>],
    branch: &str,
    mut ask: impl FnMut(&Arc<Remote>) -> Result<T, FetchError>,
) -> Result<T, OpenError> {
    let mut last = None;
    for source in sources {
        match ask(source) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tracing::warn!(%source, error = chain(&error), "cannot fetch");
                last = Some(error);
            }
        }
    }
    let branch = branch.to_owned();
    Err(match last {
        Some(error) => OpenError::Fetch { branch, source: Box::new(error) },
        None => OpenError::NoSource { branch },
    })
}

/// The location of the records, their remote and their branch.
struct Source {
    mirror: Mirror,
    remote: Option<Arc<Remote>>,
    branch: String,
    rewrites: Rewrites,
    bare: bool,
    /// The branch that `HEAD` already named.
    head_branch: Option<String>,
}

impl Source {
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
            // A work tree belongs to its user, wherever it was cloned from: its branch is served.
            (None, _) => None,
        };
        let mirror = Mirror::open(repo, mirror_options(config)).map_err(opened)?;
        let branch = match (&config.branch, &remote) {
            // A requested branch may arrive with the next fetch.
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
        let asked = match &config.first {
            Some(first) => first.sources.clone(),
            None => vec![remote.clone()],
        };
        tracing::info!(%remote, "nothing to serve yet; asking for the branches");
        let there = first_source(&asked, wanted.unwrap_or("HEAD"), |source| {
            Mirror::remote_branches(source, &config.fetch)
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

/// Warns about a missing or outdated git program, which would otherwise show later as another
/// error.
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

/// Reports empty sheets, and a commit without any record.
fn tell_of_bare(objects: &Objects, snapshot: &Snapshot) {
    if !is_bare(snapshot) {
        return;
    }
    match notices(objects, snapshot) {
        Ok(notices) => {
            let of_sheets = |notice: &&Notice| !matches!(notice, Notice::NotAFile { .. });
            notices.iter().filter(of_sheets).for_each(|notice| tracing::warn!("{notice}"));
        }
        Err(error) => tracing::warn!(error = chain(&error), "cannot examine the commit"),
    }
}

/// Reports that a local branch is followed, and how to follow its remote instead.
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

/// Returns whether there is nothing at `path`, or an empty folder, into which to clone.
fn is_absent(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Chooses HEAD's branch if it exists, else the only branch; in an empty repository HEAD's.
///
/// # Errors
///
/// If there are several branches and HEAD names none of them.
pub fn choose_branch(facts: &RepositoryFacts) -> Result<String, OpenError> {
    let chosen = match (&facts.head_branch, &facts.branches[..]) {
        (Some(head), branches) if branches.contains(head) || branches.is_empty() => head.clone(),
        (None, []) => "main".to_owned(),
        (_, [only]) => only.clone(),
        (_, branches) => return Err(OpenError::BranchUnclear { branches: branches.to_vec() }),
    };
    match chosen.as_str() {
        "conflicts" => Err(OpenError::BranchOfConflicts),
        _ => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_branch_is_chosen_where_conflicts_are_kept() {
        let chosen = |head: Option<&str>, branches: &[&str]| {
            choose_branch(&RepositoryFacts {
                bare: true,
                shallow: false,
                partial: false,
                remote_url: None,
                head_branch: head.map(str::to_owned),
                branches: branches.iter().map(|name| (*name).to_owned()).collect(),
            })
        };
        assert_eq!(chosen(Some("main"), &["conflicts", "main"]).unwrap(), "main");
        assert_eq!(chosen(None, &["conflicts/a"]).unwrap(), "conflicts/a");
        for head in [None, Some("conflicts")] {
            let refused = chosen(head, &["conflicts"]).unwrap_err();
            assert!(matches!(refused, OpenError::BranchOfConflicts), "{refused}");
        }
    }
}
