//! Problems as lines that editors and terminals can follow, and lookup of sheets by name.

use std::sync::Arc;

use headwater_engine::pointer::Pointer;
use headwater_engine::problem::Problem;
use headwater_engine::sheet::Sheet;
use headwater_engine::snapshot::Snapshot;
use headwater_engine::suggestion::{did_you_mean, nearest};

use crate::exit::{Exit, Failure};

/// Returns the sheet with this name.
pub(super) fn sheet_of<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s Arc<Sheet>, Failure> {
    snapshot.sheet(name).ok_or_else(|| {
        let names: Vec<_> = snapshot.sheets().map(|sheet| sheet.spec().name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let meant = match name.split_once('/') {
            Some((sheet, key)) if names.contains(&sheet) && !key.is_empty() => {
                format!("; `headwater get {sheet}/{key}` prints a record")
            }
            _ if name.starts_with(['.', '/']) => {
                "; the repository is given as `--repo DIR`".to_owned()
            }
            _ => did_you_mean(nearest(name, names)),
        };
        Failure::new(Exit::Data, format!("no such sheet `{name}`; the sheets are {there}{meant}"))
    })
}

/// Returns `text` with the characters that control a terminal, or the direction of a text, as
/// `\u{…}`: whoever wrote it must not write anything else on the screen of the reader.
pub(super) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        if controls(c) { printed.extend(c.escape_unicode()) } else { printed.push(c) }
    }
    printed
}

/// Returns a text in JSON with the same characters escaped. They stand in strings alone there.
pub(super) fn printable_json(json: &str) -> String {
    let mut printed = String::with_capacity(json.len());
    for c in json.chars() {
        if controls(c) {
            printed.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            printed.push(c);
        }
    }
    printed
}

/// Returns whether a terminal does something at `c` other than to show it. All are below U+FFFF.
fn controls(c: char) -> bool {
    let is_direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Writes a problem as `path:line:column: message [rule]`, as far as the place is known.
pub(super) fn line(problem: &Problem) -> String {
    let mut place = printable(&problem.path);
    for number in [problem.line, problem.column].into_iter().map_while(|number| number) {
        place.push_str(&format!(":{number}"));
    }
    let at = problem.pointer.as_ref().map(at).unwrap_or_default();
    format!("{place}: {}{at} [{}]", printable(&problem.message), problem.rule)
}

/// Writes where in a record something is; nothing for the whole of it.
pub(super) fn at(pointer: &Pointer) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at {pointer}") }
}

/// Writes a number with its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_engine::id::SheetName;
    use headwater_engine::problem::Rule;

    #[test]
    fn what_controls_a_terminal_is_printed_as_text() {
        let evil = "a\u{1b}]0;x\u{7}\u{9b}31m\u{202e}gnp\n\u{2067}é 日";
        let shown = "a\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{202e}gnp\\u{a}\\u{2067}é 日";
        assert_eq!(printable(evil), shown);
        let json = serde_json::Value::from(evil).to_string();
        let printed = printable_json(&json);
        assert!(!printed.chars().any(controls), "{printed:?}");
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), evil);
    }

    #[test]
    fn a_line_has_what_is_known() {
        let sheet = SheetName::new("people");
        let problem = Problem::new(&sheet, "people/a.toml", Rule::Malformed, "broken".into());
        assert_eq!(line(&problem), "people/a.toml: broken [malformed]");
        let placed = problem.clone().at(Some(3), Some(5));
        assert_eq!(line(&placed), "people/a.toml:3:5: broken [malformed]");
        let pointed = problem.pointing_to(Pointer::of(["name"]));
        assert_eq!(line(&pointed), "people/a.toml: broken at /name [malformed]");
    }
}
