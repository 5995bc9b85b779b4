//! How the words of a segment are written: by tantivy to an in-memory index, or as lists.

use tantivy::directory::RamDirectory;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::Compressor;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, IndexSettings, SingleSegmentIndexWriter, TantivyDocument, TantivyError};

use crate::language::Language;
use crate::search::analyzer::{self, Polyglot};
use crate::search::boosts::Slot;
use crate::search::memory_directory::{self, Files};
use crate::search::shape::Shape;
use crate::search::words::{Lister, SlotWords, Words};

/// Accepts documents in the order of their ids, text by text.
pub(crate) trait Writer {
    /// Adds a text of the current document.
    fn add(&mut self, slot: Slot, language: Language, text: &str);
    /// Ends the current document.
    fn end_document(&mut self) -> Result<(), TantivyError>;
    /// Returns the words of each slot and, if there are any, the files they are opened from.
    fn finish(self: Box<Self>) -> Result<Written, TantivyError>;
}

/// The words of each slot, and the files they are opened from.
type Written = (SlotWords, Option<Files>);

/// Writes lists.
pub(crate) struct ListWriter {
    analyzers: Polyglot,
    slots: Vec<Lister>,
}

impl ListWriter {
    pub(crate) fn new(shape: &Shape) -> Self {
        let slots = shape.slots.boosts().iter().map(|_| Lister::default()).collect();
        Self { analyzers: Polyglot::default(), slots }
    }
}

impl Writer for ListWriter {
    fn add(&mut self, slot: Slot, language: Language, text: &str) {
        if let Some(lister) = self.slots.get_mut(slot.index()) {
            lister.add(self.analyzers.words(language, text));
        }
    }

    fn end_document(&mut self) -> Result<(), TantivyError> {
        self.slots.iter_mut().for_each(Lister::end_document);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written, TantivyError> {
        let words = self.slots.into_iter().map(|lister| lister.finish().map(Words::Listed));
        Ok((words.collect(), None))
    }
}

/// The name under which tantivy finds the analyzer.
const ANALYZER: &str = "stemming";

/// The initial size of tantivy's table of terms, in bytes; it grows as needed.
const BUDGET: usize = 15_000_000;

/// Writes a tantivy index: one text field for each slot, nothing stored.
pub(crate) struct StoreWriter {
    directory: RamDirectory,
    writer: SingleSegmentIndexWriter,
    fields: Vec<Field>,
    document: TantivyDocument,
    /// Whether texts are labelled with their language.
    is_labelled: bool,
}

impl StoreWriter {
    pub(crate) fn new(shape: &Shape) -> Result<Self, TantivyError> {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let options = TextOptions::default().set_indexing_options(indexing);
        let mut schema = Schema::builder();
        let fields = (0..shape.slots.boosts().len())
            .map(|slot| schema.add_text_field(&slot.to_string(), options.clone()))
            .collect();
        let tokenizers = TokenizerManager::new();
        let is_labelled = shape.languages.is_any_said();
        if is_labelled {
            tokenizers.register(ANALYZER, Polyglot::default());
        } else {
            tokenizers.register(ANALYZER, analyzer::stemming(Language::Unsaid));
        }
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let directory = RamDirectory::create();
        let writer = Index::builder()
            .schema(schema.build())
            .settings(settings)
            .tokenizers(tokenizers)
            .single_segment_index_writer(directory.clone(), BUDGET)?;
        Ok(Self { directory, writer, fields, document: TantivyDocument::new(), is_labelled })
    }
}

impl Writer for StoreWriter {
    fn add(&mut self, slot: Slot, language: Language, text: &str) {
        match self.fields.get(slot.index()) {
            Some(field) if self.is_labelled => {
                self.document.add_text(*field, Polyglot::labelled(language, text));
            }
            Some(field) => self.document.add_text(*field, text),
            None => {}
        }
    }

    fn end_document(&mut self) -> Result<(), TantivyError> {
        self.writer.add_document(std::mem::take(&mut self.document))
    }

    fn finish(self: Box<Self>) -> Result<Written, TantivyError> {
        let index = self.writer.finalize()?;
        let (_, words) = memory_directory::open(&index)?;
        Ok((words, Some(Files::of(&index, self.directory))))
    }
}
