//! The nesting depth of a TOML document, found without recursion before a parser reads it.
//!
//! The parsers limit brackets and the segments of a dotted key separately, but recurse over both.
//! Forty inline tables under keys of forty segments are sixteen hundred levels, which overflow any
//! stack.

/// The deepest nesting that is parsed.
pub(super) const LIMIT: usize = 100;

/// Returns the first byte where `text` nests deeper than [`LIMIT`], if there is one.
///
/// The scan recognizes comments and strings, and treats every other dot as a separator of segments,
/// so a number may count as one level too many. For invalid documents the result is arbitrary: the
/// parser reports what is wrong with them.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // The level that each open bracket is below; the first comes from the last header.
    let mut open = vec![0];
    // The level of the next value, and the number of segments in the current key.
    let (mut level, mut segments) = (0, 1);
    let (mut header, mut line_start) = (false, true);
    let mut at = 0;
    while at < bytes.len() {
        let begin = std::mem::replace(&mut line_start, false);
        let below = open.last().copied().unwrap_or_default();
        match bytes[at] {
            b'#' => at = find(text, at, "\n").unwrap_or(bytes.len()) - 1,
            b'"' | b'\'' => at = end_of_string(text, at) - 1,
            b' ' | b'\t' | b'\r' => line_start = begin,
            b'\n' if open.len() == 1 => {
                if std::mem::take(&mut header) {
                    open[0] = level + segments;
                }
                (level, segments, line_start) = (open[0], 1, true);
            }
            // A header starts from the root, whatever the previous header was.
            b'[' if begin && open.len() == 1 => (header, level) = (true, 0),
            b'[' if header => level += 1,
            b']' if header => {}
            b'[' | b'{' => {
                open.push(level + 1);
                (level, segments) = (level + 1, 1);
            }
            b']' | b'}' if open.len() > 1 => {
                open.pop();
                (level, segments) = (open.last().copied().unwrap_or_default(), 1);
            }
            b',' => (level, segments) = (below, 1),
            b'.' => segments += 1,
            b'=' => (level, segments) = (below + segments, 1),
            _ => {}
        }
        if level + segments > LIMIT {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Returns the offset after the closing quote of the string that begins at `start`.
pub(crate) fn end_of_string(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at,
            byte if byte == quote && !long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => {
                // Up to two more quotes belong to the text.
                let more = bytes[at..].iter().take(5).take_while(|byte| **byte == quote).count();
                return at + more;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn find(text: &str, from: usize, what: &str) -> Option<usize> {
    text[from..].find(what).map(|offset| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `keys` segments in each of `tables` nested inline tables.
    fn nested(tables: usize, keys: usize) -> String {
        let key = vec!["a"; keys].join(".");
        format!("{}1{}", format!("{key} = {{ ").repeat(tables), " }".repeat(tables))
            .replacen("{ 1", "{ b = 1", 1)
    }

    #[test]
    fn brackets_and_segments_add_up() {
        assert_eq!(too_deep(&nested(5, 15)), None);
        assert!(too_deep(&nested(40, 40)).is_some());
        assert!(too_deep(&nested(3, 40)).is_some());
        let arrays = |depth| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(too_deep(&arrays(90)), None);
        assert!(too_deep(&arrays(110)).is_some());
        let key = |segments| format!("{} = 1", vec!["a"; segments].join("."));
        assert_eq!(too_deep(&key(90)), None);
        assert!(too_deep(&key(110)).is_some());
    }

    #[test]
    fn a_header_counts_for_what_stands_below_it_and_not_for_the_next() {
        let header = |segments| format!("[{}]\n", vec!["a"; segments].join("."));
        assert_eq!(too_deep(&[header(90), header(90)].concat()), None);
        assert!(too_deep(&[header(60), nested(2, 30)].concat()).is_some());
        assert_eq!(too_deep(&[header(60), header(1), nested(2, 30)].concat()), None);
        let list = format!("[[{}]]\n", vec!["a"; 60].join("."));
        assert!(too_deep(&[list, nested(2, 30)].concat()).is_some());
    }

    #[test]
    fn what_is_in_strings_and_comments_is_no_nesting() {
        let deep = "[".repeat(200);
        for text in [
            format!("a = \"{deep}\""),
            format!("a = '{deep}'"),
            format!("a = \"\\\"{deep}\""),
            format!("a = \"\"\"\n{deep}\"\"\"\"\nb = 1"),
            format!("a = '''\n{deep}'''\nb = 1"),
            format!("a = 1 # {deep}\n# {deep}\nb = 1"),
            format!("a = [\n{}]", "1.5, # .\n".repeat(200)),
            format!("\"{deep}\" = 1"),
            "a.b = 1.5\n".repeat(200),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }

    #[test]
    fn an_unclosed_string_ends_the_scan() {
        for text in ["a = \"", "a = '", "a = \"\"\"x", "a = \"\\", "a = '''''", "\"", "#", "["] {
            assert_eq!(too_deep(text), None, "{text}");
        }
    }
}
