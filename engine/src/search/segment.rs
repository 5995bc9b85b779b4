//! One immutable part of the text index: some documents with their words, and which of them are
//! dead.

use std::ops::Range;
use std::sync::Arc;

use tantivy::{DocId, TantivyError};

use crate::id::{Key, SheetName};
use crate::language::Language;
use crate::search::boosts::Slot;
use crate::search::collection_statistics::{Totals, TotalsByLanguage};
use crate::search::doc_name::{DocName, Texts};
use crate::search::memory_directory::Files;
use crate::search::scope::{Restriction, Scope};
use crate::search::shape::Shape;
use crate::search::words::{SlotWords, Words};
use crate::search::writer::{ListWriter, StoreWriter, Writer};

/// An immutable body, shared by the states that hold it, and the dead documents of this state.
#[derive(Clone)]
pub(crate) struct Segment {
    body: Arc<Body>,
    /// One bit for each document, or `None` while all are alive.
    dead: Option<Arc<[u64]>>,
    live: TotalsByLanguage,
}

/// The documents ordered by name, so that those of a sheet form one range.
struct Body {
    sheets: Box<[Part]>,
    keys: Box<[Key]>,
    slots: SlotWords,
    /// The files that the words are opened from, unless the words are listed.
    files: Option<Files>,
}

/// The documents of one sheet.
pub(crate) struct Part {
    pub(crate) sheet: SheetName,
    pub(crate) language: Language,
    pub(crate) docs: Range<DocId>,
}

impl Segment {
    /// Builds a segment of the documents in `names`, which is sorted, that have any text. Returns
    /// `None` if none has.
    ///
    /// Up to `few` documents are listed, which costs a few microseconds each.
    pub(crate) fn build(
        shape: &Shape,
        names: &[DocName],
        texts: &Texts<'_>,
        few: usize,
    ) -> Result<Option<Self>, TantivyError> {
        let mut writer: Box<dyn Writer> = if names.len() <= few {
            Box::new(ListWriter::new(shape))
        } else {
            Box::new(StoreWriter::new(shape)?)
        };
        let mut with_text = Vec::with_capacity(names.len());
        for name in names {
            let language = shape.languages.of(&name.sheet);
            let mut has_text = false;
            texts(name, &mut |slot: Slot, text: &str| {
                writer.add(slot, language, text);
                has_text = true;
            });
            if has_text {
                writer.end_document()?;
                with_text.push(name);
            }
        }
        if with_text.is_empty() {
            return Ok(None);
        }
        let (slots, files) = writer.finish()?;
        Ok(Some(Self::new(shape, with_text, slots, files)))
    }

    /// Returns a segment of documents with these names, in order, all alive.
    pub(crate) fn new<'a>(
        shape: &Shape,
        names: impl IntoIterator<Item = &'a DocName>,
        slots: SlotWords,
        files: Option<Files>,
    ) -> Self {
        let mut sheets: Vec<Part> = Vec::new();
        let mut keys = Vec::new();
        for name in names {
            let doc = keys.len() as DocId;
            keys.push(name.key.clone());
            match sheets.last_mut() {
                Some(part) if part.sheet == name.sheet => part.docs.end = doc + 1,
                _ => {
                    let (sheet, language) = (name.sheet.clone(), shape.languages.of(&name.sheet));
                    sheets.push(Part { sheet, language, docs: doc..doc + 1 });
                }
            }
        }
        let mut live = TotalsByLanguage::default();
        for part in &sheets {
            live.add(part.language, &Totals::of_documents(&slots, part.docs.clone()));
        }
        let body = Body { sheets: sheets.into(), keys: keys.into(), slots, files };
        Self { body: Arc::new(body), dead: None, live }
    }

    /// Returns the files that the segment was opened from, unless its words are listed.
    pub(crate) fn files(&self) -> Option<&Files> {
        self.body.files.as_ref()
    }

    /// Returns the totals of the live documents.
    pub(crate) fn live(&self) -> &TotalsByLanguage {
        &self.live
    }

    /// Returns the number of live documents.
    pub(crate) fn living(&self) -> u64 {
        self.live.documents()
    }

    /// Returns the number of dead documents.
    pub(crate) fn dead(&self) -> u64 {
        u64::from(self.len()) - self.living()
    }

    /// Returns whether both hold the same documents, dead or alive.
    pub(crate) fn same_body(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// Returns the number of documents, dead ones included.
    pub(crate) fn len(&self) -> DocId {
        self.body.keys.len() as DocId
    }

    /// Returns the words of a slot, or `None` if no document has text there.
    pub(crate) fn slot(&self, slot: usize) -> Option<&Words> {
        self.body.slots.get(slot)?.as_ref()
    }

    /// Returns whether the document is alive.
    pub(crate) fn is_alive(&self, doc: DocId) -> bool {
        let (word, bit) = (doc as usize / 64, doc % 64);
        self.dead.as_ref().is_none_or(|dead| dead[word] >> bit & 1 == 0)
    }

    /// Returns one bit for each of the 64 documents from `first` on, set unless the document is
    /// dead.
    pub(crate) fn alive_bits(&self, first: DocId) -> u64 {
        let Some(dead) = &self.dead else { return u64::MAX };
        let (word, bit) = (first as usize / 64, first % 64);
        let dead = |word: usize| dead.get(word).copied().unwrap_or(0);
        let (low, high) = (dead(word) >> bit, dead(word + 1).checked_shl(64 - bit).unwrap_or(0));
        !(low | high)
    }

    /// Returns the dead documents in order.
    pub(crate) fn dead_docs(&self) -> impl Iterator<Item = DocId> + '_ {
        let words = self.dead.as_deref().unwrap_or_default().iter().enumerate();
        words.flat_map(|(index, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros())?;
                word &= word - 1;
                Some(index as DocId * 64 + bit)
            })
        })
    }

    /// Returns the sheets and the ranges of their documents, in order.
    pub(crate) fn sheets(&self) -> &[Part] {
        &self.body.sheets
    }

    /// Returns the documents in a language and in scope, in as few ranges as possible.
    pub(crate) fn ranges(&self, language: Language, scope: Scope<'_>) -> Vec<Range<DocId>> {
        let mut ranges: Vec<Range<DocId>> = Vec::new();
        for part in self.sheets() {
            if part.language != language || !scope.contains(&part.sheet) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == part.docs.start => last.end = part.docs.end,
                _ => ranges.push(part.docs.clone()),
            }
        }
        ranges
    }

    /// Returns the key of a document.
    pub(crate) fn key(&self, doc: DocId) -> &Key {
        &self.body.keys[doc as usize]
    }

    /// Returns the sheet of a document.
    pub(crate) fn sheet(&self, doc: DocId) -> &SheetName {
        &self.part(doc).sheet
    }

    /// Returns the name of a document.
    pub(crate) fn name(&self, doc: DocId) -> DocName {
        DocName { sheet: self.sheet(doc).clone(), key: self.key(doc).clone() }
    }

    fn part(&self, doc: DocId) -> &Part {
        let at = self.body.sheets.partition_point(|part| part.docs.end <= doc);
        &self.body.sheets[at]
    }

    /// Returns the names of the live documents, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = DocName> + '_ {
        let docs = self.sheets().iter().flat_map(|part| {
            let docs = part.docs.clone().map(move |doc| (&part.sheet, doc));
            docs.filter(|(_, doc)| self.is_alive(*doc))
        });
        docs.map(|(sheet, doc)| DocName { sheet: sheet.clone(), key: self.key(doc).clone() })
    }

    /// Returns the live document with this name.
    pub(crate) fn find(&self, name: &DocName) -> Option<DocId> {
        let sheets = self.sheets();
        let at = sheets.binary_search_by(|part| part.sheet.cmp(&name.sheet)).ok()?;
        let docs = &sheets[at].docs;
        let keys = &self.body.keys[docs.start as usize..docs.end as usize];
        let doc = docs.start + keys.binary_search(&name.key).ok()? as DocId;
        self.is_alive(doc).then_some(doc)
    }

    /// Returns the live documents that their sheet does not let pass, in order.
    pub(crate) fn outside<'a>(
        &self,
        restriction: &dyn Fn(&SheetName) -> Restriction<'a>,
    ) -> Vec<DocId> {
        let mut outside = Vec::new();
        for part in self.sheets() {
            let docs = part.docs.clone().filter(|doc| self.is_alive(*doc));
            match restriction(&part.sheet) {
                Restriction::All => {}
                Restriction::None => outside.extend(docs),
                Restriction::Except(keys) => {
                    outside.extend(docs.filter(|doc| keys.contains(self.key(*doc))));
                }
            }
        }
        outside
    }

    /// Returns this segment without `docs`, which must be alive in it.
    pub(crate) fn without(&self, docs: &[DocId]) -> Self {
        let none = || vec![0; self.body.keys.len().div_ceil(64)];
        let mut dead = self.dead.as_ref().map_or_else(none, |dead| dead.to_vec());
        let mut live = self.live.clone();
        for &doc in docs {
            dead[doc as usize / 64] |= 1 << (doc % 64);
            live.subtract(
                self.part(doc).language,
                &Totals::of_documents(&self.body.slots, doc..doc + 1),
            );
        }
        Self { body: self.body.clone(), dead: Some(dead.into()), live }
    }
}
