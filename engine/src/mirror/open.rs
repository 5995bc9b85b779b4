//! Opens repositories, isolated from the machine's configuration and with room for many packs.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::odb::store::init::Slots;

use super::gaps::Gaps;
use super::given_up::GivenUp;
use super::handle::Shared;
use super::objects::is_partial;
use super::ownership::LocalRepository;
use super::tag_listing::TagListing;
use super::tree_cache::TreeCache;
use super::{Cause, Foreign, Mirror, MirrorOptions, Objects, Remote, SafeDirectories};

/// The properties of a repository.
///
/// These are facts only: the caller decides whether it can be served, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositoryFacts {
    /// It has no work tree.
    pub bare: bool,
    /// Its history is cut off.
    pub shallow: bool,
    /// Some of its objects are only at its remote: it is a partial clone.
    pub partial: bool,
    /// The configured `remote.origin.url`. It may hold a password and is not in `Debug`.
    pub remote_url: Option<String>,
    /// The branch that `HEAD` names, whether it exists or not. `None` if `HEAD` is detached.
    pub head_branch: Option<String>,
    /// The existing branches, sorted. Names that are not UTF-8 are left out.
    pub branches: Vec<String>,
}

impl fmt::Debug for RepositoryFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bare, shallow, partial, remote_url, head_branch, branches } = self;
        f.debug_struct("RepositoryFacts")
            .field("bare", bare)
            .field("shallow", shallow)
            .field("partial", partial)
            .field("remote_url", &remote_url.as_ref().map(|_| "(not shown)"))
            .field("head_branch", head_branch)
            .field("branches", branches)
            .finish()
    }
}

/// A folder that cannot be opened as, or made into, a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The path does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The given path.
        path: PathBuf,
    },
    /// Another user owns the repository.
    #[error(transparent)]
    Foreign(Foreign),
    /// The folder exists but may not be read.
    #[error("{}: permission denied", path.display())]
    Denied {
        /// The given path.
        path: PathBuf,
    },
    /// The folder exists but is not a git repository.
    #[error("{} is not a git repository", path.display())]
    NotARepository {
        /// The given path.
        path: PathBuf,
    },
    /// The repository uses SHA-256 object ids.
    #[error("{} is a sha-256 repository, which is not supported", path.display())]
    Sha256 {
        /// The given path.
        path: PathBuf,
    },
    /// The repository uses an unknown extension or format of git.
    #[error("{} uses {extension}, which is not supported", path.display())]
    Unsupported {
        /// The given path.
        path: PathBuf,
        /// The extension, as `name = value`.
        extension: String,
    },
    /// The repository exists but cannot be read.
    #[error("{} cannot be opened as a git repository", path.display())]
    Corrupt {
        /// The given path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// A new repository could not be written.
    #[error("{} cannot be made a git repository", path.display())]
    Create {
        /// The given path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Mirror {
    /// Returns the properties of the repository in `dir`, without keeping it open.
    pub fn inspect(dir: &Path, safe: &SafeDirectories) -> Result<RepositoryFacts, RepositoryError> {
        trusted(dir, safe)?;
        readable(dir)?;
        let repo = open_repository(dir, &MirrorOptions::default())?;
        let corrupt = |source: Cause| RepositoryError::Corrupt { path: dir.to_owned(), source };
        let head_branch = head_branch(&repo).map_err(corrupt)?;
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
            partial: is_partial(&repo),
            remote_url: repo
                .config_snapshot()
                .string("remote.origin.url")
                .map(|url| url.to_string()),
            head_branch,
            branches,
        })
    }

    /// Returns the repository that contains `dir`: the nearest folder, `dir` itself or one above
    /// it, that is a bare repository or a work tree.
    pub fn around(dir: &Path) -> Option<PathBuf> {
        let is_bare = |folder: &Path| {
            folder.join("HEAD").is_file()
                && folder.join("objects").is_dir()
                && folder.join("refs").is_dir()
        };
        let is_one = |folder: &&Path| folder.join(".git").exists() || is_bare(folder);
        dir.ancestors().find(is_one).map(Path::to_owned)
    }

    /// Opens the repository in `dir`: a bare repository or a work tree.
    ///
    /// Nothing is written. The caller decides, with [`Mirror::inspect`], which kinds of repository
    /// may be followed or written to. A repository of another user is
    /// [`Foreign`](RepositoryError::Foreign) unless the options trust it.
    pub fn open(dir: &Path, options: MirrorOptions) -> Result<Self, RepositoryError> {
        trusted(dir, &options.safe_directories)?;
        readable(dir)?;
        Self::open_with(dir, options, Arc::default())
    }

    /// Opens a repository that shares the tree cache of another.
    pub(super) fn open_with(
        dir: &Path,
        options: MirrorOptions,
        trees: Arc<TreeCache>,
    ) -> Result<Self, RepositoryError> {
        let repo = open_repository(dir, &options)?;
        let git_dir = fs::canonicalize(repo.common_dir()).map_err(|error| {
            RepositoryError::Corrupt { path: dir.to_owned(), source: error.into() }
        })?;
        let (given_up, gaps) = (GivenUp::of(&git_dir), Gaps::default());
        let tag_listing = TagListing::default();
        let shared = Shared { git_dir, options, trees, given_up, gaps, tag_listing };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes `dir` a bare repository whose `HEAD` names `branch`, and opens it.
    ///
    /// `dir` and the folders above it are created as needed; only the owner may enter a `dir` that is
    /// created. A folder that is not empty is an error and is left unchanged.
    pub fn init(dir: &Path, branch: &str, options: MirrorOptions) -> Result<Self, RepositoryError> {
        let create = |source| RepositoryError::Create { path: dir.to_owned(), source };
        if !is_branch_name(branch) {
            let reason = format!("{branch:?} cannot be the name of a branch");
            return Err(create(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let is_new = !dir.exists();
        fs::create_dir_all(dir).map_err(create)?;
        if is_new {
            // What is private in the repository is nobody else's to read on this machine either.
            fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(create)?;
        }
        if fs::read_dir(dir).map_err(create)?.next().is_some() {
            return Err(create(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        write_bare_repository(dir, branch).map_err(create)?;
        Self::open(dir, options)
    }

    /// Records in the configuration where the repository was cloned from, without a password, as
    /// the default remote to follow.
    pub(crate) fn set_origin(&self, remote: &Remote) -> Result<(), RepositoryError> {
        let quoted = remote.address().replace('\\', "\\\\").replace('"', "\\\"");
        let config = self.git_dir().join("config");
        let append = || {
            let mut config = fs::OpenOptions::new().append(true).open(&config)?;
            writeln!(config, "[remote \"origin\"]\n\turl = \"{quoted}\"")?;
            config.sync_all()
        };
        append().map_err(|source| RepositoryError::Create { path: config.clone(), source })
    }

    /// Opens a fresh handle on everything that is in the repository now.
    ///
    /// Takes well under a millisecond. A handle is for one piece of work: one thread, one reload.
    pub fn objects(&self) -> Result<Objects, RepositoryError> {
        #[cfg(test)]
        super::testing::count_handle();
        let mut repo = open_repository(self.git_dir(), self.options())?;
        // A repack must not take away what this handle has found, nor the locations of blobs.
        repo.objects.prevent_pack_unload();
        Ok(Objects { repo, mirror: self.clone() })
    }
}

/// Writes the minimum of a bare repository: no hooks, no samples.
pub(super) fn write_bare_repository(dir: &Path, branch: &str) -> io::Result<()> {
    for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::write(dir.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    // Written last: without it the folder is not a repository.
    fs::write(dir.join("HEAD"), format!("ref: refs/heads/{branch}\n"))
}

/// Checks the owner of a repository before anything in it is read. A missing repository is reported
/// when it is opened; one that has a pipe or a device instead of a file is never opened.
fn trusted(dir: &Path, safe: &SafeDirectories) -> Result<(), RepositoryError> {
    let found = LocalRepository::at(dir, safe).and_then(|found| match found {
        Ok(repository) => repository.check_kinds().map(Ok),
        foreign => Ok(foreign.map(drop)),
    });
    match found {
        Ok(repository) => repository.map_err(RepositoryError::Foreign),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(RepositoryError::NotARepository { path: dir.to_owned() })
        }
        Err(_) => Ok(()),
    }
}

fn open_repository(
    dir: &Path,
    options: &MirrorOptions,
) -> Result<gix::Repository, RepositoryError> {
    let path = || dir.to_owned();
    match gix::open_opts(dir, gix_options(options)) {
        Ok(repo) => match flaw(repo.config_snapshot().plumbing()) {
            Some(flaw) => Err(flaw.refused(dir)),
            None => Ok(repo),
        },
        Err(_) if is_denied(dir) => Err(RepositoryError::Denied { path: path() }),
        Err(_) if !dir.exists() => Err(RepositoryError::NotFound { path: path() }),
        Err(error) => {
            let config = [dir.join(".git/config"), dir.join("config")]
                .into_iter()
                .find(|config| config.is_file())
                .and_then(|config| {
                    gix::config::File::from_path_no_includes(config, gix::config::Source::Local)
                        .ok()
                });
            match config {
                Some(config) => match flaw(&config) {
                    Some(flaw) => Err(flaw.refused(dir)),
                    None => Err(RepositoryError::Corrupt { path: path(), source: error.into() }),
                },
                None => Err(RepositoryError::NotARepository { path: path() }),
            }
        }
    }
}

/// Returns the branch that `HEAD` names, whether it exists or not; `None` if it names a commit.
pub(super) fn head_branch(repo: &gix::Repository) -> Result<Option<String>, Cause> {
    let head = repo.head()?;
    Ok(head.referent_name().and_then(|name| branch_name(name.as_bstr())))
}

/// Checks up front whether the repository is readable: later, an unreadable file looks like a
/// missing one.
fn readable(dir: &Path) -> Result<(), RepositoryError> {
    match is_denied(dir) {
        true => Err(RepositoryError::Denied { path: dir.to_owned() }),
        false => Ok(()),
    }
}

/// Returns whether the repository, or the path to it, is unreadable.
fn is_denied(dir: &Path) -> bool {
    let denied = |result: io::Result<()>| {
        result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let git = dir.join(".git");
    if denied(fs::read_dir(dir).map(drop)) || denied(fs::metadata(&git).map(drop)) {
        return true;
    }
    let inside = if git.exists() { git } else { dir.to_owned() };
    let folders =
        ["", "objects", "objects/pack", "refs", "refs/heads"].map(|name| inside.join(name));
    let files = ["HEAD", "config", "packed-refs"].map(|name| inside.join(name));
    folders.iter().any(|folder| folder.is_dir() && denied(fs::read_dir(folder).map(drop)))
        || files.iter().any(|file| file.is_file() && denied(fs::File::open(file).map(drop)))
}

/// Why a repository cannot be used, from its configuration.
#[derive(Debug, PartialEq, Eq)]
enum Flaw {
    Sha256,
    /// An extension or format, as `name = value`.
    Unsupported(String),
}

impl Flaw {
    fn refused(self, dir: &Path) -> RepositoryError {
        let path = dir.to_owned();
        match self {
            Self::Sha256 => RepositoryError::Sha256 { path },
            Self::Unsupported(extension) => RepositoryError::Unsupported { path, extension },
        }
    }
}

/// Checks the extensions as git does (gitrepository-layout(5)): an unknown one is refused if the
/// format makes extensions count, from version 1 on.
fn flaw(config: &gix::config::File) -> Option<Flaw> {
    let value = |key: &str| config.string(key).map(|value| value.to_string());
    let version = value("core.repositoryFormatVersion").unwrap_or_default();
    let version: u32 = version.trim().parse().unwrap_or(0);
    if version > 1 {
        return Some(Flaw::Unsupported(format!("core.repositoryFormatVersion = {version}")));
    }
    let sections = config.sections_by_name("extensions").into_iter().flatten();
    for section in sections {
        for name in section.body().value_names() {
            let name = name.to_string();
            let found = value(&format!("extensions.{name}")).unwrap_or_default();
            let is = |supported: &str| found.eq_ignore_ascii_case(supported);
            let supported = match name.to_ascii_lowercase().as_str() {
                "objectformat" if is("sha256") => return Some(Flaw::Sha256),
                "objectformat" => is("sha1"),
                "refstorage" => is("files"),
                // What they affect is never read here, or is reported where it matters.
                "noop" | "noop-v1" | "partialclone" | "preciousobjects" | "relativeworktrees"
                | "worktreeconfig" => true,
                _ => version == 0,
            };
            if !supported {
                return Some(Flaw::Unsupported(format!("extensions.{name} = {found}")));
            }
        }
    }
    None
}

fn gix_options(options: &MirrorOptions) -> gix::open::Options {
    gix::open::Options::isolated()
        // The operator named the folder. No program that its configuration names is ever run:
        // transports and the git program are started separately.
        .with(gix::sec::Trust::Full)
        // The number is fixed at opening, and packs arrive while a handle is in use. Each slot costs a walk through all
        // threads when the handle is dropped.
        .object_store_slots(Slots::AsNeededByDiskState { multiplier: 4.0, minimum: 256 })
        .config_overrides([
            format!("gitoxide.objects.allocLimit={}", options.object_limit),
            // Reading in path order hits the same bases again and again: this is three times as
            // fast.
            "core.deltaBaseCacheLimit=256m".to_owned(),
            "core.useReplaceRefs=false".to_owned(),
            "core.logAllRefUpdates=false".to_owned(),
            "core.filesRefLockTimeout=5000".to_owned(),
            "core.packedRefsTimeout=5000".to_owned(),
            "gitoxide.credentials.terminalPrompt=false".to_owned(),
        ])
}

/// Returns whether git allows a branch of this name.
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
    use crate::mirror::testing::{NOBODY, TestRepository, give_away};

    fn open_error(path: &Path) -> RepositoryError {
        Mirror::open(path, MirrorOptions::default()).unwrap_err()
    }

    #[test]
    fn a_bare_repository_tells_its_branches() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        repository.git(["branch", "other/one", "main"]);
        let facts = Mirror::inspect(repository.path(), &SafeDirectories::default()).unwrap();
        let expected = RepositoryFacts {
            bare: true,
            shallow: false,
            partial: false,
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
        let facts = Mirror::inspect(repository.path(), &SafeDirectories::default()).unwrap();
        assert!(!facts.bare && facts.branches.is_empty());
        assert_eq!(facts.remote_url.as_deref(), Some(url));
        assert!(!format!("{facts:?}").contains("secret"));
        let mirror = Mirror::open(repository.path(), MirrorOptions::default()).unwrap();
        assert!(mirror.git_dir().ends_with(".git"));
    }

    #[test]
    fn the_repository_around_a_folder_is_the_nearest_one_above_it() {
        let repository = TestRepository::with(&[]);
        let below = repository.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(Mirror::around(&below).as_deref(), Some(repository.path()));
        let bare = TestRepository::bare();
        assert_eq!(Mirror::around(&bare.path().join("refs")).as_deref(), Some(bare.path()));
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("refs")).unwrap();
        assert_ne!(Mirror::around(folder.path()).as_deref(), Some(folder.path()));
    }

    #[test]
    fn a_shallow_clone_is_told() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        repository.commit_files("main", &[("a", "2")]);
        let shallow = TestRepository::bare();
        shallow.git(["fetch", "-q", "--depth=1", &repository.url(), "main:main"]);
        assert!(Mirror::inspect(shallow.path(), &SafeDirectories::default()).unwrap().shallow);
    }

    #[test]
    fn what_is_no_repository_of_ours_is_refused_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let missing = open_error(&folder.path().join("none"));
        assert!(matches!(missing, RepositoryError::NotFound { .. }), "{missing:?}");
        let empty = open_error(folder.path());
        assert!(matches!(empty, RepositoryError::NotARepository { .. }), "{empty:?}");
        let sha256 = TestRepository::with(&["--bare", "--object-format=sha256"]);
        let error = open_error(sha256.path());
        assert!(matches!(error, RepositoryError::Sha256 { .. }), "{error:?}");
        let broken = TestRepository::bare();
        std::fs::write(broken.path().join("config"), "[core\n").unwrap();
        let error = open_error(broken.path());
        assert!(matches!(
            error,
            RepositoryError::Corrupt { .. } | RepositoryError::NotARepository { .. }
        ));
        let reftable = TestRepository::bare();
        let config =
            "[core]\nrepositoryformatversion=1\nbare=true\n[extensions]\nrefStorage=reftable\n";
        std::fs::write(reftable.path().join("config"), config).unwrap();
        let error = open_error(reftable.path());
        assert!(matches!(error, RepositoryError::Unsupported { .. }), "{error:?}");
    }

    #[test]
    fn a_repository_of_another_user_is_opened_only_where_that_is_said() {
        for init in [&["--bare"][..], &[]] {
            let repository = TestRepository::with(init);
            repository.commit_files("main", &[("a", "1")]);
            if !give_away(repository.path()) {
                return;
            }
            let error = open_error(repository.path());
            assert!(
                matches!(&error, RepositoryError::Foreign(foreign) if foreign.owner == NOBODY),
                "{error:?}"
            );
            assert!(error.to_string().contains("--safe-directory"), "{error}");
            let error = Mirror::inspect(repository.path(), &SafeDirectories::default());
            assert!(matches!(error, Err(RepositoryError::Foreign(_))), "{error:?}");
            let safe_directories = SafeDirectories::new([repository.path()]);
            Mirror::inspect(repository.path(), &safe_directories).unwrap();
            let options = MirrorOptions { safe_directories, ..MirrorOptions::default() };
            Mirror::open(repository.path(), options).unwrap().objects().unwrap();
        }
    }

    #[test]
    fn extensions_count_as_git_says_and_unknown_ones_are_told() {
        let unsupported = |text: &str| Some(Flaw::Unsupported(text.to_owned()));
        for (version, extensions, expected) in [
            (0, "", None),
            (1, "", None),
            (2, "", unsupported("core.repositoryFormatVersion = 2")),
            (1, "noop", None),
            (1, "objectFormat = sha1\nworktreeConfig = true", None),
            (1, "objectFormat = sha256", Some(Flaw::Sha256)),
            (1, "refStorage = reftable", unsupported("extensions.refStorage = reftable")),
            (1, "partialClone = origin", None),
            (0, "fancy = 1", None),
            (1, "fancy = 1", unsupported("extensions.fancy = 1")),
            (1, "compatObjectFormat = x", unsupported("extensions.compatObjectFormat = x")),
        ] {
            let core = format!("[core]\nrepositoryformatversion = {version}\n");
            let text = format!("{core}[extensions]\n{extensions}\n");
            let config = gix::config::File::try_from(text.as_str()).unwrap();
            assert_eq!(flaw(&config), expected, "{text}");
        }
    }

    #[test]
    fn a_partial_clone_tells_that_it_is_one_and_what_it_lacks() {
        let remote = TestRepository::bare();
        let tip = remote.commit_files("main", &[("a", "1")]);
        remote.git(["config", "uploadpack.allowFilter", "true"]);
        let clone = TestRepository::bare();
        let args = ["clone", "-q", "--bare", "--filter=blob:none"];
        let partial = clone.path().join("partial.git");
        clone.git(args.into_iter().chain([&*remote.url(), partial.to_str().unwrap()]));
        assert!(Mirror::inspect(&partial, &SafeDirectories::default()).unwrap().partial);
        assert!(!Mirror::inspect(remote.path(), &SafeDirectories::default()).unwrap().partial);
        let objects = Mirror::open(&partial, MirrorOptions::default()).unwrap().objects().unwrap();
        objects.commit(tip).unwrap();
        let blob = remote.git(["rev-parse", "main:a"]).parse().unwrap();
        let error = objects.read_blob(blob, 100, |_| ()).unwrap_err();
        assert!(error.is_missing() && error.to_string().contains("partial clone"), "{error}");
    }

    #[test]
    fn a_new_repository_is_one_for_git_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/data.git");
        Mirror::init(&path, "trunk", MirrorOptions::default()).unwrap();
        let facts = Mirror::inspect(&path, &SafeDirectories::default()).unwrap();
        assert!(facts.bare && facts.head_branch.as_deref() == Some("trunk"));
        let fsck = crate::mirror::testing::hermetic_git(&path).arg("fsck").output().unwrap();
        assert!(fsck.status.success());
        let error = Mirror::init(&path, "trunk", MirrorOptions::default()).unwrap_err();
        assert!(matches!(error, RepositoryError::Create { .. }), "{error:?}");
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
