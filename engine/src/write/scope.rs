//! The reach of a batch: the sheets that its author may change, and the paths that each operation
//! may touch.

use std::collections::BTreeSet;

use super::WriteError;
use crate::id::{Key, SheetName};
use crate::layout::{Layout, SheetSpec, is_reserved};
use crate::mirror::PathChange;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::view::View;

/// The sheets that a batch may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All sheets.
    Every,
    /// Only these sheets.
    Only(BTreeSet<SheetName>),
}

impl Scope {
    /// Returns the scope without any sheet.
    pub const fn nothing() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Returns whether no sheet is in scope.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(sheets) if sheets.is_empty())
    }

    /// Returns the sheets that are in one of the two scopes.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(ours), Self::Only(theirs)) => {
                Self::Only(ours.into_iter().chain(theirs).collect())
            }
            _ => Self::Every,
        }
    }

    /// Returns whether `sheet` is in scope.
    pub fn opens(&self, sheet: &SheetName) -> bool {
        match self {
            Self::Every => true,
            Self::Only(sheets) => sheets.contains(sheet),
        }
    }
}

/// What an operation may touch under a layout, and what its author may see.
///
/// An operation may touch only paths that its sheet holds and, where sheets overlap, only if the
/// other holders are in scope too.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) layout: &'a Layout,
    pub(super) scope: &'a Scope,
}

impl Bounds<'_> {
    /// Allows an operation on `sheet` to touch `path`.
    pub(super) fn allow(&self, sheet: &SheetName, path: &[u8]) -> Result<(), WriteError> {
        let told = || String::from_utf8_lossy(path).into_owned();
        if is_reserved(path) {
            return Err(WriteError::Reserved { path: told() });
        }
        if self.layout.is_unsettled(path) {
            return Err(WriteError::Unsettled { path: told() });
        }
        let holders = self.layout.holders(path);
        if !holders.iter().all(|holder| self.scope.opens(&holder.name)) {
            return Err(WriteError::OutOfScope { path: told() });
        }
        if holders.iter().any(|holder| holder.name == *sheet) {
            return Ok(());
        }
        Err(WriteError::NotOfSheet { sheet: sheet.clone(), path: told() })
    }

    /// Allows an operation to move or remove the folder `folder`. Only the layout decides, so that
    /// the answer does not reveal what is there.
    pub(super) fn allow_below(&self, folder: &str) -> Result<(), WriteError> {
        if self.layout.is_unsettled_below(folder) {
            return Err(WriteError::Unsettled { path: folder.to_owned() });
        }
        let mut reaching = self.layout.reaching_below(folder);
        if reaching.all(|sheet| self.scope.opens(&sheet.name)) {
            return Ok(());
        }
        Err(WriteError::OutOfScope { path: folder.to_owned() })
    }

    /// Allows an operation to look up the record `key` of a sheet. This is checked before any
    /// lookup, so that the answer does not reveal what exists.
    pub(super) fn allow_key(&self, spec: &SheetSpec, key: &Key) -> Result<(), WriteError> {
        let closed = spec.paths_of(key.as_str()).into_iter().find(|path| {
            let claims = self.layout.claims(path.as_bytes());
            claims.iter().any(|claim| !self.scope.opens(&claim.sheet.name))
        });
        closed.map_or(Ok(()), |path| Err(WriteError::OutOfScope { path }))
    }

    /// Allows a batch to change these paths: each must be held, and only by sheets in scope. This
    /// applies whatever the operations did to the files.
    pub(super) fn allow_all(&self, changes: &[PathChange]) -> Result<(), WriteError> {
        let is_open = |change: &&PathChange| {
            let holders = self.layout.holders(&change.path);
            !holders.is_empty() && holders.iter().all(|holder| self.scope.opens(&holder.name))
        };
        match changes.iter().find(|change| !is_open(change)) {
            None => Ok(()),
            Some(change) => {
                let path = String::from_utf8_lossy(&change.path).into_owned();
                Err(WriteError::OutOfScope { path })
            }
        }
    }

    /// Returns whether an author with `view` may see a problem of `state`: it is of a sheet in
    /// scope, or one that the view has.
    pub(super) fn may_tell(&self, state: &Snapshot, view: &View) -> impl Fn(&Problem) -> bool {
        let seen = state.records_seen_by(view);
        let is_seen = move |sheet: &SheetName, problem: &Problem| {
            let sheet = seen.sheet(sheet.as_str()).filter(|sheet| sheet.spec().public);
            sheet.is_some_and(|it| it.public_problem_list().binary_search(problem).is_ok())
        };
        move |problem| {
            let opens = |sheet: &SheetName| self.scope.opens(sheet) || is_seen(sheet, problem);
            problem.sheet.as_ref().is_some_and(opens)
        }
    }
}
