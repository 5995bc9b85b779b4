//! States of earlier commits, for readers that request one.
//!
//! An earlier state is derived from a kept one by the difference, and shares with it whatever both
//! have. Only commits in the history of the published commit are visible: a fetched but held commit
//! is not readable by anybody. The published state decides which parts of them a
//! view may see.

pub(super) mod error;

use std::sync::Arc;
use std::time::Instant;

use super::costly_states::{Attempt, CostlyStates};
use super::kept_states::{Reachability, Root, Visit};
use super::locks::{Lock, Rank};
use super::preview::Previews;
use super::published_history::PublishedHistory;
use super::repository::Repository;
use super::states::{Present, States};
use super::timeline::Timeline;
use crate::commits::{CommitsError, Line, Log, Walk};
use crate::delta::Delta;
use crate::disclosure::{Disclosure, Rules};
use crate::history::{Effort, HistoryCache, HistoryError, Subject, Versions, Whereabouts, history};
use crate::id::{CommitId, SheetName};
use crate::layout::{Shape, SheetSpec};
use crate::load::{LoadError, finish, layout_at, prepare};
use crate::mirror::{ObjectError, Objects};
use crate::options::LoadOptions;
use crate::scalar::Timestamp;
use crate::search::SearchError;
use crate::snapshot::{Snapshot, weight};
use crate::view::View;
use error::PastError;

/// Finds earlier states, and those of other branches, for readers.
pub(super) struct HistoricalStates {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) previews: Previews,
    /// The turn to build a state that costs much, which one reader at a time has, without waiting for the network.
    pub(super) building: Lock<()>,
    /// The turn to build one that costs little. Nobody has both.
    building_quickly: Lock<()>,
    timeline: Timeline,
    /// The commits whose states cost too much.
    pub(super) costly: CostlyStates,
    /// The commits at which lists of commits begin that cost too much.
    costly_lists: CostlyStates,
    /// The commits that a reader may name.
    lineage: Arc<PublishedHistory>,
    /// What pages of histories found out for the next ones.
    histories: HistoryCache,
    /// How records are read.
    pub(super) load: LoadOptions,
}

/// The difference between two states, and whether the same rules decide what is visible in both.
struct Compared {
    delta: Delta,
    rules: Rules,
}

impl HistoricalStates {
    pub(super) fn new(
        repository: Arc<Repository>,
        states: Arc<States>,
        previews: Previews,
        lineage: Arc<PublishedHistory>,
        load: LoadOptions,
    ) -> Self {
        Self {
            repository,
            states,
            previews,
            building: Lock::new(Rank::Building, ()),
            building_quickly: Lock::new(Rank::Building, ()),
            timeline: Timeline::new(),
            costly: CostlyStates::new(),
            costly_lists: CostlyStates::new(),
            lineage,
            histories: HistoryCache::default(),
            load,
        }
    }
}

impl HistoricalStates {
    /// Returns the visible state of `commit` if it is already known, and keeps it for five minutes
    /// from now. Only searches a short list.
    pub(super) fn kept(&self, view: &View, commit: CommitId) -> Option<Arc<Snapshot>> {
        let mut earlier = self.states.earlier();
        let published = self.states.published();
        if published.commit() == commit {
            drop(earlier);
            return Some(published.seen_by(view));
        }
        let shown = earlier.shown(commit, Reachability::History, view)?.clone();
        earlier.touch(commit, Instant::now());
        Some(shown)
    }

    /// Returns the visible state of `commit`. The state is kept for five minutes after the last
    /// call for it. At most sixteen such states are kept, and of these as many as fit into the
    /// bytes of the published one.
    ///
    /// A kept state costs nothing. Any other state is built, one at a time that costs much, by applying the
    /// difference to a kept one with the same definitions, or from scratch if there is none. See
    /// [`Disclosure`] for what is removed from it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if the published commit does not descend from `commit`.
    pub(super) fn at(
        &self,
        view: &View,
        commit: CommitId,
        attempt: Attempt,
    ) -> Result<Arc<Snapshot>, PastError> {
        self.shown(view, commit, Reachability::History, attempt)
    }

    /// Keeps the state of `commit` as if it had just been requested, since its reader may come back
    /// to it. Does nothing if the state is gone.
    pub(super) fn keep(&self, commit: CommitId) {
        let mut earlier = self.states.earlier();
        let published = self.states.published();
        if published.commit() != commit {
            return earlier.touch(commit, Instant::now());
        }
        let (reach, root, generation) =
            (Reachability::History, Root::Published, earlier.generation());
        earlier
            .visit(Visit { state: published, reach, root, own: 0, at: Instant::now() }, generation);
    }

    /// Returns what changes for the public between `from` and `to`, without anything that is
    /// private now on either side.
    ///
    /// Costs as much as the difference and, if both have the same definitions, builds no text
    /// index.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if one of them is not in the history of the published commit.
    pub(super) fn delta(
        &self,
        view: &View,
        from: CommitId,
        to: CommitId,
        attempt: Attempt,
    ) -> Result<Delta, PastError> {
        self.compared(view, from, to, attempt).map(|compared| compared.delta)
    }

    /// Returns what a reader with the state of `from` needs to have the state of `to`. Whatever is
    /// private now is reported as removed.
    ///
    /// # Errors
    ///
    /// As [`Engine::delta`]; and [`PastError::Unknown`] if other definitions showed at `from` what
    /// is private now, or if objects of `from` are missing, so that the reader must start over.
    pub(super) fn caught_up(
        &self,
        view: &View,
        from: CommitId,
        to: CommitId,
        attempt: Attempt,
    ) -> Result<Delta, PastError> {
        let unknown = || PastError::Unknown { name: from.to_string() };
        let compared = self.compared(view, from, to, attempt);
        // What the reader has cannot be known.
        let compared =
            compared.map_err(|error| if error.lacks_object() { unknown() } else { error });
        let Compared { delta, rules } = compared?;
        // What other rules showed cannot be told one by one.
        let is_unknown = delta.withheld.iter().any(|left| !rules.read_alike(&left.sheet));
        if is_unknown {
            return Err(unknown());
        }
        Ok(delta)
    }

    /// Lists the commits in the history of `from` that touched the record `key` of `spec`, a sheet
    /// of the published state `now`, newest first. `page` is the number of versions listed before and
    /// the most to list. See [`history`]. A key that the sheet cannot have belongs to other files and has no
    /// history; neither does a record that is hidden in `now`, or that cannot be read there and may
    /// be hidden. A version is shown if both `now` and its own commit show it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of `now`.
    pub(super) fn history(
        &self,
        now: &Snapshot,
        (spec, key): (&SheetSpec, &str),
        from: CommitId,
        page: (usize, usize),
        effort: Effort<'_>,
    ) -> Result<Versions, PastError> {
        let objects = self.objects_with(now, from)?;
        let sheet = now.sheet(spec.name.as_str());
        let is_withheld = |path: &str| sheet.is_some_and(|sheet| sheet.withholds(key, path));
        let found = |path: String| {
            let claims = now.layout().claims(path.as_bytes()).into_iter();
            let mut own = claims.filter(|claim| claim.sheet.name == spec.name);
            let list = own.find(|claim| spec.may_hold(claim.key.as_str(), key))?.key;
            let is_own_file = match spec.shape_of(&path) {
                Shape::Record => true,
                Shape::List => false,
                Shape::Either => list.as_str() == key,
            };
            // What is withheld takes the way of what never was, with the same answer and at the same
            // cost: a file that no commit has, or a key that no version of the list has.
            let is_withheld = is_withheld(&path);
            let (walked, key) = match (is_withheld, is_own_file) {
                (false, _) => (path.clone(), key.to_owned()),
                (true, true) => (format!("{path}\u{1}"), key.to_owned()),
                (true, false) => (path.clone(), format!("{key}\u{1}")),
            };
            Some(Whereabouts { path, walked, list, key, is_withheld })
        };
        let mut paths: Vec<Whereabouts> =
            spec.paths_of(key).into_iter().filter_map(found).collect();
        paths.sort_by_cached_key(|at| (spec.precedence(&at.path), at.path.clone()));
        if from.is_zero() || paths.is_empty() {
            return Ok(Versions { items: Vec::new(), ended: true });
        }
        let read = (&self.repository.mirror, &objects);
        let subject = Subject { now: Disclosure::by(now), spec, key, paths: &paths };
        let versions = history(read, subject, from, page, &self.histories, &self.load, effort);
        versions.map_err(|error| PastError::History(Box::new(error)))
    }

    /// Returns the commit that a reader means by `name`: a hash or a prefix of one, a tag, the
    /// branch, or a moment, which stands for the last first-parent commit made at or before it.
    /// [`Engine::at`] decides whether it is visible.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if it names none, or more than one.
    pub(super) fn commit_called(&self, name: &str) -> Result<CommitId, PastError> {
        let unknown = || PastError::Unknown { name: name.to_owned() };
        self.last_called(name)?.ok_or_else(unknown)
    }

    /// Returns whether `commit`, which is or was published, is `ancestor` or has it in its history.
    /// Nothing descends from a commit that is not here.
    pub(super) fn descends(&self, commit: CommitId, ancestor: CommitId) -> bool {
        let published = self.states.commit();
        if commit == ancestor || published.is_zero() {
            return commit == ancestor;
        }
        // Many callers ask again after each publication, and opening a repository is dear.
        self.lineage.descends_in_memory(published, commit, ancestor).unwrap_or_else(|| {
            self.repository.objects().is_ok_and(|objects| {
                let found = self.lineage.descends(&objects, published, commit, ancestor);
                found.unwrap_or(false)
            })
        })
    }

    /// Returns the commits after `since` up to `until`, along first parents. Both are names or times
    /// that a reader gives. Without `since`, the line begins at the first commit of all; without
    /// `until`, it ends at the published commit. A time before all commits names no commit.
    ///
    /// # Errors
    ///
    /// As [`Self::commit_called`]; [`PastError::Unknown`] for a commit that is not in the history of
    /// what is published.
    pub(super) fn line(&self, since: Option<&str>, until: Option<&str>) -> Result<Line, PastError> {
        let published = self.states.published();
        let from = match until {
            Some(name) => self.last_called(name)?,
            None => Some(published.commit()),
        };
        let Some(from) = from.filter(|commit| !commit.is_zero()) else { return Ok(Line::EMPTY) };
        let objects = self.objects_with(&published, from)?;
        let since = since.map(|name| self.last_called(name)).transpose()?.flatten();
        let Some(since) = since else { return Ok(Line { from, above: None }) };
        self.objects_with(&published, since)?;
        let unreadable =
            |source: ObjectError| PastError::Repository { commit: from, source: source.into() };
        let above = self.lineage.fork_point(&objects, published.commit(), from, since);
        let above = above.map_err(unreadable)?;
        Ok(Line { from, above })
    }

    /// Lists the commits of `line`, newest first, with what each changed. See [`Log::read`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a line that is not in the history of what is published.
    pub(super) fn commits(
        &self,
        view: &View,
        line: Line,
        sheets: &[SheetName],
        limit: usize,
        (effort, attempt): (Effort<'_>, Attempt),
    ) -> Result<Log, PastError> {
        if line == Line::EMPTY {
            return Ok(Log::default());
        }
        loop {
            let present = self.states.present();
            let objects = self.objects_with(&present.state, line.from)?;
            let state = self.state_of(&present, line.from, Reachability::History, attempt)?;
            let now = present.state.seen_by(view);
            let disclosure = Disclosure::by(&now);
            let options = self.spare(&self.costly_lists, attempt);
            let walk = Walk::from(&objects, &state, disclosure, &options);
            let walk = match attempt {
                Attempt::Quick => walk.hurried(),
                Attempt::Full => walk,
            };
            // What its commits changed may be known by now, so a quick attempt is made again.
            self.costly_lists.check(line.from, Attempt::Full)?;
            let log = Log::read(walk, line, sheets, limit, effort);
            let log = log.map_err(|error| match error {
                CommitsError::Load { source, .. } => self.costly_lists.refused(line.from, *source),
                error => error.into(),
            })?;
            // As for a single state: what was dropped meanwhile is not returned.
            if self.states.earlier().generation() == present.generation {
                return Ok(log);
            }
        }
    }

    /// Returns what [`Self::commit_called`] does, or `None` for a moment before all commits.
    fn last_called(&self, name: &str) -> Result<Option<CommitId>, PastError> {
        let unknown = || PastError::Unknown { name: name.to_owned() };
        if let Ok(commit) = name.parse::<CommitId>() {
            // Forty zeros stand for the state before the first commit, which readers do not name.
            let is_one = !commit.is_zero() || self.states.commit().is_zero();
            return is_one.then_some(Some(commit)).ok_or_else(unknown);
        }
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        if short == self.repository.branch || name == "HEAD" {
            return Ok(Some(self.states.commit()));
        }
        let is_hash = (7..40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        let tag = name.strip_prefix("refs/tags/").unwrap_or(name);
        let objects = self.repository.objects().map_err(|source| PastError::Repository {
            commit: self.states.commit(),
            source: source.into(),
        })?;
        // Never any other expression: some of those walk the whole history.
        let tagged = objects.tagged(tag);
        let hash = || is_hash.then(|| objects.resolve(name).ok()).flatten();
        if let Some(commit) = tagged.or_else(hash) {
            return Ok(Some(commit));
        }
        let moment = Timestamp::beginning(name).ok_or_else(unknown)?;
        let head = self.states.commit();
        if head.is_zero() {
            return Ok(None);
        }
        let commit = self.timeline.committed_by(&objects, head, moment.seconds());
        let unreadable =
            |source: ObjectError| PastError::Repository { commit: head, source: source.into() };
        commit.map_err(unreadable)
    }

    /// Returns the state that `branch` would produce, if it may be previewed.
    pub(super) fn preview(&self, view: &View, branch: &str) -> Result<Arc<Snapshot>, PastError> {
        let unknown = || PastError::Unknown { name: branch.to_owned() };
        if !self.previews.allow(branch) {
            return Err(unknown());
        }
        let commit = self.previews.head_of(branch, &self.repository, self.states.commit())?;
        self.shown(view, commit.ok_or_else(unknown)?, Reachability::Preview, Attempt::Full)
    }
}

impl HistoricalStates {
    /// Returns the visible state of `commit` for a reader that comes by `reach`.
    fn shown(
        &self,
        view: &View,
        commit: CommitId,
        reach: Reachability,
        attempt: Attempt,
    ) -> Result<Arc<Snapshot>, PastError> {
        loop {
            let present = self.states.present();
            let state = self.state_of(&present, commit, reach, attempt)?;
            let refused = |source: SearchError| {
                let source = LoadError::Index { commit, source };
                PastError::Load { commit, source: Box::new(source) }
            };
            let now = present.state.seen_by(view);
            let shown = Disclosure::by(&now).of(&state.seen_by(view)).map_err(refused)?;
            let mut earlier = self.states.earlier();
            // A state that was dropped meanwhile may no longer be readable by anybody: then
            // everything is checked again.
            if earlier.generation() == present.generation {
                if self.states.commit() == present.state.commit() {
                    earlier.show(reach, view, shown.clone());
                }
                return Ok(shown);
            }
        }
    }

    /// Returns the complete state of `commit`: a kept one, or a newly built one.
    fn state_of(
        &self,
        present: &Present,
        commit: CommitId,
        reach: Reachability,
        attempt: Attempt,
    ) -> Result<Arc<Snapshot>, PastError> {
        let kept = || {
            let mut earlier = self.states.earlier();
            let state = earlier.find(commit, reach).cloned();
            earlier.touch(commit, Instant::now());
            state
        };
        if present.state.commit() == commit {
            return Ok(present.state.clone());
        }
        if let Some(state) = kept() {
            return Ok(state);
        }
        let objects = match reach {
            Reachability::History => self.objects_with(&present.state, commit)?,
            Reachability::Preview => self.objects_for(commit)?,
        };
        self.costly.check(commit, attempt)?;
        let _turn = match attempt {
            Attempt::Quick => self.building_quickly.lock(),
            Attempt::Full => self.building.lock(),
        };
        // The previous holder may have requested the same, or it is kept for readers that come
        // another way.
        if let Some(state) = kept() {
            return Ok(state);
        }
        self.costly.check(commit, attempt)?;
        // Maintenance may be a minute away, and many states can be built and left until then.
        let unread = self.states.earlier().unread();
        drop(unread);
        let visit = self.build_visit(&objects, present, commit, reach, attempt)?;
        let state = visit.state.clone();
        let mut earlier = self.states.earlier();
        earlier.note(&state);
        earlier.visit(visit, present.generation);
        Ok(state)
    }

    /// Builds the state of `commit` from the kept one that reads every path alike, or from scratch.
    fn build_visit(
        &self,
        objects: &Objects,
        present: &Present,
        commit: CommitId,
        reach: Reachability,
        attempt: Attempt,
    ) -> Result<Visit, PastError> {
        let failed = |source| self.costly.refused(commit, source);
        let options = self.spare(&self.costly, attempt);
        let layout = layout_at(objects, commit, &options).map_err(failed)?;
        let (base, root) = {
            let earlier = self.states.earlier();
            let bases = earlier.bases().map(|(state, root)| (state.clone(), root));
            let mut bases = std::iter::once((present.state.clone(), Root::Published)).chain(bases);
            let alike = bases.find(|(state, _)| state.layout().reads_alike(&layout));
            match alike {
                None if attempt == Attempt::Quick => return Err(self.costly.not_quick(commit)),
                alike => alike.unwrap_or_else(|| (present.state.clone(), Root::Published)),
            }
        };
        let Some(prepared) =
            prepare(objects, Some(&base), commit, None, &options).map_err(failed)?
        else {
            let at = Instant::now();
            return Ok(Visit { state: base, reach, root, own: 0, at });
        };
        let changed = prepared.draft.changed().clone();
        let (state, anew, _) = finish(objects, prepared, &options).map_err(failed)?;
        let (root, own) = match anew {
            Some(_) => {
                let room = present.state.weight();
                self.states.earlier().make_room(room);
                (Root::Anew(Arc::new(state.weight())), 0)
            }
            None => {
                let records = changed.iter().flat_map(|c| [&c.served.before, &c.served.after]);
                let records: u64 = records.flatten().map(|record| weight(record)).sum();
                (root, records + state.redefined_weight(&base))
            }
        };
        Ok(Visit { state: Arc::new(state), reach, root, own, at: Instant::now() })
    }

    /// Compares two states in the history of the published commit.
    fn compared(
        &self,
        view: &View,
        from: CommitId,
        to: CommitId,
        attempt: Attempt,
    ) -> Result<Compared, PastError> {
        loop {
            let present = self.states.present();
            let compared = self.compared_by(&present, view, (from, to), attempt)?;
            // As for a single state: what was dropped meanwhile is not returned.
            if self.states.earlier().generation() == present.generation {
                return Ok(compared);
            }
        }
    }

    fn compared_by(
        &self,
        present: &Present,
        view: &View,
        (from, to): (CommitId, CommitId),
        attempt: Attempt,
    ) -> Result<Compared, PastError> {
        let now = present.state.seen_by(view);
        let disclosure = Disclosure::by(&now);
        let failed = |source| self.costly.refused(from, source);
        let objects = self.objects_with(&present.state, from)?;
        let later = self.state_of(present, to, Reachability::History, attempt)?;
        let seen = later.seen_by(view);
        let after = disclosure.rules_of(&seen);
        if from == to {
            return Ok(Compared { delta: Delta::of(&seen, &seen, &[]), rules: after });
        }
        self.costly.check(from, attempt)?;
        let options = self.spare(&self.costly, attempt);
        let layout = layout_at(&objects, from, &options).map_err(failed)?;
        let (delta, rules) = if later.layout().reads_alike(&layout) {
            let prepared = prepare(&objects, Some(&later), from, None, &options).map_err(failed)?;
            let back = prepared.map(|prepared| {
                let changed = prepared.changed_from(&later);
                Delta::of(&seen, &prepared.draft.state().records_seen_by(view), &changed)
            });
            let back = back.unwrap_or_else(|| Delta::of(&seen, &seen, &[]));
            (back.reversed(), after.clone())
        } else {
            let earlier = self.state_of(present, from, Reachability::History, attempt)?;
            let changed = later.differences(&earlier);
            let earlier = earlier.seen_by(view);
            (Delta::of(&earlier, &seen, &changed), disclosure.rules_of(&earlier))
        };
        Ok(Compared { delta: disclosure.mask(delta, &rules, &after), rules })
    }

    /// Opens the repository to read `commit`, if it is in the history of the published commit.
    fn objects_with(&self, published: &Snapshot, commit: CommitId) -> Result<Objects, PastError> {
        let objects = self.objects_for(commit)?;
        let unknown = || PastError::Unknown { name: commit.to_string() };
        if commit.is_zero() || self.states.earlier().find(commit, Reachability::History).is_some() {
            return Ok(objects);
        }
        let head = published.commit();
        if head.is_zero() {
            return Err(unknown());
        }
        match self.lineage.descends(&objects, head, head, commit) {
            Ok(true) => Ok(objects),
            Ok(false) => Err(unknown()),
            Err(error) => Err(PastError::Repository { commit, source: error.into() }),
        }
    }

    fn objects_for(&self, commit: CommitId) -> Result<Objects, PastError> {
        let objects = self.repository.objects();
        objects.map_err(|error| PastError::Repository { commit, source: error.into() })
    }

    /// Returns the options for an earlier state: none is important enough to run out of memory for.
    fn spare(&self, costly: &CostlyStates, attempt: Attempt) -> LoadOptions {
        LoadOptions {
            optional: true,
            time: Some(costly.decode_time(attempt)),
            progress: Arc::default(),
            ..self.load.clone()
        }
    }
}

impl From<CommitsError> for PastError {
    fn from(error: CommitsError) -> Self {
        match error {
            CommitsError::Load { commit, source } => Self::Load { commit, source },
            CommitsError::Read { commit, source } => {
                Self::Repository { commit, source: source.into() }
            }
            CommitsError::Unawaited(error) => Self::History(Box::new(HistoryError::from(error))),
        }
    }
}
