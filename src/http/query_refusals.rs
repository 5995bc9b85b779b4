//! Explains why queries are refused.

use headwater_engine::budget::TooCostly;
use headwater_engine::query::{ListError, ListQuery, LongValue, QueryProblem};
use headwater_engine::search::SearchError;
use headwater_engine::sheet::Sheet;

use super::parameters::wrong;
use crate::wire::{ApiError, Code, FieldError};

/// Reports what is wrong with each parameter.
pub(super) fn refused(problems: Vec<QueryProblem>) -> ApiError {
    let told = |QueryProblem { parameter, message }| FieldError::of_parameter(parameter, message);
    ApiError::listing(Code::InvalidQuery, problems.into_iter().map(told).collect())
}

/// Reports for a list that is too costly what it would read record by record.
pub(super) fn list_failed(error: ListError, query: &ListQuery, sheet: &Sheet) -> ApiError {
    let error = match error {
        ListError::Search(error) => error,
        ListError::Facet(error) => return wrong(counting(&error, query), error.to_string()),
    };
    let fields: Vec<_> = query.unindexed(sheet).iter().map(|field| format!("`{field}`")).collect();
    match error {
        SearchError::TooCostly(_) if !fields.is_empty() => {
            let (fields, name) = (fields.join(", "), &sheet.spec().name);
            let detail =
                format!("no index of {name} covers {fields}, so every record would be read");
            ApiError::explained(Code::TooCostly, detail)
        }
        error => search_failed(error),
    }
}

/// Returns the parameter with a field whose values are too long to be counted.
fn counting(error: &LongValue, query: &ListQuery) -> &'static str {
    let is_grouped = query.grouped_by().any(|name| *name == *error.name);
    if is_grouped { "groupBy" } else { "facets" }
}

/// Reports that the budget of an answer is used up.
pub(super) fn too_costly(_: TooCostly) -> ApiError {
    Code::TooCostly.into()
}

/// A query that cannot be answered is the caller's error; everything else is ours.
pub(super) fn search_failed(error: SearchError) -> ApiError {
    match error {
        SearchError::Query(error) => wrong("q", error.to_string()),
        SearchError::TooCostly(error) => too_costly(error),
        error => ApiError::caused_by(Code::Internal, &error),
    }
}
