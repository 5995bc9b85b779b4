//! A stream that is given up when the peer reads nothing, or so little that it would take forever.
//! Such a reader would otherwise keep a connection, and the state that its answer comes from.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The fewest bytes a second that a reader must take while data waits for it.
const SLOWEST: u32 = 1_024;

/// A stream whose writes fail when they are too slow for some time.
pub(super) struct WriteTimeout<S> {
    stream: S,
    patience: WaitBudget,
    /// The write that waits.
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

/// How long writes have waited, and how much of that was earned by progress.
#[derive(Debug)]
pub(super) struct WaitBudget {
    most: Duration,
    /// The bytes a second that earn the waiting time back.
    slowest: u32,
    /// How long writes have waited beyond what the bytes that were taken allow.
    used: Duration,
}

impl WaitBudget {
    /// Returns a budget of `most`, which lasts longer only while `slowest` bytes a second are
    /// taken.
    pub(super) fn new(most: Duration, slowest: u32) -> Self {
        Self { most, slowest, used: Duration::ZERO }
    }

    /// Records that a write waited, and that `bytes` of it were then taken.
    pub(super) fn note(&mut self, waited: Duration, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / self.slowest;
        self.used = (self.used + waited).saturating_sub(earned);
    }

    /// Returns how long writes have waited beyond what the bytes that were taken allow.
    pub(super) fn used(&self) -> Duration {
        self.used
    }

    /// Returns how long the next write may wait.
    pub(super) fn left(&self) -> Duration {
        self.most.saturating_sub(self.used)
    }
}

impl<S> WriteTimeout<S> {
    /// Returns `stream`, whose writes may wait for `patience`, and longer only while the peer takes
    /// a kilobyte a second.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        let patience = WaitBudget::new(patience, SLOWEST);
        Self { stream, patience, waiting: None }
    }
}

impl<S: AsyncWrite + Unpin> WriteTimeout<S> {
    /// Writes; `taken` returns the number of bytes of a result.
    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let result = write(Pin::new(&mut self.stream), cx);
        if let Poll::Ready(written) = &result {
            let waited = self.waiting.take().map_or(Duration::ZERO, |write| write.since.elapsed());
            self.patience.note(waited, written.as_ref().map_or(0, taken));
            return result;
        }
        let left = self.patience.left();
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            since: Instant::now(),
            end: Box::pin(tokio::time::sleep(left)),
        });
        waiting.end.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.timed(cx, |stream, cx| stream.poll_write(cx, bytes), |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.timed(cx, |stream, cx| stream.poll_write_vectored(cx, slices), |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.timed(cx, |stream, cx| stream.poll_flush(cx), |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.timed(cx, |stream, cx| stream.poll_shutdown(cx), |()| 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_takes_is_given_up_and_one_that_gets_on_is_not() {
        let (ours, mut theirs) = duplex(4);
        let mut stream = WriteTimeout::new(ours, Duration::from_millis(50));
        stream.write_all(b"1234").await.unwrap();
        let reading = async {
            let mut piece = [0; 4];
            for _ in 0..5 {
                theirs.read_exact(&mut piece).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[b'x'; 20]), reading);
        written.unwrap();
        let stuck = stream.write_all(b"5").await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
        assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 4);
        stream.write_all(b"6").await.unwrap();
    }

    #[test]
    fn waiting_is_forgiven_as_far_as_bytes_are_taken() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let left = |notes: &[(Duration, usize)]| {
            let mut patience = WaitBudget::new(30 * second, SLOWEST);
            notes.iter().for_each(|(waited, bytes)| patience.note(*waited, *bytes));
            patience.left()
        };
        for (notes, expected) in [
            (&[][..], 30 * second),
            // Bytes that are taken at once earn nothing for later.
            (&[(Duration::ZERO, 1 << 30), (10 * second, 0)], 20 * second),
            (&[(10 * second, 4 << 10)], 24 * second),
            // A slow reader that makes progress may take any time.
            (&[(minute, 60 << 10), (minute, 60 << 10)], 30 * second),
            // A reader that trickles may not.
            (&[(20 * second, 1 << 10), (20 * second, 1 << 10)], Duration::ZERO),
        ] {
            assert_eq!(left(notes), expected, "{notes:?}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_trickles_loses_its_stream() {
        let (ours, mut theirs) = duplex(1);
        let mut stream = WriteTimeout::new(ours, Duration::from_millis(200));
        // One byte within each wait; no single wait is too long.
        let trickling = async {
            let mut piece = [0; 1];
            while theirs.read(&mut piece).await.is_ok_and(|taken| taken == 1) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let writing = async {
            let stuck = stream.write_all(&[b'x'; 1_000]).await.unwrap_err();
            assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
            drop(stream);
        };
        tokio::join!(writing, trickling);
    }
}
