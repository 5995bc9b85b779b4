//! A change set: the difference between two commits, decoded and ready to be applied.
//!
//! It holds no git handle. Each path that a sheet claims is in it once; if a file holds many
//! records, so is each of its records that differs.

mod change;
mod changed_files;
mod claimed_files;
mod decode_budget;
mod file_contents;
mod file_counts;
mod recall;
mod shared_parse;

use std::borrow::Cow;

use crate::cache::{Cache, CacheError};
use crate::layout::Layout;
use crate::mirror::{ObjectError, Objects, PathChange, TreeGrowth};
use crate::options::LoadOptions;
use crate::skipped_files::Shift;

pub use change::{Change, PathState};
pub use changed_files::Difference;
pub use claimed_files::Base;
use claimed_files::{ClaimedFiles, is_file};
pub use decode_budget::{DecodeBudget, Share, TooCostly};
use file_contents::FileContents;
pub(crate) use file_counts::{ClaimedFileCounts, FileCountChanges};
use recall::{WantedFile, recall};
use shared_parse::SharedParses;

/// The number of ignored paths that the log names.
const NAMED: usize = 10;

/// All paths that differ between two commits and that a sheet claims.
#[derive(Debug, Clone, Default)]
pub struct ChangeSet {
    changes: Vec<Change>,
    /// The changes of the ignored files, if nothing is declared.
    passed_over: Shift,
    /// By how much the number of files changes that each sheet claims.
    files: FileCountChanges,
    /// By how much the tree grows.
    growth: TreeGrowth,
}

/// Why files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mirror does not have an object that the tree names.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Decoding them costs too much memory or time.
    #[error(transparent)]
    TooCostly(#[from] TooCostly),
}

impl ChangeSet {
    /// Returns the set of these changes.
    pub(crate) fn of(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }

    /// Returns the changes of the ignored files, if nothing is declared.
    pub(crate) fn passed_over(&self) -> &Shift {
        &self.passed_over
    }

    /// Returns by how much the number of files changes that a sheet claims.
    pub(crate) fn files(&self) -> &FileCountChanges {
        &self.files
    }

    /// Returns by how much the tree grows.
    pub(crate) fn growth(&self) -> TreeGrowth {
        self.growth
    }

    /// Notes by how much the tree grows.
    pub(crate) fn grow(&mut self, growth: TreeGrowth) {
        self.growth = growth;
    }

    /// Returns the changes. If several have the same key and path, the last one applies.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Returns the number of claims and files.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Reads and decodes the files of `difference` that changed since the state `base`, within `budget`.
    /// Files above the limits become problems.
    ///
    /// Only files of the new tree that are not in `cache` are read; many are decoded on all cores.
    /// For a changed file of many records, its old contents are read too, and only the records that
    /// differ are in the set.
    ///
    /// # Errors
    ///
    /// A blob that the tree names but the mirror does not have is an error: that is not bad data
    /// but a damaged repository. So is a cache that fails its check; without the cache, the same
    /// call returns what it would have returned. [`ReadError::TooCostly`] if the records do not fit into
    /// memory, or decoding them takes too long.
    pub fn read(
        objects: &Objects,
        layout: &Layout,
        difference: &Difference,
        base: Base<'_>,
        cache: Option<&Cache>,
        options: &LoadOptions,
        budget: &DecodeBudget,
    ) -> Result<Self, ReadError> {
        let ignored = passed_over(layout, difference);
        if !ignored.is_empty() {
            let (count, paths) = (ignored.len(), ignored[..ignored.len().min(NAMED)].join(", "));
            tracing::warn!(count, paths, "symlinks and submodules are not records");
        }
        let ClaimedFiles { mut changes, mut wanted, mut lists, passed, files } =
            ClaimedFiles::of(layout, difference, base)?;
        options.progress.begin(wanted.len());
        if let Some(cache) = cache {
            recall(cache, &mut changes, &mut wanted)?;
        }
        let ids: Vec<_> = wanted.iter().map(|file| file.blob).collect();
        let limit = |at: usize| changes[wanted[at].at].limit(options);
        let content = |file: &WantedFile| Some(file.blob).filter(|_| changes[file.at].is_parsed());
        let parses = SharedParses::of(wanted.iter().map(content));
        let found = objects.read_each(&ids, &limit, |at, bytes| {
            options.progress.advance();
            let WantedFile { at: change, blob } = wanted[at];
            let look = |file: &_| changes[change].look(blob, bytes, file, None, options);
            parses.read(at, |file| budget.decode(|| look(file), FileContents::weight))
        })?;
        budget.check()?;
        for (file, found) in wanted.iter().zip(found) {
            found.put(file.at, &mut changes);
        }
        // One after the other, so that no more than one of them is parsed at a time.
        lists.sort_by_key(|list| list.new);
        let parses = SharedParses::of(lists.iter().map(|list| list.new));
        for (at, list) in lists.into_iter().enumerate() {
            parses.read(at, |file| list.follow(objects, file, budget, &mut changes, options))?;
            budget.check()?;
        }
        Ok(Self { changes, passed_over: passed, files, growth: TreeGrowth::default() })
    }
}

/// Returns the paths where there is now a symlink or a submodule that would be a record if it were
/// a file.
fn passed_over<'p>(layout: &Layout, difference: &'p Difference) -> Vec<Cow<'p, str>> {
    let no_file = |change: &&PathChange| change.new.is_some_and(|entry| !is_file(entry.mode));
    let claimed = |change: &&PathChange| !layout.claims(&change.path).is_empty();
    let paths = difference.paths.iter().filter(no_file).filter(claimed);
    paths.map(|change| String::from_utf8_lossy(&change.path)).collect()
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;

    use super::*;
    use crate::definitions::gather;
    use crate::id::{BlobId, CommitId, TreeId};
    use crate::mirror::{Mirror, MirrorOptions};
    use crate::record::Record;
    use crate::sheet::{Content, Sheet, SlotUpdate};
    use crate::value::Value;
    use std::sync::Arc;

    fn read_changes(
        objects: &Objects,
        layout: &Layout,
        paths: &Difference,
        cache: Option<&Cache>,
        options: &LoadOptions,
    ) -> ChangeSet {
        let (nothing, budget) = (Base::NOTHING, DecodeBudget::default());
        ChangeSet::read(objects, layout, paths, nothing, cache, options, &budget).unwrap()
    }

    /// Formats the change of each path between two commits.
    fn changed(upstream: &Upstream, commits: [&str; 2], record_limit: u64) -> Vec<String> {
        let objects = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = objects.objects().unwrap();
        let tree = |commit: &str| -> TreeId {
            let commit: CommitId = commit.parse().unwrap();
            objects.commit(commit).unwrap().tree
        };
        let [old, new] = commits.map(tree);
        let layout = Layout::read(&gather(&objects, new, None).unwrap());
        let paths = objects.diff(Some(old), Some(new)).unwrap().into();
        let options = LoadOptions { record_limit, ..LoadOptions::default() };
        let changes = read_changes(&objects, &layout, &paths, None, &options);
        let (decoded, files) = options.progress.decoded();
        assert_eq!(decoded, files, "all requested files were read");
        let told = changes.into_changes().into_iter().map(|change| match change.now {
            PathState::Misnamed { path, problem } => {
                let rule = problem.as_ref().map(|problem| problem.rule);
                format!("{} misnamed {rule:?}", String::from_utf8_lossy(&path))
            }
            PathState::Lists { path, table } => {
                format!("{path} holds {:?}", table.map(|table| table.keys().count()))
            }
            PathState::Claims(SlotUpdate { key, path, content }) => {
                let content = match content {
                    None => "gone".to_owned(),
                    Some(Content::Record(record)) => record.value.as_str().to_owned(),
                    Some(Content::Broken(problems)) => format!("{:?}", problems[0].rule),
                };
                format!("{path} is {}/{key}: {content}", change.sheet.name)
            }
        });
        told.collect()
    }

    #[test]
    fn each_path_that_a_sheet_claims_is_told_with_what_it_has_become() {
        let mut upstream = Upstream::new();
        let first = upstream.commit("first").put("a/new.txt", "no record").put("a/same.json", "{}");
        let first = first.put("a/edited.json", "{\"n\": 1}").put("a/gone.json", "{}");
        let first = first.put("a/mode.json", "{}").put("a/linked.json", "{}");
        let first = first.put_mode("a/link.json", 0o120_000, "same.json").push();
        let second = upstream.commit("second").put("a/edited.json", "{\"n\": 2}");
        let second = second.put("a/added.json", "{\"n\": 3}").put("a/broken.json", "{");
        let second = second.put("a/large.json", format!("[{}1]", "1,".repeat(50)));
        let second = second.delete("a/gone.json").put_mode("a/mode.json", 0o100_755, "{}");
        let second = second.put_mode("a/linked.json", 0o120_000, "same.json");
        let second = second.put_mode("a/link.json", 0o120_000, "edited.json").push();
        let expected = [
            "a/added.json is a/added: {\"n\":3}",
            "a/broken.json is a/broken: Malformed",
            "a/edited.json is a/edited: {\"n\":2}",
            "a/gone.json is a/gone: gone",
            "a/large.json is a/large: TooLarge",
            "a/linked.json is a/linked: gone",
        ];
        assert_eq!(changed(&upstream, [&first, &second], 50), expected);
        assert!(changed(&upstream, [&second, &second], 50).is_empty());
    }

    #[test]
    fn symlinks_and_submodules_are_named_where_records_would_be() {
        let mut upstream = Upstream::new();
        let commit = upstream.commit("first").put("a/file.json", "{}");
        let commit = commit.put_mode("a/link.json", 0o120_000, "file.json");
        let commit = commit.put_mode("a/module.json", 0o160_000, "1".repeat(40));
        let commit = commit.put_mode("a/module", 0o160_000, "1".repeat(40)).push();
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let tree = objects.commit(commit.parse().unwrap()).unwrap().tree;
        let layout = Layout::read(&gather(&objects, tree, None).unwrap());
        let paths = objects.diff(None, Some(tree)).unwrap().into();
        assert_eq!(passed_over(&layout, &paths), ["a/link.json", "a/module.json"]);
        let changes = read_changes(&objects, &layout, &paths, None, &LoadOptions::default());
        assert_eq!(changes.into_changes().len(), 1, "the file alone");
    }

    #[test]
    fn sheets_read_one_file_each_in_its_own_format_and_part() {
        let mut upstream = Upstream::new();
        let sheet = |name: &str, format: &str, part: &str| {
            format!("[sheets.{name}]\nfile = 'p.json'\nformat = '{format}'\nrecords = '/{part}'\n")
        };
        let sheets = [("a", "yaml", "x"), ("b", "json", "x"), ("c", "yaml", "y")];
        let definitions = sheets.map(|(name, format, part)| sheet(name, format, part)).concat();
        let first = upstream.commit("first").put("headwater.toml", definitions.as_str());
        let first = first.put("p.json", "# yaml\nx: [{id: 1}]\ny: [{id: 2}]\n").push();
        let second = upstream.commit("second");
        let second = second.put("p.json", r#"{"x": [{"id": 3}], "y": [{"id": 4}]}"#).push();
        let third = upstream.commit("third").put("p.json", "# yaml\nx: [{id: 5}]\ny: []\n").push();
        let begun = changed(&upstream, [&first, &second], 50);
        for record in ["a/3: {\"id\":3}", "b/3: {\"id\":3}", "c/4: {\"id\":4}"] {
            assert!(begun.contains(&format!("p.json is {record}")), "{begun:?}");
        }
        let broken = changed(&upstream, [&second, &third], 50);
        assert!(broken.contains(&"p.json is b/p: Malformed".to_owned()), "{broken:?}");
        assert!(broken.contains(&"p.json is a/5: {\"id\":5}".to_owned()), "{broken:?}");
    }

    #[test]
    fn what_the_cache_says_of_a_blob_is_believed_and_of_another_blob_is_not() {
        let mut upstream = Upstream::new();
        let commit = upstream
            .commit("first")
            .put("a/kept.json", "{\"n\":1}")
            .put("a/other.json", "{\"n\":2}")
            .push();
        let mirror = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = mirror.objects().unwrap();
        let tree = objects.commit(commit.parse().unwrap()).unwrap().tree;
        let layout = Layout::read(&gather(&objects, tree, None).unwrap());
        let paths = objects.diff(None, Some(tree)).unwrap().into();
        let options = LoadOptions::default();
        let read = |cache: Option<&Cache>| {
            let changes = read_changes(&objects, &layout, &paths, cache, &options);
            let claim = |change: Change| match change.now {
                PathState::Claims(claim) => claim,
                PathState::Misnamed { .. } | PathState::Lists { .. } => panic!("both are records"),
            };
            changes.into_changes().into_iter().map(claim).collect::<Vec<_>>()
        };
        let values = |claims: &[SlotUpdate]| -> Vec<String> {
            let record = |claim: &SlotUpdate| match &claim.content {
                Some(Content::Record(record)) => record.value.as_str().to_owned(),
                other => panic!("{} is no record: {other:?}", claim.path),
            };
            claims.iter().map(record).collect()
        };
        let mut claims = read(None);
        assert_eq!(values(&claims), ["{\"n\":1}", "{\"n\":2}"]);

        // Values that git does not have, so they can only come from the cache.
        for (claim, blob) in claims.iter_mut().zip([None, Some(BlobId::ZERO)]) {
            let Some(Content::Record(record)) = &mut claim.content else { continue };
            let (key, frame) = (record.key.clone(), record.frame.clone());
            let (blob, value) = (blob.unwrap_or(record.blob), Value::from_stored("{\"n\":9}"));
            *record = Arc::new(Record { key, frame, blob, value });
        }
        let mut sheet = Sheet::new(layout.sheet("a").unwrap().clone());
        sheet.put_all(claims);
        let cache = Cache::beside(&mirror, options.record_limit);
        cache.save_records(&[&sheet]).unwrap();
        assert_eq!(values(&read(Some(&cache))), ["{\"n\":9}", "{\"n\":2}"]);
    }
}
