//! The original: a Python process with gitsheets, which answers lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

const PROGRAM: &str = include_str!("oracle.py");

/// Prints a line that is visible even if the test passes, unlike captured output.
pub(crate) fn tell(text: &str) {
    let line = format!("interop: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The process. It ends with its input.
pub(crate) struct Oracle {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts the process; `None` if `HEADWATER_ORACLE` is not set.
    ///
    /// # Panics
    ///
    /// If it is set and the process cannot be started: a requested proof is not skipped.
    pub(crate) fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("HEADWATER_ORACLE") else {
            tell("skipped, because HEADWATER_ORACLE names no Python with gitsheets");
            return None;
        };
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // If gitsheets panics, the message is a single line.
        let mut process = command.env("RUST_BACKTRACE", "0").spawn().unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Some(Self { process, input, output })
    }

    /// Sends a request and returns its answer, or the library's error.
    pub(crate) fn ask(&mut self, request: &Json) -> Result<Json, Json> {
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).expect("gitsheets answers");
        if answer.get("error").is_some() { Err(answer) } else { Ok(answer) }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.process.wait();
    }
}
