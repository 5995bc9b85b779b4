//! A file that is parsed whole, once for all sheets that read it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;

use crate::decode::{Document, Flaw, Format};

/// The content of a file: parsed when its first reader asks for it, dropped after its last one.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many readers have not [finished](ParsedFile::finish).
    readers: usize,
    documents: Option<Parsed<Vec<Document>>>,
    /// Its value in each format in which a sheet reads it: the definition decides, not the name.
    values: BTreeMap<Format, Parsed<Json>>,
}

type Parsed<T> = Arc<Result<T, Flaw>>;

impl ParsedFile {
    /// Returns a file that this many sheets read.
    pub(crate) fn for_readers(readers: usize) -> Self {
        Self { state: Mutex::new(State { readers, documents: None, values: BTreeMap::new() }) }
    }

    /// Ends the reading of one of its readers.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.readers = state.readers.saturating_sub(1);
        if state.readers == 0 {
            state.documents = None;
            state.values.clear();
        }
    }

    /// Passes its YAML documents to `take`, which owns them if no other reader needs them.
    pub(super) fn documents<R>(
        &self,
        parse: impl FnOnce() -> Result<Vec<Document>, Flaw>,
        take: impl FnOnce(Cow<'_, Vec<Document>>) -> Result<R, Flaw>,
    ) -> Result<R, Flaw> {
        let mut state = self.lock();
        let parsed = state.documents.take().unwrap_or_else(|| Arc::new(parse()));
        if state.readers > 1 {
            state.documents = Some(Arc::clone(&parsed));
        }
        drop(state);
        pass(parsed, take)
    }

    /// Passes its value in this format to `take`, which owns it if no other reader needs it.
    pub(super) fn value<R>(
        &self,
        format: Format,
        parse: impl FnOnce() -> Result<Json, Flaw>,
        take: impl FnOnce(Cow<'_, Json>) -> Result<R, Flaw>,
    ) -> Result<R, Flaw> {
        let mut state = self.lock();
        let parsed = state.values.remove(&format).unwrap_or_else(|| Arc::new(parse()));
        if state.readers > 1 {
            state.values.insert(format, Arc::clone(&parsed));
        }
        drop(state);
        pass(parsed, take)
    }

    /// While one reader parses, the others wait here. A parser that panics leaves nothing behind, so
    /// poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pass<T: Clone, R>(
    parsed: Parsed<T>,
    take: impl FnOnce(Cow<'_, T>) -> Result<R, Flaw>,
) -> Result<R, Flaw> {
    match Arc::try_unwrap(parsed) {
        Ok(owned) => take(Cow::Owned(owned?)),
        Err(shared) => take(Cow::Borrowed(shared.as_ref().as_ref().map_err(Flaw::clone)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_file_is_parsed_once_and_only_its_last_reader_owns_it() {
        let file = ParsedFile::for_readers(3);
        let parses = Cell::new(0);
        let parse = || {
            parses.set(parses.get() + 1);
            Ok(Json::from(7))
        };
        let read = || {
            let is_owned =
                file.value(Format::Json, parse, |value| Ok(matches!(value, Cow::Owned(_))));
            file.finish();
            is_owned.unwrap()
        };
        assert_eq!([read(), read(), read()], [false, false, true]);
        assert_eq!(parses.get(), 1);
    }

    #[test]
    fn a_flaw_is_reported_to_every_reader() {
        let file = ParsedFile::for_readers(2);
        for _ in 0..2 {
            let flaw = file.documents(|| crate::decode::documents("a: ["), |_| Ok(()));
            assert_eq!(flaw.unwrap_err().line, Some(1));
            file.finish();
        }
    }

    #[test]
    fn a_file_whose_readers_have_finished_holds_nothing() {
        let file = ParsedFile::for_readers(2);
        file.value(Format::Json, || Ok(Json::from(7)), |_| Ok(())).unwrap();
        file.finish();
        assert!(!file.lock().values.is_empty(), "the second reader may ask for it");
        file.finish();
        assert!(file.lock().values.is_empty());
    }
}
