//! A proxy in front of a server that cuts off the server's output after a given number of bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::socket_server::SocketServer;

/// Forwards connections to another server until it is told to cut them off.
///
/// The bytes of all connections are counted together, since the last call of
/// [`CuttingProxy::cut_after`] or [`CuttingProxy::pass`]: a client that opens a new connection for
/// each request is cut off at the same point as one that keeps its connection.
#[derive(Debug)]
pub struct CuttingProxy {
    server: SocketServer,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of bytes from the server that may pass; `None` for all.
    limit: Option<usize>,
    passed: usize,
}

impl CuttingProxy {
    /// Starts a proxy in front of `target`.
    pub fn start(target: SocketAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let server = SocketServer::start({
            let shared = Arc::clone(&shared);
            move |client| connect(client, target, &shared)
        });
        Self { server, shared }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Closes every connection once the server has sent `bytes` from now on.
    pub fn cut_after(&self, bytes: usize) {
        *self.shared.lock() = State { limit: Some(bytes), passed: 0 };
    }

    /// Lets everything pass again, and counts from zero.
    pub fn pass(&self) {
        *self.shared.lock() = State::default();
    }

    /// Returns the number of bytes that the server has sent.
    pub fn passed(&self) -> usize {
        self.shared.lock().passed
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }

    /// Returns how many of `bytes` may pass, and counts them.
    fn admit(&self, bytes: usize) -> usize {
        let mut state = self.lock();
        let left = state.limit.map_or(bytes, |limit| limit.saturating_sub(state.passed));
        let admitted = bytes.min(left);
        state.passed += admitted;
        admitted
    }
}

fn connect(client: &TcpStream, target: SocketAddr, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Ends when either side is gone, which the other direction sees, too.
            let _ = io::copy(&mut &*client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let passed = pass(&server, client, shared);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        passed
    })
}

/// Copies the server's output up to the limit.
fn pass(mut server: &TcpStream, mut client: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let read = server.read(&mut buffer)?;
        let admitted = shared.admit(read);
        client.write_all(&buffer[..admitted])?;
        if read == 0 || admitted < read {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, ScriptedHttp};

    fn ask(proxy: &CuttingProxy) -> String {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn an_answer_passes_whole_or_is_cut_at_the_byte() {
        let server = ScriptedHttp::start([Answer::json(200, "{}")]);
        let address = server.url("").trim_start_matches("http://").parse().unwrap();
        let proxy = CuttingProxy::start(address);
        let whole = ask(&proxy);
        assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("{}"), "{whole}");
        assert_eq!(proxy.passed(), whole.len());
        for bytes in [0, 1, 9, whole.len() - 1] {
            proxy.cut_after(bytes);
            assert_eq!(ask(&proxy), whole[..bytes]);
        }
        proxy.pass();
        assert_eq!(ask(&proxy), whole);
    }
}
