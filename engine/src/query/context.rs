//! The context of a list query.

use std::sync::Arc;

use crate::sheet::Sheet;
use crate::snapshot::Snapshot;

/// The sheet of a list, and the state that contains it, if other records can be read too.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    pub(crate) sheet: &'a Sheet,
    pub(crate) snapshot: Option<&'a Snapshot>,
}

impl<'a> Within<'a> {
    /// Returns a sheet of a state. References of its records lead to others of the state, and a literal
    /// of a type that no value of its field has there is a mistake.
    pub fn of(snapshot: &'a Snapshot, sheet: &'a Sheet) -> Self {
        Self { sheet, snapshot: Some(snapshot) }
    }
}

impl<'a> From<&'a Sheet> for Within<'a> {
    /// Returns a sheet by itself: no other record is looked at, and what types its values have may
    /// change.
    fn from(sheet: &'a Sheet) -> Self {
        Self { sheet, snapshot: None }
    }
}

impl<'a> From<&'a Arc<Sheet>> for Within<'a> {
    fn from(sheet: &'a Arc<Sheet>) -> Self {
        Self::from(&**sheet)
    }
}
