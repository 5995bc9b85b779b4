//! States of earlier commits, for readers who ask for one.
//!
//! An earlier state is a kept one taken there by the difference, and shares with it whatever both
//! have. Only commits in the history of what is published are shown: what was fetched and is held
//! back is nobody's to read. Of those, the published state decides what the public may see.

pub(super) mod error;

use std::sync::Arc;
use std::time::Instant;

use super::earlier::{Root, Visit, Way};
use super::locks::{Lock, Rank};
use super::preview::Previews;
use super::repository::Repository;
use super::states::{Present, States};
use super::timeline::Timeline;
use crate::delta::Delta;
use crate::disclosure::{Disclosure, Rules};
use crate::history::{Effort, Versions, Whereabouts, history};
use crate::id::CommitId;
use crate::layout::SheetSpec;
use crate::load::{LoadError, finish, layout_at, prepare};
use crate::mirror::{ObjectError, Objects};
use crate::options::LoadOptions;
use crate::scalar::Moment;
use crate::search::SearchError;
use crate::snapshot::{Snapshot, weight};
use error::PastError;

/// Finds earlier states, and those of other branches, for readers.
pub(super) struct Past {
    pub(super) repository: Arc<Repository>,
    pub(super) states: Arc<States>,
    pub(super) previews: Previews,
    /// The turn to build a state, which one reader at a time has; no network wait happens in it.
    building: Lock<()>,
    timeline: Timeline,
    /// How records are read.
    pub(super) load: LoadOptions,
}

/// What differs between two states, and what decides how much of the earlier one may be told.
struct Compared {
    delta: Delta,
    rules: Rules,
}

impl Past {
    pub(super) fn new(
        repository: Arc<Repository>,
        states: Arc<States>,
        previews: Previews,
        load: LoadOptions,
    ) -> Self {
        Self {
            repository,
            states,
            previews,
            building: Lock::new(Rank::Building, ()),
            timeline: Timeline::new(),
            load,
        }
    }
}

impl Past {
    /// Returns what may be shown of the state of `commit` if that is known already, and keeps it for
    /// five minutes from now. Costs a look into a short list.
    pub(super) fn kept(&self, commit: CommitId) -> Option<Arc<Snapshot>> {
        let mut earlier = self.states.earlier();
        let published = self.states.published();
        if published.commit() == commit {
            return Some(published);
        }
        let shown = earlier.shown(commit, Way::History)?.clone();
        earlier.touch(commit, Instant::now());
        Some(shown)
    }

    /// Returns what may be shown of the state of `commit`. The state is kept for five minutes behind
    /// the last call for it, of sixteen at most, and of as many bytes as the published one has.
    ///
    /// Costs nothing for a state that is kept. Another one is built from the kept one with the same
    /// definitions by the difference, one at a time; where there is none, it is built anew. See
    /// [`Disclosure`] for what is taken out of it.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] for a commit that the published one does not descend from.
    pub(super) fn at(&self, commit: CommitId) -> Result<Arc<Snapshot>, PastError> {
        self.shown(commit, Way::History)
    }

    /// Keeps the state of `commit` as if somebody had just asked for it, since he may come back to
    /// it. Does nothing for one that is not there any more.
    pub(super) fn keep(&self, commit: CommitId) {
        let mut earlier = self.states.earlier();
        let published = self.states.published();
        if published.commit() != commit {
            return earlier.touch(commit, Instant::now());
        }
        let (way, root, turn) = (Way::History, Root::Published, earlier.turn());
        earlier.visit(Visit { state: published, way, root, own: 0, at: Instant::now() }, turn);
    }

    /// Returns what the public sees differently at `to` than at `from`, without what is private now
    /// on either side.
    ///
    /// Costs what the difference costs and, where both have the same definitions, no text index.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if one of them is not in the history of what is published.
    pub(super) fn delta(&self, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        self.compared(from, to).map(|compared| compared.delta)
    }

    /// Returns what somebody who has the state of `from` has to be told to have that of `to`. What is
    /// private now is told to have left.
    ///
    /// # Errors
    ///
    /// As [`Engine::delta`]; and [`PastError::Unknown`] where other definitions showed at `from` what
    /// is private now, so that he has to begin anew.
    pub(super) fn caught_up(&self, from: CommitId, to: CommitId) -> Result<Delta, PastError> {
        let Compared { delta, rules } = self.compared(from, to)?;
        match rules {
            Rules::Other if !delta.withheld.is_empty() => {
                Err(PastError::Unknown { name: from.to_string() })
            }
            Rules::Same | Rules::Other => Ok(delta),
        }
    }

    /// Lists the commits in the history of `from` that touched the record `key` of `spec`, a sheet of
    /// the published state `now`, the newest first: at most `limit`, behind the first `skip`. See
    /// [`history`]. A key that the sheet cannot have is that of other files, and has no history;
    /// neither has what is hidden in `now`, or cannot be read there and may be.
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if `from` is not in the history of `now`.
    pub(super) fn history(
        &self,
        now: &Snapshot,
        (spec, key): (&SheetSpec, &str),
        from: CommitId,
        (skip, limit): (usize, usize),
        effort: Effort<'_>,
    ) -> Result<Versions, PastError> {
        let objects = self.objects_with(now, from)?;
        let sheet = now.sheet(spec.name.as_str());
        let is_withheld = |path: &str| sheet.is_some_and(|sheet| sheet.withholds(key, path));
        let found = |path: String| {
            let claims = now.layout().claims(path.as_bytes()).into_iter();
            let mut own = claims.filter(|claim| claim.sheet.name == spec.name);
            let list = own.find(|claim| spec.may_hold(claim.key.as_str(), key))?.key;
            (!is_withheld(&path)).then_some(Whereabouts { path, list })
        };
        let paths: Vec<Whereabouts> = spec.paths_of(key).into_iter().filter_map(found).collect();
        if from.is_zero() || paths.is_empty() {
            return Ok(Versions { items: Vec::new(), looked_at: 0, ended: true });
        }
        let read = (&self.repository.mirror, &objects);
        let what = (spec, key, &paths[..]);
        let versions = history(read, what, from, (skip, limit), &self.load, effort);
        versions.map_err(|error| PastError::History(Box::new(error)))
    }

    /// Returns the commit that a reader means by `name`: the hash of one or the beginning of it, a
    /// tag, the branch, or a moment, which is that of the last commit at it or before, by first
    /// parents. Whether it may be shown is up to [`Engine::at`].
    ///
    /// # Errors
    ///
    /// [`PastError::Unknown`] if it names none, or more than one.
    pub(super) fn commit_called(&self, name: &str) -> Result<CommitId, PastError> {
        let unknown = || PastError::Unknown { name: name.to_owned() };
        if let Ok(commit) = name.parse::<CommitId>() {
            // Forty zeros stand for the state before the first commit, which readers do not name.
            let is_one = !commit.is_zero() || self.states.commit().is_zero();
            return is_one.then_some(commit).ok_or_else(unknown);
        }
        let short = name.strip_prefix("refs/heads/").unwrap_or(name);
        if short == self.repository.branch || name == "HEAD" {
            return Ok(self.states.commit());
        }
        let is_hash = (7..40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        let tag = name.strip_prefix("refs/tags/").unwrap_or(name);
        let is_tag = !tag.is_empty()
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/+".contains(&b))
            && !tag.contains("..");
        let objects = self.repository.objects().map_err(|source| PastError::Repository {
            commit: self.states.commit(),
            source: source.into(),
        })?;
        // Never another expression: some of those walk the whole history.
        let tagged = is_tag.then(|| objects.resolve(&format!("refs/tags/{tag}")).ok()).flatten();
        let hash = || is_hash.then(|| objects.resolve(name).ok()).flatten();
        if let Some(commit) = tagged.or_else(hash) {
            return Ok(commit);
        }
        let moment = Moment::beginning(name).ok_or_else(unknown)?;
        let head = self.states.commit();
        if head.is_zero() {
            return Err(unknown());
        }
        let commit = self.timeline.committed_by(&objects, head, moment.seconds());
        let unreadable =
            |source: ObjectError| PastError::Repository { commit: head, source: source.into() };
        commit.map_err(unreadable)?.ok_or_else(unknown)
    }

    /// Returns the state that `branch` would give, if it may be looked at.
    pub(super) fn preview(&self, branch: &str) -> Result<Arc<Snapshot>, PastError> {
        let unknown = || PastError::Unknown { name: branch.to_owned() };
        if !self.previews.allow(branch) {
            return Err(unknown());
        }
        let commit = self.previews.head_of(branch, &self.repository, self.states.commit())?;
        self.shown(commit.ok_or_else(unknown)?, Way::Preview)
    }
}

impl Past {
    /// Returns what may be shown of the state of `commit` to whoever comes by `way`.
    fn shown(&self, commit: CommitId, way: Way) -> Result<Arc<Snapshot>, PastError> {
        loop {
            let present = self.states.present();
            let state = self.state_of(&present, commit, way)?;
            let refused = |source: SearchError| {
                let source = LoadError::Index { commit, source };
                PastError::Load { commit, source: Box::new(source) }
            };
            let shown = Disclosure::by(&present.state).of(&state).map_err(refused)?;
            let mut earlier = self.states.earlier();
            // What was let go meanwhile may be nobody's to read any more: then all is asked again.
            if earlier.turn() == present.turn {
                if self.states.commit() == present.state.commit() {
                    earlier.show(way, shown.clone());
                }
                return Ok(shown);
            }
        }
    }

    /// Returns the whole state of `commit`: the kept one, or one that is built.
    fn state_of(
        &self,
        present: &Present,
        commit: CommitId,
        way: Way,
    ) -> Result<Arc<Snapshot>, PastError> {
        let kept = || {
            let mut earlier = self.states.earlier();
            let state = earlier.find(commit, way).cloned();
            earlier.touch(commit, Instant::now());
            state
        };
        if present.state.commit() == commit {
            return Ok(present.state.clone());
        }
        if let Some(state) = kept() {
            return Ok(state);
        }
        let objects = match way {
            Way::History => self.objects_with(&present.state, commit)?,
            Way::Preview => self.objects_for(commit)?,
        };
        let _turn = self.building.lock();
        // Perhaps the one before us asked for the same, or it is kept for those who come otherwise.
        if let Some(state) = kept() {
            return Ok(state);
        }
        let visit = self.build_visit(&objects, present, commit, way)?;
        let state = visit.state.clone();
        let mut earlier = self.states.earlier();
        earlier.note(&state);
        earlier.visit(visit, present.turn);
        Ok(state)
    }

    /// Builds the state of `commit` from the kept one that reads every path alike, or anew.
    fn build_visit(
        &self,
        objects: &Objects,
        present: &Present,
        commit: CommitId,
        way: Way,
    ) -> Result<Visit, PastError> {
        let failed = |source| PastError::Load { commit, source: Box::new(source) };
        let options = self.spare();
        let layout = layout_at(objects, commit, &options).map_err(failed)?;
        let (base, root) = {
            let earlier = self.states.earlier();
            let bases = earlier.bases().map(|(state, root)| (state.clone(), root));
            let mut bases = std::iter::once((present.state.clone(), Root::Published)).chain(bases);
            let alike = bases.find(|(state, _)| state.layout().reads_alike(&layout));
            alike.unwrap_or_else(|| (present.state.clone(), Root::Published))
        };
        let Some(prepared) =
            prepare(objects, Some(&base), commit, None, &options).map_err(failed)?
        else {
            let at = Instant::now();
            return Ok(Visit { state: base, way, root, own: 0, at });
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
        Ok(Visit { state: Arc::new(state), way, root, own, at: Instant::now() })
    }

    /// Compares two states in the history of what is published.
    fn compared(&self, from: CommitId, to: CommitId) -> Result<Compared, PastError> {
        loop {
            let present = self.states.present();
            let compared = self.compared_by(&present, from, to)?;
            // As for a state: what was let go meanwhile is not told.
            if self.states.earlier().turn() == present.turn {
                return Ok(compared);
            }
        }
    }

    fn compared_by(
        &self,
        present: &Present,
        from: CommitId,
        to: CommitId,
    ) -> Result<Compared, PastError> {
        let disclosure = Disclosure::by(&present.state);
        let failed = |source| PastError::Load { commit: from, source: Box::new(source) };
        let objects = self.objects_with(&present.state, from)?;
        let later = self.state_of(present, to, Way::History)?;
        let after = disclosure.rules_of(&later);
        if from == to {
            return Ok(Compared { delta: Delta::of(&later, &later, &[]), rules: after });
        }
        let options = self.spare();
        let layout = layout_at(&objects, from, &options).map_err(failed)?;
        let (delta, rules) = if later.layout().reads_alike(&layout) {
            let prepared = prepare(&objects, Some(&later), from, None, &options).map_err(failed)?;
            let back = prepared.map(|prepared| {
                let changed = prepared.changed_from(&later);
                Delta::of(&later, prepared.draft.state(), &changed)
            });
            let back = back.unwrap_or_else(|| Delta::of(&later, &later, &[]));
            (back.reversed(), after)
        } else {
            let earlier = self.state_of(present, from, Way::History)?;
            let changed = later.differences(&earlier);
            (Delta::of(&earlier, &later, &changed), disclosure.rules_of(&earlier))
        };
        Ok(Compared { delta: disclosure.mask(delta, rules, after), rules })
    }

    /// Opens the repository to read `commit`, if the published state has it in its history.
    fn objects_with(&self, published: &Snapshot, commit: CommitId) -> Result<Objects, PastError> {
        let objects = self.objects_for(commit)?;
        let unknown = || PastError::Unknown { name: commit.to_string() };
        if commit.is_zero() || self.states.earlier().find(commit, Way::History).is_some() {
            return Ok(objects);
        }
        if published.commit().is_zero() || !objects.contains(commit.as_bytes()) {
            return Err(unknown());
        }
        // What goes by this hash may be no commit.
        match objects.descends_from(published.commit(), commit) {
            Ok(true) => Ok(objects),
            Ok(false) | Err(ObjectError::WrongKind { .. }) => Err(unknown()),
            Err(error) => Err(PastError::Repository { commit, source: error.into() }),
        }
    }

    fn objects_for(&self, commit: CommitId) -> Result<Objects, PastError> {
        let objects = self.repository.objects();
        objects.map_err(|error| PastError::Repository { commit, source: error.into() })
    }

    /// Returns how an earlier state is read: nobody needs it so much that memory may run out.
    fn spare(&self) -> LoadOptions {
        LoadOptions { optional: true, progress: Arc::default(), ..self.load.clone() }
    }
}
