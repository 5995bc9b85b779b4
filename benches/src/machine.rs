//! The machine and the programs of a run.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The machine, the programs and the commit of a run.
pub struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Describes this machine.
    pub fn here() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let model = field("/proc/cpuinfo", "model name");
        let memory = field("/proc/meminfo", "MemTotal");
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let changed =
            output(Command::new("git").args(["status", "--porcelain"]).current_dir(source));
        let commit = output(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(source));
        let changed = if changed.is_empty() { "" } else { ", with changes" };
        Self(vec![
            ("commit", format!("{commit}{changed}")),
            ("cores", format!("{cores} × {model}")),
            ("memory", memory),
            ("kernel", output(Command::new("uname").arg("-sr"))),
            ("rustc", output(Command::new("rustc").arg("--version"))),
            ("git", output(Command::new("git").arg("--version"))),
            ("load before the run", load),
        ])
    }

    /// Returns one line of Markdown per fact.
    pub fn markdown(&self) -> String {
        self.0.iter().map(|(name, value)| format!("- {name}: {value}\n")).collect()
    }

    /// Returns an object.
    pub fn json(&self) -> Value {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

fn field(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split(':').nth(1)).unwrap_or_default();
    value.trim().to_owned()
}
