//! Writes log lines on a thread of their own, so that a pipe that nobody reads blocks no request.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// The number of lines that wait for the pipe before lines are dropped.
const WAITING: usize = 10_000;

/// Writes the last lines when it is dropped, for a second at most.
pub struct LogGuard(#[expect(dead_code, reason = "it is kept to be dropped")] WorkerGuard);

/// Writes lines, and after each the number of those dropped meanwhile.
struct Counting<W> {
    out: W,
    /// Set before the first line.
    dropped: Arc<OnceLock<ErrorCounter>>,
    told: usize,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.out.write_all(line)?;
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.told {
            let lost = dropped - std::mem::replace(&mut self.told, dropped);
            let line = format!("{{\"level\":\"WARN\",\"message\":\"{lost} log lines dropped\"}}");
            writeln!(self.out, "{line}")?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Starts to write lines to `out`.
pub(super) fn spawn(out: impl Write + Send + 'static) -> (NonBlocking, LogGuard) {
    let dropped = Arc::new(OnceLock::new());
    let out = Counting { out, dropped: dropped.clone(), told: 0 };
    let lines = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING);
    let (lines, guard) = lines.thread_name("headwater-log").finish(out);
    dropped.get_or_init(|| lines.error_counter());
    (lines, LogGuard(guard))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
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
        out: Captured,
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
        let kept = Captured::default();
        let (lines, guard) = spawn(kept.clone());
        lines.make_writer().write_all(b"one\n").unwrap();
        lines.make_writer().write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(*kept.0.lock().unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_stuck_pipe_drops_lines_and_counts_them() {
        let ((open, gate), (entered, inside)) = (channel(), channel());
        let kept = Captured::default();
        let (lines, guard) = spawn(Stuck { gate, entered, out: kept.clone() });
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
