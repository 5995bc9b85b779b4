//! Path templates, which map the components of a path to fields.
//!
//! The grammar is that of gitsheets: `${{ field }}`, `${{ field/** }}`, date buckets such as `${{
//! createdAt: YYYY/MM }}`, expressions, and literal text in between.

mod bucket;
mod expression;
mod render;
mod fields_from_path;

use crate::value::FieldPath;

use bucket::Bucket;
use expression::Expression;
pub use render::RenderError;
pub(crate) use render::rendered_float;

/// A parsed path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    components: Vec<Component>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    /// Literal text, fields and expressions, one after another.
    Parts(Vec<Part>),
    /// One component of a date bucket.
    Bucket(Bucket),
    /// The rest of the path, from this field if one is named.
    Rest(Option<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(String),
    /// JavaScript. When a path is read, it matches anything.
    Expression(Expression),
}

/// The reason why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is empty.
    #[error("the path template is empty")]
    Empty,
    /// A `${{` has no `}}`.
    #[error("a reference in the path template is not closed by `}}}}`")]
    Unterminated,
    /// There are two adjacent slashes.
    #[error("a component of the path template is empty")]
    EmptyComponent,
    /// `${{ }}` has nothing inside.
    #[error("a reference in the path template is empty")]
    EmptyReference,
    /// A recursive field is not alone, or not last.
    #[error("the recursive field {field:?} must be a component of its own, and the last one")]
    Recursive {
        /// The field.
        field: String,
    },
    /// A date bucket is not alone in its component.
    #[error("the date bucket of {field:?} must be a component of its own")]
    BucketNotAlone {
        /// The field.
        field: String,
    },
    /// A date bucket has an unknown format.
    #[error(
        "{format:?} is not a format of a date bucket: use YYYY, YYYY/MM, YYYY/MM/DD or YYYY/WW"
    )]
    BucketFormat {
        /// The format.
        format: String,
    },
}

/// A part of a path that disagrees with the record's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The field.
    pub field: String,
    /// The text in the path.
    pub path: String,
    /// The text that the field implies.
    pub rendered: String,
}

impl Template {
    /// Returns the template of sheets that declare none: every file below the root.
    pub fn every_file() -> Self {
        Self { components: vec![Component::Rest(None)] }
    }

    /// Parses a template.
    ///
    /// # Errors
    ///
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.trim_matches('/');
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        let mut components = Vec::new();
        for component in split_components(text)? {
            match &component[..] {
                [] => return Err(TemplateError::EmptyComponent),
                [Token::Reference(inner)] => components.extend(reference_component(inner)?),
                tokens => components.push(Component::Parts(mixed_component(tokens)?)),
            }
        }
        let last = components.len() - 1;
        let early = components[..last].iter().find_map(|component| match component {
            Component::Rest(Some(field)) => Some(field.clone()),
            _ => None,
        });
        match early {
            Some(field) => Err(TemplateError::Recursive { field }),
            None => Ok(Self { components }),
        }
    }

    /// Returns whether this is [`Template::every_file`], which names no path.
    pub fn is_every_file(&self) -> bool {
        self.components == [Component::Rest(None)]
    }

    /// Returns whether records are at any depth below the last fixed component.
    pub fn is_recursive(&self) -> bool {
        matches!(self.components.last(), Some(Component::Rest(_)))
    }

    /// Returns the template of the folders of the records, if the last component is `index`.
    pub(super) fn of_folders(&self) -> Option<Self> {
        let (last, folders) = self.components.split_last()?;
        let is_index = *last == Component::Parts(vec![Part::Literal("index".to_owned())]);
        let components = folders.to_vec();
        (is_index && !components.is_empty()).then_some(Self { components })
    }

    /// Returns whether a path with these components, without root and extension, matches the
    /// template.
    pub fn matches(&self, path: &[&str]) -> bool {
        let fits = match self.components.last() {
            Some(Component::Rest(_)) => path.len() >= self.components.len(),
            _ => path.len() == self.components.len(),
        };
        fits && self.begins_like(path)
    }

    /// Returns whether a record, or an attachment of one, could be in the folder `path` or below.
    pub(super) fn reaches(&self, path: &[&str]) -> bool {
        (self.is_recursive() || path.len() <= self.components.len()) && self.begins_like(path)
    }

    /// Returns whether all components present in both match.
    fn begins_like(&self, path: &[&str]) -> bool {
        self.components.iter().zip(path).all(|(component, name)| match component {
            Component::Parts(parts) => parts_match(parts, name),
            Component::Bucket(bucket) => bucket.matches(name),
            Component::Rest(_) => true,
        })
    }

    /// Returns the fields in the path, in order and without duplicates.
    pub fn fields(&self) -> Vec<FieldPath> {
        let mut fields: Vec<FieldPath> = Vec::new();
        let mut add = |field: &str| {
            let field = FieldPath::new(field);
            if !fields.contains(&field) {
                fields.push(field);
            }
        };
        for component in &self.components {
            match component {
                Component::Bucket(bucket) => add(&bucket.field),
                Component::Rest(field) => field.iter().for_each(|field| add(field)),
                Component::Parts(parts) => parts.iter().for_each(|part| match part {
                    Part::Field(field) => add(field),
                    Part::Literal(_) | Part::Expression(_) => {}
                }),
            }
        }
        fields
    }
}

enum Token {
    Literal(String),
    Reference(String),
}

/// Splits a template at the slashes outside references.
fn split_components(text: &str) -> Result<Vec<Vec<Token>>, TemplateError> {
    let mut components = vec![Vec::new()];
    let mut rest = text;
    while !rest.is_empty() {
        let current = components.last_mut().expect("the list begins with one component");
        if let Some(inner) = rest.strip_prefix("${{") {
            let (reference, behind) = inner.split_once("}}").ok_or(TemplateError::Unterminated)?;
            current.push(Token::Reference(reference.trim().to_owned()));
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('/') {
            components.push(Vec::new());
            rest = behind;
        } else {
            // A lone `$` is literal text, so the first character never ends the literal.
            let stops = rest.char_indices().skip(1);
            let end = stops
                .map(|(at, _)| at)
                .find(|at| rest[*at..].starts_with('/') || rest[*at..].starts_with("${{"));
            let (literal, behind) = rest.split_at(end.unwrap_or(rest.len()));
            current.push(Token::Literal(literal.to_owned()));
            rest = behind;
        }
    }
    Ok(components)
}

fn is_field(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Returns the field and format if `inner` is a date bucket.
fn bucket_parts(inner: &str) -> Option<(&str, &str)> {
    let (field, format) = inner.split_once(':')?;
    let field = field.trim();
    field.split('.').all(is_field).then_some((field, format.trim()))
}

/// Parses a reference that is a whole component; a bucket becomes several.
fn reference_component(inner: &str) -> Result<Vec<Component>, TemplateError> {
    if let Some((field, format)) = bucket_parts(inner) {
        let buckets = Bucket::parse(field, format)
            .ok_or_else(|| TemplateError::BucketFormat { format: format.to_owned() })?;
        return Ok(buckets.into_iter().map(Component::Bucket).collect());
    }
    match inner.strip_suffix("/**") {
        Some(field) if is_field(field) => Ok(vec![Component::Rest(Some(field.to_owned()))]),
        _ => Ok(vec![Component::Parts(vec![part(inner)?])]),
    }
}

fn mixed_component(tokens: &[Token]) -> Result<Vec<Part>, TemplateError> {
    let parts = tokens.iter().map(|token| match token {
        Token::Literal(text) => Ok(Part::Literal(text.clone())),
        Token::Reference(inner) => {
            if let Some((field, _)) = bucket_parts(inner) {
                return Err(TemplateError::BucketNotAlone { field: field.to_owned() });
            }
            match inner.strip_suffix("/**") {
                Some(field) if is_field(field) => {
                    Err(TemplateError::Recursive { field: field.to_owned() })
                }
                _ => part(inner),
            }
        }
    });
    parts.collect()
}

fn part(inner: &str) -> Result<Part, TemplateError> {
    match inner {
        "" => Err(TemplateError::EmptyReference),
        field if is_field(field) => Ok(Part::Field(field.to_owned())),
        expression => Ok(Part::Expression(Expression::parse(expression))),
    }
}

/// Returns whether `name` begins and ends with the outer literals and contains the others in order
/// in between.
fn parts_match(parts: &[Part], name: &str) -> bool {
    let mut rest = name;
    let mut anchored = true;
    for (at, part) in parts.iter().enumerate() {
        let Part::Literal(literal) = part else {
            anchored = false;
            continue;
        };
        rest = if anchored {
            match rest.strip_prefix(literal.as_str()) {
                Some(rest) => rest,
                None => return false,
            }
        } else if at + 1 == parts.len() {
            return rest.ends_with(literal.as_str());
        } else {
            match rest.split_once(literal.as_str()) {
                Some((_, rest)) => rest,
                None => return false,
            }
        };
        anchored = true;
    }
    !anchored || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use serde_json::json;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template).unwrap().matches(&path.split('/').collect::<Vec<_>>())
    }

    #[test]
    fn a_path_has_as_many_components_as_its_template() {
        assert!(matches("${{ slug }}", "jane"));
        assert!(!matches("${{ slug }}", "jane/photo"));
        assert!(matches("${{ a }}/${{ b }}", "x/y"));
        assert!(matches("${{ docs/** }}", "a") && matches("${{ docs/** }}", "a/b/c"));
        assert!(!matches("x/${{ docs/** }}", "x"));
    }

    #[test]
    fn literals_match_literally_around_fields() {
        assert!(matches("${{ year }}/${{ status }}--${{ id }}", "2026/active--7"));
        assert!(!matches("${{ year }}/${{ status }}--${{ id }}", "2026/active-7"));
        assert!(matches("v${{ n }}.x", "v12.x") && !matches("v${{ n }}.x", "w12.x"));
        assert!(matches("only", "only") && !matches("only", "only2"));
        assert!(matches("a$b", "a$b") && matches("${{ x.toLowerCase() }}", "anything"));
    }

    #[test]
    fn buckets_are_components_of_digits() {
        assert!(matches("${{ d: YYYY/MM/DD }}/${{ s }}", "2026/01/31/x"));
        assert!(!matches("${{ d: YYYY/MM/DD }}/${{ s }}", "2026/1/31/x"));
        assert!(matches("${{ a.b: YYYY/WW }}", "2026/53") && !matches("${{ d: YYYY }}", "26"));
    }

    #[test]
    fn what_is_no_template_is_told() {
        let cases = [
            ("", TemplateError::Empty),
            ("//", TemplateError::Empty),
            ("a//b", TemplateError::EmptyComponent),
            ("${{ a", TemplateError::Unterminated),
            ("${{ }}", TemplateError::EmptyReference),
            ("${{ d: YYYY-MM }}", TemplateError::BucketFormat { format: "YYYY-MM".into() }),
            ("x${{ d: YYYY }}", TemplateError::BucketNotAlone { field: "d".into() }),
            ("${{ a/** }}/b", TemplateError::Recursive { field: "a".into() }),
            ("x${{ a/** }}", TemplateError::Recursive { field: "a".into() }),
        ];
        for (text, error) in cases {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_field_has_a_name_and_all_else_is_an_expression() {
        let fields = |text: &str| Template::parse(text).map(|template| template.fields());
        assert_eq!(fields("${{ a_b }}/x${{ c-1 }}"), Ok(["a_b", "c-1"].map(FieldPath::new).into()));
        for expression in ["${{ a.b() }}", "${{ a b/** }}", "x${{ a b/** }}"] {
            assert_eq!(fields(expression), Ok(vec![]), "{expression}");
            assert!(!Template::parse(expression).unwrap().is_recursive(), "{expression}");
        }
        assert!(Template::parse("${{ p/** }}").unwrap().is_recursive());
        assert!(!Template::parse("${{ p/** }}").unwrap().is_every_file());
        assert!(Template::every_file().is_every_file() && Template::every_file().is_recursive());
    }

    fn mismatch(template: &str, path: &str, value: serde_json::Value) -> Option<String> {
        let template = Template::parse(template).unwrap();
        let path: Vec<_> = path.split('/').collect();
        template.mismatch(&path, &Value::new(&value)).map(|found| found.rendered)
    }

    #[test]
    fn a_field_that_disagrees_with_the_path_is_found_and_a_missing_one_is_not() {
        assert_eq!(mismatch("${{ slug }}", "jane", json!({"slug": "jane"})), None);
        assert_eq!(mismatch("${{ slug }}", "jane", json!({"slug": "joe"})), Some("joe".into()));
        assert_eq!(mismatch("${{ slug }}", "jane", json!({})), None);
        assert_eq!(mismatch("${{ n }}", "1", json!({"n": 1.0})), None);
        assert_eq!(mismatch("${{ n }}", "9223372036854775807", json!({"n": 1e20})), None);
        assert_eq!(mismatch("${{ p/** }}", "a/b", json!({"p": "a/b"})), None);
        assert_eq!(mismatch("${{ p/** }}", "a/b", json!({"p": "a/c"})), Some("a/c".into()));
        let bucket = "${{ d: YYYY/MM/DD }}";
        assert_eq!(mismatch(bucket, "2026/01/01", json!({"d": "2025-12-31T23:30:00-05:00"})), None);
        assert_eq!(mismatch("${{ d: YYYY/WW }}", "2026/53", json!({"d": "2027-01-01"})), None);
        assert_eq!(mismatch("${{ d: YYYY/WW }}", "2025/01", json!({"d": "2024-12-30"})), None);
        assert_eq!(mismatch("${{ d: YYYY }}", "2026", json!({"d": 7})), None);
    }
}
