//! References between sheets, updated for changes on both sides.

use std::collections::BTreeMap;
use std::sync::Arc;

use im::OrdMap;

use crate::id::SheetName;
use crate::layout::{Layout, Reference};
use crate::scalar::Scalar;
use crate::sheet::{Link, Moved, Sheet, VisitedHolders};

/// Updates the references of every sheet for the records in `moved`, sheet by sheet, of the records
/// that `visited` chooses.
///
/// In a `fresh` state, everything referred to exists before anything refers to it, so only the
/// referring sheets are visited.
pub(super) fn relate(
    sheets: &mut OrdMap<SheetName, Arc<Sheet>>,
    layout: &Layout,
    moved: &BTreeMap<SheetName, Moved>,
    fresh: bool,
    visited: &mut VisitedHolders,
) {
    for spec in layout.sheets().filter(|spec| !spec.refs.is_empty()) {
        let own = moved.get(&spec.name);
        let link = |reference: &Reference| {
            let to = sheets.get(&reference.sheet)?.clone();
            let values = own.map(|own| own.of(Some(&reference.field)));
            let theirs = moved.get(&reference.sheet).filter(|_| !fresh);
            let theirs = theirs.map(|theirs| theirs.of(reference.target.as_ref()));
            let values: Vec<&Scalar> = [values, theirs].into_iter().flatten().flatten().collect();
            Some(Link { to, moved: values })
        };
        // A declared sheet exists, and no reference points to an undeclared one.
        let Some(links) = spec.refs.iter().map(link).collect::<Option<Vec<_>>>() else { continue };
        if (own.is_some() || links.iter().any(|link| !link.moved.is_empty()))
            && let Some(sheet) = sheets.get_mut(&spec.name)
        {
            let touched = own.map_or(&[][..], Moved::touched);
            Arc::make_mut(sheet).relate(touched, &links, visited);
        }
    }
}
