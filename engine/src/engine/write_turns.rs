//! In which order waiting batches are written: start-time fair queueing by what they cost.
//!
//! Each actor has a line of its own, in which a batch begins where the one before it ends. Batches are
//! written in the order of their beginnings, so one with many or costly batches makes others wait for
//! one of them, and not for all.

use std::collections::HashMap;

/// A place in the lines, in units of cost.
pub(super) type Start = u64;

/// The lines of all actors.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Where the last batch began that was taken.
    now: Start,
    /// Where the line of each actor ends that reaches beyond now.
    ends: HashMap<String, Start>,
}

impl Turns {
    /// Puts a batch at the end of the line of `actor`, and returns where it begins.
    pub(super) fn enter(&mut self, actor: &str, cost: usize) -> Start {
        let start = self.ends.get(actor).map_or(self.now, |end| self.now.max(*end));
        self.ends.insert(actor.to_owned(), start.saturating_add(cost as Start));
        start
    }

    /// Notes that a batch is taken that begins at `start`.
    pub(super) fn take(&mut self, start: Start) {
        self.now = self.now.max(start);
        self.ends.retain(|_, end| *end > self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets batches come, of which each is taken in its turn, and returns the order. A number is the
    /// cost of a batch; `.` takes one.
    fn order(script: &str) -> String {
        let mut turns = Turns::default();
        let mut waiting: Vec<(Start, usize, String)> = Vec::new();
        let mut order = String::new();
        for (at, word) in script.split(' ').enumerate() {
            match word.split_once(':') {
                Some((actor, cost)) => {
                    let start = turns.enter(actor, cost.parse().unwrap());
                    waiting.push((start, at, actor.to_owned()));
                }
                None => {
                    waiting.sort();
                    let (start, _, actor) = waiting.remove(0);
                    turns.take(start);
                    order.push_str(&actor);
                }
            }
        }
        order
    }

    #[test]
    fn costly_batches_wait_for_the_cheap_ones_of_others_and_are_never_starved() {
        for (script, expected) in [
            ("a:1 a:1 a:1 b:1 c:1 b:1 . . . . . .", "abcaba"),
            ("a:9 a:9 a:9 b:1 b:1 . . . . .", "abbaa"),
            ("a:9 a:9 a:9 . b:1 b:1 . . . .", "abbaa"),
            // An actor that keeps sending starts after the batch that is taken.
            ("a:9 a:9 b:5 . . b:5 . b:5 . b:5 . .", "abbabb"),
            ("a:9 . a:9 . b:1 a:9 . .", "aaba"),
        ] {
            assert_eq!(order(script), expected, "{script}");
        }
    }

    #[test]
    fn nobody_is_known_any_more_whose_batches_are_written() {
        let mut turns = Turns::default();
        for actor in 0..1_000 {
            let start = turns.enter(&actor.to_string(), 10);
            turns.take(start + 10);
        }
        assert!(turns.ends.len() <= 1, "{}", turns.ends.len());
    }
}
