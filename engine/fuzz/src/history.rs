//! Random histories against the law: a state taken to a commit by the difference equals one loaded
//! from it.

use headwater_engine::load::{advance, load};
use headwater_engine::mirror::{Mirror, MirrorOptions};
use headwater_engine::options::LoadOptions;
use headwater_testkit::Upstream;

const PATHS: [&str; 10] = [
    "people/a.toml",
    "people/b.toml",
    "people/deep/c.toml",
    "notes/a.md",
    "notes/b.yaml",
    "notes/c.json",
    ".gitsheets/people.toml",
    "headwater.toml",
    "_drafts/a.toml",
    "README.md",
];

/// How many operations a history has, at most: each commit costs some milliseconds.
const OPERATIONS: usize = 24;

/// Each operation is a byte and what it needs: a path, and a content up to the next NUL. A commit
/// follows every operation whose byte says so.
pub fn history(mut bytes: &[u8]) {
    let mut upstream = Upstream::new();
    let mut commits: Vec<String> = Vec::new();
    let mut commit = upstream.commit("fuzz");
    for _ in 0..OPERATIONS {
        let [operation, path, rest @ ..] = bytes else { break };
        let path = PATHS[usize::from(*path) % PATHS.len()];
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        bytes = &rest[(end + 1).min(rest.len())..];
        commit = match operation % 4 {
            0 => commit.delete(path),
            1 => commit.put_mode(path, 0o120_000, &rest[..end]),
            _ => commit.put(path, &rest[..end]),
        };
        if operation & 0x10 != 0 {
            commits.push(commit.push());
            commit = match (operation & 0x20, commits.len()) {
                // Another branch of history takes the place of this one.
                (0x20, count) if count > 1 => upstream.force_commit_on(Some(&commits[0]), "fuzz"),
                _ => upstream.commit("fuzz"),
            };
        }
    }
    commits.push(commit.push());
    let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).expect("it opens");
    let objects = mirror.objects().expect("it opens");
    let options = LoadOptions::default();
    let mut base = None;
    for commit in commits {
        let commit = commit.parse().expect("it is a commit");
        let fresh = load(&objects, commit, &options).expect("content is never an error");
        let (taken, reason) =
            advance(&objects, base.as_ref(), commit, &options).expect("content is never an error");
        assert_eq!(taken.dump(), fresh.dump(), "{reason:?}");
        base = Some(taken);
    }
}
