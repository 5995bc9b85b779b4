//! People with tokens of an issuer: what they read and write over HTTP, and whose commits these are.

use headwater_testkit::{KeysAnswer, SigningKey, TestIssuer, Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};

/// A server with a private sheet, and the issuer of its people.
struct Office {
    server: TestServer,
    issuer: TestIssuer,
    key: SigningKey,
    _upstream: Upstream,
    _folder: TempDir,
}

impl Office {
    fn open() -> Self {
        let key = SigningKey::es256("first");
        let issuer = TestIssuer::start(KeysAnswer::Keys(vec![key.clone()]));
        let mut upstream = Upstream::new();
        let commit = upstream.commit("first");
        let definitions = "[sheets.plans]\npublic = false\n[sheets.news]\n";
        let commit = commit.put("headwater.toml", definitions);
        commit
            .put("plans/party.toml", "title = \"A party\"\n")
            .put("news/today.toml", "title = \"Today\"\n")
            .push();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        let (url, keys) = (issuer.url(), issuer.keys_url());
        let access = format!(
            "[[issuer]]\nissuer = \"{url}\"\naudience = \"headwater\"\njwks = \"{keys}\"\n\
             author = \"${{{{ name }}}} <${{{{ email }}}}>\"\n\
             [issuer.claims.groups]\neditors = {{ read = [\"*\"], write = [\"plans\"] }}\n\
             staff = {{ read = [\"plans\"] }}\n"
        );
        std::fs::write(&file, access).unwrap();
        let settings = [("HEADWATER_ACCESS_FILE", file.to_str().unwrap())];
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, issuer, key, _upstream: upstream, _folder: folder }
    }

    /// Returns a token of a person, with these claims besides those of all.
    fn token(&self, claims: Value) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let mut all = json!({
            "iss": self.issuer.url(), "aud": "headwater", "exp": now.as_secs() + 600,
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.key.token(&all.to_string())
    }

    fn ada(&self) -> String {
        self.token(json!({
            "sub": "1", "name": "Ada Lovelace", "email": "ada@example.org", "groups": ["editors"],
        }))
    }

    fn send(&self, method: Method, path: &str, token: &str, record: Option<&Value>) -> Answer {
        let request = self.server.request(method, path).bearer_auth(token);
        self.server.send(match record {
            Some(record) => request.json(record),
            None => request,
        })
    }

    fn put(&self, path: &str, token: &str) -> Answer {
        self.send(Method::PUT, path, token, Some(&json!({ "title": "Picnic" })))
    }

    /// Returns who made a commit, and its message.
    fn log(&self, commit: &str) -> String {
        git(self.server.mirror(), ["log", "-1", "--format=%an <%ae>%n%cn%n%B", commit])
    }
}

#[test]
fn a_person_of_a_group_that_writes_is_the_author_of_its_commits() {
    let office = Office::open();
    let ada = office.ada();
    let read = office.send(Method::GET, "/api/plans/party", &ada, None);
    assert_eq!((read.status, read.json()["title"].as_str()), (200, Some("A party")));
    let created = office.put("/api/plans/picnic", &ada);
    assert_eq!(created.status, 201, "{:?}", created.json());
    let log = office.log(created.commit());
    assert!(log.starts_with("Ada Lovelace <ada@example.org>\nHeadwater\n"), "{log}");
    let patch = json!({ "place": "the park" });
    let patched = office.send(Method::PATCH, "/api/plans/picnic", &ada, Some(&patch));
    assert_eq!(patched.json()["value"], json!({ "place": "the park", "title": "Picnic" }));
    let value = json!({ "title": "Moved" });
    let operation = json!({ "op": "put", "sheet": "plans", "key": "party", "value": value });
    let batch = json!({ "operations": [operation] });
    let moved = office.send(Method::POST, "/api/_transact", &ada, Some(&batch));
    assert_eq!(moved.status, 200, "{:?}", moved.json());
    assert!(office.log(moved.commit()).starts_with("Ada Lovelace <ada@example.org>\n"));
    let deleted = office.send(Method::DELETE, "/api/plans/picnic", &ada, None);
    assert_eq!(deleted.status, 204);
    assert!(office.log(deleted.commit()).starts_with("Ada Lovelace <ada@example.org>\n"));
    // Its keys for repeated requests are its own.
    let repeated = |token: &str| {
        let request = office.server.request(Method::PUT, "/api/plans/twice").bearer_auth(token);
        let request = request.header("idempotency-key", "once");
        office.server.send(request.json(&json!({ "title": "Twice" })))
    };
    let (first, second) = (repeated(&ada), repeated(&ada));
    assert_eq!((first.status, first.commit()), (201, second.commit()));
    let bob = office.token(json!({
        "sub": "2", "name": "Bob", "email": "bob@example.org", "groups": "editors",
    }));
    assert_eq!(repeated(&bob).json()["changed"], false, "it is not the answer to Ada");
}

#[test]
fn a_person_without_the_right_to_write_is_refused_and_nothing_is_written() {
    let office = Office::open();
    let head = || git(office.server.mirror(), ["rev-parse", "HEAD"]);
    let before = head();
    let person = |name: &str, claims: Value| {
        let mut all = json!({ "sub": name, "name": name, "email": "x@example.org" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        office.token(all)
    };
    let staff = person("Joe", json!({ "groups": ["staff"] }));
    assert_eq!(office.send(Method::GET, "/api/plans/party", &staff, None).status, 200);
    office.put("/api/plans/picnic", &staff).problem(403, "token_scope");
    let stranger = person("Eve", json!({ "groups": ["visitors"] }));
    assert_eq!(office.send(Method::GET, "/api/plans/party", &stranger, None).status, 404);
    office.put("/api/plans/picnic", &stranger).problem(403, "token_scope");
    // An editor may write plans, and nothing else.
    let editors = json!({ "groups": ["editors"] });
    office.put("/api/news/today", &person("Ann", editors.clone())).problem(403, "token_scope");
    // Without an author nothing is written. The answer says which claim is missing.
    let unverified = json!({ "groups": ["editors"], "email_verified": false });
    let refused = office.put("/api/plans/picnic", &person("Ann", unverified));
    let problem = refused.problem(403, "token_scope");
    assert!(problem["detail"].as_str().unwrap().contains("email"), "{problem}");
    // A token of somebody else's key, and one that has expired.
    let forged = SigningKey::es256("first").token(
        &json!({ "iss": office.issuer.url(), "aud": "headwater", "exp": 4_000_000_000_u64,
                 "sub": "1", "groups": ["editors"] })
        .to_string(),
    );
    let expired = person("Ann", json!({ "groups": ["editors"], "exp": 1_700_000_000 }));
    for wrong in [forged, expired] {
        office.put("/api/plans/picnic", &wrong).problem(401, "unauthorized");
    }
    assert_eq!(head(), before);
}
