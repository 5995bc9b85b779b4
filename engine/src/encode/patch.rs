//! Changes to a record: RFC 7396, and the title of Markdown, which follows from its body.

use serde_json::{Map, Value as Json};

use super::body::first_heading;
use crate::layout::SheetSpec;

/// Applies `patch` to `record` by RFC 7396: null removes a member, a table is merged, anything else
/// replaces the old value.
///
/// `path` is the path of its file, whose extension determines the format. In Markdown, a body that
/// is missing afterwards is empty. If the sheet has a title, a patch of only the title rewrites the
/// first heading of the body, or adds one at its start. A patch of only the body leaves the title
/// to [`encode`](super::encode), which derives it. A patch of both must be consistent, which is
/// checked there too.
pub fn patched(spec: &SheetSpec, path: &str, record: &Json, patch: &Json) -> Json {
    let mut whole = record.clone();
    merge(&mut whole, patch);
    let has_body = spec.format_of(path).is_some_and(|format| format.has_body());
    let Json::Object(members) = &mut whole else { return whole };
    if has_body {
        let body = members.entry(&*spec.body).or_insert(Json::Null);
        if body.is_null() {
            *body = Json::String(String::new());
        }
    }
    if let Some(title) = &spec.title {
        match (patch.get(title), patch.get(&spec.body)) {
            (None, Some(_)) => drop(members.remove(title)),
            (Some(Json::String(text)), None) => retitle(spec, members, text),
            _ => {}
        }
    }
    whole
}

// Fifteen lines, where `json-patch` would bring pointers and diffs along.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(members) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Json::Null), change);
        }
    }
}

/// Makes `title` the first heading of the body.
fn retitle(spec: &SheetSpec, members: &mut Map<String, Json>, title: &str) {
    let Some(Json::String(body)) = members.get_mut(&spec.body) else { return };
    match first_heading(body) {
        Some(heading) => body.replace_range(heading.line, &format!("# {title}")),
        None if body.is_empty() => *body = format!("# {title}\n"),
        None => *body = format!("# {title}\n\n{body}"),
    }
}
