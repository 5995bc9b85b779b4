//! Common layouts of repositories: the collections of a site, folders with an index file, and paths
//! with information that the files lack.

use headwater_testkit::{Upstream, git};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};

const TOKEN: &str = "the-token-of-the-site";
const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\nsheets = [\"posts\"]\n";

const POSTS: &str = "[sheets.posts]\nformat = \"markdown\"\npolicy = \"quarantine\"\n\
                     path = \"${{ lang }}/${{ slug }}/index\"\nindex = [\"lang\"]\n";

struct House {
    server: TestServer,
    _upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let (folder, mut upstream) = (tempfile::tempdir().unwrap(), Upstream::new());
        let post = |title: &str| format!("---\ntitle: {title}\n---\nThe body.\n");
        upstream
            .commit("posts")
            .put("headwater.toml", POSTS)
            .put("posts/en/houses/index.md", post("Houses"))
            .put("posts/en/houses/plan.png", "pixels")
            .put("posts/fr/maisons/README.md", post("Maisons"))
            .put("posts/fr/ecoles/_index.md", post("Écoles"))
            .put("posts/de/haus/README.md", "---\ntitle: [\n---\n")
            .put("posts/fr/ecoles/README.md", post("shadowed"))
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

    fn keys(&self, query: &str) -> Vec<String> {
        keys(&self.server.get(&format!("/api/posts?{query}")).json())
    }

    /// Returns the paths of all files of the branch.
    fn files(&self) -> Vec<String> {
        let files = git(self.server.mirror(), ["ls-tree", "-r", "--name-only", "HEAD", "posts"]);
        files.lines().map(str::to_owned).collect()
    }
}

fn keys(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_folder_is_a_record_by_its_index_file_and_its_path_is_asked_for() {
    let house = House::new();
    assert_eq!(house.keys("lang=fr"), ["fr/ecoles", "fr/maisons"]);
    assert_eq!(house.keys("slug[prefix]=m&sort=lang"), ["fr/maisons"]);
    let list = house.server.get("/api/posts?facets=lang&fields=lang,title&sort=-slug").json();
    assert_eq!(list["items"][0]["value"], json!({"lang": "fr", "title": "Maisons"}));
    assert_eq!(list["facets"]["lang"][0], json!({"value": "fr", "count": 2}));
    let record = house.server.get("/api/posts/en/houses").json();
    assert_eq!(record, json!({"body": "The body.", "title": "Houses"}));
    let sheet = &house.server.get("/api/_sheets").json()["items"][0];
    assert_eq!(sheet["fields"], json!(["body", "lang", "slug", "title"]));
    let problems = house.server.get("/api/_problems").json();
    assert_eq!(problems["items"][1]["path"], "posts/fr/ecoles/README.md");
    assert_eq!(problems["items"][1]["rule"], "key_taken");
}

#[test]
fn what_was_read_is_written_back_to_where_it_was() {
    let house = House::new();
    let mut record = house.server.get("/api/posts/fr/maisons").json();
    record["title"] = "Les maisons".into();
    assert_eq!(house.write(Method::PUT, "/api/posts/fr/maisons", Some(&record)).status, 200);
    let change = json!({"title": "The houses"});
    assert_eq!(house.write(Method::PATCH, "/api/posts/en/houses", Some(&change)).status, 200);
    let new = json!({"title": "Case", "body": "Corpo."});
    assert_eq!(house.write(Method::PUT, "/api/posts/it/case", Some(&new)).status, 201);
    let mended = json!({"title": "Haus", "body": ""});
    assert_eq!(house.write(Method::PUT, "/api/posts/de/haus", Some(&mended)).status, 201);
    assert_eq!(
        house.files(),
        [
            "posts/de/haus/README.md",
            "posts/en/houses/index.md",
            "posts/en/houses/plan.png",
            "posts/fr/ecoles/README.md",
            "posts/fr/ecoles/_index.md",
            "posts/fr/maisons/README.md",
            "posts/it/case/index.md",
        ]
    );
    assert_eq!(house.server.get("/api/posts/it/case").json(), new);
    assert_eq!(house.keys("title[contains]=maisons"), ["fr/maisons"]);
}

#[test]
fn a_record_that_moves_or_goes_takes_its_folder_along() {
    let house = House::new();
    let change = json!({"slug": "homes"});
    assert_eq!(house.write(Method::PATCH, "/api/posts/en/houses", Some(&change)).status, 200);
    let files = house.files();
    assert!(files.contains(&"posts/en/homes/plan.png".to_owned()), "{files:?}");
    assert!(!files.iter().any(|path| path.starts_with("posts/en/houses/")), "{files:?}");
    assert_eq!(house.server.get("/api/posts/en/homes").json()["slug"], "homes");
    assert_eq!(house.write(Method::DELETE, "/api/posts/en/homes", None).status, 204);
    assert!(!house.files().iter().any(|path| path.starts_with("posts/en/")));
}

#[test]
fn the_collections_of_a_site_are_sheets() {
    let mut upstream = Upstream::new();
    let post = "---\ntitle: Hello\n---\nx\n";
    upstream
        .commit("a site")
        .put("src/content/blog/hello.md", post)
        .put("src/content/authors/ann.json", r#"{"name":"Ann"}"#)
        .put("content/docs/start/index.md", post)
        .put("content/_drafts/later.md", post)
        .put("content/about.md", post)
        .put("package.json", "{}")
        .put("LICENSE", "")
        .push();
    let server = TestServer::start(&upstream.url());
    let sheets = server.get("/api/_sheets").json();
    let names: Vec<_> =
        sheets["items"].as_array().unwrap().iter().map(|sheet| &sheet["name"]).collect();
    let all = ["content", "content.docs", "root", "src.content.authors", "src.content.blog"];
    assert_eq!(names, all);
    assert_eq!(sheets["skipped"], json!(["content/_drafts"]));
    let passed_over = json!([
        {"reason": "folder", "name": "content/_drafts", "count": 1},
        {"reason": "ending", "name": "", "count": 1},
    ]);
    assert_eq!(sheets["passedOver"], passed_over);
    assert_eq!(server.get("/api/src.content.blog/hello").json()["title"], "Hello");
    assert_eq!(server.get("/api/content.docs/start/index").status, 200);
    // A pushed new collection appears without a rebuild.
    upstream.commit("more").put("content/news/one.md", post).push();
    let commit = upstream.commit("no records").put("content/news/a.png", "").delete("LICENSE");
    commit.push();
    server.reload().outcome("applied");
    let passed_over = server.get("/api/_sheets").json()["passedOver"].clone();
    assert_eq!(passed_over[1], json!({"reason": "ending", "name": "png", "count": 1}));
    assert_eq!(keys(&server.get("/api/content.news").json()), ["one"]);
    // A later declaration of sheets does not reveal which others existed before.
    let before = upstream.head().unwrap();
    let sheets = "[sheets.all]\nroot = \".\"\nformat = \"markdown\"\n\
                  [sheets.json]\nroot = \".\"\nformat = \"json\"\n";
    upstream.commit("declare").put("headwater.toml", sheets).push();
    server.reload().outcome("rebuilt");
    let then = server.get(&format!("/api/_sheets?at={before}")).json();
    assert_eq!(then["items"][0]["name"], "content");
    assert_eq!(then["passedOver"], Value::Null);
}
