//! Invisible data changes no visible answer: two branches that differ in hidden records and in
//! private sheets answer every public route alike, except for the ids of commits.

use std::collections::BTreeMap;

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::Value;

use crate::harness::{Answer, BROKEN, TestServer};

const PEOPLE: &str = r#"
[gitsheet]
root = "people"
path = "${{ slug }}"

[headwater]
policy = "quarantine"
hidden = "gone"
index = ["age", "tags"]
unique = ["email"]
refs = { friend = "people", secret = "secrets" }
"#;

/// A problem here refuses a push, and makes a first state a degraded one.
const STAFF: &str =
    "[gitsheet]\nroot = \"staff\"\npath = \"${{ slug }}\"\n[headwater]\nhidden = \"gone\"\n";

const POSTS: &str = r#"
[gitsheet]
root = "posts"
path = "${{ slug }}"

[headwater]
policy = "quarantine"
unique = ["title"]
refs = { author = "people", next = "posts" }
"#;

const SECRETS: &str =
    "[gitsheet]\nroot = \"secrets\"\npath = \"${{ slug }}\"\n[headwater]\npublic = false\n";

/// A list that hides some of its rows.
const ROWS: &str = r#"
[sheets.rows]
file = "rows.csv"
key = "${{ id }}"
hidden = "gone"
unique = ["u"]
refs = { next = "posts" }
policy = "quarantine"
"#;

const WORDS: [&str; 6] = ["river", "rivers", "bridge", "harbor", "lantern", "meadow"];

/// Pseudo-random numbers, the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64) as usize]
    }

    fn person(&mut self, slug: &str) -> String {
        let (age, friend) = (self.below(9), self.below(30));
        let (email, tags) = (self.below(12), [self.word(), self.word()]);
        let bio = [self.word(), self.word(), self.word()].join(" ");
        format!(
            "age = {age}\nbio = \"{bio}\"\nemail = \"{email}@example.org\"\nfriend = \"p{friend:02}\"\n\
             secret = \"s{friend}\"\nslug = \"{slug}\"\ntags = {tags:?}\n"
        )
    }
}

/// A branch and the ids of its commits.
struct Branch {
    upstream: Upstream,
    commits: Vec<String>,
}

impl Branch {
    fn push<'a>(&mut self, files: impl IntoIterator<Item = &'a (String, String)>) {
        let commit =
            files.into_iter().fold(self.upstream.commit("step"), |commit, (path, text)| {
                if text.is_empty() {
                    commit.delete(path.as_str())
                } else {
                    commit.put(path.as_str(), text.as_str())
                }
            });
        self.commits.push(commit.push());
    }
}

/// Returns the visible data: people with even numbers, and posts.
fn seen(numbers: &mut Numbers) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        [("people", PEOPLE), ("staff", STAFF), ("posts", POSTS), ("secrets", SECRETS)]
            .map(|(sheet, text)| (format!(".gitsheets/{sheet}.toml"), text.to_owned()))
            .into();
    for n in (0..30).step_by(2) {
        let slug = format!("p{n:02}");
        files.push((format!("people/{slug}.toml"), numbers.person(&slug)));
        let (title, author, next) = (numbers.word(), numbers.below(30), numbers.below(40));
        let post = format!(
            "author = \"p{author:02}\"\nnext = \"n{next}\"\nslug = \"n{n}\"\ntitle = \"{title}\"\n"
        );
        files.push((format!("posts/n{n}.toml"), post));
    }
    files.push(("headwater.toml".to_owned(), ROWS.to_owned()));
    files.push(("rows.csv".to_owned(), rows(&[])));
    files.push(("people/p00/note.txt".to_owned(), "a note".to_owned()));
    files.push(("posts/broken.toml".to_owned(), BROKEN.to_owned()));
    files.push(("staff/ann.toml".to_owned(), "slug = \"ann\"\n".to_owned()));
    files
}

/// Returns the list: the rows that are seen, which have problems, and between them `hidden` ones.
fn rows(hidden: &[String]) -> String {
    let mut hidden = hidden.iter();
    let mut text = "id,next,u,note,gone\n".to_owned();
    for n in 0..6 {
        text.push_str(&format!("r{n},nowhere,{},,\n", n / 2));
        text.extend(hidden.next().map(|note| format!("h{n},nobody,0,\"{note}\",true\n")));
    }
    text
}

/// Returns the invisible data, some of it broken.
fn unseen(numbers: &mut Numbers, step: u64) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for n in (1..30).step_by(2).filter(|_| numbers.below(3) > 0).collect::<Vec<u64>>() {
        let slug = format!("p{n:02}");
        let person = numbers.person(&slug);
        let person = match numbers.below(6) {
            0 => BROKEN.to_owned(),
            1 => format!("gone = \"2024-01-01\"\nunheard{step} = 1\n{person}"),
            _ => format!("gone = true\n{person}"),
        };
        files.push((format!("people/{slug}.toml"), person));
        files.push((format!("people/{slug}/face.txt"), numbers.word().to_owned()));
    }
    let hidden: Vec<String> = (0..numbers.below(6)).map(|_| numbers.word().repeat(2)).collect();
    let hidden: Vec<String> = hidden.iter().map(|note| format!("{note}\n{step}")).collect();
    files.push(("rows.csv".to_owned(), rows(&hidden)));
    let n = numbers.below(9);
    files.push((format!("people/CON{n}/aux.toml"), numbers.person("aux")));
    files.push((
        format!("secrets/s{n}.toml"),
        format!("slug = \"s{n}\"\nword = \"{}\"\n", numbers.word()),
    ));
    if step == 0 {
        files.push(("staff/joe.toml".to_owned(), BROKEN.to_owned()));
    }
    files
}

/// The requests, about the present and the past.
fn paths(numbers: &mut Numbers) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/api/_sheets",
        "/api/_status",
        "/api/_problems",
        "/api/_reloads?limit=1",
        "/openapi.json",
        "/health/ready",
        "/api/people",
        "/api/posts",
        "/api/staff",
        "/api/secrets",
        "/api/people?perPage=3&page=2",
        "/api/people?limit=4&sort=age",
        "/api/people?limit=4&q=river",
        "/api/people?facets=age,tags,bio,email",
        "/api/people?sort=-age,bio&facets=tags&tags=river",
        "/api/people?gone[exists]=false",
        "/api/people?unheard0[exists]=false",
        "/api/people?email[ne]=1@example.org&sort=-email",
        "/api/people?q=rvier",
        "/api/people?q=r*",
        "/api/people?include=friend",
        "/api/posts?include=author,next",
        "/api/posts?include=secret",
        "/api/people/p00?include=friend",
        "/api/people/p01",
        "/api/people/p02",
        "/api/_attachments/people/p00/note.txt",
        "/api/_attachments/people/p01/face.txt",
        "/api/_search?q=river",
        "/api/_search?q=meadw",
        "/api/_search?q=bridge~1+-harbor&perPage=100",
        "/api/_search?q=lantern&sheet=people",
        "/api/_search?q=s1&sheet=secrets",
        "/api/_history/people/p00",
        "/api/_history/people/p00?limit=1",
        "/api/_history/people/p01",
        "/api/_history/people/p01?limit=1",
        "/api/rows",
        "/api/rows/h0",
        "/api/_history/rows/r0",
        "/api/_history/rows/r0?limit=1",
        "/api/_history/rows/h0?limit=1",
        // Keys for which a similar one is suggested.
        "/api/people/p01.toml",
        "/api/people/p013",
        "/api/people/p03x",
        "/api/people/p1",
        "/api/_history/people/p013",
        "/api/people?unherd0=1",
        "/api/secrts",
        "/api/_search?q=river&sheet=secrts",
    ]
    .map(str::to_owned)
    .into();
    for _ in 0..20 {
        let (field, n) = (
            ["age", "tags", "bio", "email", "friend"][numbers.below(5) as usize],
            numbers.below(9),
        );
        let operator = ["", "[ne]", "[gte]", "[lt]", "[in]"][numbers.below(5) as usize];
        let sort = ["", "&sort=age", "&sort=-tags,bio", "&sort=email"][numbers.below(4) as usize];
        let value = if field == "age" { n.to_string() } else { numbers.word().to_owned() };
        paths.push(format!("/api/people?{field}{operator}={value}{sort}&facets={field}"));
        paths.push(format!("/api/_search?q={}+{}", numbers.word(), numbers.word()));
    }
    paths
}

/// Members that depend on the time, or on this process.
const TIMES: [&str; 8] =
    ["id", "at", "durationMs", "timings", "publishedAt", "ageSeconds", "fetchedAt", "traceId"];

/// Masks everything that may differ.
fn masked(text: &str, commits: &[String]) -> String {
    let text = commits
        .iter()
        .enumerate()
        .fold(text.to_owned(), |text, (at, commit)| text.replace(commit, &format!("commit {at}")));
    let Ok(mut json) = serde_json::from_str::<Value>(&text) else { return text };
    fn mask(json: &mut Value, is_record: bool) {
        match json {
            Value::Array(list) => list.iter_mut().for_each(|json| mask(json, is_record)),
            Value::Object(members) => {
                for (name, json) in members {
                    let is_cursor = name == "next" && json.is_string();
                    if !is_record && TIMES.contains(&name.as_str()) {
                        *json = Value::Null;
                    }
                    if !is_record && is_cursor {
                        *json = Value::from("a cursor");
                    }
                    mask(json, is_record || name == "value");
                }
            }
            _ => {}
        }
    }
    mask(&mut json, false);
    json.to_string()
}

/// Returns what a reader sees of an answer.
fn told(
    path: &str,
    answer: &Answer,
    commits: &[String],
) -> (u16, BTreeMap<String, String>, String) {
    let mut headers: BTreeMap<String, String> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), masked(value.to_str().unwrap(), commits)))
        .collect();
    headers.remove("date");
    // A cursor depends on its commit, and a list of reloads contains times.
    if path.contains("limit=") || path.contains("_reloads") || path.contains("_status") {
        headers.retain(|name, _| !["etag", "link", "content-length"].contains(&name.as_str()));
    }
    let body = String::from_utf8_lossy(&answer.body);
    // The tag of an answer that names a commit depends on that name, too.
    if commits.iter().any(|commit| body.contains(commit)) {
        headers.remove("etag");
    }
    (answer.status, headers, masked(&body, commits))
}

/// Who asks.
#[derive(Clone, Copy)]
struct Reader {
    /// The access file; without one everybody reads what is public.
    access: Option<&'static str>,
    token: Option<&'static str>,
}

const EVERYBODY: Reader = Reader { access: None, token: None };

/// Readers to whom an access file shows no hidden record and no secret.
const READERS: [Reader; 4] = [
    Reader { access: Some("anonymous = { read = [\"*\"] }\n"), token: None },
    Reader { access: Some("anonymous = { read = [\"people\"] }\n"), token: None },
    Reader { access: Some(STAFF_READER), token: Some("the-secret-of-a-reader") },
    Reader { access: Some(POSTS_READER), token: Some("the-secret-of-a-reader") },
];

const STAFF_READER: &str = "anonymous = { read = [] }\n[[token]]\nname = \"reader\"\n\
                            secret = \"the-secret-of-a-reader\"\nread = [\"people\", \"staff\"]\n";

/// Hidden records of sheets that it does not read are not shown either.
const POSTS_READER: &str = "[[token]]\nname = \"reader\"\nsecret = \"the-secret-of-a-reader\"\n\
                            read = [\"posts\"]\nhidden = true\n";

#[test]
fn what_is_hidden_changes_no_answer() {
    (0..3).for_each(|seed| answers_are_alike(seed, EVERYBODY));
}

#[test]
fn what_a_view_does_not_show_changes_no_answer() {
    let seeds = std::env::var("HEADWATER_VIEW_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(1) {
        READERS.iter().for_each(|reader| answers_are_alike(10 + seed, *reader));
    }
}

fn answers_are_alike(seed: u64, reader: Reader) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    let mut settings = vec![("HEADWATER_QUARANTINE_SHARE", "100"), ("HEADWATER_QUERY_BUDGET", "0")];
    if let Some(text) = reader.access {
        std::fs::write(&file, text).unwrap();
        settings.push(("HEADWATER_ACCESS_FILE", file.to_str().unwrap()));
    }
    let branch = || Branch { upstream: Upstream::new(), commits: Vec::new() };
    let mut branches = [branch(), branch()];
    let mut numbers = Numbers(seed);
    let seen = seen(&mut numbers);
    let mut of_first = Numbers(1_000 + seed);
    branches[0].push(seen.iter().chain(&unseen(&mut of_first, 0)));
    branches[1].push(&seen);
    let servers = [0, 1].map(|at| TestServer::with(&branches[at].upstream.url(), &settings));
    for step in 1..4 {
        // In the last step only hidden data changes.
        let changed: Vec<_> = match step {
            3 => Vec::new(),
            _ => (0..4).map(|_| format!("p{:02}", numbers.below(15) * 2)).collect(),
        };
        let mut files: Vec<_> = changed
            .into_iter()
            .map(|slug| (format!("people/{slug}.toml"), numbers.person(&slug)))
            .collect();
        files.push(("README".to_owned(), format!("step {step}")));
        branches[0].push(files.iter().chain(&unseen(&mut of_first, step)));
        branches[1].push(&files);
        servers.iter().for_each(|server| drop(server.reload().outcome("applied")));
        let mut paths = paths(&mut numbers);
        for route in [
            "/api/_changes?since=",
            "/api/_changes?sheet=secrets&since=",
            "/api/_diff?from=",
            "/api/people?at=",
            "/api/rows?at=",
            "/api/_problems?at=",
        ] {
            paths.push(format!("{route}FIRST"));
        }
        for path in paths {
            let [first, second] = [0, 1].map(|at| {
                let commits = &branches[at].commits;
                let answer = ask(&servers[at], reader, &path.replace("FIRST", &commits[0]));
                assert!(answer.status < 500, "{path}: {answer:?}");
                told(&path, &answer, commits)
            });
            assert_eq!(first, second, "seed {seed}, step {step}: {path}");
        }
    }
}

fn ask(server: &TestServer, reader: Reader, path: &str) -> Answer {
    let request = server.request(Method::GET, path);
    server.send(match reader.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

#[test]
fn a_record_is_hidden_by_what_is_at_a_position_in_a_list_and_a_path_that_hides_nothing_is_refused()
{
    let rules = |field: &str| format!("[sheets.people]\nformat = \"json\"\nhidden = \"{field}\"\n");
    let mut upstream = Upstream::new();
    let commit = upstream.commit("first").put("headwater.toml", rules("contacts.0.private"));
    let commit = commit.put("people/ada.json", r#"{"contacts": [{"private": true}, {}]}"#);
    commit.put("people/bob.json", r#"{"contacts": [{}, {"private": true}]}"#).push();
    let server = TestServer::start(&upstream.url());
    let shown = || -> Vec<String> {
        let list = server.get("/api/people").json();
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(shown(), ["bob"]);
    server.get("/api/people/ada").problem(404, "not_found");
    server.get("/api/_history/people/ada").problem(404, "not_found");
    for (field, expected) in [("contacts.-1.private", "ada"), ("contacts.1.private", "ada")] {
        upstream.commit("rules").put("headwater.toml", rules(field)).push();
        server.reload().outcome("applied");
        assert_eq!(shown(), [expected], "{field}");
    }
    upstream.commit("wild").put("headwater.toml", rules("contacts.*.private")).push();
    let report = server.reload().problem(500, "push_refused");
    let problem = &report["problems"][0];
    assert_eq!(
        (&problem["path"], &problem["line"]),
        (&"headwater.toml".into(), &3.into()),
        "{report}"
    );
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains("here \"contacts.private\""), "{message}");
    assert_eq!(shown(), ["ada"], "the rules of before hold");
}
