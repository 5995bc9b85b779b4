//! Commits, their ancestry, and the names that people use for them.

use std::borrow::Cow;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use encoding_rs::Encoding;
use gix::bstr::ByteSlice as _;
use gix::objs::Kind;
use gix::odb::Header as _;

use super::{ObjectError, Objects, Trailer};
use crate::id::{CommitId, TreeId};
use crate::suggestion::{did_you_mean, nearest};

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

/// A text that does not name a commit of the repository.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing in the repository has this name.
    #[error("no such branch, tag or commit: {rev}{}", did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The text.
        rev: String,
        /// The branch or tag that may be meant.
        nearest: Option<String>,
    },
    /// The text is a prefix of several ids.
    #[error("{rev} is ambiguous: give more digits")]
    Ambiguous {
        /// The text.
        rev: String,
    },
    /// The repository has no commit yet.
    #[error("there is no commit yet, and no {rev}")]
    NoCommit {
        /// The text.
        rev: String,
    },
    /// The name is that of a tree or a file.
    #[error("{rev:?} is a {found}, not a commit")]
    NotACommit {
        /// The text.
        rev: String,
        /// What it names.
        found: &'static str,
    },
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

/// A commit and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The commit.
    pub commit: CommitId,
    /// The committer's time, in seconds since the Unix epoch.
    pub seconds: i64,
}

/// A part of a line of first parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstParents {
    /// The commits, newest first.
    pub made: Vec<Made>,
    /// Whether it ends just above the known commit, rather than at the root commit.
    pub reaches: bool,
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

    /// Returns whether `ancestor` is `descendant` or in its history.
    ///
    /// Reads the commits that only one of the two has, and a few below; if `ancestor` is on the line of
    /// first parents, only the line above it.
    pub fn descends_from(
        &self,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Result<bool, ObjectError> {
        if descendant == ancestor {
            return Ok(true);
        }
        // The usual push: one commit on top.
        if self.commit(descendant)?.parents.contains(&ancestor) {
            return Ok(true);
        }
        Ok(!self.had_by(descendant, HashSet::from([ancestor]))?.is_empty())
    }

    /// Returns those of `commits` that are `head` or in its history.
    ///
    /// Reads what [`Self::descends_from`] reads, once for all of them.
    pub fn had_by(
        &self,
        head: CommitId,
        mut commits: HashSet<CommitId>,
    ) -> Result<HashSet<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let mut left = commits.clone();
        graph.pass_line(head, &mut left)?;
        if !left.is_empty() {
            let painted = paint(&mut graph, head, &left)?;
            let is_had = |commit: &CommitId| painted.get(commit).is_some_and(|found| found.left);
            commits.retain(|commit| !left.contains(commit) || is_had(commit));
        }
        Ok(commits)
    }

    /// Returns the commits whose parents a shallow repository lacks.
    pub(super) fn boundary(&self) -> Result<HashSet<CommitId>, ObjectError> {
        let commits = self.repo.shallow_commits().map_err(|source| ObjectError::Unreadable {
            id: "shallow".to_owned(),
            source: source.into(),
        })?;
        Ok(commits.iter().flat_map(|commits| commits.iter()).map(|id| commit_id(id)).collect())
    }

    /// Counts the commits in the history of `to` that are not in the history of `from`.
    pub fn count_between(&self, from: CommitId, to: CommitId) -> Result<usize, ObjectError> {
        Ok(self.between(from, to)?.len())
    }

    /// Returns the commits in the history of `to` that are not in the history of `from`, in no
    /// order.
    pub fn between(&self, from: CommitId, to: CommitId) -> Result<Vec<CommitId>, ObjectError> {
        if from == to {
            return Ok(Vec::new());
        }
        let mut graph = Graph::new(self)?;
        let mut below = HashSet::from([from]);
        let line = graph.pass_line(to, &mut below)?;
        if below.is_empty() && graph.is_without_merge(&line)? {
            return Ok(line);
        }
        let painted = paint(&mut graph, to, &HashSet::from([from]))?;
        let is_new = |colours: &Colours| colours.left && !colours.right;
        Ok(painted.iter().filter(|(_, colours)| is_new(colours)).map(|(id, _)| *id).collect())
    }

    /// Returns `from` and its first parents, newest first, at most `limit` commits.
    ///
    /// The line ends early where a shallow history ends.
    pub fn first_parents(
        &self,
        from: CommitId,
        limit: usize,
    ) -> Result<Vec<CommitId>, ObjectError> {
        self.first_parent_line(from)?.take(limit).collect()
    }

    /// Returns `from` and its first parents, newest first, down to but excluding `known`, or else
    /// down to the root commit. Reads each of them.
    pub fn first_parents_above(
        &self,
        from: CommitId,
        known: Option<CommitId>,
    ) -> Result<FirstParents, ObjectError> {
        let Graph { boundary, mut buffer, .. } = Graph::new(self)?;
        let mut line = FirstParents { made: Vec::new(), reaches: false };
        let mut next = Some(from);
        while let Some(commit) = next {
            if known == Some(commit) {
                line.reaches = true;
                break;
            }
            let facts = self.read_commit(commit, &mut buffer)?;
            line.made.push(Made { commit, seconds: facts.committer_time });
            next = facts.parents.first().copied().filter(|_| !boundary.contains(&commit));
        }
        Ok(line)
    }

    /// Returns the first of `from` and its first parents that is `other` or in its history; `None`
    /// where the two have no commit of that line in common. Reads what [`Self::count_between`] reads,
    /// and the line down to there.
    pub fn fork_point(
        &self,
        from: CommitId,
        other: CommitId,
    ) -> Result<Option<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let painted = paint(&mut graph, from, &HashSet::from([other]))?;
        let mut next = Some(from);
        while let Some(commit) = next {
            // What was not visited is in both.
            if painted.get(&commit).is_none_or(|colours| colours.right) {
                break;
            }
            next = graph.facts(commit)?.parents.first().copied();
        }
        Ok(next)
    }

    /// Returns the commits in the history of `from`, newest first, at most `limit`. A commit comes
    /// before its parents as far as commit times are right.
    pub fn history(&self, from: CommitId, limit: usize) -> Result<Vec<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let mut seen = HashSet::from([from]);
        let mut pending = BinaryHeap::from([(graph.facts(from)?.committer_time, from)]);
        let mut line = Vec::new();
        while let Some((_, commit)) = pending.pop()
            && line.len() < limit
        {
            line.push(commit);
            for parent in graph.facts(commit)?.parents {
                if seen.insert(parent) {
                    pending.push((graph.facts(parent)?.committer_time, parent));
                }
            }
        }
        Ok(line)
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

    /// Returns the commit that `rev` names: an id or a prefix of one, a branch or tag, or an
    /// expression such as `HEAD~3`.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, ResolveError> {
        let unknown =
            |_: gix::Error| ResolveError::Unknown { rev: shown(rev).to_owned(), nearest: None };
        let object = self.repo.rev_parse_single(rev).map_err(unknown)?.object().map_err(unknown)?;
        let object = object.peel_tags_to_end().map_err(unknown)?;
        if object.kind == Kind::Commit {
            Ok(commit_id(&object.id))
        } else {
            let found = super::objects::kind_name(object.kind);
            Err(ResolveError::NotACommit { rev: rev.to_owned(), found })
        }
    }

    /// Returns the commit that an object is, or that a tag points to. Costs a look at the header of a
    /// commit.
    pub(super) fn pointed_to(&self, at: CommitId) -> Option<CommitId> {
        match self.header(object_id(at)).ok()?.kind() {
            Kind::Commit => Some(at),
            _ => self.resolve(&at.to_string()).ok(),
        }
    }

    /// Returns why nothing is called `rev`, and what may be meant. Reads every reference.
    pub fn why_unknown(&self, rev: &str) -> ResolveError {
        let rev = shown(rev).to_owned();
        let named = self.references_under("refs/").unwrap_or_default();
        if named.is_empty() {
            return ResolveError::NoCommit { rev };
        }
        let is_prefix = (4..40).contains(&rev.len()) && rev.bytes().all(|b| b.is_ascii_hexdigit());
        if is_prefix && self.is_beginning(&rev) {
            return ResolveError::Ambiguous { rev };
        }
        let short = |name: &str| {
            let of = |folder| name.strip_prefix(folder).map(str::to_owned);
            of("refs/heads/").or_else(|| of("refs/tags/"))
        };
        let names: Vec<String> = named.iter().filter_map(|(name, _)| short(name)).collect();
        let nearest = nearest(&rev, names.iter().map(String::as_str)).map(str::to_owned);
        ResolveError::Unknown { rev, nearest }
    }

    /// Returns whether an id begins with these digits.
    fn is_beginning(&self, digits: &str) -> bool {
        let Ok(prefix) = gix::hash::Prefix::from_hex(digits) else { return false };
        self.repo.objects.lookup_prefix(prefix, None).is_ok_and(|found| found.is_some())
    }
}

/// Returns the name of a branch as people type it.
fn shown(rev: &str) -> &str {
    rev.strip_prefix("refs/heads/").unwrap_or(rev)
}

/// The histories, of the two compared, to which a commit belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Colours {
    left: bool,
    right: bool,
}

/// The commits that a walk has read, without the parents that a shallow repository lacks.
struct Graph<'a> {
    objects: &'a Objects,
    boundary: HashSet<CommitId>,
    read: HashMap<CommitId, CommitFacts>,
    buffer: Vec<u8>,
}

impl<'a> Graph<'a> {
    fn new(objects: &'a Objects) -> Result<Self, ObjectError> {
        let boundary = objects.boundary()?;
        Ok(Self { objects, boundary, read: HashMap::new(), buffer: Vec::new() })
    }

    fn facts(&mut self, commit: CommitId) -> Result<CommitFacts, ObjectError> {
        if let Some(facts) = self.read.get(&commit) {
            return Ok(facts.clone());
        }
        let mut facts = self.objects.read_commit(commit, &mut self.buffer)?;
        if self.boundary.contains(&commit) {
            facts.parents.clear();
        }
        self.read.insert(commit, facts.clone());
        Ok(facts)
    }

    /// Follows first parents from `from` until all of `wanted` were met, or until a commit is older than
    /// all of these were. Removes those that were met, and returns the commits above the last one.
    ///
    /// The time of a commit that is met does not matter: with a wrong one, as of a commit of 1970, a
    /// walk by time would visit the whole history.
    fn pass_line(
        &mut self,
        from: CommitId,
        wanted: &mut HashSet<CommitId>,
    ) -> Result<Vec<CommitId>, ObjectError> {
        let mut oldest = i64::MAX;
        for commit in wanted.iter() {
            oldest = oldest.min(self.facts(*commit)?.committer_time);
        }
        let (mut passed, mut next) = (Vec::new(), Some(from));
        while let Some(commit) = next {
            wanted.remove(&commit);
            if wanted.is_empty() {
                break;
            }
            let facts = self.facts(commit)?;
            if facts.committer_time < oldest {
                break;
            }
            next = facts.parents.first().copied();
            passed.push(commit);
        }
        Ok(passed)
    }

    fn is_without_merge(&mut self, commits: &[CommitId]) -> Result<bool, ObjectError> {
        for commit in commits {
            if self.facts(*commit)?.parents.len() > 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Paints the history of `left`, and that of the commits `right` together, newest first, until
/// everything left to visit is in both, and is older than every commit with one colour. Such a commit
/// then belongs to one history only, as far as commit times are right: a commit may have the time of
/// its parent.
fn paint(
    graph: &mut Graph<'_>,
    left: CommitId,
    right: &HashSet<CommitId>,
) -> Result<HashMap<CommitId, Colours>, ObjectError> {
    let mut painted = HashMap::new();
    let mut pending = BinaryHeap::new();
    // The number of entries of `pending` whose commit had one colour when they were added.
    let mut single = 0_usize;
    let mut oldest = i64::MAX;
    let right = right.iter().map(|commit| (*commit, Colours { left: false, right: true }));
    let left = [(left, Colours { left: true, right: false })];
    for (commit, colours) in left.into_iter().chain(right) {
        painted.insert(commit, colours);
        let time = graph.facts(commit)?.committer_time;
        pending.push((time, commit, true));
        (single, oldest) = (single + 1, oldest.min(time));
    }
    while let Some((time, commit, was_single)) = pending.pop() {
        if single == 0 && time < oldest {
            break;
        }
        single -= usize::from(was_single);
        let colours = painted.get(&commit).copied().unwrap_or_default();
        for parent in graph.facts(commit)?.parents {
            let old = painted.get(&parent).copied().unwrap_or_default();
            let new = Colours { left: old.left || colours.left, right: old.right || colours.right };
            if new != old {
                painted.insert(parent, new);
                let is_single = !(new.left && new.right);
                let time = graph.facts(parent)?.committer_time;
                if is_single {
                    (single, oldest) = (single + 1, oldest.min(time));
                }
                pending.push((time, parent, is_single));
            }
        }
    }
    Ok(painted)
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

pub(super) fn object_id(commit: CommitId) -> gix::ObjectId {
    gix::ObjectId::Sha1(*commit.as_bytes())
}

pub(super) fn commit_id(id: &gix::oid) -> CommitId {
    CommitId::from_bytes(sha1(id))
}

pub(super) fn sha1(id: &gix::oid) -> [u8; 20] {
    id.as_bytes().try_into().expect("repositories of another hash are refused at opening")
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

    #[test]
    fn ancestry_follows_all_parents_and_ends_at_unrelated_roots() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let root = repository.commit_tree(tree, &[]);
        let left = repository.commit_tree(tree, &[root, root]);
        let mut right = repository.commit_tree(tree, &[root]);
        for _ in 0..3 {
            right = repository.commit_tree(tree, &[right]);
        }
        let merge = repository.commit_tree(tree, &[left, right]);
        let blob = *repository.write_blob(b"other").as_bytes();
        let other_tree = repository.write_raw_tree(&[("100644", b"o", blob)]);
        let stranger = repository.commit_tree(other_tree, &[]);
        let objects = repository.objects();
        for (descendant, ancestor, expected) in [
            (merge, merge, true),
            (merge, root, true),
            (merge, right, true),
            (right, merge, false),
            (left, right, false),
            (merge, stranger, false),
            (stranger, root, false),
        ] {
            let found = objects.descends_from(descendant, ancestor).unwrap();
            assert_eq!(found, expected, "{descendant} from {ancestor}");
        }
        assert_eq!(objects.count_between(left, merge).unwrap(), 5);
        assert_eq!(objects.count_between(merge, left).unwrap(), 0);
        assert_eq!(objects.count_between(merge, merge).unwrap(), 0);
        for (from, other, expected) in [
            (merge, merge, Some(merge)),
            (merge, left, Some(left)),
            (merge, right, Some(root)),
            (right, merge, Some(right)),
            (merge, stranger, None),
        ] {
            let found = objects.fork_point(from, other).unwrap();
            assert_eq!(found, expected, "the line of {from} and {other}");
        }
        assert_eq!(objects.first_parents(merge, 10).unwrap(), [merge, left, root]);
        assert_eq!(objects.first_parents(merge, 2).unwrap(), [merge, left]);
        assert_eq!(objects.history(merge, 100).unwrap().len(), 7);
    }

    /// Makes a commit with this time.
    fn commit_at(repository: &TestRepository, time: i64, parents: &[CommitId]) -> CommitId {
        let mut text = format!("tree {}\n", repository.tree_of("main"));
        parents.iter().for_each(|parent| text.push_str(&format!("parent {parent}\n")));
        text.push_str(&format!("author A <a@b> 7 +0000\ncommitter C <c@d> {time} +0000\n\n"));
        CommitId::from_bytes(repository.write_raw("commit", text.as_bytes()))
    }

    #[test]
    fn commits_on_top_of_one_of_1970_cost_no_walk_and_others_one_for_all() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let mut line = vec![commit_at(&repository, 1_600_000_000, &[])];
        for n in 1..60 {
            line.push(commit_at(&repository, 1_600_000_000 + n, &line[line.len() - 1..]));
        }
        let side = commit_at(&repository, 1_500_000_000, &line[..1]);
        let old = commit_at(&repository, 0, &[line[59], side]);
        let mut ours = vec![old];
        for n in 0..10 {
            ours.push(commit_at(&repository, 1_700_000_000 + n, &ours[ours.len() - 1..]));
        }
        let objects = repository.objects();
        let reads = |question: &dyn Fn()| {
            let before = crate::mirror::testing::commits_read();
            question();
            crate::mirror::testing::commits_read() - before
        };
        let head = ours[10];
        // The head is read once more, to see whether the other one is its parent.
        assert!(reads(&|| assert!(objects.descends_from(head, old).unwrap())) <= 12);
        assert!(reads(&|| assert_eq!(objects.count_between(old, head).unwrap(), 10)) <= 11);
        assert_eq!(
            objects.between(old, head).unwrap(),
            ours[1..].iter().rev().copied().collect::<Vec<_>>()
        );
        let asked: HashSet<CommitId> = ours[1..].iter().copied().collect();
        let all = reads(&|| assert_eq!(objects.had_by(head, asked.clone()).unwrap(), asked));
        assert!(all <= 10, "{all}");
        // None of them is in what is older: that is found out once, with one walk.
        let none =
            reads(&|| assert_eq!(objects.had_by(old, asked.clone()).unwrap(), HashSet::new()));
        assert!(none <= 72, "{none}");
        let [far, near] = [commit_at(&repository, 0, &[]), line[3]];
        let asked = HashSet::from([side, far, near, head, ours[4], line[59]]);
        let had = objects.had_by(ours[4], asked).unwrap();
        assert_eq!(had, HashSet::from([side, near, ours[4], line[59]]));
        assert_eq!(objects.count_between(line[58], head).unwrap(), 13, "with a merge");
    }

    #[test]
    fn a_commit_that_is_not_here_is_no_ancestor_but_missing() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a", "1")]);
        let next = repository.commit_files("main", &[("a", "2")]);
        let absent = CommitId::from_bytes([5; 20]);
        let objects = repository.objects();
        assert!(objects.descends_from(next, absent).unwrap_err().is_missing());
        assert!(objects.descends_from(absent, commit).unwrap_err().is_missing());
    }

    #[test]
    fn commits_go_by_many_names() {
        let repository = TestRepository::bare();
        let first = repository.commit_files("main", &[("a", "1")]);
        let second = repository.commit_files("main", &[("a", "2")]);
        repository.git(["tag", "-a", "-m", "release", "v1", &first.to_string()]);
        let objects = repository.objects();
        for (name, expected) in [
            ("main", second),
            ("HEAD", second),
            ("HEAD~1", first),
            ("v1", first),
            (&second.to_string()[..8], second),
            (&second.to_string(), second),
        ] {
            assert_eq!(objects.resolve(name).unwrap(), expected, "{name}");
        }
        for name in ["nothing", "0000000", "", "main~5", "..", "main^{tree}", ":a"] {
            assert!(objects.resolve(name).is_err(), "{name}");
        }
        let told = |name: &str| objects.why_unknown(name).to_string();
        assert_eq!(told("mian"), "no such branch, tag or commit: mian; did you mean main?");
        assert_eq!(told("nothing"), "no such branch, tag or commit: nothing");
        let empty = TestRepository::bare();
        let told = empty.objects().why_unknown("HEAD").to_string();
        assert_eq!(told, "there is no commit yet, and no HEAD");
    }

    #[test]
    fn first_parents_end_where_a_shallow_history_ends() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let last = repository.commit_files("main", &[("a", "2")]);
        let shallow = TestRepository::bare();
        shallow.git(["fetch", "-q", "--depth=1", &repository.url(), "main:main"]);
        let objects = shallow.objects();
        assert_eq!(objects.first_parents(last, 10).unwrap(), [last]);
        assert_eq!(objects.history(last, 10).unwrap(), [last]);
    }
}
