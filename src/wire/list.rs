//! Lists. Values are copied as the text that they are, without being parsed.

use headwater_engine::query::{Facet, Included, ListQuery, Page, Paging};
use headwater_engine::record::Record;
use headwater_engine::scalar::{Number, Scalar};
use headwater_engine::snapshot::Snapshot;

use super::quoted::quoted;
use super::search::corrected;

/// Writes the answer to a list, with the records that it refers to where they are asked for.
pub fn page(
    snapshot: &Snapshot,
    query: &ListQuery,
    page: &Page,
    included: Option<&Included>,
) -> String {
    let size: usize = page.items.iter().map(|record| record.value.as_str().len() + 64).sum();
    let mut out = String::with_capacity(size + 256);
    out.push_str("{\"items\":[");
    for (at, record) in page.items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
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
    out.push_str(&corrected(snapshot, &page.corrections));
    if !page.facets.is_empty() {
        let facets: Vec<_> = page.facets.iter().map(facet).collect();
        out.push_str(&format!(",\"facets\":{{{}}}", facets.join(",")));
        let more = page.facets.iter().filter(|facet| facet.more > 0);
        let more = more.map(|facet| format!("{}:{}", quoted(facet.field.as_str()), facet.more));
        let more: Vec<_> = more.collect();
        if !more.is_empty() {
            out.push_str(&format!(",\"more\":{{{}}}", more.join(",")));
        }
    }
    if let Some(included) = included {
        beside(included, &mut out);
    }
    out.push('}');
    out
}

/// Writes a record with those that it refers to.
pub fn record_with(record: &Record, included: &Included) -> String {
    let mut out =
        format!("{{\"key\":{},\"value\":{}", quoted(record.key.as_str()), record.value.as_str());
    beside(included, &mut out);
    out.push('}');
    out
}

/// Writes a record as a line of its own.
pub fn line(query: &ListQuery, record: &Record, out: &mut String) {
    item(query, record, out);
    out.push('\n');
}

/// Writes the members for what is referred to.
fn beside(included: &Included, out: &mut String) {
    let sheets = included.records.iter().map(|(sheet, records)| {
        let records = records.iter();
        let records = records
            .map(|(key, record)| format!("{}:{}", quoted(key.as_str()), record.value.as_str()));
        let records: Vec<_> = records.collect();
        format!("{}:{{{}}}", quoted(sheet.as_str()), records.join(","))
    });
    let sheets: Vec<_> = sheets.collect();
    out.push_str(&format!(",\"included\":{{{}}}", sheets.join(",")));
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

fn facet(facet: &Facet) -> String {
    let values = facet.values.iter();
    let values =
        values.map(|(value, count)| format!("{{\"value\":{},\"count\":{count}}}", scalar(value)));
    let values: Vec<_> = values.collect();
    format!("{}:[{}]", quoted(facet.field.as_str()), values.join(","))
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
        let text = facet(&Facet { field: FieldPath::new("a.b"), values, more: 0 });
        let json: serde_json::Value = serde_json::from_str(&format!("{{{text}}}")).unwrap();
        let values: Vec<_> =
            json["a.b"].as_array().unwrap().iter().map(|entry| &entry["value"]).collect();
        assert_eq!(values, [&json!(true), &json!(1), &json!(1.5), &json!("a\"b")]);
    }
}
