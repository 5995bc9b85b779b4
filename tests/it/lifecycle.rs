//! From the start to the end of a server: before the first snapshot, polling, shutdown.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use headwater::exit::Exit;
use headwater_testkit::{Answer, Fault, GitHttp, ScriptedHttp, Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::headwater;
use crate::harness::{BROKEN, RELOAD, TestServer, people, person};
use crate::kills::{answer_of, exchange};

/// How many writes are begun before the server ends: no more than one token may have at a time.
const WRITES: usize = 4;

#[test]
fn before_the_first_snapshot_reads_are_told_to_come_back_and_webhooks_wait() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    http.fail(Fault::Hang);
    let server = TestServer::loading(&http.url("upstream.git"), &[]);
    http.wait_until_hanging(1);

    for path in ["/api/people/ada", "/api/people", "/api/_status", "/api/_search?q=a"] {
        let answer = server.get(path);
        answer.problem(503, "not_ready");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
    }
    assert_eq!(server.get("/health/live").status, 200);
    server.get("/health/ready").problem(503, "not_ready");
    assert!(server.metrics().contains("\nheadwater_ready 0\n"));
    server.send(server.request(Method::POST, RELOAD)).problem(401, "unauthorized");
    let first = server.reload();
    let second = server.reload();
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json()["id"], second.json()["id"]);
    let location = first.header("location").unwrap().to_owned();
    assert_eq!(server.look(&location).json()["state"], "running");

    http.recover();
    server.ready().unwrap();
    assert_eq!(server.follow(&location)["outcome"], "unchanged");
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(server.get("/api/people/ada").status, 200);
}

#[test]
fn an_empty_remote_is_an_empty_state_until_the_first_push() {
    let mut upstream = Upstream::new();
    let server = TestServer::start(&upstream.url());
    let status = server.get("/api/_status").json();
    assert_eq!((&status["commit"], &status["records"]), (&json!("0".repeat(40)), &json!(0)));
    assert_eq!(server.get("/health/ready").status, 200);
    let new = upstream.commit("first").put("people/ada.json", r#"{"name":"Ada"}"#).push();
    assert_eq!(server.reload().json()["newCommit"], *new);
    assert_eq!(server.get("/api/people/ada").json()["name"], "Ada");
}

#[test]
fn a_push_that_came_while_nobody_was_here_is_live_after_the_start() {
    let mut upstream = people();
    let mut server = TestServer::start(&upstream.url());
    assert!(server.stop());
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    server.start_again();
    assert_eq!(server.get("/api/people/b").commit(), new);
}

#[test]
fn without_its_remote_a_server_starts_from_its_mirror() {
    let upstream = people();
    let head = upstream.head().unwrap();
    let mut server = TestServer::start(&upstream.url());
    drop(upstream);
    server.restart();
    assert_eq!(server.get("/api/people/ada").commit(), head);
    server.reload().problem(502, "fetch_failed");
}

#[test]
fn polling_finds_a_push_that_no_webhook_told_of() {
    let mut upstream = people();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_POLL_INTERVAL", "0.05")]);
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    while server.get("/api/people/b").status != 200 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(server.get("/api/people/b").commit(), new);
    // A reload is counted once it is done, which is a moment after it is visible.
    let counted = || server.metrics().contains("headwater_heads_found_by_poll_total 1\n");
    while !counted() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_state_that_lags_is_not_ready_for_those_who_ask() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    assert_eq!(server.get("/health/ready?max_lag=0").status, 200);
    upstream.commit("break").put("people/broken.toml", crate::harness::BROKEN).push();
    server.reload().problem(500, "push_refused");
    while server.get("/health/ready?max_lag=0").status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.get("/health/ready?max_lag=0").problem(503, "stale");
    assert_eq!(server.get("/health/ready?max_lag=1000").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    server.get("/health/ready?max_lag=x").problem(422, "invalid_query");
}

#[test]
fn a_reload_in_flight_is_answered_before_the_server_ends() {
    let mut upstream = people();
    let http = GitHttp::serve(upstream.parent());
    let mut server = TestServer::start(&http.url("upstream.git"));
    let new = upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    http.fail(Fault::Hang);
    let call = server.runtime().spawn(server.call(RELOAD).send());
    http.wait_until_hanging(1);
    let runtime = server.runtime().handle().clone();
    let ended = std::thread::scope(|scope| {
        let ended = scope.spawn(|| server.stop());
        http.recover();
        ended.join().unwrap()
    });
    let body: serde_json::Value =
        runtime.block_on(async { call.await.unwrap().unwrap().json().await.unwrap() });
    assert_eq!((&body["outcome"], &body["newCommit"]), (&json!("applied"), &json!(new)));
    assert!(ended);
}

#[test]
fn what_does_not_end_in_time_is_cut_off() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    let settings = [("HEADWATER_SHUTDOWN_TIMEOUT", "0.1")];
    let mut server = TestServer::with(&http.url("upstream.git"), &settings);
    http.fail(Fault::Hang);
    let call = server.runtime().spawn(server.call(RELOAD).send());
    http.wait_until_hanging(1);
    let runtime = server.runtime().handle().clone();
    assert!(!server.stop());
    assert!(runtime.block_on(call).unwrap().is_err());
    http.recover();
}

#[test]
fn a_repository_that_cannot_be_served_ends_the_server_with_its_code() {
    let impatient = [("HEADWATER_INIT_TIMEOUT", "0")];
    let gone = TestServer::loading("file:///nowhere/at/all.git", &impatient);
    assert_eq!(gone.ready().unwrap_err().exit, Exit::Unavailable);
    let upstream = people();
    let branch = [("HEADWATER_BRANCH", "nothing")];
    let wrong = TestServer::loading(&upstream.url(), &branch);
    let failure = wrong.ready().unwrap_err();
    assert_eq!(failure.exit, Exit::Config);
    assert!(failure.to_string().contains("published"), "{failure}");
}

#[test]
fn a_remote_that_is_away_at_the_first_start_is_waited_for() {
    let upstream = people();
    let away = upstream.path().with_extension("away");
    std::fs::rename(upstream.path(), &away).unwrap();
    let server = TestServer::loading(&upstream.url(), &[]);
    assert_eq!(server.get("/health/live").status, 200);
    server.get("/health/ready").problem(503, "not_ready");
    std::fs::rename(away, upstream.path()).unwrap();
    server.settle();
    assert_eq!(server.get("/api/people/ada").status, 200);
}

#[test]
fn a_damaged_mirror_is_kept_aside_and_cloned_anew() {
    let upstream = people();
    let mut server = TestServer::start(&upstream.url());
    let (mirror, head) = (server.mirror(), upstream.head().unwrap());
    let kept_aside = || {
        let beside = std::fs::read_dir(mirror.parent().unwrap()).unwrap();
        let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("mirror.git.damaged-")).count()
    };
    // A power loss may leave a reference like this.
    server.stop();
    std::fs::write(mirror.join("refs/heads/published"), "").unwrap();
    server.start_again();
    assert_eq!(server.get("/api/people/ada").commit(), head);
    assert_eq!(kept_aside(), 1);
    // The objects are missing: they are fetched into the same mirror.
    server.stop();
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    server.start_again();
    assert_eq!(server.get("/api/people/ada").commit(), head);
    assert_eq!(kept_aside(), 1);
    server.reload().outcome("unchanged");
}

#[test]
fn a_work_tree_without_a_remote_is_served_and_its_owner_may_amend() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    let commit = |age: u32, how: &[&str]| {
        std::fs::write(work.join("people/ada.toml"), person("ada", "Ada", age)).unwrap();
        git(&work, ["add", "."]);
        git(&work, [&["commit", "-q", "-m", "x"], how].concat());
    };
    std::fs::create_dir_all(work.join("people")).unwrap();
    git(&work, ["init", "-q", "-b", "main"]);
    commit(1, &[]);
    let path = work.to_str().unwrap();
    let settings = [("HEADWATER_REPO", path), ("HEADWATER_REMOTE", "unset")];
    let server = TestServer::with("", &settings);
    assert_eq!(server.get("/api/people/ada").json()["age"], 1);
    // Either the reload finds it, or the watcher of the branch did so before.
    commit(2, &[]);
    assert_eq!(server.reload().status, 200);
    assert_eq!(server.get("/api/people/ada").json()["age"], 2);
    commit(3, &["--amend"]);
    assert_eq!(server.reload().status, 200);
    assert_eq!(server.get("/api/people/ada").json()["age"], 3);

    // The remote that it was cloned from is its user's business.
    git(&work, ["remote", "add", "origin", "https://example.org/data.git"]);
    let server = TestServer::with("", &settings);
    assert_eq!(server.get("/api/people/ada").json()["age"], 3);
    let refused = TestServer::loading("https://example.org/data.git", &[("HEADWATER_REPO", path)]);
    let refused = refused.ready().unwrap_err();
    assert_eq!(refused.exit, Exit::Config);
    assert!(refused.to_string().contains("has a work tree"), "{refused}");
}

#[test]
fn a_commit_to_a_local_branch_goes_live_with_nobody_to_tell_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = people();
    let work = folder.path().join("work");
    git(folder.path(), ["clone", "-q", &upstream.url(), "work"]);
    let settings = [("HEADWATER_REPO", work.to_str().unwrap()), ("HEADWATER_REMOTE", "unset")];
    let server = TestServer::with("", &settings);
    let mut age = 1;
    let mut moves = |how: &dyn Fn()| {
        let before = server.get("/api/_status").commit().to_owned();
        age += 1;
        std::fs::write(work.join("people/ada.toml"), person("ada", "Ada", age)).unwrap();
        git(&work, ["commit", "-q", "-a", "-m", "x"]);
        how();
        let waited = server.get(&format!("/api/_changes?since={before}&wait=30"));
        assert_eq!(waited.status, 200);
        assert_eq!(server.get("/api/people/ada").json()["age"], age);
    };
    moves(&|| {});
    // The branch moves into one file with others, and then back to one of its own.
    moves(&|| drop(git(&work, ["pack-refs", "--all"])));
    moves(&|| {});
}

#[test]
fn what_is_held_and_taken_back_in_a_work_tree_is_held_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = people();
    let receiver = ScriptedHttp::start([Answer::json(200, "{}")]);
    let work = folder.path().join("work");
    git(folder.path(), ["clone", "-q", &upstream.url(), "work"]);
    let server = TestServer::with(
        "",
        &[
            ("HEADWATER_REPO", work.to_str().unwrap()),
            ("HEADWATER_REMOTE", "unset"),
            ("HEADWATER_POLL_INTERVAL", "3600"),
            ("HEADWATER_ALERT_URL", &receiver.url("/")),
        ],
    );
    let event = |count: usize| -> Value {
        serde_json::from_slice(&receiver.wait_for(count)[count - 1].body).unwrap()
    };
    std::fs::write(work.join("people/broken.toml"), BROKEN).unwrap();
    git(&work, ["add", "."]);
    git(&work, ["commit", "-q", "-m", "broken"]);
    assert_eq!(event(1)["event"], "push_refused");
    assert!(server.get("/api/_status").json()["held"].is_object());
    git(&work, ["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(event(2)["event"], "recovered");
    assert!(server.get("/api/_status").json().get("held").is_none_or(Value::is_null));
}

#[test]
fn a_checkout_of_another_branch_is_told_and_the_branch_of_the_start_is_served_on() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    git(folder.path(), ["clone", "-q", &people().url(), "work"]);
    let here = [("HEADWATER_REPO", work.to_str().unwrap()), ("HEADWATER_REMOTE", "unset")];
    let server = TestServer::with("", &here);
    let asked = TestServer::with("", &[&here[..], &[("HEADWATER_BRANCH", "published")]].concat());
    // Commits at `HEAD`. `published` follows, so that it goes live. The watcher sees that after it
    // has checked `HEAD`.
    let mut age = 1;
    let mut live_with = |how: &[&str]| {
        git(&work, how);
        age += 1;
        std::fs::write(work.join("people/ada.toml"), person("ada", "Ada", age)).unwrap();
        let before = [&server, &asked].map(|server| server.get("/api/_status").commit().to_owned());
        git(&work, ["commit", "-q", "-a", "-m", "x"]);
        git(&work, ["update-ref", "refs/heads/published", "HEAD"]);
        for (server, before) in [&server, &asked].into_iter().zip(before) {
            server.get(&format!("/api/_changes?since={before}&wait=30"));
            assert_eq!(server.get("/api/people/ada").json()["age"], age);
        }
        let status = [&server, &asked].map(|server| server.get("/api/_status").json());
        assert!(status.iter().all(|status| status["branch"] == "published"));
        status.map(|status| status["headBranch"].clone())
    };
    let (other, none) = (&json!("other"), &json!(null));
    assert_eq!(live_with(&["checkout", "-q", "-b", "other"]).each_ref(), [other, none]);
    // As in a rebase, which returns to where it was.
    assert_eq!(live_with(&["checkout", "-q", "--detach"]).each_ref(), [other, none]);
    assert_eq!(live_with(&["checkout", "-q", "-B", "published"]).each_ref(), [none, none]);
}

#[test]
fn two_servers_do_not_share_a_mirror() {
    let upstream = people();
    let first = TestServer::start(&upstream.url());
    let mirror = first.mirror();
    let second =
        TestServer::loading(&upstream.url(), &[("HEADWATER_REPO", mirror.to_str().unwrap())]);
    assert_eq!(second.ready().unwrap_err().exit, Exit::Unavailable);
    assert_eq!(first.get("/api/people/ada").status, 200);
}

#[test]
fn the_limit_on_open_files_is_raised_at_the_start() {
    let upstream = people();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -Sn 64; exec \"$0\" serve --listen 127.0.0.1:0"]);
    command.arg(env!("CARGO_BIN_EXE_headwater")).env("HEADWATER_REPO", upstream.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().filter(|word| *word != "files").collect();
    assert_eq!(numbers[2], numbers[3], "soft and hard in {files}");
    assert_ne!(numbers[2], "64");
}

#[test]
fn a_remote_that_takes_the_call_and_says_nothing_is_waited_for_as_long_as_is_said() {
    let upstream = people();
    let http = GitHttp::serve(upstream.parent());
    http.fail(Fault::Hang);
    let url = http.url("upstream.git");
    let server = TestServer::loading(&url, &[("HEADWATER_INIT_TIMEOUT", "1")]);
    let (sender, ended) = std::sync::mpsc::channel();
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| sender.send(server.ready().unwrap_err()).unwrap());
        // Half of the silence that a fetch normally waits for.
        ended.recv_timeout(std::time::Duration::from_secs(15)).expect("it still waits")
    });
    assert_eq!(refused.exit, Exit::Unavailable);
    assert!(refused.to_string().contains("took too long to answer"), "{refused}");
}

#[test]
fn a_repository_of_another_user_is_served_only_where_that_is_said() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give a file to another user");
        return;
    }
    let upstream = people();
    let repo = upstream.path().to_str().unwrap();
    std::os::unix::fs::chown(repo, Some(65_534), Some(65_534)).unwrap();
    let in_place = [("HEADWATER_REMOTE", "unset"), ("HEADWATER_REPO", repo)];
    let refused = TestServer::loading("", &in_place).ready().unwrap_err();
    assert_eq!(refused.exit, Exit::Config);
    let expected = format!("--safe-directory {repo}");
    assert!(refused.to_string().contains(&expected), "{refused}");
    let trusting = [in_place[0], in_place[1], ("HEADWATER_SAFE_DIRECTORY", repo)];
    let server = TestServer::loading("", &trusting);
    server.ready().unwrap();
    assert_eq!(server.get("/api/people/ada").status, 200);

    // As a remote, too.
    let refused = TestServer::loading(&upstream.url(), &[]).ready().unwrap_err();
    assert!(refused.to_string().contains("is not trusted"), "{refused}");
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_SAFE_DIRECTORY", "*")]);
    assert_eq!(server.get("/api/people/ada").status, 200);
}

#[test]
fn git_that_is_too_old_is_told_at_the_start() {
    let upstream = people();
    let folder = tempfile::tempdir().unwrap();
    let git = folder.path().join("git");
    std::fs::write(&git, "#!/bin/sh\necho git version 2.25.1\n").unwrap();
    std::fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "human"]);
    command.env("HEADWATER_REPO", upstream.path()).env("PATH", folder.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told =
        lines.take_while(|line| !line.contains(" ready ")).find(|line| line.contains("too old"));
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.expect("it is reported before the records are served");
    assert!(told.contains("2.25") && told.contains("2.36"), "{told}");
}

#[test]
fn a_token_that_is_revoked_while_the_server_ends_writes_nothing_more() {
    let (upstream, folder) = (people(), tempfile::tempdir().unwrap());
    let access = folder.path().join("access.toml");
    let token = |name: &str| {
        format!(
            "[[token]]\nname = \"{name}\"\nsecret = \"the-secret-of-{name}-in-this-test\"\n\
             read = [\"*\"]\nwrite = [\"*\"]\nauthor = \"T <t@t.org>\"\n"
        )
    };
    std::fs::write(&access, token("one") + &token("other")).unwrap();
    let mut command = headwater(&["serve", "--listen", "127.0.0.1:0", "--remote", &upstream.url()]);
    command.env("HEADWATER_REPO", folder.path().join("mirror")).stdout(Stdio::piped());
    let mut server =
        command.arg("--access-file").arg(&access).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").to_owned();
    let read = || exchange(TcpStream::connect(&address)?, "GET /api/people/ada", "", "");
    while !read().is_ok_and(|(status, _)| status == 200) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = (0..WRITES).map(|number| {
        let mut stream = TcpStream::connect(&address).unwrap();
        // A long body has some seconds to arrive.
        let request = format!(
            "PUT /api/_attachments/people/ada/f{number}.bin HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
             authorization: Bearer the-secret-of-other-in-this-test\r\n\
             content-type: application/octet-stream\r\ncontent-length: 400001\r\n\r\n{}",
            "x".repeat(400_000)
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    });
    let mut begun: Vec<_> = begun.collect();
    // What was sent before these is read before them.
    (0..10).for_each(|_| assert_eq!(read().unwrap().0, 200));
    let process = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    while read().is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = |mut stream: TcpStream| {
        stream.write_all(b"x").unwrap();
        answer_of(stream).unwrap()
    };
    let (status, body) = ended(begun.remove(0));
    assert_eq!(status, 201, "the token is good until it is revoked: {body}");
    let next = folder.path().join("next.toml");
    std::fs::write(&next, token("one")).unwrap();
    std::fs::rename(&next, &access).unwrap();
    let refused = begun.into_iter().any(|stream| {
        let (status, body) = ended(stream);
        assert!([201, 401].contains(&status), "{status} {body}");
        // The file is read again within a second; only asking shows when.
        std::thread::sleep(Duration::from_millis(500));
        status == 401
    });
    assert!(refused, "the token was good until the end");
    assert!(server.wait().unwrap().success());
}
