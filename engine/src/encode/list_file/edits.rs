//! The changes of a list that are not written yet: what becomes of each record in the end.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::id::Key;
use crate::value::Value;

/// What a record is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) record: Json,
    /// The same as it is read back.
    pub(super) value: Value,
}

/// What becomes of one record.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// The key that it has in the file; `None` for a new one.
    pub(super) from: Option<Key>,
    /// `None` where it is gone.
    pub(super) to: Option<Wanted>,
}

/// Changes of which each sees those before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Edits {
    all: Vec<Edit>,
    /// The edit whose record has this key now.
    by_key: HashMap<Key, usize>,
    /// The edit of the record that has this key in the file.
    by_origin: HashMap<Key, usize>,
}

impl Edits {
    /// Returns what has the key now: `None` where no edit says it, `Some(None)` where nothing has.
    pub(super) fn at(&self, key: &Key) -> Option<Option<&Wanted>> {
        match self.by_key.get(key) {
            Some(at) => Some(self.all[*at].to.as_ref()),
            None => self.by_origin.contains_key(key).then_some(None),
        }
    }

    /// Lets the record `old` be another, which may have another key.
    pub(super) fn replace(&mut self, old: &Key, wanted: Wanted) {
        let at = self.taken(old);
        self.set(at, wanted);
    }

    /// Adds a record. One that was removed before comes back in its place.
    pub(super) fn insert(&mut self, wanted: Wanted) {
        let gone = self.by_origin.get(&wanted.key).copied();
        let gone = gone.filter(|at| self.all[*at].to.is_none());
        let at = gone.unwrap_or_else(|| {
            self.all.push(Edit { from: None, to: None });
            self.all.len() - 1
        });
        self.set(at, wanted);
    }

    /// Removes a record.
    pub(super) fn remove(&mut self, key: &Key) {
        let at = self.taken(key);
        self.all[at].to = None;
    }

    /// Returns the keys of new records, the last first.
    pub(super) fn added(&self) -> impl Iterator<Item = &Key> {
        let new = self.all.iter().rev().filter(|edit| edit.from.is_none());
        new.filter_map(|edit| Some(&edit.to.as_ref()?.key))
    }

    /// Returns by how many records there are more, and by how many fewer.
    pub(super) fn counts(&self) -> (usize, usize) {
        let gone = self.all.iter().filter(|edit| edit.from.is_some() && edit.to.is_none());
        (self.added().count(), gone.count())
    }

    /// Returns what becomes of each record, in the order in which they were first named.
    pub(super) fn all(&self) -> &[Edit] {
        &self.all
    }

    /// Returns the edit of the record that has this key now, which it does not have any more.
    fn taken(&mut self, key: &Key) -> usize {
        self.by_key.remove(key).unwrap_or_else(|| {
            self.all.push(Edit { from: Some(key.clone()), to: None });
            self.by_origin.insert(key.clone(), self.all.len() - 1);
            self.all.len() - 1
        })
    }

    fn set(&mut self, at: usize, wanted: Wanted) {
        self.by_key.insert(wanted.key.clone(), at);
        self.all[at].to = Some(wanted);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(key: &str, record: &Json) -> Wanted {
        Wanted { key: Key::new(key), record: record.clone(), value: Value::new(record) }
    }

    fn told(edits: &Edits) -> Vec<String> {
        let name = |key: Option<&Key>| key.map_or("", Key::as_str).to_owned();
        let to = |edit: &Edit| {
            edit.to.as_ref().map_or("-".to_owned(), |to| format!("{}={}", to.key, to.record))
        };
        edits
            .all()
            .iter()
            .map(|edit| format!("{}>{}", name(edit.from.as_ref()), to(edit)))
            .collect()
    }

    #[test]
    fn what_is_said_of_one_record_is_one_edit() {
        let mut edits = Edits::default();
        let (a, b) = (Key::new("a"), Key::new("b"));
        edits.replace(&a, wanted("a", &json!(1)));
        edits.replace(&a, wanted("b", &json!(2)));
        assert_eq!(told(&edits), ["a>b=2"]);
        assert!(matches!(edits.at(&a), Some(None)) && matches!(edits.at(&b), Some(Some(_))));
        assert!(edits.at(&Key::new("c")).is_none());
        edits.insert(wanted("a", &json!(3)));
        edits.replace(&b, wanted("b", &json!(4)));
        assert_eq!(told(&edits), ["a>b=4", ">a=3"]);
        edits.remove(&b);
        edits.remove(&a);
        assert_eq!(told(&edits), ["a>-", ">-"]);
        assert_eq!(edits.counts(), (0, 1));
        edits.insert(wanted("a", &json!(5)));
        edits.insert(wanted("c", &json!(6)));
        assert_eq!(told(&edits), ["a>a=5", ">-", ">c=6"], "it comes back in its place");
        assert_eq!(edits.added().map(Key::as_str).collect::<Vec<_>>(), ["c"]);
    }
}
