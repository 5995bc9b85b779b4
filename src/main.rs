//! The program: reads the command line, runs the command, exits with its code.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use headwater::config::ProcessEnvironment;
use headwater::{cli, command};
use tikv_jemallocator::Jemalloc;

/// A state is built beside the one that is served, and then one of them goes. The allocator of the
/// system leaves holes behind: three loads of civic-32k in a row leave 126 MB with it and 95 with
/// this one, at the same time on the processor. mimalloc leaves 160. `.cargo/config.toml` says how it
/// is built.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err((told, exit)) => {
            // Nobody may be there to read it, and the code says the rest.
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
