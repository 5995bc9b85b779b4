//! What may be on its way: whether a commit that is not served may still come with a reload.

/// What reloads may still bring of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Whether the caller of a reload waits for the commit: somebody who knows said that the remote has it.
    pub is_awaited: bool,
    /// The number of reloads so far, requested or begun by themselves, that may bring a commit.
    pub requested: u64,
    /// How many of them have ended. They end in the order in which they were requested.
    pub ended: u64,
}

impl Outlook {
    /// Returns whether the commit may still come for a reader that asked when `requested` was `asked`: somebody
    /// said that it comes, or a reload from before the question has not ended. What a later reload brings is not
    /// waited for, so a wait ends however many reloads follow each other.
    pub fn may_bring(self, asked: u64) -> bool {
        self.is_awaited || self.ended < asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_may_come_if_somebody_says_so_or_a_reload_from_before_the_question_goes_on() {
        for (is_awaited, requested, ended, asked, expected) in [
            // Nothing has been reloaded, or everything has ended.
            (false, 0, 0, 0, false),
            (false, 7, 7, 7, false),
            // A reload runs, or waits behind another.
            (false, 7, 6, 7, true),
            (false, 8, 6, 8, true),
            (false, 8, 7, 8, true),
            // Only reloads from behind the question are left.
            (false, 9, 7, 7, false),
            (false, 9, 8, 7, false),
            // The remote is said to have it.
            (true, 7, 7, 7, true),
            (true, 9, 8, 7, true),
        ] {
            let outlook = Outlook { is_awaited, requested, ended };
            assert_eq!(outlook.may_bring(asked), expected, "{outlook:?}, asked at {asked}");
        }
    }
}
