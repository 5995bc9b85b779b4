//! Commits, read as git reads them: only the tree and the parents must be valid.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use encoding_rs::Encoding;
use gix::bstr::ByteSlice as _;
use gix::objs::Kind;
use gix::odb::Header as _;

use super::gix_id::object_id;
use super::{ObjectError, Objects, Trailer};
use crate::id::{CommitId, TreeId};

/// The contents of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The tree: the state of all files.
    pub tree: TreeId,
    /// The parents, in order.
    pub parents: Vec<CommitId>,
    /// When it was written, in seconds since the Unix epoch. Zero if the commit has no legible
    /// time.
    pub author_time: i64,
    /// When it was committed, in seconds since the Unix epoch. Zero if the commit has no legible
    /// time.
    pub committer_time: i64,
    /// The first line of the message, decoded from the encoding that the commit names; what cannot
    /// be decoded is replaced.
    pub subject: String,
}

/// The most characters of a subject or an author that are returned.
const TOLD: usize = 1_000;

impl CommitFacts {
    /// Returns the time of the commit, or the Unix epoch if that time is earlier or cannot be
    /// represented.
    pub fn committed_at(&self) -> SystemTime {
        let since = Duration::from_secs(u64::try_from(self.committer_time).unwrap_or_default());
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Objects {
    /// Reads a commit.
    ///
    /// The tree and the parents must be present and legible. Everything else is read as far as
    /// possible, since a commit can contain anything.
    pub fn commit(&self, commit: CommitId) -> Result<CommitFacts, ObjectError> {
        self.read_commit(commit, &mut Vec::new())
    }

    /// Returns the trailers of a commit's message: the machine-readable lines of its last
    /// paragraph.
    pub fn trailers(&self, commit: CommitId) -> Result<Vec<Trailer>, ObjectError> {
        let mut buffer = Vec::new();
        let data = self.read(&object_id(commit), Kind::Commit, &mut buffer)?;
        let Parts { headers, message } = Parts::of(data);
        Ok(Trailer::read(&decoded(headers, message)))
    }

    /// Returns the trailers of a commit, or none if it has more than `most` bytes: such a commit is
    /// not read.
    pub(crate) fn trailers_within(
        &self,
        commit: CommitId,
        most: u64,
    ) -> Result<Vec<Trailer>, ObjectError> {
        let id = object_id(commit);
        let header = self.repo.objects.try_header(&id);
        let header = header.map_err(|error| ObjectError::unreadable(&id, error))?;
        match header {
            Some(header) if header.size() > most => Ok(Vec::new()),
            // What is missing is told by who reads it.
            _ => self.trailers(commit),
        }
    }

    /// Returns the author of a commit as `Name <address>`, with undecodable text replaced; empty if
    /// the commit names none.
    pub fn author(&self, commit: CommitId) -> Result<String, ObjectError> {
        let mut buffer = Vec::new();
        let data = self.read(&object_id(commit), Kind::Commit, &mut buffer)?;
        let Parts { headers, .. } = Parts::of(data);
        let author = header(headers, b"author ").unwrap_or_default();
        let author = author.rfind_byte(b'>').map_or(author, |end| &author[..=end]);
        Ok(told(headers, author))
    }

    pub(super) fn read_commit(
        &self,
        commit: CommitId,
        buffer: &mut Vec<u8>,
    ) -> Result<CommitFacts, ObjectError> {
        #[cfg(test)]
        crate::mirror::testing::count_commit();
        let id = object_id(commit);
        let data = self.read(&id, Kind::Commit, buffer)?;
        parse_commit(data)
            .ok_or_else(|| ObjectError::unreadable(&id, "it has no readable tree or parent"))
    }
}

/// A commit's headers and its message.
struct Parts<'d> {
    headers: &'d [u8],
    message: &'d [u8],
}

impl<'d> Parts<'d> {
    fn of(data: &'d [u8]) -> Self {
        match data.find(b"\n\n") {
            Some(end) => Self { headers: &data[..end + 1], message: &data[end + 2..] },
            None => Self { headers: data, message: b"" },
        }
    }
}

/// Returns what follows `name` in the first header of that name.
fn header<'d>(headers: &'d [u8], name: &[u8]) -> Option<&'d [u8]> {
    headers.lines().find_map(|line| line.strip_prefix(name))
}

/// Decodes a text of a commit with the encoding that its headers name, or as UTF-8 if they name
/// none or an unknown one.
fn decoded<'t>(headers: &[u8], text: &'t [u8]) -> Cow<'t, str> {
    let named = header(headers, b"encoding ").and_then(Encoding::for_label_no_replacement);
    match named {
        Some(encoding) => encoding.decode_without_bom_handling(text).0,
        None => text.to_str_lossy(),
    }
}

/// Decodes a text of a commit and truncates it to the length limit.
fn told(headers: &[u8], text: &[u8]) -> String {
    // In any encoding, a character takes at most four bytes.
    let is_long = text.len() > 4 * TOLD;
    let text = decoded(headers, &text[..text.len().min(4 * TOLD)]);
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if is_long => format!("{text}…"),
        None => text.into_owned(),
    }
}

/// Reads a commit as git does: only the tree and the parents must be valid.
fn parse_commit(data: &[u8]) -> Option<CommitFacts> {
    let Parts { headers, message } = Parts::of(data);
    let mut lines = headers.lines();
    let mut facts = CommitFacts {
        tree: hash_after(lines.next()?, b"tree ")?,
        parents: Vec::new(),
        author_time: 0,
        committer_time: 0,
        subject: told(headers, message.lines().next().unwrap_or_default()),
    };
    let mut in_parents = true;
    for line in lines {
        if in_parents && line.starts_with(b"parent ") {
            facts.parents.push(hash_after(line, b"parent ")?);
            continue;
        }
        in_parents = false;
        if let Some(author) = line.strip_prefix(b"author ") {
            facts.author_time = seconds(author);
        } else if let Some(committer) = line.strip_prefix(b"committer ") {
            facts.committer_time = seconds(committer);
        }
    }
    Some(facts)
}

fn hash_after<T: std::str::FromStr>(line: &[u8], prefix: &[u8]) -> Option<T> {
    std::str::from_utf8(line.strip_prefix(prefix)?).ok()?.parse().ok()
}

/// Returns the seconds of `name <mail> seconds zone`, or zero.
fn seconds(signature: &[u8]) -> i64 {
    let time = || {
        let after = signature.rsplit(|byte| *byte == b'>').next()?;
        std::str::from_utf8(after).ok()?.split_ascii_whitespace().next()?.parse().ok()
    };
    time().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn a_commit_tells_its_tree_parents_and_subject() {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let second = repository.commit_files("main", &[("a", "2")]);
        let facts = repository.objects().commit(second).unwrap();
        assert_eq!(facts.tree, repository.tree_of("main"));
        assert_eq!(facts.parents, [first]);
        assert_eq!(facts.committer_time, 1_700_000_000);
        assert_eq!(facts.subject, "subject");
        let author = repository.objects().author(second).unwrap();
        assert!(author.contains(" <") && author.ends_with('>'), "{author}");
    }

    #[test]
    fn a_commit_with_an_illegible_author_is_still_a_commit() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let mut text = format!("tree {tree}\nauthor <<\ncommitter me\n\n").into_bytes();
        text.extend_from_slice(b"\xffsubject");
        let commit = CommitId::from_bytes(repository.write_raw("commit", &text));
        let facts = repository.objects().commit(commit).unwrap();
        assert_eq!((facts.tree, facts.author_time, facts.committer_time), (tree, 0, 0));
        assert_eq!(repository.objects().author(commit).unwrap(), "<<");
    }

    #[test]
    fn a_commit_of_any_date_has_a_time() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        for (date, seconds) in [
            ("253402300800", 253_402_300_800),
            ("9223372036854775807", i64::MAX),
            ("18446744073709551615", 0),
            ("-1", -1),
            ("-9223372036854775808", i64::MIN),
        ] {
            let text =
                format!("tree {tree}\nauthor A <a@b> 7 +0000\ncommitter C <c@d> {date} +0000\n\n");
            let commit = CommitId::from_bytes(repository.write_raw("commit", text.as_bytes()));
            let facts = repository.objects().commit(commit).unwrap();
            assert_eq!(facts.committer_time, seconds, "{date}");
            assert_eq!(facts.committed_at() > SystemTime::UNIX_EPOCH, seconds > 0, "{date}");
        }
    }

    #[test]
    fn a_commit_is_read_in_the_encoding_that_it_names() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        for (encoding, name, expected) in [
            ("ISO-8859-1", &b"J\xf6rg"[..], "J\u{f6}rg"),
            ("windows-1251", &b"\xc8\xe2\xe0\xed"[..], "\u{418}\u{432}\u{430}\u{43d}"),
            ("Shift_JIS", &b"\x93\xfa"[..], "\u{65e5}"),
            ("utf-8", "J\u{f6}rg".as_bytes(), "J\u{f6}rg"),
            ("nobody-knows", "J\u{f6}rg".as_bytes(), "J\u{f6}rg"),
            ("nobody-knows", &b"J\xf6rg"[..], "J\u{fffd}rg"),
        ] {
            let mut text = format!("tree {tree}\n").into_bytes();
            for header in ["author ", "committer "] {
                text.extend([header.as_bytes(), name, b" <a@b> 1700000000 +0000\n"].concat());
            }
            text.extend(format!("encoding {encoding}\n\n").into_bytes());
            text.extend([name, b"\n\nCo-Author: ", name, b"\n"].concat());
            let commit = CommitId::from_bytes(repository.write_raw("commit", &text));
            let objects = repository.objects();
            assert_eq!(objects.commit(commit).unwrap().subject, expected, "{encoding}");
            assert_eq!(objects.author(commit).unwrap(), format!("{expected} <a@b>"));
            let trailers = objects.trailers(commit).unwrap();
            assert_eq!(trailers[0].value(), expected, "{encoding}");
        }
    }

    #[test]
    fn a_subject_and_an_author_are_told_as_far_as_anybody_reads() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        for (letter, count) in [("a", 1_000), ("é", 1_000), ("日", 1_001), ("😀", 3_000_000)] {
            let name = letter.repeat(count);
            let text = format!(
                "tree {tree}\nauthor {name} <a@b> 7 +0000\ncommitter C <c@d> 7 +0000\n\n{name}\n"
            );
            let commit = CommitId::from_bytes(repository.write_raw("commit", text.as_bytes()));
            let objects = repository.objects();
            let cut = format!("{}…", letter.repeat(1_000));
            let (author, subject) = (objects.author(commit).unwrap(), objects.commit(commit));
            assert_eq!(author, cut, "{letter}");
            assert_eq!(subject.unwrap().subject, if count > 1_000 { cut } else { name });
        }
    }

    #[test]
    fn what_is_not_a_commit_is_refused() {
        let repository = TestRepository::bare();
        let garbage = repository.write_raw("commit", b"tree nonsense\n");
        let blob = *repository.write_blob(b"1").as_bytes();
        let objects = repository.objects();
        let error = objects.commit(CommitId::from_bytes(garbage)).unwrap_err();
        assert!(matches!(error, ObjectError::Unreadable { .. }), "{error:?}");
        let error = objects.commit(CommitId::from_bytes(blob)).unwrap_err();
        assert!(matches!(error, ObjectError::WrongKind { found: "blob", .. }), "{error:?}");
        let error = objects.commit(CommitId::from_bytes([1; 20])).unwrap_err();
        assert!(error.is_missing());
    }
}
