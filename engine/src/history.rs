//! The history of one record: the commits that touched it, and what each did to it.

use std::collections::{HashMap, HashSet};

use crate::budget::{Budget, TooCostly};
use crate::delta::changed_fields;
use crate::id::{BlobId, CommitId, Key};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{BlobContent, File, GitError, Mirror, ObjectError, Objects, Reading, Touch};
use crate::options::LoadOptions;
use crate::sheet::hides;
use crate::tables::{Sought, seek};
use crate::value::Value;

/// How many bytes of versions are read for a part of a history: a tenth of a second of work. The part
/// ends there, at the same commit whoever asks.
const MOST_READ: u64 = 4 << 20;

/// How many versions are read in any case: those of one commit are two.
const LEAST: usize = 2;

/// Why the history of a record cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The history cannot be walked, or the versions not be read.
    #[error("the history of {key} in {sheet} cannot be read from commit {commit} on")]
    Git {
        /// The sheet.
        sheet: String,
        /// The key.
        key: String,
        /// Where the walk begins.
        commit: CommitId,
        /// What git says.
        #[source]
        source: GitError,
    },
    /// A commit cannot be read.
    #[error("commit {commit} cannot be read")]
    Commit {
        /// The commit.
        commit: CommitId,
        /// What git says.
        #[source]
        source: ObjectError,
    },
    /// Nobody waits for the answer any more.
    #[error("the history is not awaited any more")]
    Unawaited(#[from] TooCostly),
}

/// How long a part of a history is made.
#[derive(Debug, Clone, Copy)]
pub struct Effort<'a> {
    /// Lasts as long as the part is awaited; then it is given up.
    pub awaited: &'a Budget,
    /// What the part may cost; then it ends, behind one commit at least.
    pub part: &'a Budget,
}

/// What a commit did to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is there since.
    Added,
    /// It is another one since.
    Modified,
    /// It is not there since.
    Removed,
    /// Its file cannot be read as a record since.
    Broken,
}

impl Event {
    /// Returns the stable name that the API shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
            Self::Broken => "broken",
        }
    }
}

/// A commit that touched a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The commit.
    pub commit: CommitId,
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// Who wrote it, without an address.
    pub author: String,
    /// The first line of its message.
    pub summary: String,
    /// What it did.
    pub event: Event,
    /// The fields that it changed, as JSON Pointers.
    pub fields: Vec<String>,
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The commits, the newest first.
    pub items: Vec<Version>,
    /// How many touches were looked at, those included that the public sees nothing of, and those of
    /// other records in the same file.
    pub looked_at: usize,
    /// Whether there are no further ones.
    pub ended: bool,
}

/// A file that may hold a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its path.
    pub path: String,
    /// The key that the path claims.
    pub list: Key,
}

/// What the file of a record held.
#[derive(Debug, PartialEq, Eq)]
enum Held {
    /// Nothing that the public sees.
    Nothing,
    /// What is no record.
    Broken,
    /// A record.
    Record(Value),
}

/// How many bytes of files of many records are read for one part of a history, the last version aside.
/// All rows of a version are decoded to find one, so this is a second or two of work.
const LIST_BYTES: u64 = 32 << 20;

/// How many touches of a file of many records are asked for at least: few may be of the record.
const TOUCHES: usize = 100;

/// How often they are asked for in one part; git walks from the beginning each time.
const WALKS: usize = 4;

/// Lists the commits in the history of `from` that touched the record `key` of `spec` in the files at
/// `paths`, of which there must be one: at most `limit`, behind the first `skip`.
///
/// Every version is read by the rules of `spec`, whatever the rules were at the time, and one that
/// these hide is not there. A version that cannot be read, or is larger than the limits of `options`,
/// is broken; where the sheet hides records it is not there either, for it may be hidden. A commit
/// that touched another record of the same file is none of these. Costs a walk over the history by
/// the git program, and as many versions as are listed, or 4 MiB of them, where the part ends early;
/// of files of many records every version on the way, up to 32 MiB and one version more, and at most
/// four walks. A part ends as well when it has cost what `effort` allows.
///
/// # Errors
///
/// See [`HistoryError`]; a walk of more than ten seconds is one.
pub fn history(
    (mirror, objects): (&Mirror, &Objects),
    (spec, key, paths): (&SheetSpec, &str, &[Whereabouts]),
    from: CommitId,
    (skip, limit): (usize, usize),
    options: &LoadOptions,
    effort: Effort<'_>,
) -> Result<Versions, HistoryError> {
    let git = |source| HistoryError::Git {
        sheet: spec.name.to_string(),
        key: key.to_owned(),
        commit: from,
        source,
    };
    let names: Vec<String> = paths.iter().map(|at| at.path.clone()).collect();
    let held = HashMap::new();
    let mut contents = Contents { spec, key, paths, options, effort, held, bytes: 0 };
    let may_be_list = (0..paths.len()).any(|place| contents.may_be_list(place));
    let (walks, asked) = if may_be_list { (WALKS, limit.max(TOUCHES)) } else { (1, limit) };
    let mut found = Versions { items: Vec::new(), looked_at: 0, ended: false };
    for _ in 0..walks {
        let touches = mirror.touched(from, &names, skip + found.looked_at, asked).map_err(git)?;
        if !may_be_list {
            contents.read_all(mirror, &touches).map_err(git)?;
        }
        let last = touches.len() < asked;
        for Touch { commit, before, after } in touches {
            let is_read = |file| contents.held.contains_key(&file);
            if !may_be_list && !before.into_iter().chain(after).all(is_read) {
                return Ok(found);
            }
            effort.awaited.check()?;
            let is_costly = contents.bytes > LIST_BYTES || effort.part.check().is_err();
            if found.items.len() == limit || (found.looked_at > 0 && is_costly) {
                return Ok(found);
            }
            found.looked_at += 1;
            let files = || before.into_iter().chain(after);
            files().for_each(|file| contents.read(objects, file));
            effort.awaited.check()?;
            let is_list = files().any(|file| contents.may_be_list(file.place));
            let sides = [contents.side(before), contents.side(after)];
            if let Some((event, fields)) = event(sides, is_list) {
                found.items.push(version(objects, commit, event, fields)?);
            }
        }
        found.ended = last;
        if last {
            break;
        }
    }
    Ok(found)
}

/// Returns what a commit did to a record, and which fields it changed; `None` where it did nothing
/// that the public sees.
fn event([before, after]: [&Held; 2], is_list: bool) -> Option<(Event, Vec<String>)> {
    match (before, after) {
        (Held::Nothing, Held::Nothing) => None,
        // What it changed is another record.
        (before, after) if is_list && before == after => None,
        (_, Held::Broken) => Some((Event::Broken, Vec::new())),
        (Held::Nothing | Held::Broken, Held::Record(_)) => Some((Event::Added, Vec::new())),
        (Held::Record(_) | Held::Broken, Held::Nothing) => Some((Event::Removed, Vec::new())),
        (Held::Record(before), Held::Record(after)) => {
            let fields = changed_fields(before, after).into_iter();
            Some((Event::Modified, fields.map(|field| field.pointer).collect()))
        }
    }
}

fn version(
    objects: &Objects,
    commit: CommitId,
    event: Event,
    fields: Vec<String>,
) -> Result<Version, HistoryError> {
    let unreadable = |source| HistoryError::Commit { commit, source };
    let facts = objects.commit(commit).map_err(unreadable)?;
    let author = objects.author(commit).map_err(unreadable)?;
    let author = author.split_once('<').map_or(&*author, |(name, _)| name).trim().to_owned();
    let (seconds, summary) = (facts.committer_time, facts.subject);
    Ok(Version { commit, seconds, author, summary, event, fields })
}

/// What the files of a record held at the commits that touched them.
struct Contents<'a> {
    spec: &'a SheetSpec,
    key: &'a str,
    paths: &'a [Whereabouts],
    options: &'a LoadOptions,
    effort: Effort<'a>,
    held: HashMap<File, Held>,
    /// How many bytes of files of many records were read.
    bytes: u64,
}

impl Contents<'_> {
    fn may_be_list(&self, place: usize) -> bool {
        self.spec.shape_of(&self.paths[place].path) != Shape::Record
    }

    fn side(&self, file: Option<File>) -> &Held {
        file.and_then(|file| self.held.get(&file)).unwrap_or(&Held::Nothing)
    }

    /// Reads the files that `touches` name, each of which is one record, up to so many bytes.
    fn read_all(&mut self, mirror: &Mirror, touches: &[Touch]) -> Result<(), GitError> {
        // In the order in which they are needed.
        let mut known = HashSet::new();
        let files = touches.iter().flat_map(|touch| touch.after.into_iter().chain(touch.before));
        let files: Vec<File> = files.filter(|file| known.insert(*file)).collect();
        let blobs: Vec<BlobId> = files.iter().map(|file| file.blob).collect();
        let largest = self.options.record_limit;
        let contents = mirror.files(&blobs, Reading { largest, most: MOST_READ, least: LEAST })?;
        for (file, bytes) in files.into_iter().zip(contents) {
            if self.held.len() >= LEAST && self.effort.part.check().is_err() {
                break;
            }
            let held = self.seek(file, bytes.as_deref());
            self.held.insert(file, held);
        }
        Ok(())
    }

    /// Reads a file that may hold many records, if it was not read before. What is not in the
    /// repository cannot be read.
    fn read(&mut self, objects: &Objects, file: File) {
        if self.held.contains_key(&file) {
            return;
        }
        let limit = self.options.record_limit.max(self.options.file_limit);
        let read = objects.read_blob(file.blob, limit, |content| match content {
            BlobContent::Bytes(bytes) => (self.seek(file, Some(bytes)), bytes.len() as u64),
            BlobContent::TooLarge(_) => (self.seek(file, None), 0),
        });
        let (held, bytes) = read.unwrap_or_else(|_| (self.seek(file, None), 0));
        self.held.insert(file, held);
        self.bytes += bytes;
    }

    /// Looks for the record in a version of its file.
    fn seek(&self, file: File, bytes: Option<&[u8]>) -> Held {
        let Self { spec, key, options, .. } = self;
        let Whereabouts { path, list } = &self.paths[file.place];
        let Effort { awaited, part } = self.effort;
        // Before the work, so that a long one waits for its turn, and is not begun for nobody.
        let is_read = |bytes: &&[u8]| {
            part.spend(bytes.len());
            awaited.spend(bytes.len())
        };
        let sought = bytes.filter(is_read);
        let sought =
            sought.map(|bytes| seek((spec, path), (list, key), bytes, options.record_limit));
        match sought.unwrap_or(Sought::Unread) {
            Sought::Nothing => Held::Nothing,
            Sought::Value(value) if hides(spec, &value) => Held::Nothing,
            Sought::Value(value) => Held::Record(value),
            // What cannot be read may be hidden, where anything is.
            Sought::Unread if spec.hidden.is_some() => Held::Nothing,
            Sought::Unread => Held::Broken,
        }
    }
}
