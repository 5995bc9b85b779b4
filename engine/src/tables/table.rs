//! How a file of many records is cut.

use std::sync::Arc;

use im::Vector;

use super::naming::Naming;
use super::row::{MOST_PIECES, MOST_PROBLEMS};
use crate::id::{BlobId, Key};
use crate::problem::Problem;
use crate::record::{Frame, Record};
use crate::split::Splitter;

/// A file of many records, as it was cut. Cloning it costs a few pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The file.
    pub(super) blob: BlobId,
    /// Its path, which its records share.
    pub(super) frame: Arc<Frame>,
    /// How it is cut by a scan; `None` where it is parsed whole.
    pub(super) splitter: Option<Splitter>,
    /// How many bytes the file has, behind a byte order mark.
    pub(super) size: usize,
    /// Where the first piece begins, and how many lines end before.
    pub(super) begin: usize,
    pub(super) above: u32,
    pub(super) pieces: Vector<Piece>,
    pub(super) naming: Naming,
    /// The pieces that are no records, in order, each with what is wrong with it.
    pub(super) unread: Arc<[Unread]>,
}

/// A piece of the file, from where it begins to where the next one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// What the record is called; `None` where the piece is none.
    pub(super) key: Option<Key>,
    /// Its length in bytes; zero where the file is parsed whole.
    pub(super) length: u32,
    /// How many lines end in it.
    pub(super) lines: u32,
}

/// What is wrong with a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its place among the pieces.
    pub(super) piece: usize,
    pub(super) problem: Problem,
}

/// What a new content of a file changes.
#[derive(Debug)]
pub(crate) struct TableChange {
    /// How it is cut now.
    pub(crate) table: Table,
    /// The records that are others now, or gone.
    pub(crate) records: Vec<(Key, Option<Arc<Record>>)>,
}

/// Finds the record that the file holds under a key in the state before.
pub(crate) type Held<'a> = &'a dyn Fn(&Key) -> Option<Arc<Record>>;

impl Table {
    /// Says whether the file has more pieces or problems than it may.
    pub(super) fn is_too_much(&self) -> bool {
        self.pieces.len() > MOST_PIECES || self.unread.len() > MOST_PROBLEMS
    }

    /// Returns the id of the file.
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

    /// Says whether there is nothing in the file, neither a record nor anything else.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns how many of its pieces are no records. Linear in their problems.
    pub fn unread(&self) -> usize {
        self.unread.chunk_by(|a, b| a.piece == b.piece).count()
    }

    /// Returns the keys of its records with the lines in which these begin; nothing where the file is
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
