//! How the clauses of a query are combined.

use crate::search::minimum_match::Demand;

/// A query, or a part of it, as a tree over its clauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// The clause at this index.
    Clause(usize),
    /// Adjacent parts: all or some of them must match, depending on the demand.
    Beside(Vec<Node>),
    /// All of these.
    All(Vec<Node>),
    /// At least one of these.
    Any(Vec<Node>),
    /// Documents that this does not match.
    Not(Box<Node>),
}

impl Node {
    /// Returns whether this is a list of adjacent clauses, of which at least one is not excluded.
    pub(crate) fn is_plain(&self) -> bool {
        let is_word = |node: &Self| matches!(node, Self::Clause(_));
        let is_excluded = |node: &Self| matches!(node, Self::Not(node) if is_word(node));
        match self {
            Self::Clause(_) => true,
            Self::Beside(nodes) | Self::All(nodes) => {
                nodes.iter().any(is_word)
                    && nodes.iter().all(|node| is_word(node) || is_excluded(node))
            }
            Self::Any(_) | Self::Not(_) => false,
        }
    }

    /// Returns whether this only says what documents must not hold. A group of nothing but
    /// exclusions is one too, so `(-a -b) c` requires what `-a -b c` does.
    fn is_exclusion(&self) -> bool {
        match self {
            Self::Clause(_) => false,
            Self::Not(_) => true,
            Self::Beside(nodes) | Self::All(nodes) | Self::Any(nodes) => {
                !nodes.is_empty() && nodes.iter().all(Self::is_exclusion)
            }
        }
    }

    /// Returns whether requiring fewer words finds more.
    pub(crate) fn is_relaxable(&self) -> bool {
        match self {
            Self::Clause(_) => false,
            Self::Beside(nodes) => {
                let wanted = nodes.iter().filter(|node| !node.is_exclusion());
                wanted.count() > 1 || nodes.iter().any(Self::is_relaxable)
            }
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(Self::is_relaxable),
            Self::Not(node) => node.is_relaxable(),
        }
    }

    /// Returns this tree with each clause replaced by its entry in `nodes`. Clauses without an
    /// entry are left out; returns `None` if nothing is left.
    pub(crate) fn over(&self, nodes: &[Option<Self>]) -> Option<Self> {
        let all = |old: &[Self]| -> Option<Vec<Self>> {
            let mut left: Vec<Self> = Vec::with_capacity(old.len());
            for node in old.iter().filter_map(|node| node.over(nodes)) {
                if !left.contains(&node) {
                    left.push(node);
                }
            }
            (!left.is_empty()).then_some(left)
        };
        Some(match self {
            Self::Clause(at) => nodes.get(*at)?.clone()?,
            Self::Beside(old) => Self::Beside(all(old)?),
            Self::All(old) => Self::All(all(old)?),
            Self::Any(old) => Self::Any(all(old)?),
            Self::Not(node) => Self::Not(Box::new(node.over(nodes)?)),
        })
    }

    /// Returns one bit for each of 64 documents, set if the document matches; `held` returns these
    /// bits for a clause.
    pub(crate) fn matches(&self, demand: Demand, held: &impl Fn(usize) -> u64) -> u64 {
        let bits = |node: &Self| node.matches(demand, held);
        match self {
            Self::Clause(at) => held(*at),
            Self::Not(node) => !bits(node),
            Self::Any(nodes) => nodes.iter().fold(0, |some, node| some | bits(node)),
            Self::Beside(nodes) if demand != Demand::All => some_of(nodes, bits),
            Self::All(nodes) | Self::Beside(nodes) => {
                nodes.iter().fold(u64::MAX, |all, node| all & bits(node))
            }
        }
    }
}

/// Returns the bits that any of the nodes matches that are no exclusions, less those that the
/// exclusions exclude.
fn some_of(nodes: &[Node], bits: impl Fn(&Node) -> u64) -> u64 {
    let (mut some, mut rest) = (None, u64::MAX);
    for node in nodes {
        if node.is_exclusion() {
            rest &= bits(node);
        } else {
            some = Some(some.unwrap_or(0) | bits(node));
        }
    }
    some.unwrap_or(u64::MAX) & rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause 0 matches odd documents, 1 every second pair, 2 every second group of four.
    const HELD: [u64; 3] = [0b1010_1010, 0b1100_1100, 0b1111_0000];

    fn not(node: Node) -> Node {
        Node::Not(Box::new(node))
    }

    #[test]
    fn a_tree_matches_what_it_says() {
        let clause = Node::Clause;
        let beside = Node::Beside(vec![clause(0), clause(1), not(clause(2))]);
        let only_not = Node::Beside(vec![not(clause(0)), not(clause(1))]);
        let grouped = Node::Beside(vec![clause(0), Node::Any(vec![only_not.clone()])]);
        let nested = Node::Any(vec![Node::All(vec![clause(0), clause(1)]), clause(2)]);
        for (node, demand, expected) in [
            (&beside, Demand::All, 0b0000_1000),
            (&beside, Demand::Some, 0b0000_1110),
            (&only_not, Demand::All, 0b0001_0001),
            (&only_not, Demand::Some, 0b0001_0001),
            (&grouped, Demand::All, 0),
            (&grouped, Demand::Some, 0),
            (&nested, Demand::All, 0b1111_1000),
            (&nested, Demand::Some, 0b1111_1000),
        ] {
            let bits = node.matches(demand, &|at| HELD[at]) & 0xff;
            assert_eq!(bits, expected, "{node:?} {demand:?}: {bits:08b}");
        }
    }

    #[test]
    fn what_is_left_out_vanishes_with_its_group() {
        let clause = Node::Clause;
        let node = Node::Beside(vec![clause(0), Node::Any(vec![clause(1), clause(2)]), clause(3)]);
        let over = |places: [Option<usize>; 4]| node.over(&places.map(|at| at.map(Node::Clause)));
        let rest = Node::Beside(vec![clause(0), clause(1)]);
        assert_eq!(over([Some(0), None, None, Some(1)]), Some(rest));
        assert_eq!(over([None; 4]), None);
        let same = Node::Beside(vec![clause(0), Node::Any(vec![clause(0)])]);
        assert_eq!(over([Some(0), Some(0), None, Some(0)]), Some(same));
    }

    #[test]
    fn clauses_side_by_side_are_plain() {
        let clause = Node::Clause;
        assert!(Node::Beside(vec![clause(0), not(clause(1))]).is_plain());
        assert!(!Node::Beside(vec![not(clause(1))]).is_plain());
        assert!(!Node::Beside(vec![clause(0), Node::Any(vec![clause(1)])]).is_plain());
        assert!(!Node::Beside(vec![clause(0), not(clause(1))]).is_relaxable());
        let group = Node::Beside(vec![not(clause(1)), not(clause(2))]);
        assert!(!Node::Beside(vec![clause(0), group]).is_relaxable());
        assert!(Node::Beside(vec![clause(0), clause(1)]).is_relaxable());
    }
}
