//! Interprets the messages with which a remote, or ssh in front of it, refuses a connection.

use super::Foreign;

/// The number of characters of a remote's error message that are passed on.
const MESSAGE_LIMIT: usize = 500;

/// Why a remote is not trusted. Somebody must check it; nothing was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No key of its ssh host is known.
    #[error("its ssh host key is unknown; list it in the file of known hosts: {said}")]
    HostKeyUnknown {
        /// The message of ssh.
        said: String,
    },
    /// The key of its ssh host differs from the known one.
    #[error("its ssh host key has changed, and somebody else may be answering: {said}")]
    HostKeyChanged {
        /// The message of ssh.
        said: String,
    },
    /// It is a folder of another user.
    #[error(transparent)]
    Foreign(Foreign),
}

/// A refusal that another attempt will not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The remote does not accept the credentials.
    Credentials,
    /// The remote is not accepted as the intended one.
    Untrusted(Untrusted),
}

impl Refusal {
    /// Finds a refusal in a message, or returns `None` for a failure that may pass soon.
    pub(super) fn read(said: &str) -> Option<Self> {
        let lower = said.to_ascii_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
        let quoted = || shortened(said);
        // In both cases ssh reports that the verification failed, after the actual problem.
        if says(&["remote host identification has changed", "revoked host key"]) {
            return Some(Self::Untrusted(Untrusted::HostKeyChanged { said: quoted() }));
        }
        if says(&["host key verification failed"]) {
            return Some(Self::Untrusted(Untrusted::HostKeyUnknown { said: quoted() }));
        }
        let refused = says(&[
            "permission denied",
            // A forge's message for a read-only key.
            "permission to ",
            "marked as read only",
            "authentication failed",
            "too many authentication failures",
            "access denied",
        ]);
        refused.then_some(Self::Credentials)
    }
}

/// Returns one line without control characters and without the frame that ssh draws around it.
pub(super) fn shortened(said: &str) -> String {
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("@@@")).collect();
    lines.join(" ").chars().take(MESSAGE_LIMIT).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_known_is_told_from_credentials_that_are_not_taken() {
        let changed = format!(
            "{}\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n{}\nIT IS POSSIBLE \
             THAT SOMEONE IS DOING SOMETHING NASTY!\nHost key verification failed.",
            "@".repeat(59),
            "@".repeat(59)
        );
        let unknown = "No ED25519 host key is known for example.org and you have requested strict \
                       checking.\nHost key verification failed.";
        for (said, expected) in [
            (&*changed, "changed"),
            ("@ WARNING: REVOKED HOST KEY DETECTED! @", "changed"),
            (unknown, "unknown"),
            ("git@x: Permission denied (publickey).", "credentials"),
            ("ERROR: Permission to a/b denied to deploy key", "credentials"),
            ("fatal: Authentication failed for 'https://x'", "credentials"),
            ("ssh: Could not resolve hostname x", ""),
            ("kex_exchange_identification: Connection closed by remote host", ""),
            ("", ""),
        ] {
            let found = match Refusal::read(said) {
                Some(Refusal::Untrusted(Untrusted::HostKeyChanged { .. })) => "changed",
                Some(Refusal::Untrusted(Untrusted::HostKeyUnknown { .. })) => "unknown",
                Some(Refusal::Untrusted(Untrusted::Foreign(_))) => "foreign",
                Some(Refusal::Credentials) => "credentials",
                None => "",
            };
            assert_eq!(found, expected, "{said}");
        }
        assert!(shortened(&changed).contains("SOMETHING NASTY"), "{}", shortened(&changed));
        assert_eq!(shortened("a\u{1b}[31m\nb"), "a [31m b");
    }
}
