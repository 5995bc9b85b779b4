//! A real cache in front of a server with an access file, over every route: whoever asked before,
//! and whatever a caller says that it has, it gets the answer of the server to its own credential.

use headwater::http::{Group, Route};
use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Answer, TestServer};
use crate::nginx::Nginx;

const DEFINITIONS: &str = "[sheets.people]\nhidden = \"gone\"\npath = \"${{ slug }}\"\n\
                           [sheets.plans]\npublic = false\npath = \"${{ slug }}\"\n";

const ACCESS: &str = r#"
anonymous = { read = ["*"] }

[[token]]
name = "plans"
secret = "the-secret-for-the-plans"
read = ["plans"]

[[token]]
name = "all"
secret = "the-secret-for-all-of-it"
read = ["*"]
hidden = true
"#;

/// Who asks. Each sees something else.
const READERS: [Option<&str>; 3] =
    [None, Some("the-secret-for-the-plans"), Some("the-secret-for-all-of-it")];

struct House {
    server: TestServer,
    nginx: Nginx,
    commits: [String; 2],
    _upstream: Upstream,
    _folder: TempDir,
}

impl House {
    fn open() -> Option<Self> {
        let mut upstream = Upstream::new();
        let commits = ["old", "new"].map(|age| {
            let commit = upstream.commit(age).put("headwater.toml", DEFINITIONS);
            let record =
                |slug: &str, more: &str| format!("age = \"{age}\"\n{more}slug = \"{slug}\"\n");
            commit
                .put("people/ada.toml", record("ada", ""))
                .put("people/ada/note.txt", format!("{age} note"))
                .put("people/eve.toml", record("eve", "gone = true\n"))
                .put("people/eve/note.txt", format!("{age} note of eve"))
                .put("plans/party.toml", record("party", ""))
                .put("plans/party/note.txt", format!("{age} note of the party"))
                .push()
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        std::fs::write(&file, ACCESS).unwrap();
        let settings = [("HEADWATER_ACCESS_FILE", file.to_str().unwrap())];
        let server = TestServer::with(&upstream.url(), &settings);
        let nginx = Nginx::before(server.server().address())?;
        Some(Self { server, nginx, commits, _upstream: upstream, _folder: folder })
    }

    /// Returns every route, with what a client may ask of it, at the present and at a commit.
    fn paths(&self) -> Vec<Asked> {
        let [first, second] = &self.commits;
        let mut paths = Vec::new();
        // Those of operators know none of these credentials.
        let ours = [Group::Read, Group::Write, Group::Demo, Group::Page, Group::Health];
        for route in Route::ALL.iter().filter(|route| ours.contains(&route.group())) {
            let fill = |sheet: &str, key: &str| {
                let path = route.path().replace("{sheet}", sheet).replace("{*key}", key);
                let path = path.replace("{*rest}", &format!("{key}/note.txt"));
                path.replace("{id}", "none").replace("{name}", "app.js")
            };
            let mut filled = Vec::from(
                [("people", "ada"), ("people", "eve"), ("plans", "party"), ("plans", "none")]
                    .map(|(sheet, key)| fill(sheet, key)),
            );
            filled.dedup();
            for path in filled {
                let mut ask = |path: String| paths.push(Asked { route: *route, path });
                match route {
                    Route::Search => {
                        ask(format!("{path}?q=old"));
                        ask(format!("{path}?q=new"));
                        ask(format!("{path}?q=old&at={first}"));
                    }
                    Route::Diff => {
                        ask(format!("{path}?from={first}&to={second}"));
                        ask(format!("{path}?from={first}"));
                    }
                    Route::Changes => ask(format!("{path}?since={first}")),
                    _ => {
                        ask(path.clone());
                        if matches!(route.group(), Group::Read | Group::Page) {
                            ask(format!("{path}?at={first}"));
                            ask(format!("{path}?at={second}"));
                        }
                    }
                }
            }
        }
        paths
    }

    fn ask(&self, url: String, cache: &str, token: Option<&str>, known: Option<&str>) -> Answer {
        let mut request = self.server.client().request(Method::GET, url).header("x-cache", cache);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(tag) = known {
            request = request.header("if-none-match", tag);
        }
        self.server.send(request)
    }

    fn direct(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask(self.server.url(path), "", token, None)
    }

    fn behind(&self, path: &str, cache: &str, token: Option<&str>, known: Option<&str>) -> Answer {
        self.ask(self.nginx.url(path), cache, token, known)
    }
}

/// A request.
struct Asked {
    route: Route,
    path: String,
}

impl Asked {
    /// Returns whether its answer differs each time, so that only its status can be compared.
    fn is_of_the_moment(&self) -> bool {
        let moment = [Route::Status, Route::Reloads, Route::Ready, Route::Live];
        moment.contains(&self.route)
    }

    /// Returns what of an answer has to be the same behind the cache.
    fn told(&self, answer: &Answer) -> (u16, Vec<Option<String>>, String) {
        let names = ["content-type", "etag", "x-headwater-commit", "cache-control", "vary"];
        let headers = names.map(|name| answer.header(name).map(str::to_owned)).to_vec();
        let mut body = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status >= 400 {
            let mut problem: Value = answer.json();
            problem["traceId"] = Value::Null;
            body = problem.to_string();
        }
        let body = if self.is_of_the_moment() { String::new() } else { body };
        (answer.status, headers, body)
    }
}

#[test]
fn behind_a_cache_each_credential_gets_its_own_answer_on_every_route() {
    let Some(house) = House::open() else { return };
    let (mut kept, mut private) = (0, 0);
    for (number, asked) in house.paths().iter().enumerate() {
        let path = &asked.path;
        let direct = READERS.map(|reader| house.direct(path, reader));
        for (at, before) in READERS.iter().enumerate() {
            // A cache that has nothing but the answer to one of them.
            let cache = format!("{number}-{at}");
            house.behind(path, &cache, *before, None);
            let again = house.behind(path, &cache, *before, None);
            let is_kept = again.header("x-cache") == Some("HIT");
            kept += usize::from(is_kept);
            assert!(!is_kept || before.is_none(), "{path}");
            for (reader, own) in READERS.iter().zip(&direct) {
                let answer = house.behind(path, &cache, *reader, None);
                let who = format!("{path} by {reader:?} behind {before:?}");
                assert_eq!(asked.told(&answer), asked.told(own), "{who}");
                for other in &direct {
                    // Whoever says that it has the answer to another one is told its own.
                    let Some(tag) = other.header("etag") else { continue };
                    let answer = house.behind(path, &cache, *reader, Some(tag));
                    match answer.status {
                        304 => assert_eq!(answer.header("etag"), own.header("etag"), "{who}"),
                        _ => assert_eq!(asked.told(&answer), asked.told(own), "{who}"),
                    }
                }
            }
        }
        private += usize::from(direct[0].body != direct[2].body);
    }
    assert!(kept > 10, "the cache keeps what it may: {kept}");
    assert!(private > 20, "the readers see different things: {private}");
}

#[test]
fn behind_a_cache_a_wrong_credential_gets_nothing_that_was_asked_for_before() {
    let Some(house) = House::open() else { return };
    let [first, _] = &house.commits;
    for path in [format!("/api/people?at={first}"), format!("/api/plans?at={first}")] {
        for reader in READERS {
            house.behind(&path, "", reader, None);
        }
        let wrong = house.behind(&path, "", Some("a-secret-that-nobody-has"), None);
        wrong.problem(401, "unauthorized");
        assert!(wrong.header("x-headwater-commit").is_none());
    }
}
