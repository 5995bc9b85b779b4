//! One server per repository, and the cleanup after a killed one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Mirror;
use super::folder::{OUR_FOLDER, PREFIX, UNFINISHED};

/// The lock file, in the git directory.
const LOCK_FILE: &str = "headwater.lock";
/// The age from which apparent garbage cannot be work in progress.
const GARBAGE_AGE: Duration = Duration::from_secs(3600);

/// The right to change a repository. It is released when it is dropped or when the process ends.
#[derive(Debug)]
pub struct MirrorLock {
    /// Open while the lock is held: closing the file releases the lock.
    file: File,
    swept: Vec<PathBuf>,
}

impl MirrorLock {
    /// Returns the leftovers of an earlier process that were removed when the lock was taken.
    pub fn swept(&self) -> &[PathBuf] {
        &self.swept
    }
}

impl Drop for MirrorLock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that is being started holds a copy of the file
        // until it runs its program. If unlocking fails, that copy is the last to hold the lock.
        let _ = self.file.unlock();
    }
}

/// A repository that cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{} is held by {}", path.display(), holder(*pid))]
    Held {
        /// The file.
        path: PathBuf,
        /// The process, if it has written its id.
        pid: Option<u32>,
    },
    /// The lock file cannot be created or locked.
    #[error("{} cannot be locked", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl Mirror {
    /// Takes the repository for this process and removes what a killed process left in it: ref
    /// locks, quarantine folders, and unfinished packs that are at least an hour old.
    ///
    /// Fails at once if another Headwater process holds the lock. The git program does not know
    /// this lock.
    pub fn lock(&self) -> Result<MirrorLock, LockError> {
        let path = self.git_dir().join(LOCK_FILE);
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Whoever may read a file may lock it.
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        // An earlier version made it readable. Where the owner is another user, it stays so.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held { pid: text.trim().parse().ok(), path });
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
        Ok(MirrorLock { file, swept: sweep(self.git_dir()) })
    }
}

/// Removes leftovers that are no longer in use and returns them. What cannot be removed stays for
/// next time.
fn sweep(git_dir: &Path) -> Vec<PathBuf> {
    let mut stale = Vec::new();
    // Nobody else writes refs here, so a lock that exists before this process starts is stale.
    let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
    stale.extend(files_in(git_dir).filter(|path| is_lock(path) && !path.ends_with(LOCK_FILE)));
    let mut folders = vec![git_dir.join("refs")];
    while let Some(folder) = folders.pop() {
        for path in files_in(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if is_lock(&path) {
                stale.push(path);
            }
        }
    }
    let begun = |path: &PathBuf| name_begins(path, PREFIX) || name_begins(path, UNFINISHED);
    stale.extend(files_in(&git_dir.join(OUR_FOLDER)).filter(begun));
    stale.extend(
        files_in(&git_dir.join("objects/pack")).filter(|path| is_garbage(path) && is_old(path)),
    );
    stale.retain(|path| {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "cannot remove a leftover");
            })
            .is_ok()
    });
    stale.sort();
    stale
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
}

fn name_begins(path: &Path, prefix: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
}

/// Returns whether this is an unfinished pack: it has a temporary name or no index next to it.
fn is_garbage(path: &Path) -> bool {
    is_temporary(path)
        || path.extension().is_some_and(|extension| extension == "pack")
            && !path.with_extension("idx").exists()
}

/// Returns whether git gives this name to a pack, or a file of one, until it is complete.
pub(super) fn is_temporary(path: &Path) -> bool {
    name_begins(path, "tmp_") || name_begins(path, ".tmp-")
}

fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|facts| facts.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now().duration_since(modified).is_ok_and(|age| age >= GARBAGE_AGE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;
    use crate::mirror::{Expected, FetchLimits, Remote, RemoteOptions};

    #[test]
    fn the_second_of_two_is_told_who_is_first() {
        let repository = TestRepository::bare();
        let mirror = repository.mirror();
        let first = mirror.lock().unwrap();
        match mirror.lock() {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        mirror.lock().unwrap();
    }

    #[test]
    fn nobody_else_may_read_a_new_mirror_or_take_a_lock() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.git");
        Mirror::init(&path, "main", crate::mirror::MirrorOptions::default()).unwrap();
        assert_eq!(mode(&path), 0o700);
        let repository = TestRepository::bare();
        let lock = repository.path().join(LOCK_FILE);
        // An earlier version created it for everybody to read.
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
        let _held = repository.mirror().lock().unwrap();
        assert_eq!(mode(&lock), 0o600);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_everything_else_stays() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a", "1")]);
        repository.git(["repack", "-dq"]);
        let path = repository.path();
        let make = |name: &str, is_old: bool| {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let file = File::create(file).unwrap();
            if is_old {
                file.set_modified(SystemTime::now() - 2 * GARBAGE_AGE).unwrap();
            }
        };
        let dead = [
            "headwater/cache-abc",
            "headwater/quarantine-abc",
            "objects/pack/.tmp-77-pack-1.pack",
            "objects/pack/pack-7777777777777777777777777777777777777777.pack",
            "objects/pack/tmp_pack_x",
            "packed-refs.lock",
            "refs/heads/main.lock",
            "refs/remotes/origin/deep/er.lock",
        ];
        make("headwater/quarantine-abc/objects/pack/x.pack", false);
        make(dead[0], false);
        for name in &dead[2..5] {
            make(name, true);
        }
        for name in &dead[5..] {
            make(name, false);
        }
        let alive =
            ["objects/pack/tmp_pack_new", "objects/pack/kept.keep", "headwater/other", "refs/x"];
        for name in alive {
            make(name, false);
        }
        let lock = repository.mirror().lock().unwrap();
        assert_eq!(lock.swept(), dead.map(|name| path.join(name)));
        for name in alive {
            assert!(path.join(name).exists(), "{name}");
        }
        fs::remove_file(path.join("refs/x")).unwrap();
        let objects = repository.objects();
        objects.commit(commit).unwrap();
        objects.set_reference("refs/heads/main", Expected::Is(commit), commit).unwrap();
        drop(lock);
        assert!(repository.mirror().lock().unwrap().swept().is_empty());
    }

    #[test]
    fn a_fetch_works_while_the_lock_is_held() {
        let (repository, upstream) = (TestRepository::bare(), TestRepository::bare());
        upstream.commit_files("main", &[("a", "1")]);
        let mirror = repository.mirror();
        let _lock = mirror.lock().unwrap();
        let remote = Remote::new(&upstream.url(), RemoteOptions::default()).unwrap();
        mirror.fetch(&remote, "main", &FetchLimits::default()).unwrap();
    }
}
