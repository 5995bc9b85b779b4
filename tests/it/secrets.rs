//! Several secrets at once, replaced while the server runs.

use std::path::PathBuf;

use headwater_testkit::Upstream;
use reqwest::Method;
use tempfile::TempDir;

use crate::harness::{RELOAD, RELOAD_SECRET, TestServer, people};

const PREVIOUS: &str = "the-previous-secret-of-the-file";
const CURRENT: &str = "the-current-secret-of-the-file";

/// A server with one secret from the environment and others from a file.
struct Rotation {
    server: TestServer,
    file: PathBuf,
    _folder: TempDir,
    _upstream: Upstream,
}

impl Rotation {
    fn new(text: &str) -> Self {
        let (upstream, folder) = (people(), tempfile::tempdir().unwrap());
        let file = folder.path().join("secrets");
        std::fs::write(&file, text).unwrap();
        let settings = [("HEADWATER_RELOAD_SECRET_FILE", file.to_str().unwrap())];
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, file, _folder: folder, _upstream: upstream }
    }

    fn opens(&self, secret: &str) -> bool {
        let request = self.server.request(Method::POST, RELOAD).bearer_auth(secret);
        let answer = self.server.send(request);
        match answer.status {
            200 => true,
            _ => answer.problem(401, "unauthorized").is_null(),
        }
    }
}

#[test]
fn a_secret_is_replaced_without_a_moment_in_which_none_is_right() {
    let rotation = Rotation::new(&format!("{PREVIOUS}\n"));
    assert!(rotation.opens(PREVIOUS) && !rotation.opens(CURRENT));
    std::fs::write(&rotation.file, format!("{CURRENT}\n{PREVIOUS}\n")).unwrap();
    assert!(rotation.opens(PREVIOUS) && rotation.opens(CURRENT));
    std::fs::write(&rotation.file, format!("{CURRENT}\n")).unwrap();
    assert!(!rotation.opens(PREVIOUS) && rotation.opens(CURRENT));
    assert!(rotation.opens(RELOAD_SECRET));
}

#[test]
fn a_file_of_secrets_that_breaks_shuts_nobody_out() {
    let rotation = Rotation::new(&format!("{CURRENT}\n"));
    std::fs::write(&rotation.file, "short\n").unwrap();
    assert!(rotation.opens(CURRENT) && !rotation.opens("short"));
    std::fs::remove_file(&rotation.file).unwrap();
    assert!(rotation.opens(CURRENT) && rotation.opens(RELOAD_SECRET));
}

#[test]
fn the_metrics_tell_which_secret_is_in_use_by_its_number() {
    let rotation = Rotation::new(&format!("{CURRENT}\n{PREVIOUS}\n"));
    assert!(rotation.opens(RELOAD_SECRET));
    assert!(rotation.opens(PREVIOUS) && rotation.opens(PREVIOUS));
    assert!(!rotation.opens("a secret of nobody"));
    let metrics = rotation.server.metrics();
    let accepted = |number: u32| {
        let name = "headwater_credentials_accepted_total";
        let counter = format!("{name}{{role=\"reload\",secret=\"{number}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&counter).map(str::to_owned))
    };
    assert_eq!(accepted(1).as_deref(), Some("1"));
    assert_eq!(accepted(2), None);
    assert_eq!(accepted(3).as_deref(), Some("2"));
    assert!(metrics.contains("refused_total{code=\"unauthorized\"} 1\n"), "{metrics}");
    for secret in [RELOAD_SECRET, CURRENT, PREVIOUS] {
        assert!(!metrics.contains(secret));
    }
}
