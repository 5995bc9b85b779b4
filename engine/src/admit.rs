//! Whether a state may go live: a pure decision from the problems of two states and the size of the
//! step between them.
//!
//! Admission is not part of the law. A state is a function of its commit, whatever it contains;
//! this module decides which states are published.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::SheetName;
use crate::layout::Policy;
use crate::problem::{Problem, Rule};
use crate::report::Counts;
use crate::snapshot::Snapshot;

/// The limits that keep a push from going live, besides new problems in sheets that refuse them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdmissionLimits {
    /// The most problems that one sheet may have if it quarantines them.
    pub problems: usize,
    /// The largest share of such a sheet's files that may have problems, from 0 to 1.
    pub share: f64,
    /// How much one push may change.
    pub push: PushLimits,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { problems: 1_000, share: 0.5, push: PushLimits::default() }
    }
}

/// How much one push may change. Without a limit, anything is allowed.
///
/// A step of at most [`PushLimits::ALWAYS`] records of a sheet is within every share: one of two
/// records is half of a sheet, but no accident.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PushLimits {
    /// The largest share of a sheet's records that it may remove, from 0 to 1.
    pub removed: Option<f64>,
    /// The largest share of a sheet's records that it may modify or remove, from 0 to 1.
    pub changed: Option<f64>,
    /// The most problems that it may introduce, in all sheets together.
    pub problems: Option<usize>,
}

impl PushLimits {
    /// The number of records of a sheet that a push may always change.
    pub const ALWAYS: u64 = 10;
}

/// Why the other replicas do not consent to a state. Then nothing is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// Another replica leads now.
    #[error("another replica leads now")]
    LeaderChanged,
    /// There was no answer in time. The others may have consented all the same.
    #[error("the replicas did not answer in time")]
    Unknown,
    /// The state was made in another role than the present one.
    #[error("the role of this replica changed meanwhile")]
    RoleChanged,
}

/// An exceeded push limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The sheet; `None` if all sheets are counted together.
    pub sheet: Option<SheetName>,
    /// What is counted.
    pub what: Counted,
    /// The number found.
    pub found: u64,
    /// The number allowed.
    pub allowed: u64,
}

/// What a push limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Removed records.
    Removed,
    /// Modified or removed records.
    Changed,
    /// New problems.
    Problems,
}

impl Counted {
    /// Returns the stable name that the API shows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Problems => "problems",
        }
    }
}

/// The input of admission: problems and sizes, but no records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Every problem of the state.
    pub problems: Vec<Problem>,
    /// The facts about each sheet.
    pub sheets: BTreeMap<SheetName, SheetHealth>,
    /// The files of many records, each of which may have its own problem.
    pub lists: BTreeSet<String>,
}

/// The input of admission for one sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetHealth {
    /// What problems do to a push.
    pub policy: Policy,
    /// The number of files that claim a place.
    pub claimed: usize,
    /// The number of served records.
    pub records: usize,
}

impl Health {
    /// Reads the health of `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let problems = snapshot.problems();
        let specs = snapshot.layout().sheets().map(|spec| {
            let sheet = snapshot.sheet(spec.name.as_str());
            let (claimed, records) = sheet.map_or((0, 0), |sheet| (sheet.claimed(), sheet.len()));
            (spec.name.clone(), SheetHealth { policy: spec.policy, claimed, records })
        });
        let lists = snapshot.sheets().flat_map(|sheet| sheet.tables());
        let lists = lists.map(|(path, _)| path.to_owned()).collect();
        Self { problems, sheets: specs.collect(), lists }
    }

    fn policy(&self, sheet: Option<&SheetName>) -> Policy {
        let known = sheet.and_then(|sheet| self.sheets.get(sheet));
        known.map_or(Policy::Refuse, |known| known.policy)
    }
}

/// Returns whether `snapshot` has a problem for which a push that introduced it would be refused.
/// Checks each sheet once its problems are counted.
pub fn refusable(snapshot: &Snapshot) -> bool {
    let of_sheets = snapshot.sheets().filter(|sheet| sheet.problem_count() > 0);
    let of_sheets = of_sheets.map(|sheet| Some(&sheet.spec().name));
    let of_layout = snapshot.layout().problems().map(|problem| problem.sheet.as_ref());
    any_refuses(&policies(snapshot), of_layout.chain(of_sheets))
}

/// Returns the same for the problems that the public sees.
pub fn publicly_refusable(snapshot: &Snapshot) -> bool {
    let of_sheets = snapshot.sheets().filter(|sheet| sheet.public_problem_count() > 0);
    let of_sheets = of_sheets.map(|sheet| Some(&sheet.spec().name));
    let of_layout = snapshot.public_layout_problems().map(|problem| problem.sheet.as_ref());
    any_refuses(&policies(snapshot), of_layout.chain(of_sheets))
}

fn policies(snapshot: &Snapshot) -> BTreeMap<&SheetName, Policy> {
    snapshot.layout().sheets().map(|spec| (&spec.name, spec.policy)).collect()
}

/// Returns whether one of the sheets with problems refuses them; an unknown sheet does.
fn any_refuses<'a>(
    policies: &BTreeMap<&SheetName, Policy>,
    mut broken: impl Iterator<Item = Option<&'a SheetName>>,
) -> bool {
    broken.any(|sheet| {
        let policy = sheet.and_then(|sheet| policies.get(sheet));
        *policy.unwrap_or(&Policy::Refuse) == Policy::Refuse
    })
}

/// The decision about one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It may go live.
    Admitted,
    /// It has problems that the serving state does not have, in sheets that refuse them.
    Refused(Vec<Problem>),
    /// A sheet that quarantines its problems got worse and exceeds a limit; its problems.
    OverLimit(Vec<Problem>),
    /// The step exceeds push limits; the excesses, and the new problems.
    TooMuch(Vec<Excess>, Vec<Problem>),
}

/// Decides whether the state `after` may replace `before`, from which it differs by `step`: the
/// counts of served records, by sheet.
///
/// A problem is identified by its path and rule: the same problem on another line is not new. In a
/// file of many records, a problem is new if there are more of them than before.
pub fn admit(
    before: &Health,
    after: &Health,
    step: &BTreeMap<SheetName, Counts>,
    limits: &AdmissionLimits,
) -> Admission {
    let new = new_problems(before, after);

    let refuses = |problem: &&&Problem| after.policy(problem.sheet.as_ref()) == Policy::Refuse;
    let refused: Vec<Problem> = new.iter().filter(refuses).map(|p| Problem::clone(p)).collect();
    if !refused.is_empty() {
        return Admission::Refused(refused);
    }
    let worse: BTreeSet<&SheetName> = new.iter().filter_map(|p| p.sheet.as_ref()).collect();
    let mut over = Vec::new();
    for sheet in worse {
        let of_sheet = || after.problems.iter().filter(|p| p.sheet.as_ref() == Some(sheet));
        let line = |problem: &Problem| problem.line.filter(|_| after.lists.contains(&problem.path));
        let files: BTreeSet<(&str, Option<u32>)> =
            of_sheet().map(|problem| (&*problem.path, line(problem))).collect();
        let claimed = after.sheets.get(sheet).map_or(0, |sheet| sheet.claimed);
        let too_many = of_sheet().count() > limits.problems;
        if too_many || files.len() as f64 > claimed as f64 * limits.share {
            over.extend(of_sheet().cloned());
        }
    }
    if !over.is_empty() {
        return Admission::OverLimit(over);
    }
    let excesses = limits.push.excesses(before, step, new.len());
    if excesses.is_empty() {
        return Admission::Admitted;
    }
    Admission::TooMuch(excesses, new.into_iter().cloned().collect())
}

/// Returns the problems of `after` that `before` does not have.
fn new_problems<'a>(before: &'a Health, after: &'a Health) -> Vec<&'a Problem> {
    let mut known: BTreeMap<(&'a str, Rule), usize> = BTreeMap::new();
    let mut exact: BTreeSet<&Problem> = BTreeSet::new();
    for problem in &before.problems {
        *known.entry((&problem.path, problem.rule)).or_default() += 1;
        exact.insert(problem);
    }
    let is_of_list = |problem: &Problem| after.lists.contains(&problem.path);
    // Problems that stayed where they were are not new.
    for problem in after.problems.iter().filter(|problem| is_of_list(problem)) {
        if exact.contains(problem)
            && let Some(left) = known.get_mut(&(&*problem.path, problem.rule))
        {
            *left = left.saturating_sub(1);
        }
    }
    let is_new = |problem: &&'a Problem| match known.get_mut(&(&*problem.path, problem.rule)) {
        None => true,
        Some(_) if !is_of_list(problem) || exact.contains(problem) => false,
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
    };
    after.problems.iter().filter(is_new).collect()
}

impl PushLimits {
    /// Returns the limits that the step from `before` exceeds.
    fn excesses(
        &self,
        before: &Health,
        step: &BTreeMap<SheetName, Counts>,
        new_problems: usize,
    ) -> Vec<Excess> {
        let mut found = Vec::new();
        for (sheet, counts) in step {
            let records = before.sheets.get(sheet).map_or(0, |sheet| sheet.records);
            let counted = [
                (Counted::Removed, counts.removed, self.removed),
                (Counted::Changed, counts.modified + counts.removed, self.changed),
            ];
            for (what, count, share) in counted {
                let Some(share) = share else { continue };
                let allowed = ((records as f64 * share) as u64).max(Self::ALWAYS);
                if count > allowed {
                    found.push(Excess { sheet: Some(sheet.clone()), what, found: count, allowed });
                }
            }
        }
        let (new_problems, allowed) = (new_problems as u64, self.problems.map(|n| n as u64));
        if let Some(allowed) = allowed.filter(|allowed| new_problems > *allowed) {
            let (sheet, what) = (None, Counted::Problems);
            found.push(Excess { sheet, what, found: new_problems, allowed });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use headwater_testkit::Upstream;

    use super::*;
    use crate::changes::{Base, ChangeSet, DecodeBudget};
    use crate::definitions::gather;
    use crate::layout::Layout;
    use crate::mirror::{Mirror, MirrorOptions};
    use crate::options::LoadOptions;

    fn problem(sheet: &str, path: &str, line: u32) -> Problem {
        Problem::new(&SheetName::new(sheet), path, Rule::Malformed, "broken".into())
            .at(Some(line), None)
    }

    fn health(problems: &[Problem]) -> Health {
        let sheets = [("strict", Policy::Refuse), ("loose", Policy::Quarantine)];
        Health {
            problems: problems.to_vec(),
            lists: BTreeSet::from(["loose/list.csv".into(), "strict/list.csv".into()]),
            sheets: sheets
                .map(|(name, policy)| {
                    (SheetName::new(name), SheetHealth { policy, claimed: 4, records: 100 })
                })
                .into(),
        }
    }

    fn verdict(before: &[Problem], after: &[Problem]) -> Admission {
        let limits = AdmissionLimits { problems: 2, share: 0.5, ..AdmissionLimits::default() };
        admit(&health(before), &health(after), &BTreeMap::new(), &limits)
    }

    fn verdict_on_step(counts: Counts, push: PushLimits) -> Admission {
        let limits = AdmissionLimits { push, ..AdmissionLimits::default() };
        let step = [(SheetName::new("strict"), counts)].into();
        admit(&health(&[]), &health(&[]), &step, &limits)
    }

    #[test]
    fn a_problem_more_in_a_file_of_many_records_is_news_and_a_line_that_moves_is_not() {
        let bad = |line| problem("strict", "strict/list.csv", line);
        assert_eq!(verdict(&[bad(2), bad(5)], &[bad(3), bad(6)]), Admission::Admitted);
        assert_eq!(verdict(&[bad(2), bad(5)], &[bad(3)]), Admission::Admitted);
        let more = verdict(&[bad(5)], &[bad(3), bad(5)]);
        assert_eq!(more, Admission::Refused(vec![bad(3)]), "the unchanged one is not reported");
        let loose = |line| problem("loose", "loose/list.csv", line);
        let over = verdict(&[], &[loose(1), loose(2), loose(3)]);
        assert!(matches!(over, Admission::OverLimit(problems) if problems.len() == 3));
    }

    #[test]
    fn the_health_of_a_state_is_its_problems_and_the_size_of_each_sheet() {
        let mut upstream = Upstream::new();
        let definitions = "[sheets.strict]\npolicy = \"refuse\"\n[sheets.loose]\n\
                           policy = \"quarantine\"\n";
        let commit = upstream.commit("first").put("headwater.toml", definitions);
        let commit = commit.put("strict/a.toml", "n = 1").put("strict/b.toml", "n = 2");
        let commit = commit.put("loose/c.toml", "n = 3").put("loose/broken.toml", "n =").push();
        let objects = Mirror::open(upstream.path(), MirrorOptions::default()).unwrap();
        let objects = objects.objects().unwrap();
        let commit = commit.parse().unwrap();
        let tree = objects.commit(commit).unwrap().tree;
        let layout = Layout::read(&gather(&objects, tree, None).unwrap());
        let paths = objects.diff(None, Some(tree)).unwrap().into();
        let changes = ChangeSet::read(
            &objects,
            &layout,
            &paths,
            Base::NOTHING,
            None,
            &LoadOptions::default(),
            &DecodeBudget::default(),
        )
        .unwrap();
        let draft = Snapshot::empty().apply(commit, layout, changes);
        let health = Health::of(draft.state());
        let sheet = |policy, claimed, records| SheetHealth { policy, claimed, records };
        let expected = [
            (SheetName::new("loose"), sheet(Policy::Quarantine, 2, 1)),
            (SheetName::new("strict"), sheet(Policy::Refuse, 2, 2)),
        ];
        assert_eq!(health.sheets, expected.into());
        assert_eq!(health.problems.len(), 1);
        assert_eq!(&*health.problems[0].path, "loose/broken.toml");
        assert!(!refusable(draft.state()) && !publicly_refusable(draft.state()));
    }

    #[test]
    fn only_a_problem_of_a_strict_sheet_would_have_refused_a_push() {
        let [loose, strict, unknown] = ["loose", "strict", "unknown"].map(SheetName::new);
        let policies = [(&loose, Policy::Quarantine), (&strict, Policy::Refuse)].into();
        for (broken, expected) in [
            (vec![], false),
            (vec![Some(&loose)], false),
            (vec![Some(&loose), Some(&strict)], true),
            (vec![Some(&unknown)], true),
            (vec![None], true),
        ] {
            let refuses = any_refuses(&policies, broken.iter().copied());
            assert_eq!(refuses, expected, "{broken:?}");
        }
    }

    #[test]
    fn what_is_counted_has_a_name() {
        let names = [Counted::Removed, Counted::Changed, Counted::Problems].map(Counted::as_str);
        assert_eq!(names, ["removed", "changed", "problems"]);
    }

    #[test]
    fn a_new_problem_in_a_strict_sheet_refuses_the_push_and_an_old_one_does_not() {
        let (a, b) = (problem("strict", "a", 1), problem("strict", "b", 1));
        assert_eq!(verdict(&[], std::slice::from_ref(&a)), Admission::Refused(vec![a.clone()]));
        let before = [a.clone()];
        assert_eq!(verdict(&before, &[problem("strict", "a", 9)]), Admission::Admitted);
        assert_eq!(verdict(&before, &[a, b.clone()]), Admission::Refused(vec![b]));
    }

    #[test]
    fn a_problem_of_no_sheet_refuses_the_push() {
        let mut broken = problem("strict", "headwater.toml", 1);
        broken.sheet = None;
        assert_eq!(verdict(&[], std::slice::from_ref(&broken)), Admission::Refused(vec![broken]));
    }

    #[test]
    fn a_quarantining_sheet_goes_live_until_it_is_worse_and_above_a_limit() {
        let [a, b, c] = ["a", "b", "c"].map(|path| problem("loose", path, 1));
        assert_eq!(verdict(&[], &[a.clone(), b.clone()]), Admission::Admitted);
        let all = [a.clone(), b.clone(), c];
        assert_eq!(verdict(&[a, b], &all), Admission::OverLimit(all.to_vec()));
        assert_eq!(verdict(&all, &all), Admission::Admitted, "it already exceeded the limit");
    }

    #[test]
    fn either_limit_alone_keeps_a_sheet_that_got_worse_from_going_live() {
        let broken: Vec<Problem> = ["a", "b", "c"].map(|path| problem("loose", path, 1)).into();
        let verdict = |problems, share, count: usize| {
            let limits = AdmissionLimits { problems, share, ..AdmissionLimits::default() };
            admit(&health(&[]), &health(&broken[..count]), &BTreeMap::new(), &limits)
        };
        assert_eq!(verdict(1_000, 0.5, 2), Admission::Admitted, "half of four files");
        assert_eq!(verdict(1_000, 0.5, 3), Admission::OverLimit(broken.clone()));
        assert_eq!(verdict(2, 1.0, 2), Admission::Admitted);
        assert_eq!(verdict(2, 1.0, 3), Admission::OverLimit(broken.clone()));
    }

    #[test]
    fn the_share_is_of_files_whatever_number_of_problems_each_has() {
        let rules = [Rule::Malformed, Rule::TooLarge, Rule::TooDeep];
        let many: Vec<Problem> = rules
            .map(|rule| Problem::new(&SheetName::new("loose"), "a", rule, String::new()))
            .into();
        let limits = AdmissionLimits {
            problems: 3,
            share: 0.25,
            push: PushLimits { problems: Some(3), ..PushLimits::default() },
        };
        let step = BTreeMap::new();
        assert_eq!(admit(&health(&[]), &health(&many), &step, &limits), Admission::Admitted);
    }

    #[test]
    fn a_push_may_remove_as_large_a_share_as_its_limit_says() {
        let limits = PushLimits { removed: Some(0.2), ..PushLimits::default() };
        let removing = |removed| Counts { removed, modified: 90, added: 90 };
        assert_eq!(verdict_on_step(removing(20), limits), Admission::Admitted);
        let excess = Excess {
            sheet: Some(SheetName::new("strict")),
            what: Counted::Removed,
            found: 21,
            allowed: 20,
        };
        assert_eq!(verdict_on_step(removing(21), limits), Admission::TooMuch(vec![excess], vec![]));
    }

    #[test]
    fn what_a_push_modifies_and_removes_counts_as_changed_and_what_it_adds_does_not() {
        let limits = PushLimits { changed: Some(0.3), ..PushLimits::default() };
        let counts = |modified| Counts { removed: 10, modified, added: 1_000 };
        assert_eq!(verdict_on_step(counts(20), limits), Admission::Admitted);
        let Admission::TooMuch(excesses, _) = verdict_on_step(counts(21), limits) else { panic!() };
        assert_eq!((excesses[0].what, excesses[0].found), (Counted::Changed, 31));
    }

    #[test]
    fn a_few_records_may_always_change() {
        let limits = PushLimits { removed: Some(0.0), changed: Some(0.0), problems: None };
        let removing = |removed| Counts { removed, ..Counts::default() };
        assert_eq!(verdict_on_step(removing(PushLimits::ALWAYS), limits), Admission::Admitted);
        let Admission::TooMuch(excesses, _) = verdict_on_step(removing(11), limits) else {
            panic!()
        };
        assert_eq!(excesses.len(), 2, "both limits are reported");
    }

    #[test]
    fn a_push_brings_as_many_problems_as_its_limit_says() {
        let [a, b] = ["a", "b"].map(|path| problem("loose", path, 1));
        let push = PushLimits { problems: Some(1), ..PushLimits::default() };
        let limits = AdmissionLimits { push, ..AdmissionLimits::default() };
        let admit = |before: &[Problem], after: &[Problem]| {
            admit(&health(before), &health(after), &BTreeMap::new(), &limits)
        };
        assert_eq!(admit(&[], std::slice::from_ref(&a)), Admission::Admitted);
        let both = [a.clone(), b];
        assert_eq!(admit(&[a], &both), Admission::Admitted, "one of them is not new");
        let excess = Excess { sheet: None, what: Counted::Problems, found: 2, allowed: 1 };
        assert_eq!(admit(&[], &both), Admission::TooMuch(vec![excess], both.to_vec()));
    }
}
