//! Finds the steps of a sequence with which problems come that are there at its end.

use std::collections::BTreeSet;
use std::ops::Range;

/// Some of the steps, with what was wrong before the first and after the last of them.
struct Span<P> {
    steps: Range<usize>,
    before: BTreeSet<P>,
    after: BTreeSet<P>,
}

/// Returns the steps, in order, with which a problem comes that is there after the last one. Of one that goes
/// meanwhile and comes again, it may be any. `problems_after`
/// returns what is wrong after so many steps, and is asked `most` times at most: then the last of them may be
/// missing, but never the first.
///
/// Halves what has a new problem until single steps are left, so each that is found costs a logarithm of their
/// number.
///
/// # Errors
///
/// That of `problems_after`.
pub(super) fn introducing<P: Ord + Clone, E>(
    steps: usize,
    most: usize,
    mut problems_after: impl FnMut(usize) -> Result<BTreeSet<P>, E>,
) -> Result<Vec<usize>, E> {
    let last = problems_after(steps)?;
    let (mut found, mut asked) = (Vec::new(), 1);
    let mut left = vec![Span { steps: 0..steps, before: BTreeSet::new(), after: last.clone() }];
    while let Some(Span { steps, before, after }) = left.pop() {
        if after.is_subset(&before) {
            continue;
        }
        if steps.len() == 1 {
            found.push(steps.start);
            continue;
        }
        if asked >= most {
            break;
        }
        asked += 1;
        let middle = steps.start.midpoint(steps.end);
        // What is mended by a later step is no problem.
        let between: BTreeSet<P> =
            problems_after(middle)?.into_iter().filter(|problem| last.contains(problem)).collect();
        let second = Span { steps: middle..steps.end, before: between.clone(), after };
        left.push(second);
        left.push(Span { steps: steps.start..middle, before, after: between });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Returns the steps that are found, and how often it was asked. Each word is a step: `a` brings a problem,
    /// `-a` mends it, and `.` changes nothing.
    fn found(steps: &str, most: usize) -> (Vec<usize>, usize) {
        let steps: Vec<&str> = steps.split(' ').collect();
        let mut asked = 0;
        let found = introducing(steps.len(), most, |count| {
            asked += 1;
            let mut problems = BTreeSet::new();
            for step in &steps[..count] {
                match step.strip_prefix('-') {
                    Some(mended) => drop(problems.remove(mended)),
                    None if *step == "." => {}
                    None => drop(problems.insert(*step)),
                }
            }
            Ok::<_, Infallible>(problems)
        });
        (found.unwrap(), asked)
    }

    #[test]
    fn each_step_that_brings_a_problem_is_found() {
        for (steps, expected) in [
            (".", &[][..]),
            ("a", &[0]),
            (". . a .", &[2]),
            ("a b c d", &[0, 1, 2, 3]),
            ("a . b . . . . c", &[0, 2, 7]),
            (". a -a .", &[]),
            ("a -a a b", &[2, 3]),
            ("a a", &[0]),
            ("a -a a", &[0]),
            ("a b -a .", &[1]),
        ] {
            assert_eq!(found(steps, 1_000).0, expected, "{steps}");
        }
    }

    #[test]
    fn many_steps_without_a_problem_cost_little_and_the_first_with_one_is_always_found() {
        let mut steps = vec!["."; 1_000];
        steps[700] = "a";
        steps[900] = "b";
        let steps = steps.join(" ");
        let (both, asked) = found(&steps, 1_000);
        assert!(both == [700, 900] && asked <= 1 + 2 * 10, "{both:?} after {asked}");
        assert_eq!(found(&steps, 12).0, [700]);
    }
}
