//! `headwater apply`, `pin`, `unpin` and `audit`: the operator's orders to a running server.

use std::io::Write;

use reqwest::header::LOCATION;
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::{Value, json};

use crate::config::settings::{OPERATOR_SECRET, OPERATOR_SECRET_FILE};
use crate::config::{Environment, Flags, Layers, Secret, keyring};
use crate::exit::{Exit, Failure};

/// An order of the operator.
pub enum Order {
    /// Apply the held push with this id.
    Apply(String),
    /// Serve this commit again and stay there.
    Pin(String),
    /// Return to the head of the branch.
    Unpin,
    /// Compare the state with a newly built one.
    Audit,
}

impl Order {
    /// Returns the route and the body.
    fn request(&self) -> (String, Value) {
        match self {
            Self::Apply(id) => (format!("reloads/{id}/apply"), Value::Null),
            Self::Pin(commit) => ("pin".to_owned(), json!({ "commit": commit })),
            Self::Unpin => ("unpin".to_owned(), Value::Null),
            Self::Audit => ("audit".to_owned(), Value::Null),
        }
    }
}

/// Sends `order` to `server`, and writes the result.
///
/// # Errors
/// Fails if the secret is missing, the server cannot be reached, or it refuses.
pub fn operate(
    order: &Order,
    server: &str,
    environment: &dyn Environment,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let secret = operator_secret(environment)?;
    let (route, body) = order.request();
    let url = address(server)?;
    let url = format!("{url}/api/_internal/{route}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, body) = runtime.block_on(post(&url, &body, &secret))?;
    if status.is_success() {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        writeln!(out, "{}: {} -> {}", text("outcome"), text("oldCommit"), text("newCommit"))?;
        return Ok(Exit::Success);
    }
    let told = body["detail"].as_str().or(body["title"].as_str()).unwrap_or("no explanation");
    let code = body["code"].as_str().unwrap_or(status.as_str()).to_owned();
    let exit = if status.is_server_error() { Exit::Unavailable } else { Exit::Data };
    Err(Failure::new(exit, format!("the server refused ({code}): {told}")))
}

fn operator_secret(environment: &dyn Environment) -> Result<Secret, Failure> {
    let flags = Flags::new();
    let config = |error: crate::config::ConfigError| Failure::caused_by(Exit::Config, &error);
    let layers = Layers::new(&flags, environment, None).map_err(config)?;
    let keyring = keyring(&layers, &OPERATOR_SECRET, &OPERATOR_SECRET_FILE).map_err(config)?;
    keyring.last().first().cloned().ok_or_else(|| {
        Failure::new(Exit::Config, format!("set {} to the secret", OPERATOR_SECRET.env()))
    })
}

/// Returns the address of a server without a slash at its end. The default scheme is `http`.
///
/// # Errors
/// Fails if it is not an address.
pub(super) fn address(server: &str) -> Result<String, Failure> {
    let named = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let url = Url::parse(&named).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let message = "--server must be an address such as http://127.0.0.1:8080";
    let url = url.ok_or_else(|| Failure::new(Exit::Usage, message))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Explains why a server did not answer.
pub(super) fn silence(url: &str, error: &reqwest::Error) -> String {
    let server = url.split("/api/").next().unwrap_or(url);
    let server = server.split("/health/").next().unwrap_or(server);
    let why = match () {
        () if error.is_timeout() => "it took too long",
        () if error.is_connect() => "nothing listens there, or the network is unreachable",
        () => "it closed the connection",
    };
    format!("no answer from {server}: {why}")
}

async fn post(url: &str, body: &Value, secret: &Secret) -> Result<(StatusCode, Value), Failure> {
    let unreachable = |error: reqwest::Error| Failure::new(Exit::Unavailable, silence(url, &error));
    // The secret goes to the server that was named and to nobody else: to no host that it sends
    // to, and to no proxy that could read it.
    let client = Client::builder().redirect(redirect::Policy::none());
    let is_readable = url.starts_with("http://");
    let client = if is_readable { client.no_proxy() } else { client };
    let client = client.build().map_err(unreachable)?;
    let request = client.post(url).header("x-headwater-key", secret.expose());
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    if status.is_redirection() {
        let place = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.unwrap_or("another address");
        let message = format!("{url} sends to {place} ({status}); name the server's own address");
        return Err(Failure::new(Exit::Unavailable, message));
    }
    // An answer that is not JSON comes from a proxy, and its status says enough.
    Ok((status, answer.json().await.unwrap_or_default()))
}
