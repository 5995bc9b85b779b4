//! Pushing: carries writes to the remote, on a separate thread.
//!
//! One push at a time carries everything that waits. Nothing is forced: if the remote has moved on,
//! a reload is requested, and the policy decides what becomes of both sides. Conflict branches are
//! pushed as well.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::queue::{PushQueue, Task};
use super::report::{PushFailure, PushReport};
use super::waiters::{PushOutcome, Waiter, tell};
use crate::causes::{self, chain};
use crate::engine::config::Observer;
use crate::engine::hold_reason::{HeldPush, HeldReason};
use crate::engine::publish_turn::Writer;
use crate::engine::published_history::PublishedHistory;
use crate::engine::refs::{CONFLICTS, PUSHED, UNNAMED};
use crate::engine::reload_queue::{ReloadQueue, ReloadRequest};
use crate::engine::repository::Repository;
use crate::engine::role::CurrentRole;
use crate::engine::schedule::RequestKind;
use crate::engine::states::States;
use crate::engine::status::StatusBoard;
use crate::fault;
use crate::id::CommitId;
use crate::mirror::{Expected, Objects, PushErrorKind, RefPush};
use crate::report::Trigger;

/// How long the last push may take when the engine ends.
const LAST: Duration = Duration::from_secs(5);

/// Carries writes to the remote.
pub(in crate::engine) struct PushWorker {
    pub(in crate::engine) repository: Arc<Repository>,
    pub(in crate::engine) states: Arc<States>,
    pub(in crate::engine) status: Arc<StatusBoard>,
    pub(in crate::engine) writer: Arc<Writer>,
    pub(in crate::engine) reloads: Arc<ReloadQueue>,
    pub(in crate::engine) pushes: Arc<PushQueue>,
    pub(in crate::engine) role: Arc<CurrentRole>,
    pub(in crate::engine) lineage: Arc<PublishedHistory>,
    pub(in crate::engine) observer: Observer<PushReport>,
}

/// What is still to be pushed.
struct Backlog {
    /// The commit that the remote is known to have, and the head of the branch, if it may be
    /// pushed.
    head: Option<(Option<CommitId>, CommitId)>,
    /// Whether there is something that may not be pushed.
    stopped: bool,
    /// The conflict branches: full names and commits.
    conflicts: Vec<(String, CommitId)>,
}

/// The result of checking the backlog.
enum Tried {
    Pushed,
    /// There was nothing to do.
    Nothing,
    /// There was something, but it may not be pushed now, which is reported elsewhere.
    Stopped,
    /// The branch is pushed, but a conflict branch is not.
    ConflictLeft(PushFailure),
}

impl PushWorker {
    /// Pushes whenever it is woken and the schedule allows, until it is closed; then once more.
    pub(in crate::engine) fn run(&self) {
        while let Some(task) = self.pushes.next() {
            match task {
                Task::Push => self.push_and_tell(self.repository.fetch.timeout),
                Task::Look => self.tell_waiters(None),
            }
        }
        // A remote that did not answer a moment ago will not answer in the last seconds.
        if !self.pushes.is_failing() {
            self.push_and_tell(LAST.min(self.repository.fetch.timeout));
        }
        self.pushes
            .take_last()
            .into_iter()
            .for_each(|waiter| tell(waiter.done, PushOutcome::Never));
    }

    fn push_and_tell(&self, time: Duration) {
        let (begun, mut commit) = (Instant::now(), self.states.commit());
        let pushed = catch_unwind(AssertUnwindSafe(|| self.push_backlog(time, &mut commit)));
        let pushed = pushed
            .unwrap_or_else(|panic| Err(PushFailure::Panic { message: causes::of_panic(&*panic) }));
        let now = SystemTime::now();
        let (result, kind) = match pushed {
            Ok(Tried::Pushed) => (Ok(()), None),
            Ok(Tried::ConflictLeft(failure)) => (Err(failure), None),
            // Everything is there, however it got there.
            Ok(Tried::Nothing) if self.pushes.is_failing() => (Ok(()), None),
            Ok(Tried::Nothing) => return self.tell_waiters(None),
            Ok(Tried::Stopped) => {
                self.pushes.succeeded();
                return self.tell_waiters(None);
            }
            Err(failure) => {
                let kind = failure.kind();
                (Err(failure), Some(kind))
            }
        };
        let failures = match kind {
            None => {
                self.pushes.succeeded();
                0
            }
            Some(kind) => self.pushes.failed(kind),
        };
        let wait = self.pushes.rest();
        if let Err(failure) = &result {
            tracing::warn!(
                %commit, error = chain(failure),
                again_s = wait.map(|wait| wait.as_secs_f64()),
                "cannot push; the commits are kept here and pushed later"
            );
        }
        let next = wait.and_then(|wait| now.checked_add(wait));
        let (unpushed, since) = self.status.push_tried(result.as_ref().err(), failures, next);
        let report = PushReport { commit, duration: begun.elapsed(), unpushed, since, result };
        self.observer.see(&Arc::new(report));
        self.tell_waiters(kind);
        if kind == Some(PushErrorKind::Behind) {
            let (kind, trigger) = (RequestKind::Reload, Trigger::Push);
            self.reloads.join(ReloadRequest { kind, trigger, reserved: None }, vec![]);
        }
    }

    /// Pushes what there is; stores in `commit` what it was.
    fn push_backlog(&self, time: Duration, commit: &mut CommitId) -> Result<Tried, PushFailure> {
        let Some(remote) = &self.repository.remote else { return Ok(Tried::Nothing) };
        let _lane = self.repository.lane();
        if !self.role.get().decides() {
            return Ok(Tried::Stopped);
        }
        // What the last fetch saw may not be recorded yet.
        self.repository.note_synced();
        let objects = self.repository.objects().map_err(PushFailure::Open)?;
        let backlog = self.backlog(&objects)?;
        let served = &*self.repository.refs.head;
        let push = |name: &str, known, commit| {
            let moved = RefPush { name, known, commit, served };
            let pushed = self.repository.mirror.push(remote, moved, time);
            self.pushes.sent();
            pushed.map_err(PushFailure::Remote)
        };
        let note = |name: &str, commit| {
            let noted = objects.set_reference(name, Expected::Any, commit);
            noted.map_err(PushFailure::Reference)
        };
        let mut tried = if backlog.stopped { Tried::Stopped } else { Tried::Nothing };
        let mut left = None;
        let is_due = self.pushes.may_push_conflicts();
        // First the commits that exist only here: the branch may be refused, and these are nowhere
        // else. A remote that refuses such a branch does not hold back the others.
        for (name, conflict) in backlog.conflicts.into_iter().filter(|_| is_due) {
            *commit = conflict;
            match push(&name, None, conflict) {
                Ok(()) => {
                    fault::step("push.conflict");
                    let short = name.strip_prefix(CONFLICTS).unwrap_or(&name);
                    note(&format!("{PUSHED}{short}"), conflict)?;
                    tried = Tried::Pushed;
                }
                Err(failure) => {
                    self.pushes.conflict_failed();
                    left = Some(failure);
                }
            }
        }
        if let Some((known, head)) = backlog.head {
            *commit = head;
            push(served, known, head)?;
            tried = Tried::Pushed;
            fault::step("push.note");
            note(&self.repository.refs.synced, head)?;
            fault::step("push.noted");
            tracing::info!(commit = %head, "pushed");
            let _turn = self.writer.turn();
            let objects = self.repository.objects().map_err(PushFailure::Open)?;
            let (ahead, since) = self.ahead_of(&objects, head)?;
            self.status.pushed(head, ahead, since);
        }
        Ok(left.map_or(tried, Tried::ConflictLeft))
    }

    /// Reads what is still to be pushed.
    fn backlog(&self, objects: &Objects) -> Result<Backlog, PushFailure> {
        let read = |name: &str| objects.reference(name).map_err(PushFailure::Reference);
        let listed =
            |prefix: &str| objects.references_under(prefix).map_err(PushFailure::Reference);
        let noted = [(PUSHED, listed(PUSHED)?), (UNNAMED, listed(UNNAMED)?)];
        let is_done = |(name, commit): &(String, CommitId)| {
            let short = name.strip_prefix(CONFLICTS).unwrap_or(name);
            noted.iter().any(|(prefix, notes)| {
                let is_it =
                    |note: &str, at| note.strip_prefix(*prefix) == Some(short) && at == *commit;
                notes.iter().any(|(note, at)| is_it(note, *at))
            })
        };
        let mut conflicts = listed(CONFLICTS)?;
        // The branch itself may have such a name, too.
        conflicts.retain(|conflict| conflict.0 != self.repository.refs.head && !is_done(conflict));
        let (stopped, is_empty) = self.status.read(|status| {
            let diverged = |held: &HeldPush| held.reason == HeldReason::Diverged;
            // A branch that somebody deleted must not come back by itself.
            let stopped = status.branch_missing || status.held.as_ref().is_some_and(diverged);
            (stopped, status.remote_empty)
        });
        let (local, synced) =
            (read(&self.repository.refs.head)?, read(&self.repository.refs.synced)?);
        let head = match (local, synced) {
            (Some(local), Some(synced)) if local != synced => {
                let ours = objects.descends_from(local, synced).map_err(PushFailure::Repository)?;
                ours.then_some((Some(synced), local))
            }
            // The first commit of an empty remote.
            (Some(local), None) if is_empty => Some((None, local)),
            _ => None,
        };
        let (head, stopped) = (head.filter(|_| !stopped), stopped && head.is_some());
        if let (Some(_), Some(synced)) = (head, synced) {
            let (_, since) = self.ahead_of(objects, synced)?;
            self.status.unpushed_since(since);
        }
        Ok(Backlog { head, stopped, conflicts })
    }

    /// Counts the commits of the branch that are not in `remote`, and returns when the oldest of
    /// them was made.
    fn ahead_of(
        &self,
        objects: &Objects,
        remote: CommitId,
    ) -> Result<(u64, Option<SystemTime>), PushFailure> {
        let local =
            objects.reference(&self.repository.refs.head).map_err(PushFailure::Reference)?;
        let Some(local) = local.filter(|local| *local != remote) else { return Ok((0, None)) };
        let of = |error| PushFailure::Repository(error);
        let ahead = objects.count_between(remote, local).map_err(of)?;
        let ours = objects.first_parents(local, ahead).map_err(of)?;
        let oldest = ours.last().map(|commit| objects.commit(*commit)).transpose().map_err(of)?;
        let since = oldest.map(|oldest| oldest.committed_at().min(SystemTime::now()));
        Ok((ahead as u64, since))
    }

    /// Tells the callers whose commit the remote now has, or all callers if it will accept none
    /// soon.
    fn tell_waiters(&self, failed: Option<PushErrorKind>) {
        let stuck = failed.filter(|kind| !kind.is_passing());
        let synced = self.repository.objects().ok().and_then(|objects| {
            let synced = objects.reference(&self.repository.refs.synced).ok()??;
            Some((objects, synced))
        });
        let now = synced.as_ref().map(|(_, synced)| *synced);
        let waiters = self.pushes.take_waiters();
        // One answer is valid as long as the synced commit.
        let asked = waiters.iter().filter(|waiter| waiter.looked != now);
        let asked: HashSet<CommitId> = asked.map(|waiter| waiter.commit).collect();
        let there =
            synced.and_then(|(objects, synced)| self.lineage.had_by(&objects, synced, asked).ok());
        let there = there.unwrap_or_default();
        let mut waiting = Vec::new();
        for waiter in waiters {
            match stuck {
                _ if there.contains(&waiter.commit) => {
                    tell(waiter.done, PushOutcome::Pushed(waiter.commit));
                }
                Some(kind) => tell(waiter.done, PushOutcome::Stuck(kind)),
                None if waiter.until <= Instant::now() => tell(waiter.done, PushOutcome::Late),
                None => waiting.push(Waiter { looked: now, ..waiter }),
            }
        }
        self.pushes.put_back(waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use headwater_testkit::Upstream;
    use headwater_testkit::git::git_with_input;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{Engine, EngineConfig};
    use crate::mirror::testing::commits_read;
    use crate::mirror::{Remote, RemoteOptions};

    /// The number of commits before the one of 1970.
    const COMMITS: usize = 300;

    /// Returns the commits of a branch whose last one has the date of a broken clock.
    fn dated(upstream: &mut Upstream) -> Vec<CommitId> {
        upstream.commit("first").put("people/ada.toml", "n = 0\n").push();
        let file = |n: usize| vec![("people/ada.toml", format!("n = {n}\n"))];
        let mut line = upstream.series((1..COMMITS).map(file));
        let last = &line[line.len() - 1];
        let tree =
            headwater_testkit::git(upstream.path(), ["rev-parse", &format!("{last}^{{tree}}")]);
        let who = "A <a@example.org> 0 +0000";
        let text = format!("tree {tree}\nparent {last}\nauthor {who}\ncommitter {who}\n\nold\n");
        let hash = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let head = git_with_input(upstream.path(), hash, text.as_bytes());
        line.push(String::from_utf8(head).unwrap().trim_end().to_owned());
        upstream.reset_to(&line[line.len() - 1]);
        line.iter().map(|commit| commit.parse().unwrap()).collect()
    }

    #[test]
    fn all_who_wait_for_a_push_cost_one_walk_and_none_where_the_history_is_known() {
        let mut upstream = Upstream::new();
        let line = dated(&mut upstream);
        let folder = TempDir::new().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let config = EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)));
        let engine = Engine::open(config, Arc::default()).unwrap();
        let worker = PushWorker {
            repository: engine.repository.clone(),
            states: engine.states.clone(),
            status: engine.status.clone(),
            writer: engine.writer.clone(),
            reloads: engine.reloads.clone(),
            pushes: Arc::new(PushQueue::new(true, Duration::ZERO)),
            role: engine.role.clone(),
            lineage: Arc::new(PublishedHistory::new()),
            observer: Observer::default(),
        };
        let (objects, head) = (worker.repository.objects().unwrap(), line[COMMITS - 1]);
        objects.set_reference(&worker.repository.refs.synced, Expected::Any, head).unwrap();
        let until = Instant::now() + Duration::from_secs(600);
        let absent = CommitId::from_bytes([7; 20]);
        // Returns how many commits are read to tell of these.
        let cost = |awaited: &[CommitId]| {
            let (told, outcomes) = channel();
            for commit in awaited {
                let told = told.clone();
                let done = Box::new(move |outcome| told.send(outcome).unwrap());
                worker.pushes.wait_for("ada", *commit, until, done);
            }
            let before = commits_read();
            worker.tell_waiters(None);
            let expected: Vec<PushOutcome> = awaited
                .iter()
                .filter(|commit| **commit != absent)
                .map(|commit| PushOutcome::Pushed(*commit))
                .collect();
            assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), expected);
            commits_read() - before
        };
        let mut awaited: Vec<CommitId> = line.iter().copied().step_by(5).collect();
        awaited.push(absent);
        let read = cost(&awaited);
        assert!(read <= COMMITS + 1, "{read} commits were read");
        worker.lineage.follow(&objects, head, || true).unwrap();
        assert_eq!(cost(&awaited), 0);
    }
}
