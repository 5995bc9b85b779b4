//! How the lists of a record are sorted when it is written: `gitsheet.fields.<field>.sort`.

use serde_json::{Map, Value};

/// The order of the elements of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortRule {
    /// By collation: case, accents and punctuation are ignored, and a number counts as a whole.
    Collated,
    /// By these fields of the elements, one after another.
    By(Vec<SortField>),
    /// By JavaScript, which is not evaluated: such a list cannot be written.
    Script,
}

/// One field that elements are compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortField {
    /// Its name.
    pub name: String,
    /// Whether greater values come first.
    pub descending: bool,
}

/// Reads the rules of a `[gitsheet]` table, by field name.
///
/// # Errors
///
/// Returns one sentence for each rule that cannot be used.
pub(super) fn rules(sheet: &Map<String, Value>) -> Result<Vec<(String, SortRule)>, Vec<String>> {
    let fields = match sheet.get("fields") {
        None => return Ok(Vec::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(vec!["gitsheet.fields must be a table".into()]),
    };
    let (mut rules, mut wrong) = (Vec::new(), Vec::new());
    for (name, field) in fields {
        match field.get("sort").map(rule) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(rule))) => rules.push((name.clone(), rule)),
            Some(Err(NoRule)) => wrong.push(format!(
                "gitsheet.fields.{name}.sort must be true, a list of fields, or ASC and DESC"
            )),
        }
    }
    if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
}

struct NoRule;

/// Reads one rule; `None` keeps the existing order.
fn rule(sort: &Value) -> Result<Option<SortRule>, NoRule> {
    let ascending = |name: &str| SortField { name: name.to_owned(), descending: false };
    let rule = match sort {
        Value::Bool(false) => return Ok(None),
        Value::Bool(true) => SortRule::Collated,
        // An empty script swaps nothing.
        Value::String(script) if script.is_empty() => return Ok(None),
        Value::String(_) => SortRule::Script,
        Value::Array(names) => {
            let fields = names.iter().map(|name| name.as_str().map(ascending).ok_or(NoRule));
            SortRule::By(fields.collect::<Result<_, _>>()?)
        }
        // The keys of a table are sorted, as in gitsheets, so the order in which they were written
        // is lost.
        Value::Object(directions) => {
            let fields = directions.iter().map(|(name, direction)| match direction.as_str() {
                Some("ASC") => Ok(ascending(name)),
                Some("DESC") => Ok(SortField { descending: true, ..ascending(name) }),
                _ => Err(NoRule),
            });
            SortRule::By(fields.collect::<Result<_, _>>()?)
        }
        Value::Null | Value::Number(_) => return Err(NoRule),
    };
    Ok(Some(rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(sort: Value) -> Option<Option<SortRule>> {
        rule(&sort).ok()
    }

    #[test]
    fn a_rule_is_a_collation_fields_a_script_or_nothing() {
        let by = |fields: &[(&str, bool)]| {
            let field = |(name, descending): &(&str, bool)| SortField {
                name: (*name).to_owned(),
                descending: *descending,
            };
            Some(Some(SortRule::By(fields.iter().map(field).collect())))
        };
        assert_eq!(read(json!(false)), Some(None));
        assert_eq!(read(json!("")), Some(None));
        assert_eq!(read(json!(true)), Some(Some(SortRule::Collated)));
        assert_eq!(read(json!("return a - b")), Some(Some(SortRule::Script)));
        assert_eq!(read(json!(["b", "a"])), by(&[("b", false), ("a", false)]));
        // A table has no order of its own.
        let table: Value = serde_json::from_str(r#"{"b": "DESC", "a": "ASC"}"#).unwrap();
        assert_eq!(read(table), by(&[("a", false), ("b", true)]));
    }

    #[test]
    fn what_is_no_rule_is_told_by_its_field() {
        for sort in [json!(1), json!([1]), json!({"a": "asc"}), json!({"a": 1})] {
            let sheet = json!({"fields": {"x": {"sort": sort}, "y": {"sort": true}, "z": 1}});
            let wrong = rules(sheet.as_object().unwrap()).unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].contains("fields.x.sort"), "{wrong:?}");
        }
        let sheet = json!({"fields": {"y": {"sort": true}, "z": 1, "a": {}}});
        let rules = rules(sheet.as_object().unwrap()).unwrap();
        assert_eq!(rules, [("y".to_owned(), SortRule::Collated)]);
    }
}
