//! The write tokens of a TOML file.

use std::collections::{HashMap, HashSet};

use headwater_engine::id::SheetName;
use headwater_engine::mirror::Identity;
use headwater_engine::write::Scope;
use serde::Deserialize;

use super::error::ConfigError;
use super::secret::Secret;

/// The tokens for the routes that write.
pub struct Tokens(Vec<Token>);

/// A caller that may write.
#[derive(Clone)]
pub struct Token {
    /// The short name in front of each message.
    pub name: String,
    secret: Secret,
    /// The author of its writes.
    pub author: Identity,
    /// The sheets that it may write.
    pub scope: Scope,
    /// Whether the caller may name the author, as a front end with users of its own.
    pub names_author: bool,
}

/// The form of a file of tokens, for users who have not seen one.
const FORM: &str = "a token is a table [[token]] with name = \"site\", secret = \"…\" (16 \
                    bytes or more) and author = \"Name <address>\"";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    secret: String,
    author: String,
    sheets: Option<Vec<String>>,
    #[serde(default)]
    names_author: bool,
}

impl Tokens {
    /// Parses the text of a file with one table `[[token]]` per token.
    ///
    /// # Errors
    /// Fails if it is not TOML, has no entry, an unknown key, the same name or secret twice, or an
    /// entry that cannot be used. The error does not repeat the content.
    pub fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: String| ConfigError::Invalid { setting: setting.to_owned(), reason };
        let file: File = toml::from_str(text).map_err(|error| {
            // The message of the parser may quote a secret; the line number does not.
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            invalid(format!("is not a file of tokens: see line {line}; {FORM}"))
        })?;
        let mut tokens: Vec<Token> = Vec::with_capacity(file.token.len());
        let (mut names, mut holders) = (HashSet::new(), HashMap::new());
        for TokenEntry { name, secret, author, sheets, names_author } in file.token {
            if !is_token_name(&name) {
                return Err(invalid(format!(
                    "has the name {name:?}, which may only contain letters, digits, `-`, `_` and `.`"
                )));
            }
            if !names.insert(name.clone()) {
                return Err(invalid(format!("has the name {name:?} twice")));
            }
            let author = Identity::parse(&author)
                .map_err(|_| invalid(format!("has no author `Name <address>` for {name:?}")))?;
            let secret = Secret::new(setting, &secret).map_err(|error| match error {
                ConfigError::ShortSecret { .. } => {
                    invalid(format!("has a secret of less than 16 bytes for {name:?}"))
                }
                error => error,
            })?;
            let identities = secret.identities();
            if let Some(other) = identities.iter().find_map(|identity| holders.get(identity)) {
                return Err(invalid(format!("has the same secret for {other:?} and {name:?}")));
            }
            holders.extend(identities.map(|identity| (identity, name.clone())));
            let scope = sheets.map_or(Scope::Every, |sheets| {
                Scope::Only(sheets.into_iter().map(SheetName::new).collect())
            });
            tokens.push(Token { name, secret, author, scope, names_author });
        }
        if tokens.is_empty() {
            return Err(invalid(format!("has no token; {FORM}")));
        }
        Ok(Self(tokens))
    }

    /// Iterates over them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    /// Iterates over their secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|token| &token.secret)
    }

    /// Returns the token with this secret. Every secret is compared, so that the time reveals
    /// nothing.
    pub fn matching(&self, given: &[u8]) -> Option<&Token> {
        let compared = self.0.iter().map(|token| (token, token.secret.matches(given)));
        compared.fold(None, |found, (token, same)| found.or(same.then_some(token)))
    }
}

impl Token {
    /// Returns the secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Returns whether `text` can be the name of a token: it stands in messages and metrics as it is.
pub fn is_token_name(text: &str) -> bool {
    let is_slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(is_slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[token]]\nname = \"site\"\nsecret = \"the-secret-of-the-site\"\n\
                        author = \"Site <site@example.org>\"\nnames_author = true\n\
                        [[token]]\nname = \"bot\"\nsecret = \"the-secret-of-the-bot\"\n\
                        author = \"Bot <bot@example.org>\"\nsheets = [\"people\"]\n";

    #[test]
    fn a_token_is_found_by_its_secret_and_is_for_its_sheets() {
        let tokens = Tokens::parse("s", FILE).unwrap();
        let site = tokens.matching(b"the-secret-of-the-site").unwrap();
        let sheet = |name: &str| SheetName::new(name);
        assert!(site.scope.opens(&sheet("anything")) && site.names_author);
        let bot = tokens.matching(b"the-secret-of-the-bot").unwrap();
        assert_eq!(
            (bot.scope.opens(&sheet("people")), bot.scope.opens(&sheet("tags")), bot.names_author),
            (true, false, false)
        );
        assert!(tokens.matching(b"").is_none() && tokens.matching(b"the-secret").is_none());
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_without_repeating_a_secret() {
        let cases = [
            ("secret = \"the-secret-of-the-bot\"", "secret = \"short\""),
            ("secret = \"the-secret-of-the-bot\"", "secret = the-secret-of-the-bot"),
            ("the-secret-of-the-bot", "the-secret-of-the-site"),
            (FILE, "# nobody yet\n"),
            (FILE, ""),
            ("name = \"bot\"", "name = \"site\""),
            ("name = \"bot\"", "name = \"a bot\""),
            ("Bot <bot@example.org>", "Bot"),
            ("sheets =", "sheet ="),
        ];
        for (from, to) in cases {
            let refused =
                Tokens::parse("s", &FILE.replacen(from, to, 1)).err().map(|e| e.to_string());
            let refused = refused.unwrap_or_default();
            assert!(!refused.is_empty() && !refused.contains("secret-of"), "{to}: {refused}");
        }
        for nothing in ["", "# nobody yet\n", "{}", "me = 1\n", "[[token]]\nname = \"me\"\n"] {
            let refused =
                Tokens::parse("--write-tokens-file", nothing).err().map(|e| e.to_string());
            let told = refused.unwrap_or_default();
            assert!(told.contains("[[token]] with name ="), "{nothing:?}: {told}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_empty_or_half_there_leaves_the_last_good_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        std::fs::write(&path, FILE).unwrap();
        let tokens = crate::config::Watched::read("s", &path, |text| Tokens::parse("s", text));
        let tokens = tokens.unwrap_or_else(|error| panic!("{error}"));
        let half = &FILE[..FILE.find("author = \"Bot").unwrap()];
        for text in ["", "\n", "# nobody\n", half] {
            std::fs::write(&path, text).unwrap();
            let current = tokens.current().await;
            assert!(current.matching(b"the-secret-of-the-bot").is_some(), "{text:?}");
            assert!(current.matching(b"the-secret-of-the-site").is_some(), "{text:?}");
        }
        std::fs::write(&path, &FILE[..FILE.rfind("[[token]]").unwrap()]).unwrap();
        let current = tokens.current().await;
        assert!(current.matching(b"the-secret-of-the-bot").is_none());
        assert!(current.matching(b"the-secret-of-the-site").is_some());
    }
}
