//! The heads that cannot be loaded or previewed, and how long each is left alone.
//!
//! Whoever may push one branch must not be able to stop the previews of the others, or to keep the
//! git lane or the processor busy with it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::id::CommitId;
use crate::mirror::{FetchError, Phase};

/// The most heads that are remembered.
const MOST: usize = 1_024;

/// How long a head is left alone whose content is refused, or takes too long: it will be the same
/// next time.
const LONG: Duration = Duration::from_secs(60 * 60);

/// How long a head is left alone that the mirror could not take.
const SHORT: Duration = Duration::from_secs(30);

/// What a failed fetch of a branch says about the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lesson {
    /// Another branch would fail, too.
    LeaveRemote,
    /// This head would fail again, and is left alone for so long.
    LeaveHead(Duration),
}

impl Lesson {
    pub(super) fn of(error: &FetchError) -> Self {
        match error {
            FetchError::InvalidBranch { .. }
            | FetchError::Unreachable { .. }
            | FetchError::Auth { .. }
            | FetchError::Untrusted { .. }
            | FetchError::DiskFull(_) => Self::LeaveRemote,
            FetchError::ContentRejected { .. }
            | FetchError::TooLarge { .. }
            | FetchError::TooTalkative { .. } => Self::LeaveHead(LONG),
            FetchError::TimedOut { phase, .. } => match phase {
                Phase::Greeting | Phase::References | Phase::OtherReferences => Self::LeaveRemote,
                Phase::Negotiation | Phase::Pack | Phase::Check => Self::LeaveHead(LONG),
            },
            FetchError::RepoLocked(_) | FetchError::Mirror(_) => Self::LeaveHead(SHORT),
        }
    }
}

/// The heads that are left alone. A branch that moves is tried again at once.
#[derive(Debug, Default)]
pub(super) struct RefusedHeads {
    /// The last one is the newest.
    heads: VecDeque<RefusedHead>,
}

#[derive(Debug)]
struct RefusedHead {
    commit: CommitId,
    since: Instant,
    time: Duration,
}

impl RefusedHeads {
    /// Returns whether `commit` is left alone at `now`.
    pub(super) fn contains(&self, commit: CommitId, now: Instant) -> bool {
        let lasts = |head: &RefusedHead| now.saturating_duration_since(head.since) < head.time;
        self.heads.iter().any(|head| head.commit == commit && lasts(head))
    }

    /// Returns whether `commit` was noted, however long ago.
    #[cfg(test)]
    pub(super) fn knows(&self, commit: CommitId) -> bool {
        self.heads.iter().any(|head| head.commit == commit)
    }

    /// Leaves `commit` alone for `time`.
    pub(super) fn note(&mut self, commit: CommitId, since: Instant, time: Duration) {
        self.heads.retain(|head| head.commit != commit);
        self.heads.push_back(RefusedHead { commit, since, time });
        if self.heads.len() > MOST {
            self.heads.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_fetch_says_is_about_the_remote_or_about_one_head() {
        let remote = || "far".to_owned();
        let message = String::new;
        let timed_out = |phase| FetchError::TimedOut { remote: remote(), phase };
        let rejected = FetchError::ContentRejected {
            remote: remote(),
            object: None,
            rule: "commit_too_large",
            source: "a test".into(),
        };
        let unreachable = FetchError::Unreachable {
            remote: remote(),
            message: message(),
            retry_after: None,
            source: "a test".into(),
        };
        let auth =
            FetchError::Auth { remote: remote(), message: message(), source: "a test".into() };
        for (error, expected) in [
            (unreachable, Lesson::LeaveRemote),
            (auth, Lesson::LeaveRemote),
            (FetchError::DiskFull("a test".into()), Lesson::LeaveRemote),
            (timed_out(Phase::Greeting), Lesson::LeaveRemote),
            (timed_out(Phase::References), Lesson::LeaveRemote),
            (timed_out(Phase::OtherReferences), Lesson::LeaveRemote),
            (timed_out(Phase::Negotiation), Lesson::LeaveHead(LONG)),
            (timed_out(Phase::Pack), Lesson::LeaveHead(LONG)),
            (timed_out(Phase::Check), Lesson::LeaveHead(LONG)),
            (rejected, Lesson::LeaveHead(LONG)),
            (FetchError::TooLarge { remote: remote(), limit: 1 }, Lesson::LeaveHead(LONG)),
            (FetchError::TooTalkative { remote: remote() }, Lesson::LeaveHead(LONG)),
            (FetchError::RepoLocked("a test".into()), Lesson::LeaveHead(SHORT)),
            (FetchError::Mirror("a test".into()), Lesson::LeaveHead(SHORT)),
        ] {
            assert_eq!(Lesson::of(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn so_many_heads_are_left_alone_each_for_its_time() {
        let now = Instant::now();
        let commit = |n: usize| {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            CommitId::from_bytes(bytes)
        };
        let mut refused = RefusedHeads::default();
        refused.note(commit(0), now, LONG);
        refused.note(commit(1), now, SHORT);
        for (n, after, expected) in [
            (0, Duration::ZERO, true),
            (0, SHORT, true),
            (0, LONG, false),
            (1, Duration::ZERO, true),
            (1, SHORT, false),
            (2, Duration::ZERO, false),
        ] {
            assert_eq!(refused.contains(commit(n), now + after), expected, "{n} {after:?}");
        }
        // The last word counts.
        refused.note(commit(0), now, SHORT);
        assert!(!refused.contains(commit(0), now + SHORT));
        (2..=MOST).for_each(|n| refused.note(commit(n), now, LONG));
        assert_eq!(refused.heads.len(), MOST);
        let is_known = |n| refused.contains(commit(n), now);
        assert_eq!([0, 1, 2, MOST].map(is_known), [true, false, true, true]);
    }
}
