//! A child process whose whole process group can be killed.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::group_memory::GroupMemory;

/// The number of bytes of a child's stderr that are kept.
const STDERR_LIMIT: u64 = 64 << 10;
/// How long a child may take to exit once its output has ended.
const GRACE: Duration = Duration::from_secs(1);

/// A child in its own process group. Dropping it kills the group and reaps the child.
#[derive(Debug)]
pub(super) struct ChildGroup {
    /// Taken out when it is reaped: after that, the process id may belong to another process.
    child: Mutex<Option<Child>>,
    stderr: Mutex<mpsc::Receiver<Vec<u8>>>,
}

/// The pipes to a child.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
}

impl ChildGroup {
    /// Starts the command with all three standard streams piped.
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
            // The rest is read and dropped so that the child never blocks on it.
            let _ = io::copy(&mut stderr, &mut io::sink());
            let _ = sender.send(text);
        });
        let group = Self { child: Mutex::new(Some(child)), stderr: Mutex::new(receiver) };
        Ok((group, Pipes { stdin, stdout }))
    }

    /// Returns a limit on the memory of the group, to be used until the child is reaped. `None` if it
    /// has been.
    pub(super) fn limited_to(&self, most: u64) -> Option<GroupMemory> {
        let child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        child.as_ref().map(|child| GroupMemory::new(Pid::from_child(child), most))
    }

    /// Kills the whole group at once, unless the child has been reaped.
    pub(super) fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(child) = child.as_ref() {
            // An error means that nothing is left of the group.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        }
    }

    /// Gives the child a moment to exit, kills what is left, and returns its stderr and its exit
    /// status.
    ///
    /// The pipes must be closed first, or the child may wait for them.
    pub(super) fn finish(&self) -> (String, Option<ExitStatus>) {
        let stderr = self.stderr.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // stderr ends when every process in the group has ended.
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
