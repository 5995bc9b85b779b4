//! Reads one HTTP/1.1 request from a socket, for the small servers of the testkit.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request with its whole body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads a request, or `None` if the client closed the connection without sending one.
    pub(crate) fn read(connection: &TcpStream) -> io::Result<Option<Self>> {
        let mut input = BufReader::new(connection);
        let first = read_line(&mut input)?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut input)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        if request.header("expect").is_some() {
            let mut output = connection;
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if request.header("transfer-encoding").is_some() {
            request.body = read_chunks(&mut input)?;
        } else if let Some(length) = request.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            input.take(length).read_to_end(&mut request.body)?;
        }
        Ok(Some(request))
    }

    /// Returns the value of the header `name`, which is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn read_chunks(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = u64::from_str_radix(&read_line(input)?, 16).map_err(io::Error::other)?;
        input.take(size).read_to_end(&mut body)?;
        read_line(input)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
