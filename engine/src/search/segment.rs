//! One immutable part of the text index: some documents with their words, and which of them are
//! dead.

use std::ops::Range;
use std::sync::Arc;

use tantivy::{DocId, TantivyError};

use crate::id::{Key, SheetName};
use crate::search::slots::{MAX_SLOTS, Slot, Slots};
use crate::search::words::Words;
use crate::search::writer::{ListWriter, StoreWriter, Writer};
use crate::search::{DocName, Texts};

/// A body that is never changed, shared by the states that hold it, and the dead documents of
/// this state.
#[derive(Clone)]
pub(crate) struct Segment {
    body: Arc<Body>,
    /// One bit for each document; `None` while all live.
    dead: Option<Arc<[u64]>>,
    live: Totals,
}

/// What ranking must know about all live documents together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) documents: u64,
    /// The lengths, as they are rounded for ranking, of all texts of a slot.
    pub(crate) tokens: [u64; MAX_SLOTS],
}

impl Totals {
    pub(crate) fn of<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> Self {
        segments.into_iter().fold(Self::default(), |mut sum, segment| {
            sum.documents += segment.live.documents;
            for (sum, tokens) in sum.tokens.iter_mut().zip(segment.live.tokens) {
                *sum += tokens;
            }
            sum
        })
    }
}

/// The documents in the order of their names, so that those of a sheet are one range.
struct Body {
    sheets: Box<[(SheetName, Range<DocId>)]>,
    keys: Box<[Key]>,
    slots: Box<[Option<Words>]>,
}

impl Segment {
    /// Builds a segment of those of `names`, which are sorted, that have any text. Returns `None`
    /// where none has.
    ///
    /// Up to `few` documents are listed, which costs a few microseconds each.
    pub(crate) fn build(
        slots: &Slots,
        names: &[DocName],
        texts: &Texts<'_>,
        few: usize,
    ) -> Result<Option<Self>, TantivyError> {
        let mut writer: Box<dyn Writer> = if names.len() <= few {
            Box::new(ListWriter::new(slots))
        } else {
            Box::new(StoreWriter::new(slots)?)
        };
        let mut sheets: Vec<(SheetName, Range<DocId>)> = Vec::new();
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let mut has_text = false;
            texts(name, &mut |slot: Slot, text: &str| {
                writer.add(slot, text);
                has_text = true;
            });
            if !has_text {
                continue;
            }
            writer.end_document()?;
            let doc = keys.len() as DocId;
            match sheets.last_mut() {
                Some((sheet, docs)) if *sheet == name.sheet => docs.end = doc + 1,
                _ => sheets.push((name.sheet.clone(), doc..doc + 1)),
            }
            keys.push(name.key.clone());
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let slots = writer.finish()?;
        let mut live = Totals { documents: keys.len() as u64, tokens: [0; MAX_SLOTS] };
        for (tokens, words) in live.tokens.iter_mut().zip(&slots) {
            let length = |doc| words.as_ref().map_or(0, |words| words.length(doc));
            *tokens = (0..keys.len() as DocId).map(|doc| u64::from(length(doc))).sum();
        }
        let body = Body { sheets: sheets.into(), keys: keys.into(), slots };
        Ok(Some(Self { body: Arc::new(body), dead: None, live }))
    }

    /// Returns the totals of the live documents.
    pub(crate) fn live(&self) -> &Totals {
        &self.live
    }

    /// Returns the number of dead documents.
    pub(crate) fn dead(&self) -> u64 {
        u64::from(self.len()) - self.live.documents
    }

    /// Says whether both hold the same documents, dead or alive.
    pub(crate) fn same_body(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// Returns the number of documents, dead ones included.
    pub(crate) fn len(&self) -> DocId {
        self.body.keys.len() as DocId
    }

    /// Returns the words of a slot, unless no document has text there.
    pub(crate) fn slot(&self, slot: usize) -> Option<&Words> {
        self.body.slots.get(slot)?.as_ref()
    }

    /// Says whether the document lives.
    pub(crate) fn is_alive(&self, doc: DocId) -> bool {
        let (word, bit) = (doc as usize / 64, doc % 64);
        self.dead.as_ref().is_none_or(|dead| dead[word] >> bit & 1 == 0)
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
    pub(crate) fn sheets(&self) -> &[(SheetName, Range<DocId>)] {
        &self.body.sheets
    }

    /// Returns the key of a document.
    pub(crate) fn key(&self, doc: DocId) -> &Key {
        &self.body.keys[doc as usize]
    }

    /// Returns the sheet of a document.
    pub(crate) fn sheet(&self, doc: DocId) -> &SheetName {
        let at = self.body.sheets.partition_point(|(_, docs)| docs.end <= doc);
        &self.body.sheets[at].0
    }

    /// Returns the names of the live documents, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = DocName> + '_ {
        let docs = self.sheets().iter().flat_map(|(sheet, docs)| {
            docs.clone().map(move |doc| (sheet, doc)).filter(|(_, doc)| self.is_alive(*doc))
        });
        docs.map(|(sheet, doc)| DocName { sheet: sheet.clone(), key: self.key(doc).clone() })
    }

    /// Returns the live document of this name.
    pub(crate) fn find(&self, name: &DocName) -> Option<DocId> {
        let sheets = self.sheets();
        let (_, docs) =
            &sheets[sheets.binary_search_by(|(sheet, _)| sheet.cmp(&name.sheet)).ok()?];
        let keys = &self.body.keys[docs.start as usize..docs.end as usize];
        let doc = docs.start + keys.binary_search(&name.key).ok()? as DocId;
        self.is_alive(doc).then_some(doc)
    }

    /// Returns this segment without `docs`, which live in it.
    pub(crate) fn without(&self, docs: &[DocId]) -> Self {
        let none = || vec![0; self.body.keys.len().div_ceil(64)];
        let mut dead = self.dead.as_ref().map_or_else(none, |dead| dead.to_vec());
        let mut live = self.live;
        for &doc in docs {
            dead[doc as usize / 64] |= 1 << (doc % 64);
            live.documents -= 1;
            for (tokens, words) in live.tokens.iter_mut().zip(&self.body.slots) {
                *tokens -= words.as_ref().map_or(0, |words| words.length(doc).into());
            }
        }
        Self { body: self.body.clone(), dead: Some(dead.into()), live }
    }
}
