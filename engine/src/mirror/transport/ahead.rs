//! Requests that are sent before the greeting is read.
//!
//! Over a pipe, each request of protocol 2 waits for the answer to the one before, although a server takes
//! them one behind the other on the same connection. What is going to be said is known if the server
//! greets as it did before: it is said at once, and left out when its turn comes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::protocol::transport::client::Capabilities;

/// The most that is sent ahead, in bytes: a pipe holds it although nobody reads yet.
pub(in crate::mirror) const MOST_AHEAD: usize = 32 << 10;

/// A writer to which something was sent ahead.
pub(super) struct Ahead<W> {
    inner: W,
    sent: Vec<u8>,
    /// How much of that has been written again.
    again: usize,
}

impl<W: Write> Ahead<W> {
    /// Sends `bytes` ahead.
    pub(super) fn send(mut inner: W, bytes: Vec<u8>) -> Self {
        // Whoever reads the answer learns why the line is broken.
        let _ = inner.write_all(&bytes).and_then(|()| inner.flush());
        Self { inner, sent: bytes, again: 0 }
    }
}

impl<W: Write> Write for Ahead<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let rest = self.sent.get(self.again..).unwrap_or_default();
        if rest.is_empty() {
            return self.inner.write(buffer);
        }
        let length = rest.len().min(buffer.len());
        if rest[..length] != buffer[..length] {
            return Err(io::Error::other("another request was sent ahead"));
        }
        self.again += length;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A writer that keeps what is written, and sends nothing.
#[derive(Debug, Clone, Default)]
pub(in crate::mirror) struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Returns what was written.
    pub(in crate::mirror) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl Write for Said {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last greeting of a server at the other end of a pipe, if it spoke protocol 2.
#[derive(Debug, Default)]
pub(in crate::mirror) struct LastGreeting(Mutex<Option<Vec<u8>>>);

impl LastGreeting {
    /// Keeps the greeting of a server with these capabilities; `None` for an older protocol.
    pub(in crate::mirror) fn keep(&self, capabilities: Option<&Capabilities>) {
        *lock(&self.0) = capabilities.map(|capabilities| {
            let mut greeting = b"000eversion 2\n".to_vec();
            for capability in capabilities.iter() {
                let mut line = capability.name().to_vec();
                if let Some(value) = capability.value() {
                    line.push(b'=');
                    line.extend_from_slice(value);
                }
                greeting.extend(format!("{:04x}", line.len() + 5).bytes());
                greeting.extend(line);
                greeting.push(b'\n');
            }
            greeting.extend(b"0000");
            greeting
        });
    }

    /// Returns it.
    pub(in crate::mirror) fn recall(&self) -> Option<Vec<u8>> {
        lock(&self.0).clone()
    }

    /// Returns whether there is one.
    pub(in crate::mirror) fn is_known(&self) -> bool {
        lock(&self.0).is_some()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_ahead_is_left_out_and_anything_else_is_refused() {
        let said = Said::default();
        let mut ahead = Ahead::send(said.clone(), b"list, fetch".to_vec());
        ahead.write_all(b"list").unwrap();
        ahead.write_all(b", fetch, end").unwrap();
        ahead.flush().unwrap();
        assert_eq!(said.take(), b"list, fetch, end");
        let mut ahead = Ahead::send(said.clone(), b"list, fetch".to_vec());
        ahead.write_all(b"list").unwrap();
        assert!(ahead.write_all(b", end").is_err());
        assert_eq!(said.take(), b"list, fetch");
    }

    #[test]
    fn a_greeting_is_that_of_its_capabilities() {
        let last = LastGreeting::default();
        assert!(!last.is_known());
        let text = "version 2\nagent=git/2.47\nls-refs=unborn\nfetch=shallow filter\nobject-info\n";
        last.keep(Some(&Capabilities::from_lines(text.into()).unwrap()));
        let expected = "000eversion 2\n0013agent=git/2.47\n0013ls-refs=unborn\n\
                        0019fetch=shallow filter\n0010object-info\n0000";
        assert_eq!(String::from_utf8(last.recall().unwrap()).unwrap(), expected);
        last.keep(None);
        assert!(last.recall().is_none());
    }
}
