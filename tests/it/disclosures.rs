//! Private data is not disclosed by any way to an earlier state.

use headwater_engine::cursor::Cursor;
use headwater_testkit::{Fault, GitHttp, Upstream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestServer, people, person};

const SECRET: &str = "hunter2";

/// Returns a remote whose files are all records, one of which has a secret.
fn leaky(definitions: &str) -> Upstream {
    let mut upstream = Upstream::new();
    let mut commit = upstream.commit("first");
    if !definitions.is_empty() {
        commit = commit.put("headwater.toml", definitions);
    }
    let secret = format!("name = \"{SECRET}\"\n");
    commit.put("people/ada.toml", "name = \"Ada\"\n").put("staff/bob.toml", secret).push();
    upstream
}

/// Asks in every way, and checks that no answer discloses the secret or its sheet.
fn tells_nothing(server: &TestServer, at: &str) {
    let of_sheet = |sheet: &str| {
        [
            format!("/api/{sheet}?at={at}"),
            format!("/api/{sheet}/bob?at={at}"),
            format!("/api/_history/{sheet}/bob?at={at}"),
            format!("/api/_changes?since={at}&sheet={sheet}"),
        ]
    };
    let all = [
        format!("/api/_search?q={SECRET}&at={at}"),
        format!("/api/_sheets?at={at}"),
        format!("/api/_problems?at={at}"),
        format!("/api/_diff?from={at}"),
        format!("/api/_changes?since={at}"),
        format!("/openapi.json?at={at}"),
    ];
    let all = all.into_iter().chain(of_sheet("staff")).chain(of_sheet("crew"));
    for path in all {
        let answer = server.get(&path);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        for word in [SECRET, "staff", "bob"] {
            // The answer about a missing item repeats the request.
            let is_echo = matches!(answer.status, 404 | 422) && path.contains(word);
            let told = text.contains(word) && !is_echo;
            assert!(!told, "{path}: {} {text}", answer.status);
        }
    }
    let ada = server.get(&format!("/api/people/ada?at={at}"));
    assert_eq!((ada.status, &ada.json()["name"]), (200, &json!("Ada")));
}

/// Returns the cursor of the history at `commit` that skips `skip` commits.
fn history(commit: &str, skip: impl Into<Value>) -> Cursor {
    Cursor { commit: commit.parse().unwrap(), place: json!([skip.into()]) }
}

#[test]
fn a_sheet_that_was_made_private_renamed_removed_or_only_inferred_tells_nothing() {
    let both = "[sheets.people]\n[sheets.staff]\n";
    for (then, now) in [
        ("", "[sheets.people]\n"),
        (both, "[sheets.people]\n"),
        (both, "[sheets.people]\n[sheets.staff]\npublic = false\n"),
        (both, "[sheets.people]\n[sheets.crew]\nroot = \"staff\"\npublic = false\n"),
    ] {
        let mut upstream = leaky(then);
        let first = upstream.head().unwrap();
        let mut server = TestServer::start(&upstream.url());
        // First in memory and, after the restart, only in the repository.
        assert_eq!(server.get(&format!("/api/staff/bob?at={first}")).status, 200);
        upstream.commit("private").put("headwater.toml", now).push();
        server.reload().outcome(if then.is_empty() { "rebuilt" } else { "applied" });
        tells_nothing(&server, &first);
        server.restart();
        tells_nothing(&server, &first);
    }
}

#[test]
fn a_branch_cannot_say_itself_that_what_is_private_is_public() {
    let private = "[sheets.people]\n[sheets.staff]\npublic = false\n";
    let mut upstream = leaky(private);
    let (published, head) = (upstream.branch().to_owned(), upstream.head().unwrap());
    upstream.set_branch("draft/open");
    upstream.reset_to(&head);
    let open = "[sheets.people]\n[sheets.staff]\n";
    let draft = upstream.commit("open").put("headwater.toml", open).push();
    upstream.set_branch(&published);
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_PREVIEWS", "draft/*")]);
    tells_nothing(&server, "refs%2Fheads%2Fdraft%2Fopen");
    let named = server.get("/api/people?limit=1&at=refs/heads/draft/open");
    assert_eq!((named.status, named.commit()), (200, &*draft));
    for path in ["/api/people?at=", "/api/_diff?from=", "/api/_history/people/ada?at="] {
        let answer = server.get(&format!("{path}{draft}"));
        answer.problem(404, "unknown_commit");
    }
}

#[test]
fn what_was_purged_or_is_newer_than_a_pin_is_unknown_however_often_it_was_asked_for() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let text = person("ada", SECRET, 37);
    let leak = upstream.commit("leak").put("people/ada.toml", text).push();
    let server = TestServer::start(&upstream.url());
    let next = server.get("/api/people?limit=1").json()["next"].as_str().unwrap().to_owned();
    let paths = [
        format!("/api/people/ada?at={leak}"),
        format!("/api/people/ada?at={}", &leak[..8]),
        format!("/api/_diff?from={leak}"),
        format!("/api/_diff?from={first}&to={leak}"),
        format!("/api/_history/people/ada?cursor={}", history(&leak, 0)),
        format!("/api/people?limit=1&at={leak}&cursor={next}"),
    ];
    let asked = |status: u16| {
        for path in &paths {
            assert_eq!(server.get(path).status, status, "{path}");
        }
    };
    asked(200);
    let body = json!({ "commit": first }).to_string();
    let pin = server.request(Method::POST, "/api/_internal/pin").body(body);
    let pin = pin.bearer_auth(crate::harness::OPERATOR_SECRET);
    assert_eq!(server.send(pin).status, 200);
    let gone = |path: &String| {
        let answer = server.get(path);
        let is_list = path.contains("&cursor=");
        let (status, code) =
            if is_list { (410, "cursor_expired") } else { (404, "unknown_commit") };
        answer.problem(status, code);
    };
    paths.iter().for_each(gone);
    let unpin = server.request(Method::POST, "/api/_internal/unpin");
    assert_eq!(server.send(unpin.bearer_auth(crate::harness::OPERATOR_SECRET)).status, 200);
    asked(200);

    upstream.reset_to(&first);
    upstream.commit("fixed").put("people/grace.toml", person("grace", "Grace", 1)).push();
    let id = server.reload().problem(409, "diverged")["heldId"].as_str().unwrap().to_owned();
    assert_eq!(server.apply(&id).status, 200);
    paths.iter().for_each(gone);
    let told = |digits: &str| {
        let answer = server.get(&format!("/api/people/ada?at={digits}"));
        assert!(!String::from_utf8_lossy(&answer.body).contains(&*leak), "{digits}");
        answer.problem(404, "unknown_commit")["detail"].clone()
    };
    assert_eq!(told(&leak[..7]), told("0123abc"), "its former existence is not disclosed");
    let changes = server.get(&format!("/api/_changes?since={leak}")).json();
    assert_eq!((&changes["resync"], &changes["items"]), (&json!(true), &json!([])));
}

#[test]
fn a_record_that_is_hidden_now_was_never_there_and_has_no_history_by_any_cursor() {
    let mut upstream = Upstream::new();
    let rules = |text: &'static str| ("headwater.toml", text);
    let (path, text) = rules("[sheets.people]\n");
    let first = upstream.commit("first").put(path, text).put("people/z.toml", "n = 1\n");
    let first = first.put("people/bob.toml", format!("gone = \"{SECRET}\"\n")).push();
    let (path, text) = rules("[sheets.people]\nhidden = \"gone\"\n");
    let second = upstream.commit("hide").put(path, text).push();
    let server = TestServer::start(&upstream.url());
    let list = server.get(&format!("/api/people?at={first}")).json();
    assert_eq!((&list["total"], &list["items"][0]["key"]), (&json!(1), &json!("z")));
    for path in [
        format!("/api/people/bob?at={first}"),
        format!("/api/_history/people/bob?at={first}"),
        format!("/api/_history/people/bob?at={first}&cursor={}", history(&second, 0)),
        format!("/api/_history/people/bob?cursor={}", history(&first, 0)),
    ] {
        server.get(&path).problem(404, "not_found");
    }
    let diff = server.get(&format!("/api/_diff?from={first}&to={second}")).json();
    assert_eq!(diff["total"], 0);
}

#[test]
fn a_filter_does_not_tell_what_a_record_said_that_is_hidden_since() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let text = format!("deletedAt = true\n{}", person("ada", "Ada Lovelace", 36));
    upstream.commit("hide").put("people/ada.toml", text).push();
    server.reload().outcome("applied");
    let told = |filter: &str| -> Value {
        let path = format!("/api/_changes?since={first}&sheet=people{filter}");
        server.get(&path).json()["items"].clone()
    };
    let left = json!([{"sheet": "people", "key": "ada", "change": "leave", "value": null}]);
    for filter in ["", "&age=36", "&age=99"] {
        assert_eq!(told(filter), left, "{filter}");
    }
    let walked = server.get(&format!("/api/people?limit=5&at={first}")).json();
    assert_eq!(walked["total"], 1);
}

#[test]
fn a_file_beside_a_record_is_not_shown_where_a_sheet_claims_it_now() {
    let mut upstream = people();
    let first = upstream.commit("file").put("people/ada/note.toml", "pin = 1234\n").push();
    let notes =
        "[gitsheet]\nroot = \"people/ada\"\npath = \"${{ id }}\"\n[headwater]\npublic = false\n";
    let server = TestServer::start(&upstream.url());
    let file = format!("/api/_attachments/people/ada/note.toml?at={first}");
    assert_eq!(server.get(&file).status, 200);
    upstream.commit("notes").put(".gitsheets/notes.toml", notes).push();
    server.reload().outcome("applied");
    server.get(&file).problem(404, "not_found");
    // Nor does it have a history as a record of the other sheet.
    server.get("/api/_history/people/ada/note").problem(404, "not_found");
}

#[test]
fn a_file_beside_a_record_is_not_shown_where_it_is_of_a_private_sheet_or_of_none_now() {
    let people = "[sheets.people]\npath = \"${{ slug }}\"\n";
    let crew = "[sheets.crew]\nroot = \"people\"\npath = \"${{ slug }}\"\nformat = \"yaml\"\n";
    for (now, status) in [
        (format!("{people}index = [\"slug\"]\n"), 200),
        (format!("{people}{crew}"), 200),
        (format!("{people}{crew}public = false\n"), 404),
        (format!("{people}{crew}language = \"xx\"\n"), 404),
        ("[sheets.people]\n".to_owned(), 404),
        ("[sheets.people]\npath = \"${{ area }}/${{ slug }}\"\n".to_owned(), 404),
    ] {
        let mut upstream = Upstream::new();
        let commit = upstream.commit("first").put("headwater.toml", people);
        let commit = commit.put("people/ada.toml", "slug = \"ada\"\n");
        let first = commit.put("people/ada/cv.pdf", "text").push();
        upstream.commit("now").put("headwater.toml", now.as_str()).push();
        let server = TestServer::start(&upstream.url());
        let file = format!("/api/_attachments/people/ada/cv.pdf?at={first}");
        assert_eq!(server.get(&file).status, status, "{now}");
    }
}

#[test]
fn a_cursor_of_a_history_that_no_number_holds_is_none() {
    let upstream = people();
    let head = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    for skip in [json!(u64::MAX), json!(1_u64 << 31), json!(-1), json!(1e30), json!("1")] {
        let path = format!("/api/_history/people/ada?cursor={}", history(&head, skip));
        server.get(&path).problem(422, "invalid_query");
    }
    let far = history(&head, 2_147_483_000_u32);
    let far = server.get(&format!("/api/_history/people/ada?cursor={far}"));
    assert_eq!((far.status, &far.json()["items"]), (200, &json!([])));
}

#[test]
fn many_names_of_branches_cost_the_remote_one_question() {
    let mut upstream = people();
    let (published, head) = (upstream.branch().to_owned(), upstream.head().unwrap());
    upstream.set_branch("draft/a");
    upstream.reset_to(&head);
    upstream.commit("draft").put("people/new.toml", person("new", "New", 1)).push();
    upstream.set_branch(&published);
    let git = GitHttp::serve(upstream.parent());
    let server = TestServer::with(&git.url("upstream.git"), &[("HEADWATER_PREVIEWS", "draft/*")]);
    assert_eq!(server.get("/api/people/new?at=refs/heads/draft/a").status, 200);
    let before = git.requests();
    for n in 0..60 {
        let path = format!("/api/people/new?at=refs/heads/draft/n{n}");
        server.get(&path).problem(404, "unknown_commit");
        assert_eq!(server.get("/api/people/new?at=refs/heads/draft/a").status, 200);
    }
    // The answer of the remote is cached for five seconds, and a machine may be slow.
    assert!(git.requests() - before < 30, "{} requests", git.requests() - before);
}

#[test]
fn a_remote_that_hangs_holds_nobody_but_those_who_want_a_preview() {
    let mut upstream = people();
    let first = upstream.head().unwrap();
    let second = upstream.commit("age").put("people/ada.toml", person("ada", "Ada", 37)).push();
    let git = GitHttp::serve(upstream.parent());
    let server = TestServer::with(&git.url("upstream.git"), &[("HEADWATER_PREVIEWS", "draft/*")]);
    git.fail(Fault::Hang);
    let preview = server.request(Method::GET, "/api/people?at=refs/heads/draft/a").send();
    let preview = server.runtime().spawn(preview);
    git.wait_until_hanging(1);
    for path in [
        format!("/api/people/ada?at={first}"),
        format!("/api/_diff?from={first}&to={second}"),
        format!("/api/_history/people/ada?at={second}"),
        format!("/api/_changes?since={first}"),
    ] {
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
    git.recover();
    let answer = server.runtime().block_on(preview).unwrap().unwrap();
    assert_eq!(answer.status(), 404);
}

#[test]
fn what_is_meant_by_a_wrong_key_is_sought_among_what_everybody_sees() {
    let mut upstream = Upstream::new();
    let first =
        upstream.commit("first").put("headwater.toml", "[sheets.people]\nhidden = \"gone\"\n");
    let mut first = first.put("people/alpha1234.toml", "n = 1\n");
    // There are very many, each of them nearer or before the one that is shown.
    for n in 0..1_100 {
        first = first.put(format!("people/alpha100{n:04}.toml"), "gone = true\n");
    }
    first.put("people/alpha12345.toml", "gone = true\n").push();
    let server = TestServer::start(&upstream.url());
    for key in ["alpha123456", "alpha12345", "alpha12345.toml", "alpha123"] {
        for route in ["/api/people", "/api/_history/people"] {
            let problem = server.get(&format!("{route}/{key}")).problem(404, "not_found");
            let detail = problem["detail"].as_str().unwrap();
            let meant = (key != "alpha12345.toml").then_some("; did you mean alpha1234?");
            let told = format!("no such record `{key}` in people{}", meant.unwrap_or_default());
            assert_eq!(detail, told);
        }
    }
}

#[test]
fn a_record_whose_file_cannot_be_read_any_more_has_no_past_where_records_are_hidden() {
    let mut upstream = Upstream::new();
    let rules = "[sheets.people]\nhidden = \"gone\"\npolicy = \"quarantine\"\n";
    let first = upstream.commit("first").put("headwater.toml", rules);
    let first = first.put("people/z.toml", "n = 1\n").put("people/bob.toml", "n = 2\n").push();
    let gone = upstream.commit("hide").put("people/bob.toml", "gone = true\n").push();
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUARANTINE_SHARE", "100")]);
    let has_no_past = |case: &str| {
        for path in [
            "/api/people/bob".to_owned(),
            "/api/_history/people/bob".to_owned(),
            format!("/api/people/bob?at={first}"),
            format!("/api/_history/people/bob?at={first}"),
            format!("/api/_history/people/bob?cursor={}", history(&first, 0)),
        ] {
            let problem = server.get(&path).problem(404, "not_found");
            assert!(problem["detail"].is_string(), "{case}: {path}");
        }
        for query in [format!("from={first}"), format!("from={first}&to={gone}")] {
            assert_eq!(server.get(&format!("/api/_diff?{query}")).json()["total"], 0, "{case}");
        }
        let list = server.get(&format!("/api/people?at={first}")).json();
        assert_eq!(list["total"], 1, "{case}");
        let told = server.get(&format!("/api/_changes?since={first}")).json();
        let left = json!([{"sheet": "people", "key": "bob", "change": "leave", "value": null}]);
        assert_eq!(told["items"], left, "{case}");
    };
    has_no_past("hidden");
    for (case, text) in [
        ("malformed", "n = = 1\n".to_owned()),
        ("too large", format!("n = \"{}\"\n", "x".repeat(2 << 20))),
    ] {
        upstream.commit(case).put("people/bob.toml", text).push();
        server.reload().outcome("applied");
        has_no_past(case);
    }
    // A record that can be read again is shown again.
    upstream.commit("mended").put("people/bob.toml", "n = 3\n").push();
    server.reload().outcome("applied");
    assert_eq!(server.get(&format!("/api/people/bob?at={first}")).json()["n"], 2);
    assert_eq!(server.get("/api/_history/people/bob").status, 200);
}

#[test]
fn a_record_that_is_hidden_under_another_spelling_of_its_key_has_no_past() {
    let (composed, decomposed) = ("\u{e9}", "e\u{301}");
    for (then, now) in [(decomposed, composed), (composed, decomposed)] {
        let mut upstream = Upstream::new();
        let rules = ("headwater.toml", "[sheets.people]\nhidden = \"gone\"\n");
        let first = upstream.commit("first").put(rules.0, rules.1).put("people/z.toml", "n = 1\n");
        let first = first.put(format!("people/{then}.toml"), "n = 2\n").push();
        let hide = upstream.commit("hide").delete(format!("people/{then}.toml"));
        hide.put(format!("people/{now}.toml"), "gone = true\n").push();
        let server = TestServer::start(&upstream.url());
        for key in ["%C3%A9", "e%CC%81"] {
            for path in [
                format!("/api/people/{key}?at={first}"),
                format!("/api/_history/people/{key}"),
                format!("/api/_history/people/{key}?at={first}"),
            ] {
                server.get(&path).problem(404, "not_found");
            }
        }
        assert_eq!(server.get(&format!("/api/people?at={first}")).json()["total"], 1);
        assert_eq!(server.get(&format!("/api/_diff?from={first}")).json()["total"], 0);
    }
}

#[test]
fn what_defines_sheets_is_no_record_of_a_sheet_that_takes_every_file() {
    let mut upstream = Upstream::new();
    let rules = "[sheets.all]\nroot = \".\"\nformat = \"toml\"\n\
                 [sheets.staff]\nroot = \"secret-staff\"\npublic = false\n";
    let first = upstream.commit("first").put("headwater.toml", rules);
    first.put("deep/headwater.toml", "n = 1\n").put("a.toml", "n = 1\n").push();
    let server = TestServer::start(&upstream.url());
    let list = server.get("/api/all").json();
    let keys: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["key"]).collect();
    assert_eq!(keys, ["a", "deep/headwater"]);
    server.get("/api/all/headwater").problem(404, "not_found");
    server.get("/api/_history/all/headwater").problem(404, "not_found");
    upstream.commit("again").put("headwater.toml", format!("{rules}# more\n")).push();
    server.reload();
    server.get("/api/all/headwater").problem(404, "not_found");
    assert!(!String::from_utf8_lossy(&server.get("/api/_sheets").body).contains("staff"));
}

#[test]
fn a_record_that_is_hidden_in_a_list_has_no_past_under_any_key_that_it_had() {
    let mut upstream = Upstream::new();
    let rules = "[sheets.staff]\nfile = \"staff.csv\"\nhidden = \"h\"\n[sheets.people]\n";
    let first = upstream.commit("first").put("headwater.toml", rules);
    let first = first.put("people/ada.toml", "name = \"Ada\"\n");
    let first = first.put("staff.csv", format!("who,pay,h\nBob,1,\n{SECRET},90000,\n")).push();
    let server = TestServer::start(&upstream.url());
    assert_eq!(server.get("/api/staff/2").json()["who"], SECRET);
    // The keys are positions: what was 2 is 3 now.
    let now = format!("who,pay,h\nAl,3,\nBob,1,\n{SECRET},90000,true\n");
    let second = upstream.commit("hide").put("staff.csv", now).push();
    server.reload().outcome("applied");
    for path in [
        format!("/api/staff?at={first}"),
        format!("/api/_search?q={SECRET}&at={first}"),
        format!("/api/_search?q=90000&at={first}"),
        format!("/api/_diff?from={first}"),
        format!("/api/_changes?since={first}"),
        format!("/api/_commits?until={first}"),
    ] {
        let answer = server.get(&path);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{path}: {text}");
        let told = text.replace(&format!("\"q\":\"{SECRET}\""), "");
        assert!(!told.contains(SECRET) && !told.contains("90000,"), "{path}: {text}");
    }
    for key in ["1", "2", "3"] {
        for at in ["".to_owned(), format!("?at={first}"), format!("?at={second}")] {
            let history = server.get(&format!("/api/_history/staff/{key}{at}"));
            // What is there now has no history either.
            match server.get(&format!("/api/staff/{key}{at}")).status {
                200 => {
                    assert_eq!(history.json(), json!({ "items": [], "next": null }), "{key}{at}")
                }
                _ => drop(history.problem(404, "not_found")),
            }
        }
        server.get(&format!("/api/staff/{key}?at={first}")).problem(404, "not_found");
    }
    // Who was away is told what is there now, and that the rest is not.
    let told = server.get(&format!("/api/_changes?since={first}")).json();
    let items: Vec<_> = told["items"].as_array().unwrap().iter().map(|item| &item["key"]).collect();
    assert_eq!(items, ["1", "2"], "{told}");
    let log = server.get(&format!("/api/_commits?until={first}")).json();
    assert_eq!(log["items"][0]["changed"].get("staff"), None, "{log}");
    // Nothing is hidden there any more.
    upstream.commit("show").put("staff.csv", "who,pay,h\nAl,3,\nBob,1,\n").push();
    server.reload().outcome("applied");
    assert_eq!(server.get(&format!("/api/staff/1?at={first}")).json()["who"], "Bob");
    assert_eq!(server.get("/api/_history/staff/1").status, 200);
}

#[test]
fn a_record_that_nobody_ever_saw_has_no_history_whatever_the_limit_is() {
    let mut upstream = Upstream::new();
    let rules = "[sheets.people]\nhidden = \"gone\"\npolicy = \"quarantine\"\n";
    let first = upstream.commit("first").put("headwater.toml", rules);
    first.put("people/ada.toml", "n = 0\n").push();
    let mut commits = Vec::new();
    for n in 1..8 {
        let mut commit = upstream.commit("a change").put("people/ada.toml", format!("n = {n}\n"));
        commit = match n {
            1..=4 => commit.put("people/jane.toml", format!("gone = true\nn = {n}\n")),
            5 => commit.put("people/jane.toml", "n = = 1"),
            6 => commit.delete("people/jane.toml"),
            _ => commit,
        };
        commits.push(commit.push());
    }
    let server = TestServer::with(&upstream.url(), &[("HEADWATER_QUARANTINE_SHARE", "100")]);
    let told = |key: &str, query: &str| {
        let answer = server.get(&format!("/api/_history/people/{key}?{query}"));
        let problem = answer.problem(404, "not_found");
        problem["detail"].as_str().unwrap().replace(key, "KEY")
    };
    for limit in ["limit=1", "limit=2", "limit=100", ""] {
        assert_eq!(told("jane", limit), told("zoe", limit));
        for at in &commits {
            let query = format!("{limit}&at={at}");
            assert_eq!(told("jane", &query), told("zoe", &query), "{query}");
        }
    }
    // A version behind all of these is found, and a page whose last version is the first of all is
    // the last one.
    for (n, text) in [(1, "n = 1\n"), (2, "gone = 1\n"), (3, "gone = 2\n"), (4, "gone = 3\n")] {
        upstream.commit(&format!("kim {n}")).put("people/kim.toml", text).push();
    }
    upstream.commit("no kim").delete("people/kim.toml").push();
    server.reload().outcome("applied");
    let page = server.get("/api/_history/people/kim?limit=1").json();
    assert_eq!(page["items"][0]["summary"], "kim 2", "{page}");
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/api/_history/people/kim?limit=1&cursor={next}")).json();
    assert_eq!((&page["items"][0]["summary"], &page["next"]), (&json!("kim 1"), &Value::Null));
    let page = server.get("/api/_history/people/kim?limit=2").json();
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (2, &Value::Null));
}
