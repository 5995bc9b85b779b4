//! The ancestry of commits, as walks find it.

use std::collections::{BinaryHeap, HashMap, HashSet};

use super::commit::CommitFacts;
use super::{ObjectError, Objects};
use crate::id::CommitId;

impl Objects {
    /// Returns whether `ancestor` is `descendant` or in its history.
    ///
    /// Reads the commits that only one of the two has, and a few below; if `ancestor` is on the line of
    /// first parents, only the line above it.
    pub fn descends_from(
        &self,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Result<bool, ObjectError> {
        if descendant == ancestor {
            return Ok(true);
        }
        // The usual push: one commit on top.
        if self.commit(descendant)?.parents.contains(&ancestor) {
            return Ok(true);
        }
        Ok(!self.had_by(descendant, HashSet::from([ancestor]))?.is_empty())
    }

    /// Returns those of `commits` that are `head` or in its history.
    ///
    /// Reads what [`Self::descends_from`] reads, once for all of them.
    pub fn had_by(
        &self,
        head: CommitId,
        mut commits: HashSet<CommitId>,
    ) -> Result<HashSet<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let mut left = commits.clone();
        graph.pass_line(head, &mut left)?;
        if !left.is_empty() {
            let painted = paint(&mut graph, head, &left)?;
            let is_had = |commit: &CommitId| painted.get(commit).is_some_and(|found| found.left);
            commits.retain(|commit| !left.contains(commit) || is_had(commit));
        }
        Ok(commits)
    }

    /// Counts the commits in the history of `to` that are not in the history of `from`.
    pub fn count_between(&self, from: CommitId, to: CommitId) -> Result<usize, ObjectError> {
        Ok(self.between(from, to)?.len())
    }

    /// Returns the commits in the history of `to` that are not in the history of `from`, in no
    /// order.
    pub fn between(&self, from: CommitId, to: CommitId) -> Result<Vec<CommitId>, ObjectError> {
        if from == to {
            return Ok(Vec::new());
        }
        let mut graph = Graph::new(self)?;
        let mut below = HashSet::from([from]);
        let line = graph.pass_line(to, &mut below)?;
        if below.is_empty() && graph.is_without_merge(&line)? {
            return Ok(line);
        }
        let painted = paint(&mut graph, to, &HashSet::from([from]))?;
        let is_new = |colours: &Colours| colours.left && !colours.right;
        Ok(painted.iter().filter(|(_, colours)| is_new(colours)).map(|(id, _)| *id).collect())
    }

    /// Returns the first of `from` and its first parents that is `other` or in its history; `None`
    /// where the two have no commit of that line in common. Reads what [`Self::count_between`] reads,
    /// and the line down to there.
    pub fn fork_point(
        &self,
        from: CommitId,
        other: CommitId,
    ) -> Result<Option<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let painted = paint(&mut graph, from, &HashSet::from([other]))?;
        let mut next = Some(from);
        while let Some(commit) = next {
            // What was not visited is in both.
            if painted.get(&commit).is_none_or(|colours| colours.right) {
                break;
            }
            next = graph.facts(commit)?.parents.first().copied();
        }
        Ok(next)
    }

    /// Returns the commits in the history of `from`, newest first, at most `limit`. A commit comes
    /// before its parents as far as commit times are right.
    pub fn history(&self, from: CommitId, limit: usize) -> Result<Vec<CommitId>, ObjectError> {
        let mut graph = Graph::new(self)?;
        let mut seen = HashSet::from([from]);
        let mut pending = BinaryHeap::from([(graph.facts(from)?.committer_time, from)]);
        let mut line = Vec::new();
        while let Some((_, commit)) = pending.pop()
            && line.len() < limit
        {
            line.push(commit);
            for parent in graph.facts(commit)?.parents {
                if seen.insert(parent) {
                    pending.push((graph.facts(parent)?.committer_time, parent));
                }
            }
        }
        Ok(line)
    }
}

/// The histories, of the two compared, to which a commit belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Colours {
    left: bool,
    right: bool,
}

/// The commits that a walk has read, without the parents that a shallow repository lacks.
struct Graph<'a> {
    objects: &'a Objects,
    boundary: HashSet<CommitId>,
    read: HashMap<CommitId, CommitFacts>,
    buffer: Vec<u8>,
}

impl<'a> Graph<'a> {
    fn new(objects: &'a Objects) -> Result<Self, ObjectError> {
        let boundary = objects.boundary()?;
        Ok(Self { objects, boundary, read: HashMap::new(), buffer: Vec::new() })
    }

    fn facts(&mut self, commit: CommitId) -> Result<CommitFacts, ObjectError> {
        if let Some(facts) = self.read.get(&commit) {
            return Ok(facts.clone());
        }
        let mut facts = self.objects.read_commit(commit, &mut self.buffer)?;
        if self.boundary.contains(&commit) {
            facts.parents.clear();
        }
        self.read.insert(commit, facts.clone());
        Ok(facts)
    }

    /// Follows first parents from `from` until all of `wanted` were met, or until a commit is older than
    /// all of these were. Removes those that were met, and returns the commits above the last one.
    ///
    /// The time of a commit that is met does not matter: with a wrong one, as of a commit of 1970, a
    /// walk by time would visit the whole history.
    fn pass_line(
        &mut self,
        from: CommitId,
        wanted: &mut HashSet<CommitId>,
    ) -> Result<Vec<CommitId>, ObjectError> {
        let mut oldest = i64::MAX;
        for commit in wanted.iter() {
            oldest = oldest.min(self.facts(*commit)?.committer_time);
        }
        let (mut passed, mut next) = (Vec::new(), Some(from));
        while let Some(commit) = next {
            wanted.remove(&commit);
            if wanted.is_empty() {
                break;
            }
            let facts = self.facts(commit)?;
            if facts.committer_time < oldest {
                break;
            }
            next = facts.parents.first().copied();
            passed.push(commit);
        }
        Ok(passed)
    }

    fn is_without_merge(&mut self, commits: &[CommitId]) -> Result<bool, ObjectError> {
        for commit in commits {
            if self.facts(*commit)?.parents.len() > 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Paints the history of `left`, and that of the commits `right` together, newest first, until
/// everything left to visit is in both, and is older than every commit with one colour. Such a commit
/// then belongs to one history only, as far as commit times are right: a commit may have the time of
/// its parent.
fn paint(
    graph: &mut Graph<'_>,
    left: CommitId,
    right: &HashSet<CommitId>,
) -> Result<HashMap<CommitId, Colours>, ObjectError> {
    let mut painted = HashMap::new();
    let mut pending = BinaryHeap::new();
    // The number of entries of `pending` whose commit had one colour when they were added.
    let mut single = 0_usize;
    let mut oldest = i64::MAX;
    let right = right.iter().map(|commit| (*commit, Colours { left: false, right: true }));
    let left = [(left, Colours { left: true, right: false })];
    for (commit, colours) in left.into_iter().chain(right) {
        painted.insert(commit, colours);
        let time = graph.facts(commit)?.committer_time;
        pending.push((time, commit, true));
        (single, oldest) = (single + 1, oldest.min(time));
    }
    while let Some((time, commit, was_single)) = pending.pop() {
        if single == 0 && time < oldest {
            break;
        }
        single -= usize::from(was_single);
        let colours = painted.get(&commit).copied().unwrap_or_default();
        for parent in graph.facts(commit)?.parents {
            let old = painted.get(&parent).copied().unwrap_or_default();
            let new = Colours { left: old.left || colours.left, right: old.right || colours.right };
            if new != old {
                painted.insert(parent, new);
                let is_single = !(new.left && new.right);
                let time = graph.facts(parent)?.committer_time;
                if is_single {
                    (single, oldest) = (single + 1, oldest.min(time));
                }
                pending.push((time, parent, is_single));
            }
        }
    }
    Ok(painted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::TestRepository;

    #[test]
    fn ancestry_follows_all_parents_and_ends_at_unrelated_roots() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let root = repository.commit_tree(tree, &[]);
        let left = repository.commit_tree(tree, &[root, root]);
        let mut right = repository.commit_tree(tree, &[root]);
        for _ in 0..3 {
            right = repository.commit_tree(tree, &[right]);
        }
        let merge = repository.commit_tree(tree, &[left, right]);
        let blob = *repository.write_blob(b"other").as_bytes();
        let other_tree = repository.write_raw_tree(&[("100644", b"o", blob)]);
        let stranger = repository.commit_tree(other_tree, &[]);
        let objects = repository.objects();
        for (descendant, ancestor, expected) in [
            (merge, merge, true),
            (merge, root, true),
            (merge, right, true),
            (right, merge, false),
            (left, right, false),
            (merge, stranger, false),
            (stranger, root, false),
        ] {
            let found = objects.descends_from(descendant, ancestor).unwrap();
            assert_eq!(found, expected, "{descendant} from {ancestor}");
        }
        assert_eq!(objects.count_between(left, merge).unwrap(), 5);
        assert_eq!(objects.count_between(merge, left).unwrap(), 0);
        assert_eq!(objects.count_between(merge, merge).unwrap(), 0);
        for (from, other, expected) in [
            (merge, merge, Some(merge)),
            (merge, left, Some(left)),
            (merge, right, Some(root)),
            (right, merge, Some(right)),
            (merge, stranger, None),
        ] {
            let found = objects.fork_point(from, other).unwrap();
            assert_eq!(found, expected, "the line of {from} and {other}");
        }
        assert_eq!(objects.first_parents(merge, 10).unwrap(), [merge, left, root]);
        assert_eq!(objects.first_parents(merge, 2).unwrap(), [merge, left]);
        assert_eq!(objects.history(merge, 100).unwrap().len(), 7);
    }

    /// Makes a commit with this time.
    fn commit_at(repository: &TestRepository, time: i64, parents: &[CommitId]) -> CommitId {
        let mut text = format!("tree {}\n", repository.tree_of("main"));
        parents.iter().for_each(|parent| text.push_str(&format!("parent {parent}\n")));
        text.push_str(&format!("author A <a@b> 7 +0000\ncommitter C <c@d> {time} +0000\n\n"));
        CommitId::from_bytes(repository.write_raw("commit", text.as_bytes()))
    }

    #[test]
    fn commits_on_top_of_one_of_1970_cost_no_walk_and_others_one_for_all() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let mut line = vec![commit_at(&repository, 1_600_000_000, &[])];
        for n in 1..60 {
            line.push(commit_at(&repository, 1_600_000_000 + n, &line[line.len() - 1..]));
        }
        let side = commit_at(&repository, 1_500_000_000, &line[..1]);
        let old = commit_at(&repository, 0, &[line[59], side]);
        let mut ours = vec![old];
        for n in 0..10 {
            ours.push(commit_at(&repository, 1_700_000_000 + n, &ours[ours.len() - 1..]));
        }
        let objects = repository.objects();
        let reads = |question: &dyn Fn()| {
            let before = crate::mirror::testing::commits_read();
            question();
            crate::mirror::testing::commits_read() - before
        };
        let head = ours[10];
        // The head is read once more, to see whether the other one is its parent.
        assert!(reads(&|| assert!(objects.descends_from(head, old).unwrap())) <= 12);
        assert!(reads(&|| assert_eq!(objects.count_between(old, head).unwrap(), 10)) <= 11);
        assert_eq!(
            objects.between(old, head).unwrap(),
            ours[1..].iter().rev().copied().collect::<Vec<_>>()
        );
        let asked: HashSet<CommitId> = ours[1..].iter().copied().collect();
        let all = reads(&|| assert_eq!(objects.had_by(head, asked.clone()).unwrap(), asked));
        assert!(all <= 10, "{all}");
        // None of them is in what is older: that is found out once, with one walk.
        let none =
            reads(&|| assert_eq!(objects.had_by(old, asked.clone()).unwrap(), HashSet::new()));
        assert!(none <= 72, "{none}");
        let [far, near] = [commit_at(&repository, 0, &[]), line[3]];
        let asked = HashSet::from([side, far, near, head, ours[4], line[59]]);
        let had = objects.had_by(ours[4], asked).unwrap();
        assert_eq!(had, HashSet::from([side, near, ours[4], line[59]]));
        assert_eq!(objects.count_between(line[58], head).unwrap(), 13, "with a merge");
    }

    #[test]
    fn a_commit_that_is_not_here_is_no_ancestor_but_missing() {
        let repository = TestRepository::bare();
        let commit = repository.commit_files("main", &[("a", "1")]);
        let next = repository.commit_files("main", &[("a", "2")]);
        let absent = CommitId::from_bytes([5; 20]);
        let objects = repository.objects();
        assert!(objects.descends_from(next, absent).unwrap_err().is_missing());
        assert!(objects.descends_from(absent, commit).unwrap_err().is_missing());
    }
}
