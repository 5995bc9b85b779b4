//! A child process of ours whose whole group can be killed.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How much of what a child says about its errors is kept.
const STDERR_LIMIT: u64 = 64 << 10;
/// How long a child that has nothing more to say may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// A child in a process group of its own. Dropped, the group is killed and the child reaped.
#[derive(Debug)]
pub(super) struct ChildGroup {
    /// Taken out when it is reaped: from then on the number can be somebody else's.
    child: Mutex<Option<Child>>,
    stderr: Mutex<mpsc::Receiver<Vec<u8>>>,
}

/// The pipes to a child.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
}

impl ChildGroup {
    /// Starts the command with pipes at all ends.
    pub(super) fn spawn(mut command: Command) -> io::Result<(Self, Pipes)> {
        use std::os::unix::process::CommandExt as _;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let (Some(stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("a child without pipes"));
        };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.by_ref().take(STDERR_LIMIT).read_to_end(&mut text);
            // The rest is read and dropped, so that the child never blocks on it.
            let _ = io::copy(&mut stderr, &mut io::sink());
            let _ = sender.send(text);
        });
        let group = Self { child: Mutex::new(Some(child)), stderr: Mutex::new(receiver) };
        Ok((group, Pipes { stdin, stdout }))
    }

    /// Kills the whole group at once, if the child is not reaped yet.
    pub(super) fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(child) = child.as_ref() {
            // An error means that nothing is left of it.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        }
    }

    /// Waits a little for the child to end, kills what is left, and returns what it said on stderr
    /// and how it ended.
    ///
    /// The pipes must be closed, or the child may wait for them.
    pub(super) fn finish(&self) -> (String, Option<ExitStatus>) {
        let stderr = self.stderr.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // stderr ends when everything in the group has ended.
        let mut text = stderr.recv_timeout(GRACE);
        self.kill();
        let mut child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let status = child.take().and_then(|mut child| child.wait().ok());
        if text.is_err() {
            text = stderr.recv_timeout(GRACE);
        }
        let text = text.unwrap_or_default();
        (String::from_utf8_lossy(&text).trim().to_owned(), status)
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        self.kill();
        let child = self.child.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(mut child) = child.take() {
            let _ = child.wait();
        }
    }
}
