//! Entity tags of answers that are not computed yet, from their ingredients.
//!
//! An answer is a function of the request and of a part of the state. If that part has a hash of
//! its own, the tag is known before the answer costs anything, and it outlives every change
//! elsewhere.

use axum::http::HeaderValue;
use headwater_engine::query::{ListQuery, Paging};
use headwater_engine::scalar::Timestamp;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::write::Version;

use super::etag;

/// The ingredients of an answer, hashed so far.
pub(super) struct Tag(blake3::Hasher);

impl Tag {
    /// Starts with the kind of the answer, and the version of the program, since another version
    /// may write it differently.
    pub(super) fn new(kind: &str) -> Self {
        Self(blake3::Hasher::new()).with(env!("CARGO_PKG_VERSION")).with(kind)
    }

    /// Adds the parameters of the request, decoded, in their order.
    pub(super) fn asked(self, pairs: &[(String, String)]) -> Self {
        pairs.iter().fold(self, |tag, (name, value)| tag.with(name).with(value)).with("")
    }

    /// Adds the ingredients of a list of `sheet`. Ranks depend on the words of all sheets; a cursor
    /// names the commit. Conditions relative to the present moment depend on it.
    pub(super) fn list(self, snapshot: &Snapshot, sheet: &Sheet, query: &ListQuery) -> Self {
        let now = query.now().map(Timestamp::text).unwrap_or_default();
        self.with(now).of_sheets(snapshot, sheet, query)
    }

    fn of_sheets(self, snapshot: &Snapshot, sheet: &Sheet, query: &ListQuery) -> Self {
        if query.has_text() {
            return self.records(snapshot).paged(snapshot, query);
        }
        let referred = query.include().iter().filter_map(|r| snapshot.sheet(r.sheet.as_str()));
        let related = query.related().iter();
        let tag = referred
            .chain(related)
            .fold(self.with(sheet.version()), |tag, to| tag.with(to.version()));
        tag.paged(snapshot, query)
    }

    /// Adds all definitions and records that are public.
    pub(super) fn records(self, snapshot: &Snapshot) -> Self {
        self.with(snapshot.version())
    }

    /// Adds some bytes.
    pub(super) fn with(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        // The length is added too, so that no two lists of parts are equal.
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        self
    }

    /// Returns the tag.
    pub(super) fn finish(self) -> HeaderValue {
        let mut version = Version::default();
        self.0.finalize_xof().fill(&mut version);
        etag::of_version(&version)
    }

    fn paged(self, snapshot: &Snapshot, query: &ListQuery) -> Self {
        match query.paging() {
            Paging::Cursor { .. } => self.with(snapshot.commit().as_bytes()),
            Paging::Page { .. } => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(pairs: &[(&str, &str)]) -> HeaderValue {
        let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Tag::new("list").asked(&owned.collect::<Vec<_>>()).finish()
    }

    #[test]
    fn parameters_are_told_apart_whatever_is_in_them() {
        let all = [
            tag(&[]),
            tag(&[("", "")]),
            tag(&[("a", "b")]),
            tag(&[("ab", "")]),
            tag(&[("a", ""), ("b", "")]),
            tag(&[("b", ""), ("a", "")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(tag(&[("a", "b")]), tag(&[("a", "b")]));
        assert_ne!(Tag::new("a").finish(), Tag::new("b").finish());
    }
}
