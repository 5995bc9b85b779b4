//! Commits that this server does not have and may get soon.
//!
//! A reader may name a commit that is not served yet: another server has it already, or the reader pushed it. Nobody
//! can know whether an unknown commit will ever exist, so a reader waits only if something is on its way: somebody with
//! the reload secret said that the remote has the commit, a reload that may bring it was requested before the question,
//! or another server is known to serve more than this one. Otherwise it is told at once that the commit is unknown.

use headwater_engine::engine::Outlook;
use tokio::sync::watch;

/// What other servers of the same branch serve, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Others {
    /// Nothing that this one does not. True of a server that knows of no others.
    #[default]
    Level,
    /// A commit that this server does not serve yet, and is about to.
    Ahead,
}

/// What is on its way, besides what the engine knows. It wakes the readers that wait.
#[derive(Debug, Default)]
pub struct Coming(watch::Sender<Others>);

impl Coming {
    /// Records what other servers serve. [`Others::Level`] is recorded once the commit is published here; a reader
    /// that waits for another commit is then refused.
    pub fn others(&self, others: Others) {
        self.0.send_replace(others);
    }

    /// Wakes all who wait, because a reload has ended, whatever it brought.
    pub fn reload_ended(&self) {
        self.0.send_modify(|_| {});
    }

    /// Returns what other servers serve, and every later change.
    pub fn listen(&self) -> watch::Receiver<Others> {
        self.0.subscribe()
    }
}

/// Returns whether a commit that is not served may still come for a reader that asked when `asked` reloads had been
/// requested.
pub fn may_come(outlook: Outlook, asked: u64, others: Others) -> bool {
    others == Others::Ahead || outlook.may_bring(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_may_come_if_another_server_is_ahead_or_the_engine_expects_one() {
        let outlook = |is_awaited, ended| Outlook { is_awaited, requested: 3, ended };
        for (outlook, others, expected) in [
            (outlook(false, 3), Others::Level, false),
            (outlook(false, 3), Others::Ahead, true),
            (outlook(false, 2), Others::Level, true),
            (outlook(true, 3), Others::Level, true),
            (outlook(true, 2), Others::Ahead, true),
        ] {
            assert_eq!(may_come(outlook, 3, others), expected, "{outlook:?} {others:?}");
        }
    }

    #[test]
    fn who_waits_hears_of_every_reload_and_of_other_servers() {
        let coming = Coming::default();
        let mut heard = coming.listen();
        assert!(!heard.has_changed().unwrap());
        coming.reload_ended();
        assert!(heard.has_changed().unwrap());
        assert_eq!(*heard.borrow_and_update(), Others::Level);
        coming.others(Others::Ahead);
        coming.reload_ended();
        assert_eq!(*heard.borrow_and_update(), Others::Ahead);
        assert!(!heard.has_changed().unwrap());
    }
}
