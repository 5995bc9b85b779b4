//! `headwater serve`: settings, log, server, signals.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use headwater_engine::options::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ServeArgs;
use crate::config::{Config, ConfigError, Environment, Layers, log_settings};
use crate::descriptors;
use crate::exit::{Exit, Failure};
use crate::http::RELOAD_ROUTE;
use crate::logging;
use crate::serve::Server;
use crate::signals::Signals;

/// How often the progress bar moves.
const FRAME: Duration = Duration::from_millis(100);

/// Serves until a signal ends it.
///
/// # Errors
/// Fails if the settings are wrong, the port is taken, or the repository cannot be served.
pub fn serve(
    arguments: &ServeArgs,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let layers = Layers::new(&arguments.flags, environment, arguments.config.as_deref());
    let layers = layers.map_err(|error| unusable(&error))?;
    let (filter, format) = log_settings(&layers).map_err(|error| unusable(&error))?;
    let config = Config::resolve(&layers).map_err(|error| unusable(&error))?;
    let _log = logging::start(&filter, format).map_err(|error| unusable(&error))?;
    descriptors::raise(config.http.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(run(config, out));
    // A load or a fetch that still runs ends with the process.
    runtime.shutdown_background();
    served
}

fn unusable(error: &ConfigError) -> Failure {
    Failure::caused_by(Exit::Config, error)
}

async fn run(config: Config, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let base = config.http.base_path.as_str().to_owned();
    let takes_webhooks = config.reload_secrets.last().numbered().next().is_some();
    let server = Server::start(config).await?;
    let address = server.address();
    tracing::info!(%address, internal = server.internal_address().map(tracing::field::display), "listening");
    if takes_webhooks {
        let internal = server.internal_address().unwrap_or(address);
        let url = format!("http://{internal}{base}{RELOAD_ROUTE}");
        tracing::info!(url, "webhooks are accepted by POST, with the reload secret");
    }
    tokio::select! {
        ready = server.ready() => ready?,
        () = show(server.progress()) => {}
        () = signals.next() => return Ok(end(server, signals).await),
    }
    // Whoever reads the address can use it at once.
    writeln!(out, "http://{address}{base}")?;
    out.flush()?;
    signals.next().await;
    Ok(end(server, signals).await)
}

/// Stops the server; a second signal ends the process at once.
async fn end(server: Server, mut signals: Signals) -> Exit {
    tracing::info!("shutting down");
    tokio::select! {
        done = server.stop() => {
            if !done {
                tracing::warn!("the time limit for open requests has passed");
            }
        }
        () = signals.next() => tracing::warn!("second signal: ending at once"),
    }
    Exit::Success
}

/// Shows the progress of the load on a terminal, for as long as this is polled.
async fn show(progress: Arc<Progress>) {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records {per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let _cleared = Cleared(&bar);
    loop {
        let (decoded, files) = progress.decoded();
        bar.set_length(files as u64);
        bar.set_position(decoded as u64);
        tokio::time::sleep(FRAME).await;
    }
}

/// Removes the bar when the load ends, in whatever way.
struct Cleared<'a>(&'a ProgressBar);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
