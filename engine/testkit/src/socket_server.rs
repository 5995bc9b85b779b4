//! A server on a local port with one thread per connection, which shuts down cleanly.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// A listening socket and the threads that answer its connections.
///
/// Dropping it closes the port and all connections and waits for the threads; a handler that waits
/// for anything but its connection must be woken first.
pub(crate) struct SocketServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    open: HashMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl SocketServer {
    /// Listens on a free port of 127.0.0.1 and runs `answer` once for each connection, which is
    /// closed afterwards.
    pub(crate) fn start(
        answer: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), answer)
    }

    /// The same at another address of this machine.
    pub(crate) fn start_at(
        ip: IpAddr,
        answer: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a local port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::<Shared>::default();
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, &Arc::new(answer))
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Returns the address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        // The acceptor checks the flag after each connection, so give it one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let threads = {
            let mut state = self.shared.lock();
            for connection in state.open.values() {
                let _ = connection.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut state.threads)
        };
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SocketServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketServer").field(&self.address).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }
}

fn accept<F>(listener: &TcpListener, shared: &Arc<Shared>, answer: &Arc<F>)
where
    F: Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    for (number, connection) in (0..).zip(listener.incoming()) {
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        let Ok(connection) = connection else { continue };
        let Ok(handle) = connection.try_clone() else { continue };
        state.open.insert(number, handle);
        state.threads.retain(|thread| !thread.is_finished());
        let thread = std::thread::spawn({
            let (shared, answer) = (Arc::clone(shared), Arc::clone(answer));
            move || {
                // A client may go away at any time.
                let _ = answer(&connection);
                let _ = connection.shutdown(Shutdown::Both);
                shared.lock().open.remove(&number);
            }
        });
        state.threads.push(thread);
    }
}
