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
    /// The totals of the live documents of each sheet, in the order of the sheets.
    by_sheet: Arc<[Totals]>,
    /// Their sums.
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
        let totals = |part: &Part| Totals::of_documents(&slots, part.docs.clone());
        let by_sheet: Arc<[Totals]> = sheets.iter().map(totals).collect();
        let live = sums(&sheets, &by_sheet);
        let body = Body { sheets: sheets.into(), keys: keys.into(), slots, files };
        Self { body: Arc::new(body), dead: None, by_sheet, live }
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

    /// Returns the documents in a language and in scope, in as few ranges as possible, without the
    /// sheets whose documents are all dead: those that a view does not have cost its searches nothing.
    pub(crate) fn ranges(&self, language: Language, scope: Scope<'_>) -> Vec<Range<DocId>> {
        let mut ranges: Vec<Range<DocId>> = Vec::new();
        let alive = self.sheets().iter().zip(&*self.by_sheet);
        let alive = alive.filter(|(_, totals)| totals.documents > 0).map(|(part, _)| part);
        for part in alive {
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
        &self.body.sheets[self.place(doc)]
    }

    /// Returns the place of the sheet of a document.
    fn place(&self, doc: DocId) -> usize {
        self.body.sheets.partition_point(|part| part.docs.end <= doc)
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
        self.find_in(&sheets[at], &name.key)
    }

    /// Returns the live document of a sheet with this key.
    fn find_in(&self, part: &Part, key: &Key) -> Option<DocId> {
        let docs = &part.docs;
        let keys = &self.body.keys[docs.start as usize..docs.end as usize];
        let doc = docs.start + keys.binary_search(key).ok()? as DocId;
        self.is_alive(doc).then_some(doc)
    }

    /// Returns this segment with those documents dead that their sheet does not let pass.
    pub(crate) fn restricted<'a>(
        &self,
        restriction: &dyn Fn(&SheetName) -> Restriction<'a>,
    ) -> Self {
        let mut deaths = Deaths::of(self);
        for (place, part) in self.sheets().iter().enumerate() {
            match restriction(&part.sheet) {
                Restriction::All => {}
                Restriction::None => deaths.add_sheet(place),
                Restriction::Except(keys) if keys.len() < part.docs.len() => {
                    let docs = keys.iter().filter_map(|key| self.find_in(part, key));
                    docs.for_each(|doc| deaths.add(place, doc));
                }
                Restriction::Except(keys) => {
                    let docs = part.docs.clone().filter(|doc| self.is_alive(*doc));
                    let docs = docs.filter(|doc| keys.contains(self.key(*doc)));
                    docs.for_each(|doc| deaths.add(place, doc));
                }
            }
        }
        deaths.finish()
    }

    /// Returns this segment without `docs`, which must be alive in it.
    pub(crate) fn without(&self, docs: &[DocId]) -> Self {
        let mut deaths = Deaths::of(self);
        docs.iter().for_each(|doc| deaths.add(self.place(*doc), *doc));
        deaths.finish()
    }

    /// Returns about how many bytes it takes besides its body.
    pub(crate) fn own_bytes(&self) -> usize {
        let dead = self.dead.as_deref().unwrap_or_default();
        size_of::<Self>() + size_of_val(dead) + size_of_val(&*self.by_sheet)
    }
}

/// Returns the sums of the totals of these sheets, by language.
fn sums(sheets: &[Part], by_sheet: &[Totals]) -> TotalsByLanguage {
    let mut sums = TotalsByLanguage::default();
    let living = sheets.iter().zip(by_sheet).filter(|(_, totals)| totals.documents > 0);
    living.for_each(|(part, totals)| sums.add(part.language, totals));
    sums
}

/// The documents that die in a segment, which is copied only if there are any.
struct Deaths<'a> {
    segment: &'a Segment,
    changed: Option<Changed>,
}

/// What differs in the new segment.
struct Changed {
    dead: Vec<u64>,
    by_sheet: Vec<Totals>,
}

impl<'a> Deaths<'a> {
    fn of(segment: &'a Segment) -> Self {
        Self { segment, changed: None }
    }

    fn changed(&mut self) -> &mut Changed {
        let Segment { body, dead, by_sheet, .. } = self.segment;
        self.changed.get_or_insert_with(|| {
            let none = || vec![0; body.keys.len().div_ceil(64)];
            let dead = dead.as_ref().map_or_else(none, |dead| dead.to_vec());
            Changed { dead, by_sheet: by_sheet.to_vec() }
        })
    }

    /// Adds a live document of the sheet at `place`.
    fn add(&mut self, place: usize, doc: DocId) {
        let totals = Totals::of_documents(&self.segment.body.slots, doc..doc + 1);
        let Changed { dead, by_sheet } = self.changed();
        dead[doc as usize / 64] |= 1 << (doc % 64);
        by_sheet[place].subtract(&totals);
    }

    /// Adds all documents of the sheet at `place`. Visits none of them.
    fn add_sheet(&mut self, place: usize) {
        if self.segment.by_sheet[place].documents == 0 {
            return;
        }
        let docs = self.segment.body.sheets[place].docs.clone();
        let (start, end) = (docs.start as usize, docs.end as usize);
        let Changed { dead, by_sheet } = self.changed();
        by_sheet[place] = Totals::default();
        for (word, bits) in dead.iter_mut().enumerate().take(end.div_ceil(64)).skip(start / 64) {
            let (first, behind) = (start.max(word * 64), end.min(word * 64 + 64));
            *bits |= (u64::MAX >> (64 - (behind - first))) << (first % 64);
        }
    }

    fn finish(self) -> Segment {
        let segment = self.segment;
        let Some(Changed { dead, by_sheet }) = self.changed else { return segment.clone() };
        let live = sums(&segment.body.sheets, &by_sheet);
        Segment {
            body: segment.body.clone(),
            dead: Some(dead.into()),
            by_sheet: by_sheet.into(),
            live,
        }
    }
}
