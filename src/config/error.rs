//! The errors of settings.

use std::path::PathBuf;

use headwater_engine::mirror::RemoteError;
use headwater_engine::suggestion::did_you_mean;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting without a default is not given.
    #[error("give --{flag} or set {env}")]
    Missing {
        /// Its flag.
        flag: &'static str,
        /// Its environment name.
        env: String,
    },
    /// No repository is named, and the current directory is not in one.
    #[error(
        "{} is not in a repository: change to a clone, or name one with --repo",
        folder.display()
    )]
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// A value does not have the required form.
    #[error("{setting} {reason}")]
    Invalid {
        /// The setting, as it was typed.
        setting: String,
        /// What it must be.
        reason: String,
    },
    /// A secret is short enough to be guessed.
    #[error("{setting} must be a secret of at least 16 bytes")]
    ShortSecret {
        /// The setting.
        setting: String,
    },
    /// Two roles share a secret.
    #[error("`{}` and `{}` have the same secret: each role needs its own", settings[0], settings[1])]
    SharedSecret {
        /// The two settings, as they were given.
        settings: [String; 2],
    },
    /// A secret begins like a signing token and is not one.
    #[error("{setting} has a signing token whose text after `whsec_` is not base64")]
    SigningToken {
        /// The setting.
        setting: String,
    },
    /// A line of the access file breaks a rule.
    #[error("{}:{line}: {rule}", path.display())]
    AccessFile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The rule, and what would be right.
        rule: String,
    },
    /// The access file and the file of write tokens have the same token.
    #[error(
        "the access file and the file of write tokens both have the token `{name}`, or its secret: keep it in one of them"
    )]
    TokenTwice {
        /// Its name.
        name: String,
    },
    /// A file that a setting names cannot be read.
    #[error("{setting}: the file {path} cannot be read", path = path.display())]
    Unreadable {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of settings is not TOML.
    #[error("the configuration {path} is not valid TOML", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// The file has a key that is not a setting.
    #[error(
        "the configuration {path} has the unknown key `{key}`{}",
        did_you_mean(nearest.as_deref()), path = path.display()
    )]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The setting that may be meant.
        nearest: Option<String>,
    },
    /// The file holds a secret, which belongs in the environment or a file of its own.
    #[error("`{key}` is not allowed in {path}; set it in the environment", path = path.display())]
    SecretInFile {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// The file with definitions cannot be read.
    #[error("the sheets {path} cannot be read", path = path.display())]
    Sheets {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address of the remote cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}
