//! The secrets of one role, numbered so that logs can tell them apart.

use super::error::ConfigError;
use super::secret::Secret;

/// The secrets of one role; there are several while one is being replaced.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Parses the text of a file with one secret per line. Empty lines are ignored.
    ///
    /// # Errors
    /// Fails if there is none, or if one of them is too short or malformed.
    pub fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let secrets: Vec<_> =
            lines.map(|line| Secret::new(setting, line)).collect::<Result<_, _>>()?;
        if secrets.is_empty() {
            return Err(ConfigError::ShortSecret { setting: setting.to_owned() });
        }
        Ok(Self(secrets))
    }

    /// Returns these secrets with `first` in front.
    #[must_use]
    pub fn after(self, first: Option<Secret>) -> Self {
        Self(first.into_iter().chain(self.0).collect())
    }

    /// Iterates over them with their numbers, which begin at 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Secret)> {
        (1..).zip(&self.0)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first secret, which is the one to send.
    pub fn first(&self) -> Option<&Secret> {
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_one_secret_a_line_and_refuses_to_be_empty() {
        let text = "the-current-secret\n\n the-previous-secret \r\n";
        let secrets = Secrets::parse("s", text).unwrap();
        let number = |given: &[u8]| {
            secrets.numbered().find(|(_, secret)| secret.matches(given)).map(|(number, _)| number)
        };
        assert_eq!(number(b"the-current-secret"), Some(1));
        assert_eq!(number(b"the-previous-secret"), Some(2));
        assert_eq!(number(text.as_bytes()), None);
        for text in ["", "\n", "the-current-secret\nshort\n"] {
            assert!(Secrets::parse("s", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_secret_given_directly_is_the_first() {
        let first = Secret::new("s", "the-secret-given-directly").ok();
        let secrets = Secrets::parse("s", "the-secret-of-the-file").unwrap().after(first);
        assert!(secrets.first().is_some_and(|first| first.matches(b"the-secret-given-directly")));
        assert_eq!(secrets.numbered().count(), 2);
    }
}
