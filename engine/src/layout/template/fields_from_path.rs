//! Recovers fields from a path.

use std::borrow::Cow;

use super::{Component, Part, Template};

impl Template {
    /// Returns the fields that every path of this shape determines, in order: those that are a
    /// component, or a part of one between literals. A date bucket or an expression does not
    /// determine its field, and neither do adjacent fields without a separator.
    pub(crate) fn told(&self) -> impl Iterator<Item = &str> {
        self.components.iter().flat_map(|component| match component {
            Component::Bucket(_) => Vec::new(),
            Component::Rest(field) => field.iter().map(String::as_str).collect(),
            Component::Parts(parts) => told_in(parts).map(|(_, field)| field).collect(),
        })
    }

    /// Returns the text of a field that `path` [determines](Self::told), if the path has this
    /// shape: the first text, if there are two. A component is split at its literals so that each
    /// field ends as early as possible.
    pub(crate) fn text_in<'p>(&self, path: &[&'p str], field: &str) -> Option<Cow<'p, str>> {
        self.components.iter().enumerate().find_map(|(at, component)| match component {
            Component::Bucket(_) => None,
            Component::Rest(own) => {
                let is_it = own.as_deref() == Some(field) && at < path.len();
                is_it.then(|| Cow::Owned(path[at..].join("/")))
            }
            Component::Parts(parts) => {
                let (place, _) = told_in(parts).find(|(_, told)| *told == field)?;
                cut(parts, path.get(at)?).get(place).copied().map(Cow::Borrowed)
            }
        })
    }
}

/// Lists the fields without adjacent fields, with their indices.
fn told_in(parts: &[Part]) -> impl Iterator<Item = (usize, &str)> {
    let is_literal = |at: usize| parts.get(at).is_none_or(|part| matches!(part, Part::Literal(_)));
    parts.iter().enumerate().filter_map(move |(at, part)| match part {
        Part::Field(field) if is_literal(at + 1) && (at == 0 || is_literal(at - 1)) => {
            Some((at, field.as_str()))
        }
        _ => None,
    })
}

/// Splits a name with the shape of `parts` into the text of each part. Of adjacent fields, the
/// first is empty.
fn cut<'p>(parts: &[Part], name: &'p str) -> Vec<&'p str> {
    let (mut cut, mut rest) = (Vec::with_capacity(parts.len()), name);
    for (at, part) in parts.iter().enumerate() {
        let is_open = at > 0 && !matches!(parts[at - 1], Part::Literal(_));
        let Part::Literal(literal) = part else {
            if is_open {
                cut.push("");
            }
            continue;
        };
        let begin = match (is_open, at + 1 == parts.len()) {
            (false, _) => 0,
            (true, true) => rest.len().saturating_sub(literal.len()),
            (true, false) => rest.find(literal.as_str()).unwrap_or(rest.len()),
        };
        if is_open {
            cut.push(&rest[..begin]);
        }
        let end = (begin + literal.len()).min(rest.len());
        cut.push(&rest[begin..end]);
        rest = &rest[end..];
    }
    if parts.last().is_some_and(|part| !matches!(part, Part::Literal(_))) {
        cut.push(rest);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(template: &str, path: &str) -> Vec<(String, Option<String>)> {
        let template = Template::parse(template).unwrap();
        let path: Vec<_> = path.split('/').collect();
        assert!(template.matches(&path), "{path:?}");
        let text = |field: &str| template.text_in(&path, field).map(Cow::into_owned);
        template.told().map(|field| (field.to_owned(), text(field))).collect()
    }

    #[test]
    fn a_path_tells_the_fields_it_is_made_of() {
        for (template, path, told) in [
            ("${{ lang }}/${{ slug }}", "fr/a", &[("lang", "fr"), ("slug", "a")][..]),
            ("x/${{ p/** }}", "x/a/b", &[("p", "a/b")]),
            ("${{ a }}-${{ b }}", "1-2-3", &[("a", "1"), ("b", "2-3")]),
            ("v${{ n }}.x", "v1.x.x", &[("n", "1.x")]),
            ("${{ a }}/${{ a }}", "x/y", &[("a", "x"), ("a", "x")]),
            ("${{ é + 1 }}-${{ b }}/ü${{ c }}ü", "ä-ö/üßü", &[("b", "ö"), ("c", "ß")]),
            ("${{ d: YYYY/MM }}/${{ s }}", "2026/01/x", &[("s", "x")]),
            ("${{ a }}${{ b }}/${{ c }}", "xy/z", &[("c", "z")]),
            ("${{ a }}x${{ b + c }}${{ d }}", "1x2", &[("a", "1")]),
            ("only", "only", &[]),
            ("${{ a }}--", "--", &[("a", "")]),
        ] {
            let expected: Vec<_> =
                told.iter().map(|(f, t)| ((*f).to_owned(), Some((*t).to_owned()))).collect();
            assert_eq!(texts(template, path), expected, "{template}");
        }
    }

    #[test]
    fn a_field_that_a_path_does_not_tell_has_no_text() {
        let template = Template::parse("${{ d: YYYY }}/${{ s }}").unwrap();
        assert_eq!(template.text_in(&["2026", "x"], "d"), None);
        assert_eq!(template.text_in(&["2026"], "s"), None, "a path of another shape");
        assert_eq!(Template::every_file().told().count(), 0);
    }
}
