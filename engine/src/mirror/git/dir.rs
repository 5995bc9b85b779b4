//! The git directory in which the git program runs.
//!
//! git runs whatever the configuration, the hooks and the attributes of its git directory name, and
//! no list of settings that override them is ever complete. So each run gets its own directory,
//! which contains nothing of the repository; only the objects are borrowed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::command::GitCommand;
use crate::mirror::Mirror;
use crate::mirror::folder::PREFIX;

/// The settings of every run. A pack is as durable as what the fetch wrote, and no background work
/// is done. Git compares each file with ten others, on each core: memory for that is bounded, and files that
/// are larger than any list of records that is written are copied as they are.
const SETTINGS: &str = "[core]
	repositoryformatversion = 0
	bare = true
	fsync = all
	fsyncMethod = fsync
	askPass =
	bigFileThreshold = 32m
[pack]
	threads = 2
	windowMemory = 64m
	deltaCacheSize = 64m
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 30
";

/// A git directory without its own refs and objects. Only its owner may read it, and dropping it
/// removes it.
#[derive(Debug)]
pub(in crate::mirror) struct GitDir {
    folder: tempfile::TempDir,
}

impl GitDir {
    /// Creates one, with `settings` after those of every run.
    ///
    /// For a command that writes, it is created inside the mirror, where the next start removes
    /// what a killed process left. Nothing is written into a repository that is only read.
    pub(in crate::mirror) fn new(
        mirror: &Mirror,
        command: GitCommand,
        settings: &str,
    ) -> io::Result<Self> {
        let private = fs::Permissions::from_mode(0o700);
        let made = |prefix| {
            let mut builder = tempfile::Builder::new();
            builder.prefix(prefix).permissions(private.clone());
            builder
        };
        let within = |folder: &Path| made(PREFIX).tempdir_in(folder);
        let ours = mirror.own_folder();
        let folder = if command.writes() {
            fs::create_dir_all(&ours)?;
            within(&ours)?
        } else {
            let elsewhere = made("headwater-git-").tempdir();
            // If there is no folder for temporary files, use that of the mirror.
            elsewhere.or_else(|_| within(&ours))?
        };
        fs::create_dir(folder.path().join("refs"))?;
        fs::write(folder.path().join("config"), [SETTINGS, settings].concat())?;
        fs::write(folder.path().join("HEAD"), "ref: refs/heads/none\n")?;
        Ok(Self { folder })
    }

    pub(in crate::mirror) fn path(&self) -> &Path {
        self.folder.path()
    }
}
