//! Refs: read, moved by compare-and-set, and durable when the call returns.
//!
//! gix never syncs to disk, and a ref that is renamed into place before its bytes are on disk can
//! be empty after a power loss. So the loose file is written here: locked as git locks it, synced,
//! and renamed; then its folder is synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::refs::transaction::{Change, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use super::gix_id::{commit_id, object_id};
use super::open::head_branch;
use super::{Cause, Objects};
use crate::fault;
use crate::id::CommitId;

/// How long to wait for a ref that another process has locked.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The value that a ref must have for a change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any value, or none.
    Any,
    /// It must not exist.
    Absent,
    /// It must be exactly this commit.
    Is(CommitId),
}

impl Expected {
    fn allows(self, found: Option<CommitId>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Is(commit) => found == Some(commit),
        }
    }
}

/// A ref that cannot be read or was not moved.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// The ref does not have the expected value. Nothing was changed.
    #[error("{name} was moved by another process; it is {}", found.map_or("gone".to_owned(), |found| found.to_string()))]
    Moved {
        /// The full name of the ref.
        name: String,
        /// Its value.
        found: Option<CommitId>,
    },
    /// Another process held the lock of the ref for longer than the wait. Nothing was changed.
    #[error("{name} is locked")]
    Locked {
        /// The full name of the ref.
        name: String,
    },
    /// The name is not a valid full ref name.
    #[error("{name:?} is not the full name of a ref")]
    InvalidName {
        /// The given name.
        name: String,
    },
    /// The ref exists but does not hold a commit id.
    #[error("{name} cannot be read")]
    Unreadable {
        /// The full name of the ref.
        name: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The ref could not be written. It has its old or its new value.
    #[error("{name} cannot be written")]
    Io {
        /// The full name of the ref.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Objects {
    /// Returns the commit that the ref of this full name (`refs/heads/main`) points to.
    ///
    /// The file is read each time, so moves that happen after the handle was opened are seen. Does
    /// not check that the object is a commit.
    pub fn reference(&self, name: &str) -> Result<Option<CommitId>, RefError> {
        let full = full_name(name)?;
        let unreadable = |source: Cause| RefError::Unreadable { name: name.to_owned(), source };
        let found =
            self.repo.refs.try_find(full.as_ref()).map_err(|error| unreadable(error.into()))?;
        // A lookup that finds nothing tries `refs/tags/refs/heads/main` and the like.
        let Some(reference) = found.filter(|reference| reference.name == full) else {
            return Ok(None);
        };
        match reference.target {
            Target::Object(id) => Ok(Some(commit_id(&id))),
            Target::Symbolic(other) => {
                Err(unreadable(format!("it is a symbolic ref to {}", other.as_bstr()).into()))
            }
        }
    }

    /// Returns the branch that `HEAD` names, whether it exists or not; `None` if it names a commit.
    /// The file is read each time, as in [`Self::reference`].
    pub fn head_branch(&self) -> Result<Option<String>, RefError> {
        let unreadable = |source| RefError::Unreadable { name: "HEAD".to_owned(), source };
        head_branch(&self.repo).map_err(unreadable)
    }

    /// Returns whether there is any ref but `HEAD`.
    pub(super) fn has_references(&self) -> Result<bool, RefError> {
        let unreadable = |source: Cause| RefError::Unreadable { name: "refs/".to_owned(), source };
        let platform = self.repo.references().map_err(|error| unreadable(error.into()))?;
        let mut all = platform.all().map_err(|error| unreadable(error.into()))?;
        Ok(all.next().is_some())
    }

    /// Returns the refs whose full names begin with `prefix` (`refs/headwater/`), sorted by name.
    ///
    /// Reads these, and no others: each may be a file of its own.
    pub fn references_under(&self, prefix: &str) -> Result<Vec<(String, CommitId)>, RefError> {
        let unreadable = |source: Cause| RefError::Unreadable { name: prefix.to_owned(), source };
        let platform = self.repo.references().map_err(|error| unreadable(error.into()))?;
        let mut found = Vec::new();
        for reference in platform.prefixed(prefix).map_err(|error| unreadable(error.into()))? {
            let reference = reference.map_err(|error| unreadable(error.into()))?;
            let name = String::from_utf8_lossy(reference.name().as_bstr()).into_owned();
            if name.starts_with(prefix)
                && let Some(id) = reference.target().try_id()
            {
                found.push((name, commit_id(id)));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Points the ref at `new` if it has the expected value, durably.
    ///
    /// Waits up to five seconds for a lock that another process holds. When it returns, the ref
    /// survives a power loss; the objects must already do so.
    pub fn set_reference(
        &self,
        name: &str,
        expected: Expected,
        new: CommitId,
    ) -> Result<(), RefError> {
        self.move_reference(name, expected, new)?;
        self.sync_reference(name)
    }

    /// Makes the last move of the ref durable.
    pub fn sync_reference(&self, name: &str) -> Result<(), RefError> {
        sync_folder(&self.folder_of(name))
            .map_err(|source| RefError::Io { name: name.to_owned(), source })
    }

    /// Returns the folder that holds the ref, or its nearest existing ancestor: git removes folders
    /// that became empty.
    fn folder_of(&self, name: &str) -> PathBuf {
        let (git_dir, path) = (self.mirror.git_dir(), self.mirror.git_dir().join(name));
        path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(git_dir).to_owned()
    }

    /// Points the ref at `new` if it has the expected value. After a power loss it has its old or
    /// its new value, never a part of one; only after [`sync_reference`](Self::sync_reference) is
    /// the new one certain. For moves that the remote can repeat.
    pub fn move_reference(
        &self,
        name: &str,
        expected: Expected,
        new: CommitId,
    ) -> Result<(), RefError> {
        full_name(name)?;
        let io_error = |source| RefError::Io { name: name.to_owned(), source };
        let path = self.mirror.git_dir().join(name);
        let mut lock = RefLock::take(&path, LOCK_WAIT)
            .map_err(io_error)?
            .ok_or_else(|| RefError::Locked { name: name.to_owned() })?;
        fault::point("ref.locked").map_err(io_error)?;
        let found = self.reference(name)?;
        if !expected.allows(found) {
            return Err(RefError::Moved { name: name.to_owned(), found });
        }
        if found == Some(new) {
            return Ok(());
        }
        lock.publish(&path, new).map_err(io_error)
    }

    /// Deletes the ref if it has the expected value. If it is already gone, that is not an error
    /// unless a commit was expected.
    pub fn delete_reference(&self, name: &str, expected: Expected) -> Result<(), RefError> {
        let full = full_name(name)?;
        let found = self.reference(name)?;
        if !expected.allows(found) {
            return Err(RefError::Moved { name: name.to_owned(), found });
        }
        let Some(found) = found else { return Ok(()) };
        let edit = RefEdit {
            change: Change::Delete {
                expected: PreviousValue::MustExistAndMatch(Target::Object(object_id(found))),
                log: RefLog::AndReference,
            },
            name: full,
            deref: false,
        };
        if let Err(error) = self.repo.edit_reference(edit) {
            let name = name.to_owned();
            return Err(match self.reference(&name)? {
                None => return Ok(()),
                Some(now) if now != found => RefError::Moved { name, found: Some(now) },
                Some(_) if lock_path(&self.mirror.git_dir().join(&name)).exists() => {
                    RefError::Locked { name }
                }
                Some(_) => RefError::Io { name, source: io::Error::other(error) },
            });
        }
        self.sync_after_deletion(name)
            .map_err(|source| RefError::Io { name: name.to_owned(), source })
    }

    fn sync_after_deletion(&self, name: &str) -> io::Result<()> {
        let git_dir = self.mirror.git_dir();
        sync_folder(&self.folder_of(name))?;
        let packed = git_dir.join("packed-refs");
        if packed.exists() {
            File::open(packed)?.sync_all()?;
            sync_folder(git_dir)?;
        }
        Ok(())
    }
}

fn full_name(name: &str) -> Result<FullName, RefError> {
    let invalid = || RefError::InvalidName { name: name.to_owned() };
    if !name.starts_with("refs/") {
        return Err(invalid());
    }
    FullName::try_from(name).map_err(|_| invalid())
}

fn lock_path(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

/// The lock of a ref as git takes it: the file that becomes the ref. Dropping it releases the lock.
struct RefLock {
    path: PathBuf,
    file: File,
    published: bool,
}

impl RefLock {
    /// Takes the lock, or returns `None` if another process holds it the whole time.
    fn take(path: &Path, wait: Duration) -> io::Result<Option<Self>> {
        let lock = lock_path(path);
        let until = Instant::now() + wait;
        let mut pause = Duration::from_millis(1);
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(file) => return Ok(Some(Self { path: lock, file, published: false })),
                // Git removes folders that become empty, possibly right now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(path.parent().unwrap_or(path))?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Nothing signals the removal of a lock file, so there is nothing to wait on.
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn publish(&mut self, path: &Path, new: CommitId) -> io::Result<()> {
        self.file.write_all(format!("{new}\n").as_bytes())?;
        self.file.sync_all()?;
        fault::point("ref.written")?;
        fs::rename(&self.path, path)?;
        self.published = true;
        fault::point("ref.renamed")
    }
}

impl Drop for RefLock {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done here; a remaining lock is swept at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes files created, renamed or removed in the folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::{TestRepository, files_below};

    const NAME: &str = "refs/heads/main";

    fn two_commits() -> (TestRepository, CommitId, CommitId) {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let second = repository.commit_files("main", &[("a", "2")]);
        (repository, first, second)
    }

    #[test]
    fn a_ref_moves_only_from_what_was_expected() {
        let (repository, first, second) = two_commits();
        let objects = repository.objects();
        for expected in [Expected::Absent, Expected::Is(first)] {
            let error = objects.set_reference(NAME, expected, first).unwrap_err();
            assert!(matches!(error, RefError::Moved { found: Some(found), .. } if found == second));
        }
        objects.set_reference(NAME, Expected::Is(second), first).unwrap();
        assert_eq!(repository.head("main"), first);
        objects.set_reference(NAME, Expected::Any, second).unwrap();
        assert_eq!(objects.reference(NAME).unwrap(), Some(second));
        objects.set_reference("refs/headwater/deep/er", Expected::Absent, first).unwrap();
        let error = objects.set_reference("refs/headwater/none", Expected::Is(first), first);
        assert!(matches!(error, Err(RefError::Moved { found: None, .. })));
        assert_eq!(repository.git(["rev-parse", "refs/headwater/deep/er"]), first.to_string());
    }

    #[test]
    fn packed_refs_are_read_moved_and_deleted() {
        let (repository, first, second) = two_commits();
        repository.git(["update-ref", "refs/headwater/synced", &first.to_string()]);
        repository.git(["pack-refs", "--all", "--prune"]);
        let objects = repository.objects();
        assert_eq!(objects.reference(NAME).unwrap(), Some(second));
        objects.set_reference(NAME, Expected::Is(second), first).unwrap();
        assert_eq!(repository.head("main"), first);
        objects.delete_reference("refs/headwater/synced", Expected::Is(first)).unwrap();
        assert_eq!(objects.reference("refs/headwater/synced").unwrap(), None);
        assert_eq!(repository.git(["for-each-ref", "--format=%(refname)"]), NAME);
    }

    #[test]
    fn deleting_checks_what_was_expected_and_forgives_what_is_gone() {
        let (repository, first, second) = two_commits();
        let objects = repository.objects();
        let error = objects.delete_reference(NAME, Expected::Is(first)).unwrap_err();
        assert!(matches!(error, RefError::Moved { found: Some(found), .. } if found == second));
        objects.delete_reference(NAME, Expected::Is(second)).unwrap();
        objects.delete_reference(NAME, Expected::Any).unwrap();
        assert_eq!(objects.reference(NAME).unwrap(), None);
    }

    #[test]
    fn a_locked_ref_is_waited_for_and_then_refused() {
        let (repository, ..) = two_commits();
        let path = repository.path().join(NAME);
        let held = RefLock::take(&path, LOCK_WAIT).unwrap();
        assert!(RefLock::take(&path, Duration::ZERO).unwrap().is_none());
        assert!(RefLock::take(&path, Duration::from_millis(5)).unwrap().is_none());
        let waiting =
            std::thread::spawn(move || RefLock::take(&path, LOCK_WAIT).unwrap().is_some());
        drop(held);
        assert!(waiting.join().unwrap());
        assert!(
            !files_below(repository.path())
                .iter()
                .any(|path| { path.extension().is_some_and(|extension| extension == "lock") })
        );
    }

    #[test]
    fn of_two_writers_one_wins() {
        let (repository, first, second) = two_commits();
        repository.objects().set_reference(NAME, Expected::Any, first).unwrap();
        let mirror = repository.mirror();
        let other = repository.commit_tree(repository.tree_of("main"), &[first]);
        let outcomes = [second, other].map(|new| {
            let mirror = mirror.clone();
            std::thread::spawn(move || {
                let objects = mirror.objects().unwrap();
                objects.set_reference(NAME, Expected::Is(first), new).is_ok()
            })
        });
        let won = outcomes.map(|outcome| outcome.join().unwrap());
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = if won[0] { second } else { other };
        assert_eq!(repository.head("main"), winner);
    }

    #[test]
    fn names_are_full_and_valid() {
        let (repository, first, _) = two_commits();
        let objects = repository.objects();
        for name in ["main", "HEAD", "refs/heads/../../x", "refs/heads/a.lock", "refs//a", ""] {
            let error = objects.set_reference(name, Expected::Any, first).unwrap_err();
            assert!(matches!(error, RefError::InvalidName { .. }), "{name}: {error}");
        }
        assert_eq!(objects.reference("refs/heads/none").unwrap(), None);
    }

    #[test]
    fn a_ref_that_holds_nothing_is_unreadable_and_not_absent() {
        let (repository, ..) = two_commits();
        std::fs::write(repository.path().join(NAME), "").unwrap();
        let error = repository.objects().reference(NAME).unwrap_err();
        assert!(matches!(error, RefError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn references_are_read_by_their_prefix_alone() {
        let (repository, _, second) = two_commits();
        std::fs::create_dir_all(repository.path().join("refs/tags")).unwrap();
        std::fs::write(repository.path().join("refs/tags/broken"), "").unwrap();
        let objects = repository.objects();
        let found = |prefix| objects.references_under(prefix);
        assert_eq!(found("refs/heads/").unwrap(), [(NAME.to_owned(), second)]);
        assert_eq!(found("refs/heads/conflicts/").unwrap(), []);
        assert!(found("refs/tags/").is_err() && objects.has_references().unwrap());
    }

    #[test]
    fn refs_are_listed_below_a_prefix() {
        let (repository, first, second) = two_commits();
        for (name, commit) in [("b", second), ("a/c", first)] {
            repository.git(["update-ref", &format!("refs/headwater/{name}"), &commit.to_string()]);
        }
        let found = repository.objects().references_under("refs/headwater/").unwrap();
        let expected = [("refs/headwater/a/c", first), ("refs/headwater/b", second)];
        assert_eq!(found, expected.map(|(name, commit)| (name.to_owned(), commit)));
    }
}
