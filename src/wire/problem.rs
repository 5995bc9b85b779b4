//! Problems, as `_problems`, refusals and alerts show them.

use headwater_engine::problem::Problem;
use headwater_engine::snapshot::Snapshot;
use serde::Serialize;

/// One problem.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemView {
    sheet: Option<String>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    rule: &'static str,
    message: String,
}

impl ProblemView {
    /// Returns the view of `problem`.
    pub fn of(problem: &Problem) -> Self {
        Self {
            sheet: problem.sheet.as_ref().map(ToString::to_string),
            path: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            pointer: problem.pointer.clone(),
            rule: problem.rule.as_str(),
            message: problem.message.clone(),
        }
    }
}

/// The answer of `_problems`.
#[derive(Debug, Serialize)]
pub struct ProblemsView {
    items: Vec<ProblemView>,
    total: usize,
}

impl ProblemsView {
    /// Returns the view of the problems that the public may know of.
    pub fn of(snapshot: &Snapshot) -> Self {
        let problems = snapshot.public_problems();
        let items: Vec<_> = problems.iter().map(ProblemView::of).collect();
        Self { total: items.len(), items }
    }
}
