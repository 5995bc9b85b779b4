//! How a repository is opened: isolated from the machine's configuration, with room for packs.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::trees::TreeCache;
use super::{Cause, Mirror, MirrorOptions, Objects, Remote, Shared};

/// What kind of repository a folder is.
///
/// Facts only: whether it can be served, and how, is the caller's decision.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// It has no work tree.
    pub bare: bool,
    /// Its history is cut off.
    pub shallow: bool,
    /// `remote.origin.url` as it is configured. It may hold a password: it is not in `Debug`.
    pub remote_url: Option<String>,
    /// The branch `HEAD` names, whether it exists or not. `None` if `HEAD` is detached.
    pub head_branch: Option<String>,
    /// The branches there are, sorted. Names that are not UTF-8 are left out.
    pub branches: Vec<String>,
}

impl fmt::Debug for RepositoryFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bare, shallow, remote_url, head_branch, branches } = self;
        f.debug_struct("RepositoryFacts")
            .field("bare", bare)
            .field("shallow", shallow)
            .field("remote_url", &remote_url.as_ref().map(|_| "(not shown)"))
            .field("head_branch", head_branch)
            .field("branches", branches)
            .finish()
    }
}

/// A folder that cannot be opened as a repository, or made one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path that was given.
        path: PathBuf,
    },
    /// The folder is there and is no git repository.
    #[error("{} is not a git repository", path.display())]
    NotARepository {
        /// The path that was given.
        path: PathBuf,
    },
    /// The repository names its objects by SHA-256.
    #[error("{} is a sha-256 repository, which is not supported", path.display())]
    Sha256 {
        /// The path that was given.
        path: PathBuf,
    },
    /// The repository uses an extension that gix cannot read.
    #[error("{} uses {extension}, which is not supported", path.display())]
    Unsupported {
        /// The path that was given.
        path: PathBuf,
        /// The extension, as `name = value`.
        extension: String,
    },
    /// The repository is there and cannot be read.
    #[error("{} cannot be opened as a git repository", path.display())]
    Corrupt {
        /// The path that was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A new repository could not be written.
    #[error("{} cannot be made a git repository", path.display())]
    Create {
        /// The path that was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Mirror {
    /// Says what kind of repository `dir` is, without keeping it open.
    pub fn inspect(dir: &Path) -> Result<RepositoryFacts, OpenError> {
        let repo = open_repository(dir, &MirrorOptions::default())?;
        let corrupt = |source: Cause| OpenError::Corrupt { path: dir.to_owned(), source };
        let head_branch = repo
            .head()
            .map_err(|error| corrupt(error.into()))?
            .referent_name()
            .and_then(|name| branch_name(name.as_bstr()));
        let platform = repo.references().map_err(|error| corrupt(error.into()))?;
        let branches = platform
            .local_branches()
            .map_err(|error| corrupt(error.into()))?
            .filter_map(Result::ok)
            .filter_map(|reference| branch_name(reference.name().as_bstr()))
            .collect();
        Ok(RepositoryFacts {
            bare: repo.is_bare(),
            shallow: repo.is_shallow().map_err(|error| corrupt(error.into()))?,
            remote_url: repo
                .config_snapshot()
                .string("remote.origin.url")
                .map(|url| url.to_string()),
            head_branch,
            branches,
        })
    }

    /// Opens the repository in `dir`: the folder of a bare one, or the work tree of another.
    ///
    /// Nothing is written. Which kinds of repository may be followed or written to is for the
    /// caller to decide, from [`Mirror::inspect`].
    pub fn open(dir: &Path, options: MirrorOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, Arc::default())
    }

    /// Opens a repository that shares what is kept of trees with another.
    pub(super) fn open_with(
        dir: &Path,
        options: MirrorOptions,
        trees: Arc<TreeCache>,
    ) -> Result<Self, OpenError> {
        let repo = open_repository(dir, &options)?;
        let git_dir = fs::canonicalize(repo.common_dir())
            .map_err(|error| OpenError::Corrupt { path: dir.to_owned(), source: error.into() })?;
        Ok(Self { shared: Arc::new(Shared { git_dir, options, trees }) })
    }

    /// Makes `dir` a bare repository whose `HEAD` names `branch`, and opens it.
    ///
    /// `dir` and the folders above it are created as needed. A folder that is not empty is left
    /// as it is and is an error.
    pub fn init(dir: &Path, branch: &str, options: MirrorOptions) -> Result<Self, OpenError> {
        let create = |source| OpenError::Create { path: dir.to_owned(), source };
        if !is_branch_name(branch) {
            let reason = format!("{branch:?} cannot be the name of a branch");
            return Err(create(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        fs::create_dir_all(dir).map_err(create)?;
        if fs::read_dir(dir).map_err(create)?.next().is_some() {
            return Err(create(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        write_bare_repository(dir, branch).map_err(create)?;
        Self::open(dir, options)
    }

    /// Notes in the configuration where the repository was cloned from, without a password, so that
    /// it is followed from there when nobody says otherwise.
    pub(crate) fn set_origin(&self, remote: &Remote) -> Result<(), OpenError> {
        let quoted = remote.address().replace('\\', "\\\\").replace('"', "\\\"");
        let config = self.git_dir().join("config");
        let append = || {
            let mut config = fs::OpenOptions::new().append(true).open(&config)?;
            writeln!(config, "[remote \"origin\"]\n\turl = \"{quoted}\"")?;
            config.sync_all()
        };
        append().map_err(|source| OpenError::Create { path: config.clone(), source })
    }

    /// Takes a fresh handle on everything that is in the repository now.
    ///
    /// Costs well under a millisecond. A handle is for one piece of work: one thread, one reload.
    pub fn objects(&self) -> Result<Objects, OpenError> {
        let mut repo = open_repository(self.git_dir(), &self.options())?;
        // A repack must not take away what this handle has found, nor the places of blobs.
        repo.objects.prevent_pack_unload();
        Ok(Objects { repo, mirror: self.clone() })
    }
}

/// Writes what makes a folder a bare repository, and nothing else: no hooks, no samples.
pub(super) fn write_bare_repository(dir: &Path, branch: &str) -> io::Result<()> {
    for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(dir.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    // Written last: without it the folder is no repository.
    fs::write(dir.join("HEAD"), format!("ref: refs/heads/{branch}\n"))
}

fn open_repository(dir: &Path, options: &MirrorOptions) -> Result<gix::Repository, OpenError> {
    let path = || dir.to_owned();
    match gix::open_opts(dir, gix_options(options)) {
        Ok(repo) => match unsupported_extension(repo.config_snapshot().plumbing()) {
            Some(extension) => Err(refused(dir, extension)),
            None => Ok(repo),
        },
        Err(_) if !dir.exists() => Err(OpenError::NotFound { path: path() }),
        Err(error) => {
            let config = [dir.join(".git/config"), dir.join("config")]
                .into_iter()
                .find(|config| config.is_file())
                .and_then(|config| {
                    gix::config::File::from_path_no_includes(config, gix::config::Source::Local)
                        .ok()
                });
            match config {
                Some(config) => match unsupported_extension(&config) {
                    Some(extension) => Err(refused(dir, extension)),
                    None => Err(OpenError::Corrupt { path: path(), source: error.into() }),
                },
                None => Err(OpenError::NotARepository { path: path() }),
            }
        }
    }
}

fn unsupported_extension(config: &gix::config::File) -> Option<String> {
    let other = |key: &str, supported: &str| {
        let value = config.string(key)?;
        (!value.eq_ignore_ascii_case(supported.as_bytes())).then(|| format!("{key} = {value}"))
    };
    other("extensions.objectFormat", "sha1").or_else(|| other("extensions.refStorage", "files"))
}

fn refused(dir: &Path, extension: String) -> OpenError {
    let path = dir.to_owned();
    if extension.to_ascii_lowercase().ends_with("= sha256") {
        OpenError::Sha256 { path }
    } else {
        OpenError::Unsupported { path, extension }
    }
}

fn gix_options(options: &MirrorOptions) -> gix::open::Options {
    gix::open::Options::isolated()
        // The folder was named by whoever runs us. Nothing that its configuration could make us
        // run is ever used: transports and the git program are started by us.
        .with(gix::sec::Trust::Full)
        // The default is fixed at opening and breaks at the 33rd pack.
        .object_store_slots(gix::odb::store::init::Slots::Given(4096))
        .config_overrides([
            format!("gitoxide.objects.allocLimit={}", options.object_limit),
            // Reading in path order hits the same bases again and again: three times as fast.
            "core.deltaBaseCacheLimit=256m".to_owned(),
            "core.useReplaceRefs=false".to_owned(),
            "core.logAllRefUpdates=false".to_owned(),
            "core.filesRefLockTimeout=5000".to_owned(),
            "core.packedRefsTimeout=5000".to_owned(),
            "gitoxide.credentials.terminalPrompt=false".to_owned(),
        ])
}

/// Says whether git allows a branch of this name.
pub(super) fn is_branch_name(branch: &str) -> bool {
    let full = format!("refs/heads/{branch}");
    !branch.starts_with('-') && gix::refs::FullName::try_from(full).is_ok()
}

fn branch_name(name: &gix::bstr::BStr) -> Option<String> {
    let branch = name.strip_prefix(b"refs/heads/")?;
    std::str::from_utf8(branch).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    fn open_error(path: &Path) -> OpenError {
        Mirror::open(path, MirrorOptions::default()).unwrap_err()
    }

    #[test]
    fn a_bare_repository_tells_its_branches() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        repository.git(["branch", "other/one", "main"]);
        let facts = Mirror::inspect(repository.path()).unwrap();
        let expected = RepositoryFacts {
            bare: true,
            shallow: false,
            remote_url: None,
            head_branch: Some("main".to_owned()),
            branches: vec!["main".to_owned(), "other/one".to_owned()],
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn a_work_tree_is_not_bare_and_its_remote_is_not_printed() {
        let repository = TestRepository::with(&[]);
        let url = "https://user:secret@example.org/data.git";
        repository.git(["remote", "add", "origin", url]);
        let facts = Mirror::inspect(repository.path()).unwrap();
        assert!(!facts.bare && facts.branches.is_empty());
        assert_eq!(facts.remote_url.as_deref(), Some(url));
        assert!(!format!("{facts:?}").contains("secret"));
        let mirror = Mirror::open(repository.path(), MirrorOptions::default()).unwrap();
        assert!(mirror.git_dir().ends_with(".git"));
    }

    #[test]
    fn a_shallow_clone_is_told() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        repository.commit_files("main", &[("a", "2")]);
        let shallow = TestRepository::bare();
        shallow.git(["fetch", "-q", "--depth=1", &repository.url(), "main:main"]);
        assert!(Mirror::inspect(shallow.path()).unwrap().shallow);
    }

    #[test]
    fn what_is_no_repository_of_ours_is_refused_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let missing = open_error(&folder.path().join("none"));
        assert!(matches!(missing, OpenError::NotFound { .. }), "{missing:?}");
        let empty = open_error(folder.path());
        assert!(matches!(empty, OpenError::NotARepository { .. }), "{empty:?}");
        let sha256 = TestRepository::with(&["--bare", "--object-format=sha256"]);
        let error = open_error(sha256.path());
        assert!(matches!(error, OpenError::Sha256 { .. }), "{error:?}");
        let broken = TestRepository::bare();
        std::fs::write(broken.path().join("config"), "[core\n").unwrap();
        let error = open_error(broken.path());
        assert!(matches!(error, OpenError::Corrupt { .. } | OpenError::NotARepository { .. }));
        let reftable = TestRepository::bare();
        let config =
            "[core]\nrepositoryformatversion=1\nbare=true\n[extensions]\nrefStorage=reftable\n";
        std::fs::write(reftable.path().join("config"), config).unwrap();
        let error = open_error(reftable.path());
        assert!(matches!(error, OpenError::Unsupported { .. }), "{error:?}");
    }

    #[test]
    fn a_new_repository_is_one_for_git_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/data.git");
        Mirror::init(&path, "trunk", MirrorOptions::default()).unwrap();
        let facts = Mirror::inspect(&path).unwrap();
        assert!(facts.bare && facts.head_branch.as_deref() == Some("trunk"));
        let fsck = crate::mirror::testing::hermetic_git(&path).arg("fsck").output().unwrap();
        assert!(fsck.status.success());
        let error = Mirror::init(&path, "trunk", MirrorOptions::default()).unwrap_err();
        assert!(matches!(error, OpenError::Create { .. }), "{error:?}");
    }

    #[test]
    fn a_handle_sees_packs_that_come_later_many_times() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "0")]);
        let objects = repository.objects();
        for n in 1..=40 {
            let commit = repository.commit_files("main", &[("a", &n.to_string())]);
            repository.git(["repack", "-dq"]);
            objects.commit(commit).unwrap();
        }
    }

    #[test]
    fn an_object_above_the_limit_is_not_inflated() {
        let repository = TestRepository::bare();
        let id = repository.write_blob(&vec![0; 1 << 20]);
        let options = MirrorOptions { object_limit: 1 << 16, ..MirrorOptions::default() };
        let objects = Mirror::open(repository.path(), options).unwrap().objects().unwrap();
        let error = objects.read_blob(id, u64::MAX, |_| ()).unwrap_err();
        assert!(matches!(error, crate::mirror::ObjectError::Unreadable { .. }), "{error:?}");
    }
}
