//! Lists. Values are copied as text, without being parsed.

use headwater_engine::budget::{Budget, TooCostly};
use headwater_engine::query::{Facet, Group, Included, Item, ListQuery, Page, Paging, Stats, Sum};
use headwater_engine::record::Record;
use headwater_engine::scalar::Scalar;
use headwater_engine::snapshot::Snapshot;

use super::included::{beside, room};
use super::json_string::quoted;
use super::search::{corrected, relaxed};

/// Writes the answer to a list, with the included records if the caller asks for them.
///
/// # Errors
/// [`TooCostly`] if `budget` is used up.
pub fn page(
    snapshot: &Snapshot,
    query: &ListQuery,
    page: &Page,
    included: Option<&Included>,
    budget: &Budget,
) -> Result<String, TooCostly> {
    let size: usize = page.items.iter().map(|item| item.value().text().len() + 64).sum();
    let mut out = String::with_capacity(size + included.map_or(0, room) + 256);
    if let Some(groups) = &page.groups {
        out.push_str("{\"groups\":[");
        for (at, counted) in groups.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            group(query, counted, &mut out);
        }
    } else {
        out.push_str("{\"items\":[");
        let affordable = |item: &&Item| budget.spend(item.value().text().len());
        for (at, shown) in page.items.iter().take_while(affordable).enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            item(query, shown, &mut out);
        }
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
    out.push_str(relaxed(page.relaxed));
    if let Some(now) = query.now() {
        out.push_str(&format!(",\"now\":\"{}\"", now.text()));
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
        let more = more.map(|facet| format!("{}:{}", quoted(&facet.name), facet.more));
        let more: Vec<_> = more.collect();
        if !more.is_empty() {
            out.push_str(&format!(",\"more\":{{{}}}", more.join(",")));
        }
    }
    figures(&page.stats, &mut out);
    if let Some(included) = included {
        beside(included, &mut out, budget);
    }
    out.push('}');
    budget.check().map(|()| out)
}

/// Writes a record with those that it refers to.
///
/// # Errors
/// [`TooCostly`] if `budget` is used up.
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

/// Writes an item as a line of its own.
pub fn line(query: &ListQuery, shown: &Item, out: &mut String) {
    item(query, shown, out);
    out.push('\n');
}

/// Writes a group.
pub fn group(query: &ListQuery, group: &Group, out: &mut String) {
    out.push_str("{\"by\":{");
    for (at, (name, value)) in query.grouped_by().zip(&group.by).enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        out.push_str(&format!("{}:{}", quoted(name), scalar(value)));
    }
    out.push_str(&format!("}},\"count\":{}", group.count));
    figures(&group.stats, out);
    out.push('}');
}

/// Writes the member with the figures of fields, if there are any.
fn figures(all: &[Stats], out: &mut String) {
    let told = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    let real = |real: f64| serde_json::Value::from(real).to_string();
    let stats = all.iter().map(|Stats { name, count, distinct, min, max, sum, mean }| {
        let sum = sum.map(|sum| match sum {
            Sum::Whole(whole) => whole.to_string(),
            Sum::Real(sum) => real(sum),
        });
        format!(
            "{}:{{\"count\":{count},\"distinct\":{distinct},\"min\":{},\"max\":{},\"sum\":{},\"mean\":{}}}",
            quoted(name),
            told(min.as_ref().map(scalar)),
            told(max.as_ref().map(scalar)),
            told(sum),
            told(mean.map(real)),
        )
    });
    let stats: Vec<String> = stats.collect();
    if !stats.is_empty() {
        out.push_str(&format!(",\"stats\":{{{}}}", stats.join(",")));
    }
}

fn item(query: &ListQuery, item: &Item, out: &mut String) {
    out.push_str("{\"key\":");
    out.push_str(&quoted(item.record.key.as_str()));
    if let Some(element) = &item.element {
        out.push_str(&format!(",\"at\":{}", quoted(&element.at)));
    }
    out.push_str(",\"value\":");
    match query.fields() {
        Some(projection) => out.push_str(&item.shown(projection)),
        None => out.push_str(item.value().text()),
    }
    out.push('}');
}

fn facet(facet: &Facet, out: &mut String) {
    out.push_str(&quoted(&facet.name));
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
        Scalar::Number(number) => number.to_string(),
        Scalar::String(text) => quoted(text),
        Scalar::Timestamp(text) => quoted(text.as_str()),
        Scalar::Other(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::scalar::Number;
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
        facet(&Facet { name: "a.b".into(), values, more: 0 }, &mut text);
        let json: serde_json::Value = serde_json::from_str(&format!("{{{text}}}")).unwrap();
        let values: Vec<_> =
            json["a.b"].as_array().unwrap().iter().map(|entry| &entry["value"]).collect();
        assert_eq!(values, [&json!(true), &json!(1), &json!(1.5), &json!("a\"b")]);
    }
}
