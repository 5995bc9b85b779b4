//! What the other side, or a change of ours, brought: the contents that its files have now and did not have before.
//!
//! A record that both sides seem to have deleted may be among them, under another key or path, in a
//! list, in another sheet, or in the place of another record. If our deletion was dropped as done, it
//! would still be served there.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::record_edit::may_be_renamed;
use crate::id::{BlobId, Key};

/// The most contents among which a missing record is looked for. With more, it counts as found.
const MOST_COMPARED: usize = 1_000;

/// The contents that one side brought.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Each file that was added or changed, with its new content.
    files: BTreeSet<(Vec<u8>, BlobId)>,
    records: Vec<NewContent>,
    /// Whether there is more than is compared, or something that cannot be read.
    is_more: bool,
}

/// A new content of a record.
#[derive(Debug)]
pub(super) struct NewContent {
    /// The file, and what it holds now.
    pub(super) path: Vec<u8>,
    pub(super) blob: BlobId,
    /// The key, in a file of many.
    pub(super) key: Option<Key>,
    pub(super) now: Json,
    /// The record that was there before.
    pub(super) before: Option<Json>,
}

impl NewContent {
    /// Returns whether this may be `record`, which is gone elsewhere: it resembles that record more than
    /// what it was before.
    fn may_be(&self, record: &Json) -> bool {
        let is_nearer = |before: &Json| alike(before, &self.now) < alike(record, &self.now);
        may_be_renamed(record, &self.now) && self.before.as_ref().is_none_or(is_nearer)
    }
}

/// Returns how many fields of two records are the same.
fn alike(one: &Json, other: &Json) -> usize {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => {
            one.iter().filter(|(name, value)| other.get(*name) == Some(value)).count()
        }
        (one, other) => usize::from(one == other),
    }
}

impl Brought {
    /// Returns whether a file has the content `blob` now, other than those that `is_ours` names.
    pub(super) fn has_file(&self, blob: BlobId, is_ours: impl Fn(&[u8], BlobId) -> bool) -> bool {
        self.files.iter().any(|(path, now)| *now == blob && !is_ours(path, blob))
    }

    /// Returns whether `record` may be among the contents, other than those that `is_ours` names.
    pub(super) fn may_have(&self, record: &Json, is_ours: impl Fn(&NewContent) -> bool) -> bool {
        self.is_more || self.records.iter().any(|it| it.may_be(record) && !is_ours(it))
    }

    #[cfg(test)]
    pub(super) fn record(&self, at: usize) -> &NewContent {
        &self.records[at]
    }

    /// Adds a file that was added or changed.
    pub(super) fn add_file(&mut self, path: &[u8], blob: BlobId) {
        self.files.insert((path.to_owned(), blob));
    }

    /// Notes that there is something that cannot be read.
    pub(super) fn has_more(&mut self) {
        self.is_more = true;
    }

    /// Returns whether there is more than is compared, so that nothing needs to be added.
    pub(super) fn is_more(&self) -> bool {
        self.is_more
    }

    pub(super) fn add(&mut self, content: NewContent) {
        if self.records.len() >= MOST_COMPARED {
            self.is_more = true;
        } else {
            self.records.push(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_content_is_of_the_record_that_it_resembles_more() {
        let content = |now: Json, before: Option<Json>| NewContent {
            path: b"p".to_vec(),
            blob: BlobId::ZERO,
            key: None,
            now,
            before,
        };
        let ada = || json!({"name": "Ada", "mail": "a", "age": 36});
        let bob = || json!({"name": "Bob", "mail": "b", "age": 20});
        let older = |who: Json| {
            let mut who = who;
            who["age"] = json!(99);
            who
        };
        for (now, before, expected) in [
            (ada(), None, true),
            (ada(), Some(bob()), true),
            (older(ada()), Some(bob()), true),
            (older(bob()), Some(bob()), false),
            (older(bob()), None, false),
            (ada(), Some(ada()), false),
            (json!([1]), None, false),
        ] {
            let found = content(now.clone(), before.clone()).may_be(&ada());
            assert_eq!(found, expected, "{now} before {before:?}");
        }
    }
}
