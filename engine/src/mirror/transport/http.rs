//! `http` and `https`, over a client that is kept from one fetch to the next.
//!
//! gix implements the protocol. Requests are made here, on the calling thread, so that every byte
//! and every wait is charged to the budget, no credentials leave their host, and the status of an
//! answer is known.

use std::any::Any;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport,
};
use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};

use super::greeting::{Greeting, KnownGreeting};
use super::{Budget, Line, Metered, Overrun};
use crate::mirror::address::{Account, RemoteOptions};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long an unused connection is kept; servers usually close it earlier.
const IDLE: Duration = Duration::from_secs(600);
/// How often an unused connection sends a keep-alive.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How many redirects within one host are followed.
const MAX_REDIRECTS: usize = 5;

/// The most bytes to read after the meaning of an answer is complete.
const REST: usize = 4096;

/// A client with its open connections.
#[derive(Debug, Clone)]
pub(in crate::mirror) struct HttpClient {
    client: Client,
    /// The silence limit that it was made for; a fetch with another limit needs another client.
    stall: Duration,
}

impl HttpClient {
    /// Returns the client in `kept` if it fits, or makes one and keeps it.
    pub(in crate::mirror) fn kept(
        kept: &Mutex<Option<Self>>,
        options: &RemoteOptions,
        stall: Duration,
    ) -> io::Result<Self> {
        let mut kept = kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(client) = kept.as_ref()
            && client.stall == stall
        {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .timeout(stall)
            .connect_timeout(CONNECT_TIME.min(stall))
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .redirect(Policy::custom(follow_within_host))
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(io::Error::other)?);
        }
        let client = Self { client: builder.build().map_err(io::Error::other)?, stall };
        *kept = Some(client.clone());
        Ok(client)
    }
}

fn follow_within_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let from = attempt.previous().last();
    if from.is_some_and(|from| is_same_host(from, attempt.url()))
        && attempt.previous().len() <= MAX_REDIRECTS
    {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Returns whether credentials for `from` may be sent to `to`: the same place, or the same name
/// over TLS instead of clear text.
fn is_same_host(from: &Url, to: &Url) -> bool {
    from.host_str() == to.host_str()
        && match (from.scheme(), to.scheme()) {
            (a, b) if a == b => from.port_or_known_default() == to.port_or_known_default(),
            ("http", "https") => from.port().is_none() && to.port().is_none(),
            _ => false,
        }
}

/// What went wrong with a request, to tell the kinds of failure apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mirror) enum HttpFault {
    /// An answer with a status that is not a success.
    Status {
        /// The status.
        status: u16,
        /// The value of the header `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer.
    NoAnswer,
}

/// The last fault of a conversation.
pub(in crate::mirror) type FaultSlot = Arc<Mutex<Option<HttpFault>>>;

/// Parses `Retry-After` in seconds (RFC 9110, 10.2.3), as forges send it. A date is not parsed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Creates the line to an http remote, starting with its greeting if that is known. Nothing is sent
/// yet.
pub(in crate::mirror) fn connect(
    client: HttpClient,
    greeting: &Arc<KnownGreeting>,
    url: &Url,
    account: Option<Account>,
    budget: &Arc<Budget>,
) -> io::Result<(FaultSlot, Line)> {
    let parsed = gix::url::parse(url.as_str()).map_err(io::Error::other)?;
    let fault = FaultSlot::default();
    let requests = Requests {
        client: client.client,
        greeting: greeting.clone(),
        account,
        budget: Arc::clone(budget),
        fault: Arc::clone(&fault),
        redirected: None,
    };
    Ok((fault, Box::new(Transport::new_http(requests, parsed, Protocol::V2, false))))
}

struct Requests {
    client: Client,
    greeting: Arc<KnownGreeting>,
    account: Option<Account>,
    budget: Arc<Budget>,
    fault: FaultSlot,
    redirected: Option<String>,
}

impl Requests {
    fn prepare(
        &self,
        builder: RequestBuilder,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> RequestBuilder {
        let mut builder = builder;
        for line in headers {
            if let Some((name, value)) = line.as_ref().split_once(':')
                && let (Ok(name), Ok(value)) = (
                    HeaderName::from_bytes(name.as_bytes()),
                    HeaderValue::from_str(value.trim_start()),
                )
            {
                builder = builder.header(name, value);
            }
        }
        match &self.account {
            Some(account) => builder.basic_auth(&account.user, Some(&account.password)),
            None => builder,
        }
    }

    fn exchange(&self, request: RequestBuilder) -> Shared {
        Shared(Arc::new(Mutex::new(Exchange {
            request: Some(request),
            upload: Vec::new(),
            response: None,
            budget: Arc::clone(&self.budget),
            fault: Arc::clone(&self.fault),
        })))
    }
}

impl Http for Requests {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = Upload;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let exchange = self.exchange(self.prepare(self.client.get(url), headers));
        let greeting = match self.greeting.recall(url) {
            Some(greeting) => greeting,
            None => {
                let greeting = Arc::new(greeting(&exchange).map_err(gix::Error::from_error)?);
                self.greeting.keep(url, &greeting);
                greeting
            }
        };
        let answered = &greeting.from;
        // The pack is requested where the refs came from.
        if let Some(tail) = url.strip_prefix(base_url)
            && let Some(base) = answered.as_str().strip_suffix(tail.trim_start_matches('/'))
            && base.trim_end_matches('/') != base_url.trim_end_matches('/')
        {
            self.redirected = Some(base.to_owned());
        }
        let read = Some(Cursor::new(greeting.headers.clone()));
        let headers = Headers { exchange: exchange.clone(), read };
        let answer = AnswerBody::Whole(Cursor::new(greeting.body.clone()));
        Ok(GetResponse { headers, body: Body { exchange, reader: Some(BufReader::new(answer)) } })
    }

    /// The request is sent when its answer is read: only then is its body complete.
    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let exchange = self.exchange(self.prepare(self.client.post(url), headers));
        Ok(PostResponse {
            post_body: Upload(exchange.clone()),
            headers: Headers { exchange: exchange.clone(), read: None },
            body: Body { exchange, reader: None },
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

/// Requests the greeting.
fn greeting(exchange: &Shared) -> io::Result<Greeting> {
    let (headers, from) = exchange.lock().send()?;
    let mut body = Vec::new();
    Body { exchange: exchange.clone(), reader: None }.read_to_end(&mut body)?;
    Ok(Greeting { headers, body, from })
}

/// One request and its answer, shared by the writer of the one and the reader of the other.
struct Exchange {
    request: Option<RequestBuilder>,
    upload: Vec<u8>,
    response: Option<Response>,
    budget: Arc<Budget>,
    fault: FaultSlot,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Exchange>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Exchange {
    /// Sends the request and returns the header lines of the answer and its URL.
    fn send(&mut self) -> io::Result<(Vec<u8>, Url)> {
        let Some(request) = self.request.take() else {
            return Err(io::Error::other("the request was already sent"));
        };
        let request = if self.upload.is_empty() {
            request
        } else {
            request.body(std::mem::take(&mut self.upload))
        };
        self.budget.check()?;
        self.budget.begin_wait();
        let response = request.send();
        self.budget.end_wait();
        let response = match response {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => {
                let status = response.status();
                let retry_after = retry_after(response.headers());
                self.note(HttpFault::Status { status: status.as_u16(), retry_after });
                return Err(io::Error::other(format!("the remote answered with {status}")));
            }
            Err(error) if error.is_timeout() && !error.is_connect() => {
                return Err(self.budget.exceed(Overrun::Stall));
            }
            Err(error) => {
                self.budget.check()?;
                self.note(HttpFault::NoAnswer);
                // The URL of the error could contain secrets.
                return Err(io::Error::other(error.without_url()));
            }
        };
        let mut lines = Vec::new();
        for (name, value) in response.headers() {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        let answered = response.url().clone();
        self.response = Some(response);
        Ok((lines, answered))
    }

    fn note(&self, fault: HttpFault) {
        *self.fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(fault);
    }
}

/// The body of a request, collected until the answer is requested.
struct Upload(Shared);

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().upload.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header lines of an answer.
struct Headers {
    exchange: Shared,
    read: Option<Cursor<Vec<u8>>>,
}

impl Headers {
    fn lines(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if self.read.is_none() {
            let (lines, _) = self.exchange.lock().send()?;
            self.read = Some(Cursor::new(lines));
        }
        self.read.as_mut().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lines()?.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.lines()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(read) = &mut self.read {
            read.consume(amount);
        }
    }
}

/// The body of an answer.
struct Body {
    exchange: Shared,
    reader: Option<BufReader<AnswerBody>>,
}

/// The source of the body of an answer.
enum AnswerBody {
    /// Still arriving.
    Coming(Metered<Response>),
    /// In memory.
    Whole(Cursor<Vec<u8>>),
}

impl Read for AnswerBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Coming(body) => body.read(buffer),
            Self::Whole(body) => body.read(buffer),
        }
    }
}

impl Body {
    fn reader(&mut self) -> io::Result<&mut BufReader<AnswerBody>> {
        if self.reader.is_none() {
            let mut exchange = self.exchange.lock();
            if exchange.response.is_none() {
                exchange.send()?;
            }
            let response = exchange.response.take().ok_or(io::ErrorKind::UnexpectedEof)?;
            let metered = Metered::new(response, Arc::clone(&exchange.budget));
            let body = AnswerBody::Coming(metered);
            self.reader = Some(BufReader::with_capacity(64 << 10, body));
        }
        self.reader.as_mut().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Body {
    /// Reads to the end of an answer whose meaning is complete. A connection with an unread rest,
    /// even the empty chunk that ends a body, is closed instead of being used again.
    fn drop(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        let (mut rest, mut buffer) = (REST, [0; 512]);
        while rest > 0
            && let Ok(read @ 1..) = reader.read(&mut buffer)
        {
            rest = rest.saturating_sub(read);
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader()?.read(buffer)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, expected) in [
            ("https://a.org/x", "https://a.org/y", true),
            ("http://a.org/x", "https://a.org/x", true),
            ("https://a.org/x", "http://a.org/x", false),
            ("https://a.org/x", "https://b.org/x", false),
            ("https://a.org/x", "https://a.org:444/x", false),
            ("http://a.org:80/x", "https://a.org/x", true),
            ("http://a.org:8080/x", "https://a.org/x", false),
        ] {
            assert_eq!(is_same_host(&url(from), &url(to)), expected, "{from} to {to}");
        }
    }
}
