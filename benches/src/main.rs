//! `headwater-bench`: measures Headwater beside what it is compared with, and prints the tables of
//! `docs/performance.md`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};
use headwater_bench::board::{self, Effort, GROUPS};
use headwater_bench::machine::Machine;
use headwater_bench::row;
use headwater_bench::source::Source;
use serde_json::json;

/// Measures Headwater beside what it is compared with. Without a command: the scoreboard.
#[derive(Parser)]
#[command(name = "headwater-bench")]
struct Cli {
    #[command(flatten)]
    board: Board,
}

/// The scoreboard.
#[derive(Args)]
struct Board {
    /// A git repository to measure instead of the corpus; pushes are made to a clone of it
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// How many people the corpus has
    #[arg(long, value_name = "N", default_value_t = 32_000)]
    people: usize,
    /// Measure each thing a few times only
    #[arg(long)]
    quick: bool,
    /// The groups of rows to measure; all but `million` by default
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = GROUPS)]
    rows: Vec<String>,
    /// Measure one million records too, which takes minutes and 4 GB of memory
    #[arg(long)]
    million: bool,
    /// Write the figures to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match scoreboard(&cli.board) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn scoreboard(options: &Board) -> io::Result<()> {
    let machine = Machine::here();
    let mut source = match &options.repo {
        Some(dir) => Source::repository(dir),
        None => Source::flat(options.people),
    };
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    let chosen = |group: &&str| match options.rows.is_empty() {
        true => *group != "million" || options.million,
        false => {
            options.rows.iter().any(|row| row == group) || *group == "million" && options.million
        }
    };
    let groups: Vec<&str> = GROUPS.into_iter().filter(|group| chosen(&group)).collect();
    let rows = board::run(&mut source, &groups, &effort);
    if let Some(file) = &options.json {
        let run =
            json!({ "machine": machine.json(), "source": source.name(), "rows": row::json(&rows) });
        std::fs::write(file, format!("{run:#}\n"))?;
    }
    let (name, machine, table) = (source.name(), machine.markdown(), row::markdown(&rows));
    write!(io::stdout(), "{machine}- repository: {name}\n\n{table}")
}
