//! Whose repository a folder of this machine holds.
//!
//! The configuration and the hooks of a repository name programs, so git uses one of another user
//! only where `safe.directory` says so (git-config(1)). The same is asked here before a repository
//! is opened, fetched from or pushed to, whatever the version of git asks by itself.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders of repositories that are used although another user owns them.
///
/// Cheap to clone. The default trusts none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeDirectories(Arc<[Safe]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Safe {
    Everywhere,
    Below(PathBuf),
    At(PathBuf),
}

impl SafeDirectories {
    /// Reads folders as git reads `safe.directory`: the folder of a repository, or of its git
    /// directory; `<folder>/*` for all below it; `*` for all there are.
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

    /// Says whether the folder, whose path is absolute and without links, is one of them.
    fn contains(&self, folder: &Path) -> bool {
        self.0.iter().any(|safe| match safe {
            Safe::Everywhere => true,
            Safe::Below(above) => folder.starts_with(above),
            Safe::At(safe) => folder == safe,
        })
    }
}

/// A repository that another user owns and that nobody said to trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} belongs to another user (uid {owner}), whose configuration is not to be trusted: if it is, \
     say so with --safe-directory {}", path.display(), path.display()
)]
pub struct Foreign {
    /// The folder or file that another user owns.
    pub path: PathBuf,
    /// Its owner.
    pub owner: u32,
}

/// Where a repository on this machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalRepository {
    /// The folder that was named, absolute and without links.
    folder: PathBuf,
    /// The file `.git` that names the git directory, in a linked work tree.
    link: Option<PathBuf>,
    /// Where its configuration is.
    pub(super) git_dir: PathBuf,
}

impl LocalRepository {
    /// Looks where the git directory of `folder` is: the folder itself, or `.git` in it. Nothing of
    /// it is read but the file that stands for `.git` in a linked work tree.
    pub(super) fn at(folder: &Path) -> std::io::Result<Self> {
        let folder = fs::canonicalize(folder)?;
        let below = folder.join(".git");
        let (link, git_dir) = match fs::metadata(&below) {
            Ok(facts) if facts.is_dir() => (None, fs::canonicalize(&below)?),
            Ok(_) => {
                let text = fs::read_to_string(&below)?;
                let named = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
                let git_dir = fs::canonicalize(folder.join(named))?;
                (Some(below), git_dir)
            }
            Err(_) => (None, folder.clone()),
        };
        Ok(Self { folder, link, git_dir })
    }

    /// Asks who owns it, as git does: the folder, the file `.git` and the git directory are ours, or
    /// `safe` names the folder.
    pub(super) fn trusted(&self, safe: &SafeDirectories) -> Result<(), Foreign> {
        if safe.contains(&self.folder) || safe.contains(&self.git_dir) {
            return Ok(());
        }
        let user = User::current();
        let parts = [Some(&self.folder), self.link.as_ref(), Some(&self.git_dir)];
        for path in parts.into_iter().flatten() {
            // What cannot be looked at cannot be opened either, which says more.
            if let Ok(facts) = fs::symlink_metadata(path)
                && !user.is_owner(facts.uid())
            {
                return Err(Foreign { path: path.clone(), owner: facts.uid() });
            }
        }
        Ok(())
    }
}

/// Who runs this process.
#[derive(Debug, Clone, Copy)]
struct User {
    id: u32,
    /// Who called `sudo`, if that is how the process became root.
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
    use super::*;
    use crate::mirror::testing::TestRepository;

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
            // A variable that anybody can set is believed of root alone.
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
        let found = |folder: &Path| LocalRepository::at(folder).unwrap();
        let real = |path: &Path| fs::canonicalize(path).unwrap();
        assert_eq!(found(bare.path()).git_dir, real(bare.path()));
        assert_eq!(found(work.path()).git_dir, real(&work.path().join(".git")));
        let linked = found(&linked);
        assert_eq!(linked.git_dir, real(&work.path().join(".git/worktrees/linked")));
        assert!(linked.link.is_some());
        assert!(LocalRepository::at(Path::new("/nowhere/at/all")).is_err());
    }
}
