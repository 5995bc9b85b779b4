//! The limit on open files and sockets.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors that the process needs besides its connections: the repository, its git
/// children, the log, alerts.
const BESIDE: u64 = 256;

/// Raises the soft limit to the hard one, and warns if that leaves too few for `connections`, and as many that
/// wait for a place.
///
/// The soft limit is low only for programs that use `select`, which this one does not.
pub fn raise(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
    let needed = 2 * connections as u64 + BESIDE;
    // Without a value there is no limit.
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(limit, needed, "the limit on open files is too low for max-connections");
    }
}
