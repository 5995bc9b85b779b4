//! What one replica of a cluster tells for all of them: the next leader knows what was told, and tells it to be over.

use std::collections::BTreeSet;

use super::{AlertRules, Cause};
use crate::wire::Code;

/// The causes that concern one replica. Each tells its own.
const OWN: [&str; 4] = [
    Code::CannotFollow.as_str(),
    Code::ReplicaDiverged.as_str(),
    Code::DiskFull.as_str(),
    Code::MemoryShort.as_str(),
];

impl AlertRules {
    /// Returns what was told of the remote, of pushes and of held heads, and not that it is over.
    pub fn shared(&self) -> BTreeSet<String> {
        let causes = self.told.iter().filter(|cause| !cause.is_own()).map(Cause::to_text);
        causes.chain(self.pushes.open().map(str::to_owned)).collect()
    }

    /// Takes `shared` for what was told, because the leader says so.
    pub fn adopt(&mut self, shared: &BTreeSet<String>) {
        self.pushes.adopt(shared);
        let told = shared.iter().filter(|text| Some(text.as_str()) != self.pushes.open());
        let told: Vec<Cause> = told.map(|text| Cause::parse(text)).collect();
        self.told.retain(Cause::is_own);
        self.told.extend(told.into_iter().filter(|cause| !cause.is_own()));
        // How long the remote has been away is the leader's matter, too.
        self.away.take_if(|(_, alert)| !Cause::of(alert.event).is_own());
    }
}

impl Cause {
    fn is_own(&self) -> bool {
        OWN.contains(&self.event.as_str())
    }

    /// Returns the cause as the register has it.
    fn to_text(&self) -> String {
        match self.held {
            Some(commit) => format!("{} {commit}", self.event),
            None => self.event.clone(),
        }
    }

    fn parse(text: &str) -> Self {
        let held = |(event, commit): (&str, &str)| {
            Some(Self { event: event.to_owned(), held: Some(commit.parse().ok()?) })
        };
        text.split_once(' ').and_then(held).unwrap_or_else(|| Self::of(text))
    }
}

#[cfg(test)]
mod tests {
    use headwater_engine::engine::{HeldReason, PushFailure, PushReport};
    use headwater_engine::mirror::PushError;

    use super::super::tests::{Desk, applied, away, commit, diverged, held, missing};
    use super::*;

    fn push(result: Result<(), PushError>) -> PushReport {
        let result = result.map_err(PushFailure::Remote);
        let (commit, since) = (commit('a'), None);
        PushReport { commit, duration: std::time::Duration::ZERO, unpushed: 1, since, result }
    }

    fn refused() -> PushReport {
        push(Err(PushError::Refused { remote: "r".into(), message: "no".into() }))
    }

    #[test]
    fn the_next_leader_tells_nothing_twice_and_tells_all_of_it_to_be_over() {
        let (mut first, mut second) = (Desk::new(), Desk::new());
        assert_eq!(first.events(&held('b', HeldReason::Refused)), ["push_refused"]);
        assert_eq!(first.events(&missing()), ["branch_missing"]);
        assert_eq!(first.pushed(&refused()), ["push_failed"]);
        let shared = first.rules.shared();
        let held_back = format!("push_refused {}", commit('b'));
        assert_eq!(shared, ["branch_missing", "push_failed", &held_back].map(String::from).into());
        second.rules.adopt(&shared);
        assert_eq!(second.rules.shared(), shared);
        assert_eq!(second.events(&held('b', HeldReason::Refused)), [""; 0]);
        assert_eq!(second.events(&missing()), [""; 0]);
        assert_eq!(second.pushed(&refused()), [""; 0]);
        assert_eq!(second.events(&held('c', HeldReason::Refused)), ["push_refused"]);
        assert_eq!(second.events(&applied()), ["recovered"]);
        assert_eq!(second.pushed(&push(Ok(()))), ["push_recovered"]);
        assert_eq!(second.rules.shared(), BTreeSet::new());
        // The one that does not lead any more hears that it is over.
        first.rules.adopt(&second.rules.shared());
        assert_eq!(first.events(&applied()), [""; 0]);
        assert_eq!(first.pushed(&push(Ok(()))), [""; 0]);
    }

    #[test]
    fn what_concerns_one_replica_is_told_by_that_one() {
        let mut desk = Desk::new();
        assert_eq!(desk.events(&diverged()), ["replica_diverged"]);
        assert_eq!(desk.rules.shared(), BTreeSet::new());
        desk.rules.adopt(&["fetch_failed", "disk_full"].map(String::from).into());
        assert_eq!(desk.rules.shared(), ["fetch_failed".to_owned()].into());
        assert_eq!(desk.events(&diverged()), [""; 0], "its own is not forgotten");
    }

    #[test]
    fn who_does_not_lead_does_not_wait_for_the_remote() {
        let mut desk = Desk::new();
        assert_eq!(desk.events(&away()), [""; 0]);
        desk.rules.adopt(&BTreeSet::new());
        assert_eq!(desk.later(1_000), [""; 0]);
    }
}
