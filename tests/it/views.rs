//! An access file: what each credential reads and writes, over every route.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use headwater::http::{Group, Route};
use headwater_testkit::{Upstream, git};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::changes::Follower;
use crate::harness::{Answer, RELOAD_SECRET, TestServer};

const DEFINITIONS: &str = "[sheets.people]\nhidden = \"gone\"\nrefs = { team = \"teams\" }\n\
                           [sheets.teams]\npublic = false\npath = \"${{ slug }}\"\n[sheets.plans]\npublic = false\n";

const ACCESS: &str = r#"
anonymous = { read = [] }

[[token]]
name = "people"
secret = "the-secret-for-people"
read = ["people"]

[[token]]
name = "teams"
secret = "the-secret-for-teams"
read = ["teams"]
write = ["teams"]
author = "Teams <teams@example.org>"

[[token]]
name = "all"
secret = "the-secret-for-all-of-it"
read = ["*"]
hidden = true

[[token]]
name = "slow"
secret = "the-secret-of-the-slow"
read = ["people"]
rate = 1
"#;

const PEOPLE: &str = "the-secret-for-people";
const TEAMS: &str = "the-secret-for-teams";
const ALL: &str = "the-secret-for-all-of-it";

/// A server with an access file.
struct House {
    server: TestServer,
    upstream: Upstream,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

/// Returns a remote with a public sheet and two private ones.
fn repository() -> Upstream {
    let mut upstream = Upstream::new();
    let commit = upstream.commit("first").put("headwater.toml", DEFINITIONS);
    commit
        .put("people/ada.toml", "name = \"Ada\"\nteam = \"red\"\n")
        .put("people/ada/note.txt", "a note")
        .put("people/eve.toml", "gone = true\nname = \"Eve\"\nteam = \"blue\"\n")
        .put("teams/red.toml", "name = \"Red lantern\"\nslug = \"red\"\n")
        .put("teams/red/plan.txt", "a plan")
        .put("plans/secret.toml", "name = \"Lantern festival\"\n")
        .push();
    upstream
}

impl House {
    fn open(access: &str) -> Self {
        Self::of(access, repository(), &[])
    }

    /// Opens a server on the remote `upstream`, unless the settings say otherwise.
    fn of(access: &str, upstream: Upstream, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        std::fs::write(&file, access).unwrap();
        let mut settings = settings.to_vec();
        settings.push(("HEADWATER_ACCESS_FILE", file.to_str().unwrap()));
        let server = TestServer::with(&upstream.url(), &settings);
        Self { server, upstream, file, _folder: folder }
    }

    fn get(&self, token: Option<&str>, path: &str) -> Answer {
        let request = self.server.request(Method::GET, path);
        self.server.send(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Returns the names of the sheets that `token` knows.
    fn sheets(&self, token: &str) -> Vec<String> {
        let sheets = self.get(Some(token), "/api/_sheets").json();
        let names = sheets["items"].as_array().unwrap().iter();
        names.map(|sheet| sheet["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the keys that a list shows to `token`.
    fn keys(&self, token: &str, path: &str) -> Vec<String> {
        let list = self.get(Some(token), path).json();
        let items = list["items"].as_array().unwrap_or_else(|| panic!("{path}: {list}")).iter();
        items.map(|item| item["value"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// A path for each route that reads records.
fn reads() -> Vec<String> {
    let groups = [Group::Read, Group::Write, Group::Demo];
    let routes = Route::ALL.iter().filter(|route| groups.contains(&route.group()));
    let fill = |path: &str| {
        path.replace("{sheet}", "people")
            .replace("{*key}", "ada")
            .replace("{*rest}", "ada/note.txt")
    };
    let paths = routes.map(|route| fill(route.path()));
    paths
        .chain(["/openapi.json", "/api/nothing", "/api/people?at=main"].map(str::to_owned))
        .collect()
}

/// Returns a refusal without what is new in each.
fn refusal(answer: &Answer) -> String {
    let mut body = answer.problem(401, "unauthorized");
    body["traceId"] = Value::Null;
    body.to_string()
}

#[test]
fn a_closed_server_answers_health_alone_without_a_credential() {
    let house = House::open(ACCESS);
    let mut answers = BTreeSet::new();
    for path in reads() {
        let answer = house.get(None, &path);
        assert!(answer.header("x-headwater-commit").is_none(), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        answers.insert(refusal(&answer));
    }
    for wrong in ["a-secret-that-nobody-has", ""] {
        answers.insert(refusal(&house.get(Some(wrong), "/api/people")));
    }
    assert_eq!(answers.len(), 1, "one answer to all: {answers:?}");
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(house.get(None, path).status, 200, "{path}");
    }
    let twice = house.server.request(Method::GET, "/api/people");
    let twice = twice.header("authorization", "Bearer x").bearer_auth(PEOPLE);
    assert_eq!(house.server.send(twice).status, 401, "two credentials are none");
}

#[test]
fn no_answer_to_a_stranger_of_a_closed_server_names_a_commit() {
    let house = House::open(ACCESS);
    let wrong = "a-secret-that-nobody-has";
    let ask = |method: Method, headers: &[(&str, &str)]| {
        let request = house.server.request(method, "/api/people/ada");
        house
            .server
            .send(headers.iter().fold(request, |all, (name, value)| all.header(*name, *value)))
    };
    let put = [("accept", "text/html"), ("content-type", "application/json")];
    let mut statuses = BTreeSet::new();
    let mut answers = vec![
        ask(Method::GET, &[("range", "bytes=0-1"), ("range", "bytes=0-1")]),
        ask(Method::OPTIONS, &[("origin", "https://a.example.org")]),
        ask(Method::PUT, &put),
        ask(Method::PUT, &[("content-encoding", "gzip")]),
        ask(Method::DELETE, &[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
    ];
    // Until there are too many failures.
    answers.extend((0..12).map(|_| house.get(Some(wrong), "/api/people")));
    for answer in &answers {
        assert!(answer.header("x-headwater-commit").is_none(), "{answer:?}");
        statuses.insert(answer.status);
    }
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    let commit = house.get(Some(ALL), "/api/_status").commit().to_owned();
    assert_eq!(house.server.pin(&commit).status, 200);
    let ready = String::from_utf8(house.get(None, "/health/ready").body).unwrap();
    assert!(ready.contains("pinned") && !ready.contains(&commit), "{ready}");
}

#[test]
fn who_reads_nothing_is_told_nothing_and_may_write_all_the_same() {
    let access = ACCESS.replace("read = [\"teams\"]\n", "");
    let house = House::open(&access);
    for path in reads() {
        let answer = house.get(Some(TEAMS), &path);
        answer.problem(403, "token_scope");
        assert!(answer.header("x-headwater-commit").is_none(), "{path}");
    }
    let request = house.server.request(Method::PUT, "/api/teams/new").bearer_auth(TEAMS);
    let written = house.server.send(request.json(&json!({ "name": "New", "slug": "new" })));
    assert_eq!(written.status, 201, "{written:?}");
}

#[test]
fn a_refused_write_names_no_record_of_a_sheet_that_its_author_does_not_see() {
    // `people` is public by its definition, and is shown to nobody without a grant.
    let refusal = |access: &str| {
        let house = House::open(access);
        let request = house.server.request(Method::DELETE, "/api/teams/red").bearer_auth(TEAMS);
        let answer = house.server.send(request);
        assert_eq!(answer.status, 409, "{answer:?}");
        let mut told = answer.json();
        // It is random, and three of its digits may be a name.
        told.as_object_mut().unwrap().remove("traceId");
        told.to_string()
    };
    let told = refusal(ACCESS);
    assert!(!told.contains("ada") && !told.contains("people"), "{told}");
    let told = refusal(&ACCESS.replace("read = [\"teams\"]", "read = [\"teams\", \"people\"]"));
    assert!(told.contains("people/ada"), "{told}");
}

#[test]
fn a_token_that_reads_nothing_is_told_of_no_commit_but_its_own() {
    const READS: &str = "the-secret-of-who-reads-it";
    let reads = format!(
        "\n[[token]]\nname = \"reads\"\nsecret = \"{READS}\"\nread = [\"teams\"]\n\
         write = [\"teams\"]\nauthor = \"Reads <reads@example.org>\"\n"
    );
    let house = House::open(&(ACCESS.replace("read = [\"teams\"]", "read = []") + &reads));
    let write = |path: &str| {
        let request = house.server.request(Method::PUT, path).bearer_auth(TEAMS);
        house.server.send(request.json(&json!({ "name": "New", "slug": "new" })))
    };
    let commit = |answer: &Answer| answer.headers.get("x-headwater-commit").cloned();
    let other = house.server.request(Method::PUT, "/api/people/new").bearer_auth(TEAMS);
    let other = house.server.send(other.json(&json!({ "name": "New" })));
    assert_eq!((other.status, commit(&other)), (403, None), "{other:?}");
    let read = house.get(Some(TEAMS), "/api/teams/red");
    assert_eq!((read.status, commit(&read)), (403, None), "{read:?}");
    // A write that is not made, or changes nothing, would tell the commit of somebody else.
    let served = house.get(Some(ALL), "/api/teams").commit().to_owned();
    for (method, path, body) in [
        (Method::PUT, "/api/teams/new?dryRun=true", json!({ "name": "New", "slug": "new" })),
        (Method::PATCH, "/api/teams/red", json!({ "slug": "red" })),
        (Method::PATCH, "/api/teams/red?push=sync", json!({ "slug": "red" })),
        (
            Method::POST,
            "/api/_transact",
            json!({ "operations": [
                { "op": "patch", "sheet": "teams", "key": "red", "value": { "slug": "red" } }] }),
        ),
    ] {
        for preference in ["return=representation", "return=minimal"] {
            for (token, told) in [(TEAMS, None), (READS, Some(&*served))] {
                let request = house.server.request(method.clone(), path).bearer_auth(token);
                let answer = house.server.send(request.header("prefer", preference).json(&body));
                assert!(answer.status < 300, "{path}: {answer:?}");
                assert_eq!(answer.header("x-headwater-commit"), told, "{path} of {token}");
                let is_told = String::from_utf8_lossy(&answer.body).contains(&served);
                assert_eq!(is_told, told.is_some() && answer.status == 200, "{path} of {token}");
            }
        }
    }
    let keyed = || {
        let request = house.server.request(Method::PATCH, "/api/teams/red").bearer_auth(TEAMS);
        let request = request.header("idempotency-key", "once").json(&json!({ "slug": "red" }));
        house.server.send(request)
    };
    for answer in [keyed(), keyed()] {
        assert_eq!((answer.status, commit(&answer)), (200, None), "{answer:?}");
        assert_eq!(
            (&answer.json()["commit"], &answer.json()["changed"]),
            (&json!(null), &json!(false))
        );
    }
    let written = write("/api/teams/new");
    assert_eq!(written.status, 201, "{written:?}");
    assert!(commit(&written).is_some());
    assert_eq!(written.json()["commit"], written.commit());
}

#[test]
fn metrics_without_a_secret_name_no_sheet_that_not_everybody_reads_and_no_caller() {
    let house = House::of(ACCESS, repository(), &[("HEADWATER_INTERNAL_LISTEN", "127.0.0.1:0")]);
    assert_eq!(house.keys(PEOPLE, "/api/people"), ["Ada"]);
    let metrics = format!("http://{}/metrics", house.server.server().internal_address().unwrap());
    let shown = house.server.send(reqwest::Client::new().get(&metrics));
    let shown = String::from_utf8(shown.body).unwrap();
    assert!(shown.contains("headwater_ready 1"), "{shown}");
    for name in ["sheet=\"people\"", "sheet=\"teams\"", "name=\"people\""] {
        assert!(!shown.contains(name), "{name}: {shown}");
    }
    let shown = reqwest::Client::new().get(&metrics).bearer_auth(RELOAD_SECRET);
    let shown = String::from_utf8(house.server.send(shown).body).unwrap();
    assert!(shown.contains("sheet=\"teams\"") && shown.contains("name=\"people\""), "{shown}");
}

#[test]
fn each_token_sees_exactly_its_sheets() {
    let house = House::open(ACCESS);
    assert_eq!(house.sheets(PEOPLE), ["people"]);
    assert_eq!(house.sheets(TEAMS), ["teams"]);
    assert_eq!(house.sheets(ALL), ["people", "plans", "teams"]);
    assert_eq!(house.keys(PEOPLE, "/api/people"), ["Ada"]);
    assert_eq!(house.keys(ALL, "/api/people"), ["Ada", "Eve"]);
    assert_eq!(house.keys(TEAMS, "/api/teams"), ["Red lantern"]);
    for (token, path) in [
        (PEOPLE, "/api/teams"),
        (PEOPLE, "/api/teams/red"),
        (PEOPLE, "/api/people/eve"),
        (PEOPLE, "/api/_history/teams/red"),
        (PEOPLE, "/api/_attachments/teams/red/plan.txt"),
        (TEAMS, "/api/people/ada"),
        (TEAMS, "/api/plans/secret"),
    ] {
        assert_eq!(house.get(Some(token), path).status, 404, "{path}");
        assert_eq!(house.get(Some(ALL), path).status, 200, "{path}");
    }
    let found = |token: &str| {
        let hits = house.get(Some(token), "/api/_search?q=lantern").json();
        hits["items"].as_array().unwrap().iter().map(|hit| hit["sheet"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(PEOPLE), Vec::<Value>::new());
    assert_eq!(found(TEAMS), [json!("teams")]);
    assert_eq!(found(ALL).len(), 2);
    let included = |token: &str| house.get(Some(token), "/api/people/ada?include=team");
    assert_eq!(included(PEOPLE).status, 422, "the other sheet does not exist");
    let all = included(ALL).json();
    assert!(all["included"].to_string().contains("Red lantern"), "{all}");
    let text =
        |token: &str| String::from_utf8(house.get(Some(token), "/openapi.json").body.to_vec());
    assert!(!text(PEOPLE).unwrap().contains("teams") && text(ALL).unwrap().contains("/api/teams"));
}

#[test]
fn followers_and_the_past_show_a_token_its_sheets_alone() {
    let mut house = House::open(ACCESS);
    let first = house.get(Some(ALL), "/api/_status").commit().to_owned();
    let commit = house
        .upstream
        .commit("second")
        .put("teams/blue.toml", "name = \"Blue\"\nslug = \"blue\"\n");
    let commit = commit.put("people/ada.toml", "name = \"Ada L.\"\nteam = \"red\"\n");
    commit.put("people/eve.toml", "gone = true\nname = \"Eve L.\"\n").push();
    house.server.reload().outcome("applied");
    for (token, expected) in [
        (PEOPLE, vec!["people/ada"]),
        (TEAMS, vec!["teams/blue"]),
        (ALL, vec!["people/ada", "people/eve", "teams/blue"]),
    ] {
        for path in ["/api/_changes?since=", "/api/_diff?from="] {
            let changes = house.get(Some(token), &format!("{path}{first}")).json();
            let items = changes["items"].as_array().unwrap().iter();
            let told = items.map(|item| {
                format!("{}/{}", item["sheet"].as_str().unwrap(), item["key"].as_str().unwrap())
            });
            assert_eq!(told.collect::<Vec<_>>(), expected, "{path}");
        }
        let log = house.get(Some(token), "/api/_commits?limit=1").json();
        let sheets: BTreeSet<_> = expected.iter().map(|it| it.split('/').next().unwrap()).collect();
        let counted = log["items"][0]["changed"].as_object().unwrap_or_else(|| panic!("{log}"));
        assert_eq!(counted.keys().map(String::as_str).collect::<BTreeSet<_>>(), sheets);
    }
    assert_eq!(house.keys(TEAMS, &format!("/api/teams?at={first}")), ["Red lantern"]);
    assert_eq!(house.get(Some(PEOPLE), &format!("/api/teams?at={first}")).status, 404);
    assert_eq!(house.keys(ALL, &format!("/api/people?at={first}")), ["Ada", "Eve"]);
    let now = house.upstream.head().unwrap();
    assert_eq!(house.get(Some(PEOPLE), &format!("/api/teams?at={now}")).status, 404);
    assert_eq!(house.get(Some(TEAMS), &format!("/api/people?at={now}")).status, 404);
    assert_eq!(house.keys(PEOPLE, &format!("/api/people?at={now}")), ["Ada L."]);
}

#[test]
fn each_of_the_followers_of_a_push_hears_what_its_token_may_see() {
    let mut house = House::open(ACCESS);
    let House { server, upstream, .. } = &mut house;
    let mut followers = [PEOPLE, TEAMS, ALL].map(|token| {
        Follower::open(server, server.request(Method::GET, "/api/_changes").bearer_auth(token))
    });
    for age in 1..=2 {
        let commit = upstream.commit("next");
        let commit = commit.put("teams/red.toml", format!("age = {age}\nslug = \"red\"\n"));
        commit.put("people/ada.toml", format!("age = {age}\n")).push();
        server.reload().outcome("applied");
        let heard = followers.each_mut().map(|follower| {
            let (name, _, data) = follower.event();
            let items = data["items"].as_array().unwrap().iter();
            let sheets = items.map(|item| item["sheet"].as_str().unwrap().to_owned());
            (name, sheets.collect::<Vec<_>>().join(" "))
        });
        let expected = ["people", "teams", "people teams"];
        assert_eq!(heard, expected.map(|sheets| ("changes".to_owned(), sheets.to_owned())));
    }
}

#[test]
fn who_comes_back_and_reads_something_else_now_starts_over() {
    let mut house = House::open(ACCESS);
    let follow = |house: &House, last: Option<&str>| {
        let request = house.server.request(Method::GET, "/api/_changes").bearer_auth(PEOPLE);
        let request = last.into_iter().fold(request, |it, last| it.header("last-event-id", last));
        let mut follower = Follower::open(&house.server, request);
        let at = follower.at.take();
        (at, last.map(|_| follower.event()))
    };
    let push = |house: &mut House, age: u32| {
        let commit = house.upstream.commit("next");
        commit.put("people/ada.toml", format!("age = {age}\n")).push();
        house.server.reload().outcome("applied");
    };
    let (at, _) = follow(&house, None);
    let first = at.unwrap();
    assert!(first.starts_with(&format!("{}-", house.upstream.head().unwrap())), "{first}");
    push(&mut house, 1);
    let (name, second, _) = follow(&house, Some(&first)).1.unwrap();
    assert_eq!(name, "changes");
    // While it is away, its token gets another sheet. Nothing has changed in the records that it had.
    let more = ACCESS.replacen("read = [\"people\"]", "read = [\"people\", \"teams\"]", 1);
    std::fs::write(&house.file, more).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while house.sheets(PEOPLE).len() < 2 && Instant::now() < end {
        std::thread::yield_now();
    }
    for last in [&first, &second, &house.upstream.head().unwrap()] {
        let (name, third, data) = follow(&house, Some(last)).1.unwrap();
        assert_eq!((&*name, &data["commit"]), ("resync", &json!(house.upstream.head().unwrap())));
        assert!(![&first, &second].contains(&&third), "{third}");
    }
    let (_, third, _) = follow(&house, Some(&second)).1.unwrap();
    push(&mut house, 2);
    let (name, _, data) = follow(&house, Some(&third)).1.unwrap();
    assert_eq!((&*name, &data["items"][0]["sheet"]), ("changes", &json!("people")));
}

#[test]
fn tokens_see_their_sheets_in_a_repository_without_a_remote_and_in_a_plain_clone() {
    for is_plain in [false, true] {
        let (upstream, folder) = (repository(), tempfile::tempdir().unwrap());
        let clone = folder.path().join("clone");
        let how: &[&str] = if is_plain { &["clone", "-q"] } else { &["clone", "-q", "--bare"] };
        let url = upstream.url();
        git(folder.path(), [how, &[&url, clone.to_str().unwrap()]].concat());
        let repo = ("HEADWATER_REPO", clone.to_str().unwrap());
        let house = House::of(ACCESS, upstream, &[repo, ("HEADWATER_REMOTE", "unset")]);
        let first = house.get(Some(ALL), "/api/_status").commit().to_owned();
        let put = |token: &str| {
            let request = house.server.request(Method::PUT, "/api/teams/new").bearer_auth(token);
            house.server.send(request.json(&json!({ "name": "New", "slug": "new" })))
        };
        if is_plain {
            // A work tree is its user's: the server only reads it.
            put(TEAMS).problem(405, "method_not_allowed");
            std::fs::write(clone.join("teams/new.toml"), "name = \"New\"\nslug = \"new\"\n")
                .unwrap();
            git(&clone, ["add", "."]);
            git(&clone, ["commit", "-q", "-m", "a team"]);
            assert_eq!(house.server.reload().status, 200);
        } else {
            assert_eq!(put(PEOPLE).status, 403);
            assert_eq!(put(TEAMS).status, 201);
        }
        assert_eq!(house.get(None, "/api/teams").status, 401);
        assert_eq!(house.sheets(PEOPLE), ["people"]);
        assert_eq!(house.keys(TEAMS, "/api/teams"), ["New", "Red lantern"]);
        assert_eq!(house.keys(ALL, "/api/people"), ["Ada", "Eve"]);
        assert_eq!(house.keys(TEAMS, &format!("/api/teams?at={first}")), ["Red lantern"]);
        let plan = "/api/_attachments/teams/red/plan.txt";
        assert_eq!(house.get(Some(TEAMS), plan).body, b"a plan");
        for path in ["/api/teams/new", &format!("/api/teams?at={first}"), plan] {
            assert_eq!(house.get(Some(PEOPLE), path).status, 404, "{path}");
        }
        for (token, told) in [(PEOPLE, 0), (TEAMS, 1), (ALL, 1)] {
            let changes = house.get(Some(token), &format!("/api/_changes?since={first}")).json();
            assert_eq!(changes["items"].as_array().map(Vec::len), Some(told), "{changes}");
        }
    }
}

#[test]
fn sheets_in_one_another_are_shown_to_each_token_as_they_would_be_to_the_public() {
    let definitions = "[sheets.all]\nroot = '.'\npath = '${{ area }}/${{ slug }}'\npublic = false\n\
                       [sheets.people]\npath = '${{ slug }}'\npublic = false\n";
    let access = "anonymous = { read = [] }\n\
                  [[token]]\nname = \"people\"\nsecret = \"the-secret-for-people\"\n\
                  read = [\"people\"]\n\
                  [[token]]\nname = \"teams\"\nsecret = \"the-secret-for-teams\"\nread = [\"all\"]\n\
                  [[token]]\nname = \"all\"\nsecret = \"the-secret-for-all-of-it\"\nread = [\"*\"]\n";
    let mut upstream = Upstream::new();
    let commit = upstream.commit("first").put("headwater.toml", definitions);
    let home = |name: &str| format!("area = \"site\"\nname = \"{name}\"\nslug = \"home\"\n");
    let ada = |name: &str| format!("area = \"people\"\nname = \"{name}\"\nslug = \"ada\"\n");
    let commit = commit.put("site/home.toml", home("Home")).put("people/ada.toml", ada("Ada"));
    let first = commit.put("people/ada/note.txt", "a note").push();
    let commit = upstream.commit("second").put("people/ada.toml", ada("Ada L."));
    commit.put("site/home.toml", home("Our home")).push();
    let house = House::of(access, upstream, &[]);
    let status = |token: &str, path: &str| house.get(Some(token), path).status;
    for (path, expected) in [
        ("/api/people/ada", [200, 404, 200]),
        ("/api/all/people/ada", [404, 200, 200]),
        ("/api/all/site/home", [404, 200, 200]),
        (&format!("/api/all/people/ada?at={first}"), [404, 200, 200]),
        (&format!("/api/people/ada?at={first}"), [200, 404, 200]),
        ("/api/_history/people/ada", [200, 404, 200]),
        ("/api/_history/all/people/ada", [404, 200, 200]),
        // A file is shown only to those who have every sheet that holds it.
        ("/api/_attachments/people/ada/note.txt", [404, 404, 200]),
    ] {
        let told = [PEOPLE, TEAMS, ALL].map(|token| status(token, path));
        assert_eq!(told, expected, "{path}");
    }
    for (token, expected) in [
        (PEOPLE, vec!["people/ada"]),
        (TEAMS, vec!["all/people/ada", "all/site/home"]),
        (ALL, vec!["all/people/ada", "all/site/home", "people/ada"]),
    ] {
        for path in ["/api/_changes?since=", "/api/_diff?from="] {
            let changes = house.get(Some(token), &format!("{path}{first}")).json();
            let items = changes["items"].as_array().unwrap().iter();
            let told = items.map(|item| {
                format!("{}/{}", item["sheet"].as_str().unwrap(), item["key"].as_str().unwrap())
            });
            assert_eq!(told.collect::<Vec<_>>(), expected, "{path}");
        }
        let found = house.get(Some(token), "/api/_search?q=ada").json();
        let ada = expected.iter().filter(|name| name.ends_with("ada")).count();
        assert_eq!(found["items"].as_array().map(Vec::len), Some(ada), "{found}");
    }
}

#[test]
fn a_token_writes_its_sheets_as_its_author_and_no_others() {
    let house = House::open(ACCESS);
    let put = |token: &str, path: &str| {
        let request = house.server.request(Method::PUT, path).bearer_auth(token);
        house.server.send(request.json(&json!({ "name": "New", "slug": "new" })))
    };
    let done = put(TEAMS, "/api/teams/new");
    assert_eq!(done.status, 201);
    assert_eq!(put(TEAMS, "/api/people/new").status, 403);
    put(ALL, "/api/teams/other").problem(403, "token_scope");
    assert_eq!(put("a-secret-that-nobody-has", "/api/teams/other").status, 401);
    let mirror = house.server.mirror();
    let author = git(mirror, ["log", "-1", "--format=%an <%ae>", done.commit()]);
    assert_eq!(author.trim(), "Teams <teams@example.org>");
}

#[test]
fn what_a_credential_shows_is_kept_by_its_own_cache_only() {
    let house = House::open(&ACCESS.replace("read = [] }", "read = [\"*\"] }"));
    let first = house.get(None, "/api/_status").commit().to_owned();
    let control = |token, path: &str| {
        let answer = house.get(token, path);
        assert!(answer.header("vary").unwrap().contains("authorization"), "{path}");
        answer.header("cache-control").unwrap().to_owned()
    };
    for path in ["/api/people", "/api/people/ada", "/openapi.json", "/api/_sheets"] {
        assert_eq!(control(None, path), "no-cache", "{path}");
        assert_eq!(control(Some(ALL), path), "private, no-cache", "{path}");
    }
    let fixed = format!("/api/people?at={first}");
    assert_eq!(control(Some(ALL), &fixed), "private, max-age=31536000, immutable");
    let tag = |token, path: &str| house.get(token, path).header("etag").unwrap().to_owned();
    for path in ["/api/people", "/api/_search?q=ada", "/api/_sheets"] {
        assert_ne!(tag(None, path), tag(Some(ALL), path), "{path}");
    }
    assert_eq!(house.sheets(PEOPLE), ["people"]);
    assert_eq!(house.get(None, "/api/teams").status, 404);
}

#[test]
fn a_caller_that_sends_too_much_waits_and_is_counted_by_its_name() {
    let house = House::open(ACCESS);
    let slow = Some("the-secret-of-the-slow");
    assert_eq!(house.get(slow, "/api/people").status, 200);
    let limited = std::iter::repeat_with(|| house.get(slow, "/api/people"))
        .find(|answer| answer.status != 200)
        .unwrap();
    limited.problem(429, "rate_limited");
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(house.get(Some(PEOPLE), "/api/people").status, 200, "others are not limited");
    let metrics = house.server.metrics();
    let line =
        "headwater_caller_requests_total{kind=\"token\",name=\"slow\",outcome=\"limited\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_token_that_leaves_the_file_opens_nothing_and_a_broken_file_changes_nothing() {
    let house = House::open(ACCESS);
    assert_eq!(house.get(Some(PEOPLE), "/api/people").status, 200);
    std::fs::write(&house.file, "anonymous = { read = \"everything\" }").unwrap();
    assert_eq!(house.get(Some(PEOPLE), "/api/people").status, 200);
    let without = ACCESS.replace(PEOPLE, "another-secret-for-people");
    std::fs::write(&house.file, without).unwrap();
    // The file is read again every second.
    while house.get(Some(PEOPLE), "/api/people").status == 200 {
        std::thread::yield_now();
    }
    assert_eq!(house.get(Some(PEOPLE), "/api/people").status, 401);
    assert_eq!(house.get(Some("another-secret-for-people"), "/api/people").status, 200);
}

#[test]
fn whoever_stays_hears_nothing_that_is_published_after_its_grants_are_gone() {
    let House { server, mut upstream, file, _folder } = House::open(ACCESS);
    let request = |token: &str, path: &str| server.request(Method::GET, path).bearer_auth(token);
    let ask = |request: RequestBuilder| {
        server.runtime().spawn(async move { request.send().await.unwrap() })
    };
    let follow = |token| Follower::open(&server, request(token, "/api/_changes"));
    let (dismissed, mut restricted) = (follow(TEAMS), follow(ALL));
    let served = upstream.head().unwrap();
    let poll = format!("/api/_changes?since={served}&wait=300");
    let polls = [TEAMS, ALL].map(|token| ask(request(token, &poll)));
    let later = upstream.commit("later").put("teams/blue.toml", "slug = \"blue\"\n").push();
    let waits_for_it = request(TEAMS, "/api/teams").header("x-headwater-min-commit", &later);
    let read = ask(waits_for_it.header("prefer", "wait=300"));
    let counted = |name: &str, count: u32| {
        format!("{{kind=\"token\",name=\"{name}\",outcome=\"admitted\"}} {count}\n")
    };
    let are_in = |metrics: &str| {
        [counted("teams", 3), counted("all", 2)].iter().all(|line| metrics.contains(line))
    };
    while !are_in(&server.metrics()) {
        std::thread::yield_now();
    }
    // One token leaves the file, and the other one reads less.
    let less = ACCESS.replace(TEAMS, "another-secret-for-teams");
    let less = less.replace("read = [\"*\"]\nhidden = true", "read = [\"people\"]");
    let beside = file.with_extension("new");
    std::fs::write(&beside, less).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    // Nothing is published yet.
    let [of_dismissed, of_restricted] = polls.map(|poll| server.runtime().block_on(poll).unwrap());
    assert_eq!(of_dismissed.status(), 401);
    let told: Value = server.runtime().block_on(of_restricted.json()).unwrap();
    assert_eq!(told, json!({ "from": served, "to": served, "resync": true, "items": [] }));
    assert_eq!(dismissed.end(), "");
    let (event, id, _) = restricted.event();
    assert!(event == "resync" && id.starts_with(&format!("{served}-")), "{event} {id}");
    assert_eq!(restricted.end(), "");
    server.reload().outcome("applied");
    let read = server.runtime().block_on(read).unwrap();
    assert_eq!((read.status().as_u16(), read.headers().get("x-headwater-commit")), (401, None));
}
