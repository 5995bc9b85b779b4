//! `headwater-bench`: measures Headwater and its comparisons, and prints the tables of
//! `docs/performance.md`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use headwater_bench::board::{self, Effort, GROUPS};
use headwater_bench::growth::{self, Plan};
use headwater_bench::machine::Machine;
use headwater_bench::plot::{Panel, svg};
use headwater_bench::source::Source;
use headwater_bench::{row, soak, writes};
use headwater_testkit::corpus::Civic;
use serde_json::{Value, json};

/// Measure Headwater and its comparisons; without a command, print the scoreboard
#[derive(Parser)]
#[command(name = "headwater-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    board: Board,
}

#[derive(Subcommand)]
enum Command {
    /// Push thousands of times with reads going on, and watch what grows
    Soak(Soak),
    /// Measure reloads against the size of the repository and of the push
    Growth(Growth),
    /// Measure writes: commits a second and how long each takes
    Writes(Writes),
    /// Write the corpus as a bare repository, for programs that measure it themselves
    Corpus(Corpus),
}

/// The repository to measure.
#[derive(Args)]
struct Repository {
    /// A git repository to measure instead of the corpus; the pushes go to a clone of it
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// The number of people in the corpus
    #[arg(long, value_name = "N", default_value_t = 32_000)]
    people: usize,
}

#[derive(Args)]
struct Board {
    #[command(flatten)]
    repository: Repository,
    /// Measure each thing only a few times
    #[arg(long)]
    quick: bool,
    /// The groups of rows to measure; all but `cluster` and `million` by default
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = GROUPS)]
    rows: Vec<String>,
    /// Also measure one million records, which takes minutes and 4 GB of memory
    #[arg(long)]
    million: bool,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Soak {
    #[command(flatten)]
    repository: Repository,
    /// The number of pushes
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pushes: usize,
    /// The file of the plot
    #[arg(long, value_name = "FILE", default_value = "docs/soak.svg")]
    svg: PathBuf,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Growth {
    /// Measure only small sizes
    #[arg(long)]
    quick: bool,
    /// Measure only pushes of these numbers of records, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    changes: Vec<usize>,
    /// The file of the plot
    #[arg(long, value_name = "FILE", default_value = "docs/growth.svg")]
    svg: PathBuf,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Writes {
    /// The number of people in the corpus
    #[arg(long, value_name = "N", default_value_t = 32_000)]
    people: usize,
    /// Also measure one million records in 256 folders, which takes 4 GB of memory
    #[arg(long)]
    million: bool,
    /// How long to measure each setting
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct Corpus {
    /// Where the repository goes; a new folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// How many people the corpus has; with several folders, it has nothing else
    #[arg(long, value_name = "N", default_value_t = 32_000)]
    people: usize,
    /// The number of folders of the people
    #[arg(long, value_name = "N", default_value_t = 1)]
    folders: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = match &cli.command {
        None => cli.board.run(),
        Some(Command::Soak(soak)) => soak.run(),
        Some(Command::Growth(growth)) => growth.run(),
        Some(Command::Writes(writes)) => writes.run(),
        Some(Command::Corpus(corpus)) => corpus.run(),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

impl Repository {
    fn source(&self) -> Source {
        match &self.repo {
            Some(dir) => Source::repository(dir),
            None => Source::flat(self.people),
        }
    }
}

impl Board {
    fn run(&self) -> io::Result<()> {
        let (machine, mut source) = (Machine::here(), self.repository.source());
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let groups = GROUPS.into_iter().filter(|group| match *group {
            "million" => self.million || self.rows.iter().any(|row| row == group),
            // It needs a NATS server, and waits for leases.
            "cluster" => self.rows.iter().any(|row| row == group),
            _ => self.rows.is_empty() || self.rows.iter().any(|row| row == group),
        });
        let rows = board::run(&mut source, &groups.collect::<Vec<_>>(), &effort);
        keep(self.json.as_deref(), &machine, source.name(), row::json(&rows))?;
        print(&machine, source.name(), &row::markdown(&rows))
    }
}

impl Soak {
    fn run(&self) -> io::Result<()> {
        let (machine, mut source) = (Machine::here(), self.repository.source());
        let seen = soak::run(&mut source, self.pushes);
        draw(&self.svg, &soak::panels(&seen))?;
        keep(self.json.as_deref(), &machine, source.name(), soak::json(&seen))?;
        print(&machine, source.name(), &soak::markdown(&seen))
    }
}

impl Growth {
    fn run(&self) -> io::Result<()> {
        let machine = Machine::here();
        let mut plan = if self.quick { Plan::quick() } else { Plan::full() };
        if !self.changes.is_empty() {
            let changes = self.changes.clone();
            plan = Plan { flat: Vec::new(), sharded: Vec::new(), changes, ..plan };
        }
        let growth = growth::run(&plan);
        draw(&self.svg, &growth.panels())?;
        keep(self.json.as_deref(), &machine, "civic-N", growth.json())?;
        print(&machine, "civic-N", &growth.markdown())
    }
}

impl Writes {
    fn run(&self) -> io::Result<()> {
        let machine = Machine::here();
        let turn = Duration::from_secs(self.seconds);
        let seen = writes::run(self.people, self.million, turn);
        keep(self.json.as_deref(), &machine, "civic-N", writes::json(&seen))?;
        print(&machine, "civic-N", &writes::markdown(&seen))
    }
}

impl Corpus {
    fn run(&self) -> io::Result<()> {
        std::fs::create_dir(&self.dir)?;
        let source = match self.folders {
            1 => Source::flat(self.people),
            folders => Source::civic(Civic::sharded(self.people, folders)),
        };
        source.copy_to(&self.dir);
        Ok(())
    }
}

fn print(machine: &Machine, source: &str, tables: &str) -> io::Result<()> {
    write!(io::stdout(), "{}- repository: {source}\n\n{tables}", machine.markdown())
}

fn draw(file: &Path, panels: &[Panel]) -> io::Result<()> {
    std::fs::write(file, svg(panels))
}

/// Writes the figures of a run to a file, if one is given.
fn keep(file: Option<&Path>, machine: &Machine, source: &str, rows: Value) -> io::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let run = json!({ "machine": machine.json(), "repository": source, "rows": rows });
    std::fs::write(file, format!("{run:#}\n"))
}
