//! Canonical TOML for flat records.
//!
//! The corpus chooses its values so that the simple half of the quoting rules is enough: no
//! quotation mark, no backslash, no control character but the line feed.

/// The fields of a record being written.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a string.
    pub(super) fn text(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        debug_assert!(
            !value.contains(['"', '\\']) && !value.contains(|c: char| c.is_control() && c != '\n'),
            "{name} needs more quoting than this writer knows: {value}"
        );
        let quoted = if value.contains('\n') {
            format!("\"\"\"\n{value}\"\"\"")
        } else {
            format!("\"{value}\"")
        };
        self.0.push((name, quoted));
        self
    }

    /// Adds a string if there is one.
    pub(super) fn maybe(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a number.
    pub(super) fn number(mut self, name: &'static str, value: usize) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// Adds a truth value.
    pub(super) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// Returns the text with the keys in byte order.
    pub(super) fn finish(mut self) -> String {
        self.0.sort_by_key(|(name, _)| *name);
        let mut text = String::with_capacity(512);
        for (name, value) in &self.0 {
            text.extend([name, " = ", value, "\n"]);
        }
        text
    }
}
