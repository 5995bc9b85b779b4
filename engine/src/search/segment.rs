//! One immutable part of the text index: a tantivy index of one segment in memory, and which of
//! its documents are dead.

use std::ops::Range;
use std::sync::Arc;

use tantivy::directory::RamDirectory;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::InvertedIndexReader;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::Compressor;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{
    DocId, Index, IndexSettings, SegmentReader, SingleSegmentIndexWriter, TantivyDocument,
    TantivyError,
};

use crate::id::{Key, SheetName};
use crate::search::slots::{MAX_SLOTS, Slot, Slots};
use crate::search::{DocName, Texts, analyzer};

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
    slots: Box<[Option<SlotReader>]>,
}

/// The postings and lengths of one slot.
pub(crate) struct SlotReader {
    pub(crate) postings: Arc<InvertedIndexReader>,
    norms: FieldNormReader,
}

impl SlotReader {
    /// Returns the rounded length of the text, as one of 256 classes.
    pub(crate) fn norm(&self, doc: DocId) -> u8 {
        self.norms.fieldnorm_id(doc)
    }
}

impl Segment {
    /// Builds a segment of those of `names`, which are sorted, that have any text. Returns `None`
    /// where none has.
    pub(crate) fn build(
        slots: &Slots,
        names: &[DocName],
        texts: &Texts<'_>,
    ) -> Result<Option<Self>, TantivyError> {
        let used = used(names, texts);
        if !used.contains(&true) {
            return Ok(None);
        }
        let (schema, fields) = schema(slots, used);
        let mut writer = writer(schema, names.len())?;
        let mut sheets: Vec<(SheetName, Range<DocId>)> = Vec::new();
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let (mut document, mut has_text) = (TantivyDocument::new(), false);
            texts(name, &mut |slot: Slot, text: &str| {
                if let Some(field) = fields[slot.index()] {
                    document.add_text(field, text);
                    has_text = true;
                }
            });
            if !has_text {
                continue;
            }
            writer.add_document(document)?;
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
        let readers = open(&writer.finalize()?, &fields)?;
        let mut live = Totals { documents: keys.len() as u64, tokens: [0; MAX_SLOTS] };
        for (tokens, reader) in live.tokens.iter_mut().zip(&readers) {
            let length = |doc| reader.as_ref().map_or(0, |reader| reader.norms.fieldnorm(doc));
            *tokens = (0..keys.len() as DocId).map(|doc| u64::from(length(doc))).sum();
        }
        let body = Body { sheets: sheets.into(), keys: keys.into(), slots: readers };
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

    /// Returns the reader of a slot, unless no document has text there.
    pub(crate) fn slot(&self, slot: usize) -> Option<&SlotReader> {
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
            for (tokens, reader) in live.tokens.iter_mut().zip(&self.body.slots) {
                *tokens -= reader.as_ref().map_or(0, |reader| reader.norms.fieldnorm(doc).into());
            }
        }
        Self { body: self.body.clone(), dead: Some(dead.into()), live }
    }
}

/// Up to how many documents it is worth a look which slots have any text.
const FEW: usize = 64;

/// Says which slots the documents use; for many documents all of them.
///
/// tantivy takes memory for a dictionary of each field, used or not, which for one document costs
/// more than the document.
fn used(names: &[DocName], texts: &Texts<'_>) -> [bool; MAX_SLOTS] {
    let mut used = [names.len() > FEW; MAX_SLOTS];
    if names.len() <= FEW {
        names.iter().for_each(|name| texts(name, &mut |slot, _| used[slot.index()] = true));
    }
    used
}

/// Returns the schema: one text field for each slot that is used, nothing stored.
fn schema(slots: &Slots, used: [bool; MAX_SLOTS]) -> (Schema, Vec<Option<Field>>) {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(ANALYZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let options = TextOptions::default().set_indexing_options(indexing);
    let mut schema = Schema::builder();
    let fields = (0..slots.boosts().len())
        .map(|slot| used[slot].then(|| schema.add_text_field(&slot.to_string(), options.clone())))
        .collect();
    (schema.build(), fields)
}

/// The name under which tantivy finds the analyzer.
const ANALYZER: &str = "stemming";

fn writer(schema: Schema, documents: usize) -> Result<SingleSegmentIndexWriter, TantivyError> {
    // The budget only sets the first size of the term table. tantivy clears and walks the whole
    // table for each segment, which for one document costs more than everything else.
    let budget = if documents < 64 { 30_000 } else { 15_000_000 };
    let tokenizers = TokenizerManager::new();
    tokenizers.register(ANALYZER, analyzer::stemming());
    let settings = IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    Index::builder()
        .schema(schema)
        .settings(settings)
        .tokenizers(tokenizers)
        .single_segment_index_writer(RamDirectory::create(), budget)
}

/// Opens what searching needs. The rest, the index itself and its empty store, is given up.
fn open(
    index: &Index,
    fields: &[Option<Field>],
) -> Result<Box<[Option<SlotReader>]>, TantivyError> {
    let segments = index.searchable_segments()?;
    let segment = segments
        .first()
        .ok_or_else(|| TantivyError::InternalError("the index just written is empty".into()))?;
    let reader = SegmentReader::open(segment)?;
    let slot = |field: &Option<Field>| {
        let Some(field) = field else { return Ok(None) };
        let postings = reader.inverted_index(*field)?;
        let norms = reader.fieldnorms_readers().get_field(*field)?;
        Ok(norms
            .filter(|_| postings.terms().num_terms() > 0)
            .map(|norms| SlotReader { postings, norms }))
    };
    fields.iter().map(slot).collect()
}
