//! The log: for people on a terminal, JSON lines elsewhere. No secret is passed to it, and
//! addresses of remotes go through [`crate::redact`].

mod writer;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
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
    let filter = filter_of(filter)
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

/// Returns the filter. Of HTTP/2 itself it lets only errors pass, unless it names that: its warnings
/// are about what a peer sends, as often as the peer likes.
fn filter_of(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("h2=error,{filter}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_does_in_http2_is_logged_only_if_that_is_asked_for() {
        let directives = |filter: &str| filter_of(filter).unwrap().to_string();
        for filter in ["info", "warn", "debug,headwater=trace"] {
            assert!(directives(filter).contains("h2=error"), "{filter}");
        }
        let named = directives("info,h2=debug");
        assert!(named.contains("h2=debug") && !named.contains("h2=error"), "{named}");
        assert!(filter_of("nonsense=nothing").is_err());
    }
}
