//! Tells whether a value is set at a path whose numbers may be positions in lists.

use super::{Cut, FieldPath, Json, Kind, Value};

/// Which names of a path are behind, at one value: bit `n` says that the first `n` of them may be.
type Behind = u128;

/// A path, taken apart.
struct Names<'p> {
    path: &'p str,
    /// Where each name begins in the path, and the position that it is if it is a number.
    names: Vec<(usize, Option<i64>)>,
}

impl Value {
    /// Returns whether a value at `path` is set, as [`Value::is_set`] does, where a number among the
    /// names is also the position of an element of a list, from its end if it is negative.
    ///
    /// Visits each part of the value at most once, however the numbers can be understood.
    pub(super) fn is_set_by_position(&self, path: &FieldPath) -> bool {
        let mut begin = 0;
        let name = |name: &str| {
            let at = begin;
            begin += name.len() + 1;
            (at, name.parse().ok())
        };
        let names: Vec<_> = path.segments().map(name).collect();
        let is_some = names.iter().any(|(_, position)| position.is_some());
        let path = Names { path: path.as_str(), names };
        is_some
            && path.names.len() <= FieldPath::MOST_PARTS
            && self.parts().any(|part| path.is_set(part, 1))
    }
}

impl Names<'_> {
    /// Returns whether something is set in `json`, where these names are behind.
    fn is_set(&self, json: Json<'_>, behind: Behind) -> bool {
        let end = 1 << self.names.len();
        if behind & end != 0 && json.kind() != Kind::Null && json.text() != "false" {
            return true;
        }
        let is_inside = |json, behind| behind != 0 && self.is_set(json, behind);
        let behind = behind & !end;
        match json.kind() {
            Kind::Array => {
                let count = json.elements().count();
                let mut elements = json.elements().enumerate();
                elements.any(|(at, element)| {
                    is_inside(element, behind | self.behind_element(behind, at, count))
                })
            }
            Kind::Object => json
                .members()
                .any(|(name, member)| is_inside(member, self.behind_member(behind, &name))),
            _ => false,
        }
    }

    /// Returns what is behind at an element of a list of `count`, where a name is its position.
    fn behind_element(&self, behind: Behind, at: usize, count: usize) -> Behind {
        let is_at = |position: i64| {
            let from_end = || usize::try_from(position + i64::try_from(count).ok()?).ok();
            usize::try_from(position).ok().or_else(from_end) == Some(at)
        };
        self.each(behind, |(n, _, position)| position.is_some_and(is_at).then_some(n + 1))
    }

    /// Returns what is behind at a member.
    fn behind_member(&self, behind: Behind, name: &str) -> Behind {
        let dots = memchr::memchr_iter(b'.', name.as_bytes()).count();
        self.each(behind, |(n, begin, _)| {
            Cut::behind(&self.path[begin..], name).map(|_| n + dots + 1)
        })
    }

    /// Collects what `next` returns for each name that may be next.
    fn each(
        &self,
        behind: Behind,
        next: impl Fn((usize, usize, Option<i64>)) -> Option<usize>,
    ) -> Behind {
        let names = self.names.iter().enumerate().filter(|(n, _)| behind >> n & 1 != 0);
        let found = names.filter_map(|(n, (begin, position))| next((n, *begin, *position)));
        found.fold(0, |all, n| all | 1 << n)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_a_position_in_a_list_and_the_name_of_a_member() {
        let list = json!({"a": [{"h": 1}, {"h": false}, {"0": {"h": 2}}]});
        let nested = json!({"a": [[{"h": 0}, {"x": 1}], [{"x": {"h": 1}}]]});
        let dotted = json!({"a.1": [{"h": true}], "b": [{"c.0": [true]}, {"c": [null, [5]]}]});
        for (value, path, expected) in [
            (&list, "a.0.h", true),
            (&list, "a.1.h", false),
            (&list, "a.2.h", false),
            (&list, "a.-3.h", true),
            (&list, "a.-1.0.h", true),
            (&list, "a.-4.h", false),
            (&list, "a.0", true),
            (&list, "a.3", false),
            (&nested, "a.0.0.h", true),
            (&nested, "a.0.h", true),
            (&nested, "a.1.h", false),
            (&nested, "a.1.0.x.h", true),
            (&nested, "a.1.1.x.h", false),
            (&dotted, "a.1.0.h", true),
            (&dotted, "a.1.1.h", false),
            (&dotted, "b.0.c.0", true),
            (&dotted, "b.1.c.0", true),
            (&dotted, "b.c.1.0", true),
            (&dotted, "b.1.c.1.1", false),
        ] {
            assert_eq!(Value::new(value).is_set(&FieldPath::new(path)), expected, "{path} {value}");
        }
        // A record that is a list, and one in which the name of a member is a number.
        assert!(Value::new(&json!([{"h": 0}])).is_set(&FieldPath::new("0.h")));
        assert!(
            Value::new(&json!({"stats": {"17": {"h": 1}}})).is_set(&FieldPath::new("stats.17.h"))
        );
    }

    #[test]
    fn lists_in_lists_cost_one_visit_each_however_their_positions_can_be_understood() {
        let mut value = json!({"h": false});
        for _ in 0..60 {
            value = json!([value]);
        }
        let path = format!("{}.h", vec!["0"; 30].join("."));
        assert!(!Value::new(&value).is_set(&FieldPath::new(path)));
    }
}
