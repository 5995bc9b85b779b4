//! Counts and groups as the rows of a table; the first row names the columns.

use std::borrow::Cow;

use headwater_engine::query::{Facet, Group, ListQuery, Sum};
use headwater_engine::scalar::Scalar;

/// A row, cell by cell.
type Row = Vec<Cow<'static, str>>;

/// Returns a row for each counted value.
pub fn counted_rows(facets: &[Facet]) -> Vec<Row> {
    let head = ["field", "value", "count"].map(Cow::Borrowed).to_vec();
    let row = |name: &str, (value, count): &(Scalar, usize)| {
        vec![Cow::Owned(name.to_owned()), cell(value), Cow::Owned(count.to_string())]
    };
    let rows =
        facets.iter().flat_map(|it| it.values.iter().map(move |counted| row(&it.name, counted)));
    [head].into_iter().chain(rows).collect()
}

/// Returns a row for each group: its values, its count, and the figures of each field.
pub fn group_rows(query: &ListQuery, groups: &[Group]) -> Vec<Row> {
    let figures = ["count", "distinct", "min", "max", "sum", "mean"];
    let names = query.figured().flat_map(|name| figures.map(|figure| format!("{figure}({name})")));
    let head = query.grouped_by().map(str::to_owned).chain(["count".to_owned()]).chain(names);
    let row = |group: &Group| {
        let mut row: Row = group.by.iter().map(cell).collect();
        row.push(Cow::Owned(group.count.to_string()));
        for stats in &group.stats {
            let side = |value: &Option<Scalar>| value.as_ref().map(cell).unwrap_or_default();
            let sum = stats.sum.map(|sum| match sum {
                Sum::Whole(whole) => whole.to_string(),
                Sum::Real(real) => real.to_string(),
            });
            let mean = stats.mean.map(|mean| mean.to_string());
            row.extend([stats.count, stats.distinct].map(|count| Cow::Owned(count.to_string())));
            row.extend([side(&stats.min), side(&stats.max)]);
            row.extend([sum, mean].map(|figure| Cow::Owned(figure.unwrap_or_default())));
        }
        row
    };
    [head.map(Cow::Owned).collect()].into_iter().chain(groups.iter().map(row)).collect()
}

/// Returns the cell of a value: text as it is, nothing for null, anything else as JSON.
fn cell(scalar: &Scalar) -> Cow<'static, str> {
    Cow::Owned(match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::String(text) => text.to_string(),
        Scalar::Timestamp(text) => text.as_str().to_owned(),
        Scalar::Other(text) if **text == *"null" => String::new(),
        Scalar::Other(text) => text.to_string(),
    })
}
