//! A persistent connection to a server on this machine.
//!
//! It makes two system calls per request and nothing else, because its cost reduces the figures of
//! the server, which has the other core.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use headwater_engine::id::CommitId;

/// The secret of the measured servers.
pub const SECRET: &str = "the-reload-secret-of-the-benchmarks";

/// Larger than the answers, so that each is read at once.
const BUFFER: usize = 256 << 10;

/// A persistent connection. It sends one request after the other.
pub struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Fails if nobody listens.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(BUFFER, stream), body: Vec::new() })
    }

    /// Sends `request`, the bytes of [`get`] or [`post`], and returns status and body.
    ///
    /// # Errors
    /// Fails if the connection breaks or the answer is not HTTP/1.1 with a length.
    pub fn send(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.get_mut().write_all(request)?;
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let (status, length) = read_head(&head).ok_or(io::ErrorKind::InvalidData)?;
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok((status, &self.body))
    }
}

/// Returns the bytes of a `GET` of `path`.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

/// Returns the bytes of a `GET` of `path` that is answered once `commit` is live.
pub fn get_containing(path: &str, commit: CommitId) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\nx-headwater-min-commit: {commit}\r\n\
         prefer: wait=60\r\n\r\n"
    )
    .into_bytes()
}

/// Returns the bytes of a `GET` of `path` with the secret.
pub fn get_as_operator(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {SECRET}\r\n\r\n")
        .into_bytes()
}

/// Returns the bytes of a `POST` to the internal route `path`; `body` is JSON or empty.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let media_type = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {SECRET}\r\n\
         prefer: wait=300\r\n{media_type}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns the status and the length of the body.
fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, length?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read_from_the_head() {
        let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(read_head(head), Some((404, 12)));
        assert_eq!(read_head(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
