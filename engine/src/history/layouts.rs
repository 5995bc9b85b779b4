//! The layouts of the commits of histories. Few commits change the definitions, so many have the same.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bounded_cache::BoundedCache;
use crate::budget::Budget;
use crate::definitions::{DefinitionError, DefinitionsId, gather};
use crate::id::TreeId;
use crate::layout::Layout;
use crate::mirror::Objects;
use crate::options::LoadOptions;
use crate::view::View;

/// The bytes that the layouts may take together; a single one may take more.
const ROOM: usize = 16 << 20;

/// About how many bytes what is read from a definition takes for each byte of it, without its schema.
const OF_TEXT: usize = 4;

/// Layouts as views see them, by their definitions, as long as there is room.
#[derive(Debug)]
pub(super) struct Layouts(Mutex<BoundedCache<Name, Layout>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    definitions: DefinitionsId,
    view: View,
}

impl Default for Layouts {
    fn default() -> Self {
        Self(Mutex::new(BoundedCache::with_room(ROOM)))
    }
}

impl Layouts {
    /// Returns what `view` sees of the layout of `tree`, which has these `definitions`. Reads them if
    /// it is not kept, which is spent from `part`.
    ///
    /// # Errors
    ///
    /// Fails only on a damaged repository.
    pub(super) fn get_or_read(
        &self,
        objects: &Objects,
        (tree, definitions): (TreeId, DefinitionsId),
        view: &View,
        options: &LoadOptions,
        part: &Budget,
    ) -> Result<Layout, DefinitionError> {
        let name = Name { definitions, view: view.clone() };
        if let Some(layout) = self.kept().get(&name) {
            return Ok(layout.clone());
        }
        let files = gather(objects, tree, options.sheets.as_ref())?;
        let all = files.gitsheets.iter().chain(&files.contracts).chain(&files.headwater);
        let text: usize = all.map(|file| file.bytes.len()).sum();
        part.spend(OF_TEXT * text);
        let layout = Layout::read(&files).seen_by(view);
        let left = self.kept().put(name, layout.clone(), layout.bytes() + OF_TEXT * text);
        // Freed without the lock.
        drop(left);
        Ok(layout)
    }

    fn kept(&self) -> MutexGuard<'_, BoundedCache<Name, Layout>> {
        // The cache is consistent after every statement, so a poisoned lock holds a usable one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
