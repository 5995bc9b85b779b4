//! Commits, their ancestry, and the names by which people call them.

use std::collections::HashSet;

use gix::objs::{CommitRefIter, Kind};

use super::{Cause, ObjectError, Objects};
use crate::id::{CommitId, TreeId};

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The tree: the state of all files.
    pub tree: TreeId,
    /// The parents, the first one first.
    pub parents: Vec<CommitId>,
    /// When it was written, in seconds since 1970. Zero if the commit does not say it legibly.
    pub author_time: i64,
    /// When it was committed, in seconds since 1970. Zero if the commit does not say it legibly.
    pub committer_time: i64,
    /// The first line of the message, with what is not UTF-8 replaced.
    pub subject: String,
}

/// A text that does not name a commit of the repository.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing in the repository goes by this name, or more than one thing does.
    #[error("{rev:?} does not name one commit")]
    Unknown {
        /// The text.
        rev: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The name is that of a tree or a file.
    #[error("{rev:?} is a {found}, not a commit")]
    NotACommit {
        /// The text.
        rev: String,
        /// What it names.
        found: &'static str,
    },
}

impl Objects {
    /// Reads a commit.
    ///
    /// Tree and parents must be there and legible; everything else is taken as far as it can be
    /// read, since anybody can write anything into a commit.
    pub fn commit(&self, commit: CommitId) -> Result<CommitFacts, ObjectError> {
        let id = object_id(commit);
        let mut buffer = Vec::new();
        let data = self.read(&id, Kind::Commit, &mut buffer)?;
        let unreadable = |error: gix::Error| ObjectError::unreadable(&id, error);
        let fields = || CommitRefIter::from_bytes(data, gix::hash::Kind::Sha1);
        let tree = fields().tree_id().map_err(unreadable)?;
        let mut parents = Vec::new();
        for token in fields() {
            match token.map_err(unreadable)? {
                gix::objs::commit::ref_iter::Token::Parent { id } => parents.push(commit_id(&id)),
                gix::objs::commit::ref_iter::Token::Author { .. } => break,
                _ => {}
            }
        }
        let seconds = |signature: gix::Result<gix::actor::SignatureRef<'_>>| {
            signature
                .ok()
                .and_then(|signature| signature.time().ok())
                .map_or(0, |time| time.seconds)
        };
        let message = fields().message().unwrap_or_default();
        let subject = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(CommitFacts {
            tree: TreeId::from_bytes(sha1(&tree)),
            parents,
            author_time: seconds(fields().author()),
            committer_time: seconds(fields().committer()),
            subject: String::from_utf8_lossy(subject).into_owned(),
        })
    }

    /// Says whether `ancestor` is `descendant` or in its history.
    ///
    /// Reads the commits between the two, or the whole younger history if there is no way.
    pub fn descends_from(
        &self,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Result<bool, ObjectError> {
        if descendant == ancestor {
            return Ok(true);
        }
        // The usual push: one commit on top.
        if self.commit(descendant)?.parents.contains(&ancestor) {
            return Ok(true);
        }
        self.commit(ancestor)?;
        let base = self
            .repo
            .merge_base(object_id(descendant), object_id(ancestor))
            .map_err(|error| ObjectError::unreadable(&object_id(descendant), error))?;
        Ok(base.is_some_and(|base| commit_id(&base) == ancestor))
    }

    /// Counts the commits in the history of `to` that are not in the history of `from`.
    pub fn count_between(&self, from: CommitId, to: CommitId) -> Result<usize, ObjectError> {
        if from == to {
            return Ok(0);
        }
        let unreadable = |error: gix::Error| ObjectError::unreadable(&object_id(to), error);
        let walk = self.repo.rev_walk([object_id(to)]).with_hidden([object_id(from)]).all();
        walk.map_err(unreadable)?.try_fold(0, |count, info| {
            info.map_err(unreadable)?;
            Ok(count + 1)
        })
    }

    /// Returns `from` and its first parents, newest first, at most `limit` commits.
    ///
    /// It ends early where a shallow history ends.
    pub fn first_parents(
        &self,
        from: CommitId,
        limit: usize,
    ) -> Result<Vec<CommitId>, ObjectError> {
        let boundary = self.shallow_boundary()?;
        let mut line = Vec::new();
        let mut next = Some(from);
        while let Some(commit) = next
            && line.len() < limit
        {
            let facts = self.commit(commit)?;
            line.push(commit);
            next = facts.parents.first().copied().filter(|_| !boundary.contains(&commit));
        }
        Ok(line)
    }

    /// Returns all commits in the history of `from`, newest first by commit time, at most `limit`.
    pub fn history(&self, from: CommitId, limit: usize) -> Result<Vec<CommitId>, ObjectError> {
        let unreadable = |error: gix::Error| ObjectError::unreadable(&object_id(from), error);
        self.repo
            .rev_walk([object_id(from)])
            .sorting(gix::revision::walk::Sorting::ByCommitTime(Default::default()))
            .all()
            .map_err(unreadable)?
            .take(limit)
            .map(|info| info.map(|info| commit_id(&info.id)).map_err(unreadable))
            .collect()
    }

    /// Returns the commit that `rev` names: a hash or the beginning of one, a branch or tag, or an
    /// expression such as `HEAD~3`.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, ResolveError> {
        let unknown =
            |error: gix::Error| ResolveError::Unknown { rev: rev.to_owned(), source: error.into() };
        let object = self.repo.rev_parse_single(rev).map_err(unknown)?.object().map_err(unknown)?;
        let object = object.peel_tags_to_end().map_err(unknown)?;
        if object.kind == Kind::Commit {
            Ok(commit_id(&object.id))
        } else {
            let found = super::objects::kind_name(object.kind);
            Err(ResolveError::NotACommit { rev: rev.to_owned(), found })
        }
    }

    fn shallow_boundary(&self) -> Result<HashSet<CommitId>, ObjectError> {
        let commits = self.repo.shallow_commits().map_err(|source| ObjectError::Unreadable {
            id: "shallow".to_owned(),
            source: source.into(),
        })?;
        Ok(commits.iter().flat_map(|commits| commits.iter()).map(|id| commit_id(id)).collect())
    }
}

pub(super) fn object_id(commit: CommitId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*commit.as_bytes())
}

pub(super) fn commit_id(id: &gix::oid) -> CommitId {
    CommitId::from_bytes(sha1(id))
}

pub(super) fn sha1(id: &gix::oid) -> [u8; 20] {
    id.as_bytes().try_into().expect("repositories of another hash are refused at opening")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn a_commit_tells_its_tree_parents_and_subject() {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let second = repository.commit_files("main", &[("a", "2")]);
        let facts = repository.objects().commit(second).unwrap();
        assert_eq!(facts.tree, repository.tree_of("main"));
        assert_eq!(facts.parents, [first]);
        assert_eq!(facts.committer_time, 1_700_000_000);
        assert_eq!(facts.subject, "subject");
    }

    #[test]
    fn a_commit_with_an_illegible_author_is_still_a_commit() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let mut text = format!("tree {tree}\nauthor <<\ncommitter me\n\n").into_bytes();
        text.extend_from_slice(b"\xffsubject");
        let commit = CommitId::from_bytes(repository.write_raw("commit", &text));
        let facts = repository.objects().commit(commit).unwrap();
        assert_eq!((facts.tree, facts.author_time, facts.committer_time), (tree, 0, 0));
    }

    #[test]
    fn what_is_not_a_commit_is_refused() {
        let repository = TestRepository::bare();
        let garbage = repository.write_raw("commit", b"tree nonsense\n");
        let blob = *repository.write_blob(b"1").as_bytes();
        let objects = repository.objects();
        let error = objects.commit(CommitId::from_bytes(garbage)).unwrap_err();
        assert!(matches!(error, ObjectError::Unreadable { .. }), "{error:?}");
        let error = objects.commit(CommitId::from_bytes(blob)).unwrap_err();
        assert!(matches!(error, ObjectError::WrongKind { found: "blob", .. }), "{error:?}");
        let error = objects.commit(CommitId::from_bytes([1; 20])).unwrap_err();
        assert!(error.is_missing());
    }

    #[test]
    fn ancestry_follows_all_parents_and_ends_at_unrelated_roots() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let root = repository.commit_tree(tree, &[]);
        let left = repository.commit_tree(tree, &[root, root]);
        let mut right = repository.commit_tree(tree, &[root]);
        for _ in 0..3 {
            right = repository.commit_tree(tree, &[right]);
        }
        let merge = repository.commit_tree(tree, &[left, right]);
        let blob = *repository.write_blob(b"other").as_bytes();
        let other_tree = repository.write_raw_tree(&[("100644", b"o", blob)]);
        let stranger = repository.commit_tree(other_tree, &[]);
        let objects = repository.objects();
        for (descendant, ancestor, expected) in [
            (merge, merge, true),
            (merge, root, true),
            (merge, right, true),
            (right, merge, false),
            (left, right, false),
            (merge, stranger, false),
            (stranger, root, false),
        ] {
            let found = objects.descends_from(descendant, ancestor).unwrap();
            assert_eq!(found, expected, "{descendant} from {ancestor}");
        }
        assert_eq!(objects.count_between(left, merge).unwrap(), 5);
        assert_eq!(objects.count_between(merge, left).unwrap(), 0);
        assert_eq!(objects.count_between(merge, merge).unwrap(), 0);
        assert_eq!(objects.first_parents(merge, 10).unwrap(), [merge, left, root]);
        assert_eq!(objects.first_parents(merge, 2).unwrap(), [merge, left]);
        assert_eq!(objects.history(merge, 100).unwrap().len(), 7);
    }

    #[test]
    fn a_commit_that_is_not_here_is_no_ancestor_but_missing() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a", "1")]);
        let next = repository.commit_files("main", &[("a", "2")]);
        let absent = CommitId::from_bytes([5; 20]);
        let objects = repository.objects();
        assert!(objects.descends_from(next, absent).unwrap_err().is_missing());
        assert!(objects.descends_from(absent, commit).unwrap_err().is_missing());
    }

    #[test]
    fn commits_go_by_many_names() {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let second = repository.commit_files("main", &[("a", "2")]);
        repository.git(["tag", "-a", "-m", "release", "v1", &first.to_string()]);
        let objects = repository.objects();
        for (name, expected) in [
            ("main", second),
            ("HEAD", second),
            ("HEAD~1", first),
            ("v1", first),
            (&second.to_string()[..8], second),
            (&second.to_string(), second),
        ] {
            assert_eq!(objects.resolve(name).unwrap(), expected, "{name}");
        }
        for name in ["nothing", "0000000", "", "main~5", "..", "main^{tree}", ":a"] {
            assert!(objects.resolve(name).is_err(), "{name}");
        }
    }

    #[test]
    fn first_parents_end_where_a_shallow_history_ends() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let last = repository.commit_files("main", &[("a", "2")]);
        let shallow = TestRepository::bare();
        shallow.git(["fetch", "-q", "--depth=1", &repository.url(), "main:main"]);
        let objects = shallow.objects();
        assert_eq!(objects.first_parents(last, 10).unwrap(), [last]);
        assert_eq!(objects.history(last, 10).unwrap(), [last]);
    }
}
