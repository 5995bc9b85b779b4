//! Sends commits to the remote with `git push`, which gix cannot do.
//!
//! Nothing is ever overwritten. The remote takes a commit that descends from its last known head,
//! and only if that is still its head: a branch that was rewound or deleted meanwhile is not
//! restored.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use data_encoding::BASE64;

use super::address::SshAddress;
use super::git::{GitCommand, GitError, GitRun};
use super::refusal::{Refusal, shortened};
use super::remote::Target;
use super::transport::process::ssh_command_line;
use super::{Cause, Mirror, Remote, Untrusted, is_disk_full};
use crate::fault;
use crate::id::CommitId;

/// The number of bytes of git's output about a push that are read.
const REPORT_BYTES: u64 = 64 << 10;

/// The memory that git may hold while it pushes over a line, without that for making the pack. A
/// list of 700,000 references takes as much: git holds it in three processes.
const ANSWER_MEMORY: u64 = 512 << 20;

/// A ref of the remote, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct RefPush<'a> {
    /// Its full name.
    pub name: &'a str,
    /// What the remote was last known to have there; `None` creates the ref.
    pub known: Option<CommitId>,
    /// The commit that it gets.
    pub commit: CommitId,
    /// The full name of the branch that is served. What the remote has of it is not sent.
    pub served: &'a str,
}

/// A push that failed, or whose outcome is unknown. Pushing again does no harm.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The remote has commits from which the local commit does not descend.
    #[error("{remote} has commits that are not ours")]
    Behind {
        /// The address, without secrets.
        remote: String,
    },
    /// The remote refused the push: a hook, or a protected branch.
    #[error("{remote} refuses the push: {message}")]
    Refused {
        /// The address, without secrets.
        remote: String,
        /// Its message.
        message: String,
    },
    /// The remote requires other credentials.
    #[error("{remote} refuses our credentials: {message}")]
    Auth {
        /// The address, without secrets.
        remote: String,
        /// Its message.
        message: String,
    },
    /// The remote is not contacted: it is a folder of another user, or its host key is unknown.
    #[error("{remote} is not trusted")]
    Untrusted {
        /// The address, without secrets.
        remote: String,
        /// The cause.
        #[source]
        source: Untrusted,
    },
    /// The remote cannot be reached or does not exist, or the line broke.
    #[error("{remote} cannot be pushed to: {message}")]
    Unreachable {
        /// The address, without secrets.
        remote: String,
        /// The message of the remote or of git.
        message: String,
    },
    /// The push exceeded its time limit.
    #[error("{remote} took too long")]
    TimedOut {
        /// The address, without secrets.
        remote: String,
    },
    /// The remote lists so many references, or answers so much, that git would hold too much.
    #[error("{remote} answers a push with more than git may hold")]
    AnswerTooLarge {
        /// The address, without secrets.
        remote: String,
    },
    /// The file with the credentials cannot be read.
    #[error("the credentials cannot be passed to git")]
    Credentials(#[source] io::Error),
    /// The git program, or its folder, cannot be set up.
    #[error(transparent)]
    Git(GitError),
    /// The mirror itself cannot be read.
    #[error("the mirror cannot be read")]
    Mirror(#[source] Cause),
}

/// The kinds of failed pushes that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushErrorKind {
    /// Fetch first.
    Behind,
    /// Somebody must check the rules of the remote.
    Refused,
    /// Somebody must check the credentials.
    Auth,
    /// Somebody must check that the remote is the intended one.
    Untrusted,
    /// Try again later.
    Unreachable,
    /// Try again later, or allow more time.
    TimedOut,
    /// Somebody must check what the remote answers, or hide its other references.
    AnswerTooLarge,
    /// Try again later: there was no room on this machine.
    DiskFull,
    /// Somebody must check this machine.
    Ours,
}

impl PushErrorKind {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Refused => "refused",
            Self::Auth => "remote_auth",
            Self::Untrusted => "remote_untrusted",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::AnswerTooLarge => "answer_too_large",
            Self::DiskFull => "disk_full",
            Self::Ours => "internal",
        }
    }

    /// Returns whether it may pass soon without intervention.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Behind | Self::Unreachable | Self::TimedOut | Self::DiskFull)
    }
}

impl PushError {
    /// Returns the kind.
    pub fn kind(&self) -> PushErrorKind {
        match self {
            Self::Behind { .. } => PushErrorKind::Behind,
            Self::Refused { .. } => PushErrorKind::Refused,
            Self::Auth { .. } => PushErrorKind::Auth,
            Self::Untrusted { .. } => PushErrorKind::Untrusted,
            Self::Unreachable { .. } => PushErrorKind::Unreachable,
            Self::TimedOut { .. } => PushErrorKind::TimedOut,
            Self::AnswerTooLarge { .. } => PushErrorKind::AnswerTooLarge,
            Self::Credentials(_) | Self::Git(_) | Self::Mirror(_) => match is_disk_full(self) {
                true => PushErrorKind::DiskFull,
                false => PushErrorKind::Ours,
            },
        }
    }
}

/// What a push may cost.
#[derive(Debug, Clone, Copy)]
struct PushLimits {
    time: Duration,
    /// The most bytes that git may hold of what a remote answers over a line.
    memory: u64,
}

impl Mirror {
    /// Moves a ref of the remote forward from the known commit, or creates it if none is known. It is
    /// an error ([`PushError::Behind`]) if the remote has something else by now, or if the commit does
    /// not descend from the known one.
    ///
    /// When it returns `Ok`, the remote has the commit and everything that belongs to it. After an
    /// error, the remote may have it all the same: the line can break after the last word. Blocks
    /// for at most `time`. Only one push, fetch or repack may run at a time.
    pub fn push(
        &self,
        remote: &Remote,
        moved: RefPush<'_>,
        time: Duration,
    ) -> Result<(), PushError> {
        self.push_within(remote, moved, PushLimits { time, memory: ANSWER_MEMORY })
    }

    fn push_within(
        &self,
        remote: &Remote,
        moved: RefPush<'_>,
        limits: PushLimits,
    ) -> Result<(), PushError> {
        let RefPush { name, known, commit, served } = moved;
        fault::step("push.begin");
        if let Some(known) = known
            && !self.goes_forward(known, commit)?
        {
            return Err(PushError::Behind { remote: remote.to_string() });
        }
        let settings = settings_of(remote).map_err(PushError::Credentials)?;
        let mut run =
            GitRun::with_settings(self, GitCommand::Push, &settings).map_err(PushError::Git)?;
        let (address, protocol) = address_of(remote)?;
        run.command.env("GIT_ALLOW_PROTOCOL", protocol);
        match &remote.target {
            // Its hooks are run on this machine with our rights, so their memory is not limited.
            Target::Folder(_) => {
                run.trust_local_remote().map_err(PushError::Git)?;
                run.command.arg(format!("--receive-pack={}", receive_pack([name, served])));
            }
            Target::Http { .. } => run.limit_memory(limits.memory),
            Target::Ssh(_) => {
                run.limit_memory(limits.memory);
                let line = ssh_command_line(&remote.options);
                run.command.env("GIT_SSH_COMMAND", line).env("GIT_SSH_VARIANT", "ssh");
            }
        }
        let command = &mut run.command;
        command.args(["--porcelain", "--no-verify", "--recurse-submodules=no"]);
        // Compare-and-set: anything else that the remote has there is left alone. The check above
        // makes sure that this cannot force a push.
        let known = known.map(|known| known.to_string()).unwrap_or_default();
        command.arg(format!("--force-with-lease={name}:{known}")).arg("--");
        command.arg(address).arg(format!("{commit}:{name}"));
        let shown = remote.to_string();
        let ended = run.output(limits.time, REPORT_BYTES).map_err(|error| match error {
            GitError::Killed { .. } => PushError::TimedOut { remote: shown.clone() },
            GitError::TooMuchMemory { .. } => PushError::AnswerTooLarge { remote: shown.clone() },
            error => PushError::Git(error),
        })?;
        fault::step("push.sent");
        if ended.succeeded {
            return Ok(());
        }
        Err(failure(shown, &String::from_utf8_lossy(&ended.stdout), &ended.message))
    }
}

impl Mirror {
    fn goes_forward(&self, known: CommitId, commit: CommitId) -> Result<bool, PushError> {
        let objects = self.objects().map_err(|error| PushError::Mirror(error.into()))?;
        objects.descends_from(commit, known).map_err(|error| PushError::Mirror(error.into()))
    }
}

/// Returns why a push failed, from the line about the ref and from git's other messages.
fn failure(remote: String, report: &str, said: &str) -> PushError {
    // `!<tab>from:to<tab>[rejected] (fetch first)`, see git-push(1), `--porcelain`.
    let rejection = report.lines().find_map(|line| line.strip_prefix("!\t")?.split('\t').nth(1));
    match rejection {
        // A commit that somebody else just pushed may also have taken the name.
        Some(why) if why.starts_with("[rejected]") => PushError::Behind { remote },
        Some(why) if why.starts_with("[remote rejected]") && is_race(why) && !is_taken(said) => {
            PushError::Unreachable { remote, message: shortened(why) }
        }
        Some(why) if why.starts_with("[remote rejected]") => {
            PushError::Refused { remote, message: shortened(why) }
        }
        _ => match Refusal::read(said) {
            Some(Refusal::Untrusted(source)) => PushError::Untrusted { remote, source },
            None if !is_http_refusal(said) => {
                PushError::Unreachable { remote, message: shortened(said) }
            }
            _ => PushError::Auth { remote, message: shortened(said) },
        },
    }
}

/// Returns whether the remote could not lock or move its ref, which means a concurrent push.
fn is_race(why: &str) -> bool {
    [
        "cannot lock",
        "failed to lock",
        "unable to lock",
        "failed to update ref",
        "incorrect old value",
    ]
    .iter()
    .any(|phrase| why.to_ascii_lowercase().contains(phrase))
}

/// Returns whether the remote has another branch whose name is the first or a longer part of this one's: a folder
/// cannot be where a file is.
fn is_taken(said: &str) -> bool {
    said.contains("exists; cannot create")
}

/// Returns whether git got a 401 or 403: without a terminal it then cannot read a name.
fn is_http_refusal(said: &str) -> bool {
    ["could not read Username", "could not read Password", "returned error: 401", "error: 403"]
        .iter()
        .any(|phrase| said.contains(phrase))
}

/// Returns the address in git's form, without user and password for http, and its protocol. A
/// folder of another user is refused, since a push runs its hooks.
fn address_of(remote: &Remote) -> Result<(OsString, &'static str), PushError> {
    Ok(match &remote.target {
        Target::Folder(folder) => {
            let shown = remote.to_string();
            let repository = match remote.local_repository(folder) {
                Ok(repository) => repository,
                Err(error) => {
                    let message = error.to_string();
                    return Err(PushError::Unreachable { remote: shown, message });
                }
            };
            let git_dir = repository.map_err(|foreign| PushError::Untrusted {
                remote: shown,
                source: Untrusted::Foreign(foreign),
            })?;
            (git_dir.into_os_string(), "file")
        }
        Target::Http { url, .. } => {
            (url.as_str().into(), if url.scheme() == "http" { "http" } else { "https" })
        }
        Target::Ssh(SshAddress { user, host, port, path }) => {
            let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let address = match path.chars().next() {
                Some('/') => format!("ssh://{user}{host}{port}{path}"),
                Some('~') => format!("ssh://{user}{host}{port}/{path}"),
                // Relative to the home folder, which only this form can express.
                _ => format!("{user}{host}:{path}"),
            };
            (address.into(), "ssh")
        }
    })
}

/// Returns the command line, for a shell, that takes a push on this machine and lists only these
/// refs: a push needs no others, and a remote may have very many. What is received counts as a
/// repository that borrows from the remote, so its refs are listed once more, as those of an
/// alternate.
///
/// The settings are in the command line so that they end with that program: what the hooks push on
/// to other repositories is not affected.
fn receive_pack(names: [&str; 2]) -> String {
    let settings = [
        "receive.hideRefs=refs".to_owned(),
        format!("receive.hideRefs=!{}", names[0]),
        format!("receive.hideRefs=!{}", names[1]),
        format!("core.alternateRefsPrefixes={}", names.join(" ")),
    ];
    let settings = settings.map(|setting| format!("-c '{}' ", setting.replace('\'', r"'\''")));
    format!("git {}receive-pack", settings.concat())
}

/// Returns, as git settings, what git must know about the remote but must not appear in the process
/// list.
fn settings_of(remote: &Remote) -> io::Result<String> {
    let mut settings = String::new();
    if let Target::Http { .. } = remote.target {
        if let Some(account) = remote.account()? {
            let pair = format!("{}:{}", account.user, account.password);
            let header = format!("Authorization: Basic {}", BASE64.encode(pair.as_bytes()));
            settings.push_str(&format!("[http]\n\textraHeader = \"{header}\"\n"));
        }
        if let Some(proxy) = &remote.options.proxy {
            settings.push_str(&format!("[http]\n\tproxy = {}\n", quoted(proxy)));
        }
    }
    Ok(settings)
}

/// Quotes a value for a git configuration file.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
