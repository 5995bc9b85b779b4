//! A small HTTP server that serves repositories with `git http-backend` over real sockets, and can
//! be made to misbehave.

mod cgi;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::http_request::Request;
use crate::socket_server::SocketServer;

/// A running git server for a folder of repositories, on its own port on 127.0.0.1.
///
/// Connections are kept alive, as in real servers; a failed answer closes its connection. Dropping
/// the value closes the port and all connections and waits for their threads.
#[derive(Debug)]
pub struct GitHttp {
    server: SocketServer,
    shared: Arc<Shared>,
}

/// What the server does to requests instead of answering them properly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers every request with this status and a short text.
    Status(u16),
    /// Reads the request and sends nothing until another fault is set or [`GitHttp::recover`] is
    /// called; then the request is handled accordingly.
    Hang,
    /// Closes the connection after this many bytes of each body.
    CutAfter(usize),
    /// Answers requests of one method with `begin` and then `again`, so many times, and nothing
    /// more until another fault is set or [`GitHttp::recover`] is called. Then the connection ends.
    Repeat {
        /// The method in upper case.
        method: &'static str,
        /// The begin of the body.
        begin: Vec<u8>,
        /// What follows.
        again: Vec<u8>,
        /// How often it follows.
        times: usize,
    },
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    authorization: Option<String>,
    requests: usize,
    connections: usize,
    hanging: usize,
    stopped: bool,
}

impl GitHttp {
    /// Serves the repositories below `root`, for example [`Upstream::parent`](crate::Upstream).
    pub fn serve(root: impl AsRef<Path>) -> Self {
        Self::serve_at(Ipv4Addr::LOCALHOST, root)
    }

    /// The same at another address of this machine.
    pub fn serve_at(ip: impl Into<IpAddr>, root: impl AsRef<Path>) -> Self {
        let root = root.as_ref().to_owned();
        let shared = Arc::new(Shared { root, state: Mutex::default(), changed: Condvar::new() });
        let server = SocketServer::start_at(ip.into(), {
            let shared = Arc::clone(&shared);
            move |connection| answer(connection, &shared)
        });
        Self { server, shared }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the URL of the repository `name` below the root, for example `upstream.git`.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.server.address())
    }

    /// Makes requests fail with `fault` from now on.
    pub fn fail(&self, fault: Fault) {
        self.shared.lock().fault = Some(fault);
        self.shared.changed.notify_all();
    }

    /// Answers properly again, including the hanging requests.
    pub fn recover(&self) {
        self.shared.lock().fault = None;
        self.shared.changed.notify_all();
    }

    /// Answers 401 to requests whose `Authorization` header is not exactly `value`.
    pub fn require_authorization(&self, value: &str) {
        self.shared.lock().authorization = Some(value.to_owned());
    }

    /// Returns the number of requests read since the server started, including failed ones.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// Returns the number of connections opened since the server started.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until at least `count` requests hang because of [`Fault::Hang`].
    pub fn wait_until_hanging(&self, count: usize) {
        let state = self.shared.lock();
        let enough = |state: &mut State| state.hanging < count;
        drop(self.shared.changed.wait_while(state, enough).expect(UNPOISONED));
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        // The server waits for its threads, so none may hang.
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

const UNPOISONED: &str = "no thread panics while it holds the lock";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    /// Waits for a hang to end and returns what to do next, or `None` if the server stops.
    fn fault(&self) -> Option<Option<Fault>> {
        let mut state = self.lock();
        if state.fault == Some(Fault::Hang) {
            state.hanging += 1;
            self.changed.notify_all();
            let hangs = |state: &mut State| state.fault == Some(Fault::Hang) && !state.stopped;
            state = self.changed.wait_while(state, hangs).expect(UNPOISONED);
            state.hanging -= 1;
        }
        (!state.stopped).then(|| state.fault.clone())
    }

    /// Waits until another fault is set, or the server stops.
    fn wait_while(&self, fault: &Fault) {
        let same = |state: &mut State| state.fault.as_ref() == Some(fault) && !state.stopped;
        drop(self.changed.wait_while(self.lock(), same).expect(UNPOISONED));
    }
}

fn answer(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    shared.lock().connections += 1;
    while let Some(request) = Request::read(connection)? {
        shared.lock().requests += 1;
        let Some(fault) = shared.fault() else { return Ok(()) };
        if let Some(Fault::Status(status)) = fault {
            return refuse(connection, status);
        }
        if let Some(repeat @ Fault::Repeat { method, begin, again, times }) = &fault
            && request.method == *method
        {
            babble(connection, &request, begin, (0..*times).map(|_| &**again))?;
            shared.wait_while(repeat);
            return Ok(());
        }
        let authorization = shared.lock().authorization.clone();
        if authorization.is_some() && request.header("authorization") != authorization.as_deref() {
            return refuse(connection, 401);
        }
        let limit = if let Some(Fault::CutAfter(bytes)) = fault { Some(bytes) } else { None };
        cgi::run(&shared.root, &request, connection, limit)?;
    }
    Ok(())
}

/// Answers with a body of these parts that has no end, in the content type that git expects.
fn babble<'a>(
    mut connection: &TcpStream,
    request: &Request,
    begin: &'a [u8],
    again: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let service = if request.target.contains("receive-pack") { "receive" } else { "upload" };
    let kind = if request.method == "GET" { "advertisement" } else { "result" };
    let content_type = format!("application/x-git-{service}-pack-{kind}");
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n"
    )?;
    std::iter::once(begin).chain(again).try_for_each(|part| connection.write_all(part))
}

fn refuse(mut connection: &TcpStream, status: u16) -> io::Result<()> {
    let challenge = if status == 401 { "WWW-Authenticate: Basic realm=\"test\"\r\n" } else { "" };
    write!(
        connection,
        "HTTP/1.1 {status} Refused\r\n{challenge}Content-Type: text/plain\r\n\
         Content-Length: 8\r\nConnection: close\r\n\r\nrefused\n"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::git::command;
    use crate::{Upstream, git};

    fn served() -> (Upstream, String, GitHttp) {
        let mut upstream = Upstream::new();
        let files = (0..200).map(|i| (format!("f{i}"), format!("{i}\n").repeat(500)));
        let head = upstream.commit_stream("many", files);
        let server = GitHttp::serve(upstream.parent());
        (upstream, head, server)
    }

    fn clone(server: &GitHttp, config: &[&str]) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path());
        command.args(config).args(["clone", "--quiet", "--bare"]);
        let output = command.args([&server.url("upstream.git"), "c"]).output().unwrap();
        if output.status.success() {
            return Ok(git(dir.path().join("c"), ["rev-parse", "HEAD"]));
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[test]
    fn a_clone_over_http_has_the_head_of_the_upstream() {
        let (_upstream, head, server) = served();
        assert_eq!(clone(&server, &[]), Ok(head));
        assert!(server.requests() >= 2);
    }

    #[test]
    fn a_push_over_http_moves_the_branch() {
        let (upstream, _, server) = served();
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), ["clone", "--quiet", &server.url("upstream.git"), "c"]);
        let work = dir.path().join("c");
        // More than http.postBuffer, so that the client sends chunks.
        let noise: Vec<u8> = (0..3_000_000_u64)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();
        std::fs::write(work.join("new"), &noise).unwrap();
        git(&work, ["add", "."]);
        git(&work, ["commit", "--quiet", "-m", "pushed"]);
        git(&work, ["-c", "core.compression=0", "push", "--quiet"]);
        let head = upstream.head().unwrap();
        assert_eq!(upstream.read(&head, "new"), Some(noise));
    }

    #[test]
    fn a_status_can_be_asked_for_and_taken_back() {
        let (_upstream, head, server) = served();
        server.fail(Fault::Status(503));
        let message = clone(&server, &[]).unwrap_err();
        assert!(message.contains("503"), "{message}");
        server.recover();
        assert_eq!(clone(&server, &[]), Ok(head));
    }

    #[test]
    fn a_hanging_request_is_answered_after_recovery() {
        let (upstream, head, server) = served();
        server.fail(Fault::Hang);
        let url = server.url("upstream.git");
        let child = command(upstream.path())
            .args(["ls-remote", &url, "refs/heads/published"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        server.wait_until_hanging(1);
        server.recover();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap()[..40], head);
    }

    #[test]
    fn dropping_the_server_ends_a_hanging_request() {
        let (upstream, _, server) = served();
        server.fail(Fault::Hang);
        let mut child = command(upstream.path())
            .args(["ls-remote", &server.url("upstream.git")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        server.wait_until_hanging(1);
        drop(server);
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_cut_body_fails_the_clone() {
        let (_upstream, _, server) = served();
        server.fail(Fault::CutAfter(2_000));
        assert!(clone(&server, &[]).is_err());
    }

    #[test]
    fn a_required_authorization_refuses_others() {
        let (_upstream, head, server) = served();
        server.require_authorization("Basic eDp5");
        assert!(clone(&server, &[]).is_err());
        assert_eq!(clone(&server, &["-c", "http.extraHeader=Authorization: Basic eDp5"]), Ok(head));
    }
}
