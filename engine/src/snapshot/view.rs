//! A snapshot as a view sees it.

use std::sync::Arc;

use super::{CommitCounts, Snapshot, version};
use crate::search::{Restriction, TextIndex};
use crate::sheet::Sheet;
use crate::skipped_files::PassedOver;
use crate::view::{ByView, View};

/// About how many bytes a state takes besides its sheets and texts.
const VIEW: usize = 4 << 10;

impl Snapshot {
    /// Returns this state as `view` sees it: what is public there is what the view has. The records
    /// and the indexes are shared.
    ///
    /// Costs nothing for the public. For another view it costs, the first time, a visit to each
    /// sheet and to each segment of the text index, and to the hidden records of the sheets that the
    /// view has. The result is kept as long as this state is published and there is room.
    #[must_use]
    pub fn seen_by(self: &Arc<Self>, view: &View) -> Arc<Self> {
        if view.is_public() {
            return self.clone();
        }
        self.views.get_or_make(view, || Arc::new(self.made_for(view)), |seen| seen.view_bytes())
    }

    /// Returns the same if it costs nothing: for the public, and after the first time.
    pub fn known_to(self: &Arc<Self>, view: &View) -> Option<Arc<Self>> {
        if view.is_public() { Some(self.clone()) } else { self.views.get(view) }
    }

    /// Forgets what views see of this state: those who read it from now on are few.
    pub(crate) fn forget_views(&self) {
        self.views.forget();
    }

    /// Returns about how many bytes this takes if it is what a view sees of another state, besides
    /// what it shares with that.
    pub(crate) fn view_bytes(&self) -> usize {
        VIEW + self.sheets.len() * size_of::<Sheet>() + self.text.own_bytes()
    }

    fn made_for(&self, view: &View) -> Self {
        let state = self.records_seen_by(view);
        let text = self.text_seen_by(view, &state);
        Self { text, ..state }
    }

    /// Returns what `view` sees of this state, without its texts, which nothing may search. Visits
    /// each sheet, unless the view is the public's.
    pub(crate) fn records_seen_by(&self, view: &View) -> Self {
        if view.is_public() {
            return self.clone();
        }
        let layout = self.layout.seen_by(view);
        let seen = |sheet: &Arc<Sheet>| {
            let name = &sheet.spec().name;
            // An inferred sheet without a folder is one that is just going.
            let spec = layout.sheet(name.as_str()).cloned();
            let spec = spec.unwrap_or_else(|| Arc::new(sheet.spec().seen_by(view)));
            (name.clone(), Arc::new(sheet.seen_as(spec)))
        };
        let sheets = self.sheets.values().map(seen).collect();
        let version = version(&sheets);
        Self {
            commit: self.commit,
            layout,
            sheets,
            text: self.text.empty(),
            private_text: self.private_text.empty(),
            digest: self.digest,
            version,
            passed_over: match view.has_the_rest() {
                true => self.passed_over.clone(),
                false => PassedOver::default(),
            },
            tree_size: self.tree_size,
            files: self.files.clone(),
            views: ByView::default(),
            commit_counts: CommitCounts::default(),
        }
    }

    /// Returns the text index of the records that `view` has, which `seen` shows.
    fn text_seen_by(&self, view: &View, seen: &Self) -> TextIndex {
        let both = self.text.joined(&self.private_text);
        if *view == View::EVERYTHING {
            return both;
        }
        both.restricted(&|sheet| {
            let Some(sheet) = seen.sheets.get(sheet).filter(|sheet| sheet.spec().public) else {
                return Restriction::None;
            };
            match sheet.hidden().is_empty() {
                true => Restriction::All,
                false => Restriction::Except(sheet.hidden()),
            }
        })
    }
}
