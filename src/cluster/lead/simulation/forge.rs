//! The forge in small: a branch, and every commit that it ever had.
//!
//! A commit is a number. Its history is a set of numbers, so that two commits may be on different
//! lines. A commit that puts others on top of a new base has them in its history, since it has their
//! changes.

use std::collections::BTreeMap;

/// A set of commits; bit n is commit n.
pub(super) type Commits = u128;

/// The branch of the forge.
pub(super) struct Forge {
    /// The commit that the branch is at.
    pub(super) head: u64,
    pub(super) is_up: bool,
    /// The history of each commit, itself included.
    histories: Vec<Commits>,
    /// The request that made each commit, if one did.
    keys: Vec<Option<u64>>,
    /// What was put on top of what, and the commit that came of it.
    joined: BTreeMap<(u64, u64), u64>,
    /// What the branch ever had.
    had: Commits,
    /// What a replica ever fetched, or pushed.
    known: Commits,
    /// The heads that an operator let through although they do not contain the one before.
    pub(super) applied: Commits,
}

impl Forge {
    pub(super) fn new() -> Self {
        let (histories, keys) = (vec![0, 0b10], vec![None, None]);
        let (joined, had) = (BTreeMap::new(), 0b10);
        Self { head: 1, is_up: true, histories, keys, joined, had, known: 0, applied: 0 }
    }

    /// Puts a new commit of somebody else on the branch.
    pub(super) fn push(&mut self) {
        self.head = self.commit(self.history(self.head), None);
        self.had |= self.history(self.head);
    }

    /// Takes a push of `head` if the branch is still at `expected`.
    pub(super) fn take(&mut self, head: u64, expected: u64) -> bool {
        let is_taken = self.is_up && self.head == expected && self.contains(head, expected);
        if is_taken {
            self.head = head;
            self.had |= self.history(head);
            self.known |= self.history(head);
        }
        is_taken
    }

    /// Returns whether the branch ever had a commit.
    pub(super) fn ever_had(&self, commit: u64) -> bool {
        self.had & bit(commit) != 0
    }

    /// Makes a commit with this history, wherever that is.
    fn commit(&mut self, history: Commits, key: Option<u64>) -> u64 {
        let number = self.histories.len() as u64;
        assert!(number < 128, "a world has too many commits");
        self.histories.push(history | bit(number));
        self.keys.push(key);
        number
    }

    /// Makes the commit of a request on top of `head`.
    pub(super) fn write(&mut self, head: u64, key: u64) -> u64 {
        self.commit(self.history(head), Some(key))
    }

    /// Puts what `ours` has on top of `theirs`, except for requests that both have.
    pub(super) fn replay(&mut self, ours: u64, theirs: u64) -> u64 {
        if let Some(joined) = self.joined.get(&(ours, theirs)) {
            return *joined;
        }
        let base = self.history(theirs);
        let left = commits(self.history(ours) & !base).filter(|commit| {
            self.keys[*commit as usize].is_none_or(|key| !self.has_request(theirs, key))
        });
        let joined = match left.fold(0, |all, commit| all | bit(commit)) {
            0 => theirs,
            left => self.commit(base | left, None),
        };
        self.joined.insert((ours, theirs), joined);
        joined
    }

    /// Returns whether `head` has all changes of `other`: those of a request by the request.
    pub(super) fn has_all_of(&self, head: u64, other: u64) -> bool {
        commits(self.history(other) & !self.history(head))
            .all(|commit| self.keys[commit as usize].is_some_and(|key| self.has_request(head, key)))
    }

    /// Returns whether a request made a commit in the history of `head`.
    pub(super) fn has_request(&self, head: u64, key: u64) -> bool {
        self.requests(head).any(|it| it == key)
    }

    /// Returns the requests in the history of `head`.
    pub(super) fn requests(&self, head: u64) -> impl Iterator<Item = u64> {
        commits(self.history(head)).filter_map(|commit| self.keys[commit as usize])
    }

    /// Returns whether there is room for more commits in this world.
    pub(super) fn has_room(&self) -> bool {
        self.histories.len() < 60
    }

    /// Sets the branch back to an earlier commit of it, and puts a new one there. What a replica had and
    /// is on none of `disks` stays on the branch: what to do without the last copy is for an operator to
    /// decide.
    pub(super) fn rewrite(&mut self, by: u32, disks: Commits) {
        for _ in 0..by {
            let before = self.history(self.head) & !bit(self.head);
            let is_kept = bit(self.head) & self.known & !disks == 0;
            if before != 0 && is_kept {
                self.head = newest(before);
            }
        }
        self.push();
    }

    /// Fetches the branch, and returns its commits.
    pub(super) fn fetched(&mut self) -> Commits {
        let history = self.history(self.head);
        self.known |= history;
        history
    }

    /// Returns the commits that `commit` contains.
    pub(super) fn history(&self, commit: u64) -> Commits {
        self.histories[commit as usize]
    }

    /// Returns whether `commit` contains `other`.
    pub(super) fn contains(&self, commit: u64, other: u64) -> bool {
        self.history(commit) & bit(other) == bit(other)
    }
}

/// Returns the set of one commit; commit 0 is none.
pub(super) fn bit(commit: u64) -> Commits {
    if commit == 0 { 0 } else { 1 << commit }
}

/// Returns the commits of a set.
fn commits(set: Commits) -> impl Iterator<Item = u64> {
    (1..128).filter(move |commit| set & bit(*commit) != 0)
}

/// Returns the last commit of a history that is not empty.
pub(super) fn newest(history: Commits) -> u64 {
    u64::from(127 - history.leading_zeros())
}

#[test]
fn a_replay_has_the_changes_of_both_sides_and_each_request_once() {
    let mut forge = Forge::new();
    let (first, second) = (forge.write(1, 7), forge.write(1, 8));
    let ours = forge.write(first, 9);
    assert!(forge.take(second, 1) && !forge.take(ours, 1));
    let twice = forge.write(ours, 8);
    let joined = forge.replay(twice, forge.head);
    let mut requests: Vec<_> = forge.requests(joined).collect();
    requests.sort();
    assert_eq!(requests, [7, 8, 9]);
    assert!(forge.contains(joined, first) && forge.contains(joined, second));
    assert_eq!(forge.replay(1, joined), joined);
}

#[test]
fn a_rewritten_branch_has_another_line() {
    let mut forge = Forge::new();
    forge.push();
    forge.push();
    forge.rewrite(1, 0);
    assert_eq!(forge.head, 4);
    assert!(forge.contains(4, 2) && !forge.contains(4, 3) && forge.contains(3, 2));
    forge.rewrite(9, 0);
    assert!(forge.contains(5, 1) && forge.history(5) == 0b10_0010);
    // What was fetched, and is nowhere else, stays.
    assert_eq!(forge.fetched(), 0b10_0010);
    forge.rewrite(1, 0b10);
    assert_eq!(forge.history(6), 0b110_0010);
    forge.rewrite(2, 0b10_0010);
    assert_eq!(forge.history(7), 0b1000_0010);
}
