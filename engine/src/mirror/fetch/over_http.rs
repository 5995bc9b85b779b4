//! Fetches over http from well-behaved and misbehaving servers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use headwater_testkit::{Answer, DistantServer, Fault, GitHttp, ScriptedHttp};

use super::tests::TestMirror;
use super::*;
use crate::mirror::RemoteOptions;
use crate::mirror::testing::{TestRepository, files_below};

struct Served {
    repository: TestRepository,
    server: GitHttp,
}

impl Served {
    fn new() -> Self {
        let repository = TestRepository::bare();
        let server = GitHttp::serve(repository.path().parent().unwrap());
        Self { repository, server }
    }

    fn url(&self) -> String {
        self.server.url(self.repository.path().file_name().unwrap().to_str().unwrap())
    }

    fn remote(&self) -> Remote {
        Remote::new(&self.url(), RemoteOptions::default()).unwrap()
    }
}

fn token(text: &str) -> (tempfile::NamedTempFile, RemoteOptions) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let token_file = Some(file.path().to_owned());
    (file, RemoteOptions { token_file, ..RemoteOptions::default() })
}

#[test]
fn a_branch_comes_over_http_and_an_unmoved_one_costs_one_request() {
    let served = Served::new();
    let (mirror, remote) = (TestMirror::new(), served.remote());
    assert_eq!(mirror.fetch(&remote).unwrap().head, RemoteHead::Empty);
    for n in 0..3 {
        let tip = served.repository.commit_files("main", &[("a", &n.to_string())]);
        let before = served.server.requests();
        let fetched = mirror.fetch(&remote).unwrap();
        assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true));
        assert_eq!(served.server.requests() - before, 2, "references and pack");
        let fetched = mirror.fetch(&remote).unwrap();
        assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), false));
        assert_eq!(served.server.requests() - before, 3, "references");
    }
    mirror.assert_sound();
    let told = Mirror::remote_branches(&remote, &FetchLimits::default()).unwrap();
    assert_eq!((told.branches, told.head.as_deref()), (vec!["main".to_owned()], Some("main")));
}

#[test]
fn the_pack_of_an_expected_commit_is_asked_for_beside_the_references() {
    let served = Served::new();
    let (mirror, remote) = (TestMirror::new(), served.remote());
    served.repository.commit_files("main", &[("a", "1")]);
    mirror.fetch(&remote).unwrap();
    let tip = served.repository.commit_files("main", &[("a", "2")]);
    let before = served.server.requests();
    served.server.fail(Fault::Hang);
    let fetched = std::thread::scope(|scope| {
        let fetch = scope.spawn(|| mirror.fetch_expecting(&remote, tip).unwrap());
        // Neither request waits for the answer to the other.
        served.server.wait_until_hanging(2);
        served.server.recover();
        fetch.join().unwrap()
    });
    assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true));
    assert_eq!(served.server.requests() - before, 2);
    assert!(fetched.objects > 0 && fetched.bytes > 0, "{fetched:?}");
    mirror.assert_sound();
    let before = served.server.requests();
    assert!(!mirror.fetch_expecting(&remote, tip).unwrap().changed);
    assert_eq!(served.server.requests() - before, 1, "present commits are not requested");
}

#[test]
fn a_few_connections_are_enough_for_any_number_of_pushes() {
    let served = Served::new();
    let distant = DistantServer::at(served.server.address(), Duration::from_millis(10));
    let near = served.server.address().to_string();
    let url = served.url().replace(&near, &distant.address().to_string());
    let remote = Remote::new(&url, RemoteOptions::default()).unwrap();
    let mirror = TestMirror::new();
    served.repository.commit_files("main", &[("a", "0")]);
    mirror.fetch(&remote).unwrap();
    for n in 1..=20 {
        let tip = served.repository.commit_files("main", &[("a", &n.to_string())]);
        assert!(mirror.fetch_expecting(&remote, tip).unwrap().changed);
    }
    // Two, and a few more if a request is sent before the last connection is known to be free.
    assert!(served.server.connections() <= 6, "{}", served.server.connections());
}

#[test]
fn what_is_expected_decides_nothing() {
    let served = Served::new();
    let (mirror, remote) = (TestMirror::new(), served.remote());
    served.repository.commit_files("main", &[("a", "1")]);
    mirror.fetch(&remote).unwrap();
    let unknown: CommitId = "1".repeat(40).parse().unwrap();
    let aside = served.repository.commit_files("aside", &[("b", "1")]);
    let mut n = 1;
    let mut commit = || {
        n += 1;
        served.repository.commit_files("main", &[("a", &n.to_string())])
    };
    for what in ["unknown", "aside", "passed"] {
        let (passed, tip) = (commit(), commit());
        let expected = match what {
            "unknown" => unknown,
            "aside" => aside,
            _ => passed,
        };
        let before = served.server.requests();
        let fetched = mirror.fetch_expecting(&remote, expected).unwrap();
        assert_eq!((fetched.head, fetched.changed), (RemoteHead::At(tip), true), "{what}");
        assert_eq!(served.server.requests() - before, 3, "{what}: references and two packs");
        mirror.assert_sound();
        let known = mirror.mirror.objects().unwrap();
        assert!(!known.contains(unknown.as_bytes()) && !known.contains(aside.as_bytes()));
    }
    let (tip, before) = (commit(), served.server.requests());
    mirror.fetch_expecting(&remote, tip).unwrap();
    assert_eq!(served.server.requests() - before, 2, "a wrong guess does not end it");
}

#[test]
fn a_server_that_sends_no_commit_by_its_id_alone_is_asked_as_usual_from_then_on() {
    let served = Served::new();
    let (mirror, remote) = (TestMirror::new(), served.remote());
    served.repository.commit_files("main", &[("a", "1")]);
    mirror.fetch(&remote).unwrap();
    assert!(remote.sends_unnamed_commits());
    remote.refused_unnamed_commit();
    let tip = served.repository.commit_files("main", &[("a", "2")]);
    let before = served.server.requests();
    assert!(mirror.fetch_expecting(&remote, tip).unwrap().changed);
    assert_eq!(served.server.requests() - before, 2, "one after the other");
}

#[test]
fn a_remote_that_refuses_what_follows_a_remembered_greeting_is_greeted_anew() {
    let greeting = || {
        let text = "001e# service=git-upload-pack\n0000000eversion 2\n0013ls-refs=unborn\n0000";
        Answer::json(200, text)
            .header("Content-Type", "application/x-git-upload-pack-advertisement")
    };
    let refs =
        || Answer::json(200, "0000").header("Content-Type", "application/x-git-upload-pack-result");
    let refused = Answer::json(400, "");
    let answers = [greeting(), refs(), refs(), refused, greeting(), refs(), refs()];
    let server = ScriptedHttp::start(answers);
    let remote = Remote::new(&server.url("/a.git"), RemoteOptions::default()).unwrap();
    let mirror = TestMirror::new();
    for _ in 0..2 {
        assert_eq!(mirror.fetch(&remote).unwrap().head, RemoteHead::Empty);
    }
    let asked: Vec<_> = server.received().iter().map(|request| request.method.clone()).collect();
    assert_eq!(asked, ["GET", "POST", "POST", "POST", "GET", "POST", "POST"]);
}

#[test]
fn a_token_is_sent_and_read_again_at_each_fetch() {
    let served = Served::new();
    let tip = served.repository.commit_files("main", &[("a", "1")]);
    // x-access-token:canary
    served.server.require_authorization("Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5");
    let mirror = TestMirror::new();
    let error = mirror.fetch(&served.remote()).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Auth, "{error:?}");
    let (file, options) = token("wrong-canary\n");
    let remote = Remote::new(&served.url(), options).unwrap();
    let error = mirror.fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Auth, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    std::fs::write(file.path(), "canary\n").unwrap();
    assert_eq!(mirror.fetch(&remote).unwrap().head, RemoteHead::At(tip));
    std::fs::remove_file(file.path()).unwrap();
    let error = mirror.fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Auth, "{error:?}");
}

#[test]
fn a_user_and_password_of_the_address_are_sent_and_never_shown() {
    let served = Served::new();
    let tip = served.repository.commit_files("main", &[("a", "1")]);
    // me:canary
    served.server.require_authorization("Basic bWU6Y2FuYXJ5");
    let mirror = TestMirror::new();
    let address = |user: &str| served.url().replace("http://", &format!("http://{user}@"));
    let remote = Remote::new(&address("me:canary"), RemoteOptions::default()).unwrap();
    assert_eq!(mirror.fetch(&remote).unwrap().head, RemoteHead::At(tip));
    let remote = Remote::new(&address("you:canary"), RemoteOptions::default()).unwrap();
    let error = mirror.fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Auth);
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[test]
fn the_kinds_of_failure_are_told_apart_and_leave_nothing() {
    let served = Served::new();
    served.repository.commit_files("main", &[("a", &"text ".repeat(1_000))]);
    let (mirror, remote) = (TestMirror::new(), served.remote());
    let before = files_below(&mirror.path());
    for (status, expected) in [
        (401, FetchErrorKind::Auth),
        (403, FetchErrorKind::Auth),
        (404, FetchErrorKind::Unreachable),
        (429, FetchErrorKind::Unreachable),
        (503, FetchErrorKind::Unreachable),
    ] {
        served.server.fail(Fault::Status(status));
        let error = mirror.fetch(&remote).unwrap_err();
        assert_eq!(error.kind(), expected, "{status}: {error:?}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    for bytes in [0, 10, 100, 200, 300] {
        served.server.fail(Fault::CutAfter(bytes));
        let error = mirror.fetch(&remote).unwrap_err();
        let kind = error.kind();
        let expected = [FetchErrorKind::Unreachable, FetchErrorKind::ContentRejected];
        assert!(expected.contains(&kind), "cut after {bytes}: {error:?}");
    }
    served.server.fail(Fault::Hang);
    let stall = Duration::from_millis(200);
    let limits = FetchLimits { stall, ..FetchLimits::default() };
    let error = mirror.mirror.fetch(&remote, "main", &limits).unwrap_err();
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    assert_eq!(files_below(&mirror.path()), before);
    served.server.recover();
    let limits = FetchLimits { max_bytes: 500, ..FetchLimits::default() };
    let result = mirror.mirror.fetch(&remote, "main", &limits);
    assert!(matches!(result, Ok(_) | Err(FetchError::TooLarge { .. })), "{result:?}");
    assert!(mirror.fetch(&remote).unwrap().head.commit().is_some());
    drop(served);
    let error = mirror.fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable, "{error:?}");
}

#[test]
fn a_server_that_trickles_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut line, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = line.read(&mut request).unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n0fff";
        line.write_all(head.as_bytes()).unwrap();
        // Until the other side hangs up.
        while line.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let remote = Remote::new(&url, RemoteOptions::default()).unwrap();
    let timeout = Duration::from_millis(300);
    let limits = FetchLimits { timeout, ..FetchLimits::default() };
    let error = TestMirror::new().mirror.fetch(&remote, "main", &limits).unwrap_err();
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    drop(remote);
    server.join().unwrap();
}

#[test]
fn what_is_not_a_git_server_is_unreachable() {
    let page = ScriptedHttp::start([Answer::json(200, "{}")]);
    let remote = Remote::new(&page.url("/a"), RemoteOptions::default()).unwrap();
    let error = TestMirror::new().fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable, "{error:?}");
}

#[test]
fn a_remote_may_say_how_long_to_leave_it_alone() {
    let limited = |text: &str| {
        let answer = Answer::json(429, "").header("Retry-After", text);
        let server = ScriptedHttp::start([answer]);
        let remote = Remote::new(&server.url("/a"), RemoteOptions::default()).unwrap();
        TestMirror::new().fetch(&remote).unwrap_err().retry_after()
    };
    assert_eq!(limited("120"), Some(Duration::from_secs(120)));
    assert_eq!(limited("soon"), None);
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let served = Served::new();
    served.repository.commit_files("main", &[("a", "1")]);
    let location = format!("{}/info/refs?service=git-upload-pack", served.url());
    let elsewhere = ScriptedHttp::start([Answer::json(301, "").header("Location", &location)]);
    let (_file, options) = token("canary");
    let remote = Remote::new(&elsewhere.url("/a"), options).unwrap();
    let error = TestMirror::new().fetch(&remote).unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable, "{error:?}");
    assert_eq!(served.server.requests(), 0);
}

#[test]
fn a_redirect_within_the_host_is_followed_to_the_end() {
    let flush = "001e# service=git-upload-pack\n0000000eversion 2\n0013ls-refs=unborn\n0000";
    let advertisement = Answer::json(200, flush)
        .header("Content-Type", "application/x-git-upload-pack-advertisement");
    let moved = Answer::json(302, "")
        .header("Location", "http://{host}/new.git/info/refs?service=git-upload-pack");
    let refs =
        Answer::json(200, "0000").header("Content-Type", "application/x-git-upload-pack-result");
    let server = ScriptedHttp::start([moved, advertisement, refs]);
    let remote = Remote::new(&server.url("/old.git"), RemoteOptions::default()).unwrap();
    assert_eq!(TestMirror::new().fetch(&remote).unwrap().head, RemoteHead::Empty);
    let asked: Vec<_> = server
        .received()
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    let expected = [
        "GET /old.git/info/refs?service=git-upload-pack",
        "GET /new.git/info/refs?service=git-upload-pack",
        "POST /new.git/git-upload-pack",
    ];
    assert_eq!(asked[..3], expected);
}
