//! What an index is made for: the slots of its boosts, and the language of each sheet.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SheetName;
use crate::language::Language;
use crate::search::boosts::Slots;
use crate::search::scope::Scope;

/// The part of the layout that an index depends on.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) slots: Slots,
    pub(crate) languages: Languages,
}

impl Shape {
    /// Returns bytes that are equal for equal slots and languages.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.slots.boosts().iter().for_each(|boost| bytes.extend_from_slice(&boost.to_le_bytes()));
        for (sheet, language) in &self.languages.0 {
            let code = language.code().unwrap_or_default();
            // Neither a name nor a code contains a zero byte.
            bytes.extend([b"\0", sheet.as_str().as_bytes(), b"\0", code.as_bytes()].concat());
        }
        bytes
    }
}

/// The languages of the sheets that declare one.
#[derive(Debug, Default)]
pub(crate) struct Languages(BTreeMap<SheetName, Language>);

impl Languages {
    pub(crate) fn new(sheets: impl IntoIterator<Item = (SheetName, Language)>) -> Self {
        let said = sheets.into_iter().filter(|(_, language)| *language != Language::Unsaid);
        Self(said.collect())
    }

    pub(crate) fn of(&self, sheet: &SheetName) -> Language {
        self.0.get(sheet).copied().unwrap_or_default()
    }

    /// Returns whether any sheet declares a language.
    pub(crate) fn is_any_said(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the languages that documents in scope may have, each once.
    pub(crate) fn in_scope(&self, scope: Scope<'_>) -> BTreeSet<Language> {
        match scope {
            Scope::All => self.0.values().copied().chain([Language::Unsaid]).collect(),
            Scope::Sheets(sheets) => sheets.iter().map(|sheet| self.of(sheet)).collect(),
        }
    }
}
