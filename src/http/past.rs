//! Everything about earlier states: by which lane each kind of question goes to the engine, and which
//! are answered once for all who ask.
//!
//! Those who follow what is published never wait for those who read what was, and one who waits is
//! not told that history was rewritten.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use headwater_engine::budget::Budget;
use headwater_engine::delta::Delta;
use headwater_engine::engine::{Engine, PastError};
use headwater_engine::history::{Effort, HistoryError, Versions};
use headwater_engine::id::CommitId;
use headwater_engine::layout::SheetSpec;
use headwater_engine::snapshot::Snapshot;
use tokio::time::Instant;

use super::answers::{Answers, budget};
use super::crowd::{Crowd, Member};
use super::current::not_ready;
use super::lane::{Lane, Turn};
use super::permits::Permit;
use super::single_flight::SingleFlight;
use super::source::Source;
use crate::live::Live;
use crate::wire::{ApiError, Code};

/// How many of each kind read earlier commits at once; they are not to fill all cores.
const PLACES: usize = 2;

/// How long a reader waits for his turn.
const TURN: Duration = Duration::from_secs(2);

/// How long one waits for it who waits for something to be published anyway.
const LONG_TURN: Duration = Duration::from_secs(60);

/// How many bytes the comparisons of one kind have together that are remembered, as
/// [`Delta::bytes`] has it: the last ones, for all who ask the same.
const REMEMBERED: u64 = 64 << 20;

/// Who asks, which says by which lane he goes and how long he waits for his turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Somebody who reads what was.
    Reader(Source),
    /// Somebody who asks what is new, and waits for it.
    Poll(Source),
    /// Somebody who follows the events.
    Stream(Source),
    /// The server itself, for outgoing webhooks and for all who follow.
    Server,
}

impl Asker {
    /// Returns where he asks from.
    pub(super) fn source(self) -> Source {
        match self {
            Self::Reader(source) | Self::Poll(source) | Self::Stream(source) => source,
            Self::Server => Source::OURS,
        }
    }

    /// Returns how long he waits for his turn, from now on; `None` is for as long as it takes.
    pub(super) fn until(self) -> Option<Instant> {
        let patience = match self {
            Self::Reader(_) => Some(TURN),
            Self::Poll(_) => Some(LONG_TURN),
            Self::Stream(_) | Self::Server => None,
        };
        patience.map(|patience| Instant::now() + patience)
    }
}

/// The ways to earlier states.
pub struct Past {
    live: Arc<Live>,
    states: Lane,
    histories: Answers,
    /// How much time of a processor a part of a history may cost; `None` is any.
    part: Option<Duration>,
    previews: Lane,
    readers: Lane,
    polls: Lane,
    streams: Lane,
    server: Lane,
    /// What differs, for who reads what was.
    compared: SingleFlight<Pair, Arc<Delta>>,
    /// What there is to be told, for everybody else.
    told: SingleFlight<Pair, Arc<Delta>>,
    /// Whether a commit is in the history of another one.
    descents: SingleFlight<Pair, bool>,
    /// Those who wait for a commit to be published.
    expecting: Crowd,
}

/// Two commits, and the one that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    from: CommitId,
    to: CommitId,
    published: CommitId,
}

impl Past {
    /// Returns the ways to the earlier states of `live`. A part of a history may cost so much time of
    /// a processor; `None` is any.
    pub fn of(live: Arc<Live>, part: Option<Duration>) -> Self {
        Self {
            live,
            states: Lane::new(PLACES),
            histories: Answers::of_walks(),
            part,
            previews: Lane::new(PLACES),
            readers: Lane::new(PLACES),
            polls: Lane::new(PLACES),
            streams: Lane::new(PLACES),
            server: Lane::new(PLACES),
            compared: SingleFlight::within(REMEMBERED),
            told: SingleFlight::within(REMEMBERED),
            descents: SingleFlight::within(0),
            expecting: Crowd::default(),
        }
    }

    /// Returns what may be shown of the state of `commit`: at once if it is known, else in its turn.
    pub(super) async fn at(
        &self,
        source: Source,
        commit: CommitId,
    ) -> Result<Arc<Snapshot>, ApiError> {
        if let Some(kept) = self.live.engine().and_then(|engine| engine.kept(commit)) {
            return Ok(kept);
        }
        self.run(&self.states, source, move |engine| engine.at(commit)).await
    }

    /// Waits for a turn to describe an earlier state.
    ///
    /// # Errors
    /// 503 when it does not come in time.
    pub(super) async fn turn(&self, source: Source) -> Result<Permit, ApiError> {
        self.states.place(source, Some(Instant::now() + TURN)).await
    }

    /// Returns the commit that goes by `name`.
    pub(super) async fn called(&self, source: Source, name: &str) -> Result<CommitId, ApiError> {
        // A full hash needs nothing to be looked up, and forty zeros are none.
        if let Some(commit) = name.parse().ok().filter(|commit: &CommitId| !commit.is_zero()) {
            return Ok(commit);
        }
        let name = name.to_owned();
        self.run(&self.states, source, move |engine| engine.commit_called(&name)).await
    }

    /// Returns what may be shown of the state of another branch.
    pub(super) async fn preview(
        &self,
        source: Source,
        branch: &str,
    ) -> Result<Arc<Snapshot>, ApiError> {
        let branch = branch.to_owned();
        self.run(&self.previews, source, move |engine| engine.preview(&branch)).await
    }

    /// Returns a part of the history of a record; see [`Engine::history`]. It ends where it has cost
    /// what it may, and is given up when its caller hangs up.
    ///
    /// # Errors
    /// 503 when its turn does not come in time; as [`Engine::history`].
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

    /// Returns the differences between two commits of the branch's history. Everybody but a reader gets
    /// what he has to be told to go on from one to the other.
    ///
    /// It is found out once for all who ask the same in the same way.
    ///
    /// # Errors
    /// 404 where one is not in the history, or its follower has to begin anew; 503 where it is not
    /// answered in time, which only those are told who have an answer to wait for.
    pub async fn difference(
        &self,
        asker: Asker,
        from: CommitId,
        to: CommitId,
    ) -> Result<Arc<Delta>, ApiError> {
        let published = self.engine()?.snapshot().commit();
        let (lane, known) = match asker {
            Asker::Reader(_) => (&self.readers, &self.compared),
            Asker::Poll(_) => (&self.polls, &self.told),
            Asker::Stream(_) => (&self.streams, &self.told),
            Asker::Server => (&self.server, &self.told),
        };
        let live = self.live.clone();
        let turn = Turn { lane, source: asker.source(), until: asker.until() };
        let compare = move || {
            let engine = live.engine().ok_or_else(not_ready)?;
            let delta = match asker {
                Asker::Reader(_) => engine.delta(from, to),
                Asker::Poll(_) | Asker::Stream(_) | Asker::Server => engine.caught_up(from, to),
            };
            delta.map(Arc::new).map_err(refused)
        };
        known.forget(|pair| pair.published != published);
        known.get(Pair { from, to, published }, turn, compare, |delta| delta.bytes()).await
    }

    /// Says whether `commit`, which was published, has `least` in its history. It is found out once
    /// for all who ask, and who waits `until` then waits for his turn, too.
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
        let turn = Turn { lane: &self.polls, source, until: Some(until) };
        let look = move || Ok(live.engine().ok_or_else(not_ready)?.descends(commit, least));
        self.descents.forget(|pair| pair.published != commit);
        let question = Pair { from: least, to: commit, published: commit };
        // A commit that is not there yet may come with the next push, and then is not in this one.
        self.descents.get(question, turn, look, |_| 0).await
    }

    /// Lets one more wait for a commit, as long as what is returned is kept.
    ///
    /// # Errors
    /// 503 where too many do.
    pub(super) fn expects(&self, source: Source) -> Result<Member<'_, Source>, ApiError> {
        let busy = || ApiError::from(Code::Busy).header(RETRY_AFTER, 1);
        self.expecting.join(source).ok_or_else(busy)
    }

    fn engine(&self) -> Result<&Engine, ApiError> {
        self.live.engine().ok_or_else(not_ready)
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: &Lane,
        source: Source,
        read: impl FnOnce(&Engine) -> Result<T, PastError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let live = self.live.clone();
        let work = move || read(live.engine().ok_or_else(not_ready)?).map_err(refused);
        lane.place(source, Some(Instant::now() + TURN)).await?.run(work).await
    }
}

/// Returns the answer where there is no state of a commit.
fn refused(error: PastError) -> ApiError {
    match &error {
        // Without the name: the beginning of a hash would be told in full, and what was purged by
        // another text than what never was.
        PastError::Unknown { .. } => Code::UnknownCommit.into(),
        PastError::Remote { source: None, .. } => Code::FetchFailed.into(),
        PastError::Remote { .. } => ApiError::caused_by(Code::FetchFailed, &error),
        PastError::History(source) if matches!(**source, HistoryError::Unawaited(_)) => {
            ApiError::from(Code::Busy).header(RETRY_AFTER, 1)
        }
        _ if error.is_passing() => ApiError::caused_by(Code::MemoryShort, &error),
        _ => ApiError::caused_by(Code::Internal, &error),
    }
}
