//! The history of one record: the commits that touched it, and what each did to it.

use std::collections::HashMap;

use crate::delta::changed_fields;
use crate::id::{BlobId, CommitId};
use crate::layout::SheetSpec;
use crate::mirror::{File, GitError, Mirror, ObjectError, Objects, Touch};
use crate::sheet::hides;
use crate::value::Value;

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
    /// How many touches were looked at, those included that the public sees nothing of.
    pub looked_at: usize,
}

/// What the file of a record held.
enum Held {
    /// Nothing that the public sees.
    Nothing,
    /// What is no record.
    Broken,
    /// A record.
    Record(Value),
}

/// Lists the commits in the history of `from` that touched the record `key` of `spec` in the files at
/// `paths`, of which there must be one: at most `limit`, behind the first `skip`.
///
/// Every version is read by the rules of `spec`, whatever the rules were at the time, and one that
/// these hide is not there. A version that cannot be read, or is larger than `record_limit` bytes, is
/// broken; where the sheet hides records it is not there either, for it may be hidden. Costs a walk over
/// the history by the git program, and as many versions as are listed.
///
/// # Errors
///
/// See [`HistoryError`]; a walk of more than ten seconds is one.
pub fn history(
    (mirror, objects): (&Mirror, &Objects),
    (spec, key, paths): (&SheetSpec, &str, &[String]),
    from: CommitId,
    (skip, limit): (usize, usize),
    record_limit: u64,
) -> Result<Versions, HistoryError> {
    let git = |source| HistoryError::Git {
        sheet: spec.name.to_string(),
        key: key.to_owned(),
        commit: from,
        source,
    };
    let touches = mirror.touched(from, paths, skip, limit).map_err(git)?;
    let mut files: Vec<File> =
        touches.iter().flat_map(|touch| touch.before.into_iter().chain(touch.after)).collect();
    files.sort_unstable();
    files.dedup();
    let blobs: Vec<BlobId> = files.iter().map(|file| file.blob).collect();
    let contents = mirror.files(&blobs, record_limit).map_err(git)?;
    let read = |(file, bytes): (File, _)| (file, read(spec, &paths[file.place], bytes));
    let held: HashMap<File, Held> = files.into_iter().zip(contents).map(read).collect();
    let side = |file: Option<File>| file.and_then(|file| held.get(&file)).unwrap_or(&Held::Nothing);
    let mut items = Vec::new();
    for Touch { commit, before, after } in &touches {
        let (event, fields) = match (side(*before), side(*after)) {
            (Held::Nothing, Held::Nothing) => continue,
            (_, Held::Broken) => (Event::Broken, Vec::new()),
            (Held::Nothing | Held::Broken, Held::Record(_)) => (Event::Added, Vec::new()),
            (Held::Record(_) | Held::Broken, Held::Nothing) => (Event::Removed, Vec::new()),
            (Held::Record(before), Held::Record(after)) => {
                let fields = changed_fields(before, after).into_iter();
                (Event::Modified, fields.map(|field| field.pointer).collect())
            }
        };
        let unreadable = |source| HistoryError::Commit { commit: *commit, source };
        let facts = objects.commit(*commit).map_err(unreadable)?;
        let author = objects.author(*commit).map_err(unreadable)?;
        let name = author.split_once('<').map_or(&*author, |(name, _)| name).trim().to_owned();
        items.push(Version {
            commit: *commit,
            seconds: facts.committer_time,
            author: name,
            summary: facts.subject,
            event,
            fields,
        });
    }
    Ok(Versions { items, looked_at: touches.len() })
}

/// Reads a version of the file at `path`.
fn read(spec: &SheetSpec, path: &str, bytes: Option<Vec<u8>>) -> Held {
    let value = bytes.and_then(|bytes| spec.decode(path, &bytes).ok());
    match value {
        Some(value) if hides(spec, &value) => Held::Nothing,
        Some(value) => Held::Record(value),
        // What cannot be read may be hidden, where anything is.
        None if spec.hidden.is_some() => Held::Nothing,
        None => Held::Broken,
    }
}
