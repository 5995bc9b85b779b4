//! The commits that are reported to the remote as present, so that it sends only the rest.
//!
//! One round is enough: a remote that knows none of them only sends more than necessary.

use gix::protocol::fetch::negotiate::{Action, Round, one_round};
use gix::protocol::fetch::{Arguments, Negotiate, Response};

use crate::id::CommitId;
use crate::mirror::Objects;
use crate::mirror::gix_id::object_id;

/// The most commits that are reported as present.
const MAX_HAVES: usize = 256;

/// How far back from each tip commits are reported. A remote that was rewound still has the commits
/// that it once had, so this bounds the cost of the usual fetch at little loss.
const WALKED: usize = 256;

/// Lists commits that are present with all their history, the tips of the refs first.
///
/// The distances grow, so that a remote that went back far still finds one it knows.
pub(super) fn haves(known: &Objects) -> Vec<CommitId> {
    // Tags point to commits of the branch, and there may be hundreds of thousands.
    let named = ["refs/heads/", "refs/headwater/", "refs/remotes/"].into_iter();
    let tips = named.flat_map(|prefix| known.references_under(prefix).unwrap_or_default());
    let mut haves: Vec<CommitId> = Vec::new();
    for (_, tip) in &tips.collect::<Vec<_>>() {
        if !haves.contains(tip) && known.commit(*tip).is_ok() {
            haves.push(*tip);
        }
    }
    haves.truncate(MAX_HAVES / 2);
    let share = (MAX_HAVES - haves.len()) / haves.len().max(1);
    for tip in haves.clone() {
        let line = known.first_parents(tip, WALKED).unwrap_or_default();
        let mut distance = 1;
        for step in 0..share {
            let Some(commit) = line.get(distance) else { break };
            if !haves.contains(commit) {
                haves.push(*commit);
            }
            distance += 1 + step / 16 * (step / 16);
        }
    }
    haves
}

/// Reports all wants and haves at once, and takes the pack that follows.
pub(super) struct OneRound {
    pub(super) tip: CommitId,
    pub(super) haves: Vec<CommitId>,
}

impl Negotiate for OneRound {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<Action> {
        Ok(Action::MustNegotiate { remote_ref_target_known: vec![false] })
    }

    fn add_wants(&mut self, arguments: &mut Arguments, _known: &[bool]) -> bool {
        arguments.want(object_id(self.tip));
        true
    }

    fn one_round(
        &mut self,
        _state: &mut one_round::State,
        arguments: &mut Arguments,
        _previous: Option<&Response>,
    ) -> gix::Result<(Round, bool)> {
        for commit in &self.haves {
            arguments.have(object_id(*commit));
        }
        let round = Round {
            haves_sent: self.haves.len(),
            in_vain: 0,
            haves_to_send: self.haves.len(),
            previous_response_had_at_least_one_in_common: false,
        };
        Ok((round, true))
    }
}
