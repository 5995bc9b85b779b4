//! Readers: one that sends a request as soon as the last is answered, and many that send them at a
//! fixed rate.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::connection::{Connection, get};
use crate::samples::Samples;

/// The connections of the open loop. One that waits for its answer delays no other.
const CONNECTIONS: usize = 16;

/// Reads `path` on one persistent connection for `time` and returns the answers per second.
///
/// # Panics
/// Panics if an answer is not 200.
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

/// The results of an open loop.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// From the instant when each read was due to its answer, in milliseconds.
    pub times: Samples,
    /// The number of answers other than 200.
    pub failed: usize,
}

impl Reads {
    /// Adds the results of another loop.
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
            // An open loop follows the clock.
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
