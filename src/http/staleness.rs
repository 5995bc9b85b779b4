//! How long a replica has not known how old its state is.

use tokio::time::Instant;

use crate::cluster::lead::Standing;
use crate::cluster::member::{ClusterView, RegisterState};
use crate::config::Alone;

/// Returns since when a replica has been without the register and without anybody who leads, while it does
/// not ask the remote by itself either; `None` if it knows how far behind it is.
pub(super) fn unheard_since(view: &ClusterView, alone: Alone) -> Option<Instant> {
    let asks_the_remote = match view.standing {
        Standing::Leading => true,
        Standing::Orphaned => alone == Alone::Polls,
        Standing::Following => false,
    };
    let is_told = view.register == RegisterState::Read;
    view.leaderless_since.filter(|_| !asks_the_remote && !is_told)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::register::Leader;

    #[test]
    fn only_who_asks_nobody_and_is_told_nothing_does_not_know_how_old_its_state_is() {
        let since = Instant::now();
        let view = |standing, register| ClusterView {
            me: Leader { id: "1".into(), name: "one".into(), url: "http://one".into() },
            standing,
            engine_leads: standing == Standing::Leading,
            value: None,
            leader: None,
            serving_seq: 1,
            behind_since: None,
            leaderless_since: Some(since),
            unreached: None,
            missing: None,
            missing_since: None,
            unsafe_since: None,
            others: Vec::new(),
            register,
            takeovers: 0,
            counts: Arc::default(),
        };
        let (away, read) = (RegisterState::Away, RegisterState::Read);
        let cases = [
            (Standing::Following, away, Alone::Polls, Some(since)),
            (Standing::Following, read, Alone::Polls, None),
            (Standing::Orphaned, away, Alone::Stays, Some(since)),
            (Standing::Orphaned, RegisterState::OtherSecret, Alone::Stays, Some(since)),
            (Standing::Orphaned, read, Alone::Stays, None),
            (Standing::Orphaned, away, Alone::Polls, None),
            (Standing::Leading, away, Alone::Stays, None),
        ];
        for (standing, register, alone, expected) in cases {
            let found = unheard_since(&view(standing, register), alone);
            assert_eq!(found, expected, "{standing:?} {register:?} {alone:?}");
        }
        let led = ClusterView { leaderless_since: None, ..view(Standing::Following, away) };
        assert_eq!(unheard_since(&led, Alone::Polls), None);
    }
}
