//! Which files of other commits the records of this one withhold from the public.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Claimant, Content, Sheet, Slot, spelling};
use crate::id::Key;
use crate::layout::Shape;
use crate::problem::Problem;

impl Sheet {
    /// Says whether the public may see nothing of what the file at `path` held under `key` in other
    /// commits: it is hidden, or cannot be read and may be. A key that nothing claims stands for its
    /// other normalizations of Unicode, and where the file has records that cannot be read, for any of
    /// them. Logarithmic.
    pub(crate) fn withholds(&self, key: &str, path: &str) -> bool {
        if self.spec.hidden.is_none() {
            return false;
        }
        let Some((key, slot)) = self.entry(key) else {
            let others = spelling::others(key);
            let mut claimed = others.iter().filter_map(|key| self.entry(key));
            return self.is_unread(path) || claimed.any(|(key, _)| !self.is_known_to_be_shown(key));
        };
        match slot.served() {
            // What is served there is told whatever else claims the key.
            Some(record) if record.is_at(path) => self.hidden.contains(key),
            _ => !self.is_known_to_be_shown(key) || self.is_unread(path),
        }
    }

    /// Says whether the file at `path`, or a part of it, cannot be read: then nobody knows what it
    /// holds, nor under which keys. Logarithmic.
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

    /// Says whether something in files of many records cannot be read: then something may be
    /// [withheld](Self::withholds) whose key nobody knows.
    pub(crate) fn withholds_unknown(&self) -> bool {
        let is_broken = |problem: &Problem| self.spec.shape_of(&problem.path) != Shape::Record;
        let broken = || self.problems.values().flat_map(|list| list.iter()).any(is_broken);
        self.spec.hidden.is_some() && (self.unread > 0 || broken())
    }

    /// Returns the keys for which [something is withheld](Self::withholds), and some for which
    /// nothing is. Linear in the hidden records and the problems.
    pub(crate) fn withheld(&self) -> BTreeSet<Cow<'_, str>> {
        let hides = self.spec.hidden.is_some();
        let unread = self.problems.keys().filter(|_| hides);
        let keys = self.hidden.iter().chain(unread).map(Key::as_str);
        keys.flat_map(|key| {
            let others = spelling::others(key).into_iter().map(Cow::Owned);
            others.chain([Cow::Borrowed(key)])
        })
        .collect()
    }
}
