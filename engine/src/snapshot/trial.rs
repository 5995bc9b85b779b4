//! Changes that are tried: whether they cause problems is found out before all their effects are.

use super::Snapshot;
use crate::changes::ChangeSet;
use crate::id::CommitId;
use crate::layout::Layout;
use crate::sheet::VisitedHolders;

/// The effect of changes, as far as it decides whether they cause problems.
#[derive(Debug)]
pub(crate) struct Trial {
    state: Snapshot,
    is_whole: bool,
}

impl Snapshot {
    /// Tries `changes`, as [`Self::apply`] applies them. If they take the target of more than `others`
    /// references in records that do not change themselves, only the first of these get their
    /// problems: a change that is refused for one of them costs no more for a million.
    pub(crate) fn try_changes(
        &self,
        commit: CommitId,
        layout: Layout,
        changes: ChangeSet,
        others: usize,
    ) -> Trial {
        let mut visited = VisitedHolders::at_most(others);
        let draft = self.apply_visiting(commit, layout, changes, &mut visited);
        Trial { state: draft.state().clone(), is_whole: visited.are_all() }
    }
}

impl Trial {
    /// Returns the state, in which some of the new problems, and some that are gone, may be missing.
    pub(crate) fn state(&self) -> &Snapshot {
        &self.state
    }

    /// Returns the state if it is that of the commit; its text index is that of its base.
    pub(crate) fn into_whole(self) -> Option<Snapshot> {
        self.is_whole.then_some(self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::changes::{Base, DecodeBudget};
    use crate::definitions;
    use crate::id::{SheetName, TreeId};
    use crate::mirror::Objects;
    use crate::mirror::testing::TestRepository;
    use crate::options::LoadOptions;

    /// Reads the layout of a tree, and what differs in it from `base`, which is the state of `old`.
    fn read(
        objects: &Objects,
        (base, old): (&Snapshot, Option<TreeId>),
        new: TreeId,
    ) -> (Layout, ChangeSet) {
        let layout = Layout::read(&definitions::gather(objects, new, None).unwrap());
        let paths = objects.diff(old, Some(new)).unwrap().into();
        let sheet = |name: &SheetName| base.sheet(name.as_str()).map(Arc::as_ref);
        let options = LoadOptions::default();
        let changes = {
            let base = Base { sheet: &sheet, files: Some(base.claimed_files()) };
            let budget = DecodeBudget::default();
            ChangeSet::read(objects, &layout, &paths, base, None, &options, &budget)
        };
        (layout, changes.unwrap())
    }

    #[test]
    fn a_change_that_breaks_many_references_gives_a_few_their_problems_and_is_not_taken_for_whole()
    {
        let definitions = "[sheets.tags]\nformat = \"json\"\n[sheets.s]\nformat = \"json\"\n\
                           hidden = \"h\"\nrefs = {tag = \"tags\"}\n";
        let holders: Vec<_> = (0..9)
            .map(|n| (format!("s/{n}.json"), format!(r#"{{"tag": "a", "h": {}}}"#, n < 4)))
            .collect();
        let mut files: Vec<_> =
            holders.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.extend([("headwater.toml", definitions), ("tags/b.json", "{}")]);
        let repository = TestRepository::bare();
        let without = repository.commit_files("main", &files);
        files.push(("tags/a.json", "{}"));
        let with = repository.commit_files("main", &files);
        let objects = repository.objects();
        let state = |commit| {
            let (tree, empty) = (objects.commit(commit).unwrap().tree, Snapshot::empty());
            let (layout, changes) = read(&objects, (&empty, None), tree);
            (empty.apply(commit, layout, changes).state().clone(), tree)
        };
        let [(with, tree_with), (without, tree_without)] = [with, without].map(state);
        let problems = without.problems_since(&with);
        assert_eq!((problems.len(), with.problems()), (9, vec![]));
        for (from, to, others, new, is_whole) in [
            ((&with, tree_with), (&without, tree_without), 2, 4, false),
            ((&with, tree_with), (&without, tree_without), 5, 9, true),
            ((&without, tree_without), (&with, tree_with), 2, 0, false),
            ((&without, tree_without), (&with, tree_with), 9, 0, true),
        ] {
            let ((base, old), (target, tree)) = (from, to);
            let (layout, changes) = read(&objects, (base, Some(old)), tree);
            let trial = base.try_changes(target.commit(), layout, changes, others);
            let found = trial.state().problems_since(base);
            assert!(found.iter().all(|problem| problems.contains(problem)));
            assert_eq!(found.len(), new, "{others}");
            let whole = trial.into_whole();
            assert_eq!(whole.is_some(), is_whole, "{others}");
            if let Some(whole) = whole {
                assert_eq!(whole.digest(), target.digest());
                assert_eq!(whole.problems(), target.problems());
            }
        }
    }
}
