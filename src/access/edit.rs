//! Changes of the text of an access file that leave everything else of it as it is.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use toml::Value;
use toml::value::Datetime;
use toml_edit::{DocumentMut, Item};

use super::file::AccessFile;
use super::fingerprint::Fingerprint;
use crate::config::ConfigError;

/// A token to add, with its values as they stand in the file.
pub struct NewToken {
    /// The name.
    pub name: String,
    /// The sheets that it reads, or `*`; empty for what everybody reads.
    pub read: Vec<String>,
    /// Whether it sees hidden records.
    pub hidden: bool,
    /// The sheets that it writes, or `*`.
    pub write: Vec<String>,
    /// The author of its commits.
    pub author: Option<String>,
    /// The date from which it is valid no more.
    pub expires: Option<Datetime>,
    /// How many requests in a second it may send.
    pub rate: Option<u32>,
}

/// An access file with one more token, and the secret of the token, which stands nowhere else.
pub struct Extended {
    /// The new text of the file.
    pub text: String,
    /// The secret: 32 random bytes in base64url.
    pub secret: String,
}

/// Why a token cannot be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is a token of this name.
    #[error("there is a token `{name}` already: revoke it first, or take another name")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no token of this name.
    #[error("there is no token `{name}`")]
    Missing {
        /// The name.
        name: String,
    },
    /// The system gave no random bytes.
    #[error("there is no randomness to make a secret of")]
    NoRandomness,
    /// The file breaks a rule, before or after the change.
    #[error(transparent)]
    File(#[from] ConfigError),
}

/// Adds `token` with a new secret behind `text`, which may be empty. `path` names it in errors.
///
/// # Errors
/// Fails if the file has a token of this name, breaks a rule, or would break one.
pub fn with_token(path: &Path, text: &str, token: &NewToken) -> Result<Extended, EditError> {
    let NewToken { name, read, hidden, write, author, expires, rate } = token;
    if !text.trim().is_empty() {
        let file = AccessFile::parse(path, text)?;
        if file.tokens().iter().any(|other| *other.name == **name) {
            return Err(EditError::Exists { name: name.clone() });
        }
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| EditError::NoRandomness)?;
    let secret = BASE64URL_NOPAD.encode(&bytes);
    let print = Fingerprint::of(secret.as_bytes()).to_hex();
    let break_before = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let list = |names: &[String]| Value::from(names.to_vec());
    let fields = [
        Some(("name", Value::from(name.as_str()))),
        Some(("sha256", Value::from(print))),
        (!read.is_empty()).then(|| ("read", list(read))),
        hidden.then(|| ("hidden", Value::from(true))),
        (!write.is_empty()).then(|| ("write", list(write))),
        author.as_ref().map(|author| ("author", Value::from(author.as_str()))),
        expires.map(|date| ("expires", Value::from(date))),
        rate.map(|rate| ("rate", Value::from(rate))),
    ];
    let fields = fields.into_iter().flatten().map(|(key, value)| format!("{key} = {value}\n"));
    let text = format!("{text}{break_before}[[token]]\n{}", fields.collect::<String>());
    AccessFile::parse(path, &text)?;
    Ok(Extended { text, secret })
}

/// Removes the token `name` from `text`, with the comment right above it. `path` names the file in
/// errors.
///
/// A file that would grant nothing to anybody gets the default for callers without a credential,
/// because a server does not use a file that says nothing.
///
/// # Errors
/// Fails if the file has no such token, or breaks a rule.
pub fn without_token(path: &Path, text: &str, name: &str) -> Result<String, EditError> {
    let file = AccessFile::parse(path, text)?;
    let place = file.tokens().iter().position(|token| *token.name == *name);
    let place = place.ok_or_else(|| EditError::Missing { name: name.to_owned() })?;
    let missing = || EditError::Missing { name: name.to_owned() };
    let mut document: DocumentMut = text.parse().map_err(|_| missing())?;
    let mut kept = String::new();
    match document.get_mut("token") {
        Some(Item::ArrayOfTables(tables)) => {
            if let Some(table) = tables.get(place) {
                let above = table.decor().prefix().and_then(|prefix| prefix.as_str());
                kept = other_comments(above.unwrap_or_default()).to_owned();
            }
            tables.remove(place);
            // What stood further above is not about the token: it goes on standing there.
            if let Some(next) = tables.get_mut(place) {
                let own = next.decor().prefix().and_then(|prefix| prefix.as_str());
                let prefix = format!("{kept}{}", own.unwrap_or_default());
                next.decor_mut().set_prefix(prefix);
                kept.clear();
            }
            if tables.is_empty() {
                document.remove("token");
            }
        }
        Some(item) => {
            let list = item.as_array_mut().ok_or_else(missing)?;
            list.remove(place);
        }
        None => return Err(missing()),
    }
    let mut text = document.to_string();
    text.push_str(&kept);
    if AccessFile::parse(path, &text).is_err() {
        text = format!("anonymous = {{ read = [\"*\"] }}\n{text}");
    }
    AccessFile::parse(path, &text)?;
    Ok(text)
}

/// Returns the part of the comments above a table that is not about it: up to the last empty line.
fn other_comments(above: &str) -> &str {
    let end = above.trim_end_matches('\n').rfind("\n\n").map_or(0, |at| at + 1);
    let end = if above.trim().is_empty() { 0 } else { end };
    &above[..end]
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use headwater_engine::id::SheetName;

    use super::*;

    fn path() -> &'static Path {
        Path::new("access.toml")
    }

    fn token(name: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            read: vec!["*".to_owned()],
            hidden: true,
            write: vec!["people".to_owned(), "a \"quoted\" one".to_owned()],
            author: Some("Site <site@example.org>".to_owned()),
            expires: Datetime::from_str("2027-01-01").ok(),
            rate: Some(50),
        }
    }

    const FILE: &str = "# Who may read.\n\nanonymous={read=[]} # nobody\n\n# The mirror.\n\
                        [[token]]\nname='mirror'\nsecret = \"the-secret-of-the-mirror\"\n";

    #[test]
    fn a_token_is_added_behind_all_that_is_there() {
        for before in ["", FILE, FILE.trim_end(), "anonymous = { read = [\"*\"] }"] {
            let Extended { text, secret } = with_token(path(), before, &token("site")).unwrap();
            assert!(text.starts_with(before));
            assert!(!text.contains(&secret) && secret.len() == 43);
            let file = AccessFile::parse(path(), &text).unwrap();
            let added = file.tokens().last().unwrap();
            assert_eq!(&*added.name, "site");
            assert!(added.fingerprint == Fingerprint::of(secret.as_bytes()));
            assert_eq!(added.rate.map(|rate| rate.get()), Some(50));
            assert!(
                added.expires.is_some() && added.write.opens(&SheetName::new("a \"quoted\" one"))
            );
        }
    }

    #[test]
    fn two_tokens_never_have_the_same_secret_and_no_name_is_there_twice() {
        let first = with_token(path(), FILE, &token("site")).unwrap();
        let second = with_token(path(), &first.text, &token("bot")).unwrap();
        assert_ne!(first.secret, second.secret);
        let again = with_token(path(), &second.text, &token("site")).err();
        assert!(matches!(again, Some(EditError::Exists { .. })));
    }

    #[test]
    fn what_the_file_may_not_say_is_not_added() {
        let without_author = NewToken { author: None, ..token("site") };
        let wrong = [
            NewToken { name: "a\nb".to_owned(), ..token("site") },
            NewToken { author: Some("Site".to_owned()), ..token("site") },
            NewToken { rate: Some(0), ..token("site") },
            without_author,
        ];
        for token in wrong {
            assert!(matches!(with_token(path(), FILE, &token), Err(EditError::File(_))));
        }
        let inline = "token = [{ name = \"a\", secret = \"0123456789abcdef\" }]\n";
        assert!(with_token(path(), inline, &token("site")).is_err());
        assert!(with_token(path(), "[[token]]\n", &token("site")).is_err());
    }

    #[test]
    fn a_token_is_removed_with_its_comment_and_nothing_else() {
        let added = with_token(path(), FILE, &token("site")).unwrap().text;
        assert_eq!(without_token(path(), &added, "site").unwrap(), FILE);
        let head = "# About this file.\n\n# The first.\n[[token]]\nname = \"a\"\nsecret = \"0123456789abcdef\"\n";
        let next = "\n# The second.\n[[token]]\nname = \"b\"\nsecret = \"fedcba9876543210\"\n";
        let last =
            "\n# The third.\n[[token]]\nname = \"c\"\nsecret = \"another-one-of-16\"\n# The end.\n";
        let whole = format!("{head}{next}{last}");
        let expected = format!("# About this file.\n{next}{last}");
        assert_eq!(without_token(path(), &whole, "a").unwrap(), expected);
        assert_eq!(without_token(path(), &whole, "b").unwrap(), format!("{head}{last}"));
        let gone = without_token(path(), &whole, "c").unwrap();
        assert_eq!(gone, format!("{head}{next}# The end.\n"));
        let missing = without_token(path(), &whole, "d").err();
        assert!(matches!(missing, Some(EditError::Missing { .. })));
        let inline = "token = [{ name = \"a\", secret = \"0123456789abcdef\" }]\n";
        let gone = without_token(path(), inline, "a").unwrap();
        assert!(AccessFile::parse(path(), &gone).unwrap().tokens().is_empty());
    }

    #[test]
    fn the_last_token_leaves_a_file_that_a_server_uses() {
        let only = with_token(path(), "", &token("site")).unwrap().text;
        let gone = without_token(path(), &only, "site").unwrap();
        assert_eq!(gone.trim(), "anonymous = { read = [\"*\"] }");
    }
}
