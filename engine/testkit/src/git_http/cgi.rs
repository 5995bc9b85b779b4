//! Runs `git http-backend` as a CGI program.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use crate::git::command;
use crate::http_request::Request;

/// Answers `request` from the repositories below `root`, cutting off the body after `limit` bytes,
/// if there is a limit.
pub(super) fn run(
    root: &Path,
    request: &Request,
    connection: &TcpStream,
    limit: Option<usize>,
) -> io::Result<()> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut command = command(root);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REMOTE_USER", "tester");
    let passed = [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ];
    for (header, variable) in passed {
        if let Some(value) = request.header(header) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let stdout = child.stdout.take().expect("standard output is piped");
    let sent = std::thread::scope(|scope| {
        scope.spawn(move || {
            // The backend stops reading when it has seen enough.
            let _ = stdin.write_all(&request.body);
        });
        let sent = send(stdout, connection, limit);
        if sent.is_err() {
            let _ = child.kill();
        }
        sent
    });
    child.wait()?;
    sent
}

/// Turns the CGI answer into a chunked HTTP answer, or into one whose connection closes at the
/// limit.
fn send(output: impl Read, mut connection: &TcpStream, limit: Option<usize>) -> io::Result<()> {
    let mut output = BufReader::new(output);
    let mut head = String::new();
    let mut status = "200 OK".to_owned();
    loop {
        let mut line = String::new();
        output.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => match line.strip_prefix("Status: ") {
                Some(other) => status = other.to_owned(),
                None => {
                    head.push_str(line);
                    head.push_str("\r\n");
                }
            },
        }
    }
    if let Some(limit) = limit {
        write!(connection, "HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n")?;
        io::copy(&mut output.take(limit as u64), &mut connection)?;
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    write!(connection, "HTTP/1.1 {status}\r\n{head}Transfer-Encoding: chunked\r\n\r\n")?;
    let mut buffer = [0; 16 << 10];
    loop {
        let read = output.read(&mut buffer)?;
        let chunk = [format!("{read:x}\r\n").as_bytes(), &buffer[..read], b"\r\n"].concat();
        connection.write_all(&chunk)?;
        if read == 0 {
            return Ok(());
        }
    }
}
