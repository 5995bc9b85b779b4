//! The reach of a token over HTTP if sheets are nested.

use headwater_testkit::{Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};

const TOKEN: &str = "the-token-of-the-few";

const TOKENS: &str = "[[token]]\nname = \"few\"\nsecret = \"the-token-of-the-few\"\n\
                      author = \"Few <few@example.org>\"\nsheets = [\"index\", \"content\", \"all\"]\n";

/// A private sheet inside three others; there is a token for each of them.
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
        let request = self.server.request(method, path).bearer_auth(TOKEN);
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
    // A file that defines sheets is not a record of any.
    house.write(Method::DELETE, "/api/all/headwater", None).problem(404, "not_found");
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
    // Nor can a record take the folder along, or its name.
    let moved = house.write(Method::PATCH, "/api/index/home", Some(&json!({ "slug": "people" })));
    let why = moved.problem(403, "token_scope")["detail"].to_string();
    assert!(!why.contains("ada"), "{why}");
    let created = json!({ "area": "people", "slug": "eve" });
    house.write(Method::POST, "/api/content", Some(&created)).problem(403, "token_scope");
    assert_eq!(house.head(), before);
    // Records that are theirs alone can be changed.
    let renamed = house.write(Method::PATCH, "/api/index/home", Some(&json!({ "slug": "start" })));
    assert_eq!(renamed.status, 200);
}

/// Returns a server with these files and a token for the sheet `sheet`.
fn served(sheet: &str, files: &[(&str, &str)]) -> House {
    let (folder, mut upstream) = (tempfile::tempdir().unwrap(), Upstream::new());
    let mut commit = upstream.commit("first");
    for (path, text) in files {
        commit = commit.put(*path, *text);
    }
    commit.push();
    let tokens = folder.path().join("tokens.toml");
    let few = TOKENS.rsplit_once("sheets = ").unwrap().0;
    std::fs::write(&tokens, format!("{few}sheets = [\"{sheet}\"]\n")).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);
    House { server, _upstream: upstream, _folder: folder }
}

#[test]
fn an_attachment_that_several_sheets_hold_is_shown_where_all_of_them_show_it() {
    let both = |staff: &str| {
        format!(
            "[sheets.people]\npath = '${{{{ slug }}}}'\nformat = 'yaml'\n\
             [sheets.staff]\nroot = 'people'\npath = '${{{{ slug }}}}'\n{staff}"
        )
    };
    for (staff, ada, status) in [
        ("public = false\n", "slug = \"ada\"\n", 404),
        ("hidden = \"gone\"\n", "gone = true\nslug = \"ada\"\n", 404),
        ("hidden = \"gone\"\npolicy = 'quarantine'\n", "= =", 404),
        ("hidden = \"gone\"\n", "slug = \"ada\"\n", 200),
        ("", "slug = \"ada\"\n", 200),
    ] {
        let house = served(
            "people",
            &[
                ("headwater.toml", &both(staff)),
                ("people/ada.toml", ada),
                ("people/ada/cv.pdf", "secret"),
            ],
        );
        let record = json!({ "slug": "ada" });
        assert_eq!(house.write(Method::PUT, "/api/people/ada", Some(&record)).status, 201);
        let file = house.server.get("/api/_attachments/people/ada/cv.pdf");
        assert_eq!(file.status, status, "{staff} {ada}");
    }
}

#[test]
fn a_file_in_a_folder_that_is_shared_with_a_private_sheet_is_told_like_one_that_is_not_there() {
    let house = served(
        "people",
        &[
            (
                "headwater.toml",
                "[sheets.people]\npath = '${{ slug }}'\nformat = 'yaml'\n\
                 [sheets.staff]\nroot = 'people'\npath = '${{ slug }}'\npublic = false\n",
            ),
            ("people/ada.yaml", "slug: ada\n"),
            ("people/ada.toml", "slug = \"ada\"\n"),
            ("people/ada/pay.txt", "42000"),
        ],
    );
    let before = house.head();
    for (method, header, query) in [
        (Method::DELETE, None, ""),
        (Method::DELETE, Some(("if-match", "*")), ""),
        (Method::PUT, None, ""),
        (Method::PUT, Some(("if-none-match", "*")), ""),
        (Method::PUT, Some(("if-none-match", "*")), "?dryRun=true"),
        (Method::PUT, Some(("if-match", "\"00000000000000000000000000000000\"")), ""),
    ] {
        let told = |name: &str| {
            let path = format!("/api/_attachments/people/ada/{name}{query}");
            let request = house.server.request(method.clone(), &path).bearer_auth(TOKEN).body("x");
            let request =
                header.into_iter().fold(request, |it, (name, value)| it.header(name, value));
            let answer = house.server.send(request);
            assert_eq!(answer.header("etag"), None);
            answer.problem(403, "token_scope")["detail"].to_string().replace(name, "NAME")
        };
        assert_eq!(told("pay.txt"), told("nothing.txt"), "{method} {header:?}");
    }
    assert_eq!(house.head(), before);
}

#[test]
fn what_is_below_the_root_of_a_definition_that_cannot_be_used_is_neither_shown_nor_written() {
    for (outer, people) in [
        ("path = '${{ slug }}'", "language = 'xx'"),
        ("path = '${{ slug }}'", "schema = { type = 1 }"),
        ("", "pubic = false"),
    ] {
        let sheets = format!(
            "[sheets.index]\nroot = '.'\n{outer}\n\
             [sheets.people]\npath = '${{{{ slug }}}}'\npublic = false\n{people}\n"
        );
        let house = served(
            "index",
            &[
                ("headwater.toml", &sheets),
                ("people.toml", "slug = \"people\"\n"),
                ("people/ada.toml", "pay = 1\nslug = \"ada\"\n"),
                ("people/cv.pdf", "secret"),
            ],
        );
        let before = house.head();
        for path in [
            "/api/_attachments/index/people/ada.toml",
            "/api/_attachments/index/people/cv.pdf",
            "/api/index/people/ada",
        ] {
            house.server.get(path).problem(404, "not_found");
        }
        let found = house.server.get("/api/_search?q=ada");
        assert!(!String::from_utf8_lossy(&found.body).contains("pay"), "{people}");
        for (method, path) in [
            (Method::PUT, "/api/_attachments/index/people/ada.toml"),
            (Method::DELETE, "/api/_attachments/index/people/ada.toml"),
            (Method::PUT, "/api/index/people/ada"),
            (Method::DELETE, "/api/index/people/ada"),
        ] {
            let record = json!({ "slug": "people" });
            let body = (method == Method::PUT).then_some(&record);
            let answer = house.write(method.clone(), path, body);
            assert!(answer.status >= 400, "{method} {path}: {}", answer.status);
        }
        if !outer.is_empty() {
            // The token covers the record, but not the files that would move with it.
            house.write(Method::DELETE, "/api/index/people", None).problem(409, "conflict");
            let moved = json!({ "slug": "folk" });
            house.write(Method::PATCH, "/api/index/people", Some(&moved)).problem(409, "conflict");
        }
        assert_eq!(house.head(), before);
    }
}

#[test]
fn no_answer_tells_whether_a_private_sheet_has_files_in_a_folder() {
    let sheets = "[sheets.people]\npath = '${{ slug }}'\n\
                  [sheets.notes]\nroot = 'people'\npath = '${{ person }}/${{ id }}'\n\
                  public = false\n";
    let files = [
        ("headwater.toml", sheets),
        ("people/ada.toml", "slug = \"ada\"\n"),
        ("people/ada/1.toml", "id = \"1\"\nperson = \"ada\"\n"),
        ("people/bob.toml", "slug = \"bob\"\n"),
        ("people/eve.toml", "slug = \"eve\"\n"),
        ("people/eve/1.toml", "id = \"1\"\nperson = \"eve\"\n"),
    ];
    let house = served("people", &files);
    let told = |method: Method, key: &str, body: Option<&Value>| {
        let answer = house.write(method, &format!("/api/people/{key}"), body);
        answer.problem(403, "token_scope")["detail"].to_string().replace(key, "KEY")
    };
    let with_notes = told(Method::DELETE, "ada", None);
    assert_eq!(with_notes, told(Method::DELETE, "bob", None));
    let moved = json!({ "slug": "zoe" });
    let with_notes = told(Method::PATCH, "ada", Some(&moved));
    assert_eq!(with_notes, told(Method::PATCH, "bob", Some(&moved)));
    // A change that moves no folder is written as before.
    let changed = json!({ "slug": "bob", "age": 3 });
    assert_eq!(house.write(Method::PUT, "/api/people/bob", Some(&changed)).status, 200);
    assert_eq!(
        house.write(Method::PUT, "/api/_attachments/people/bob/x", Some(&moved)).status,
        201
    );
}

#[test]
fn no_answer_tells_the_name_of_a_list_that_another_sheet_holds_as_well() {
    let sheets = "[sheets.rows]\nroot = 'c'\nformat = 'csv'\nkey = '${{ k }}'\n\
                  [sheets.tables]\nroot = 'c'\nformat = 'csv'\npublic = false\n";
    let told = |files: &[(&str, &str)]| {
        let house = served("rows", &[&[("headwater.toml", sheets)], files].concat());
        let answer = house.write(Method::POST, "/api/rows", Some(&json!({ "k": "new" })));
        (answer.status, answer.json()["detail"].clone())
    };
    let without = told(&[("x", "")]);
    assert_eq!(without.0, 422, "{without:?}");
    assert_eq!(told(&[("c/patient-4711.csv", "k,v\nr1,1\n")]), without);
}

#[test]
fn names_that_stand_for_reserved_ones_on_some_system_are_for_no_new_file() {
    let house = House::new();
    let before = house.head();
    for key in [
        "%E2%80%8C.gitsheets%2Fx",
        "headwater%E2%80%8C",
        "GITSHE~1%2Fx",
        "GITHUB~1%2Fworkflows%2Fx",
        "area.%2Fx",
        "area%20%2Fx",
        "area%2F.gitattributes",
    ] {
        let answer = house.write(Method::PUT, &format!("/api/all/{key}"), Some(&json!({ "a": 1 })));
        assert!(matches!(answer.status, 403 | 422), "{key}: {}", answer.status);
    }
    for name in [".gitattributes", ".gitignore", ".GITmodules", "GITMOD~1", "a.", "a%20"] {
        let path = format!("/api/_attachments/index/home/{name}");
        house.write(Method::PUT, &path, Some(&json!(1))).problem(422, "invalid_record");
    }
    assert_eq!(house.head(), before);
}
