//! How a remote is reached: the parts of its address, and its credential files.

use std::path::PathBuf;

use super::ownership::SafeDirectories;

/// How a remote is reached, apart from its address.
///
/// The files are read again at each fetch, so they can be rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteOptions {
    /// A file with a token for `https`, sent as `Authorization: Basic`. The user is
    /// `x-access-token`, which the forges accept with any kind of token. If another user is
    /// required (GitLab deploy tokens, `x-token-auth` on Bitbucket), the file holds `user:token`.
    pub token_file: Option<PathBuf>,
    /// A file with the private key for `ssh`. If it is set, no other key is offered.
    pub ssh_key_file: Option<PathBuf>,
    /// A file with the host keys for `ssh`. Without it, the user's own list is used. A host that is
    /// not listed is always refused.
    pub known_hosts_file: Option<PathBuf>,
    /// The program to start instead of `ssh`.
    pub ssh_program: Option<PathBuf>,
    /// The local folders that may be fetched from and pushed to although another user owns them.
    pub safe_directories: SafeDirectories,
    /// The URL of a proxy for `http` and `https`. Without it no proxy is used, whatever the
    /// environment says.
    pub proxy: Option<String>,
}

/// The location of a repository that is reached over ssh.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SshAddress {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

/// A user name and its secret. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: String,
}
