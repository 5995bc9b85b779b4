//! Writes into files of many records, over HTTP.

use headwater_testkit::Upstream;
use reqwest::Method;
use serde_json::json;

use crate::harness::TestServer;

const TOKENS: &str = "[[token]]\nname = \"site\"\nsecret = \"the-token-of-the-site\"\n\
                      author = \"The Site <site@example.org>\"\n";

#[test]
fn one_row_of_thirty_thousand_is_patched_and_the_commit_is_one_line() {
    let mut upstream = Upstream::new();
    let rows = (0..30_000).map(|n| format!("k{n:05},\"Name, {n}\",{n}\r\n"));
    let text = format!("code,name,size\r\n{}", rows.collect::<String>());
    upstream.commit("first").put("things/all.csv", &*text).push();
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, TOKENS).unwrap();
    let settings = [("HEADWATER_WRITE_TOKENS_FILE", tokens.to_str().unwrap())];
    let server = TestServer::with(&upstream.url(), &settings);
    let call =
        |method, path: &str| server.request(method, path).bearer_auth("the-token-of-the-site");
    let path = "/api/things/all/k12345";
    let tag = server.get(path).header("etag").unwrap().to_owned();
    let patch = call(Method::PATCH, path).header("if-match", &tag).json(&json!({"size": 7}));
    let patched = server.send(patch);
    assert_eq!(patched.status, 200, "{:?}", patched.body);
    let value = json!({"code": "k12345", "name": "Name, 12345", "size": 7});
    assert_eq!(patched.json()["value"], value);
    assert_eq!(server.get(path).json(), value);
    let late = call(Method::PATCH, path).header("if-match", &tag).json(&json!({"size": 8}));
    assert_eq!(server.send(late).status, 412);
    let wide = server.send(call(Method::PATCH, path).json(&json!({"color": "red"})));
    assert_eq!(wide.status, 422);
    let error = wide.json()["errors"][0].clone();
    assert_eq!(error["pointer"], "/color");
    assert!(error["detail"].as_str().unwrap().contains("code, name, size"), "{error}");
    let steps = json!({"operations": [
        {"op": "create", "sheet": "things", "value": {"code": "k00000a", "size": 1}},
        {"op": "delete", "sheet": "things", "key": "all/k29999"},
        {"op": "patch", "sheet": "things", "key": "all/k00000a", "value": {"size": 2}},
    ]});
    let done = server.send(call(Method::POST, "/api/_transact").json(&steps));
    assert_eq!(done.status, 200, "{:?}", done.body);
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        let output = git.arg("-C").arg(server.mirror()).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let changed = |commits: [&str; 2]| -> Vec<String> {
        let diff = git(&["diff", "-U0", commits[0], commits[1]]);
        let lines = diff.lines().filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        });
        lines.map(|line| line.trim_end_matches('\r').to_owned()).collect()
    };
    assert_eq!(
        changed(["HEAD~2", "HEAD~1"]),
        ["-k12345,\"Name, 12345\",12345", "+k12345,\"Name, 12345\",7"]
    );
    assert_eq!(changed(["HEAD~1", "HEAD"]), ["+k00000a,\"\",2", "-k29999,\"Name, 29999\",29999"]);
}
