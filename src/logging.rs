//! The log: for people on a terminal, JSON lines elsewhere. No secret is passed to it, and
//! addresses of remotes go through [`crate::redact`].

mod writer;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{ConfigError, LogFormat};

pub use writer::LogGuard;

/// Starts the log on standard error. Lines that are written before the guard is dropped are not
/// lost.
///
/// A separate thread writes the lines. If nobody reads the pipe, lines are dropped and counted, and
/// requests go on.
///
/// # Errors
/// Fails if the filter cannot be parsed.
pub fn start(filter: &str, format: LogFormat) -> Result<LogGuard, ConfigError> {
    let invalid = |setting: &str, reason: String| ConfigError::Invalid {
        setting: setting.to_owned(),
        reason,
    };
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| invalid("--log", format!("must be a filter such as `info`: {error}")))?;
    let terminal = std::io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let (writer, guard) = writer::spawn(std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second start in one process, as in tests, leaves the first log in place.
    let _ = if human {
        lines.with_ansi(terminal).with_target(false).finish().try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(false).finish().try_init()
    };
    Ok(guard)
}
