//! The processor time that the expressions of each address may cost for one publication.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::http::source::Source;

/// What the addresses have left for one publication.
#[derive(Debug)]
pub(super) struct Allowance {
    /// What each has; `None` is no limit.
    each: Option<Duration>,
    spent: HashMap<Source, Duration>,
    /// Those that get nothing any more.
    used_up: HashSet<Source>,
}

/// What may be spent on the text of a group, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) source: Source,
    /// The processor time; `None` is no limit.
    pub(super) limit: Option<Duration>,
}

impl Allowance {
    /// Returns the allowance of which each address has this much; `None` is no limit.
    pub(super) fn new(each: Option<Duration>) -> Self {
        Self { each, spent: HashMap::new(), used_up: HashSet::new() }
    }

    /// Returns what may be spent on a text that followers at these addresses wait for: what that
    /// one of them has left that has spent the least. Returns `None` if all have spent everything.
    pub(super) fn share(&self, sources: impl Iterator<Item = Source>) -> Option<Share> {
        let spent = |source: &Source| self.spent.get(source).copied().unwrap_or_default();
        let sources = sources.filter(|source| !self.used_up.contains(source));
        let source = sources.min_by_key(spent)?;
        match self.each {
            None => Some(Share { source, limit: None }),
            Some(each) => {
                let left = each.saturating_sub(spent(&source));
                (!left.is_zero()).then_some(Share { source, limit: Some(left) })
            }
        }
    }

    /// Gives an address nothing any more: it has no room for another text.
    pub(super) fn use_up(&mut self, source: Source) {
        self.used_up.insert(source);
    }

    /// Counts what a text has cost its address.
    pub(super) fn spend(&mut self, source: Source, cost: Duration) {
        *self.spent.entry(source).or_default() += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::at([10, 0, 0, last].into())
    }

    #[test]
    fn an_address_spends_its_own_part_and_a_text_costs_who_has_spent_the_least() {
        let limit = Duration::from_millis(10);
        let mut allowance = Allowance::new(Some(limit));
        let share = |allowance: &Allowance, of: &[u8]| {
            let share = allowance.share(of.iter().map(|last| source(*last)))?;
            Some((share.source, share.limit))
        };
        assert_eq!(share(&allowance, &[1]), Some((source(1), Some(limit))));
        allowance.spend(source(1), limit / 5);
        allowance.spend(source(1), limit / 5);
        assert_eq!(share(&allowance, &[1]), Some((source(1), Some(limit / 5 * 3))));
        assert_eq!(share(&allowance, &[1, 2]), Some((source(2), Some(limit))));
        allowance.spend(source(1), limit);
        assert_eq!(share(&allowance, &[1]), None);
        assert_eq!(share(&allowance, &[1, 2]), Some((source(2), Some(limit))));
        let mut unlimited = Allowance::new(None);
        unlimited.spend(source(1), limit * 1_000);
        assert_eq!(share(&unlimited, &[1]), Some((source(1), None)));
        unlimited.use_up(source(1));
        assert_eq!(share(&unlimited, &[1]), None);
        assert_eq!(share(&unlimited, &[1, 2]), Some((source(2), None)));
    }
}
