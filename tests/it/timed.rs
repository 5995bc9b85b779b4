//! Requests over a persistent connection, and how long each answer took.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::TestServer;

/// A persistent connection.
pub(crate) struct TimedCaller(BufReader<TcpStream>);

/// An answer.
pub(crate) struct TimedAnswer {
    /// The status line and the headers, except for the date.
    pub(crate) head: String,
    pub(crate) body: String,
    /// The time until all of it had arrived.
    pub(crate) time: Duration,
}

impl TimedCaller {
    pub(crate) fn new(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.server().address()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request, and reads the answer, which says how long it is.
    pub(crate) fn call(&mut self, request: &str) -> TimedAnswer {
        let begun = Instant::now();
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), None);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 2 || line == "\r\n", "it hung up");
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse().unwrap());
            }
            if !lower.starts_with("date:") {
                head.push_str(&line);
            }
        }
        let mut body = vec![0; length.unwrap_or_else(|| panic!("no length: {request}{head}"))];
        self.0.read_exact(&mut body).unwrap();
        TimedAnswer { head, body: String::from_utf8(body).unwrap(), time: begun.elapsed() }
    }
}

/// Returns the time that so many percent of the sorted `times` do not exceed, in microseconds.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() - 1) * percent / 100].as_nanos() as f64 / 1e3
}

/// Returns how probable it is that one of the sorted `left` took longer than one of the sorted
/// `right`: a half if nobody can tell them apart.
pub(crate) fn superiority(left: &[Duration], right: &[Duration]) -> f64 {
    let beaten = |time: &Duration| {
        let less = right.partition_point(|other| other < time);
        let equal = right.partition_point(|other| other <= time) - less;
        less as f64 + equal as f64 / 2.0
    };
    left.iter().map(beaten).sum::<f64>() / (left.len() * right.len()) as f64
}

#[test]
fn times_that_are_alike_cannot_be_told_apart() {
    let times = |all: &[u64]| all.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
    for (left, right, expected) in [
        (&[1, 2, 3][..], &[1, 2, 3][..], 0.5),
        (&[4, 5], &[1, 2, 3], 1.0),
        (&[1], &[2], 0.0),
        (&[1, 3], &[2], 0.5),
        (&[2, 3], &[2], 0.75),
    ] {
        assert_eq!(superiority(&times(left), &times(right)), expected, "{left:?} {right:?}");
    }
    assert_eq!(percentile(&times(&[1, 2, 3]), 50), 2_000.0);
}
