//! The history of a head, in memory: which commits are in it, and which of them descend from which.
//!
//! Every commit has a number, and each commit comes after its parents. The *line* of the history is
//! the head with its first parents. Commits are numbered along the line, oldest first: a commit of
//! the line directly follows those that it brought in. So the history of a commit of the line is
//! exactly what comes before it, and one comparison tells whether a commit belongs to it. Walks are
//! left to questions about two commits that are both off the line, and these read no object.

use std::collections::{BinaryHeap, HashMap, HashSet};

use smallvec::SmallVec;

use super::gix_id::object_id;
use super::{ObjectError, Objects};
use crate::id::CommitId;

/// The place of a commit in the order of [`Ancestry::commits`].
type Number = u32;

/// Stands for a commit that is not known, and for a place that the line does not have.
const NONE: u32 = u32::MAX;

/// Above this many new commits, the index of ids is sorted anew.
const INSERTED: usize = 64;

/// The history of a head. Takes some 40 bytes for each commit, and at most 64 if all are merges of two:
/// 40 to 64 MB for one million.
#[derive(Debug, Default)]
pub struct Ancestry {
    /// The commits, by their numbers.
    commits: Vec<Entry>,
    /// The parents of merges other than the first, by the numbers of the merges. Those that belong to
    /// the history of the merge's base are left out, as no walk goes there.
    others: Vec<OtherParent>,
    /// The numbers of the commits of the line, the oldest first.
    line: Vec<Number>,
    /// All numbers, in the order of the ids of their commits.
    by_id: Vec<Number>,
    /// A commit of the history that could not be read.
    unread: Option<CommitId>,
}

#[derive(Debug)]
struct Entry {
    id: CommitId,
    /// The first parent.
    first: Number,
    /// The place on the line of the newest commit there that is this one or in its history.
    base: u32,
}

#[derive(Debug)]
struct OtherParent {
    child: Number,
    parent: Number,
}

impl Ancestry {
    /// Puts `head` on the line. Reads the commits that are not known yet: after a push, those that
    /// were pushed. After a rewrite, forgets those that the line no longer has.
    ///
    /// A commit of the history that cannot be read is left out with its own history. Answers that may
    /// depend on it fail until it can be read. Once `goes_on` returns false, the rest is left to the
    /// next call.
    ///
    /// # Errors
    ///
    /// If `head` cannot be read.
    pub fn follow(
        &mut self,
        objects: &Objects,
        head: CommitId,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), ObjectError> {
        if self.unread.is_some_and(|commit| objects.commit(commit).is_ok()) {
            *self = Self::default();
        }
        if self.place(head).is_some() {
            return Ok(());
        }
        objects.commit(head)?;
        let mut reader = Reader { objects, boundary: objects.boundary()?, unread: None };
        let mut line = Vec::new();
        let (mut next, mut kept) = (Some(head), 0);
        while let Some(commit) = next {
            if !goes_on() {
                return Ok(());
            }
            if let Some(place) = self.place(commit) {
                kept = place as usize + 1;
                break;
            }
            let Some(visit) = reader.visit(commit) else { break };
            next = visit.parents.first().copied();
            line.push(visit);
        }
        self.keep(kept);
        let mut new = HashMap::new();
        for visit in line.into_iter().rev().take_while(|_| goes_on()) {
            self.append(visit, &mut new, &mut reader);
        }
        self.index(new.len());
        self.unread = self.unread.or(reader.unread);
        Ok(())
    }

    /// Returns whether `descendant` is `ancestor` or has it in its history; `None` if `descendant`
    /// is not known. Costs a search among the ids if `descendant` is on the line, and at most a walk
    /// in memory otherwise.
    ///
    /// # Errors
    ///
    /// If the answer may depend on a commit that cannot be read.
    pub fn descends(
        &self,
        objects: &Objects,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Result<Option<bool>, ObjectError> {
        let Some(descendant) = self.number(descendant) else { return Ok(None) };
        let ancestor = self.number(ancestor);
        if ancestor.is_some_and(|ancestor| History::of(self, descendant).has(ancestor)) {
            return Ok(Some(true));
        }
        self.is_complete(objects).map(|()| Some(false))
    }

    /// Does what [`Self::descends`] does if `head` is on the line and all of its history is known, and
    /// returns `None` otherwise. Reads no object.
    pub fn descends_in_memory(
        &self,
        head: CommitId,
        descendant: CommitId,
        ancestor: CommitId,
    ) -> Option<bool> {
        let descendant = self.number(descendant).filter(|_| self.unread.is_none())?;
        self.place(head)?;
        let ancestor = self.number(ancestor);
        Some(ancestor.is_some_and(|ancestor| History::of(self, descendant).has(ancestor)))
    }

    /// Returns the first of `from` and its first parents that is `other` or in its history; `None` if
    /// there is none, or if one of the two is not known. Costs a search among the ids if `from` is on
    /// the line, and at most a walk in memory otherwise.
    ///
    /// # Errors
    ///
    /// If the answer may depend on a commit that cannot be read.
    pub fn fork_point(
        &self,
        objects: &Objects,
        from: CommitId,
        other: CommitId,
    ) -> Result<Option<CommitId>, ObjectError> {
        let (Some(from), Some(other)) = (self.number(from), self.number(other)) else {
            return Ok(None);
        };
        if !(self.is_on_line(from) && self.is_on_line(other)) {
            self.is_complete(objects)?;
        }
        let mut history = History::of(self, other);
        let mut next = from;
        while next != NONE {
            if history.has(next) {
                return Ok(Some(self.commits[next as usize].id));
            }
            if self.is_on_line(next) {
                return Ok(history.base.map(|base| self.commits[base as usize].id));
            }
            next = self.commits[next as usize].first;
        }
        Ok(None)
    }

    fn is_complete(&self, objects: &Objects) -> Result<(), ObjectError> {
        match self.unread {
            Some(commit) => Err(ObjectError::missing(&objects.repo, &object_id(commit))),
            None => Ok(()),
        }
    }

    fn number(&self, commit: CommitId) -> Option<Number> {
        let id_of = |number: &Number| self.commits[*number as usize].id;
        let found = self.by_id.binary_search_by_key(&commit, id_of).ok()?;
        Some(self.by_id[found])
    }

    /// Returns the place of a commit on the line.
    fn place(&self, commit: CommitId) -> Option<u32> {
        let number = self.number(commit)?;
        self.is_on_line(number).then(|| self.commits[number as usize].base)
    }

    fn is_on_line(&self, commit: Number) -> bool {
        self.base(commit) == Some(commit)
    }

    /// Returns the newest commit of the line that is `commit` or in its history.
    fn base(&self, commit: Number) -> Option<Number> {
        self.line.get(self.commits[commit as usize].base as usize).copied()
    }

    fn parents(&self, commit: Number) -> impl Iterator<Item = Number> {
        let begin = self.others.partition_point(|other| other.child < commit);
        let others = self.others[begin..].iter().take_while(move |other| other.child == commit);
        let first = Some(self.commits[commit as usize].first).filter(|first| *first != NONE);
        first.into_iter().chain(others.map(|other| other.parent))
    }

    /// Forgets everything but the history of the first `kept` commits of the line.
    fn keep(&mut self, kept: usize) {
        if kept == self.line.len() {
            return;
        }
        self.line.truncate(kept);
        let end = self.line.last().map_or(0, |last| last + 1);
        self.commits.truncate(end as usize);
        let others = self.others.partition_point(|other| other.child < end);
        self.others.truncate(others);
        self.by_id.retain(|number| *number < end);
        if kept == 0 {
            self.unread = None;
        }
    }

    /// Adds the next commit of the line, after those of its history that are not known yet.
    fn append(
        &mut self,
        next: Visit,
        new: &mut HashMap<CommitId, Number>,
        reader: &mut Reader<'_>,
    ) {
        let mut pending = vec![next];
        while let Some(visit) = pending.last_mut() {
            if let Some(parent) = visit.parents.get(visit.passed).copied() {
                visit.passed += 1;
                if !new.contains_key(&parent) && self.number(parent).is_none() {
                    pending.extend(reader.visit(parent));
                }
            } else if let Some(visit) = pending.pop() {
                self.add(&visit, new, pending.is_empty());
            }
        }
    }

    /// Gives a commit the next number. Its parents have theirs.
    fn add(&mut self, visit: &Visit, new: &mut HashMap<CommitId, Number>, is_of_line: bool) {
        let number_of =
            |of: &CommitId| new.get(of).copied().or_else(|| self.number(*of)).unwrap_or(NONE);
        let parents: SmallVec<[Number; 2]> = visit.parents.iter().map(number_of).collect();
        let known = || parents.iter().copied().filter(|parent| *parent != NONE);
        let bases = known().map(|parent| self.commits[parent as usize].base);
        let last = bases.filter(|base| *base != NONE).max().unwrap_or(NONE);
        let number = numbered(self.commits.len());
        let (id, first) = (visit.commit, parents.first().copied().unwrap_or(NONE));
        let base = if is_of_line { numbered(self.line.len()) } else { last };
        let floor = if is_of_line { Some(number) } else { self.line.get(last as usize).copied() };
        let is_visited = |parent: &Number| *parent != first && floor.is_none_or(|at| *parent > at);
        let mut others: SmallVec<[Number; 2]> = known().filter(is_visited).collect();
        others.sort_unstable();
        others.dedup();
        self.others.extend(others.into_iter().map(|parent| OtherParent { child: number, parent }));
        if self.commits.len() == self.commits.capacity() {
            // Doubling would take twice the memory of a long history.
            self.commits.reserve_exact(self.commits.len() / 8 + 64);
        }
        self.commits.push(Entry { id, first, base });
        if is_of_line {
            self.line.push(number);
        }
        new.insert(id, number);
    }

    /// Makes the last `added` commits known by their ids.
    fn index(&mut self, added: usize) {
        let id_of = |number: &Number| self.commits[*number as usize].id;
        let new = numbered(self.commits.len() - added)..numbered(self.commits.len());
        if added > INSERTED {
            self.by_id.extend(new);
            self.by_id.sort_by_key(id_of);
            return;
        }
        for number in new {
            let at = self.by_id.partition_point(|other| id_of(other) < id_of(&number));
            self.by_id.insert(at, number);
        }
    }
}

fn numbered(count: usize) -> Number {
    Number::try_from(count).expect("more commits than that do not fit into memory")
}

/// The history of a commit, searched from the newest on. Commits that the line has are not visited.
struct History<'a> {
    ancestry: &'a Ancestry,
    /// The newest commit of the line in it.
    base: Option<Number>,
    /// The commits of it that are yet to be visited.
    pending: BinaryHeap<Number>,
}

impl<'a> History<'a> {
    fn of(ancestry: &'a Ancestry, commit: Number) -> Self {
        Self { ancestry, base: ancestry.base(commit), pending: BinaryHeap::from([commit]) }
    }

    /// Returns whether `commit` belongs to it. Each call is about an older commit than the one
    /// before.
    fn has(&mut self, commit: Number) -> bool {
        let is_of_base = self.base.is_some_and(|base| commit <= base);
        if is_of_base || self.ancestry.is_on_line(commit) {
            return is_of_base;
        }
        while let Some(newest) = self.pending.peek().copied().filter(|newest| *newest > commit) {
            while self.pending.peek() == Some(&newest) {
                self.pending.pop();
            }
            let parents = self.ancestry.parents(newest);
            self.pending
                .extend(parents.filter(|parent| self.base.is_none_or(|base| *parent > base)));
        }
        self.pending.peek() == Some(&commit)
    }
}

/// A commit, and how many of its parents have been passed.
struct Visit {
    commit: CommitId,
    parents: SmallVec<[CommitId; 1]>,
    passed: usize,
}

/// Reads commits.
struct Reader<'a> {
    objects: &'a Objects,
    /// The commits whose parents a shallow repository lacks.
    boundary: HashSet<CommitId>,
    /// The first commit that could not be read.
    unread: Option<CommitId>,
}

impl Reader<'_> {
    fn visit(&mut self, commit: CommitId) -> Option<Visit> {
        let Ok(facts) = self.objects.commit(commit) else {
            self.unread.get_or_insert(commit);
            return None;
        };
        let is_last = self.boundary.contains(&commit);
        let parents = if is_last { SmallVec::new() } else { facts.parents.into_iter().collect() };
        Some(Visit { commit, parents, passed: 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mirror::testing::TestRepository;

    /// Makes a commit for each item, on top of up to two of the earlier ones.
    fn graph(repository: &TestRepository, parents: &[(Option<u8>, Option<u8>)]) -> Vec<CommitId> {
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let mut commits: Vec<CommitId> = Vec::new();
        for (first, second) in parents {
            let parents = [*first, *second].into_iter().flatten();
            let back = parents.map(|back| commits.len().checked_sub(1 + usize::from(back)));
            let parents: Vec<CommitId> = back.flatten().map(|at| commits[at]).collect();
            commits.push(repository.commit_tree(tree, &parents));
        }
        commits
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_question_is_answered_as_by_a_walk_through_the_commits(
            parents in prop::collection::vec(
                (prop::option::weighted(0.95, 0_u8..3), prop::option::weighted(0.4, 0_u8..6)), 1..16,
            ),
            heads in prop::collection::vec(any::<u8>(), 1..4),
        ) {
            let repository = TestRepository::bare();
            let commits = graph(&repository, &parents);
            let objects = repository.objects();
            let mut ancestry = Ancestry::default();
            for head in heads {
                let head = commits[usize::from(head) % commits.len()];
                ancestry.follow(&objects, head, || true).unwrap();
                let history: Vec<CommitId> = commits
                    .iter().copied().filter(|commit| objects.descends_from(head, *commit).unwrap())
                    .collect();
                for one in &commits {
                    let found = ancestry.descends(&objects, head, *one).unwrap();
                    prop_assert_eq!(found, Some(history.contains(one)));
                }
                for (one, other) in history.iter().flat_map(|one| history.iter().map(move |it| (*one, *it))) {
                    let found = ancestry.descends(&objects, one, other).unwrap();
                    prop_assert_eq!(found, Some(objects.descends_from(one, other).unwrap()));
                    let found = ancestry.fork_point(&objects, one, other).unwrap();
                    prop_assert_eq!(found, objects.fork_point(one, other).unwrap());
                }
            }
        }
    }

    #[test]
    fn only_parents_that_a_walk_can_come_to_are_kept() {
        let repository = TestRepository::bare();
        repository.commit_files("main", &[("a", "1")]);
        let tree = repository.tree_of("main");
        let commit = |parents: &[CommitId]| repository.commit_tree(tree, parents);
        let root = commit(&[]);
        let mut line = vec![commit(&[root])];
        for _ in 0..3 {
            line.push(commit(&line[line.len() - 1..]));
        }
        // Merges of the line, with what is in its history and what is not.
        let side = commit(&[line[3]]);
        let dense = commit(&[&[side, root, side][..], &line].concat());
        let other = commit(&[&[line[3], side, side, dense][..], &line].concat());
        let head = commit(&[&[line[3], dense, other][..], &line].concat());
        let mut ancestry = Ancestry::default();
        let objects = repository.objects();
        ancestry.follow(&objects, head, || true).unwrap();
        assert_eq!(ancestry.others.len(), 2, "those of `other`, once: {:?}", ancestry.others);
        assert_eq!(ancestry.descends(&objects, other, side).unwrap(), Some(true));
        assert_eq!(ancestry.descends(&objects, dense, other).unwrap(), Some(false));
    }

    #[test]
    fn each_commit_is_read_once_and_known_ones_stay_where_the_head_goes_back() {
        let repository = TestRepository::bare();
        let line: Vec<_> = (0..40).map(|_| (Some(0), None)).collect();
        let commits = graph(&repository, &line);
        let objects = repository.objects();
        let mut ancestry = Ancestry::default();
        let reads = |at: usize| {
            let before = crate::mirror::testing::commits_read();
            ancestry.follow(&objects, commits[at], || true).unwrap();
            crate::mirror::testing::commits_read() - before
        };
        // The head is looked at once more, to know that it is there.
        assert_eq!([30, 30, 35, 3, 39].map(reads), [32, 0, 6, 0, 5]);
    }

    #[test]
    fn what_a_missing_commit_may_decide_is_refused_until_it_is_there() {
        let repository = TestRepository::bare();
        let commits = graph(&repository, &[(Some(0), None); 6]);
        let hex = commits[2].to_string();
        let file = repository.path().join("objects").join(&hex[..2]).join(&hex[2..]);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let mut ancestry = Ancestry::default();
        let mut asked = |at: usize| {
            let objects = repository.objects();
            ancestry.follow(&objects, commits[5], || true).unwrap();
            ancestry.descends(&objects, commits[5], commits[at]).map_err(|error| error.is_missing())
        };
        assert_eq!(
            [4, 3, 2, 1].map(&mut asked),
            [Ok(Some(true)), Ok(Some(true)), Err(true), Err(true)]
        );
        std::fs::write(&file, bytes).unwrap();
        assert_eq!([4, 2, 1, 0].map(asked), [Ok(Some(true)); 4]);
    }
}
