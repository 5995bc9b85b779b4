//! The history of the published commit: what readers may name, and how their commits relate.
//!
//! It is kept in memory, so that a question about an old commit costs no more than one about a new
//! one. Whoever asks first after a publication reads the commits that are new, which is mostly the
//! maintenance thread.

use std::collections::HashSet;

use super::locks::{Lock, LockGuard, Rank};
use crate::id::CommitId;
use crate::mirror::{Ancestry, ObjectError, Objects};

/// The history of the published commit.
pub(super) struct PublishedHistory(Lock<Ancestry>);

impl PublishedHistory {
    pub(super) fn new() -> Self {
        Self(Lock::new(Rank::Ancestry, Ancestry::default()))
    }

    /// Reads the commits that are new in the history of `published`, as long as `goes_on` returns
    /// true.
    ///
    /// # Errors
    ///
    /// If `published` cannot be read.
    pub(super) fn follow(
        &self,
        objects: &Objects,
        published: CommitId,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), ObjectError> {
        self.0.lock().follow(objects, published, goes_on)
    }

    /// Returns whether `descendant`, which is or was published, is `ancestor` or has it in its
    /// history.
    ///
    /// # Errors
    ///
    /// If commits that may decide it cannot be read.
    pub(super) fn descends(
        &self,
        objects: &Objects,
        published: CommitId,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Result<bool, ObjectError> {
        let known = self.of(objects, published)?.descends(objects, descendant, ancestor)?;
        // What was published before a rewrite is not in the history.
        known.map_or_else(|| objects.descends_from(descendant, ancestor), Ok)
    }

    /// Does what [`Self::descends`] does if memory has the answer, and returns `None` otherwise. Opens no
    /// repository.
    pub(super) fn descends_in_memory(
        &self,
        published: CommitId,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Option<bool> {
        self.0.lock().descends_in_memory(published, descendant, ancestor)
    }

    /// Returns those of `commits` that are `head` or in its history. Commits that are not here are in no
    /// history.
    ///
    /// Reads no commit if `head` is a first parent of what was published when the history was read, or
    /// was that itself; otherwise, walks at most once for all of them.
    ///
    /// # Errors
    ///
    /// If a commit on the way cannot be read.
    pub(super) fn had_by(
        &self,
        objects: &Objects,
        head: CommitId,
        commits: HashSet<CommitId>,
    ) -> Result<HashSet<CommitId>, ObjectError> {
        let (mut had, mut unknown) = (HashSet::new(), HashSet::new());
        for commit in commits {
            match self.descends_in_memory(head, head, commit) {
                Some(true) => had.extend([commit]),
                Some(false) => {}
                None if objects.contains(commit.as_bytes()) => unknown.extend([commit]),
                None => {}
            }
        }
        if !unknown.is_empty() {
            had.extend(objects.had_by(head, unknown)?);
        }
        Ok(had)
    }

    /// Returns the first of `from` and its first parents that is `other` or in its history, if there
    /// is one. Both are in the history of `published`.
    ///
    /// # Errors
    ///
    /// If commits that may decide it cannot be read.
    pub(super) fn fork_point(
        &self,
        objects: &Objects,
        published: CommitId,
        from: CommitId,
        other: CommitId,
    ) -> Result<Option<CommitId>, ObjectError> {
        self.of(objects, published)?.fork_point(objects, from, other)
    }

    fn of(
        &self,
        objects: &Objects,
        published: CommitId,
    ) -> Result<LockGuard<'_, Ancestry>, ObjectError> {
        let mut ancestry = self.0.lock();
        ancestry.follow(objects, published, || true)?;
        Ok(ancestry)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use headwater_testkit::Upstream;
    use tempfile::TempDir;

    use crate::budget::Budget;
    use crate::engine::{Engine, EngineConfig, RequestKind};
    use crate::history::Effort;
    use crate::id::CommitId;
    use crate::mirror::testing::{commits_read, handles_opened};
    use crate::mirror::{Remote, RemoteOptions};
    use crate::report::Trigger;
    use crate::view::View;

    /// The number of commits that may be read for a question: those that it is about.
    const FEW: usize = 30;

    #[test]
    fn a_question_about_an_old_commit_reads_no_history() {
        let mut upstream = Upstream::new();
        let definition = "[sheets.people]\nformat = \"toml\"\n";
        upstream.commit("first").put("headwater.toml", definition).push();
        let file = |n: usize| vec![("people/ada.toml", format!("n = {n}\n"))];
        let line: Vec<String> = upstream.series((0..400).map(file));
        upstream.reset_to(line.last().unwrap());
        let folder = TempDir::new().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        let config = EngineConfig::of(folder.path().join("mirror.git"), Some(Arc::new(remote)));
        let engine = Engine::open(config, Arc::default()).unwrap();
        let id = |at: usize| -> CommitId { line[at].parse().unwrap() };
        let any = Budget::unlimited();
        let ask_all = |head: CommitId| {
            let view = &View::PUBLIC;
            // Each time about other commits: nothing of the answers is remembered.
            for at in [1, 50, 120, 300] {
                let (old, newer) = (&*line[at], &*line[at + 40]);
                let questions: [(&str, &dyn Fn()); 7] = [
                    ("contained", &|| assert!(engine.descends(head, id(at)))),
                    ("not contained", &|| {
                        assert!(!engine.descends(head, CommitId::from_bytes([at as u8; 20])))
                    }),
                    ("commits since", &|| {
                        let line = engine.line(Some(old), None).unwrap();
                        assert_eq!((line.from, line.above), (head, Some(id(at))));
                        let effort = Effort { awaited: &any, part: &any };
                        let log = engine.commits(view, line, &[], 2, effort).unwrap();
                        assert_eq!(log.entries.len(), 2);
                    }),
                    ("until an old one", &|| {
                        let line = engine.line(Some(newer), Some(old)).unwrap();
                        assert_eq!((line.from, line.above), (id(at), Some(id(at))));
                    }),
                    ("since a moment", &|| {
                        assert!(
                            engine.line(Some("2001-01-01"), Some(old)).unwrap().above.is_none()
                        );
                    }),
                    ("at", &|| {
                        assert_eq!(engine.at(view, id(at + 2)).unwrap().commit(), id(at + 2))
                    }),
                    ("difference", &|| drop(engine.delta(view, id(at + 3), id(at + 4)).unwrap())),
                ];
                for (name, question) in questions {
                    let before = commits_read();
                    question();
                    let read = commits_read() - before;
                    assert!(read <= FEW, "{name} at {at} read {read} commits");
                }
            }
        };
        let head = id(399);
        // The first questions after a start may come before the maintenance thread.
        assert!(engine.descends(head, id(0)));
        engine.line(Some("2001-01-01"), None).unwrap();
        ask_all(head);
        // Whoever waits for a commit asks after each publication.
        let before = handles_opened();
        assert!(engine.descends(head, id(7)) && !engine.descends(id(7), id(8)));
        assert_eq!(handles_opened(), before);
        let next = upstream.commit("next").put("people/ada.toml", "n = 1000\n").push();
        engine.reload(RequestKind::Reload, Trigger::Webhook).unwrap();
        ask_all(next.parse().unwrap());
    }
}
