//! Turns the credential of a request into a caller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use headwater_engine::view::View;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::caller::Caller;
use super::credential::{Changes, Refused, Valid};
use super::file::AccessFile;
use super::roster::Roster;
use super::sign_in::SignIn;
use crate::config::{AccessFilePath, Config, ConfigError, Tokens, Watched};
use crate::exit::chain;

/// Knows every caller: those of the access file, and those of the file of write tokens.
pub struct Authenticator {
    access: Option<Watched<AccessFile>>,
    writers: Option<Watched<Tokens>>,
    current: Mutex<Current>,
    /// The versions of the files that the callers come from. Held while new ones are combined.
    versions: tokio::sync::Mutex<Versions>,
    changes: Changes,
}

/// The callers.
struct Current {
    roster: Arc<Roster>,
    /// Why the latest versions of the files cannot be used together.
    trouble: Option<String>,
}

/// A version of each file.
#[derive(Clone)]
struct Versions {
    access: Option<Arc<AccessFile>>,
    writers: Option<Arc<Tokens>>,
}

impl Authenticator {
    /// Reads the access file that the settings name, if they do.
    ///
    /// # Errors
    /// As [`Self::read`]; also if a token has the secret of a role.
    pub fn open(config: &Config) -> Result<Self, ConfigError> {
        let opened = Self::read(config.access_file.clone(), config.write_tokens.clone())?;
        if let (Some(file), Some(path)) = (&opened.access, &config.access_file) {
            for of_role in config.role_secrets() {
                if file.last().has(&of_role.secret) {
                    let settings = [of_role.setting.to_owned(), path.setting.clone()];
                    return Err(ConfigError::SharedSecret { settings });
                }
            }
        }
        Ok(opened)
    }

    /// Reads the access file, if there is one. `writers` is the file of write tokens.
    ///
    /// # Errors
    /// Fails if the file cannot be read or breaks a rule, or if both files have a token of the same
    /// name or with the same secret.
    pub fn read(
        file: Option<AccessFilePath>,
        writers: Option<Watched<Tokens>>,
    ) -> Result<Self, ConfigError> {
        let read = |AccessFilePath { setting, path }: AccessFilePath| {
            let name = path.clone();
            Watched::read(&setting, &path, move |text| AccessFile::parse(&name, text))
        };
        let access = file.map(read).transpose()?;
        let access_now = access.as_ref().map(Watched::last);
        let writers_now = writers.as_ref().map(Watched::last);
        let versions = Versions { access: access_now, writers: writers_now };
        let changes = Changes::default();
        let roster = Arc::new(versions.roster(None, &changes)?);
        let current = Mutex::new(Current { roster, trouble: None });
        Ok(Self { access, writers, current, versions: versions.into(), changes })
    }

    /// Returns whether there is an access file, so that not everybody reads alike.
    pub fn tells_readers_apart(&self) -> bool {
        self.access.is_some()
    }

    /// Returns what a caller without a credential reads, as the files are now.
    pub fn view_of_everybody(&self) -> View {
        self.roster().anonymous().grants.view.clone()
    }

    /// Returns how people sign in on a page, at each issuer where they can, as the files are now.
    pub fn sign_ins(&self) -> Vec<SignIn> {
        self.roster().sign_ins()
    }

    /// Returns whether a caller may write something, as the files are now.
    pub fn grants_writes(&self) -> bool {
        self.writers.is_some() || self.roster().grants_writes()
    }

    /// Returns who reads. Without an access file everybody reads alike, so a credential, which may
    /// be for a proxy in front, is ignored.
    ///
    /// The files are those that [`Self::refresh`] last read. They are read again only for an
    /// unknown credential, so that a new token is valid at once and a known one costs no file.
    ///
    /// # Errors
    /// Fails if there is an access file and the credential opens nothing.
    pub async fn reader(&self, credential: Option<&[u8]>) -> Result<Arc<Caller>, Refused> {
        let roster = self.roster();
        let Some(credential) = credential.filter(|_| self.access.is_some()) else {
            return Ok(roster.anonymous());
        };
        let refused = match roster.caller(credential, SystemTime::now()).await {
            Ok(valid) => return Ok(valid.caller),
            Err(refused) => refused,
        };
        self.refresh().await;
        let renewed = self.roster();
        if Arc::ptr_eq(&roster, &renewed) {
            return Err(refused);
        }
        renewed.caller(credential, SystemTime::now()).await.map(|valid| valid.caller)
    }

    /// Returns who reads with a credential that was valid a while ago, as [`Self::reader`] does, but
    /// by what is known now: it reads no file and asks no issuer.
    ///
    /// # Errors
    /// Fails if there is an access file and the credential opens nothing any more.
    pub(super) fn known_reader(
        &self,
        credential: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<Valid, Refused> {
        let roster = self.roster();
        match credential.filter(|_| self.access.is_some()) {
            Some(credential) => roster.known_caller(credential, now),
            None => Ok(Valid { caller: roster.anonymous(), until: None }),
        }
    }

    /// Tells from now on that a credential may open something else than before.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns who writes, as the files are now.
    ///
    /// # Errors
    /// Fails if the credential opens nothing. Whether the caller may write is for
    /// [`Caller::writer`].
    pub async fn writer(&self, credential: &[u8]) -> Result<Arc<Caller>, Refused> {
        self.refresh().await;
        self.roster().caller(credential, SystemTime::now()).await.map(|valid| valid.caller)
    }

    /// Returns who writes with a credential that was valid a while ago, by what is known now.
    ///
    /// # Errors
    /// Fails if the credential opens nothing any more.
    pub fn known_writer(&self, credential: &[u8]) -> Result<Arc<Caller>, Refused> {
        let valid = self.roster().known_caller(credential, SystemTime::now());
        valid.map(|valid| valid.caller)
    }

    /// Reads the files again, and asks issuers for their keys where these are old. Call it every
    /// second. Where files cannot be used, their last good versions stay valid.
    pub async fn refresh(&self) {
        self.read_again().await;
        self.roster().renew_keys();
    }

    async fn read_again(&self) {
        if let Some(file) = &self.access {
            file.current().await;
        }
        if let Some(file) = &self.writers {
            file.current().await;
        }
        let mut versions = self.versions.lock().await;
        // Taken in turn, so that a slow caller never brings an older version back.
        let access = self.access.as_ref().map(Watched::last);
        let writers = self.writers.as_ref().map(Watched::last);
        if same(&versions.access, &access) && same(&versions.writers, &writers) {
            return;
        }
        let latest = Versions { access, writers };
        let (combined, before, changes) = (latest.clone(), self.roster(), self.changes.clone());
        // Many tokens take a while, and everybody else goes on with those before.
        let made = spawn_blocking(move || combined.roster(Some(&before), &changes)).await;
        match made {
            Ok(Ok(roster)) => {
                let current = Current { roster: Arc::new(roster), trouble: None };
                *self.lock() = current;
                self.changes.send_replace(());
            }
            Ok(Err(error)) => {
                tracing::warn!(error = chain(&error), "keeping the last good tokens");
                self.lock().trouble = Some(chain(&error));
            }
            // The server is stopping.
            Err(_) => return,
        }
        *versions = latest;
    }

    /// Returns why the latest version of a file is not in use, if it is not.
    pub fn trouble(&self) -> Option<String> {
        let of_access = self.access.as_ref().and_then(Watched::trouble);
        let of_writers = || self.writers.as_ref().and_then(Watched::trouble);
        of_access.or_else(of_writers).or_else(|| self.lock().trouble.clone())
    }

    fn roster(&self) -> Arc<Roster> {
        self.lock().roster.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        // Each value is replaced as a whole, so a poisoned lock holds a usable one.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Versions {
    fn roster(&self, before: Option<&Roster>, changes: &Changes) -> Result<Roster, ConfigError> {
        Roster::of(self.access.as_deref(), self.writers.as_deref(), before, changes)
    }
}

/// Returns whether two versions of a file are one.
fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use headwater_engine::id::SheetName;
    use headwater_engine::view::HiddenRecords;
    use headwater_engine::write::Scope;

    use super::super::caller::{CallerId, NotWriter};
    use super::super::grants::{public_view_of, view_of};
    use super::*;
    use crate::config::watched_file::replace;

    const ACCESS: &str = "anonymous = { read = [] }\n\
                          [[token]]\nname = \"reader\"\nsecret = \"the-secret-of-the-reader\"\n\
                          read = [\"team\"]\nhidden = true\n\
                          [[token]]\nname = \"writer\"\nsecret = \"the-secret-of-the-writer\"\n\
                          write = [\"*\"]\nauthor = \"W <w@example.org>\"\n\
                          [[token]]\nname = \"old\"\nsecret = \"the-secret-of-the-old-one\"\n\
                          read = [\"*\"]\nexpires = 2020-01-01\n";

    const TOKENS: &str = "[[token]]\nname = \"bot\"\nsecret = \"the-secret-of-the-bot\"\n\
                          author = \"Bot <bot@example.org>\"\nsheets = [\"people\"]\n";

    /// An authenticator and its files.
    struct Desk {
        authenticator: Authenticator,
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn open(access: Option<&str>, tokens: Option<&str>) -> Result<Self, ConfigError> {
            let folder = tempfile::tempdir().unwrap();
            let put = |name: &str, text: &str| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                path
            };
            let access = access.map(|text| AccessFilePath {
                setting: "--access-file".to_owned(),
                path: put("access.toml", text),
            });
            let tokens = tokens.map(|text| {
                let path = put("tokens.toml", text);
                let parse = |text: &str| Tokens::parse("--write-tokens-file", text);
                Watched::read("--write-tokens-file", &path, parse).unwrap()
            });
            Ok(Self { authenticator: Authenticator::read(access, tokens)?, folder })
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        async fn reader(&self, secret: Option<&str>) -> Result<Arc<Caller>, Refused> {
            self.authenticator.reader(secret.map(str::as_bytes)).await
        }
    }

    #[tokio::test]
    async fn each_token_sees_its_sheets_and_whatever_is_wrong_has_one_answer() {
        let desk = Desk::open(Some(ACCESS), Some(TOKENS)).unwrap();
        let nothing = public_view_of(&Scope::nothing());
        let team = view_of(&Scope::Only([SheetName::new("team")].into()), HiddenRecords::Shown);
        for (secret, name, expected) in [
            (None, "", nothing.clone()),
            (Some("the-secret-of-the-reader"), "reader", team),
            (Some("the-secret-of-the-writer"), "writer", nothing.clone()),
            (Some("the-secret-of-the-bot"), "bot", nothing),
        ] {
            let caller = desk.reader(secret).await.unwrap();
            assert_eq!(caller.grants.view, expected, "{name}");
            let id = match secret {
                Some(_) => CallerId::Token(name.into()),
                None => CallerId::Anonymous,
            };
            assert_eq!(caller.id, id);
        }
        for wrong in ["", "the-secret", "the-secret-of-the-old-one", "the-secret-of-the-reader "] {
            let told = match wrong {
                "the-secret-of-the-old-one" => Refused::Expired,
                _ => Refused::Wrong,
            };
            assert_eq!(desk.reader(Some(wrong)).await, Err(told), "{wrong}");
            assert_eq!(desk.authenticator.writer(wrong.as_bytes()).await, Err(told), "{wrong}");
            assert_eq!(told.to_string(), "the credential opens nothing");
        }
    }

    #[tokio::test]
    async fn who_may_write_is_a_writer_with_its_author() {
        let desk = Desk::open(Some(ACCESS), Some(TOKENS)).unwrap();
        assert!(desk.authenticator.grants_writes());
        let of = |secret: &'static str| desk.authenticator.writer(secret.as_bytes());
        let writer = of("the-secret-of-the-writer").await.unwrap().writer().unwrap();
        assert_eq!((&*writer.name, &writer.scope), ("writer", &Scope::Every));
        assert_eq!((writer.author.address(), writer.names_author), ("w@example.org", false));
        let bot = of("the-secret-of-the-bot").await.unwrap().writer().unwrap();
        assert_eq!((&*bot.name, bot.author.name()), ("bot", "Bot"));
        let reader = of("the-secret-of-the-reader").await.unwrap();
        assert_eq!(reader.writer(), Err(NotWriter::NoGrant));
        let anonymous = desk.reader(None).await.unwrap();
        assert_eq!(anonymous.writer(), Err(NotWriter::NoGrant));
    }

    #[tokio::test]
    async fn without_an_access_file_everybody_reads_alike() {
        let desk = Desk::open(None, Some(TOKENS)).unwrap();
        for secret in [None, Some("the-secret-of-the-bot"), Some("for a proxy in front")] {
            let caller = desk.reader(secret).await.unwrap();
            assert_eq!(*caller, Caller::anonymous(View::PUBLIC));
        }
        assert!(desk.authenticator.writer(b"the-secret-of-the-bot").await.is_ok());
        assert!(!Desk::open(None, None).unwrap().authenticator.grants_writes());
    }

    #[tokio::test]
    async fn a_changed_file_holds_and_a_broken_one_leaves_the_last_good_one() {
        let desk = Desk::open(Some(ACCESS), None).unwrap();
        let path = desk.path("access.toml");
        let reader = Some("the-secret-of-the-reader");
        let half = &ACCESS[..ACCESS.find("name = \"writer\"").unwrap()];
        for broken in ["", "\n", "# nobody\n", half, "anonymous = { read = \"*\" }"] {
            replace(&path, broken);
            desk.authenticator.refresh().await;
            assert!(desk.reader(reader).await.is_ok(), "{broken:?}");
            assert!(desk.authenticator.trouble().is_some(), "{broken:?}");
        }
        // A new token is known at once, an old one until the file is read again.
        replace(&path, &ACCESS.replace("of-the-reader", "of-the-next-one"));
        assert!(desk.reader(Some("the-secret-of-the-next-one")).await.is_ok());
        assert_eq!(desk.reader(reader).await, Err(Refused::Wrong));
        assert_eq!(desk.authenticator.trouble(), None);
        replace(&path, "anonymous = { read = [\"*\"] }");
        desk.authenticator.refresh().await;
        assert_eq!(desk.reader(Some("the-secret-of-the-next-one")).await, Err(Refused::Wrong));
        let everybody = desk.reader(None).await.unwrap();
        assert_eq!(everybody.grants.view, View::PUBLIC);
    }

    #[tokio::test]
    async fn both_files_hold_together_and_no_token_is_in_both() {
        let in_both = [
            ("name = \"reader\"", "name = \"bot\""),
            ("the-secret-of-the-reader", "the-secret-of-the-bot"),
        ];
        for (from, to) in in_both {
            let both = ACCESS.replace(from, to);
            let told = Desk::open(Some(&both), Some(TOKENS)).err().map(|error| error.to_string());
            assert!(told.is_some_and(|told| told.contains("token `bot`")), "{to}");
            let desk = Desk::open(Some(ACCESS), Some(TOKENS)).unwrap();
            replace(&desk.path("access.toml"), &both);
            desk.authenticator.refresh().await;
            assert!(desk.reader(Some("the-secret-of-the-reader")).await.is_ok());
            assert!(desk.authenticator.trouble().is_some_and(|told| told.contains("`bot`")));
            replace(&desk.path("access.toml"), ACCESS);
            desk.authenticator.refresh().await;
            assert_eq!(desk.authenticator.trouble(), None);
        }
    }
}
