//! The program: reads the command line, runs the command, exits with its code.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use headwater::config::ProcessEnvironment;
use headwater::{cli, command};
use tikv_jemallocator::Jemalloc;

/// A new state is built next to the served one, and then the old one is dropped. The allocator of
/// the system fragments memory: three loads of civic-32k in a row leave 126 MB with it and 95 with
/// this one, in the same processor time. mimalloc leaves 160. `.cargo/config.toml` has its build
/// options.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err((told, exit)) => {
            // Perhaps nobody reads it, but the exit code is enough.
            let _ = told.print();
            return exit.into();
        }
    };
    match command::run(cli, &ProcessEnvironment, &mut stdout()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_silent() {
                let _ = writeln!(stderr(), "headwater: {failure}");
            }
            failure.exit.into()
        }
    }
}
