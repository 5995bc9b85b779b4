//! Writes through any replica of a cluster.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use headwater::cluster::seal::Seal;
use headwater::config::Secrets;
use headwater_testkit::{NatsServer, Upstream};
use serde_json::{Value, json};

use crate::cluster::{Common, Replica};
use crate::cluster_watch::until;
use crate::harness::people;

/// An answer with its headers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        Some(self.head.lines().find(is_it)?.split_once(": ")?.1)
    }
}

/// Sends a request to an address, with these header lines.
pub(crate) fn ask(address: &str, method: &str, path: &str, head: &str, body: &str) -> Answer {
    answer_of(sent(address, method, path, head, body))
}

/// Sends a request, and does not wait for its answer.
fn sent(address: &str, method: &str, path: &str, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         {head}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer_of(mut stream: TcpStream) -> Answer {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer { status, head: head.to_owned(), body }
}

/// A caller with a token.
pub(crate) struct Writer(pub(crate) &'static str);

impl Writer {
    pub(crate) fn ask(
        &self,
        replica: &Replica,
        method: &str,
        path: &str,
        head: &str,
        body: &Value,
    ) -> Answer {
        let head =
            format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n{head}", self.0);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(&replica.address, method, path, &head, &body)
    }

    /// Writes a person. Returns the answer.
    pub(crate) fn put(&self, replica: &Replica, slug: &str, head: &str) -> Answer {
        let body = json!({ "slug": slug, "name": slug, "age": 1 });
        self.ask(replica, "PUT", &format!("/api/people/{slug}"), head, &body)
    }
}

/// Has the forge refuse pushes until the returned file is removed.
pub(crate) fn refuse_pushes(upstream: &Upstream) -> PathBuf {
    let hook = upstream.path().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    hook
}

#[test]
fn a_follower_takes_every_kind_of_write_and_its_caller_reads_it_there() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let read = |path: &str| ask(&two.address, "GET", path, "", "");

    let eve = json!({ "slug": "eve", "name": "Eve", "age": 20 });
    let put = writer.ask(&two, "PUT", "/api/people/eve", "", &eve);
    assert_eq!((put.status, &put.body["safe"]), (201, &json!(true)), "{}", put.body);
    let commit = put.header("x-headwater-commit").unwrap();
    assert_eq!(put.body["commit"], commit);
    assert_eq!(put.header("x-headwater-safe"), Some("true"));
    assert_eq!(put.header("location"), Some("/api/people/eve"));
    // It is read where it was written, without naming the commit.
    let found = read("/api/people/eve");
    assert_eq!((found.status, &found.body["name"]), (200, &json!("Eve")));
    assert_eq!(found.header("etag"), put.header("etag"));

    let stale =
        writer.ask(&two, "PATCH", "/api/people/eve", "if-match: \"0\"\r\n", &json!({"age": 21}));
    assert_eq!((stale.status, stale.header("etag")), (412, put.header("etag")), "{}", stale.body);
    let matching = format!("if-match: {}\r\n", put.header("etag").unwrap());
    let patch = writer.ask(&two, "PATCH", "/api/people/eve", &matching, &json!({ "age": 21 }));
    assert_eq!((patch.status, read("/api/people/eve").body["age"].as_u64()), (200, Some(21)));

    let dry = writer.ask(
        &two,
        "PUT",
        "/api/people/dry?dryRun=true",
        "",
        &json!({ "slug": "dry", "name": "D", "age": 1 }),
    );
    assert_eq!((dry.status, &dry.body["dryRun"]), (200, &json!(true)), "{}", dry.body);
    assert_eq!(read("/api/people/dry").status, 404);

    let key = "idempotency-key: once\r\n";
    let kim = json!({ "slug": "kim", "name": "Kim", "age": 5 });
    let made = writer.ask(&two, "POST", "/api/people", key, &kim);
    let again = writer.ask(&one, "POST", "/api/people", key, &kim);
    assert_eq!((made.status, again.status), (201, 200), "{}", again.body);
    assert_eq!(made.body["commit"], again.body["commit"]);
    assert_eq!(again.body["repeated"], true);

    let both = json!({ "operations": [
        { "op": "put", "sheet": "people", "key": "a1", "value": { "slug": "a1", "name": "A", "age": 1 } },
        { "op": "delete", "sheet": "people", "key": "kim" },
    ] });
    let transacted = writer.ask(&two, "POST", "/api/_transact", "", &both);
    assert_eq!(
        (transacted.status, read("/api/people/kim").status),
        (200, 404),
        "{}",
        transacted.body
    );
    let attached =
        writer.ask(&two, "PUT", "/api/_attachments/people/eve/a.txt", "", &json!("text"));
    assert_eq!(attached.status, 201, "{}", attached.body);
    assert_eq!(read("/api/_attachments/people/eve/a.txt").body, json!("text"));
    let deleted = writer.ask(&two, "DELETE", "/api/people/a1", "", &Value::Null);
    assert_eq!((deleted.status, read("/api/people/a1").status), (204, 404));

    // What the leader refuses is refused here, and so is who may not write.
    let invalid = writer.ask(&two, "PUT", "/api/people/bad", "", &json!({ "slug": "other" }));
    assert_eq!((invalid.status, invalid.body["code"].as_str()), (422, Some("invalid_record")));
    let head = "authorization: Bearer a-token-of-nobody-at-all\r\n";
    assert_eq!(ask(&two.address, "DELETE", "/api/people/eve", head, "").status, 401);
    let shown = two.metrics();
    let line = "headwater_cluster_forwarded_total{result=\"answered\"} 9";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
}

#[test]
fn a_request_that_is_repeated_at_another_replica_is_the_same_however_its_path_is_written() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    // On the way to the leader, what the path has unencoded is encoded.
    for (n, slug) in ["é", "a{b}", "a[b]^c"].into_iter().enumerate() {
        for (name, first, second) in [("two", &two, &one), ("one", &one, &two)] {
            let slug = format!("{slug}{name}");
            let key = format!("idempotency-key: {n}-{name}\r\n");
            let made = writer.put(first, &slug, &key);
            let again = writer.put(second, &slug, &key);
            assert_eq!((made.status, again.status), (201, 200), "{slug}: {}", again.body);
            assert_eq!(again.body["repeated"], true);
            assert_eq!(again.body["commit"], made.body["commit"]);
        }
    }
}

#[test]
fn a_follower_passes_on_no_path_that_the_leader_would_read_as_another() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let ada = json!({ "slug": "ada", "name": "Other" });
    for (method, path, body) in [
        ("DELETE", "/api/people/zz/%2e%2e/ada", Value::Null),
        ("DELETE", "/api/x\\..\\people\\ada", Value::Null),
        ("PUT", "/api/people/zz/%2E%2e/ada", ada.clone()),
        ("POST", "/api/x\\..\\people", ada),
        ("POST", "/api/x\\..\\_internal\\reload-data", Value::Null),
        ("POST", "/api/x\\..\\_internal\\git\\git-upload-pack", Value::Null),
    ] {
        let answer = writer.ask(&two, method, path, "git-protocol: version=2\r\n", &body);
        let is_refused = (400..500).contains(&answer.status) && answer.status != 401;
        assert!(is_refused, "{method} {path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.to_string().contains("Git-Protocol"), "{}", answer.body);
    }
    let read = ask(&two.address, "GET", "/api/people/ada", "", "");
    assert_eq!((read.status, &read.body["name"]), (200, &json!("Ada Lovelace")));
    assert_eq!(one.status()["commit"], upstream.head().unwrap());
}

#[test]
fn a_write_is_passed_on_once_and_between_replicas_only() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let token = common.let_write();
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let body = json!({ "slug": "eve", "name": "Eve", "age": 20 }).to_string();
    let put = |replica: &Replica, head: &str| {
        let head = format!("authorization: Bearer {token}\r\n{head}");
        let answer = ask(&replica.internal, "PUT", "/api/people/eve", &head, &body);
        (answer.status, answer.body["code"].as_str().map(str::to_owned))
    };
    let code = |status, code: &str| (status, Some(code.to_owned()));
    assert_eq!(put(&one, ""), code(404, "not_found"), "the internal side has no records");
    let hop = "x-headwater-hop: three\r\n";
    assert_eq!(put(&one, hop), code(401, "unauthorized"));
    let wrong = format!("{hop}x-headwater-peer-key: a-key-of-nobody\r\n");
    assert_eq!(put(&one, &wrong), code(401, "unauthorized"));
    let secrets = Secrets::parse("s", "the-secret-of-the-cluster").unwrap();
    let key = Seal::new(Arc::new(secrets), "data").peer_keys().remove(0);
    let right = format!("{hop}x-headwater-peer-key: {key}\r\n");
    assert_eq!(put(&two, &right), code(421, "misdirected"));
    assert_eq!(put(&one, &right).0, 201);
    let read = ask(&one.internal, "GET", "/api/people/eve", &right, "");
    assert_eq!(read.status, 404, "{}", read.body);
}

#[test]
fn without_a_leader_a_write_is_refused_after_a_while_and_may_be_sent_again() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    let mut one = common.start("one");
    one.has_role("leading");
    let alone = [("HEADWATER_CLUSTER_LEAD", "off"), ("HEADWATER_CLUSTER_LEASE", "3600")];
    let two = common.start_with("two", &alone);
    two.has_role("following");
    one.stop();
    let refused = writer.put(&two, "eve", "");
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("no_leader")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    // A write that comes a moment before the next leader waits for it.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                let written = writer.put(&two, "eve", "");
                if written.status != 503 {
                    return written.status;
                }
            }
        });
        let three = common.start("three");
        assert_eq!(waiting.join().unwrap(), 201);
        three.has_role("leading");
    });
}

#[test]
fn a_write_is_answered_when_it_is_in_two_places() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    let one = common.start("one");
    one.has_role("leading");
    // The remote is as good as another replica.
    let written = writer.put(&one, "kim", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    refuse_pushes(&upstream);
    let late = writer.put(&one, "eve", "prefer: wait=1\r\n");
    assert_eq!((late.status, &late.body["safe"]), (202, &json!(false)), "{}", late.body);
    assert_eq!(late.header("x-headwater-safe"), Some("false"));
    one.cluster(|cluster| cluster["unsafeSeconds"].as_u64() >= Some(1));
    let two = common.start("two");
    two.has_role("following");
    let written = writer.put(&one, "joe", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &json!(true)), "{}", written.body);
    assert_eq!(written.body["pushed"], false);
    let cluster = two.cluster(|cluster| cluster["safe"] == written.body["commit"]);
    assert_eq!(cluster["unsafeSeconds"], 0);
    // A follower that does nothing stores nothing.
    two.pause();
    let late = writer.put(&one, "pat", "prefer: wait=1\r\n");
    assert_eq!((late.status, &late.body["safe"]), (202, &json!(false)), "{}", late.body);
    two.wake();
    let again = writer.put(&one, "pat", "");
    assert_eq!((again.status, &again.body["safe"]), (200, &json!(true)), "{}", again.body);
    let metrics = one.metrics();
    assert!(metrics.contains("\nheadwater_cluster_unsafe_seconds 0"), "{metrics}");
    assert!(metrics.contains("\nheadwater_cluster_safe_seconds_count 3\n"), "{metrics}");
}

/// The largest attachment. Bodies that wait have room for six of one token.
const LARGEST: usize = 10 << 20;

/// Returns the header lines of a file that this token writes, whose answer waits for so many seconds.
fn file_of(token: &str, wait: u16) -> String {
    format!("authorization: Bearer {token}\r\ncontent-type: text/plain\r\nprefer: wait={wait}\r\n")
}

#[test]
fn bodies_that_wait_for_the_leader_have_a_bounded_memory_that_tokens_share() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    common.settings.push(("HEADWATER_CLUSTER_LEASE", "60".to_owned()));
    let tokens = common.folder.path().join("tokens.toml");
    let second = "\n[[token]]\nname = \"second\"\nsecret = \"the-token-of-another\"\n\
                  author = \"S <s@t.org>\"\n";
    let both = std::fs::read_to_string(&tokens).unwrap() + second;
    std::fs::write(&tokens, both).unwrap();
    let one = common.start("one");
    one.has_role("leading");
    let two = common.start("two");
    two.has_role("following");
    let (head, body) = (file_of(writer.0, 60), "x".repeat(LARGEST));
    let attach = |n: usize| {
        let path = format!("/api/_attachments/people/ada/{n}.txt");
        ask(&two.address, "PUT", &path, &head, &body)
    };
    one.pause();
    std::thread::scope(|scope| {
        let (told, answers) = std::sync::mpsc::channel();
        for n in 0..7 {
            let (told, attach) = (told.clone(), &attach);
            scope.spawn(move || told.send(attach(n)).unwrap());
        }
        let refused = answers.recv().unwrap();
        assert_eq!((refused.status, &refused.body["code"]), (503, &json!("busy")));
        assert_eq!(refused.header("retry-after"), Some("1"));
        let other = scope.spawn(|| Writer("the-token-of-another").put(&two, "eve", ""));
        one.wake();
        assert_eq!(other.join().unwrap().status, 201);
        // The leader takes as many at once as it has room for.
        let rest: Vec<u16> = answers.iter().take(6).map(|answer| answer.status).collect();
        assert!(rest.contains(&201) && rest.iter().all(|it| [201, 503].contains(it)), "{rest:?}");
    });
    let again = attach(7);
    assert_eq!(again.status, 201, "{}", again.body);
}

#[test]
fn a_write_that_waits_for_its_second_place_keeps_no_body() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    refuse_pushes(&upstream);
    let one = common.start("one");
    one.has_role("leading");
    let (head, body) = (file_of(writer.0, 300), "x".repeat(LARGEST));
    // Nobody else has them, so none is answered.
    let waiting: Vec<_> = (0..8)
        .map(|n| {
            let path = format!("/api/_attachments/people/ada/{n}.txt");
            let stream = sent(&one.address, "PUT", &path, &head, &body);
            until("written", || ask(&one.address, "HEAD", &path, "", "").status == 200);
            stream
        })
        .collect();
    let two = common.start("two");
    two.has_role("following");
    for stream in waiting {
        let answer = answer_of(stream);
        assert_eq!((answer.status, &answer.body["safe"]), (201, &json!(true)), "{}", answer.body);
    }
}

#[test]
fn one_disk_is_enough_for_who_says_so() {
    let Some(nats) = NatsServer::start() else { return };
    let upstream = people();
    let mut common = Common::new(&nats, upstream.url(), "0");
    let writer = Writer(common.let_write());
    common.settings.push(("HEADWATER_DURABILITY", "synced".to_owned()));
    refuse_pushes(&upstream);
    let one = common.start("one");
    one.has_role("leading");
    let written = writer.put(&one, "eve", "");
    assert_eq!((written.status, &written.body["safe"]), (201, &Value::Null), "{}", written.body);
}
