//! Access to earlier states: assigns each kind of question a lane to the engine, and answers some
//! of them once for all who ask.
//!
//! Followers of publications never wait for readers of the past. A follower that waits too long is
//! not told that history was rewritten.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use headwater_engine::budget::Budget;
use headwater_engine::commits::{Line, Log};
use headwater_engine::delta::Delta;
use headwater_engine::engine::{Engine, PastError};
use headwater_engine::history::{Effort, HistoryError, Versions};
use headwater_engine::id::{CommitId, SheetName};
use headwater_engine::layout::SheetSpec;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::view::View;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer_scheduler::{Answers, budget};
use super::concurrency_limit::{ConcurrencyLimit, Turn};
use super::permits::Permit;
use super::request_snapshot::not_ready;
use super::single_flight::SingleFlight;
use super::source::Source;
use super::waiter_limit::{Waiter, WaiterLimit};
use crate::live::Live;
use crate::wire::{ApiError, Code};

/// The number of each kind that read earlier commits at once; they must not fill all cores.
const PLACES: usize = 2;

/// How long a reader waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// How long a reader waits for its turn to have a state built that costs much.
const DEAR_TURN: Duration = Duration::from_secs(20);

/// How long a caller waits that waits for a publication anyway.
const LONG_TURN: Duration = Duration::from_secs(60);

/// The size of the remembered comparisons of one kind, as [`Delta::bytes`] measures it. The last
/// ones are kept, for all who ask the same.
const REMEMBERED: u64 = 32 << 20;

/// Who asks; this decides the lane and how long the caller waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A reader of the past.
    Reader(Source),
    /// A caller that waits for changes.
    Poll(Source),
    /// A follower of the events.
    Stream(Source),
    /// The server itself, for outgoing webhooks and for all followers.
    Server,
}

impl Asker {
    /// Returns where the request comes from.
    pub(super) fn source(self) -> Source {
        match self {
            Self::Reader(source) | Self::Poll(source) | Self::Stream(source) => source,
            Self::Server => Source::OURS,
        }
    }

    /// Returns when the wait for a turn that starts now ends; `None` is no limit.
    pub(super) fn until(self) -> Option<Instant> {
        self.after(TURN)
    }

    /// Returns the same for what costs much.
    fn until_dear(self) -> Option<Instant> {
        self.after(DEAR_TURN)
    }

    fn after(self, reader: Duration) -> Option<Instant> {
        let patience = match self {
            Self::Reader(_) => Some(reader),
            Self::Poll(_) => Some(LONG_TURN),
            Self::Stream(_) | Self::Server => None,
        };
        patience.map(|patience| Instant::now() + patience)
    }
}

/// Access to earlier states.
pub struct HistoricalStates {
    live: Arc<Live>,
    states: ConcurrencyLimit,
    /// Those that cost much. One is built at a time, whoever asks for it.
    dear: ConcurrencyLimit,
    histories: Answers,
    /// The processor time that a part of a history may cost; `None` is no limit.
    part: Option<Duration>,
    /// Names of commits, and lines between them.
    names: ConcurrencyLimit,
    /// Whether commits are in the history of others.
    ancestry: ConcurrencyLimit,
    previews: ConcurrencyLimit,
    readers: ConcurrencyLimit,
    polls: CatchUpLanes,
    streams: CatchUpLanes,
    server: CatchUpLanes,
    /// Differences for readers of the past.
    compared: Comparisons,
    /// Differences for everybody else.
    told: Comparisons,
    /// Whether a commit is in the history of another.
    descents: SingleFlight<Pair, bool>,
    /// Callers that wait for a commit to be published.
    expecting: WaiterLimit,
    /// Callers that named a commit which may be published soon.
    awaiting: WaiterLimit,
}

/// The lanes of those who catch up with what is published. None of them waits behind another kind.
struct CatchUpLanes {
    quick: ConcurrencyLimit,
    /// For differences that cost much.
    dear: ConcurrencyLimit,
}

impl CatchUpLanes {
    fn new() -> Self {
        Self { quick: ConcurrencyLimit::new(PLACES), dear: ConcurrencyLimit::new(1) }
    }
}

/// Differences, each computed once for all who ask for it.
struct Comparisons {
    /// Those that cost little; `None` for one that costs more.
    quick: SingleFlight<Comparison, Option<Arc<Delta>>>,
    dear: SingleFlight<Comparison, Arc<Delta>>,
}

impl Comparisons {
    fn new() -> Self {
        Self { quick: SingleFlight::within(REMEMBERED), dear: SingleFlight::within(REMEMBERED) }
    }

    /// Forgets what was compared before `published` was.
    fn forget(&self, published: CommitId) {
        self.quick.forget(|asked| asked.pair.published != published);
        self.dear.forget(|asked| asked.pair.published != published);
    }
}

/// Two commits, and the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    from: CommitId,
    to: CommitId,
    published: CommitId,
}

/// What is compared, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    pair: Pair,
    view: View,
}

impl HistoricalStates {
    /// Returns access to the earlier states of `live`. `part` is the processor time that a part of
    /// a history may cost; `None` is no limit. `waiters` bounds the readers that wait, also for something else.
    pub fn of(live: Arc<Live>, part: Option<Duration>, waiters: &WaiterLimit) -> Self {
        let lane = |places| ConcurrencyLimit::with(places, waiters.clone());
        Self {
            live,
            states: lane(PLACES),
            dear: lane(1),
            histories: Answers::of_walks(waiters.clone()),
            part,
            names: lane(PLACES),
            ancestry: lane(PLACES),
            previews: lane(PLACES),
            readers: lane(PLACES),
            polls: CatchUpLanes::new(),
            streams: CatchUpLanes::new(),
            server: CatchUpLanes::new(),
            compared: Comparisons::new(),
            told: Comparisons::new(),
            descents: SingleFlight::within(0),
            expecting: WaiterLimit::default(),
            awaiting: WaiterLimit::default(),
        }
    }

    /// Returns what `view` sees of the state of `commit`: at once if it is known, otherwise in its
    /// turn.
    pub(super) async fn at(
        &self,
        source: Source,
        view: &View,
        commit: CommitId,
    ) -> Result<Arc<Snapshot>, ApiError> {
        if let Some(kept) = self.live.engine().and_then(|engine| engine.kept(view, commit)) {
            return Ok(kept);
        }
        let (quick, view) = (view.clone(), view.clone());
        let quick = move |engine: &Engine| engine.at_if_quick(&quick, commit);
        if let Some(state) = self.run(&self.states, source, quick).await? {
            return Ok(state);
        }
        let place = self.dear.place(source, Some(Instant::now() + DEAR_TURN)).await?;
        let live = self.live.clone();
        let build = move || live.engine().ok_or_else(not_ready)?.at(&view, commit).map_err(refused);
        place.run(build).await
    }

    /// Waits for a turn to describe an earlier state.
    ///
    /// # Errors
    /// 503 if it does not come in time.
    pub(super) async fn turn(&self, source: Source) -> Result<Permit, ApiError> {
        self.states.place(source, Some(Instant::now() + TURN)).await
    }

    /// Returns the commit that `name` stands for.
    pub(super) async fn called(&self, source: Source, name: &str) -> Result<CommitId, ApiError> {
        // A full hash needs no lookup, and forty zeros are not a hash.
        if let Some(commit) = name.parse().ok().filter(|commit: &CommitId| !commit.is_zero()) {
            return Ok(commit);
        }
        let name = name.to_owned();
        self.run(&self.names, source, move |engine| engine.commit_called(&name)).await
    }

    /// Returns what `view` sees of the state of another branch.
    pub(super) async fn preview(
        &self,
        source: Source,
        view: &View,
        branch: &str,
    ) -> Result<Arc<Snapshot>, ApiError> {
        let (view, branch) = (view.clone(), branch.to_owned());
        self.run(&self.previews, source, move |engine| engine.preview(&view, &branch)).await
    }

    /// Returns a part of the history of a record; see [`Engine::history`]. It ends at its limit of
    /// processor time, and stops when its caller hangs up.
    ///
    /// # Errors
    /// 503 if its turn does not come in time; as [`Engine::history`].
    pub(super) async fn history(
        &self,
        source: Source,
        now: Arc<Snapshot>,
        spec: Arc<SheetSpec>,
        key: String,
        from: CommitId,
        part: (usize, usize),
    ) -> Result<Versions, ApiError> {
        let (live, limit) = (self.live.clone(), self.part);
        let read = move |awaited: &Budget| {
            let engine = live.engine().ok_or_else(not_ready)?;
            let effort = Effort { awaited, part: &budget(limit) };
            engine.history(&now, (&spec, &key), from, part, effort).map_err(refused)
        };
        self.histories.make(source, read).await
    }

    /// Returns the line of commits between two names; see [`Engine::line`].
    pub(super) async fn line(
        &self,
        source: Source,
        since: Option<String>,
        until: Option<String>,
    ) -> Result<Line, ApiError> {
        let line = move |engine: &Engine| engine.line(since.as_deref(), until.as_deref());
        self.run(&self.names, source, line).await
    }

    /// Returns a page of a range of commits; see [`Engine::commits`]. It ends when its budget is used
    /// up, and is given up when its caller hangs up.
    ///
    /// # Errors
    /// 503 if its turn does not come in time; otherwise as [`Engine::commits`].
    pub(super) async fn commits(
        &self,
        source: Source,
        view: &View,
        line: Line,
        sheets: Vec<SheetName>,
        limit: usize,
    ) -> Result<Log, ApiError> {
        let asked = (self.live.clone(), self.part, view.clone(), sheets.clone());
        let quick = move |awaited: &Budget| {
            let (live, part, view, sheets) = asked;
            let engine = live.engine().ok_or_else(not_ready)?;
            let effort = Effort { awaited, part: &budget(part) };
            engine.commits_if_quick(&view, line, &sheets, limit, effort).map_err(refused)
        };
        if let Some(log) = self.histories.make(source, quick).await? {
            return Ok(log);
        }
        let place = self.dear.place(source, Some(Instant::now() + DEAR_TURN)).await?;
        let (live, part, view) = (self.live.clone(), self.part, view.clone());
        let caller = CancellationToken::new();
        let _hangs_up = caller.clone().drop_guard();
        let read = move || {
            let engine = live.engine().ok_or_else(not_ready)?;
            let awaited = Budget::while_true(move || !caller.is_cancelled());
            let effort = Effort { awaited: &awaited, part: &budget(part) };
            engine.commits(&view, line, &sheets, limit, effort).map_err(refused)
        };
        place.run(read).await
    }

    /// Returns what `view` sees of the differences between two commits of the branch's history. Everybody but a reader
    /// gets the difference that takes a follower from one to the other.
    ///
    /// It is computed once for all who ask the same in the same way. One that costs little waits for none that
    /// costs much.
    ///
    /// # Errors
    /// 404 if one is not in the history, or if its follower has to start over; 503 if there is no
    /// answer in time, which only callers that have an answer to wait for can get.
    pub async fn difference(
        &self,
        asker: Asker,
        view: &View,
        from: CommitId,
        to: CommitId,
    ) -> Result<Arc<Delta>, ApiError> {
        let published = self.engine()?.snapshot().commit();
        let (quick, dear, known) = match asker {
            Asker::Reader(_) => (&self.readers, &self.dear, &self.compared),
            Asker::Poll(_) => (&self.polls.quick, &self.polls.dear, &self.told),
            Asker::Stream(_) => (&self.streams.quick, &self.streams.dear, &self.told),
            Asker::Server => (&self.server.quick, &self.server.dear, &self.told),
        };
        let asked = Comparison { pair: Pair { from, to, published }, view: view.clone() };
        known.forget(published);
        let source = asker.source();
        if !known.dear.has_answer(&asked) {
            let (live, view) = (self.live.clone(), view.clone());
            let compare = move || {
                let engine = live.engine().ok_or_else(not_ready)?;
                let delta = match asker {
                    Asker::Reader(_) => engine.delta_if_quick(&view, from, to),
                    Asker::Poll(_) | Asker::Stream(_) | Asker::Server => {
                        engine.caught_up_if_quick(&view, from, to)
                    }
                };
                delta.map(|delta| delta.map(Arc::new)).map_err(refused)
            };
            // That it costs more is not kept here: the engine knows for how long that counts.
            let weigh =
                |delta: &Option<Arc<Delta>>| delta.as_ref().map_or(u64::MAX, |delta| delta.bytes());
            let turn = Turn { lane: quick, source, until: asker.until() };
            if let Some(delta) = known.quick.get(asked.clone(), turn, compare, weigh).await? {
                return Ok(delta);
            }
        }
        let (live, view) = (self.live.clone(), view.clone());
        let compare = move || {
            let engine = live.engine().ok_or_else(not_ready)?;
            let delta = match asker {
                Asker::Reader(_) => engine.delta(&view, from, to),
                Asker::Poll(_) | Asker::Stream(_) | Asker::Server => {
                    engine.caught_up(&view, from, to)
                }
            };
            delta.map(Arc::new).map_err(refused)
        };
        let turn = Turn { lane: dear, source, until: asker.until_dear() };
        known.dear.get(asked, turn, compare, |delta| delta.bytes()).await
    }

    /// Returns whether `commit`, which was published, has `least` in its history. The answer is
    /// computed once for all who ask. A caller that waits `until` then also waits for its turn
    /// until then.
    pub(super) async fn contains(
        &self,
        source: Source,
        commit: CommitId,
        least: CommitId,
        until: Instant,
    ) -> Result<bool, ApiError> {
        if commit == least {
            return Ok(true);
        }
        let (live, until) = (self.live.clone(), until.max(Instant::now() + TURN));
        let turn = Turn { lane: &self.ancestry, source, until: Some(until) };
        let look = move || Ok(live.engine().ok_or_else(not_ready)?.descends(commit, least));
        self.descents.forget(|pair| pair.published != commit);
        let question = Pair { from: least, to: commit, published: commit };
        // A commit that is not there yet may come with the next push, and is then not in this one.
        self.descents.get(question, turn, look, |_| 0).await
    }

    /// Lets one more caller wait for a commit, as long as the returned value is kept.
    ///
    /// # Errors
    /// 503 if too many do.
    pub(super) fn expects(&self, source: Source) -> Result<Waiter<'_, Source>, ApiError> {
        let busy = || ApiError::from(Code::Busy).header(RETRY_AFTER, 1);
        self.expecting.join(source).ok_or_else(busy)
    }

    /// Lets one more caller wait for a commit that may be published soon, as long as the returned
    /// value is kept. Returns `None` if too many do.
    pub(super) fn awaits(&self, source: Source) -> Option<Waiter<'_, Source>> {
        self.awaiting.join(source)
    }

    fn engine(&self) -> Result<&Engine, ApiError> {
        self.live.engine().ok_or_else(not_ready)
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: &ConcurrencyLimit,
        source: Source,
        read: impl FnOnce(&Engine) -> Result<T, PastError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let live = self.live.clone();
        let work = move || read(live.engine().ok_or_else(not_ready)?).map_err(refused);
        lane.run(source, work).await
    }
}

/// Returns the answer if there is no state of a commit.
fn refused(error: PastError) -> ApiError {
    match &error {
        // The name is left out: it would complete the beginning of a hash, and would tell purged
        // commits from those that never existed.
        PastError::Unknown { .. } => Code::UnknownCommit.into(),
        PastError::Remote { source: None, .. } => Code::FetchFailed.into(),
        PastError::Remote { .. } => ApiError::caused_by(Code::FetchFailed, &error),
        PastError::BranchRefused { .. } => {
            let detail = "this branch cannot be fetched: its content is refused, or takes too long";
            ApiError::explained(Code::RemoteContentRejected, detail)
        }
        PastError::History(source) if matches!(**source, HistoryError::Unawaited(_)) => {
            ApiError::from(Code::Busy).header(RETRY_AFTER, 1)
        }
        PastError::History(source) if source.took_too_long() => {
            ApiError::from(Code::Busy).header(RETRY_AFTER, 10)
        }
        _ if error.lacks_object() => ApiError::caused_by(Code::HistoryIncomplete, &error),
        _ if error.is_too_costly() => {
            let detail = "more files differ than are compared for an earlier commit";
            ApiError::explained(Code::TooCostly, detail)
        }
        _ if error.is_passing() => ApiError::caused_by(Code::MemoryShort, &error),
        _ => ApiError::caused_by(Code::Internal, &error),
    }
}

#[cfg(test)]
mod tests {
    use headwater_engine::load::LoadError;
    use headwater_engine::mirror::ObjectError;

    use super::*;

    #[test]
    fn a_branch_that_is_refused_is_told_from_a_remote_that_does_not_answer() {
        let branch = || "draft/a".to_owned();
        for (error, expected) in [
            (PastError::Remote { branch: branch(), source: None }, Code::FetchFailed),
            (
                PastError::BranchRefused { branch: branch(), source: None },
                Code::RemoteContentRejected,
            ),
        ] {
            assert_eq!(refused(error).code(), expected);
        }
    }

    #[test]
    fn a_commit_of_too_many_paths_is_too_costly_and_no_fault_of_ours() {
        let (old, new) = (CommitId::ZERO, CommitId::from_bytes([7; 20]));
        let answer = |source: ObjectError| {
            let load = LoadError::Diff { old, new, source };
            refused(PastError::Load { commit: new, source: Box::new(load) }).code()
        };
        assert_eq!(answer(ObjectError::TooManyPaths { limit: 1 }), Code::TooCostly);
        assert_eq!(answer(ObjectError::PathsTooLong { limit: 1 }), Code::TooCostly);
        let compared = ObjectError::PathsTooLong { limit: 1 };
        let comparison = PastError::Repository { commit: new, source: compared.into() };
        assert_eq!(refused(comparison).code(), Code::TooCostly);
        let damaged = ObjectError::Unreadable { id: "7".into(), source: "damaged".into() };
        assert_eq!(answer(damaged), Code::Internal);
    }
}
