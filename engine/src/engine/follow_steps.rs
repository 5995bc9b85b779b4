//! One step of a follower: to what the leader has published.
//!
//! The leader has decided: neither the remote nor admission is asked. The difference of the trees
//! leads to the state, as in any reload, and the digest proves that it is the leader's.

use std::sync::Arc;
use std::time::Instant;

use super::candidate::{Candidate, WholeState};
use super::error::ReloadError;
use super::follow_target::FollowTarget;
use super::following::Refuted;
use super::publication::{BranchMove, Led, Origin, Publication};
use super::publisher::OnDisk;
use super::refs::{keep, keep_here};
use super::reloader::Reloader;
use super::role_gate;
use super::schedule::RequestKind;
use crate::causes::chain;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects, Remote};
use crate::options::LoadOptions;
use crate::plan::RebuildReason;
use crate::report::{KeptCommits, ReloadOutcome, Replayed, Timings};
use crate::snapshot::Snapshot;

impl Reloader {
    /// Goes to the newest target, and stays if there is none.
    pub(super) fn follow(&self) -> Result<ReloadOutcome, ReloadError> {
        let begun = Instant::now();
        let Some(target) = self.following.target() else {
            return Ok(ReloadOutcome::staying(
                self.states.commit(),
                self.states.published().digest(),
            ));
        };
        self.obtain(&target)?;
        let fetch = begun.elapsed();

        // Before the turn: whoever takes over the lead does not wait for it.
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let candidate = self.candidate_like(&objects, &self.states.published(), &target)?;
        let candidate = candidate.map(|candidate| candidate.indexed(&objects, &self.load));
        let candidate = candidate.transpose().map_err(ReloadError::Load)?;

        let turn = self.writer.turn();
        role_gate::check(turn.role(), RequestKind::Follow)?;
        let published = self.states.published();
        let FollowTarget { pinned, synced, unpushed, .. } = target;
        let origin = Origin::Leader(Led { pinned, synced, unpushed });
        let Some(candidate) = candidate else {
            let kept = self.refer_to(&objects, &target)?;
            let replayed = kept.map(|kept| Replayed { commits: 0, kept: Some(kept) });
            return Ok(ReloadOutcome { replayed, ..self.publisher.stay(&origin, &published) });
        };
        let whole = candidate.into_whole(&published, &objects, &self.load);
        let WholeState { state, changed, reason, timings: stages } =
            whole.map_err(ReloadError::Load)?;
        let publication = Publication {
            state,
            changed,
            reason,
            lineage: self.publisher.lineage(target.served()),
            timings: Timings { fetch, ..stages },
            origin,
            branch: BranchMove::default(),
        };
        let refer = || {
            fault::step("branch.move");
            let kept = self.refer_to(&objects, &target)?;
            fault::step("branch.moved");
            Ok::<_, ReloadError>(kept.map(|kept| Replayed { commits: 0, kept: Some(kept) }))
        };
        let on_disk = OnDisk { store: || Ok(()), refer };
        let outcome = self.publisher.publish(&turn, publication, on_disk)?;
        // The keys of requests that other replicas took are in the history now.
        turn.forget_repeats();
        fault::step("swap.done");
        Ok(outcome)
    }

    /// Fetches the commits of `target` that are not in the mirror, from the first source that has
    /// them.
    fn obtain(&self, target: &FollowTarget) -> Result<(), ReloadError> {
        if target.head.is_zero() && self.repository.head().is_some() {
            // A branch never goes back to nothing, whoever says so.
            return Err(ReloadError::CannotFollow { commit: target.head, source: None });
        }
        let _lane = self.repository.lane();
        for commit in target.commits() {
            let mut last = None;
            let fetches = |source: &Arc<Remote>| match self.repository.fetch_commit(source, commit)
            {
                Ok(_) => {
                    self.following.got_from(source);
                    true
                }
                Err(error) => {
                    tracing::warn!(%source, %commit, error = chain(&error), "cannot fetch");
                    last = Some(error);
                    false
                }
            };
            if !self.has(commit)? && !target.sources.iter().any(fetches) {
                return Err(ReloadError::CannotFollow { commit, source: last });
            }
        }
        if !target.head.is_zero() {
            self.writer.sync().map_err(ReloadError::Store)?;
            self.following.has_stored(target.head);
        }
        Ok(())
    }

    fn has(&self, commit: CommitId) -> Result<bool, ReloadError> {
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        Ok(objects.contains(commit.as_bytes()))
    }

    /// Prepares the state that `target` serves; `None` if it is published. If the leader's digest is
    /// another one, the state is built from scratch, once.
    fn candidate_like(
        &self,
        objects: &Objects,
        published: &Arc<Snapshot>,
        target: &FollowTarget,
    ) -> Result<Option<Candidate>, ReloadError> {
        let (commit, theirs) = (target.served(), target.digest);
        if let Some(Refuted { ours, .. }) = self.following.refuted(target) {
            return Err(ReloadError::ReplicaDiverged { commit, ours, theirs });
        }
        // The leader has decided that it is worth its time.
        let options = LoadOptions { time: None, ..self.load.clone() };
        let make = |forced| {
            let candidate = Candidate::of(objects, published, commit, forced, &options);
            candidate.map_err(ReloadError::Load)
        };
        let digest = |candidate: &Option<Candidate>| match candidate {
            Some(candidate) => candidate.state().digest(),
            None => published.digest(),
        };
        let candidate = make(None)?;
        let ours = digest(&candidate);
        if ours == theirs || !self.following.compares_with(target) {
            return Ok(candidate);
        }
        tracing::error!(%commit, %ours, %theirs, "the state is not the leader's; rebuilding");
        let rebuilt = make(Some(RebuildReason::DigestMismatch))?;
        let ours = digest(&rebuilt);
        if ours == theirs {
            return Ok(rebuilt);
        }
        self.following.refute(Refuted { commit, ours, theirs });
        Err(ReloadError::ReplicaDiverged { commit, ours, theirs })
    }

    /// Makes the references those of the leader, and returns the commits that only this replica has.
    ///
    /// The head is moved last: a crash before leaves a branch that follows again.
    fn refer_to(
        &self,
        objects: &Objects,
        target: &FollowTarget,
    ) -> Result<Option<KeptCommits>, ReloadError> {
        let refs = &self.repository.refs;
        let read = |name: &str| objects.reference(name).map_err(ReloadError::Reference);
        let local = read(&refs.head)?;
        let mut kept = None;
        let fate = local.map(|local| self.fate(objects, local, target)).transpose()?;
        if let (Some(local), Some(fate @ (Fate::Abandoned | Fate::Unnamed))) = (local, fate) {
            fault::step("conflict.keep");
            self.writer.sync().map_err(ReloadError::Store)?;
            let keep = if fate == Fate::Abandoned { keep } else { keep_here };
            let reference = keep(objects, local).map_err(ReloadError::Reference)?;
            fault::step("conflict.kept");
            tracing::warn!(commit = %local, reference, "commits that no other replica has are kept");
            kept = Some(KeptCommits { reference, commit: local, lost: vec![] });
        }
        let set = |name: &str, commit| {
            let set = objects.set_reference(name, Expected::Any, commit);
            set.map_err(ReloadError::Reference)
        };
        if let Some(synced) = target.synced
            && read(&refs.synced)? != Some(synced)
            && objects.contains(synced.as_bytes())
        {
            fault::step("note.write");
            set(&refs.synced, synced)?;
            fault::step("note.written");
        }
        if read(&refs.pinned)? != target.pinned {
            self.note_pin(objects, target.pinned)?;
            fault::step("pin.noted");
        }
        if !target.head.is_zero() {
            if read(&refs.followed)? != Some(target.head) {
                set(&refs.followed, target.head)?;
            }
            let expected = local.map_or(Expected::Absent, Expected::Is);
            let moved = objects.move_reference(&refs.head, expected, target.head);
            moved.map_err(ReloadError::Reference)?;
        }
        Ok(kept)
    }

    /// Returns what becomes of `local`, the head of the branch here.
    fn fate(
        &self,
        objects: &Objects,
        local: CommitId,
        target: &FollowTarget,
    ) -> Result<Fate, ReloadError> {
        let refs = &self.repository.refs;
        let is_there = |head: CommitId| !head.is_zero() && self.repository.contains(head, local);
        if is_there(target.head) {
            return Ok(Fate::Named);
        }
        if self.following.abandoned().contains(&local) {
            return Ok(Fate::Abandoned);
        }
        let mut named = vec![Some(target.head).filter(|head| !head.is_zero())];
        for name in [&refs.followed, &refs.tracking, &refs.synced] {
            named.push(objects.reference(name).map_err(ReloadError::Reference)?);
        }
        Ok(match named.into_iter().flatten().any(is_there) {
            true => Fate::Named,
            false => Fate::Unnamed,
        })
    }
}

/// What becomes of a head of the branch that the leader replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The replicas or the remote heard of it, and decided.
    Named,
    /// The replicas gave it up, because nobody had it. Its writes may have been told of, so the remote
    /// gets them on a separate branch.
    Abandoned,
    /// Neither the replicas nor the remote ever heard of it.
    Unnamed,
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::publication::Lineage;
    use crate::engine::{Engine, EngineConfig, ReloadCaller, Report, RequestKind, Role};
    use crate::load::load;
    use crate::mirror::RemoteOptions;
    use crate::report::{OutcomeKind, Trigger};

    const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";

    struct Pair {
        upstream: Upstream,
        leader: Engine,
        follower: Engine,
        _folder: TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let mut upstream = Upstream::new();
            let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
            first.put("people/ada.toml", "slug = \"ada\"\n").push();
            let folder = TempDir::new().unwrap();
            let open = |name: &str, role| {
                let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
                let mirror = folder.path().join(name);
                let config = EngineConfig::of(mirror, Some(Arc::new(remote)));
                Engine::open(EngineConfig { role, ..config }, Arc::default()).unwrap()
            };
            let (leader, follower) =
                (open("leader.git", Role::Leading), open("follower.git", Role::Following));
            Self { upstream, leader, follower, _folder: folder }
        }

        fn push(&mut self, name: &str) {
            let record = format!("slug = \"{name}\"\n");
            self.upstream.commit("a push").put(format!("people/{name}.toml"), record).push();
            self.leader.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        }

        fn follow(&self) -> Arc<Report> {
            let announced = self.leader.announcement();
            let target = FollowTarget {
                head: announced.head,
                pinned: announced.pinned,
                digest: announced.digest,
                made_by: self.leader.made_by().to_owned(),
                synced: announced.remote.synced,
                unpushed: announced.remote.unpushed,
                sources: vec![self.leader.remote().unwrap()],
            };
            let (sender, receiver) = std::sync::mpsc::channel();
            let done = Box::new(move |answer: crate::engine::ReloadAnswer| {
                sender.send(answer.report).unwrap();
            });
            self.follower.follow(target, vec![ReloadCaller { commit: None, done }]);
            receiver.recv().unwrap()
        }

        /// Publishes a state of the follower's commit that is not its own.
        fn corrupt(&self) {
            let engine = &self.follower;
            let objects = engine.repository.objects().unwrap();
            let mut options = engine.past.load.clone();
            options.record_limit = 1;
            let wrong = load(&objects, engine.snapshot().commit(), &options).unwrap();
            let publication = Publication {
                state: Arc::new(wrong),
                changed: Arc::default(),
                reason: None,
                lineage: Lineage::Same,
                timings: Timings::default(),
                origin: Origin::Compaction,
                branch: BranchMove::default(),
            };
            let on_disk = OnDisk { store: || Ok(()), refer: || Ok::<_, ReloadError>(None) };
            engine.publisher.publish(&engine.writer.turn(), publication, on_disk).unwrap();
        }
    }

    #[test]
    fn a_state_that_is_not_the_leaders_is_built_anew() {
        let mut pair = Pair::new();
        assert_eq!(pair.follow().result.as_ref().unwrap().kind, OutcomeKind::Unchanged);
        // At the commit where it is, and by the difference to the next.
        for pushes in [false, true] {
            pair.corrupt();
            if pushes {
                pair.push("eve");
            }
            let report = pair.follow();
            let outcome = report.result.as_ref().unwrap();
            let reason = Some(RebuildReason::DigestMismatch);
            assert_eq!((outcome.kind, outcome.reason), (OutcomeKind::Rebuilt, reason));
            let (ours, theirs) = (pair.follower.snapshot(), pair.leader.snapshot());
            assert_eq!((ours.commit(), ours.digest()), (theirs.commit(), theirs.digest()));
            assert_eq!(pair.follow().result.as_ref().unwrap().kind, OutcomeKind::Unchanged);
        }
    }
}
