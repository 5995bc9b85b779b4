//! A server in this process, and the requests of its callers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use headwater::config::{Config, Flags, Layers};
use headwater::exit::Failure;
use headwater::serve::Server;
use headwater_engine::engine::RequestKind;
use headwater_engine::report::Trigger;
use headwater_testkit::Upstream;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const RELOAD_SECRET: &str = "the-reload-secret-of-the-tests";
pub(crate) const OPERATOR_SECRET: &str = "the-operator-secret-of-the-tests";

pub(crate) const RELOAD: &str = "/api/_internal/reload-data";
pub(crate) const REBUILD: &str = "/api/_internal/rebuild-data";

const PEOPLE: &str = r#"
[gitsheet]
root = "people"
path = "${{ slug }}"

[headwater]
search = { name = 2.0, bio = 1.0 }
index = ["name", "age"]
hidden = "deletedAt"
"#;

/// Returns a remote with one sheet of two people.
pub(crate) fn people() -> Upstream {
    let mut upstream = Upstream::new();
    upstream
        .commit("two people")
        .put(".gitsheets/people.toml", PEOPLE)
        .put("people/ada.toml", person("ada", "Ada Lovelace", 36))
        .put("people/grace.toml", person("grace", "Grace Hopper", 85))
        .push();
    upstream
}

pub(crate) fn person(slug: &str, name: &str, age: u32) -> String {
    format!("age = {age}\nbio = \"{name} wrote programs.\"\nname = \"{name}\"\nslug = \"{slug}\"\n")
}

/// A file that is not a record: the quote is never closed.
pub(crate) const BROKEN: &str = "name = \"Broken\nslug = \"broken\"\n";

/// A server with a mirror of its own.
pub(crate) struct TestServer {
    runtime: Runtime,
    server: Option<Server>,
    client: reqwest::Client,
    base: String,
    settings: BTreeMap<String, String>,
    folder: TempDir,
}

impl TestServer {
    /// Starts a server on `remote` and waits until it has settled.
    pub(crate) fn start(remote: &str) -> Self {
        Self::with(remote, &[])
    }

    /// Starts a server with further settings, by their environment names, and waits until it has
    /// settled.
    pub(crate) fn with(remote: &str, settings: &[(&str, &str)]) -> Self {
        let server = Self::loading(remote, settings);
        server.settle();
        server
    }

    /// Starts a server and does not wait for its first load.
    pub(crate) fn loading(remote: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("mirror.git").to_str().unwrap().to_owned();
        let defaults = [
            ("HEADWATER_REPO", &*mirror),
            ("HEADWATER_REMOTE", remote),
            ("HEADWATER_LISTEN", "127.0.0.1:0"),
            ("HEADWATER_RELOAD_SECRET", RELOAD_SECRET),
            ("HEADWATER_OPERATOR_SECRET", OPERATOR_SECRET),
            ("HEADWATER_POLL_INTERVAL", "0"),
        ];
        let settings = defaults.iter().chain(settings);
        let settings: BTreeMap<String, String> =
            settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = settings.into_iter().filter(|(_, value)| value != "unset").collect();
        let runtime = Runtime::new().unwrap();
        let client = reqwest::Client::new();
        let mut test =
            Self { runtime, server: None, client, base: String::new(), settings, folder };
        test.begin();
        test
    }

    /// Stops the server and starts it again on the same mirror.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts a stopped server again, and waits until it has settled.
    pub(crate) fn start_again(&mut self) {
        self.begin();
        // A child that another test forks at this moment shares the lock of the mirror until it
        // executes its program. Other processes have no such children.
        while self.ready().is_err_and(|failure| failure.to_string().contains("is held by")) {
            self.stop();
            self.begin();
        }
        self.settle();
    }

    /// Stops the server as a signal would; returns whether everything ended in time.
    pub(crate) fn stop(&mut self) -> bool {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.stop())
    }

    fn begin(&mut self) {
        let server = self.runtime.block_on(Server::start(self.config())).unwrap();
        self.base = format!("http://{}", server.address());
        self.server = Some(server);
    }

    fn config(&self) -> Config {
        let flags = Flags::new();
        let layers = Layers::new(&flags, &self.settings, None).unwrap();
        Config::resolve(&layers).map_err(|error| error.to_string()).unwrap_or_else(|error| {
            panic!("{error}");
        })
    }

    /// Waits for the first snapshot and for the reload that follows it.
    pub(crate) fn settle(&self) {
        self.ready().unwrap();
        let live = self.server().live();
        let ticket = live.submit(RequestKind::Reload, Trigger::Operator);
        self.runtime.block_on(ticket.verdict).unwrap();
    }

    pub(crate) fn ready(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.server().ready())
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns the folder of the mirror.
    pub(crate) fn mirror(&self) -> std::path::PathBuf {
        self.folder.path().join("mirror.git")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Starts a request without credentials.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) fn send(&self, request: RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    /// Requests `path` from another address of this machine, and returns the status.
    pub(crate) fn status_elsewhere(&self, path: &str, accept: &str) -> u16 {
        let client = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2]));
        let client = client.timeout(Duration::from_secs(60)).build().unwrap();
        self.send(client.get(self.url(path)).header("Accept", accept)).status
    }

    /// Reads the metrics as an operator does, below a base path if there is one.
    pub(crate) fn metrics_below(&self, base: &str) -> String {
        let path = format!("{base}/metrics");
        let answer = self.send(self.request(Method::GET, &path).bearer_auth(OPERATOR_SECRET));
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    pub(crate) fn metrics(&self) -> String {
        self.metrics_below("")
    }

    /// Reads an internal route.
    pub(crate) fn look(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).bearer_auth(RELOAD_SECRET))
    }

    /// Starts a call of an internal route with the reload secret.
    pub(crate) fn call(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path).bearer_auth(RELOAD_SECRET)
    }

    pub(crate) fn reload(&self) -> Answer {
        self.send(self.call(RELOAD))
    }

    /// Calls the webhook with our own body.
    pub(crate) fn reload_with(&self, body: &Value) -> Answer {
        self.send(self.call(RELOAD).json(body))
    }

    /// Applies the held push `id`.
    pub(crate) fn apply(&self, id: &str) -> Answer {
        let path = format!("/api/_internal/reloads/{id}/apply");
        self.send(self.request(Method::POST, &path).bearer_auth(OPERATOR_SECRET))
    }

    /// Pins `commit`.
    pub(crate) fn pin(&self, commit: &str) -> Answer {
        let request = self.request(Method::POST, "/api/_internal/pin").bearer_auth(OPERATOR_SECRET);
        self.send(request.json(&serde_json::json!({ "commit": commit })))
    }

    /// Waits until the reload that `Location` names is done.
    pub(crate) fn follow(&self, location: &str) -> Value {
        loop {
            let body = self.look(location).json();
            if body["state"] == "done" {
                return body;
            }
            assert_eq!(body["state"], "running", "{body}");
            // The ledger has no event for callers, so they poll it like this.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the commit that the answer names.
    pub(crate) fn commit(&self) -> &str {
        self.header("x-headwater-commit").unwrap()
    }

    /// Checks that this is the problem `code` with its status, and returns its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["status"], status);
        assert!(body["traceId"].as_str().is_some_and(|id| id.len() == 32), "{body}");
        assert!(body["title"].is_string() && body["type"].is_string(), "{body}");
        body
    }

    /// Checks that this is a reload with `outcome`, and returns its body.
    #[track_caller]
    pub(crate) fn outcome(&self, outcome: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["outcome"].as_str()), (200, Some(outcome)), "{body}");
        assert_eq!(body["ok"], true);
        body
    }
}
