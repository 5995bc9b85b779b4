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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::identify;
    use crate::mirror::testing::TestRepository;

    const PRIVATE: &str = "[sheets.people]\npublic = false\n";

    #[test]
    fn the_layout_of_any_number_of_commits_with_the_same_definitions_is_read_once() {
        let repository = TestRepository::bare();
        let (objects, options) = (repository.objects(), LoadOptions::default());
        let any = Budget::unlimited();
        let (layouts, mut named) = (Layouts::default(), Vec::new());
        for n in 0..30 {
            let (row, note) = (format!("n = {n}\n"), format!("note{n}.txt"));
            let files = [("headwater.toml", PRIVATE), ("people/a.toml", &*row), (&*note, "")];
            repository.commit_files("main", &files);
            let tree = repository.tree_of("main");
            named.push((tree, identify(&objects, tree, None, &any).unwrap()));
        }
        assert!(named.iter().all(|(_, definitions)| *definitions == named[0].1));
        let read = |layouts: &Layouts, named, view: &View| {
            layouts.get_or_read(&objects, named, view, &options, &any)
        };
        for view in [View::PUBLIC, View::EVERYTHING] {
            let first = read(&layouts, named[0], &view).unwrap();
            assert_eq!(first.sheet("people").unwrap().public, !view.is_public());
        }
        // Whoever reads the definitions again misses them.
        let blob = repository.git(["rev-parse", "main:headwater.toml"]);
        let (folder, name) = blob.split_at(2);
        std::fs::remove_file(repository.path().join("objects").join(folder).join(name)).unwrap();
        for named in &named {
            for view in [View::PUBLIC, View::EVERYTHING] {
                read(&layouts, *named, &view).unwrap();
            }
        }
        let error = read(&Layouts::default(), named[7], &View::PUBLIC).unwrap_err();
        assert!(error.is_missing(), "{error}");
    }
}
