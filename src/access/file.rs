//! The access file: who may read and write what.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_engine::mirror::Identity;
use headwater_engine::view::{HiddenRecords, View};
use headwater_engine::write::Scope;

use super::caller::{Author, Rate};
use super::entries::{hidden, rate, sheets};
use super::fields::{Field, Fields, Flaw, Lines};
use super::fingerprint::Fingerprint;
use super::grants::public_view_of;
use super::issuer_settings::IssuerSettings;
use crate::config::tokens::is_token_name;
use crate::config::{ConfigError, Secret};

/// The content of an access file. It has no `Debug`: it holds secrets.
pub struct AccessFile {
    /// What callers without a credential see.
    pub(super) anonymous: View,
    pub(super) tokens: Vec<AccessToken>,
    pub(super) issuers: Vec<IssuerSettings>,
}

/// A `[[token]]`. It has no `Debug`: it may hold a secret.
pub struct AccessToken {
    /// The name.
    pub name: Arc<str>,
    /// The sheets that it reads, public or not; `None` for those that everybody reads.
    pub read: Option<Scope>,
    /// Whether it sees their hidden records.
    pub hidden: HiddenRecords,
    /// The sheets that it writes.
    pub write: Scope,
    /// The moment from which it is valid no more.
    pub expires: Option<SystemTime>,
    /// How many requests in a second it may send; `None` is any number.
    pub rate: Option<Rate>,
    pub(super) fingerprint: Fingerprint,
    /// The secret, if the file holds it and not only its fingerprint.
    secret: Option<Secret>,
    pub(super) author: Author,
}

/// What a file that names nobody is told.
const FORM: &str = "the file grants nothing to anybody; it has at least \
                    `anonymous = { read = [\"*\"] }` or a table `[[token]]`";

impl AccessFile {
    /// Parses the text of an access file. `path` names it in errors.
    ///
    /// # Errors
    /// Fails if the text is not TOML, grants nothing, or breaks a rule: an unknown key, a name or a
    /// secret that is there twice, a secret that can be guessed, both or neither of `secret` and
    /// `sha256`, a value of another type. The error names the line and what would be right, and
    /// repeats no value but the names of tokens.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::read(Lines::of(text), folder).map_err(|Flaw { line, rule }| ConfigError::AccessFile {
            path: path.to_owned(),
            line,
            rule,
        })
    }

    fn read(lines: Lines<'_>, folder: &Path) -> Result<Self, Flaw> {
        let document = lines.parse()?;
        let known = ["anonymous", "token", "issuer"];
        let fields = Fields::of(document.get_ref(), 0..0, lines, &known)?;
        let anonymous = fields.get("anonymous").map(|field| anonymous(&field)).transpose()?;
        let mut tokens: Vec<AccessToken> = Vec::new();
        let (mut names, mut holders) = (HashSet::new(), HashMap::new());
        for item in fields.get("token").map(|field| field.items()).transpose()?.unwrap_or_default()
        {
            let token = token(&item)?;
            let name = &token.name;
            if !names.insert(name.clone()) {
                return Err(item.flaw(format!("the token `{name}` is there twice")));
            }
            if let Some(other) = holders.insert(token.fingerprint, name.clone()) {
                let rule = format!("the tokens `{other}` and `{name}` have the same secret");
                return Err(item.flaw(rule));
            }
            tokens.push(token);
        }
        let (mut issuers, mut names) = (Vec::<IssuerSettings>::new(), HashSet::new());
        for item in fields.get("issuer").map(|field| field.items()).transpose()?.unwrap_or_default()
        {
            let settings = IssuerSettings::read(&item, folder)?;
            if !names.insert(settings.issuer.clone()) {
                return Err(item.flaw("this issuer is there twice"));
            }
            issuers.push(settings);
        }
        if anonymous.is_none() && tokens.is_empty() && issuers.is_empty() {
            return Err(fields.flaw(FORM));
        }
        stands_first(&fields)?;
        Ok(Self { anonymous: anonymous.unwrap_or(View::PUBLIC), tokens, issuers })
    }

    /// Returns whether a caller may write something.
    pub fn grants_writes(&self) -> bool {
        self.tokens.iter().any(|token| !token.write.is_nothing())
            || self.issuers.iter().any(IssuerSettings::grants_writes)
    }

    /// Returns whether a token has this secret, as far as the file tells.
    pub(super) fn has(&self, secret: &Secret) -> bool {
        let fingerprint = Fingerprint::of(secret.expose());
        self.tokens.iter().any(|token| {
            let is_same = token.secret.as_ref().is_some_and(|ours| ours.is(secret));
            is_same || token.fingerprint == fingerprint
        })
    }

    /// Returns the tokens, in the order of the file.
    pub fn tokens(&self) -> &[AccessToken] {
        &self.tokens
    }
}

/// Checks that `anonymous` stands above all tables. Without it everybody reads, so otherwise the
/// beginning of a file that is still being written would open what the whole file closes.
fn stands_first(fields: &Fields<'_>) -> Result<(), Flaw> {
    let Some(anonymous) = fields.get("anonymous") else { return Ok(()) };
    let mut items = Vec::new();
    for name in ["token", "issuer"] {
        items.extend(fields.get(name).map(|field| field.items()).transpose()?.unwrap_or_default());
    }
    match items.iter().any(|item| item.stands_above(&anonymous)) {
        true => {
            Err(anonymous.flaw("`anonymous` must stand above every `[[token]]` and `[[issuer]]`"))
        }
        false => Ok(()),
    }
}

fn anonymous(field: &Field<'_>) -> Result<View, Flaw> {
    let fields = field.table(&["read"])?;
    Ok(public_view_of(&sheets(&fields.require("read")?)?))
}

fn token(item: &Field<'_>) -> Result<AccessToken, Flaw> {
    let fields = item.table(&[
        "name",
        "secret",
        "sha256",
        "read",
        "hidden",
        "write",
        "author",
        "names_author",
        "expires",
        "rate",
    ])?;
    let name = fields.require("name")?;
    let text = name.text()?;
    if !is_token_name(text) {
        return Err(name.must_be("1 to 64 letters, digits, `-`, `_` and `.`"));
    }
    let (fingerprint, secret) = secret(&fields)?;
    let write = fields.get("write").map(|field| sheets(&field)).transpose()?;
    let write = write.unwrap_or(Scope::nothing());
    let author = fields.get("author").map(|field| author(&field)).transpose()?;
    let names_author = fields.get("names_author").map(|field| field.switch()).transpose()?;
    let author = match (author, names_author.unwrap_or(false)) {
        (Some(author), true) => Author::Default(author),
        (Some(author), false) => Author::Fixed(author),
        (None, false) if write.is_nothing() => Author::Nobody,
        (None, _) => return Err(fields.flaw("a token that writes needs `author`")),
    };
    Ok(AccessToken {
        name: text.into(),
        fingerprint,
        secret,
        read: fields.get("read").map(|field| sheets(&field)).transpose()?,
        hidden: hidden(&fields)?,
        write,
        author,
        expires: fields.get("expires").map(|field| field.moment()).transpose()?,
        rate: fields.get("rate").map(|field| rate(&field)).transpose()?,
    })
}

fn secret(fields: &Fields<'_>) -> Result<(Fingerprint, Option<Secret>), Flaw> {
    match (fields.get("secret"), fields.get("sha256")) {
        (Some(field), None) => {
            let secret = Secret::new("", field.text()?).map_err(|error| match error {
                ConfigError::SigningToken { .. } => {
                    field.must_be("base64 behind `whsec_`, or another secret")
                }
                _ => field.must_be("at least 16 bytes long"),
            })?;
            Ok((Fingerprint::of(secret.expose()), Some(secret)))
        }
        (None, Some(field)) => {
            let fingerprint = Fingerprint::parse(field.text()?);
            let what = "the SHA-256 of the secret, as 64 hexadecimal digits";
            fingerprint.map(|print| (print, None)).ok_or_else(|| field.must_be(what))
        }
        (Some(_), Some(field)) => Err(field.flaw("a token has `secret` or `sha256`, not both")),
        (None, None) => Err(fields.flaw("a token has `secret` or `sha256`")),
    }
}

fn author(field: &Field<'_>) -> Result<Identity, Flaw> {
    Identity::parse(field.text()?).map_err(|_| field.must_be("of the form `Name <address>`"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater_engine::id::SheetName;

    use super::*;

    const FILE: &str = r#"anonymous = { read = ["people", "tags"] }

[[token]]
name = "site"
secret = "the-secret-of-the-site"
read = ["*"]
hidden = true
write = ["projects", "tags"]
author = "The Site <site@example.org>"
names_author = true
expires = 2027-01-01
rate = 50

[[token]]
name = "mirror"
sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
read = ["team"]
"#;

    fn parse(text: &str) -> Result<AccessFile, ConfigError> {
        AccessFile::parse(Path::new("access.toml"), text)
    }

    fn refusal(text: &str) -> String {
        parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn only(names: &[&str]) -> Scope {
        Scope::Only(names.iter().map(|name| SheetName::new(*name)).collect())
    }

    #[test]
    fn a_file_says_what_everybody_and_each_token_may_do() {
        let file = parse(FILE).unwrap();
        assert_eq!(file.anonymous, public_view_of(&only(&["people", "tags"])));
        let [site, mirror] = &file.tokens[..] else { panic!() };
        assert_eq!((&*site.name, &*mirror.name), ("site", "mirror"));
        assert_eq!(site.read, Some(Scope::Every));
        assert_eq!(
            (site.hidden, &site.write),
            (HiddenRecords::Shown, &only(&["projects", "tags"]))
        );
        let author = Identity::parse("The Site <site@example.org>").unwrap();
        assert_eq!(site.author, Author::Default(author));
        assert_eq!(site.rate.map(Rate::get), Some(50));
        assert!(site.fingerprint == Fingerprint::of(b"the-secret-of-the-site"));
        assert_eq!(mirror.read, Some(only(&["team"])));
        assert_eq!((mirror.hidden, &mirror.write), (HiddenRecords::Withheld, &Scope::nothing()));
        assert_eq!((&mirror.author, mirror.expires, mirror.rate), (&Author::Nobody, None, None));
        assert!(mirror.fingerprint == Fingerprint::of(b"secret"));
        assert!(
            file.grants_writes() && !parse("anonymous = { read = [] }").unwrap().grants_writes()
        );
    }

    #[test]
    fn no_beginning_of_a_file_opens_to_everybody_what_the_whole_file_closes() {
        let tokens = FILE.split_once("\n\n").unwrap().1;
        let closed = "[anonymous]\nread = []\n";
        let told = refusal(&format!("{tokens}{closed}"));
        assert!(told.contains("`anonymous` must stand above every `[[token]]`"), "{told}");
        let whole = format!("{closed}{tokens}");
        let nothing = public_view_of(&Scope::nothing());
        for end in 0..=whole.len() {
            // A file that breaks a rule is not used at all.
            let is_closed = parse(&whole[..end]).map(|file| file.anonymous == nothing);
            assert!(is_closed.unwrap_or(end < whole.len()), "{end}");
        }
    }

    #[test]
    fn two_tokens_that_are_alike_are_found_among_many() {
        const MANY: usize = 5_000;
        let token = |name: usize, secret: usize| {
            format!("[[token]]\nname = \"t{name}\"\nsecret = \"the-secret-number-{secret}\"\n")
        };
        let file: String = (0..MANY).map(|n| token(n, n)).collect();
        let parsed = parse(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed.tokens().len(), MANY);
        let line = 3 * MANY + 1;
        for (last, rule) in [
            (token(0, MANY), "the token `t0` is there twice".to_owned()),
            (token(MANY, 7), format!("the tokens `t7` and `t{MANY}` have the same secret")),
        ] {
            let told = refusal(&format!("{file}{last}"));
            assert!(told.ends_with(&format!(":{line}: {rule}")), "{told}");
        }
    }

    #[test]
    fn a_date_is_its_start_in_utc() {
        let seconds = |date: &str| {
            let file = parse(&FILE.replace("2027-01-01", date)).unwrap();
            let expires = file.tokens[0].expires.unwrap();
            expires.duration_since(SystemTime::UNIX_EPOCH).unwrap()
        };
        let start = 1_798_761_600;
        for (date, expected) in [
            ("2027-01-01", start),
            ("2027-01-01T00:00:00Z", start),
            ("2027-01-01 00:00:00", start),
            ("2027-01-01T02:00:00+02:00", start),
            ("2026-12-31T23:00:00-01:00", start),
            ("2027-01-01T00:00:01Z", start + 1),
            ("1901-01-01", 0),
        ] {
            assert_eq!(seconds(date), Duration::from_secs(expected), "{date}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_with_its_line_and_what_would_be_right() {
        let cases = [
            ("name = \"site\"", "nmae = \"site\"", "4: this key is unknown; did you mean `name`?"),
            ("name = \"site\"", "", "3: `name` is missing"),
            ("name = \"site\"", "name = \"a site\"", "4: `name` must be 1 to 64 letters"),
            ("name = \"mirror\"", "name = \"site\"", "14: the token `site` is there twice"),
            ("the-secret-of-the-site", "fifteen-bytes-!", "5: `secret` must be at least 16 bytes"),
            ("the-secret-of-the-site", "whsec_%%%%%%%%%%%%%%%%%%", "5: `secret` must be base64"),
            ("secret = \"the-secret-of-the-site\"", "", "3: a token has `secret` or `sha256`"),
            ("sha256 = \"", "secret = \"0123456789abcdef\"\nsha256 = \"", "not both"),
            ("27a25b\"", "27a25\"", "16: `sha256` must be the SHA-256 of the secret, as 64"),
            ("read = [\"*\"]", "read = \"*\"", "6: `read` must be a list of strings such as"),
            ("read = [\"*\"]", "read = [\"*\", \"a\"]", "6: `*` stands alone in `read`"),
            ("read = [\"*\"]", "read = [\"\"]", "6: `read` must be a list of names, none"),
            ("read = [\"*\"]", "read = [1]", "6: `read` must be a list of strings"),
            ("hidden = true", "hidden = \"yes\"", "7: `hidden` must be `true` or `false`"),
            ("The Site <site@example.org>", "The Site", "9: `author` must be of the form `Name"),
            (
                "author = \"The Site <site@example.org>\"\n",
                "",
                "3: a token that writes needs `author`",
            ),
            ("2027-01-01", "\"2027-01-01\"", "11: `expires` must be a date without quotes"),
            ("2027-01-01", "12:00:00", "11: `expires` must be a date"),
            ("2027-01-01", "2027-02-30", "11: "),
            ("rate = 50", "rate = 0", "12: `rate` must be a whole number from 1 to 1000000"),
            ("rate = 50", "rate = 0.5", "12: `rate` must be a whole number"),
            ("[[token]]\nname = \"site\"", "[token]\nname = \"site\"", "access.toml:"),
            ("{ read = [\"people\", \"tags\"] }", "[\"*\"]", "1: `anonymous` must be a table"),
            ("{ read = [\"people\", \"tags\"] }", "{ }", "1: `read` is missing"),
            (
                "[\"people\", \"tags\"] }",
                "[], hidden = true }",
                "1: this key is unknown; there are",
            ),
            (
                "anonymous",
                "everybody",
                "1: this key is unknown; there are `anonymous`, `token`, `issuer`",
            ),
            ("read = [\"team\"]", "read = [\"team\"", "17: this is not valid TOML"),
            (FILE, "", "1: the file grants nothing"),
            (FILE, "# nobody yet\n", "1: the file grants nothing"),
        ];
        for (from, to, expected) in cases {
            let changed = FILE.replacen(from, to, 1);
            assert_ne!(changed, FILE, "{from}");
            let told = refusal(&changed);
            assert!(told.starts_with("access.toml:"), "{to}: {told}");
            assert!(told.contains(expected), "{to}: {told}");
        }
        let same = FILE.replacen("the-secret-of-the-site", "twice-the-secret", 1);
        let print = Fingerprint::of(b"twice-the-secret").to_hex();
        let old = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let told = refusal(&same.replace(old, &print));
        assert!(told.ends_with("the tokens `site` and `mirror` have the same secret"), "{told}");
    }

    #[test]
    fn whatever_is_in_a_file_nothing_panics_and_no_error_repeats_a_secret() {
        let mut seed: u64 = 24;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let pieces = [
            "\"",
            "'",
            "[",
            "]",
            "{",
            "}",
            "=",
            "\n",
            "#",
            ",",
            ".",
            "[[token]]",
            "secret = ",
            "\"\"\"",
            "\\",
            "\0",
            "é",
            "-",
            "1",
            "true",
            "2027-01-01",
            "\"*\"",
            "anonymous",
            " ",
        ];
        let mut refused = 0;
        for _ in 0..4_000 {
            let mut text = FILE.to_owned();
            for _ in 0..=next(3) {
                let mut at = next(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                match next(3) {
                    0 => text.insert_str(at, pieces[next(pieces.len())]),
                    1 => text.truncate(at.max(1)),
                    _ => {
                        let end = (at + next(12)).min(text.len());
                        let end = (end..=text.len()).find(|end| text.is_char_boundary(*end));
                        text.replace_range(at..end.unwrap_or(at), "");
                    }
                }
            }
            if let Err(error) = parse(&text) {
                refused += 1;
                let told = format!("{error} {error:?}");
                assert!(!told.contains("secret-of") && !told.contains("of-the-site"), "{told}");
            }
        }
        assert!(refused > 1_000, "{refused}");
    }

    #[test]
    fn the_examples_of_the_book_are_access_files() {
        let book = include_str!("../../docs/access.md");
        let examples: Vec<&str> =
            book.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(examples.len() > 1);
        for example in examples {
            let told = refusal(example);
            assert!(told.is_empty(), "{told}\n{example}");
        }
    }
}
