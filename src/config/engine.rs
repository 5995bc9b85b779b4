//! The settings of the engine.

use std::sync::Arc;

use headwater_engine::admit::{AdmissionLimits, PushLimits};
use headwater_engine::engine::EngineConfig;
use headwater_engine::mirror::{FetchLimits, Identity, Remote, RemoteOptions, SafeDirectories};
use headwater_engine::options::LoadOptions;

use super::error::ConfigError;
use super::layers::Layers;
use super::read_settings::ReadSettings;
use super::{settings, values};
use crate::memory;

/// Resolves the settings of the repository and its limits.
///
/// # Errors
/// Fails at the first setting that is missing or wrong.
pub fn engine(layers: &Layers<'_>) -> Result<EngineConfig, ConfigError> {
    use settings::*;
    let reading = ReadSettings::resolve(layers)?;
    let remote = remote(layers, &reading.safe_directories)?;
    let timeout = layers.require(&FETCH_TIMEOUT, values::seconds)?;
    let load = reading.load_options()?;
    let ReadSettings { repo, branch, safe_directories, .. } = reading;
    Ok(EngineConfig {
        branch,
        load: LoadOptions { memory: memory::probe(), ..load },
        cache: layers.require(&CACHE, values::switch)?,
        safe_directories,
        fetch: FetchLimits {
            timeout,
            // A stall is waited out in full, so it must not last longer than the fetch.
            stall: FetchLimits::default().stall.min(timeout),
            max_bytes: layers.require(&FETCH_LIMIT, values::number)?,
            max_made: FetchLimits::made_within(timeout),
            max_held: FetchLimits::default().max_held,
            max_paths: FetchLimits::paths_within(timeout),
        },
        limits: AdmissionLimits {
            problems: layers.require(&QUARANTINE_LIMIT, values::number)?,
            share: share(layers.require(&QUARANTINE_SHARE, values::percent)?),
            push: PushLimits {
                removed: layers.read(&PUSH_REMOVED_LIMIT, values::percent)?.map(share),
                changed: layers.read(&PUSH_CHANGED_LIMIT, values::percent)?.map(share),
                problems: layers.read(&PUSH_PROBLEMS_LIMIT, values::number)?,
            },
        },
        ..EngineConfig::of(repo, remote)
    })
}

/// Reads the committer of writes.
///
/// # Errors
/// Fails if it is not `Name <address>`.
pub fn committer(layers: &Layers<'_>) -> Result<Identity, ConfigError> {
    layers.require(&settings::COMMITTER, values::identity)
}

/// Reads the address of the remote, and its credentials. Their files are read when they are needed.
fn remote(
    layers: &Layers<'_>,
    safe_directories: &SafeDirectories,
) -> Result<Option<Arc<Remote>>, ConfigError> {
    use settings::*;
    let options = RemoteOptions {
        token_file: layers.read(&REMOTE_TOKEN_FILE, values::path)?,
        ssh_key_file: layers.read(&SSH_KEY_FILE, values::path)?,
        known_hosts_file: layers.read(&SSH_KNOWN_HOSTS_FILE, values::path)?,
        proxy: layers.read(&PROXY, values::text)?,
        safe_directories: safe_directories.clone(),
        ..RemoteOptions::default()
    };
    let Some(address) = layers.read(&REMOTE, values::text)? else { return Ok(None) };
    Ok(Some(Arc::new(Remote::new(&address, options)?)))
}

fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}
