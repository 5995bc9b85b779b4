//! One change of a change set.

use std::sync::Arc;

use crate::layout::SheetSpec;
use crate::problem::Problem;
use crate::sheet::Claim;
use crate::tables::Table;

/// What one path has become.
#[derive(Debug, Clone)]
pub struct Change {
    /// The sheet that claims the path.
    pub sheet: Arc<SheetSpec>,
    /// What the path claims there, and what it holds now.
    pub now: Now,
}

/// What a path claims in its sheet, and what it holds now.
#[derive(Debug, Clone)]
pub enum Now {
    /// It claims a key.
    Claims(Claim),
    /// Its name makes it no record, whatever it holds; `None` when it is gone.
    Misnamed {
        /// The path, byte for byte.
        path: Box<[u8]>,
        /// What is wrong with the name.
        problem: Option<Problem>,
    },
    /// It holds many records, each of which is a claim of its own.
    Lists {
        /// The path.
        path: Box<str>,
        /// How it is cut; `None` where it holds no list any more.
        table: Option<Arc<Table>>,
    },
}
