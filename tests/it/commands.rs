//! The commands, as the program itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use headwater_engine::load::load;
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_testkit::{Answer, ScriptedHttp, Upstream, fixtures, git};
use serde_json::json;

use crate::harness::{BROKEN, OPERATOR_SECRET, TestServer, people, person};

/// Returns the program, without settings from the environment of the tests.
pub(crate) fn headwater(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("HEADWATER_") || name.starts_with("CFP_") {
            command.env_remove(name);
        }
    }
    command
}

#[track_caller]
fn run(arguments: &[&str], code: i32) -> String {
    told(headwater(arguments).output().unwrap(), code)
}

#[track_caller]
fn told(output: Output, code: i32) -> String {
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (out, err) = (out.unwrap(), err.unwrap());
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    out + &err
}

fn path(upstream: &Upstream) -> String {
    upstream.path().to_str().unwrap().to_owned()
}

#[test]
fn check_passes_a_sound_commit_and_names_the_problems_of_a_broken_one() {
    let mut upstream = people();
    let repo = path(&upstream);
    let sound = run(&["check", "--repo", &repo], 0);
    assert!(sound.contains("2 records, 1 sheet, 0 problems"), "{sound}");
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let broken = run(&["check", "--repo", &repo], 1);
    assert!(broken.contains("people/broken.toml:1:") && broken.contains("[malformed]"), "{broken}");
    run(&["check", "--repo", &repo, "--rev", "HEAD~1"], 0);
    run(&["check", "--repo", &repo, "--rev", "nothing"], 65);
    run(&["check", "--repo", "/nowhere/at/all"], 78);
}

#[test]
fn check_writes_problems_as_json_and_as_annotations() {
    let mut upstream = people();
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let repo = path(&upstream);
    let json = run(&["check", "--repo", &repo, "--format", "json"], 1);
    let problem: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&problem["path"], &problem["line"], &problem["rule"]),
        (&"people/broken.toml".into(), &1.into(), &"malformed".into())
    );
    let github = run(&["check", "--repo", &repo, "--format", "github"], 1);
    assert!(github.starts_with("::error file=people/broken.toml,line=1,col="), "{github}");
    assert!(github.ends_with("2 records, 1 sheet, 1 problem\n"), "{github}");
}

#[test]
fn check_writes_what_is_worth_a_word_as_json_too() {
    let mut upstream = people();
    let repo = path(&upstream);
    assert_eq!(run(&["check", "--repo", &repo, "--format", "json"], 0), "");
    let folk = "[sheets.folk]\nroot = \"folk\"\nformat = \"toml\"\n";
    upstream.commit("declare").put("headwater.toml", folk).push();
    let told = run(&["check", "--repo", &repo, "--format", "json"], 0);
    let told: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = told.iter().map(|line| (&line["notice"], line.get("rule"))).collect();
    assert_eq!(kinds, [(&"no_file".into(), None)]);
    assert_eq!(told[0]["sheet"], "folk");
    let words = told[0]["message"].as_str().unwrap();
    assert!(words.contains("there is no folder folk"), "{words}");
    let mut bare = Upstream::new();
    bare.commit("no record").put("LICENSE", "MIT").push();
    let told = run(&["check", "--repo", &path(&bare), "--format", "json"], 0);
    assert!(told.contains(r#""notice":"no_record""#) && told.lines().count() == 1, "{told}");
}

#[test]
fn check_works_in_a_work_tree_and_in_a_shallow_clone() {
    let mut upstream = people();
    upstream.commit("more").put("people/b.toml", person("b", "B", 1)).push();
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), ["clone", "-q", "--depth=1", &*upstream.url(), "work"]);
    let work = folder.path().join("work");
    let output = headwater(&["check"]).current_dir(&work).output().unwrap();
    assert!(told(output, 0).contains("3 records"));
}

#[test]
fn diff_tells_record_by_record_what_a_push_changes() {
    let mut upstream = people();
    upstream
        .commit("all kinds")
        .put("people/ada.toml", person("ada", "Ada Byron", 36))
        .put("people/new.toml", person("new", "New", 1))
        .put("people/broken.toml", BROKEN)
        .delete("people/grace.toml")
        .push();
    let text = run(&["diff", "--repo", &path(&upstream), "HEAD~1", "HEAD"], 0);
    for line in [
        "added     people/new",
        "modified  people/ada  bio, name",
        "removed   people/grace",
        "problem   people/broken.toml:1:",
        "3 records changed: people +1 ~1 -1",
        "this push would be refused: 1 problem",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let back = run(&["diff", "--repo", &path(&upstream), "HEAD", "HEAD~1"], 0);
    assert!(back.contains("mended    people/broken.toml") && !back.contains("refused"), "{back}");
}

#[test]
fn verify_finds_no_difference_in_a_history() {
    let mut upstream = people();
    for age in 1..5 {
        upstream.commit("age").put("people/ada.toml", person("ada", "Ada", age)).push();
    }
    upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let repo = path(&upstream);
    let text = run(&["verify", "--repo", &repo], 0);
    assert!(text.contains("6 commits") && text.ends_with("0 differences\n"), "{text}");
    assert!(run(&["verify", "--repo", &repo, "--last", "2"], 0).contains("2 commits"));
    assert!(run(&["verify", "--repo", &repo, "--all"], 0).contains("6 commits"));
}

#[test]
fn init_proposes_an_index_over_a_field_that_most_records_have() {
    let mut upstream = Upstream::new();
    let note = |fields: &str| format!("---\n{fields}---\nThe body.\n");
    upstream
        .commit("notes")
        .put("notes/a.md", note("agenda: x\nauthor: {name: A}\ntitle: A\n"))
        .put("notes/b.md", note("author: {name: B}\ntitle: B\n"))
        .put("plain/a.md", "Only a body.\n")
        .push();
    let definitions = run(&["init", "--repo", &path(&upstream)], 0);
    assert!(definitions.contains("\n# index = [\"title\"]"), "{definitions}");
    assert_eq!(definitions.matches("# index").count(), 1, "{definitions}");
}

#[test]
fn init_prints_definitions_that_read_the_same_records() {
    let mut upstream = Upstream::new();
    upstream
        .commit("nothing declared")
        .put("posts/2024/one.json", r#"{"title":"One"}"#)
        .put("posts/two.json", r#"{"title":"Two"}"#)
        .put("people/ada.yaml", "name: Ada\n")
        .put("contact.json", "{}")
        .push();
    let repo = path(&upstream);
    let inferred = TestServer::start(&upstream.url());
    let definitions = run(&["init", "--repo", &repo], 0);
    assert!(definitions.contains("[sheets.posts]"), "{definitions}");
    let left_out = "# 1 record in the root of the repository would be left out";
    assert!(definitions.contains(left_out) && !definitions.contains("[sheets.root]"));
    upstream.commit("declare").put("headwater.toml", definitions).push();
    assert!(run(&["check", "--repo", &repo], 0).contains("3 records, 2 sheets, 0 problems"));
    let declared = TestServer::start(&upstream.url());
    for path in ["/api/posts/2024/one", "/api/posts/two", "/api/people/ada"] {
        assert_eq!(declared.get(path).json(), inferred.get(path).json());
    }
    run(&["init", "--repo", &repo], 65);
}

/// Returns each record by its file and, in a file of many, its value.
fn records(repo: &str) -> BTreeSet<(String, String)> {
    let mirror = Mirror::open(Path::new(repo), MirrorOptions::default()).unwrap();
    let objects = mirror.objects().unwrap();
    let commit = objects.resolve("HEAD").unwrap();
    let snapshot = load(&objects, commit, &LoadOptions::default()).unwrap();
    assert_eq!(snapshot.layout().problems().count(), 0);
    let records = snapshot.sheets().flat_map(|sheet| sheet.records());
    records.map(|record| (record.path(), record.value.as_str().to_owned())).collect()
}

#[test]
fn what_init_prints_for_the_fixtures_reads_the_same_records() {
    for (mut upstream, lists) in [(fixtures::mixed(), false), (fixtures::tables(), true)] {
        let repo = path(&upstream);
        let mut inferred = records(&repo);
        let definitions = run(&["init", "--repo", &repo, "--schema"], 0);
        assert_eq!(definitions.contains("\nkey = \"${{ "), lists, "{definitions}");
        upstream.commit("declare").put("headwater.toml", &*definitions).push();
        let declared = records(&repo);
        // Only files in the root are left out, and they are named.
        let is_left_out =
            |path: &str| !path.contains('/') && !declared.iter().any(|(other, _)| other == path);
        inferred.retain(|(path, _)| {
            assert!(!is_left_out(path) || definitions.contains(&**path), "{path}: {definitions}");
            !is_left_out(path)
        });
        assert_eq!(declared, inferred, "{definitions}");
    }
}

#[test]
fn init_looks_at_folders_shapes_and_values() {
    let mut upstream = Upstream::new();
    let mut commit = upstream.commit("much");
    for n in 0..12 {
        let (stage, author) = (["idea", "done"][n % 2], ["ann", "bob"][n % 2]);
        let book = json!({"id": n, "title": format!("T{n}"), "stage": stage, "author": author,
                          "about": {"pages": n, "series": null}});
        commit = commit.put(format!("data/books/{n}.json"), book.to_string());
    }
    let rows = "code,zip,opened\nA,01010,true\nB,7,false\n";
    commit
        .put("data/people/ann.json", r#"{"slug":"ann","full":"Ann"}"#)
        .put("data/people/bob.json", r#"{"slug":"bob","full":"Bob"}"#)
        .put("data/site.json", r#"{"base":"/"}"#)
        .put("shops/all.csv", rows)
        .put("shops/more.yaml", "town: X\n")
        .put("list.ndjson", "{\"id\":1}\n{\"id\":2}\n")
        .put("_drafts/x.md", "x\n")
        .push();
    let repo = path(&upstream);
    let told = run(&["init", "--repo", &repo, "--schema"], 0);
    for line in [
        "[sheets.books]\nroot = \"data/books\"\nformat = \"json\"\n",
        "index = [\"stage\"]  # to filter, sort and count by\n",
        "unique = [\"id\"]\n# also unique so far: \"title\"\n",
        "refs = { author = \"people\" }\n",
        "[sheets.people]\nroot = \"data/people\"\n",
        "path = \"${{ slug }}\"  # deeper files are another sheet\n",
        "[sheets.shops]\nroot = \"shops\"\nformat = \"csv\"\nkey = \"${{ code }}\"\n\
         # types = { zip = \"string\" }",
        "[sheets.shops-yaml]\nroot = \"shops\"\nformat = \"yaml\"\n",
        "[sheets.list]\nfile = \"list.ndjson\"\n",
        "[sheets.books.schema.properties]\n\
         about = { type = \"object\", properties = { pages = { type = \"integer\" }, \
         series = { type = \"null\" } } }\nauthor = { type = \"string\" }\n",
        "# Note: the folder _drafts is skipped, with 1 file: its name begins with _.\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let inferred = records(&repo);
    upstream.commit("declare").put("headwater.toml", &*told).push();
    assert_eq!(records(&repo), inferred, "{told}");
    let checked = run(&["check", "--repo", &repo], 0);
    assert!(checked.contains("20 records, 6 sheets, 0 problems"), "{checked}");
    let get = |place: &str| run(&["get", place, "--repo", &repo], 0);
    assert!(get("books/3").contains("T3") && get("shops/all/A").contains("01010"));
    assert!(get("list/2").contains('2'));
}

#[test]
fn the_operator_lets_a_held_push_through_and_goes_back_again() {
    let mut upstream = people();
    let good = upstream.head().unwrap();
    let server = TestServer::start(&upstream.url());
    let broken = upstream.commit("break").put("people/broken.toml", BROKEN).push();
    let id = server.reload().problem(500, "push_refused")["heldId"].as_str().unwrap().to_owned();
    let address = server.url("");
    let apply = |secret: Option<&str>, id: &str| {
        let mut command = headwater(&["apply", id, "--server", &address]);
        secret.map(|secret| command.env("HEADWATER_OPERATOR_SECRET", secret));
        command.output().unwrap()
    };
    assert!(told(apply(None, &id), 78).contains("HEADWATER_OPERATOR_SECRET"));
    assert!(told(apply(Some("wrong-wrong-wrong-wrong"), &id), 65).contains("unauthorized"));
    assert!(told(apply(Some(OPERATOR_SECRET), "1-1"), 65).contains("not_found"));
    assert!(told(apply(Some(OPERATOR_SECRET), &id), 0).contains(&broken));

    let order = |words: &[&str]| {
        let mut command = headwater(words);
        command.args(["--server", &address]).env("HEADWATER_OPERATOR_SECRET", OPERATOR_SECRET);
        command.output().unwrap()
    };
    assert!(told(order(&["pin", &good]), 0).contains(&good));
    assert!(told(order(&["pin", "nothing"]), 65).contains("invalid_body"));
    assert!(told(order(&["unpin"]), 0).contains(&broken));
    assert!(told(order(&["audit"]), 0).starts_with("unchanged"));
    assert_eq!(server.get("/api/people/ada").commit(), broken);
}

#[test]
fn the_secret_of_the_operator_goes_to_the_named_server_and_to_nobody_else() {
    let elsewhere = ScriptedHttp::start([Answer::json(200, "{}")]);
    for status in [301, 302, 303, 307, 308] {
        let moved = Answer::json(status, "{}").header("location", &elsewhere.url("/stolen"));
        let server = ScriptedHttp::start([moved]);
        let mut command = headwater(&["pin", "HEAD", "--server", &server.url("")]);
        command.env("HEADWATER_OPERATOR_SECRET", OPERATOR_SECRET);
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
            command.env(proxy, elsewhere.url(""));
        }
        let told = told(command.output().unwrap(), 69);
        assert!(told.contains("/stolen") && told.contains("own address"), "{told}");
        let [request] = &server.received()[..] else { panic!("{status}: one request") };
        assert_eq!(request.header("x-headwater-key"), Some(OPERATOR_SECRET));
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn ready_asks_a_server_and_its_code_says_what_it_is_told() {
    let upstream = people();
    let mut server = TestServer::start(&upstream.url());
    let address = server.url("");
    assert_eq!(run(&["ready", "--server", &address, "--max-lag", "60"], 0), "ready\n");
    let below = run(&["ready", "--server", &server.url("/below")], 1);
    assert!(below.contains("base path"), "{below}");
    server.stop();
    assert!(run(&["ready", "--server", &address], 69).contains("no answer"));
    let away = format!("file://{}", upstream.parent().join("nowhere").display());
    let loading = TestServer::loading(&away, &[]);
    let told = run(&["ready", "--server", &loading.url("")], 1);
    assert!(!told.contains('{') && told.len() > 1, "{told}");
}

#[test]
fn a_shell_that_reads_the_completions_proposes_commands_and_flags() {
    let completions = run(&["completions", "bash"], 0);
    let propose = |words: &str, word: &str| {
        let count = words.split(' ').count();
        let script = format!(
            "{completions}\nCOMP_WORDS=({words} {word}); COMP_CWORD={count}\n\
             _headwater headwater '{word}' ''\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        told(Command::new("bash").args(["-c", &script]).output().unwrap(), 0)
    };
    assert_eq!(propose("headwater", "veri"), "verify\n");
    assert_eq!(propose("headwater serve", "--poll"), "--poll-interval\n");
    run(&["completions", "tcl"], 64);
}

#[test]
fn settings_that_are_wrong_end_serve_before_the_port_opens() {
    run(&["serve", "--nothing"], 64);
    let folder = tempfile::tempdir().unwrap();
    let nowhere = headwater(&["serve"]).current_dir(folder.path()).output().unwrap();
    assert!(told(nowhere, 78).contains("--repo"));
    assert!(run(&["serve", "--repo", "/nowhere/at/all", "--listen", "127.0.0.1:0"], 78).len() > 1);
    let mut short = headwater(&["serve", "--repo", "x"]);
    short.env("HEADWATER_RELOAD_SECRET", "hunter2");
    let text = told(short.output().unwrap(), 78);
    assert!(text.contains("HEADWATER_RELOAD_SECRET") && !text.contains("hunter2"), "{text}");
}

#[test]
fn serve_prints_its_address_logs_why_a_push_is_held_and_ends_on_a_signal() {
    use std::io::{BufRead, BufReader, Read};
    let mut upstream = fixtures::civic();
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror.git");
    let arguments = [
        "serve",
        "--repo",
        mirror.to_str().unwrap(),
        "--remote",
        &upstream.url(),
        "--listen",
        "127.0.0.1:0",
    ];
    let (mut address, mut lines) = (String::new(), String::new());
    let mut child = headwater(&arguments)
        .env("HEADWATER_RELOAD_SECRET", "canary-canary-canary")
        .env("HEADWATER_POLL_INTERVAL", "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut logged = |text: &str| {
        while !lines.contains(text) {
            assert!(log.read_line(&mut lines).unwrap() > 0, "{lines}");
        }
    };
    logged("\"ready\"");
    upstream.commit("break").put("people/broken.toml", "name = ").push();
    logged("\"path\":\"people/broken.toml\",\"line\":1,\"rule\":\"malformed\"");
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    log.read_to_string(&mut lines).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{lines}");
    assert!(
        lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{lines}"
    );
    assert!(!lines.contains("canary"), "{lines}");
    let webhook = format!("{}/api/_internal/reload-data", address.trim());
    assert!(lines.contains(&format!("\"url\":\"{webhook}\"")), "{lines}");
}

#[test]
fn the_demonstration_pushes_and_reports_by_itself() {
    use std::io::{BufRead, BufReader};
    let mut child =
        headwater(&["demo", "--auto"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let report = lines.find(|line| line.starts_with("push 1: ")).unwrap();
    assert!(report.contains("applied") && report.contains("projects +0 ~1 -0"), "{report}");
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demonstration_pushes_for_its_own_page_and_for_no_other() {
    use std::io::{BufRead, BufReader};
    let mut child = headwater(&["demo"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let first = lines.find(|line| line.starts_with("Serving ")).unwrap();
    let base = first.rsplit(' ').next().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let json = async |path: &str| -> serde_json::Value {
            client.get(format!("{base}{path}")).send().await.unwrap().json().await.unwrap()
        };
        assert_eq!(json("/api/_status").await["demo"], true);
        let push = || client.post(format!("{base}/api/_demo/push"));
        let refused = push().header("origin", "https://example.org").send().await.unwrap();
        assert_eq!(refused.status(), 422, "a form of another page can send this");
        let asked = client.request(reqwest::Method::OPTIONS, format!("{base}/api/_demo/push"));
        let asked = asked.header("access-control-request-headers", "x-headwater-demo");
        let asked = asked.header("origin", "https://example.org").send().await.unwrap();
        assert!(!asked.status().is_success(), "its script cannot send the header either");
        // One modified, one added, three modified, one removed, and the same again.
        for expected in [[0, 1, 0], [1, 0, 0], [0, 3, 0], [0, 0, 1], [0, 1, 0]] {
            let answer = push().header("x-headwater-demo", "push").send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let commit = answer.headers()["x-headwater-commit"].to_str().unwrap().to_owned();
            let body: serde_json::Value = answer.json().await.unwrap();
            let reload = &body["reload"];
            assert_eq!(
                (&reload["ok"], reload["newCommit"].as_str()),
                (&serde_json::Value::Bool(true), Some(&*commit))
            );
            let changed = reload["changed"].as_object().unwrap().values().next().unwrap();
            let counts = ["added", "modified", "removed"].map(|name| changed[name].as_u64());
            assert_eq!(counts, expected.map(Some), "{body}");
            assert!(body["message"].is_string() && reload["timings"]["fetch"].is_number());
        }
    });
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
