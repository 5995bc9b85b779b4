//! Readers: one that asks as fast as it is answered, and many that ask by the clock.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::connection::{Connection, get};
use crate::samples::Samples;

/// How many connections the open loop has. One that waits for its answer keeps no other waiting.
const CONNECTIONS: usize = 16;

/// Reads `path` on one kept connection for `time` and returns the answers a second.
///
/// # Panics
/// When an answer is not 200.
pub fn closed_loop(address: SocketAddr, path: &str, time: Duration) -> f64 {
    let mut connection = Connection::open(address).expect("the server listens");
    let request = get(path);
    let begun = Instant::now();
    let mut answers = 0;
    while begun.elapsed() < time {
        let (status, body) = connection.send(&request).expect("the server answers");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
        answers += 1;
    }
    f64::from(answers) / begun.elapsed().as_secs_f64()
}

/// What an open loop saw.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// From the instant at which each read was due to its answer, in milliseconds.
    pub times: Samples,
    /// How many were not answered with 200.
    pub failed: usize,
}

impl Reads {
    /// Adds what another loop saw.
    pub fn extend(&mut self, other: &Self) {
        self.times.extend(&other.times);
        self.failed += other.failed;
    }
}

/// Reads `paths` in turn, `rate` times a second for `time`, whether answers come or not.
pub fn open_loop(address: SocketAddr, paths: &[&str], rate: usize, time: Duration) -> Reads {
    let requests: Vec<_> = paths.iter().map(|path| get(path)).collect();
    let (count, next) = ((time.as_secs_f64() * rate as f64) as usize, AtomicUsize::new(0));
    let begun = Instant::now() + Duration::from_millis(20);
    let reader = || {
        let mut seen = Reads::default();
        let mut connection = Connection::open(address).ok();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return seen;
            }
            let due = begun + Duration::from_secs_f64(n as f64 / rate as f64);
            // The clock is what an open loop goes by.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let answer = connection.as_mut().map(|c| c.send(&requests[n % requests.len()]));
            if !matches!(answer, Some(Ok((200, _)))) {
                seen.failed += 1;
                connection = Connection::open(address).ok();
            }
            seen.times.push_time(due.elapsed());
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(reader)).collect();
        let mut all = Reads::default();
        for reader in readers {
            all.extend(&reader.join().expect("a reader does not panic"));
        }
        all
    })
}
