//! Files of many records: how one was cut, and what a change of its bytes changes.
//!
//! A [`Table`] is a function of the path, the definition and the content of one file. It says where
//! each record begins and what it is called, and shares with the table of an earlier content all
//! that is the same. The records themselves are in the slots of their sheet.

mod difference;
mod naming;
mod reading;

use std::sync::Arc;

use im::Vector;

use crate::id::{BlobId, Key};
use crate::layout::SheetSpec;
use crate::problem::Problem;
use crate::record::{Frame, Record};
use crate::split::Splitter;

use naming::Naming;

pub(crate) use difference::change;
pub(crate) use reading::{Reading, read};
pub use reading::{Sought, seek};

/// A file of many records, as it was cut. Cloning it costs a few pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The file.
    blob: BlobId,
    /// Its path, which its records share.
    frame: Arc<Frame>,
    /// How it is cut by a scan; `None` where it is parsed whole.
    splitter: Option<Splitter>,
    /// Where the first piece begins, and how many lines end before.
    begin: usize,
    above: u32,
    pieces: Vector<Piece>,
    naming: Naming,
    /// The pieces that are no records, in order, each with what is wrong with it.
    unread: Arc<[Unread]>,
}

/// A piece of the file, from where it begins to where the next one does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// What the record is called; `None` where the piece is none.
    key: Option<Key>,
    /// Its length in bytes; zero where the file is parsed whole.
    length: u32,
    /// How many lines end in it.
    lines: u32,
}

/// What is wrong with a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unread {
    /// Its place among the pieces.
    piece: usize,
    problem: Problem,
}

/// The file that is read, and by which rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The sheet.
    pub(crate) spec: &'a SheetSpec,
    /// The path of the file.
    pub(crate) path: &'a str,
    /// The key that the path claims.
    pub(crate) list: &'a Key,
    /// The most bytes of one record.
    pub(crate) record_limit: u64,
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
    /// Returns the id of the file.
    pub fn blob(&self) -> BlobId {
        self.blob
    }

    /// Returns the keys of its records, in the order in which they stand there.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.pieces.iter().filter_map(|piece| piece.key.as_ref())
    }

    /// Returns what is wrong with its pieces, in the order in which they stand there.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.unread.iter().map(|unread| &unread.problem)
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

#[cfg(test)]
mod tests;
