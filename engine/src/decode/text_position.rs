//! Lines and columns of positions in a text, each computed from the previous one.

/// A position in a text that moves forward.
#[derive(Debug, Clone)]
pub(crate) struct TextPosition<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> TextPosition<'t> {
    /// Begins at byte `at` of `text`, which is in line `line`. Linear in the line before it.
    pub(crate) fn new(text: &'t str, at: usize, line: usize) -> Self {
        let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        Self { text, at, line, column: text[begin..at].chars().count() + 1 }
    }

    /// Moves to byte `offset` and returns its line and column, counted from 1. If `offset` is
    /// already passed, the cursor stays. Linear in the distance.
    pub(crate) fn to(&mut self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset).max(self.at);
        let way = &self.text[self.at..offset];
        match way.rfind('\n') {
            None => self.column += way.chars().count(),
            Some(last) => {
                self.line += memchr::memchr_iter(b'\n', way.as_bytes()).count();
                self.column = way[last + 1..].chars().count() + 1;
            }
        }
        self.at = offset;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "é1\nzwölf\n\nx";
        let mut cursor = TextPosition::new(text, 0, 1);
        let places = [0, 2, 3, 4, 8, 11, 12].map(|at| cursor.to(at));
        assert_eq!(places, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 4), (3, 1), (4, 1)]);
        assert_eq!(cursor.to(0), (4, 1), "it does not go back");
        assert_eq!(TextPosition::new(text, 6, 2).to(8), (2, 4), "it begins anywhere");
    }
}
