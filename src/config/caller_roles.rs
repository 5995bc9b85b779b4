//! The roles of callers, and the keys that a request is checked against.

use std::sync::Arc;

use super::role_secrets::Secrets;
use super::secret::Secret;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read the metrics.
    Metrics,
    /// Trigger reloads and read their reports.
    Reload,
    /// Also release held pushes.
    Operator,
}

impl Role {
    /// Returns the stable name for the log and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Reload => "reload",
            Self::Operator => "operator",
        }
    }
}

/// The secret that a credential was made with: its role and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The role of the secret.
    pub role: Role,
    /// Its number among those of the role, from 1.
    pub number: usize,
}

/// The secrets that open a route, by role, as they are for one request.
#[derive(Default)]
pub struct Keys {
    /// Secrets that read the metrics; none on any other route.
    pub metrics: Arc<Secrets>,
    /// Secrets that trigger reloads and read their reports.
    pub reload: Arc<Secrets>,
    /// Secrets that also release held pushes.
    pub operator: Arc<Secrets>,
}

impl Keys {
    /// Iterates over every secret, the most powerful role first.
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

    /// Returns the match of `key`. Takes the same time whichever secret matches.
    pub fn matching(&self, key: &[u8]) -> Option<Match> {
        let compared = self.secrets().map(|(matched, secret)| (matched, secret.matches(key)));
        compared.fold(None, |found, (matched, same)| found.or(same.then_some(matched)))
    }
}
