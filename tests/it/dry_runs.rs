//! What a write would do: `dryRun=true`, and who may write what.

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n\
                      [[token]]\nname = \"desk\"\nsecret = \"the-token-of-the-desk\"\n\
                      author = \"Desk <desk@example.org>\"\nsheets = [\"tags\"]\n";

struct House {
    server: TestServer,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let schema = "[sheets.people]\nrefs = { tag = \"tags\" }\n\
                      schema = { properties = { age = { type = \"integer\" } } }\n\
                      [sheets.tags]\n[sheets.plans]\npublic = false\n";
        let mut upstream = Upstream::new();
        let commit = upstream.commit("first").put("headwater.toml", schema);
        let commit = commit.put("people/ada.toml", "age = 36\n").put("plans/a.toml", "n = 1\n");
        commit.put("tags/red.toml", "title = \"Red\"\n").push();
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, TOKENS).unwrap();
        let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
        Self { server: TestServer::with(&upstream.url(), &settings), _folder: folder }
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.server.request(method, path).bearer_auth("the-token-of-the-site");
        self.server.send(request.json(body))
    }
}

#[test]
fn a_dry_run_answers_what_the_write_would_and_writes_nothing() {
    let house = House::new();
    let ada = house.server.get("/api/people/ada");
    let (before, tag) = (ada.commit().to_owned(), ada.header("etag").unwrap());
    let tried = house.send(Method::PATCH, "/api/people/ada?dryRun=true", &json!({"age": 37}));
    assert_eq!((tried.status, tried.commit()), (200, &*before));
    let expected = json!({"commit": before, "changed": true, "pushed": null, "dryRun": true,
                          "sheet": "people", "key": "ada", "value": {"age": 37}, "ifMatch": tag});
    assert_eq!(tried.json(), expected);
    let new = house.send(Method::PUT, "/api/people/eve?dryRun=true", &json!({"age": 1}));
    assert_eq!((new.status, new.header("location")), (200, None));
    assert_eq!(new.json().get("ifMatch"), None);
    let gone = house.send(Method::DELETE, "/api/people/ada?dryRun=true", &json!(null));
    assert_eq!((gone.status, &gone.json()["key"]), (200, &json!("ada")));
    let operations = json!({"operations": [
        {"op": "patch", "sheet": "people", "key": "ada", "value": {"age": 38}},
        {"op": "delete", "sheet": "tags", "key": "red"}]});
    let all = house.send(Method::POST, "/api/_transact?dryRun=true", &operations).json();
    assert_eq!(
        (&all["results"][0]["value"], &all["results"][1]["key"]),
        (&json!({"age": 38}), &json!("red"))
    );
    assert_eq!(all["results"][0]["ifMatch"], tag);
    let same = house.send(Method::PATCH, "/api/people/ada?dryRun=true", &json!({"age": 36})).json();
    assert_eq!(same["changed"], false);
    let read = house.server.get("/api/people/ada");
    assert_eq!((read.json(), read.commit()), (json!({"age": 36}), &*before));
    assert_eq!(house.server.get("/api/people/eve").status, 404);
}

#[test]
fn a_dry_run_is_refused_as_the_write_would_be() {
    let house = House::new();
    let path = "/api/people/ada?dryRun=true";
    let wrong = house.send(Method::PATCH, path, &json!({"age": "old"}));
    assert_eq!(wrong.problem(422, "invalid_record")["errors"][0]["pointer"], "/age");
    let dangling = house.send(Method::PATCH, path, &json!({"tag": "blue"}));
    assert_eq!(dangling.problem(422, "invalid_record")["errors"][0]["pointer"], "/tag");
    let stale = house.server.request(Method::PATCH, path).bearer_auth("the-token-of-the-site");
    let stale = stale.header("if-match", "\"00000000000000000000000000000000\"");
    house.server.send(stale.json(&json!({"age": 1}))).problem(412, "precondition_failed");
    let desk = house.server.request(Method::PATCH, path).bearer_auth("the-token-of-the-desk");
    house.server.send(desk.json(&json!({"age": 1}))).problem(403, "token_scope");
    let nobody = house.server.request(Method::PATCH, path).json(&json!({"age": 1}));
    house.server.send(nobody).problem(401, "unauthorized");
    for query in ["dryRun=false", "dryRun=true&push=sync", "dryrun=true"] {
        let path = format!("/api/people/ada?{query}");
        house.send(Method::PATCH, &path, &json!({"age": 1})).problem(422, "invalid_query");
    }
    assert_eq!(house.server.get("/api/people/ada").json(), json!({"age": 36}));
}

#[test]
fn a_token_that_tries_much_leaves_a_place_for_another() {
    let house = House::new();
    let put = |n: usize| json!({"op": "put", "sheet": "people", "key": format!("p{n}"), "value": {"age": n}});
    let much = json!({"operations": (0..500).map(put).collect::<Vec<_>>()});
    let tries = || {
        let request = house.server.request(Method::POST, "/api/_transact?dryRun=true");
        let request = request.bearer_auth("the-token-of-the-site").json(&much);
        house.server.runtime().spawn(request.send())
    };
    let tried: Vec<_> = (0..8).map(|_| tries()).collect();
    for _ in 0..3 {
        let request = house.server.request(Method::PATCH, "/api/tags/red?dryRun=true");
        let request = request.bearer_auth("the-token-of-the-desk").json(&json!({"title": "R"}));
        assert_eq!(house.server.send(request).status, 200);
    }
    for tried in tried {
        let answer = house.server.runtime().block_on(tried).unwrap().unwrap();
        assert!([200, 503].contains(&answer.status().as_u16()), "{answer:?}");
        assert_eq!(answer.headers().contains_key("retry-after"), answer.status() == 503);
    }
}

#[test]
fn the_status_tells_which_of_the_visible_sheets_the_caller_may_write() {
    let house = House::new();
    let writable = |token: Option<&str>| {
        let request = house.server.request(Method::GET, "/api/_status");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        house.server.send(request).json()["writable"].clone()
    };
    assert_eq!(writable(Some("the-token-of-the-site")), json!(["people", "tags"]));
    assert_eq!(writable(Some("the-token-of-the-desk")), json!(["tags"]));
    assert_eq!(writable(Some("the-token-of-nobody")), json!([]));
    assert_eq!(writable(None), json!([]));
    let read_only = TestServer::start(&crate::harness::people().url());
    assert_eq!(read_only.get("/api/_status").json().get("writable"), None);
}

#[test]
fn the_sheets_tell_which_fields_refer_to_records_that_the_reader_sees() {
    let house = House::new();
    let sheets = house.server.get("/api/_sheets").json();
    assert_eq!(sheets["items"][0]["references"], json!([{"field": "tag", "sheet": "tags"}]));
    assert_eq!(sheets["items"][1].get("references"), None);
}
