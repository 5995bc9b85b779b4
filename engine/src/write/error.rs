//! The reasons why a batch is not written.

use std::sync::Arc;

use super::Version;
use crate::admit::Withheld;
use crate::changes::ReadError;
use crate::definitions::DefinitionError;
use crate::encode::EncodeError;
use crate::id::{CommitId, Key, SheetName};
use crate::layout::RenderError;
use crate::load::LoadError;
use crate::mirror::{self, CommitFlaw, EditError, ObjectError, RefError};
use crate::problem::{Problem, Rule};
use crate::report::ReloadId;

/// The maximum weight of a record. It allows 26,000 objects or half a million numbers, which take
/// the writer a moment.
pub const HEAVIEST: usize = 16 << 20;

/// An error that prevents a batch, with all its operations, from being written.
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
    /// The record has no such attachment.
    #[error("no such attachment `{name}` of `{key}` in {sheet}")]
    NoAttachment {
        /// The sheet.
        sheet: SheetName,
        /// The key of the record.
        key: Key,
        /// The name of the attachment.
        name: String,
    },
    /// The record exists but must not, or another record exists where it should go.
    #[error("{sheet} already has a record {key}")]
    Exists {
        /// The sheet.
        sheet: SheetName,
        /// The key.
        key: Key,
    },
    /// The record is not in the expected version.
    #[error("{sheet}/{key} is not in the version that the condition names")]
    Stale {
        /// The sheet.
        sheet: SheetName,
        /// The key.
        key: Key,
        /// Its current version, or `None` if it does not exist.
        version: Option<Version>,
    },
    /// The fields belong to a different key than the given one.
    #[error("the fields give the path {rendered:?}, which is not that of the key {key}")]
    OtherKey {
        /// The given key.
        key: Key,
        /// The path that follows from the fields.
        rendered: String,
    },
    /// The sheet cannot hold the record at all.
    #[error("{path} cannot be a record of {sheet}")]
    NotOfSheet {
        /// The sheet.
        sheet: SheetName,
        /// The path that it would have.
        path: String,
    },
    /// The sheet has no attachments, or none with this name.
    #[error("a record of {sheet} cannot have an attachment named {name:?}")]
    NotAttachable {
        /// The sheet.
        sheet: SheetName,
        /// The name of the file.
        name: String,
    },
    /// The folder of the record contains files of another sheet, or of none, which it would take
    /// along.
    #[error("the folder of a record of {sheet} contains {path}, which does not belong to it")]
    HoldsOthers {
        /// The sheet.
        sheet: SheetName,
        /// One of these files.
        path: String,
    },
    /// Files already exist where the attachments of the record would go.
    #[error("files already exist at {path}, where the attachments of the record would go")]
    Occupied {
        /// The folder, or the file in its place.
        path: String,
    },
    /// Writes cannot change the path: it decides how files are read, or belongs to other programs.
    #[error(
        "writes cannot change {path}: paths that begin with a dot and headwater.toml change only by a push"
    )]
    Reserved {
        /// The path.
        path: String,
    },
    /// The path is below the root of a sheet whose definition is unusable, so that its owner is
    /// unknown.
    #[error("{path} belongs to, or contains files of, a sheet whose definition cannot be used")]
    Unsettled {
        /// The path.
        path: String,
    },
    /// The path belongs to a sheet that the author may not change. The error is the same whether
    /// the path exists or not.
    #[error(
        "{path} belongs to, or contains files of, another sheet, which the author may not change"
    )]
    OutOfScope {
        /// The path.
        path: String,
    },
    /// The result would be read by other rules than the current files.
    #[error("the change would change which files are records")]
    ChangesDefinitions,
    /// The record has too many values to be written.
    #[error("the record has too many values: it would take more than {} bytes of memory", HEAVIEST)]
    TooHeavy,
    /// The operations of a batch write too much, or take along too many files.
    #[error(
        "the operations read, write or take along more files than one request may: send several, or push"
    )]
    BatchTooLarge,
    /// The branch would have more files, or longer paths, than a branch may have.
    #[error("the branch cannot hold more files: {0}")]
    BranchFull(#[source] ObjectError),
    /// The whole file is parsed for one record, which would take the writer too long.
    #[error(
        "the file of the record is too large to change one of its records: split it, use CSV or JSON Lines, or push"
    )]
    ListTooLarge,
    /// The path cannot be derived from the fields.
    #[error("cannot determine the path of a record of {sheet}")]
    Path {
        /// The sheet.
        sheet: SheetName,
        /// The reason.
        #[source]
        source: RenderError,
    },
    /// The record cannot be encoded.
    #[error("a record of {sheet} cannot be written")]
    Encode {
        /// The sheet.
        sheet: SheetName,
        /// The reason.
        #[source]
        source: EncodeError,
    },
    /// The result has new problems.
    #[error("the change is not valid: {}", broken.first().map_or("", |first| &first.problem.message))]
    Invalid {
        /// These problems, at most a hundred of the references that each sheet declares; never empty.
        broken: Vec<Broken>,
    },
    /// One of several operations cannot be carried out.
    #[error("operation {index}")]
    Operation {
        /// Its index in the batch, from 0.
        index: usize,
        /// The reason.
        #[source]
        source: Box<WriteError>,
    },
    /// The file of a record would replace a file of many records.
    #[error("{path} is a file of many records, which no other file can replace")]
    InList {
        /// The path.
        path: String,
    },
    /// The records of the sheet are in files of many, and the record fits into none of them.
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
    /// Two sheets of a batch would write to one file.
    #[error("the request already writes to {path} as a file of {sheet}: send a separate request")]
    SharedFile {
        /// The path.
        path: String,
        /// The sheet.
        sheet: SheetName,
    },
    /// Unchanged records refer to a record that would be deleted.
    #[error("{path} refers to a record that would be removed: {message}")]
    Referenced {
        /// The file of one of them.
        path: String,
        /// What would be wrong with that file.
        message: String,
    },
    /// The change would break records that the author may not see.
    #[error("records of another sheet would have problems")]
    BreaksOthers,
    /// A file is where a folder is needed, or the reverse.
    #[error("the change does not fit into the tree")]
    Tree(#[source] EditError),
    /// The identity of a request cannot be written to a commit.
    #[error("the idempotency key cannot be stored")]
    Trailer(#[source] CommitFlaw),
    /// The key of the request was already used for a different one.
    #[error("the idempotency key {key:?} was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The repository does not return an object that it should have.
    #[error("cannot read the repository")]
    Repository(#[from] ObjectError),
    /// The definitions of the result cannot be read.
    #[error("cannot read the definitions")]
    Definitions(#[from] DefinitionError),
    /// The result cannot be read back.
    #[error("cannot read the change")]
    Read(#[from] ReadError),
    /// Writes are not accepted now; the gate gives the reason, and whether a later attempt may
    /// succeed.
    #[error(transparent)]
    Closed(#[from] WritesClosed),
    /// The change could not be made durable or published, with every other of its group.
    #[error("the change was not stored")]
    Store(#[source] Arc<StoreError>),
}

/// A problem that a batch would cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub problem: Problem,
    /// The index in the batch, from 0, of the operation that writes the file, or `None` if the
    /// batch leaves the record alone.
    pub operation: Option<usize>,
}

/// The reason why writes are not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WritesClosed {
    /// Writes are not turned on, or the repository is somebody's work tree.
    #[error("this repository is read-only")]
    ReadOnly,
    /// Too many writes are already waiting.
    #[error("too many writes are waiting")]
    Full,
    /// The engine is shut down.
    #[error("the engine is shut down")]
    ShutDown,
    /// A commit is pinned and stays served.
    #[error("commit {commit} is pinned")]
    Pinned {
        /// The commit.
        commit: CommitId,
    },
    /// A push is held back, so what follows it is undecided.
    #[error("the push {id} is held; writes are blocked until it is decided")]
    Held {
        /// The reload that holds it.
        id: ReloadId,
        /// Whether it diverged from the served commit.
        diverged: bool,
    },
    /// Too many commits are waiting to be pushed.
    #[error("{commits} commits wait to be pushed; no more writes are accepted until they are")]
    Unpushed {
        /// Their number.
        commits: u64,
    },
    /// The branch is not at the commit that the served state came from. A reload repairs this.
    #[error("the branch was moved by another process")]
    OutOfStep,
    /// Another replica leads, and writes.
    #[error("this replica follows the leader, which takes the writes")]
    Following,
    /// This replica has lost the others, and nobody knows who leads.
    #[error("this replica knows no leader; it takes no writes until there is one")]
    Orphaned,
}

/// The reason why a finished group of commits is not stored.
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
    /// The other replicas do not consent.
    #[error("the commits are not published")]
    Withheld(#[from] Withheld),
    /// A step panicked, which is a bug in Headwater.
    #[error("writing panicked: {message}")]
    Panic {
        /// The message of the panic.
        message: String,
    },
}

impl WriteError {
    /// Returns whether the change conflicts with another record, rather than being wrong in itself.
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
    /// Returns whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        mirror::is_disk_full(self)
    }

    /// Returns why the other replicas did not consent, if that is the reason.
    pub fn withheld(&self) -> Option<Withheld> {
        match self {
            Self::Withheld(withheld) => Some(*withheld),
            _ => None,
        }
    }

    /// Returns whether another process holds the lock of the branch, or has moved it.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Reference(RefError::Locked { .. } | RefError::Moved { .. }))
    }
}
