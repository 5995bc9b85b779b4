//! Which files of other commits the records of this commit withhold from the public.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Claimant, Content, Sheet, Slot, confusable_keys, hides};
use crate::id::Key;
use crate::layout::Shape;
use crate::problem::Problem;
use crate::record::Record;
use crate::tables::Table;

impl Sheet {
    /// Returns whether the public must not see `record` of another commit: its file is withheld
    /// under its key, and the public does not see this very value there today. Logarithmic.
    pub(crate) fn withholds_record(&self, record: &Record) -> bool {
        let path = record.path();
        let is_shown = |now: &Record| {
            now.is_at(&path) && now.value == record.value && !self.hidden.contains(&now.key)
        };
        self.withholds(record.key.as_str(), &path)
            && !self.record(record.key.as_str()).is_some_and(|now| is_shown(now))
    }

    /// Returns whether the public must not see the file at `path` under `key` in other commits,
    /// because it is hidden, or because it is unreadable and may be. A key without claims stands
    /// for its other Unicode normalizations and, if the file has unreadable records, for any of
    /// those. Where keys do not identify the records of the file, all its keys are withheld if one
    /// is. Logarithmic.
    pub(crate) fn withholds(&self, key: &str, path: &str) -> bool {
        if self.spec.hidden.is_none() {
            return false;
        }
        if self.veiled_lists().contains(path) {
            return true;
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

    /// Returns the lists with a record that is hidden, or is unreadable and may be, in which a
    /// record can have had another key in another commit. Walks the lists the first time.
    fn veiled_lists(&self) -> &BTreeSet<Box<str>> {
        self.problem_cache.veiled_lists.get_or_init(|| {
            if self.spec.hidden.is_none() || self.spec.has_lasting_keys() {
                return BTreeSet::new();
            }
            let is_hidden = |path: &str, key: &Key| {
                self.held(key.as_str(), path).is_some_and(|held| hides(&self.spec, &held.value))
            };
            let is_veiled = |(path, table): &(&str, &Arc<Table>)| {
                table.unread() > 0 || table.keys().any(|key| is_hidden(path, key))
            };
            self.tables().filter(is_veiled).map(|(path, _)| path.into()).collect()
        })
    }

    /// Returns whether something in files of many records is unreadable, or has had other keys, so
    /// that something with an unknown key may be [withheld](Self::withholds).
    pub(crate) fn withholds_unknown(&self) -> bool {
        let is_broken = |problem: &Problem| self.spec.shape_of(&problem.path) != Shape::Record;
        let broken = || self.problems.values().flat_map(|list| list.iter()).any(is_broken);
        let is_unsure = || self.unread > 0 || broken() || !self.veiled_lists().is_empty();
        self.spec.hidden.is_some() && is_unsure()
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
