//! Lists. Values are copied as the text that they are, without being parsed.

use std::sync::Arc;

use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::query::{Facet, Included, ListQuery, Page, Paging};
use headwater_engine::record::Record;
use headwater_engine::scalar::{Number, Scalar};
use headwater_engine::snapshot::Snapshot;

use super::quoted::quoted;
use super::search::corrected;

/// Writes the answer to a list, with the records that it refers to where they are asked for.
///
/// # Errors
/// [`TooCostly`] where `budget` is used up.
pub fn page(
    snapshot: &Snapshot,
    query: &ListQuery,
    page: &Page,
    included: Option<&Included>,
    budget: &Budget,
) -> Result<String, TooCostly> {
    let size: usize = page.items.iter().map(|record| record.value.as_str().len() + 64).sum();
    let mut out = String::with_capacity(size + included.map_or(0, room) + 256);
    out.push_str("{\"items\":[");
    let affordable = |record: &&Arc<Record>| budget.spend(record.value.as_str().len());
    for (at, record) in page.items.iter().take_while(affordable).enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        item(query, record, &mut out);
    }
    out.push(']');
    match query.paging() {
        Paging::Page { page, per_page } => {
            out.push_str(&format!(",\"page\":{page},\"perPage\":{per_page}"));
        }
        Paging::Cursor { limit, .. } => {
            let next = page.next.as_deref().map_or_else(|| "null".to_owned(), quoted);
            out.push_str(&format!(",\"limit\":{limit},\"next\":{next}"));
        }
    }
    out.push_str(&format!(",\"total\":{}", page.total));
    if let Some(skipped) = page.skipped {
        out.push_str(&format!(",\"skipped\":{skipped}"));
    }
    if let Some(present) = query.present() {
        out.push_str(&format!(",\"now\":\"{}\"", present.moment.text()));
    }
    out.push_str(&corrected(snapshot, &page.corrections));
    if !page.facets.is_empty() {
        out.push_str(",\"facets\":{");
        for (at, counted) in page.facets.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            facet(counted, &mut out);
        }
        out.push('}');
        let more = page.facets.iter().filter(|facet| facet.more > 0);
        let more = more.map(|facet| format!("{}:{}", quoted(facet.field.as_str()), facet.more));
        let more: Vec<_> = more.collect();
        if !more.is_empty() {
            out.push_str(&format!(",\"more\":{{{}}}", more.join(",")));
        }
    }
    if let Some(included) = included {
        beside(included, &mut out, budget);
    }
    out.push('}');
    budget.check().map(|()| out)
}

/// Writes a record with those that it refers to.
///
/// # Errors
/// [`TooCostly`] where `budget` is used up.
pub fn record_with(
    record: &Record,
    included: &Included,
    budget: &Budget,
) -> Result<String, TooCostly> {
    let mut out = String::with_capacity(record.value.as_str().len() + room(included) + 256);
    out.push_str(&format!("{{\"key\":{},\"value\":", quoted(record.key.as_str())));
    out.push_str(record.value.as_str());
    beside(included, &mut out, budget);
    out.push('}');
    budget.check().map(|()| out)
}

/// Writes a record as a line of its own.
pub fn line(query: &ListQuery, record: &Record, out: &mut String) {
    item(query, record, out);
    out.push('\n');
}

/// Returns about how many bytes [`beside`] writes.
fn room(included: &Included) -> usize {
    let records: usize = included.records.values().map(|records| records.len()).sum();
    included.bytes + 8 * records + 64
}

/// Writes the members for what is referred to.
fn beside(included: &Included, out: &mut String, budget: &Budget) {
    out.push_str(",\"included\":{");
    for (at, (sheet, records)) in included.records.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&quoted(sheet.as_str()));
        out.push_str(":{");
        let affordable =
            |(_, record): &(_, &Arc<Record>)| budget.spend(record.value.as_str().len());
        for (at, (key, record)) in records.iter().take_while(affordable).enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            out.push_str(&quoted(key.as_str()));
            out.push(':');
            out.push_str(record.value.as_str());
        }
        out.push('}');
    }
    out.push('}');
    if included.is_cut {
        out.push_str(",\"includedCut\":true");
    }
}

fn item(query: &ListQuery, record: &Record, out: &mut String) {
    out.push_str("{\"key\":");
    out.push_str(&quoted(record.key.as_str()));
    out.push_str(",\"value\":");
    match query.fields() {
        Some(projection) => out.push_str(&projection.apply(&record.value)),
        None => out.push_str(record.value.as_str()),
    }
    out.push('}');
}

fn facet(facet: &Facet, out: &mut String) {
    out.push_str(&quoted(facet.field.as_str()));
    out.push_str(":[");
    for (at, (value, count)) in facet.values.iter().enumerate() {
        out.push_str(if at > 0 { ",{\"value\":" } else { "{\"value\":" });
        out.push_str(&scalar(value));
        out.push_str(&format!(",\"count\":{count}}}"));
    }
    out.push(']');
}

fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(Number::Negative(integer)) => integer.to_string(),
        Scalar::Number(Number::Natural(integer)) => integer.to_string(),
        Scalar::Number(Number::Float(float)) => serde_json::Value::from(*float).to_string(),
        Scalar::String(text) | Scalar::Moment(_, text) => quoted(text),
        Scalar::Other(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::value::FieldPath;
    use serde_json::json;

    #[test]
    fn a_facet_keeps_the_kinds_of_its_values() {
        let number = |text| Scalar::Number(Number::parse(text).unwrap());
        let values = vec![
            (Scalar::Bool(true), 3),
            (number("1"), 2),
            (number("1.5"), 2),
            (Scalar::string("a\"b"), 1),
        ];
        let mut text = String::new();
        facet(&Facet { field: FieldPath::new("a.b"), values, more: 0 }, &mut text);
        let json: serde_json::Value = serde_json::from_str(&format!("{{{text}}}")).unwrap();
        let values: Vec<_> =
            json["a.b"].as_array().unwrap().iter().map(|entry| &entry["value"]).collect();
        assert_eq!(values, [&json!(true), &json!(1), &json!(1.5), &json!("a\"b")]);
    }
}
