//! `headwater ready`: asks whether a running server is ready, for health checks without another
//! client.

use std::io::Write;
use std::time::Duration;

use reqwest::StatusCode;

use super::server_control::{address, silence};
use crate::exit::{Exit, Failure};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks `server`, and writes its answer. Exits with 1 if it is not ready, or lags behind its remote
/// by more than `max_lag` seconds.
///
/// # Errors
/// Fails if the server cannot be reached.
pub fn ready(
    server: &str,
    max_lag: Option<u64>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let lag = max_lag.map(|seconds| format!("?max_lag={seconds}")).unwrap_or_default();
    let url = format!("{}/health/ready{lag}", address(server)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let answer = client.get(&url).send().await?;
        Ok((answer.status(), answer.text().await?))
    });
    let (status, text) = answer
        .map_err(|error: reqwest::Error| Failure::new(Exit::Unavailable, silence(&url, &error)))?;
    // A refusal is a problem in JSON. The answer of a proxy is shown as it is.
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let told = problem["detail"].as_str().or(problem["title"].as_str());
    let hint = match status == StatusCode::NOT_FOUND {
        true => "; if the server has a base path, --server must end with it",
        false => "",
    };
    writeln!(out, "{}{hint}", told.unwrap_or(text.trim_end()))?;
    Ok(if status.is_success() { Exit::Success } else { Exit::Found })
}
