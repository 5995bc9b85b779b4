//! The admission of a caller that stays: one that waits for a publication, or follows them.

use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;

use headwater_engine::view::View;
use tokio::sync::watch;

use super::authenticator::Authenticator;
use super::credential::{Refused, Valid};

/// The admission of a caller: it lasts as long as the credential of the caller gives it the view that
/// it had when it came. Without a credential, that is the view of everybody.
#[derive(Clone)]
pub struct Admission {
    callers: Arc<Authenticator>,
    credential: Option<Arc<[u8]>>,
    view: View,
    changes: watch::Receiver<()>,
    /// When the credential expires, if it does.
    until: Option<SystemTime>,
}

/// Why an admission has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The credential opens nothing any more.
    Refused(Refused),
    /// It gives another view now.
    OtherView(View),
}

impl Admission {
    /// Returns the admission of a caller that was let in with `view`.
    pub fn of(callers: &Arc<Authenticator>, credential: Option<&[u8]>, view: View) -> Self {
        let mut changes = callers.changes();
        // What has changed since the caller was let in is found at the first check.
        changes.mark_changed();
        let credential = credential.map(Arc::from);
        Self { callers: callers.clone(), credential, view, changes, until: None }
    }

    /// Checks whether the admission lasts, as the files and the keys are known now. Whatever was
    /// published before a check that succeeds may be told to the caller.
    ///
    /// Costs a comparison, unless something has changed: then it costs what finding the caller does.
    ///
    /// # Errors
    /// Says why it does not last.
    pub fn check(&mut self) -> Result<(), Ended> {
        let now = SystemTime::now();
        let has_expired = self.until.is_some_and(|until| until <= now);
        if !has_expired && !self.changes.has_changed().unwrap_or(true) {
            return Ok(());
        }
        self.changes.mark_unchanged();
        let ended = match self.callers.known_reader(self.credential.as_deref(), now) {
            Ok(Valid { caller, until }) if caller.grants.view == self.view => {
                self.until = until;
                return Ok(());
            }
            // Nobody is let in without a credential any more.
            Ok(Valid { caller, .. })
                if self.credential.is_none() && caller.grants.view.is_empty() =>
            {
                Ended::Refused(Refused::Wrong)
            }
            Ok(Valid { caller, .. }) => Ended::OtherView(caller.grants.view.clone()),
            Err(refused) => Ended::Refused(refused),
        };
        // It does not begin again.
        self.changes.mark_changed();
        Err(ended)
    }

    /// Waits until the admission ends. Nothing is lost if this is cancelled.
    pub async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.check() {
                return ended;
            }
            let until = self.until;
            let expiry = async {
                match until.map(|until| until.duration_since(SystemTime::now())) {
                    Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                _ = self.changes.changed() => self.changes.mark_changed(),
                () = expiry => {}
            }
        }
    }

    /// Returns about how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.credential.as_ref().map_or(0, |credential| credential.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::door::{Door, FILE, READER};
    use super::*;

    #[tokio::test]
    async fn an_admission_ends_when_the_credential_gives_another_view_and_not_before() {
        let closed = "anonymous = { read = [] }\n";
        let token = FILE.split_once('\n').unwrap().1;
        for (case, text, reader_ends, everybody_ends) in [
            ("a comment", format!("# note\n{FILE}"), false, false),
            ("another token", format!("{FILE}{}", token.replace("reader", "other")), false, false),
            (
                "it writes too",
                format!("{FILE}write = [\"a\"]\nauthor = \"A <a@b.c>\"\n"),
                false,
                false,
            ),
            ("broken", format!("{FILE}oops"), false, false),
            ("closed to others", format!("{closed}{token}"), false, true),
            ("another secret", FILE.replace("-secret-", "-new-secret-"), true, false),
            ("without the token", "anonymous = { read = [\"*\"] }\n".to_owned(), true, false),
            ("another sheet", FILE.replace("[\"team\"]", "[\"tags\"]"), true, false),
            ("more sheets", FILE.replace("[\"team\"]", "[\"*\"]"), true, false),
            ("expired", format!("{FILE}expires = 2020-01-01\n"), true, false),
        ] {
            let door = Door::open(FILE);
            for (credential, ends) in [(Some(READER), reader_ends), (None, everybody_ends)] {
                door.change(FILE).await;
                let mut admission = door.admit(credential).await;
                let mut late = admission.clone();
                assert_eq!(admission.check(), Ok(()), "{case}");
                let waiting = tokio::spawn({
                    let mut admission = admission.clone();
                    async move { admission.ended().await }
                });
                door.change(&text).await;
                for admission in [&mut admission, &mut late] {
                    // What has ended does not begin again.
                    assert_eq!(admission.check().is_err(), ends, "{case}");
                    assert_eq!(admission.check().is_err(), ends, "{case}");
                }
                match ends {
                    true => assert_eq!(Err(waiting.await.unwrap()), admission.check(), "{case}"),
                    false => waiting.abort(),
                }
            }
        }
    }

    #[tokio::test]
    async fn an_admission_ends_when_the_credential_expires() {
        let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(2);
        let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
        let door = Door::open(&format!("{FILE}expires = {soon}\n"));
        let mut admission = door.admit(Some(READER)).await;
        let ended = tokio::time::timeout(Duration::from_secs(60), admission.ended()).await;
        assert_eq!(ended, Ok(Ended::Refused(Refused::Expired)));
        assert!(admission.check().is_err());
    }
}
