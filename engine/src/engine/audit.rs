//! The audit: compares the published state with a fresh build of the same commit.

use std::sync::Arc;

use super::error::ReloadError;
use super::publication::{BranchMove, Lineage, Origin, Publication};
use super::publisher::OnDisk;
use super::reloader::Reloader;
use crate::fault;
use crate::load::{LoadError, advance, finish, prepare};
use crate::plan::RebuildReason;
use crate::report::ReloadOutcome;
use crate::snapshot::Snapshot;

impl Reloader {
    /// Compares the published state and its text index with a fresh build of the same commit, and
    /// publishes the new one if they differ, which means that the law was broken. Neither the
    /// remote nor the cache is used. Reloads wait meanwhile, reads do not; memory holds the state
    /// twice.
    pub(super) fn audit(&self) -> Result<ReloadOutcome, ReloadError> {
        let objects = self.repository.objects().map_err(ReloadError::Open)?;
        let published = self.states.published();
        let (commit, was) = (published.commit(), published.digest());
        fault::step("audit.build");
        let anew = Some(RebuildReason::AuditMismatch);
        let prepared = prepare(&objects, None, commit, anew, &self.load);
        let Some(prepared) = prepared.map_err(ReloadError::Load)? else {
            return Ok(self.publisher.stay(&Origin::Audit, &published));
        };
        fault::step("audit.built");
        let changed = prepared.changed_from(&published);
        let (state, reason, timings) =
            finish(&objects, prepared, &self.load).map_err(ReloadError::Load)?;
        let texts = |state: &Snapshot| {
            let unreadable = |source| ReloadError::Load(LoadError::Index { commit, source });
            let indexes = [state.text(), state.private_text()];
            let digests = indexes.map(|index| index.digest().map_err(unreadable));
            digests.into_iter().collect::<Result<Vec<_>, _>>()
        };
        if state.digest() == was && texts(&state)? == texts(&published)? {
            return Ok(ReloadOutcome {
                timings,
                ..self.publisher.stay(&Origin::Audit, &published)
            });
        }
        tracing::error!(%commit, digest = %was, "the published state does not match its commit");
        let turn = self.writer.turn();
        // Writes made meanwhile go on top: the state never goes back to the audited commit.
        let now = self.states.published();
        let (state, changed) = if now.commit() == commit {
            (state, changed)
        } else {
            let objects = self.repository.objects().map_err(ReloadError::Open)?;
            let later = advance(&objects, Some(&state), now.commit(), &self.load);
            let (later, _) = later.map_err(ReloadError::Load)?;
            let changed = Arc::new(later.differences(&now));
            (later, changed)
        };
        let publication = Publication {
            state: Arc::new(state),
            changed,
            reason,
            lineage: Lineage::Same,
            timings,
            origin: Origin::Audit,
            branch: BranchMove::default(),
        };
        let on_disk = OnDisk { store: || Ok(()), refer: || Ok::<_, ReloadError>(None) };
        let outcome = self.publisher.publish(&turn, publication, on_disk)?;
        // The audited commit, whatever was written meanwhile.
        Ok(ReloadOutcome { old: commit, ..outcome })
    }
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{Engine, EngineConfig, RequestKind};
    use crate::load::load;
    use crate::mirror::{Remote, RemoteOptions};
    use crate::report::{OutcomeKind, Timings, Trigger};

    const DEFINITION: &str = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n";

    fn config(upstream: &Upstream, folder: &TempDir) -> EngineConfig {
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)))
    }

    /// Returns an engine that serves one record.
    fn opened() -> (Upstream, TempDir, Engine) {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put(".gitsheets/people.toml", DEFINITION);
        first.put("people/ada.toml", "slug = \"ada\"\n").push();
        let folder = TempDir::new().unwrap();
        let engine = Engine::open(config(&upstream, &folder), Arc::default()).unwrap();
        (upstream, folder, engine)
    }

    fn audited(engine: &Engine) -> ReloadOutcome {
        let report = engine.reload(RequestKind::Audit, Trigger::Operator).unwrap();
        report.result.as_ref().unwrap().clone()
    }

    /// Publishes `state` as if it were the state of the published commit.
    fn replace(engine: &Engine, state: Snapshot) {
        let publication = Publication {
            state: Arc::new(state),
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

    /// Publishes the state of the previous commit under the name of this one.
    fn corrupt(engine: &Engine, upstream: &mut Upstream) {
        let objects = engine.repository.objects().unwrap();
        let other = upstream.commit("other").put("people/eve.toml", "slug = \"eve\"\n").push();
        engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        let mut options = engine.past.load.clone();
        options.record_limit = 1;
        let wrong = load(&objects, other.parse().unwrap(), &options).unwrap();
        replace(engine, wrong);
    }

    #[test]
    fn a_state_that_is_not_its_commits_is_found_and_built_anew() {
        let (mut upstream, _folder, engine) = opened();
        let audit = || audited(&engine);
        assert_eq!(audit().kind, OutcomeKind::Unchanged);

        corrupt(&engine, &mut upstream);
        let wrong = engine.snapshot();
        let outcome = audit();
        assert_eq!(outcome.kind, OutcomeKind::Rebuilt);
        assert_eq!(outcome.reason, Some(RebuildReason::AuditMismatch));
        assert_eq!(outcome.changed.values().map(|counts| counts.added).sum::<u64>(), 2);
        let state = engine.snapshot();
        assert_eq!(state.commit(), wrong.commit());
        assert_eq!(outcome.digest, state.digest());
        assert_ne!(state.digest(), wrong.digest());
        assert_eq!(audit().kind, OutcomeKind::Unchanged, "it is repaired");
    }

    #[test]
    fn a_text_index_that_is_not_the_records_is_found_and_built_anew() {
        let (_upstream, _folder, engine) = opened();
        let audit = || audited(&engine);
        let right = engine.snapshot();
        let lost = right.with_texts(Snapshot::empty().text().clone(), right.private_text().clone());
        replace(&engine, lost);
        let outcome = audit();
        assert_eq!(
            (outcome.kind, outcome.reason),
            (OutcomeKind::Rebuilt, Some(RebuildReason::AuditMismatch))
        );
        assert_eq!(outcome.digest, right.digest(), "its records were right");
        let mended = engine.snapshot();
        assert_eq!(mended.text().digest().unwrap(), right.text().digest().unwrap());
        assert_eq!(audit().kind, OutcomeKind::Unchanged, "it is repaired");
    }
}
