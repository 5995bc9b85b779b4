//! The settings of a cluster: the bus, the name, and the part of this replica.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::ConfigError;
use super::layers::Layers;
use super::role_secrets::Secrets;
use super::{keyring, settings, values};

/// The shortest lease. A bus of three servers may be silent for seven seconds while it elects.
const SHORTEST_LEASE: u64 = 3;

/// The settings of a replica of a cluster.
#[derive(Clone)]
pub struct ClusterSettings {
    /// Where the bus is.
    pub bus: BusAddress,
    /// The address at which the other replicas reach the internal routes of this one.
    pub url: String,
    /// The secrets of the cluster; the first one signs.
    pub secrets: Arc<Secrets>,
    /// The file with the credentials for the bus.
    pub creds_file: Option<PathBuf>,
    /// How long the register must stand still before another replica leads.
    pub lease: Duration,
    /// Whether this replica may lead.
    pub leads: bool,
    /// Where a follower gets objects from first.
    pub fetches_from: FetchesFrom,
    /// What this replica does without a leader.
    pub alone: Alone,
}

/// The address of the bus and the name of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusAddress {
    /// The servers, each as a URL.
    pub servers: Vec<String>,
    /// The name of the cluster.
    pub name: String,
    /// The number of servers that keep the register.
    pub replicas: usize,
}

/// Where a follower gets objects from first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchesFrom {
    /// The leader, then another replica, then the remote.
    Peers,
    /// The remote, then the leader: for a remote that is nearer.
    Remote,
}

/// What a replica does when it has been without a leader for two leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It polls the remote by itself, and goes forward only.
    Polls,
    /// It stays where it is.
    Stays,
}

impl ClusterSettings {
    /// Reads the settings of a cluster; `None` if there is none.
    ///
    /// # Errors
    /// Fails if one of them is missing or wrong, if there is no remote, or if the internal routes have
    /// no address of their own: what replicas tell each other is not for the public.
    pub(super) fn resolve(layers: &Layers<'_>) -> Result<Option<Self>, ConfigError> {
        use settings::*;
        let Some(bus) = layers.read(&CLUSTER, BusAddress::parse)? else { return Ok(None) };
        for needed in [&REMOTE, &INTERNAL_LISTEN] {
            if layers.get(needed).is_none() {
                return Err(missing(needed));
            }
        }
        let secrets = keyring(layers, &CLUSTER_SECRET, &CLUSTER_SECRET_FILE)?.last();
        if secrets.is_empty() {
            return Err(missing(&CLUSTER_SECRET));
        }
        let url =
            layers.read(&CLUSTER_URL, values::base_url)?.ok_or_else(|| missing(&CLUSTER_URL))?;
        Ok(Some(Self {
            bus,
            url,
            secrets,
            creds_file: layers.read(&CLUSTER_CREDS_FILE, values::path)?,
            lease: layers.require(&CLUSTER_LEASE, lease)?,
            leads: layers.require(&CLUSTER_LEAD, values::switch)?,
            fetches_from: layers.require(&CLUSTER_FETCH, FetchesFrom::parse)?,
            alone: match layers.require(&CLUSTER_ALONE, values::switch)? {
                true => Alone::Polls,
                false => Alone::Stays,
            },
        }))
    }

    /// Returns the name of this replica for people: the host and port of its address.
    pub fn name(&self) -> &str {
        let rest = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }
}

fn missing(setting: &'static settings::Setting) -> ConfigError {
    ConfigError::Missing { flag: setting.flag, env: setting.env() }
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = values::seconds(text)?;
    let is_long_enough = lease >= Duration::from_secs(SHORTEST_LEASE);
    is_long_enough.then_some(lease).ok_or_else(|| format!("must be at least {SHORTEST_LEASE}"))
}

impl BusAddress {
    /// Reads `nats://HOST:PORT,HOST:PORT/NAME?replicas=N`; with `tls://` the connections are
    /// encrypted.
    ///
    /// # Errors
    /// Fails if it has another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "must be like `nats://host:4222,other:4222/name?replicas=3`";
        let form = || FORM.to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let (hosts, rest) = rest.split_once('/').ok_or_else(form)?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, "replicas=1"));
        if !matches!(scheme, "nats" | "tls") {
            return Err(FORM.to_owned());
        }
        if hosts.contains('@') {
            return Err("must not have credentials: name a file with --cluster-creds-file".into());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err("must end in a name of letters, digits, `-` and `_`".into());
        }
        let replicas = query.strip_prefix("replicas=").and_then(|count| count.parse().ok());
        let replicas = replicas.filter(|count| (1..=5).contains(count)).ok_or_else(form)?;
        let is_host = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
        if !hosts.split(',').all(is_host) {
            return Err(FORM.to_owned());
        }
        let servers = hosts.split(',').map(|host| format!("{scheme}://{host}")).collect();
        Ok(Self { servers, name: name.to_owned(), replicas })
    }
}

impl FetchesFrom {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "peer" => Ok(Self::Peers),
            "remote" => Ok(Self::Remote),
            _ => Err("must be `peer` or `remote`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Config, Flags};

    #[test]
    fn the_bus_is_a_list_of_servers_and_a_name() {
        let parsed = BusAddress::parse("nats://a:4222,b/data_1?replicas=3").unwrap();
        assert_eq!(parsed.servers, ["nats://a:4222", "nats://b"]);
        assert_eq!((&*parsed.name, parsed.replicas), ("data_1", 3));
        assert_eq!(BusAddress::parse("tls://a/data").unwrap().servers, ["tls://a"]);
        for wrong in [
            "a:4222",
            "nats://a:4222",
            "nats://a:4222/",
            "http://a/data",
            "nats://a,/data",
            "nats:///data",
            "nats://a/da.ta",
            "nats://a/data?replicas=0",
            "nats://a/data?size=3",
            "nats://user:word@a/data",
        ] {
            assert!(BusAddress::parse(wrong).is_err(), "{wrong}");
        }
    }

    const NEEDED: [(&str, &str); 6] = [
        ("HEADWATER_REPO", "d"),
        ("HEADWATER_REMOTE", "https://host.org/data.git"),
        ("HEADWATER_CLUSTER", "nats://127.0.0.1:4222/data"),
        ("HEADWATER_CLUSTER_URL", "http://one.peers:8081/"),
        ("HEADWATER_CLUSTER_SECRET", "the-secret-of-the-cluster"),
        ("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0"),
    ];

    fn resolve(given: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = Flags::new();
        Config::resolve(&Layers::new(&flags, &environment, None)?)
    }

    #[test]
    fn a_cluster_needs_an_address_a_secret_and_internal_routes_of_their_own() {
        let cluster = resolve(&NEEDED).ok().and_then(|config| config.cluster).unwrap();
        assert_eq!((&*cluster.url, cluster.name()), ("http://one.peers:8081", "one.peers:8081"));
        assert_eq!(cluster.lease, Duration::from_secs(15));
        assert!(cluster.leads && cluster.alone == Alone::Polls);
        for (at, (name, _)) in NEEDED.iter().enumerate() {
            if ["HEADWATER_REPO", "HEADWATER_CLUSTER"].contains(name) {
                continue;
            }
            let mut given = NEEDED.to_vec();
            given.remove(at);
            let message = resolve(&given).err().map(|error| error.to_string()).unwrap();
            assert!(message.contains(name), "{message}");
        }
        let alone = resolve(&NEEDED[..1]).ok().unwrap();
        assert!(alone.cluster.is_none());
    }

    #[test]
    fn the_secret_of_the_cluster_is_for_nothing_else() {
        let mut given = NEEDED.to_vec();
        given.push(("HEADWATER_OPERATOR_SECRET", "the-secret-of-the-cluster"));
        let message = resolve(&given).err().map(|error| error.to_string()).unwrap();
        assert!(message.contains("have the same secret"), "{message}");
    }
}
