//! The script of the workflow for data repositories, against a running server.

use headwater_testkit::notify::{Notified, can_run_notify_script, run_notify_script};
use headwater_testkit::{Fault, GitHttp};

use crate::harness::{BROKEN, RELOAD_SECRET, TestServer, people, person};

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skipped() -> bool {
    if !can_run_notify_script() {
        eprintln!("skipped: bash, curl or jq is not installed");
    }
    !can_run_notify_script()
}

fn notify(server: &TestServer, commit: &str) -> Notified {
    run_notify_script(&server.url(""), RELOAD_SECRET, "published", commit)
}

#[test]
fn a_push_that_goes_live_is_green() {
    if skipped() {
        return;
    }
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let notified = notify(&server, &new);
    assert_eq!(notified.status, 0, "{}", notified.stdout);
    assert!(notified.stdout.contains("1 record"), "{}", notified.stdout);
    assert_eq!(server.get("/api/people/b").commit(), new);
}

#[test]
fn a_refused_push_is_red_and_shows_the_line() {
    if skipped() {
        return;
    }
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let refused = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let notified = notify(&server, &refused);
    assert_eq!(notified.status, 1, "{}", notified.stdout);
    let annotation = "::error file=people/broken.toml,line=1";
    assert!(notified.stdout.contains(annotation), "{}", notified.stdout);
}

#[test]
fn a_call_before_the_first_load_is_followed_to_its_end() {
    if skipped() {
        return;
    }
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    http.fail(Fault::Hang);
    let server = TestServer::loading(&http.url("upstream.git"), &[]);
    http.wait_until_hanging(1);
    let notified = std::thread::scope(|scope| {
        let notified = scope.spawn(|| notify(&server, &upstream.head().unwrap()));
        // The call has arrived when the ledger has a reload.
        while server.look("/api/_internal/reloads").json()["items"].as_array().unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        http.recover();
        notified.join().unwrap()
    });
    assert_eq!(notified.status, 0, "{}", notified.stdout);
    assert!(notified.stdout.contains("accepted"), "{}", notified.stdout);
}

#[test]
fn a_server_that_is_away_is_red() {
    if skipped() {
        return;
    }
    let upstream = people();
    let mut server = TestServer::start(&upstream.url());
    server.stop();
    let notified = notify(&server, &upstream.head().unwrap());
    assert_eq!(notified.status, 1, "{}", notified.stdout);
}
