//! The scoreboard runs, on a corpus of its own and on any repository.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use headwater_testkit::{Upstream, nats_server};
use serde_json::Value;

/// Measures these groups of rows quickly and returns the JSON. In a build of the whole workspace the
/// server is in the same folder.
fn scoreboard(groups: &str, arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.json");
    let output = Command::new(env!("CARGO_BIN_EXE_headwater-bench"))
        .args(["--quick", "--rows", groups, "--json"])
        .arg(&file)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    let run: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for row in run["rows"].as_array().unwrap() {
        let what = row["what"].as_str().unwrap();
        let least = match row["unit"].as_str().unwrap() {
            "ms" | "/s" => f64::MIN_POSITIVE,
            // A difference.
            "MB" if row["id"] == "cluster-memory" => f64::MIN,
            _ => 0.0,
        };
        assert!(row["measured"]["median"].as_f64().is_some_and(|it| it >= least), "{row}");
        assert!(table.contains(&format!("| {what} | ")), "{what} is not in\n{table}");
    }
    run
}

fn ids(run: &Value) -> Vec<&str> {
    run["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[test]
fn the_rows_of_a_corpus_are_measured() {
    let run = scoreboard("reload,reads", &["--people", "60"]);
    assert_eq!(run["repository"], "civic-60");
    let expected = [
        "reload-1",
        "reload-floor-1",
        "stages-1",
        "stages-p99-1",
        "reload-10",
        "reload-floor-10",
        "stages-10",
        "redefinition",
        "read-record",
        "read-page",
        "read-page-most",
        "read-search",
        "read-search-most",
        "read-search-two",
        "read-search-prefix",
        "read-search-typo",
    ];
    assert_eq!(ids(&run), expected);
}

#[test]
fn the_rows_of_a_cluster_are_measured() {
    if nats_server().is_none() {
        return;
    }
    let run = scoreboard("cluster", &["--people", "60"]);
    let expected = [
        "cluster-push",
        "cluster-push-p99",
        "cluster-forge-1",
        "cluster-forge-3",
        "cluster-write",
        "cluster-write-ratio",
        "cluster-write-follower",
        "cluster-writes",
        "cluster-killed",
        "cluster-killed-p99",
        "cluster-stopped",
        "cluster-reads",
        "cluster-write-killed",
        "cluster-write-killed-p99",
        "cluster-write-stopped",
        "cluster-write-reads",
        "cluster-away",
        "cluster-back",
        "cluster-away-reads",
        "cluster-new",
        "cluster-new-asks",
        "cluster-rest",
        "cluster-memory",
        "cluster-read",
    ];
    assert_eq!(ids(&run), expected);
    let median = |id: &str| {
        let rows = run["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["id"] == id).unwrap();
        row["measured"]["median"].as_f64().unwrap()
    };
    // What does not depend on the speed of the machine.
    assert_eq!(median("cluster-forge-1"), median("cluster-forge-3"));
    for none in ["cluster-reads", "cluster-write-reads", "cluster-away-reads", "cluster-new-asks"] {
        assert_eq!(median(none), 0.0, "{none}");
    }
}

#[test]
fn the_rows_of_any_repository_are_measured() {
    let mut upstream = Upstream::with_branch("main");
    let names = ["Ada Lovelace", "Grace Hopper", "Mary Jackson", "Annie Easley", "Jean Bartik"];
    let commit = names.iter().enumerate().fold(upstream.commit("people"), |commit, (n, name)| {
        commit
            .put(format!("people/p{n}.yaml"), format!("name: {name}\nrank: {n}\n"))
            .put(format!("notes/n{n}.md"), format!("# {name}\n\nShe wrote programs.\n"))
    });
    commit.push();
    let run = scoreboard("reload,reads", &["--repo", upstream.path().to_str().unwrap()]);
    assert_eq!(run["repository"], "upstream");
    assert!(ids(&run).starts_with(&["reload-1", "reload-floor-1", "stages-1", "stages-p99-1"]));
    assert!(ids(&run).contains(&"read-record"));
}
