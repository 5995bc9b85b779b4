//! Secrets planted wherever one may occur never leak: not into the most verbose log, an answer, or
//! the list of processes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use headwater::hmac::Mac;
use headwater_testkit::{GitHttp, Upstream};
use reqwest::{Client, Method, RequestBuilder};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::commands::headwater;
use crate::harness::{BROKEN, RELOAD, people};

/// Every secret contains this word.
const CANARY: &str = "canary";

const OF_ENVIRONMENT: &str = "canary-of-the-environment";
const OF_FILE: &str = "canary-of-the-file";
const OF_OPERATOR: &str = "canary-of-the-operator";
const OF_ACCESS: &str = "canary-of-the-access-file";
const OF_REMOTE: &str = "canary-of-the-remote";
const GUESS: &str = "canary-that-is-a-guess";

/// The program with a secret in every setting that accepts one.
struct Planted {
    child: Child,
    base: String,
    log: std::thread::JoinHandle<String>,
    runtime: Runtime,
    client: Client,
    upstream: Upstream,
    folder: TempDir,
    _http: GitHttp,
}

impl Planted {
    fn new() -> Self {
        let (upstream, folder) = (people(), tempfile::tempdir().unwrap());
        let http = GitHttp::serve(upstream.parent());
        let account = BASE64.encode(format!("x-access-token:{OF_REMOTE}").as_bytes());
        http.require_authorization(&format!("Basic {account}"));
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let token = format!("whsec_{}", BASE64.encode(OF_FILE.as_bytes()));
        std::fs::write(path("reload"), format!("{OF_FILE}\n{token}\n")).unwrap();
        std::fs::write(path("operator"), OF_OPERATOR).unwrap();
        std::fs::write(path("remote"), OF_REMOTE).unwrap();
        let token = format!("[[token]]\nname = \"site\"\nsecret = \"{OF_ACCESS}\"\n");
        std::fs::write(path("access"), token).unwrap();
        let mut child = headwater(&["serve", "--listen", "127.0.0.1:0"])
            .env("HEADWATER_REPO", path("mirror.git"))
            .env("HEADWATER_REMOTE", http.url("upstream.git"))
            .env("HEADWATER_REMOTE_TOKEN_FILE", path("remote"))
            .env("HEADWATER_RELOAD_SECRET", OF_ENVIRONMENT)
            .env("HEADWATER_RELOAD_SECRET_FILE", path("reload"))
            .env("HEADWATER_OPERATOR_SECRET_FILE", path("operator"))
            .env("HEADWATER_ACCESS_FILE", path("access"))
            .env("HEADWATER_ALERT_URL", "http://127.0.0.1:1/?token=canary-of-the-alerts")
            .env("HEADWATER_OTLP_ENDPOINT", "http://canary:canary@127.0.0.1:1")
            .env("HEADWATER_OTLP_HEADERS", "x-key=canary-of-the-collector")
            .env("HEADWATER_POLL_INTERVAL", "0")
            .env("HEADWATER_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut base = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut base).unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let (runtime, client) = (Runtime::new().unwrap(), Client::new());
        let base = base.trim().to_owned();
        Self { child, base, log, runtime, client, upstream, folder, _http: http }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Returns the status, and the headers and the body as text.
    fn send(&self, request: RequestBuilder) -> (u16, String) {
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), format!("{:?}", response.headers()));
            (status.as_u16(), headers + &response.text().await.unwrap())
        })
    }

    fn until_ready(&self) {
        while self.send(self.request(Method::GET, "/health/ready")).0 != 200 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Mac::new(secret.as_bytes());
    mac.update(body.as_bytes());
    HEXLOWER.encode(mac.finish().as_bytes())
}

/// Returns the command lines of `pid` and of every process that it started.
fn command_lines(pid: u32) -> String {
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let line = read(Path::new(&format!("/proc/{pid}/cmdline")));
    let children = read(Path::new(&format!("/proc/{pid}/task/{pid}/children")));
    let children = String::from_utf8(children).unwrap();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    String::from_utf8_lossy(&line).into_owned()
        + &children.map(command_lines).collect::<Vec<_>>().concat()
}

#[test]
fn a_planted_secret_is_found_nowhere() {
    let mut planted = Planted::new();
    planted.until_ready();
    let pushed = planted.upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let body = format!("{{\"ref\":\"refs/heads/published\",\"after\":\"{pushed}\"}}");
    let post = |planted: &Planted, path: &str| {
        let request = planted.request(Method::POST, path).body(body.clone());
        request.header("content-type", "application/json").header("x-github-event", "push")
    };
    let signed = signature(OF_FILE, &body);
    let calls = [
        (post(&planted, RELOAD).bearer_auth(OF_ENVIRONMENT), 500),
        (post(&planted, RELOAD).header("x-gitea-signature", &signed), 500),
        (post(&planted, RELOAD).header("x-gitlab-token", OF_FILE), 500),
        (post(&planted, RELOAD).bearer_auth(GUESS), 401),
        (post(&planted, RELOAD).bearer_auth(OF_ENVIRONMENT).body(GUESS), 422),
        (post(&planted, "/api/_internal/reloads/1-1/apply").bearer_auth(OF_OPERATOR), 404),
        (planted.request(Method::GET, "/api/_internal/reloads").bearer_auth(OF_OPERATOR), 200),
        (planted.request(Method::GET, "/api/_status"), 200),
        (planted.request(Method::GET, "/metrics").bearer_auth(OF_OPERATOR), 200),
    ];
    let mut answers = Vec::new();
    for (request, expected) in calls {
        let (status, answer) = planted.send(request);
        assert_eq!(status, expected, "{answer}");
        answers.push(answer);
    }
    for (name, text) in [
        ("access", "secret = canary"),
        ("reload", "canary"),
        ("operator", ""),
        ("remote", "canary\ncanary"),
    ] {
        std::fs::write(planted.file(name), text).unwrap();
        let (_, answer) = planted.send(post(&planted, RELOAD).bearer_auth(OF_ENVIRONMENT));
        answers.push(answer);
    }
    answers.push(command_lines(planted.child.id()));
    let pid = planted.child.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(planted.child.wait().unwrap().success());
    let log = planted.log.join().unwrap();
    assert!(log.contains("credential accepted") && log.contains("keeping its last good version"));
    answers.push(log);
    let encoded = BASE64.encode(OF_FILE.as_bytes());
    let account = BASE64.encode(format!("x-access-token:{OF_REMOTE}").as_bytes());
    for told in answers {
        for secret in [CANARY, &encoded, &account] {
            let found = told.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret}");
        }
    }
}
