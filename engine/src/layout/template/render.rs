//! Renders the path of a record from its fields.

use crate::value::{Json, Kind, Value};

use super::super::file_name::{UNSTORABLE, fault};
use super::{Component, Mismatch, Part, Template};

/// The reason why the path of a record cannot be derived from its fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The sheet has no template: the place of a record does not depend on its contents.
    #[error("the sheet has no path template, so the key must be given")]
    NoTemplate,
    /// A field is missing or has no text form, as a table, a list or an invalid date.
    #[error("the path needs the field {field:?}, which is missing or has no text form")]
    Field {
        /// The field.
        field: String,
    },
    /// The template has an expression other than `a.b`, `a || b`, strings and `toLowerCase()`. When
    /// paths are read it matches anything, and it is never evaluated.
    #[error(
        "the path template has the expression {expression:?}, which Headwater does not evaluate"
    )]
    Expression {
        /// The expression.
        expression: String,
    },
    /// A component of the path has a character that gitsheets rejects.
    #[error("the path component {component:?} has the character {character:?}")]
    Character {
        /// The component as rendered.
        component: String,
        /// The character.
        character: char,
    },
    /// A component is empty, `.` or `..`, denotes `.git` or a device, or is too long; or a file
    /// there would define sheets.
    #[error("a record cannot be at {path:?}: {message}")]
    Hostile {
        /// The path.
        path: String,
        /// What is wrong with it.
        message: &'static str,
    },
}

impl Template {
    /// Returns the first component that the record's own fields render differently.
    ///
    /// Skips a field that is missing or has no text form: gitsheets does not check paths on
    /// reading, and an incomplete record is reported by the schema.
    pub fn mismatch(&self, path: &[&str], value: &Value) -> Option<Mismatch> {
        self.components.iter().enumerate().find_map(|(at, component)| {
            let name = path.get(at)?;
            let (field, rendered) = match component {
                Component::Parts(parts) => rendered_parts(parts, value)?,
                Component::Bucket(bucket) => (bucket.field.clone(), bucket.render(value)?),
                Component::Rest(field) => {
                    let field = field.clone()?;
                    let rendered = rendered_field(value, &field)?;
                    let rest = path[at..].join("/");
                    return (rest != rendered).then_some(Mismatch { field, path: rest, rendered });
                }
            };
            (rendered != *name).then(|| Mismatch { field, path: (*name).into(), rendered })
        })
    }

    /// Renders the path of a record below the root of its sheet, without extension.
    ///
    /// # Errors
    ///
    /// See [`RenderError`]. Rejects what gitsheets rejects and also names that could do harm when
    /// they are checked out.
    pub fn render(&self, value: &Value) -> Result<String, RenderError> {
        let mut path: Vec<String> = Vec::with_capacity(self.components.len());
        for component in &self.components {
            let (text, recursive) = match component {
                Component::Parts(parts) => (render_parts(parts, value)?, false),
                Component::Bucket(bucket) => {
                    let missing = || RenderError::Field { field: bucket.field.clone() };
                    (bucket.render(value).ok_or_else(missing)?, false)
                }
                Component::Rest(Some(field)) => (needed(value, field)?, true),
                Component::Rest(None) => return Err(RenderError::NoTemplate),
            };
            let refused = |character: &char| {
                UNSTORABLE.contains(character)
                    || matches!(character, ':' | '\0'..='\x1f')
                    || (*character == '/' && !recursive)
            };
            if let Some(character) = text.chars().find(refused) {
                return Err(RenderError::Character { component: text, character });
            }
            path.push(text);
        }
        let path = path.join("/");
        match fault(path.as_bytes()) {
            Some((_, message)) => Err(RenderError::Hostile { path, message }),
            None => Ok(path),
        }
    }
}

impl Template {
    /// Renders the text that the fields of a record make. It is not a file name, so it may contain
    /// any character.
    ///
    /// # Errors
    ///
    /// Fails if a field is missing or has no text form.
    pub(crate) fn text(&self, value: &Value) -> Result<String, RenderError> {
        let component = |component: &Component| match component {
            Component::Parts(parts) => render_parts(parts, value),
            Component::Bucket(bucket) => {
                let missing = || RenderError::Field { field: bucket.field.clone() };
                bucket.render(value).ok_or_else(missing)
            }
            Component::Rest(Some(field)) => needed(value, field),
            Component::Rest(None) => Err(RenderError::NoTemplate),
        };
        let components: Result<Vec<String>, _> = self.components.iter().map(component).collect();
        Ok(components?.join("/"))
    }
}

fn render_parts(parts: &[Part], value: &Value) -> Result<String, RenderError> {
    let texts = parts.iter().map(|part| match part {
        Part::Literal(literal) => Ok(literal.clone()),
        Part::Field(field) => needed(value, field),
        Part::Expression(expression) if expression.is_foreign() => {
            Err(RenderError::Expression { expression: expression.source.clone() })
        }
        Part::Expression(expression) => expression
            .render(value)
            .ok_or_else(|| RenderError::Field { field: expression.source.clone() }),
    });
    texts.collect()
}

fn needed(value: &Value, field: &str) -> Result<String, RenderError> {
    rendered_field(value, field).ok_or_else(|| RenderError::Field { field: field.to_owned() })
}

/// Renders a component with the name of its last field, or returns `None` if a part has no text
/// form.
fn rendered_parts(parts: &[Part], value: &Value) -> Option<(String, String)> {
    let mut text = String::new();
    let mut last = None;
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Field(field) => {
                text.push_str(&rendered_field(value, field)?);
                last = Some(field.clone());
            }
            Part::Expression(_) => return None,
        }
    }
    Some((last?, text))
}

/// Renders a field as gitsheets does in file names: strings unchanged, numbers in decimal.
fn rendered_field(value: &Value, field: &str) -> Option<String> {
    let json: Json<'_> = value.json().member(field)?;
    match json.kind() {
        Kind::String => json.as_string().map(std::borrow::Cow::into_owned),
        Kind::Bool => Some(json.text().to_owned()),
        Kind::Number => match json.text().parse::<i64>() {
            Ok(integer) => Some(integer.to_string()),
            Err(_) => match json.text().parse::<u64>() {
                Ok(integer) => Some(integer.to_string()),
                Err(_) => json.text().parse::<f64>().ok().map(rendered_float),
            },
        },
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// Renders a float: integral ones through a saturating cast, as the format's own library does.
pub(crate) fn rendered_float(float: f64) -> String {
    if float.fract() == 0.0 && float.abs() < 1e21 {
        (float as i64).to_string()
    } else {
        float.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str, value: serde_json::Value) -> Result<String, RenderError> {
        Template::parse(template).unwrap().render(&Value::new(&value))
    }

    #[test]
    fn a_path_is_made_of_literals_and_fields() {
        let mixed = "${{ year }}/${{ status }}--${{ id }}";
        let record = json!({"year": 2026, "status": "active", "id": 12345});
        assert_eq!(render(mixed, record).unwrap(), "2026/active--12345");
        let docs = json!({"contentPath": "docs/guides/intro"});
        assert_eq!(render("${{ contentPath/** }}", docs).unwrap(), "docs/guides/intro");
        for (number, expected) in [
            (json!(1.0), "1"),
            (json!(1.5), "1.5"),
            (json!(1e20), "9223372036854775807"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(1_u64 << 63), "9223372036854775808"),
            (json!(1e21), "1000000000000000000000"),
            (json!(true), "true"),
        ] {
            assert_eq!(render("${{ n }}", json!({ "n": number })).unwrap(), expected);
        }
    }

    #[test]
    fn buckets_take_the_date_in_utc() {
        let template = "${{ d: YYYY/MM/DD }}/${{ slug }}";
        let record = json!({"d": "2025-12-31T23:30:00-05:00", "slug": "x"});
        assert_eq!(render(template, record).unwrap(), "2026/01/01/x");
        assert_eq!(render("${{ d: YYYY/WW }}", json!({"d": "2027-01-01"})).unwrap(), "2026/53");
        assert_eq!(render("${{ d: YYYY/WW }}", json!({"d": "2024-12-30"})).unwrap(), "2025/01");
        let last = json!({"d": "0001-01-01T00:30:00+01:00"});
        assert_eq!(render("${{ d: YYYY/MM/DD }}", last).unwrap(), "0000/12/31");
        let error = render("${{ d: YYYY }}", json!({"d": 2026})).unwrap_err();
        assert_eq!(error, RenderError::Field { field: "d".into() });
    }

    #[test]
    fn a_text_is_a_date_where_gitsheets_says_so() {
        let folder = |date| render("${{ d: YYYY/MM/DD }}", json!({ "d": date }));
        for date in [
            "2026-03-09",
            "2026-03-09T10:00:00",
            "2026-03-09T23:59:60",
            "2026-03-09T23:59:60Z",
            "2026-03-09t10:00:00.25z",
            "2026-03-09 10:00:00-05:00",
        ] {
            assert_eq!(folder(date).unwrap(), "2026/03/09", "{date}");
        }
        for date in [
            "2026-03-09T23:59",
            "2026-03-09t10:00:00",
            "2026-03-09 10:00:00",
            "2026-03-09T10:00:00+0500",
            "2026-03-09T24:00:00",
            "20260309",
            "2026-W11-1",
            "2026-068",
            "2026-3-9",
            " 2026-03-09",
            "2026-02-30",
            "10:00:00",
            "9999-12-31T23:00:00-05:00",
        ] {
            assert!(folder(date).is_err(), "{date}");
        }
    }

    #[test]
    fn what_has_no_text_form_has_no_path() {
        for value in [json!({}), json!({"a": null}), json!({"a": []}), json!({"a": {"b": 1}})] {
            let error = render("x-${{ a }}", value).unwrap_err();
            assert_eq!(error, RenderError::Field { field: "a".into() });
        }
        let nested = json!({"a": {"b": "C"}});
        assert_eq!(render("x-${{ a.b.toLowerCase() }}", nested.clone()).unwrap(), "x-c");
        let error = render("${{ a.c }}", nested.clone()).unwrap_err();
        assert_eq!(error, RenderError::Field { field: "a.c".into() });
        let error = render("${{ a.b + 1 }}", nested).unwrap_err();
        assert_eq!(error, RenderError::Expression { expression: "a.b + 1".into() });
    }

    #[test]
    fn a_sheet_without_a_template_names_no_path() {
        let value = Value::new(&json!({}));
        assert_eq!(Template::every_file().render(&value), Err(RenderError::NoTemplate));
    }

    #[test]
    fn refused_characters_and_harmful_names_are_told_apart() {
        for (slug, character) in [("a:b", ':'), ("a/b", '/'), ("a\nb", '\n'), ("what?", '?')] {
            let error = render("${{ s }}", json!({ "s": slug })).unwrap_err();
            assert_eq!(error, RenderError::Character { component: slug.into(), character });
        }
        for rest in ["", "a//b", "../b", "a/.git/b", "a/.", "nul", "a\\b", "/a"] {
            let error = render("${{ s/** }}", json!({ "s": rest })).unwrap_err();
            assert!(matches!(error, RenderError::Hostile { .. }), "{rest}: {error}");
        }
    }
}
