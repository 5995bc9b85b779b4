//! Problems, as `_problems`, refusals and alerts show them.

use headwater_engine::problem::Problem;
use headwater_engine::snapshot::Snapshot;
use serde::Serialize;

/// One problem.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemView {
    sheet: Option<String>,
    /// The key of the record that the file is, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
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
            key: None,
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
    /// Returns the view of a page of `total` problems of `snapshot`, and the cursor of the next one.
    pub fn of(snapshot: &Snapshot, page: &[Problem], total: usize, next: Option<String>) -> Self {
        let view =
            |problem| ProblemView { key: key_of(snapshot, problem), ..ProblemView::of(problem) };
        Self { items: page.iter().map(view).collect(), total, next }
    }
}

/// Returns the key of the record that a file is, or would be without its problem; `None` if it holds many, or
/// if it belongs to no sheet.
fn key_of(snapshot: &Snapshot, problem: &Problem) -> Option<String> {
    let sheet = snapshot.sheet(problem.sheet.as_ref()?.as_str())?;
    let is_of_many = sheet.spec().is_listed() || sheet.table(&problem.path).is_some();
    let claims = snapshot.layout().claims(problem.path.as_bytes());
    let claim = claims.into_iter().find(|claim| claim.sheet.name == sheet.spec().name);
    claim.filter(|_| !is_of_many).map(|claim| claim.key.to_string())
}
