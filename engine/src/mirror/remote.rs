//! The address of the remote repository and its credential files.
//!
//! The address comes from the settings and never from a request or a payload. An address that could
//! make git or ssh run something else is refused here, before anything is started.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Foreign;
use super::address::{Account, RemoteOptions, SshAddress};
use super::ownership::LocalRepository;
use super::transport::ahead::LastGreeting;
use super::transport::greeting::KnownGreeting;
use super::transport::http::HttpClient;

/// A remote repository.
///
/// It is kept for the life of the process: it holds the connection that one fetch leaves to the
/// next. `Display` and `Debug` show the address without user, password and query.
pub struct Remote {
    pub(super) target: Target,
    pub(super) options: RemoteOptions,
    shown: String,
    pub(super) client: Mutex<Option<HttpClient>>,
    /// The capabilities of the server, as of the last greeting.
    pub(super) greeting: Arc<KnownGreeting>,
    /// The same of a server at the other end of a pipe.
    pub(super) last_greeting: LastGreeting,
    /// When the server last refused to send an existing commit that was requested by its id alone.
    refused_unnamed: Mutex<Option<Instant>>,
}

/// How long no such commits are requested from a server that refused one.
const REFUSES: Duration = Duration::from_secs(3_600);

/// The parts of an address that its transport needs.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Target {
    Folder(PathBuf),
    Http { url: reqwest::Url, account: Option<Account> },
    Ssh(SshAddress),
}

/// An address or a setting of a remote that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the address of the remote {reason}")]
pub struct RemoteError {
    /// What is wrong with it, without the address itself, which may hold a password.
    reason: &'static str,
}

impl Remote {
    /// Parses the address of a remote: a path, `file://`, `http://`, `https://`, `ssh://` or
    /// `user@host:path`.
    pub fn new(address: &str, options: RemoteOptions) -> Result<Self, RemoteError> {
        let target = parse(address).map_err(|reason| RemoteError { reason })?;
        if let Target::Http { url, account } = &target {
            let secret = account.is_some() || options.token_file.is_some();
            if secret && url.scheme() == "http" && !is_loopback(url) {
                let reason = "is http, which would send a password or token in clear text";
                return Err(RemoteError { reason });
            }
        }
        Ok(Self::at(target, options))
    }

    /// Parses the address of another replica's repository, `http://` or `https://`, which is asked
    /// with `key` as the password. Over http, the key is sent in clear text: the network between
    /// replicas must be trusted.
    ///
    /// # Errors
    ///
    /// If it is no such address.
    pub fn peer(address: &str, key: &str) -> Result<Self, RemoteError> {
        match parse(address).map_err(|reason| RemoteError { reason })? {
            Target::Http { url, .. } => {
                let account = Account { user: "headwater".to_owned(), password: key.to_owned() };
                let target = Target::Http { url, account: Some(account) };
                Ok(Self::at(target, RemoteOptions::default()))
            }
            Target::Folder(_) | Target::Ssh(_) => {
                Err(RemoteError { reason: "is not http, as that of a replica is" })
            }
        }
    }

    fn at(target: Target, options: RemoteOptions) -> Self {
        Self {
            shown: shown(&target),
            target,
            options,
            client: Mutex::new(None),
            greeting: Arc::default(),
            last_greeting: LastGreeting::default(),
            refused_unnamed: Mutex::default(),
        }
    }

    /// Returns an address of the same remote without secrets: an account for http is left out. A
    /// folder is returned with its absolute path.
    pub(crate) fn address(&self) -> String {
        match &self.target {
            Target::Folder(path) => {
                std::path::absolute(path).as_ref().unwrap_or(path).display().to_string()
            }
            Target::Http { url, .. } => url.to_string(),
            Target::Ssh(SshAddress { user, host, port, path }) => {
                let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
                match port {
                    Some(port) => {
                        format!("ssh://{user}{host}:{port}/{}", path.trim_start_matches('/'))
                    }
                    // The scp form, in which a path may be relative to the home folder of the user.
                    None => format!("{user}{host}:{path}"),
                }
            }
        }
    }

    /// Returns the git directory of the repository in `folder`, which is the target, after checking
    /// its owner.
    pub(super) fn local_repository(&self, folder: &Path) -> io::Result<Result<PathBuf, Foreign>> {
        let repository = LocalRepository::at(folder, &self.options.safe_directories)?;
        Ok(repository.map(|repository| repository.git_dir))
    }

    /// Returns whether a commit may be requested by its id at once: if the greeting is known and the
    /// server did not refuse that within the last hour.
    pub(super) fn sends_unnamed_commits(&self) -> bool {
        let refused = *self.refused_unnamed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = match self.is_piped() {
            true => self.last_greeting.is_known(),
            false => self.greeting.is_known(),
        };
        is_known && refused.is_none_or(|since| since.elapsed() >= REFUSES)
    }

    /// Returns whether the remote is at the other end of a pipe, which takes several requests on one
    /// connection.
    pub(super) fn is_piped(&self) -> bool {
        !matches!(self.target, Target::Http { .. })
    }

    /// Records that the server refused such a commit.
    pub(super) fn refused_unnamed_commit(&self) {
        let mut refused = self.refused_unnamed.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(Instant::now());
    }

    /// Returns the account for http: that of the address, or the token of the file.
    pub(super) fn account(&self) -> io::Result<Option<Account>> {
        let of_address = match &self.target {
            Target::Http { account, .. } => account.clone(),
            _ => None,
        };
        let Some(file) = &self.options.token_file else { return Ok(of_address) };
        let text = fs::read_to_string(file)?;
        let token = text.trim();
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(io::Error::other("the token file holds no token"));
        }
        let (user, password) = token.split_once(':').unwrap_or(("x-access-token", token));
        Ok(Some(Account { user: user.to_owned(), password: password.to_owned() }))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.shown).finish()
    }
}

fn shown(target: &Target) -> String {
    match target {
        Target::Folder(path) => path.display().to_string(),
        Target::Http { url, .. } => url.to_string(),
        Target::Ssh(SshAddress { host, port, path, .. }) => match port {
            Some(port) => format!("ssh://{host}:{port}/{}", path.trim_start_matches('/')),
            None => format!("ssh://{host}/{}", path.trim_start_matches('/')),
        },
    }
}

fn parse(address: &str) -> Result<Target, &'static str> {
    if address.is_empty() {
        return Err("is empty");
    }
    if address.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    if let Some((scheme, rest)) = address.split_once("://")
        && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    {
        return match scheme.to_ascii_lowercase().as_str() {
            "file" => parse_file(rest),
            "http" | "https" => parse_http(address),
            "ssh" | "git+ssh" | "ssh+git" => parse_ssh(address),
            _ => Err("has a scheme other than file, http, https and ssh"),
        };
    }
    match (address.find(':'), address.find('/')) {
        (Some(colon), slash) if slash.is_none_or(|slash| colon < slash) => {
            if address[colon..].starts_with("::") {
                return Err("names a remote helper");
            }
            parse_scp(address)
        }
        _ => Ok(Target::Folder(PathBuf::from(address))),
    }
}

fn parse_file(rest: &str) -> Result<Target, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.starts_with('/') {
        Ok(Target::Folder(PathBuf::from(path)))
    } else {
        Err("is a file URL of another host")
    }
}

fn parse_http(address: &str) -> Result<Target, &'static str> {
    let mut url = reqwest::Url::parse(address).map_err(|_| "is not a valid URL")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment");
    }
    if url.host_str().is_none_or(|host| host.starts_with('-')) {
        return Err("has no valid host");
    }
    let account = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let decode = |text: &str| {
                percent_decoded(text).ok_or("has a user or password that is not valid UTF-8")
            };
            Some(Account { user: decode(user)?, password: decode(password.unwrap_or(""))? })
        }
    };
    let cannot_fail = "a URL with a host can be without a user";
    url.set_username("").map_err(|()| cannot_fail)?;
    url.set_password(None).map_err(|()| cannot_fail)?;
    Ok(Target::Http { url, account })
}

fn parse_ssh(address: &str) -> Result<Target, &'static str> {
    let url = gix::url::parse(address).map_err(|_| "is not a valid URL")?;
    if url.password().is_some() {
        return Err("has a password, which ssh cannot use");
    }
    ssh_target(&url)
}

fn parse_scp(address: &str) -> Result<Target, &'static str> {
    let url = gix::url::parse(address).map_err(|_| "is neither a path nor a URL")?;
    if url.scheme == gix::url::Scheme::Ssh { ssh_target(&url) } else { Err("is not a path") }
}

fn ssh_target(url: &gix::Url) -> Result<Target, &'static str> {
    // ssh would take a text that begins with a dash for an option.
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && !text.chars().any(|char| char.is_whitespace() || char.is_control())
    };
    let user = url.user().map(str::to_owned);
    if user.as_deref().is_some_and(|user| !plain(user) || user.contains('@')) {
        return Err("has no valid user");
    }
    let Some(host) = url.host().filter(|host| plain(host)) else {
        return Err("has no valid host");
    };
    let path = std::str::from_utf8(&url.path).map_err(|_| "has a path that is not UTF-8")?;
    if path.is_empty() || path.starts_with('-') {
        return Err("has no valid path");
    }
    let (host, path) = (host.to_owned(), path.to_owned());
    Ok(Target::Ssh(SshAddress { user, host, port: url.port, path }))
}

fn is_loopback(url: &reqwest::Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback()),
        None => false,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match after.split_first_chunk::<2>() {
            Some((digits, after)) if *first == b'%' => {
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(address: &str) -> Result<String, String> {
        let remote = Remote::new(address, RemoteOptions::default());
        match remote.map_err(|error| error.to_string())?.target {
            Target::Folder(path) => Ok(format!("folder {}", path.display())),
            Target::Http { url, account } => Ok(match account {
                Some(Account { user, password }) => format!("http {url} as {user}:{password}"),
                None => format!("http {url}"),
            }),
            Target::Ssh(SshAddress { user, host, port, path }) => {
                Ok(format!("ssh {user:?} {host} {port:?} {path}"))
            }
        }
    }

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        for (address, expected) in [
            ("/srv/data.git", "folder /srv/data.git"),
            ("../data", "folder ../data"),
            ("./a:b", "folder ./a:b"),
            ("file:///srv/a%20b", "folder /srv/a%20b"),
            ("file://localhost/srv/a", "folder /srv/a"),
            ("https://example.org/a/b.git", "http https://example.org/a/b.git"),
            ("HTTP://example.org:8080/a", "http http://example.org:8080/a"),
            ("https://me:p%40ss@example.org/a", "http https://example.org/a as me:p@ss"),
            ("ssh://git@example.org/a/b.git", "ssh Some(\"git\") example.org None /a/b.git"),
            ("ssh://example.org:2222/a", "ssh None example.org Some(2222) /a"),
            ("git@example.org:a/b.git", "ssh Some(\"git\") example.org None a/b.git"),
            ("example.org:/a", "ssh None example.org None /a"),
        ] {
            assert_eq!(parsed(address).as_deref(), Ok(expected), "{address}");
        }
    }

    #[test]
    fn addresses_that_could_run_something_else_are_refused() {
        for address in [
            "",
            "ext::sh -c touch% /tmp/pwned",
            "fd::17",
            "helper::address",
            "ext://sh",
            "git://example.org/a",
            "ftp://example.org/a",
            "ssh://-oProxyCommand=touch/a",
            "-oProxyCommand=touch:a",
            "ssh://-l@example.org/a",
            "-x@example.org:a",
            "example.org:-u",
            "ssh://me:secret@example.org/a",
            "https://-x/a",
            "https://example.org/a?token=secret",
            "file://other/srv/a",
            "/srv/a\nb",
            "example.org:",
        ] {
            assert!(parsed(address).is_err(), "{address:?}: {:?}", parsed(address));
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        for address in
            ["https://me:canary@example.org/a", "ssh://canary@example.org/a", "canary@host:a"]
        {
            let remote = Remote::new(address, RemoteOptions::default()).unwrap();
            let text = format!("{remote} {remote:?} {remote:#?}");
            assert!(!text.contains("canary"), "{text}");
        }
        let error = Remote::new("https://me:canary@example.org/a?b", RemoteOptions::default());
        assert!(!format!("{:?}", error.unwrap_err()).contains("canary"));
    }

    #[test]
    fn a_secret_is_not_sent_in_the_clear() {
        let options = RemoteOptions { token_file: Some("/t".into()), ..RemoteOptions::default() };
        assert!(Remote::new("http://example.org/a", options.clone()).is_err());
        assert!(Remote::new("http://a:b@example.org/a", RemoteOptions::default()).is_err());
        for address in ["https://example.org/a", "http://127.0.0.1:1/a", "http://localhost/a"] {
            assert!(Remote::new(address, options.clone()).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_replica_is_asked_with_the_key_over_http_too_and_the_key_is_not_shown() {
        let remote = Remote::peer("http://replica-1:8081/api/_internal/git", "canary").unwrap();
        let account = remote.account().unwrap().unwrap();
        assert_eq!((account.user.as_str(), account.password.as_str()), ("headwater", "canary"));
        assert!(!format!("{remote} {remote:?}").contains("canary"));
        for address in ["/srv/data.git", "git@example.org:a", "ftp://example.org", ""] {
            assert!(Remote::peer(address, "canary").is_err(), "{address}");
        }
    }

    #[test]
    fn a_token_file_may_name_the_user() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options =
            RemoteOptions { token_file: Some(file.path().to_owned()), ..RemoteOptions::default() };
        let remote = Remote::new("https://example.org/a", options).unwrap();
        for (text, expected) in [
            ("abc\n", Some(("x-access-token", "abc"))),
            ("deploy:abc", Some(("deploy", "abc"))),
            ("\n", None),
            ("a\nb", None),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let account = remote.account().ok().flatten();
            let found =
                account.as_ref().map(|found| (found.user.as_str(), found.password.as_str()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
