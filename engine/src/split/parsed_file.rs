//! A file that is parsed whole, once for all sheets that read it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;

use crate::decode::{Document, Flaw};

/// The content of a file: parsed when its first reader asks for it, dropped after its last one.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many readers have not [finished](ParsedFile::finish).
    readers: usize,
    documents: Parsed<Vec<Document>>,
    value: Parsed<Json>,
}

type Parsed<T> = Option<Arc<Result<T, Flaw>>>;

impl ParsedFile {
    /// Returns a file that this many sheets read.
    pub(crate) fn for_readers(readers: usize) -> Self {
        Self { state: Mutex::new(State { readers, documents: None, value: None }) }
    }

    /// Ends the reading of one of its readers.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.readers = state.readers.saturating_sub(1);
        if state.readers == 0 {
            (state.documents, state.value) = (None, None);
        }
    }

    /// Passes its documents to `take`, which owns them if no other reader needs them.
    pub(super) fn documents<R>(
        &self,
        parse: impl FnOnce() -> Result<Vec<Document>, Flaw>,
        take: impl FnOnce(Cow<'_, Vec<Document>>) -> Result<R, Flaw>,
    ) -> Result<R, Flaw> {
        let parsed = self.get(|state| &mut state.documents, parse);
        pass(parsed, take)
    }

    /// Passes its value to `take`, which owns it if no other reader needs it.
    pub(super) fn value<R>(
        &self,
        parse: impl FnOnce() -> Result<Json, Flaw>,
        take: impl FnOnce(Cow<'_, Json>) -> Result<R, Flaw>,
    ) -> Result<R, Flaw> {
        let parsed = self.get(|state| &mut state.value, parse);
        pass(parsed, take)
    }

    /// Parses it, unless another reader has. Who comes meanwhile waits.
    fn get<T>(
        &self,
        slot: impl FnOnce(&mut State) -> &mut Parsed<T>,
        parse: impl FnOnce() -> Result<T, Flaw>,
    ) -> Arc<Result<T, Flaw>> {
        let mut state = self.lock();
        let is_last = state.readers <= 1;
        let slot = slot(&mut state);
        let parsed = slot.take().unwrap_or_else(|| Arc::new(parse()));
        if !is_last {
            *slot = Some(Arc::clone(&parsed));
        }
        parsed
    }

    /// A parser that panics leaves the state as it was, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pass<T: Clone, R>(
    parsed: Arc<Result<T, Flaw>>,
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
            let is_owned = file.value(parse, |value| Ok(matches!(value, Cow::Owned(_))));
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
        file.value(|| Ok(Json::from(7)), |_| Ok(())).unwrap();
        file.finish();
        assert!(file.lock().value.is_some(), "the second reader may ask for it");
        file.finish();
        assert!(file.lock().value.is_none());
    }
}
