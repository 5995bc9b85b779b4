//! The git directory in which the git program runs.
//!
//! git runs what the configuration, the hooks and the attributes of its git directory name, and no
//! list of settings that override them is ever complete. So it is given a directory of ours, made
//! for one run, in which there is nothing of the repository; only its objects are lent.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::command::GitCommand;
use crate::mirror::Mirror;
use crate::mirror::folder::PREFIX;

/// What is set for every run. A pack is as durable as what the fetch wrote, and nothing is done on
/// the side.
const SETTINGS: &str = "[core]
	repositoryformatversion = 0
	bare = true
	fsync = all
	fsyncMethod = fsync
	askPass =
[gc]
	auto = 0
[maintenance]
	auto = false
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 30
";

/// A git directory without refs and objects of its own. Only its owner may look into it; it is gone
/// when dropped.
#[derive(Debug)]
pub(in crate::mirror) struct GitDir {
    folder: tempfile::TempDir,
}

impl GitDir {
    /// Makes one, with `settings` behind those of every run.
    ///
    /// One for a command that writes is made inside the mirror, where the next start removes what a
    /// killed process left. Nothing is written into a repository that is only read.
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
            // Where there is no folder for temporary files, that of a mirror does.
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
