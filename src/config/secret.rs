//! Secrets: they can be compared and sent, never printed.

use std::path::Path;

use subtle::ConstantTimeEq;

use super::ConfigError;

/// The least number of bytes in a secret. Shorter ones can be guessed.
const MIN_BYTES: usize = 16;

/// A shared secret. It has neither `Debug` nor `PartialEq`, so that it can't be logged by a derive
/// or compared in time that depends on it.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes `text` without surrounding white space. `setting` names the place in the error.
    ///
    /// # Errors
    /// When it is empty or shorter than sixteen bytes.
    pub fn new(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if text.len() < MIN_BYTES {
            return Err(ConfigError::ShortSecret { setting: setting.to_owned() });
        }
        Ok(Self(text.as_bytes().into()))
    }

    /// Says whether `given` is this secret. The time it takes tells nothing of either side: both
    /// are hashed first, which hides the length too.
    pub fn matches(&self, given: &[u8]) -> bool {
        let (ours, theirs) = (blake3::hash(&self.0), blake3::hash(given));
        ours.as_bytes().ct_eq(theirs.as_bytes()).into()
    }

    /// Returns the bytes, to be sent to the server that knows them. Never log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The secrets that open one door; several at once while one is being replaced.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Collects the secret given directly, if any, and those of a file with one in each line.
    ///
    /// # Errors
    /// When the file can't be read or is empty, or a secret is too short.
    pub fn read(
        setting: &str,
        direct: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut secrets = Vec::new();
        if let Some(text) = direct {
            secrets.push(Secret::new(setting, text)?);
        }
        if let Some(path) = file {
            let setting = format!("{setting}_file");
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                setting: setting.clone(),
                path: path.to_owned(),
                source,
            })?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let before = secrets.len();
            for line in lines {
                secrets.push(Secret::new(&setting, line)?);
            }
            if secrets.len() == before {
                return Err(ConfigError::ShortSecret { setting });
            }
        }
        Ok(Self(secrets))
    }

    /// Says whether `given` is one of them. Every one is compared, so the time does not tell which.
    pub fn accept(&self, given: &[u8]) -> bool {
        self.0.iter().fold(false, |found, secret| found | secret.matches(given))
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first, which is the one to send.
    pub fn first(&self) -> Option<&Secret> {
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_accepts_itself_and_nothing_else() {
        let secrets = Secrets::read("s", Some(" sixteen-bytes-ok\n"), None).unwrap();
        assert!(secrets.accept(b"sixteen-bytes-ok"));
        assert!(!secrets.accept(b"sixteen-bytes-oK"));
        assert!(!secrets.accept(b""));
    }

    #[test]
    fn an_empty_or_short_secret_is_refused() {
        for text in ["", "   ", "fifteen-bytes--"] {
            assert!(Secrets::read("s", Some(text), None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_gives_one_secret_a_line_and_refuses_to_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        std::fs::write(&path, "the-current-secret\n\nthe-previous-secret\n").unwrap();
        let secrets = Secrets::read("s", None, Some(&path)).unwrap();
        assert!(secrets.accept(b"the-current-secret") && secrets.accept(b"the-previous-secret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secrets::read("s", None, Some(&path)).is_err());
    }
}
