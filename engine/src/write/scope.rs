//! How far a batch reaches: the sheets its author may change, and the paths each operation may.

use std::collections::BTreeSet;

use super::WriteError;
use crate::id::{Key, SheetName};
use crate::layout::{Layout, SheetSpec, is_reserved};
use crate::mirror::PathChange;
use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// The sheets that a batch may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Every,
    /// These.
    Only(BTreeSet<SheetName>),
}

impl Scope {
    /// Says whether `sheet` is one of them.
    pub fn opens(&self, sheet: &SheetName) -> bool {
        match self {
            Self::Every => true,
            Self::Only(sheets) => sheets.contains(sheet),
        }
    }
}

/// What an operation may touch under a layout, and what its author may be told.
///
/// An operation touches only paths that its sheet holds, and of these only those whose other
/// holders, where sheets overlap, are in the scope too.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) layout: &'a Layout,
    pub(super) scope: &'a Scope,
}

impl Bounds<'_> {
    /// Lets an operation on `sheet` touch `path`.
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

    /// Lets an operation take the folder `folder` along, or away. The layout alone decides, so that an
    /// answer does not tell what lies there.
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

    /// Lets an operation look for the record `key` of a sheet. Asked before anything is looked up, so
    /// that an answer does not tell what is there.
    pub(super) fn allow_key(&self, spec: &SheetSpec, key: &Key) -> Result<(), WriteError> {
        let closed = spec.paths_of(key.as_str()).into_iter().find(|path| {
            let claims = self.layout.claims(path.as_bytes());
            claims.iter().any(|claim| !self.scope.opens(&claim.sheet.name))
        });
        closed.map_or(Ok(()), |path| Err(WriteError::OutOfScope { path }))
    }

    /// Lets a batch change these paths: each is held, and by sheets of the scope alone. It holds
    /// whatever the operations made of the files.
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

    /// Says whether the author may be told of a problem of `state`: it is of a sheet in the scope, or
    /// the public sees it.
    pub(super) fn may_tell(&self, state: &Snapshot) -> impl Fn(&Problem) -> bool {
        let is_public = |sheet: &SheetName, problem: &Problem| {
            let sheet = state.sheet(sheet.as_str());
            sheet.is_some_and(|it| it.public_problem_list().binary_search(problem).is_ok())
        };
        move |problem| {
            let opens = |sheet: &SheetName| self.scope.opens(sheet) || is_public(sheet, problem);
            problem.sheet.as_ref().is_some_and(opens)
        }
    }
}
