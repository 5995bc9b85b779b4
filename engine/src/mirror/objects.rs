//! A read handle, and the error of every read of an object.

use gix::objs::{Find as _, Kind};
use gix::odb::Header as _;

use super::gix_id::object_id;
use super::tree_flaw::TreeFlaw;
use super::{Cause, Mirror};
use crate::id::CommitId;

/// A handle on the objects and refs of a [`Mirror`], for one thread and one piece of work.
///
/// It finds what was in the repository when it was opened. When it looks for an unknown object, it
/// also finds packs that were added later. The methods are grouped by what they read: commits and
/// ancestry, trees, differences, blobs, refs.
pub struct Objects {
    pub(super) repo: gix::Repository,
    pub(super) mirror: Mirror,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Objects").field(&self.mirror.git_dir()).finish()
    }
}

/// An object that is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The repository does not have the object.
    #[error("object {id} is missing{}", if *promised { ", the repository is a partial clone" } else { "" })]
    Missing {
        /// The requested id.
        id: String,
        /// Whether the repository is a partial clone: git would fetch the object now.
        promised: bool,
    },
    /// The object is of another kind.
    #[error("object {id} is a {found}, not a {wanted}")]
    WrongKind {
        /// The id of the object.
        id: String,
        /// Its kind.
        found: &'static str,
        /// The expected kind.
        wanted: &'static str,
    },
    /// The object is a tree that git would not write.
    #[error("tree {id} is malformed: {flaw}")]
    BadTree {
        /// The id of the tree.
        id: String,
        /// What is wrong with it.
        flaw: TreeFlaw,
    },
    /// The trees expand to more paths than [`path_limit`](super::MirrorOptions::path_limit).
    #[error("there are more than {limit} paths")]
    TooManyPaths {
        /// The limit.
        limit: usize,
    },
    /// The sheets claim too many files together.
    #[error("the sheets claim more than {limit} files together")]
    TooManyClaims {
        /// The limit.
        limit: usize,
    },
    /// The paths that differ are together longer than
    /// [`path_bytes_limit`](super::MirrorOptions::path_bytes_limit).
    #[error("the paths are longer than {limit} bytes together")]
    PathsTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The commit is larger than any message needs. Each walk through the history reads it whole.
    #[error("commit {id} has {size} bytes, more than {limit}")]
    CommitTooLarge {
        /// The id of the commit.
        id: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The commit has more parents than any merge needs. Each walk through the history, also by the
    /// git program, would spend seconds on it.
    #[error("commit {id} has {count} parents, more than {limit}")]
    TooManyParents {
        /// The id of the commit.
        id: String,
        /// How many it has.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The new commits have more parents together than merges need. Each is kept in memory.
    #[error("the commits up to {tip} have more than {limit} parents together")]
    DenseHistory {
        /// The id of the last commit.
        tip: String,
        /// The limit, by the number of commits.
        limit: usize,
    },
    /// The object exists but cannot be decoded, or is larger than the limit.
    #[error("object {id} cannot be read")]
    Unreadable {
        /// The id of the object.
        id: String,
        /// The cause.
        #[source]
        source: Cause,
    },
}

impl ObjectError {
    /// Returns whether the object does not exist, as opposed to being invalid.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Returns whether the trees hold more paths than the limits allow.
    pub fn is_too_many_paths(&self) -> bool {
        matches!(
            self,
            Self::TooManyPaths { .. } | Self::PathsTooLong { .. } | Self::TooManyClaims { .. }
        )
    }

    pub(super) fn missing(repo: &gix::Repository, id: &gix::oid) -> Self {
        Self::Missing { id: id.to_string(), promised: is_partial(repo) }
    }

    pub(super) fn unreadable(id: &gix::oid, source: impl Into<Cause>) -> Self {
        Self::Unreadable { id: id.to_string(), source: source.into() }
    }
}

/// Returns whether an object that is missing is among the causes of `error`.
pub(crate) fn lacks_object(error: &(dyn std::error::Error + 'static)) -> bool {
    is_caused_by(error, ObjectError::is_missing)
}

/// Returns whether trees with more paths than the limits allow are among the causes of `error`.
pub(crate) fn has_too_many_paths(error: &(dyn std::error::Error + 'static)) -> bool {
    is_caused_by(error, ObjectError::is_too_many_paths)
}

fn is_caused_by(
    error: &(dyn std::error::Error + 'static),
    is_it: impl Fn(&ObjectError) -> bool,
) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref()).any(is_it)
}

/// Looks for objects among those that were there when it was made.
pub(super) struct Seeker {
    objects: gix::OdbHandle,
}

impl Seeker {
    /// Returns whether there is a commit of this id.
    pub(super) fn has_commit(&self, commit: CommitId) -> bool {
        let header = self.objects.try_header(&object_id(commit)).ok().flatten();
        header.is_some_and(|header| header.kind() == Kind::Commit)
    }
}

impl Objects {
    /// Returns whether the object is in the repository, without reading it.
    ///
    /// Looking for a missing id reads the pack folder again, so do not use this for ids that
    /// strangers choose.
    pub fn contains(&self, id: &[u8; 20]) -> bool {
        use gix::objs::Exists as _;
        self.repo.objects.exists(&gix::ObjectId::Sha1(*id))
    }

    /// Returns the kind and the size of an object, without reading it.
    pub(super) fn header(&self, id: gix::ObjectId) -> Result<gix::odb::find::Header, ObjectError> {
        let header = self.repo.objects.try_header(&id);
        let header = header.map_err(|error| ObjectError::unreadable(&id, error))?;
        header.ok_or_else(|| ObjectError::missing(&self.repo, &id))
    }

    /// Returns what looks for objects of which many may be missing.
    pub(super) fn seeker(&self) -> Seeker {
        let mut objects = self.repo.objects.clone();
        // Each missing object would make it search the disk for new packs.
        objects.refresh_never();
        Seeker { objects }
    }

    /// Records a missing tree or blob, and returns the error. Nobody asks for these by ids of his
    /// own, so a mirror should have them.
    pub(super) fn noted(&self, error: ObjectError) -> ObjectError {
        if error.is_missing() {
            self.mirror.note_gap();
        }
        error
    }

    /// Reads an object of the kind `wanted` into `buffer` and returns its bytes.
    pub(super) fn read<'a>(
        &self,
        id: &gix::oid,
        wanted: Kind,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ObjectError> {
        // Git knows the empty tree without ever storing it.
        if wanted == Kind::Tree && id == gix::ObjectId::empty_tree(gix::hash::Kind::Sha1) {
            return Ok(&[]);
        }
        let data = self
            .repo
            .objects
            .try_find(id, buffer)
            .map_err(|error| ObjectError::unreadable(id, error))?
            .ok_or_else(|| ObjectError::missing(&self.repo, id))
            .map_err(|error| match wanted {
                Kind::Tree | Kind::Blob => self.noted(error),
                // Anybody may ask for a commit that does not exist.
                Kind::Commit | Kind::Tag => error,
            })?;
        if data.kind == wanted {
            Ok(data.data)
        } else {
            let (found, wanted) = (kind_name(data.kind), kind_name(wanted));
            Err(ObjectError::WrongKind { id: id.to_string(), found, wanted })
        }
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tree => "tree",
        Kind::Blob => "blob",
        Kind::Commit => "commit",
        Kind::Tag => "tag",
    }
}

/// Returns whether git would fetch missing objects of the repository on demand.
pub(super) fn is_partial(repo: &gix::Repository) -> bool {
    let config = repo.config_snapshot();
    let remotes = config.plumbing().sections_by_name("remote").into_iter().flatten();
    let mut promised = remotes.filter_map(|remote| remote.body().value("promisor"));
    config.string("extensions.partialClone").is_some()
        || promised.any(|value| !value.eq_ignore_ascii_case(b"false"))
}
