//! Access to the internal routes and to those that write. Credentials are compared with the current
//! secrets. The log and the metrics record the number of the secret that was used.
//!
//! A correct credential always gives access. Wrong ones are counted against their source. A source
//! with too many gets a different answer, and its signed bodies are read one at a time. So an
//! attacker who shares an address with a forge, such as that of a proxy, delays the forge but never
//! locks it out. A source that recently sent a correct signature has places of its own for its next
//! signed bodies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Method, header};
use headwater_engine::view::View;
use headwater_engine::write::Scope;

use super::auth::{
    AmbiguousCredential, Credentials, Proof, authenticate, bearer_token, password,
    reader_credential,
};
use super::body::{Arrived, BodyReader, Caller, Sender, Trust};
use super::client::Client;
use super::header_names::PEER_KEY;
use super::source::Source;
use super::throttle::Throttle;
use super::verified_senders::Senders;
use crate::access::{
    Admission, Authenticator, Caller as Reader, CallerId, Ended, RateLimits, Refused, SignIn,
    Writer,
};
use crate::config::{Keyring, Keys, Match, Role, Secret};
use crate::metrics::{CallerOutcome, Metrics};
use crate::wire::{ApiError, Code};

/// The number of failures that a wrong credential counts as.
const GUESS: u32 = 1;

/// The number of failures that a body counts as that was waited for and proved nothing. Two such
/// bodies make their source suspect.
const WASTED: u32 = 5;

/// The keys of each group of routes.
pub struct AccessKeys {
    /// Keys that trigger and show reloads.
    pub reload: Keyring,
    /// Keys that release held pushes.
    pub operator: Keyring,
    /// Keys that read the metrics, besides the two above.
    pub metrics: Keyring,
    /// Those who read and write records.
    pub callers: Arc<Authenticator>,
}

/// The charge for a body that takes a place and does not arrive, whatever the reason: also if it
/// exceeds the available memory, or if its sender hangs up and nobody is left to answer.
struct Debt<'a> {
    throttle: &'a Throttle,
    source: Source,
    failures: u32,
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if self.failures > 0 {
            // The answer is about the body, not about its sender.
            let _ = self.throttle.fail(self.source, self.failures, Instant::now());
        }
    }
}

/// Decides on access to the internal routes and to those that write.
pub struct Access {
    keys: AccessKeys,
    bodies: BodyReader,
    throttle: Throttle,
    senders: Senders,
    rates: RateLimits,
    metrics: Arc<Metrics>,
}

impl Access {
    /// Returns an instance that decides by these keys and counts in `metrics`.
    pub fn new(keys: AccessKeys, metrics: Arc<Metrics>) -> Self {
        let (bodies, throttle) = (BodyReader::default(), Throttle::default());
        let (senders, rates) = (Senders::default(), RateLimits::default());
        Self { keys, bodies, throttle, senders, rates, metrics }
    }

    /// Returns whether writes are on.
    pub(super) fn lets_write(&self) -> bool {
        self.keys.callers.grants_writes()
    }

    /// Returns what a caller without a credential reads.
    pub(super) fn view_of_everybody(&self) -> View {
        self.keys.callers.view_of_everybody()
    }

    /// Returns how people sign in on a page, at each issuer where they can.
    pub(super) fn sign_ins(&self) -> Vec<SignIn> {
        self.keys.callers.sign_ins()
    }

    /// Returns whether the credential of a caller decides what it reads.
    pub(super) fn tells_readers_apart(&self) -> bool {
        self.keys.callers.tells_readers_apart()
    }

    /// Returns the sheets that the sender of a read may write; `None` if writes are off. A wrong
    /// credential writes nothing. It is no failure here: pages ask every few seconds.
    pub(super) async fn writable(&self, headers: &HeaderMap) -> Option<Scope> {
        if !self.lets_write() {
            return None;
        }
        let caller = match bearer_token(headers) {
            Some(given) => self.keys.callers.writer(given).await.ok(),
            None => None,
        };
        let writer = caller.and_then(|caller| caller.writer().ok());
        Some(writer.map_or_else(Scope::nothing, |writer| writer.scope))
    }

    /// Admits a caller that may write, and reads the body of the write, up to `max` bytes.
    ///
    /// # Errors
    /// 405 if writes are off; 401 without a token; 403 if it may not write; 429 if the source has failed too often; as
    /// [`BodyReader::place`] and [`BodySlot::read`](super::body::BodySlot::read).
    pub(super) async fn receive_write(
        &self,
        max: usize,
        Client { source, connection }: Client,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Writer, Arrived), ApiError> {
        if !self.lets_write() {
            return Err(Code::MethodNotAllowed.into());
        }
        let caller = match bearer_token(headers) {
            Some(given) => self.keys.callers.writer(given).await,
            None => Err(Refused::Wrong),
        };
        let writer = self.writer(source, caller)?;
        let sender = Sender::Token(writer.name.clone());
        let caller = Caller { sender, trust: Trust::Writer, connection };
        let place = self.bodies.place_up_to(max, headers, caller).await?;
        let arrived = place.read(body, |_| ()).await?;
        // The body may have taken long, and the grants may have gone meanwhile.
        let given = bearer_token(headers).unwrap_or_default();
        let writer = self.writer(source, self.keys.callers.known_writer(given))?;
        Ok((writer, arrived))
    }

    fn writer(
        &self,
        source: Source,
        caller: Result<Arc<Reader>, Refused>,
    ) -> Result<Writer, ApiError> {
        let writer = caller.map_err(|refused| self.refused(source, refused))?.writer();
        writer.map_err(|error| ApiError::explained(Code::TokenScope, error.to_string()))
    }

    /// Returns the admission of a caller that stays and that was let in with `view`; `None` if
    /// everybody reads alike, so that it lasts for ever.
    pub(super) fn admission(&self, headers: &HeaderMap, view: &View) -> Option<Admission> {
        let callers = &self.keys.callers;
        let credential = reader_credential(headers).ok().flatten();
        callers.tells_readers_apart().then(|| Admission::of(callers, credential, view.clone()))
    }

    /// Returns who sends a request for records; `None` if there is no access file, so that everybody
    /// reads alike.
    ///
    /// # Errors
    /// 401 with a credential that opens nothing, and without one if that opens nothing; 403 for a
    /// read of somebody who reads nothing; 429 if the source has failed too often, or if the caller
    /// sends more requests than it may.
    pub(super) async fn reader(
        &self,
        source: Source,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Reader>>, ApiError> {
        let callers = &self.keys.callers;
        if !callers.tells_readers_apart() {
            return Ok(None);
        }
        let caller = match reader_credential(headers) {
            Ok(credential) => callers.reader(credential).await,
            Err(AmbiguousCredential) => Err(Refused::Wrong),
        };
        let caller = caller.map_err(|refused| self.refused(source, refused))?;
        if caller.id == CallerId::Anonymous && caller.grants.view.is_empty() {
            // Asking is no failure.
            return Err(Code::Unauthorized.into());
        }
        let taken = self.rates.take(&caller, Instant::now());
        let outcome = match taken {
            Ok(()) => CallerOutcome::Admitted,
            Err(_) => CallerOutcome::Limited,
        };
        self.metrics.caller_sent(&caller.id, outcome);
        match taken {
            // Whoever reads nothing may write all the same.
            Ok(()) if caller.grants.view.is_empty() && method.is_safe() => Err(reads_nothing()),
            Ok(()) => Ok(Some(caller)),
            Err(wait) => {
                Err(ApiError::from(Code::RateLimited).header(header::RETRY_AFTER, seconds(wait)))
            }
        }
    }

    /// Admits a caller on a route that takes no body.
    ///
    /// # Errors
    /// As [`authenticate`]; 429 instead of 401 if the source has failed too often.
    pub(super) async fn pass(&self, source: Source, headers: &HeaderMap) -> Result<(), ApiError> {
        self.judge(source, authenticate(&self.keys().await, headers), GUESS).map(drop)
    }

    /// Admits a caller that may read the metrics.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub(super) async fn pass_metrics(
        &self,
        source: Source,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let keys = Keys { metrics: self.keys.metrics.current().await, ..self.keys().await };
        self.judge(source, authenticate(&keys, headers), GUESS).map(drop)
    }

    /// Admits only the operator.
    ///
    /// # Errors
    /// As [`Self::pass`]; 403 with the reload secret; 503 with it if no operator secret is set.
    pub(super) async fn pass_operator(
        &self,
        source: Source,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let keys = self.keys().await;
        match self.judge(source, authenticate(&keys, headers), GUESS)? {
            Role::Operator => Ok(()),
            _ if keys.operator.is_empty() => Err(Code::OperatorNotConfigured.into()),
            Role::Reload | Role::Metrics => Err(Code::OperatorOnly.into()),
        }
    }

    /// Admits another replica, which shows one of `keys`: as the password of basic authentication, or,
    /// where `Authorization` is the caller's, in a header of its own.
    ///
    /// # Errors
    /// 401 without one of them; 429 instead if the source has failed too often.
    pub(super) async fn pass_peer(
        &self,
        source: Source,
        headers: &HeaderMap,
        keys: &Keyring,
    ) -> Result<(), ApiError> {
        let keys = keys.current().await;
        let given = match headers.get(PEER_KEY) {
            Some(key) => key.as_bytes().to_vec(),
            None => password(headers).unwrap_or_default(),
        };
        let known = keys.numbered().filter(|(_, secret)| secret.matches(&given)).count();
        match known {
            0 => Err(self.refusal(source, Code::Unauthorized.into(), GUESS)),
            _ => Ok(()),
        }
    }

    /// Reads the body of a webhook, and admits its caller.
    ///
    /// # Errors
    /// As [`Self::pass`], which checks keys before the body arrives; as [`BodyReader::place`] and
    /// [`BodySlot::read`](super::body::BodySlot::read).
    pub(super) async fn receive(
        &self,
        Client { source, connection }: Client,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Arrived, ApiError> {
        let credentials = Credentials::of(&self.keys().await, headers);
        let mut credentials = credentials.map_err(|error| self.refusal(source, error, GUESS))?;
        let trust = match credentials.has_key() {
            true => Trust::Proven,
            false => self.trust_in(source),
        };
        let address = match trust {
            Trust::Proven => source,
            // Addresses are cheap: a caller that proves nothing is counted by its whole network.
            Trust::Suspect | Trust::Unproven | Trust::Known | Trust::Writer => {
                source.site().unwrap_or(source)
            }
        };
        let caller = Caller { sender: Sender::Address(address), trust, connection };
        // Waiting for a place costs nobody anything. From here on the body does.
        let place = self.bodies.place(headers, caller).await?;
        let failures = if trust == Trust::Proven { 0 } else { WASTED };
        let mut debt = Debt { throttle: &self.throttle, source, failures };
        let arrived = place.read(body, |piece| credentials.update(piece)).await?;
        debt.failures = 0;
        drop(debt);
        let failures = if arrived.came_at_once() { GUESS } else { WASTED };
        self.judge(source, credentials.prove(), failures)?;
        if trust != Trust::Proven {
            self.senders.remember(source, Instant::now());
        }
        Ok(arrived)
    }

    /// Returns a secret with which this replica calls another one in this role.
    pub(super) async fn own_key(&self, role: Role) -> Option<Secret> {
        let operator = self.keys.operator.current().await.first().cloned();
        match role {
            Role::Operator => operator,
            Role::Reload | Role::Metrics => {
                self.keys.reload.current().await.first().cloned().or(operator)
            }
        }
    }

    /// Returns how far a caller is trusted that shows only a signature.
    fn trust_in(&self, source: Source) -> Trust {
        let now = Instant::now();
        if self.throttle.is_spent(source, now) {
            Trust::Suspect
        } else if self.senders.know(source, now) {
            Trust::Known
        } else {
            Trust::Unproven
        }
    }

    async fn keys(&self) -> Keys {
        let AccessKeys { reload, operator, .. } = &self.keys;
        let (reload, operator) = (reload.current().await, operator.current().await);
        Keys { reload, operator, metrics: Arc::default() }
    }

    /// Returns what a caller may do. A wrong credential counts as `failures` failures.
    fn judge(
        &self,
        source: Source,
        proof: Result<Proof, ApiError>,
        failures: u32,
    ) -> Result<Role, ApiError> {
        let proof = proof.map_err(|error| self.refusal(source, error, failures))?;
        for matched in &proof.matches {
            let Match { role, number } = matched;
            tracing::debug!(role = role.as_str(), secret_number = number, "credential accepted");
            self.metrics.credential_accepted(*matched);
        }
        Ok(proof.role)
    }

    /// Returns the answer to a credential that opens nothing. A genuine one that has expired is no
    /// guess, so it counts as no failure: clients get a new one at 401, and only wait at 429.
    fn refused(&self, source: Source, refused: Refused) -> ApiError {
        match refused {
            Refused::Wrong => self.refusal(source, Code::Unauthorized.into(), GUESS),
            Refused::Expired => {
                self.metrics.credential_refused(Code::Unauthorized);
                Code::Unauthorized.into()
            }
        }
    }

    /// Returns the answer to a caller that was not admitted.
    fn refusal(&self, source: Source, error: ApiError, failures: u32) -> ApiError {
        if error.code() != Code::Unauthorized {
            return error;
        }
        let error = match self.throttle.fail(source, failures, Instant::now()) {
            Ok(()) => error,
            Err(wait) => {
                ApiError::from(Code::TooManyFailures).header(header::RETRY_AFTER, seconds(wait))
            }
        };
        tracing::debug!(%source, code = error.code().as_str(), "credential refused");
        self.metrics.credential_refused(error.code());
        error
    }
}

/// Returns the answer to a caller whose admission has ended: what it would get if it came again, or
/// that it should come again.
pub(super) fn dismissal(ended: &Ended) -> ApiError {
    match ended {
        Ended::Refused(_) => Code::Unauthorized.into(),
        Ended::OtherView(view) if view.is_empty() => reads_nothing(),
        Ended::OtherView(_) => {
            let rule = "what the credential reads has changed while the request waited";
            ApiError::explained(Code::Busy, rule).header(header::RETRY_AFTER, 1)
        }
    }
}

fn reads_nothing() -> ApiError {
    ApiError::explained(Code::TokenScope, "the credential reads nothing")
}

/// Returns the whole seconds after which a wait is over.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use axum::body::{Bytes, HttpBody};
    use data_encoding::HEXLOWER;
    use hyper::body::Frame;

    use super::super::body::tests::Never;
    use super::*;
    use crate::access::door::{Door, FILE};
    use crate::config::NamedValue;
    use crate::hmac::Mac;
    use crate::http::connection::Connection;

    const SECRET: &str = "the-reload-secret";

    fn access() -> Access {
        access_for(Arc::new(Authenticator::read(None, None).unwrap()))
    }

    fn access_for(callers: Arc<Authenticator>) -> Access {
        let ring = |secret: Option<&str>| {
            Keyring::read(secret.map(|value| NamedValue { name: "s", value }), None).unwrap()
        };
        let (reload, operator, metrics) = (ring(Some(SECRET)), ring(None), ring(None));
        Access::new(AccessKeys { reload, operator, metrics, callers }, Arc::default())
    }

    fn client(last: u8) -> Client {
        Client { source: source(last), connection: Connection::default() }
    }

    fn source(last: u8) -> Source {
        Source::at([192, 0, 2, last].into())
    }

    /// Returns headers with a signature of `body` by `secret`.
    fn signed(secret: &str, body: &[u8]) -> HeaderMap {
        let mut mac = Mac::new(secret.as_bytes());
        mac.update(body);
        let signature = format!("sha256={}", HEXLOWER.encode(mac.finish().as_bytes()));
        let mut headers = HeaderMap::new();
        headers.insert("x-hub-signature-256", signature.parse().unwrap());
        headers.insert("x-github-event", "push".parse().unwrap());
        headers
    }

    /// A body that something happens before.
    struct Late(Option<Pin<Box<dyn Future<Output = Bytes> + Send>>>);

    impl HttpBody for Late {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(late) = &mut self.0 else { return Poll::Ready(None) };
            let bytes = ready!(late.as_mut().poll(context));
            self.0 = None;
            Poll::Ready(Some(Ok(Frame::data(bytes))))
        }
    }

    fn bearer(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn a_genuine_credential_that_has_expired_is_no_guess_and_its_answer_is_that_of_all() {
        let writes = "write = [\"team\"]\nauthor = \"A <a@example.org>\"\n";
        let door = Door::open(&format!("{FILE}{writes}expires = 2020-01-01\n"));
        let access = access_for(door.callers.clone());
        let code = async |token: &str| {
            let headers = bearer(token);
            let read = access.reader(source(1), &Method::GET, &headers).await;
            let written = access.receive_write(9, client(1), &headers, Body::from("{}")).await;
            [read.err(), written.err()].map(|error| error.map(|error| error.code()))
        };
        let answer = [Some(Code::Unauthorized); 2];
        for _ in 0..30 {
            assert_eq!(code("the-secret-of-the-reader").await, answer);
        }
        assert_eq!(code("a-secret-of-nobody").await, answer, "no failure was counted before");
        for _ in 0..30 {
            code("a-secret-of-nobody").await;
        }
        assert_eq!(code("a-secret-of-nobody").await, [Some(Code::TooManyFailures); 2]);
        assert_eq!(code("the-secret-of-the-reader").await, answer, "its client gets a new one");
    }

    #[tokio::test]
    async fn a_token_that_goes_while_its_body_arrives_writes_nothing() {
        let writes = "write = [\"team\"]\nauthor = \"A <a@example.org>\"\n";
        let whole = format!("{FILE}{writes}");
        for (text, expected) in [
            (format!("# a note\n{whole}"), None),
            (FILE.to_owned(), Some(Code::TokenScope)),
            (whole.replace("-secret-", "-new-secret-"), Some(Code::Unauthorized)),
        ] {
            let door = Door::open(&whole);
            let access = access_for(door.callers.clone());
            let body = async move {
                door.change(&text).await;
                Bytes::from_static(b"{}")
            };
            let body = Body::new(Late(Some(Box::pin(body))));
            let headers = bearer("the-secret-of-the-reader");
            let written = access.receive_write(9, client(1), &headers, body).await;
            assert_eq!(written.err().map(|error| error.code()), expected);
        }
    }

    #[tokio::test]
    async fn a_source_that_signed_rightly_is_known() {
        let access = access();
        assert_eq!(access.trust_in(source(1)), Trust::Unproven);
        let headers = signed("somebody else's secret", b"{}");
        assert!(access.receive(client(1), &headers, Body::from("{}")).await.is_err());
        assert_eq!(access.trust_in(source(1)), Trust::Unproven, "one guess is tolerated");
        let headers = signed(SECRET, b"{}");
        assert!(access.receive(client(1), &headers, Body::from("{}")).await.is_ok());
        assert_eq!(access.trust_in(source(1)), Trust::Known);
        assert_eq!(access.trust_in(source(2)), Trust::Unproven);
    }

    #[tokio::test]
    async fn two_bodies_that_prove_nothing_and_had_to_be_waited_for_make_a_source_suspect() {
        let access = access();
        let large = vec![b' '; 300 << 10];
        let forged = signed("somebody else's secret", b"{}");
        access.receive(client(1), &signed(SECRET, b"{}"), Body::from("{}")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(access.trust_in(source(1)), Trust::Known);
            let read = access.receive(client(1), &forged, Body::from(large.clone())).await;
            assert_eq!(read.err().map(|error| error.code()), Some(Code::Unauthorized));
        }
        assert_eq!(access.trust_in(source(1)), Trust::Suspect);
        // A caller that hangs up gets no answer.
        for _ in 0..2 {
            assert_eq!(access.trust_in(source(2)), Trust::Unproven);
            let body = Body::new(Never(3));
            let mut reading = Box::pin(access.receive(client(2), &forged, body));
            tokio::select! {
                biased;
                _ = &mut reading => panic!("it never ends"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(access.trust_in(source(2)), Trust::Suspect);
    }

    #[tokio::test]
    async fn two_bodies_that_end_for_want_of_memory_make_a_source_suspect_and_waiting_does_not() {
        let access = access();
        let mut forged = signed("somebody else's secret", b"{}");
        forged.insert("x-github-event", "push".parse().unwrap());
        // Three addresses take all the memory that there is for strangers.
        let mut held = Vec::new();
        for last in [11, 11, 12, 12, 13, 13] {
            let mut body =
                Box::pin(access.receive(client(last), &forged, Body::new(Never(16 << 20))));
            tokio::select! {
                biased;
                _ = &mut body => panic!("it never ends"),
                () = std::future::ready(()) => held.push(body),
            }
        }
        for _ in 0..2 {
            assert_eq!(access.trust_in(source(1)), Trust::Unproven);
            let more_than_a_quarter = Body::from(vec![b' '; 25 << 20]);
            let read = access.receive(client(1), &forged, more_than_a_quarter).await;
            assert_eq!(read.err().map(|error| error.code()), Some(Code::Busy));
        }
        assert_eq!(access.trust_in(source(1)), Trust::Suspect);
        // A body that needs less gets what one of them has.
        let body = Body::from(vec![b' '; 300 << 10]);
        let read = access.receive(client(2), &forged, body).await;
        assert_ne!(read.err().map(|error| error.code()), Some(Code::Busy));
        let mut lost = 0;
        for body in &mut held {
            tokio::select! {
                biased;
                read = body => {
                    assert_eq!(read.err().map(|error| error.code()), Some(Code::Busy));
                    lost += 1;
                }
                () = std::future::ready(()) => {}
            }
        }
        let suspects = [11, 12, 13].map(|last| access.trust_in(source(last)));
        let suspects = suspects.iter().filter(|trust| **trust == Trust::Suspect);
        assert_eq!((lost, suspects.count()), (2, 1));
        drop(held);
        // One address has sixteen places for small bodies. A body that waits after these owes
        // nothing.
        forged.insert(header::CONTENT_LENGTH, 3.into());
        let mut held = Vec::new();
        for _ in 0..20 {
            let mut body = Box::pin(access.receive(client(3), &forged, Body::new(Never(2))));
            tokio::select! {
                biased;
                _ = &mut body => panic!("it never ends"),
                () = std::future::ready(()) => held.push(body),
            }
        }
        held.truncate(16);
        assert_eq!(access.trust_in(source(3)), Trust::Unproven);
        held.clear();
        assert_eq!(access.trust_in(source(3)), Trust::Suspect);
    }
}
