//! The settings of every command that reads.

use std::path::PathBuf;

use headwater_engine::layout::DefinitionFile;
use headwater_engine::mirror::{Mirror, MirrorOptions, SafeDirectories};
use headwater_engine::options::LoadOptions;

use super::error::ConfigError;
use super::layers::Layers;
use super::values;

/// The branch and the repository to read, and which of its files are records: the settings of every
/// command that reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSettings {
    /// The local repository.
    pub repo: PathBuf,
    /// The branch.
    pub branch: Option<String>,
    /// A file with sheet definitions.
    pub sheets: Option<PathBuf>,
    /// The largest file to read as a record.
    pub record_limit: u64,
    /// The largest file of many records to read.
    pub file_limit: u64,
    /// The repositories that may belong to another user.
    pub safe_directories: SafeDirectories,
}

impl ReadSettings {
    /// Returns the options to open the repository.
    pub fn mirror_options(&self) -> MirrorOptions {
        let safe_directories = self.safe_directories.clone();
        MirrorOptions { safe_directories, ..MirrorOptions::default() }
    }

    /// Returns the options to read records.
    ///
    /// # Errors
    /// Fails if the file with definitions cannot be read.
    pub fn load_options(&self) -> Result<LoadOptions, ConfigError> {
        let read = |path: &PathBuf| match std::fs::read(path) {
            Ok(bytes) => Ok(DefinitionFile { path: path.display().to_string(), bytes }),
            Err(source) => Err(ConfigError::Sheets { path: path.clone(), source }),
        };
        let sheets = self.sheets.as_ref().map(read).transpose()?;
        let Self { record_limit, file_limit, .. } = *self;
        Ok(LoadOptions { sheets, record_limit, file_limit, ..LoadOptions::default() })
    }

    /// Resolves the settings. Without a repository, and without a remote to clone, the repository
    /// is that of the current directory.
    ///
    /// # Errors
    /// Fails at the first setting that is missing or wrong.
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

/// Returns the repository of the current directory.
fn here() -> Result<PathBuf, ConfigError> {
    let folder = std::env::current_dir().unwrap_or_default();
    Mirror::around(&folder).ok_or(ConfigError::NoRepository { folder })
}
