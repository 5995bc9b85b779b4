//! Commits of any date, which anybody can push.

use std::io::Write;
use std::process::{Command, Stdio};

use headwater_testkit::git;

use crate::harness::{TestServer, people};

#[test]
fn the_history_of_a_record_is_told_whatever_the_dates_of_its_commits() {
    let mut upstream = people();
    let mut expected = vec![];
    for (n, (date, told)) in [
        ("253402300799", "9999-12-31T23:59:59Z"),
        ("253402300800", "9999-12-31T23:59:59Z"),
        ("9223372036854775807", "9999-12-31T23:59:59Z"),
        ("18446744073709551615", "1970-01-01T00:00:00Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("0", "1970-01-01T00:00:00Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let head = upstream
            .commit("step")
            .put("people/ada.toml", format!("age = {n}\nname = \"Ada\"\nslug = \"ada\"\n"))
            .push();
        let tree = git(upstream.path(), ["rev-parse", &format!("{head}^{{tree}}")]);
        let parent = git(upstream.path(), ["rev-parse", &format!("{head}^")]);
        let commit = format!(
            "tree {}\nparent {}\nauthor A <a@x> 7 +0000\ncommitter C <c@x> {date} +0000\n\ndated\n",
            tree.trim(),
            parent.trim()
        );
        upstream.reset_to(&raw_commit(upstream.path(), &commit));
        expected.insert(0, told);
    }
    let server = TestServer::start(&upstream.url());
    let history = server.get("/api/_history/people/ada?limit=6").json();
    let items = history["items"].as_array().unwrap();
    let mut times: Vec<_> = items.iter().filter_map(|item| item["time"].as_str()).collect();
    // Git lists by date as far as it can.
    times.sort_unstable();
    expected.sort_unstable();
    assert_eq!(times, expected, "{history}");
    assert!(items.iter().all(|item| item["change"] == "modified"), "{history}");
    assert_eq!(server.get("/api/_status").status, 200);
}

/// Writes a commit that git itself would not make.
fn raw_commit(repository: &std::path::Path, text: &str) -> String {
    let mut git = Command::new("git");
    let git = git.arg("-C").arg(repository);
    let git = git.args(["hash-object", "-t", "commit", "-w", "--stdin", "--literally"]);
    let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
