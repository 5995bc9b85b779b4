//! What a token reaches over HTTP where sheets lie in one another.

use headwater_testkit::{Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};

const TOKENS: &str = "[[token]]\nname = \"few\"\nsecret = \"the-token-of-the-few\"\n\
                      author = \"Few <few@example.org>\"\nsheets = [\"index\", \"content\", \"all\"]\n";

/// A private sheet inside of three others, for which there is a token.
const SHEETS: &str = "[sheets.all]\nroot = '.'\npublic = false\n\
                      [sheets.index]\nroot = '.'\npath = '${{ slug }}'\n\
                      [sheets.content]\nroot = '.'\npublic = false\n\
                      path = '${{ area }}/${{ slug }}'\n\
                      [sheets.people]\npath = '${{ slug }}'\npublic = false\n";

struct House {
    server: TestServer,
    _upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let (folder, mut upstream) = (tempfile::tempdir().unwrap(), Upstream::new());
        upstream
            .commit("first")
            .put("headwater.toml", SHEETS)
            .put("home.toml", "slug = \"home\"\n")
            .put("home/photo.jpg", "pixels")
            .put("people/ada.toml", "area = \"people\"\npay = 1\nslug = \"ada\"\n")
            .put(".gitsheets/tags.toml", "[gitsheet]\nroot = 'tags'\npath = '${{ slug }}'\n")
            .put(".github/workflows/ci.yml", "on: push\n")
            .push();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, TOKENS).unwrap();
        let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, _upstream: upstream, _folder: folder }
    }

    fn write(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.server.request(method, path).bearer_auth("the-token-of-the-few");
        self.server.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    fn head(&self) -> String {
        git(self.server.mirror(), ["rev-parse", "HEAD"])
    }
}

#[test]
fn no_token_reaches_definitions_or_what_begins_with_a_dot() {
    let house = House::new();
    let before = house.head();
    let workflow = json!({ "area": ".github", "slug": "workflows" });
    let definition = json!({ "gitsheet": { "root": "people" } });
    for (method, path, body) in [
        (Method::PUT, "/api/index/.gitsheets", Some(json!({ "slug": ".gitsheets" }))),
        (Method::DELETE, "/api/index/.gitsheets", None),
        (Method::PUT, "/api/content/.github/workflows", Some(workflow)),
        (Method::PUT, "/api/_attachments/content/.github/workflows/pwn.yml", None),
        (Method::PUT, "/api/all/.gitsheets%2Fx", Some(definition)),
        (Method::PATCH, "/api/all/headwater", Some(json!({ "sheets": { "people": null } }))),
        (Method::DELETE, "/api/all/headwater", None),
        (Method::PATCH, "/api/index/home", Some(json!({ "slug": ".gitsheets" }))),
    ] {
        let told = format!("{method} {path}");
        let answer = house.write(method, path, body.as_ref());
        assert!(matches!(answer.status, 403 | 404 | 422), "{told}: {}", answer.status);
    }
    house.write(Method::DELETE, "/api/all/headwater", None).problem(403, "token_scope");
    assert_eq!(house.head(), before);
    house.server.get("/api/people").problem(404, "not_found");
}

#[test]
fn a_token_for_an_outer_sheet_neither_changes_nor_reads_nor_finds_records_of_an_inner_one() {
    let house = House::new();
    let before = house.head();
    for sheet in ["content", "all"] {
        let told = |key: &str, method: &Method, body: Option<&Value>| {
            let answer = house.write(method.clone(), &format!("/api/{sheet}/people/{key}"), body);
            assert_eq!(answer.header("etag"), None);
            answer.problem(403, "token_scope")["detail"].to_string().replace(key, "KEY")
        };
        let record = json!({ "area": "people", "slug": "ada" });
        for (method, body) in
            [(Method::PATCH, Some(json!({}))), (Method::PUT, Some(record)), (Method::DELETE, None)]
        {
            let there = told("ada", &method, body.as_ref());
            assert_eq!(there, told("eve", &method, body.as_ref()));
            assert!(!there.contains("pay"), "{there}");
        }
    }
    // Nor does a record take the folder with it, or its name.
    let moved = house.write(Method::PATCH, "/api/index/home", Some(&json!({ "slug": "people" })));
    let why = moved.problem(403, "token_scope")["detail"].to_string();
    assert!(!why.contains("ada"), "{why}");
    let created = json!({ "area": "people", "slug": "eve" });
    house.write(Method::POST, "/api/content", Some(&created)).problem(403, "token_scope");
    assert_eq!(house.head(), before);
    // What is theirs alone they change.
    let renamed = house.write(Method::PATCH, "/api/index/home", Some(&json!({ "slug": "start" })));
    assert_eq!(renamed.status, 200);
}
