//! The folders of attachments, which move and go with their records.

use super::files::Files;
use super::walked_folders::PlacedFolder;
use super::{WriteError, cost};
use crate::id::TreeId;
use crate::layout::SheetSpec;
use crate::mirror::{Edit, EntryMode};

impl Files<'_> {
    /// Moves the attachments of a record that moves.
    ///
    /// # Errors
    ///
    /// Fails if something is already there; then the record does not move.
    pub(super) fn move_attachments(
        &mut self,
        spec: &SheetSpec,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let (Some(from), Some(to)) = (spec.attachments_of(from), spec.attachments_of(to)) else {
            return Ok(());
        };
        self.bounds.allow_below(from)?;
        self.bounds.allow_below(to)?;
        let folder = self.folder_at(from)?;
        if folder.is_some() && self.entry_at(to)?.is_some() {
            self.allow_folder(spec, to, &[to])?;
            return Err(WriteError::Occupied { path: to.to_owned() });
        }
        self.allow_folder(spec, from, &[to, from])?;
        let changed = self.remove_folder(spec, from)?;
        if let Some(folder) = folder {
            let edit = Edit::Put { mode: EntryMode::Folder, id: *folder.as_bytes() };
            self.edits.insert(to.to_owned(), edit);
        }
        for (name, edit) in changed {
            self.edit_file(spec, &format!("{to}/{name}"), edit)?;
        }
        Ok(())
    }

    /// Removes a folder of attachments. Returns the pending changes in it, by the names below it.
    pub(super) fn remove_folder(
        &mut self,
        spec: &SheetSpec,
        folder: &str,
    ) -> Result<Vec<(String, Edit)>, WriteError> {
        self.bounds.allow_below(folder)?;
        self.allow_folder(spec, folder, &[folder])?;
        let below = format!("{folder}/");
        // `0` is the character after the slash.
        let end = format!("{folder}0");
        let bounds = self.bounds;
        let changed = self.edits.extract_if(below.clone()..end, |path, _| {
            bounds.allow(&spec.name, path.as_bytes()).is_ok()
        });
        let changed: Vec<_> = changed.collect();
        changed.iter().try_for_each(|(path, _)| self.allow_editor(spec, path))?;
        let changed = changed
            .into_iter()
            .map(|(path, edit)| (path[below.len()..].to_owned(), edit))
            .collect();
        if self.folder_at(folder)?.is_some() {
            self.edits.insert(folder.to_owned(), Edit::Remove);
        }
        Ok(changed)
    }

    /// Allows an operation to touch every file in the folder `from` as if it were in each of `places`. A
    /// folder is walked once for all places for which that is not known yet, no further than the batch may
    /// walk.
    ///
    /// # Errors
    ///
    /// Fails if a file does not belong to the sheet, since it cannot move with a record of the
    /// sheet. Its name is reported only to authors who may change it. Fails if the batch walks too much.
    fn allow_folder(
        &mut self,
        spec: &SheetSpec,
        from: &str,
        places: &[&str],
    ) -> Result<(), WriteError> {
        let Some(folder) = self.folder_at(from)? else { return Ok(()) };
        let sheet = &spec.name;
        let placed =
            |place: &&str| PlacedFolder { folder, sheet: sheet.clone(), path: (*place).to_owned() };
        let mut unknown: Vec<_> = places.iter().map(placed).collect();
        unknown.retain(|placed| !self.walked.allowed.contains(placed));
        if unknown.is_empty() {
            return Ok(());
        }
        let (limit, times) = (self.batch.limit, unknown.len());
        let files = match self.walked.costs.get(&folder) {
            Some(cost) => {
                self.costs.add_folder(cost.saturating_mul(times), limit)?;
                self.stage.objects().diff(None, Some(folder))?
            }
            None => {
                let most = self.costs.left(limit) / cost::BESIDE / times;
                let files = self.stage.objects().files_within(folder, most)?;
                let files = files.ok_or(WriteError::BatchTooLarge)?;
                let cost = cost::of_folder(&files);
                self.costs.add_folder(cost.saturating_mul(times), limit)?;
                self.walked.costs.insert(folder, cost);
                files.files
            }
        };
        for placed in unknown {
            for file in &files {
                let path = [placed.path.as_bytes(), b"/", &file.path].concat();
                self.bounds.allow(sheet, &path).map_err(|error| match error {
                    WriteError::NotOfSheet { sheet, path } => {
                        WriteError::HoldsOthers { sheet, path }
                    }
                    WriteError::OutOfScope { .. } => {
                        WriteError::OutOfScope { path: placed.path.clone() }
                    }
                    error => error,
                })?;
            }
            self.walked.allowed.insert(placed);
        }
        Ok(())
    }

    /// Returns the folder at `path`, if there is one.
    fn folder_at(&self, path: &str) -> Result<Option<TreeId>, WriteError> {
        let folder = self.entry_at(path)?.filter(|entry| entry.mode == EntryMode::Folder);
        Ok(folder.map(|entry| TreeId::from_bytes(entry.id)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{Key, SheetName};
    use crate::load::load;
    use crate::mirror::testing::TestRepository;
    use crate::mirror::{Identity, Mirror, MirrorOptions, Signature, TreeFiles};
    use crate::options::LoadOptions;
    use crate::write::{Action, Batch, CommitState, Condition, Operation};

    const DEFINITION: &str = "[sheets.people]\npath = \"${{ team }}/${{ slug }}\"\n";

    /// The files beside each of the two records.
    const FILES: usize = 50;

    /// More than the records cost that one batch changes.
    const RECORDS: usize = 10_000;

    /// Returns the cost of one look at the files beside a record.
    fn walk() -> usize {
        let path_bytes = FILES * "00.txt".len();
        cost::of_folder(&TreeFiles { files: Vec::new(), entries: FILES, path_bytes })
    }

    /// Moves Ada from team to team as one batch whose files may cost `limit`, and deletes Eve if that is
    /// said. Returns the position of the operation that is too much.
    fn refused(teams: &[&str], deletes_eve: bool, limit: usize) -> Option<usize> {
        let repository = TestRepository::bare();
        let files = ["ada", "eve"].into_iter().flat_map(|slug| {
            let beside =
                (0..FILES).map(move |n| (format!("people/x/{slug}/{n:02}.txt"), slug.into()));
            let record = format!("slug = \"{slug}\"\nteam = \"x\"\n");
            beside.chain([(format!("people/x/{slug}.toml"), record)])
        });
        let files: Vec<(String, String)> = files.collect();
        let files = files.iter().map(|(path, text)| (&**path, &**text));
        let all: Vec<_> = files.chain([("headwater.toml", DEFINITION)]).collect();
        let commit = repository.commit_files("main", &all);
        let tree = repository.tree_of("main");
        let mirror = repository.mirror();
        let mut stage = mirror.stage().unwrap();
        let records = load(stage.objects(), commit, &LoadOptions::default()).unwrap();
        let places = std::iter::once("x").chain(teams.iter().copied());
        let moved = places.zip(teams).map(|(from, to)| {
            Action::Patch(Key::new(format!("{from}/ada")), json!({ "team": to }))
        });
        let deleted = deletes_eve.then(|| Action::Delete(Key::new("x/eve")));
        let sheet = SheetName::new("people");
        let operation =
            |action| Operation { sheet: sheet.clone(), action, condition: Condition::Any };
        let author = Identity::parse("Ada <ada@example.org>").unwrap();
        let operations = moved.chain(deleted).map(operation).collect();
        let batch = Batch { limit, ..Batch::new(author, "moves".into(), operations) };
        let mut files = Files::new(&mut stage, &records, Some(tree), &batch, 1_000);
        let mut operations = batch.operations.iter().enumerate();
        let refused = operations.find_map(|(index, operation)| {
            let error = files.apply(index, operation).err()?;
            assert!(matches!(error, WriteError::BatchTooLarge), "{error:?}");
            Some(index)
        });
        if refused.is_none() {
            let edits = files.into_edits().unwrap();
            let tree = stage.edit(Some(tree), &edits).unwrap().unwrap();
            let last = teams.last().unwrap_or(&"x");
            let there = format!("people/{last}/ada");
            let files = stage.objects().files_at(tree, there.as_bytes()).unwrap();
            assert_eq!(files.len(), FILES);
        }
        refused
    }

    #[test]
    fn a_folder_is_walked_once_however_often_its_record_moves_between_the_same_places() {
        let there_and_back: Vec<_> = (0..40).map(|n| if n % 2 == 0 { "y" } else { "x" }).collect();
        // The first move looks at the files in both places. The records themselves cost little.
        assert_eq!(refused(&there_and_back, false, 2 * walk() + RECORDS), None);
    }

    #[test]
    fn what_the_folders_of_all_records_of_a_batch_cost_is_bounded() {
        for (teams, deletes_eve, walks, refused_at) in [
            (&["y"][..], false, 2, 0),
            (&["y", "z"], false, 3, 1),
            (&["y", "z", "v"], false, 4, 2),
            (&["y"], true, 3, 1),
            (&[], true, 1, 0),
        ] {
            let enough = walks * walk() + RECORDS;
            assert_eq!(refused(teams, deletes_eve, enough), None, "{teams:?}");
            let too_little = walks * walk() - 1;
            assert_eq!(refused(teams, deletes_eve, too_little), Some(refused_at), "{teams:?}");
        }
    }

    #[test]
    fn a_write_that_would_make_the_branch_too_large_is_refused() {
        let repository = TestRepository::bare();
        let files = [("people/x/ada.toml", "slug = \"ada\"\nteam = \"x\"\n")];
        let files: Vec<_> = files.into_iter().chain([("headwater.toml", DEFINITION)]).collect();
        let commit = repository.commit_files("main", &files);
        // Two files and two folders.
        for (path_limit, expected) in [(6, true), (5, false)] {
            let options = MirrorOptions { path_limit, ..MirrorOptions::default() };
            let mirror = Mirror::open(repository.path(), options).unwrap();
            let mut stage = mirror.stage().unwrap();
            let records = load(stage.objects(), commit, &LoadOptions::default()).unwrap();
            let state = CommitState::of(&records, stage.objects()).unwrap();
            // A file in a folder of its own.
            let value = json!({ "slug": "eve", "team": "y" });
            let operation = Operation {
                sheet: SheetName::new("people"),
                action: Action::Put(Key::new("y/eve"), value),
                condition: Condition::Any,
            };
            let author = Identity::parse("Ada <ada@example.org>").unwrap();
            let batch = Batch::new(author.clone(), "one more".into(), vec![operation]);
            let committer =
                Signature { identity: author, seconds: 1_900_000_000, offset_minutes: 0 };
            let options = LoadOptions::default();
            let written = crate::write::commit(&mut stage, &state, &batch, &committer, &options);
            match written {
                Ok(_) => assert!(expected),
                Err(error) => {
                    assert!(!expected && matches!(error, WriteError::BranchFull(_)), "{error:?}");
                }
            }
        }
    }
}
