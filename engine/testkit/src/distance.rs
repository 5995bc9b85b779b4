//! A proxy that simulates a distance between a client and a server on one machine.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::socket_server::SocketServer;

/// Forwards connections to another server with the latency of a distant network: every byte arrives
/// half a round trip later, and a new connection takes a whole one. Bandwidth is not limited.
#[derive(Debug)]
pub struct DistantServer {
    server: SocketServer,
    passed: Arc<AtomicU64>,
}

impl DistantServer {
    /// Puts `target` at a distance of `round_trip`.
    pub fn at(target: SocketAddr, round_trip: Duration) -> Self {
        let passed = Arc::<AtomicU64>::default();
        let server = SocketServer::start({
            let passed = Arc::clone(&passed);
            move |client| connect(client, target, round_trip, &passed)
        });
        Self { server, passed }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the number of bytes that have passed in both directions.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

fn connect(
    client: &TcpStream,
    target: SocketAddr,
    round_trip: Duration,
    passed: &AtomicU64,
) -> io::Result<()> {
    let opened = Instant::now() + round_trip;
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    std::thread::scope(|scope| {
        let there = scope.spawn(|| carry(client, &server, opened, round_trip / 2, passed));
        let back = carry(&server, client, opened, round_trip / 2, passed);
        let _ = client.shutdown(Shutdown::Read);
        there.join().unwrap_or(Ok(())).and(back)
    })
}

/// Carries bytes one way, each with the one-way delay; none leaves before the connection is
/// `opened`.
fn carry(
    mut from: &TcpStream,
    mut to: &TcpStream,
    opened: Instant,
    way: Duration,
    passed: &AtomicU64,
) -> io::Result<()> {
    let (sender, on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; 64 << 10];
            while let Ok(read) = from.read(&mut buffer)
                && read > 0
            {
                let due = Instant::now().max(opened) + way;
                if sender.send((due, buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
        });
        for (due, bytes) in on_the_way {
            // This is the simulated distance.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            passed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if let Err(error) = to.write_all(&bytes) {
                let _ = from.shutdown(Shutdown::Read);
                return Err(error);
            }
        }
        to.shutdown(Shutdown::Write)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, ScriptedHttp};

    #[test]
    fn what_is_said_arrives_whole_and_not_before_its_time() {
        let server = ScriptedHttp::start([Answer::json(200, "{}")]);
        let target = server.url("").trim_start_matches("http://").parse().unwrap();
        let round_trip = Duration::from_millis(20);
        let distant = DistantServer::at(target, round_trip);
        let begun = Instant::now();
        let mut stream = TcpStream::connect(distant.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("{}"), "{text}");
        // One round trip opens the connection, and one is for the request.
        assert!(begun.elapsed() >= 2 * round_trip);
        assert!(distant.passed() > text.len() as u64);
    }
}
