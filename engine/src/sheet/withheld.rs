//! Which files of other commits the records of this one withhold from the public.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Sheet, spelling};
use crate::id::Key;

impl Sheet {
    /// Says whether the public may see nothing of what the file at `path` held under `key` in other
    /// commits: it is hidden, or cannot be read and may be. A key that nothing claims stands for its
    /// other normalizations of Unicode. Logarithmic.
    pub(crate) fn withholds(&self, key: &str, path: &str) -> bool {
        if self.spec.hidden.is_none() {
            return false;
        }
        let Some((key, slot)) = self.entry(key) else {
            let others = spelling::others(key);
            let mut claimed = others.iter().filter_map(|key| self.entry(key));
            return claimed.any(|(key, _)| !self.is_known_to_be_shown(key));
        };
        match slot.served() {
            // What is served there is told whatever else claims the key.
            Some(record) if record.is_at(path) => self.hidden.contains(key),
            _ => !self.is_known_to_be_shown(key),
        }
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
