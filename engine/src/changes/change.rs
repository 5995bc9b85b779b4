//! One change of a change set.

use std::sync::Arc;

use crate::id::{Key, SheetName};
use crate::layout::SheetSpec;
use crate::problem::Problem;
use crate::sheet::SlotUpdate;
use crate::tables::Table;

/// The change of one path.
#[derive(Debug, Clone)]
pub struct Change {
    /// The sheet that claims the path.
    pub sheet: Arc<SheetSpec>,
    /// What the path claims there, and what it holds now.
    pub now: PathState,
}

impl Change {
    /// Returns the sheet and the key whose record changes, if the path claims one.
    pub(crate) fn keyed(&self) -> Option<(SheetName, Key)> {
        match &self.now {
            PathState::Claims(update) => Some((self.sheet.name.clone(), update.key.clone())),
            PathState::Misnamed { .. } | PathState::Lists { .. } => None,
        }
    }
}

/// What a path claims in its sheet, and what it holds now.
#[derive(Debug, Clone)]
pub enum PathState {
    /// It claims a key.
    Claims(SlotUpdate),
    /// Its name is invalid for a record, whatever it holds; `None` if the file is gone.
    Misnamed {
        /// The path, byte for byte.
        path: Box<[u8]>,
        /// What is wrong with the name.
        problem: Option<Problem>,
    },
    /// It holds many records, each of which is a separate claim.
    Lists {
        /// The path.
        path: Box<str>,
        /// How it is split; `None` if it no longer holds a list.
        table: Option<Arc<Table>>,
    },
}
