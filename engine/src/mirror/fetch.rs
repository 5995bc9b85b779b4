//! Fetches one branch of a remote into the mirror.
//!
//! In order: greet (unless the greeting is remembered), ask for the one ref, stop if nothing moved,
//! receive the pack into quarantine, check it, move it in, and move `refs/remotes/origin/<branch>`.
//! A failure at any step leaves the mirror as it was. Afterwards, the tags of commits in the mirror
//! are updated.

mod by_id;
mod speculative_pack;
mod error;
mod negotiate;
mod tags;

use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::error::TOO_MUCH_WORK;
pub use self::error::{FetchError, FetchErrorKind};
use self::negotiate::{OneRound, haves};
use super::check::CheckLimits;
use super::conversation::{Conversation, TAGS};
use super::open::is_branch_name;
use super::pack::{self, PackError, PackLimits, WrittenPack};
use super::quarantine::Quarantine;
use super::system::is_of_our_side;
use super::transport::{Budget, Phase};
use super::{Expected, FetchLimits, Mirror, Objects, Remote, check};
use crate::causes::chain;
use crate::fault;
use crate::id::{CommitId, TreeId};

/// What the remote reports about the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteHead {
    /// It is at this commit, which is now in the mirror.
    At(CommitId),
    /// There is no such branch, but there are others.
    BranchMissing,
    /// There are no branches at all.
    Empty,
}

impl RemoteHead {
    /// Returns the commit, if there is one.
    pub fn commit(self) -> Option<CommitId> {
        match self {
            Self::At(commit) => Some(commit),
            Self::BranchMissing | Self::Empty => None,
        }
    }
}

/// A successful fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// What the remote reports; `refs/remotes/origin/<branch>` now matches it.
    pub head: RemoteHead,
    /// Whether the ref was different before.
    pub changed: bool,
    /// The bytes received, except for early packs that were thrown away.
    pub bytes: u64,
    /// The objects received.
    pub objects: u32,
}

impl Mirror {
    /// Fetches the branch of the remote into the mirror and points `refs/remotes/origin/<branch>`
    /// at the remote's head, backwards and sideways too, or deletes it if the branch is gone.
    ///
    /// Blocking. When it returns `At`, that commit, its tree and its files are present, well formed
    /// and on disk. A commit whose history or content is incomplete is refused and leaves nothing
    /// behind. A branch that did not move costs one request. If objects were found missing, the whole
    /// history is requested, at most once an hour. Only one fetch may run at a time, and not while a
    /// [`repack`](Self::repack) is running.
    pub fn fetch(
        &self,
        remote: &Remote,
        branch: &str,
        limits: &FetchLimits,
    ) -> Result<Fetched, FetchError> {
        self.fetch_expecting(remote, branch, limits, None)
    }

    /// Does the same for a branch that is reported to be at the commit `expected`. If that is true
    /// and the remote was asked before over http, the fetch takes one round trip. If not, it takes
    /// one request more and otherwise does what [`fetch`](Self::fetch) does.
    pub fn fetch_expecting(
        &self,
        remote: &Remote,
        branch: &str,
        limits: &FetchLimits,
        expected: Option<CommitId>,
    ) -> Result<Fetched, FetchError> {
        self.attempts(remote, branch, limits, |attempt, limits| {
            let attempt = Attempt { expected, ..attempt };
            let budget = Arc::new(Budget::new(&limits.of_early()));
            attempt.run(&Attempt { budget, ..attempt.clone() })
        })
    }

    /// Fetches with `fetch`, and once more in another way after some failures.
    fn attempts(
        &self,
        remote: &Remote,
        branch: &str,
        limits: &FetchLimits,
        fetch: impl Fn(Attempt<'_>, &FetchLimits) -> Result<Fetched, FetchError>,
    ) -> Result<Fetched, FetchError> {
        if !is_branch_name(branch) {
            return Err(FetchError::InvalidBranch { branch: branch.to_owned() });
        }
        let started = Instant::now();
        let attempt = |known: Known, asked: Asked| {
            let timeout = limits.timeout.saturating_sub(started.elapsed());
            let limits = FetchLimits { timeout, ..*limits };
            let (budget, expected) = (Arc::new(Budget::new(&limits)), None);
            let mirror = self;
            let attempt =
                Attempt { mirror, remote, branch, limits, budget, known, asked, expected };
            fetch(attempt, &limits)
        };
        if self.shared.gaps.take() {
            tracing::warn!(%remote, %branch, "objects are missing; fetching everything again");
            match attempt(Known::Nothing, Asked::BranchAndTags) {
                Err(error) => {
                    tracing::warn!(error = chain(&error), "cannot fetch what is missing");
                }
                fetched => return fetched,
            }
        }
        match attempt(Known::Everything, Asked::BranchAndTags) {
            // An object that the mirror should have is missing, or the remote hides it. Asking for
            // everything shows which, and repairs the mirror. If it does not help, the next polls
            // must not repeat it.
            Err(FetchError::ContentRejected { rule: "missing_object", .. })
                if self.has_refs().unwrap_or(false)
                    && self.note_gap()
                    && self.shared.gaps.take() =>
            {
                tracing::warn!(%remote, %branch, "objects are missing; fetching everything again");
                attempt(Known::Nothing, Asked::BranchAndTags)
            }
            // Whoever may push tags or other branches must not be able to stop this one.
            Err(FetchError::TooTalkative { .. }) => {
                tracing::warn!(
                    %remote,
                    %branch,
                    "there are too many tags, or branches whose names begin alike; fetching the branch alone"
                );
                attempt(Known::Everything, Asked::Branch)
            }
            outcome => outcome,
        }
    }

    fn has_refs(&self) -> Result<bool, FetchError> {
        Ok(self.objects()?.has_references()?)
    }
}

/// Whether the remote is told what the mirror has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Everything,
    Nothing,
}

/// The references that the remote is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    BranchAndTags,
    /// The branch alone. The tags in the mirror stay as they are.
    Branch,
}

/// Requests that are sent before the greeting is read.
struct SentAhead {
    /// The commit whose pack is requested.
    commit: CommitId,
    /// The commits that are reported as present.
    haves: Vec<CommitId>,
    /// The bytes of the requests.
    said: Vec<u8>,
}

/// What the remote lists.
struct Listed {
    /// The commit of the branch.
    tip: Option<CommitId>,
    /// The tags, if they were asked for.
    tags: Option<Vec<(String, CommitId)>>,
}

#[derive(Clone)]
struct Attempt<'a> {
    mirror: &'a Mirror,
    remote: &'a Remote,
    branch: &'a str,
    limits: FetchLimits,
    budget: Arc<Budget>,
    known: Known,
    asked: Asked,
    /// The commit that the branch is reported to be at.
    expected: Option<CommitId>,
}

impl Attempt<'_> {
    /// Fetches, and lets `early` ask for the expected commit.
    fn run(&self, early: &Self) -> Result<Fetched, FetchError> {
        let known = self.mirror.objects()?;
        let our_ref = format!("refs/remotes/origin/{}", self.branch);
        let old = known.reference(&our_ref)?;
        fault::point("fetch.connect").map_err(FetchError::ours)?;
        let begun = Instant::now();
        let mut asked = None;
        let expected = self.to_expect(&known);
        let (piped, expected) = match self.remote.is_piped() {
            true => (expected, None),
            false => (None, expected),
        };
        let ahead = piped.and_then(|commit| self.to_send_ahead(&known, commit));
        let said = ahead.as_ref().map_or_else(Vec::new, |ahead| ahead.said.clone());
        let (mut is_greeted, mut is_astray) = (false, false);
        let received = std::thread::scope(|scope| {
            let ask = |commit| (commit, scope.spawn(move || early.receive_early(commit)));
            let mut early = expected.map(ask);
            let received = Conversation::hold_saying(self.remote, &self.budget, said, |talk| {
                is_greeted = true;
                let Listed { tip, tags } = self.list(talk)?;
                fault::point("fetch.listed").map_err(FetchError::ours)?;
                let Some(tip) = tip else {
                    let others = talk.list(&["refs/heads/"])?;
                    let is_empty = others.is_empty();
                    let head = if is_empty { RemoteHead::Empty } else { RemoteHead::BranchMissing };
                    return Ok(Received { head, pack: None, tags });
                };
                let head = RemoteHead::At(tip);
                if self.known == Known::Everything && known.contains(tip.as_bytes()) {
                    return Ok(Received { head, pack: None, tags });
                }
                if self.is_given_up(tip) {
                    return Err(FetchError::too_much_work(self.remote));
                }
                asked = Some(tip);
                let early = early.take_if(|(expected, _)| *expected == tip);
                if let Some((_, early)) = early {
                    let early = early.join().unwrap_or_else(|panic| resume_unwind(panic));
                    if let Some(pack) = self.take_early(early)? {
                        return Ok(Received { head, pack: Some(pack), tags });
                    }
                }
                let haves = match &ahead {
                    Some(SentAhead { commit, haves, .. }) if *commit == tip => haves.clone(),
                    // Another pack is on its way, and nothing else can be asked for on this line.
                    Some(_) => {
                        is_astray = true;
                        return Err(FetchError::ours(io::Error::other(
                            "another pack is on its way",
                        )));
                    }
                    None => self.haves(&known),
                };
                let round = OneRound { tip, haves };
                let pack = Some(self.receive_quarantined(talk, &known, round)?);
                Ok(Received { head, pack, tags })
            });
            if let Some((commit, early)) = early {
                let outcome = early.join().map(|early| early.map(drop));
                tracing::debug!(%commit, ?outcome, "the branch is not where it was said to be");
            }
            received
        });
        if let (Some(ahead), Err(error)) = (&ahead, &received) {
            let refused = matches!(error, FetchError::Unreachable { .. } | FetchError::Auth { .. });
            if is_astray || refused && is_greeted && self.budget.phase() != Phase::Pack {
                tracing::debug!(commit = %ahead.commit, error = chain(error), "asking as usual");
                if !is_astray && asked == Some(ahead.commit) {
                    // It has the commit, because its references name it.
                    self.remote.refused_unnamed_commit();
                }
                return Self { expected: None, ..self.clone() }.run(early);
            }
        }
        let tracked = Tracked { name: &our_ref, old, begun };
        let fetched = received.and_then(|received| self.conclude(&known, received, tracked));
        fetched.inspect_err(|error| {
            if let Some(asked) = asked.filter(|_| error.is_too_much_work()) {
                self.mirror.shared.given_up.note(asked, &self.limits);
            }
        })
    }

    /// Checks what was received, moves it into the mirror, and makes the reference and the tags
    /// match the remote.
    fn conclude(
        &self,
        known: &Objects,
        received: Received,
        tracked: Tracked<'_>,
    ) -> Result<Fetched, FetchError> {
        let Tracked { name, old, begun } = tracked;
        let talked = begun.elapsed();
        let (early_bytes, objects) =
            received.pack.as_ref().map_or((0, 0), |pack| (pack.early_bytes, pack.written.objects));
        let bytes = self.budget.received() + early_bytes;
        let new = received.head.commit();
        if let Some(tip) = new {
            self.admit(known, &received, tip, old)?;
        }
        let admitted = begun.elapsed() - talked;
        let mirrored = self.mirror.objects()?;
        fault::point("fetch.ref").map_err(FetchError::ours)?;
        match new {
            Some(tip) => mirrored.set_reference(name, Expected::Any, tip)?,
            None => mirrored.delete_reference(name, Expected::Any)?,
        }
        if let Some(tags) = &received.tags {
            tags::follow(&mirrored, tags);
        }
        fault::point("fetch.done").map_err(FetchError::ours)?;
        let whole = begun.elapsed();
        // Most of a reload is spent on the remote: this shows how much of a fetch is spent here.
        tracing::debug!(
            remote_ms = ms(talked),
            check_ms = ms(admitted),
            ref_ms = ms(whole - talked - admitted),
            bytes,
            objects,
            "fetched"
        );
        Ok(Fetched { head: received.head, changed: old != new, bytes, objects })
    }

    fn head_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Asks for the references.
    fn list(&self, talk: &mut Conversation<'_>) -> Result<Listed, FetchError> {
        let head_ref = self.head_ref();
        Ok(match self.asked {
            Asked::BranchAndTags => {
                let refs = talk.list(&[&head_ref, TAGS])?;
                Listed { tip: refs.commit(&head_ref), tags: Some(refs.tags) }
            }
            Asked::Branch => Listed { tip: talk.find(&head_ref)?, tags: None },
        })
    }

    /// Returns the commits that are reported as present.
    fn haves(&self, known: &Objects) -> Vec<CommitId> {
        match self.known {
            Known::Everything => haves(known),
            Known::Nothing => Vec::new(),
        }
    }

    fn shallow_file(&self) -> PathBuf {
        self.mirror.git_dir().join("shallow")
    }

    fn is_given_up(&self, commit: CommitId) -> bool {
        self.mirror.shared.given_up.contains(commit, &self.limits)
    }

    /// Asks for a pack, and writes it into a new quarantine.
    fn receive_quarantined(
        &self,
        talk: &mut Conversation<'_>,
        known: &Objects,
        round: OneRound,
    ) -> Result<ReceivedPack, FetchError> {
        let quarantine = Quarantine::new(self.mirror).map_err(FetchError::ours)?;
        fault::point("fetch.quarantine").map_err(FetchError::ours)?;
        let written = self.receive(talk, known, &quarantine, round)?;
        Ok(ReceivedPack { quarantine, written, early_bytes: 0 })
    }

    /// Asks for the pack and writes it, with its index, into quarantine.
    fn receive(
        &self,
        talk: &mut Conversation<'_>,
        known: &Objects,
        quarantine: &Quarantine,
        mut round: OneRound,
    ) -> Result<WrittenPack, FetchError> {
        let limits =
            PackLimits { object: self.mirror.options().object_limit, held: self.budget.max_held() };
        fault::point("fetch.receive").map_err(FetchError::ours)?;
        let mut written = None;
        let mut refused = None;
        let bases = known.repo.objects.clone();
        let result = talk.fetch(&mut round, self.shallow_file(), |pack, progress, interrupt| {
            match pack::receive(pack, &quarantine.packs(), bases, limits, progress, interrupt) {
                Ok(pack) => written = Some(pack),
                Err(error) => {
                    refused = Some(error);
                    return Err(gix::Error::from_error(io::Error::other("refused")));
                }
            }
            Ok(true)
        });
        if let Some(error) = refused {
            return Err(self.pack_error(error));
        }
        result?;
        // A small pack can be complete before its cost is checked.
        self.budget.check().map_err(FetchError::ours)?;
        fault::point("fetch.received").map_err(FetchError::ours)?;
        Ok(written.unwrap_or_default())
    }

    /// Returns why a pack could not be written: the local disk, the line, or the pack itself.
    fn pack_error(&self, error: PackError) -> FetchError {
        let remote = self.remote.to_string();
        if self.budget.overrun().is_some() {
            // The caller checks the budget.
            return FetchError::TimedOut { remote, phase: self.budget.phase() };
        }
        let rejected = |rule, source| FetchError::ContentRejected {
            remote: remote.clone(),
            object: None,
            rule,
            source,
        };
        let error = match error {
            PackError::Held(_) => return rejected(TOO_MUCH_WORK, error.into()),
            PackError::ObjectTooLarge => return rejected("object_too_large", error.into()),
            PackError::TooManyObjects(_) => return rejected("too_many_objects", error.into()),
            PackError::Pack(error) => error,
        };
        if is_of_our_side(&error) {
            return FetchError::ours(error);
        }
        let cut = error.iter_errors().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|cause| {
                use io::ErrorKind as Kind;
                matches!(
                    cause.kind(),
                    Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe
                )
            })
        });
        if cut {
            return FetchError::Unreachable {
                remote,
                message: String::new(),
                retry_after: None,
                source: error.into(),
            };
        }
        let rule = if error.is_resource_exhausted() { "object_too_large" } else { "bad_pack" };
        rejected(rule, error.into())
    }

    /// Checks what was received and moves it into the mirror.
    fn admit(
        &self,
        known: &Objects,
        received: &Received,
        tip: CommitId,
        old: Option<CommitId>,
    ) -> Result<(), FetchError> {
        if old == Some(tip) && received.pack.is_none() {
            return Ok(());
        }
        self.budget.enter(Phase::Check);
        let goes_on = || self.budget.check().is_ok();
        let limits = CheckLimits { paths: self.limits.max_paths, goes_on: &goes_on };
        let refused = |error| FetchError::unsound(self.remote, error);
        let base = self.base_tree(known, old);
        let present = |is_complete| check::Present { objects: known, is_complete };
        match &received.pack {
            None => check::check(known, present(true), tip, base, limits).map_err(refused),
            Some(ReceivedPack { quarantine, written, .. }) => {
                fault::point("fetch.check").map_err(FetchError::ours)?;
                let objects = quarantine.objects(self.mirror)?;
                check::check_commits(&objects, &written.commits, limits).map_err(refused)?;
                match self.known {
                    Known::Everything => check::check(&objects, present(true), tip, base, limits),
                    // The contents of the mirror are in doubt: nothing is taken for granted.
                    Known::Nothing => check::check(&objects, present(false), tip, None, limits),
                }
                .map_err(refused)?;
                drop(objects);
                fault::point("fetch.checked").map_err(FetchError::ours)?;
                quarantine.release(self.mirror).map_err(FetchError::ours)
            }
        }
    }

    /// Returns the tree of a commit that was checked before.
    fn base_tree(&self, known: &Objects, old: Option<CommitId>) -> Option<TreeId> {
        let published = || known.reference(&format!("refs/heads/{}", self.branch));
        let commit = old.or_else(|| published().ok().flatten())?;
        known.commit(commit).ok().map(|facts| facts.tree)
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The reference that follows the remote, its value before, and when the fetch began.
struct Tracked<'a> {
    name: &'a str,
    old: Option<CommitId>,
    begun: Instant,
}

/// A pack in quarantine.
struct ReceivedPack {
    quarantine: Quarantine,
    written: WrittenPack,
    /// The bytes received in a separate conversation.
    early_bytes: u64,
}

struct Received {
    head: RemoteHead,
    pack: Option<ReceivedPack>,
    /// The tags of the remote, each with the object that it points to; `None` if it was not asked.
    tags: Option<Vec<(String, CommitId)>>,
}

#[cfg(test)]
mod check_cost;
#[cfg(test)]
mod over_http;
#[cfg(test)]
mod tests;
