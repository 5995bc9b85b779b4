//! How a file of many records is cut.

use std::sync::Arc;

use im::Vector;

use super::naming::Naming;
use super::row::{MOST_PIECES, MOST_PROBLEMS};
use crate::id::{BlobId, Key};
use crate::problem::Problem;
use crate::record::{Frame, Record};
use crate::split::Splitter;

/// The cut of a file of many records. Cloning it costs a few pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The file's blob.
    pub(super) blob: BlobId,
    /// Its path, which its records share.
    pub(super) frame: Arc<Frame>,
    /// How a scan cuts it, or `None` if it is parsed whole.
    pub(super) splitter: Option<Splitter>,
    /// How many bytes the file has after any byte order mark.
    pub(super) size: usize,
    /// Where the first piece begins, and how many lines end before.
    pub(super) begin: usize,
    pub(super) above: u32,
    pub(super) pieces: Vector<Piece>,
    pub(super) naming: Naming,
    /// The pieces that are not records, in order, each with its problem.
    pub(super) unread: Arc<[Unread]>,
}

/// A piece of the file, up to where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The key of the record, or `None` if the piece is not a record.
    pub(super) key: Option<Key>,
    /// Its length in bytes, or zero if the file is parsed whole.
    pub(super) length: u32,
    /// How many lines end in it.
    pub(super) lines: u32,
}

/// A problem of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// The index of the piece.
    pub(super) piece: usize,
    pub(super) problem: Problem,
}

/// The effect of new content of a file.
#[derive(Debug)]
pub(crate) struct TableChange {
    /// The new cut of the file.
    pub(crate) table: Table,
    /// The records that changed or disappeared.
    pub(crate) records: Vec<(Key, Option<Arc<Record>>)>,
}

/// Finds the record that the file held under a key in the previous state.
pub(crate) type PreviousRecords<'a> = &'a dyn Fn(&Key) -> Option<Arc<Record>>;

impl Table {
    /// Returns how much memory its pieces take, in bytes.
    pub(crate) fn pieces_weight(&self) -> u64 {
        self.pieces.len() as u64 * size_of::<Piece>() as u64
    }

    /// Returns whether the file has more pieces or problems than allowed.
    pub(super) fn is_too_much(&self) -> bool {
        self.pieces.len() > MOST_PIECES || self.unread.len() > MOST_PROBLEMS
    }

    /// Returns the id of the file's blob.
    pub fn blob(&self) -> BlobId {
        self.blob
    }

    /// Returns how many bytes the file has, without a byte order mark.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the keys of its records, in the order in which they stand there.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.pieces.iter().filter_map(|piece| piece.key.as_ref())
    }

    /// Returns how many records it has. Linear in its problems.
    pub fn record_count(&self) -> usize {
        self.pieces.len() - self.unread()
    }

    /// Returns what is wrong with its pieces, in the order in which they stand there.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.unread.iter().map(|unread| &unread.problem)
    }

    /// Returns whether the file has no pieces at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns how many of its pieces are not records. Linear in their problems.
    pub fn unread(&self) -> usize {
        self.unread.chunk_by(|a, b| a.piece == b.piece).count()
    }

    /// Returns the keys of its records with the lines where they begin, or nothing if the file is
    /// not cut by a scan.
    pub fn lines(&self) -> impl Iterator<Item = (&Key, u32)> {
        let mut line = 1 + self.above;
        let known = self.pieces.iter().filter(|_| self.splitter.is_some());
        let begin = known.map(move |piece| {
            let begin = line;
            line += piece.lines;
            piece.key.as_ref().map(|key| (key, begin))
        });
        begin.flatten()
    }
}
