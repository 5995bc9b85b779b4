//! Cases 37 and 38: the bytes of a commit, and commits that collide.

use headwater_engine::mirror::{Identity, Mirror, MirrorOptions, NewCommit, Signature, Trailer};
use serde_json::json;

use crate::two_branches::{case, person};

#[test]
fn a_commit_of_both_has_one_id() {
    let Some(mut twins) = case(37) else { return };
    let message = "add jane\n\nbody text  \n\n";
    let trailers = [("Action", "a.b"), ("Subject-Id", "1")];
    let jane = json!({"step": "upsert", "sheet": "people", "record": {"slug": "jane"}});
    twins
        .transact(&json!({
            "steps": [jane],
            "message": message,
            "author": ["Jane", "jane@x.org"],
            "time_seconds": 1_700_000_000,
            "offset_minutes": -330,
            "trailers": trailers,
        }))
        .unwrap();
    let their_commit = twins.git(["cat-file", "commit", "oracle"]);
    assert!(their_commit.contains("\ncommitter Jane <jane@x.org> 1700000000 -0530\n"));
    let expected = "\n\nadd jane\n\nbody text\n\nAction: a.b\nSubject-Id: 1";
    assert!(their_commit.ends_with(expected), "{their_commit}");

    let mirror = Mirror::open(twins.upstream.path(), MirrorOptions::default()).unwrap();
    let mut stage = mirror.stage().unwrap();
    let jane = Signature {
        identity: Identity::parse("Jane <jane@x.org>").unwrap(),
        seconds: 1_700_000_000,
        offset_minutes: -330,
    };
    let ours = stage.commit(&NewCommit {
        tree: Some(twins.git(["rev-parse", "oracle^{tree}"]).parse().unwrap()),
        parent: Some(twins.git(["rev-parse", "oracle^"]).parse().unwrap()),
        author: &jane,
        committer: &jane,
        message,
        trailers: &trailers.map(|(key, value)| Trailer::new(key, value).unwrap()),
    });
    assert_eq!(ours.unwrap().to_string(), twins.git(["rev-parse", "oracle"]));
}

#[test]
fn a_branch_that_others_moved_is_overwritten_by_nobody() {
    let Some(mut twins) = case(38) else { return };
    let tree = twins.git(["rev-parse", "oracle^{tree}"]);
    let other = twins.git(["commit-tree", &tree, "-p", "oracle", "-m", "other"]);
    let jane = json!({"step": "upsert", "sheet": "people", "record": {"slug": "jane"}});
    let refused = twins.transact(&json!({"steps": [jane], "meanwhile": other})).unwrap_err();
    assert_eq!(refused["error"], "parent_moved");
    // Headwater publishes the others' commit, and writes on top of it.
    let branch = format!("refs/heads/{}", twins.upstream.branch());
    twins.git(["update-ref", &branch, &other]);
    let ours = twins.ours(&[person(json!({"slug": "jane"}))]);
    assert!(matches!(&ours[..], [Ok(Some(_))]), "{ours:?}");
    assert_eq!(twins.git(["rev-parse", &format!("{branch}^")]), other);
}
