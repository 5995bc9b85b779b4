//! What is wrong with a file, and where.

use crate::problem::Rule;

/// A description of what is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The rule that the file breaks.
    pub rule: Rule,
    /// A one-line message, without an excerpt of the file.
    pub message: String,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The column in characters, counted from 1.
    pub column: Option<u32>,
}

/// Writes the message with its position.
impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, " at line {line} column {column}")?;
        }
        Ok(())
    }
}

impl Flaw {
    pub(crate) fn new(rule: Rule, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let mut message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        // A parser may report an error without a message.
        if message.is_empty() {
            message.push_str("unexpected content");
        }
        Self { rule, message, line: None, column: None }
    }

    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.line = u32::try_from(line).ok();
        self.column = u32::try_from(column).ok();
        self
    }

    /// Sets the position to byte `offset` of `text`.
    pub(crate) fn at_offset(self, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[begin..].chars().count() + 1;
        self.at(line, column)
    }

    /// Moves the position down by `lines`, for a block inside a file.
    pub(crate) fn below(mut self, lines: usize) -> Self {
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        self.line = self.line.map(|line| line.saturating_add(lines));
        self
    }
}

/// Returns the text without its byte order mark. A second mark is an error.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Flaw> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with("\u{feff}\u{feff}") => {
            Err(Flaw::new(Rule::Malformed, "the file has two byte order marks").at(1, 1))
        }
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            let text = std::str::from_utf8(valid).unwrap_or_default();
            let flaw = Flaw::new(Rule::NotUtf8, "the file is not UTF-8");
            Err(flaw.at_offset(text, text.len()))
        }
    }
}
