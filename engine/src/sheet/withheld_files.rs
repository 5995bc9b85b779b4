//! Which files of other commits the records of this commit withhold from the public.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Claimant, Content, Sheet, Slot, confusable_keys};
use crate::id::Key;
use crate::layout::Shape;
use crate::problem::Problem;

impl Sheet {
    /// Returns whether the public must not see the file at `path` under `key` in other commits,
    /// because it is hidden, or because it is unreadable and may be. A key without claims stands
    /// for its other Unicode normalizations and, if the file has unreadable records, for any of
    /// those. Logarithmic.
    pub(crate) fn withholds(&self, key: &str, path: &str) -> bool {
        if self.spec.hidden.is_none() {
            return false;
        }
        let Some((key, slot)) = self.entry(key) else {
            let others = confusable_keys::others(key);
            let mut claimed = others.iter().filter_map(|key| self.entry(key));
            return self.is_unread(path) || claimed.any(|(key, _)| !self.is_known_to_be_shown(key));
        };
        match slot.served() {
            // Only the served record decides here, whatever else claims the key.
            Some(record) if record.is_at(path) => self.hidden.contains(key),
            _ => !self.is_known_to_be_shown(key) || self.is_unread(path),
        }
    }

    /// Returns whether the file at `path`, or a part of it, is unreadable, so that neither its
    /// contents nor its keys are known. Logarithmic.
    fn is_unread(&self, path: &str) -> bool {
        let is_broken = |claimant: &Claimant| {
            *claimant.path == *path && matches!(claimant.content, Content::Broken(_))
        };
        let slot = || self.spec.key(path).and_then(|list| self.slot(list));
        match self.table(path) {
            Some(table) => table.unread() > 0,
            None => matches!(slot(), Some(Slot::Contested(all)) if all.iter().any(is_broken)),
        }
    }

    /// Returns whether something in files of many records is unreadable, so that something with an
    /// unknown key may be [withheld](Self::withholds).
    pub(crate) fn withholds_unknown(&self) -> bool {
        let is_broken = |problem: &Problem| self.spec.shape_of(&problem.path) != Shape::Record;
        let broken = || self.problems.values().flat_map(|list| list.iter()).any(is_broken);
        self.spec.hidden.is_some() && (self.unread > 0 || broken())
    }

    /// Returns the keys for which [something is withheld](Self::withholds), and possibly some for
    /// which nothing is. Linear in the hidden records and the problems.
    pub(crate) fn withheld(&self) -> BTreeSet<Cow<'_, str>> {
        let hides = self.spec.hidden.is_some();
        let unread = self.problems.keys().filter(|_| hides);
        let keys = self.hidden.iter().chain(unread).map(Key::as_str);
        keys.flat_map(|key| {
            let others = confusable_keys::others(key).into_iter().map(Cow::Owned);
            others.chain([Cow::Borrowed(key)])
        })
        .collect()
    }
}
