//! Previews: the state that another branch would produce.
//!
//! It is the published state with the difference of the branch applied. A setting lists the
//! branches that may be previewed, since a branch may hold content that nobody has reviewed. The
//! remote is asked for all of them at once, whatever name a reader gives. While it does not answer,
//! no lock that others need is held. One branch is fetched in a few seconds or not at all, and gives
//! way to the served one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::historical_states::error::PastError;
use super::locks::{Lock, LockGuard, Rank};
use super::maintenance::Maintenance;
use super::refused_heads::{Lesson, RefusedHeads};
use super::repository::Repository;
use crate::causes::chain;
use crate::id::CommitId;
use crate::mirror::{FetchError, FetchLimits, Mirror, Remote};

/// How long the remote's list of branches stays valid: readers must not keep the remote busy.
const BELIEVED: Duration = Duration::from_secs(5);

/// How long a remote that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// How long the remote may take to list its branches, and how long it may be silent during a fetch.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long fetching one may take in total, and how many bytes it may have: a fetch of the served
/// branch waits as long.
const FETCH: Duration = Duration::from_secs(5);
const FETCH_BYTES: u64 = 64 << 20;

/// The branches that may be previewed, and their last known heads.
pub(super) struct Previews {
    /// Names, or prefixes followed by `*`.
    allowed: Vec<String>,
    /// Held while the remote is asked, so that other readers wait for the same answer.
    asking: Lock<()>,
    heads: Lock<Heads>,
    refused: Lock<RefusedHeads>,
    /// Objects fetched for a reader may need maintenance.
    maintenance: Arc<Maintenance>,
}

/// What the remote reported about its branches.
#[derive(Debug, Default)]
enum Heads {
    /// Nothing yet.
    #[default]
    Unknown,
    /// The heads of the branches that may be previewed, and when they were reported.
    Told(HashMap<String, CommitId>, Instant),
    /// It did not answer, at this time.
    Silent(Instant),
}

/// What is known about a branch without asking the remote.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// Its head, or that it does not exist.
    Head(Option<CommitId>),
    /// The remote does not answer.
    Silent,
}

impl Heads {
    /// Returns what is known about `branch` at `now`; `None` if the remote must be asked.
    fn known(&self, branch: &str, now: Instant) -> Option<Known> {
        let lasts = |since: &Instant, time| now.saturating_duration_since(*since) < time;
        match self {
            Self::Told(heads, at) if lasts(at, BELIEVED) => {
                Some(Known::Head(heads.get(branch).copied()))
            }
            Self::Silent(at) if lasts(at, LEFT_ALONE) => Some(Known::Silent),
            Self::Unknown | Self::Told(..) | Self::Silent(_) => None,
        }
    }
}

impl Previews {
    pub(super) fn new(allowed: Vec<String>, maintenance: Arc<Maintenance>) -> Self {
        let asking = Lock::new(Rank::Preview, ());
        let heads = Lock::new(Rank::Heads, Heads::default());
        let refused = Lock::new(Rank::Refused, RefusedHeads::default());
        Self { allowed, asking, heads, refused, maintenance }
    }

    pub(super) fn allow(&self, branch: &str) -> bool {
        self.allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => branch.starts_with(beginning),
            None => branch == allowed,
        })
    }

    /// Asks the remote for all branches that may be previewed.
    fn ask(&self, remote: &Remote, limits: &FetchLimits) -> Result<(), FetchError> {
        let beginning = |allowed: &'_ String| allowed.trim_end_matches('*').to_owned();
        let beginnings: Vec<String> = self.allowed.iter().map(beginning).collect();
        let beginnings: Vec<&str> = beginnings.iter().map(String::as_str).collect();
        let told = Mirror::remote_heads(remote, &beginnings, limits);
        let now = Instant::now();
        let told = told.inspect_err(|_| *self.heads() = Heads::Silent(now))?;
        let allowed = told.into_iter().filter(|branch| self.allow(&branch.name));
        let heads = allowed.map(|branch| (branch.name, branch.head)).collect();
        *self.heads() = Heads::Told(heads, now);
        Ok(())
    }

    fn heads(&self) -> LockGuard<'_, Heads> {
        self.heads.lock()
    }
}

impl Previews {
    /// Returns the head of `branch`: on the remote, or locally if there is none.
    pub(super) fn head_of(
        &self,
        branch: &str,
        repository: &Repository,
        commit: CommitId,
    ) -> Result<Option<CommitId>, PastError> {
        let unreadable = |source| PastError::Repository { commit, source };
        let objects = || repository.objects().map_err(|error| unreadable(error.into()));
        let Some(remote) = &repository.remote else {
            let head = objects()?.reference(&format!("refs/heads/{branch}"));
            return head.map_err(|error| unreadable(error.into()));
        };
        let silent = |source: Option<FetchError>| PastError::Remote {
            branch: branch.to_owned(),
            source: source.map(Box::new),
        };
        let refused = |source: Option<FetchError>| PastError::BranchRefused {
            branch: branch.to_owned(),
            source: source.map(Box::new),
        };
        let limits = within(&repository.fetch, FETCH);
        let quick = within(&repository.fetch, PATIENCE);
        let known = || self.heads().known(branch, Instant::now());
        if let Some(Known::Silent) = known() {
            return Err(silent(None));
        }
        let head = {
            let _asking = self.asking.lock();
            // The previous holder may have asked already.
            if known().is_none() {
                self.ask(remote, &quick).map_err(|error| silent(Some(error)))?;
            }
            match known() {
                Some(Known::Head(head)) => head,
                Some(Known::Silent) | None => return Err(silent(None)),
            }
        };
        let Some(head) = head else { return Ok(None) };
        let answer = || {
            if is_here(&repository.mirror, head) {
                return Some(Ok(Some(head)));
            }
            if self.refused.lock().contains(head, Instant::now()) {
                return Some(Err(refused(None)));
            }
            (known() == Some(Known::Silent)).then(|| Err(silent(None)))
        };
        if let Some(answer) = answer() {
            return answer;
        }
        let _lane = repository.lane_for_reader();
        // Another reader may have fetched it meanwhile, or tried to.
        if let Some(answer) = answer() {
            return answer;
        }
        let fetched = repository.mirror.fetch(remote, branch, &limits);
        let error = match fetched {
            Ok(fetched) => {
                self.maintenance.wake();
                return Ok(fetched.head.commit());
            }
            Err(FetchError::InvalidBranch { .. }) => return Ok(None),
            Err(error) => error,
        };
        tracing::warn!(branch, %head, error = chain(&error), "a preview cannot be fetched");
        if is_here(&repository.mirror, head) {
            // Only its reference cannot be written: that of another branch is in the way.
            self.maintenance.wake();
            return Ok(Some(head));
        }
        let now = Instant::now();
        match Lesson::of(&error) {
            Lesson::LeaveRemote => {
                *self.heads() = Heads::Silent(now);
                Err(silent(Some(error)))
            }
            Lesson::LeaveHead(time) => {
                self.refused.lock().note(head, now, time);
                Err(refused(Some(error)))
            }
        }
    }
}

/// Returns the limits of work for a reader, which takes no longer than `timeout`.
fn within(fetch: &FetchLimits, timeout: Duration) -> FetchLimits {
    let (stall, timeout) = (PATIENCE.min(fetch.stall), timeout.min(fetch.timeout));
    FetchLimits { stall, timeout, max_bytes: FETCH_BYTES.min(fetch.max_bytes), ..*fetch }
}

/// Returns whether the mirror has the commit.
fn is_here(mirror: &Mirror, commit: CommitId) -> bool {
    mirror.objects().is_ok_and(|objects| objects.contains(commit.as_bytes()))
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;
    use headwater_testkit::git::{git, git_with_input};
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{Engine, EngineConfig};
    use crate::mirror::RemoteOptions;
    use crate::view::View;

    fn allowing(allowed: Vec<String>) -> Previews {
        Previews::new(allowed, Arc::new(Maintenance::new()))
    }

    #[test]
    fn a_branch_is_allowed_by_its_name_or_its_beginning() {
        let previews = allowing(vec!["next".into(), "draft/*".into()]);
        for (branch, allowed) in
            [("next", true), ("next2", false), ("draft/a", true), ("draft", false), ("", false)]
        {
            assert_eq!(previews.allow(branch), allowed, "{branch}");
        }
        assert!(allowing(vec!["*".into()]).allow("anything"));
        assert!(!allowing(vec![]).allow("anything"));
    }

    #[test]
    fn a_fetch_for_a_reader_is_short_whatever_the_settings_allow() {
        let seconds = Duration::from_secs;
        for (stall, timeout, max_bytes, expected) in [
            (seconds(60), seconds(600), 1 << 32, (PATIENCE, FETCH, FETCH_BYTES)),
            (seconds(2), seconds(3), 1 << 20, (seconds(2), seconds(3), 1 << 20)),
        ] {
            let fetch = FetchLimits { stall, timeout, max_bytes, ..FetchLimits::default() };
            let limits = within(&fetch, FETCH);
            assert_eq!((limits.stall, limits.timeout, limits.max_bytes), expected);
        }
    }

    #[test]
    fn what_the_remote_said_is_believed_for_a_while_whatever_name_is_asked_for() {
        let (now, head) = (Instant::now(), CommitId::from_bytes([7; 20]));
        let later = |time: Duration| now + time;
        let told = Heads::Told(HashMap::from([("next".to_owned(), head)]), now);
        let silent = Heads::Silent(now);
        for (heads, branch, at, expected) in [
            (&Heads::Unknown, "next", now, None),
            (&told, "next", now, Some(Known::Head(Some(head)))),
            (&told, "other", now, Some(Known::Head(None))),
            (&told, "other", later(BELIEVED), None),
            (&silent, "next", later(BELIEVED), Some(Known::Silent)),
            (&silent, "next", later(LEFT_ALONE), None),
        ] {
            assert_eq!(heads.known(branch, at), expected, "{heads:?} {branch}");
        }
    }

    /// Serves a remote, and lets its branches `draft/…` be previewed.
    fn serving(upstream: &Upstream) -> (TempDir, Engine) {
        let folder = TempDir::new().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let config = EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)));
        let config = EngineConfig { previews: vec!["draft/*".into()], ..config };
        let engine = Engine::open(config, Arc::default()).unwrap();
        (folder, engine)
    }

    /// Points the branch at a new commit with this message, on top of the served branch.
    fn draft(upstream: &Upstream, branch: &str, message: &str) {
        let base = upstream.head().unwrap();
        let tree = git(upstream.path(), ["rev-parse", &format!("{base}^{{tree}}")]);
        let who = "A <a@example.org> 1700000000 +0000";
        let commit = format!(
            "tree {}\nparent {base}\nauthor {who}\ncommitter {who}\n\n{message}\n",
            tree.trim()
        );
        let write = ["hash-object", "-t", "commit", "-w", "--literally", "--stdin"];
        let head = git_with_input(upstream.path(), write, commit.as_bytes());
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        git(upstream.path(), ["update-ref", &format!("refs/heads/{branch}"), &head]);
    }

    #[test]
    fn a_branch_whose_content_is_refused_stops_no_other_preview_and_is_not_asked_for_again() {
        let mut upstream = Upstream::new();
        upstream.commit("first").put("people/ada.toml", "name = \"Ada\"\n").push();
        let (_folder, engine) = serving(&upstream);
        draft(&upstream, "draft/evil", &"x".repeat(1 << 20));
        draft(&upstream, "draft/good", "good");
        let preview = |branch| engine.preview(&View::PUBLIC, branch);
        let refused = |branch| match preview(branch) {
            Err(PastError::BranchRefused { source, .. }) => source.is_some(),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it is previewed"),
        };
        let forget = || *engine.past.previews.heads() = Heads::Unknown;
        assert!(refused("draft/evil"), "the fetch says why");
        assert!(preview("draft/good").is_ok());
        // Its content would be refused again, now and when the remote has been asked again.
        assert!(!refused("draft/evil"));
        forget();
        assert!(!refused("draft/evil"));
        // It is tried as soon as it has another head.
        draft(&upstream, "draft/evil", "reformed");
        forget();
        assert!(preview("draft/evil").is_ok());
    }

    #[test]
    fn a_branch_is_previewed_whose_reference_cannot_be_written() {
        let mut upstream = Upstream::new();
        upstream.commit("first").put("people/ada.toml", "name = \"Ada\"\n").push();
        let (_folder, engine) = serving(&upstream);
        draft(&upstream, "draft/topic", "topic");
        assert!(engine.preview(&View::PUBLIC, "draft/topic").is_ok());
        git(upstream.path(), ["update-ref", "-d", "refs/heads/draft/topic"]);
        draft(&upstream, "draft/topic/x", "renamed");
        *engine.past.previews.heads() = Heads::Unknown;
        assert!(engine.preview(&View::PUBLIC, "draft/topic/x").is_ok());
    }
}
