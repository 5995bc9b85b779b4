//! Writes over HTTP: who may write, the answers, and the message of the commit.

use headwater_testkit::Upstream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer, people};

const SITE: &str = "the-token-of-the-site";
const BOT: &str = "the-token-of-the-bot";

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\nnames_author = true\n\
                      [[token]]\nname = \"bot\"\nsecret = \"the-token-of-the-bot\"\n\
                      author = \"Bot <bot@example.org>\"\nsheets = [\"tags\"]\n\
                      [[token]]\nname = \"desk\"\nsecret = \"the-token-of-the-desk\"\n\
                      author = \"Desk <desk@example.org>\"\nsheets = [\"people\"]\n";

/// A server that accepts writes.
struct House {
    server: TestServer,
    folder: TempDir,
}

impl House {
    fn new(settings: &[(&str, &str)]) -> Self {
        Self::of(&people(), settings)
    }

    fn of(upstream: &Upstream, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, TOKENS).unwrap();
        let mut all = vec![("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
        all.extend(settings);
        Self { server: TestServer::with(&upstream.url(), &all), folder }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(SITE)
    }

    fn put(&self, path: &str, record: &Value) -> Answer {
        self.server.send(self.call(Method::PUT, path).json(record))
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = std::process::Command::new("git");
        let output = git.arg("-C").arg(self.server.mirror()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn ada(age: u32) -> Value {
    json!({"slug": "ada", "name": "Ada", "age": age})
}

#[test]
fn a_file_that_cannot_be_read_is_replaced_only_by_who_names_it() {
    let mut upstream = people();
    upstream.commit("a mistake").put("people/joan.toml", "= =\n").push();
    let house = House::of(&upstream, &[]);
    let joan = json!({"slug": "joan", "age": 30});
    let created = house.call(Method::POST, "/api/people").json(&joan);
    house.server.send(created).problem(409, "conflict");
    let moved = house.call(Method::PATCH, "/api/people/ada").json(&json!({"slug": "joan"}));
    house.server.send(moved).problem(409, "conflict");
    assert_eq!(house.git(&["show", "HEAD:people/joan.toml"]), "= =\n");
    assert!(house.put("/api/people/joan", &joan).status < 300);
    assert_eq!(house.server.get("/api/people/joan").json(), joan);
}

#[test]
fn a_record_is_put_patched_and_deleted_and_each_is_a_commit() {
    let house = House::new(&[]);
    let created = house.put("/api/people/joan", &json!({"slug": "joan", "age": 30}));
    assert_eq!(created.status, 201);
    assert_eq!(created.header("location"), Some("/api/people/joan"));
    let body = created.json();
    assert_eq!((&body["changed"], &body["pushed"]), (&json!(true), &json!(false)));
    assert_eq!(body["value"], json!({"slug": "joan", "age": 30}));
    assert_eq!(created.commit(), body["commit"]);
    let read = house.server.get("/api/people/joan");
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.commit(), created.commit());

    let patch = house.call(Method::PATCH, "/api/people/joan").json(&json!({"age": null, "n": 1}));
    let patched = house.server.send(patch);
    assert_eq!((patched.status, &patched.json()["value"]), (200, &json!({"slug": "joan", "n": 1})));
    let deleted = house.server.send(house.call(Method::DELETE, "/api/people/joan"));
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert_eq!(house.server.get("/api/people/joan").status, 404);
    let log = house.git(&["log", "-3", "--format=%an|%cn|%s", "HEAD"]);
    let expected = ["DELETE", "PATCH", "PUT"]
        .map(|method| format!("The Site|Headwater|site: {method} /api/people/joan\n"));
    assert_eq!(log, expected.concat());
    let trailers = house.git(&["log", "-1", "--format=%(trailers)", "HEAD"]);
    let expected =
        "Action: people.delete\nActor-Slug: site\nSubject-Type: people\nSubject-Slug: joan\n";
    assert_eq!(trailers.trim_end(), expected.trim_end());
}

#[test]
fn a_new_record_gets_its_key_from_its_fields() {
    let house = House::new(&[]);
    let create =
        |record: Value| house.server.send(house.call(Method::POST, "/api/people").json(&record));
    let created = create(json!({"slug": "joan", "name": "Joan"}));
    assert_eq!((created.status, &created.json()["key"]), (201, &json!("joan")));
    create(json!({"slug": "joan", "name": "Joan"})).problem(409, "conflict");
    create(json!({"name": "Joan"})).problem(422, "invalid_record");
    create(json!({"slug": "a/b"})).problem(422, "invalid_record");
    let moved = house.call(Method::PATCH, "/api/people/joan").json(&json!({"slug": "jo"}));
    let moved = house.server.send(moved);
    assert_eq!((moved.status, moved.header("location")), (200, Some("/api/people/jo")));
    assert_eq!(moved.json()["movedFrom"], "joan");
}

#[test]
fn without_a_right_token_nothing_is_written() {
    let house = House::new(&[]);
    let put = |token: Option<&str>, path: &str| {
        let request = house.server.request(Method::PUT, path).json(&ada(1));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        house.server.send(request)
    };
    put(None, "/api/people/ada").problem(401, "unauthorized");
    put(Some("wrong-wrong-wrong"), "/api/people/ada").problem(401, "unauthorized");
    put(Some(BOT), "/api/people/ada").problem(403, "token_scope");
    // A removed token is refused from the next request on.
    assert_eq!(put(Some(SITE), "/api/people/ada").status, 200);
    let file = house.folder.path().join("tokens.toml");
    let all = std::fs::read_to_string(&file).unwrap();
    // An empty file is one that is still being written.
    std::fs::write(&file, "").unwrap();
    assert_eq!(put(Some(SITE), "/api/people/ada").status, 200);
    std::fs::write(&file, all.replace(SITE, "another-token-of-the-site")).unwrap();
    put(Some(SITE), "/api/people/ada").problem(401, "unauthorized");

    let read_only = TestServer::start(&people().url());
    let request = read_only.request(Method::PUT, "/api/people/ada").json(&ada(1));
    let refused = read_only.send(request.bearer_auth(SITE));
    assert_eq!(refused.header("allow"), Some("GET,HEAD"));
    let why = refused.problem(405, "method_not_allowed")["detail"].to_string();
    assert!(why.contains("no write tokens"), "{why}");
}

#[test]
fn a_record_is_changed_by_the_other_spelling_of_its_key_as_it_is_read() {
    let (composed, decomposed) = (("\u{e9}", "%C3%A9"), ("e\u{301}", "e%CC%81"));
    for ((there, _), (_, typed)) in [(composed, decomposed), (decomposed, composed)] {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put("notes/z.json", "{}");
        let mixed = [(composed.0, decomposed.0), (decomposed.0, composed.0)];
        let commit = mixed.iter().fold(first, |commit, (one, other)| {
            commit.put(format!("notes/{one}/{other}.json"), "{}")
        });
        commit.put(format!("notes/{there}.json"), r#"{"n":1}"#).push();
        let house = House::of(&upstream, &[]);
        let path = format!("/api/notes/{typed}");
        let total = || house.server.get("/api/notes").json()["total"].clone();

        let read = house.server.get(&path);
        let patch =
            house.call(Method::PATCH, &path).header("if-match", read.header("etag").unwrap());
        let patched = house.server.send(patch.json(&json!({"m": 2})));
        assert_eq!((patched.status, &patched.json()["key"]), (200, &json!(there)));
        assert_eq!(house.server.get(&path).json(), json!({"n": 1, "m": 2}));
        let put = house.put(&path, &json!({"n": 3}));
        assert_eq!((put.status, &put.json()["key"], total()), (200, &json!(there), json!(4)));
        let history = house.server.get(&format!("/api/_history/notes/{typed}")).json();
        assert_eq!(history["items"].as_array().map(Vec::len), Some(3), "{history}");
        let create = house.call(Method::PUT, &path).header("if-none-match", "*").json(&json!({}));
        house.server.send(create).problem(412, "precondition_failed");
        let deleted = house.server.send(house.call(Method::DELETE, &path));
        assert_eq!((deleted.status, total()), (204, json!(3)));
        house.server.get(&path).problem(404, "not_found");

        // Two are named, so there is none.
        let both = format!("/api/notes/{typed}/{typed}");
        let patch = house.call(Method::PATCH, &both).json(&json!({"m": 2}));
        house.server.send(patch).problem(404, "not_found");
    }
}

#[test]
fn a_stale_writer_is_told_the_version_that_is_there() {
    let house = House::new(&[("HEADWATER_REQUIRE_IF_MATCH", "on")]);
    house.put("/api/people/ada", &ada(1)).problem(428, "precondition_required");
    let read = house.server.get("/api/people/ada");
    let tag = read.header("etag").unwrap();
    let put = |condition: &str, tag: &str, age| {
        let request = house.call(Method::PUT, "/api/people/ada").header(condition, tag);
        house.server.send(request.json(&ada(age)))
    };
    let first = put("if-match", tag, 1);
    assert_eq!(first.status, 200);
    let stale = put("if-match", tag, 2);
    assert_eq!(stale.header("etag"), first.header("etag"));
    stale.problem(412, "precondition_failed");
    put("if-none-match", "*", 2).problem(412, "precondition_failed");
    assert_eq!(put("if-match", "*", 2).status, 200);
    // A transaction is no way around it. Its new records have no version.
    let transact = |operations: Value| {
        let body = json!({ "operations": operations });
        house.server.send(house.call(Method::POST, "/api/_transact").json(&body))
    };
    let create = json!({"op": "create", "sheet": "people", "value": {"slug": "joan"}});
    let of_ada = |rest: Value| {
        let mut operation =
            json!({"op": "patch", "sheet": "people", "key": "ada", "value": {"age": 3}});
        operation.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        operation
    };
    let refused = transact(json!([create, of_ada(json!({}))]));
    assert_eq!(refused.json()["operation"], 1);
    refused.problem(428, "precondition_required");
    assert_eq!(transact(json!([create, of_ada(json!({"ifMatch": "*"}))])).status, 200);
}

#[test]
fn several_changes_are_one_commit_or_none() {
    let house = House::new(&[]);
    let transact = |operations: Value| {
        let body = json!({ "operations": operations, "summary": "a tidy-up" });
        house.server.send(house.call(Method::POST, "/api/_transact").json(&body))
    };
    let done = transact(json!([
        {"op": "put", "sheet": "people", "key": "ada", "value": ada(1)},
        {"op": "patch", "sheet": "people", "key": "grace", "value": {"age": 1}},
        {"op": "create", "sheet": "people", "value": {"slug": "joan"}},
    ]));
    assert_eq!((done.status, done.json()["results"].as_array().unwrap().len()), (200, 3));
    let message = house.git(&["log", "-1", "--format=%B", "HEAD"]);
    let expected = "a tidy-up\n\nsite: POST /api/_transact\n\nAction: transact\nActor-Slug: site\n";
    assert_eq!(message.trim_end(), expected.trim_end());
    let failed = transact(json!([
        {"op": "delete", "sheet": "people", "key": "joan"},
        {"op": "delete", "sheet": "people", "key": "nobody"},
    ]));
    let refused = failed.problem(404, "not_found");
    assert_eq!(refused["operation"], 1, "{refused}");
    assert!(refused["detail"].as_str().unwrap().starts_with("operation 1: "), "{refused}");
    assert_eq!(house.server.get("/api/people/joan").status, 200);
    transact(json!([])).problem(422, "invalid_body");
    let new = |key: &str, more: Value| {
        let mut put = json!({"op": "put", "sheet": "people", "key": key, "value": {"slug": key}});
        put.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        transact(json!([put, {"op": "delete", "sheet": "people", "key": "joan"}]))
    };
    let absent = || json!({"ifNoneMatch": "*"});
    new("ada", absent()).problem(412, "precondition_failed");
    for wrong in [json!({"ifNoneMatch": "\"x\""}), json!({"ifNoneMatch": "*", "ifMatch": "*"})] {
        new("mary", wrong).problem(422, "invalid_body");
    }
    assert_eq!(house.server.get("/api/people/joan").status, 200);
    assert_eq!(new("mary", absent()).status, 200);
}

#[test]
fn what_a_change_is_for_is_its_subject_in_every_history() {
    let house = House::new(&[]);
    let subjects = || {
        let of = |path| house.server.get(path).json()["items"][0]["summary"].clone();
        let subject = house.git(&["log", "-1", "--format=%s", "HEAD"]);
        [of("/api/_history/people/ada"), of("/api/_commits"), json!(subject.trim())]
    };
    house.put("/api/people/ada", &ada(1));
    assert_eq!(subjects(), ["site: PUT /api/people/ada"; 3].map(|it| json!(it)));
    let named = house.call(Method::PUT, "/api/people/ada");
    let named = named.header("x-headwater-summary", "Größer – as the letter says".as_bytes());
    assert_eq!(house.server.send(named.json(&ada(2))).status, 200);
    assert_eq!(subjects(), ["Größer – as the letter says"; 3].map(|it| json!(it)));
    let patch = json!({"op": "patch", "sheet": "people", "key": "ada", "value": {"age": 3}});
    let body =
        json!({ "operations": [patch], "summary": " One line \nand more:\n\nAction: forged\n" });
    let done = house.server.send(house.call(Method::POST, "/api/_transact").json(&body));
    assert_eq!(done.status, 200);
    assert_eq!(subjects(), ["One line"; 3].map(|it| json!(it)));
    let message = house.git(&["log", "-1", "--format=%b", "HEAD"]);
    let expected =
        "and more:\n\nAction: forged\n\nsite: POST /api/_transact\n\nAction: people.patch\n";
    assert!(message.starts_with(expected), "{message}");
    let trailers = house.git(&["log", "-1", "--format=%(trailers)", "HEAD"]);
    assert!(!trailers.contains("forged"), "{trailers}");
}

#[test]
fn what_breaks_a_transaction_is_told_with_the_place_of_its_operation() {
    let mut upstream = people();
    let rules = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\
                 [gitsheet.schema]\ntype = \"object\"\n\
                 [gitsheet.schema.properties]\nage = { type = \"integer\" }\n\
                 [headwater]\nunique = [\"email\"]\n";
    upstream.commit("rules").put(".gitsheets/people.toml", rules).push();
    let house = House::of(&upstream, &[]);
    let transact = |operations: Value| {
        let body = json!({ "operations": operations });
        house.server.send(house.call(Method::POST, "/api/_transact").json(&body))
    };
    let by_its_schema = transact(json!([
        {"op": "patch", "sheet": "people", "key": "grace", "value": {"age": 1}},
        {"op": "put", "sheet": "people", "key": "ada", "value": {"slug": "ada", "age": "old"}},
    ]));
    let refused = by_its_schema.problem(422, "invalid_record");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/1/value/age", "{refused}");
    let by_another = transact(json!([
        {"op": "patch", "sheet": "people", "key": "grace", "value": {"age": 1}},
        {"op": "patch", "sheet": "people", "key": "ada", "value": {"email": "one@example.org"}},
        {"op": "create", "sheet": "people", "value": {"slug": "joan", "email": "one@example.org"}},
    ]));
    let refused = by_another.problem(409, "conflict");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/2/value/email", "{refused}");
}

#[test]
fn a_request_that_is_sent_again_makes_no_second_commit() {
    let mut house = House::new(&[]);
    let send = |house: &House, age| {
        let request = house.call(Method::PUT, "/api/people/ada").header("idempotency-key", "k-1");
        house.server.send(request.json(&ada(age)))
    };
    let first = send(&house, 1).json()["commit"].clone();
    house.put("/api/people/ada", &ada(2));
    house.server.restart();
    let again = send(&house, 1).json();
    assert_eq!((&again["commit"], &again["repeated"]), (&first, &json!(true)));
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 2);
    send(&house, 3).problem(422, "idempotency_key_reused");
}

#[test]
fn a_key_is_of_one_token_and_of_one_condition_and_is_known_where_nothing_changed() {
    let house = House::new(&[]);
    let send = |token: &str, header: Option<(&'static str, &str)>, age| {
        let request = house.server.request(Method::PUT, "/api/people/ada").bearer_auth(token);
        let request = request.header("idempotency-key", "k-1");
        let request = match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        house.server.send(request.json(&ada(age)))
    };
    house.put("/api/people/ada", &ada(1));
    assert_eq!(send(SITE, None, 1).json()["changed"], false);
    house.put("/api/people/ada", &ada(2));
    let again = send(SITE, None, 1).json();
    assert_eq!((&again["changed"], &again["repeated"]), (&json!(false), &json!(true)));
    assert_eq!(house.server.get("/api/people/ada").json()["age"], 2);
    for header in [("if-match", "*"), ("x-headwater-author", "Eve <eve@example.org>")] {
        send(SITE, Some(header), 1).problem(422, "idempotency_key_reused");
    }
    let other = send("the-token-of-the-desk", None, 3);
    assert_eq!((other.status, &other.json()["changed"]), (200, &json!(true)));
}

#[test]
fn a_body_that_would_take_much_memory_is_refused_before_it_does() {
    let house = House::new(&[]);
    let objects = format!("[{}]", vec!["{\"\":0}"; 140_000].join(","));
    let raw = |path: &str, body: String| {
        let request = house.call(Method::PUT, path).header("content-type", "application/json");
        house.server.send(request.body(body))
    };
    let body = format!("{{\"slug\":\"ada\",\"x\":{objects}}}");
    assert!(body.len() < 1 << 20);
    raw("/api/people/ada", body).problem(422, "invalid_record");
    let numbers = format!("{{\"slug\":\"ada\",\"x\":[{}]}}", vec!["0"; 10_000].join(","));
    assert_eq!(raw("/api/people/ada", numbers).status, 200);
}

#[test]
fn what_a_caller_says_cannot_forge_a_commit() {
    let house = House::new(&[]);
    let put = |name: &'static str, value: &str| {
        let request = house.call(Method::PUT, "/api/people/ada").header(name, value);
        house.server.send(request.json(&ada(u32::try_from(value.len()).unwrap())))
    };
    assert_eq!(put("x-headwater-author", "Eve <eve@example.org>").status, 200);
    assert_eq!(
        house.git(&["log", "-1", "--format=%an <%ae>", "HEAD"]).trim(),
        "Eve <eve@example.org>"
    );
    for author in ["Eve", "Eve <a> <b>", "<eve@example.org>"] {
        put("x-headwater-author", author).problem(422, "invalid_header");
    }
    assert_eq!(put("x-headwater-summary", "Action: forged").status, 200);
    let trailers = house.git(&["log", "-1", "--format=%(trailers)", "HEAD"]);
    assert!(!trailers.contains("forged"), "{trailers}");
    let bot = house.server.request(Method::PUT, "/api/tags/x").bearer_auth(BOT);
    let bot = bot.header("x-headwater-author", "Eve <eve@example.org>").json(&json!({}));
    house.server.send(bot).problem(403, "token_scope");
}

#[test]
fn a_write_that_names_a_commit_to_read_from_is_refused() {
    let house = House::new(&[]);
    let read = house.server.get("/api/people/ada");
    let (before, head) = (read.json(), read.commit().to_owned());
    for (name, code) in
        [("x-headwater-min-commit", "invalid_header"), ("x-headwater-at", "invalid_query")]
    {
        for commit in [&*head, "1111111111111111111111111111111111111111", "nonsense"] {
            for path in ["/api/people/ada", "/api/people/ada?dryRun=true"] {
                let request = house.call(Method::PUT, path).header(name, commit);
                let refused = house.server.send(request.json(&ada(99))).problem(422, code);
                assert!(!refused["detail"].as_str().unwrap().is_empty(), "{refused}");
            }
        }
    }
    assert_eq!(house.server.get("/api/people/ada").json(), before);
}

#[test]
fn a_body_that_is_no_record_is_refused_with_its_place() {
    let house = House::new(&[]);
    house
        .put("/api/people/ada", &json!({"slug": "ada", "list": [1, null]}))
        .problem(422, "invalid_record");
    let refused = house.put("/api/people/ada", &json!({"slug": "ada", "list": [1, null]})).json();
    assert_eq!(refused["errors"][0]["pointer"], "/list/1");
    let raw = |kind: &str, body: &'static str| {
        let request = house.call(Method::PUT, "/api/people/ada").header("content-type", kind);
        house.server.send(request.body(body))
    };
    raw("application/json", "{").problem(422, "invalid_body");
    raw("application/json", r#"{"slug":"ada","slug":"joan"}"#).problem(422, "invalid_body");
    raw("application/json", r#"{"n":18446744073709551616}"#).problem(422, "invalid_body");
    raw("text/plain", "{}").problem(415, "unsupported_media_type");
    house.put("/api/people/ada", &json!({"slug": "grace"})).problem(409, "conflict");
    house.put("/api/people/new", &json!({"slug": "old"})).problem(422, "invalid_record");
    house.put("/api/nothing/new", &json!({"slug": "old"})).problem(404, "not_found");
}

#[test]
fn a_minimal_answer_has_no_body() {
    let house = House::new(&[]);
    let request = house.call(Method::PUT, "/api/people/ada").header("prefer", "return=minimal");
    let answer = house.server.send(request.json(&ada(1)));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.commit(), house.git(&["rev-parse", "HEAD"]).trim());
}

#[test]
fn while_a_commit_is_pinned_nothing_is_written() {
    let house = House::new(&[]);
    let head = house.git(&["rev-parse", "HEAD"]);
    house.server.pin(head.trim());
    house.put("/api/people/ada", &ada(1)).problem(423, "held");
}

#[test]
fn a_write_is_not_made_at_another_commit() {
    let house = House::new(&[]);
    let head = house.git(&["rev-parse", "HEAD"]);
    for at in [head.trim(), "nowhere"] {
        house.put(&format!("/api/people/ada?at={at}"), &ada(1)).problem(422, "invalid_query");
    }
    let request = house.call(Method::DELETE, "/api/people/ada").header("x-headwater-at", "nowhere");
    house.server.send(request).problem(422, "invalid_query");
    let unreadable = house.call(Method::POST, "/api/%FF").json(&ada(1));
    house.server.send(unreadable).problem(404, "not_found");
    assert_eq!(house.git(&["rev-parse", "HEAD"]), head);
}
