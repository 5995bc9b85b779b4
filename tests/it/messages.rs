//! The messages about wrong command lines and wrong requests: plain words that name the
//! alternatives, without the messages of internal libraries.

use std::path::Path;

use headwater_testkit::git;
use reqwest::Method;

use crate::commands::headwater;
use crate::harness::{RELOAD, RELOAD_SECRET, TestServer, people};

/// Messages of libraries, which users cannot act on.
const FOREIGN: [&str; 13] = [
    "couldn't parse",
    "rev-spec",
    "Transport handshake",
    "builder error",
    "relative URL",
    "expected ident",
    "EOF while",
    "string scalar",
    "invalid type",
    "error sending request",
    "Err(",
    "panicked",
    "serde",
];

#[track_caller]
fn is_plain(told: &str, asked: &str) {
    for foreign in FOREIGN {
        assert!(!told.contains(foreign), "{asked} is told {foreign:?}: {told}");
    }
}

/// Runs a command in `folder`; returns its exit code and its output.
fn run(folder: &Path, line: &str) -> (i32, String) {
    let arguments: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let output = headwater(&arguments).current_dir(folder).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(told).unwrap())
}

/// Returns a clone of two people, with an empty folder and files next to it.
fn clone() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), ["clone", "-q", &*people().url(), "work"]);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("bad.json"), "{\"name\": tru}").unwrap();
    std::fs::write(folder.path().join("bad.toml"), "listne = \"x\"\n").unwrap();
    folder
}

#[test]
fn a_wrong_command_line_is_told_in_plain_words() {
    let folder = clone();
    let work = folder.path().join("work");
    for (line, code, words) in [
        // Commands and flags of other programs.
        ("", 64, "Usage"),
        ("start", 64, "headwater serve"),
        ("run", 64, "headwater serve"),
        ("serv", 64, "'serve'"),
        ("ls people", 64, "headwater query"),
        ("search ada", 64, "q=words"),
        ("show people/ada", 64, "headwater get"),
        ("rm people/ada", 64, "headwater delete"),
        ("set people/ada", 64, "headwater put"),
        ("validate", 64, "headwater check"),
        ("history people/ada", 64, "headwater log"),
        ("clone https://example.org/d.git", 64, "--remote URL"),
        (".", 64, "headwater serve --repo ."),
        ("./people", 64, "headwater serve --repo ./people"),
        ("https://example.org/d.git", 64, "--remote https://example.org/d.git"),
        ("serve .", 64, "headwater serve --repo ."),
        ("serve --port 80", 64, "--listen 127.0.0.1:8080"),
        ("serve --host 0.0.0.0", 64, "--listen"),
        ("serve --dir x", 64, "--repo DIR"),
        ("serve --url x", 64, "--remote URL"),
        ("serve --watch", 64, "follows the branch by itself"),
        ("serve --verbose", 64, "--log debug"),
        ("serve --secret x", 64, "HEADWATER_RELOAD_SECRET"),
        ("serve --reload-secret x", 64, "HEADWATER_RELOAD_SECRET"),
        ("query people --sort age", 64, "sort=-year"),
        ("query people --limit 1", 64, "limit=10"),
        ("query people --where a=1", 64, "year[gte]=1990"),
        ("query people --fields name", 64, "fields=title,year"),
        ("get people/ada --commit HEAD", 64, "--rev REV"),
        ("check --json", 64, "--format json"),
        ("serve --listne x", 64, "--listen"),
        // Hints that fit the typed command.
        ("check .", 64, "headwater check --repo ."),
        ("check ../empty", 64, "headwater check --repo ../empty"),
        ("check people/ada.toml", 64, "reads a whole commit"),
        ("check https://example.org/d.git", 64, "git clone https://example.org/d.git"),
        ("get people ada", 64, "headwater get people/ada"),
        ("get --repo . people ada", 64, "headwater get people/ada"),
        ("get people/ada name", 64, "unexpected argument"),
        ("get . people ada", 64, "headwater get --repo ."),
        ("get . people/ada", 64, "headwater get --repo ."),
        ("get people", 64, "headwater query people"),
        ("delete people ada", 64, "headwater delete people/ada"),
        ("log people", 64, "headwater log people/KEY"),
        ("log -n 1", 64, "--limit N"),
        ("put people/ada {\"name\":1}", 64, "| headwater put people/ada"),
        ("patch people/ada --data {}", 64, "the standard input, or from `--file FILE`"),
        ("diff", 64, "headwater diff HEAD~1 HEAD"),
        ("diff HEAD~1", 64, "headwater diff HEAD~1 HEAD"),
        ("diff HEAD~1..HEAD", 64, "headwater diff HEAD~1 HEAD"),
        ("diff main...", 64, "headwater diff main HEAD"),
        ("export people --csv", 64, "--format csv"),
        ("query people --format csv", 64, "headwater export SHEET --format csv"),
        ("ready --url http://127.0.0.1:8080", 64, "--server http://127.0.0.1:8080"),
        ("ready http://127.0.0.1:9", 64, "headwater ready --server http://127.0.0.1:9"),
        ("query . people", 65, "the repository is given as `--repo DIR`"),
        ("query people/ada", 65, "headwater get people/ada"),
        ("query people age>34", 64, "NAME[gt]=VALUE"),
        ("query people age>=34", 64, "`age[gte]=…`"),
        ("query people order=-age", 64, "`sort=-name`"),
        // Values of settings, with the names as typed.
        ("serve --listen here", 78, "--listen must be an address and a port"),
        ("serve --listen 80", 78, "such as `127.0.0.1:8080`"),
        ("serve --write-tokens-file ../bad.toml", 78, "[[token]] with name"),
        ("serve --access-file ../bad.toml", 78, "bad.toml:1: this key is unknown"),
        ("serve --poll-interval soon", 78, "--poll-interval must be a number of seconds"),
        ("serve --record-limit big", 78, "--record-limit must be a whole number"),
        ("check --record-limit big", 78, "--record-limit must be a whole number"),
        ("serve --branch refs/tags/v1", 78, "--branch must be the name of a branch"),
        ("serve --cache maybe", 78, "--cache must be `on` or `off`"),
        ("serve --base-path data", 78, "--base-path must be empty or a path"),
        ("serve --config ../bad.toml", 78, "unknown key `listne`; did you mean listen?"),
        ("check --config ../bad.toml", 78, "did you mean listen?"),
        ("serve --config ../none.toml", 78, "cannot be read"),
        ("check --sheets ../none.toml", 78, "cannot be read"),
        ("serve --branch publishde --listen 127.0.0.1:0", 78, "did you mean published?"),
        (
            "serve --repo ../empty --listen 127.0.0.1:0",
            78,
            "is not a repository: name one with --repo",
        ),
        ("serve --repo . --remote https://example.org/d.git --listen 127.0.0.1:0", 78, "work tree"),
        ("check --repo ../empty", 78, "is not a git repository"),
        ("check --repo ../nothing", 78, "does not exist"),
        // Missing commits, sheets and records.
        ("check --rev nothing", 65, "no such branch, tag or commit: nothing"),
        ("check --rev publishde", 65, "did you mean published?"),
        ("check --rev HEAD~99", 65, "no such branch, tag or commit: HEAD~99"),
        ("diff HEAD nothing", 65, "no such branch, tag or commit: nothing"),
        (
            "get poeple/ada",
            65,
            "no such sheet `poeple`; the sheets are people; did you mean people?",
        ),
        ("get people/aad", 65, "no such record `aad` in people; did you mean ada?"),
        ("get people/ada.toml", 65, "did you mean ada?"),
        ("get people", 64, "must be SHEET/KEY"),
        ("get /ada", 64, "must be SHEET/KEY"),
        ("query poeple", 65, "did you mean people?"),
        ("query people sort=aeg", 64, "did you mean age?"),
        ("query people nmae=x", 64, "did you mean name?"),
        ("query people name", 64, "must be NAME=VALUE"),
        ("export poeple", 65, "did you mean people?"),
        ("log people/nobody", 65, "no commit has touched nobody in people"),
        ("put people/ada --file ../bad.json", 65, "neither `true`, `false` nor `null`"),
        ("put people/ada --file ../none.json", 65, "cannot be read"),
        // Servers.
        ("ready --server nothing:x", 64, "--server must be an address such as"),
        ("ready --server 127.0.0.1:1", 69, "nothing listens there"),
        ("ready --server ftp://host", 64, "--server must be an address such as"),
        ("unpin --server 127.0.0.1:1", 78, "set HEADWATER_OPERATOR_SECRET"),
    ] {
        let (exit, told) = run(&work, line);
        assert_eq!(exit, code, "headwater {line}: {told}");
        assert!(told.contains(words), "headwater {line}: {told}");
        is_plain(&told, line);
    }
}

#[test]
fn a_command_finds_the_repository_that_it_is_called_in() {
    let folder = clone();
    let (code, told) = run(&folder.path().join("work/people"), "check");
    assert!(code == 0 && told.contains("2 records"), "{told}");
    let (code, told) = run(&folder.path().join("empty"), "check");
    assert!(code == 78 && told.contains("is not in a repository"), "{told}");
}

#[test]
fn a_wrong_request_is_told_in_plain_words() {
    let server = TestServer::start(&people().url());
    let body = |body: &'static str| Some(("application/json", body));
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let long = format!("/{}", "x".repeat(10_000));
    for (method, path, body, status, words) in [
        (&get, "/", None, 200, ""),
        (&get, "/people", None, 404, "records are at /api/<sheet>/<key>"),
        (&get, &long, None, 404, "xxx… is not a route"),
        (&get, "/api", None, 404, "/api/_sheets lists the sheets"),
        (&get, "/api/", None, 404, "/api/_sheets lists the sheets"),
        (&get, "/health", None, 404, "/health/live and /health/ready"),
        (&get, "/healthz", None, 404, "/health/live and /health/ready"),
        (&get, "/api/people/", None, 404, "and /api/people does not"),
        (&get, "/api/search?q=x", None, 404, "did you mean /api/_search?"),
        (&get, "/api/Status", None, 404, "did you mean /api/_status?"),
        (&post, "/webhook", body("{}"), 404, "webhooks go to POST /api/_internal/reload-data"),
        (&post, "/api/_webhook", body("{}"), 405, "POST /api/_internal/reload-data"),
        (&post, "/api/_internal/webhook", body("{}"), 404, "POST /api/_internal/reload-data"),
        (&post, "/api/people", body("{}"), 405, "--write-tokens-file"),
        (&get, "/api/people?order=age", None, 422, "`sort=-name`"),
        (&get, "/api/people?age_gt=3", None, 422, "`age[gt]=…`"),
        (&get, "/api/people?filter[age]=3", None, 422, "`name=value`"),
        (&get, "/api/people?sort=age:desc", None, 422, "`-age` descending"),
        (&get, "/api/people?sort[]=age", None, 422, "`sort` has no brackets"),
        (&get, "/api/people?name[like]=a", None, 422, "did you mean `name[contains]`?"),
        (&get, "/v1/api/people", None, 404, "is not a route"),
        (
            &get,
            "/api/poeple",
            None,
            404,
            "no such sheet `poeple`; the sheets are people; did you mean people?",
        ),
        (&get, "/api/People", None, 404, "did you mean people?"),
        (&get, "/api/nothing", None, 404, "no such sheet `nothing`; the sheets are people"),
        (&get, "/api/poeple/ada", None, 404, "did you mean people?"),
        (&get, "/api/people/aad", None, 404, "no such record `aad` in people; did you mean ada?"),
        (&get, "/api/people/ada.toml", None, 404, "did you mean ada?"),
        (&get, "/api/people/Ada", None, 404, "did you mean ada?"),
        (&get, "/api/people/nobody", None, 404, "no such record `nobody` in people"),
        (&get, "/api/people/ada/x", None, 404, "no such record `ada/x` in people"),
        (&get, "/api/_history/people/aad", None, 404, "did you mean ada?"),
        (&get, "/api/_history/poeple/ada", None, 404, "did you mean people?"),
        (&get, "/api/_statsu", None, 404, "is not a route; did you mean _status?"),
        (&get, "/api/people?nmae=x", None, 422, "did you mean name?"),
        (&get, "/api/people?sort=aeg", None, 422, "did you mean age?"),
        (&get, "/api/people?fields=nmae", None, 422, "did you mean name?"),
        (&get, "/api/people?facets=agee", None, 422, "did you mean age?"),
        (&get, "/api/people?per_page=1", None, 422, "did you mean perPage?"),
        (&get, "/api/people?perpage=1", None, 422, "did you mean perPage?"),
        (&get, "/api/people?limt=1", None, 422, "did you mean limit?"),
        (
            &get,
            "/api/people?age[above]=1",
            None,
            422,
            "`above` is not an operator; the operators are eq",
        ),
        (&get, "/api/people?age[exists]=1", None, 422, "must be `true` or `false`"),
        (&get, "/api/people?page=0", None, 422, "must be a whole number of 1 or more"),
        (&get, "/api/people?perPage=1000", None, 422, "must be a whole number from 0 to 100"),
        (&get, "/api/people?limit=x", None, 422, "must be a whole number from 1 to 100"),
        (&get, "/api/people?cursor=x", None, 422, "is not a cursor of a list"),
        (&get, "/api/people?limit=1&page=1", None, 422, "cannot be combined with"),
        (&get, "/api/people?q=-", None, 422, "no word to search for"),
        (&get, "/api/people?q=a+OR", None, 422, "`OR` needs a word to apply to"),
        (&get, "/api/people?q=a&match=most", None, 422, "must be one of auto, all, any"),
        (&get, "/api/people?q=a&prefix=1", None, 422, "must be `on` or `off`"),
        (&get, "/api/people?a=%FF", None, 422, "is not valid UTF-8"),
        (&get, "/api/people?include=nothing", None, 422, "include"),
        (&get, "/api/people?at=nothing", None, 404, "commit"),
        (&get, "/api/people?at=", None, 404, "commit"),
        (&get, "/api/_search", None, 422, "q"),
        (&get, "/api/_search?q=", None, 422, "q"),
        (&get, "/api/_search?q=ada&sheet=poeple", None, 422, "did you mean people?"),
        (&get, "/api/_search?q=ada&limit=x", None, 422, "limit"),
        (&get, "/api/_changes?sheet=poeple", None, 422, "did you mean people?"),
        (&get, "/api/_changes?since=x", None, 422, "must be the full hash of a commit"),
        (&get, "/api/_changes?wait=x", None, 422, "must be seconds from 0"),
        (&get, "/api/_diff", None, 422, "from"),
        (&get, "/api/_diff?from=x&to=y", None, 404, "commit"),
        (&get, "/api/_history/people/ada?limit=x", None, 422, "limit"),
        (&get, "/api/_history/people/ada?cursor=x", None, 422, "is not a cursor of this history"),
        (&get, "/health/ready?max_lag=x", None, 422, "max_lag"),
        (&put, "/api/people/ada", body("{}"), 405, ""),
        (&post, "/api/_status", None, 405, ""),
        (&post, RELOAD, body("{"), 422, "the text ends inside an object"),
        (&post, RELOAD, body("tru"), 422, "must be a JSON object"),
        (&post, RELOAD, body("{\"branch\": tru}"), 422, "neither `true`, `false` nor `null`"),
        (&post, RELOAD, body("{branch: 1}"), 422, "a key must be a string in double quotes"),
        (&post, RELOAD, body("{\"branch\": 1}"), 422, "expected"),
        (&post, RELOAD, body("{\"commitHash\": \"abc\"}"), 422, "forty hexadecimal digits"),
        (
            &post,
            RELOAD,
            body("{\"branch\": \"main\"}"),
            409,
            "this server serves the branch published",
        ),
        (&post, RELOAD, Some(("text/html", "{}")), 415, "must be application/json"),
        (&post, "/api/_internal/reload", body("{}"), 404, "is not a route"),
    ] {
        let mut request = server.request(method.clone(), path).bearer_auth(RELOAD_SECRET);
        if let Some((kind, text)) = body {
            request = request.header("content-type", kind).body(text);
        }
        let answer = server.send(request);
        let told = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {told}");
        assert!(told.contains(words), "{method} {path}: {told}");
        is_plain(&told, path);
    }
}
