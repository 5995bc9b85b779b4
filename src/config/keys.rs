//! What the secrets open: the roles of callers, and the keys that a request is checked against.

use std::sync::Arc;

use super::secret::Secret;
use super::secrets::Secrets;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read the metrics.
    Metrics,
    /// Trigger reloads and read their reports.
    Reload,
    /// Let held pushes through, too.
    Operator,
}

impl Role {
    /// Returns the stable name that the log and the metrics show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Reload => "reload",
            Self::Operator => "operator",
        }
    }
}

/// The secret that a credential was made with: whose, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Whose secret it is.
    pub role: Role,
    /// Its number among those of the role, from 1.
    pub number: usize,
}

/// The secrets that open a route, by their roles, as they are for one request.
#[derive(Default)]
pub struct Keys {
    /// Read the metrics; none on any other route.
    pub metrics: Arc<Secrets>,
    /// Trigger reloads and read their reports.
    pub reload: Arc<Secrets>,
    /// Let held pushes through, too.
    pub operator: Arc<Secrets>,
}

impl Keys {
    /// Goes through every secret, those that allow more first.
    pub fn secrets(&self) -> impl Iterator<Item = (Match, &Secret)> {
        let roles = [
            (Role::Operator, &self.operator),
            (Role::Reload, &self.reload),
            (Role::Metrics, &self.metrics),
        ];
        roles.into_iter().flat_map(|(role, secrets)| {
            secrets.numbered().map(move |(number, secret)| (Match { role, number }, secret))
        })
    }

    /// Returns the secret that `key` is. Takes the same time whichever that is.
    pub fn matching(&self, key: &[u8]) -> Option<Match> {
        let compared = self.secrets().map(|(matched, secret)| (matched, secret.matches(key)));
        compared.fold(None, |found, (matched, same)| found.or(same.then_some(matched)))
    }
}
