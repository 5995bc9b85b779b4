//! The layout of an earlier state, as far as the present one discloses it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reference::Reference;
use super::spec::SheetSpec;
use super::{Layout, Rules};
use crate::id::SheetName;
use crate::problem::Problem;
use crate::view::ByView;

impl Layout {
    /// Returns whether no reference of this layout tells more of its target than `now`, the present layout, lets be
    /// told.
    pub(crate) fn refers_as_openly_as(&self, now: &Self) -> bool {
        let sheets = &self.0.sheets;
        let is_told = |reference: &&Reference| {
            sheets.get(&reference.sheet).is_some_and(|then| hides_nothing(then, now))
        };
        let mut open = sheets.values().flat_map(|spec| &spec.refs).filter(|it| it.is_open);
        open.all(|reference| is_told(&reference))
    }

    /// Returns this layout with some sheets private, and without the problems of their definitions.
    /// They keep their files: none of them becomes an attachment of another sheet. No reference
    /// tells more of its target than `now`, the present layout, lets be told.
    pub(crate) fn disclosed(&self, private: &BTreeSet<SheetName>, now: &Self) -> Self {
        let Rules { inferred, sheets, problems, folders, unsettled, schemas, view, by_view: _ } =
            &*self.0;
        let kept = |problem: &&Problem| {
            problem.sheet.as_ref().is_none_or(|sheet| !private.contains(sheet))
        };
        let told = |reference: &Reference| {
            let then = sheets.get(&reference.sheet);
            let is_public = reference.is_public && !private.contains(&reference.sheet);
            let is_open = reference.is_open && then.is_some_and(|then| hides_nothing(then, now));
            Reference { is_public, is_open: is_public && is_open, ..reference.clone() }
        };
        let disclosed = |spec: &Arc<SheetSpec>| {
            let refs: Vec<Reference> = spec.refs.iter().map(told).collect();
            let public = spec.public && !private.contains(&spec.name);
            if (&refs, public) == (&spec.refs, spec.public) {
                return spec.clone();
            }
            let mut disclosed = (**spec).clone();
            (disclosed.refs, disclosed.public) = (refs, public);
            Arc::new(disclosed)
        };
        Self(Arc::new(Rules {
            inferred: *inferred,
            sheets: sheets.iter().map(|(name, spec)| (name.clone(), disclosed(spec))).collect(),
            problems: problems.iter().filter(kept).cloned().collect(),
            folders: folders.clone(),
            unsettled: unsettled.clone(),
            schemas: *schemas,
            view: view.clone(),
            by_view: ByView::default(),
        }))
    }
}

/// Returns whether `now` has the sheet `then` in its place, and keeps none of its records to itself.
fn hides_nothing(then: &SheetSpec, now: &Layout) -> bool {
    let now = now.sheet(then.name.as_str());
    now.is_some_and(|now| now.public && now.hidden.is_none() && now.is_in_place_of(then))
}
