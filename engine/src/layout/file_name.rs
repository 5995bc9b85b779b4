//! File names: which ones may be part of a key, and how the others are written down.

use crate::problem::Rule;

/// The maximum lengths of a path and a name, in bytes, and the maximum nesting depth.
const PATH_BYTES: usize = 4096;
const NAME_BYTES: usize = 255;
const DEPTH: usize = 32;

/// Returns what is wrong with a path, if anything.
///
/// A tree may contain names that do harm when it is checked out: `..`, `.git` and names that file
/// systems treat as it, and Windows device names. Such a file is never a record.
pub(crate) fn fault(path: &[u8]) -> Option<(Rule, &'static str)> {
    let Ok(text) = std::str::from_utf8(path) else {
        return Some((Rule::NameNotUtf8, "the name of the file is not UTF-8"));
    };
    if path.len() > PATH_BYTES {
        return Some((Rule::HostileName, "the path is longer than 4096 bytes"));
    }
    if text.split('/').count() > DEPTH {
        return Some((Rule::HostileName, "the path is nested more than 32 folders deep"));
    }
    let hostile = text.split('/').find_map(|name| component_fault(name));
    hostile.map(|message| (Rule::HostileName, message))
}

/// Characters that Windows does not allow in names, besides those that are hostile everywhere.
/// Existing files with such a name are read, but none are created.
pub(crate) const UNSTORABLE: [char; 6] = ['<', '>', '"', '|', '?', '*'];

/// Returns why a new file cannot have this path, in addition to [`fault`]: some file system cannot
/// store the name or mistakes it for another, or git reads the file wherever it is.
pub(crate) fn unstorable(path: &str) -> Option<&'static str> {
    if path.contains(UNSTORABLE) {
        return Some("some systems cannot store the name");
    }
    path.split('/').find_map(|name| {
        if name.ends_with(['.', ' ']) || name.contains(is_ignorable) {
            Some("some systems would treat this name as a different one")
        } else if is_of_git(&folded(name)) {
            Some("git itself reads files with this name")
        } else {
            None
        }
    })
}

/// Returns whether a file system may treat a folded name as one that begins with `.git`.
fn is_of_git(folded: &str) -> bool {
    folded.starts_with(".git") || folded.starts_with("gi") && is_short(folded)
}

/// Returns `name` as a file system may compare it: HFS+ ignores some characters, NTFS drops
/// trailing dots and spaces, and both ignore case.
pub(super) fn folded(name: &str) -> String {
    let kept = name.trim_end_matches(|c| matches!(c, '.' | ' ') || is_ignorable(c)).chars();
    kept.filter(|c| !is_ignorable(*c)).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns whether `name` may be the NTFS short name of a longer name, such as `GITSHE~1`.
pub(super) fn is_short(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let number = stem.rsplit_once('~').map(|(_, number)| number);
    stem.len() <= 8
        && number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether HFS+ ignores the character when it compares names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn component_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Some("a part of the path is empty, `.` or `..`");
    }
    if name.len() > NAME_BYTES {
        return Some("a part of the path is longer than 255 bytes");
    }
    if name.chars().any(|c| c.is_control() || c == '\\' || c == ':') {
        return Some("a part of the path has a control character, a backslash or a colon");
    }
    if is_git(name) {
        return Some("a part of the path means `.git` on some file systems");
    }
    if is_device(name) {
        return Some("a part of the path is the name of a device on Windows");
    }
    None
}

/// Returns whether a file system may treat `name` as `.git`.
fn is_git(name: &str) -> bool {
    matches!(&*folded(name), ".git" | "git~1")
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_port = |(name, number): (&str, &str)| {
        ["com", "lpt"].iter().any(|port| name.eq_ignore_ascii_case(port))
            && matches!(number.as_bytes(), [b'1'..=b'9'])
    };
    ["con", "prn", "aux", "nul"].iter().any(|device| stem.eq_ignore_ascii_case(device))
        || stem.split_at_checked(3).is_some_and(is_port)
}

/// Formats a path as text: bytes that are not UTF-8, and control characters, become `%XX`.
pub(crate) fn escaped(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).as_bytes();
                bytes.iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_fit() {
        for path in [
            "people/jane.toml",
            "a b/ü.md",
            "x/.hidden.json",
            "git/config",
            "console.toml",
            "com0",
            "com10",
            "lp1",
        ] {
            assert_eq!(fault(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn names_that_could_do_harm_are_found() {
        let long = "x".repeat(256);
        let deep = vec!["x"; 33].join("/");
        for path in [
            "..",
            "a/../b",
            "a//b",
            ".git/x",
            ".GIT",
            "git~1",
            ".g\u{200c}it",
            ".git.",
            ".git .\u{200d}. ",
            "GIT~1 ",
            "a\\b",
            "a:b",
            "a\nb",
            "aux",
            "NUL.toml",
            "com1.txt",
            "Lpt9 .x",
            &long,
            &deep,
        ] {
            assert_eq!(fault(path.as_bytes()).map(|f| f.0), Some(Rule::HostileName), "{path}");
        }
        assert_eq!(fault(b"a\xffb").map(|f| f.0), Some(Rule::NameNotUtf8));
    }

    #[test]
    fn names_that_some_system_takes_for_others_are_for_no_new_file() {
        for path in [
            "a.",
            "a /b",
            "a\u{200d}b",
            "\u{feff}a",
            "x/.gitattributes",
            ".GITignore",
            "x/y/.g\u{200c}itmodules",
            "x/GITMOD~1",
            "a?",
        ] {
            assert!(unstorable(path).is_some(), "{path:?}");
            assert_eq!(fault(path.as_bytes()), None, "{path:?} is read where it is");
        }
        for path in ["a.b", "a b/c", "x/.hidden", "x/git", "x/a~1", "\u{e4}/\u{65e5}"] {
            assert_eq!(unstorable(path), None, "{path:?}");
        }
    }

    #[test]
    fn what_is_as_long_and_as_deep_as_allowed_is_fit_and_no_more() {
        let name = "x".repeat(NAME_BYTES);
        let deep = vec!["x"; DEPTH].join("/");
        // Sixteen names and their separators.
        let long = format!("{}/{}", vec![&*name; 15].join("/"), &name[1..]) + "/x";
        assert_eq!(long.len(), PATH_BYTES);
        for path in [&name, &deep, &long] {
            assert_eq!(fault(path.as_bytes()), None, "{path}");
        }
        let told = |path: String| fault(path.as_bytes()).map(|fault| fault.1);
        assert_eq!(told(name + "x"), Some("a part of the path is longer than 255 bytes"));
        assert_eq!(told(deep + "/x"), Some("the path is nested more than 32 folders deep"));
        assert_eq!(told(long + "x"), Some("the path is longer than 4096 bytes"));
    }

    #[test]
    fn a_name_is_written_down_whatever_its_bytes() {
        assert_eq!(escaped(b"a\xff\n\xc3\xbc"), "a%FF%0Aü");
    }
}
