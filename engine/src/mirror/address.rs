//! How a remote is reached: the parts of its address, and the files with its credentials.

use std::path::PathBuf;

use super::ownership::SafeDirectories;

/// How a remote is reached, besides its address.
///
/// Files are read again at each fetch, so that they can be rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteOptions {
    /// A file with a token for `https`, sent as `Authorization: Basic`. The user is
    /// `x-access-token`, which the forges accept with any kind of token; where another is needed
    /// (deploy tokens of GitLab, `x-token-auth` of Bitbucket) the file holds `user:token`.
    pub token_file: Option<PathBuf>,
    /// A file with the private key for `ssh`. No other key is offered then.
    pub ssh_key_file: Option<PathBuf>,
    /// A file with the host keys for `ssh`. Without it the user's own list is used. A host that is
    /// not listed is always refused.
    pub known_hosts_file: Option<PathBuf>,
    /// The program that is started for `ssh` instead of `ssh`.
    pub ssh_program: Option<PathBuf>,
    /// The folders of this machine that are fetched from and pushed to although another user owns
    /// them.
    pub safe_directories: SafeDirectories,
    /// The URL of a proxy for `http` and `https`. Without it none is used, whatever the
    /// environment says.
    pub proxy: Option<String>,
}

/// Where a repository is that ssh leads to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SshAddress {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

/// A name and the secret that goes with it. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: String,
}
