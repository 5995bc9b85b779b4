//! The problems of a state: their number, a page of them, and those that an earlier state lacks,
//! all without listing every problem.

use std::sync::Arc;

use super::Snapshot;
use crate::problem::Problem;

impl Snapshot {
    /// Returns the number of [`Self::problems`]. Visits each sheet, once the problems of the sheets
    /// are counted.
    pub fn problem_count(&self) -> usize {
        let of_sheets: usize = self.sheets().map(|sheet| sheet.problem_count()).sum();
        self.layout.problems().count() + of_sheets
    }

    /// Returns the number of [`Self::public_problems`], at the same cost.
    pub fn public_problem_count(&self) -> usize {
        let of_sheets: usize = self.sheets().map(|sheet| sheet.public_problem_count()).sum();
        self.public_layout_problems().count() + of_sheets
    }

    /// Returns up to `limit` of the [`Self::public_problems`], after the first `skip`. Sorts those
    /// of each sheet once; after that it costs what it returns, plus a visit to each sheet.
    pub fn public_problems_page(&self, skip: usize, limit: usize) -> Vec<Problem> {
        let mut of_layout: Vec<&Problem> = self.public_layout_problems().collect();
        of_layout.sort_unstable();
        let of_sheets: Vec<_> = self.sheets().map(|sheet| sheet.public_problem_list()).collect();
        page(&of_layout, &of_sheets, skip, limit)
    }

    /// Lists the problems that an earlier state with the same layout does not have, in order. Costs
    /// as much as the problems of the sheets that differ.
    pub(crate) fn problems_since(&self, before: &Self) -> Vec<Problem> {
        let mut found = Vec::new();
        for (name, sheet) in &self.sheets {
            match before.sheets.get(name) {
                Some(old) if Arc::ptr_eq(old, sheet) => {}
                Some(old) => found.extend(sheet.problems_since(old)),
                None => found.extend(sheet.problems()),
            }
        }
        found
    }
}

/// Returns a page of `some` and `others` merged in order. Each is sorted, and so is the
/// concatenation of the parts of `others`.
fn page(some: &[&Problem], others: &[Arc<[Problem]>], skip: usize, limit: usize) -> Vec<Problem> {
    let before = |one: &Problem| -> usize {
        others.iter().map(|part| part.partition_point(|other| other < one)).sum()
    };
    // The position of each of `some` in the merged list.
    let places = some.iter().enumerate().map(|(at, one)| at + before(one));
    let passed = places.take_while(|place| *place < skip).count();
    let mut left = skip - passed;
    let mut rest = Vec::new();
    for part in others {
        let from = left.min(part.len());
        left -= from;
        rest.push(&part[from..]);
    }
    let mut others = rest.into_iter().flatten().peekable();
    let mut some = some[passed..].iter().copied().peekable();
    let next = || match (some.peek(), others.peek()) {
        (Some(one), Some(other)) if one <= other => some.next(),
        (Some(_), None) => some.next(),
        _ => others.next(),
    };
    std::iter::from_fn(next).take(limit).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SheetName;
    use crate::problem::Rule;

    #[test]
    fn the_pages_together_are_the_whole_in_order() {
        let problem = |sheet: &str, path: &str| {
            Problem::new(&SheetName::new(sheet), path, Rule::Malformed, String::new())
        };
        let some = [problem("a", "a.toml"), problem("b", "m"), problem("z", "z")];
        let some: Vec<&Problem> = some.iter().collect();
        let others: Vec<Arc<[Problem]>> = vec![
            [problem("a", "a/1"), problem("a", "a/2")].into(),
            [].into(),
            [problem("b", "b/1"), problem("b", "m"), problem("b", "z/1")].into(),
        ];
        let mut whole: Vec<Problem> = others.iter().flat_map(|part| part.iter().cloned()).collect();
        whole.extend(some.iter().copied().cloned());
        whole.sort_unstable();
        for limit in 1..=whole.len() + 1 {
            let starts = (0..whole.len()).step_by(limit);
            let pages = starts.flat_map(|skip| page(&some, &others, skip, limit));
            assert_eq!(pages.collect::<Vec<_>>(), whole, "{limit}");
        }
        assert!(page(&some, &others, whole.len(), 9).is_empty());
        assert!(page(&[], &[], 0, 9).is_empty());
    }
}
