//! From the settings of the source to what the engine takes.

use std::path::Path;
use std::sync::Arc;

use headwater_engine::admit::{AdmissionLimits, PushLimits};
use headwater_engine::engine::{EngineConfig, OpenError};
use headwater_engine::layout::DefinitionFile;
use headwater_engine::mirror::{FetchLimits, Remote, RemoteOptions};
use headwater_engine::options::LoadOptions;

use crate::config::Source;
use crate::exit::{Exit, Failure};
use crate::memory;

/// Returns what the engine takes.
///
/// # Errors
/// When the address of the remote can't be used, or the file with definitions can't be read.
pub fn engine_config(source: &Source) -> Result<EngineConfig, Failure> {
    let credentials = &source.credentials;
    let remote = source.remote.as_deref().map(|address| {
        let options = RemoteOptions {
            token_file: credentials.token_file.clone(),
            ssh_key_file: credentials.ssh_key_file.clone(),
            known_hosts_file: credentials.ssh_known_hosts_file.clone(),
            proxy: credentials.proxy.clone(),
            safe_directories: source.safe_directories.clone(),
            ..RemoteOptions::default()
        };
        let remote = Remote::new(address, options);
        remote.map(Arc::new).map_err(|error| Failure::caused_by(Exit::Config, &error))
    });
    Ok(EngineConfig {
        branch: source.branch.clone(),
        load: LoadOptions {
            memory: memory::probe(),
            file_limit: source.file_limit,
            ..load_options(source.sheets.as_deref(), source.record_limit)?
        },
        cache: source.cache,
        safe_directories: source.safe_directories.clone(),
        fetch: FetchLimits {
            timeout: source.fetch_timeout,
            // A silence is waited out whole, so it may not last longer than the fetch.
            stall: FetchLimits::default().stall.min(source.fetch_timeout),
            max_bytes: source.fetch_limit,
            max_made: FetchLimits::made_within(source.fetch_timeout),
        },
        limits: AdmissionLimits {
            problems: source.quarantine_limit,
            share: share(source.quarantine_percent),
            push: PushLimits {
                removed: source.push_removed_percent.map(share),
                changed: source.push_changed_percent.map(share),
                problems: source.push_problems,
            },
        },
        ..EngineConfig::of(&source.repo, remote.transpose()?)
    })
}

fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

/// Returns how records are read.
///
/// # Errors
/// When the file with definitions can't be read.
pub fn load_options(sheets: Option<&Path>, record_limit: u64) -> Result<LoadOptions, Failure> {
    let read = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|error| {
            let path = path.display();
            Failure::new(Exit::Config, format!("the sheets {path} cannot be read: {error}"))
        })?;
        Ok::<_, Failure>(DefinitionFile { path: path.display().to_string(), bytes })
    };
    let sheets = sheets.map(read).transpose()?;
    Ok(LoadOptions { sheets, record_limit, ..LoadOptions::default() })
}

/// Returns the exit code for a repository that can't be served.
pub fn open_exit(error: &OpenError) -> Exit {
    match error {
        OpenError::Repository { .. }
        | OpenError::NothingThere { .. }
        | OpenError::NotBare { .. }
        | OpenError::Shallow { .. }
        | OpenError::PartialClone { .. }
        | OpenError::Remote(_)
        | OpenError::BranchUnclear { .. }
        | OpenError::BranchMissing { .. } => Exit::Config,
        OpenError::Locked { .. } | OpenError::Fetch { .. } => Exit::Unavailable,
        OpenError::Reference { .. } | OpenError::Load { .. } => Exit::Data,
        OpenError::Thread(_) => Exit::Software,
    }
}
