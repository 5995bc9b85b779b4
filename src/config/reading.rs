//! What every command that reads needs to know.

use std::path::PathBuf;

use headwater_engine::layout::DefinitionFile;
use headwater_engine::mirror::{Mirror, MirrorOptions, SafeDirectories};
use headwater_engine::options::LoadOptions;

use super::error::ConfigError;
use super::layers::Layers;
use super::values;

/// Which branch of which repository is read, and what of it is a record: the settings of every
/// command that reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The local repository.
    pub repo: PathBuf,
    /// The branch.
    pub branch: Option<String>,
    /// A file with sheet definitions.
    pub sheets: Option<PathBuf>,
    /// The largest file that is read as a record.
    pub record_limit: u64,
    /// The largest file of many records that is read.
    pub file_limit: u64,
    /// The repositories that are used although another user owns them.
    pub safe_directories: SafeDirectories,
}

impl Reading {
    /// Returns how the repository is opened.
    pub fn mirror_options(&self) -> MirrorOptions {
        let safe_directories = self.safe_directories.clone();
        MirrorOptions { safe_directories, ..MirrorOptions::default() }
    }

    /// Returns how records are read.
    ///
    /// # Errors
    /// When the file with definitions can't be read.
    pub fn load_options(&self) -> Result<LoadOptions, ConfigError> {
        let read = |path: &PathBuf| match std::fs::read(path) {
            Ok(bytes) => Ok(DefinitionFile { path: path.display().to_string(), bytes }),
            Err(source) => Err(ConfigError::Sheets { path: path.clone(), source }),
        };
        let sheets = self.sheets.as_ref().map(read).transpose()?;
        let Self { record_limit, file_limit, .. } = *self;
        Ok(LoadOptions { sheets, record_limit, file_limit, ..LoadOptions::default() })
    }

    /// Resolves the settings. Without a repository, and without a remote to clone, it is the one that
    /// the current folder is in.
    ///
    /// # Errors
    /// At the first setting that is missing or wrong.
    pub fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        use super::settings::*;
        let repo = match layers.read(&REPO, values::path)? {
            Some(repo) => repo,
            None if layers.get(&REMOTE).is_some() => {
                let (flag, env) = (REPO.flag, REPO.env());
                return Err(ConfigError::Missing { flag, env });
            }
            None => here()?,
        };
        Ok(Self {
            repo,
            branch: layers.read(&BRANCH, values::branch)?,
            sheets: layers.read(&SHEETS, values::path)?,
            record_limit: layers.require(&RECORD_LIMIT, values::number)?,
            file_limit: layers.require(&FILE_LIMIT, values::file_size)?,
            safe_directories: layers.require(&SAFE_DIRECTORY, values::safe_directories)?,
        })
    }
}

/// Returns the repository that the current folder is in.
fn here() -> Result<PathBuf, ConfigError> {
    let folder = std::env::current_dir().unwrap_or_default();
    Mirror::around(&folder).ok_or(ConfigError::NoRepository { folder })
}
