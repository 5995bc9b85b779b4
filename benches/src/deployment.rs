//! A server with a mirror of its own.

use std::path::PathBuf;
use std::time::Duration;

use headwater_engine::id::CommitId;
use tempfile::TempDir;

use crate::samples::Samples;
use crate::server::{Reload, Server};
use crate::source::Source;
use crate::writers::tokens_setting;

/// A server on a mirror that it cloned itself.
pub struct Deployment {
    /// The server.
    pub server: Server,
    /// The time from the start until it was ready, the clone included.
    pub first_start: Duration,
    folder: TempDir,
}

impl Deployment {
    /// Starts a server on an empty folder with `source` as its remote and waits until it is ready.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub fn of(source: &Source) -> Self {
        Self::with_remote(&source.upstream.url())
    }

    /// Does the same with the remote at `url`.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn with_remote(url: &str) -> Self {
        Self::start(folder(), url, &[])
    }

    /// Does the same with a server that takes writes.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn with_writers(url: &str) -> Self {
        let folder = folder();
        let (name, file) = tokens_setting(folder.path());
        Self::start(folder, url, &[(name, &file)])
    }

    fn start(folder: TempDir, url: &str, settings: &[(&str, &str)]) -> Self {
        let mirror = folder.path().join("mirror.git");
        let mut server = Server::start_with(&mirror, url, settings);
        let first_start = server.wait_ready();
        // The first webhook finds that the start has fetched everything already.
        server.reload();
        Self { server, first_start, folder }
    }

    /// Returns the folder of the mirror.
    pub fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror.git")
    }

    /// Reloads after a push, which must go live by its difference or, if it is large, by a rebuild.
    ///
    /// # Panics
    /// Panics if the push does not go live.
    pub fn reload(&self) -> Reload {
        live(self.server.reload())
    }

    /// The same, and names the pushed commit, as the webhooks of forges do.
    ///
    /// # Panics
    /// As [`Self::reload`].
    pub fn reload_to(&self, commit: CommitId) -> Reload {
        live(self.server.reload_to(commit))
    }

    /// Pushes `pushes` commits of one record each, one after the other, and returns the duration of
    /// each reload without its fetch.
    pub fn reload_series(&self, source: &mut Source, pushes: usize) -> Samples {
        let mut stages = Samples::default();
        for commit in source.series(pushes) {
            source.upstream.reset_to(&commit);
            stages.push(self.reload().stages);
        }
        stages
    }
}

/// Checks that a push went live.
fn live(reload: Reload) -> Reload {
    assert!(["applied", "rebuilt"].contains(&reload.outcome()), "{}", reload.body);
    reload
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}
