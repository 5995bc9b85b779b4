//! The API document, and the page that shows it.

use std::collections::BTreeSet;

use headwater_testkit::{Upstream, fixtures};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer, people, person};

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n";

/// Returns a server that accepts writes.
fn written(upstream: &Upstream) -> (TestServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, TOKENS).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    (TestServer::with(&upstream.url(), &settings), folder)
}

fn document(server: &TestServer) -> Value {
    let answer = server.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// Returns each operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "parameters" {
                found.push((path.clone(), method.clone(), operation.clone()));
            }
        }
    }
    found
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        _ => {}
    }
}

#[test]
fn the_document_describes_the_public_sheets_and_nothing_else() {
    let (server, _folder) = written(&fixtures::civic());
    let answer = server.get("/openapi.json");
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.1");
    let text = String::from_utf8(answer.body).unwrap();
    for hidden in ["_internal", "revocations", "slug-history", "help-wanted-interest"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let methods = |path: &str| -> Vec<String> {
        document["paths"][path].as_object().unwrap().keys().cloned().collect()
    };
    for sheet in ["people", "projects", "project-updates", "blog-posts", "tags"] {
        assert_eq!(methods(&format!("/api/{sheet}")), ["get", "post"]);
        assert_eq!(methods(&format!("/api/{sheet}/{{key}}")), ["delete", "get", "patch", "put"]);
    }
    let ids = operations(&document).into_iter().map(|(_, _, op)| op["operationId"].to_string());
    let (count, distinct) = (ids.clone().count(), ids.collect::<BTreeSet<_>>().len());
    assert_eq!(count, distinct, "the ids of operations are distinct");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn a_list_takes_what_its_sheet_knows() {
    let server = TestServer::start(&people().url());
    let document = document(&server);
    let parameters = document["paths"]["/api/people"]["get"]["parameters"].as_array().unwrap();
    let named = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name);
    for field in ["age", "name", "slug", "bio", "deletedAt"] {
        assert_eq!(named(field).unwrap()["style"], "deepObject", "{field}");
    }
    assert_eq!(named("_key").unwrap()["schema"], named("age").unwrap()["schema"]);
    let sort = &named("sort").unwrap()["schema"]["items"]["pattern"];
    let names = sort.as_str().unwrap().strip_prefix("^-?(?:").unwrap().strip_suffix(")$").unwrap();
    assert!(names.split('|').any(|name| name == "age"), "{sort}");
    assert!(named("nothing").is_none());
}

/// Calls `see` with each schema below `value` that describes an object.
fn objects(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| objects(value, see)),
        Value::Object(members) => {
            let is_object = |kind: &Value| match kind {
                Value::Array(kinds) => kinds.contains(&json!("object")),
                kind => *kind == "object",
            };
            if members.get("type").is_some_and(is_object) {
                see(value);
            }
            members.values().for_each(|value| objects(value, see));
        }
        _ => {}
    }
}

#[test]
fn a_generator_makes_plain_types_of_the_document() {
    let (server, _folder) = written(&fixtures::civic());
    let document = document(&server);
    let responses = &document["components"]["responses"];
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(
            id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(is_word),
            "{id}"
        );
        // An answer of several types is a union, whatever is accepted.
        let mut bodies = vec![operation["requestBody"]["content"].clone()];
        for (status, answer) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                bodies.push(answer["content"].clone());
            } else if status != "304" {
                let name = answer["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                let problem = &responses[name]["content"]["application/problem+json"]["schema"];
                assert_eq!(*problem, json!({ "$ref": "#/components/schemas/Problem" }), "{place}");
            }
        }
        for body in bodies.iter().filter_map(Value::as_object) {
            assert_eq!(body.len(), 1, "{place}");
        }
        // Whoever sends what is not required sends its default, and some exclude each other.
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].get("default").is_none(), "{place}: {parameter}");
        }
    }
    for (name, parameter) in document["components"]["parameters"].as_object().unwrap() {
        assert!(parameter["schema"].get("default").is_none(), "{name}");
    }
    objects(&document["components"]["schemas"], &mut |schema| {
        let described = ["properties", "additionalProperties", "patternProperties"];
        let is_described = described.iter().any(|keyword| schema.get(keyword).is_some());
        assert!(is_described, "this has no members for a generator: {schema}");
    });
    let list = &document["components"]["schemas"]["projects.list"];
    assert_eq!(list["required"], json!(["items", "total"]));
    assert!(list.get("anyOf").or(list.get("oneOf")).is_none(), "{list}");
    let included = &document["components"]["schemas"]["projects.included"]["properties"];
    assert_eq!(
        included["people"]["additionalProperties"],
        json!({ "$ref": "#/components/schemas/people" })
    );
}

#[test]
fn no_two_parameters_have_one_name() {
    let mut upstream = Upstream::new();
    upstream.commit("odd fields").put("odd/a.json", r#"{"sort":1,"q":2,"at":3,"fine":4}"#).push();
    let document = document(&TestServer::start(&upstream.url()));
    let parameters = document["paths"]["/api/odd"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters.iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"fine"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "sort").count(), 1, "{names:?}");
    assert!(!names.contains(&"q") && !names.contains(&"at"), "they are shared: {names:?}");
}

#[test]
fn what_is_written_is_described_where_there_are_tokens() {
    let upstream = people();
    let reading = document(&TestServer::start(&upstream.url()));
    assert!(operations(&reading).iter().all(|(_, method, _)| method == "get"));
    assert!(reading["components"].get("securitySchemes").is_none());
    let (server, _folder) = written(&upstream);
    let writing = document(&server);
    for (path, method, operation) in operations(&writing) {
        let expected = if method == "get" { json!([]) } else { json!([{ "writer": [] }]) };
        assert_eq!(operation["security"], expected, "{method} {path}");
        assert_eq!(operation["responses"].get("401").is_some(), method != "get", "{path}");
    }
    assert_eq!(writing["components"]["securitySchemes"]["writer"]["scheme"], "bearer");
}

#[test]
fn the_document_follows_the_definitions_and_has_a_tag() {
    let mut upstream = people();
    let server = TestServer::start(&upstream.url());
    let answer = server.get("/openapi.json");
    assert_eq!(answer.commit(), upstream.head().unwrap());
    let tag = answer.header("etag").unwrap();
    let ask = || server.request(Method::GET, "/openapi.json").header("if-none-match", tag);
    assert_eq!(server.send(ask()).status, 304);
    upstream.commit("older").put("people/ada.toml", person("ada", "Ada Lovelace", 37)).push();
    server.reload().outcome("applied");
    assert_eq!(server.send(ask()).status, 304, "the fields are the same");
    upstream.commit("taller").put("people/joan.toml", "slug = \"joan\"\nheight = 170\n").push();
    server.reload().outcome("applied");
    let taller = server.send(ask());
    assert_eq!(taller.status, 200);
    assert!(taller.json()["paths"]["/api/people"].to_string().contains("height"));
    let definition = "[gitsheet]\nroot = \"people\"\npath = \"${{ slug }}\"\n\
                      [headwater]\npublic = false\n";
    upstream.commit("not public").put(".gitsheets/people.toml", definition).push();
    server.reload().outcome("applied");
    assert!(document(&server)["paths"].get("/api/people").is_none());
}

#[test]
fn the_document_of_a_preview_is_not_that_of_its_commit_once_it_is_published() {
    let mut upstream = people();
    upstream.commit("declared").put("headwater.toml", "[sheets.people]\n").push();
    let (published, head) = (upstream.branch().to_owned(), upstream.head().unwrap());
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_PREVIEWS", "draft/*")]);
    upstream.set_branch("draft/news");
    upstream.reset_to(&head);
    let both = "[sheets.people]\n[sheets.news]\n";
    let draft = upstream.commit("news").put("headwater.toml", both).put("news/a.toml", "a = 1\n");
    let draft = draft.push();
    let preview = server.get("/openapi.json?at=refs/heads/draft/news");
    assert_eq!((preview.commit(), preview.status), (&*draft, 200));
    assert!(preview.json()["paths"].get("/api/news").is_none(), "the present has no sheet of news");
    upstream.set_branch(&published);
    upstream.reset_to(&draft);
    server.reload();
    let now = server.get("/openapi.json");
    assert_eq!(now.commit(), draft);
    assert!(now.json()["paths"].get("/api/news").is_some());
}

#[test]
fn the_document_of_an_earlier_commit_is_judged_by_the_present_and_kept_by_nobody_for_ever() {
    let mut upstream = people();
    upstream.commit("declared").put("headwater.toml", "[sheets.people]\n[sheets.staff]\n").push();
    let first = upstream.commit("staff").put("staff/bob.toml", "shoe = 44\n").push();
    let server = TestServer::start(&upstream.url());
    assert!(document(&server)["paths"].get("/api/staff").is_some());
    let private = "[sheets.people]\n[sheets.staff]\npublic = false\n";
    upstream.commit("private").put("headwater.toml", private).push();
    server.reload();
    for _ in 0..2 {
        let then = server.get(&format!("/openapi.json?at={first}"));
        assert_eq!((then.status, then.commit()), (200, &*first));
        assert_eq!(then.header("cache-control"), Some("no-cache"), "it depends on the settings");
        assert!(!String::from_utf8(then.body).unwrap().contains("staff"));
        assert!(document(&server)["paths"].get("/api/staff").is_none());
    }
}

#[test]
fn a_schema_means_the_same_in_the_document() {
    let mut upstream = Upstream::new();
    let definition = r##"
[gitsheet]
root = "people"
path = "${{ slug }}"
[gitsheet.schema]
"$schema" = "http://json-schema.org/draft-07/schema#"
"$id" = "https://example.org/person"
type = "object"
required = ["slug"]
[gitsheet.schema.properties]
slug = { "$ref" = "#/definitions/slug" }
pair = { type = "array", items = [{ type = "string" }], additionalItems = false }
[gitsheet.schema.definitions]
slug = { type = "string", pattern = "^[a-z]+$" }
"##;
    upstream
        .commit("a schema")
        .put(".gitsheets/people.toml", definition)
        .put("people/ada.toml", "slug = \"ada\"\n")
        .push();
    let document = document(&TestServer::start(&upstream.url()));
    assert_eq!(
        document["components"]["schemas"]["people"],
        json!({
            "type": "object",
            "required": ["slug"],
            "properties": {
                "slug": { "$ref": "#/components/schemas/people/$defs/slug" },
                "pair": { "type": "array", "prefixItems": [{ "type": "string" }], "items": false },
            },
            "$defs": { "slug": { "type": "string", "pattern": "^[a-z]+$" } },
        })
    );
}

/// Fills in the required parameters of a path.
fn asked(server: &TestServer, path: &str, operation: &Value) -> String {
    let sheet = path.split('/').nth(2).unwrap_or_default();
    let sheet = if sheet.starts_with('_') { "people" } else { sheet };
    let list = server.get(&format!("/api/{sheet}?perPage=1"));
    let key = if list.status == 200 { list.json()["items"][0]["key"].clone() } else { json!("-") };
    let path = path.replace("{key}", key.as_str().unwrap()).replace("{sheet}", sheet);
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let required = parameters.iter().filter(|one| one["in"] == "query" && one["required"] == true);
    let mut query: Vec<_> = required
        .map(|one| match one["name"].as_str().unwrap() {
            "q" => "q=street".to_owned(),
            name => format!("{name}={}", list.commit()),
        })
        .collect();
    if path == "/api/_diff" {
        // Required without a cursor.
        query.push(format!("from={}", list.commit()));
    }
    format!("{}?{}", path.replace("{name}", "photo.jpg"), query.join("&"))
}

#[test]
fn each_path_of_the_document_is_answered_by_its_methods_and_no_other() {
    let (server, _folder) = written(&fixtures::civic());
    let document = document(&server);
    let operations = operations(&document);
    // The requests have a version that matches nothing and no body, so nothing is written.
    let send = |method: &str, path: &str| -> Answer {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        if method == Method::GET {
            return server.get(path);
        }
        let request = server.request(method, path).bearer_auth("the-token-of-the-site");
        server.send(request.header("if-match", "\"none\""))
    };
    for (path, method, operation) in &operations {
        let answer = send(method, &asked(&server, path, operation));
        // No record of the fixture has attachments.
        let expected: &[u16] = match method.as_str() {
            _ if path.contains("{name}") => &[404, 412],
            "get" => &[200],
            "delete" => &[412],
            _ => &[422],
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(expected.contains(&answer.status), "{} {method} {path}: {text}", answer.status);
        let described = operation["responses"].get(answer.status.to_string());
        assert!(described.is_some(), "{} {method} {path}", answer.status);
    }
    for (path, _, operation) in &operations {
        let asked = asked(&server, path, operation);
        for method in ["get", "put", "post", "patch", "delete"] {
            if document["paths"][path].get(method).is_none() {
                send(method, &asked).problem(405, "method_not_allowed");
            }
        }
    }
}

#[test]
fn the_paths_of_the_document_are_below_the_base_path() {
    let server = TestServer::with(&people().url(), &[("HEADWATER_BASE_PATH", "/data")]);
    let answer = server.get("/data/openapi.json");
    assert_eq!(answer.json()["servers"], json!([{ "url": "/data" }]));
    assert_eq!(server.get("/data/docs").status, 200);
    server.get("/openapi.json").problem(404, "not_found");
}

#[test]
fn the_document_names_the_public_address_for_clients_that_have_it_from_a_file() {
    let public = ("HEADWATER_PUBLIC_URL", "https://data.example.org/registry/");
    let server = TestServer::with(&people().url(), &[public]);
    let servers = server.get("/openapi.json").json()["servers"].take();
    assert_eq!(servers, json!([{ "url": "https://data.example.org/registry" }]));
}

#[test]
fn what_needs_a_secret_is_not_described_and_the_internal_side_describes_nothing() {
    let upstream = people();
    let settings = [("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0")];
    let server = TestServer::with(&upstream.url(), &settings);
    assert!(document(&server)["paths"].get("/metrics").is_none());
    assert!(document(&TestServer::start(&upstream.url()))["paths"].get("/metrics").is_none());
    let internal = format!("http://{}", server.server().internal_address().unwrap());
    let client = reqwest::Client::new();
    for path in ["/openapi.json", "/docs"] {
        assert_eq!(server.send(client.get(format!("{internal}{path}"))).status, 404, "{path}");
    }
}

#[test]
fn the_page_of_the_document_is_that_of_the_explorer() {
    let server = TestServer::start(&people().url());
    let (docs, page) = (server.get("/docs"), server.get("/"));
    assert_eq!((docs.status, &docs.body), (200, &page.body));
    for header in ["content-type", "content-security-policy", "etag"] {
        assert_eq!(docs.header(header), page.header(header), "{header}");
    }
    for path in ["/docs/", "/docs/page.js"] {
        server.get(path).problem(404, "not_found");
    }
}
