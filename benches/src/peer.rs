//! Today's pipeline, as a Python process. It needs Python.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use headwater_testkit::Upstream;

use crate::clone::Clone;
use crate::samples::Samples;

const PROGRAM: &str = include_str!("../peer/pipeline.py");
/// The published library that the sites use.
const LIBRARY: &str = "gitsheets==0.6.0";
/// The stages, in the order in which they run.
pub const STAGES: [&str; 4] = ["fetch", "load", "index", "fts"];

/// The pipeline with a clone of its own.
pub struct Peer {
    _clone: Clone,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The milliseconds of each stage of each reload.
    pub stages: BTreeMap<&'static str, Samples>,
}

impl Peer {
    /// Starts the pipeline on `upstream`; installs the library on first use.
    ///
    /// # Errors
    /// Returns why it cannot run here: no Python, no library, or no sheets that the library can
    /// read.
    pub fn start(upstream: &Upstream) -> Result<Self, String> {
        let python = python()?;
        let clone = Clone::of(upstream);
        let mut process = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(clone.path())
            .args([&upstream.url(), upstream.branch()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("no output")?;
        let output = BufReader::new(output);
        let mut peer = Self { _clone: clone, process, input, output, stages: BTreeMap::new() };
        // The first reload shows whether the library can read these sheets; it is not measured.
        match peer.run() {
            Some(stages) if stages["records"].as_f64() > Some(0.0) => Ok(peer),
            Some(_) => Err("the repository has no sheets that gitsheets reads".to_owned()),
            None => Err("gitsheets does not read this repository".to_owned()),
        }
    }

    /// Reloads once, and records the stages.
    ///
    /// # Panics
    /// Panics if the pipeline fails after it has worked once.
    pub fn reload(&mut self) {
        let stages = self.run().expect("the pipeline reloads");
        for stage in STAGES {
            let time = stages[stage].as_f64().unwrap_or(f64::NAN);
            self.stages.entry(stage).or_default().push(time);
        }
    }

    /// Returns the milliseconds of the whole reloads, or of everything except the fetch.
    pub fn total(&self, with_fetch: bool) -> Samples {
        let mut total = Samples::default();
        let stages = STAGES.iter().filter(|stage| with_fetch || **stage != "fetch");
        let stages: Vec<_> = stages.filter_map(|stage| self.stages.get(stage)).collect();
        for round in 0..stages.first().map_or(0, |samples| samples.len()) {
            total.push(stages.iter().map(|samples| samples.values()[round]).sum());
        }
        total
    }

    fn run(&mut self) -> Option<serde_json::Value> {
        self.input.as_mut()?.write_all(b"reload\n").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let _ = self.process.wait();
    }
}

/// Returns the Python of a virtual environment with the library, in the build folder of this
/// program.
fn python() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = this.ancestors().nth(2).ok_or("this program is in no folder")?;
    let folder = target.join("bench-peer");
    let python = folder.join("bin/python");
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let there = || run(Command::new(&python).args(["-c", "import gitsheets, sqlite3"]));
    if there().is_err() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .map_err(|error| format!("no Python with venv: {error}"))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", LIBRARY]))
            .map_err(|error| format!("{LIBRARY} cannot be installed: {error}"))?;
        there()?;
    }
    Ok(python)
}
