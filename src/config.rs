//! The settings, resolved once and checked before anything opens.
//!
//! [`Config`] has no `Debug`: it holds secrets.

pub mod trace_collector;
pub mod cluster;
mod engine;
mod error;
pub mod keyring;
mod caller_roles;
pub mod layers;
pub mod secret;
pub mod role_secrets;
pub mod settings;
mod read_settings;
mod alert_receiver;
mod distinct_secrets;
mod values;
pub mod tokens;
pub mod watched_file;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use headwater_engine::engine::EngineConfig;
use headwater_engine::mirror::Identity;
use reqwest::Url;

pub use alert_receiver::{Receiver, Shape};
pub use caller_roles::{Keys, Match, Role};
pub use cluster::{Alone, BusAddress, ClusterSettings, FetchesFrom};
use distinct_secrets::SecretsByRole;
pub use engine::{committer, engine};
pub use error::ConfigError;
pub use keyring::{Keyring, NamedValue};
pub use layers::{Environment, Flags, Layers, ProcessEnvironment};
pub use read_settings::ReadSettings;
pub use role_secrets::Secrets;
pub use secret::Secret;
pub use tokens::{Token, Tokens};
pub use trace_collector::Collector;
use values::Acknowledged;
pub use values::{BasePath, Cors, LogFormat, Push, TrustedProxies};
pub use watched_file::Watched;

/// The resolved settings of `serve`.
pub struct Config {
    /// The settings of the engine: the branch and its repository, the limits, and whether to write.
    pub engine: EngineConfig,
    /// How requests are served.
    pub http: Http,
    /// The secrets for the routes that trigger and show reloads.
    pub reload_secrets: Keyring,
    /// The secrets for the routes that release held pushes.
    pub operator_secrets: Keyring,
    /// The secrets that only read the metrics.
    pub metrics_secrets: Keyring,
    /// The file that says who may do what; `None` if everybody reads alike.
    pub access_file: Option<AccessFilePath>,
    /// The tokens for the routes that write; `None` if writes are off.
    pub write_tokens: Option<Watched<Tokens>>,
    /// The committer of writes.
    pub committer: Identity,
    /// Whether a change of a record must name the version it is based on.
    pub require_if_match: bool,
    /// The largest attachment, in bytes.
    pub attachment_limit: usize,
    /// Whether a write is answered only once it is pushed, unless its caller asks for something
    /// else.
    pub push_first: bool,
    /// Whether a write is answered only once it is in two places: on the disk of another replica, or
    /// on the remote.
    pub replicate_first: bool,
    /// The receivers of alerts.
    pub alert_receivers: Vec<Receiver>,
    /// How long the remote may be unreachable before an alert.
    pub alert_after: Duration,
    /// The receivers of every publication, and the secrets that sign it.
    pub subscribers: Option<(Vec<Url>, Keyring)>,
    /// The keys with which other replicas fetch from this one; `None` if there are none.
    pub peers: Option<Keyring>,
    /// The collector of reload traces.
    pub collector: Option<Collector>,
    /// The cluster that this server is a replica of; `None` if it is alone.
    pub cluster: Option<ClusterSettings>,
    /// How long a first start waits for an unreachable remote.
    pub init_timeout: Duration,
    /// How long requests in flight may take to finish.
    pub shutdown_timeout: Duration,
}

/// The place of the access file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFilePath {
    /// The setting that names it, as it was given.
    pub setting: String,
    /// The file.
    pub path: PathBuf,
}

/// How requests are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The separate address of the internal routes, which the main address then lacks.
    pub internal_listen: Option<SocketAddr>,
    /// The prefix of every route.
    pub base_path: BasePath,
    /// The address at which clients reach the server, base path included, without a slash at its end.
    pub public_url: Option<String>,
    /// The address of a line of a file at the forge, with `{commit}`, `{path}` and `{line}`.
    pub source_url: Option<String>,
    /// The origins whose pages may read the public routes.
    pub cors: Cors,
    /// The proxies that are trusted to report where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The number of connections that may be open at once.
    pub max_connections: usize,
    /// The processor time that one answer may use; `None` is no limit.
    pub query_budget: Option<Duration>,
}

/// A secret of a role, and the setting that gives it.
pub struct SecretOfRole {
    /// The flag of the setting.
    pub setting: &'static str,
    /// The secret.
    pub secret: Secret,
}

impl Config {
    /// Resolves every setting.
    ///
    /// # Errors
    /// Fails at the first setting that is missing or wrong.
    pub fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        use settings::*;
        let write_tokens = write_tokens(layers)?;
        let push = layers.require(&PUSH, Push::parse)?;
        let cluster = ClusterSettings::resolve(layers)?;
        let acknowledged = acknowledged(layers, cluster.as_ref())?;
        let committer = committer(layers)?;
        let engine = EngineConfig {
            watch: true,
            poll_interval: interval(layers, &POLL_INTERVAL)?,
            audit_interval: interval(layers, &AUDIT_INTERVAL)?,
            writes: write_tokens.is_some().then(|| committer.clone()),
            durability: acknowledged.durability(),
            push: push != Push::Off,
            push_interval: layers.require(&PUSH_INTERVAL, values::seconds)?,
            rewrites: layers.read(&ON_DIVERGENCE, values::rewrites)?,
            unpushed_limit: layers.read(&UNPUSHED_LIMIT, values::number)?,
            previews: layers.require(&PREVIEWS, values::list)?,
            ..engine(layers)?
        };
        let config = Self {
            engine,
            http: Http::resolve(layers)?,
            reload_secrets: keyring(layers, &RELOAD_SECRET, &RELOAD_SECRET_FILE)?,
            operator_secrets: keyring(layers, &OPERATOR_SECRET, &OPERATOR_SECRET_FILE)?,
            metrics_secrets: keyring(layers, &METRICS_SECRET, &METRICS_SECRET_FILE)?,
            access_file: layers
                .read(&ACCESS_FILE, values::path)?
                .map(|path| AccessFilePath { setting: layers.name_of(&ACCESS_FILE), path }),
            write_tokens,
            committer,
            require_if_match: layers.require(&REQUIRE_IF_MATCH, values::switch)?,
            attachment_limit: layers.require(&ATTACHMENT_LIMIT, values::number)?,
            push_first: push == Push::Sync,
            replicate_first: acknowledged == Acknowledged::Replicated,
            alert_receivers: layers.read(&ALERT_URL, Receiver::parse_list)?.unwrap_or_default(),
            alert_after: layers.require(&ALERT_AFTER, values::seconds)?,
            subscribers: subscribers(layers)?,
            peers: None,
            collector: collector(layers)?,
            cluster,
            init_timeout: layers.require(&INIT_TIMEOUT, values::seconds)?,
            shutdown_timeout: layers.require(&SHUTDOWN_TIMEOUT, values::seconds)?,
        };
        let mut secrets = SecretsByRole::new(layers);
        secrets.add(&config.reload_secrets, &RELOAD_SECRET, &RELOAD_SECRET_FILE);
        secrets.add(&config.operator_secrets, &OPERATOR_SECRET, &OPERATOR_SECRET_FILE);
        secrets.add(&config.metrics_secrets, &METRICS_SECRET, &METRICS_SECRET_FILE);
        if let Some((_, keys)) = &config.subscribers {
            secrets.add(keys, &SUBSCRIBER_SECRET, &SUBSCRIBER_SECRET_FILE);
        }
        if config.cluster.is_some() {
            let ring = keyring(layers, &CLUSTER_SECRET, &CLUSTER_SECRET_FILE)?;
            secrets.add(&ring, &CLUSTER_SECRET, &CLUSTER_SECRET_FILE);
        }
        if let Some(tokens) = &config.write_tokens {
            secrets.add_tokens(&tokens.last(), &WRITE_TOKENS_FILE);
        }
        secrets.check()?;
        Ok(config)
    }

    /// Returns the secrets of all roles, except for the tokens.
    pub fn role_secrets(&self) -> Vec<SecretOfRole> {
        use settings::*;
        let subscribers = self.subscribers.as_ref().map(|(_, keys)| (&SUBSCRIBER_SECRET, keys));
        let rings = [
            (&RELOAD_SECRET, &self.reload_secrets),
            (&OPERATOR_SECRET, &self.operator_secrets),
            (&METRICS_SECRET, &self.metrics_secrets),
        ];
        let of_ring = |(setting, ring): (&settings::Setting, &Keyring)| {
            let setting = setting.flag;
            let secrets: Vec<_> = ring.last().numbered().map(|(_, one)| one.clone()).collect();
            secrets.into_iter().map(move |secret| SecretOfRole { setting, secret })
        };
        rings.into_iter().chain(subscribers).flat_map(of_ring).collect()
    }
}

/// Reads where a write must be before it is acknowledged.
///
/// # Errors
/// Fails if that is at another replica, and there is none.
fn acknowledged(
    layers: &Layers<'_>,
    cluster: Option<&ClusterSettings>,
) -> Result<Acknowledged, ConfigError> {
    let setting = &settings::DURABILITY;
    match (layers.read(setting, Acknowledged::parse)?, cluster) {
        (Some(Acknowledged::Replicated), None) => Err(ConfigError::Invalid {
            setting: layers.name_of(setting),
            reason: "needs other replicas for `replicated`: set --cluster".to_owned(),
        }),
        (Some(given), _) => Ok(given),
        (None, Some(_)) => Ok(Acknowledged::Replicated),
        (None, None) => Ok(Acknowledged::Synced),
    }
}

/// Parses an interval; 0 is never.
fn interval(
    layers: &Layers<'_>,
    setting: &settings::Setting,
) -> Result<Option<Duration>, ConfigError> {
    Ok(Some(layers.require(setting, values::seconds)?).filter(|interval| !interval.is_zero()))
}

impl Http {
    fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        use settings::*;
        Ok(Self {
            listen: layers.require(&LISTEN, values::address)?,
            internal_listen: layers.read(&INTERNAL_LISTEN, values::address)?,
            base_path: layers.require(&BASE_PATH, BasePath::parse)?,
            public_url: layers.read(&PUBLIC_URL, values::base_url)?,
            source_url: layers.read(&SOURCE_URL, values::source_url)?,
            cors: layers.require(&CORS_ORIGINS, Cors::parse)?,
            trusted_proxies: layers.require(&TRUSTED_PROXIES, TrustedProxies::parse)?,
            max_connections: layers.require(&MAX_CONNECTIONS, values::at_least_one)?,
            query_budget: Some(layers.require(&QUERY_BUDGET, values::milliseconds)?)
                .filter(|budget| !budget.is_zero()),
        })
    }
}

/// Reads the file of write tokens, if there is one.
fn write_tokens(layers: &Layers<'_>) -> Result<Option<Watched<Tokens>>, ConfigError> {
    let setting = layers.name_of(&settings::WRITE_TOKENS_FILE);
    let path = layers.read(&settings::WRITE_TOKENS_FILE, values::path)?;
    let read = |path: PathBuf| {
        let name = setting.clone();
        Watched::read(&setting, &path, move |text| Tokens::parse(&name, text))
    };
    path.map(read).transpose()
}

/// Reads the receivers of publications.
///
/// # Errors
/// Fails if an address is invalid, or if there is no secret to sign with.
fn subscribers(layers: &Layers<'_>) -> Result<Option<(Vec<Url>, Keyring)>, ConfigError> {
    use settings::*;
    let urls = |text: &str| text.split_whitespace().map(values::url).collect::<Result<Vec<_>, _>>();
    let urls = layers.read(&SUBSCRIBER_URL, urls)?.unwrap_or_default();
    let keys = keyring(layers, &SUBSCRIBER_SECRET, &SUBSCRIBER_SECRET_FILE)?;
    if urls.is_empty() {
        return Ok(None);
    }
    if keys.last().is_empty() {
        let (flag, env) = (SUBSCRIBER_SECRET.flag, SUBSCRIBER_SECRET.env());
        return Err(ConfigError::Missing { flag, env });
    }
    Ok(Some((urls, keys)))
}

/// Reads the collector of traces, if there is one.
fn collector(layers: &Layers<'_>) -> Result<Option<Collector>, ConfigError> {
    let headers =
        layers.read(&settings::OTLP_HEADERS, trace_collector::headers)?.unwrap_or_default();
    let collector = layers.read(&settings::OTLP_ENDPOINT, Collector::parse)?;
    Ok(collector.map(|collector| Collector { headers, ..collector }))
}

/// Reads the secrets of a pair of settings: one in the environment, more in a file.
///
/// # Errors
/// Fails if one of them is too short, or if the file cannot be read.
pub fn keyring(
    layers: &Layers<'_>,
    direct: &settings::Setting,
    file: &settings::Setting,
) -> Result<Keyring, ConfigError> {
    let (name, text) = (layers.name_of(direct), layers.get(direct));
    let (file_name, path) = (layers.name_of(file), layers.read(file, values::path)?);
    let text = text.as_deref().map(|value| NamedValue { name: &name, value });
    let path = path.as_deref().map(|value| NamedValue { name: &file_name, value });
    Keyring::read(text, path)
}

/// Reads the settings of the log, which are needed before all others.
///
/// # Errors
/// Fails if one of them is wrong.
pub fn log_settings(layers: &Layers<'_>) -> Result<(String, LogFormat), ConfigError> {
    let filter = layers.require(&settings::LOG, values::text)?;
    Ok((filter, layers.require(&settings::LOG_FORMAT, LogFormat::parse)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = Flags::new();
        Config::resolve(&Layers::new(&flags, &environment, None)?)
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        resolve(pairs).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_names_of_the_older_system_are_enough() {
        let config = resolve(&[
            ("CFP_DATA_REPO_PATH", "/srv/data"),
            ("CFP_DATA_REMOTE", "https://host.org/data.git"),
            ("CFP_DATA_BRANCH", "published"),
            ("CFP_DATA_RELOAD_SECRET", "0123456789abcdef"),
        ])
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.engine.repo, PathBuf::from("/srv/data"));
        assert_eq!(config.engine.branch.as_deref(), Some("published"));
        let secrets = config.reload_secrets.last();
        assert!(secrets.first().is_some_and(|secret| secret.matches(b"0123456789abcdef")));
        assert_eq!(config.engine.poll_interval, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_branch_may_be_given_by_its_full_name() {
        let config = resolve(&[("HEADWATER_REPO", "d"), ("HEADWATER_BRANCH", "refs/heads/a/b")]);
        assert!(config.is_ok_and(|config| config.engine.branch.as_deref() == Some("a/b")));
    }

    #[test]
    fn no_poll_interval_means_never() {
        let config = resolve(&[("HEADWATER_REPO", "d"), ("HEADWATER_POLL_INTERVAL", "0")]);
        assert!(config.is_ok_and(|config| config.engine.poll_interval.is_none()));
    }

    #[test]
    fn a_missing_repository_names_the_flag_and_the_environment() {
        let mirrored = [("HEADWATER_REMOTE", "https://host.org/data.git")];
        assert_eq!(refusal(&mirrored), "give --repo or set HEADWATER_REPO");
    }

    #[test]
    fn the_branch_is_not_where_conflicts_are_kept() {
        let refused = refusal(&[("HEADWATER_REPO", "d"), ("HEADWATER_BRANCH", "conflicts")]);
        assert!(refused.starts_with("HEADWATER_BRANCH must not be `conflicts`: "), "{refused}");
        assert!(resolve(&[("HEADWATER_REPO", "d"), ("HEADWATER_BRANCH", "conflicts/a")]).is_ok());
    }

    #[test]
    fn a_wrong_value_names_its_setting_and_not_the_value() {
        let cases = [
            ("HEADWATER_LISTEN", "nowhere"),
            ("HEADWATER_BRANCH", "refs/tags/v1"),
            ("HEADWATER_POLL_INTERVAL", "soon"),
            ("HEADWATER_QUARANTINE_SHARE", "101"),
            ("HEADWATER_PUSH_REMOVED_LIMIT", "-1"),
            ("HEADWATER_BASE_PATH", "no-slash"),
            ("HEADWATER_PUBLIC_URL", "https://example.org/?token=a"),
            ("HEADWATER_SOURCE_URL", "https://example.org/{commit}"),
            ("HEADWATER_SOURCE_URL", "javascript:{path}"),
            ("HEADWATER_CORS_ORIGINS", "not an origin"),
            ("HEADWATER_TRUSTED_PROXIES", "proxy.internal"),
            ("HEADWATER_MAX_CONNECTIONS", "0"),
            ("HEADWATER_DURABILITY", "maybe"),
            ("HEADWATER_PUSH", "never"),
            ("HEADWATER_ON_DIVERGENCE", "force"),
            ("HEADWATER_ALERT_URL", "ftp://host"),
            ("HEADWATER_OTLP_ENDPOINT", "collector:4318"),
            ("HEADWATER_OTLP_HEADERS", "a-key"),
            ("HEADWATER_RELOAD_SECRET", "short"),
            ("HEADWATER_RELOAD_SECRET", ""),
        ];
        for (name, value) in cases {
            let message = refusal(&[("HEADWATER_REPO", "d"), (name, value)]);
            assert!(message.starts_with(name), "{name}: {message}");
            assert!(value.is_empty() || !message.contains(&format!("`{value}`")), "{message}");
        }
    }
}
