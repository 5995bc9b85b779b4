//! The layout as a view sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::spec::SheetSpec;
use super::{Layout, Rules};
use crate::id::SheetName;
use crate::problem::Problem;
use crate::view::{ByView, View};

/// About how many bytes a definition takes, without its schema, which views share.
const DEFINITION: usize = 2 << 10;

/// About how many bytes a problem of the definitions takes.
const PROBLEM: usize = 512;

impl Layout {
    /// Returns the view that this is the layout of.
    pub fn view(&self) -> &View {
        &self.0.view
    }

    /// Returns the layout of the same definitions in which those sheets are public that `view` has,
    /// and records are hidden only if it does not show them. Every path is read as before.
    ///
    /// Copies the definitions the first time, and then costs a look into a map.
    #[must_use]
    pub fn seen_by(&self, view: &View) -> Self {
        if view.is_public() {
            return self.clone();
        }
        self.0.by_view.get_or_make(view, || self.made_for(view), Self::own_bytes)
    }

    /// Returns about how many bytes the definitions take, with their schemas.
    pub(crate) fn bytes(&self) -> usize {
        self.own_bytes() + self.0.schemas
    }

    /// Returns about how many bytes the definitions take, without their schemas.
    fn own_bytes(&self) -> usize {
        DEFINITION * self.0.sheets.len() + PROBLEM * self.0.problems.len()
    }

    fn made_for(&self, view: &View) -> Self {
        let Rules { inferred, sheets, problems, folders, unsettled, schemas, view: _, by_view: _ } =
            &*self.0;
        let names = |test: &dyn Fn(&SheetSpec) -> bool| -> BTreeSet<&SheetName> {
            sheets.values().filter(|spec| test(spec)).map(|spec| &spec.name).collect()
        };
        let public = names(&|spec| spec.is_in(view));
        let hiding = names(&|spec| spec.hidden_from(view).is_some());
        let seen = |spec: &Arc<SheetSpec>| {
            let mut seen = spec.seen_by(view);
            for reference in &mut seen.refs {
                reference.is_public = public.contains(&reference.sheet);
                reference.is_open = reference.is_public && !hiding.contains(&reference.sheet);
            }
            (seen.name.clone(), Arc::new(seen))
        };
        let mut folders = folders.clone();
        if !view.has_the_rest() {
            folders.skipped.clear();
        }
        let concerns = |problem: &&Problem| problem.sheet.is_some() || view.has_the_rest();
        Self(Arc::new(Rules {
            inferred: *inferred,
            sheets: sheets.values().map(seen).collect(),
            problems: problems.iter().filter(concerns).cloned().collect(),
            folders,
            unsettled: unsettled.clone(),
            schemas: *schemas,
            view: view.clone(),
            by_view: ByView::default(),
        }))
    }
}
