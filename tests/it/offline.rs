//! Records that the program reads and writes by itself, without a server.

use std::io::Write as _;
use std::process::Stdio;

use headwater_testkit::{Upstream, git};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::headwater;
use crate::harness::{BROKEN, TestServer, people, person};

/// A bare repository, and a folder for the files of its commands.
pub(crate) struct House {
    pub(crate) upstream: Upstream,
    folder: TempDir,
}

impl House {
    pub(crate) fn new(upstream: Upstream) -> Self {
        Self { upstream, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs a command on the repository and returns its output, followed by its errors.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> String {
        run_in(self.upstream.path().to_str().unwrap(), arguments, "", code)
    }

    #[track_caller]
    pub(crate) fn given(&self, arguments: &[&str], input: &str, code: i32) -> String {
        run_in(self.upstream.path().to_str().unwrap(), arguments, input, code)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.upstream.path(), arguments)
    }

    pub(crate) fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "HEAD"]).trim().parse().unwrap()
    }
}

#[track_caller]
fn run_in(repo: &str, arguments: &[&str], input: &str, code: i32) -> String {
    let mut command = headwater(arguments);
    command.args(["--repo", repo]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Not every command reads it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
    let (out, err) = (out.unwrap(), err.unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
    out + &err
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_record_is_put_read_and_deleted_without_a_server() {
    let house = House::new(people());
    let value = r#"{"slug": "joan", "name": "Joan Clarke", "age": 30}"#;
    let put = house.given(&["put", "people/joan"], value, 0);
    assert!(put.starts_with("put people/joan: commit "), "{put}");
    let read = json(&house.run(&["get", "people/joan"], 0));
    assert_eq!(read, json!({"slug": "joan", "name": "Joan Clarke", "age": 30}));
    assert_eq!(
        house.git(&["show", "HEAD:people/joan.toml"]).trim(),
        "age = 30\nname = \"Joan Clarke\"\nslug = \"joan\""
    );
    let again = house.given(&["put", "people/joan"], value, 0);
    assert_eq!(again, "put people/joan: nothing changed\n");
    assert!(house.run(&["delete", "people/joan"], 0).starts_with("delete people/joan: commit "));
    assert!(house.run(&["get", "people/joan"], 65).contains("no such record `joan` in people"));
    house.run(&["delete", "people/joan"], 65);
    assert!(house.run(&["delete", "people/aad"], 65).contains("did you mean ada?"));
    assert!(house.given(&["patch", "people/Ada"], "{}", 65).contains("did you mean ada?"));
    assert!(house.run(&["get", "folk/joan"], 65).contains("no such sheet `folk`"));
    assert_eq!(house.commits(), 3);
}

#[test]
fn a_value_without_a_key_goes_where_its_fields_say() {
    let house = House::new(people());
    let file = house.file("joan.json", r#"{"slug": "joan", "age": 30}"#);
    let put = json(&house.run(&["put", "people", "--file", &file, "--json"], 0));
    assert_eq!((&put["key"], &put["changed"]), (&json!("joan"), &json!(true)));
    assert_eq!(put["commit"], house.git(&["rev-parse", "HEAD"]).trim());
    let nameless = house.file("nameless.json", r#"{"age": 30}"#);
    let told = house.run(&["put", "people", "--file", &nameless], 65);
    assert!(told.contains(&format!("{nameless}: ")) && told.contains("[path]"), "{told}");
    let zoe = house.file("zoe.json", r#"{"slug": "zoe"}"#);
    let moved = house.run(&["put", "people/ada", "--file", &zoe], 0);
    assert!(moved.starts_with("put people/zoe, which was ada: commit "), "{moved}");
    assert!(
        house
            .run(&["put", "people/zoe", "--file", &file], 65)
            .contains("already has a record joan")
    );
}

#[test]
fn a_value_that_is_no_record_is_named_by_file_line_and_rule() {
    let house = House::new(people());
    let file = house.file("a.json", "{\n  \"slug\": \"joan\"\n  \"age\": 30\n}");
    let told = house.run(&["put", "people", "--file", &file], 65);
    assert!(told.contains(&format!("{file}:3:3: ")) && told.contains("[malformed]"), "{told}");
    let told = house.given(&["put", "people/joan"], r#"{"slug":"joan","tags":[null]}"#, 65);
    assert!(told.contains("at /tags/0 [unwritable]"), "{told}");
    assert!(
        house.given(&["put", "people/joan"], r#"{"slug":"jo"}"#, 65).contains("[path_mismatch]")
    );
    house.run(&["put", "people/joan", "--file", "/nowhere/at/all"], 65);
    house.run(&["put"], 64);
    house.run(&["patch", "people"], 64);
    house.run(&["delete", "people/ada", "--author", "nobody"], 64);
    assert_eq!(house.commits(), 1);
}

#[test]
fn a_patch_is_a_commit_with_its_author_and_its_message() {
    let house = House::new(people());
    let arguments = ["patch", "people/ada", "--author", "Joan <joan@example.org>", "--json"];
    let arguments = [&arguments[..], &["--message", "A year passes"]].concat();
    let told = json(&house.given(&arguments, r#"{"age": 37, "bio": null}"#, 0));
    assert_eq!(told["value"], json!({"age": 37, "name": "Ada Lovelace", "slug": "ada"}));
    assert_eq!((&told["changed"], &told["unpushed"]), (&json!(true), &Value::Null));
    let line = house.git(&["log", "-1", "--format=%an <%ae>|%cn|%B"]);
    assert_eq!(line.trim(), "Joan <joan@example.org>|Headwater|A year passes");
}

#[test]
fn a_repository_that_a_server_holds_is_read_and_not_written_to() {
    let upstream = people();
    let server = TestServer::start(&upstream.url());
    let mirror = server.mirror().to_str().unwrap().to_owned();
    let told = run_in(&mirror, &["delete", "people/ada"], "", 69);
    let holder = format!("is held by process {}", std::process::id());
    assert!(told.contains(&holder), "{told}");
    assert!(run_in(&mirror, &["normalize"], "", 69).contains(&holder));
    let read = json(&run_in(&mirror, &["get", "people/ada"], "", 0));
    assert_eq!(read, server.get("/api/people/ada").json());
}

#[test]
fn the_repository_of_a_replica_is_read_and_not_written_to() {
    let house = House::new(people());
    let mark = "refs/headwater/followed/published";
    house.git(&["update-ref", mark, "HEAD"]);
    let told = house.given(&["put", "people/joan"], r#"{"slug": "joan"}"#, 78);
    assert!(told.contains("belongs to a replica of a cluster"), "{told}");
    house.run(&["get", "people/ada"], 0);
    assert_eq!(house.commits(), 1);
    // As the message says, it may be one no more.
    assert!(told.contains(&format!("update-ref -d {mark}")), "{told}");
    house.git(&["update-ref", "-d", mark]);
    house.given(&["put", "people/joan"], r#"{"slug": "joan"}"#, 0);
}

#[test]
fn a_work_tree_is_not_written_to_behind_its_user() {
    let upstream = people();
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), ["clone", "-q", &*upstream.url(), "work"]);
    let work = folder.path().join("work");
    let work = work.to_str().unwrap();
    let told = run_in(work, &["delete", "people/ada"], "", 78);
    assert!(told.contains("has a work tree") && told.contains("git clone --bare"), "{told}");
    git(work, ["remote", "remove", "origin"]);
    run_in(work, &["delete", "people/ada"], "", 78);
    assert!(run_in(work, &["get", "people/ada"], "", 0).contains("Ada Lovelace"));
    run_in("/nowhere/at/all", &["delete", "people/ada"], "", 78);
}

#[test]
fn commits_that_the_remote_lacks_are_counted() {
    let upstream = people();
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), ["clone", "-q", "--bare", &*upstream.url(), "data.git"]);
    let data = folder.path().join("data.git");
    let data = data.to_str().unwrap();
    let first = run_in(data, &["delete", "people/ada"], "", 0);
    assert!(first.contains("; it is not pushed"), "{first}");
    git(data, ["fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"]);
    let second = run_in(data, &["delete", "people/grace"], "", 0);
    assert!(second.contains("; 2 commits are not pushed"), "{second}");
    let none = run_in(data, &["normalize", "--json"], "", 0);
    assert_eq!((&json(&none)["changed"], &json(&none)["unpushed"]), (&json!(false), &json!(2)));
}

#[test]
fn a_query_has_the_parameters_of_a_list() {
    let mut upstream = people();
    let hidden = person("joan", "Joan Clarke", 30) + "deletedAt = \"2024-01-01\"\n";
    let more: Vec<_> = (0..150_u32).map(|i| person(&format!("p{i:03}"), "Pat", i)).collect();
    let mut commit = upstream.commit("more").put("people/joan.toml", hidden);
    for (i, text) in more.iter().enumerate() {
        commit = commit.put(format!("people/p{i:03}.toml"), text);
    }
    commit.push();
    let house = House::new(upstream);
    let all = house.run(&["query", "people"], 0);
    assert_eq!(all.lines().count(), 152, "all that is not hidden");
    let ages = |arguments: &[&str]| -> Vec<Value> {
        let told = house.run(&[&["query", "people"], arguments].concat(), 0);
        told.lines().map(|line| json(line)["age"].clone()).collect()
    };
    assert_eq!(ages(&["name=Pat", "age[gte]=147", "sort=-age"]), [149, 148, 147]);
    assert_eq!(ages(&["sort=-age", "perPage=2", "page=2"]), [147, 146]);
    assert_eq!(ages(&["q=lovelace"]), [36]);
    assert_eq!(
        house.run(&["query", "people", "name=Ada Lovelace", "fields=age", "--array"], 0),
        "[\n{\"age\":36}\n]\n"
    );
    assert_eq!(house.run(&["query", "people", "name=nobody", "--array"], 0), "[\n]\n");
    let page = json(&house.run(&["query", "people", "facets=name", "--page", "perPage=1"], 0));
    assert_eq!((&page["total"], &page["facets"]["name"][0]["count"]), (&json!(152), &json!(150)));
    for wrong in ["nothing=1", "sort=nothing", "perPage=-1", "name", "facets=name", "format=csv"] {
        house.run(&["query", "people", wrong], 64);
    }
    let before = house.run(&["query", "people", "--rev", "HEAD~1"], 0);
    assert_eq!(before.lines().count(), 2);
}

#[test]
fn what_is_normalized_twice_is_one_commit() {
    let mut upstream = people();
    upstream
        .commit("by hand")
        .put("people/zoe.toml", "slug = 'zoe'\n\nname   = 'Zoe' # as she says\nage = 7\n")
        .push();
    let house = House::new(upstream);
    let told = house.run(&["normalize", "people"], 0);
    assert!(told.starts_with("1 rewritten, 2 unchanged, 0 skipped: commit "), "{told}");
    assert_eq!(
        house.git(&["show", "HEAD:people/zoe.toml"]).trim(),
        "age = 7\nname = \"Zoe\"\nslug = \"zoe\""
    );
    let again = house.run(&["normalize"], 0);
    assert_eq!(again, "0 rewritten, 3 unchanged, 0 skipped: nothing changed\n");
    assert_eq!(house.commits(), 3);
    house.run(&["normalize", "folk"], 65);
}

#[test]
fn files_that_cannot_be_normalized_are_told_and_left() {
    let mut upstream = people();
    upstream
        .commit("by hand")
        .put("people/broken.toml", BROKEN)
        .put("people/zoe.toml", "slug = 'zoe'\n")
        .push();
    let house = House::new(upstream);
    let told = house.run(&["normalize"], 1);
    let problem = |told: &str| {
        assert!(told.contains("people/broken.toml:1:") && told.contains("[malformed]"), "{told}");
    };
    problem(&told);
    problem(&house.run(&["get", "people/broken"], 65));
    assert!(told.contains("1 rewritten, 2 unchanged, 1 skipped: commit "), "{told}");
    assert_eq!(house.git(&["show", "HEAD:people/broken.toml"]), BROKEN.trim_end());
}

#[test]
fn the_log_of_a_record_has_the_commits_that_touched_it() {
    let house = House::new(people());
    house.given(&["patch", "people/ada", "--author", "Joan <j@x.org>"], r#"{"age": 37}"#, 0);
    house.given(&["patch", "people/grace"], r#"{"age": 86}"#, 0);
    house.run(&["delete", "people/ada", "--message", "Ada leaves\n\nFor good."], 0);
    let subjects = |arguments: &[&str]| -> Vec<String> {
        let told = house.run(&[&["log", "--json"], arguments].concat(), 0);
        told.lines().map(|line| json(line)["subject"].as_str().unwrap().to_owned()).collect()
    };
    let (put, patch, other) = ("two people", "people: patch ada", "people: patch grace");
    assert_eq!(subjects(&[]), ["Ada leaves", other, patch, put]);
    assert_eq!(subjects(&["--limit", "2"]), ["Ada leaves", other]);
    assert_eq!(subjects(&["people/ada"]), ["Ada leaves", patch, put]);
    assert_eq!(subjects(&["people/ada", "--limit", "2"]), ["Ada leaves", patch]);
    assert_eq!(subjects(&["people/grace", "--rev", "HEAD~2"]), [put]);
    let lines = house.run(&["log", "people/ada", "--limit", "2"], 0);
    let line = lines.lines().nth(1).unwrap();
    let hash = house.git(&["rev-parse", "HEAD~2"]);
    assert!(line.starts_with(hash.trim()), "{line}");
    assert!(line.ends_with("Z Joan <j@x.org>  people: patch ada"), "{line}");
    assert!(house.run(&["log", "people/nobody"], 65).contains("no commit has touched nobody"));
}

#[test]
fn packs_of_many_commands_are_merged() {
    let house = House::new(people());
    for age in 0..40 {
        house.given(&["patch", "people/ada"], &json!({ "age": age }).to_string(), 0);
    }
    let packs = std::fs::read_dir(house.upstream.path().join("objects/pack")).unwrap();
    let packs = packs.filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "pack")
    });
    assert!(packs.count() <= 33);
    assert_eq!(house.commits(), 41);
    house.git(&["fsck", "--strict"]);
}
