//! `headwater demo`: a sample remote, its mirror and a server, with lines to paste that show a push
//! going live.

mod changes;
mod records;
mod sample;
mod script;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;

use crate::config::{Config, Environment, Flags, Layers};
use crate::exit::{Exit, Failure};
use crate::http::{Demo, RELOAD_ROUTE};
use crate::random;
use crate::serve::Server;
use crate::signals::Signals;

use sample::{BRANCH, Sample};
use script::{Facts, report, script};

/// How often `--auto` pushes.
const PAUSE: Duration = Duration::from_secs(3);

/// Serves the sample until it is interrupted; its page has a button that pushes a change. With
/// `auto`, pushes a change every few seconds and writes what each reload reports. The folder is
/// removed in the end.
///
/// # Errors
/// Fails if there is no git program, or if the address is taken.
pub fn demo(auto: bool, listen: &str, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let folder = tempfile::Builder::new().prefix("headwater-demo-").tempdir()?;
    let sample = Arc::new(Sample::create(folder.path())?);
    let button = sample.clone();
    let secret = random::id();
    let config = config(folder.path(), &sample, listen, &secret)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let demo = Demo::new(move || button.push());
        let server = Server::start_with(config, Some(demo)).await?;
        server.ready().await?;
        // The reload that follows every start could otherwise publish the first push before its
        // webhook does.
        let settled = server.live().submit(RequestKind::Reload, Trigger::Operator);
        let _ = settled.verdict.await;
        let base = format!("http://{}", server.address());
        let facts = Facts {
            base: &base,
            secret: &secret,
            folder: folder.path(),
            remote: sample.path(),
            live: server.live(),
        };
        writeln!(out, "{}", script(&facts, auto))?;
        out.flush()?;
        let shown = tokio::select! {
            result = push_for_ever(&sample, &base, &secret, out), if auto => result,
            () = signals.next() => Ok(()),
        };
        server.stop().await;
        shown.map(|()| Exit::Success)
    })
}

fn config(folder: &Path, sample: &Sample, listen: &str, secret: &str) -> Result<Config, Failure> {
    let text = |path: &Path| path.display().to_string();
    let flags = Flags::from([
        ("repo", text(&folder.join("mirror.git"))),
        ("remote", format!("file://{}", text(sample.path()))),
        ("branch", BRANCH.to_owned()),
        ("listen", listen.to_owned()),
        // Only the webhook updates the sample, so that its effect is visible.
        ("poll-interval", "0".to_owned()),
    ]);
    let environment: BTreeMap<String, String> = [
        ("HEADWATER_RELOAD_SECRET".to_owned(), secret.to_owned()),
        ("HEADWATER_OPERATOR_SECRET".to_owned(), format!("operator-{secret}")),
    ]
    .into();
    let environment: &dyn Environment = &environment;
    let layers = Layers::new(&flags, environment, None);
    layers
        .and_then(|layers| Config::resolve(&layers))
        .map_err(|error| Failure::caused_by(Exit::Config, &error))
}

/// Pushes and calls the webhook, repeatedly.
async fn push_for_ever(
    sample: &Sample,
    base: &str,
    secret: &str,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let client = reqwest::Client::new();
    let url = format!("{base}{RELOAD_ROUTE}");
    for push in 1u64.. {
        sample.push()?;
        let answer = client.post(&url).bearer_auth(secret).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let json: serde_json::Value = match answer {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(error) => {
                return Err(Failure::new(Exit::Unavailable, format!("no reload: {error}")));
            }
        };
        writeln!(out, "{}", report(push, &json))?;
        out.flush()?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
