//! Why a batch is not written.

use std::sync::Arc;

use super::Version;
use crate::changes::ReadError;
use crate::definitions::DefinitionError;
use crate::encode::EncodeError;
use crate::id::{CommitId, Key, SheetName};
use crate::layout::RenderError;
use crate::load::LoadError;
use crate::mirror::{self, CommitFlaw, EditError, ObjectError, RefError};
use crate::problem::{Problem, Rule};
use crate::report::ReloadId;

/// The weight up to which a record is written. It is what 26,000 objects or half a million numbers
/// come to, which take the writer a moment.
pub const HEAVIEST: usize = 16 << 20;

/// A batch that is not written: nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no such sheet.
    #[error("no such sheet `{sheet}`")]
    NoSheet {
        /// The name.
        sheet: SheetName,
    },
    /// There is no such record.
    #[error("no such record `{key}` in {sheet}")]
    NotFound {
        /// The sheet.
        sheet: SheetName,
        /// The key.
        key: Key,
    },
    /// The record is there and was not to be, or another one is where it should go.
    #[error("{sheet} already has a record {key}")]
    Exists {
        /// The sheet.
        sheet: SheetName,
        /// The key.
        key: Key,
    },
    /// The record is not in the version that was expected.
    #[error("{sheet}/{key} has changed")]
    Stale {
        /// The sheet.
        sheet: SheetName,
        /// The key.
        key: Key,
        /// Its version now; `None` where it is not there.
        version: Option<Version>,
    },
    /// The fields belong under another key than the one that is named.
    #[error("the fields belong to the key {rendered:?}, not to {key}")]
    OtherKey {
        /// The key that is named.
        key: Key,
        /// The path that the fields say.
        rendered: String,
    },
    /// The sheet cannot take the record at all.
    #[error("{path} cannot be a record of {sheet}")]
    NotOfSheet {
        /// The sheet.
        sheet: SheetName,
        /// The path it would have.
        path: String,
    },
    /// The sheet has no files beside its records, or none of this name.
    #[error("a record of {sheet} cannot have the file {name:?} beside it")]
    NotAttachable {
        /// The sheet.
        sheet: SheetName,
        /// The name of the file.
        name: String,
    },
    /// Beside the record are files of another sheet, or of none, which it would take with it.
    #[error("a record of {sheet} has {path} beside it, which does not belong to it")]
    HoldsOthers {
        /// The sheet.
        sheet: SheetName,
        /// One of these files.
        path: String,
    },
    /// There are files already where the attachments of the record would go.
    #[error("files already exist at {path}, where the attachments of the record would go")]
    Occupied {
        /// The folder, or the file in its place.
        path: String,
    },
    /// No write touches the path: it says how files are read, or is for other programs.
    #[error(
        "writes cannot change {path}: paths that begin with a dot and headwater.toml change only by a push"
    )]
    Reserved {
        /// The path.
        path: String,
    },
    /// The path lies below the root of a sheet whose definition cannot be used, so that nobody knows
    /// whose it is.
    #[error("{path} belongs to, or contains files of, a sheet whose definition cannot be used")]
    Unsettled {
        /// The path.
        path: String,
    },
    /// The path is of a sheet that the author may not change. It is told in the same way whether
    /// there is something or not.
    #[error(
        "{path} belongs to, or contains files of, another sheet, which the author may not change"
    )]
    OutOfScope {
        /// The path.
        path: String,
    },
    /// The result would be read by other rules than what is there.
    #[error("the change would change which files are records")]
    ChangesDefinitions,
    /// The record has too many values to be written.
    #[error("the record has too many values: it would take more than {} bytes of memory", HEAVIEST)]
    TooHeavy,
    /// The operations of a batch write too much.
    #[error("the operations read and write more bytes of files than one request may: send several")]
    BatchTooLarge,
    /// The path cannot be told from the fields.
    #[error("cannot determine the path of a record of {sheet}")]
    Path {
        /// The sheet.
        sheet: SheetName,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// The record cannot be encoded.
    #[error("a record of {sheet} cannot be written")]
    Encode {
        /// The sheet.
        sheet: SheetName,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// The result has problems that were not there before.
    #[error("the change is not valid: {}", broken.first().map_or("", |first| &first.problem.message))]
    Invalid {
        /// All of them; never empty.
        broken: Vec<Broken>,
    },
    /// One of several operations cannot be done.
    #[error("operation {index}")]
    Operation {
        /// Its place in the batch, from 0.
        index: usize,
        /// Why.
        #[source]
        source: Box<WriteError>,
    },
    /// The file of a record would take the place of a file of many.
    #[error("{path} is a file of many records, whose place no other file takes")]
    InList {
        /// The path.
        path: String,
    },
    /// The records of the sheet are in files of many, and there is none that the record goes into.
    #[error("{sheet} has no file of many records that the record could go into")]
    NoList {
        /// The sheet.
        sheet: SheetName,
    },
    /// The sheet has several files of many records.
    #[error(
        "{sheet} has no file of many records, or several: put the record under a key that begins \
         with that of the file"
    )]
    WhichList {
        /// The sheet.
        sheet: SheetName,
    },
    /// Two sheets of a batch would write to one file of many records.
    #[error("{path} is written to as a file of {sheet} already: send another request")]
    SharedList {
        /// The path.
        path: String,
        /// The sheet.
        sheet: SheetName,
    },
    /// Records that stay as they are refer to one that would be gone.
    #[error("{path} refers to a record that would be removed: {message}")]
    Referenced {
        /// The file of one of them.
        path: String,
        /// What would be wrong with it.
        message: String,
    },
    /// Records that the author may not be told of would be wrong.
    #[error("records of another sheet would have problems")]
    BreaksOthers,
    /// Files and folders are in each other's place.
    #[error("the change does not fit into the tree")]
    Tree(#[source] EditError),
    /// What a request is known by cannot stand in a commit.
    #[error("the idempotency key cannot be stored")]
    Trailer(#[source] CommitFlaw),
    /// The key of a request was used for another one.
    #[error("the idempotency key {key:?} was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The repository does not give what it should.
    #[error("cannot read the repository")]
    Repository(#[from] ObjectError),
    /// The definitions of the result cannot be read.
    #[error("cannot read the definitions")]
    Definitions(#[from] DefinitionError),
    /// What was made cannot be read again.
    #[error("cannot read the change")]
    Read(#[from] ReadError),
    /// The write is not taken now; it says why, and whether it may be later.
    #[error(transparent)]
    Closed(#[from] WritesClosed),
    /// The change could not be made durable or published, with every other of its group.
    #[error("the change was not stored")]
    Store(#[source] Arc<StoreError>),
}

/// A problem that a batch would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub problem: Problem,
    /// The place in the batch, from 0, of the operation that writes the file; `None` for the file of
    /// a record that the batch leaves alone.
    pub operation: Option<usize>,
}

/// A reason for which no write is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WritesClosed {
    /// Writes are not turned on, or the repository is somebody's work tree.
    #[error("this repository is read-only")]
    ReadOnly,
    /// Too many writes wait already.
    #[error("too many writes are waiting")]
    Full,
    /// The engine is shut down.
    #[error("the engine is shut down")]
    ShutDown,
    /// A commit is pinned, and stays what is served.
    #[error("commit {commit} is pinned")]
    Pinned {
        /// The commit.
        commit: CommitId,
    },
    /// A push is held back: what comes behind it is not decided.
    #[error("the push {id} is held; writes are blocked until it is decided")]
    Held {
        /// The reload that holds it.
        id: ReloadId,
        /// Whether it diverged from what is served.
        diverged: bool,
    },
    /// Too many commits wait to be pushed.
    #[error("{commits} commits wait to be pushed; no more writes are accepted until they are")]
    Unpushed {
        /// How many.
        commits: u64,
    },
    /// The branch is not where what is served came from. A reload mends it.
    #[error("the branch was moved by another process")]
    OutOfStep,
}

/// A group of commits that was made and is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The repository cannot be opened.
    #[error("cannot open the repository")]
    Open(#[source] mirror::RepositoryError),
    /// The repository does not give what it should.
    #[error("cannot read the repository")]
    Repository(#[source] ObjectError),
    /// The branch cannot be read or moved.
    #[error("cannot read or move the branch")]
    Reference(#[source] RefError),
    /// The state cannot be built.
    #[error("cannot build the state")]
    Load(#[source] LoadError),
    /// The objects cannot be stored.
    #[error("cannot store the objects")]
    Objects(#[source] std::io::Error),
    /// A step panicked, which is a mistake in Headwater.
    #[error("writing panicked: {message}")]
    Panic {
        /// What the panic said.
        message: String,
    },
}

impl WriteError {
    /// Says whether another record stands in the way, as opposed to the change being wrong in
    /// itself.
    pub fn is_conflict(&self) -> bool {
        let clash =
            |broken: &Broken| matches!(broken.problem.rule, Rule::NotUnique | Rule::KeyTaken);
        match self {
            Self::Exists { .. }
            | Self::HoldsOthers { .. }
            | Self::Unsettled { .. }
            | Self::Occupied { .. }
            | Self::Referenced { .. }
            | Self::BreaksOthers => true,
            Self::Tree(
                EditError::IsAFolder { .. } | EditError::NotAFolder { .. } | EditError::Twin { .. },
            ) => true,
            Self::Invalid { broken } => broken.iter().all(clash),
            Self::Operation { source, .. } => source.is_conflict(),
            _ => false,
        }
    }
}

impl StoreError {
    /// Says whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        mirror::is_disk_full(self)
    }

    /// Says whether somebody else holds the lock of the branch, or has moved it.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Reference(RefError::Locked { .. } | RefError::Moved { .. }))
    }
}
