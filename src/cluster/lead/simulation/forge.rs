//! The forge in small: a branch, and every commit that it ever had.
//!
//! A commit is a number. Its history is a set of numbers, so that two commits may be on different
//! lines.

/// A set of commits; bit n is commit n.
pub(super) type Commits = u128;

/// The branch of the forge.
pub(super) struct Forge {
    /// The commit that the branch is at.
    pub(super) head: u64,
    pub(super) is_up: bool,
    /// The history of each commit, itself included.
    histories: Vec<Commits>,
    /// What was ever fetched.
    fetched: Commits,
    /// The heads that an operator let through although they do not contain the one before.
    pub(super) applied: Commits,
}

impl Forge {
    pub(super) fn new() -> Self {
        Self { head: 1, is_up: true, histories: vec![0, 0b10], fetched: 0, applied: 0 }
    }

    /// Puts a new commit on the branch.
    pub(super) fn push(&mut self) {
        let number = self.histories.len() as u64;
        self.histories.push(self.history(self.head) | bit(number));
        self.head = number;
    }

    /// Sets the branch back to an earlier commit of it, and puts a new one there. What was fetched and
    /// is on none of `disks` stays on the branch.
    pub(super) fn rewrite(&mut self, by: u32, disks: Commits) {
        for _ in 0..by {
            let before = self.history(self.head) & !bit(self.head);
            let is_kept = bit(self.head) & self.fetched & !disks == 0;
            if before != 0 && is_kept {
                self.head = newest(before);
            }
        }
        self.push();
    }

    /// Fetches the branch, and returns its commits.
    pub(super) fn fetched(&mut self) -> Commits {
        let history = self.history(self.head);
        self.fetched |= history;
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

/// Returns the last commit of a history that is not empty.
pub(super) fn newest(history: Commits) -> u64 {
    u64::from(127 - history.leading_zeros())
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
