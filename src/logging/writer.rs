//! Log lines on a thread of their own, so that a pipe nobody reads stops no request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait for the pipe before lines are dropped.
const WAITING: usize = 10_000;

/// How long the end of the program waits for lines that are still to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Gives each event a line to write into.
#[derive(Clone)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    Done(SyncSender<()>),
}

/// Writes the last lines when it is dropped.
pub struct LogGuard {
    sender: SyncSender<Message>,
    // Kept so that the thread belongs to somebody; it ends with the process.
    _thread: JoinHandle<()>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let end = Instant::now() + LAST_LINES;
        let (done, written) = sync_channel(1);
        let mut message = Message::Done(done);
        // When the pipe is stuck, the program ends without the last lines.
        while let Err(TrySendError::Full(back)) = self.sender.try_send(message) {
            if Instant::now() > end {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// One line on its way.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = Message::Line(std::mem::take(&mut self.text));
        if self.lines.sender.try_send(line).is_err() {
            self.lines.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) fn spawn(out: impl Write + Send + 'static) -> io::Result<(Lines, LogGuard)> {
    let (sender, receiver) = sync_channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let lines = Lines { sender: sender.clone(), dropped: dropped.clone() };
    let thread = std::thread::Builder::new()
        .name("headwater-log".into())
        .spawn(move || write_all(out, &receiver, &dropped))?;
    Ok((lines, LogGuard { sender, _thread: thread }))
}

fn write_all(mut out: impl Write, receiver: &Receiver<Message>, dropped: &AtomicU64) {
    for message in receiver {
        match message {
            // There is nowhere left to tell that the log can't be written.
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Done(done) => drop((out.flush(), done.send(()))),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ =
                writeln!(out, "{{\"level\":\"WARN\",\"message\":\"{lost} log lines dropped\"}}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe that nobody reads until the gate opens.
    struct Stuck {
        gate: Receiver<()>,
        entered: Sender<()>,
        out: Kept,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.entered.send(()).ok();
            self.gate.recv().ok();
            self.out.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_whole_and_before_the_guard_is_gone() {
        let kept = Kept::default();
        let (lines, guard) = spawn(kept.clone()).unwrap();
        lines.make_writer().write_all(b"one\n").unwrap();
        lines.make_writer().write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(*kept.0.lock().unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_stuck_pipe_drops_lines_and_counts_them() {
        let ((open, gate), (entered, inside)) = (channel(), channel());
        let kept = Kept::default();
        let (lines, guard) = spawn(Stuck { gate, entered, out: kept.clone() }).unwrap();
        lines.make_writer().write_all(b"stuck\n").unwrap();
        inside.recv().unwrap();
        for _ in 0..WAITING + 7 {
            lines.make_writer().write_all(b"x").unwrap();
        }
        drop(open);
        drop(guard);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("7 log lines dropped"));
    }
}
