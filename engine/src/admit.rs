//! Whether a state may go live: a pure decision over the problems of two states.
//!
//! Admission is no part of the law. A state is a function of its commit whatever is in it; this
//! decides which states are published.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SheetName;
use crate::layout::Policy;
use crate::problem::{Problem, Rule};
use crate::snapshot::Snapshot;

/// How much may be wrong in sheets that quarantine their problems.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdmissionLimits {
    /// The most problems that one sheet may have.
    pub problems: usize,
    /// The largest share of a sheet's files that may have problems, from 0 to 1.
    pub share: f64,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { problems: 1_000, share: 0.5 }
    }
}

/// What admission looks at: problems and sizes, no records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Every problem of the state.
    pub problems: Vec<Problem>,
    /// Each sheet's policy and how many files claim a place in it.
    pub sheets: BTreeMap<SheetName, (Policy, usize)>,
}

impl Health {
    /// Reads the health of `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let specs = snapshot.layout().sheets().map(|spec| {
            let claimed = snapshot.sheet(spec.name.as_str()).map_or(0, |sheet| sheet.claimed());
            (spec.name.clone(), (spec.policy, claimed))
        });
        Self { problems: snapshot.problems(), sheets: specs.collect() }
    }

    /// Says whether the state has a problem that would refuse a push that brought it.
    pub fn refusable(&self) -> bool {
        self.problems.iter().any(|p| self.policy(p.sheet.as_ref()) == Policy::Refuse)
    }

    fn policy(&self, sheet: Option<&SheetName>) -> Policy {
        let known = sheet.and_then(|sheet| self.sheets.get(sheet));
        known.map_or(Policy::Refuse, |(policy, _)| *policy)
    }
}

/// The decision over one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may go live.
    Admitted,
    /// It has problems that the serving state has not, in sheets that refuse them.
    Refused(Vec<Problem>),
    /// A sheet that quarantines its problems has got worse and is above a limit; its problems.
    OverLimit(Vec<Problem>),
}

/// Decides whether the state `after` may take the place of `before`.
///
/// A problem is known by its path and rule: the same problem on another line is no news. Without
/// `before` there is nothing to compare with, and everything is admitted.
pub fn admit(before: Option<&Health>, after: &Health, limits: &AdmissionLimits) -> Verdict {
    let Some(before) = before else { return Verdict::Admitted };
    let known: BTreeSet<(&str, Rule)> =
        before.problems.iter().map(|problem| (&*problem.path, problem.rule)).collect();
    let is_new = |problem: &&Problem| !known.contains(&(&*problem.path, problem.rule));
    let new: Vec<&Problem> = after.problems.iter().filter(is_new).collect();

    let refuses = |problem: &&&Problem| after.policy(problem.sheet.as_ref()) == Policy::Refuse;
    let refused: Vec<Problem> = new.iter().filter(refuses).map(|p| Problem::clone(p)).collect();
    if !refused.is_empty() {
        return Verdict::Refused(refused);
    }
    let worse: BTreeSet<&SheetName> = new.iter().filter_map(|p| p.sheet.as_ref()).collect();
    let mut over = Vec::new();
    for sheet in worse {
        let of_sheet = || after.problems.iter().filter(|p| p.sheet.as_ref() == Some(sheet));
        let files: BTreeSet<&str> = of_sheet().map(|problem| &*problem.path).collect();
        let claimed = after.sheets.get(sheet).map_or(0, |(_, claimed)| *claimed);
        let too_many = of_sheet().count() > limits.problems;
        if too_many || files.len() as f64 > claimed as f64 * limits.share {
            over.extend(of_sheet().cloned());
        }
    }
    if over.is_empty() { Verdict::Admitted } else { Verdict::OverLimit(over) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(sheet: &str, path: &str, line: u32) -> Problem {
        Problem::new(&SheetName::new(sheet), path, Rule::Malformed, "broken".into())
            .at(Some(line), None)
    }

    fn health(problems: &[Problem]) -> Health {
        let sheets = [("strict", Policy::Refuse), ("loose", Policy::Quarantine)];
        Health {
            problems: problems.to_vec(),
            sheets: sheets.map(|(name, policy)| (SheetName::new(name), (policy, 4))).into(),
        }
    }

    fn verdict(before: &[Problem], after: &[Problem]) -> Verdict {
        let limits = AdmissionLimits { problems: 2, share: 0.5 };
        admit(Some(&health(before)), &health(after), &limits)
    }

    #[test]
    fn a_first_state_is_admitted_whatever_is_in_it() {
        let after = health(&[problem("strict", "a", 1)]);
        assert_eq!(admit(None, &after, &AdmissionLimits::default()), Verdict::Admitted);
    }

    #[test]
    fn a_new_problem_in_a_strict_sheet_refuses_the_push_and_an_old_one_does_not() {
        let (a, b) = (problem("strict", "a", 1), problem("strict", "b", 1));
        assert_eq!(verdict(&[], std::slice::from_ref(&a)), Verdict::Refused(vec![a.clone()]));
        let before = [a.clone()];
        assert_eq!(verdict(&before, &[problem("strict", "a", 9)]), Verdict::Admitted);
        assert_eq!(verdict(&before, &[a, b.clone()]), Verdict::Refused(vec![b]));
    }

    #[test]
    fn a_problem_of_no_sheet_refuses_the_push() {
        let mut broken = problem("strict", "headwater.toml", 1);
        broken.sheet = None;
        assert_eq!(verdict(&[], std::slice::from_ref(&broken)), Verdict::Refused(vec![broken]));
    }

    #[test]
    fn a_quarantining_sheet_goes_live_until_it_is_worse_and_above_a_limit() {
        let [a, b, c] = ["a", "b", "c"].map(|path| problem("loose", path, 1));
        assert_eq!(verdict(&[], &[a.clone(), b.clone()]), Verdict::Admitted);
        let all = [a.clone(), b.clone(), c];
        assert_eq!(verdict(&[a, b], &all), Verdict::OverLimit(all.to_vec()));
        assert_eq!(verdict(&all, &all), Verdict::Admitted, "it was above the limit before");
    }

    #[test]
    fn the_share_is_of_files_whatever_number_of_problems_each_has() {
        let rules = [Rule::Malformed, Rule::TooLarge, Rule::TooDeep];
        let many: Vec<Problem> = rules
            .map(|rule| Problem::new(&SheetName::new("loose"), "a", rule, String::new()))
            .into();
        let limits = AdmissionLimits { problems: 3, share: 0.25 };
        assert_eq!(admit(Some(&health(&[])), &health(&many), &limits), Verdict::Admitted);
    }
}
