//! Who owns a repository on this machine.
//!
//! The configuration and the hooks of a repository name programs, so git uses another user's
//! repository only if `safe.directory` allows it (git-config(1)). The same check is made here
//! before a repository is opened, fetched from or pushed to, whatever the installed version of git
//! checks itself.

use std::fs::{self, DirEntry};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::folder::OUR_FOLDER;

/// The folders of repositories that are used although another user owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeDirectories(Arc<[Safe]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Safe {
    Everywhere,
    Below(PathBuf),
    At(PathBuf),
}

impl SafeDirectories {
    /// Reads folders as git reads `safe.directory`: the folder of a repository or of its git
    /// directory; `<folder>/*` for everything below it; `*` for all folders.
    pub fn new<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let real = |folder: &Path| fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let read = |folder: &Path| match (folder.parent(), folder.file_name()) {
            (Some(above), Some(name)) if name == "*" => match above.as_os_str().is_empty() {
                true => Safe::Everywhere,
                false => Safe::Below(real(above)),
            },
            _ => Safe::At(real(folder)),
        };
        Self(folders.into_iter().map(read).collect())
    }

    /// Returns whether the folder, given as an absolute path without links, is one of them.
    fn contains(&self, folder: &Path) -> bool {
        self.0.iter().any(|safe| match safe {
            Safe::Everywhere => true,
            Safe::Below(above) => folder.starts_with(above),
            Safe::At(safe) => folder == safe,
        })
    }
}

/// A repository that another user owns and that is not listed as safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to another user (uid {owner}), so its configuration is not trusted; to trust \
     it: --safe-directory {}", path.display(), path.display()
)]
pub struct Foreign {
    /// The folder or file that another user owns.
    pub path: PathBuf,
    /// Its owner.
    pub owner: u32,
}

/// The location of a repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalRepository {
    /// The file `.git` that names the git directory, in a linked work tree.
    link: Option<PathBuf>,
    /// The folder of its configuration.
    pub(super) git_dir: PathBuf,
    /// The git directory with which a linked work tree shares files.
    shared: Option<PathBuf>,
}

impl LocalRepository {
    /// Finds the git directory of `folder`, the folder itself or `.git` in it, and checks its owner
    /// as git does: this user owns the folder, `.git`, the git directory and the one it shares
    /// files with, or `safe` names one of them.
    ///
    /// A file is read only after its owner was checked, and reading never waits for a writer.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if there is something else, such as a pipe or a
    /// device, instead of a file of a repository.
    pub(super) fn at(folder: &Path, safe: &SafeDirectories) -> io::Result<Result<Self, Foreign>> {
        let folder = fs::canonicalize(folder)?;
        let below = folder.join(".git");
        let is_named = safe.contains(&folder);
        let (link, git_dir) = match fs::metadata(&below) {
            Ok(facts) if facts.is_dir() => (None, fs::canonicalize(&below)?),
            Ok(_) => {
                let is_named = is_named || safe.contains(&below);
                if !is_named && let Err(foreign) = owned([&*folder, &below]) {
                    return Ok(Err(foreign));
                }
                let text = read_link(&below)?;
                let named = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
                (Some(below), fs::canonicalize(folder.join(named))?)
            }
            Err(_) => (None, folder.clone()),
        };
        let is_named = is_named
            || safe.contains(&git_dir)
            || link.as_ref().is_some_and(|link| safe.contains(link));
        let link_parts = link.as_deref();
        if !is_named && let Err(foreign) = owned([&*folder, &git_dir].into_iter().chain(link_parts))
        {
            return Ok(Err(foreign));
        }
        let shared = shared_by(&git_dir)?;
        let is_named = is_named || shared.as_ref().is_some_and(|shared| safe.contains(shared));
        if !is_named && let Err(foreign) = owned(shared.as_deref()) {
            return Ok(Err(foreign));
        }
        for place in [Some(&git_dir), shared.as_ref()].into_iter().flatten() {
            FILES.iter().try_for_each(|name| file_or_nothing(&place.join(name)))?;
        }
        Ok(Ok(Self { link, git_dir, shared }))
    }

    /// Checks that there are only files and folders where references and objects are read. Visits
    /// all of them, without reading any.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if there is anything else: opening a pipe waits for
    /// its writer, and a reader would wait for ever.
    pub(super) fn check_kinds(&self) -> io::Result<()> {
        for place in [Some(&self.git_dir), self.shared.as_ref()].into_iter().flatten() {
            // Such as `FETCH_HEAD`: what has a name in capitals is a reference.
            let is_reference =
                |name: &[u8]| name.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'_'));
            for entry in fs::read_dir(place)?.filter_map(Result::ok) {
                if is_reference(entry.file_name().as_encoded_bytes()) {
                    only_files_at(&entry, 0)?;
                }
            }
            for name in FOLDERS {
                only_files_below(&place.join(name), LINKED)?;
            }
        }
        Ok(())
    }
}

/// The files of a git directory that are read as soon as it is opened.
const FILES: [&str; 6] =
    ["HEAD", "config", "config.worktree", "packed-refs", "shallow", "objects/info/alternates"];

/// The folders of a git directory in which references, objects and Headwater's own files are read.
const FOLDERS: [&str; 3] = ["refs", "objects", OUR_FOLDER];

/// How deep in them a link may lead to a folder, such as `objects/pack` on another disk.
const LINKED: usize = 1;

/// The largest file that names a path, in bytes; git has the same limit for `.git`.
const LONGEST_LINK: u64 = 1 << 20;

/// Checks that this user owns all of `paths` whose owner can be read.
fn owned<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Foreign> {
    let user = User::current();
    for path in paths {
        // What cannot be inspected cannot be opened either, and that error is clearer.
        if let Ok(facts) = fs::symlink_metadata(path)
            && !user.is_owner(facts.uid())
        {
            return Err(Foreign { path: path.to_owned(), owner: facts.uid() });
        }
    }
    Ok(())
}

/// Returns the git directory with which a linked work tree's `git_dir` shares files.
fn shared_by(git_dir: &Path) -> io::Result<Option<PathBuf>> {
    let file = git_dir.join("commondir");
    if !file.try_exists()? {
        return Ok(None);
    }
    let text = read_link(&file)?;
    // A missing one is reported when it is opened.
    Ok(fs::canonicalize(git_dir.join(text.trim_end())).ok())
}

/// Reads a file that names a path. Opening a pipe would wait for its writer, and a device has no
/// end.
fn read_link(path: &Path) -> io::Result<String> {
    file_or_nothing(path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    // It may have been replaced since it was checked.
    let facts = file.metadata()?;
    if !facts.is_file() || facts.len() > LONGEST_LINK {
        return Err(no_file(path));
    }
    let mut text = String::new();
    file.take(LONGEST_LINK).read_to_string(&mut text)?;
    Ok(text)
}

/// Refuses anything that exists but is not a file.
fn file_or_nothing(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => Err(no_file(path)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses anything below a folder that is neither a file nor a folder, and links to folders that are
/// more than `linked` folders deep: they could lead back to where they are. What cannot be read is
/// reported when it is opened.
fn only_files_below(folder: &Path, linked: usize) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    entries.filter_map(Result::ok).try_for_each(|entry| only_files_at(&entry, linked))
}

fn only_files_at(entry: &DirEntry, linked: usize) -> io::Result<()> {
    let Ok(kind) = entry.file_type() else { return Ok(()) };
    let path = entry.path();
    let leads_to = if kind.is_symlink() { fs::metadata(&path).ok() } else { None };
    let is_link = kind.is_symlink();
    match leads_to.map_or(kind, |facts| facts.file_type()) {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() && (!is_link || linked > 0) => {
            only_files_below(&path, linked.saturating_sub(1))
        }
        // A link that leads nowhere.
        kind if kind.is_symlink() => Ok(()),
        _ => Err(no_file(&path)),
    }
}

fn no_file(path: &Path) -> io::Error {
    let reason = format!("{} is not a file of a repository", path.display());
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The user that runs this process.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    /// The caller of `sudo`, if the process became root that way.
    caller: Option<u32>,
}

impl User {
    fn current() -> Self {
        let caller = std::env::var("SUDO_UID").ok().and_then(|id| id.parse().ok());
        Self { id: rustix::process::geteuid().as_raw(), caller }
    }

    fn is_owner(self, owner: u32) -> bool {
        owner == self.id || self.id == 0 && self.caller == Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType};

    use super::*;
    use crate::mirror::testing::{NOBODY, TestRepository, give_away};
    use crate::mirror::{Mirror, MirrorOptions, RepositoryError};

    #[test]
    fn a_file_is_ours_if_we_own_it_or_the_caller_of_sudo_does() {
        for (id, caller, owner, expected) in [
            (1000, None, 1000, true),
            (1000, None, 1001, false),
            (1000, None, 0, false),
            (0, None, 1000, false),
            (0, Some(1000), 1000, true),
            (0, Some(1000), 0, true),
            (0, Some(1000), 1001, false),
            // Anybody can set the variable, so it is believed only for root.
            (1000, Some(1001), 1001, false),
        ] {
            let user = User { id, caller };
            assert_eq!(user.is_owner(owner), expected, "{user:?} and {owner}");
        }
    }

    #[test]
    fn a_folder_is_trusted_by_its_name_by_one_above_it_or_with_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(folder.join("data")).unwrap();
        let data = folder.join("data");
        let listed = |text: String| SafeDirectories::new([Path::new(&text)]);
        for (text, expected) in [
            (format!("{}/data", folder.display()), true),
            (format!("{}/data/", folder.display()), true),
            (format!("{}/./data", folder.display()), true),
            (format!("{}/*", folder.display()), true),
            ("*".to_owned(), true),
            (format!("{}", folder.display()), false),
            (format!("{}/dat", folder.display()), false),
            (String::new(), false),
        ] {
            assert_eq!(listed(text.clone()).contains(&data), expected, "{text:?}");
        }
        assert!(!SafeDirectories::default().contains(&data));
    }

    #[test]
    fn the_git_directory_of_every_kind_of_repository_is_found() {
        let [bare, work] = [TestRepository::bare(), TestRepository::with(&[])];
        work.commit_files("main", &[("a", "1")]);
        let linked = work.path().join("linked");
        work.git(["worktree", "add", "-q", "--detach", linked.to_str().unwrap(), "main"]);
        let safe = SafeDirectories::default();
        let found = |folder: &Path| LocalRepository::at(folder, &safe).unwrap().unwrap();
        let real = |path: &Path| fs::canonicalize(path).unwrap();
        assert_eq!(found(bare.path()).git_dir, real(bare.path()));
        assert_eq!(found(work.path()).git_dir, real(&work.path().join(".git")));
        let linked = found(&linked);
        assert_eq!(linked.git_dir, real(&work.path().join(".git/worktrees/linked")));
        assert!(linked.link.is_some());
        assert!(LocalRepository::at(Path::new("/nowhere/at/all"), &safe).is_err());
    }

    /// Replaces a file of a repository with something else.
    type Put = fn(&Path);

    const NO_FILES: [Put; 3] = [
        |path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        |path| fs::File::create(path).unwrap().set_len(LONGEST_LINK + 1).unwrap(),
    ];

    #[test]
    fn what_stands_for_a_file_and_is_none_is_refused_at_once() {
        let safe = SafeDirectories::default();
        let kind = |folder: &Path| LocalRepository::at(folder, &safe).unwrap_err().kind();
        for put in NO_FILES {
            let folder = tempfile::tempdir().unwrap();
            put(&folder.path().join(".git"));
            assert_eq!(kind(folder.path()), io::ErrorKind::InvalidData);
            let opened = Mirror::open(folder.path(), MirrorOptions::default()).unwrap_err();
            assert!(matches!(opened, RepositoryError::NotARepository { .. }), "{opened:?}");
            let bare = TestRepository::bare();
            put(&bare.path().join("commondir"));
            assert_eq!(kind(bare.path()), io::ErrorKind::InvalidData);
        }
        for put in &NO_FILES[..2] {
            for name in FILES {
                let bare = TestRepository::bare();
                let file = bare.path().join(name);
                let _ = fs::remove_file(&file);
                put(&file);
                assert_eq!(kind(bare.path()), io::ErrorKind::InvalidData, "{name}");
            }
        }
    }

    #[test]
    fn a_pipe_among_references_and_objects_is_found_before_one_is_opened() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        repository.git(["pack-refs", "--all"]);
        let path = repository.path();
        let open = || Mirror::open(path, MirrorOptions::default());
        fs::create_dir_all(path.join("refs/tags/a/b")).unwrap();
        fs::create_dir_all(path.join("objects/12")).unwrap();
        fs::create_dir_all(path.join("headwater")).unwrap();
        fs::write(path.join("ORIG_HEAD"), "").unwrap();
        NO_FILES[0](&path.join("fsmonitor--daemon.ipc"));
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("x"), "").unwrap();
        let link = |name: &str, to: &Path| std::os::unix::fs::symlink(to, path.join(name)).unwrap();
        link("objects/more", elsewhere.path());
        link("refs/tags/nowhere", Path::new("nowhere"));
        link("refs/tags/file", &elsewhere.path().join("x"));
        open().unwrap();
        for name in [
            "FETCH_HEAD",
            "headwater/cache",
            "refs/tags/v1",
            "refs/tags/a/b/v1",
            "refs/heads/other",
            "objects/info/commit-graph",
            "objects/pack/multi-pack-index",
            "objects/12/34",
            "objects/more/x1",
        ] {
            let file = path.join(name);
            NO_FILES[0](&file);
            let refused = open().unwrap_err();
            assert!(matches!(refused, RepositoryError::NotARepository { .. }), "{name}");
            fs::remove_file(&file).unwrap();
            open().unwrap();
        }
        link("refs/tags/loop", path);
        assert!(open().is_err());
    }

    #[test]
    fn the_owner_is_asked_for_before_a_file_is_read() {
        for put in NO_FILES {
            let folder = tempfile::tempdir().unwrap();
            put(&folder.path().join(".git"));
            if !give_away(folder.path()) {
                return;
            }
            let told = LocalRepository::at(folder.path(), &SafeDirectories::default()).unwrap();
            assert!(matches!(told, Err(Foreign { owner: NOBODY, .. })), "{told:?}");
        }
    }

    #[test]
    fn what_is_told_of_another_users_file_is_what_to_trust() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".git");
        NO_FILES[0](&link);
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::os::unix::fs::lchown(&link, Some(NOBODY), None).unwrap();
        let at = |safe: &SafeDirectories| LocalRepository::at(folder.path(), safe);
        let foreign = at(&SafeDirectories::default()).unwrap().unwrap_err();
        let trusted = at(&SafeDirectories::new([&*foreign.path]));
        assert_eq!(trusted.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
