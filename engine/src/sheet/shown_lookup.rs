//! Finds the records that the public sees, as if there were no others.

use std::ops::Bound;
use std::sync::Arc;

use super::{Sheet, Slot};
use crate::id::Key;
use crate::index::FieldIndex;
use crate::record::Record;
use crate::suggestion::nearest;
use crate::value::FieldPath;

/// How many keys are compared with a missing one.
const AROUND: usize = 200;

impl Sheet {
    /// Returns the records that the public sees, in key order: those with keys after `after`, or all
    /// of them. Costs nothing for hidden ones in between.
    pub fn shown_records(
        &self,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = &Arc<Record>> + '_> {
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        match &self.shown {
            _ if !self.spec.public => Box::new(std::iter::empty()),
            None => Box::new(self.slots.range::<_, str>(from).filter_map(served)),
            Some(shown) => {
                let keys = shown.keys.range::<_, str>(from);
                Box::new(keys.filter_map(|key| self.record(key.as_str())))
            }
        }
    }

    /// Returns the index over `field` of the records that are not hidden, if the sheet declares one.
    /// There is none over what lists have at a position, even if the definition has such a name.
    pub fn shown_index(&self, field: &FieldPath) -> Option<&FieldIndex> {
        let Some(shown) = &self.shown else {
            return self.index(field.as_str()).filter(|_| !field.has_positions());
        };
        let at = self.indexes.iter().position(|(name, _)| name == field)?;
        shown.indexes.get(at)
    }

    /// Returns the record that a request for `key` may mean, among those that the public sees: one
    /// whose file has this name with an extension, or one with a similar key. Compares 200 keys.
    pub fn nearest_shown(&self, key: &str) -> Option<&Arc<Record>> {
        let of_file = stem(key).and_then(|key| self.record(key));
        let of_file = of_file.filter(|record| self.shows(record));
        of_file.or_else(|| self.similar(key, self.shown_records(Some(first_half(key)))))
    }

    /// Does the same among all served records.
    pub fn nearest(&self, key: &str) -> Option<&Arc<Record>> {
        let from = (Bound::Excluded(first_half(key)), Bound::Unbounded);
        let around = || self.slots.range::<_, str>(from).filter_map(served);
        stem(key).and_then(|key| self.record(key)).or_else(|| self.similar(key, around()))
    }

    fn similar<'a>(
        &self,
        key: &str,
        around: impl Iterator<Item = &'a Arc<Record>>,
    ) -> Option<&Arc<Record>> {
        let name = nearest(key, around.take(AROUND).map(|record| record.key.as_str()))?;
        self.record(name)
    }
}

fn served<'a>((_, slot): (&Key, &'a Slot)) -> Option<&'a Arc<Record>> {
    slot.served()
}

/// Returns what stands before the extension of a file.
fn stem(key: &str) -> Option<&str> {
    key.rsplit_once('.').map(|(stem, _)| stem)
}

/// Returns the first half of a key: a mistyped one usually begins correctly.
fn first_half(key: &str) -> &str {
    let mut half = key.len() / 2;
    while !key.is_char_boundary(half) {
        half -= 1;
    }
    &key[..half]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::BlobId;
    use crate::layout::{DefinitionFile, DefinitionFiles, Layout};
    use crate::record::Frame;
    use crate::sheet::{Content, SlotUpdate};
    use crate::value::Value;
    use crate::view::{SheetNames, View};

    fn empty() -> Sheet {
        let bytes = b"[sheets.s]\nindex = ['v']\nhidden = 'h'\n";
        let file = DefinitionFile { path: "headwater.toml".into(), bytes: bytes[..].into() };
        let files = DefinitionFiles { headwater: Some(file), ..Default::default() };
        Sheet::new(Layout::read(&files).sheet("s").unwrap().clone())
    }

    fn claim(key: &str, is_hidden: Option<bool>) -> SlotUpdate {
        let path = format!("s/{key}.toml");
        let record = |is_hidden: bool| {
            let value = Value::new(&json!({ "h": is_hidden, "v": key.len() }));
            let frame = Arc::new(Frame::around(key, &path));
            Content::Record(Arc::new(Record {
                key: Key::new(key),
                frame,
                blob: BlobId::ZERO,
                value,
            }))
        };
        let content = is_hidden.map(record);
        SlotUpdate { key: Key::new(key), path: path.as_str().into(), content }
    }

    /// Everything that the public reads by it.
    fn seen(sheet: &Sheet) -> String {
        let keys: Vec<&Key> = sheet.shown_records(None).map(|record| &record.key).collect();
        let behind = sheet.shown_records(Some("alpha12")).count();
        let wrong = ["alpha123", "alpha12345.toml", "alpha1234.toml", "alpha99", "b", "beta", "x"];
        let meant = wrong.map(|key| sheet.nearest_shown(key).map(|record| &record.key));
        format!("{keys:?} {behind} {meant:?} {:?}", sheet.shown_index(&FieldPath::new("v")))
    }

    #[test]
    fn what_the_public_reads_is_that_of_a_sheet_without_hidden_records_however_many_there_are() {
        let public = ["alpha1234", "beta1", "gamma"];
        let mut without = empty();
        without.put_all(public.iter().map(|key| claim(key, Some(false))).collect());
        // Nearer than the others to most keys, and more than are ever compared with one.
        let hidden = (0..20_000).map(|n| claim(&format!("alpha{n}"), Some(true)));
        let hidden: Vec<SlotUpdate> =
            hidden.filter(|claim| claim.key.as_str() != public[0]).collect();
        let mut with = empty();
        let shown = public.iter().map(|key| claim(key, Some(false)));
        with.put_all(shown.chain(hidden).collect());
        assert_eq!(with.hidden().len(), 19_999);
        assert!(seen(&without).contains("alpha1234"));
        assert_eq!(seen(&with), seen(&without));
        for (key, is_hidden) in [
            ("alpha12", Some(false)),
            ("alpha12", Some(true)),
            ("beta1", Some(true)),
            ("beta1", Some(false)),
            ("alpha77", None),
            ("gamma", None),
        ] {
            with.put_all(vec![claim(key, is_hidden)]);
            without.put_all(vec![claim(key, is_hidden.filter(|is_hidden| !is_hidden))]);
            assert_eq!(seen(&with), seen(&without), "{key} {is_hidden:?}");
        }
        let nothing = View { public: SheetNames::None, ..View::PUBLIC };
        for (view, count) in [(View::EVERYTHING, with.len()), (View::PUBLIC, 2), (nothing, 0)] {
            let seen = with.seen_as(Arc::new(with.spec().seen_by(&view)));
            assert_eq!((seen.shown(), seen.shown_records(None).count()), (count, count));
        }
    }

    #[test]
    fn what_the_public_finds_by_a_field_is_the_same_whether_few_or_many_records_are_hidden() {
        for (hides_every, count) in [(2, 40), (100, 40), (2, 1_200), (9, 1_200), (100, 1_200)] {
            let claims = |all: bool| {
                let is_hidden = |n: usize| n.is_multiple_of(hides_every);
                let numbers = (0..count).filter(move |n| all || !is_hidden(*n));
                numbers
                    .map(|n| claim(&format!("{n}{}", "x".repeat(n % 7)), Some(is_hidden(n))))
                    .collect()
            };
            let (mut with, mut without) = (empty(), empty());
            with.put_all(claims(true));
            without.put_all(claims(false));
            assert_eq!(
                with.shown_index(&FieldPath::new("v")),
                without.index("v"),
                "{hides_every} of {count}"
            );
            assert_eq!(with.index("v").unwrap().present(), count);
        }
    }

    #[test]
    fn a_record_that_is_hidden_when_it_gets_the_first_value_of_a_field_is_not_found_by_it() {
        let mut sheet = empty();
        let valueless = |key: &str| {
            let mut claim = claim(key, Some(false));
            if let Some(Content::Record(record)) = &mut claim.content {
                let (key, frame) = (record.key.clone(), record.frame.clone());
                let value = Value::new(&json!({}));
                *record = Arc::new(Record { key, frame, blob: BlobId::ZERO, value });
            }
            claim
        };
        sheet.put_all(vec![valueless("a"), valueless("b")]);
        sheet.put_all(vec![claim("a", Some(true)), claim("b", Some(false))]);
        let found = |index: Option<&FieldIndex>| index.map(FieldIndex::present);
        assert_eq!(
            (found(sheet.index("v")), found(sheet.shown_index(&FieldPath::new("v")))),
            (Some(2), Some(1))
        );
    }
}
