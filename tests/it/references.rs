//! References between sheets, from the view of a reader and a writer.

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer};

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n";

const ROLES: &str = r#"
[gitsheet]
root = "roles"
path = "${{ slug }}"

[headwater]
refs = { projectId = "projects.id", people = "people", secret = "secrets" }
"#;

fn definition(sheet: &str, settings: &str) -> String {
    format!("[gitsheet]\nroot = \"{sheet}\"\npath = \"${{{{ slug }}}}\"\n[headwater]\n{settings}\n")
}

fn upstream() -> Upstream {
    let mut upstream = Upstream::new();
    upstream
        .commit("roles")
        .put(".gitsheets/roles.toml", ROLES)
        .put(".gitsheets/projects.toml", definition("projects", "unique = [\"id\"]"))
        .put(".gitsheets/people.toml", definition("people", "hidden = \"gone\""))
        .put(".gitsheets/secrets.toml", definition("secrets", "public = false"))
        .put("roles/lead.toml", "people = [\"ada\", \"joe\"]\nprojectId = 7\nslug = \"lead\"\n")
        .put(
            "roles/help.toml",
            "people = [\"ada\"]\nprojectId = 7\nsecret = \"s\"\nslug = \"help\"\n",
        )
        .put("projects/paws.toml", "id = 7\nslug = \"paws\"\n")
        .put("people/ada.toml", "slug = \"ada\"\n")
        .put("people/joe.toml", "gone = true\nslug = \"joe\"\n")
        .put("secrets/s.toml", "slug = \"s\"\n")
        .push();
    upstream
}

#[test]
fn what_a_list_refers_to_is_beside_it_once_as_far_as_everybody_sees_it() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let list = server.get("/api/roles?include=projectId,people&fields=slug").json();
    assert_eq!(list["total"], 2);
    assert_eq!(list["items"][0]["value"], json!({ "slug": "help" }));
    let included = json!({
        "people": { "ada": { "slug": "ada" } },
        "projects": { "paws": { "id": 7, "slug": "paws" } },
    });
    assert_eq!(list["included"], included);
    assert_eq!(list["includedCut"], Value::Null);
    let none = server.get("/api/roles?include=people&slug=nobody").json();
    assert_eq!(none["included"], json!({ "people": {} }));
    assert_eq!(server.get("/api/roles").json()["included"], Value::Null);
    let record = server.get("/api/roles/lead?include=projectId").json();
    let expected = json!({
        "key": "lead",
        "value": server.get("/api/roles/lead").json(),
        "included": { "projects": { "paws": { "id": 7, "slug": "paws" } } },
    });
    assert_eq!(record, expected);
}

#[test]
fn only_references_into_public_sheets_can_be_included() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    for path in ["/api/roles?include=", "/api/roles/lead?include="] {
        for name in ["secret", "slug", "nothing", ""] {
            let body = server.get(&format!("{path}{name}")).problem(422, "invalid_query");
            let expected = format!("`{name}` is not a reference of roles");
            assert_eq!(body["errors"], json!([{ "parameter": "include", "detail": expected }]));
        }
    }
    server.get("/api/roles/nobody?include=projectId").problem(404, "not_found");
    server.get("/api/roles/lead?other=1").problem(422, "invalid_query");
}

#[test]
fn the_sheets_tell_which_fields_refer_to_public_ones_and_name_no_other_sheet() {
    let upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let sheets = server.get("/api/_sheets").json();
    let of = |name: &str| {
        let items = sheets["items"].as_array().unwrap();
        items.iter().find(|sheet| sheet["name"] == name).unwrap()["references"].clone()
    };
    let expected = json!([
        { "field": "people", "sheet": "people" },
        { "field": "projectId", "sheet": "projects", "target": "id" },
    ]);
    assert_eq!(of("roles"), expected);
    assert_eq!(of("people"), Value::Null);
    assert!(!sheets.to_string().contains("secrets"));
}

#[test]
fn the_tag_of_a_list_depends_on_what_it_refers_to_where_that_is_asked_for() {
    let mut upstream = upstream();
    let server = TestServer::start(&upstream.url());
    let tags = || {
        ["/api/roles", "/api/roles?include=projectId", "/api/roles/lead?include=projectId"]
            .map(|path| server.get(path).header("etag").unwrap().to_owned())
    };
    let before = tags();
    upstream
        .commit("rename")
        .put("projects/paws.toml", "id = 7\nname = \"P\"\nslug = \"paws\"\n")
        .push();
    server.reload().outcome("applied");
    let after = tags();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_ne!(after[2], before[2]);
}

#[test]
fn a_held_push_tells_nobody_which_private_records_it_refers_to() {
    let told = |secrets: &[&str]| {
        let mut upstream = Upstream::new();
        let definitions = "[sheets.people]\nrefs = { knows = \"secret\" }\n\
                           [sheets.secret]\npublic = false\n";
        let commit = upstream.commit("first").put("headwater.toml", definitions);
        let commit = commit.put("people/ada.toml", "name = \"Ada\"\n");
        let file = |key: &&str| (format!("secret/{key}.toml"), "n = 1\n");
        secrets.iter().map(file).fold(commit, |commit, (path, text)| commit.put(path, text)).push();
        let server = TestServer::start(&upstream.url());
        upstream
            .commit("refers")
            .put("people/bob.toml", "knows = \"one\"\n")
            .put("people/eve.toml", "knows = \"two\"\n")
            .put("people/zoe.toml", "= broken")
            .push();
        server.reload().problem(500, "push_refused");
        let held = server.get("/api/_status").json()["held"].clone();
        held["problemsTotal"].as_u64().unwrap()
    };
    assert_eq!((told(&[]), told(&["one"])), (1, 1));
}

#[test]
fn a_push_that_leaves_references_dangling_is_refused_and_told_by_place() {
    let mut upstream = upstream();
    let server = TestServer::start(&upstream.url());
    upstream.commit("gone").delete("projects/paws.toml").push();
    let refused = server.reload();
    let body = refused.problem(500, "push_refused");
    assert_eq!(body["problemsTotal"], 2);
    assert_eq!(
        body["problems"][0],
        json!({
            "sheet": "roles",
            "path": "roles/help.toml",
            "pointer": "/projectId",
            "rule": "dangling_ref",
            "message": "`projectId` is not the `id` of a record of projects",
        })
    );
    assert_eq!(server.get("/api/projects/paws").status, 200, "the old state is served");
}

#[test]
fn what_dangles_from_the_start_is_listed_unless_it_may_be_hidden() {
    let mut upstream = upstream();
    upstream
        .commit("gone")
        .delete("projects/paws.toml")
        .put(
            "roles/help.toml",
            "people = [\"nobody\"]\nprojectId = 7\nsecret = \"t\"\nslug = \"help\"\n",
        )
        .push();
    let server = TestServer::start(&upstream.url());
    let body = server.get("/api/_problems").json();
    let told: Vec<_> = body["items"].as_array().unwrap().iter().map(|p| &p["pointer"]).collect();
    assert_eq!(told, ["/projectId", "/projectId"], "{body}");
    let sheets = server.get("/api/_sheets").json();
    let roles = sheets["items"].as_array().unwrap().iter().find(|s| s["name"] == "roles").unwrap();
    assert_eq!(roles["problems"], 2, "{roles}");
}

#[test]
fn a_write_keeps_references_whole() {
    let upstream = upstream();
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, TOKENS).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);
    let call = |method, path: &str, body: Option<Value>| -> Answer {
        let request = server.request(method, path).bearer_auth("the-token-of-the-site");
        server.send(body.iter().fold(request, |request, body| request.json(body)))
    };
    let dangling = json!({ "slug": "new", "people": ["ada", "nobody"] });
    let body = call(Method::PUT, "/api/roles/new", Some(dangling)).problem(422, "invalid_record");
    let detail = "roles/new.toml: `people` is not the key of a record of people";
    assert_eq!(body["errors"], json!([{ "pointer": "/people/1", "detail": detail }]));
    let body = call(Method::DELETE, "/api/projects/paws", None).problem(409, "conflict");
    assert!(body["detail"].as_str().unwrap().starts_with("roles/help.toml refers to"), "{body}");
    // Both together are consistent.
    let together = json!({ "operations": [
        { "op": "delete", "sheet": "projects", "key": "paws" },
        { "op": "put", "sheet": "projects", "key": "claws", "value": { "slug": "claws", "id": 7 } },
    ] });
    assert_eq!(call(Method::POST, "/api/_transact", Some(together)).status, 200);
    let list = server.get("/api/roles?include=projectId").json();
    assert_eq!(list["included"]["projects"]["claws"]["id"], 7);
}
