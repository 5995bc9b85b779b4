//! Problems, as `_problems`, refusals and alerts show them.

use headwater_engine::problem::Problem;
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
            pointer: problem.pointer.clone().map(String::from),
            rule: problem.rule.as_str(),
            message: problem.message.clone(),
        }
    }
}

/// A page of `_problems`.
#[derive(Debug, Serialize)]
pub struct ProblemsView {
    items: Vec<ProblemView>,
    /// The number of problems on all pages.
    total: usize,
    /// The cursor of the next page.
    next: Option<String>,
}

impl ProblemsView {
    /// Returns the view of a page of `total` problems, and the cursor of the next one.
    pub fn of(page: &[Problem], total: usize, next: Option<String>) -> Self {
        Self { items: page.iter().map(ProblemView::of).collect(), total, next }
    }
}
