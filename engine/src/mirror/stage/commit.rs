//! The bytes of a commit, and what they may contain.

use gix::bstr::ByteSlice as _;

use crate::id::{CommitId, TreeId};

/// A name with an address, as it appears in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    name: String,
    address: String,
}

/// A value that cannot be part of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitFlaw {
    /// A name or an address is empty or contains a character that ends it.
    #[error("{text:?} is not of the form `Name <address>`")]
    Identity {
        /// The given text.
        text: String,
    },
    /// The key of a trailer is not of the form `Word-Word`.
    #[error("{key:?} is not a valid trailer key")]
    TrailerKey {
        /// The given key.
        key: String,
    },
    /// The value of a trailer contains a line break.
    #[error("the trailer {key} has more than one line")]
    TrailerValue {
        /// The key.
        key: String,
    },
    /// The message contains a NUL, which git does not keep.
    #[error("the message contains a NUL")]
    Nul,
}

impl Identity {
    /// Parses `Name <address>`. Neither part may be empty or contain `<`, `>` or a control
    /// character: gix refuses those and git drops them silently.
    pub fn parse(text: &str) -> Result<Self, CommitFlaw> {
        let flaw = || CommitFlaw::Identity { text: text.to_owned() };
        let (name, rest) = text.trim().split_once('<').ok_or_else(flaw)?;
        let (name, address) = (name.trim(), rest.strip_suffix('>').ok_or_else(flaw)?.trim());
        let is_fine = |part: &str| {
            let bad = |c: char| c == '<' || c == '>' || c.is_control();
            !part.is_empty() && part.len() <= 256 && !part.contains(bad)
        };
        if is_fine(name) && is_fine(address) && !address.contains(char::is_whitespace) {
            Ok(Self { name: name.to_owned(), address: address.to_owned() })
        } else {
            Err(flaw())
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who.
    pub identity: Identity,
    /// The time, in seconds since the Unix epoch.
    pub seconds: i64,
    /// The offset of the local time from UTC, in minutes.
    pub offset_minutes: i32,
}

/// How far a parent commit may be ahead of the local clock for its time to count, in seconds:
/// enough for the differences between clocks, and no more.
const AHEAD: i64 = 86_400;

impl Signature {
    /// Returns the signature for a commit on top of one made at `parent`, in seconds since the Unix
    /// epoch. It is never earlier than `parent`, so that a history does not go back with a clock. A
    /// `parent` so far in the future that its clock must have been wrong is ignored.
    pub(crate) fn on_top_of(&self, parent: i64) -> Self {
        let is_near = parent <= self.seconds.saturating_add(AHEAD);
        let seconds = if is_near { self.seconds.max(parent) } else { self.seconds };
        Self { seconds, ..self.clone() }
    }

    fn write(&self, bytes: &mut Vec<u8>, role: &str) {
        let Identity { name, address } = &self.identity;
        let (seconds, offset) = (self.seconds, self.offset_minutes);
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        let line = format!("{role} {name} <{address}> {seconds} {sign}{hours:02}{minutes:02}\n");
        bytes.extend(line.as_bytes());
    }
}

/// A machine-readable line at the end of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    key: String,
    value: String,
}

impl Trailer {
    /// Returns `key: value`. The key consists of words like `Subject` and `Id`, joined by `-`; the
    /// value is a single line.
    pub fn new(key: &str, value: &str) -> Result<Self, CommitFlaw> {
        let is_word = |word: &str| {
            let mut letters = word.bytes();
            letters.next().is_some_and(|first| first.is_ascii_uppercase())
                && letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit())
        };
        if !key.split('-').all(is_word) {
            return Err(CommitFlaw::TrailerKey { key: key.to_owned() });
        }
        if value.contains(['\r', '\n', '\0']) {
            return Err(CommitFlaw::TrailerValue { key: key.to_owned() });
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }

    /// Returns the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// A commit to create.
#[derive(Debug, Clone)]
pub struct NewCommit<'a> {
    /// The tree; `None` is the empty tree.
    pub tree: Option<TreeId>,
    /// The parent; `None` starts a history.
    pub parent: Option<CommitId>,
    /// Who made the change.
    pub author: &'a Signature,
    /// Who made the commit.
    pub committer: &'a Signature,
    /// The message without trailers; trailing white space is dropped.
    pub message: &'a str,
    /// The trailers, which form their own paragraph.
    pub trailers: &'a [Trailer],
}

/// Git's id of the tree without entries.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Returns the first lines of a commit.
fn head(tree: Option<TreeId>, parent: Option<CommitId>) -> Vec<u8> {
    let tree = tree.map_or_else(|| EMPTY_TREE.to_owned(), |tree| tree.to_string());
    let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    format!("tree {tree}\n{parent}").into_bytes()
}

/// Returns the commit `old` with another tree, parent and committer.
pub(super) fn again(
    old: &[u8],
    tree: Option<TreeId>,
    parent: CommitId,
    committer: &Signature,
) -> Vec<u8> {
    let (headers, message) = old.split_once_str(b"\n\n").unwrap_or((old, b""));
    let kept = |name: &'static [u8]| headers.lines().find(|line| line.starts_with(name));
    let mut bytes = head(tree, Some(parent));
    let copied = |name| kept(name).map(|line| [line, b"\n"].concat()).unwrap_or_default();
    bytes.extend(copied(b"author "));
    committer.write(&mut bytes, "committer");
    bytes.extend(copied(b"encoding "));
    bytes.push(b'\n');
    bytes.extend(message);
    bytes
}

impl NewCommit<'_> {
    /// Returns the bytes of the object, exactly as gitsheets writes them.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = head(self.tree, self.parent);
        self.author.write(&mut bytes, "author");
        self.committer.write(&mut bytes, "committer");
        bytes.push(b'\n');
        bytes.extend(self.message.trim_end().as_bytes());
        if !self.trailers.is_empty() {
            bytes.extend(b"\n\n");
            let lines: Vec<String> = self
                .trailers
                .iter()
                .map(|trailer| format!("{}: {}", trailer.key, trailer.value))
                .collect();
            bytes.extend(lines.join("\n").as_bytes());
        }
        bytes.push(b'\n');
        bytes
    }
}

impl Trailer {
    /// Parses the trailers of a message: the lines of its last paragraph, if all of them are
    /// trailers.
    pub fn read(message: &str) -> Vec<Self> {
        let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let parse = |line: &str| {
            let (key, value) =
                line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
            Self::new(key, value).ok()
        };
        last.lines().map(parse).collect::<Option<_>>().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_not_before_its_parent_and_does_not_inherit_a_clock_that_is_wrong() {
        let identity = Identity::parse("Ada <ada@example.org>").unwrap();
        let now = 1_700_000_000;
        let ours = Signature { identity, seconds: now, offset_minutes: 0 };
        for (parent, seconds) in [
            (now - 1, now),
            (now + 1, now + 1),
            (now + AHEAD, now + AHEAD),
            (now + AHEAD + 1, now),
            // The year 10000, and invalid times.
            (253_402_300_800, now),
            (i64::MAX, now),
            (0, now),
            (i64::MIN, now),
        ] {
            assert_eq!(ours.on_top_of(parent).seconds, seconds, "{parent}");
        }
        let last = Signature { seconds: i64::MAX, ..ours };
        assert_eq!(last.on_top_of(7).seconds, i64::MAX);
    }
}
