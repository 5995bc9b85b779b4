//! The history of one record: the commits that touched it, and what each changed.

mod bookmarks;
mod holders;
mod whereabouts;

use std::collections::{HashMap, HashSet};

use crate::budget::{Budget, TooCostly};
use crate::delta::changed_fields;
use crate::id::{BlobId, CommitId};
use crate::layout::{Shape, SheetSpec};
use crate::mirror::{
    BlobContent, CommitFacts, File, GitError, Mirror, ObjectError, Objects, ReadLimits, Touch,
};
use crate::options::LoadOptions;
use crate::sheet::hides;
use crate::tables::{LookupResult, seek};
use crate::value::Value;

pub use bookmarks::Bookmarks;
use bookmarks::HistoryName;
use holders::{Holders, Sides};
pub use whereabouts::Whereabouts;

/// The number of bytes of file versions that one page of a history may read: a tenth of a second of
/// work. The page ends there, at the same commit for every caller.
const MOST_READ: u64 = 4 << 20;

/// The number of versions that are always read: one commit has two.
const LEAST: usize = 2;

/// Why the history of a record cannot be returned.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The history cannot be walked, or its versions cannot be read.
    #[error("the history of {key} in {sheet} cannot be read from commit {commit} on")]
    Git {
        /// The sheet.
        sheet: String,
        /// The key.
        key: String,
        /// The start of the walk.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: GitError,
    },
    /// A commit cannot be read.
    #[error("commit {commit} cannot be read")]
    Commit {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// A version of the files is missing.
    #[error("a file of commit {commit} is missing")]
    Missing {
        /// The commit.
        commit: CommitId,
        /// The error from git.
        #[source]
        source: ObjectError,
    },
    /// Nobody waits for the answer any more.
    #[error("nobody waits for the history any more")]
    Unawaited(#[from] TooCostly),
}

impl HistoryError {
    /// Returns whether the walk was given up because it took too long. Another try may succeed,
    /// when the machine has less to do.
    pub fn took_too_long(&self) -> bool {
        matches!(self, Self::Git { source: GitError::Killed { .. }, .. })
    }

    /// Returns whether git found that an object is missing.
    pub fn lacks_object(&self) -> bool {
        matches!(self, Self::Git { source: GitError::Lacking { .. }, .. })
    }
}

/// The limits on the work for one page of a history.
#[derive(Debug, Clone, Copy)]
pub struct Effort<'a> {
    /// Lasts as long as the page is awaited; then the work is abandoned.
    pub awaited: &'a Budget,
    /// The cost that the page may have; then it ends, after at least one commit.
    pub part: &'a Budget,
}

/// What a commit did to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Added it.
    Added,
    /// Changed it.
    Modified,
    /// Removed it.
    Removed,
    /// Made its file unreadable as a record.
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
    /// The time of the commit, in seconds since the Unix epoch.
    pub seconds: i64,
    /// The author, without an address.
    pub author: String,
    /// The first line of its message.
    pub summary: String,
    /// What it did.
    pub event: Event,
    /// The fields that it changed, as JSON Pointers.
    pub fields: Vec<String>,
}

/// One page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The commits, newest first. The next page is behind those listed so far; it may go on where this
    /// one ended with fewer than it may have.
    pub items: Vec<Version>,
    /// Whether there are no more that are public.
    pub ended: bool,
}

/// The contents of a record's file.
#[derive(Debug, PartialEq, Eq)]
enum RecordState {
    /// Nothing.
    Nothing,
    /// Something that is not public, so that the key has nothing public at that commit.
    Withheld,
    /// Something that is not a record.
    Broken,
    /// A record.
    Record(Value),
}

/// The number of bytes of files of many records that one page of a history may read, in addition to
/// the last version. All rows of a version are decoded to find one, so this is a second or two of
/// work.
const LIST_BYTES: u64 = 32 << 20;

/// The least number of touches to request where only a few may be listed: those of a file of many
/// records, or those behind versions that are hidden.
const TOUCHES: usize = 100;

/// The number of bytes of files that no commit touched that one page of a history may read, in
/// addition to the last one.
const MOST_BESIDE: u64 = 4 << 20;

/// How often touches are requested for one page; git walks from the start each time.
const WALKS: usize = 4;

/// Returns the commits in the history of `from` that touched the record `key` of `spec` in the
/// files at `paths`, of which there must be at least one, in their order of precedence: at most
/// `limit`, after the first `listed` of those that are listed.
///
/// Every version is read by the rules of `spec`, whatever the rules were at the time; a version
/// that these rules hide counts as absent. A version that cannot be read, or that exceeds the
/// limits of `options`, is broken; if the sheet hides records it counts as absent too, because it
/// may be hidden. A commit that touched only another record of the same file is not listed.
///
/// If the sheet hides records, and several files may hold this one, the first that a commit has
/// decides what the key had there, whichever the commit touched: behind a hidden one there is
/// nothing.
///
/// A page ends only at a listed commit behind which another one is listed, at the end of the
/// history, or where it has cost what it may: what is not public neither fills a page nor begins
/// one. The first page of a record in a file of its own ends the history if it lists nothing,
/// whatever is behind: otherwise it would tell that the record existed. A page that ends by its cost
/// before it lists anything goes on from there when it is asked for again: `bookmarks` has the place.
///
/// Walks the history with the git program, at most four times, and reads the versions, 4 MiB of
/// them. For files of many records, it reads every version on the way, up to 32 MiB and one
/// version more. A page may cost what `effort` allows.
///
/// # Errors
///
/// See [`HistoryError`]; a walk of more than ten seconds is one.
pub fn history(
    (mirror, objects): (&Mirror, &Objects),
    (spec, key, paths): (&SheetSpec, &str, &[Whereabouts]),
    from: CommitId,
    (listed, limit): (usize, usize),
    bookmarks: &Bookmarks,
    options: &LoadOptions,
    effort: Effort<'_>,
) -> Result<Versions, HistoryError> {
    let git = |source| HistoryError::Git {
        sheet: spec.name.to_string(),
        key: key.to_owned(),
        commit: from,
        source,
    };
    let names: Vec<String> = paths.iter().map(|at| at.walked.clone()).collect();
    let holders = Holders::of(spec, paths);
    let held = HashMap::new();
    let mut contents = Contents { spec, paths, options, effort, held, bytes: 0, beside: 0 };
    let may_be_list = (0..paths.len()).any(|place| contents.may_be_list(place));
    let mut found = Versions { items: Vec::new(), ended: false };
    let name = HistoryName::of(spec, key, from, names.iter());
    let begin = bookmarks.before(name, listed);
    let mut place = begin;
    'page: for walk in 0..WALKS {
        // One more than are listed says whether there is another page.
        let asked = match walk == 0 && !may_be_list {
            true => limit.saturating_add(1),
            false => limit.saturating_add(1).max(TOUCHES),
        };
        let touches = mirror.touched(from, &names, place.touches, asked).map_err(git)?;
        if !may_be_list {
            contents.read_all(mirror, &touches).map_err(git)?;
        }
        let last = touches.len() < asked;
        for touch in touches {
            effort.awaited.check()?;
            let Touch { commit, before, after } = touch;
            let mut touched = before.into_iter().chain(after);
            let is_unread = !may_be_list && !touched.all(|file| contents.holds(file));
            let is_much = match may_be_list {
                true => contents.bytes > LIST_BYTES,
                false => contents.beside > MOST_BESIDE,
            };
            let is_costly = is_much || effort.part.check().is_err();
            if is_unread || place.touches > begin.touches && is_costly {
                break 'page;
            }
            let missing = |source| HistoryError::Missing { commit, source };
            let unreadable = |source| HistoryError::Commit { commit, source };
            let sides = holders.around(objects, touch, effort.part).map_err(unreadable)?;
            sides.files().try_for_each(|file| contents.read(objects, file)).map_err(missing)?;
            effort.awaited.check()?;
            let event = contents.event(&sides);
            if event.is_some() && place.listed == listed.saturating_add(limit) {
                bookmarks.keep(name, place);
                return Ok(found);
            }
            place.touches += 1;
            let Some((event, fields)) = event else { continue };
            if place.listed >= listed {
                found.items.push(version(objects, commit, event, fields)?);
            }
            place.listed += 1;
        }
        if last {
            found.ended = true;
            return Ok(found);
        }
    }
    bookmarks.keep(name, place);
    found.ended = !may_be_list && found.items.is_empty() && listed == 0;
    Ok(found)
}

/// Returns what a commit did to a record, and which fields it changed; `None` if it changed nothing
/// public.
fn event([before, after]: [&RecordState; 2], is_list: bool) -> Option<(Event, Vec<String>)> {
    use RecordState::{Broken, Nothing, Record, Withheld};
    match (before, after) {
        (Nothing | Withheld, Nothing | Withheld) => None,
        // It changed another record.
        (before, after) if is_list && before == after => None,
        (_, Broken) => Some((Event::Broken, Vec::new())),
        (Nothing | Withheld | Broken, Record(_)) => Some((Event::Added, Vec::new())),
        (Record(_) | Broken, Nothing | Withheld) => Some((Event::Removed, Vec::new())),
        (Record(before), Record(after)) => {
            let fields = changed_fields(before, after).into_iter();
            Some((Event::Modified, fields.map(|field| field.pointer.into()).collect()))
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
    let Note { seconds, author, summary } = Note::of(objects, commit).map_err(unreadable)?;
    Ok(Version { commit, seconds, author, summary, event, fields })
}

/// The facts about a commit that do not depend on its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// Who wrote it, without an address.
    pub author: String,
    /// The first line of its message.
    pub summary: String,
}

impl Note {
    /// Reads the facts about `commit`.
    ///
    /// # Errors
    ///
    /// Fails where the commit cannot be read.
    pub fn of(objects: &Objects, commit: CommitId) -> Result<Self, ObjectError> {
        let CommitFacts { committer_time: seconds, subject: summary, .. } =
            objects.commit(commit)?;
        let author = objects.author(commit)?;
        let author = author.split_once('<').map_or(&*author, |(name, _)| name).trim().to_owned();
        Ok(Self { seconds, author, summary })
    }
}

/// The contents of a record's files at the commits that touched them.
struct Contents<'a> {
    spec: &'a SheetSpec,
    paths: &'a [Whereabouts],
    options: &'a LoadOptions,
    effort: Effort<'a>,
    held: HashMap<File, RecordState>,
    /// The number of bytes that were read.
    bytes: u64,
    /// The number of those in files that no commit of the page touched.
    beside: u64,
}

impl Contents<'_> {
    fn may_be_list(&self, place: usize) -> bool {
        self.spec.shape_of(&self.paths[place].path) != Shape::Record
    }

    fn holds(&self, file: File) -> bool {
        self.held.contains_key(&file)
    }

    /// Returns what a commit did to the record, as [`event`] does.
    fn event(&self, sides: &Sides) -> Option<(Event, Vec<String>)> {
        let [before, after] = sides.each();
        let (before, after) = (self.deciding(before), self.deciding(after));
        // It touched another file of the key.
        if sides.are_whole() && before.map(|(file, _)| file) == after.map(|(file, _)| file) {
            return None;
        }
        let is_list = sides.files().any(|file| self.may_be_list(file.place));
        let state = |side: Option<(File, _)>| side.map_or(&RecordState::Nothing, |(_, held)| held);
        event([state(before), state(after)], is_list)
    }

    /// Returns the first of these files that has something under the key, and what.
    fn deciding(&self, files: &[File]) -> Option<(File, &RecordState)> {
        let mut held = files.iter().filter_map(|file| Some((*file, self.held.get(file)?)));
        held.find(|(_, held)| **held != RecordState::Nothing)
    }

    /// Reads the files that `touches` name, each of which is one record, up to the byte limit.
    fn read_all(&mut self, mirror: &Mirror, touches: &[Touch]) -> Result<(), GitError> {
        // In the order in which they are needed.
        let mut known = HashSet::new();
        let files = touches.iter().flat_map(|touch| touch.after.into_iter().chain(touch.before));
        let is_new = |file: &File| !self.held.contains_key(file) && known.insert(*file);
        let files: Vec<File> = files.filter(is_new).collect();
        let blobs: Vec<BlobId> = files.iter().map(|file| file.blob).collect();
        let (largest, most) = (self.options.record_limit, MOST_READ.saturating_sub(self.bytes));
        let least = LEAST.saturating_sub(self.held.len());
        let contents = mirror.files(&blobs, ReadLimits { largest, most, least })?;
        for (file, bytes) in files.into_iter().zip(contents) {
            if self.held.len() >= LEAST && self.effort.part.check().is_err() {
                break;
            }
            let held = self.seek(file, bytes.as_deref());
            self.held.insert(file, held);
            self.bytes += bytes.map_or(0, |bytes| bytes.len() as u64);
        }
        Ok(())
    }

    /// Reads a file that may hold many records, or that no commit of the page touched, unless it was
    /// read before.
    ///
    /// # Errors
    ///
    /// If it is missing. What it said is not known then, and it may have been a record.
    fn read(&mut self, objects: &Objects, file: File) -> Result<(), ObjectError> {
        if self.held.contains_key(&file) {
            return Ok(());
        }
        let is_list = self.may_be_list(file.place);
        if !is_list && self.paths[file.place].is_withheld {
            self.held.insert(file, RecordState::Withheld);
            return Ok(());
        }
        let limit = match is_list {
            true => self.options.record_limit.max(self.options.file_limit),
            false => self.options.record_limit,
        };
        let read = objects.read_blob(file.blob, limit, |content| match content {
            BlobContent::Bytes(bytes) => (self.seek(file, Some(bytes)), bytes.len() as u64),
            BlobContent::TooLarge(_) => (self.seek(file, None), 0),
        });
        let (held, bytes) = match read {
            Err(error) if error.is_missing() => return Err(error),
            read => read.unwrap_or_else(|_| (self.seek(file, None), 0)),
        };
        self.held.insert(file, held);
        self.bytes += bytes;
        if !is_list {
            self.beside += bytes;
        }
        Ok(())
    }

    /// Finds the record in a version of its file.
    fn seek(&self, file: File, bytes: Option<&[u8]>) -> RecordState {
        let Self { spec, options, .. } = self;
        let Whereabouts { path, list, key, is_withheld, .. } = &self.paths[file.place];
        let Effort { awaited, part } = self.effort;
        // Before the work, so that a long one waits for its turn and is not started for nobody.
        let is_read = |bytes: &&[u8]| {
            part.spend(bytes.len());
            awaited.spend(bytes.len())
        };
        let sought = bytes.filter(is_read);
        let sought =
            sought.map(|bytes| seek((spec, path), (list, key), bytes, options.record_limit));
        match sought.unwrap_or(LookupResult::Unread) {
            // Which key it had then is not known.
            _ if *is_withheld => RecordState::Withheld,
            LookupResult::Nothing => RecordState::Nothing,
            LookupResult::Value(value) if hides(spec, &value) => RecordState::Withheld,
            LookupResult::Value(value) => RecordState::Record(value),
            // If records are hidden, an unreadable one may be among them.
            LookupResult::Unread if spec.hidden.is_some() => RecordState::Withheld,
            LookupResult::Unread => RecordState::Broken,
        }
    }
}
