//! The tokens of an access file, made and revoked by the program itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::commands::headwater;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(file: &std::path::Path, words: &[&str]) -> Ran {
    let mut command = headwater(&["token"]);
    let done = command.args(words).arg("--access-file").arg(file).output().unwrap();
    let [out, err] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Ran { code: done.status.code(), out, err }
}

#[test]
fn a_token_is_made_listed_and_revoked_and_the_file_never_holds_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    let words = ["new", "site", "--read", "people,team", "--hidden", "--write", "*"];
    let more = ["--author", "Site <s@example.org>", "--expires", "2999-01-01", "--rate", "50"];
    let made = run(&file, &[&words[..], &more[..]].concat());
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    let secret = made.out.trim_end();
    assert_eq!(secret.len(), 43, "32 bytes in base64url");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(secret), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let again = run(&file, &["new", "site"]);
    assert_eq!((again.code, again.out.as_str()), (Some(65), ""));
    assert!(again.err.contains("there is a token `site` already"), "{}", again.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(run(&file, &["new", "old", "--expires", "2020-01-01"]).code, Some(0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let listed = run(&file, &["list"]).out;
    let expected = "site  reads people,team, hidden records too; writes *; expires \
                    2999-01-01T00:00:00Z; 50 requests a second\n\
                    old  reads what everybody reads; expired 2020-01-01T00:00:00Z\n";
    assert_eq!(listed, expected);

    assert_eq!(run(&file, &["revoke", "old"]).code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(run(&file, &["revoke", "old"]).code, Some(65));
    assert_eq!(run(&file, &["revoke", "site"]).code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), "anonymous = { read = [\"*\"] }");
}

#[test]
fn what_a_file_may_not_say_is_refused_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    for (words, code) in [
        (&["new", "a b"][..], 78),
        (&["new", "a", "--write", "*"], 64),
        (&["new", "a", "--write", "*", "--author", "A"], 78),
        (&["new", "a", "--expires", "tomorrow"], 64),
        (&["new", "a", "--read", "*,people"], 78),
        (&["new", "a", "--rate", "0"], 78),
        (&["list"], 78),
        (&["revoke", "a"], 78),
    ] {
        assert_eq!(run(&file, words).code, Some(code), "{words:?}");
        assert!(!file.exists(), "{words:?}");
    }
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    fs::write(&file, "anonymous = { read = [] } # nobody\n").unwrap();
    assert_eq!(run(&link, &["new", "a"]).code, Some(0));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with("anonymous = { read = [] } # nobody\n"));
}
