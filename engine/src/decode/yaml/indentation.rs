//! The indentation of values that span several lines.

use std::ops::Range;

/// Finds the first line of a value in brackets or quotes that is not indented deeper than the line
/// of `entry`, and returns where it begins.
///
/// A member or element contains exactly what is indented deeper than itself. A closing bracket may
/// be as far left as the entry: most people write it there, and it cannot be misread.
pub(super) fn outdented(text: &str, entry: usize, value: Range<usize>) -> Option<usize> {
    let line = text.get(..entry)?.rfind('\n').map_or(0, |newline| newline + 1);
    let margin = spaces(&text[line..]);
    let value_text = text.get(value.clone())?;
    for (newline, _) in value_text.match_indices('\n') {
        let begin = value.start + newline + 1;
        let line = &text[begin..value.end];
        let (indent, content) = (spaces(line), line.trim_start_matches([' ', '\t']));
        let is_free = content.starts_with(['\r', '\n', '#']);
        let closes = content.is_empty() || content.starts_with([']', '}']);
        if !is_free && indent < margin + usize::from(!closes) {
            return Some(begin);
        }
    }
    None
}

fn spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
