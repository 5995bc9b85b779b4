//! Parsers for the values of settings. Their errors say in a few words what the value must be.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use headwater_engine::engine::Rewrites;
use headwater_engine::mirror::{Durability, Identity, SafeDirectories};
use http::HeaderValue;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

/// The path prefix of every route: empty, or with a slash at its start and none at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Parses a base path, in which anything may be percent-encoded. A slash at the end is dropped.
    ///
    /// # Errors
    /// Fails if it does not begin with a slash, has an empty segment, `.` or `..`, or has a
    /// character that must be percent-encoded in a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.trim_end_matches('/');
        let is_sound = |segment: &str| {
            let decoded = percent_decode_str(segment).decode_utf8();
            let decoded = decoded.ok().filter(|name| !matches!(&**name, "" | "." | ".."));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:@%".contains(c);
            let escapes = segment.split('%').skip(1);
            let is_escape = |rest: &str| {
                rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
            };
            decoded.is_some_and(|name| !name.contains('/')) && segment.chars().all(is_plain) && {
                escapes
            }
            .all(is_escape)
        };
        let sound = path.is_empty() || path.starts_with('/') && path[1..].split('/').all(is_sound);
        if !sound {
            return Err("must be empty or a path such as `/data`".to_owned());
        }
        Ok(Self(path.to_owned()))
    }

    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the rest of `path` below this one: it begins with a slash, or is empty for this path
    /// itself. Segments are equal however they are percent-encoded.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut rest = path;
        for segment in self.0.split('/').skip(1) {
            let inside = rest.strip_prefix('/')?;
            let (first, behind) = inside.split_at(inside.find('/').unwrap_or(inside.len()));
            if !percent_decode_str(first).eq(percent_decode_str(segment)) {
                return None;
            }
            rest = behind;
        }
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// The origins whose pages may read the public routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Only our own pages.
    Off,
    /// The pages of any origin.
    Any,
    /// The pages of these origins.
    Origins(Vec<HeaderValue>),
}

impl Cors {
    /// Parses a list of origins, `*`, or nothing.
    ///
    /// # Errors
    /// Fails if an entry is not an origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self::Off),
            "*" => Ok(Self::Any),
            list => list.split(',').map(origin).collect::<Result<_, _>>().map(Self::Origins),
        }
    }
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let refused = || "must list origins such as `https://example.org`".to_owned();
    let url = reqwest::Url::parse(text.trim()).map_err(|_| refused())?;
    let origin = url.origin();
    if !origin.is_tuple() || url.path() != "/" {
        return Err(refused());
    }
    HeaderValue::from_str(&origin.ascii_serialization()).map_err(|_| refused())
}

/// The reverse proxies that are trusted to report where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses a list of addresses and networks, or nothing.
    ///
    /// # Errors
    /// Fails if an entry is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || "must list addresses or networks such as `10.0.0.0/8`".to_owned();
        let networks = entries(text).map(|entry| {
            let address = || entry.parse().map(|address: IpAddr| IpNet::from(address));
            entry.parse().or_else(|_| address()).map_err(|_| refused())
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// When a write is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// After the answer.
    Background,
    /// Before the answer.
    Sync,
    /// Never; something else pushes.
    Off,
}

impl Push {
    /// Parses the name of one.
    ///
    /// # Errors
    /// Fails if there is none with that name.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "background" => Ok(Self::Background),
            "sync" => Ok(Self::Sync),
            "off" => Ok(Self::Off),
            _ => Err("must be `background`, `sync` or `off`".to_owned()),
        }
    }
}

/// Where a write must be before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// On the disk soon.
    Buffered,
    /// On the disk.
    Synced,
    /// On the disk, and on that of another replica or on the remote.
    Replicated,
}

impl Acknowledged {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "synced" => Ok(Self::Synced),
            "buffered" => Ok(Self::Buffered),
            "replicated" => Ok(Self::Replicated),
            _ => Err("must be `synced`, `buffered` or `replicated`".to_owned()),
        }
    }

    /// Returns when the write must be on the own disk.
    pub(super) fn durability(self) -> Durability {
        match self {
            Self::Buffered => Durability::Buffered,
            Self::Synced | Self::Replicated => Durability::Synced,
        }
    }
}

/// Parses what to do if both sides have new commits.
pub(super) fn rewrites(text: &str) -> Result<Rewrites, String> {
    match text {
        "refuse" => Ok(Rewrites::Hold),
        "replay" => Ok(Rewrites::Replay),
        "follow" => Ok(Rewrites::Follow),
        _ => Err("must be `refuse`, `replay` or `follow`".to_owned()),
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// For programs.
    Json,
}

impl LogFormat {
    /// Parses the name of a format.
    ///
    /// # Errors
    /// Fails if there is no such format.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("must be `human`, `json` or `auto`".to_owned()),
        }
    }
}

pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Parses the short or the full name of a branch.
pub(super) fn branch(value: &str) -> Result<String, String> {
    let name = value.strip_prefix("refs/heads/").unwrap_or(value);
    if name.is_empty() || name.starts_with("refs/") {
        return Err("must be the name of a branch, such as `main`".to_owned());
    }
    if name == "conflicts" {
        return Err("must not be `conflicts`: commits that cannot be kept on the branch are kept \
                    on branches below that name"
            .to_owned());
    }
    Ok(name.to_owned())
}

pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "must be a whole number".to_owned())
}

/// Parses the size of a file of many records, whose parts are counted in 32 bits.
pub(super) fn file_size(text: &str) -> Result<u64, String> {
    number(text).and_then(|bytes| match bytes > 1 << 31 {
        true => Err("must be at most 2147483648".to_owned()),
        false => Ok(bytes),
    })
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    number(text).and_then(|n| if n == 0 { Err("must be at least 1".to_owned()) } else { Ok(n) })
}

/// Returns the entries of a list separated by commas, without empty ones.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Parses names separated by commas.
#[expect(clippy::unnecessary_wraps, reason = "every setting is read by a function that may refuse")]
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(entries(text).map(str::to_owned).collect())
}

/// Parses folders separated by commas.
pub(super) fn safe_directories(text: &str) -> Result<SafeDirectories, String> {
    let folders = list(text)?;
    Ok(SafeDirectories::new(folders.iter().map(Path::new)))
}

/// Parses `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be `on` or `off`".to_owned()),
    }
}

pub(super) fn identity(text: &str) -> Result<Identity, String> {
    Identity::parse(text).map_err(|_| "must be of the form `Name <address>`".to_owned())
}

pub(super) fn percent(text: &str) -> Result<u8, String> {
    let share: u8 = number(text)?;
    if share > 100 { Err("must be between 0 and 100".to_owned()) } else { Ok(share) }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let refused = || "must be a number of seconds".to_owned();
    let seconds: f64 = text.trim().parse().map_err(|_| refused())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| refused())
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let whole = text.trim().parse().map(Duration::from_millis);
    whole.map_err(|_| "must be a whole number of milliseconds".to_owned())
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| "must be an address and a port such as `127.0.0.1:8080`".to_owned())
}

pub(super) fn url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).ok().filter(|url| url.scheme().starts_with("http"));
    url.ok_or_else(|| "must be an http or https address".to_owned())
}

/// Reads the address of a server: `http` or `https`, a host, and perhaps a base path. A slash at the
/// end is dropped.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let url = url(text)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("must be an address without a user and a query".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Reads the address of a line of a file at a forge.
pub(super) fn source_url(text: &str) -> Result<String, String> {
    let has_path = text.contains("{path}");
    url(text).ok().filter(|_| has_path).map(|_| text.to_owned()).ok_or_else(|| {
        "must be an http or https address with `{path}`, and perhaps `{commit}` and `{line}`".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_loses_its_last_slash() {
        assert_eq!(
            BasePath::parse("/data/").map(|path| path.as_str().to_owned()),
            Ok("/data".into())
        );
        assert_eq!(BasePath::parse("/"), Ok(BasePath::default()));
        for refused in
            ["data", "/{sheet}", "/a//b", "//a", "/a/../b", "/.", "/a b", "/a%2", "/a%2Fb"]
        {
            assert!(BasePath::parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_below_a_base_path_is_found_however_it_is_written() {
        for (base, path, below) in [
            ("", "/api/people", Some("/api/people")),
            ("", "*", None),
            ("/data", "/data/api", Some("/api")),
            ("/data", "/%64ata/api", Some("/api")),
            ("/data", "/data/", Some("/")),
            ("/data", "/data", Some("")),
            ("/data", "/database/api", None),
            ("/data", "/api", None),
            ("/data", "/", None),
            ("/api", "/api/api/people", Some("/api/people")),
            ("/api", "/api/people", Some("/people")),
            ("/api/api", "/api/api/api/people", Some("/api/people")),
            ("/api/api", "/api/people", None),
            ("/a/b", "/a/b/api%2Fx", Some("/api%2Fx")),
            ("/a/b", "/a%2Fb/api", None),
            ("/b%C3%BCcher", "/b%c3%bccher/api", Some("/api")),
            ("/a%20b", "/a%20b/api", Some("/api")),
            ("/a+b", "/a%2Bb/api", Some("/api")),
        ] {
            assert_eq!(BasePath::parse(base).unwrap().below(path), below, "{base} {path}");
        }
    }

    #[test]
    fn origins_are_normalized_and_paths_refused() {
        let expected = vec![HeaderValue::from_static("https://a.org")];
        assert_eq!(Cors::parse("https://A.org:443"), Ok(Cors::Origins(expected)));
        assert!(Cors::parse("https://a.org/path").is_err());
        assert_eq!(Cors::parse(" "), Ok(Cors::Off));
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let trusted = TrustedProxies::parse(" 10.0.0.0/8, ::1,192.0.2.1 ").unwrap();
        let contains = |address: &str| trusted.contains(address.parse().unwrap());
        assert!(contains("10.255.0.1") && contains("::1") && contains("192.0.2.1"));
        assert!(!contains("11.0.0.1") && !contains("::2") && !contains("192.0.2.2"));
        assert_eq!(TrustedProxies::parse(" "), Ok(TrustedProxies::default()));
        for text in ["proxy", "10.0.0.0/33", "10.0.0.1:80", "*"] {
            assert!(TrustedProxies::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction_and_no_sign() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("inf").is_err() && seconds("nan").is_err());
    }
}
