//! An HTTP server that answers from a script and records its requests: the other end of a webhook,
//! an alert or a notification.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::http_request::Request;
use crate::socket_server::SocketServer;

/// A server on its own port on 127.0.0.1 that gives prepared answers in order.
///
/// The last answer is repeated. Every answer closes its connection.
#[derive(Debug)]
pub struct ScriptedHttp {
    server: SocketServer,
    shared: Arc<Shared>,
}

/// One prepared answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// A received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method in upper case.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// The names in lower case, and the values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    answers: VecDeque<Answer>,
    received: Vec<Received>,
}

impl Answer {
    /// Returns an answer with a JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_owned() }
    }

    /// Adds a header. `{host}` in its value stands for the host and port that the request names.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Received {
    /// Returns the value of the header `name`, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl ScriptedHttp {
    /// Starts a server that gives `answers` in order, repeating the last one for ever.
    ///
    /// # Panics
    ///
    /// Panics if there is no answer.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: VecDeque<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a script has at least one answer");
        let state = Mutex::new(State { answers, received: Vec::new() });
        let shared = Arc::new(Shared { state, arrived: Condvar::new() });
        let server = SocketServer::start({
            let shared = Arc::clone(&shared);
            move |connection| answer(connection, &shared)
        });
        Self { server, shared }
    }

    /// Returns the URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Returns all requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// Waits until `count` requests have arrived and returns all of them.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let state = self.shared.lock();
        let too_few = |state: &mut State| state.received.len() < count;
        self.shared.arrived.wait_while(state, too_few).expect(UNPOISONED).received.clone()
    }
}

const UNPOISONED: &str = "no thread panics while it holds the lock";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

fn answer(mut connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(request) = Request::read(connection)? else { return Ok(()) };
    let host = request.header("host").unwrap_or_default().to_owned();
    let Request { method, target, headers, body } = request;
    let answer = {
        let mut state = shared.lock();
        state.received.push(Received { method, target, headers, body });
        shared.arrived.notify_all();
        if state.answers.len() > 1 { state.answers.pop_front() } else { None }
            .or_else(|| state.answers.front().cloned())
            .expect("a script has at least one answer")
    };
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        let value = value.replace("{host}", &host);
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = answer.body.len();
    write!(connection, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{}", answer.body)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn ask(server: &ScriptedHttp, target: &str, body: &str) -> String {
        let url = server.url(target);
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            connection,
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_come_in_order_and_the_last_for_ever() {
        let server = ScriptedHttp::start([
            Answer::json(202, "{}").header("Location", "http://{host}/next"),
            Answer::json(200, "{\"ok\": true}"),
        ]);
        let first = ask(&server, "/a?b=c", "hello");
        assert!(first.starts_with("HTTP/1.1 202 "), "{first}");
        assert!(first.contains(&format!("Location: {}\r\n", server.url("/next"))), "{first}");
        for _ in 0..2 {
            assert!(ask(&server, "/", "").ends_with("\r\n\r\n{\"ok\": true}"));
        }
        let received = server.wait_for(3);
        assert_eq!((&*received[0].target, &*received[0].body), ("/a?b=c", &b"hello"[..]));
        assert_eq!(received[0].header("content-length"), Some("5"));
    }
}
