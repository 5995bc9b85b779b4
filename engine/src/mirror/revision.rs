//! The names that people use for commits.

use gix::objs::Kind;

use super::Objects;
use super::gix_id::{commit_id, object_id};
use crate::id::CommitId;
use crate::suggestion::{did_you_mean, nearest};

/// A text that does not name a commit of the repository.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing in the repository has this name.
    #[error("no such branch, tag or commit: {rev}{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The text.
        rev: String,
        /// The branch or tag that may be meant.
        nearest: Option<String>,
    },
    /// The text is a prefix of several ids.
    #[error("{rev} is ambiguous: give more digits")]
    Ambiguous {
        /// The text.
        rev: String,
    },
    /// The repository has no commit yet.
    #[error("there is no commit yet, and no {rev}")]
    NoCommit {
        /// The text.
        rev: String,
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
    /// Returns the commit that `rev` names: an id or a prefix of one, a branch or tag, or an
    /// expression such as `HEAD~3`.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, ResolveError> {
        let unknown =
            |_: gix::Error| ResolveError::Unknown { rev: shown(rev).to_owned(), nearest: None };
        let object = self.repo.rev_parse_single(rev).map_err(unknown)?.object().map_err(unknown)?;
        let object = object.peel_tags_to_end().map_err(unknown)?;
        if object.kind == Kind::Commit {
            Ok(commit_id(&object.id))
        } else {
            let found = super::objects::kind_name(object.kind);
            Err(ResolveError::NotACommit { rev: rev.to_owned(), found })
        }
    }

    /// Returns the commit that a tag of this name points to. Costs one lookup: the name is no
    /// expression.
    pub fn tagged(&self, tag: &str) -> Option<CommitId> {
        self.pointed_to(self.reference(&format!("refs/tags/{tag}")).ok().flatten()?)
    }

    /// Returns the commit that an object is, or that a tag points to. Costs a look at the header of a
    /// commit.
    pub(super) fn pointed_to(&self, at: CommitId) -> Option<CommitId> {
        match self.header(object_id(at)).ok()?.kind() {
            Kind::Commit => Some(at),
            _ => self.resolve(&at.to_string()).ok(),
        }
    }

    /// Returns why nothing is called `rev`, and what may be meant. Reads every reference.
    pub fn why_unknown(&self, rev: &str) -> ResolveError {
        let rev = shown(rev).to_owned();
        let named = self.references_under("refs/").unwrap_or_default();
        if named.is_empty() {
            return ResolveError::NoCommit { rev };
        }
        let is_prefix = (4..40).contains(&rev.len()) && rev.bytes().all(|b| b.is_ascii_hexdigit());
        if is_prefix && self.is_beginning(&rev) {
            return ResolveError::Ambiguous { rev };
        }
        let short = |name: &str| {
            let of = |folder| name.strip_prefix(folder).map(str::to_owned);
            of("refs/heads/").or_else(|| of("refs/tags/"))
        };
        let names: Vec<String> = named.iter().filter_map(|(name, _)| short(name)).collect();
        let nearest = nearest(&rev, names.iter().map(String::as_str)).map(str::to_owned);
        ResolveError::Unknown { rev, nearest }
    }

    /// Returns whether an id begins with these digits.
    fn is_beginning(&self, digits: &str) -> bool {
        let Ok(prefix) = gix::hash::Prefix::from_hex(digits) else { return false };
        self.repo.objects.lookup_prefix(prefix, None).is_ok_and(|found| found.is_some())
    }
}

/// Returns the name of a branch as people type it.
fn shown(rev: &str) -> &str {
    rev.strip_prefix("refs/heads/").unwrap_or(rev)
}

#[cfg(test)]
mod tests {
    use crate::mirror::testing::TestRepository;

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
        repository.git(["tag", "pkg@1.2.0", &first.to_string()]);
        repository.git(["tag", "名", "HEAD~1^{tree}"]);
        for (tag, expected) in [
            ("v1", Some(first)),
            ("pkg@1.2.0", Some(first)),
            ("名", None),
            ("v1~0", None),
            ("", None),
        ] {
            assert_eq!(objects.tagged(tag), expected, "{tag}");
        }
        for tag in ["../heads/main", "main", "v1^{}"] {
            assert_eq!(objects.tagged(tag), None, "{tag}");
        }
        for name in ["nothing", "0000000", "", "main~5", "..", "main^{tree}", ":a"] {
            assert!(objects.resolve(name).is_err(), "{name}");
        }
        let told = |name: &str| objects.why_unknown(name).to_string();
        assert_eq!(told("mian"), "no such branch, tag or commit: mian; did you mean main?");
        assert_eq!(told("nothing"), "no such branch, tag or commit: nothing");
        let empty = TestRepository::bare();
        let told = empty.objects().why_unknown("HEAD").to_string();
        assert_eq!(told, "there is no commit yet, and no HEAD");
    }
}
