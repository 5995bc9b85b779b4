//! Runs the notification script of `.github/scripts` as a data repository's workflow does.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::git::isolate;

/// The result of a run of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The exit status: 0 if the commit is live or there was nothing to do.
    pub status: i32,
    /// Its output, including workflow commands.
    pub stdout: String,
    /// The job summary that it wrote.
    pub summary: String,
}

/// Runs the script against the deployment at `url`, with three attempts of a second and no
/// pauses, and waits for it to end.
///
/// # Panics
///
/// Panics if `bash`, `curl` or `jq` is missing or the script prints to standard error.
pub fn run_notify_script(url: &str, secret: &str, branch: &str, commit: &str) -> Notified {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let summary = folder.path().join("summary.md");
    let mut command = Command::new("bash");
    isolate(&mut command);
    let output = command
        .arg(script())
        .current_dir(folder.path())
        .env("TARGET_NAME", "staging")
        .env("TARGET_URL", url)
        .env("BRANCH", branch)
        .env("COMMIT", commit)
        .env("HEADWATER_RELOAD_SECRET", secret)
        .env("NOTIFY_ATTEMPTS", "3")
        .env("NOTIFY_DELAY", "0")
        .env("NOTIFY_WAIT", "1")
        .env("NOTIFY_POLL", "0")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .stdin(Stdio::null())
        .output()
        .expect("bash is installed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.is_empty(), "the script complains: {stderr}");
    Notified {
        status: output.status.code().expect("the script was not killed"),
        stdout: String::from_utf8(output.stdout).expect("the script prints UTF-8"),
        summary: std::fs::read_to_string(summary).unwrap_or_default(),
    }
}

/// Returns whether the programs that the script needs are installed. If not, tests of it are
/// skipped with a message.
pub fn can_run_notify_script() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        ["bash", "curl", "jq"].iter().all(|program| {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
    });
    *FOUND
}

/// Returns the path of the script.
fn script() -> PathBuf {
    root().join(".github/scripts/notify-deployment.sh")
}

/// Returns the root of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, ScriptedHttp};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const SECRET: &str = "a secret with \"quotes\" and \\ and $HOME";

    const APPLIED: &str = r#"{
        "ok": true, "outcome": "applied", "oldCommit": "aa", "durationMs": 12,
        "newCommit": "0123456789abcdef0123456789abcdef01234567",
        "changed": {"people": {"added": 1, "modified": 2, "removed": 0}}
    }"#;

    fn skipped() -> bool {
        if !can_run_notify_script() {
            eprintln!("skipped: bash, curl or jq is not installed");
        }
        !can_run_notify_script()
    }

    fn run(answers: impl IntoIterator<Item = Answer>) -> (Notified, Vec<crate::Received>) {
        let server = ScriptedHttp::start(answers);
        let notified = run_notify_script(&server.url(""), SECRET, "published", COMMIT);
        (notified, server.received())
    }

    #[test]
    fn the_workflows_embed_the_script_as_it_is() {
        let script = std::fs::read_to_string(script()).unwrap();
        assert!(!script.contains("${{"), "the script may not hold an expression of a workflow");
        for file in
            [".github/workflows/notify-deployments.yml", "docs/notify-deployments-standalone.yml"]
        {
            let text = std::fs::read_to_string(root().join(file)).unwrap();
            let (_, block) = text.split_once("        run: |\n").unwrap();
            let lines = block.lines().map(|line| line.strip_prefix("          ").unwrap_or(line));
            let embedded: String = lines.flat_map(|line| [line, "\n"]).collect();
            assert!(embedded == script, "{file} differs: run .ci/embed-notify");
        }
    }

    #[test]
    fn a_push_that_went_live_is_green() {
        if skipped() {
            return;
        }
        let (notified, received) = run([Answer::json(200, APPLIED)]);
        assert_eq!(notified.status, 0, "{}", notified.stdout);
        assert!(notified.stdout.contains("3 records changed"), "{}", notified.stdout);
        assert!(notified.summary.contains("staging"), "{}", notified.summary);
        let [request] = &received[..] else { panic!("one request") };
        assert_eq!((&*request.method, &*request.target), ("POST", "/api/_internal/reload-data"));
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {SECRET}")));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let body = format!(r#"{{"branch":"published","commitHash":"{COMMIT}"}}"#);
        assert_eq!(String::from_utf8_lossy(&request.body), body);
    }

    #[test]
    fn the_address_of_the_route_itself_is_taken_as_it_is() {
        if skipped() {
            return;
        }
        let server = ScriptedHttp::start([Answer::json(200, APPLIED)]);
        let url = server.url("/data/api/_internal/reload-data");
        assert_eq!(run_notify_script(&url, SECRET, "published", COMMIT).status, 0);
        assert_eq!(server.received()[0].target, "/data/api/_internal/reload-data");
    }

    #[test]
    fn a_refused_push_shows_its_problems_at_their_lines() {
        if skipped() {
            return;
        }
        let refused = r#"{"ok": false, "code": "push_refused", "status": 500, "problemsTotal": 3,
            "heldId": "r-7", "problems": [
            {"sheet": "people", "path": "people/a,b:c.toml", "line": 3, "column": 7,
             "rule": "malformed", "message": "100% wrong\nsecond line"},
            {"sheet": "people", "path": "people/d.toml", "pointer": "/email", "rule": "schema",
             "message": "is no string"}]}"#;
        let (notified, received) = run([Answer::json(500, refused)]);
        assert_eq!((notified.status, received.len()), (1, 1), "{}", notified.stdout);
        let has = |line: &str| notified.stdout.lines().any(|printed| printed == line);
        assert!(
            has("::error file=people/a%2Cb%3Ac.toml,line=3,col=7,title=malformed\
                 ::100%25 wrong%0Asecond line"),
            "{}",
            notified.stdout
        );
        assert!(
            has("::error file=people/d.toml,title=schema::is no string (at /email)"),
            "{}",
            notified.stdout
        );
        assert!(notified.stdout.contains("1 more"), "{}", notified.stdout);
        assert!(notified.summary.contains("people/d.toml"), "{}", notified.summary);
    }

    #[test]
    fn an_accepted_push_is_followed_until_it_is_done() {
        if skipped() {
            return;
        }
        let done = APPLIED.replacen('{', r#"{"state": "done", "status": 200, "#, 1);
        let (notified, received) = run([
            Answer::json(202, r#"{"ok": true}"#).header("Location", "/api/_internal/reloads/r-1"),
            Answer::json(200, r#"{"state": "running"}"#),
            Answer::json(503, ""),
            Answer::json(200, &done),
        ]);
        assert_eq!(notified.status, 0, "{}", notified.stdout);
        let targets: Vec<_> =
            received.iter().map(|r| (r.method.as_str(), r.target.as_str())).collect();
        let poll = ("GET", "/api/_internal/reloads/r-1");
        assert_eq!(targets, [("POST", "/api/_internal/reload-data"), poll, poll, poll]);
        assert!(received[3].header("authorization").is_some());
    }

    #[test]
    fn an_absolute_location_is_followed_on_the_same_server_only() {
        if skipped() {
            return;
        }
        let done = Answer::json(200, r#"{"state": "done", "status": 409, "code": "diverged"}"#);
        let accepted = Answer::json(202, "{}");
        let elsewhere = ScriptedHttp::start([done.clone()]);
        let (notified, received) =
            run([accepted.clone().header("Location", &elsewhere.url("/r")), done.clone()]);
        assert_eq!((notified.status, received.len()), (1, 1), "{}", notified.stdout);
        assert!(elsewhere.received().is_empty(), "the secret went elsewhere");

        let (notified, received) =
            run([accepted.header("Location", "http://{host}/r?wait=1"), done]);
        assert_eq!((notified.status, received.len()), (1, 2), "{}", notified.stdout);
        assert_eq!(received[1].target, "/r?wait=1");
    }

    #[test]
    fn a_diverged_push_is_red_and_says_what_an_operator_can_do() {
        if skipped() {
            return;
        }
        let diverged = r#"{"ok": false, "code": "diverged", "heldId": "r-9", "detail": "rewound"}"#;
        let (notified, received) = run([Answer::json(409, diverged)]);
        assert_eq!((notified.status, received.len()), (1, 1));
        assert!(notified.stdout.contains("headwater apply r-9"), "{}", notified.stdout);
    }

    #[test]
    fn a_pinned_deployment_is_a_warning() {
        if skipped() {
            return;
        }
        let held = r#"{"ok": true, "outcome": "held", "reason": "pinned"}"#;
        let (notified, _) = run([Answer::json(200, held)]);
        assert_eq!(notified.status, 0);
        assert!(notified.stdout.contains("::warning"), "{}", notified.stdout);
    }

    #[test]
    fn an_ignored_push_is_green() {
        if skipped() {
            return;
        }
        let ignored = r#"{"ok": true, "outcome": "ignored", "reason": "another branch"}"#;
        assert_eq!(run([Answer::json(200, ignored)]).0.status, 0);
    }

    #[test]
    fn what_passes_is_tried_again() {
        if skipped() {
            return;
        }
        let (notified, received) =
            run([Answer::json(503, "{}"), Answer::json(429, ""), Answer::json(200, APPLIED)]);
        assert_eq!((notified.status, received.len()), (0, 3), "{}", notified.stdout);
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        if skipped() {
            return;
        }
        for status in [400, 401, 403, 404, 409, 413, 422, 500, 507] {
            let (notified, received) = run([Answer::json(status, r#"{"code": "some"}"#)]);
            assert_eq!((notified.status, received.len()), (1, 1), "{status}");
            assert!(notified.stdout.contains("::error"), "{status}");
        }
    }

    #[test]
    fn an_unreachable_deployment_is_red_after_all_attempts() {
        if skipped() {
            return;
        }
        let address = ScriptedHttp::start([Answer::json(200, "{}")]).url("");
        let notified = run_notify_script(&address, SECRET, "published", COMMIT);
        assert_eq!(notified.status, 1);
        assert!(notified.stdout.contains("attempt 2 of 3"), "{}", notified.stdout);
        assert!(notified.stdout.contains("::error"), "{}", notified.stdout);
    }

    #[test]
    fn an_answer_that_is_not_json_is_red() {
        if skipped() {
            return;
        }
        let (notified, _) = run([Answer::json(200, "<html>::error::no</html>")]);
        assert_eq!(notified.status, 1);
    }

    #[test]
    fn the_secret_is_never_printed() {
        if skipped() {
            return;
        }
        for status in [200, 401, 500] {
            let (notified, _) = run([Answer::json(status, "{}")]);
            assert!(!notified.stdout.contains("quotes"), "{}", notified.stdout);
        }
    }

    #[test]
    fn without_a_secret_or_over_plain_http_nothing_is_sent() {
        if skipped() {
            return;
        }
        let server = ScriptedHttp::start([Answer::json(200, APPLIED)]);
        let notified = run_notify_script(&server.url(""), "", "published", COMMIT);
        assert_eq!(notified.status, 1);
        assert!(notified.stdout.contains("HEADWATER_RELOAD_SECRET"), "{}", notified.stdout);
        assert!(server.received().is_empty());
        let notified = run_notify_script("http://data.example.org", SECRET, "published", COMMIT);
        assert!(notified.stdout.contains("https"), "{}", notified.stdout);
        assert_eq!(notified.status, 1);
    }
}
